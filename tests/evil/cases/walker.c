// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Touches memory that nobody has touched before: "pages=N" of them, each of
 * them "stride=M" pages behind the last, or before it with "down=1". What was
 * written there must be there afterwards, and nothing else.
 */
#include "lib.h"

#define FRESH		(16 * MEG)

void run(void)
{
	u64 pages = option("pages", 512), stride = option("stride", 1);
	u64 bad = 0, dirty = 0, i;

	for (i = 0; i < pages; i++) {
		u64 n = option("down", 0) ? pages - 1 - i : i;
		volatile u64 *at = VIRT(FRESH + n * stride * PAGE);

		dirty += !!*at;
		*at = n + 1;
	}
	for (i = 0; i < pages; i++)
		bad += *(volatile u64 *)VIRT(FRESH + i * stride * PAGE) !=
			i + 1;
	ok(!dirty, "%u pages are new and empty", pages);
	ok(!bad, "... and keep what is written to them");
}
