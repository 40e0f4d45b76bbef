// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A Guest that uses the disk, for tests/launcher-disk.t.  The disk is the first
 * device on the bus.  SCRIPT says what it does: words like "write 8 2 aa", with
 * semicolons between them; see the table at the end.  It prints what came of it.
 *
 * The same library counts and spoils what the Launcher asks of the kernel, with
 * system calls or through io_uring.
 */
#define SIZE	256
static void disk_script(void);
#define MORE_SCENARIOS	{ "disk", disk_script },
#include "fake-module.c"

#include <fcntl.h>
#include <liburing.h>
#include <linux/virtio_blk.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#define F(name)		(1ull << VIRTIO_BLK_F_##name)
#define HEADER		0x500000ull
#define STATUS		0x501000ull
#define TABLE		0x502000ull
#define DATA		0x600000ull

/* --- What the Launcher asks of the kernel ------------------------------------- */

static atomic_int syncs, fail_syncs, directs, begun, pieces, slow, interrupted;

static bool spoil_sync(void)
{
	atomic_fetch_add(&syncs, 1);
	if (atomic_load(&fail_syncs) <= 0)
		return false;
	atomic_fetch_sub(&fail_syncs, 1);
	return true;
}

/* Which files are open with O_DIRECT: in its cage the Launcher may not ask. */
static bool is_direct[1024];

int open(const char *path, int flags, ...)
{
	va_list args;
	int fd;

	va_start(args, flags);
	fd = syscall(SYS_openat, AT_FDCWD, path, flags, va_arg(args, int));
	va_end(args);
	if (fd >= 0 && fd < 1024)
		is_direct[fd] = flags & O_DIRECT;
	return fd;
}

static void count_direct(int fd)
{
	if (is_direct[fd])
		atomic_fetch_add(&directs, 1);
}

static void wait_if_slow(void)
{
	struct timespec t = { 0, 300000000 };

	if (atomic_load(&slow))
		nanosleep(&t, NULL);
}

int fdatasync(int fd)
{
	int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");

	return spoil_sync() ? fail(EIO) : real(fd);
}

/* In pieces: an odd number of bytes of the first buffer, and now and then none. */
static ssize_t in_pieces(ssize_t (*real)(int, const struct iovec *, int, off_t),
			 int fd, const struct iovec *iov, int count, off_t at)
{
	struct iovec piece = iov[0];

	count_direct(fd);
	atomic_fetch_add(&begun, 1);
	wait_if_slow();
	if (!atomic_load(&pieces) || piece.iov_len == 0)
		return real(fd, iov, count, at);
	if (atomic_fetch_add(&interrupted, 1) % 3 == 0)
		return fail(EINTR);
	if (piece.iov_len > 333)
		piece.iov_len = 333;
	return real(fd, &piece, 1, at);
}

ssize_t preadv(int fd, const struct iovec *iov, int count, off_t at)
{
	return in_pieces(dlsym(RTLD_NEXT, "preadv"), fd, iov, count, at);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
	return in_pieces(dlsym(RTLD_NEXT, "pwritev"), fd, iov, count, at);
}

int io_uring_submit(struct io_uring *ring)
{
	int (*real)(struct io_uring *) = dlsym(RTLD_NEXT, "io_uring_submit");
	unsigned int mask = *ring->sq.kring_mask;

	for (unsigned int i = ring->sq.sqe_head; i != ring->sq.sqe_tail; i++) {
		struct io_uring_sqe *sqe = &ring->sq.sqes[i & mask];

		count_direct(sqe->fd);
		if (sqe->opcode == IORING_OP_FSYNC) {
			if (spoil_sync())
				sqe->fd = -1;
		} else if (atomic_load(&pieces) && sqe->len > 1 &&
			   sqe->opcode != IORING_OP_FALLOCATE) {
			sqe->len = 1;
		}
		if (atomic_load(&slow))		/* not at once, at least */
			sqe->flags |= IOSQE_ASYNC;
	}
	atomic_fetch_add(&begun, io_uring_sq_ready(ring));
	return real(ring);
}

int io_uring_queue_init(unsigned int entries, struct io_uring *ring,
			unsigned int flags)
{
	int (*real)(unsigned int, struct io_uring *, unsigned int) =
		dlsym(RTLD_NEXT, "io_uring_queue_init");

	return getenv("NO_URING") ? -EPERM : real(entries, ring, flags);
}

