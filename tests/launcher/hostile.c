// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A Guest that lies to any device in every way that a ring, a configuration and a
 * status allow, for tests/launcher-hostile.t.  The device is number 0 on the bus;
 * KIND says how to use it.
 *
 * SCENARIO hostile-lies: the lies from FIRST on, COUNT of them, on each queue; a
 * line "-- ..." before each and a line "= ok ..." or "= not ok ..." after it, on
 * standard error, where the messages of the Launcher come in between.  hostile-page: the configuration
 * space; hostile-status: the status.
 */
#define SIZE	256			/* the largest queue that there is */
#define GUEST(name)	static void name(void)
GUEST(hostile_lies); GUEST(hostile_page); GUEST(hostile_status);
GUEST(hostile_endures); GUEST(hostile_flights);
#define MORE_SCENARIOS							\
	{ "hostile-lies", hostile_lies }, { "hostile-page", hostile_page }, \
	{ "hostile-status", hostile_status },				\
	{ "hostile-flights", hostile_flights },				\
	{ "hostile-endures", hostile_endures },
#include "fake-module.c"

#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_console.h>
#include <linux/virtio_vsock.h>
#include <sys/stat.h>

#define QUEUES	6			/* of the kinds that we know */
#define EVENTS	(1ull << VIRTIO_RING_F_EVENT_IDX)
#define TABLES	(1ull << VIRTIO_RING_F_INDIRECT_DESC)
#define TABLE	BUFFER(4)
#define PLACE(q, i)	(0x1000000ull + ((q) * 64ull + (i)) * 0x2000)
#define OUR_TABLE(r)	RING((r)->number)

static struct ring q[QUEUES];
static uint64_t agreed;

/* Straight to standard error, among what the Launcher says; the console lies. */
__attribute__((format(printf, 1, 2)))
static void report(const char *format, ...)
{
	char text[200];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (write(2, text, len) < 0)
		abort();
}

/* --- Good drivers --------------------------------------------------------------- */

static const struct kind {
	const char *name;
	unsigned int in;		/* queues that only the device writes to */
	unsigned int blind;		/* ... that it has no reason to look at */
	unsigned int keeps;		/* ... of which it keeps a buffer */
	bool outside;			/* another process serves it */
	/* The bytes of a request that the device reads, at @to; how many. */
	uint32_t (*fill)(unsigned int queue, void *to);
	void (*provoke)(unsigned int queue);
	bool (*works)(void);
} *kind;

/* What is there for the device to read comes first, then room for its answer. */
static bool answers(unsigned int queue)
{
	return !strcmp(kind->name, "disk") || !strcmp(kind->name, "share") ||
	       kind->in & 1u << queue;
}

/* A good chain of descriptors from @at on, with data at @place. */
static uint16_t good(struct ring *r, uint16_t at, uint64_t place)
{
	uint32_t len = kind->in & 1u << r->number ? 0 :
		       kind->fill(r->number, gpa(place));
	uint16_t head = at;

	if (len) {
		describe(r, at, place, len, answers(r->number) ? NEXT : 0,
			 at + 1);
		at++;
	}
	if (!answers(r->number))
		return head;
	if (!strcmp(kind->name, "disk")) {
		describe(r, at, place + 0x1000, 512, IN | NEXT, at + 1);
		describe(r, at + 1, place + 0x1800, 1, IN, 0);
	} else {
		describe(r, at, place + 0x1000, 0x1000, IN, 0);
	}
	return head;
}

/* The doorbell, whatever the device says of it. */
static void kick(struct ring *r) { notify(r->device, r->number); }

static void put(struct ring *r, uint16_t head)
{
	r->avail->ring[r->avail->idx % SIZE] = head;
	__atomic_store_n(&r->avail->idx, r->avail->idx + 1, __ATOMIC_RELEASE);
}

static bool broken(void)
{
	return __atomic_load_n(&device(0)->status, __ATOMIC_RELAXED) &
	       VIRTIO_CONFIG_S_NEEDS_RESET;
}

static bool gone(void) { return kind->outside && !agreed; }

static bool start(uint64_t features)
{
	agreed = features & device(0)->device_features & ~EVENTS;
	if (!negotiate(0, agreed)) {
		agreed = 0;
		return false;
	}
	for (unsigned int i = 0; i < device(0)->num_queues && i < QUEUES; i++)
		set_up(&q[i], 0, i);
	device(0)->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	return true;
}

