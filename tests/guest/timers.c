// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do timers go off, never early, and not absurdly late? How late is late
 * depends on a machine that may be an emulator under load: two seconds
 * are allowed, and the figures are printed.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <linux/futex.h>
#include <unistd.h>

#include "check.h"

#define MS 1000000ll
#define LATE (2000 * MS)

static void measure(const char *name, int (*sleep_for)(int ms))
{
	static const int lengths[] = { 1, 3, 10, 50, 200 };
	int64_t begin, slept, latest = 0;
	int early = 0, failed = 0;
	size_t i;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		begin = clock_ns(CLOCK_MONOTONIC);
		failed += sleep_for(lengths[i]) != 0;
		slept = clock_ns(CLOCK_MONOTONIC) - begin -
			lengths[i] * MS;
		early += slept < 0;
		if (slept > latest)
			latest = slept;
	}
	ok(!failed && !early && latest < LATE, "%s is neither early nor late",
	   name);
	diag("%s: at most %lld us late", name, (long long)latest / 1000);
}

static int with_nanosleep(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * MS };

	return nanosleep(&t, NULL);
}

static int with_absolute_sleep(int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += ms * MS;
	t.tv_sec += t.tv_nsec / (1000 * MS);
	t.tv_nsec %= 1000 * MS;
	return clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL);
}

static int with_poll(int ms)
{
	return poll(NULL, 0, ms);
}

static int with_select(int ms)
{
	struct timeval t = { 0, ms * 1000 };

	return select(0, NULL, NULL, NULL, &t);
}

static int with_epoll(int ms)
{
	struct epoll_event event;
	int fd = epoll_create1(0);
	int result = epoll_wait(fd, &event, 1, ms);

	close(fd);
	return result;
}

static int with_futex(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * MS };
	int word = 0;

	if (syscall(SYS_futex, &word, FUTEX_WAIT, 0, &t, NULL, 0) == -1 &&
	    errno == ETIMEDOUT)
		return 0;
	return 1;
}

static int with_timerfd(int ms)
{
	struct itimerspec t = { .it_value.tv_nsec = ms * MS };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	uint64_t count = 0;

	if (fd < 0 || timerfd_settime(fd, 0, &t, NULL))
		return 1;
	if (read(fd, &count, 8) != 8)
		count = 0;
	close(fd);
	return count != 1;
}

static void periodic_timerfd(void)
{
	struct itimerspec t = {
		.it_value.tv_nsec = 5 * MS,
		.it_interval.tv_nsec = 5 * MS,
	};
	int64_t begin = clock_ns(CLOCK_MONOTONIC), passed;
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	uint64_t count, sum = 0;

	timerfd_settime(fd, 0, &t, NULL);
	while (sum < 100) {
		if (read(fd, &count, 8) != 8)
			break;
		sum += count;
	}
	passed = clock_ns(CLOCK_MONOTONIC) - begin;
	ok(sum >= 100 && passed >= (int64_t)sum * 5 * MS &&
	   passed < (int64_t)sum * 5 * MS + LATE,
	   "a periodic timerfd counts its periods");
	diag("timerfd: %llu periods of 5 ms in %lld ms",
	     (unsigned long long)sum, (long long)(passed / MS));
	close(fd);
}

static volatile int ticks;

static void on_tick(int sig)
{
	(void)sig;
	ticks++;
}

static void itimer(int which, int sig, const char *name)
{
	struct itimerval t = { { 0, 10000 }, { 0, 10000 } };
	int64_t begin = clock_ns(CLOCK_MONOTONIC), passed;

	signal(sig, on_tick);
	ticks = 0;
	setitimer(which, &t, NULL);
	while (ticks < 20 && clock_ns(CLOCK_MONOTONIC) - begin < 20000 * MS)
		__asm__ volatile("pause");
	passed = clock_ns(CLOCK_MONOTONIC) - begin;
	memset(&t, 0, sizeof(t));
	setitimer(which, &t, NULL);
	/* Accounting is by the tick, and so may be one tick short. */
	ok(ticks >= 20 && passed > 180 * MS,
	   "%s: twenty signals of 10 ms each", name);
	diag("%s: %d in %lld ms", name, ticks, (long long)(passed / MS));
}

