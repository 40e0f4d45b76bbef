// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The life of a machine, again and again, and each time something in the
 * Host's kernel fails. Needs a kernel with CONFIG_FAULT_INJECTION, and lg.ko
 * loaded.
 *
 *	shortage once		each call that the kernel would let fail, once
 *	shortage from		no page or no slab from the Nth one on
 *	shortage load MODULE [STRIDE]
 *				the same as once, for loading the module
 *	shortage run WHAT SPACE TIMES COMMAND [ARG...]
 *				COMMAND has SPACE pages (WHAT: pages) or bytes
 *				(WHAT: slabs); then TIMES allocations fail
 *
 * A life has steps: opening the device, giving it memory, making a vCPU and so
 * on; the longest is to run a Guest, which makes page tables, enters its user,
 * sets a timer, and powers off. A failure comes in one step. What fails may
 * be tried again and must work then, unless the Guest is dead; and whatever
 * happened, nothing is left when all files are closed. Only ENOMEM (no
 * memory) and EFAULT (a copy to or from our memory failed, which the kernel
 * counts among the things that may) are good reasons.
 *
 * Output: a line for each step, one for each kind of end, one that begins
 * with "bad:" for what should not be.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <lguest/abi.h>
#include <lguest/uapi.h>

#define PAGE		4096ul
#define MEMORY_SIZE	(4ul << 20)
#define KERNEL		0xffffffff80000000ul
#define GPA_ROOT	0x2000ul	/* and the tables behind it */
#define GPA_SHARED	0x9000ul
#define GPA_ROOT2	0xa000ul
#define GPA_CODE	0x10000ul
#define STATS		"/sys/kernel/debug/lguest/stats"

/* ---- The Guest ---------------------------------------------------------- */

#define STRING(x)	#x
#define NUMBER(x)	STRING(x)

/*
 * Root entries 1 to 3 lead to the same tables, which map the first 2 MB at
 * many places: each place that is touched needs shadow tables of its own.
 */
asm(".pushsection .rodata\n"
    ".macro LHCALL number a b\n"
    "	mov $\\number, %eax\n"
    "	mov $\\a, %edi\n"
    "	mov $\\b, %esi\n"
    "	syscall\n"
    ".endm\n"
    ".macro TOUCH\n"
    "	mov $3, %r12d\n"
    "1:	mov $2, %r13d\n"
    "2:	mov $2, %r14d\n"
    "3:	mov %r12, %rax\n"
    "	shl $9, %rax\n"
    "	lea -1(%rax, %r13), %rax\n"
    "	shl $9, %rax\n"
    "	lea -1(%rax, %r14), %rax\n"
    "	shl $21, %rax\n"
    "	incq 0x100000(%rax)\n"
    "	dec %r14d\n"
    "	jnz 3b\n"
    "	dec %r13d\n"
    "	jnz 2b\n"
    "	dec %r12d\n"
    "	jnz 1b\n"
    ".endm\n"
    "code:\n"
    "	LHCALL " NUMBER(LHCALL_INIT) " 0x9000 0\n"
    "	TOUCH\n"
    "	LHCALL " NUMBER(LHCALL_SET_CR3) " 0xa000 0\n"
    "	TOUCH\n"
    "	LHCALL " NUMBER(LHCALL_PRINT) " 0x10000 16\n"
    "	LHCALL " NUMBER(LHCALL_NOTIFY) " 1 3\n"
    "	LHCALL " NUMBER(LHCALL_NOTIFY) " 1 4\n"
    "	LHCALL " NUMBER(LHCALL_SET_TIMER) " 100000 0\n"
    "	LHCALL " NUMBER(LHCALL_HALT) " 0 0\n"
    /* The interrupt has used the frame: fill it in now. */
    "	movq $0x410400, " NUMBER(0xffffffff80009000 + LGUEST_SH_RIP) "\n"
    "	movq $0x33, " NUMBER(0xffffffff80009000 + LGUEST_SH_CS) "\n"
    "	movq $0x202, " NUMBER(0xffffffff80009000 + LGUEST_SH_RFLAGS) "\n"
    "	movq $0x407000, " NUMBER(0xffffffff80009000 + LGUEST_SH_RSP) "\n"
    "	mov $" NUMBER(LHCALL_IRET) ", %eax\n"
    "	syscall\n"
    "	ud2\n"
    /* Where system calls (512) and events (768) go, and the user (1024). */
    ".org code + 512\n"
    "	LHCALL " NUMBER(LHCALL_FLUSH_TLB) " 1 0\n"
    "	TOUCH\n"
    "	LHCALL " NUMBER(LHCALL_SHUTDOWN) " 0x1f000 " NUMBER(LGUEST_POWEROFF) "\n"
    "	ud2\n"
    ".org code + 768\n"
    /* Only the timer's interrupt is welcome. */
    "	cmpq $0x130, " NUMBER(0xffffffff80009000 + LGUEST_SH_VECTOR) "\n"
    "	jne 1f\n"
    "	movq $0, " NUMBER(0xffffffff80009000 + LGUEST_SH_VECTOR) "\n"
    "	mov $" NUMBER(LHCALL_IRET) ", %eax\n"
    "	syscall\n"
    "1:	mov " NUMBER(0xffffffff80009000 + LGUEST_SH_VECTOR) ", %rax\n"
    "	mov " NUMBER(0xffffffff80009000 + LGUEST_SH_RIP) ", %rbx\n"
    "	ud2\n"
    ".org code + 1024\n"
    "	movaps %xmm0, %xmm1\n"
    "	syscall\n"
    "	ud2\n"
    ".purgem LHCALL\n"
    ".purgem TOUCH\n"
    "code_end:\n"
    ".popsection\n");
