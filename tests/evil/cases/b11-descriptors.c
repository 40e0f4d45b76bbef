// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B11: all 65536 patterns of a descriptor's access byte and flags. Adapted:
 * there is no LDT and no GDT of the Guest's; three thread-local descriptors
 * are all that it can set, and only data for ring 3 is accepted.
 *
 * run: -> 0
 */
#include "lib.h"

INSN(load_ds, "movw %w0, %%ds")
INSN(load_ss, "movw %w0, %%ss")
INSN(load_gs, "movw %w0, %%gs")

static u64 target[2];

static void far_jump(u64 selector)
{
	target[0] = 0x400000;
	target[1] = selector;
	asm volatile("rex.w ljmp *%0" : : "m" (*(char *)target));
}

void run(void)
{
	u64 pattern, accepted = 0, bad = 0, loads = 0;

	for (pattern = 0; pattern < 0x10000; pattern++) {
		u64 descriptor = pattern << 40 | (random() & 0xff0000ffffffffff);
		bool fine = (pattern & 0xf8) == 0xf0;
		s64 ret = call(LHCALL_LOAD_TLS, 0, descriptor, 0);

		bad += ret != (fine ? 0 : -EINVAL);
		if (ret)
			continue;
		accepted++;
		loads += attempt(load_ds, 0x6b) == EVENT_NONE;
		bad += attempt(load_ss, 0x6b) !=
			(pattern & 2 ? EVENT_NONE : 13);
		call(LHCALL_NOP, 0, 0, 0);
		if (pattern % 16 == 2)
			bad += attempt(load_gs, 0x6b) != EVENT_NONE;
		bad += attempt(far_jump, 0x6b) != 13;
		attempt(load_ss, 0x2b);
	}
	ok(!bad && accepted == 2048 && loads == accepted,
	   "%u patterns accepted, %u loaded, %u surprises", accepted, loads,
	   bad);
	/* 12: edges of limit and base, in all three slots at once */
	bad = call(LHCALL_LOAD_TLS, 0x00c0f3000000ffff, 0xff00f300ffff0000,
		   0xffdff7ffffffffff) != 0;
	for (pattern = 0x60; pattern < 0x80; pattern += 8) {
		bad += attempt(load_ds, pattern | 3) != EVENT_NONE;
		bad += attempt(load_gs, pattern | 3) != EVENT_NONE;
		call(LHCALL_NOP, 0, 0, 0);
	}
	ok(!bad, "edges of limit and base, %u surprises", bad);
	call(LHCALL_SET_MSR, GS_BASE, 0, 0);
}
