// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C12: a Guest that never takes an interrupt, never looks at the time, and
 * sleeps for ever; the Host does not mind, and a signal ends it.
 *
 * term: sub=0-2
 */
#include "lib.h"

void run(void)
{
	u64 sub = option("sub", 0), i;

	say("spinning\n");
	for (i = 0; ; i++) {
		call(LHCALL_SET_TIMER, 1 + i % 1000, 0, 0);
		shared.vector = 1;	/* "still at it" */
		if (sub == 0) {
			call(LHCALL_HALT, 0, 0, 0);
		} else if (sub == 1) {
			shared.vif = LGUEST_VIF_ON;
			call(LHCALL_NOP, 0, 0, 0);
		} else {
			shared.pending = 0;
			shared.blocked = 0;
			shared.vif = LGUEST_VIF_ON;
			call(LHCALL_NOTIFY, i % 32, i % 32, 0);
		}
	}
}
