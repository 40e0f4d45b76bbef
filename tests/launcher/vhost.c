// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guests with drivers for devices that another process serves: a disk and a
 * share. Without a console, so that the device is number 0.
 */
#define _GNU_SOURCE 1
#include <linux/fuse.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_fs.h>

static void uses_disk(void);
static void writes_to_read_only(void);
static void does_not_flush(void);
static void resets_disk(void);
static void resets_early(void);
static void asks_disk(void);
static void waits_for_end(void);
static void lies_to_disk(void);
static void sleeps_with_disk(void);
static void gives_up_disk(void);
static void is_content(void);
static void makes_twice(void);
static void uses_share(void);
static void escapes_share(void);
static void forgets_nothing(void);
static void exhausts_files(void);
static void races_share(void);

#define MORE_SCENARIOS \
	{ "uses-disk", uses_disk }, \
	{ "writes-to-read-only", writes_to_read_only }, \
	{ "does-not-flush", does_not_flush }, \
	{ "resets-disk", resets_disk }, \
	{ "resets-early", resets_early }, \
	{ "asks-disk", asks_disk }, \
	{ "waits-for-end", waits_for_end }, \
	{ "lies-to-disk", lies_to_disk }, \
	{ "sleeps-with-disk", sleeps_with_disk }, \
	{ "gives-up-disk", gives_up_disk }, \
	{ "is-content", is_content }, \
	{ "makes-twice", makes_twice }, \
	{ "uses-share", uses_share }, \
	{ "escapes-share", escapes_share }, \
	{ "forgets-nothing", forgets_nothing }, \
	{ "exhausts-files", exhausts_files }, \
	{ "races-share", races_share },

#include "fake-module.c"

/* --- A disk ----------------------------------------------------------------- */

static struct ring disk;
#define DATA	BUFFER(8)
#define HEADER	BUFFER(9)
#define STATUS	(BUFFER(9) + 0x100)

static uint64_t feature(unsigned int bit)
{
	return device(0)->device_features & 1ull << bit;
}

static bool start_disk(uint64_t features)
{
	if (!negotiate(0, features)) {
		print("features refused\n");
		return false;
	}
	set_up(&disk, 0, 0);
	device(0)->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	return true;
}

/* One request; its status, or -1 if it did not come back. */
static int request(uint32_t type, uint64_t sector, uint32_t len)
{
	struct virtio_blk_outhdr *header = gpa(HEADER);
	uint8_t *status = gpa(STATUS);
	bool in = type != VIRTIO_BLK_T_OUT;

	*header = (struct virtio_blk_outhdr){ type, 0, sector };
	*status = 0xff;
	describe(&disk, 0, HEADER, sizeof(*header), NEXT, len ? 1 : 2);
	describe(&disk, 1, DATA, len, NEXT | (in ? IN : 0), 2);
	describe(&disk, 2, STATUS, 1, IN, 0);
	offer(&disk, 0);
	if (wait_used(&disk, 10000) < 0)
		return -1;
	return *status;
}

static void fill(uint32_t seed, uint32_t len)
{
	uint32_t *words = gpa(DATA);

	for (uint32_t i = 0; i < len / 4; i++)
		words[i] = seed + i * 2654435761u;
}

static bool is_filled(uint32_t seed, uint32_t len)
{
	uint32_t *words = gpa(DATA);

	for (uint32_t i = 0; i < len / 4; i++)
		if (words[i] != seed + i * 2654435761u)
			return false;
	return true;
}

static void describe_disk(void)
{
	struct virtio_blk_config *c = (void *)device(0)->config;

	print("type %u queues %u sectors %llu flush %d ro %d\n",
	      device(0)->type, device(0)->num_queues,
	      (unsigned long long)c->capacity, !!feature(VIRTIO_BLK_F_FLUSH),
	      !!feature(VIRTIO_BLK_F_RO));
}

#define FLUSH	(1ull << VIRTIO_BLK_F_FLUSH)

/* Writes and reads 32 KB at a hundred places, and flushes. */
static void uses_disk(void)
{
	int bad = 0;

	describe_disk();
	if (!start_disk(usual | FLUSH))
		return;
	for (uint32_t i = 0; i < 100; i++) {
		fill(i, 0x8000);
		bad += request(VIRTIO_BLK_T_OUT, i * 1000, 0x8000) != 0;
	}
	print("flush %d\n", request(VIRTIO_BLK_T_FLUSH, 0, 0));
	for (uint32_t i = 0; i < 100; i++) {
		memset(gpa(DATA), 0, 0x8000);
		bad += request(VIRTIO_BLK_T_IN, i * 1000, 0x8000) != 0;
		bad += !is_filled(i, 0x8000);
	}
	print("bad %d\n", bad);
	print("beyond the end %d\n", request(VIRTIO_BLK_T_IN, 1ull << 40, 512));
	print("at the first place %d\n", request(VIRTIO_BLK_T_IN, 0, 512));
}

