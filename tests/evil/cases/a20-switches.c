// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A20: switches between address spaces, those that the Switcher does alone
 * and those that it must leave to the Host: a root, a number or a bit that it
 * does not know, a single step, an address that SYSRET must not have. At the
 * end it tells how many of each there were; 80-hostile.t compares that with
 * what the Host has counted.
 *
 * run: -> 0
 */
#include "lib.h"

#define ROOTS		15
#define VALUE		0x500000ull	/* says which root it is */
#define PRIVATE		0x402000ull	/* the kernel's, in the lower half */
#define EDGE		0x800000000000ull
#define END		0xfffffffffffffffeull
#define FLAGS		0x240cd5ull	/* all but TF that are the Guest's */
#define TOO_LARGE	16

u64 cr3_read, registers[14], answer, address, flags_before, flags_after;
static u64 *roots[ROOTS], direct, asked;

USER_CODE(user_read, "movq 0x500000, %rbx");
USER_CODE(user_peek, "movq 0x402000, %rbx");
INSN(read_cr3, "movq %%cr3, %%rax\n	movq %%rax, cr3_read(%%rip)");

/* SYSCALL with a pattern in each register, and what it has left there */
void one_call(u64 number, u64 cr3, u64 flags);
asm("one_call:\n"
    "	pushq %rbx\n	pushq %rbp\n	pushq %r12\n"
    "	pushq %r13\n	pushq %r14\n	pushq %r15\n"
    "	movq %rdi, %rax\n	movq %rsi, %rdi\n"
    "	pushfq\n	orq %rdx, (%rsp)\n	popfq\n"
    "	movq %rsp, registers+104(%rip)\n"
    "	movl $1, %ebx\n	movl $2, %edx\n	movl $3, %esi\n"
    "	movl $4, %ebp\n	movl $5, %r8d\n	movl $6, %r9d\n"
    "	movl $7, %r10d\n	movl $8, %r12d\n	movl $9, %r13d\n"
    "	movl $10, %r14d\n	movl $11, %r15d\n"
    "	pushfq\n	popq flags_before(%rip)\n"
    "	syscall\n"
    "1:	pushfq\n	popq flags_after(%rip)\n"
    "	movq %rax, answer(%rip)\n"
    "	leaq 1b(%rip), %rax\n	subq %rax, %rcx\n"
    "	movq %rcx, address(%rip)\n"
    "	movq %rbx, registers(%rip)\n	movq %rdx, registers+8(%rip)\n"
    "	movq %rsi, registers+16(%rip)\n	movq %rbp, registers+24(%rip)\n"
    "	movq %r8, registers+32(%rip)\n	movq %r9, registers+40(%rip)\n"
    "	movq %r10, registers+48(%rip)\n	movq %r12, registers+56(%rip)\n"
    "	movq %r13, registers+64(%rip)\n	movq %r14, registers+72(%rip)\n"
    "	movq %r15, registers+80(%rip)\n	movq %rdi, registers+88(%rip)\n"
    "	subq %rsp, registers+104(%rip)\n"
    "	pushq $2\n	popfq\n"
    "	popq %r15\n	popq %r14\n	popq %r13\n"
    "	popq %r12\n	popq %rbp\n	popq %rbx\n	ret\n");

/* Nothing but RAX, RCX and R11 may change. (RCX: see "direct".) */
static bool untouched(u64 number, u64 cr3, u64 flags)
{
	u64 i;

	one_call(number, cr3, flags);
	for (i = 0; i < 11; i++)
		if (registers[i] != i + 1)
			return false;
	return registers[11] == cr3 && !registers[13] &&
	       flags_before == flags_after;
}

static u64 cr3_of(u64 root, u64 pcid)
{
	return PHYS(roots[root]) | pcid;
}

/* The lower half is that of this root; for the Host, too. */
static bool there(u64 root)
{
	return *(volatile u64 *)VALUE == 0x1234 + root &&
	       attempt(read_cr3, 0) == EVENT_NONE &&
	       (cr3_read & FRAME_MASK) == PHYS(roots[root]);
}

