// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A8: roots that are not aligned, not RAM, or full of nothing; and many
 * switches over many roots. "full=1" for 100000 switches.
 *
 * run: sub=0 -> 0
 * run: sub=1-3 -> 4 /CR3 set to .*, outside memory/
 * run: sub=4 -> 4 /double fault/
 */
#include "lib.h"

#define ROOTS	4096ull

static void many(void)
{
	u64 i, n, bad = 0, count = option("full", 0) ? 100000 : 20000;
	u64 *roots = pages(ROOTS);
	u64 *pud = page(), *pmd = page(), *pt = page();

	/* All see one page of the user, and tell by its entry which they are */
	pud[0] = PHYS(pmd) | P | RW | US;
	pmd[0] = PHYS(pt) | P | RW | US;
	pt[0] = PHYS(pt) | P | RW | US;
	for (i = 0; i < ROOTS; i++) {
		roots[i * 512 + 511] = root[511];
		roots[i * 512 + 1 + i % 255] = PHYS(pud) | P | RW | US;
	}
	for (n = 0; n < count; n++) {
		u64 keep;

		i = random() % ROOTS;
		keep = random() % 4 ? 0 : NOFLUSH;
		/* low bits are a PCID, of which some are too large */
		call(LHCALL_SET_CR3, PHYS(roots + i * 512) |
		     (random() & 0xfff) | keep, 0, 0);
		if (n % 8 == 0)
			bad += !(*(volatile u64 *)((1 + i % 255) << 39) & P);
	}
	call(LHCALL_SET_CR3, PHYS(root), 0, 0);
	ok(!bad, "%u switches over %u roots", count, ROOTS);
}

void run(void)
{
	switch (option("sub", 0)) {
	case 0:
		many();
		return;
	case 1:
		call(LHCALL_SET_CR3, memory_end, 0, 0);
		break;
	case 2:
		call(LHCALL_SET_CR3, FRAME_MASK, 0, 0);
		break;
	case 3:
		call(LHCALL_SET_CR3, ~0ull, 0, 0);
		break;
	default:
		/* within memory, and empty; the kernel's half is the same
		   for all roots until it is flushed */
		call(LHCALL_SET_CR3, PHYS(page()), 0, 0);
		flush();
	}
	ok(false, "a root like that");
}
