// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *	bench [-r ROUNDS] [-s SCALE] [-o NAME,NAME...] [PROCESSES]
 *
 * What do the operations of a kernel cost? See measure.h. With a number, so
 * many processes live beside this one. They stand in a ring, and "ring" is
 * what it takes to pass a byte to the next of them.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

#define FAULTS 128		/* pages touched by one operation */

static void loop(long n)
{
	while (n--)
		__asm__ volatile("");
}

static void call_getpid(long n)
{
	while (n--)
		syscall(SYS_getpid);
}

static void read_clock(long n)
{
	struct timespec t;

	while (n--)
		clock_gettime(CLOCK_MONOTONIC, &t);
}

static void read_zero(long n)
{
	static int fd = -1;
	char c;

	if (fd < 0)
		check((fd = open("/dev/zero", O_RDONLY)) >= 0);
	while (n--)
		check(read(fd, &c, 1) == 1);
}

static void yield(long n)
{
	while (n--)
		sched_yield();
}

static void unix_socket(long n)
{
	int s[2];
	char c = 0;

	check(!socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	while (n--)
		check(write(s[0], &c, 1) == 1 && read(s[1], &c, 1) == 1);
	close(s[0]);
	close(s[1]);
}

/* To another process and back: two context switches. */
static void pipe_round_trip(long n)
{
	int there[2], here[2];
	char c = 0;
	pid_t child;

	check(!pipe(there) && !pipe(here));
	child = fork();
	if (!child) {
		close(there[1]);
		close(here[0]);
		while (read(there[0], &c, 1) == 1)
			check(write(here[1], &c, 1) == 1);
		_exit(0);
	}
	close(there[0]);
	close(here[1]);
	while (n--)
		check(write(there[1], &c, 1) == 1 &&
		      read(here[0], &c, 1) == 1);
	close(there[1]);
	close(here[0]);
	waitpid(child, NULL, 0);
}

static void pipe_64k(long n)
{
	static char buffer[65536];
	int fds[2];
	size_t done;
	ssize_t now;
	pid_t child;

	check(!pipe(fds));
	child = fork();
	if (!child) {
		close(fds[1]);
		while (read(fds[0], buffer, sizeof(buffer)) > 0)
			;
		_exit(0);
	}
	close(fds[0]);
	while (n--) {
		for (done = 0; done < sizeof(buffer); done += now) {
			now = write(fds[1], buffer + done,
				    sizeof(buffer) - done);
			check(now > 0);
		}
	}
	close(fds[1]);
	waitpid(child, NULL, 0);
}

static char *pages(size_t count)
{
	char *p = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(p != MAP_FAILED);
	madvise(p, count * PAGE, MADV_NOHUGEPAGE);
	return p;
}

static void map_unmap(long n)
{
	while (n--)
		munmap(pages(1), PAGE);
}

static void protect_twice(long n)
{
	char *p = pages(1);

	*p = 1;
	while (n--) {
		mprotect(p, PAGE, PROT_READ);
		mprotect(p, PAGE, PROT_READ | PROT_WRITE);
	}
	munmap(p, PAGE);
}

static void touch(long n)
{
	char *p;
	int i;

	while (n--) {
		p = pages(FAULTS);
		for (i = 0; i < FAULTS; i++)
			*(volatile char *)(p + i * PAGE) = 1;
		munmap(p, FAULTS * PAGE);
	}
}

/* Two threads of one process, each with half of the work. */
static void *touch_half(void *n)
{
	touch((long)n);
	return NULL;
}

static void touch_parallel(long n)
{
	pthread_t thread;

	check(!pthread_create(&thread, NULL, touch_half, (void *)(n / 2)));
	touch(n - n / 2);
	pthread_join(thread, NULL);
}

static volatile int caught;

static void on_signal(int sig)
{
	caught += sig;
}

static void signal_myself(long n)
{
	pid_t me = getpid();

	signal(SIGUSR1, on_signal);
	while (n--)
		kill(me, SIGUSR1);
}

static char *locked;

static void on_segv(int sig)
{
	(void)sig;
	mprotect(locked, PAGE, PROT_READ | PROT_WRITE);
}

static void fault_and_repair(long n)
{
	locked = pages(1);
	signal(SIGSEGV, on_segv);
	while (n--) {
		mprotect(locked, PAGE, PROT_NONE);
		*(volatile char *)locked = 1;
	}
	signal(SIGSEGV, SIG_DFL);
	munmap(locked, PAGE);
}

static void fork_wait(long n)
{
	pid_t child;

	while (n--) {
		child = fork();
		if (!child)
			_exit(0);
		check(waitpid(child, NULL, 0) == child);
	}
}

static void fork_exec(long n)
{
	pid_t child;

	while (n--) {
		child = fork();
		if (!child) {
			execl("/proc/self/exe", "bench", "nothing", NULL);
			_exit(1);
		}
		check(waitpid(child, NULL, 0) == child);
	}
}

static void file(long n)
{
	static const char data[PAGE];
	int fd;

	while (n--) {
		fd = open("bench.tmp", O_CREAT | O_RDWR | O_TRUNC, 0600);
		check(fd >= 0 && write(fd, data, PAGE) == (ssize_t)PAGE);
		close(fd);
		unlink("bench.tmp");
	}
}

static void copy_1m(long n)
{
	static char from[1 << 20], to[1 << 20];

	while (n--) {
		memcpy(to, from, sizeof(to));
		__asm__ volatile("" : : "r" (to) : "memory");
	}
}

/* Each in the ring waits for a byte, and gives it to the next. */
static long living;
static int ring_first, ring_last;

static void live(long n)
{
	int pipes[2], from, i, fd;
	char c;

	check(!pipe(pipes));
	from = pipes[0];
	ring_first = pipes[1];
	for (i = 0; i < n; i++) {
		check(!pipe(pipes));
		fd = fork();
		check(fd >= 0);
		if (!fd) {
			close(ring_first);
			close(pipes[0]);
			while (read(from, &c, 1) == 1)
				check(write(pipes[1], &c, 1) == 1);
			_exit(0);
		}
		close(from);
		close(pipes[1]);
		from = pipes[0];
	}
	ring_last = from;
}

static void ring(long n)
{
	char c = 0;

	for (; n > 0; n -= living)
		check(write(ring_first, &c, 1) == 1 &&
		      read(ring_last, &c, 1) == 1);
}

static void floating_point(long n)
{
	volatile double x = 1.1;

	while (n--)
		x = x * 1.0000001 + 0.5;
}

/*
 * From the kernel's first look at its clock until now, by that clock, which
 * stamps what is written into the kernel's log. It means the boot if we are
 * the first program that the first shell runs.
 */
static void boot(void)
{
	int fd = open("/dev/kmsg", O_RDWR | O_NONBLOCK);
	unsigned long long us;
	char line[256] = "";

	if (!selected("boot") || fd < 0)
		return;
	lseek(fd, 0, SEEK_END);
	check(write(fd, "<7>bench\n", 9) == 9 &&
	      read(fd, line, sizeof(line) - 1) > 0 &&
	      sscanf(line, "%*u,%*u,%llu", &us) == 1);
	close(fd);
	printf("boot\t1\t%llu\t%llu\n", us * 1000, us * 1000);
}

int main(int argc, char **argv)
{
	int first;

	if (argc > 1 && !strcmp(argv[1], "nothing"))
		return 0;
	first = measure_options(argc, argv);

	if (first == argc - 1)
		living = atol(argv[first]);
	else if (first != argc)
		return 2;
	if (chdir("/tmp"))
		bail_out("/tmp: %m");
	boot();
	if (living)
		live(living);
	measure("loop", loop, 1000000, 1);
	measure("clock_gettime", read_clock, 50000, 1);
	measure("getpid", call_getpid, 50000, 1);
	measure("read_zero", read_zero, 20000, 1);
	measure("yield", yield, 20000, 1);
	measure("unix_socket", unix_socket, 5000, 1);
	measure("pipe_round_trip", pipe_round_trip, 3000, 1);
	measure("pipe_64k", pipe_64k, 100, 1);
	measure("mmap_munmap", map_unmap, 5000, 1);
	measure("mprotect_twice", protect_twice, 5000, 1);
	measure("touch_fault", touch, 20, FAULTS);
	measure("signal", signal_myself, 10000, 1);
	measure("fault_repair", fault_and_repair, 2000, 1);
	measure("fork_wait", fork_wait, 100, 1);
	measure("fork_exec", fork_exec, 50, 1);
	measure("file", file, 1000, 1);
	measure("memcpy_1m", copy_1m, 100, 1);
	measure("floating_point", floating_point, 100000, 1);
	/* Last: the stack of a thread stays, and each fork would copy it. */
	measure("touch_parallel", touch_parallel, 20, FAULTS);
	/* Whoever counts their memory has time for it. */
	if (living) {
		measure("ring", ring, 20 * living, 1);
		printf("live\t%ld\n", living);
		fflush(stdout);
		sleep(1);
	}
	return 0;
}
