// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Launchers with odd habits: they give memory that nobody should give, take
 * it away while the Guest runs, fork, and execute other programs.
 *
 *	odd list		the names of all cases
 *	odd CASE		one of them, as TAP
 *	odd perf SECONDS	sample and watch everything
 *	odd trace SECONDS PID	be a nasty debugger of a process
 *	odd held FD FD		what the second half of an exec does
 *
 * Each case is a process of its own, which says "ok" or "not ok".
 */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "small-guest.h"

#define RW		(PROT_READ | PROT_WRITE)
#define ODD		0x100000ul	/* GPA of what is odd */
#define ODD_SIZE	0x10000ul
#define AT_ODD		(MEMORY + ODD)

static int vm = -1, vcpu = -1, file = -1;
static struct lguest_run *run;
static volatile char *view;	/* the file, mapped a second time */
static atomic_int ended, leave, last_errno;
static pthread_t runner;
static int tests, failures;

__attribute__((format(printf, 2, 3)))
static void ok(bool good, const char *fmt, ...)
{
	va_list args;

	failures += !good;
	printf("%sok %d - ", good ? "" : "not ", ++tests);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(2);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* ---- A machine ------------------------------------------------------------ */

static void memory_file(void)
{
	file = memfd_create("odd", 0);
	if (file < 0 || ftruncate(file, MEMORY_SIZE) ||
	    mmap(MEMORY, MEMORY_SIZE, RW, MAP_SHARED | MAP_FIXED, file, 0) ==
	    MAP_FAILED)
		die("file");
	view = mmap(NULL, MEMORY_SIZE, RW, MAP_SHARED, file, 0);
}

static void memory_private(int flags)
{
	if (mmap(MEMORY, MEMORY_SIZE, RW, flags | MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		die("memory");
}

static void fill_memory(void)
{
	struct small_guest g;

	build_guest(&g);
	memcpy(MEMORY + GPA_ROOT, g.tables, sizeof(g.tables));
	memcpy(MEMORY + GPA_SHARED, &g.shared, sizeof(g.shared));
	memcpy(MEMORY + GPA_CODE, code, code_end - code);
	for (size_t i = GPA_TOUCHED; i < GPA_TOUCHED_END; i += PAGE)
		MEMORY[i] = 0xaa;
}

/* A machine with one vCPU that begins at this place of the code. */
static void make(unsigned int entry)
{
	struct lguest_memory m = {
		(uintptr_t)MEMORY, MEMORY_SIZE, BUS_PAGES, 0
	};
	struct lguest_state s = {
		.rip = KERNEL + GPA_CODE + entry, .rsp = KERNEL + 0x21000,
		.rflags = 2, .cr3 = GPA_ROOT,
	};

	vm = open("/dev/lguest", O_RDWR);
	if (vm < 0 || ioctl(vm, LGUEST_SET_MEMORY, &m))
		die("machine");
	vcpu = ioctl(vm, LGUEST_CREATE_VCPU, 0);
	run = mmap(NULL, PAGE, RW, MAP_SHARED, vcpu, 0);
	if (vcpu < 0 || run == MAP_FAILED || ioctl(vcpu, LGUEST_SET_STATE, &s))
		die("vCPU");
}

static void *run_it(void *unused)
{
	(void)unused;
	while (!leave) {
		int ret = ioctl(vcpu, LGUEST_RUN);

		last_errno = ret ? errno : 0;
		if ((!ret && run->reason == LGUEST_EXIT_KILLED) ||
		    (ret && errno != EINTR))
			break;
	}
	ended = 1;
	return NULL;
}

static void start(void)
{
	if (pthread_create(&runner, NULL, run_it, NULL))
		die("thread");
}

static void on_signal(int number)
{
	(void)number;
}

static bool has_ended(double patience)
{
	double end = seconds() + patience;

	while (!ended && seconds() < end)
		usleep(5000);
	return ended;
}

/* Is it still running, and does it stop when it is told to? */
static bool stop(void)
{
	bool alive = !ended;

	leave = 1;
	for (int i = 0; i < 400 && !ended; i++) {
		pthread_kill(runner, SIGUSR1);
		usleep(5000);
	}
	if (!ended)
		ok(false, "it cannot be stopped");
	else
		pthread_join(runner, NULL);
	return alive;
}

static uint64_t count_at(volatile void *place)
{
	return *(volatile uint64_t *)place;
}

/* Does somebody count there? */
static bool counts(volatile void *place)
{
	uint64_t first = count_at(place);
	double end = seconds() + 5;

	while (seconds() < end) {
		if (count_at(place) != first)
			return true;
		usleep(2000);
	}
	return false;
}

/* Not once from the first look on. */
static bool stands_still(volatile void *place)
{
	uint64_t first = count_at(place);

	for (int i = 0; i < 10; i++) {
		usleep(2000);
		if (count_at(place) != first)
			return false;
	}
	return true;
}

/* ---- E2: odd memory --------------------------------------------------------- */

enum outcome { RUNS, DIES };

static void run_pages(enum outcome wanted, const char *reason)
{
	double end = seconds() + 10;
	size_t i = 0;

	while (!ended && wanted == RUNS && seconds() < end) {
		for (i = GPA_TOUCHED; i < GPA_TOUCHED_END; i += PAGE)
			if (MEMORY[i])
				break;
		if (i == GPA_TOUCHED_END)
			break;
		usleep(5000);
	}
	if (wanted == DIES) {
		bool dead = has_ended(10);

		ok(dead && run->reason == LGUEST_EXIT_KILLED &&
		   strstr(run->text, reason), "the Guest is ended: %s",
		   dead ? run->text : "it runs");
		stop();
		return;
	}
	ok(i == GPA_TOUCHED_END, "the Guest has written to all pages");
	ok(stop(), "... and runs on%s%s", last_errno == EINTR ? "" : ": ",
	   last_errno == EINTR ? "" : run->text);
}

static void overlay(int prot, int flags, int fd, off_t offset, size_t size)
{
	if (mmap(AT_ODD, size, prot, flags | MAP_FIXED, fd, offset) ==
	    MAP_FAILED)
		die("odd memory");
}

static void start_pages(void)
{
	make(CODE_TOUCH);
	start();
}

static void e02_file(void)
{
	memory_file();
	fill_memory();
	start_pages();
	run_pages(RUNS, NULL);
}

static void e02_anonymous(void)
{
	memory_private(0);
	fill_memory();
	start_pages();
	run_pages(RUNS, NULL);
}

static void e02_hugetlb(void)
{
	memory_private(MAP_HUGETLB);
	fill_memory();
	start_pages();
	run_pages(RUNS, NULL);
}

static void e02_transparent_huge(void)
{
	memory_private(0);
	madvise(MEMORY, MEMORY_SIZE, MADV_HUGEPAGE);
	fill_memory();
	start_pages();
	run_pages(RUNS, NULL);
}

static void e02_holes(void)
{
	memory_file();
	fill_memory();
	if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      GPA_TOUCHED, GPA_TOUCHED_END - GPA_TOUCHED))
		die("hole");
	start_pages();
	usleep(100000);
	run_pages(RUNS, NULL);
}

static void e02_truncated_later(void)
{
	memory_file();
	fill_memory();
	start_pages();
	usleep(100000);
	if (ftruncate(file, ODD))
		die("truncate");
	run_pages(DIES, "outside memory");
}

static void e02_truncated_tables(void)
{
	memory_file();
	fill_memory();
	start_pages();
	usleep(100000);
	if (ftruncate(file, 0))
		die("truncate");
	run_pages(DIES, "is gone");
}

static void e02_past_the_end(void)
{
	int small = memfd_create("small", 0);

	memory_file();
	fill_memory();
	ftruncate(small, PAGE);
	overlay(RW, MAP_SHARED, small, 0, ODD_SIZE);
	start_pages();
	run_pages(DIES, "outside memory");
}

static void e02_physical(void)
{
	int fd = open("/dev/mem", O_RDWR);

	memory_file();
	fill_memory();
	overlay(RW, MAP_SHARED, fd, 0xf0000, ODD_SIZE);
	start_pages();
	run_pages(DIES, "outside memory");
}

static void e02_run_page(void)
{
	memory_file();
	fill_memory();
	make(CODE_TOUCH);
	overlay(RW, MAP_SHARED, vcpu, 0, PAGE);
	AT_ODD[0] = 0xaa;
	start();
	run_pages(RUNS, NULL);
}

static void e02_nothing(void)
{
	memory_file();
	fill_memory();
	munmap(AT_ODD, ODD_SIZE);
	start_pages();
	run_pages(DIES, "outside memory");
}

static void e02_read_only(void)
{
	memory_file();
	fill_memory();
	mprotect(AT_ODD, ODD_SIZE, PROT_READ);
	start_pages();
	run_pages(DIES, "outside memory");
	ok(view[ODD] == (char)0xaa, "nothing was written there");
}

static void e02_no_access(void)
{
	memory_file();
	fill_memory();
	mprotect(AT_ODD, ODD_SIZE, PROT_NONE);
	start_pages();
	run_pages(DIES, "outside memory");
}

static void e02_program_text(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	memory_file();
	fill_memory();
	overlay(PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0, ODD_SIZE);
	start_pages();
	run_pages(DIES, "outside memory");
}

/* Private and writable: the Guest gets copies, the file keeps what it has. */
static void e02_copy_of_a_file(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	char before, after;

	memory_file();
	fill_memory();
	overlay(RW, MAP_PRIVATE, fd, 0, ODD_SIZE);
	pread(fd, &before, 1, 0);
	start_pages();
	run_pages(RUNS, NULL);
	pread(fd, &after, 1, 0);
	ok(before == 0x7f && after == 0x7f, "the file is as it was");
}

static void e02_twice(void)
{
	memory_file();
	fill_memory();
	overlay(RW, MAP_SHARED, file, GPA_TOUCHED, ODD_SIZE);
	start_pages();
	run_pages(RUNS, NULL);
}

static void e02_zero_device(void)
{
	memory_file();
	fill_memory();
	overlay(RW, MAP_SHARED, open("/dev/zero", O_RDWR), 0, ODD_SIZE);
	AT_ODD[0] = 0xaa;
	start_pages();
	run_pages(RUNS, NULL);
}

/* The Guest's tables can be read, and not be marked. */
static void e02_read_only_tables(void)
{
	memory_file();
	fill_memory();
	mprotect(MEMORY + GPA_ROOT, 4 * PAGE, PROT_READ);
	start_pages();
	run_pages(DIES, "is read-only");
	ok(MEMORY[GPA_TOUCHED] == (char)0xaa, "it has not written anything");
}

static int fault_file(char *at, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = {
		.range = { (uintptr_t)at, size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &r))
		die("userfaultfd");
	return fd;
}

/* Nobody answers; so only a SIGKILL ends it, but that does. */
static void never_answered(size_t gpa)
{
	int pipes[2];
	char byte;
	double begin;
	pid_t pid;

	pipe(pipes);
	pid = fork();
	if (!pid) {
		int fd;
		struct pollfd p = { .events = POLLIN };

		memory_private(0);
		fill_memory();
		madvise(MEMORY + gpa, ODD_SIZE, MADV_DONTNEED);
		fd = fault_file(MEMORY + gpa, ODD_SIZE);
		start_pages();
		p.fd = fd;
		write(pipes[1], poll(&p, 1, 10000) == 1 ? "y" : "n", 1);
		pause();
	}
	ok(read(pipes[0], &byte, 1) == 1 && byte == 'y',
	   "the Guest waits for the memory");
	usleep(300000);
	begin = seconds();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ok(seconds() - begin < 2, "SIGKILL ends the wait at once");
}

static void e02_never_answered(void)
{
	never_answered(ODD);
}

static void e02_never_answered_tables(void)
{
	never_answered(GPA_ROOT);
}

static void e02_answered_late(void)
{
	struct pollfd p = { .events = POLLIN };
	struct uffd_msg message;
	int answered = 0;

	memory_private(0);
	fill_memory();
	madvise(AT_ODD, ODD_SIZE, MADV_DONTNEED);
	p.fd = fault_file(AT_ODD, ODD_SIZE);
	start_pages();
	while (answered < 16 && poll(&p, 1, 5000) == 1 &&
	       read(p.fd, &message, sizeof(message)) == sizeof(message)) {
		struct uffdio_zeropage z = {
			.range = { message.arg.pagefault.address & -PAGE,
				   PAGE },
		};

		usleep(20000);
		answered += !ioctl(p.fd, UFFDIO_ZEROPAGE, &z);
	}
	ok(answered == 16, "%d faults answered, each late", answered);
	run_pages(RUNS, NULL);
}

/* Another process has the same memory, and runs the Guest on its own. */
static int run_in_other(void *unused)
{
	(void)unused;
	while (ioctl(vcpu, LGUEST_RUN) == 0 || errno == EINTR)
		;
	_exit(1);
}

static void e02_dying_process(void)
{
	static char stack[65536];
	int pipes[2];
	pid_t owner, other = 0;
	bool on;

	memory_file();
	fill_memory();
	pipe(pipes);
	owner = fork();
	if (!owner) {
		make(CODE_COUNT);
		other = clone(run_in_other, stack + sizeof(stack), CLONE_VM |
			      SIGCHLD, NULL);
		write(pipes[1], &other, sizeof(other));
		usleep(100000);
		kill(getpid(), SIGKILL);
	}
	read(pipes[0], &other, sizeof(other));
	waitpid(owner, NULL, 0);
	on = counts(view + GPA_COUNT);
	ok(on, "its maker is dead, and the Guest runs on in the other");
	kill(other, SIGKILL);
	usleep(300000);
	ok(stands_still(view + GPA_COUNT), "the other is dead: it does not");
}

/* The files outlive the memory. */
static void e02_memory_of_the_dead(void)
{
	struct lguest_stats stats;
	int owner[2], heir[2];
	pid_t pid;
	char byte;

	memory_file();
	fill_memory();
	pipe(owner);
	pipe(heir);
	pid = fork();
	if (!pid) {
		make(CODE_COUNT);
		start();
		usleep(100000);
		if (fork()) {
			usleep(50000);
			kill(getpid(), SIGKILL);
		}
		close(owner[1]);
		read(owner[0], &byte, 1);	/* EOF: the owner is dead */
		usleep(100000);
		byte = ioctl(vcpu, LGUEST_RUN) == -1 && errno == EPERM &&
			ioctl(vm, LGUEST_CREATE_VCPU, 0) == -1 &&
			!ioctl(vm, LGUEST_GET_STATS, &stats) ? 'y' : 'n';
		write(heir[1], &byte, 1);
		_exit(0);
	}
	close(owner[1]);
	waitpid(pid, NULL, 0);
	ok(read(heir[0], &byte, 1) == 1 && byte == 'y',
	   "who inherits the files can count, and do nothing else");
	ok(stands_still(view + GPA_COUNT), "the Guest is not running");
}

/* ---- E3: fork and exec ------------------------------------------------------- */

/* In another process: nothing of this may work. 0 is good. */
static int try_elsewhere(int machine, int processor)
{
	struct lguest_memory m = { (uintptr_t)MEMORY, MEMORY_SIZE, 0, 0 };
	struct lguest_state s;
	struct lguest_stats stats;
	int bad = 0;

	alarm(10);
	bad |= (ioctl(processor, LGUEST_RUN) != -1 || errno != EPERM) << 0;
	bad |= (ioctl(processor, LGUEST_GET_STATE, &s) != -1) << 1;
	bad |= (ioctl(processor, LGUEST_SET_STATE, &s) != -1) << 2;
	bad |= (ioctl(machine, LGUEST_CREATE_VCPU, 1) != -1) << 3;
	bad |= (ioctl(machine, LGUEST_SET_MEMORY, &m) != -1) << 4;
	bad |= (ioctl(machine, LGUEST_GET_STATS, &stats) != 0) << 5;
	return bad;
}

static int wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

static void e03_fork_shared(void)
{
	int bad = 0;

	memory_file();
	fill_memory();
	make(CODE_COUNT);
	start();
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(try_elsewhere(vm, vcpu));
		bad |= wait_for(pid);
	}
	ok(!bad, "100 children, who may do nothing (%#x)", bad);
	ok(counts(MEMORY + GPA_COUNT), "the Guest goes on counting");
	ok(stop(), "... and lives");
}