/* Waits until @r has returned something new, or the device is broken. */
static bool comes_back(struct ring *r, int ms)
{
	for (int i = 0; i < ms && !broken(); i++) {
		if (returned(r)) {
			r->seen = r->used->idx;
			return true;
		}
		halt(r->d->queues[r->number].irq, 1);
	}
	return returned(r) && !broken();
}

/* One good request on queue @n, and its answer. */
static bool request(unsigned int n, uint16_t at)
{
	put(&q[n], good(&q[n], at, PLACE(n, 63)));
	kick(&q[n]);
	return comes_back(&q[n], 10000);
}

static bool first_works(void) { return request(0, 250); }
static bool second_works(void) { return request(1, 250); }

/* On queue 0 comes what was caused on queue 1. */
static bool echo_works(void)
{
	put(&q[0], good(&q[0], 250, PLACE(0, 63)));
	kick(&q[0]);
	return request(1, 250) && comes_back(&q[0], 10000);
}

static void send_one(unsigned int queue) { if (queue == 0) request(1, 240); }
static void nothing(unsigned int queue) { (void)queue; }

static uint32_t fill_nothing(unsigned int queue, void *to)
{
	(void)queue;
	(void)to;
	return 0;
}

static uint32_t fill_console(unsigned int queue, void *to)
{
	if (queue == 3)
		*(struct virtio_console_control *)to =
			(struct virtio_console_control){ 1, 3, 1 };
	else
		memcpy(to, "12345678", 8);
	return 8;
}

/* Messages that let the keys come, and that are answered. */
static void wake_console(unsigned int queue)
{
	struct virtio_console_control *c = gpa(PLACE(3, 62));

	if (queue != 0 && queue != 2)
		return;
	*c = (struct virtio_console_control){ 0,
		queue ? VIRTIO_CONSOLE_DEVICE_READY : VIRTIO_CONSOLE_PORT_OPEN,
		1 };
	describe(&q[3], 240, PLACE(3, 62), 8, 0, 0);
	put(&q[3], 240);
	kick(&q[3]);
	comes_back(&q[3], 5000);
}

static uint32_t fill_balloon(unsigned int queue, void *to)
{
	(void)queue;
	memset(to, 0, 20);
	*(uint32_t *)to = 0x3000000 / 4096;
	return queue == 2 ? 20 : 4;
}

static uint32_t fill_net(unsigned int queue, void *to)
{
	(void)queue;
	memset(to, 0, 12 + 60);
	return 12 + 60;
}

static uint32_t fill_vsock(unsigned int queue, void *to)
{
	(void)queue;
	*(struct virtio_vsock_hdr *)to = (struct virtio_vsock_hdr){
		.src_cid = 3, .dst_cid = 2, .src_port = 1, .dst_port = 77,
		.type = 1, .op = VIRTIO_VSOCK_OP_REQUEST,
	};
	return sizeof(struct virtio_vsock_hdr);
}

static uint32_t fill_disk(unsigned int queue, void *to)
{
	(void)queue;
	*(struct virtio_blk_outhdr *)to =
		(struct virtio_blk_outhdr){ VIRTIO_BLK_T_IN, 0, 1 };
	return sizeof(struct virtio_blk_outhdr);
}

static uint32_t fill_share(unsigned int queue, void *to)
{
	struct {
		struct fuse_in_header h;
		struct fuse_init_in init;
	} *all = to;

	(void)queue;
	memset(all, 0, sizeof(*all));
	all->h = (struct fuse_in_header){
		.len = sizeof(*all), .opcode = FUSE_INIT, .unique = 1,
	};
	all->init.major = 7;
	all->init.minor = 31;
	return sizeof(*all);
}

static bool disk_works(void)
{
	volatile uint8_t *status = gpa(PLACE(0, 63) + 0x1800);

	*status = 0xee;
	if (!first_works())
		return false;
	for (int i = 0; i < 10000 && *status == 0xee; i++)
		halt(0, 1);		/* it was another that came back */
	return *status == 0;
}

