// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C11: last words that have no end, lie outside, over an edge, or are full of
 * escape sequences. The Launcher says them in one line, with nothing in it
 * that a terminal obeys.
 *
 * run: sub=0-5 -> 3
 * run: sub=6 -> 0
 */
#include "lib.h"

void run(void)
{
	char *text = pages(2);
	u64 sub = option("sub", 0), gpa = PHYS(text), i;

	memset(text, 'A', 2 * PAGE);
	switch (sub) {
	case 0:		/* no end */
		break;
	case 1:		/* over the edge of a page */
		gpa += PAGE - 3;
		break;
	case 2:		/* outside */
		gpa = memory_end;
		break;
	case 3:
		gpa = ~0ull;
		break;
	case 4:		/* for terminals, and for logs */
		for (i = 0; i < 255; i++)
			text[i] = "\033[2J\n\r\a\b\233\177%s%n<0>"[i % 18];
		text[255] = 0;
		break;
	case 5:
		gpa = memory_end - 1;
		break;
	default:
		for (i = 0; i < 1000; i++)
			if (call(LHCALL_SHUTDOWN, gpa, random() | 4, 0) !=
			    -EINVAL)
				break;
		ok(i == 1000, "a thousand kinds that are none");
		return;
	}
	call(LHCALL_SHUTDOWN, gpa, LGUEST_CRASH, 0);
	ok(false, "nobody lives after that");
}