/* Copy on write: the child's copy must be a copy. */
static void e03_fork_private(void)
{
	int bad = 0, stuck = 0;

	memory_private(0);
	fill_memory();
	make(CODE_COUNT);
	start();
	for (int i = 0; i < 50; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit((!stands_still(MEMORY + GPA_COUNT)) |
			      try_elsewhere(vm, vcpu) << 1);
		stuck += !counts(MEMORY + GPA_COUNT);
		bad |= wait_for(pid);
	}
	ok(!bad, "no child of 50 sees its parent's Guest count (%#x)", bad);
	ok(!stuck, "the parent always does (%d times not)", stuck);
	ok(stop(), "the Guest lives");
}

static void exec_held(void)
{
	char machine[16], processor[16];

	sprintf(machine, "%d", dup(vm));
	sprintf(processor, "%d", dup(vcpu));
	execl("/proc/self/exe", "odd", "held", machine, processor, NULL);
}

static void e03_vfork_exec(void)
{
	volatile int bad = 0;

	memory_file();
	fill_memory();
	make(CODE_COUNT);
	start();
	for (int i = 0; i < 30; i++) {
		pid_t pid = vfork();

		if (!pid) {
			exec_held();
			_exit(1);
		}
		bad |= wait_for(pid);
	}
	ok(!bad, "30 programs, who got the files, may do nothing (%#x)", bad);
	ok(counts(MEMORY + GPA_COUNT), "the Guest goes on counting");
	ok(stop(), "... and lives");
}

