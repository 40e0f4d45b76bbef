// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B15: XSETBV with all patterns of the low bits and each of the high ones;
 * XRSTOR of headers that make no sense; XSAVES and XRSTORS.
 *
 * run: -> 0
 */
#include "lib.h"

static u64 area[1024] __attribute__((aligned(64)));

static void xsetbv(u64 value)
{
	asm volatile("xsetbv" : : "a" ((u32)value), "d" ((u32)(value >> 32)),
		     "c" (0));
}

static void xsetbv_other(u64 number)
{
	asm volatile("xsetbv" : : "a" (3), "d" (0), "c" ((u32)number));
}

static u64 xgetbv(void)
{
	u32 low, high;

	asm volatile("xgetbv" : "=a" (low), "=d" (high) : "c" (0));
	return (u64)high << 32 | low;
}

static void xrstor(u64 mask)
{
	asm volatile("xrstor64 %0" : : "m" (area), "a" ((u32)mask),
		     "d" ((u32)(mask >> 32)));
}

static void xsaves(u64 unused)
{
	(void)unused;
	asm volatile("xsaves64 %0" : : "m" (area), "a" (-1), "d" (-1));
}

static void xrstors(u64 unused)
{
	(void)unused;
	asm volatile("xrstors64 %0" : : "m" (area), "a" (-1), "d" (-1));
}

void run(void)
{
	u64 n, first, accepted = 0, bad = 0, faults = 0;
	u32 a = 1, b, c = 0, d;

	asm volatile("cpuid" : "+a" (a), "=b" (b), "+c" (c), "=d" (d));
	if (!(c & 1u << 27)) {
		ok(attempt(xsetbv, 1) != EVENT_NONE, "no XSAVE here");
		return;
	}
	first = xgetbv();
	for (n = 0; n < 2048 + 64; n++) {
		u64 value = n < 2048 ? n : 1ull << (n - 2048) | 1;
		int event = attempt(xsetbv, value);

		bad += event != EVENT_NONE && event != 13 && event != 6;
		if (event != EVENT_NONE)
			continue;
		accepted++;
		bad += !(value & 1);
		bad += (value & 6) == 4;
		call(LHCALL_NOP, 0, 0, 0);
		bad += (xgetbv() ^ value) & ~0x200ull;
	}
	ok(!bad, "XSETBV: %u patterns accepted, %u surprises", accepted, bad);
	for (n = 1; n < 64; n++)
		bad += attempt(xsetbv_other, n) == EVENT_NONE;
	ok(!bad, "XSETBV of another register is a fault");
	ok(attempt(xsetbv, first & ~0x200ull) == EVENT_NONE,
	   "and back to what it was");
	for (n = 0; n < 2000; n++) {
		int event;

		memset(area, 0, sizeof(area));
		area[64] = n < 64 ? 1ull << n : random();
		area[65] = n % 3 ? 0 : random();
		area[66 + n % 6] = n % 5 ? 0 : random();
		area[3] = n % 7 ? 0x1f80 : random();	/* MXCSR */
		event = attempt(xrstor, random());
		faults += event == 13;
		bad += event != EVENT_NONE && event != 13;
		asm volatile("fninit");
	}
	ok(!bad, "XRSTOR of 2000 odd headers: %u faults, %u surprises", faults,
	   bad);
	n = attempt(xsaves, 0);
	ok((int)n == 13 || n == 6, "XSAVES is for ring 0: event %d",
	   (s64)(int)n);
	n = attempt(xrstors, 0);
	ok((int)n == 13 || n == 6, "XRSTORS is for ring 0: event %d",
	   (s64)(int)n);
}
