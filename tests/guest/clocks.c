// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do clocks go forward, all at the same pace?
 *
 *	clocks			compares the clocks with each other, in TAP
 *	clocks span SECONDS	prints one line now and one after SECONDS, so
 *				that somebody outside can look at his watch
 */
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"

static int64_t by_syscall(clockid_t clock)
{
	struct timespec now;

	if (syscall(SYS_clock_gettime, clock, &now))
		return -1;
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static const struct {
	clockid_t clock;
	const char *name;
} clocks[] = {
	{ CLOCK_MONOTONIC, "CLOCK_MONOTONIC" },
	{ CLOCK_REALTIME, "CLOCK_REALTIME" },
	{ CLOCK_BOOTTIME, "CLOCK_BOOTTIME" },
	{ CLOCK_MONOTONIC_RAW, "CLOCK_MONOTONIC_RAW" },
	{ CLOCK_MONOTONIC_COARSE, "CLOCK_MONOTONIC_COARSE" },
	{ CLOCK_REALTIME_COARSE, "CLOCK_REALTIME_COARSE" },
};

#define CLOCKS (sizeof(clocks) / sizeof(clocks[0]))

static void forward(size_t n)
{
	int64_t begin = clock_ns(CLOCK_MONOTONIC), last, now, most = 0;
	int backwards = 0;
	long reads = 0;

	last = clock_ns(clocks[n].clock);
	while (clock_ns(CLOCK_MONOTONIC) - begin < 500000000) {
		now = clock_ns(clocks[n].clock);
		backwards += now < last;
		if (now - last > most)
			most = now - last;
		last = now;
		reads++;
	}
	ok(!backwards && last > 0, "%s never goes back", clocks[n].name);
	diag("%s: %ld reads, the largest step was %lld us", clocks[n].name,
	     reads, (long long)most / 1000);
}

/* A call between two reads of the vDSO must lie between them. */
static void agree(clockid_t clock, const char *name)
{
	int64_t before, between, after;
	int i, bad = 0;

	for (i = 0; i < 5000; i++) {
		before = clock_ns(clock);
		between = by_syscall(clock);
		after = clock_ns(clock);
		bad += between < before || after < between;
	}
	ok(!bad, "%s: the vDSO and the system call agree", name);
}

static void pace(void)
{
	int64_t mono = clock_ns(CLOCK_MONOTONIC);
	int64_t real = clock_ns(CLOCK_REALTIME);
	int64_t raw = clock_ns(CLOCK_MONOTONIC_RAW);
	int64_t boot = clock_ns(CLOCK_BOOTTIME);
	struct timeval tv;
	time_t seconds;

	while (clock_ns(CLOCK_MONOTONIC) - mono < 2000000000)
		;
	mono = clock_ns(CLOCK_MONOTONIC) - mono;
	real = clock_ns(CLOCK_REALTIME) - real - mono;
	raw = clock_ns(CLOCK_MONOTONIC_RAW) - raw - mono;
	boot = clock_ns(CLOCK_BOOTTIME) - boot - mono;
	diag("after 2 s: real %+lld us, raw %+lld us, boot %+lld us",
	     (long long)real / 1000, (long long)raw / 1000,
	     (long long)boot / 1000);
	ok(llabs(real) < 20000000 && llabs(raw) < 20000000 &&
	   llabs(boot) < 20000000, "four clocks keep pace within 1 %%");
	gettimeofday(&tv, NULL);
	seconds = time(NULL);
	real = clock_ns(CLOCK_REALTIME) / 1000000000;
	ok(real - tv.tv_sec <= 1 && seconds - tv.tv_sec <= 1 &&
	   tv.tv_sec <= real && tv.tv_sec <= seconds + 1,
	   "gettimeofday() and time() say the same");
	ok(real > 1600000000, "and it is later than the year 2020");
}

static void cpu_time(void)
{
	int64_t begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID), spent;
	int64_t wall = clock_ns(CLOCK_MONOTONIC);

	usleep(300000);
	spent = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin;
	wall = clock_ns(CLOCK_MONOTONIC) - wall;
	diag("slept %lld ms, used %lld ms", (long long)wall / 1000000,
	     (long long)spent / 1000000);
	ok(spent < wall / 2, "who sleeps uses no time of the processor");
}

static int span(int64_t seconds)
{
	int64_t begin = clock_ns(CLOCK_MONOTONIC);

	printf("span begin %lld\n", (long long)begin);
	fflush(stdout);
	while (clock_ns(CLOCK_MONOTONIC) - begin < seconds * 1000000000)
		usleep(1000);
	printf("span end %lld\n", (long long)clock_ns(CLOCK_MONOTONIC));
	return 0;
}

int main(int argc, char **argv)
{
	size_t n;

	if (argc > 2 && !strcmp(argv[1], "span"))
		return span(atoi(argv[2]));
	for (n = 0; n < CLOCKS; n++)
		forward(n);
	agree(CLOCK_MONOTONIC, "CLOCK_MONOTONIC");
	agree(CLOCK_REALTIME, "CLOCK_REALTIME");
	agree(CLOCK_BOOTTIME, "CLOCK_BOOTTIME");
	pace();
	cpu_time();
	return finish();
}