/* A vfork()ed child has the memory, so that it may try. */
static void e03_vfork_runs(void)
{
	struct itimerval t = { .it_value.tv_usec = 200000 };
	int status;
	pid_t pid;

	memory_file();
	fill_memory();
	make(CODE_COUNT);
	pid = vfork();
	if (!pid) {
		signal(SIGALRM, on_signal);
		setitimer(ITIMER_REAL, &t, NULL);
		_exit(ioctl(vcpu, LGUEST_RUN) == -1 && errno == EINTR ? 0 : 1);
	}
	status = wait_for(pid);
	ok(!status, "a vfork()ed child has run it");
	ok(count_at(MEMORY + GPA_COUNT) > 0, "... until a signal came");
	start();
	ok(counts(MEMORY + GPA_COUNT), "then the parent does");
	ok(stop(), "... and it lives");
}

static void e03_exec_itself(void)
{
	pid_t pid;

	memory_file();
	fill_memory();
	pid = fork();
	if (!pid) {
		make(CODE_COUNT);
		start();
		usleep(200000);
		exec_held();
		_exit(1);
	}
	ok(wait_for(pid) == 0, "a Launcher that becomes another program in "
	   "the midst may do nothing more");
	ok(stands_still(view + GPA_COUNT), "its Guest does not run");
}

