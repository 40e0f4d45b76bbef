// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guests with a balloon, for tests/launcher-balloon.t.  It is the first device
 * on the bus, or the second behind a console.
 */
#define GUEST(name)	static void name(void)
GUEST(bal_inflates); GUEST(bal_reports); GUEST(bal_lies); GUEST(bal_own);
GUEST(bal_in_flight); GUEST(bal_obeys); GUEST(bal_tells); GUEST(bal_mad);
GUEST(bal_reboots); GUEST(bal_plain);
#define MORE_SCENARIOS							\
	{ "bal-inflates", bal_inflates }, { "bal-reports", bal_reports }, \
	{ "bal-lies", bal_lies }, { "bal-own", bal_own },		\
	{ "bal-in-flight", bal_in_flight }, { "bal-obeys", bal_obeys },	\
	{ "bal-tells", bal_tells }, { "bal-mad", bal_mad },		\
	{ "bal-reboots", bal_reboots }, { "bal-plain", bal_plain },
#include "fake-module.c"

#include <linux/virtio_balloon.h>
#include <sys/stat.h>

#define F(name)	(1ull << VIRTIO_BALLOON_F_##name)
#define ALL	(usual | F(STATS_VQ) | F(DEFLATE_ON_OOM) | F(REPORTING))
#define PLACE	0x2000000ull
#define LIST	0x800000ull

static struct ring inflate, deflate, stats, reports;
static unsigned int balloon;		/* its number on the bus */

static struct virtio_balloon_config *config(void)
{
	return (void *)device(balloon)->config;
}

/* As set_up, with tables of its own. */
static void put_ring(struct ring *r, unsigned int number)
{
	uint64_t at = RING(8 + number);
	struct lguest_queue *q = &device(balloon)->queues[number];

	*r = (struct ring){ device(balloon), balloon, number, gpa(at),
			    gpa(at + 0x1000), gpa(at + 0x2000), 0 };
	memset(r->desc, 0, 0x4000);
	q->desc = at;
	q->driver = at + 0x1000;
	q->device = at + 0x2000;
	q->size = SIZE;
	q->ready = 1;
}

static void start_balloon(uint64_t features)
{
	if (device(balloon)->type != 5)
		print("type %u\n", device(balloon)->type);
	if (!negotiate(balloon, features))
		print("features refused\n");
	put_ring(&inflate, 0);
	put_ring(&deflate, 1);
	put_ring(&stats, 2);
	put_ring(&reports, features & F(STATS_VQ) ? 3 : 2);
	device(balloon)->status |= VIRTIO_CONFIG_S_DRIVER_OK;
}

/* KB of the memory that the Host has spent. */
static long spent(void)
{
	struct stat st;

	for (int fd = 3; fd < 64; fd++)
		if (!fstat(fd, &st) && (uint64_t)st.st_size == memory.size)
			return st.st_blocks / 2;
	return -1;
}

static void touch(uint64_t at, uint64_t len)
{
	memset(gpa(at), 0x5a, len);
}

static bool is_all(uint64_t at, uint64_t len, uint8_t what)
{
	uint8_t *bytes = gpa(at);

	for (uint64_t i = 0; i < len; i++)
		if (bytes[i] != what)
			return false;
	return true;
}

static int give_list(struct ring *r, const uint32_t *list, uint32_t len)
{
	memcpy(gpa(LIST), list, len);
	describe(r, 0, LIST, len, 0, 0);
	offer(r, 0);
	return wait_used(r, 5000);
}

/* @count pages from @first, the last first and every third of them twice. */
static int give_pages(struct ring *r, uint32_t first, uint32_t count)
{
	uint32_t list[4096], n = 0;

	for (uint32_t i = count; i-- > 0;) {
		list[n++] = first + i;
		if (i % 3 == 0 && n < 4096)
			list[n++] = first + i;
	}
	return give_list(r, list, n * 4);
}

static int report(uint64_t at, uint32_t len, uint16_t flags)
{
	describe(&reports, 0, at, len, flags, 0);
	offer(&reports, 0);
	return wait_used(&reports, 5000);
}

