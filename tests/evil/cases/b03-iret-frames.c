// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B3: frames for IRET. Adapted: a frame in the shared page has a CS, which
 * must be one of two; SS is the Host's business. An IRETQ that the Guest's
 * kernel executes itself gets its fault from the processor.
 *
 * run: sub=0 -> 0
 * run: sub=1 -> 4 /return to a frame with CS/
 * run: sub=2 -> 4 /return to a frame with CS 0xffffffff/
 */
#include "lib.h"

static u64 frame_cs, frame_ss, frame_rsp;

static void iret(u64 unused)
{
	(void)unused;
	asm volatile("movq %%rsp, %%rbx\n"
		     "pushq %0\n pushq %1\n pushfq\n pushq %2\n"
		     "leaq 1f(%%rip), %%rax\n pushq %%rax\n iretq\n"
		     "1: movq %%rbx, %%rsp\n"
		     : : "m" (frame_ss), "r" (frame_rsp), "r" (frame_cs)
		     : "rax", "rbx", "memory");
}

void run(void)
{
	u64 sub = option("sub", 0), sel, good = 0, faults = 0, odd = 0;
	u64 step = option("full", 0) ? 1 : 5;

	if (sub) {
		shared.cs = sub == 1 ? 0x23 : 0xffffffffffff0033;
		shared.rip = (u64)run;
		call(LHCALL_IRET, 0, 0, 0);
		ok(false, "a frame like that");
		return;
	}
	frame_rsp = (u64)&shared;
	for (sel = 0; sel < 0x10000; sel += sel < 0x200 ? 1 : step) {
		int event;

		frame_cs = sel;
		frame_ss = 0x2b;
		event = attempt(iret, 0);
		good += event == EVENT_NONE;
		if (event == EVENT_NONE && sel != 0x33)
			odd++;
		faults += event == 13 || event == 11;
		odd += event != EVENT_NONE && event != 13 && event != 11;
	}
	ok(good == 1 && !odd, "IRETQ with each CS: %u good, %u faults, %u odd",
	   good, faults, odd);
	good = faults = odd = 0;
	frame_cs = 0x33;
	for (sel = 0; sel < 0x10000; sel += sel < 0x200 ? 1 : step) {
		int event;

		frame_ss = sel;
		event = attempt(iret, 0);
		good += event == EVENT_NONE;
		if (event == EVENT_NONE && sel != 0x2b)
			odd++;
		faults += event == 13 || event == 12 || event == 11;
		odd += event != EVENT_NONE && (event < 11 || event > 13);
	}
	ok(good == 1 && !odd, "IRETQ with each SS: %u good, %u faults, %u odd",
	   good, faults, odd);
	frame_ss = 0x2b;
	frame_rsp = 0x8000000000001234;
	sel = attempt(iret, 0);
	ok((int)sel == EVENT_NONE || sel == 13 || sel == 12,
	   "IRETQ with a stack that is not canonical: event %d",
	   (s64)(int)sel);
}
