// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C3: hypercalls before LHCALL_INIT, and LHCALL_INIT again. (The second vCPU
 * before the first needs a second vCPU.)
 *
 * run: sub=0 noinit=1 -> 0
 * run: sub=1 noinit=1 -> 4 /LHCALL_IRET before LHCALL_INIT/
 * run: sub=2-5 noinit=1 -> 4 /before LHCALL_INIT: trap/
 */
#include "lib.h"

void run(void)
{
	u64 sub = option("sub", 0), n, bad = 0;

	switch (sub) {
	case 1:
		shared.cs = LGUEST_USER_CS;
		call(LHCALL_IRET, 0, 0, 0);
		break;
	case 2:
		asm volatile("ud2");
		break;
	case 3:
		asm volatile("int3");
		break;
	case 4:
		asm volatile("movb 0x1000, %%al" : : : "rax");
		break;
	case 5:
		asm volatile("jmp *%0" : : "r" (0x800000000000ull));
		break;
	}
	if (sub) {
		ok(false, "an event before INIT");
		return;
	}
	for (n = 0; n < 3000; n++) {
		u64 nr = random() % (LHCALL_COUNT + 4);

		if (nr == LHCALL_IRET || nr == LHCALL_SHUTDOWN ||
		    nr == LHCALL_PRINT)
			continue;
		if (nr == LHCALL_SET_CR3) {
			call(nr, PHYS(root), 0, 0);
			continue;
		}
		/* INIT with pages that do not say the version */
		bad += nr == LHCALL_INIT &&
			call(nr, 8 * MEG + (random() % 1024) * PAGE, 0, 0) !=
			-EINVAL;
		bad += nr == LHCALL_HALT && call(nr, 0, 0, 0) >= 0;
		if (nr != LHCALL_INIT && nr != LHCALL_HALT)
			call(nr, random(), random(), random());
	}
	ok(!bad, "3000 calls before INIT, %u surprises", bad);
	call(LHCALL_SET_TIMER, 0, 0, 0);
	call(LHCALL_SET_MSR, GS_BASE, 0, 0);
	shared.vif = 0;
	introduce();
	shared.event_entry = 0;		/* not read any more */
	shared.syscall_entry = 0x800000000000;
	for (n = 0; n < 100; n++)
		bad += call(LHCALL_INIT, PHYS(&shared), 0, 0) != -EBUSY;
	ok(!bad, "INIT a hundred times more");
}