static const struct kind kinds[] = {
	{ "console", 1 << 0 | 1 << 2 | 1 << 4, 1 << 4, 0, false, fill_console,
	  wake_console, second_works },
	{ "rng", 1 << 0, 0, 0, false, fill_nothing, nothing, first_works },
	{ "balloon", 1 << 3, 0, 1 << 2, false, fill_balloon, nothing, first_works },
	{ "net", 1 << 0, 0, 0, false, fill_net, send_one, echo_works },
	{ "vsock", 1 << 0 | 1 << 2, 1 << 2, 0, false, fill_vsock, send_one,
	  echo_works },
	{ "disk", 0, 0, 0, false, fill_disk, nothing, disk_works },
	{ "share", 0, 0, 0, true, fill_share, nothing, second_works },
	{ "disk", 0, 0, 0, true, fill_disk, nothing, disk_works },
};

static void know_kind(void)
{
	const char *name = getenv("KIND");

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].name, name) &&
		    kinds[i].outside == !!getenv("OUTSIDE"))
			kind = &kinds[i];
	start(~0ull);
}

/* --- Lies --------------------------------------------------------------------------- */

static struct vring_desc *table(void) { return gpa(TABLE); }

static uint16_t way(const struct ring *r)
{
	return kind->in & 1u << r->number ? IN : 0;
}

static void piece(struct ring *r, uint64_t addr, uint32_t len, uint16_t flags,
		  uint16_t next)
{
	describe(r, 0, addr, len, way(r) | flags, next);
}

/* A table of @n descriptors: each of @len bytes, linked in a row. */
static void row(struct vring_desc *to, unsigned int n, uint16_t flags,
		uint32_t len)
{
	for (unsigned int i = 0; i < n; i++)
		to[i] = (struct vring_desc){ PLACE(0, 0) + i * len, len,
			(uint16_t)(flags | (i < n - 1 ? NEXT : 0)),
			(uint16_t)(i + 1) };
}

static void indirect(struct ring *r, uint64_t addr, uint32_t len, uint16_t flags)
{
	describe(r, 0, addr, len, INDIRECT | flags, 1);
}

#define LIE(name)	static void name(struct ring *r)

LIE(self_loop) { piece(r, PLACE(0, 0), 4, NEXT, 0); }
LIE(pair_loop)
{
	piece(r, PLACE(0, 0), 4, NEXT, 1);
	describe(r, 1, PLACE(0, 0), 4, way(r) | NEXT, 0);
}
LIE(ring_loop)
{
	row(r->desc, SIZE, way(r), 4);
	r->desc[SIZE - 1].flags |= NEXT;
	r->desc[SIZE - 1].next = 0;
}
LIE(table_loop)
{
	row(table(), SIZE, way(r), 4);
	table()[SIZE - 1].flags |= NEXT;
	table()[SIZE - 1].next = 0;
	indirect(r, TABLE, SIZE * 16, 0);
}
LIE(own_loop) { indirect(r, OUR_TABLE(r), SIZE * 16, 0); }
LIE(link_beyond) { piece(r, PLACE(0, 0), 4, NEXT, SIZE); }
LIE(link_far) { piece(r, PLACE(0, 0), 4, NEXT, 65535); }
LIE(large_loop) { r->d->queues[r->number].size = 32768; ring_loop(r); }
LIE(large_table) { indirect(r, TABLE, 32768 * 16, 0); row(table(), 4096, way(r), 4); }

LIE(jumps) { good(r, 0, PLACE(0, 0)); r->avail->idx = SIZE; }
LIE(goes_back)
{
	if (!kind->works())
		report("= not ok: it has never worked\n");
	r->avail->idx -= 3;
}
LIE(jumps_far) { good(r, 0, PLACE(0, 0)); r->avail->idx = 0x7fff; }
LIE(jumps_often)
{
	good(r, 0, PLACE(0, 0));
	for (int i = 0; i < 1000; i++) {
		r->avail->idx += i * 7919;
		kick(r);
	}
	r->avail->idx = r->used->idx + 0x8000;
}
LIE(head_beyond) { r->avail->ring[0] = SIZE; }
LIE(head_far) { r->avail->ring[0] = 65535; }
LIE(one_head)
{
	uint16_t head = good(r, 0, PLACE(r->number, 0));

	for (int i = 0; i < SIZE; i++)
		r->avail->ring[i] = head;
	r->avail->idx = SIZE - 1;
}

