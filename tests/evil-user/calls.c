// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C2, B1, B2 for a program: SYSCALL with the numbers of hypercalls and with
 * no number at all, with odd stacks, at the last address that a program
 * has; the kernel must answer, and nobody else.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "catch.h"

#define LAST_PAGE	0x7fffffffe000ul
#define END_OF_SPACE	0x7ffffffff000ul

static uint64_t rcx_after, r11_after;

static long call(uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
	register uint64_t r10 asm("r10") = ~0ul;
	register uint64_t r8 asm("r8") = ~0ul;
	register uint64_t r9 asm("r9") = ~0ul;
	uint64_t here;
	long ret;

	asm volatile("syscall\n 1: movq %%rcx, %0\n movq %%r11, %1\n"
		     "leaq 1b(%%rip), %2"
		     : "=m" (rcx_after), "=m" (r11_after), "=r" (here),
		       "=a" (ret), "+D" (a), "+S" (b), "+d" (c)
		     : "3" (nr), "r" (r10), "r" (r8), "r" (r9)
		     : "rcx", "r11", "memory");
	/* SYSRET or IRET, RCX is where it went on. */
	if (rcx_after != here)
		rcx_after = 0;
	return ret;
}

static uint64_t stack_for_call;

/* A call that needs no stack, with none. */
static void call_without_stack(uint64_t at)
{
	stack_for_call = at;
	asm volatile("movq %%rsp, %%rbx\n movq %1, %%rsp\n"
		     "movl %0, %%eax\n syscall\n movq %%rbx, %%rsp"
		     : : "i" (SYS_getpid), "m" (stack_for_call)
		     : "rax", "rbx", "rcx", "r11", "memory");
}

static void push_without_stack(uint64_t at)
{
	stack_for_call = at;
	asm volatile("movq %%rsp, %%rbx\n movq %0, %%rsp\n pushq %%rax\n"
		     "movq %%rbx, %%rsp"
		     : : "m" (stack_for_call) : "rax", "rbx", "memory");
}

static void trap_without_stack(uint64_t at)
{
	stack_for_call = at;
	asm volatile("movq %%rsp, %%rbx\n movq %0, %%rsp\n int3\n"
		     "movq %%rbx, %%rsp"
		     : : "m" (stack_for_call) : "rax", "rbx", "memory");
}

static void jump(uint64_t at)
{
	asm volatile("movl %0, %%eax\n jmp *%1"
		     : : "i" (SYS_getpid), "r" (at)
		     : "rax", "rcx", "r11", "memory");
}

static void numbers(void)
{
	/* read() to lstat(), and what a hypercall might be called */
	static const uint64_t odd[] = {
		0, 0x200000, 0xffffffff81000000, 0xffff800000004000,
		0xffff888000000000, ~0ul, 1ul << 63,
	};
	uint64_t sum = 0, seed = 7;
	int bad = 0;

	for (int nr = 0; nr < 32; nr++) {
		/* poll, rt_sig..., pipe, select, yield, mremap, shm..., dup */
		if (nr == 7 || (nr >= 9 && nr <= 15) || nr >= 22)
			continue;
		for (int i = 0; i < 7; i++) {
			long ret = call(nr, ~0ul, odd[i], odd[(i + 3) % 7]);

			sum = digest(sum, ret);
			bad += ret >= 0 || !rcx_after;
		}
	}
	ok(!bad, "odd arguments are refused: %llx", (unsigned long long)sum);
	for (int i = bad = 0; i < 20000; i++) {
		uint64_t nr = random_next(&seed);

		if (i % 2)
			nr &= 0xffffffff;
		if (i % 3 == 0)
			nr = nr << 32 | 1000;
		if ((uint32_t)nr < 600)
			nr |= 1000;
		bad += call(nr, random_next(&seed), random_next(&seed),
			    random_next(&seed)) != -ENOSYS;
	}
	ok(!bad, "20000 numbers that nobody has (%d answers)", bad);
}

static void stacks(void)
{
	static const uint64_t odd[] = {
		0, 8, 0x7fffffffffff, 0x800000000000, 0xffff7fffffffffff,
		0xffff800000000000, 0xffff800000007000, 0xffffffff81000000,
		0xffff888000001000, ~0ul, 1ul << 63, 0xff00000000007000,
	};

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		unsigned long long at = odd[i];

		ok(attempt(call_without_stack, at) == 0,
		   "a system call with the stack at %#llx", at);
		ok(attempt(trap_without_stack, at) == SIGTRAP,
		   "INT3 with the stack at %#llx", at);
		attempt(push_without_stack, at);
		ok(seen.sig == SIGSEGV || seen.sig == SIGBUS,
		   "PUSH with the stack at %#llx: signal %d, trap %d", at,
		   seen.sig, seen.trap);
	}
}

static void last_page(void)
{
	uint8_t *page = mmap((void *)LAST_PAGE, 4096,
			     PROT_READ | PROT_WRITE | PROT_EXEC,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	void *above = mmap((void *)END_OF_SPACE, 4096, PROT_READ,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	ok(page == (void *)LAST_PAGE && above == MAP_FAILED,
	   "the last page can be had, and no more");
	page[4094] = 0x0f;
	page[4095] = 0x05;
	attempt(jump, LAST_PAGE + 4094);
	ok(seen.sig == SIGSEGV && seen.rip == END_OF_SPACE,
	   "SYSCALL at the end of it: signal %d at %#llx", seen.sig,
	   (unsigned long long)seen.rip);
	page[4095] = 0x90;
	page[4094] = 0x90;
	attempt(jump, LAST_PAGE + 4094);
	ok(seen.sig == SIGSEGV && seen.rip == END_OF_SPACE,
	   "walking off it: signal %d at %#llx", seen.sig,
	   (unsigned long long)seen.rip);
	for (int n = 1; n < 12; n++) {
		/* an instruction that crosses the end */
		memset(page + 4096 - n, 0x66, n);
		attempt(jump, LAST_PAGE + 4096 - n);
		ok(seen.sig == SIGSEGV, "%d bytes that cross it: signal %d",
		   n, seen.sig);
	}
}

int main(void)
{
	catch_all();
	numbers();
	stacks();
	last_page();
	return finish();
}
