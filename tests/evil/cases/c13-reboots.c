// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C13: resets in a loop. Adapted: there is one vCPU, and stopping it is the
 * end of the machine; LGUEST_REBOOT makes a new one, as often as asked.
 *
 * term:
 */
#include "lib.h"

void run(void)
{
	u64 i;

	for (i = 0; i < 64; i++)
		call(LHCALL_FLUSH_TLB, i & 1, 0, 0);
	say("spinning\n");
	call(LHCALL_SHUTDOWN, ~0ull, LGUEST_REBOOT, 0);
	ok(false, "a reboot");
}
