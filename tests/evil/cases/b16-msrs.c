// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B16: RDMSR and WRMSR of everything from 0 to 0x3fff, from 0x40000000 and
 * from 0xc0000000 and 0xc0010000: a general protection fault, except for the
 * revision of the microcode (0x8b), which reads as 0. "full=1" for all;
 * otherwise each 13th and those that matter.
 *
 * run: -> 0
 */
#include "lib.h"

static u32 low, high;

static void rdmsr(u64 n)
{
	asm volatile("rdmsr" : "=a" (low), "=d" (high) : "c" ((u32)n));
}

static void wrmsr(u64 n)
{
	asm volatile("wrmsr" : : "c" ((u32)n), "a" ((u32)random()),
		     "d" ((u32)random()));
}

static u64 good, bad;

static void try(u64 n)
{
	int event = attempt(rdmsr, n);

	if (event == EVENT_NONE) {
		good++;
		bad += n != 0x8b || low || high;
	} else {
		bad += event != 13 || caught.error;
	}
	event = attempt(wrmsr, n);
	if (event == EVENT_NONE) {
		good++;
		bad += n != 0x8b;
	} else {
		bad += event != 13 || caught.error;
	}
}

void run(void)
{
	static const u32 matter[] = {
		0x10, 0x1b, 0x3a, 0x3b, 0x48, 0x49, 0x6e0, 0x8b, 0x79, 0x10a,
		0x122, 0x174, 0x175, 0x176, 0x179, 0x1a0, 0x1d9, 0x277, 0x400,
		0x480, 0x600, 0x6a0, 0x6a2, 0x6a4, 0x800, 0x802, 0x830, 0xda0,
		0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084,
		0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0xc0010010,
		0xc0010015, 0xc001001f, 0xc0011020, 0xc0010117, 0xffffffff,
	};
	static const struct {
		u32 from, count;
	} ranges[] = {
		{ 0, 0x4000 }, { 0x40000000, 0x200 }, { 0xc0000000, 0x20000 },
	};
	u64 step = option("full", 0) ? 1 : 13, i, n, tried = 0;

	for (i = 0; i < sizeof(matter) / sizeof(matter[0]); i++, tried++)
		try(matter[i]);
	for (i = 0; i < 3; i++)
		for (n = 0; n < ranges[i].count; n += step, tried++)
			try(ranges[i].from + n);
	ok(!bad, "%u registers read and written, %u surprises", tried, bad);
	ok(good >= 2, "the microcode answers");
}