static void writes_to_read_only(void)
{
	describe_disk();
	if (start_disk(usual | FLUSH | 1ull << VIRTIO_BLK_F_RO))
		print("write %d\n", request(VIRTIO_BLK_T_OUT, 0, 512));
}

static void does_not_flush(void)
{
	if (!start_disk(usual))
		return;
	fill(4711, 512);
	print("write %d\n", request(VIRTIO_BLK_T_OUT, 5, 512));
}

/* Resets and uses it again, and again, and in a new life. */
static void resets_disk(void)
{
	int bad = 0;

	for (uint32_t i = 0; i < 30; i++) {
		if (!start_disk(usual | FLUSH))
			return;
		if (i || lives > 1) {
			bad += request(VIRTIO_BLK_T_IN, 0, 4096) != 0;
			bad += !is_filled(lives * 100 + i - (i ? 1 : 71), 4096);
		}
		fill(lives * 100 + i, 4096);
		bad += request(VIRTIO_BLK_T_OUT, 0, 4096) != 0;
	}
	print("life %d bad %d\n", lives, bad);
	if (lives < 5)
		shut_down(LGUEST_REBOOT, "again");
}

/* A reset while a request is on its way; then nobody may write any more. */
static void resets_early(void)
{
	int bad = 0;

	for (int i = 0; i < 50; i++) {
		struct virtio_blk_outhdr *header = gpa(HEADER);

		if (!start_disk(usual | FLUSH))
			return;
		*header = (struct virtio_blk_outhdr){ VIRTIO_BLK_T_IN, 0, 0 };
		describe(&disk, 0, HEADER, 16, NEXT, 1);
		describe(&disk, 1, DATA, 0x10000, NEXT | IN, 2);
		describe(&disk, 2, STATUS, 1, IN, 0);
		offer(&disk, 0);
		device(0)->status = 0;
		notify(0, LGUEST_NOTIFY_CONFIG);
		bad += device(0)->status != 0;
	}
	start_disk(usual | FLUSH);
	print("resets bad %d, then %d\n", bad, request(VIRTIO_BLK_T_IN, 0, 512));
}

/* Asks for something and tells how it went: for back ends that are not well. */
static void asks_disk(void)
{
	bool told = false;
	int i;

	if (!start_disk(usual | (feature(VIRTIO_BLK_F_FLUSH) ? FLUSH : 0)))
		return;
	describe(&disk, 0, HEADER, 16, NEXT, 1);
	describe(&disk, 1, STATUS, 1, IN, 0);
	offer(&disk, 0);
	print("asked\n");
	for (i = 0; i < 2000 && !returned(&disk) &&
	     !(device(0)->status & VIRTIO_CONFIG_S_NEEDS_RESET); i++)
		told |= halt(device(0)->config_irq, 10);
	/* The status is there a moment before the interrupt. */
	told = told || halt(device(0)->config_irq, 5000);
	print("%s%s\n", returned(&disk) ? "answered" : "broken",
	      told ? ", and told" : "");
	print("again\n");
	start_disk(usual | (feature(VIRTIO_BLK_F_FLUSH) ? FLUSH : 0));
}

/* Says whether the disk comes back after its features were agreed. */
static void waits_for_end(void)
{
	start_disk(usual | FLUSH);
	print("ready %d\n", request(VIRTIO_BLK_T_IN, 0, 512));
	for (int i = 0; i < 1000; i++)
		if (halt(device(0)->config_irq, 10)) {
			print("told, status %x\n", device(0)->status);
			break;
		}
	start_disk(usual | FLUSH);
}

/* Rings of which the back end must not be told, and ones that kill it. */
static void lies_to_disk(void)
{
	const char *what = getenv("LIE");
	bool told = false;

	start_disk(usual | FLUSH);
	describe(&disk, 0, HEADER, 16, NEXT, 1);
	describe(&disk, 1, STATUS, 1, IN, 0);
	if (!strcmp(what, "ring-outside"))
		device(0)->queues[0].device = ram() - 8;
	else if (!strcmp(what, "ring-bus"))
		device(0)->queues[0].desc = ram();
	else if (!strcmp(what, "loop"))
		describe(&disk, 0, HEADER, 16, NEXT, 0);
	else if (!strcmp(what, "outside"))
		describe(&disk, 0, 1ull << 40, 16, NEXT, 1);
	else if (!strcmp(what, "bus"))
		describe(&disk, 0, ram(), 16, NEXT, 1);
	else if (!strcmp(what, "counter"))
		disk.avail->idx = 0x7000;
	else if (!strcmp(what, "no-status"))
		describe(&disk, 0, HEADER, 16, 0, 0);
	offer(&disk, 0);
	for (int i = 0; i < 100 && !told; i++)
		told = halt(device(0)->config_irq, 10);
	print("%s\n", told ? "told" : "silence");
	if (start_disk(usual | FLUSH))
		print("then %d\n", request(VIRTIO_BLK_T_IN, 0, 512));
}