static void bal_inflates(void)
{
	long before, after;
	int got;

	start_balloon(ALL);
	touch(0x200000, 4096);		/* print needs it */
	touch(LIST, 4096);
	touch(PLACE - 4096, 258 * 4096);
	before = spent();
	got = give_pages(&inflate, PLACE / 4096, 256);
	after = spent();
	print("inflate: %d\n", got);
	print("the Host has %ld KB more\n", before - after);
	print("the page before: %d, behind: %d\n",
	      is_all(PLACE - 4096, 4096, 0x5a),
	      is_all(PLACE + 256 * 4096, 4096, 0x5a));
	print("zeroes: %d\n", is_all(PLACE, 256 * 4096, 0));
	print("deflate: %d\n", give_pages(&deflate, PLACE / 4096, 256));
	touch(PLACE, 256 * 4096);
	before = spent();
	print("used again: %d, KB: %ld\n", is_all(PLACE, 256 * 4096, 0x5a),
	      before - after);
	print("in the balloon already: %d %d\n",
	      give_pages(&inflate, PLACE / 4096, 1),
	      give_pages(&inflate, PLACE / 4096, 1));
	print("nothing: %d\n", give_list(&inflate, NULL, 0));
	print("4096: %d\n", give_pages(&inflate, PLACE / 4096, 3072));
}

static void bal_reports(void)
{
	long before, after;
	int got;

	start_balloon(ALL);
	touch(PLACE, 8 << 20);
	before = spent();
	describe(&reports, 0, PLACE, 2 << 20, IN | NEXT, 1);
	describe(&reports, 1, PLACE + (4 << 20), 2 << 20, IN, 0);
	offer(&reports, 0);
	got = wait_used(&reports, 5000);
	after = spent();
	print("reported: %d\n", got);
	print("the Host has %ld KB more\n", before - after);
	print("the others: %d %d\n", is_all(PLACE + (2 << 20), 2 << 20, 0x5a),
	      is_all(PLACE + (6 << 20), 2 << 20, 0x5a));
	touch(PLACE, 5 * 4096);
	print("not at a page: %d\n", report(PLACE + 0x800, 0x3000, IN));
	print("%d %d %d\n", is_all(PLACE, 4096, 0x5a),
	      is_all(PLACE + 4096, 2 * 4096, 0),
	      is_all(PLACE + 3 * 4096, 2 * 4096, 0x5a));
	print("within a page: %d", report(PLACE + 0x10, 0x100, IN));
	print(" %d\n", is_all(PLACE, 4096, 0x5a));
	print("to be read only: %d", report(PLACE, 4096, 0));
	print(" %d\n", is_all(PLACE, 4096, 0x5a));
}

/* Without statistics the reports have the third queue. */
static void bal_plain(void)
{
	long before, after;
	int got;

	start_balloon(usual | F(REPORTING));
	touch(PLACE, 2 << 20);
	before = spent();
	got = report(PLACE, 2 << 20, IN);
	after = spent();
	print("reported: %d\n", got);
	print("the Host has %ld KB more\n", before - after);
	start_balloon(usual);
	print("no feature: %d\n", report(PLACE, 4096, IN) >= 0);
	start_balloon(ALL);
	print("well again: %d\n", give_pages(&inflate, PLACE / 4096, 2));
}

static void lie_of(const char *what)
{
	uint32_t list[8192];
	struct lguest_device *d = device(balloon);
	uint32_t end = ram() / 4096, len = 8;
	uint64_t at = LIST;
	bool told = false;

	start_balloon(ALL);
	for (int i = 0; i < 8192; i++)
		list[i] = PLACE / 4096;
	if (!strcmp(what, "the first page outside"))
		list[1] = end;
	else if (!strcmp(what, "a device page"))
		list[1] = end + 3;
	else if (!strcmp(what, "the last page there is"))
		list[0] = ~0u;
	else if (!strcmp(what, "half a number"))
		len = 6;
	else if (!strcmp(what, "a list that is too long"))
		len = 4097 * 4;
	else if (!strcmp(what, "a list outside"))
		at = ram() - 4;
	memcpy(gpa(LIST), list, sizeof(list));
	describe(&inflate, 0, at, len, 0, 0);
	offer(&inflate, 0);
	for (int i = 0; i < 500 && !told; i++) {
		halt(d->config_irq, 10);
		told = d->status & VIRTIO_CONFIG_S_NEEDS_RESET;
	}
	start_balloon(ALL);
	print("%s: %d, well again: %d\n", what, told,
	      give_pages(&inflate, PLACE / 4096, 2));
}

static void bal_lies(void)
{
	lie_of("the first page outside");
	lie_of("a device page");
	lie_of("the last page there is");
	lie_of("half a number");
	lie_of("a list that is too long");
	lie_of("a list outside");
	start_balloon(ALL);
	describe(&reports, 0, ram() - 4096, 8192, IN, 0);
	offer(&reports, 0);
	print("a report outside: %d\n", wait_used(&reports, 300));
	print("device pages: %d\n", device(balloon)->magic ==
	      LGUEST_DEVICE_MAGIC);
}

