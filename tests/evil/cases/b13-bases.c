// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B13: FS and GS bases that are not canonical or the Host's, by WRFSBASE and
 * WRGSBASE in kernel and user; SWAPGS. (A value that a processor refuses is a
 * general protection fault; QEMU takes all.)
 *
 * run: -> 0
 */
#include "lib.h"

INSN(wrfsbase, "wrfsbase %0")
INSN(wrgsbase, "wrgsbase %0")
INSN(swapgs, "swapgs")
INSN(read_fs, "movq %%fs:(0), %0")
USER_CODE(user_bases, "wrfsbase %rdi\n wrgsbase %rdi\n"
		      "movl $0x77, %eax\n syscall");
USER_CODE(user_look, "rdfsbase %rsi\n rdgsbase %rdx");

static u64 read_base(int gs)
{
	u64 value;

	if (gs)
		asm volatile("rdgsbase %0" : "=r" (value));
	else
		asm volatile("rdfsbase %0" : "=r" (value));
	return value;
}

void run(void)
{
	static const u64 values[] = {
		0, 1, 0x7fffffffffff, 0xffff800000000000, 0xffff800000004000,
		0xffff888000000000, 0xffffffff81000000, 0xfffffe0000001000,
		0x800000000000, 0x8000000000000000, 0xff00000000004000, ~0ull,
	};
	u64 i, bad = 0;
	int event = attempt(wrfsbase, 0);

	if (event == 6) {
		ok(true, "no FSGSBASE here");
		return;
	}
	user_code(USER, CODE_OF(user_bases));
	user_code(USER + PAGE, CODE_OF(user_look));
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		u64 v = values[i];
		bool canonical = (s64)(v << 16) >> 16 == (s64)v;

		event = attempt(wrfsbase, v);
		bad += event != EVENT_NONE && (event != 13 || canonical);
		if (event == EVENT_NONE) {
			call(LHCALL_NOP, 0, 0, 0);
			bad += read_base(0) != v;
		}
		event = attempt(wrgsbase, v);
		bad += event != EVENT_NONE && (event != 13 || canonical);
		if (event == EVENT_NONE) {
			call(LHCALL_NOP, 0, 0, 0);
			bad += read_base(1) != v;
		}
		event = attempt(read_fs, 0);
		bad += event != 13 && event != 14 && event != EVENT_NONE;
		call(LHCALL_SET_MSR, GS_BASE, BASE, 0);
		caught.rdi = v;
		event = run_user(USER, 0, 0x202);
		bad += event != EVENT_SYSCALL && (event != 13 || canonical);
		bad += read_base(1) != BASE;
		if (event != EVENT_SYSCALL)
			continue;
		/* and the user finds them again, when they are canonical */
		event = run_user(USER + PAGE, 0, 0x202);
		bad += event != EVENT_SYSCALL;
		bad += canonical && (caught.rsi != v || caught.rdx != v);
	}
	ok(!bad, "bases of all kinds, %u surprises", bad);
	event = attempt(swapgs, 0);
	ok(event == 13 || event == 6, "SWAPGS is for ring 0: event %d",
	   (s64)event);
	call(LHCALL_SET_MSR, GS_BASE, 0, 0);
}
