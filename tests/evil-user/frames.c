// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B3, B4 and B1 for a program: the frame of a signal is changed before the
 * return to odd selectors, flags and addresses; the program executes IRETQ
 * itself with all of them. (A frame with an odd CS or SS makes the kernel's
 * IRET fault: Linux sends SIGSEGV, or SIGBUS. A Guest's kernel knows one code
 * segment of the user, and puts it in; so there the frame is as good as new.)
 */
#include <unistd.h>
#include <sys/wait.h>

#include "catch.h"

static uint64_t value;
static int field;

static void change(ucontext_t *u)
{
	greg_t *regs = u->uc_mcontext.gregs;

	if (seen.sig != SIGTRAP)
		siglongjmp(catch_back, 1);
	switch (field) {
	case 0:
		regs[REG_RIP] = value;
		break;
	case 1:
		regs[REG_RSP] = value;
		break;
	case 2:
		regs[REG_EFL] = value;
		break;
	case 3:			/* CS, GS, FS, SS */
		regs[REG_CSGSFS] = value;
		break;
	}
	catch_hook = NULL;	/* what comes now, comes of it */
}

static uint64_t flags_seen, segments;

static void trap_and_look(uint64_t unused)
{
	(void)unused;
	asm volatile("movq %%rsp, %%rbx\n int3\n pushfq\n popq %0\n"
		     "pushq $0x202\n popfq\n movq %%rbx, %%rsp"
		     : "=r" (flags_seen) : : "rbx", "memory", "cc");
	asm volatile("movl %%ss, %%eax\n shll $16, %%eax\n"
		     "movl %%cs, %%ecx\n orl %%ecx, %%eax\n movq %%rax, %0"
		     : "=m" (segments) : : "rax", "rcx");
}

static int try_frame(int which, uint64_t what)
{
	int sig;

	field = which;
	value = what;
	catch_hook = change;
	sig = attempt(trap_and_look, 0);
	catch_hook = NULL;
	asm volatile("pushq $0x202\n popfq" : : : "memory", "cc");
	return sig;
}

static uint64_t cs = 0x33, ss = 0x2b, rsp, flags = 0x202;

static void iret(uint64_t unused)
{
	(void)unused;
	asm volatile("movq %%rsp, %%rbx\n"
		     "pushq %0\n pushq %1\n pushq %2\n pushq %3\n"
		     "leaq 1f(%%rip), %%rax\n pushq %%rax\n iretq\n"
		     "1: movq %%rbx, %%rsp\n"
		     : : "m" (ss), "r" (rsp), "m" (flags), "m" (cs)
		     : "rax", "rbx", "memory", "cc");
}

static void addresses(void)
{
	static const uint64_t odd[] = {
		0x800000000000, 0x7fffffffffff, 0xffff7fffffffffff,
		0x8000000000000000, 0xffff800000000000, 0xffffffff81000000,
		0xffff800000004000, 0, 0xffffffffffffffff, 0x7ffffffff000,
		0xff00000000000000,
	};

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		int sig = try_frame(0, odd[i]);

		ok(sig == SIGSEGV, "return to %#llx: signal %d, trap %d",
		   (unsigned long long)odd[i], sig, seen.trap);
		/* and a stack there: the push after it faults */
		sig = try_frame(1, odd[i]);
		ok(sig == SIGSEGV || sig == SIGBUS,
		   "stack at %#llx: signal %d", (unsigned long long)odd[i],
		   sig);
	}
}

static void selectors(void)
{
	uint64_t sum = 0;
	int counts[32] = { 0 }, strange = 0;

	for (unsigned int sel = 0; sel < 0x10000; sel += sel < 256 ? 1 : 113) {
		uint64_t whole = seen.regs[REG_CSGSFS] & 0x0000ffffffff0000;
		int sig = 0;

		/* 32-bit code is there natively, and not in a Guest */
		if ((sel | 3) == 0x23)
			continue;
		segments = 0x2b0033;
		sig = try_frame(3, whole | sel | 0x002bull << 48);
		counts[sig & 31]++;
		strange += segments != 0x2b0033;
		sig = try_frame(3, whole | 0x33 | (uint64_t)sel << 48);
		counts[sig & 31]++;
		strange += segments != 0x2b0033;
	}
	for (int i = 0; i < 32; i++)
		if (counts[i])
			diag("frames with odd CS or SS: %d times signal %d",
			     counts[i], i);
	ok(counts[SIGTRAP] + counts[SIGSEGV] + counts[SIGBUS] == 1660 &&
	   !strange, "frames with odd CS or SS: never another segment "
	   "than the user's own (%d times)", strange);
	rsp = (uint64_t)catch_stack;
	for (unsigned int sel = 0; sel < 0x10000; sel += sel < 256 ? 1 : 113) {
		if ((sel | 3) == 0x23)
			continue;
		cs = sel;
		sum = digest(sum, attempt(iret, 0));
		cs = 0x33;
		ss = sel;
		sum = digest(sum, attempt(iret, 0));
		ss = 0x2b;
	}
	ok(1, "IRETQ with odd CS or SS: %llx", (unsigned long long)sum);
}

int main(void)
{
	uint64_t sum = 0;

	catch_all();
	addresses();
	for (int bit = 0; bit < 64; bit++) {
		int sig = try_frame(2, 1ull << bit);

		sum = digest(sum, sig);
		ok((flags_seen & 0x3000) == 0 && (bit == 8 ||
		   (flags_seen & 0x200)), "flag %d in a frame: signal %d",
		   bit, sig);
		flags = 1ull << bit;
		sig = attempt(iret, 0);
		flags = 0x202;
		asm volatile("pushq $0x202\n popfq" : : : "memory", "cc");
		sum = digest(sum, sig);
	}
	ok(1, "... and by IRETQ: %llx", (unsigned long long)sum);
	selectors();
	return finish();
}
