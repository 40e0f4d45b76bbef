// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B15, B14 for a program: protection keys and extended state, by instruction
 * and by the frame of a signal, with bits that nobody may set.
 */
#include <cpuid.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catch.h"

static uint8_t area[8192] __attribute__((aligned(64)));
static uint8_t good[8192] __attribute__((aligned(64)));
static int has_xsave;

static void do_xrstor(uint64_t mask)
{
	asm volatile("xrstor64 %0" : : "m" (area), "a" ((uint32_t)mask),
		     "d" ((uint32_t)(mask >> 32)) : "memory");
}

static void do_xrstors(uint64_t mask)
{
	asm volatile(".byte 0x48, 0x0f, 0xc7, 0x19" : : "c" (area),
		     "a" ((uint32_t)mask), "d" ((uint32_t)(mask >> 32))
		     : "memory");
}

static void do_xsetbv(uint64_t value)
{
	asm volatile("xsetbv" : : "c" (0), "a" ((uint32_t)value),
		     "d" ((uint32_t)(value >> 32)));
}

static void do_fxrstor(uint64_t unused)
{
	(void)unused;
	asm volatile("fxrstor64 %0" : : "m" (area) : "memory");
}

static void do_ldmxcsr(uint64_t value)
{
	uint32_t word = value;

	asm volatile("ldmxcsr %0" : : "m" (word));
}

static void do_wrpkru(uint64_t value)
{
	asm volatile(".byte 0x0f, 0x01, 0xef" : : "a" ((uint32_t)value),
		     "c" ((uint32_t)(value >> 32)), "d" (0));
}

static void fresh(void)
{
	memcpy(area, good, sizeof(area));
	asm volatile("fninit");
	do_ldmxcsr(0x1f80);
}

static void instructions(void)
{
	uint64_t seed = 15;
	int bad = 0;

	for (int bit = 0; bit < 64; bit++)
		bad += attempt(do_xsetbv, 1ull << bit) == 0;
	ok(!bad, "XSETBV is refused");
	for (int bit = bad = 0; bit < 32; bit++) {
		int sig = attempt(do_ldmxcsr, 1u << bit);

		do_ldmxcsr(0x1f80);
		bad += bit < 16 ? 0 : sig != SIGSEGV;
	}
	ok(1, "LDMXCSR takes %d of 16 reserved bits", bad);
	asm volatile("fxsave64 %0" : "=m" (good) : : "memory");
	for (int bit = bad = 0; bit < 32; bit++) {
		int sig;

		fresh();
		area[24 + bit / 8] ^= 1 << bit % 8;
		sig = attempt(do_fxrstor, 0);
		fresh();
		bad += bit < 16 ? 0 : sig != SIGSEGV;
	}
	ok(1, "FXRSTOR takes %d of 16 reserved bits", bad);
	ok(attempt(do_xrstors, ~0ull) != 0, "XRSTORS is refused");
	if (!has_xsave)
		return;
	asm volatile("xsave64 %0" : "=m" (good)
		     : "a" (~0u), "d" (~0u) : "memory");
	bad = 0;
	for (int byte = 512 + 8; byte < 512 + 64; byte++) {
		/* the reserved part of the header, and compaction */
		fresh();
		area[byte] |= 0x80;
		bad += attempt(do_xrstor, ~0ull) != SIGSEGV;
	}
	ok(1, "XRSTOR takes %d of 56 reserved bits in a header", bad);
	for (int i = bad = 0; i < 1000; i++) {
		fresh();
		for (int n = 0; n < 8; n++)
			area[512 + random_next(&seed) % 64] =
				random_next(&seed);
		attempt(do_xrstor, random_next(&seed));
		fresh();
		bad += attempt(do_xrstor, ~0ull) != 0;
	}
	ok(!bad, "1000 random headers, and a good one after each");
}

static int where, what;

/* The kernel's copy of the vector state is changed in the frame. */
static void spoil(ucontext_t *u)
{
	uint8_t *state = (uint8_t *)u->uc_mcontext.fpregs;

	if (seen.sig != SIGTRAP)
		siglongjmp(catch_back, 1);
	catch_hook = NULL;
	state[where] ^= what;
}

static void trap(uint64_t unused)
{
	(void)unused;
	asm volatile("int3");
}

/* Bytes of MXCSR, of the software's part, of the header. */
static void frames(void)
{
	uint64_t seed = 16;
	int counts[32] = { 0 };

	for (int i = 0; i < 1500; i++) {
		static const int places[][2] = {
			{ 24, 8 }, { 464, 48 }, { 512, 64 }, { 0, 512 },
		};
		const int *p = places[i % 4];
		int sig;

		where = p[0] + random_next(&seed) % p[1];
		what = 1 << random_next(&seed) % 8;
		catch_hook = spoil;
		sig = attempt(trap, 0);
		catch_hook = NULL;
		counts[sig & 31]++;
		asm volatile("fninit");
		do_ldmxcsr(0x1f80);
	}
	for (int i = 0; i < 32; i++)
		if (counts[i])
			diag("frames with odd state: %d times signal %d",
			     counts[i], i);
	ok(counts[SIGTRAP] + counts[SIGSEGV] == 1500,
	   "1500 frames with odd state: %d are taken, others refused by "
	   "SIGSEGV", counts[SIGTRAP]);
}

/* Where there are no keys there is no such instruction. */
static void keys(void)
{
	unsigned int a, b, c = 0, d;
	int sig;

	__cpuid_count(7, 0, a, b, c, d);
	sig = attempt(do_wrpkru, 0x55555554);
	ok(c & 1 << 4 ? !sig : sig == SIGILL,
	   "WRPKRU is there if CPUID says so, and only then");
	sig = attempt(do_wrpkru, 1ull << 32);
	ok(sig == SIGSEGV || sig == SIGILL, "... and refuses what it must");
	(void)a, (void)b, (void)d;
}

int main(void)
{
	unsigned int a, b, c, d;

	__cpuid(1, a, b, c, d);
	has_xsave = c >> 27 & 1;
	catch_all();
	instructions();
	frames();
	keys();
	return finish();
}
