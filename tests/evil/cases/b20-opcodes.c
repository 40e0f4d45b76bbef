// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B20: random instructions of one, two and three opcode bytes with random
 * operands, one step each, by the Guest's user and by its kernel. Only the
 * sort of event is looked at here; evil-user/opcodes.c compares results with
 * those of a kernel on its own. What the kernel executes may well be the end
 * of it, and then it has to end in order. "count=N" for more.
 *
 * run: user=1 seed=1 -> 0
 * run: user=1 seed=2 -> 0
 * run: user=1 seed=3 -> 0
 * run: user=0 seed=4 -> (0|4)
 * run: user=0 seed=5 -> (0|4)
 * run: user=0 seed=6 -> (0|4)
 */
#include "lib.h"

#define DATA	0x500000ull

static u64 events[40];

/*
 * Opcodes of three bytes that exist without VEX. QEMU 7.2 itself crashes on
 * some of the others, on VEX and on LOCK before a register; with "all=1", for real
 * processors, they are tried.
 */
static bool legacy(u8 map, u8 op)
{
	if (map == 0x3a)
		return (op >= 0x08 && op <= 0x0f) ||
			(op >= 0x14 && op <= 0x17) ||
			(op >= 0x20 && op <= 0x22) ||
			(op >= 0x40 && op <= 0x44 && op != 0x43) ||
			(op >= 0x60 && op <= 0x63) || op == 0xdf;
	return op <= 0x0b || op == 0x10 || op == 0x14 || op == 0x15 ||
		op == 0x17 || (op >= 0x1c && op <= 0x1e) ||
		(op >= 0x20 && op <= 0x25) || (op >= 0x28 && op <= 0x2b) ||
		(op >= 0x30 && op <= 0x35) || (op >= 0x37 && op <= 0x41) ||
		(op >= 0xdb && op <= 0xdf) || op == 0xf0 || op == 0xf1;
}

static u64 make(u8 *to)
{
	u64 n = 0, i;

	if (random() % 4 == 0)
		to[n++] = (const u8[]){ 0x66, 0xf2, 0xf3, 0xf0, 0x64, 0x65,
			0x2e, 0x67 }[random() % 8];
	if (random() % 4 == 0)
		to[n++] = 0x40 | random() % 16;
	switch (random() % 4) {
	case 0:
		break;
	case 1:
	case 2:
		to[n++] = 0x0f;
		break;
	default:
		to[n++] = 0x0f;
		to[n++] = random() & 1 ? 0x38 : 0x3a;
	}
	to[n] = random();
	if (n && !option("all", 0) && (to[n - 1] | 2) == 0x3a &&
	    to[n - 2] == 0x0f && !legacy(to[n - 1], to[n]))
		to[n] = 0;
	/* VEX, EVEX, XOP */
	if (!option("all", 0) && (to[n] == 0xc4 || to[n] == 0xc5 ||
				  to[n] == 0x62 || to[n] == 0x8f))
		to[n] = 0x89;
	n++;
	/* registers and what they point to, with small displacements */
	to[n++] = (random() & 0x3f) | (random() % 2 ? 0xc0 : 0x40);
	if (to[0] == 0xf0 && !option("all", 0))
		to[n - 1] &= 0x7f;
	for (i = 0; i < 8; i++)
		to[n++] = random() & 0x3f;
	return n;
}

void run(void)
{
	u64 count = option("count", 20000), n, i, bad = 0;
	bool user = option("user", 1);
	u8 *code = user_code(USER, "", 0), *data = pages(4);

	for (i = 0; i < 4; i++)
		map(DATA + i * PAGE, PHYS(data) + i * PAGE, RW | US);
	flush();
	for (n = 0; n < count; n++) {
		u64 at = user ? USER : (u64)code;
		u64 *regs = &caught.rax;
		int event;

		memset(code, 0xcc, 64);
		make(code);
		if (n < option("skip", 0))
			continue;
		if (option("trace", 0)) {
			for (i = 0; i < 10; i++)
				say("%x ", (u64)code[i]);
			say("(%u)\n", n);
			for (i = tsc() + option("trace", 0); tsc() < i; )
				asm volatile("pause");
		}
		for (i = 0; i < 15; i++)
			regs[i] = random() % 4 ?
				(user ? DATA : (u64)data) + 0x1000 +
				(random() & 0xff8) : random();
		if (!user)
			caught.rax = LHCALL_NOP;
		event = user ? run_user(at, DATA + 0x2000, 0x302) :
			run_kernel(at, (u64)data + 0x2000, 0x102);
		if (event == EVENT_SYSCALL)
			event = 39;
		if (event < 0 || event > 39) {
			bad++;
			continue;
		}
		events[event]++;
		/* a wild base or MXCSR is nobody's business but ours */
		if (n % 64 == 0) {
			u32 mxcsr = 0x1f80;

			asm volatile("ldmxcsr %0\n fninit" : : "m" (mxcsr));
			flush();
		}
		bad += event == 2 || event == 8 || event == 10 || event == 18;
	}
	for (i = 0; i < 40; i++)
		if (events[i])
			say("# event %u: %u times\n", i, events[i]);
	ok(!bad, "%u instructions, %u impossible events", count, bad);
}