extern const char code[], code_end[];
#define CODE_SYSCALL	512
#define CODE_EVENT	768
#define TOUCHES		(3 * 12)

static char *memory;

static void load_guest(void)
{
	uint64_t (*tables)[512] = (void *)(memory + GPA_ROOT);
	struct lguest_shared *shared = (void *)(memory + GPA_SHARED);
	int i;

	memset(memory, 0, 0x200000);
	tables[0][0] = (GPA_ROOT + PAGE) | 7;
	tables[1][0] = (GPA_ROOT + 2 * PAGE) | 7;
	tables[2][2] = 0x87;				/* USER */
	for (i = 1; i <= 3; i++)
		tables[0][i] = (GPA_ROOT + 3 * PAGE) | 3;
	tables[3][0] = tables[3][1] = (GPA_ROOT + 4 * PAGE) | 3;
	tables[4][0] = tables[4][1] = 0x83;
	tables[0][511] = (GPA_ROOT + 5 * PAGE) | 3;
	tables[5][510] = (GPA_ROOT + 4 * PAGE) | 3;	/* KERNEL */
	memcpy(memory + GPA_ROOT2, tables[0], PAGE);
	*shared = (struct lguest_shared){
		.version = LGUEST_ABI_VERSION,
		.event_entry = KERNEL + GPA_CODE + CODE_EVENT,
		.syscall_entry = KERNEL + GPA_CODE + CODE_SYSCALL,
	};
	memcpy(memory + GPA_CODE, code, code_end - code);
}

/* ---- Failures on order ---------------------------------------------------- */

static int nth_fd, make_fd, bad_things;

__attribute__((format(printf, 1, 2)))
static void bad(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	printf("bad: ");
	vprintf(format, ap);
	printf("\n");
	va_end(ap);
	bad_things++;
}

static void put(int fd, long value)
{
	char text[32];

	if (pwrite(fd, text, sprintf(text, "%ld", value), 0) < 0 && value) {
		perror("fault injection");
		exit(2);
	}
}

static void set(const char *what, const char *name, long value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", what, name);
	fd = open(path, O_WRONLY);
	if (fd < 0) {
		perror(path);
		exit(2);
	}
	if (dprintf(fd, "%ld", value) < 0) {
		perror(path);
		exit(2);
	}
	close(fd);
}

/* What is left of N: 0 if the Nth call has failed. */
static long nth_left(void)
{
	char text[32] = "";
	ssize_t n = pread(nth_fd, text, sizeof(text) - 1, 0);
	long left = n < 0 ? 1 : atol(text);	/* the read itself failed */

	while (pread(nth_fd, text, sizeof(text) - 1, 0) < 0 || atol(text))
		put(nth_fd, 0);
	return left;
}

static const char *const kinds[] = { "fail_page_alloc", "failslab" };

