// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B6: MOV SS and POP SS with a data breakpoint on their operand, in front of
 * SYSCALL, INT3, INT 0x80, ICEBP and UD2. On a processor the breakpoint is
 * reported in ring 0 then. (An emulator shows that only in part; the stub for
 * debug exceptions in the Switcher is what this needs.)
 *
 * run: -> 0
 */
#include "lib.h"

#define WATCHED	(USER + 0x800)

USER_CODE(mov_ss, "movw (%rdi), %ss\n syscall");
USER_CODE(mov_ss_int3, "movw (%rdi), %ss\n int3");
USER_CODE(mov_ss_int80, "movw (%rdi), %ss\n int $0x80");
USER_CODE(mov_ss_icebp, "movw (%rdi), %ss\n .byte 0xf1");
USER_CODE(mov_ss_ud2, "movw (%rdi), %ss\n ud2");
USER_CODE(pop_ss, "movq %rdi, %rsp\n .byte 0x66, 0x8e, 0x14, 0x24\n"
		  "syscall");
USER_CODE(fine, "nop");

void run(void)
{
	static const struct {
		const char *code;
		const char *end;
	} codes[] = {
		{ mov_ss, mov_ss_end }, { mov_ss_int3, mov_ss_int3_end },
		{ mov_ss_int80, mov_ss_int80_end },
		{ mov_ss_icebp, mov_ss_icebp_end },
		{ mov_ss_ud2, mov_ss_ud2_end }, { pop_ss, pop_ss_end },
	};
	char *at = user_code(USER, "", 0), *other;
	u64 i, flags, bad = 0, debug = 0;

	other = user_code(USER + PAGE, CODE_OF(fine));
	*(volatile u16 *)(at + 0x800) = 0x2b;
	ok(!call(LHCALL_SET_DR, 0, WATCHED, 0) &&
	   !call(LHCALL_SET_DR, 7, 1 | 3 << 16 | 1 << 18, 0),
	   "a breakpoint on the operand");
	for (flags = 0x202; flags < 0x400; flags += 0x100) {
		for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
			int event;

			memcpy(at, codes[i].code,
			       codes[i].end - codes[i].code);
			caught.rdi = WATCHED;
			event = run_user(USER, 0, flags);
			debug += event == 1;
			bad += event != 1 && event != 3 && event != 6 &&
				event != 13 && event != EVENT_SYSCALL;
			event = run_user(USER + PAGE, 0, 0x202);
			bad += event != EVENT_SYSCALL;
		}
	}
	(void)other;
	ok(!bad, "%u surprises, %u debug exceptions", bad, debug);
	ok(!call(LHCALL_SET_DR, 7, 0, 0), "no breakpoint any more");
	caught.rdi = WATCHED;
	memcpy(at, mov_ss, mov_ss_end - mov_ss);
	ok(run_user(USER, 0, 0x202) == EVENT_SYSCALL, "and none reported");
}