LIE(outside) { piece(r, ram(), 4, 0, 0); }
LIE(across) { piece(r, ram() - 1, 2, 0, 0); }
LIE(at_the_end) { piece(r, ~0ull, 2, 0, 0); }
LIE(wraps) { piece(r, -4096ull, 8192, 0, 0); }
LIE(negative) { piece(r, 1ull << 63, 4, 0, 0); }
LIE(huge) { piece(r, 0x1000, ~0u, 0, 0); }
LIE(second_outside)
{
	piece(r, PLACE(0, 0), 4, NEXT, 1);
	describe(r, 1, ram(), 4, way(r), 0);
}
LIE(empty_outside) { piece(r, ~0ull, 0, 0, 0); }
LIE(empty) { piece(r, PLACE(0, 0), 0, 0, 0); }
LIE(empty_end) { piece(r, ram(), 0, 0, 0); }

LIE(odd_table) { indirect(r, TABLE, 17, 0); }
LIE(no_table) { indirect(r, TABLE, 0, 0); }
LIE(long_table) { indirect(r, TABLE, 257 * 16, 0); row(table(), 257, way(r), 1); }
LIE(endless_table) { indirect(r, TABLE, 0xfffffff0, 0); }
LIE(table_outside) { indirect(r, ram(), 16, 0); }
LIE(table_across) { indirect(r, ram() - 16, 32, 0); }
LIE(table_at_end) { indirect(r, -16ull, 32, 0); }
LIE(table_next)
{
	indirect(r, TABLE, 16, NEXT);
	row(table(), 1, way(r), 4);
	describe(r, 1, PLACE(0, 0), 4, way(r), 0);
}
LIE(nested)
{
	indirect(r, TABLE, 16, 0);
	table()[0] = (struct vring_desc){ TABLE + 64, 16, INDIRECT, 0 };
	row(table() + 4, 1, way(r), 4);
}
LIE(not_agreed)
{
	unsigned int n = r->number;

	start(~TABLES);
	indirect(&q[n], TABLE, 16, 0);
	row(table(), 1, way(r), 4);
}
LIE(table_beyond)
{
	indirect(r, TABLE, 32, 0);
	row(table(), 2, way(r), 4);
	table()[1].flags |= NEXT;
	table()[1].next = 2;
}
LIE(table_write)
{
	indirect(r, TABLE, 16, IN);
	row(table(), 1, way(r), 4);
}
LIE(table_later)
{
	piece(r, PLACE(0, 0), 1, NEXT, 1);
	describe(r, 1, TABLE + 8, 16, INDIRECT, 0);
	row((void *)((char *)table() + 8), 1, way(r), 4);
}

LIE(backwards)
{
	describe(r, 0, PLACE(0, 0), 16, IN | NEXT, 1);
	describe(r, 1, PLACE(0, 0), 16, 0, 0);
}
LIE(only_read) { describe(r, 0, PLACE(0, 0), 64, 0, 0); }
LIE(only_written) { describe(r, 0, PLACE(0, 0), 64, IN, 0); }
LIE(all_empty) { row(r->desc, SIZE, way(r), 0); }
LIE(in_bytes)
{
	unsigned int n = 0;

	/* what a good request says, byte by byte, in a table */
	for (uint16_t i = good(r, 0, PLACE(r->number, 0));; i++) {
		struct vring_desc d = r->desc[i];

		for (uint32_t k = 0; k < d.len && n < SIZE; k++, n++)
			table()[n] = (struct vring_desc){ d.addr + k, 1,
				(d.flags & IN) | NEXT, (uint16_t)(n + 1) };
		if (!(d.flags & NEXT))
			break;
	}
	table()[n - 1].flags &= ~NEXT;
	indirect(r, TABLE, n * 16, 0);
}

