// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * FS and GS: their bases and selectors belong to a thread, and must stay
 * with it over context switches, signals and fork().
 */
#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define HWCAP2_FSGSBASE 2

static uint64_t own[64][2];

static long prctl_base(int what, uint64_t value)
{
	return syscall(SYS_arch_prctl, what, value);
}

static uint64_t base(int what)
{
	uint64_t value = ~0ull;

	syscall(SYS_arch_prctl, what, &value);
	return value;
}

static uint64_t through_gs(void)
{
	uint64_t value;

	__asm__ volatile("movq %%gs:0, %0" : "=r" (value));
	return value;
}

static void spin(int turns)
{
	while (turns--)
		__asm__ volatile("");
}

static int keeps_gs(int n, int rounds)
{
	int i, bad = 0;

	own[n][0] = 0x1000 + n;
	bad += prctl_base(ARCH_SET_GS, (uint64_t)own[n]) != 0;
	for (i = 0; i < rounds; i++) {
		bad += through_gs() != 0x1000u + n;
		if (i & 1)
			sched_yield();
		else
			spin(20000);
		bad += base(ARCH_GET_GS) != (uint64_t)own[n];
	}
	return bad;
}

static void processes(void)
{
	int i, bad = 0, status;

	fflush(stdout);
	for (i = 0; i < 10; i++)
		if (!fork())
			_exit(keeps_gs(i, 300) ? 1 : 0);
	for (i = 0; i < 10; i++)
		bad += wait(&status) < 0 || status;
	ok(!bad, "10 processes keep their GS bases");
}

static __thread int my_number;

static void *thread(void *argument)
{
	int i, bad = 0, n = (int)(intptr_t)argument;

	my_number = n;
	bad += prctl_base(ARCH_SET_GS, (uint64_t)own[n]) != 0;
	own[n][0] = 0x1000 + n;
	for (i = 0; i < 500; i++) {
		bad += my_number != n || through_gs() != 0x1000u + n;
		if (i & 1)
			sched_yield();
		else
			spin(10000);
	}
	return (void *)(intptr_t)bad;
}

static void threads(void)
{
	pthread_t id[6];
	void *result;
	int i, bad = 0;

	for (i = 0; i < 6; i++)
		if (pthread_create(&id[i], NULL, thread,
				   (void *)(intptr_t)(i + 20)))
			bail_out("pthread_create: %m");
	for (i = 0; i < 6; i++) {
		pthread_join(id[i], &result);
		bad += (int)(intptr_t)result;
	}
	ok(!bad, "6 threads keep their FS and GS bases");
}

static volatile int signals, wrong;

static void on_timer(int sig)
{
	(void)sig;
	signals++;
	wrong += through_gs() != 0x1234;
	wrong += my_number != 99;
}

static void over_signals(void)
{
	struct itimerval fast = { { 0, 1000 }, { 0, 1000 } };
	struct itimerval off = { { 0, 0 }, { 0, 0 } };

	my_number = 99;
	own[40][0] = 0x1234;
	prctl_base(ARCH_SET_GS, (uint64_t)own[40]);
	signal(SIGALRM, on_timer);
	setitimer(ITIMER_REAL, &fast, NULL);
	while (signals < 100)
		wrong += through_gs() != 0x1234 || my_number != 99;
	setitimer(ITIMER_REAL, &off, NULL);
	ok(!wrong, "both bases hold over 100 signals");
}

static void over_fork(void)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child)
		_exit(through_gs() == 0x1234 && my_number == 99 ? 3 : 4);
	waitpid(child, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 3,
	   "a child of fork() inherits both");
}

static void refused(void)
{
	static const uint64_t bad[] = {
		0x7ffffffff000, 0x800000000000, 0x8000000000000000,
		0xffff800000000000, 0xffffffff81000000, ~0ull,
	};
	size_t i;
	int good = 0;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		good += prctl_base(ARCH_SET_GS, bad[i]) == -1 &&
			errno == EPERM && base(ARCH_GET_GS) ==
			(uint64_t)own[40];
	ok(good == (int)i, "bases in kernel addresses are EPERM");
}

/*
 * The FS base again, without a C library in between: it uses FS itself.
 */
static void move_fs(void)
{
	uint64_t home = base(ARCH_GET_FS), seen_here = 0;
	int i, bad = 0;
	long result;

	own[50][0] = 0xf5f5;
	for (i = 0; i < 100; i++) {
		__asm__ volatile("syscall"
				 : "=a" (result)
				 : "a" (SYS_arch_prctl), "D" (ARCH_SET_FS),
				   "S" (own[50])
				 : "rcx", "r11", "memory");
		bad += result != 0;
		spin(i & 1 ? 50000 : 10);
		__asm__ volatile("syscall" : "=a" (result)
				 : "a" (SYS_sched_yield)
				 : "rcx", "r11", "memory");
		__asm__ volatile("movq %%fs:0, %0" : "=r" (seen_here));
		bad += seen_here != 0xf5f5;
		__asm__ volatile("syscall"
				 : "=a" (result)
				 : "a" (SYS_arch_prctl), "D" (ARCH_SET_FS),
				   "S" (home)
				 : "rcx", "r11", "memory");
		bad += result != 0;
	}
	ok(!bad && base(ARCH_GET_FS) == home, "the FS base goes and comes");
}

