// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B17: what instructions that ring 3 may execute tell of the Host: no pointer
 * into it but the window's own address, and no descriptor but the Guest's.
 *
 * run: -> 0
 */
#include "lib.h"

static struct {
	u16 limit;
	u64 base;
} __attribute__((packed)) table;

INSN(sgdt, "sgdt table(%%rip)")
INSN(sidt, "sidt table(%%rip)")
INSN(rdpmc, "movl %k0, %%ecx\n rdpmc")
static u64 got;
static void sldt(u64 u) { (void)u; asm volatile("sldt %0" : "=r" (got)); }
static void str(u64 u) { (void)u; asm volatile("str %0" : "=r" (got)); }
static void smsw(u64 u) { (void)u; asm volatile("smsw %0" : "=r" (got)); }

static bool window(u64 base)
{
	return (base >= HOLE && base < HOLE + 0x10000) ||
		(base >= 0xff00000000000000 && base < 0xff00000000010000);
}

void run(void)
{
	u64 sel, seen = 0, odd = 0, flags, before, bad = 0, i;
	int event;

	asm volatile("" : "+m" (table));
	event = attempt(sgdt, 0);
	ok(event == 13 || (event == EVENT_NONE && window(table.base)),
	   "SGDT: event %d", (s64)event);
	event = attempt(sidt, 0);
	ok(event == 13 || (event == EVENT_NONE && window(table.base)),
	   "SIDT: event %d", (s64)event);
	event = attempt(sldt, 0);
	ok(event == 13 || (event == EVENT_NONE && !(got & 0xffff)),
	   "SLDT: event %d", (s64)event);
	event = attempt(str, 0);
	ok(event == 13 || (event == EVENT_NONE && (got & 0xffff) == 0x80),
	   "STR: event %d", (s64)event);
	event = attempt(smsw, 0);
	ok(event == 13 || event == EVENT_NONE, "SMSW: event %d", (s64)event);
	for (i = 0; i < 8; i++)
		bad += attempt(rdpmc, i) != 13;
	ok(!bad, "RDPMC is for ring 0");
	for (sel = 0; sel < 0x10000; sel++) {
		u8 lar, lsl, verr, verw;
		u64 value = 0;

		asm volatile("lar %2, %0\n setz %1" : "+r" (value),
			     "=q" (lar) : "r" (sel));
		asm volatile("lsl %2, %0\n setz %1" : "+r" (value),
			     "=q" (lsl) : "r" (sel));
		asm volatile("verr %w1\n setz %0" : "=q" (verr) : "r" (sel));
		asm volatile("verw %w1\n setz %0" : "=q" (verw) : "r" (sel));
		if (!(lar | lsl | verr | verw))
			continue;
		seen++;
		odd += (sel | 3) != 0x2b && (sel | 3) != 0x33 &&
			(sel | 3) != 0x7b;
	}
	ok(!odd && seen, "LAR, LSL, VERR, VERW see %u selectors, %u odd",
	   seen, odd);
	/* POPF changes neither IF nor IOPL, and is no fault */
	asm volatile("pushfq\n popq %0\n"
		     "movq %0, %1\n xorq $0x3200, %1\n"
		     "pushq %1\n popfq\n pushfq\n popq %1"
		     : "=&r" (before), "=&r" (flags));
	ok(before == flags && flags & 0x200 && !(flags & 0x3000),
	   "POPF changes neither IF nor IOPL");
	for (i = 0; i < 0x30; i++) {
		u32 a = i, b, c = 0, d;

		asm volatile("cpuid" : "+a" (a), "=b" (b), "+c" (c), "=d" (d));
	}
	ok(true, "CPUID has answers");
}