#define QUEUE	r->d->queues[r->number]
LIE(size_0) { QUEUE.size = 0; }
LIE(size_3) { QUEUE.size = 3; }
LIE(size_512) { QUEUE.size = 512; }
LIE(size_65535) { QUEUE.size = 65535; }
LIE(not_ready) { QUEUE.ready = 0; }
LIE(ready_2) { QUEUE.ready = 2; }
LIE(odd_desc) { QUEUE.desc += 8; }
LIE(odd_driver) { QUEUE.driver += 1; }
LIE(odd_device) { QUEUE.device += 2; }
LIE(desc_outside) { QUEUE.desc = ram(); }
LIE(desc_across) { QUEUE.desc = ram() - 16; }
LIE(driver_outside) { QUEUE.driver = ram() - 2; }
LIE(driver_wraps) { QUEUE.driver = ~0ull - 1; }
LIE(device_outside) { QUEUE.device = ram() - 8; }
LIE(device_page) { QUEUE.device = ram() + 4096; }
LIE(all_overlap) { QUEUE.desc = QUEUE.driver = QUEUE.device; }
LIE(two_overlap) { QUEUE.device = QUEUE.driver; good(r, 0, PLACE(0, 0)); }
LIE(changes)
{
	put(r, good(r, 0, PLACE(r->number, 0)));
	kick(r);
	comes_back(r, way(r) ? 1 : 200);
	if (!kind->works())
		report("= not ok: it has never worked\n");
	for (unsigned int i = 0; i < device(0)->num_queues; i++)
		device(0)->queues[i] = (struct lguest_queue){
			.size = 3, .ready = 0, .desc = ~0ull, .driver = 1,
			.device = ram(),
		};
	put(r, good(r, 6, PLACE(r->number, 1)));
}

/* Data that lies where the device reads or writes for other reasons. */
static void over(struct ring *r, uint64_t place)
{
	uint16_t head = good(r, 0, PLACE(r->number, 0));

	for (uint16_t i = head; r->desc[i].flags & NEXT; i++)
		if (r->desc[i + 1].len > 1)
			r->desc[i + 1].addr = place;
	if (kind->in & 1u << r->number || !answers(r->number))
		r->desc[head].addr = place;
}
LIE(over_desc) { over(r, RING(r->number)); }
LIE(over_avail) { over(r, RING(r->number) + 0x1000); }
LIE(over_used) { over(r, RING(r->number) + 0x2000); }
LIE(over_tables) { over(r, state.cr3); }
LIE(over_params) { over(r, state.rsi); }
LIE(over_itself)
{
	uint16_t head = good(r, 0, PLACE(r->number, 0));

	for (uint16_t i = head + 1; i < 4; i++)
		r->desc[i].addr = r->desc[head].addr;
}
LIE(over_page) { over(r, ram()); }

enum outcome {
	BREAKS,			/* if the device looks at it */
	REFUSED,		/* ... wherever it is served: the place is wrong */
	RETURNS,		/* from a queue that the device reads */
	ANY,
	WORKS,			/* as if nothing had happened */
};