static bool user_there(u64 root)
{
	caught.rbx = 0;
	return run_user(USER, 0, 0x202) == EVENT_SYSCALL &&
	       caught.rbx == 0x1234 + root;
}

/* By the Switcher: RCX is SYSRET's. */
static bool alone(u64 root, u64 pcid, u64 flags)
{
	direct++;
	return untouched(LHCALL_SET_CR3, cr3_of(root, pcid) | NOFLUSH,
			 flags) && !answer && !address && there(root);
}

/* The same, and on to the user before the Host has seen anything of it */
static bool unseen(u64 root, u64 pcid)
{
	direct++;
	call(LHCALL_SET_CR3, cr3_of(root, pcid) | NOFLUSH, 0, 0);
	return user_there(root);
}

/* By the Host, to this root in the end */
static bool by_host(u64 cr3, u64 root)
{
	asked++;
	return untouched(LHCALL_SET_CR3, cr3, 0) && !answer && there(root);
}

static void make_roots(void)
{
	void *code = page(), *peek = page();
	u64 n, *pud, *pmd, *pt;

	memcpy(code, CODE_OF(user_read));
	memcpy(peek, CODE_OF(user_peek));
	for (n = 0; n < ROOTS; n++) {
		u64 *value = page();

		roots[n] = page();
		pud = page(), pmd = page(), pt = page();
		roots[n][511] = root[511];
		roots[n][0] = PHYS(pud) | P | RW | US;
		pud[0] = PHYS(pmd) | P | RW | US;
		pmd[2] = PHYS(pt) | P | RW | US;	/* USER */
		pt[0] = PHYS(code) | P | RW | US;
		pt[1] = PHYS(peek) | P | RW | US;
		pt[256] = PHYS(value) | P | RW | US;	/* VALUE */
		pt[2] = PHYS(page()) | P | RW;		/* PRIVATE */
		*value = 0x1234 + n;
	}
}

static int stop_stepping(void)
{
	return caught.vector == 1;
}

static void step(u64 cr3)
{
	asm volatile("pushfq\n	orq $0x100, (%%rsp)\n	popfq\n"
		     "movl %1, %%eax\n	syscall\n"
		     "pushfq\n	andq $~0x100, (%%rsp)\n	popfq\n"
		     : "+D" (cr3) : "i" (LHCALL_SET_CR3)
		     : "rax", "rcx", "r11", "memory", "cc");
}

static void known_ones(void)
{
	u64 n, bad = 0;

	for (n = 0; n < ROOTS; n++)
		bad += !by_host(cr3_of(n, n + 1), n);
	ok(!bad, "new numbers: %u of %u wrong", bad, ROOTS);
	for (n = bad = 0; n < 20 * ROOTS; n++) {
		u64 r = n * 3 % ROOTS;

		bad += n % 4 ? !alone(r, r + 1, n % 2 ? FLAGS : 0) :
			       !unseen(r, r + 1);
	}
	ok(!bad, "numbers that are known: %u of %u wrong", bad, n);
}

static void unknown_ones(void)
{
	ok(alone(0, 1, 0) && by_host(cr3_of(0, 2) | NOFLUSH, 0) &&
	   alone(0, 2, 0) && user_there(0), "a root that it has not");
	ok(by_host(cr3_of(1, 2) | NOFLUSH, 1) && alone(0, 1, 0) &&
	   alone(1, 2, 0), "... and back");
	ok(by_host(cr3_of(0, TOO_LARGE + 1) | NOFLUSH, 0) &&
	   by_host(cr3_of(1, 0xfff) | NOFLUSH, 1) &&
	   by_host(cr3_of(2, 0x800) | NOFLUSH, 2) && alone(2, 0, 0),
	   "a number that is too large is 0");
	ok(by_host(cr3_of(0, 1), 0) && by_host(cr3_of(0, 1), 0),
	   "translations that are not to be kept");
	ok(by_host(cr3_of(0, 1) | NOFLUSH | 1ull << 62, 0) &&
	   by_host(cr3_of(0, 1) | NOFLUSH | 1ull << 52, 0),
	   "bits that mean nothing");
	ok(untouched(LHCALL_SET_CR3 | 1ull << 32, cr3_of(1, 2) | NOFLUSH, 0) &&
	   answer == (u64)-ENOSYS && there(0), "a call of another number");
}

