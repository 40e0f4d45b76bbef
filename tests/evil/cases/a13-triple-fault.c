// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A13: a fault whose handler is not mapped either, and the like: the machine
 * ends, once, and the Host does not go round in circles.
 *
 * run: sub=0-4 -> 4 /double fault/
 */
#include "lib.h"

INSN(do_read, "movb (%0), %%al")
INSN(do_write, "movb $1, (%0)")
INSN(do_jump, "call *%0")

void run(void)
{
	u64 sub = option("sub", 0);

	switch (sub) {
	case 0:	/* the code of the handler is gone */
		kernel_pmd[1] = 0;
		break;
	case 1:	/* ... is not executable */
		kernel_pmd[1] |= NX;
		break;
	case 2:	/* the whole upper half */
		root[511] = 0;
		break;
	case 3:	/* a handler that never takes anything */
		shared.vector = 1;
		do_jump(0x1000);
		break;
	default:	/* data, and so the shared page for us, is read-only */
		kernel_pmd[1] &= ~RW;
	}
	flush();
	do_jump(0x1000);
	ok(false, "somebody lives");
}
