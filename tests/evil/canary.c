// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The canary: an ordinary process of the Host that lives beside hostile
 * Guests and looks whether anything of its own changes: all general and
 * vector registers, FS and GS bases, flags, selectors, debug registers (of
 * a child that it traces), and a pattern in MEGABYTES of memory.
 *
 *	canary MEGABYTES
 *
 * It says nothing while all is well. After SIGTERM it says how many rounds
 * it made and how long the longest pause between two of them was.
 */
#include <asm/prctl.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLICE	(1u << 17)		/* words looked at in a round */
#define GS_HERE	0x123456789000

static volatile sig_atomic_t leave;
static unsigned long failures;
static int has_avx;

static void on_term(int sig)
{
	(void)sig;
	leave = 1;
}

static void complain(const char *what)
{
	failures++;
	printf("not ok - canary: %s\n", what);
	fflush(stdout);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

/* what the registers hold before and after a while */
struct registers {
	uint64_t general[13];
	uint64_t vectors[64] __attribute__((aligned(64)));
};

static struct registers before, after;
static uint64_t saved_rsp __attribute__((used));
static uint64_t rsp_after __attribute__((used));

/* Fill all registers, count down, and look at what is left in them. */
#define SPIN(LOAD, STORE)						\
	asm volatile(							\
	"pushq %%rbp\n pushq %%rbx\n"					\
	"movq %%rsp, saved_rsp\n"					\
	LOAD								\
	"movq before+0, %%rax\n movq before+8, %%rbx\n"			\
	"movq before+16, %%rdx\n movq before+24, %%rsi\n"		\
	"movq before+32, %%rdi\n movq before+40, %%rbp\n"		\
	"movq before+48, %%r8\n movq before+56, %%r9\n"			\
	"movq before+64, %%r10\n movq before+72, %%r11\n"		\
	"movq before+80, %%r12\n movq before+88, %%r13\n"		\
	"movq before+96, %%r14\n"					\
	"movl $1000000, %%ecx\n"					\
	"1: decl %%ecx\n jnz 1b\n"					\
	"movq %%rax, after+0\n movq %%rbx, after+8\n"			\
	"movq %%rdx, after+16\n movq %%rsi, after+24\n"			\
	"movq %%rdi, after+32\n movq %%rbp, after+40\n"			\
	"movq %%r8, after+48\n movq %%r9, after+56\n"			\
	"movq %%r10, after+64\n movq %%r11, after+72\n"			\
	"movq %%r12, after+80\n movq %%r13, after+88\n"			\
	"movq %%r14, after+96\n"					\
	"movq %%rsp, rsp_after\n"					\
	"popq %%rbx\n popq %%rbp\n"					\
	STORE								\
	: : : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10",	\
	      "r11", "r12", "r13", "r14", "memory", "cc",		\
	      "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",	\
	      "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",	\
	      "xmm13", "xmm14", "xmm15")

#define MOVE_IN(op, reg, size)						\
	op " before+128+0*" size ", %%" reg "0\n"			\
	op " before+128+1*" size ", %%" reg "1\n"			\
	op " before+128+2*" size ", %%" reg "2\n"			\
	op " before+128+3*" size ", %%" reg "3\n"			\
	op " before+128+4*" size ", %%" reg "4\n"			\
	op " before+128+5*" size ", %%" reg "5\n"			\
	op " before+128+6*" size ", %%" reg "6\n"			\
	op " before+128+7*" size ", %%" reg "7\n"			\
	op " before+128+8*" size ", %%" reg "8\n"			\
	op " before+128+9*" size ", %%" reg "9\n"			\
	op " before+128+10*" size ", %%" reg "10\n"			\
	op " before+128+11*" size ", %%" reg "11\n"			\
	op " before+128+12*" size ", %%" reg "12\n"			\
	op " before+128+13*" size ", %%" reg "13\n"			\
	op " before+128+14*" size ", %%" reg "14\n"			\
	op " before+128+15*" size ", %%" reg "15\n"
#define MOVE_OUT(op, reg, size)						\
	op " %%" reg "0, after+128+0*" size "\n"			\
	op " %%" reg "1, after+128+1*" size "\n"			\
	op " %%" reg "2, after+128+2*" size "\n"			\
	op " %%" reg "3, after+128+3*" size "\n"			\
	op " %%" reg "4, after+128+4*" size "\n"			\
	op " %%" reg "5, after+128+5*" size "\n"			\
	op " %%" reg "6, after+128+6*" size "\n"			\
	op " %%" reg "7, after+128+7*" size "\n"			\
	op " %%" reg "8, after+128+8*" size "\n"			\
	op " %%" reg "9, after+128+9*" size "\n"			\
	op " %%" reg "10, after+128+10*" size "\n"			\
	op " %%" reg "11, after+128+11*" size "\n"			\
	op " %%" reg "12, after+128+12*" size "\n"			\
	op " %%" reg "13, after+128+13*" size "\n"			\
	op " %%" reg "14, after+128+14*" size "\n"			\
	op " %%" reg "15, after+128+15*" size "\n"

_Static_assert(offsetof(struct registers, vectors) == 128, "for assembly");

static void check_registers(uint64_t round)
{
	size_t words = has_avx ? 64 : 32, i;

	for (i = 0; i < 13; i++)
		before.general[i] = 0xcafe000000000000 + round * 16 + i;
	for (i = 0; i < 64; i++)
		before.vectors[i] = 0xfeed000000000000 + round * 64 + i;
	memset(&after, 0, sizeof(after));
	if (has_avx)
		SPIN(MOVE_IN("vmovdqu", "ymm", "32"),
		     MOVE_OUT("vmovdqu", "ymm", "32"));
	else
		SPIN(MOVE_IN("movdqu", "xmm", "16"),
		     MOVE_OUT("movdqu", "xmm", "16"));
	if (memcmp(before.general, after.general, sizeof(before.general)))
		complain("a general register has changed");
	if (saved_rsp != rsp_after)
		complain("the stack pointer has changed");
	if (memcmp(before.vectors, after.vectors, words * 8))
		complain("a vector register has changed");
}

static void check_bases(uint64_t fs)
{
	uint64_t value = 0, flags;
	uint16_t selectors[4];

	if (syscall(SYS_arch_prctl, ARCH_GET_GS, &value) || value != GS_HERE)
		complain("the GS base has changed");
	if (syscall(SYS_arch_prctl, ARCH_GET_FS, &value) || value != fs)
		complain("the FS base has changed");
	asm volatile("movq %%fs:0, %0" : "=r" (value));
	if (value != fs)		/* the C library keeps it there */
		complain("what FS leads to has changed");
	asm volatile("movw %%ds, %0\n movw %%es, %1\n"
		     "movw %%fs, %2\n movw %%gs, %3"
		     : "=m" (selectors[0]), "=m" (selectors[1]),
		       "=m" (selectors[2]), "=m" (selectors[3]));
	if (selectors[0] | selectors[1] | selectors[2] | selectors[3])
		complain("a selector has changed");
	asm volatile("pushfq\n popq %0" : "=r" (flags));
	if ((flags & ~0x8d5ull) != 0x202)
		complain("the flags have changed");
}

/* A child under a breakpoint; it must stop at each write, and only there. */
static volatile uint64_t watched __attribute__((aligned(8)));

static pid_t start_child(void)
{
	pid_t child = fork();
	int status;

	if (!child) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		for (;;) {
			for (volatile int i = 0; i < 20000; i++)
				;
			watched++;
		}
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -1;
	if (ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg),
		   &watched) ||
	    ptrace(PTRACE_POKEUSER, child,
		   offsetof(struct user, u_debugreg[7]),
		   1ul | 1ul << 16 | 2ul << 18))
		return -1;
	return child;
}

