// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B20: random instructions of a program, one step each; signal, trap,
 * registers, flags and memory afterwards add up to a number that must be
 * the same in a Guest as on its kernel alone.
 *
 *	opcodes COUNT SEED
 *
 * Left out: what the emulator crashes on (VEX, EVEX, three-byte opcodes
 * without a legacy form, LOCK on a register), what tells time or the CPU's
 * properties, and what changes state that the kernel does not restore for
 * us (FS, GS, MXCSR, x87).
 */
#include <sys/mman.h>

#include "catch.h"

#define DATA 0x10000000ul
#define SIZE 0x4000ul

static uint8_t *code;
static uint64_t registers[16];
static int stage;

static int left_out(const uint8_t *c)
{
	int i = 0, prefix = 0;

	for (; ; i++) {
		if (c[i] == 0x64 || c[i] == 0x65)
			return 1;	/* would depend on the base */
		if (c[i] == 0xf0)
			prefix = 1;
		else if (c[i] != 0x66 && c[i] != 0xf2 && c[i] != 0xf3 &&
			 c[i] != 0x2e && c[i] != 0x67 && c[i] != 0x26 &&
			 c[i] != 0x36 && c[i] != 0x3e && (c[i] & 0xf0) != 0x40)
			break;
	}
	if (prefix && c[i + 1 + (c[i] == 0x0f)] >= 0xc0)
		return 1;
	switch (c[i]) {
	case 0xc4: case 0xc5: case 0x62: case 0x8f:
	case 0x8e:			/* mov to a segment */
	case 0x8c:
	case 0xd8 ... 0xdf: case 0x9b:	/* x87 */
	case 0xcd:			/* int n: another program's */
	case 0xf1: case 0xcf: case 0xca: case 0xcb: case 0xff:
		return 1;
	case 0x0f:
		break;
	default:
		return 0;
	}
	switch (c[i + 1]) {
	case 0x38: case 0x3a:
	case 0x0e: case 0x0f:		/* 3DNow! */
	case 0x00: case 0x01:		/* SLDT, SMSW and the like */
	case 0x02: case 0x03:		/* LAR, LSL */
	case 0x05: case 0x34:
	case 0x10 ... 0x17: case 0x28 ... 0x2f: case 0x50 ... 0x7f:
	case 0xc2: case 0xc4 ... 0xc6: case 0xd0 ... 0xfe:
	case 0x31: case 0x33: case 0xa2:	/* RDTSC, RDPMC, CPUID */
	case 0xa1: case 0xa9: case 0xb2: case 0xb4: case 0xb5:
	case 0xae: case 0xc7:		/* FXSAVE ..., RDRAND */
		return 1;
	}
	return 0;
}

static void make(uint64_t *seed)
{
	uint8_t *c = code;

	do {
		uint8_t *p = c;

		memset(c, 0xcc, 32);
		if (random_next(seed) % 4 == 0)
			*p++ = (const uint8_t[]){ 0x66, 0xf2, 0xf3, 0xf0,
				0x2e, 0x67 }[random_next(seed) % 6];
		if (random_next(seed) % 3 == 0)
			*p++ = 0x40 | random_next(seed) % 16;
		if (random_next(seed) % 2)
			*p++ = 0x0f;
		*p++ = random_next(seed);
		*p++ = (random_next(seed) & 0x3f) |
			(random_next(seed) % 2 ? 0xc0 : 0x40);
		for (int i = 0; i < 8; i++)
			*p++ = random_next(seed) & 0x3f;
	} while (left_out(c));
}

static const int by_number[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI,
	REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13,
	REG_R14, REG_R15,
};

/* First to the instruction, with TF; then away from it. */
static void step(ucontext_t *u)
{
	greg_t *regs = u->uc_mcontext.gregs;

	if (stage++)
		siglongjmp(catch_back, 1);
	for (int i = 0; i < 16; i++)
		regs[by_number[i]] = registers[i];
	regs[REG_RIP] = (uint64_t)code;
	regs[REG_EFL] = 0x302;
}

static void begin(uint64_t unused)
{
	(void)unused;
	asm volatile("int3");
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? strtol(argv[1], NULL, 0) : 20000;
	uint64_t seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	uint64_t sum = 0, *data;
	int kinds[32] = { 0 };

	seed = seed * 0x9e3779b97f4a7c15 + 1;
	code = mmap((void *)0x20000000, 4096,
		    PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	data = mmap((void *)DATA, SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	catch_all();
	for (long n = 0; n < count; n++) {
		uint64_t before = sum;

		make(&seed);
		for (int i = 0; i < 16; i++)
			registers[i] = random_next(&seed) % 4 ?
				DATA + 0x1000 + (random_next(&seed) & 0x1ff8) :
				random_next(&seed);
		registers[4] = DATA + 0x2000;
		for (int i = 0; i < 16; i++)
			data[random_next(&seed) % (SIZE / 8)] = n + i;
		stage = 0;
		catch_hook = step;
		attempt(begin, 0);
		catch_hook = NULL;
		kinds[seen.sig & 31]++;
		sum = digest(sum, seen.sig);
		sum = digest(sum, seen.trap);
		for (int i = 0; i < 16; i++)
			sum = digest(sum, seen.regs[by_number[i]]);
		sum = digest(sum, seen.rip);
		/* not NT, which the Host never gives */
		sum = digest(sum, seen.rflags & 0x243fd5);
		for (size_t i = 0; i < SIZE / 8; i += 7)
			sum = digest(sum, data[i]);
		if (argc > 3)
			printf("# %ld %02x %02x %02x %02x %02x: signal %d "
			       "trap %d at %#llx flags %#llx %llx\n", n,
			       code[0], code[1], code[2], code[3], code[4],
			       seen.sig, seen.trap,
			       (unsigned long long)seen.rip,
			       (unsigned long long)seen.rflags,
			       (unsigned long long)(sum ^ before));
		if (n % 1000 == 999)
			ok(1, "%ld instructions: %llx", n + 1,
			   (unsigned long long)sum);
	}
	for (int i = 0; i < 32; i++)
		if (kinds[i])
			ok(i != 0, "signal %d: %d times", i, kinds[i]);
	return finish();
}
