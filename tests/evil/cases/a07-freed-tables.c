// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A7: page tables that are used after they were freed and filled with other
 * things. Adapted: there is no balloon; the tables are overwritten with data
 * while their translations are still known, and with another vCPU's part
 * left out.
 *
 * run: sub=0 -> 0
 * run: sub=1 -> 4 /(outside memory|double fault)/
 */
#include "lib.h"

INSN(do_read, "movb (%0), %%al")
INSN(do_write, "movb $1, (%0)")
INSN(do_jump, "call *%0")

#define AT	0x40000000ull

static void copy_root(u64 *to)
{
	memset(to, 0, PAGE);
	to[511] = root[511];
}

void run(void)
{
	u64 *other = page(), *target = page();
	u64 i, round, bad = 0;
	volatile u64 *alias = (u64 *)AT;

	*target = 7;
	copy_root(other);
	for (round = 0; round < 200; round++) {
		u64 *tables[3];

		for (i = 0; i < 3; i++)
			tables[i] = VIRT(*(i ? entry(AT, i + 1) :
				(map(AT, PHYS(target), RW), entry(AT, 2))) &
				FRAME_MASK);
		call(LHCALL_SET_CR3, PHYS(root) | 1, 0, 0);
		bad += *alias != 7;
		call(LHCALL_SET_CR3, PHYS(other) | 2, 0, 0);
		/* Free them: they are data now. */
		memset(tables[0], round, PAGE);
		root[0] = 0;
		/* Back, and nothing forgotten: either is right. */
		call(LHCALL_SET_CR3, PHYS(root) | 1 | NOFLUSH, 0, 0);
		attempt(do_read, AT);
		/* Back with a flush: it is gone. */
		call(LHCALL_SET_CR3, PHYS(root) | 1, 0, 0);
		bad += attempt(do_read, AT) != 14;
		memset(tables[0], 0, PAGE);
		if (round % 50 == 49)	/* pages() has no other end */
			root[0] = 0;
		call(LHCALL_SET_CR3, PHYS(root), 0, 0);
	}
	ok(!bad, "200 times a table freed, filled and left, %u bad", bad);
	if (option("sub", 0) == 0)
		return;
	/* The live root itself becomes data. */
	for (i = 0; i < 512; i++)
		root[i] = random();
	flush();
	ok(false, "nobody lives without a root");
}