static void open_faults(void)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		set(kinds[i], "ignore-gfp-wait", 0);
		set(kinds[i], "task-filter", 1);
		set(kinds[i], "verbose", 0);
		set(kinds[i], "probability", 0);
		set(kinds[i], "interval", 1);
	}
	set("fail_page_alloc", "min-order", 0);
	set("fail_usercopy", "verbose", 0);
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR);
	make_fd = open("/proc/thread-self/make-it-fail", O_RDWR);
	if (nth_fd < 0 || make_fd < 0) {
		perror("/proc/thread-self/fail-nth");
		exit(2);
	}
}

/* ---- The steps of a life ---------------------------------------------------- */

static struct machine {
	int vm, vcpu, irq, bell;
	struct lguest_run *run;
	bool over;		/* the Guest has powered off */
} m;
static char reason[256];
static const char *killed;	/* why the Guest is dead, or NULL */

static int answer(int ret)
{
	return ret < 0 ? -errno : 0;
}

static int do_open(void)
{
	m.vm = open("/dev/lguest", O_RDWR | O_CLOEXEC);
	return answer(m.vm);
}

static int do_memory(void)
{
	struct lguest_memory arg = { (uintptr_t)memory, MEMORY_SIZE, 1, 0 };

	return answer(ioctl(m.vm, LGUEST_SET_MEMORY, &arg));
}

static int do_vcpu(void)
{
	m.vcpu = ioctl(m.vm, LGUEST_CREATE_VCPU, 0);
	return answer(m.vcpu);
}

static int do_map(void)
{
	m.run = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, m.vcpu, 0);
	if (m.run != MAP_FAILED)
		return 0;
	m.run = NULL;
	return -errno;
}

static int do_set_state(void)
{
	struct lguest_state s = {
		.rip = KERNEL + GPA_CODE, .rsp = KERNEL + 0x21000,
		.rflags = 2, .cr3 = GPA_ROOT,
	};

	return answer(ioctl(m.vcpu, LGUEST_SET_STATE, &s));
}

static int do_irqfd(void)
{
	struct lguest_irqfd arg = { .fd = m.irq, .irq = 5 };

	return answer(ioctl(m.vm, LGUEST_IRQFD, &arg));
}

static int do_bell(void)
{
	struct lguest_doorbell arg = { .fd = m.bell, .device = 1, .queue = 3 };

	return answer(ioctl(m.vm, LGUEST_DOORBELL, &arg));
}

static int do_run(void)
{
	while (!m.over) {
		if (ioctl(m.vcpu, LGUEST_RUN) < 0) {
			if (errno == EINTR)	/* so that we may look about */
				continue;
			return -errno;
		}
		m.over = m.run->reason == LGUEST_EXIT_SHUTDOWN ||
			 m.run->reason == LGUEST_EXIT_KILLED;
	}
	if (m.run->reason == LGUEST_EXIT_KILLED) {
		memcpy(reason, m.run->text, sizeof(reason));
		killed = reason;
	}
	return 0;
}

static int do_get_state(void)
{
	struct lguest_state s;

	return answer(ioctl(m.vcpu, LGUEST_GET_STATE, &s));
}

static int do_get_stats(void)
{
	struct lguest_stats s;

	return answer(ioctl(m.vm, LGUEST_GET_STATS, &s));
}

