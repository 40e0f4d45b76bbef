// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B14: vector registers full of a pattern, exits at random points; our own
 * must stay, and the witness and the canary must not see the pattern.
 *
 * run: -> 0
 */
#include "lib.h"

#define PATTERN	0xe511e511e511e511ull

static bool avx(void)
{
	u32 a = 1, b, c = 0, d, low, high;

	asm volatile("cpuid" : "+a" (a), "=b" (b), "+c" (c), "=d" (d));
	if ((c & (3u << 27)) != 3u << 27)
		return false;
	asm volatile("xgetbv" : "=a" (low), "=d" (high) : "c" (0));
	return (low & 6) == 6;
}

void run(void)
{
	static u64 in[64] __attribute__((aligned(64)));
	static u64 out[64] __attribute__((aligned(64)));
	u64 n, i, bad = 0, rounds = option("count", 3000);
	bool wide = avx();
	u32 mxcsr = 0x9f80, seen;

	for (i = 0; i < 64; i++)
		in[i] = PATTERN + i;
	for (n = 0; n < rounds; n++) {
		if (wide)
			asm volatile("vmovdqa (%0), %%ymm0\n"
				     "vmovdqa 32(%0), %%ymm7\n"
				     "vmovdqa 64(%0), %%ymm15"
				     : : "r" (in));
		else
			asm volatile("movdqa (%0), %%xmm0\n"
				     "movdqa 32(%0), %%xmm7\n"
				     "movdqa 64(%0), %%xmm15"
				     : : "r" (in));
		asm volatile("ldmxcsr %0\n fninit\n fld1\n fldpi"
			     : : "m" (mxcsr));
		switch (random() % 4) {
		case 0:
			call(LHCALL_NOP, 0, 0, 0);
			break;
		case 1:
			call(LHCALL_SET_TIMER, 1000, 0, 0);
			call(LHCALL_HALT, 0, 0, 0);
			shared.vif = 0;
			break;
		case 2:
			flush();
			break;
		default:
			for (i = random() % 4000; i; i--)
				asm volatile("pause");
		}
		asm volatile("stmxcsr %0" : "=m" (seen));
		bad += seen != mxcsr;
		if (wide)
			asm volatile("vmovdqa %%ymm0, (%0)\n"
				     "vmovdqa %%ymm7, 32(%0)\n"
				     "vmovdqa %%ymm15, 64(%0)"
				     : : "r" (out) : "memory");
		else
			asm volatile("movdqa %%xmm0, (%0)\n"
				     "movdqa %%xmm7, 32(%0)\n"
				     "movdqa %%xmm15, 64(%0)"
				     : : "r" (out) : "memory");
		for (i = 0; i < 12; i++)
			bad += (wide || i % 4 < 2) && out[i] != in[i];
	}
	ok(!bad, "%u rounds, %u surprises (256 bits: %s)", rounds, bad,
	   wide ? "yes" : "no");
}
