// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A12: the longest end. As many shadow tables as there may be, all full, and
 * all of the memory in use; then the power goes off. How long the others had
 * to wait is in the witness's and the canary's figures.
 *
 * run: -> 0
 */
#include "lib.h"

#define AT	0x100000000ull

void run(void)
{
	u64 *pt = page();
	u64 i, sum = 0, regions = option("full", 0) ? 8000 : 4000;

	for (i = 0; i < 512; i++)
		pt[i] = (4 * MEG + i * PAGE) | P | RW | US | ACCESSED | DIRTY;
	root[0] = regions_of(pt);
	root[1] = root[0];
	/* use all of the memory, the devices' too */
	kernel_pmd[16] = 32 * MEG | P | RW | PS;
	for (i = 0; i < memory_end; i += PAGE)
		sum += *(volatile u8 *)VIRT(i);
	flush();
	/* a fault fills eight entries; eight touches fill 64 */
	for (i = 0; i < regions; i++)
		sum += *(volatile u8 *)(AT + i * 2 * MEG +
					(i % 64) * 8 * PAGE);
	ok(sum + 1 != 0, "%u tables are in use", regions);
}
