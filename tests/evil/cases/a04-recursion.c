// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A4: tables that contain themselves: the root, level 3 in level 4's place,
 * a chain of three. It works as on a processor, and nobody counts wrongly.
 *
 * run: -> 0
 */
#include "lib.h"

INSN(do_read, "movb (%0), %%al")
INSN(do_write, "movb $1, (%0)")
INSN(do_jump, "call *%0")

#define INDEX	300ull
#define UP	0xffff000000000000ull
#define VA(a, b, c, d) (UP | (u64)(a) << 39 | (u64)(b) << 30 | \
			(u64)(c) << 21 | (u64)(d) << 12)

void run(void)
{
	volatile u64 *l3 = page(), *l2 = page(), *seen;
	volatile u64 *first = page(), *second = page();
	int i, same_words = 0;

	*first = 1;
	*second = 2;
	root[INDEX] = PHYS(root) | P | RW;
	flush();
	seen = (u64 *)VA(INDEX, INDEX, INDEX, INDEX);
	for (i = 0; i < 512; i++)
		same_words += (seen[i] & ~0x60ull) == (root[i] & ~0x60ull);
	ok(same_words == 512, "the root seen through itself");
	/* Make a mapping through the root that maps itself. */
	seen[301] = PHYS(l3) | P | RW;
	l3[0] = PHYS(l2) | P | RW;
	l2[0] = PHYS(first) | P | RW | PS;	/* a large page: first's 2M */
	flush();
	ok(*(volatile u64 *)(VA(301, 0, 0, 0) +
			     (PHYS(first) & (2 * MEG - 1))) == 1,
	   "an entry written through it");
	/* Level 3 that is the root, level 2 that is level 3. */
	l3[1] = PHYS(root) | P | RW;
	l3[2] = PHYS(l3) | P | RW;
	flush();
	ok(*(volatile u64 *)(VA(301, 2, 2, 2) + 8) ==
	   (l3[1] | ACCESSED) || *(volatile u64 *)(VA(301, 2, 2, 2) + 8) ==
	   l3[1], "a level 3 that contains itself");
	ok(attempt(do_read, VA(301, 1, 400, 1)) == 14,
	   "a level 3 that contains the root, an empty entry: a page fault");
	/* A chain of three: a in b in c in a. */
	l3[5] = PHYS(l2) | P | RW;
	l2[5] = PHYS(second) | P | RW;
	second[5] = PHYS(l3) | P | RW;
	flush();
	ok(*(volatile u64 *)(VA(301, 5, 5, 5) + 40) ==
	   (PHYS(l2) | P | RW | ACCESSED) ||
	   *(volatile u64 *)(VA(301, 5, 5, 5) + 40) ==
	   (PHYS(l2) | P | RW), "a chain of three");
	/* In the user's half, and for the user. */
	root[0] = PHYS(root) | P | RW | US;
	flush();
	seen = 0;
	asm volatile("" : "+r" (seen));	/* the compiler fears address 0 */
	ok((*seen & ~0x60ull) == (root[0] & ~0x60ull),
	   "the lower half contains the root");
	root[0] = 0;
	root[INDEX] = 0;
	flush();
	ok(attempt(do_read, VA(INDEX, INDEX, INDEX, INDEX)) == 14,
	   "and it is gone after a flush");
}
