// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A /dev/lguest that is not there: preloaded into the Launcher, this answers
 * its openat() and ioctl() calls, and runs a "Guest" that is a C function with
 * a stack of its own.  So everything in the Launcher can be tested that comes
 * after opening the device, without a module and without an lguest kernel.
 *
 * SCENARIO names the Guest to run; see the table at the end.  A file that
 * includes this one can bring MORE_SCENARIOS.
 */
#define _GNU_SOURCE 1
#include <asm/bootparam.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <lguest/abi.h>
#include <lguest/uapi.h>

/* --- The machine ---------------------------------------------------------- */

static int vm_fd = -1, vcpu_fd = -1, lives;
static struct lguest_memory memory;
static struct lguest_state state;
static struct lguest_run *run;
static int irqfd[LGUEST_IRQS], doorbell[LGUEST_DEVICES][LGUEST_QUEUES];
static ucontext_t host, guest;
static int run_errno;
static bool started;

static void *gpa(uint64_t addr) { return (char *)memory.user_addr + addr; }
static uint64_t ram(void) { return memory.size - memory.bus_pages * 4096ull; }

static void leave(uint32_t reason)
{
	run->reason = reason;
	run_errno = 0;
	swapcontext(&guest, &host);
}

static void fail_run(int error)
{
	run_errno = error;
	swapcontext(&guest, &host);
}

/* --- What a Guest can do --------------------------------------------------- */

static void notify(unsigned int device, unsigned int queue)
{
	if (device < LGUEST_DEVICES && queue < LGUEST_QUEUES &&
	    doorbell[device][queue] > 0) {
		eventfd_write(doorbell[device][queue], 1);
		return;
	}
	run->device = device;
	run->queue = queue;
	leave(LGUEST_EXIT_NOTIFY);
}

__attribute__((format(printf, 1, 2)))
static void print(const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	run->len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	run->addr = 0x200000;
	memcpy(gpa(run->addr), text, run->len);
	leave(LGUEST_EXIT_PRINT);
}

static void shut_down(uint32_t kind, const char *text)
{
	run->kind = kind;
	memset(run->text, 0, sizeof(run->text));
	memcpy(run->text, text, strnlen(text, sizeof(run->text)));
	leave(LGUEST_EXIT_SHUTDOWN);
}

/* Sleeps until interrupt @irq, at most @ms; whether it came. */
static bool halt(unsigned int irq, int ms)
{
	struct timespec now, end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	for (;;) {
		struct pollfd fd = { irqfd[irq], POLLIN, 0 };
		eventfd_t n;
		int left = ms;

		clock_gettime(CLOCK_MONOTONIC, &now);
		if (ms >= 0) {
			left = ms - (now.tv_sec - end.tv_sec) * 1000 -
			       (now.tv_nsec - end.tv_nsec) / 1000000;
			if (left < 0)
				return false;
		}
		if (irqfd[irq] <= 0)
			fd.fd = -1;
		switch (poll(&fd, 1, left)) {
		case 1:
			eventfd_read(irqfd[irq], &n);
			return true;
		case 0:
			return false;
		default:
			fail_run(EINTR);
		}
	}
}

/* --- A virtio driver --------------------------------------------------------- */

#ifndef SIZE
#define SIZE	8
#endif
static struct ring {
	struct lguest_device *d;
	unsigned int device, number;
	struct vring_desc *desc;
	struct { __u16 flags, idx, ring[SIZE]; } *avail;
	struct { __u16 flags, idx; struct vring_used_elem ring[SIZE]; } *used;
	uint16_t seen;
} rx, tx;
#define RING(n)		(0x300000ull + (n) * 0x4000)
#define BUFFER(n)	(0x400000ull + (n) * 0x10000)

static struct lguest_device *device(unsigned int n)
{
	return gpa(ram() + n * 4096);
}

static bool negotiate(unsigned int n, uint64_t features)
{
	struct lguest_device *d = device(n);

	d->status = 0;
	notify(n, LGUEST_NOTIFY_CONFIG);
	d->status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	d->driver_features = features;
	d->status |= VIRTIO_CONFIG_S_FEATURES_OK;
	notify(n, LGUEST_NOTIFY_CONFIG);
	return d->status & VIRTIO_CONFIG_S_FEATURES_OK;
}

