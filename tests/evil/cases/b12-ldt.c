// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B12: there is no LDT: LLDT is for ring 0, a selector of an LDT is a fault,
 * and SLDT shows none. (The descriptor that changes while it is loaded needs
 * a second vCPU.)
 *
 * run: -> 0
 */
#include "lib.h"

INSN(lldt, "lldt %w0")
INSN(load_ds, "movw %w0, %%ds")
INSN(sldt, "sldt %k0")

void run(void)
{
	u64 sel, bad = 0;
	int event;

	for (sel = 0; sel < 0x200; sel++)
		bad += attempt(lldt, sel) != 13;
	ok(!bad, "LLDT is always a fault");
	for (sel = 4; sel < 0x10000; sel += 8)
		bad += attempt(load_ds, sel) != 13;
	ok(!bad, "selectors of an LDT are faults");
	event = attempt(sldt, 0);
	ok(event == 13 || event == EVENT_NONE, "SLDT: event %d", (s64)event);
}
