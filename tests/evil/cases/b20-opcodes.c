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
	to[n++] = random();
	/* registers and what they point to, with small displacements */
	to[n++] = (random() & 0x3f) | (random() % 2 ? 0xc0 : 0x40);
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