static void posix_timer(void)
{
	struct itimerspec t = { .it_value.tv_nsec = 20 * MS };
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGUSR1,
	};
	int64_t begin;
	timer_t timer;

	signal(SIGUSR1, on_tick);
	ticks = 0;
	if (timer_create(CLOCK_MONOTONIC, &event, &timer)) {
		skip("timer_create()", "this kernel has none");
		return;
	}
	begin = clock_ns(CLOCK_MONOTONIC);
	timer_settime(timer, 0, &t, NULL);
	while (!ticks && clock_ns(CLOCK_MONOTONIC) - begin < LATE)
		with_nanosleep(1);
	ok(ticks == 1 && clock_ns(CLOCK_MONOTONIC) - begin >= 20 * MS,
	   "timer_create() and its signal");
	timer_delete(timer);
}

static void alarm_clock(void)
{
	int64_t begin = clock_ns(CLOCK_MONOTONIC), passed;

	signal(SIGALRM, on_tick);
	ticks = 0;
	alarm(1);
	while (!ticks && clock_ns(CLOCK_MONOTONIC) - begin < 10000 * MS)
		with_nanosleep(5);
	passed = clock_ns(CLOCK_MONOTONIC) - begin;
	ok(ticks == 1 && passed >= 995 * MS && passed < 1000 * MS + LATE,
	   "alarm() wakes after a second");
}

static void cancelled(void)
{
	struct itimerval t = { { 0, 0 }, { 0, 50000 } };

	signal(SIGALRM, on_tick);
	ticks = 0;
	setitimer(ITIMER_REAL, &t, NULL);
	memset(&t, 0, sizeof(t));
	setitimer(ITIMER_REAL, &t, NULL);
	with_nanosleep(200);
	ok(!ticks, "a timer that was stopped does not go off");
}

/* The sum of all counts in /proc/interrupts. */
static uint64_t interrupts(void)
{
	FILE *file = fopen("/proc/interrupts", "r");
	char line[512], *p, *end;
	uint64_t sum = 0, n;

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		p = strchr(line, ':');
		if (!p)
			continue;
		for (p++;; p = end) {
			n = strtoull(p, &end, 10);
			if (end == p)
				break;
			sum += n;
		}
	}
	fclose(file);
	return sum;
}

static void counted_interrupts(void)
{
	uint64_t before = interrupts(), idle, busy;
	int64_t begin;

	with_nanosleep(100);
	idle = interrupts() - before;
	before = interrupts();
	begin = clock_ns(CLOCK_MONOTONIC);
	while (clock_ns(CLOCK_MONOTONIC) - begin < 300 * MS)
		__asm__ volatile("pause");
	busy = interrupts() - before;
	ok(idle >= 1 && busy >= 10, "/proc/interrupts moves");
	diag("%llu in 100 ms of sleep, %llu in 300 ms of work",
	     (unsigned long long)idle, (unsigned long long)busy);
}

int main(void)
{
	measure("nanosleep()", with_nanosleep);
	measure("clock_nanosleep()", with_absolute_sleep);
	measure("poll()", with_poll);
	measure("select()", with_select);
	measure("epoll_wait()", with_epoll);
	measure("futex()", with_futex);
	measure("timerfd", with_timerfd);
	periodic_timerfd();
	itimer(ITIMER_REAL, SIGALRM, "ITIMER_REAL");
	itimer(ITIMER_VIRTUAL, SIGVTALRM, "ITIMER_VIRTUAL");
	itimer(ITIMER_PROF, SIGPROF, "ITIMER_PROF");
	posix_timer();
	alarm_clock();
	cancelled();
	counted_interrupts();
	return finish();
}