static const struct lie {
	const char *number, *name;
	void (*tell)(struct ring *r);
	enum outcome outcome;
} all_lies[] = {
	{ "D01", "self loop", self_loop, BREAKS },
	{ "D01", "pair loop", pair_loop, BREAKS },
	{ "D01", "loop of the whole ring", ring_loop, BREAKS },
	{ "D01", "loop of a whole table", table_loop, BREAKS },
	{ "D01", "loop of the own table", own_loop, BREAKS },
	{ "D01", "link beyond", link_beyond, BREAKS },
	{ "D01", "link far beyond", link_far, BREAKS },
	{ "D01", "loop of 32768", large_loop, REFUSED },
	{ "D01", "table of 32768", large_table, BREAKS },
	{ "D02", "counter jumps", jumps, BREAKS },
	{ "D02", "counter goes back", goes_back, BREAKS },
	{ "D02", "counter jumps far", jumps_far, BREAKS },
	{ "D02", "counter jumps each time", jumps_often, BREAKS },
	{ "D02", "head beyond", head_beyond, BREAKS },
	{ "D02", "head far beyond", head_far, BREAKS },
	{ "D02", "one head 256 times", one_head, ANY },
	{ "D03", "outside", outside, BREAKS },
	{ "D03", "across the end", across, BREAKS },
	{ "D03", "at 2^64-1", at_the_end, BREAKS },
	{ "D03", "wraps", wraps, BREAKS },
	{ "D03", "at 2^63", negative, BREAKS },
	{ "D03", "0xffffffff bytes", huge, BREAKS },
	{ "D03", "second outside", second_outside, BREAKS },
	{ "D03", "empty at 2^64-1", empty_outside, BREAKS },
	{ "D03", "empty", empty, ANY },
	{ "D03", "empty at the end", empty_end, ANY },
	{ "D04", "odd table", odd_table, BREAKS },
	{ "D04", "empty table", no_table, BREAKS },
	{ "D04", "long table", long_table, BREAKS },
	{ "D04", "endless table", endless_table, BREAKS },
	{ "D04", "table outside", table_outside, BREAKS },
	{ "D04", "table across the end", table_across, BREAKS },
	{ "D04", "table at 2^64-16", table_at_end, BREAKS },
	{ "D04", "table with next", table_next, BREAKS },
	{ "D04", "nested table", nested, BREAKS },
	{ "D04", "table that was not agreed", not_agreed, BREAKS },
	{ "D04", "link beyond its table", table_beyond, BREAKS },
	{ "D04", "table to write to", table_write, ANY },
	{ "D04", "table at the end of a chain", table_later, ANY },
	{ "D05", "written before read", backwards, BREAKS },
	{ "D05", "only to be read", only_read, ANY },
	{ "D05", "only to be written", only_written, ANY },
	{ "D05", "256 empty pieces", all_empty, ANY },
	{ "D05", "pieces of one byte", in_bytes, RETURNS },
	{ "D06", "size 0", size_0, REFUSED },
	{ "D06", "size 3", size_3, REFUSED },
	{ "D06", "size 512", size_512, REFUSED },
	{ "D06", "size 65535", size_65535, REFUSED },
	{ "D06", "not ready", not_ready, REFUSED },
	{ "D06", "ready 2", ready_2, REFUSED },
	{ "D06", "odd descriptors", odd_desc, REFUSED },
	{ "D06", "odd available ring", odd_driver, REFUSED },
	{ "D06", "odd used ring", odd_device, REFUSED },
	{ "D06", "descriptors outside", desc_outside, REFUSED },
	{ "D06", "descriptors across the end", desc_across, REFUSED },
	{ "D06", "available ring outside", driver_outside, REFUSED },
	{ "D06", "available ring wraps", driver_wraps, REFUSED },
	{ "D06", "used ring outside", device_outside, REFUSED },
	{ "D06", "used ring in a device page", device_page, REFUSED },
	{ "D06", "all three overlap", all_overlap, ANY },
	{ "D06", "rings overlap", two_overlap, ANY },
	{ "D06", "all changes when it runs", changes, WORKS },
	{ "D07", "data over descriptors", over_desc, ANY },
	{ "D07", "data over the available ring", over_avail, ANY },
	{ "D07", "data over the used ring", over_used, ANY },
	{ "D07", "data over page tables", over_tables, ANY },
	{ "D07", "data over boot parameters", over_params, ANY },
	{ "D07", "data over itself", over_itself, ANY },
	{ "D07", "data over the device page", over_page, BREAKS },
};
#define LIES	(sizeof(all_lies) / sizeof(*all_lies))

static bool told(void)
{
	struct lguest_device *d = device(0);

	for (int i = 0; i < 10000 && !broken(); i++)
		halt(0, 1);
	return broken() && halt(d->config_irq, 5000);
}

/* Whether the outcome was the right one. */
static bool comes_out(const struct lie *lie, struct ring *r, uint16_t before)
{
	bool seen = !kind->outside && !(kind->blind & 1u << r->number);

	if (lie->outcome == REFUSED || (lie->outcome == BREAKS && seen))
		return told();
	if (lie->outcome == WORKS)
		return kind->works();
	if (lie->outcome == RETURNS && seen &&
	    !((kind->in | kind->keeps) & 1u << r->number))
		return comes_back(r, 10000);
	for (int i = 0; i < (kind->outside ? 100 : 20) && !broken() &&
	     r->used->idx == before; i++)
		halt(0, 1);
	return true;
}

static bool tell_lie(const struct lie *lie, unsigned int number)
{
	struct ring *r = &q[number];
	uint16_t before;
	bool good_end;

	while (halt(device(0)->config_irq, 0))
		;
	lie->tell(r);
	before = r->used->idx;
	if (lie->outcome != WORKS)
		r->avail->idx++;
	kick(r);
	if (!broken() && lie->outcome != WORKS)
		kind->provoke(number);
	good_end = comes_out(lie, r, before);
	/* (Or the reset would wait for what is under way.) */
	for (unsigned int i = 0; i < QUEUES && kind->outside; i++)
		if (q[i].avail)
			q[i].avail->idx = q[i].used->idx;
	if (!start(~0ull))
		return kind->outside && good_end;
	return good_end && kind->works() && start(~0ull);
}

