/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ends in the way that HOW names, with a reason. */
#define EVIL_NO_INIT
#include "evil.h"

	.data
	.balign	256
reason:	.ascii	"the micro-Guest's \033[31mreason\n"
	.byte	0

	.text
begin:
	PRINT	"ending\n"
	HCALL	LHCALL_SHUTDOWN, $PHYS(reason), $HOW
	ud2