/* --------------------------------------------------------- selectors */

static void selectors(void)
{
	unsigned int ds, es, fs, i, bad = 0;
	int status;
	pid_t child;

	fflush(stdout);
	/* A neighbour with other selectors, to be switched with. */
	child = fork();
	if (!child) {
		for (;;) {
			__asm__ volatile("mov %0, %%ds; mov %0, %%es"
					 : : "r" (0));
			sched_yield();
		}
	}
	__asm__ volatile("mov %0, %%ds; mov %0, %%es" : : "r" (0x2b));
	for (i = 0; i < 300; i++) {
		if (i & 1)
			sched_yield();
		else
			spin(20000);
		__asm__ volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2"
				 : "=r" (ds), "=r" (es), "=r" (fs));
		bad += ds != 0x2b || es != 0x2b || fs != 0;
	}
	__asm__ volatile("mov %0, %%ds; mov %0, %%es" : : "r" (0));
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	ok(!bad, "DS and ES keep their selectors over switches");

	prctl_base(ARCH_SET_GS, (uint64_t)own[40]);
	__asm__ volatile("mov %0, %%gs" : : "r" (0));
	/* What the base is now, processors do not agree upon. */
	sched_yield();
	prctl_base(ARCH_SET_GS, (uint64_t)own[40]);
	ok(through_gs() == 0x1234, "a GS base is set after a null selector");
	__asm__ volatile("mov %0, %%gs" : : "r" (0x2b));
	bad = 0;
	for (i = 0; i < 20; i++) {
		sched_yield();
		__asm__ volatile("mov %%gs, %0" : "=r" (ds));
		bad += ds != 0x2b;
	}
	ok(!bad, "GS keeps a flat data selector");
	__asm__ volatile("mov %0, %%gs" : : "r" (0));
}

/* ---------------------------------------------------------- FSGSBASE */

static sigjmp_buf back;
static volatile int faults;

static void on_segv(int sig)
{
	(void)sig;
	faults++;
	siglongjmp(back, 1);
}

static uint64_t rdgsbase(void)
{
	uint64_t value;

	__asm__ volatile("rdgsbase %0" : "=r" (value));
	return value;
}

static void wrgsbase(uint64_t value)
{
	__asm__ volatile("wrgsbase %0" : : "r" (value));
}

static void instructions(void)
{
	/* The program may name any canonical address in a base. */
	static const uint64_t any[] = {
		0, 0x1000, 0x7fffffffffff, 0xffff800000000000,
		0xffffffff81000000, ~0ull,
	};
	size_t i, round;
	int bad = 0;
	volatile size_t n = 0;

	if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE)) {
		skip("rdgsbase and wrgsbase", "no FSGSBASE here");
		return;
	}
	for (i = 0; i < sizeof(any) / sizeof(any[0]); i++) {
		for (round = 0; round < 30; round++) {
			wrgsbase(any[i]);
			if (round % 3 == 0)
				sched_yield();
			else if (round % 3 == 1)
				spin(30000);
			else
				syscall(SYS_getpid);
			bad += rdgsbase() != any[i];
			bad += base(ARCH_GET_GS) != any[i];
		}
	}
	ok(!bad, "wrgsbase sets any canonical base, and it stays");
	signal(SIGSEGV, on_segv);
	wrgsbase(0xffff800000000000);
	if (!sigsetjmp(back, 1))
		through_gs();
	ok(faults == 1 && rdgsbase() == 0xffff800000000000,
	   "reading the kernel through it is SIGSEGV");
	wrgsbase((uint64_t)own[40]);
	for (n = 0; n < 2; n++)
		if (!sigsetjmp(back, 1))
			wrgsbase(n ? 0x8000000000000000 : 0x4000000000000000);
	/* Some emulators take any. */
	if (faults == 1)
		skip("a base that is not canonical is SIGSEGV",
		     "not checked by this processor");
	else
		ok(faults == 3 && rdgsbase() == (uint64_t)own[40],
		   "a base that is not canonical is SIGSEGV");
	wrgsbase(0);
	signal(SIGSEGV, SIG_DFL);
}

static void after_exec(char *self)
{
	int status;
	pid_t child;

	prctl_base(ARCH_SET_GS, (uint64_t)own[40]);
	fflush(stdout);
	child = fork();
	if (!child) {
		execl(self, self, "fresh", (char *)NULL);
		_exit(9);
	}
	waitpid(child, &status, 0);
	ok(WIFEXITED(status) && !WEXITSTATUS(status),
	   "exec() begins with a GS base of 0");
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "fresh"))
		return base(ARCH_GET_GS) != 0;
	processes();
	threads();
	over_signals();
	over_fork();
	refused();
	move_fs();
	selectors();
	instructions();
	after_exec("/proc/self/exe");
	return finish();
}
