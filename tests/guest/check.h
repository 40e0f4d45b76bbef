/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A few lines that print TAP. Everything goes to stdout at once, so that
 * a fork() never inherits half a line. Lines that begin with "ok" or
 * "not ok" are the same on every Linux; what differs from one machine to
 * the next (times, addresses) is said in lines that begin with '#'.
 */
#ifndef TESTS_GUEST_CHECK_H
#define TESTS_GUEST_CHECK_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int check_count;
static int check_failures;

__attribute__((format(printf, 1, 2), unused))
static void diag(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	fputs("# ", stdout);
	vprintf(format, list);
	putchar('\n');
	fflush(stdout);
	va_end(list);
}

/* Returns what it was given, so that a caller can go on to say more. */
__attribute__((format(printf, 2, 3), unused))
static int ok(int good, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	printf("%s %d - ", good ? "ok" : "not ok", ++check_count);
	vprintf(format, list);
	putchar('\n');
	fflush(stdout);
	va_end(list);
	check_failures += !good;
	return good;
}

__attribute__((unused))
static void skip(const char *name, const char *why)
{
	printf("ok %d - %s # SKIP %s\n", ++check_count, name, why);
	fflush(stdout);
}

/* The last words of main(): the plan, and the exit status. */
__attribute__((unused))
static int finish(void)
{
	printf("1..%d\n", check_count);
	fflush(stdout);
	return check_failures ? 1 : 0;
}

/* For what must work before anything can be tested at all. */
__attribute__((format(printf, 1, 2), noreturn, unused))
static void bail_out(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	fputs("Bail out! ", stdout);
	vprintf(format, list);
	putchar('\n');
	fflush(stdout);
	va_end(list);
	exit(2);
}

/* xorshift64*: the same numbers from the same seed, everywhere. */
__attribute__((unused))
static uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}

__attribute__((unused))
static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now))
		return -1;
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

#endif
