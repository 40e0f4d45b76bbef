// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B4: every flag in a frame, to the user and to the kernel: those that are
 * not for Guests are gone, and interrupts are always on in truth.
 *
 * run: -> 0
 */
#include "lib.h"

USER_CODE(flags_code, "pushfq\n popq %rdi");

#define ALLOWED	0x240cd5ull		/* without TF, and without RF */

void run(void)
{
	char *stack = page();
	u64 bit, bad = 0, got, n;
	int event;

	map(0x500000, PHYS(stack), RW | US);
	user_code(USER, CODE_OF(flags_code));
	for (bit = 0; bit < 64; bit++) {
		if (bit == 8)
			continue;
		caught.rcx = bit & 1 ? USER : 0;
		caught.r11 = 1ull << bit;
		event = run_user(USER, 0x500800, 1ull << bit);
		got = caught.rdi;
		bad += event != EVENT_SYSCALL ||
			(got & ~0x202ull) != (1ull << bit & ALLOWED) ||
			!(got & 0x200);
	}
	ok(!bad, "each flag for the user, %u surprises", bad);
	for (n = 0; n < 2000; n++) {
		u64 flags = random() & ~0x100ull;

		event = run_user(USER, 0x500800, flags);
		got = caught.rdi;
		bad += event != EVENT_SYSCALL ||
			(got & ~0x202ull) != (flags & ALLOWED);
		/* the frame that the kernel sees says IF, and is a copy */
		bad += (caught.rflags & 0x3000) || !(caught.rflags & 0x200);
	}
	ok(!bad, "2000 sets of flags, %u surprises", bad);
	/* to the kernel: ud2 there, and look at the frame */
	for (bit = 0; bit < 64; bit++) {
		char *ud2 = (char *)stack;

		if (bit == 8)
			continue;
		ud2[0] = 0x0f;
		ud2[1] = 0x0b;
		shared.vif = 0;
		event = run_kernel((u64)stack, 0, 1ull << bit);
		bad += event != 6;
		got = caught.rflags & ~0x10202ull;
		bad += got != (1ull << bit & ALLOWED);
	}
	ok(!bad, "each flag for the kernel, %u surprises", bad);
	/* TF: one step */
	event = run_user(USER, 0x500800, 0x302);
	ok(event == 1 && caught.rip == USER + 1, "TF for the user: event %d",
	   (s64)event);
}