/* ---- E4: memory that goes away -------------------------------------------------- */

static char *count_page(void)
{
	return MEMORY + GPA_COUNT;
}

/* Ends it: what was there is written to no more from the call's return. */
static void taken_away(void (*take)(void), const char *what)
{
	int bad = 0, lives = 0;

	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			memory_file();
			fill_memory();
			make(CODE_COUNT);
			start();
			if (!counts(view + GPA_COUNT))
				_exit(4);
			usleep(i * 997);
			take();
			status = !stands_still(view + GPA_COUNT);
			has_ended(5);
			_exit(status | (stop() ? 2 : 0));
		}
		status = wait_for(pid);
		bad += WEXITSTATUS(status) & 1 || WEXITSTATUS(status) & 4 ||
			!WIFEXITED(status);
		lives += !!(WEXITSTATUS(status) & 2);
	}
	ok(!bad, "%s: 20 times the page was left alone from then on "
	   "(%d times not)", what, bad);
	ok(!lives, "... and the Guest was ended (%d times not)", lives);
}

static void take_unmap(void)
{
	munmap(count_page(), PAGE);
}

static void take_move(void)
{
	mremap(count_page(), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
	       MEMORY + 2 * MEMORY_SIZE);
}

static void take_rights(void)
{
	mprotect(count_page(), PAGE, PROT_NONE);
}

