// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The witness: a well-behaved micro-Guest that runs beside the hostile ones.
 * Each 10 ms it counts, and sums up 32 KB of memory that must not change and
 * the registers of the vector unit. It tells how far it has come, and the
 * longest time between two counts.
 */
#include "lib.h"

#define WORDS	(8 * PAGE / 8)

static u64 sum(const u64 *memory)
{
	u64 i, total = 0;

	for (i = 0; i < WORDS; i++)
		total = (total << 1 | total >> 63) ^ memory[i];
	return total;
}

static void set_vectors(const u64 *p)
{
	asm volatile("movdqu (%0), %%xmm1\n movdqu 16(%0), %%xmm7\n"
		     "movdqu 32(%0), %%xmm15" : : "r" (p) : "memory");
}

static void get_vectors(u64 *p)
{
	asm volatile("movdqu %%xmm1, (%0)\n movdqu %%xmm7, 16(%0)\n"
		     "movdqu %%xmm15, 32(%0)" : : "r" (p) : "memory");
}

void run(void)
{
	u64 *memory = pages(8), vectors[6];
	u64 i, right, count = 0, longest = 0, bad = 0;
	s64 last, now;

	for (i = 0; i < WORDS; i++)
		memory[i] = random();
	right = sum(memory);
	set_vectors(memory);
	last = call(LHCALL_WALLCLOCK, 0, 0, 0);
	for (;;) {
		u64 seen = interrupts;

		call(LHCALL_SET_TIMER, 10000000, 0, 0);
		call(LHCALL_HALT, 0, 0, 0);
		shared.vif = 0;
		now = call(LHCALL_WALLCLOCK, 0, 0, 0);
		if (now - last > (s64)longest)
			longest = now - last;
		last = now;
		bad += interrupts == seen;
		bad += sum(memory) != right;
		get_vectors(vectors);
		bad += !same(vectors, memory, sizeof(vectors));
		if (++count % 32)
			continue;
		say("witness %u longest %u bad %u\n", count,
		    longest / 1000000, bad);
	}
}
