// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B18: CLI, HLT and loops with virtual interrupts off: the Host goes on
 * working, and a signal ends them at once.
 *
 * run: sub=0 -> 0
 * term: sub=1-5
 */
#include "lib.h"

INSN(cli, "cli")
INSN(hlt, "hlt")
USER_CODE(loop, "1: jmp 1b");

void run(void)
{
	u64 sub = option("sub", 0);

	if (!sub) {
		ok(attempt(cli, 0) == 13, "CLI is a fault");
		ok(attempt(hlt, 0) == 13, "HLT is a fault");
		return;
	}
	say("spinning\n");
	shared.vif = 0;
	for (;;) {
		switch (sub) {
		case 1:		/* off, and a timer for nobody */
			call(LHCALL_SET_TIMER, 1, 0, 0);
			for (;;)
				shared.vif = 0;
		case 2:		/* asleep, deaf */
			shared.blocked = ~0ull;
			call(LHCALL_HALT, 0, 0, 0);
			break;
		case 3:		/* on, but a vector that is never taken */
			shared.vector = 1;
			shared.vif = LGUEST_VIF_ON;
			call(LHCALL_SET_TIMER, 1, 0, 0);
			for (;;)
				asm volatile("pause");
		case 4:		/* the user loops, nothing to disturb it */
			user_code(USER, CODE_OF(loop));
			run_user(USER, 0, 2);
			break;
		default:	/* every kind of instruction that is slow */
			asm volatile("cpuid" : : "a" (0), "c" (0)
				     : "ebx", "edx");
		}
	}
}