/* File systems that know less than others: NO_HOLES, NO_ZERO_RANGE */
int fallocate(int fd, int mode, off_t at, off_t len)
{
	int (*real)(int, int, off_t, off_t) = dlsym(RTLD_NEXT, "fallocate");

	if (mode & FALLOC_FL_PUNCH_HOLE ? !!getenv("NO_HOLES") :
					  !!getenv("NO_ZERO_RANGE"))
		return fail(EOPNOTSUPP);
	return real(fd, mode, at, len);
}

/* --- The driver ------------------------------------------------------------------ */

static struct ring queues[2];
static uint32_t used_len;
static int shape;

static struct virtio_blk_config *config(void)
{
	return (void *)device(0)->config;
}

static void start_disk(uint64_t features)
{
	if (!negotiate(0, usual | (features & device(0)->device_features)))
		print("features refused\n");
	for (unsigned int i = 0; i < device(0)->num_queues && i < 2; i++)
		set_up(&queues[i], 0, i);
	device(0)->status |= VIRTIO_CONFIG_S_DRIVER_OK;
}

static void put_header(uint64_t at, uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr header = { type, 0, sector };

	memcpy(gpa(at), &header, sizeof(header));
}

static int answer_of(struct ring *r, int ms)
{
	int len = wait_used(r, ms);

	used_len = len;
	return len < 0 ? -1 : *(uint8_t *)gpa(STATUS);
}

/* The pieces of a chain, linked one after the other. */
static struct vring_desc *table;
static unsigned int links;

static void link_up(uint64_t addr, uint32_t len, uint16_t flags)
{
	if (links)
		table[links - 1].flags |= NEXT;
	table[links] = (struct vring_desc){ addr, len, flags, links + 1 };
	links++;
}

/*
 * Shapes: 0 plain, 1 everything in small pieces, 2 in a table, 3 the same in
 * few pieces: the header and what follows it are one, the status with the data.
 */
static int ask(uint32_t type, uint64_t sector, uint32_t len, uint16_t in)
{
	struct ring *r = &queues[0];
	unsigned int cut = shape == 1 ? 1 : 0;

	links = 0;
	table = shape == 2 ? gpa(TABLE) : r->desc;
	*(uint8_t *)gpa(STATUS) = 0xee;
	put_header(shape == 3 && !in ? DATA - 16 : HEADER, type, sector);
	if (shape == 3) {
		*(uint8_t *)gpa(DATA + len) = 0xee;
		link_up(in ? HEADER : DATA - 16, in ? 16 : 16 + len, 0);
		link_up(in ? DATA : STATUS, in ? len + 1 : 1, IN);
	} else {
		for (unsigned int i = 0; i < (cut ? 16 : 1); i++)
			link_up(HEADER + i, cut ? 1 : 16, 0);
		for (unsigned int i = 0; cut && i < 7 && i < len; i++)
			link_up(DATA + i, 1, in);
		if (len >= (cut ? 7 : 1))
			link_up(DATA + (cut ? 7 : 0), len - (cut ? 7 : 0), in);
		link_up(STATUS, 1, IN);
	}
	if (shape == 2)
		describe(r, 0, TABLE, links * 16, INDIRECT, 0);
	offer(r, 0);
	if (wait_used(r, 20000) < 0)
		return -1;
	used_len = r->used->ring[(r->seen - 1) % SIZE].len;
	return *(uint8_t *)gpa(shape == 3 && in ? DATA + len : STATUS);
}

static void tell_bytes(const char *what, int status, uint32_t len)
{
	const uint8_t *data = gpa(DATA);
	uint32_t same = 0;

	while (same < len && data[same] == data[0])
		same++;
	if (same == len)
		print("%s %d %02x\n", what, status, data[0]);
	else
		print("%s %d mixed at %u\n", what, status, same);
}

/* --- What a script can say ---------------------------------------------------------- */

static void do_write(unsigned long long *a)
{
	memset(gpa(DATA), (int)a[2], a[1] * 512);
	print("write %d\n", ask(VIRTIO_BLK_T_OUT, a[0], a[1] * 512, 0));
}

static void do_read(unsigned long long *a)
{
	memset(gpa(DATA), 0xdd, a[1] * 512);
	tell_bytes("read", ask(VIRTIO_BLK_T_IN, a[0], a[1] * 512, IN), a[1] * 512);
	if (used_len != a[1] * 512 + 1 && used_len != 1)
		print("used %u\n", used_len);
}

static void do_flush(unsigned long long *a)
{
	(void)a;
	print("flush %d\n", ask(VIRTIO_BLK_T_FLUSH, 0, 0, 0));
}