static int do_read_stats(void)
{
	char text[1024];
	int fd = open(STATS, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = answer(read(fd, text, sizeof(text)));
	close(fd);
	return ret;
}

static int do_undo_irqfd(void)
{
	struct lguest_irqfd arg = {
		.fd = m.irq, .irq = 5, .flags = LGUEST_DEASSIGN
	};

	return answer(ioctl(m.vm, LGUEST_IRQFD, &arg));
}

static int do_undo_bell(void)
{
	struct lguest_doorbell arg = {
		.fd = m.bell, .device = 1, .queue = 3, .flags = LGUEST_DEASSIGN
	};

	return answer(ioctl(m.vm, LGUEST_DOORBELL, &arg));
}

static int do_unmap(void)
{
	int ret = m.run ? munmap(m.run, PAGE) : 0;

	if (!ret)
		m.run = NULL;
	return answer(ret);
}

/* The end: this cannot fail. */
static int do_close(void)
{
	if (m.vcpu >= 0)
		close(m.vcpu);
	if (m.vm >= 0)
		close(m.vm);
	m.vm = m.vcpu = -1;
	return 0;
}

static const struct step {
	const char *name;
	int (*call)(void);
} steps[] = {
	{ "open", do_open }, { "memory", do_memory }, { "vcpu", do_vcpu },
	{ "map", do_map }, { "set_state", do_set_state },
	{ "irqfd", do_irqfd }, { "bell", do_bell }, { "run", do_run },
	{ "get_state", do_get_state }, { "get_stats", do_get_stats },
	{ "read_stats", do_read_stats }, { "undo_irqfd", do_undo_irqfd },
	{ "undo_bell", do_undo_bell }, { "unmap", do_unmap },
	{ "close", do_close },
};
#define STEPS	(sizeof(steps) / sizeof(steps[0]))

/* ---- A life with a failure in it ---------------------------------------------- */

/* How steps end, and how often. */
static struct end {
	char what[128];
	int times;
} ends[32];

static void count_end(const char *what)
{
	unsigned int i;

	for (i = 0; i < 31 && ends[i].times; i++)
		if (strcmp(ends[i].what, what) == 0)
			break;
	snprintf(ends[i].what, sizeof(ends[i].what), "%s", what);
	ends[i].times++;
}

static void tell_ends(const char *mode, const char *step, long failures)
{
	unsigned int i;

	printf("step %s %s failures %ld\n", mode, step, failures);
	for (i = 0; i < 32; i++)
		if (ends[i].times)
			printf("end %s %s %d: %s\n", mode, step,
			       ends[i].times, ends[i].what);
	memset(ends, 0, sizeof(ends));
	fflush(stdout);
}

static long count_of(const char *name)
{
	char text[2048] = "\n", *at;
	char wanted[64];
	int fd = open(STATS, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text + 1, sizeof(text) - 2);

	close(fd);
	snprintf(wanted, sizeof(wanted), "\n%s ", name);
	text[n < 0 ? 0 : n + 1] = 0;
	at = strstr(text, wanted);
	return at ? atol(at + strlen(wanted)) : -1;
}

static void check_nothing_left(const char *when)
{
	static const char *const names[] = {
		"machines", "frames", "shadow_pages", "audit_failures"
	};
	unsigned int i;

	for (i = 0; i < 4; i++)
		if (count_of(names[i]) != 0)
			bad("%s: %ld %s are left", when, count_of(names[i]),
			    names[i]);
}

static uint64_t touched(void)
{
	return *(volatile uint64_t *)(memory + 0x100000);
}

/* What was interrupted goes on as if nothing had been. */
static void finish(const char *when, unsigned int step, int ret)
{
	if (ret < 0 && steps[step].call != do_close) {
		ret = steps[step].call();
		if (ret < 0)
			bad("%s: fails again: %s", when, strerror(-ret));
	}
	while (++step < STEPS) {
		if (killed && steps[step].call != do_unmap &&
		    steps[step].call != do_close)
			continue;
		ret = steps[step].call();
		if (ret < 0)
			bad("%s: then %s fails: %s", when, steps[step].name,
			    strerror(-ret));
	}
	if (!killed && touched() != TOUCHES)
		bad("%s: the Guest touched its memory %llu times", when,
		    (unsigned long long)touched());
	check_nothing_left(when);
}

/*
 * Live until step, which happens between before() and after(); after() says
 * whether anything has failed.
 */
static bool live(const char *mode, unsigned int step, long n,
		 void (*before)(long), bool (*after)(void))
{
	char when[64], what[128];
	unsigned int i;
	bool failed;
	int ret;

	snprintf(when, sizeof(when), "%s %s %ld", mode, steps[step].name, n);
	m = (struct machine){ .vm = -1, .vcpu = -1,
		.irq = m.irq, .bell = m.bell };
	killed = NULL;
	load_guest();
	for (i = 0; i < step; i++) {
		ret = steps[i].call();
		if (ret < 0 || killed)
			bad("%s: %s fails too soon: %s", when, steps[i].name,
			    killed ? killed : strerror(-ret));
	}
	before(n);
	ret = steps[step].call();
	failed = after();
	if (ret < 0)
		snprintf(what, sizeof(what), "%s", strerrorname_np(-ret));
	else
		snprintf(what, sizeof(what), "%s", killed ? killed : "good");
	if (!failed && (ret < 0 || killed))
		bad("%s: nothing failed, and it ends with %s", when, what);
	if (failed && ret < 0 && ret != -ENOMEM && ret != -EFAULT)
		bad("%s: ends with %s", when, what);
	if (failed)
		count_end(what);
	finish(when, step, ret);
	return failed;
}

/* ---- Once ------------------------------------------------------------------------ */

static void before_once(long n)
{
	put(nth_fd, n);
}

static bool after_once(void)
{
	return nth_left() == 0;
}

static void fail_once(void)
{
	unsigned int step;
	long n;

	for (step = 0; step < STEPS; step++) {
		for (n = 1; n < 2000; n++)
			if (!live("once", step, n, before_once, after_once))
				break;
		tell_ends("once", steps[step].name, n - 1);
	}
}

/* ---- From the Nth on ------------------------------------------------------------- */

static const char *from_what;

static void before_from(long n)
{
	set(from_what, "space", n);
	set(from_what, "times", 1000000);
	set(from_what, "probability", 100);
	put(make_fd, 1);
}

static bool after_from(void)
{
	char path[128], text[32] = "";
	int fd;

	put(make_fd, 0);
	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/times", from_what);
	fd = open(path, O_RDONLY);
	if (read(fd, text, sizeof(text) - 1) < 1)
		bad("cannot read %s", path);
	close(fd);
	set(from_what, "probability", 0);
	return atol(text) < 1000000;
}

static void fail_from(void)
{
	unsigned int i, step;
	char mode[32];

	for (i = 0; i < 2; i++) {
		long n, count, pace = i ? 64 : 1;	/* bytes or pages */

		from_what = kinds[i];
		sprintf(mode, "from-%s", i ? "slabs" : "pages");
		for (step = 0; step < STEPS; step++) {
			for (n = 0, count = 0; n < 2000 * pace; n += pace) {
				if (!live(mode, step, n, before_from,
					  after_from))
					break;
				count++;
			}
			tell_ends(mode, steps[step].name, count);
		}
	}
}

/* ---- Loading the module ----------------------------------------------------------- */

static void load(const char *path, long stride)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;
	char when[64];
	long n, count = 0;
	bool failed;

	syscall(SYS_delete_module, "lg", O_NONBLOCK);
	for (n = 1; n < 5000; n += stride) {
		sprintf(when, "load %ld", n);
		put(nth_fd, n);
		ret = answer(syscall(SYS_finit_module, fd, "", 0));
		failed = nth_left() == 0;
		if (failed) {
			count++;
			count_end(ret ? strerrorname_np(-ret) : "good");
		}
		if (ret && ret != -ENOMEM && ret != -EFAULT)
			bad("%s: %s", when, strerror(-ret));
		if (ret && access("/dev/lguest", F_OK) == 0)
			bad("%s: the device has come all the same", when);
		if (ret && access(STATS, F_OK) == 0)
			bad("%s: the counters have come all the same", when);
		if (ret && syscall(SYS_finit_module, fd, "", 0))
			bad("%s: fails again: %m", when);
		if (syscall(SYS_delete_module, "lg", O_NONBLOCK))
			bad("%s: cannot be unloaded: %m", when);
		if (!failed)
			break;
	}
	tell_ends("load", "module", count);
	if (syscall(SYS_finit_module, fd, "", 0))
		bad("load: cannot be loaded at the end: %m");
}

/* ---- Anybody else ------------------------------------------------------------------- */

static void run_short(char **argv)
{
	from_what = kinds[strcmp(argv[0], "slabs") == 0];
	set(from_what, "space", atol(argv[1]));
	set(from_what, "times", atol(argv[2]));
	set(from_what, "probability", 100);
	/* The Launcher's main() is told by shortage-begin.so. */
	execvp(argv[3], argv + 3);
	perror(argv[3]);
	exit(126);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	open_faults();
	memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	m.irq = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	m.bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (memory == MAP_FAILED || m.irq < 0 || m.bell < 0) {
		perror("shortage");
		return 2;
	}
	if (strcmp(mode, "once") == 0)
		fail_once();
	else if (strcmp(mode, "from") == 0)
		fail_from();
	else if (strcmp(mode, "load") == 0 && argc > 2)
		load(argv[2], argc > 3 ? atol(argv[3]) : 1);
	else if (strcmp(mode, "run") == 0 && argc > 5)
		run_short(argv + 2);
	else
		return 2;
	printf("done %s bad %d\n", mode, bad_things);
	return bad_things != 0;
}