static void check_child(pid_t child, uint64_t *count)
{
	long value, dr0, dr6;
	int status;

	ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg[6]),
	       0);
	if (ptrace(PTRACE_CONT, child, NULL, 0L) ||
	    waitpid(child, &status, 0) != child)
		return complain("the traced child is lost");
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
		return complain("the traced child did not trap");
	value = ptrace(PTRACE_PEEKDATA, child, &watched, NULL);
	dr0 = ptrace(PTRACE_PEEKUSER, child,
		     offsetof(struct user, u_debugreg[0]), NULL);
	dr6 = ptrace(PTRACE_PEEKUSER, child,
		     offsetof(struct user, u_debugreg[6]), NULL);
	if (value != (long)++*count)
		complain("the breakpoint missed a write, or hit too early");
	if (dr0 != (long)&watched || !(dr6 & 1))
		complain("the debug registers have changed");
	*count = value;
}

int main(int argc, char **argv)
{
	size_t words = (argc > 1 ? strtoul(argv[1], NULL, 0) : 64) << 17;
	uint64_t *memory, fs, round = 0, writes = 0;
	int64_t last, now, longest = 0;
	pid_t child;
	size_t i;

	signal(SIGTERM, on_term);
	has_avx = __builtin_cpu_supports("avx");
	memory = mmap(NULL, words * 8, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	child = start_child();
	if (memory == MAP_FAILED || child < 0) {
		complain("cannot start");
		return 2;
	}
	for (i = 0; i < words; i++)
		memory[i] = i * 0x9e3779b97f4a7c15;
	syscall(SYS_arch_prctl, ARCH_GET_FS, &fs);
	syscall(SYS_arch_prctl, ARCH_SET_GS, GS_HERE);
	last = now_ms();
	while (!leave) {
		size_t from = round * SLICE % words;

		check_registers(round);
		check_bases(fs);
		check_child(child, &writes);
		for (i = from; i < from + SLICE && i < words; i++)
			if (memory[i] != i * 0x9e3779b97f4a7c15)
				complain("memory has changed");
		round++;
		usleep(20000);
		now = now_ms();
		if (now - last > longest)
			longest = now - last;
		last = now;
	}
	kill(child, SIGKILL);
	printf("canary %lu longest %lu bad %lu\n", (unsigned long)round,
	       (unsigned long)longest, failures);
	return failures != 0;
}