static void set_up(struct ring *r, unsigned int n, unsigned int number)
{
	struct lguest_queue *q;

	*r = (struct ring){ device(n), n, number, gpa(RING(number)),
			    gpa(RING(number) + 0x1000),
			    gpa(RING(number) + 0x2000), 0 };
	memset(r->desc, 0, 0x4000);
	q = &r->d->queues[number];
	q->desc = RING(number);
	q->driver = RING(number) + 0x1000;
	q->device = RING(number) + 0x2000;
	q->size = SIZE;
	q->ready = 1;
}

static void describe(struct ring *r, unsigned int i, uint64_t addr,
		     uint32_t len, uint16_t flags, uint16_t next)
{
	r->desc[i] = (struct vring_desc){ addr, len, flags, next };
}

static void offer(struct ring *r, uint16_t head)
{
	r->avail->ring[r->avail->idx % SIZE] = head;
	__atomic_store_n(&r->avail->idx, r->avail->idx + 1, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&r->used->flags, __ATOMIC_RELAXED) &
	      VRING_USED_F_NO_NOTIFY))
		notify(r->device, r->number);
}

static bool returned(struct ring *r)
{
	return __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) != r->seen;
}

/* Waits for a buffer to come back; the bytes in it, or -1 after @ms. */
static int wait_used(struct ring *r, int ms)
{
	while (!returned(r))
		if (!halt(r->d->queues[r->number].irq, ms))
			return returned(r) ? 0 : -1;
	return (int)r->used->ring[r->seen++ % SIZE].len;
}

static const uint64_t usual = 1ull << VIRTIO_F_VERSION_1 |
			      1ull << VIRTIO_RING_F_INDIRECT_DESC;

static void start_console(void)
{
	if (!negotiate(0, usual))
		print("features refused\n");
	set_up(&rx, 0, 0);
	set_up(&tx, 0, 1);
	device(0)->status |= VIRTIO_CONFIG_S_DRIVER_OK;
}

__attribute__((format(printf, 1, 2)))
static void say(const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(gpa(BUFFER(1)), 0x10000, format, args);
	va_end(args);
	describe(&tx, 0, BUFFER(1), len, 0, 0);
	offer(&tx, 0);
	if (wait_used(&tx, 5000) < 0)
		print("nobody printed: %s", (char *)gpa(BUFFER(1)));
}

/* Reads what is typed, at most @len bytes; -1 after @ms without. */
static int listen_for(char *to, int len, int ms)
{
	static bool pending;
	int got;

	if (!pending) {
		describe(&rx, 0, BUFFER(0), len, VRING_DESC_F_WRITE, 0);
		offer(&rx, 0);
	}
	got = wait_used(&rx, ms);
	pending = got < 0;
	if (got > 0)
		memcpy(to, gpa(BUFFER(0)), got);
	return got;
}

/* --- Guests ---------------------------------------------------------------------- */

static void hello(void) { print("hello, world\n"); }
static void quiet(void) { }
static void panics(void) { shut_down(LGUEST_CRASH, "VFS:\tno root\e[2J\x9b\n"); }
static void panics_at_length(void)
{
	char text[300];

	memset(text, 'x', sizeof(text));
	text[299] = 0;
	shut_down(LGUEST_CRASH, text);
}
static void dies(void)
{
	strcpy(run->text, "bad page table\n");
	leave(LGUEST_EXIT_KILLED);
}
static void confuses(void) { leave(77); }
static void fails(void) { fail_run(EPERM); }
static void sleeps(void) { print("asleep\n"); for (;;) halt(0, -1); }
static void prints_a_lot(void)
{
	char text[1001];

	memset(text, 'x', 1000);
	text[999] = '\n';
	text[1000] = 0;
	start_console();
	print("begin\n");
	for (int i = 0; i < 300; i++)
		say("%s", text);
}