static unsigned int env(const char *name)
{
	return atoi(getenv(name) ?: "0");
}

static void hostile_lies(void)
{
	unsigned int all, first = env("FIRST");

	know_kind();
	all = device(0)->num_queues * LIES;
	for (unsigned int i = first; i < all; i++) {
		const struct lie *lie = &all_lies[i % LIES];
		unsigned int number = i / LIES;

		if (i == first + env("COUNT") || gone()) {
			report("= next %u\n", i);
			return;
		}
		report("-- %s queue %u, %s\n", lie->number, number, lie->name);
		report("= %s %s queue %u, %s%s\n",
		      tell_lie(lie, number) ? "ok" : "not ok", lie->number,
		      number, lie->name, gone() ? " (its server ends)" : "");
	}
	report("= end\n");
}

/* --- What a Launcher has -------------------------------------------------------------- */

static int status_fd = -1;

__attribute__((constructor)) static void open_status(void)
{
	status_fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
}

/* Open files, KB of its own memory, threads. */
struct means { int files, memory, threads; };

static struct means count_means(void)
{
	struct means m = { 0 };
	char text[8192], *at;
	struct stat st;
	ssize_t len;

	for (int fd = 0; fd < 1024; fd++)
		m.files += fstat(fd, &st) == 0;
	lseek(status_fd, 0, SEEK_SET);
	len = read(status_fd, text, sizeof(text) - 1);
	text[len > 0 ? len : 0] = 0;
	if ((at = strstr(text, "RssAnon:")))
		m.memory = atoi(at + 8);
	if ((at = strstr(text, "Threads:")))
		m.threads = atoi(at + 8);
	return m;
}

/* All lies again and again; nothing may grow. */
static void hostile_endures(void)
{
	struct means before = { 0 }, after = { 0 };
	unsigned int rounds = env("ROUNDS"), n = 0;

	know_kind();
	for (unsigned int i = 0; i < rounds; i++) {
		for (unsigned int k = 0; k < device(0)->num_queues * LIES; k++) {
			const struct lie *lie = &all_lies[k % LIES];

			if (kind->outside && lie->outcome != REFUSED)
				continue;
			if (!tell_lie(lie, k / LIES))
				report("= not ok %s queue %zu, %s\n", lie->number,
				      k / LIES, lie->name);
			n++;
		}
		device(0)->status = 0;
		notify(0, LGUEST_NOTIFY_CONFIG);
		after = count_means();
		if (!i)
			before = after;
		start(~0ull);
	}
	report("= %u lies, files %d to %d, threads %d to %d, KB %d to %d\n", n,
	      before.files, after.files, before.threads, after.threads,
	      before.memory, after.memory);
}

/* --- The page -------------------------------------------------------------------------- */

static void ring_all(void)
{
	static const uint32_t odd[] = { 0, 1, 2, 31, 32, 63, 64, 255, 0x7fffffff,
		0x80000000, 0xfffffffe, 0xffffffff };

	for (int i = 0; i < 12; i++)
		for (int k = 0; k < 12; k++)
			notify(odd[i], odd[k]);
}

/* Accesses of all widths everywhere, on the page and on those behind it. */
static void hostile_page(void)
{
	static uint8_t fresh[4096];
	uint8_t *page = (uint8_t *)device(0);
	unsigned int n = 0;
	uint64_t sum = 0;

	know_kind();
	device(0)->status = 0;
	notify(0, LGUEST_NOTIFY_CONFIG);
	memcpy(fresh, page, 4096);
	for (unsigned int width = 1; width <= 8; width *= 2)
		for (int pass = 0; pass < 3; pass++) {
			for (unsigned int at = 0; at < 32 * 4096 - width; at++) {
				uint64_t v = pass == 0 ? 0 : pass == 1 ? ~0ull :
					     dice(~0u) * 0x100000001ull;

				if (at >= 4096 && at % 4096 > 600)
					continue;
				memcpy(&v, page + at, pass == 2 ? width : 0);
				sum += v;
				memcpy(page + at, &v, width);
				n++;
				if (at % 8 == 0 && at < 640 && !gone())
					notify(0, at % 16 ? 0 :
					       LGUEST_NOTIFY_CONFIG);
			}
			ring_all();
		}
	device(0)->status = 0;
	notify(0, LGUEST_NOTIFY_CONFIG);
	report("= %u accesses (%d)\n", n, sum == 1);
	report("= %s\n", memcmp(fresh, page, 4096) ? "not as before" :
	      "as on the first day");
	report("= %s\n", start(~0ull) && kind->works() ? "works" : "does not work");
}

