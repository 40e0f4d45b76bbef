// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B8: debug registers at addresses of the Host's, of the Switcher's and of
 * the tables; GD, reserved bits, all that a 64-bit number has room for.
 *
 * run: -> 0
 */
#include "lib.h"

USER_CODE(fine, "nop\n movb (%rdi), %al");

INSN(to_dr0, "movq %0, %%dr0")
INSN(to_dr7, "movq %0, %%dr7")
INSN(from_dr6, "movq %%dr6, %0")

void run(void)
{
	static const u64 places[] = {
		0xffff800000000000, 0xffff800000004000, 0xffff800000004500,
		0xffffffff81000000, 0xffff888000000000, 0xfffffe0000000000,
		0xff00000000004000, 0x8000000000000000, ~0ull,
		0xffffc90000000000,
	};
	u64 i, n, bad = 0, all = 0;

	user_code(USER, CODE_OF(fine));
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		for (n = 0; n < 4; n++)
			bad += call(LHCALL_SET_DR, n, places[i], 0) != -EINVAL;
	ok(!bad, "no breakpoint outside of the user's half");
	for (n = 4; n < 70000; n++)
		bad += n != 7 && call(LHCALL_SET_DR, n, 0, 0) != -EINVAL;
	bad += call(LHCALL_SET_DR, ~0ull, 0, 0) != -EINVAL;
	bad += call(LHCALL_SET_DR, 1ull << 32, 0, 0) != 0 &&
		call(LHCALL_SET_DR, 1ull << 32, 0, 0) != -EINVAL;
	ok(!bad, "no register but five");
	for (n = 0; n < 4; n++)
		call(LHCALL_SET_DR, n, USER + 0x800 + 8 * n, 0);
	for (n = 0; n < 3000; n++) {
		u64 value = n < 64 ? 1ull << n : random();
		s64 ret = call(LHCALL_SET_DR, 7, value, 0);
		bool io = false;
		int event;

		for (i = 0; i < 4; i++)
			io |= (value >> (16 + 4 * i) & 3) == 2;
		bad += ret != (io ? -EINVAL : 0);
		if (ret)
			continue;
		caught.rdi = USER + 0x800;
		event = run_user(USER, 0, 0x202);
		bad += event != EVENT_SYSCALL && event != 1;
		all += event == 1;
	}
	ok(!bad, "3000 values of DR7, %u surprises, %u hits", bad, all);
	call(LHCALL_SET_DR, 7, 0, 0);
	caught.rdi = USER + 0x800;
	ok(run_user(USER, 0, 0x202) == EVENT_SYSCALL, "and off again");
	ok(attempt(to_dr0, places[0]) == 13 && attempt(to_dr7, 0x2000) == 13 &&
	   attempt(from_dr6, 0) == 13, "MOV to and from DR is for ring 0");
}
