// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C10: a flood of text: 4 MB, "full=1" for 1 GB. The Host's log gets none of
 * it, and the Launcher holds none of it back.
 *
 * run: -> 0
 */
#include "lib.h"

void run(void)
{
	char *text = page();
	u64 n, count = option("full", 0) ? 262144 : 1024, bad = 0;

	memset(text, 'x', PAGE);
	for (n = 63; n < PAGE; n += 64)
		text[n] = '\n';
	for (n = 0; n < count; n++)
		bad += call(LHCALL_PRINT, PHYS(text), PAGE, 0) != 0;
	say("\n");
	ok(!bad, "%u KB of text", count * 4);
}
