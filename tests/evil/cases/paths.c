// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * All ways between this Guest and its Host, one after the other, round by
 * round, with a pattern in every register that must come back. It harms
 * nobody; what harms it comes from outside: accidents.t lets an NMI, a
 * machine check or a single step hit each instruction on these ways.
 *
 * "rounds=N" on the command line; each round calls round_begins(), and the
 * last is the one in which "enough" is not 0 any more.
 */
#include "lib.h"

#define STACK		0x500000ull
#define PRIVATE		0x600000ull	/* a supervisor's page down there */
#define TIMEOUT		200000		/* ns, some thousand instructions */
#define TF		0x100ull

volatile u64 enough;
static u64 rounds, bad, first_bad;
static char *probe;

void round_begins(void);
void __attribute__((noinline)) round_begins(void)
{
	asm volatile("" : : : "memory");
}

static void check(bool good, u64 where)
{
	if (good)
		return;
	if (!bad++)
		first_bad = where;
}

/* --- In Guest kernel mode: an instruction between two looks at registers - */

#define LOOK(n, register)						\
	"	cmpq	$0x1100" #n ", " register "\n	jne	8f\n"
#define FILL(n, register)						\
	"	movq	$0x1100" #n ", " register "\n"

/*
 * Zero if RBX, RDX, RSI, R8 to R15 are as they were (RBP is the frame's). RCX is
 * 1 meanwhile: on its NMI stack the Host has a word that must not become that.
 */
