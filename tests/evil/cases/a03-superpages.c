// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A3: large pages over page tables and over the end of the memory.
 *
 * Adapted: page tables are the Guest's own memory, so that a large page over
 * them is in order; what lies beyond the end is not.
 *
 * run: sub=0 -> 0
 * run: sub=1-2 -> 4 /mapped, outside memory/
 */
#include "lib.h"

INSN(do_read, "movb (%0), %%al")
INSN(do_write, "movb $1, (%0)")
INSN(do_jump, "call *%0")

#define AT	0x40000000ull

void run(void)
{
	u64 sub = option("sub", 0);
	volatile u64 *e = entry(AT + 4 * MEG, 1);
	volatile u64 *alias, *first = page(), *second = page();
	u64 end = memory_end;

	*first = 1;
	*second = 2;
	/* A large page over the tables, and a change through it. */
	*entry(AT, 2) = (PHYS(e) & ~(2 * MEG - 1)) | P | RW | PS;
	alias = (u64 *)(AT + (PHYS(e) & (2 * MEG - 1)));
	*alias = PHYS(first) | P | RW;
	flush();
	ok(*(volatile u64 *)(AT + 4 * MEG) == 1, "an entry made through 2M");
	*alias = PHYS(second) | P | RW;
	call(LHCALL_FLUSH_PAGE, AT + 4 * MEG, 0, 0);
	ok(*(volatile u64 *)(AT + 4 * MEG) == 2, "... and changed");
	/* A large page with its lower bits set: it is where it was. */
	*entry(AT, 2) |= 0x1fe000;
	flush();
	ok(*alias == (PHYS(second) | P | RW | ACCESSED),
	   "reserved bits of a large page do not move it");
	/* 1 GB from 0: the end of the memory lies within. */
	*entry(0x80000000, 3) = P | RW | PS;
	flush();
	ok(*(volatile u64 *)(0x80000000 + PHYS(second)) == 2, "a page of 1G");
	do_read(0x80000000 + end - 1);
	ok(true, "the last byte of the memory by a page of 1G");
	if (sub == 1)
		do_read(0x80000000 + end);
	/* 2 MB over the end */
	*entry(AT, 2) = (end & ~(2 * MEG - 1)) | P | RW | PS;
	flush();
	do_read(AT + (end & (2 * MEG - 1)) - 1);
	ok(true, "the last byte of the memory by a page of 2M");
	if (sub == 2)
		do_read(AT + (end & (2 * MEG - 1)));
}