/* Its own rings, its page tables, then all there is. */
static void bal_own(void)
{
	start_balloon(ALL);
	give_pages(&inflate, RING(8) / 4096, 4);
	print("its own ring\n");
	start_balloon(ALL);
	print("page tables: %d\n", give_pages(&inflate, state.cr3 / 4096, 8));
	for (int i = 0; i < 3; i++) {
		start_balloon(ALL);
		describe(&reports, 0, 0, ram(), IN, 0);
		offer(&reports, 0);
		wait_used(&reports, 1000);
	}
	start_balloon(ALL);
	print("all: well again: %d\n", give_pages(&inflate, 4096, 2));
}

/* The console writes from pages that are taken away in the meantime. */
static void bal_in_flight(void)
{
	balloon = 1;
	start_console();
	start_balloon(ALL);
	for (int i = 0; i < SIZE; i++) {
		memset(gpa(PLACE + i * 0x20000ull), 'x', 0x20000);
		describe(&tx, i, PLACE + i * 0x20000ull, 0x20000, 0, 0);
		offer(&tx, i);
	}
	for (int i = 0; i < 50; i++) {
		report(PLACE, SIZE * 0x20000, IN);
		give_pages(&inflate, PLACE / 4096, 256);
		memset(gpa(PLACE), 'y', SIZE * 0x20000);
	}
	for (int i = 0; i < SIZE; i++)
		wait_used(&tx, 20000);
	say("end\n");
}

static void bal_obeys(void)
{
	struct lguest_device *d = device(balloon);

	start_balloon(ALL);
	print("target %u actual %u length %u\n", config()->num_pages,
	      config()->actual, d->config_len);
	for (int i = 0; i < 2 && halt(d->config_irq, 20000); i++) {
		print("target %u\n", config()->num_pages);
		config()->actual = i ? ~0u : config()->num_pages - 1;
	}
	while (!halt(d->config_irq, 20000))
		;
}

static const struct virtio_balloon_stat numbers[] = {
	{ VIRTIO_BALLOON_S_MEMFREE, 1000 }, { 999, 5 }, { 0xffff, 6 },
	{ VIRTIO_BALLOON_S_MEMTOT, ~0ull }, { VIRTIO_BALLOON_S_SWAP_IN, 7 },
	{ VIRTIO_BALLOON_S_MEMFREE, 2000 },
};

/* Answers three times with numbers that grow; then it does not. */
static void bal_tells(void)
{
	struct virtio_balloon_stat *list = gpa(LIST);

	start_balloon(ALL);
	memcpy(list, numbers, sizeof(numbers));
	for (int i = 0; i < 4; i++) {
		describe(&stats, 0, LIST, sizeof(numbers) + i, 0, 0);
		offer(&stats, 0);
		if (!i)
			print("ready\n");
		if (wait_used(&stats, 20000) < 0)
			print("nobody asks\n");
		list[5].val++;
	}
	print("silent\n");
	halt(device(balloon)->config_irq, 20000);
	describe(&stats, 0, LIST, 5, 0, 0);
	describe(&stats, 1, LIST, 1 << 20, 0, 0);
	offer(&stats, 0);
	offer(&stats, 1);
	print("the second returns the first: %d\n", wait_used(&stats, 5000));
}

static void bal_reboots(void)
{
	uint8_t *mark = gpa(PLACE);

	start_balloon(ALL);
	print("life %d: target %u, mark %d\n", lives, config()->num_pages,
	      *mark);
	touch(PLACE, 4096);
	give_pages(&inflate, PLACE / 4096 + 1, 10);
	config()->num_pages = 77;
	if (lives < 3)
		shut_down(LGUEST_REBOOT, "again");
}

static void bal_mad(void)
{
	struct ring *all[] = { &inflate, &deflate, &stats, &reports };
	uint32_t *list = gpa(LIST);

	for (int i = 0; i < 3000; i++) {
		struct ring *r = all[dice(4)];

		if (i == 0 || dice(20) == 0)
			start_balloon(dice(2) ? ALL : usual | F(REPORTING));
		for (int k = 0; k < 64; k++)
			list[k] = dice(40) ? dice(ram() / 4096) : dice(~0u);
		describe(r, dice(SIZE), dice(2) ? LIST : dice(ram()),
			 dice(4) ? dice(64) * 4 : dice(1 << 24),
			 (dice(2) ? IN : 0) | (dice(8) ? 0 : NEXT), dice(SIZE));
		r->avail->ring[r->avail->idx % SIZE] = dice(SIZE);
		r->avail->idx++;
		notify(balloon, r->number);
	}
	start_balloon(ALL);
	print("sane again: %d\n", give_pages(&inflate, PLACE / 4096, 2));
}