#define KERNEL_WAY(name, before, text)					\
static u64 __attribute__((noinline)) name(u64 arg)			\
{									\
	u64 odd;							\
									\
	asm volatile(FILL(1, "%%rbx") FILL(2, "%%rdx") FILL(3, "%%rsi")	\
		     FILL(4, "%%r8") FILL(5, "%%r9") FILL(6, "%%r10")	\
		     FILL(7, "%%r12") FILL(8, "%%r13")			\
		     FILL(9, "%%r14") FILL(10, "%%r15")			\
		     "	movl	$1, %%ecx\n"				\
		     before "\n" text "\n"				\
		     LOOK(1, "%%rbx") LOOK(2, "%%rdx")			\
		     LOOK(3, "%%rsi") LOOK(4, "%%r8") LOOK(5, "%%r9")	\
		     LOOK(6, "%%r10") LOOK(7, "%%r12")			\
		     LOOK(8, "%%r13") LOOK(9, "%%r14")			\
		     LOOK(10, "%%r15")					\
		     "	xorl	%%eax, %%eax\n	jmp	9f\n"		\
		     "8:	movl	$1, %%eax\n9:"			\
		     : "=a" (odd), "+D" (arg)				\
		     : : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10",	\
		       "r11", "r12", "r13", "r14", "r15", "memory",	\
		       "cc");						\
	return odd;							\
}

KERNEL_WAY(by_hypercall, "xorl %%eax, %%eax", "syscall")
KERNEL_WAY(by_fill, "", "movb (%%rdi), %%al")
KERNEL_WAY(by_port, "", "inb $0x80, %%al")
KERNEL_WAY(by_waiting, "", "1: pause\n cmpq $0, interrupts(%%rip)\n je 1b")

INSN(breakpoint, "int3");
INSN(undefined, "ud2");
INSN(touch_nothing, "movb 0x1000, %%al");

static void steps(u64 unused)
{
	(void)unused;
	asm volatile("pushfq\n orl $0x100, (%%rsp)\n popfq\n"
		     "nop\n xorl %%eax, %%eax\n syscall\n"
		     "pushfq\n andl $~0x100, (%%rsp)\n popfq\n"
		     : : : "rax", "rcx", "r11", "memory");
}

static int go_on_stepping(void)
{
	return caught.vector == 1;
}

/* --- In Guest user mode: registers go through "caught" both ways --------- */

USER_CODE(user_call, "");
USER_CODE(user_break, "int3\n ud2\n");
USER_CODE(user_fault, "movb 0x2000, %al\n ud2\n");
USER_CODE(user_loop, "1: pause\n jmp 1b\n");
USER_CODE(user_next, "movb 0x3000, %al\n ud2\n");

static void fill_caught(u64 n)
{
	u64 *r = &caught.rax;
	int i;

	for (i = 0; i < 15; i++)
		r[i] = 0x5500 + 16 * n + i;
}

/* RAX is the system call's, RCX and R11 are SYSCALL's. */
static void check_caught(u64 n, u64 where)
{
	u64 *r = &caught.rax;
	int i;

	for (i = 0; i < 15; i++) {
		if (caught.vector == EVENT_SYSCALL &&
		    (r + i == &caught.rax || r + i == &caught.rcx ||
		     r + i == &caught.r11))
			continue;
		check(r[i] == 0x5500 + 16 * n + i, where + i);
	}
}

static void user(u64 code, int event, u64 rflags, u64 where)
{
	u64 gs = 0x1234000 + rounds;

	fill_caught(rounds);
	shared.user_gs = gs;
	check(run_user(code, STACK + 0x800, rflags) == event, where);
	check_caught(rounds, where + 1);
	check(caught.rsp == STACK + 0x800, where + 20);
	check(shared.user_gs == gs, where + 21);
}

/* RCX and R11 such that the Switcher can use SYSRET */
static void user_by_sysret(u64 where)
{
	fill_caught(rounds);
	caught.rcx = USER;
	caught.r11 = 0x202;
	check(run_user(USER, STACK + 0x800, 0x202) == EVENT_SYSCALL, where);
	check_caught(rounds, where + 1);
}

static int stop_at_interrupt(void)
{
	if (caught.vector >= LGUEST_IRQ_VECTOR &&
	    caught.vector < EVENT_SYSCALL)
		return 0;
	say("Bail out! event %u\n", caught.vector);
	poweroff();
}

static void timers(void)
{
	/* in the kernel */
	interrupts = 0;
	call(LHCALL_SET_TIMER, TIMEOUT, 0, 0);
	shared.vif = LGUEST_VIF_ON;
	check(!by_waiting(0), 300);
	shared.vif = 0;
	/* in the user */
	call(LHCALL_SET_TIMER, TIMEOUT, 0, 0);
	event_hook = stop_at_interrupt;
	user(USER + 3 * PAGE, LGUEST_IRQ_VECTOR, 0x202, 310);
	/* pending when the kernel returns to the user */
	call(LHCALL_SET_TIMER, TIMEOUT, 0, 0);
	while (!shared.pending)
		asm volatile("pause");
	user(USER + 3 * PAGE, LGUEST_IRQ_VECTOR, 0x202, 340);
	event_hook = 0;
}

static void one_round(void)
{
	round_begins();
	check(!by_port(0), 100);
	check(!by_hypercall(0), 110);
	flush();
	check(!by_fill((u64)probe), 120);
	check(attempt(breakpoint, 0) == 3, 130);
	check(attempt(undefined, 0) == 6, 140);
	check(attempt(touch_nothing, 0) == 14, 150);
	event_hook = go_on_stepping;
	check(attempt(steps, 0) == EVENT_NONE, 160);
	event_hook = 0;
	user_by_sysret(200);
	user(USER, EVENT_SYSCALL, 0x202, 220);
	user(USER + PAGE, 3, 0x202, 240);
	user(USER + 2 * PAGE, 14, 0x202, 260);
	/* the next page of a run, by the short cut, and a fetch from it */
	user(USER + 4 * PAGE, 14, 0x202, 500);
	check(caught.cr2 == 0x3000 && caught.error == 4, 530);
	user(USER + 2 * PAGE, 14, 0x202, 540);
	user(0x3000, 14, 0x202, 570);
	user(USER + 3 * PAGE, 1, 0x202 | TF, 280);
	timers();
	/* not by the short cut: an odd address, a supervisor's page */
	check(run_user(1ull << 47, STACK, 0x202) == 13, 400);
	check(!by_fill(PRIVATE), 410);
	user(USER, EVENT_SYSCALL, 0x202, 420);
	/* the same way again, with another GS base */
	shared.user_gs ^= 0x1000;
	user_by_sysret(440);
	/* and with one that the Host has seen */
	check(!by_hypercall(0), 460);
	user_by_sysret(470);
}

void run(void)
{
	u64 last = option("rounds", ~0ull);

	probe = page();
	map(0x7000, PHYS(probe), RW);
	probe = (char *)0x7000;
	map(PRIVATE, PHYS(page()), RW);
	map(STACK, PHYS(page()), RW | US);
	user_code(USER, CODE_OF(user_call));
	user_code(USER + PAGE, CODE_OF(user_break));
	user_code(USER + 2 * PAGE, CODE_OF(user_fault));
	user_code(USER + 3 * PAGE, CODE_OF(user_loop));
	user_code(USER + 4 * PAGE, CODE_OF(user_next));
	say("# ready\n");
	while (rounds < last && !enough) {
		one_round();
		rounds++;
	}
	ok(!bad, "%u rounds, %u surprises (the first: %u)", rounds, bad,
	   first_bad);
}