static void reboots(void)
{
	uint32_t *mark = gpa(0x2000000);

	start_console();
	say("life %d, memory %s\n", lives, *mark ? "used" : "fresh");
	*mark = 1;
	if (lives < 4)
		shut_down(LGUEST_REBOOT, "again");
}

static void looks_around(void)
{
	struct boot_params *b = gpa(state.rsi);

	print("rip %llx cr3 %llx user %u rflags %llx rsp %llx\n", state.rip,
	      state.cr3, state.user, state.rflags, state.rsp);
	print("loader %x version %x\n", b->hdr.type_of_loader, b->hdr.version);
	for (int i = 0; i < b->e820_entries; i++)
		print("e820 %llx %llx %u\n", b->e820_table[i].addr,
		      b->e820_table[i].size, b->e820_table[i].type);
	print("command line: %s\n", (char *)gpa(b->hdr.cmd_line_ptr));
	print("initrd: %.*s", (int)b->hdr.ramdisk_size,
	      b->hdr.ramdisk_size ? (char *)gpa(b->hdr.ramdisk_image) : "");
	print("memory %llx bus %u\n", memory.size, memory.bus_pages);
	for (unsigned int i = 0; i < memory.bus_pages; i++)
		if (device(i)->magic != LGUEST_DEVICE_MAGIC)
			print("device %u has no magic\n", i);
		else if (device(i)->type)
			print("device %u type %u queues %u\n", i,
			      device(i)->type, device(i)->num_queues);
}

static void talks(void)
{
	start_console();
	for (int i = 0; i < 20; i++)
		say("line %d\n", i);
}

/* Gives back what is typed, until there is nothing for half a second. */
static void echoes(void)
{
	char text[64];
	int len;

	start_console();
	say("ready\n");
	while ((len = listen_for(text, sizeof(text), 500)) >= 0) {
		say("%.*s", len, text);
		if (len && memchr(text, '!', len))
			return;
	}
	say("\nsilence\n");
}

/* The same, in hexadecimal, until an exclamation mark. */
static void spells(void)
{
	char text[64];
	int len;

	start_console();
	say("ready\n");
	for (;;) {
		len = listen_for(text, sizeof(text), 20000);
		if (len < 0)
			return;
		for (int i = 0; i < len; i++) {
			say("<%02x>", text[i] & 0xff);
			if (text[i] == '!')
				return;
		}
	}
}

static void measures(void)
{
	struct lguest_device *d = device(0);
	uint16_t *size = (uint16_t *)d->config;

	if (!negotiate(0, usual | 1))
		print("no size\n");
	set_up(&rx, 0, 0);
	set_up(&tx, 0, 1);
	d->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	say("size %ux%u\n", size[0], size[1]);
	if (halt(d->config_irq, 10000))
		say("size %ux%u\n", size[0], size[1]);
}

/* --- Guests that lie ----------------------------------------------------------------- */

static void expect_broken(const char *what)
{
	struct lguest_device *d = device(0);

	bool told = false;

	for (int i = 0; i < 500; i++) {
		told |= halt(d->config_irq, 10);
		if (told && d->status & VIRTIO_CONFIG_S_NEEDS_RESET) {
			start_console();
			say("%s: and well again\n", what);
			return;
		}
	}
	print("%s: nobody noticed\n", what);
}

#define IN	VRING_DESC_F_WRITE
#define NEXT	VRING_DESC_F_NEXT
#define INDIRECT VRING_DESC_F_INDIRECT