static void take_writing(void)
{
	mprotect(count_page(), PAGE, PROT_READ);
}

static void e04_munmap(void)
{
	taken_away(take_unmap, "munmap");
}

static void e04_mremap(void)
{
	taken_away(take_move, "mremap");
}

static void e04_protect_none(void)
{
	taken_away(take_rights, "mprotect, nothing");
}

static void e04_protect_read(void)
{
	taken_away(take_writing, "mprotect, reading only");
}

static void e04_mapped_over(void)
{
	memory_file();
	fill_memory();
	make(CODE_COUNT);
	start();
	ok(counts(view + GPA_COUNT), "the Guest counts");
	for (int i = 0; i < 20; i++) {
		mmap(count_page(), PAGE, RW, MAP_FIXED | MAP_PRIVATE |
		     MAP_ANONYMOUS, -1, 0);
		if (!stands_still(view + GPA_COUNT))
			break;
		if (!counts(count_page()))
			break;
		mmap(count_page(), PAGE, RW, MAP_FIXED | MAP_SHARED, file,
		     GPA_COUNT);
		if (counts(view + GPA_COUNT))
			continue;
		break;
	}
	ok(counts(view + GPA_COUNT), "20 times to another page and back");
	ok(stop(), "the Guest lives");
}

/* The page is given back; what comes in its place begins at zero. */
static void begins_anew(bool private, const char *what)
{
	int bad = 0;

	if (private)
		memory_private(0);
	else
		memory_file();
	fill_memory();
	make(CODE_COUNT);
	start();
	for (int i = 0; i < 50; i++) {
		int err;

		*(volatile uint64_t *)count_page() = 1ull << 60;
		bad += !counts(count_page());
		err = private ? madvise(count_page(), PAGE, MADV_DONTNEED) :
			fallocate(file, FALLOC_FL_PUNCH_HOLE |
				  FALLOC_FL_KEEP_SIZE, GPA_COUNT, PAGE);
		bad += err || count_at(count_page()) >> 59;
		bad += !counts(count_page()) || count_at(count_page()) >> 59;
	}
	ok(!bad, "%s: 50 times the Guest begins anew (%d times not)", what,
	   bad);
	ok(stop(), "the Guest lives");
}