/* type, sector, bytes of data, 1: the device writes them */
static void do_any(unsigned long long *a)
{
	memset(gpa(DATA), 0xdd, a[2]);
	print("any %d\n", ask(a[0], a[1], a[2], a[3] ? IN : 0));
}

/* type, number of ranges, first sector, sectors of each, flags */
static void do_ranges(unsigned long long *a)
{
	struct virtio_blk_discard_write_zeroes *list = gpa(DATA);

	for (unsigned int i = 0; i < a[1]; i++)
		list[i] = (struct virtio_blk_discard_write_zeroes){
			a[2] + i * a[3], a[3], a[4] };
	print("ranges %d\n", ask(a[0], 0, a[1] * sizeof(*list), 0));
}

/* The same, each a sector after the one before. */
static void do_overlaps(unsigned long long *a)
{
	struct virtio_blk_discard_write_zeroes *list = gpa(DATA);

	for (unsigned int i = 0; i < a[1]; i++)
		list[i] = (struct virtio_blk_discard_write_zeroes){
			a[2] + i, a[3], a[4] };
	print("ranges %d\n", ask(a[0], 0, a[1] * sizeof(*list), 0));
}

static void do_name(unsigned long long *a)
{
	memset(gpa(DATA), 'x', 64);
	((char *)gpa(DATA))[64] = 0;
	print("name %d ", ask(VIRTIO_BLK_T_GET_ID, 0, a[0], IN));
	for (int i = 0; i < 24; i++)
		if (((char *)gpa(DATA))[i] == 0)
			((char *)gpa(DATA))[i] = '.';
	print("%.24s %u\n", (char *)gpa(DATA), used_len);
}

static void do_wce(unsigned long long *a) { config()->wce = a[0]; }
static void do_shape(unsigned long long *a) { shape = a[0]; }
static void do_fail(unsigned long long *a) { fail_syncs = a[0]; }
static void do_pieces(unsigned long long *a) { pieces = a[0]; }
static void do_slow(unsigned long long *a) { slow = a[0]; }
static void do_start(unsigned long long *a) { start_disk(a[0]); }

static void do_syncs(unsigned long long *a)
{
	(void)a;
	print("syncs %d\n", atomic_exchange(&syncs, 0));
}

/* Somebody truncates IMAGE to 8 sectors. */
static void do_shorten(unsigned long long *a)
{
	(void)a;
	if (truncate(getenv("IMAGE"), 4096) < 0)
		print("cannot shorten\n");
}

static void do_directs(unsigned long long *a)
{
	(void)a;
	print("direct %d\n", atomic_exchange(&directs, 0));
}

static void do_look(unsigned long long *a)
{
	(void)a;
	print("capacity %llu queues %u,%u wce %u features %llx\n",
	      config()->capacity, device(0)->num_queues, config()->num_queues,
	      config()->wce, device(0)->device_features & 0xffff);
}

