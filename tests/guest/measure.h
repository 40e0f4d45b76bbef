/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long does it take? Options that all benchmarks have
 *
 *	[-r ROUNDS] [-s SCALE] [-o NAME,NAME...] [-a]
 *
 * and for each operation one line with tabs between
 *
 *	name	operations	ticks	nanoseconds
 *
 * where both times are of one operation, in the best of all rounds. Ticks
 * are of the TSC; under an emulator that counts instructions (QEMU with
 * -icount shift=0) a tick is an instruction. With -a only those are counted
 * in which this machine was awake: one that waits for a device which is no
 * part of it has nothing to do meanwhile, but its clock goes on.
 */
#ifndef TESTS_GUEST_MEASURE_H
#define TESTS_GUEST_MEASURE_H

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "check.h"

#define PAGE 4096ul

static double scale = 1;
static int rounds = 3;
static const char *only;
static int awake;

static uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc; lfence" : "=a" (low), "=d" (high)
			 : : "memory");
	return (uint64_t)high << 32 | low;
}

/* tests/count.c sees this being executed. It does nothing else. */
#define MARK(number)							\
	__asm__ volatile("nopl 0x4c4700+%c0(%%rax)" : : "i" (number))

static void check(int good)
{
	if (!good)
		bail_out("%m");
}

/* The first argument that is no option, or -1. */
static int measure_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "+r:s:o:a")) != -1) {
		if (option == 'r')
			rounds = atoi(optarg);
		else if (option == 's')
			scale = atof(optarg);
		else if (option == 'o')
			only = optarg;
		else if (option == 'a')
			awake = 1;
		else
			return -1;
	}
	return optind;
}

static int selected(const char *name)
{
	size_t length = strlen(name);
	const char *p;

	if (!only)
		return 1;
	for (p = only; (p = strstr(p, name)); p += length)
		if ((p == only || p[-1] == ',') &&
		    (!p[length] || p[length] == ','))
			return 1;
	return 0;
}

/*
 * Somebody who is never in a hurry, and counts two instructions at a time
 * while all others sleep. So the machine never does.
 */
static volatile uint64_t *count_idle(void)
{
	const struct sched_param none = { 0 };
	uint64_t *count = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t parent = getpid();

	check(count != MAP_FAILED);
	if (fork())
		return count;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	check(!sched_setscheduler(0, SCHED_IDLE, &none));
	if (getppid() != parent)
		_exit(0);
	for (;;)
		__asm__ volatile("1: incq %0; jmp 1b" : "+m" (*count));
}

static uint64_t slept(void)
{
	static volatile uint64_t *count;

	if (!awake)
		return 0;
	if (!count)
		count = count_idle();
	return *count * 2;
}

/* @per: how many of what we name are in one operation. */
static void measure(const char *name, void (*operation)(long n), long n,
		    long per)
{
	double ticks = 0, ns = 0;
	uint64_t t, rest;
	int64_t begin;
	int i;

	if (!selected(name))
		return;
	n = n * scale < 1 ? 1 : n * scale;
	operation(n / 8 + 1);
	for (i = 0; i < rounds; i++) {
		rest = slept();
		begin = clock_ns(CLOCK_MONOTONIC);
		MARK(1);
		t = rdtsc();
		operation(n);
		t = rdtsc() - t;
		MARK(2);
		begin = clock_ns(CLOCK_MONOTONIC) - begin;
		rest = slept() - rest;
		t -= rest;
		begin -= rest;
		if (!i || t < ticks)
			ticks = t;
		if (!i || begin < ns)
			ns = begin;
	}
	printf("%s\t%ld\t%.2f\t%.2f\n", name, n, ticks / n / per,
	       ns / n / per);
	fflush(stdout);
}

#endif
