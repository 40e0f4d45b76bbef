// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C7: the timer: never, now, in the past, at the end of time, and 10^5 times
 * in a row. "full=1" for 10^6.
 *
 * run: -> 0
 */
#include "lib.h"

void run(void)
{
	static const u64 times[] = {
		0, 1, 2, 1000, 1ull << 31, 1ull << 32, 1ull << 62,
		(1ull << 63) - 1, 1ull << 63, (1ull << 63) + 1, ~0ull,
		-1000000ull, 1ull << 53,
	};
	u64 n, i, bad = 0, seen;
	u64 count = option("full", 0) ? 1000000 : 100000;

	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		bad += call(LHCALL_SET_TIMER, times[i], 0, 0) != 0;
	ok(!bad, "all times are taken");
	for (n = 0; n < count; n++)
		call(LHCALL_SET_TIMER, times[random() % 13], 0, 0);
	ok(true, "%u times in a row", count);
	/*
	 * Timers that are due at once. (Interrupts stay off up to the sleep,
	 * which would else be a sleep after the interrupt that was to end it.)
	 */
	seen = interrupts;
	for (n = 0; n < 2000; n++) {
		call(LHCALL_SET_TIMER, 1, 0, 0);
		call(LHCALL_HALT, 0, 0, 0);
		shared.vif = 0;
	}
	/* ... and with interrupts on */
	for (n = 0; n < 2000; n++) {
		u64 before = interrupts;

		shared.vif = LGUEST_VIF_ON;
		call(LHCALL_SET_TIMER, 1, 0, 0);
		while (*(volatile u64 *)&interrupts == before)
			call(LHCALL_NOP, 0, 0, 0);
		shared.vif = 0;
	}
	ok(interrupts - seen >= 4000, "4000 times 1 ns: %u interrupts",
	   interrupts - seen);
	call(LHCALL_SET_TIMER, 0, 0, 0);
	seen = interrupts;
	call(LHCALL_SET_TIMER, 3000000, 0, 0);
	call(LHCALL_HALT, 0, 0, 0);
	shared.vif = 0;
	ok(interrupts > seen, "and it still works");
}