/* Chains that make no sense: breaks or not, is well after a reset. */
static void do_chain(unsigned long long *a)
{
	struct ring *r = &queues[0];
	int status;

	links = 0;
	table = r->desc;
	put_header(HEADER, VIRTIO_BLK_T_OUT, 0);
	*(uint8_t *)gpa(STATUS) = 0xee;
	switch (a[0]) {
	case 0:				/* nowhere to put a status */
		link_up(HEADER, 16, 0);
		link_up(DATA, 512, 0);
		break;
	case 1:				/* half a header */
		link_up(HEADER, 8, 0);
		link_up(STATUS, 1, IN);
		break;
	case 2:				/* no header */
		link_up(STATUS, 1, IN);
		break;
	case 3:				/* a status of no bytes */
		link_up(HEADER, 16, 0);
		link_up(STATUS, 0, IN);
		break;
	case 4:				/* 8 GB to write */
		table = gpa(TABLE);
		link_up(HEADER, 16, 0);
		for (int i = 0; i < 250; i++)
			link_up(DATA, 0x2200000, 0);
		link_up(STATUS, 1, IN);
		break;
	case 5:				/* almost 4 GB for a name ... */
	case 7:				/* ... and more */
		table = gpa(TABLE);
		put_header(HEADER, VIRTIO_BLK_T_GET_ID, 0);
		link_up(HEADER, 16, 0);
		for (int i = 0; i < (a[0] == 5 ? 120 : 130); i++)
			link_up(DATA, 0x2200000, IN);
		link_up(STATUS, 1, IN);
		break;
	case 6:				/* data that is the ring itself */
		put_header(HEADER, VIRTIO_BLK_T_IN, 0);
		link_up(HEADER, 16, 0);
		link_up(RING(0), 0x3000, IN);
		link_up(STATUS, 1, IN);
		break;
	}
	if (table == gpa(TABLE))
		describe(r, 0, TABLE, links * 16, INDIRECT, 0);
	offer(r, 0);
	status = a[0] == 6 ? 0 : answer_of(r, 500);
	if (a[0] == 6)
		halt(r->d->queues[0].irq, 300);
	if (device(0)->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		print("broken\n");
	else if (a[0] != 6)
		print("chain %d\n", status);
}

/*
 * @count requests of so many sectors, each with a buffer of its own; the Launcher
 * is told of them when all are there.
 */
static void offer_many(uint32_t type, unsigned int count, unsigned int sectors)
{
	for (unsigned int i = 0; i < count; i++) {
		struct ring *r = &queues[i % device(0)->num_queues % 2];
		unsigned int at = i * 3 % (SIZE - 1);

		put_header(HEADER + i * 16, type, i * sectors);
		*(uint8_t *)gpa(STATUS + i) = 0xee;
		describe(r, at, HEADER + i * 16, 16, NEXT, at + 1);
		describe(r, at + 1, DATA + i * sectors * 512ull, sectors * 512,
			 NEXT | (type == VIRTIO_BLK_T_IN ? IN : 0), at + 2);
		describe(r, at + 2, STATUS + i, 1, IN, 0);
		r->avail->ring[r->avail->idx % SIZE] = at;
		__atomic_store_n(&r->avail->idx, r->avail->idx + 1,
				 __ATOMIC_RELEASE);
	}
	for (unsigned int q = 0; q < device(0)->num_queues && q < 2; q++)
		notify(0, q);
}

static unsigned int collect_many(unsigned int count)
{
	unsigned int good = 0;

	for (unsigned int i = 0; i < count; i++)
		if (wait_used(&queues[i % device(0)->num_queues % 2], 20000) < 0)
			print("one is missing\n");
	for (unsigned int i = 0; i < count; i++)
		good += *(uint8_t *)gpa(STATUS + i) == 0;
	return good;
}

/* count, sectors of each: written, flushed, read again */
static void do_many(unsigned long long *a)
{
	uint32_t *data = gpa(DATA);
	unsigned int words = a[0] * a[1] * 128, bad = 0;

	for (unsigned int i = 0; i < words; i++)
		data[i] = i * 2654435761u;
	offer_many(VIRTIO_BLK_T_OUT, a[0], a[1]);
	print("many: %u written", collect_many(a[0]));
	memset(data, 0, words * 4);
	offer_many(VIRTIO_BLK_T_IN, a[0], a[1]);
	print(", %u read", collect_many(a[0]));
	for (unsigned int i = 0; i < words; i++)
		bad += data[i] != i * 2654435761u;
	print(", %u wrong\n", bad);
}

/*
 * Resets with @a[0] reads of @a[1] sectors on their way and @a[2] of them begun:
 * nobody writes afterwards.
 */
static void do_reset(unsigned long long *a)
{
	unsigned int len = a[0] * a[1] * 512, touched = 0;
	uint8_t *data = gpa(DATA);

	atomic_store(&begun, 0);
	offer_many(VIRTIO_BLK_T_IN, a[0], a[1]);
	for (int i = 0; i < 5000 && atomic_load(&begun) < (int)a[2]; i++)
		halt(0, 1);
	if (atomic_load(&begun) < (int)a[2])
		print("nothing has begun\n");
	device(0)->status = 0;
	notify(0, LGUEST_NOTIFY_CONFIG);
	memset(data, 0x5a, len);
	memset(gpa(STATUS), 0x5a, 64);
	memset(gpa(RING(0)), 0x5a, 0x3000);
	halt(0, 700);
	for (unsigned int i = 0; i < len; i++)
		touched += data[i] != 0x5a;
	for (unsigned int i = 0; i < 64; i++)
		touched += ((uint8_t *)gpa(STATUS))[i] != 0x5a;
	for (unsigned int i = 0; i < 0x3000; i++)
		touched += ((uint8_t *)gpa(RING(0)))[i] != 0x5a;
	print("reset, %u bytes touched\n", touched);
	start_disk(~0ull);
}

/* How long @a[0] reads of @a[1] sectors take at least, in milliseconds. */
static void do_time(unsigned long long *a)
{
	struct timespec begin, end;
	long ms;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	offer_many(VIRTIO_BLK_T_IN, a[0], a[1]);
	collect_many(a[0]);
	clock_gettime(CLOCK_MONOTONIC, &end);
	ms = (end.tv_sec - begin.tv_sec) * 1000 +
	     (end.tv_nsec - begin.tv_nsec) / 1000000;
	print("time %s\n", ms < (long)a[2] ? "too short" : "long enough");
}

/* The first word of the disk counts how often somebody was here. */
static void do_reboot(unsigned long long *a)
{
	uint32_t *count = gpa(DATA);

	ask(VIRTIO_BLK_T_IN, 0, 512, IN);
	print("life %u\n", ++*count);
	ask(VIRTIO_BLK_T_OUT, 0, 512, 0);
	if (*count < a[0])
		shut_down(LGUEST_REBOOT, "again");
}

static void do_sleep(unsigned long long *a)
{
	(void)a;
	print("asleep\n");
	for (;;)
		halt(0, -1);
}

/* Writes sector after sector, flushes, and tells; until somebody ends it. */
static void do_log(unsigned long long *a)
{
	for (uint64_t i = 0; i < a[0]; i++) {
		uint64_t *data = gpa(DATA);

		for (int k = 0; k < 64; k++)
			data[k] = i + 1;
		if (ask(VIRTIO_BLK_T_OUT, i % 1000, 512, 0) ||
		    ask(VIRTIO_BLK_T_FLUSH, 0, 0, 0))
			print("failed\n");
		print("flushed %llu\n", (unsigned long long)i + 1);
	}
}

/* Requests at random, most of them wrong. */
static void do_mad(unsigned long long *a)
{
	static const uint64_t odd[] = { 0, 1, 7, 8, 2047, 2048, 4095,
		1ull << 32, 1ull << 54, 1ull << 55, 1ull << 63, ~0ull };

	for (unsigned int i = 0; i < a[0]; i++) {
		struct ring *r = &queues[0];
		unsigned int head = dice(SIZE);

		put_header(HEADER + dice(64) * 16, dice(16),
			   odd[dice(12)] + dice(3));
		describe(r, dice(SIZE), dice(2) ? HEADER + dice(64) * 16 :
			 DATA + dice(9999), dice(4) ? dice(5000) : 16,
			 dice(4), dice(SIZE));
		r->avail->ring[r->avail->idx % SIZE] = head;
		__atomic_store_n(&r->avail->idx, r->avail->idx + 1,
				 __ATOMIC_RELEASE);
		notify(0, 0);
		if (dice(50) == 0 ||
		    device(0)->status & VIRTIO_CONFIG_S_NEEDS_RESET)
			start_disk(~0ull);
	}
	start_disk(~0ull);
	print("sane again\n");
}

static void disk_script(void)
{
	static const struct {
		const char *word;
		void (*act)(unsigned long long *);
	} words[] = {
		{ "write", do_write }, { "read", do_read }, { "flush", do_flush },
		{ "any", do_any }, { "ranges", do_ranges },
		{ "overlaps", do_overlaps }, { "name", do_name },
		{ "wce", do_wce }, { "shape", do_shape }, { "fail", do_fail },
		{ "pieces", do_pieces }, { "slow", do_slow }, { "start", do_start },
		{ "syncs", do_syncs }, { "look", do_look }, { "chain", do_chain },
		{ "many", do_many }, { "reset", do_reset }, { "time", do_time },
		{ "reboot", do_reboot }, { "sleep", do_sleep }, { "log", do_log },
		{ "mad", do_mad }, { "directs", do_directs },
		{ "shorten", do_shorten },
	};
	char *script = strdup(getenv("SCRIPT") ?: ""), *save;

	start_disk(~0ull);
	for (char *s = strtok_r(script, ";", &save); s; s = strtok_r(NULL, ";", &save)) {
		unsigned long long a[6] = { 0 };
		char word[16] = "", n[6][24] = { "" };
		bool known = false;

		sscanf(s, "%15s %23s %23s %23s %23s %23s", word, n[0], n[1],
		       n[2], n[3], n[4]);
		for (int i = 0; i < 5; i++)
			a[i] = strtoull(n[i], NULL, 0);
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
			if (!strcmp(word, words[i].word)) {
				words[i].act(a);
				known = true;
			}
		if (!known)
			print("unknown word %s\n", word);
	}
}