static void e04_dontneed(void)
{
	begins_anew(true, "MADV_DONTNEED");
}

static void e04_punch_hole(void)
{
	begins_anew(false, "a hole in the file");
}

/* Whatever is advised, it counts on from where it was. */
static void e04_advice(void)
{
	static const int advices[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
		MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE,
		MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_COLD, MADV_PAGEOUT,
		MADV_KEEPONFORK, 22 /* POPULATE_READ */,
		23 /* POPULATE_WRITE */, 25 /* COLLAPSE */,
	};
	uint64_t last = 0;
	int bad = 0;

	memory_private(0);
	fill_memory();
	make(CODE_COUNT);
	start();
	for (int i = 0; i < 300; i++) {
		uint64_t now;

		madvise(MEMORY, MEMORY_SIZE / 2, advices[i % 15]);
		now = count_at(count_page());
		bad += now < last;
		last = now;
		usleep(1000);
	}
	ok(!bad, "300 times advice: the count never goes back");
	ok(counts(count_page()), "... and goes on");
	ok(stop(), "the Guest lives");
}

static void e04_truncated_and_back(void)
{
	memory_file();
	fill_memory();
	make(CODE_COUNT);
	start();
	ok(counts(count_page()), "the Guest counts");
	for (int i = 0; i < 50 && !ended; i++) {
		ftruncate(file, GPA_COUNT);
		ftruncate(file, MEMORY_SIZE);
		usleep(1000);
	}
	has_ended(1);
	ok(!ended || strstr(run->text, "outside memory"),
	   "a file cut and grown again: the Guest %s",
	   ended ? "is ended" : "lives");
	stop();
}

/* ---- E7: observers ----------------------------------------------------------------- */

static int perf_open(struct perf_event_attr *attr, pid_t pid, int cpu)
{
	attr->size = sizeof(*attr);
	return syscall(SYS_perf_event_open, attr, pid, cpu, -1, 0);
}

static uint64_t kernel_symbol(const char *wanted)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[512], name[256], kind;
	unsigned long long at;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx %c %255s", &at, &kind, name) == 3 &&
		    !strcmp(name, wanted))
			return at;
	return 0;
}

#define BUFFER	(65 * PAGE)

