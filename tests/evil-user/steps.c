// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B7, B6 for a program: single steps over everything that enters a kernel,
 * changes flags or holds traps back. Each trap's place and flags add up to
 * a number that must be the same in a Guest as on its kernel alone. With an
 * argument it tells each.
 */
#include <sys/syscall.h>
#include <unistd.h>

#include "catch.h"

#define MOST 4096

extern char steps_begin[], steps_end[];
static uint64_t sum;
static int traps, others, outside, verbose;

static void on_step(ucontext_t *u)
{
	greg_t *regs = u->uc_mcontext.gregs;
	uint64_t at = seen.rip - (uint64_t)steps_begin;

	if (verbose)
		diag("+%#x: signal %d, trap %d, flags %#llx", (int)at,
		     seen.sig, seen.trap, (unsigned long long)seen.rflags);
	sum = digest(sum, seen.sig);
	sum = digest(sum, seen.trap);
	if (seen.sig == SIGTRAP) {
		traps++;
	} else {
		others++;
		/* over the instruction that faults: all have two bytes */
		regs[REG_RIP] += 2;
	}
	if (at > (uint64_t)(steps_end - steps_begin))
		outside++;
	else
		sum = digest(sum, at);
	/*
	 * All flags but CF, PF, AF, ZF, SF, OF, that is IF, TF, RF and so on.
	 * Not NT: the Host never gives it, and so a signal takes it away.
	 */
	sum = digest(sum, seen.rflags & ~0x48d5ul);
	if (traps + others > MOST)
		siglongjmp(catch_back, 1);
}

static uint8_t from[64], to[64];
static uint16_t ss;

static void everything(uint64_t unused)
{
	(void)unused;
	asm volatile(
		"movq %%rsp, %%rbx\n"
		"movw %%ss, %2\n"
		"pushfq\n orl $0x100, (%%rsp)\n popfq\n"
		"steps_begin:\n"
		"nop\n nop\n"
		"movl %3, %%eax\n syscall\n"
		"nop\n"
		"movl %3, %%eax\n syscall\n"
		"movl %3, %%eax\n syscall\n"
		"int3\n"
		"pushfq\n popq %%rax\n"
		/* held back for one instruction */
		"movw %2, %%ss\n nop\n nop\n"
		"movl %3, %%eax\n movw %2, %%ss\n syscall\n"
		"movw %2, %%ss\n int3\n"
		"movw %2, %%ss\n pushfq\n popq %%rax\n"
		/* twice in a row */
		"movw %2, %%ss\n movw %2, %%ss\n nop\n"
		/* repeats */
		"leaq %0, %%rsi\n leaq %1, %%rdi\n movl $8, %%ecx\n"
		"rep movsb\n"
		/* what faults, all of two bytes */
		"ud2\n"
		"xorl %%eax, %%eax\n movb (%%rax), %%al\n"
		"movl $-1, %%eax\n shlq $40, %%rax\n movb (%%rax), %%al\n"
		"xorl %%eax, %%eax\n xorl %%edx, %%edx\n divl %%eax\n"
		".byte 0xcd, 0x42\n"
		".byte 0x0f, 0x34\n"
		"cli\n nop\n"
		"hlt\n nop\n"
		/* an IRETQ to the next one, with TF and without IF */
		"movq %%rsp, %%rdx\n"
		"pushq $0x2b\n pushq %%rdx\n pushq $0x102\n pushq $0x33\n"
		"leaq 1f(%%rip), %%rax\n pushq %%rax\n iretq\n"
		"1: nop\n"
		/* with NT, AC, ID, IOPL */
		"movq %%rsp, %%rdx\n"
		"pushq $0x2b\n pushq %%rdx\n pushq $0x247302\n pushq $0x33\n"
		"leaq 2f(%%rip), %%rax\n pushq %%rax\n iretq\n"
		"2: nop\n"
		"movl %3, %%eax\n syscall\n"
		"pushq $0x302\n popfq\n"
		"call 3f\n jmp 4f\n 3: ret\n 4:\n"
		"pushfq\n andl $~0x100, (%%rsp)\n popfq\n"
		"nop\n nop\n"
		"steps_end:\n"
		"movq %%rbx, %%rsp\n"
		: : "m" (from), "m" (to), "m" (ss), "i" (SYS_getppid)
		: "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r11", "memory",
		  "cc");
}

int main(int argc, char **argv)
{
	(void)argv;
	verbose = argc > 1;
	catch_all();
	for (int i = 0; i < 5; i++) {
		sum = traps = others = outside = 0;
		catch_hook = on_step;
		attempt(everything, 0);
		catch_hook = NULL;
		ok(!outside && traps < MOST, "%d traps and %d faults, %d "
		   "elsewhere: %llx", traps, others, outside,
		   (unsigned long long)sum);
	}
	return finish();
}