static void sleeps_with_disk(void)
{
	start_disk(usual | FLUSH);
	describe(&disk, 0, HEADER, 16, NEXT, 1);
	describe(&disk, 1, STATUS, 1, IN, 0);
	offer(&disk, 0);
	print("asleep\n");
	for (;;)
		halt(0, -1);
}

/* Resets a disk of which a request is on its way, and says when. */
static void gives_up_disk(void)
{
	start_disk(usual | FLUSH);
	describe(&disk, 0, HEADER, 16, NEXT, 1);
	describe(&disk, 1, STATUS, 1, IN, 0);
	offer(&disk, 0);
	print("giving up\n");
	device(0)->status = 0;
	notify(0, LGUEST_NOTIFY_CONFIG);
	print("status %x\n", device(0)->status);
}

/* Rings, and looks at nothing that comes. */
static void is_content(void)
{
	print("features %llx\n", (unsigned long long)device(0)->device_features);
	negotiate(0, usual | (feature(VIRTIO_BLK_F_FLUSH) ? FLUSH : 0));
	set_up(&disk, 0, 0);
	notify(0, 0);
	notify(0, 0);
	device(0)->status = 0;
	notify(0, LGUEST_NOTIFY_CONFIG);
	print("content\n");
}

/* --- A share ------------------------------------------------------------------ */

static struct ring files;
static uint64_t unique;

#define ASK	BUFFER(8)
#define ANSWER	BUFFER(9)

/* One request of FUSE; the errno, or 0. The answer is at ANSWER + 16. */
static int fuse(uint32_t opcode, uint64_t node, const void *in, uint32_t len)
{
	struct fuse_in_header *header = gpa(ASK);
	struct fuse_out_header *answer = gpa(ANSWER);

	*header = (struct fuse_in_header){
		.len = sizeof(*header) + len, .opcode = opcode,
		.unique = ++unique, .nodeid = node,
	};
	memcpy(header + 1, in, len);
	memset(answer, 0, 0x1000);
	describe(&files, 0, ASK, header->len, NEXT, 1);
	describe(&files, 1, ANSWER, 0x8000, IN, 0);
	offer(&files, 0);
	if (wait_used(&files, 10000) < 0)
		return 9999;
	return -answer->error;
}

static bool start_share(void)
{
	struct fuse_init_in init = {
		.major = 7, .minor = 31, .max_readahead = 0x10000,
		.flags = FUSE_EXPORT_SUPPORT | FUSE_SUBMOUNTS,
	};
	int error;

	if (!negotiate(0, usual)) {
		print("features refused\n");
		return false;
	}
	set_up(&files, 0, 1);
	device(0)->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	error = fuse(FUSE_INIT, 0, &init, sizeof(init));
	if (error)
		print("init: %s\n", strerror(error));
	return !error;
}

/* A name in directory @node; 0 if there is none. */
static uint64_t look_in(uint64_t node, const char *name)
{
	struct fuse_entry_out *entry = gpa(ANSWER + 16);

	return fuse(FUSE_LOOKUP, node, name, strlen(name) + 1) ? 0 :
	       entry->nodeid;
}

static uint64_t look_up(const char *name, size_t len)
{
	struct fuse_entry_out *entry = gpa(ANSWER + 16);
	int error = fuse(FUSE_LOOKUP, FUSE_ROOT_ID, name, len);

	if (error)
		print("%.20s: %s\n", name, error == 9999 ? "silence" :
		      strerror(error));
	else if (getenv("TELL"))
		print("%.20s: mode %o uid %u\n", name, entry->attr.mode,
		      entry->attr.uid);
	return error ? 0 : entry->nodeid;
}

static void read_file(uint64_t node, const char *what)
{
	struct fuse_open_in open = { 0 };
	struct fuse_read_in read = { .size = 4096 };
	struct fuse_out_header *answer = gpa(ANSWER);
	int error = fuse(FUSE_OPEN, node, &open, sizeof(open));

	if (error) {
		print("open %s: %s\n", what, strerror(error));
		return;
	}
	read.fh = ((struct fuse_open_out *)(answer + 1))->fh;
	error = fuse(FUSE_READ, node, &read, sizeof(read));
	if (error)
		print("read %s: %s\n", what, strerror(error));
	else
		print("%s: %.*s\n", what, (int)(answer->len - sizeof(*answer)),
		      (char *)(answer + 1));
}

