// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B7: the single-step flag over SYSCALL, hypercall, IRET, POPF and faults, in
 * user and kernel.
 *
 * run: -> 0
 */
#include "lib.h"

USER_CODE(steps, "nop\n nop\n pushfq\n popfq\n nop\n"
		 "movl $1, %ebx\n");
USER_CODE(call_only, "");

static u64 traps, calls, others;

static int count_steps(void)
{
	if (caught.vector == 1) {
		traps++;
		return traps < 1000;	/* go on, TF still set */
	}
	if (caught.vector == EVENT_SYSCALL) {
		calls++;
		/* back to where it came from, TF set, 50 times */
		caught.rip -= 2;
		caught.rax = 99;
		return calls < 50;
	}
	others++;
	return 0;
}

static void hypercalls(u64 unused)
{
	(void)unused;
	asm volatile("pushfq\n orl $0x100, (%%rsp)\n popfq\n"
		     "xorl %%eax, %%eax\n syscall\n"
		     "xorl %%eax, %%eax\n syscall\n"
		     "pushfq\n andl $~0x100, (%%rsp)\n popfq\n"
		     : : : "rax", "rcx", "r11", "memory");
}

void run(void)
{
	char *stack = page();
	int event;

	map(0x500000, PHYS(stack), RW | US);
	user_code(USER, CODE_OF(steps));
	user_code(USER + PAGE, CODE_OF(call_only));
	event_hook = count_steps;
	run_user(USER, 0x500800, 0x302);
	event_hook = 0;
	ok(traps >= 7 && calls == 50 && !others,
	   "user: %u traps, %u calls, %u others", traps, calls, others);
	traps = calls = others = 0;
	event_hook = count_steps;
	caught.rcx = USER + PAGE;
	caught.r11 = 0x302;
	run_user(USER + PAGE, 0x500800, 0x302);
	event_hook = 0;
	ok(calls == 50 && !others, "calls only: %u traps, %u calls", traps,
	   calls);
	traps = calls = others = 0;
	event_hook = count_steps;
	event = attempt(hypercalls, 0);
	event_hook = 0;
	ok(event == EVENT_NONE && traps >= 4 && !others,
	   "kernel over two hypercalls: %u traps", traps);
	event = run_user(0x1000, 0, 0x302);
	ok(event == 14, "TF and a page fault at once: event %d", (s64)event);
	event = run_kernel(0x1000, 0, 0x102);
	ok(event == 14, "... in the kernel: event %d", (s64)event);
}
