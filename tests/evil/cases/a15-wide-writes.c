// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A15: writes of 16 and 32 bytes, and not aligned, over two entries of live
 * tables. Adapted: they are plain memory; after a flush both entries count.
 *
 * run: -> 0
 */
#include "lib.h"

#define AT	0x40000000ull

static bool avx(void)
{
	u32 a = 1, b, c = 0, d, low, high;

	asm volatile("cpuid" : "+a" (a), "=b" (b), "+c" (c), "=d" (d));
	if ((c & (3u << 27)) != 3u << 27)	/* OSXSAVE and AVX */
		return false;
	asm volatile("xgetbv" : "=a" (low), "=d" (high) : "c" (0));
	return (low & 6) == 6;
}

void run(void)
{
	u64 *first = page(), *second = page(), *table = entry(AT, 1);
	u64 entries[4] __attribute__((aligned(32)));
	u64 n, bad = 0;
	bool wide = avx();

	first[0] = 1;
	second[0] = 2;
	for (n = 0; n < 2000; n++) {
		u64 i = random() % 500;
		int k;

		for (k = 0; k < 4; k++)
			entries[k] = PHYS((k + n) & 1 ? first : second) |
				P | RW;
		if (wide && n & 1)
			asm volatile("vmovdqu %1, %%ymm0\n"
				     "vmovdqu %%ymm0, %0\n"
				     : "=m" (*(u64 (*)[4])&table[i])
				     : "m" (entries));
		else
			asm volatile("movdqu %1, %%xmm0\n"
				     "movdqu %%xmm0, %0\n"
				     : "=m" (*(u64 (*)[2])&table[i])
				     : "m" (entries));
		flush();
		for (k = 0; k < (wide && n & 1 ? 4 : 2); k++)
			bad += *(volatile u64 *)(AT + (i + k) * PAGE) !=
				(((k + n) & 1) ? 1 : 2);
		/* 8 bytes over two entries: halves of both change */
		*(volatile u64 *)((char *)&table[i] + 4) = 0;
		flush();
		bad += !!(table[i] >> 32);
	}
	ok(!bad, "2000 wide writes (32 bytes: %s)", wide ? "yes" : "no");
}