/* Samples with all that a sample can have; breakpoints of the kernel. */
static int observe(double time)
{
	struct perf_event_attr clock = {
		.type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 500000,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID |
			PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_REGS_USER |
			PERF_SAMPLE_STACK_USER | PERF_SAMPLE_REGS_INTR,
		.sample_regs_user = 0xff0fff, .sample_regs_intr = 0xff0fff,
		.sample_stack_user = 4096,
	};
	struct perf_event_attr watch = {
		.type = PERF_TYPE_BREAKPOINT, .bp_type = HW_BREAKPOINT_W,
		.bp_addr = kernel_symbol("jiffies_64"),
		.bp_len = HW_BREAKPOINT_LEN_8, .sample_period = 1,
	};
	struct perf_event_attr faults = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CONTEXT_SWITCHES, .sample_period = 1,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_CALLCHAIN,
	};
	unsigned long long hits = 0, sampled = 0, count;
	double end = seconds() + time;
	int fds[2][3];

	for (int cpu = 0; cpu < 2; cpu++) {
		fds[cpu][0] = perf_open(&clock, -1, cpu);
		fds[cpu][1] = perf_open(&watch, -1, cpu);
		fds[cpu][2] = perf_open(&faults, -1, cpu);
		for (int i = 0; i < 3; i++)
			if (fds[cpu][i] < 0)
				die("perf_event_open");
		for (int i = 0; i < 3; i += 2)
			if (mmap(NULL, BUFFER, RW, MAP_SHARED, fds[cpu][i],
				 0) == MAP_FAILED)
				die("perf buffer");
	}
	while (seconds() < end) {
		for (int cpu = 0; cpu < 2; cpu++)
			for (int i = 0; i < 3; i++)
				ioctl(fds[cpu][i], PERF_EVENT_IOC_REFRESH, 1);
		usleep(20000);
		for (int cpu = 0; cpu < 2; cpu++)
			for (int i = 0; i < 3; i++)
				ioctl(fds[cpu][i], PERF_EVENT_IOC_ENABLE, 0);
		usleep(20000);
	}
	for (int cpu = 0; cpu < 2; cpu++) {
		read(fds[cpu][0], &count, sizeof(count));
		sampled += count;
		read(fds[cpu][1], &count, sizeof(count));
		hits += count;
	}
	printf("perf: %llu ns sampled, %llu hits of a breakpoint\n", sampled,
	       hits);
	return sampled && hits ? 0 : 1;
}

static int threads_of(pid_t pid, pid_t *tids, int most)
{
	char path[64];
	struct dirent *e;
	int n = 0;
	DIR *d;

	sprintf(path, "/proc/%d/task", pid);
	d = opendir(path);
	while (d && (e = readdir(d)) && n < most)
		if (e->d_name[0] != '.')
			tids[n++] = atoi(e->d_name);
	if (d)
		closedir(d);
	return n;
}

#define DEBUGREG(n) (offsetof(struct user, u_debugreg) + 8 * (n))

/* Is a SIGTRAP waiting for this thread, which is stopped? */
static bool trap_waits(pid_t tid)
{
	unsigned long long set, waiting = 0;
	char path[64], line[256];
	FILE *f;

	sprintf(path, "/proc/%d/status", tid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "SigPnd: %llx", &set) == 1 ||
		    sscanf(line, "ShdPnd: %llx", &set) == 1)
			waiting |= set;
	if (f)
		fclose(f);
	return waiting >> (SIGTRAP - 1) & 1;
}

static int traps, late_traps;	/* that were seen, and that came after all */
static int codes[8];		/* how many, by their si_code */

/* Let it go on for a moment. Which signal would it get? -1: it is gone. */
static int next_stop(int how, pid_t tid, int signal, useconds_t moment)
{
	siginfo_t info;
	int status;

	if (ptrace(how, tid, NULL, signal))
		return -1;
	usleep(moment);
	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
		return -1;
	if (status >> 16 || WSTOPSIG(status) == (SIGTRAP | 0x80))
		return 0;
	if (WSTOPSIG(status) != SIGTRAP)
		return WSTOPSIG(status);
	if (!ptrace(PTRACE_GETSIGINFO, tid, NULL, &info))
		codes[info.si_code & 7]++;
	traps++;
	return 0;
}

/*
 * One visit: stop it, look at all it has, step, watch, let it go on. A trap
 * that waits in the thread's queue would kill it when nobody traces it any
 * more, and a stop by PTRACE_INTERRUPT overtakes what waits there. So it is
 * taken out of the queue first.
 *
 * Either steps or breakpoints: an emulated processor that has both does not
 * get out of the Host's #DB any more, without any Guest.
 */
