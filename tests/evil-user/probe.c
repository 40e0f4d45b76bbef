// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A17: a program looks for the kernel: reads, writes, prefetches, jumps all
 * over the upper half and the hole; it must see nothing but faults.
 *
 *	probe [SEED]
 */
#include "catch.h"

static void do_read(uint64_t at)
{
	asm volatile("movb (%0), %%al" : : "r" (at) : "rax", "memory");
}

static void do_write(uint64_t at)
{
	asm volatile("movb $0, (%0)" : : "r" (at) : "memory");
}

static void do_jump(uint64_t at)
{
	asm volatile("call *%0" : : "r" (at) : "memory");
}

static void do_prefetch(uint64_t at)
{
	asm volatile("prefetcht0 (%0)\n prefetchw (%0)\n clflush main\n"
		     : : "r" (at) : "memory");
}

int main(int argc, char **argv)
{
	static const uint64_t places[] = {
		0xffffffff81000000, 0xffffffff80000000, 0xffff888000000000,
		0xffffc90000000000, 0xffffea0000000000, 0xfffffe0000000000,
		0xffff800000000000, 0xffff800000004000, 0xffff800000007000,
		0xffffffffff600000, 0xffffffffffffffff, 0xfffffffffffff000,
		0xffff87ffffffffff,
	};
	void (*const ways[])(uint64_t) = { do_read, do_write, do_jump };
	uint64_t seed = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	int bad = 0, tried = 0;

	catch_all();
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		for (int way = 0; way < 3; way++, tried++)
			bad += attempt(ways[way], places[i]) != SIGSEGV;
	ok(!bad, "%d accesses to well-known places", tried);
	for (tried = 0; tried < 20000; tried++) {
		uint64_t at = random_next(&seed) | 0xffff800000000000;

		if (tried % 3 == 0)	/* the kernel's image */
			at |= 0xffffffff80000000;
		bad += attempt(ways[tried % 2 ? 0 : at % 3], at) != SIGSEGV;
	}
	ok(!bad, "%d accesses to the upper half", tried);
	for (tried = 0; tried < 20000; tried++) {
		uint64_t at = random_next(&seed);

		if (at + 0x0000800000000000 < 0x0001000000000000)
			at ^= 1ull << 62;	/* make it odd */
		bad += attempt(do_read, at) != SIGSEGV || seen.trap != 13;
	}
	ok(!bad, "%d accesses to addresses that are not canonical", tried);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		bad += attempt(do_prefetch, places[i]) != 0;
	ok(!bad, "a prefetch is not noticed");
	return finish();
}
