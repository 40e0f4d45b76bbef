// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A10: translations that are changed without a flush, and then used.
 *
 * Adapted: pages are never given back to the Host while the machine lives,
 * so that a stale translation can only show what was the Guest's own.
 * After the flush it must be gone.
 *
 * run: -> 0
 */
#include "lib.h"

#define AT	0x40000000ull
#define WORDS	64

void run(void)
{
	volatile u64 *at = (u64 *)AT;
	u64 *frames[WORDS];
	u64 i, n, odd = 0, stale = 0, bad = 0;

	for (i = 0; i < WORDS; i++) {
		frames[i] = page();
		frames[i][0] = 0xabc00000 + i;
	}
	for (n = 0; n < 20000; n++) {
		u64 slot = random() % 32, frame = random() % WORDS, word;

		map(AT + slot * PAGE, PHYS(frames[frame]), RW | ACCESSED);
		word = at[slot * 512];
		odd += word - 0xabc00000 >= WORDS;
		stale += word != 0xabc00000 + frame;
		if (n & 1)
			call(LHCALL_FLUSH_PAGE, AT + slot * PAGE, 0, 0);
		else
			call(LHCALL_FLUSH_TLB, n & 2 ? 1 : 0, 0, 0);
		bad += at[slot * 512] != 0xabc00000 + frame;
	}
	ok(!odd, "what is stale is still the Guest's own (%u times)", stale);
	ok(!bad, "nothing is stale after a flush");
}