static void lie(const char *what)
{
	struct vring_desc *table = gpa(BUFFER(2));
	struct lguest_queue *q = &device(0)->queues[1];

	start_console();
	describe(&tx, 0, BUFFER(1), 4, 0, 0);
	describe(&tx, 1, BUFFER(1), 4, 0, 0);
	if (!strcmp(what, "self-loop"))
		describe(&tx, 0, BUFFER(1), 4, NEXT, 0);
	else if (!strcmp(what, "two-loop")) {
		describe(&tx, 0, BUFFER(1), 4, NEXT, 1);
		describe(&tx, 1, BUFFER(1), 4, NEXT, 0);
	} else if (!strcmp(what, "far-link"))
		describe(&tx, 0, BUFFER(1), 4, NEXT, SIZE);
	else if (!strcmp(what, "outside"))
		describe(&tx, 0, ram(), 4, 0, 0);
	else if (!strcmp(what, "across"))
		describe(&tx, 0, ram() - 1, 2, 0, 0);
	else if (!strcmp(what, "wrap"))
		describe(&tx, 0, ~0ull, 2, 0, 0);
	else if (!strcmp(what, "huge"))
		describe(&tx, 0, 0x1000, ~0u, 0, 0);
	else if (!strcmp(what, "backwards")) {
		describe(&tx, 0, BUFFER(1), 4, IN | NEXT, 1);
	} else if (!strcmp(what, "indirect-odd"))
		describe(&tx, 0, BUFFER(2), 17, INDIRECT, 0);
	else if (!strcmp(what, "indirect-none"))
		describe(&tx, 0, BUFFER(2), 0, INDIRECT, 0);
	else if (!strcmp(what, "indirect-large"))
		describe(&tx, 0, BUFFER(2), 16 << 20, INDIRECT, 0);
	else if (!strcmp(what, "indirect-outside"))
		describe(&tx, 0, ram() - 16, 32, INDIRECT, 0);
	else if (!strcmp(what, "indirect-next"))
		describe(&tx, 0, BUFFER(2), 16, INDIRECT | NEXT, 1);
	else if (!strcmp(what, "indirect-nested")) {
		describe(&tx, 0, BUFFER(2), 16, INDIRECT, 0);
		table[0] = (struct vring_desc){ BUFFER(2), 16, INDIRECT, 0 };
	} else if (!strcmp(what, "indirect-own")) {
		describe(&tx, 0, RING(1), SIZE * 16, INDIRECT, 0);
	} else if (!strcmp(what, "indirect-loop")) {
		describe(&tx, 0, BUFFER(2), 32, INDIRECT, 0);
		table[0] = (struct vring_desc){ BUFFER(1), 4, NEXT, 1 };
		table[1] = (struct vring_desc){ BUFFER(1), 4, NEXT, 0 };
	} else if (!strcmp(what, "indirect-unagreed")) {
		negotiate(0, 1ull << VIRTIO_F_VERSION_1);
		set_up(&tx, 0, 1);
		describe(&tx, 0, BUFFER(2), 16, INDIRECT, 0);
		table[0] = (struct vring_desc){ BUFFER(1), 4, 0, 0 };
	} else if (!strcmp(what, "counter-jumps"))
		tx.avail->idx = SIZE;
	else if (!strcmp(what, "counter-back"))
		tx.avail->idx = 0xfff0;
	else if (!strcmp(what, "size-0"))
		q->size = 0;
	else if (!strcmp(what, "size-3"))
		q->size = 3;
	else if (!strcmp(what, "size-65535"))
		q->size = 65535;
	else if (!strcmp(what, "not-ready"))
		q->ready = 0;
	else if (!strcmp(what, "ring-odd"))
		q->desc += 8;
	else if (!strcmp(what, "ring-outside"))
		q->device = ram() - 8;
	else if (!strcmp(what, "ring-wraps"))
		q->driver = ~0ull - 1;
	else if (!strcmp(what, "features-change")) {
		device(0)->driver_features = 1ull << VIRTIO_F_VERSION_1;
		notify(0, LGUEST_NOTIFY_CONFIG);
	}
	offer(&tx, 0);
	expect_broken(what);
}

static void lies(void)
{
	static const char *const all[] = {
		"self-loop", "two-loop", "far-link", "outside", "across",
		"wrap", "huge", "backwards", "indirect-odd", "indirect-none",
		"indirect-large", "indirect-outside", "indirect-next",
		"indirect-nested", "indirect-own", "indirect-loop",
		"indirect-unagreed", "counter-jumps", "counter-back", "size-0",
		"size-3", "size-65535", "not-ready", "ring-odd",
		"ring-outside", "ring-wraps", "features-change",
	};
	const char *one = getenv("LIE");

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (!one || !strcmp(one, all[i]))
			lie(all[i]);
}