static void make_file(const char *name)
{
	struct { struct fuse_create_in c; char name[32]; } in = {
		.c = { .flags = 0101, .mode = 0100644 },
	};
	int error;

	strcpy(in.name, name);
	error = fuse(FUSE_CREATE, FUSE_ROOT_ID, &in,
		     sizeof(in.c) + strlen(name) + 1);
	print("create %s: %s\n", name, error ? strerror(error) : "done");
}

static void make_node(const char *name, uint32_t mode, uint32_t rdev)
{
	struct { struct fuse_mknod_in c; char name[32]; } in = {
		.c = { .mode = mode, .rdev = rdev },
	};
	int error;

	strcpy(in.name, name);
	error = fuse(FUSE_MKNOD, FUSE_ROOT_ID, &in,
		     sizeof(in.c) + strlen(name) + 1);
	print("mknod %s: %s\n", name, error ? strerror(error) : "done");
}

static void uses_share(void)
{
	struct virtio_fs_config *c = (void *)device(0)->config;

	print("type %u tag %.36s queues %u\n", device(0)->type, (char *)c->tag,
	      device(0)->num_queues);
	if (!start_share())
		return;
	read_file(look_up("hello", 6), "hello");
	make_file(lives == 1 ? "new" : lives == 2 ? "new2" : "new3");
	if (lives < 3)
		shut_down(LGUEST_REBOOT, "again");
}

static void escapes_share(void)
{
	char *name = gpa(BUFFER(7));
	uint64_t node;

	if (!start_share())
		return;
	look_up("..", 3);
	look_up("../secret", 10);
	look_up("/etc/passwd", 12);
	look_up("dir/../../secret", 17);
	look_up("", 1);
	look_up("hel\0lo", 7);
	memset(name, 'x', 65000);
	look_up(name, 0x7000);		/* no end */
	look_up(name, 65000);
	node = look_up("etc", 4);
	if (node)
		read_file(node, "etc");
	node = look_up("out", 4);
	if (node)
		read_file(node, "out");
	node = look_up("zero", 5);
	if (node)
		read_file(node, "zero");
	node = look_up("fifo", 5);
	if (node)
		read_file(node, "fifo");
	make_node("mem", 020666, 0x101);
	make_node("pipe", 010666, 0);
	read_file(0x123456789abcull, "no such node");
	print("still there: ");
	read_file(look_up("hello", 6), "hello");
}

/* Opens files and closes none; how many. */
static int open_all(int count)
{
	char name[16];
	int found = 0;

	for (int i = 0; i < count; i++) {
		struct fuse_open_in open = { 0 };
		uint64_t node;

		snprintf(name, sizeof(name), "f%d", i);
		node = fuse(FUSE_LOOKUP, FUSE_ROOT_ID, name,
			    strlen(name) + 1) ? 0 :
		       ((struct fuse_entry_out *)gpa(ANSWER + 16))->nodeid;
		found += node && !fuse(FUSE_OPEN, node, &open, sizeof(open));
	}
	return found;
}

static void forgets_nothing(void)
{
	if (!start_share())
		return;
	print("open %s\n", open_all(3000) == 3000 ? "all" : "some");
	read_file(look_up("hello", 6), "hello");
}

/* With fewer files than that; and what has no more can begin anew. */
static void exhausts_files(void)
{
	int n;

	if (!start_share())
		return;
	n = open_all(3000);
	print("open %s\n", n == 3000 ? "all" : n > 100 ? "some" : "few");
	if (start_share())
		read_file(look_up("hello", 6), "hello");
}

/*
 * While somebody moves "dir" out of the share, and puts a link there: what is
 * called "secret" is only outside.
 */
static void races_share(void)
{
	int dirs = 0, found = 0, inner = 0;

	if (!start_share())
		return;
	print("racing\n");
	for (int i = 0; i < atoi(getenv("RACES")); i++) {
		uint64_t dir = look_in(FUSE_ROOT_ID, "dir"), up;

		dirs += dir != 0;
		inner += dir && look_in(dir, "inner");
		found += dir && look_in(dir, "secret");
		up = dir ? look_in(dir, "..") : 0;
		found += up && look_in(up, "secret");
		found += dir && look_in(dir, "../secret");
	}
	print("%s, %s, %d secrets\n", dirs ? "directories" : "nothing",
	      inner ? "files" : "no files", found);
}

/*
 * Makes a file that is there already, without O_EXCL. Linux does not send that,
 * and virtiofsd 7.2 dies of it.
 */
static void makes_twice(void)
{
	bool told;

	if (!start_share())
		return;
	make_file("new");
	describe(&files, 0, ASK, ((struct fuse_in_header *)gpa(ASK))->len, NEXT, 1);
	offer(&files, 0);
	told = halt(device(0)->config_irq, 10000);
	print("%s\n", told && device(0)->status & VIRTIO_CONFIG_S_NEEDS_RESET ?
	      "told" : "not told");
	start_share();
}
