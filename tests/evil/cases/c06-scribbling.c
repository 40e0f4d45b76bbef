// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C6: random words all over the shared page, between and before all kinds of
 * hypercalls. Adapted: one vCPU scribbles itself; words that change within a
 * call need a second one (each is read once: see the list in the test).
 *
 * run: seed=1 -> (0|4 /double fault/)
 * run: seed=2 -> (0|4 /double fault/)
 * run: seed=3 -> (0|4 /double fault/)
 */
#include "lib.h"

static void scribble(void)
{
	volatile u64 *words = (volatile u64 *)&shared;
	u64 i;

	for (i = random() % 8; i < 512; i += 1 + random() % 16)
		words[i] = random() >> (random() % 64);
	shared.vector = 0;	/* else the next event is the last */
}

void run(void)
{
	u64 rounds = option("full", 0) ? 300000 : 10000, n, bad = 0;

	for (n = 0; n < rounds; n++) {
		int event;

		scribble();
		switch (random() % 6) {
		case 0:
			bad += call(LHCALL_NOP, 0, 0, 0) != 0;
			break;
		case 1:
			call(LHCALL_SET_TIMER, 1000, 0, 0);
			shared.blocked &= ~1ull;
			break;
		case 2:
			call(LHCALL_FLUSH_TLB, 1, 0, 0);
			break;
		case 3:
			call(LHCALL_SET_CR3, PHYS(root) | random() % 16, 0, 0);
			break;
		default:
			/* a frame of random words; only CS is sane */
			caught.rcx = random();
			event = n & 1 ?
				run_user(random() >> (random() % 64),
					 random(), random()) :
				run_kernel(random() >> 20, random(),
					   random() & ~0x100ull);
			bad += event != 13 && event != 14 && event != 1;
		}
		shared.vif = 0;
	}
	ok(!bad, "%u rounds with a page full of nonsense, %u surprises",
	   rounds, bad);
}
