// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A16: addresses that are not canonical, or wrap round, in every hypercall
 * that takes one.
 *
 * run: sub=0 -> 0
 * run: sub=1 noinit=1 -> 0
 */
#include "lib.h"

static const u64 odd[] = {
	0x0000800000000000, 0x00007fffffffffff, 0x0000ffffffffffff,
	0x0001000000000000, 0x7fffffffffffffff, 0x8000000000000000,
	0xfffe800000000000, 0xffff7fffffffffff, 0xfffffffffffff000,
	0xffffffffffffffff, 0xffffffff00000000, 0xfffffffffffffffe,
	0x00007ffffffff000, 0x0100000000000000, 0xff00000000004000,
	0xffff800000004000,
};
#define ODD	(sizeof(odd) / sizeof(odd[0]))

static bool canonical(u64 a)
{
	return (u64)((s64)(a << 16) >> 16) == a;
}

static void before_init(void)
{
	u64 i, bad = 0;

	shared.version = LGUEST_ABI_VERSION;
	for (i = 0; i < ODD; i++) {
		s64 want = canonical(odd[i]) ? 0 : -EINVAL;

		/* Where INIT would accept it, only the address is tried. */
		if (!want)
			continue;
		shared.event_entry = odd[i];
		shared.syscall_entry = BASE;
		shared.iret_start = 0;
		bad += call(LHCALL_INIT, PHYS(&shared), 0, 0) != -EINVAL;
		shared.event_entry = BASE;
		shared.syscall_entry = odd[i];
		bad += call(LHCALL_INIT, PHYS(&shared), 0, 0) != -EINVAL;
		shared.syscall_entry = BASE;
		shared.iret_start = odd[i];
		bad += call(LHCALL_INIT, PHYS(&shared), 0, 0) != -EINVAL;
		shared.iret_start = 0;
	}
	for (i = 0; i < ODD; i++)
		bad += call(LHCALL_INIT, odd[i], 0, 0) != -EINVAL;
	introduce();
	ok(!bad, "INIT refuses them all");
}

INSN(do_nothing, "nop")

void run(void)
{
	u64 i, bad = 0, flags = 0;

	if (option("noinit", 0)) {
		before_init();
		return;
	}
	for (i = 0; i < ODD; i++) {
		s64 ret = call(LHCALL_SET_MSR, FS_BASE, odd[i], 0);
		int event;

		bad += ret != (canonical(odd[i]) ? 0 : -EINVAL);
		ret = call(LHCALL_SET_MSR, GS_BASE, odd[i], 0);
		bad += ret != (canonical(odd[i]) ? 0 : -EINVAL);
		bad += call(LHCALL_FLUSH_PAGE, odd[i], 0, 0) != 0;
		bad += call(LHCALL_PRINT, odd[i], 1, 0) != -EINVAL;
		bad += call(LHCALL_PRINT, PHYS(&shared), odd[i], 0) !=
			-EINVAL;
		ret = call(LHCALL_SET_DR, 0, odd[i], 0);
		bad += ret != -EINVAL && odd[i] >= LAST_PAGE &&
			odd[i] >> 56;
		call(LHCALL_SET_DR, 0, 0, 0);
		/* frames for IRET: to both modes, by both ways */
		caught.rcx = odd[i];
		caught.r11 = 0x202;
		event = run_user(odd[i], odd[i], 0x202);
		bad += event != (canonical(odd[i]) ? 14 : 13) ||
			caught.rip != odd[i] || caught.rsp != odd[i];
		flags |= caught.cs != LGUEST_USER_CS;
		event = run_kernel(odd[i], odd[i], 2);
		bad += event != (canonical(odd[i]) ? 14 : 13) ||
			caught.rip != odd[i];
		flags |= caught.cs != LGUEST_KERNEL_CS;
		/* the GS base for the user is made canonical */
		shared.user_gs = odd[i];
		event = run_user(0x1000, 0, 0x202);
		bad += event != 14 || !canonical(shared.user_gs);
	}
	call(LHCALL_SET_MSR, GS_BASE, 0, 0);
	ok(!bad, "all of them are refused or harmless, %u are not", bad);
	ok(!flags, "and each event names the right mode");
	ok(attempt(do_nothing, 0) == EVENT_NONE, "life goes on");
}
