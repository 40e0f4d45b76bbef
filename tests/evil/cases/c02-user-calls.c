// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C2: the hypercalls' instruction by the Guest's user, with all numbers that
 * a hypercall has and more: it is a system call of the Guest's, every time.
 *
 * run: -> 0
 */
#include "lib.h"

USER_CODE(call_it, "movq %rdi, %rax\n movq %rsi, %rdi\n movq %rdx, %rsi\n"
		   "syscall");

void run(void)
{
	u64 n, bad = 0;

	user_code(USER, CODE_OF(call_it));
	for (n = 0; n < 20000; n++) {
		u64 nr = n < 64 ? n : random() >> (random() % 64);
		int event;

		caught.rdi = nr;
		caught.rsi = PHYS(root);
		caught.rdx = n % 4;
		caught.rcx = n & 1 ? USER : 0;
		caught.r11 = n & 1 ? 0x202 : 0;
		event = run_user(USER, 0, 0x202);
		bad += event != EVENT_SYSCALL || caught.rax != nr ||
			caught.cs != LGUEST_USER_CS;
	}
	ok(!bad, "20000 calls of the user's reach the Guest's kernel");
}
