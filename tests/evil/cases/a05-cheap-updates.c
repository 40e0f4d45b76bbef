// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A5: every change of a live table that looks cheap: RW, A, D, PCD, PWT, PAT,
 * G, the bits for software; with a page table behind the entry.
 *
 * Adapted: nothing is write-protected here and no update is trapped. What
 * must hold is that after a flush each right is the one in the table.
 *
 * run: -> 0
 */
#include "lib.h"

INSN(do_read, "movb (%0), %%al")
INSN(do_write, "movb $1, (%0)")
INSN(do_jump, "call *%0")

#define AT	0x40000000ull

void run(void)
{
	u64 *table = entry(AT, 1);
	u64 bad = 0, n, rounds = option("count", 4096);
	volatile u64 *alias = (u64 *)AT;

	for (n = 0; n < rounds; n++) {
		u64 flags = random() & 0xffe;
		int want, got;

		*table = PHYS(table) | P | (flags & ~US);
		if (n & 1)
			flush();
		else
			call(LHCALL_FLUSH_PAGE, AT, 0, 0);
		got = attempt(do_read, AT);
		bad += got != EVENT_NONE;
		want = flags & RW ? EVENT_NONE : 14;
		/* byte 4094 belongs to entry 511, which nobody uses */
		got = attempt(do_write, AT + 4094);
		bad += got != want;
		if (want == 14)
			bad += caught.error != 3 || caught.cr2 != AT + 4094;
		else
			bad += !(*table & DIRTY);
		bad += !(*table & ACCESSED) || !(alias[0] & P);
	}
	ok(!bad, "%u changes of a live table, %u surprises", rounds, bad);
}
