// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B1: returns to addresses that are not canonical, by both ways of the
 * Switcher (SYSRET, IRETQ) and by the Host, to the user and to the kernel.
 *
 * run: -> 0
 */
#include "lib.h"

static const u64 odd[] = {
	0x0000800000000000, 0x00007fffffffffff, 0x0000800000000001,
	0xffff7fffffffffff, 0x8000000000000000, 0xfffffffffffffffd,
	0xffff800000000000, 0x1234567812345678, 0xff00000000000000,
	0xffffffffffffffff, 0x00ff800000000000,
};

void run(void)
{
	u64 i, way, good = 0, tried = 0;

	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		for (way = 0; way < 4; way++) {
			bool canonical = (s64)(odd[i] << 16) >> 16 ==
				(s64)odd[i];
			int event;

			/* SYSRET if RCX and R11 fit, else IRETQ */
			caught.rcx = way ? 7 : odd[i];
			caught.r11 = 0x202;
			shared.pending = 0;
			if (way == 3)
				event = run_kernel(odd[i], 0, 2);
			else
				event = run_user(odd[i], 0,
						 way == 2 ? 0x10202 : 0x202);
			good += event == (canonical ? 14 : 13) &&
				caught.rip == odd[i];
			tried++;
		}
	}
	ok(good == tried, "%u of %u returns end as they should", good, tried);
}
