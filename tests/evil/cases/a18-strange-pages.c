// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A18: pages that somebody needs for something else. Adapted: there is no
 * balloon to give pages back with; what a Guest can do is to name page 0, its
 * running root, a page table, its own code or a device's page as the shared
 * page, and go on.
 *
 * run: sub=0-5 noinit=1 -> (0|4)
 */
#include "lib.h"

INSN(do_read, "movb (%0), %%al")
INSN(do_write, "movb $1, (%0)")
INSN(do_jump, "call *%0")

void run(void)
{
	u64 sub = option("sub", 0);
	const u64 gpa[] = {
		0, PHYS(root), PHYS(kernel_pmd), PHYS(run) & ~(PAGE - 1),
		32 * MEG, 32 * MEG + 31 * PAGE,
	};
	struct lguest_shared *page_at = VIRT(gpa[sub]);
	u64 i;
	s64 ret;

	kernel_pmd[16] = 32 * MEG | P | RW | PS;
	page_at->version = LGUEST_ABI_VERSION;
	page_at->event_entry = (u64)run;
	page_at->syscall_entry = (u64)run;
	page_at->iret_start = 0;
	ret = call(LHCALL_INIT, gpa[sub], 0, 0);
	ok(ret == 0, "INIT with the page at %x", gpa[sub]);
	if (sub == 1 || sub == 2)	/* it wrote its answers there */
		flush();
	for (i = 0; i < 1000; i++)
		call(i % 3 ? LHCALL_NOP : LHCALL_FLUSH_TLB, 1, 0, 0);
	page_at->vector = 0;
	ok(true, "still here");
}