static void odd_moments(void)
{
	int event;

	event_hook = stop_stepping;
	asked++;
	ok(attempt(step, cr3_of(1, 2) | NOFLUSH) == EVENT_NONE && there(1),
	   "a single step");
	event_hook = 0;
	event = run_kernel(EDGE - 2, 0, 2);
	ok(event == 14 && caught.rip == EDGE - 2,
	   "SYSCALL below the edge: event %d at %x", (s64)event, caught.rip);
	map(END & -PAGE, PHYS(page()), RW);
	flush();
	((volatile char *)END)[0] = 0x0f;
	((volatile char *)END)[1] = 0x05;
	caught.rax = LHCALL_SET_CR3;
	caught.rdi = cr3_of(3, 4) | NOFLUSH;
	asked++;
	event = run_kernel(END, 0, 2);
	ok(event == 14 && !caught.rip && there(3),
	   "SYSCALL at the end: event %d at %x", (s64)event, caught.rip);
}

/* Root U of a space with such a page is withdrawn, wherever we come from. */
static void withdrawn(void)
{
	bool good = alone(0, 1, 0) && user_there(0);
	int event;

	*(volatile u64 *)PRIVATE = 0x5ec3e7;
	ok(good && alone(1, 2, 0) && user_there(1) && alone(0, 1, 0) &&
	   *(volatile u64 *)PRIVATE == 0x5ec3e7, "a page of the kernel's");
	good = unseen(1, 2);
	direct++;
	call(LHCALL_SET_CR3, cr3_of(0, 1) | NOFLUSH, 0, 0);
	event = run_user(USER + PAGE, 0, 0x202);
	ok(good && event == 14 && caught.cr2 == PRIVATE,
	   "... is not the user's: event %d", (s64)event);
	ok(user_there(0), "... who has what is his");
}

/* What is flushed is in the space that the Switcher has gone to. */
static void flushed(void)
{
	u64 *pud, *pmd, *pt, old;
	bool good;

	pud = VIRT(roots[2][0] & FRAME_MASK);
	pmd = VIRT(pud[0] & FRAME_MASK);
	pt = VIRT(pmd[2] & FRAME_MASK);
	good = alone(2, 3, 0) && alone(3, 4, 0) && alone(2, 3, 0);
	old = pt[256];
	pt[256] = PHYS(page()) | P | RW | US;
	call(LHCALL_FLUSH_PAGE, VALUE, 0, 0);
	ok(good && !*(volatile u64 *)VALUE, "a page is flushed");
	pt[256] = old;
	call(LHCALL_FLUSH_TLB, 0, 0, 0);
	ok(there(2) && alone(3, 4, 0) && user_there(3), "... and a half");
	pt[256] = PHYS(page()) | P | RW | US;
	call(LHCALL_FLUSH_TLB, PHYS(roots[2]), 0, 0);
	good = there(3);
	direct++;
	call(LHCALL_SET_CR3, cr3_of(2, 3) | NOFLUSH, 0, 0);
	ok(good && !*(volatile u64 *)VALUE, "... and another root's half");
	pt[256] = old;
	flush();
	ok(alone(2, 3, 0) && user_there(2) && alone(3, 4, 0) && there(3),
	   "... and everything");
}

void run(void)
{
	make_roots();
	known_ones();
	unknown_ones();
	odd_moments();
	withdrawn();
	flushed();
	say("# switches: %u by the Switcher, %u by the Host\n", direct, asked);
}
