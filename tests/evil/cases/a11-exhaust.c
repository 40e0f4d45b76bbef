// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A11: more distinct regions of 2 MB than there may be shadow tables, in one
 * root and then in eight. "full=1" for 100000 regions.
 *
 * run: -> 0
 */
#include "lib.h"

#define AT	0x100000000ull

void run(void)
{
	u64 count = option("full", 0) ? 100000 : 20000;
	u64 *pt = page(), *target = page();
	u64 i, r, bad = 0;

	/* One table of each level is enough for the Guest. */
	*target = 11;
	for (i = 0; i < 512; i++)
		pt[i] = PHYS(target) | P | RW | US;
	root[0] = regions_of(pt);
	root[1] = root[0];
	root[300] = root[0];
	flush();
	for (i = 0; i < count; i++)
		bad += *(volatile u64 *)(AT + i * 2 * MEG) != 11;
	ok(!bad, "%u regions in one root", count);
	for (r = 0; r < 8; r++) {
		call(LHCALL_SET_CR3, PHYS(root) | r, 0, 0);
		for (i = 0; i < count / 16; i++)
			bad += *(volatile u64 *)(AT + i * 2 * MEG) != 11;
	}
	ok(!bad, "%u regions in each of eight", count / 16);
	for (i = 0; i < count / 8; i++)
		bad += *(volatile u64 *)(0xffff960000000000 + i * 2 * MEG) !=
			11;
	ok(!bad, "%u regions in the upper half", count / 8);
}
