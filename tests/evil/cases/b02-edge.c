// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B2: SYSCALL and other last instructions below the hole of the addresses,
 * and at the very end of all addresses.
 *
 * run: -> 0
 */
#include "lib.h"

#define EDGE	0x800000000000ull

void run(void)
{
	char *code = page(), *last = page();
	int event;

	map(EDGE - PAGE, PHYS(code), RW | US);
	flush();
	/* a system call whose return address is not canonical */
	code[4094] = 0x0f;
	code[4095] = 0x05;
	event = run_user(EDGE - 2, 0, 0x202);
	ok(event == EVENT_SYSCALL && caught.rip == EDGE,
	   "SYSCALL at the edge: event %d at %x", (s64)event, caught.rip);
	/* back from it, by SYSRET and by IRETQ */
	caught.rcx = EDGE;
	caught.r11 = 0x202;
	event = run_user(EDGE, 0, 0x202);
	ok(event == 13 && caught.rip == EDGE, "... and back: event %d",
	   (s64)event);
	caught.rcx = 0;
	event = run_user(EDGE, 0, 0x202);
	ok(event == 13, "... by IRETQ: event %d", (s64)event);
	/* running over the edge */
	code[4095] = 0x90;
	event = run_user(EDGE - 1, 0, 0x202);
	ok(event == 13 || event == 14, "a nop at the edge: event %d",
	   (s64)event);
	code[4095] = 0xcc;
	event = run_user(EDGE - 1, 0, 0x202);
	ok(event == 3 && caught.rip == EDGE, "INT3 at the edge: event %d",
	   (s64)event);
	/* the same with a trap after it */
	code[4095] = 0x90;
	event = run_user(EDGE - 1, 0, 0x302);
	ok(event == 1 || event == 13, "a single step at the edge: event %d",
	   (s64)event);
	/* at the end of all addresses: it wraps to 0 */
	map(0xfffffffffffff000, PHYS(last), RW);
	last[4094] = 0x0f;
	last[4095] = 0x05;
	flush();
	caught.rax = LHCALL_NOP;
	event = run_kernel(0xfffffffffffffffe, 0, 2);
	ok(event == 14 || event == 13, "a hypercall at the end: event %d at %x",
	   (s64)event, caught.rip);
}