static int visit(pid_t tid, int round)
{
	struct user_regs_struct regs;
	struct user_fpregs_struct fpregs;
	int status, signal = 0;
	bool steps = round & 1;

	if (ptrace(PTRACE_SEIZE, tid, NULL, PTRACE_O_TRACESYSGOOD))
		return 0;
	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
		return 0;
	if (status >> 16 == 0)
		signal = WSTOPSIG(status);
	ptrace(PTRACE_GETREGS, tid, NULL, &regs);
	ptrace(PTRACE_GETFPREGS, tid, NULL, &fpregs);
	ptrace(PTRACE_PEEKDATA, tid, regs.rsp, NULL);
	ptrace(PTRACE_SETFPREGS, tid, NULL, &fpregs);
	/* A breakpoint on the stack and one that is never hit. */
	if (!steps) {
		ptrace(PTRACE_POKEUSER, tid, DEBUGREG(0), regs.rsp & -8);
		ptrace(PTRACE_POKEUSER, tid, DEBUGREG(1), 0x1000);
		ptrace(PTRACE_POKEUSER, tid, DEBUGREG(7), 0x000f0005 |
		       (round & 2) << 19);
	}
	for (int i = 0; i < 6; i++) {
		signal = next_stop(steps && i % 2 == 0 ? PTRACE_SINGLESTEP :
				   PTRACE_SYSCALL, tid, signal, 3000);
		if (signal < 0)
			return 1;
	}
	ptrace(PTRACE_POKEUSER, tid, DEBUGREG(7), 0);
	for (int quiet = 0; quiet < 2 || trap_waits(tid); quiet++) {
		late_traps += quiet == 2;
		signal = next_stop(PTRACE_CONT, tid, signal, 2000);
		if (signal < 0)
			return 1;
	}
	ptrace(PTRACE_DETACH, tid, NULL, signal);
	return 1;
}

static int trace(double time, pid_t pid)
{
	double end = seconds() + time;
	int visits = 0;

	while (seconds() < end) {
		pid_t tids[64];
		int n = threads_of(pid, tids, 64);

		if (!n)
			break;
		for (int i = 0; i < n; i++)
			visits += visit(tids[i], visits);
	}
	printf("trace: %d visits, %d traps, %d late, codes", visits, traps,
	       late_traps);
	for (int i = 0; i < 8; i++)
		printf(" %d", codes[i]);
	printf("\n");
	return visits == 0;
}

/* ---- All of them --------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*play)(void);
} cases[] = {
#define CASE(function) { #function, function }
	CASE(e02_file), CASE(e02_anonymous), CASE(e02_hugetlb),
	CASE(e02_transparent_huge), CASE(e02_holes),
	CASE(e02_truncated_later), CASE(e02_truncated_tables),
	CASE(e02_past_the_end), CASE(e02_physical), CASE(e02_run_page),
	CASE(e02_nothing), CASE(e02_read_only), CASE(e02_no_access),
	CASE(e02_program_text), CASE(e02_copy_of_a_file), CASE(e02_twice),
	CASE(e02_zero_device), CASE(e02_read_only_tables),
	CASE(e02_never_answered), CASE(e02_never_answered_tables),
	CASE(e02_answered_late), CASE(e02_dying_process),
	CASE(e02_memory_of_the_dead), CASE(e03_fork_shared),
	CASE(e03_fork_private), CASE(e03_vfork_exec), CASE(e03_vfork_runs),
	CASE(e03_exec_itself), CASE(e04_munmap), CASE(e04_mremap),
	CASE(e04_protect_none), CASE(e04_protect_read),
	CASE(e04_mapped_over), CASE(e04_dontneed), CASE(e04_punch_hole),
	CASE(e04_advice), CASE(e04_truncated_and_back),
};

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &sa, NULL);
	if (argc == 3 && !strcmp(argv[1], "perf"))
		return observe(atof(argv[2]));
	if (argc == 4 && !strcmp(argv[1], "trace"))
		return trace(atof(argv[2]), atoi(argv[3]));
	if (argc == 4 && !strcmp(argv[1], "held"))
		return try_elsewhere(atoi(argv[2]), atoi(argv[3]));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (argc == 2 && !strcmp(argv[1], "list"))
			puts(cases[i].name);
		if (argc != 2 || strcmp(argv[1], cases[i].name))
			continue;
		cases[i].play();
		printf("1..%d\n", tests);
		return failures != 0;
	}
	return argc == 2 && !strcmp(argv[1], "list") ? 0 : 2;
}