/* Odd, but allowed: it must work. */
static void is_odd(void)
{
	struct vring_desc *table = gpa(BUFFER(2) + 8);

	start_console();
	memcpy(gpa(BUFFER(1)), "in one, in pieces, in a table\n", 30);
	describe(&tx, 0, BUFFER(1), 8, NEXT, 3);
	describe(&tx, 3, BUFFER(1), 0, NEXT, 2);
	describe(&tx, 2, BUFFER(1) + 8, 11, NEXT, 1);
	describe(&tx, 1, BUFFER(2) + 8, 48, INDIRECT, 99);
	table[0] = (struct vring_desc){ BUFFER(1) + 19, 1, NEXT, 2 };
	table[2] = (struct vring_desc){ BUFFER(1) + 20, 9, NEXT, 1 };
	table[1] = (struct vring_desc){ BUFFER(1) + 29, 1, 0, 0 };
	offer(&tx, 0);
	wait_used(&tx, 5000);
	notify(31, 0);
	notify(0xffffffff, 0);
	notify(0, 31);
	notify(0, 0xffffffff);
	notify(0, LGUEST_NOTIFY_CONFIG);
	for (int i = 0; i < SIZE * 3; i++)
		say("%d\n", i);
	device(0)->status = VIRTIO_CONFIG_S_FAILED;
	notify(0, LGUEST_NOTIFY_CONFIG);
	if (negotiate(0, usual | 1ull << 60))
		print("unknown features were accepted\n");
	if (negotiate(0, 0))
		print("an old device was accepted\n");
	notify(0, 1);
	start_console();
	say("still here\n");
}

static uint32_t dice(uint32_t sides)
{
	static uint32_t seed;

	if (!seed)
		seed = atoi(getenv("SEED") ?: "1");
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % sides;
}

/* Whatever comes into its mind, for a while. */
static void is_mad(void)
{
	static const uint64_t odd[] = { 0, 1, 7, 0xfff, 0x1000, RING(1),
		0x3ffffff, 0x4000000, 1ull << 32, 1ull << 63, ~0ull };
	for (int i = 0; i < 3000; i++) {
		uint8_t *page = (uint8_t *)device(0);
		uint64_t *ring = gpa(RING(dice(2)) + dice(0x3000 / 8) * 8);

		switch (dice(8)) {
		case 0:
			negotiate(0, usual);
			set_up(&tx, 0, 1);
			set_up(&rx, 0, 0);
			break;
		case 1:
			page[dice(4096)] = dice(256);
			break;
		case 2:
			memcpy(page + 56 + dice(16) * 8, &odd[dice(11)], 8);
			break;
		case 3:
			*ring = odd[dice(11)];
			break;
		case 4:
			device(0)->status = dice(256);
			notify(0, LGUEST_NOTIFY_CONFIG);
			break;
		default:
			if (tx.avail)
				tx.avail->idx += dice(20) ? 1 : dice(300);
			notify(dice(20) ? 0 : dice(40), dice(3));
		}
	}
	negotiate(0, 0);
	print("\nsane again\n");
}

/* Listens to the keyboard, and breaks the console by its other queue. */
static void breaks(void)
{
	start_console();
	describe(&rx, 0, BUFFER(0), 64, IN, 0);
	offer(&rx, 0);
	say("listening\n");
	describe(&tx, 0, BUFFER(1), 4, NEXT, 0);
	offer(&tx, 0);
	for (;;)
		halt(0, -1);
}

static const struct scenario {
	const char *name;
	void (*guest)(void);
} scenarios[] = {
	{ "hello", hello }, { "quiet", quiet }, { "panics", panics },
	{ "panics-at-length", panics_at_length }, { "dies", dies },
	{ "confuses", confuses }, { "fails", fails }, { "sleeps", sleeps },
	{ "reboots", reboots }, { "looks", looks_around }, { "talks", talks },
	{ "echoes", echoes }, { "spells", spells }, { "measures", measures },
	{ "lies", lies }, { "odd", is_odd }, { "mad", is_mad },
	{ "prints-a-lot", prints_a_lot }, { "breaks", breaks },
#ifdef MORE_SCENARIOS
	MORE_SCENARIOS
#endif
};

