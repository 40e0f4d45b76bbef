// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Takes as many shadow tables as it can get, one for each touch, and sits on
 * them.
 */
#include "lib.h"

#define AT	0x100000000ull

void run(void)
{
	u64 *pt = page(), *target = page(), regions = regions_of(pt);
	u64 i;

	for (i = 0; i < 512; i++)
		pt[i] = PHYS(target) | P | RW | US | ACCESSED | DIRTY;
	for (i = 0; i < 128; i++)
		root[i] = regions;
	flush();
	for (i = 0; i < 10000; i++)
		(void)*(volatile u8 *)(AT + i * 2 * MEG);
	say("spinning\n");
	for (;;)
		asm volatile("pause");
}
