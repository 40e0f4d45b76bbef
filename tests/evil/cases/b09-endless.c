// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B9: #DB, #AC, #BP, #DE and #PF without an end; the handler goes back to
 * where it happened. Only a signal ends it, and at once.
 *
 * term: sub=0-4
 */
#include "lib.h"

USER_CODE(stepper, "1: jmp 1b");
USER_CODE(breaker, "int3");
USER_CODE(divider, "xorl %ecx, %ecx\n divl %ecx");
USER_CODE(faulter, "movb 0x1000, %al");
USER_CODE(misaligned, "movl 0x400801, %eax");

static u64 where;

static int again(void)
{
	caught.rip = where;
	return 1;
}

void run(void)
{
	u64 sub = option("sub", 0);
	const struct {
		const char *code;
		u64 length;
	} codes[] = {
		{ CODE_OF(stepper) }, { CODE_OF(breaker) },
		{ CODE_OF(divider) }, { CODE_OF(faulter) },
		{ CODE_OF(misaligned) },
	};

	user_code(USER, codes[sub].code, codes[sub].length);
	where = USER;
	event_hook = again;
	say("spinning\n");
	run_user(USER, 0, sub == 0 ? 0x302 : sub == 4 ? 0x40202 : 0x202);
	ok(false, "it ends");
}