static void begin(void)
{
	const char *name = getenv("SCENARIO") ?: "";

	for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++)
		if (!strcmp(name, scenarios[i].name))
			scenarios[i].guest();
	shut_down(LGUEST_POWEROFF, "done");
	abort();
}

/* --- What the Launcher calls ------------------------------------------------------------ */

static int fail(int error) { errno = error; return -1; }

/* FAIL=name of an ioctl makes it fail with ENOMEM. */
static bool must_fail(const char *name)
{
	const char *which = getenv("FAIL");

	return which && !strcmp(which, name);
}

static int run_guest(void)
{
	static char *stack;

	if (!started) {
		started = true;
		stack = stack ?: malloc(1 << 20);
		getcontext(&guest);
		guest.uc_stack.ss_sp = stack;
		guest.uc_stack.ss_size = 1 << 20;
		guest.uc_link = NULL;
		makecontext(&guest, begin, 0);
	}
	swapcontext(&host, &guest);
	return run_errno ? fail(run_errno) : 0;
}

static int irq_call(const struct lguest_irqfd *arg)
{
	if (arg->irq == 0 || arg->irq >= LGUEST_IRQS || arg->flags ||
	    arg->reserved)
		return fail(EINVAL);
	irqfd[arg->irq] = arg->fd;
	return 0;
}

static int doorbell_call(const struct lguest_doorbell *arg)
{
	int *place;

	if (arg->device >= LGUEST_DEVICES || arg->queue >= LGUEST_QUEUES ||
	    arg->flags & ~LGUEST_DEASSIGN)
		return fail(EINVAL);
	place = &doorbell[arg->device][arg->queue];
	if (arg->flags ? *place != arg->fd : *place != 0)
		return fail(arg->flags ? ENOENT : EEXIST);
	*place = arg->flags ? 0 : arg->fd;
	return 0;
}

static int create_vcpu(void)
{
	vcpu_fd = memfd_create("vcpu", MFD_CLOEXEC);
	if (ftruncate(vcpu_fd, 4096) < 0)
		return -1;
	run = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd, 0);
	return vcpu_fd;
}

int openat(int dir, const char *path, int flags, ...)
{
	int (*real)(int, const char *, int, ...) = dlsym(RTLD_NEXT, "openat");
	va_list args;
	mode_t mode;

	if (strcmp(path, "lguest") == 0) {
		lives++;
		started = false;
		memset(irqfd, 0, sizeof(irqfd));
		memset(doorbell, 0, sizeof(doorbell));
		return vm_fd = eventfd(0, EFD_CLOEXEC);
	}
	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	return real(dir, path, flags, mode);
}

int ioctl(int fd, unsigned long request, ...)
{
	int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	switch (fd == vm_fd || fd == vcpu_fd ? request : 0) {
	case LGUEST_GET_VERSION:
		return LGUEST_API_VERSION + must_fail("version");
	case LGUEST_SET_MEMORY:
		memory = *(struct lguest_memory *)arg;
		return must_fail("memory") ? fail(ENOMEM) : 0;
	case LGUEST_CREATE_VCPU:
		return must_fail("vcpu") ? fail(ENOMEM) : create_vcpu();
	case LGUEST_IRQFD:
		return must_fail("irqfd") ? fail(ENOMEM) : irq_call(arg);
	case LGUEST_DOORBELL:
		return must_fail("doorbell") ? fail(ENOMEM) : doorbell_call(arg);
	case LGUEST_SET_STATE:
		state = *(struct lguest_state *)arg;
		return must_fail("state") ? fail(EINVAL) : 0;
	case LGUEST_GET_STATS:
		memset(arg, 0, sizeof(struct lguest_stats));
		((struct lguest_stats *)arg)->exits = 4711;
		return 0;
	case LGUEST_RUN:
		return run_guest();
	}
	return real(fd, request, arg);
}
