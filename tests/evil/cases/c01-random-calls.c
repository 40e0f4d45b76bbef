// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C1: hypercalls of every number with edges and random numbers for arguments.
 * Left out are those that are meant to end a Guest or its own sight of
 * itself: they are under "sub=". "full=1" for 10^6 calls.
 *
 * run: seed=1 -> 0
 * run: seed=2 -> 0
 * run: seed=3 -> 0
 * run: sub=1 seed=4 -> 4
 * run: sub=1 seed=5 -> 4
 * run: sub=2 seed=6 -> 4 /(double fault|outside memory|with CS)/
 * run: sub=2 seed=7 -> 4 /(double fault|outside memory|with CS)/
 */
#include "lib.h"

static u64 argument(void)
{
	static const u64 edges[] = {
		0, 1, 2, 3, 7, 8, 63, 64, 0xfff, 0x1000, 0x1001, 0xffff,
		0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
		0x7fffffffffff, 0x800000000000, 0xffff800000000000,
		0xffffffff80200000, 0x7fffffffffffffff, 0x8000000000000000,
		0xfffffffffffff000, 0xffffffffffffffff, 0xc0000100,
		0xc0000101,
	};
	u64 kind = random() % 8;

	if (kind < 4)
		return edges[random() % (sizeof(edges) / sizeof(edges[0]))];
	if (kind == 4)
		return random() % (40 * MEG);
	if (kind == 5)
		return random() % 64;
	return random();
}

static u64 number(void)
{
	switch (random() % 8) {
	case 0:
		return random();
	case 1:
		return 1ull << (random() % 64);
	case 2:
		return ~0ull << (random() % 64);
	default:
		return random() % LHCALL_COUNT;
	}
}

/*
 * Where the Guest finds itself after a random frame, an event may still reach
 * it in good order; then it is enough, and a frame that nobody takes ends it.
 */
static int end_it(void)
{
	if (caught.vector >= LGUEST_IRQ_VECTOR &&
	    caught.vector < EVENT_SYSCALL)
		return 1;
	shared.cs = 0x1234;
	call(LHCALL_IRET, 0, 0, 0);
	return 0;
}

void run(void)
{
	u64 sub = option("sub", 0), n, bad = 0;
	u64 count = option("full", 0) ? 1000000 : 33334;

	if (sub == 2)
		event_hook = end_it;
	for (n = 0; n < count; n++) {
		u64 nr = number(), a = argument(), b = argument();
		u64 c = argument();
		s64 ret;

		if (nr == LHCALL_SET_CR3 && !sub)
			a = PHYS(root) | (a & 0xfff) | (b & NOFLUSH);
		if (nr == LHCALL_SET_CR3 && sub == 2)
			continue;
		if (nr == LHCALL_SHUTDOWN)
			b |= 4;		/* no such kind */
		if (nr == LHCALL_IRET && sub != 2)
			continue;
		if (nr == LHCALL_IRET) {
			/* a frame of random words, in the end */
			shared.cs = n % 3 ? LGUEST_KERNEL_CS : a;
			shared.rip = b;
			shared.rsp = c;
		}
		if (nr == LHCALL_HALT) {
			shared.blocked = 0;
			call(LHCALL_SET_TIMER, 1000, 0, 0);
		}
		if (nr == LHCALL_PRINT && a < memory_end &&
		    b && b <= 4096)
			continue;	/* it would be all over the text */
		ret = call(nr, a, b, c);
		/*
		 * With half of its pages still known, a Guest that has lost
		 * the others may fault for ever (B9), which is its right.
		 */
		if (nr == LHCALL_SET_CR3 && sub == 1)
			flush();
		if (nr == LHCALL_HALT || n % 16 == 0)
			shared.vif = 0;
		bad += nr >= LHCALL_COUNT && ret != -ENOSYS;
		bad += ret < 0 && ret < -4095;
	}
	ok(!bad, "%u random hypercalls, %u odd answers", count, bad);
	if (sub)
		ok(false, "it should not have lived so long");
}
