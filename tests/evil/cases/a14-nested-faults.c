// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A14: page faults while a page fault is told: stack, shared page and the
 * page with the arguments of a hypercall unmapped.
 *
 * Adapted: events touch no stack and no table of the Guest's, and hypercalls
 * take physical addresses; so there is nothing that could fault but the
 * Guest's own handler.
 *
 * run: -> 0
 */
#include "lib.h"

static u64 at;

INSN(do_read, "movb (%0), %%al")

static void wild_stack(u64 rsp)
{
	asm volatile("movq %%rsp, %%rbx\n"
		     "movq %0, %%rsp\n"
		     "movb 0x1000, %%al\n"
		     "movq %%rbx, %%rsp\n"
		     : : "D" (rsp) : "rax", "rbx", "memory");
}

void run(void)
{
	static const u64 stacks[] = {
		0, 8, 0x1000, LAST_PAGE, 0x800000000000, HOLE + 0x4200,
		HOLE + 0x5ff8, 0xfffffffffffffff8, 0x8000000000000000, ~0ull,
	};
	u64 i, bad = 0;
	int event;

	for (i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
		event = attempt(wild_stack, stacks[i]);
		bad += event != 14 || caught.cr2 != 0x1000 ||
			caught.rsp != stacks[i];
	}
	ok(!bad, "a page fault on a stack that is nowhere");
	/* The Host has its own way to the shared page. */
	at = (u64)&shared;
	kernel_pmd[2] = 0x200000 | P | RW | PS;	/* an alias of the image */
	flush();
	event = attempt(do_read, 0x2000);
	ok(event == 14 && caught.cr2 == 0x2000, "an event with an alias");
	ok(call(LHCALL_PRINT, memory_end, 1, 0) == -EINVAL &&
	   call(LHCALL_PRINT, 0x1000000, 1, 0) == 0,
	   "a hypercall does not care what is mapped");
}