/* --- The status ------------------------------------------------------------------------- */

static bool decide(uint64_t features)
{
	device(0)->driver_features = features;
	device(0)->status |= VIRTIO_CONFIG_S_FEATURES_OK;
	notify(0, LGUEST_NOTIFY_CONFIG);
	return device(0)->status & VIRTIO_CONFIG_S_FEATURES_OK;
}

static void hostile_status(void)
{
	uint64_t offered;

	know_kind();
	offered = device(0)->device_features & ~EVENTS;
	for (int i = 0; i < 64; i++)
		if (!(device(0)->device_features & 1ull << i) &&
		    negotiate(0, offered | 1ull << i))
			report("= feature %d was never offered\n", i);
	if (negotiate(0, offered & ~(1ull << VIRTIO_F_VERSION_1)))
		report("= an old driver is welcome\n");
	report("= unknown bits\n");

	start(~0ull);
	device(0)->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	notify(0, LGUEST_NOTIFY_CONFIG);
	notify(0, LGUEST_NOTIFY_CONFIG);
	report("= DRIVER_OK twice: %d\n", kind->works());
	report("= FEATURES_OK twice: %d\n", decide(agreed) && kind->works());
	decide(agreed ^ TABLES);
	report("= other features: %d\n", told());
	/* The driver's zero, and then the news that came at the same time. */
	device(0)->status = VIRTIO_CONFIG_S_NEEDS_RESET;
	notify(0, LGUEST_NOTIFY_CONFIG);
	report("= reset: %d\n", device(0)->status == 0);
	report("= works: %d\n", start(~0ull) && kind->works());
	device(0)->status = VIRTIO_CONFIG_S_FAILED;
	notify(0, LGUEST_NOTIFY_CONFIG);
	report("= failed: %d\n", start(~0ull) && kind->works());

	for (int i = 0; i < (kind->outside ? 200 : 3000); i++) {
		device(0)->status = dice(3) ? dice(256) : dice(~0u);
		if (!dice(4))
			device(0)->driver_features = dice(2) ? offered : dice(~0u);
		notify(0, dice(2) ? LGUEST_NOTIFY_CONFIG : dice(7));
		if (!dice(10))
			start(~0ull);
		if (!dice(10) && !kind->outside)
			put(&q[0], good(&q[0], 0, PLACE(0, 0)));
	}
	report("= random orders: %d\n", start(~0ull) && kind->works());
	for (int i = 0; i < 200; i++)
		start(~0ull);
	report("= 200 resets: %d\n", kind->works());
}

/* Resets with 32 requests on their way; then nobody writes any more. */
static void hostile_flights(void)
{
	unsigned int touched = 0, rounds = env("ROUNDS"), queues;
	uint8_t *data = gpa(PLACE(0, 0)), *rings = gpa(RING(0));
	size_t len = PLACE(QUEUES, 0) - PLACE(0, 0);

	know_kind();
	queues = device(0)->num_queues;
	for (unsigned int k = 0; k < rounds; k++) {
		for (unsigned int n = 0; n < queues; n++) {
			for (unsigned int i = 0; i < 32; i++)
				put(&q[n], good(&q[n], i * 3, PLACE(n, i)));
			kick(&q[n]);
		}
		if (k % 2)
			kind->provoke(0);
		device(0)->status = 0;
		notify(0, LGUEST_NOTIFY_CONFIG);
		memset(data, 0x5a, len);
		memset(rings, 0x5a, RING(QUEUES) - RING(0));
		halt(0, 100);
		for (size_t i = 0; i < len; i++)
			touched += data[i] != 0x5a;
		for (size_t i = 0; i < RING(QUEUES) - RING(0); i++)
			touched += rings[i] != 0x5a;
		start(~0ull);
	}
	report("= %u resets with %u requests on their way, %u bytes touched, %s\n",
	      rounds, queues * 32, touched, kind->works() ? "works" :
	      "does not work");
}
