// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does a user program keep its registers?
 *
 * A probe loads all sixteen general registers, the flags and the sixteen
 * SSE registers from one structure, does one thing that brings in the
 * kernel (or waits until the kernel comes in by itself), and stores them
 * all into a second structure. What the kernel had no right to change
 * must be the same. A signal handler compares as well: what it finds in
 * its frame must be what the program had.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "check.h"

/* In the order of the assembly below. */
enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP, R8, R9, R10, R11, R12, R13,
       R14, R15, GPRS };

static const char *const names[GPRS] = {
	"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9",
	"r10", "r11", "r12", "r13", "r14", "r15",
};

static const int in_frame[GPRS] = {
	REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP,
	REG_RSP, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13,
	REG_R14, REG_R15,
};

struct state {
	uint64_t gpr[GPRS];
	uint64_t flags;
	uint64_t unused;
	uint64_t xmm[16][2];
};

#define FLAGS_ARITHMETIC 0x8d5ull	/* OF SF ZF AF PF CF */
#define FLAGS_DF 0x400ull
#define FLAGS_TF 0x100ull
#define FLAGS_AC 0x40000ull
#define FLAGS_ID 0x200000ull
#define FLAGS_OURS (FLAGS_ARITHMETIC | FLAGS_DF | FLAGS_AC | FLAGS_ID)

_Static_assert(offsetof(struct state, flags) == 128, "assembly below");
_Static_assert(offsetof(struct state, xmm) == 144, "assembly below");

/* The assembly names these. */
struct state want __attribute__((aligned(16)));
struct state got __attribute__((aligned(16)));
uint64_t probe_stack;
const void *probe_action;

void probe(const void *action);
extern const char probe_end[], act_spin[], act_count[], act_count_end[];
extern const char act_syscall[], act_syscall_end[], act_store[], act_load[];
extern const char act_int3[], act_ud2[], act_hlt[], act_wait[], act_divide[];

__asm__(
"	.text\n"
"	.macro every_xmm what\n"
"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
"	\\what \\n\n"
"	.endr\n"
"	.endm\n"
"	.macro load_xmm n\n"
"	movdqa want+144+16*\\n(%rip), %xmm\\n\n"
"	.endm\n"
"	.macro store_xmm n\n"
"	movdqa %xmm\\n, got+144+16*\\n(%rip)\n"
"	.endm\n"
"	.globl probe, probe_end\n"
"probe:\n"
"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
"	pushfq\n"
"	mov %rsp, probe_stack(%rip)\n"
"	mov %rdi, probe_action(%rip)\n"
"	every_xmm load_xmm\n"
"	pushq want+128(%rip)\n"
"	popfq\n"
"	mov want(%rip), %rax\n"
"	mov want+8(%rip), %rbx\n"
"	mov want+16(%rip), %rcx\n"
"	mov want+24(%rip), %rdx\n"
"	mov want+32(%rip), %rsi\n"
"	mov want+40(%rip), %rdi\n"
"	mov want+48(%rip), %rbp\n"
"	mov want+56(%rip), %rsp\n"
"	mov want+64(%rip), %r8\n"
"	mov want+72(%rip), %r9\n"
"	mov want+80(%rip), %r10\n"
"	mov want+88(%rip), %r11\n"
"	mov want+96(%rip), %r12\n"
"	mov want+104(%rip), %r13\n"
"	mov want+112(%rip), %r14\n"
"	mov want+120(%rip), %r15\n"
"	jmp *probe_action(%rip)\n"
"probe_end:\n"
"	mov %rax, got(%rip)\n"
"	mov %rbx, got+8(%rip)\n"
"	mov %rcx, got+16(%rip)\n"
"	mov %rdx, got+24(%rip)\n"
"	mov %rsi, got+32(%rip)\n"
"	mov %rdi, got+40(%rip)\n"
"	mov %rbp, got+48(%rip)\n"
"	mov %rsp, got+56(%rip)\n"
"	mov %r8, got+64(%rip)\n"
"	mov %r9, got+72(%rip)\n"
"	mov %r10, got+80(%rip)\n"
"	mov %r11, got+88(%rip)\n"
"	mov %r12, got+96(%rip)\n"
"	mov %r13, got+104(%rip)\n"
"	mov %r14, got+112(%rip)\n"
"	mov %r15, got+120(%rip)\n"
"	mov probe_stack(%rip), %rsp\n"
"	pushfq\n"
"	popq got+128(%rip)\n"
"	every_xmm store_xmm\n"
"	popfq\n"
"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
"	ret\n"
/* The things that a probe can do. None of them changes a flag. */
"	.globl act_spin, act_count, act_count_end, act_syscall\n"
"	.globl act_syscall_end, act_store, act_load, act_int3, act_ud2\n"
"	.globl act_hlt, act_wait, act_divide\n"
"act_spin:\n"
"	jmp act_spin\n"
"act_count:\n"
"	lea 1(%rax), %rax\n"
"	lea 1(%rbx), %rbx\n"
"	lea 1(%rcx), %rcx\n"
"	lea 1(%rdx), %rdx\n"
"	lea 1(%rsi), %rsi\n"
"	lea 1(%rdi), %rdi\n"
"	lea 1(%rbp), %rbp\n"
"	lea 1(%r8), %r8\n"
"	lea 1(%r9), %r9\n"
"	lea 1(%r10), %r10\n"
"	lea 1(%r11), %r11\n"
"	lea 1(%r12), %r12\n"
"	lea 1(%r13), %r13\n"
"	lea 1(%r14), %r14\n"
"	lea 1(%r15), %r15\n"
"	jmp act_count\n"
"act_count_end:\n"
"act_syscall:\n"
"	syscall\n"
"act_syscall_end:\n"
"	jmp probe_end\n"
"act_store:\n"
"	mov %r8, (%rdi)\n"
"	jmp probe_end\n"
"act_load:\n"
"	mov (%rsi), %r9\n"
"	jmp probe_end\n"
"act_int3:\n"
"	int3\n"
"	jmp probe_end\n"
"act_ud2:\n"
"	ud2\n"
"act_hlt:\n"
"	hlt\n"
"act_divide:\n"
"	div %rbx\n"
"act_wait:\n"
"	jrcxz 1f\n"
"	lea -1(%rcx), %rcx\n"
"	jmp act_wait\n"
"1:	jmp probe_end\n"
);

static uint64_t seed = 0x6c67756573743634ull;

/* The memory that RSP points into, with a pattern in all of it. */
static uint64_t play_stack[4096] __attribute__((aligned(4096)));
static char alt_stack[65536] __attribute__((aligned(16)));

/* What the handler is to do, and what it saw. */
static volatile int signals_seen, signals_wanted, frame_errors;
static volatile int counting, change_all;
static char *volatile unlock;
static char first_error[128];
static volatile int expected_trap = -1;

static void complain(const char *where, const char *what, uint64_t is,
		     uint64_t should)
{
	if (!frame_errors++)
		snprintf(first_error, sizeof(first_error),
			 "%s: %s is %#llx, should be %#llx", where, what,
			 (unsigned long long)is, (unsigned long long)should);
}

static void new_pattern(void)
{
	int i;

	for (i = 0; i < GPRS; i++)
		want.gpr[i] = random_next(&seed);
	for (i = 0; i < 16; i++) {
		want.xmm[i][0] = random_next(&seed);
		want.xmm[i][1] = random_next(&seed);
	}
	want.gpr[RSP] = (uint64_t)&play_stack[4000];
	want.flags = (random_next(&seed) & FLAGS_OURS) | 0x202;
}

/*
 * What SYSRET would put into RCX and R11 may be there by chance: who takes
 * that for the end of a system call must not forget the other one.
 */
static void look_like_a_call(unsigned int how, const void *rip)
{
	if (how & 1)
		want.gpr[RCX] = (uint64_t)rip;
	if (how & 2)
		want.gpr[R11] = want.flags;
}

static void compare_frame(const ucontext_t *frame)
{
	const greg_t *gregs = frame->uc_mcontext.gregs;
	int i;

	for (i = 0; i < GPRS; i++)
		if ((uint64_t)gregs[in_frame[i]] != want.gpr[i])
			complain("frame", names[i], gregs[in_frame[i]],
				 want.gpr[i]);
	if ((gregs[REG_EFL] ^ want.flags) & FLAGS_OURS)
		complain("frame", "flags", gregs[REG_EFL], want.flags);
	for (i = 0; i < 16; i++)
		if (memcmp(&frame->uc_mcontext.fpregs->_xmm[i], want.xmm[i],
			   16))
			complain("frame", "xmm", i, i);
}

/* All the counting registers have counted as far as one loop allows. */
static void compare_counts(const greg_t *gregs)
{
	uint64_t first = gregs[REG_RAX] - want.gpr[RAX];
	uint64_t last = first, now;
	int i;

	for (i = 1; i < GPRS; i++) {
		if (i == RSP)
			continue;
		now = gregs[in_frame[i]] - want.gpr[i];
		if (now > last || first - now > 1)
			complain("count", names[i], now, last);
		last = now;
	}
}

static void leave(ucontext_t *frame)
{
	frame->uc_mcontext.gregs[REG_RIP] = (greg_t)probe_end;
}

static void change_frame(ucontext_t *frame)
{
	uint64_t stack = want.gpr[RSP] - 64, flags = want.flags;
	int i;

	new_pattern();
	want.gpr[RSP] = stack;
	/* sigreturn() does not let anyone change ID. */
	want.flags = (want.flags & ~FLAGS_ID) | (flags & FLAGS_ID);
	look_like_a_call(seed >> 60,
			 (void *)frame->uc_mcontext.gregs[REG_RIP]);
	for (i = 0; i < GPRS; i++)
		frame->uc_mcontext.gregs[in_frame[i]] = want.gpr[i];
	frame->uc_mcontext.gregs[REG_EFL] =
		(frame->uc_mcontext.gregs[REG_EFL] & ~FLAGS_OURS) |
		want.flags;
	for (i = 0; i < 16; i++)
		memcpy(&frame->uc_mcontext.fpregs->_xmm[i], want.xmm[i], 16);
}

/* Leave nothing of ours in any register that the handler may use. */
static void scrub(void)
{
	uint64_t flags;

	/* AC would make memcpy() fault; DF must be off by the ABI. */
	__asm__ volatile("pushfq\n\tpopq %0" : "=r" (flags));
	if (flags & FLAGS_DF)
		complain("handler", "DF", flags, flags & ~FLAGS_DF);
	__asm__ volatile("pushfq\n\tandq $~0x40000, (%%rsp)\n\tpopfq"
			 : : : "cc", "memory");
	__asm__ volatile("pxor %%xmm0, %%xmm0\n\tpxor %%xmm7, %%xmm7\n\t"
			 "pxor %%xmm8, %%xmm8\n\tpxor %%xmm15, %%xmm15\n\t"
			 "xor %%ecx, %%ecx\n\txor %%r11d, %%r11d\n\t"
			 "xor %%r10d, %%r10d"
			 : : : "rcx", "r10", "r11", "xmm0", "xmm7", "xmm8",
			 "xmm15", "cc");
}

static void on_timer(int sig, siginfo_t *info, void *context)
{
	ucontext_t *frame = context;
	greg_t *gregs = frame->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	scrub();
	if (counting) {
		if ((uint64_t)gregs[REG_RIP] < (uint64_t)act_count ||
		    (uint64_t)gregs[REG_RIP] >= (uint64_t)act_count_end)
			return;
		compare_counts(gregs);
	} else {
		if (gregs[REG_RIP] != (greg_t)act_spin)
			return;
		compare_frame(frame);
		if (change_all)
			change_frame(frame);
	}
	if (++signals_seen >= signals_wanted)
		leave(frame);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *frame = context;

	(void)info;
	scrub();
	signals_seen++;
	if (frame->uc_mcontext.gregs[REG_TRAPNO] != expected_trap)
		complain("fault", "trap number",
			 frame->uc_mcontext.gregs[REG_TRAPNO], expected_trap);
	compare_frame(frame);
	if (change_all) {
		change_frame(frame);
		leave(frame);
	} else if (unlock) {
		mprotect(unlock, 4096, PROT_READ | PROT_WRITE);
	} else if (sig != SIGTRAP) {
		leave(frame);
	}
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = {
		.sa_sigaction = handler,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART,
	};

	sigfillset(&action.sa_mask);
	sigaction(sig, &action, NULL);
}

static void timer(int microseconds)
{
	struct itimerval value = {
		.it_interval.tv_usec = microseconds,
		.it_value.tv_usec = microseconds,
	};

	setitimer(ITIMER_REAL, &value, NULL);
}

/* Compare what the probe stored; bits of @except may differ. */
static void compare_end(const char *where, uint32_t except)
{
	int i;

	for (i = 0; i < GPRS; i++)
		if (!(except & (1u << i)) && got.gpr[i] != want.gpr[i])
			complain(where, names[i], got.gpr[i], want.gpr[i]);
	if ((got.flags ^ want.flags) & FLAGS_OURS)
		complain(where, "flags", got.flags, want.flags);
	for (i = 0; i < 16; i++)
		if (memcmp(got.xmm[i], want.xmm[i], 16))
			complain(where, "xmm", i, i);
}

static void begin(void)
{
	frame_errors = 0;
	signals_seen = 0;
	change_all = 0;
	counting = 0;
	unlock = NULL;
	expected_trap = -1;
}

static void verdict(const char *name)
{
	if (!ok(!frame_errors, "%s", name))
		diag("%d differences, the first: %s", frame_errors,
		     first_error);
}

static void interrupts(int rounds, const char *name)
{
	int round;

	begin();
	signals_wanted = 25;
	timer(1000);
	for (round = 0; round < rounds; round++) {
		new_pattern();
		look_like_a_call(round, act_spin);
		signals_seen = 0;
		probe(act_spin);
		compare_end("end", 0);
	}
	timer(0);
	verdict(name);
}

static void odd_stack_pointers(void)
{
	static const uint64_t odd[] = {
		0, 8, 0x1234567, 0x7fffffffffff, 0x800000000000,
		0x8000000000000000, 0xffff800000000000, 0xffffffff81000000,
		0xffffffffffffffff,
	};
	size_t i;

	begin();
	signals_wanted = 10;
	timer(1000);
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		new_pattern();
		want.gpr[RSP] = odd[i];
		signals_seen = 0;
		probe(act_spin);
		compare_end("odd stack", 0);
	}
	timer(0);
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		new_pattern();
		want.gpr[RSP] = odd[i];
		want.gpr[RAX] = 39;	/* getpid */
		probe(act_syscall);
		compare_end("odd stack in a call",
			    1u << RAX | 1u << RCX | 1u << R11);
	}
	verdict("any stack pointer will do, for interrupts and calls");
}

static void changed_by_handler(void)
{
	begin();
	signals_wanted = 200;
	change_all = 1;
	new_pattern();
	timer(1000);
	probe(act_spin);
	timer(0);
	compare_end("changed", 0);
	verdict("a timer's handler changes every register");
}

static void count_registers(void)
{
	uint64_t counted;
	int i;

	begin();
	new_pattern();
	counting = 1;
	signals_wanted = 200;
	timer(1000);
	probe(act_count);
	timer(0);
	counted = got.gpr[RAX] - want.gpr[RAX];
	diag("counted to %llu", (unsigned long long)counted);
	for (i = 1; i < GPRS; i++)
		if (i != RSP && counted - (got.gpr[i] - want.gpr[i]) > 1)
			complain("end", names[i], got.gpr[i] - want.gpr[i],
				 counted);
	verdict("fifteen registers count together over interrupts");
}

static void system_calls(void)
{
	static const uint64_t calls[] = {
		39,	/* getpid: the shortest way in and out */
		24,	/* sched_yield: through the scheduler */
		9999,	/* none: ENOSYS */
	};
	int round;

	begin();
	for (round = 0; round < 3000; round++) {
		new_pattern();
		want.gpr[RAX] = calls[round % 3];
		probe(act_syscall);
		compare_end("call", 1u << RAX | 1u << RCX | 1u << R11);
		if (got.gpr[RCX] != (uint64_t)act_syscall_end)
			complain("call", "rcx", got.gpr[RCX],
				 (uint64_t)act_syscall_end);
		if ((got.gpr[R11] ^ want.flags) & FLAGS_OURS)
			complain("call", "r11", got.gpr[R11], want.flags);
		if (round % 3 == 0 && got.gpr[RAX] != (uint64_t)getpid())
			complain("call", "rax", got.gpr[RAX], getpid());
		if (round % 3 == 2 && got.gpr[RAX] != (uint64_t)-ENOSYS)
			complain("call", "rax", got.gpr[RAX], -ENOSYS);
	}
	verdict("a system call changes rax, rcx and r11 only");
}

static void page_faults(void)
{
	const size_t pages = 1000;
	char *area = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	if (area == MAP_FAILED)
		bail_out("mmap: %m");
	begin();
	for (i = 0; i < pages; i++) {
		new_pattern();
		want.gpr[RSI] = (uint64_t)area + i * 4096;
		want.gpr[RDI] = want.gpr[RSI] + 8;
		want.gpr[R9] = 0;
		probe(i & 1 ? act_store : act_load);
		compare_end("demand fault", 0);
		if ((i & 1) && *(uint64_t *)want.gpr[RDI] != want.gpr[R8])
			complain("demand fault", "memory", i, i);
	}
	verdict("1000 page faults that the kernel serves are not seen");

	begin();
	expected_trap = 14;
	for (i = 0; i < pages; i++) {
		new_pattern();
		unlock = area + i * 4096;
		mprotect(unlock, 4096, PROT_NONE);
		want.gpr[RDI] = (uint64_t)unlock;
		probe(act_store);
		compare_end("fixed fault", 0);
	}
	if (signals_seen != (int)pages)
		complain("fixed fault", "signals", signals_seen, pages);
	verdict("1000 faults repaired by a SIGSEGV handler are not seen");

	begin();
	change_all = 1;
	expected_trap = 14;
	for (i = 0; i < pages; i++) {
		new_pattern();
		mprotect(area + i * 4096, 4096, PROT_READ);
		want.gpr[RDI] = (uint64_t)(area + i * 4096);
		probe(act_store);
		compare_end("changed fault", 0);
	}
	verdict("a SIGSEGV handler changes every register");
	munmap(area, pages * 4096);
}

static void traps(const void *action, int trap, const char *name)
{
	int round;

	begin();
	expected_trap = trap;
	for (round = 0; round < 200; round++) {
		new_pattern();
		if (action == act_divide)
			want.gpr[RBX] = 0;
		probe(action);
		compare_end(name, 0);
	}
	if (signals_seen != 200)
		complain(name, "signals", signals_seen, 200);
	if (!ok(!frame_errors, "%s keeps all registers", name))
		diag("%d differences, the first: %s", frame_errors,
		     first_error);
}

static void below_the_stack(void)
{
	size_t i, bad = 0;

	begin();
	for (i = 0; i < 4000; i++)
		play_stack[i] = i * 0x9e3779b97f4a7c15ull;
	new_pattern();
	want.gpr[RCX] = 30000000;
	probe(act_wait);
	want.gpr[RCX] = 0;
	compare_end("wait", 0);
	for (i = 0; i < 4000; i++)
		bad += play_stack[i] != i * 0x9e3779b97f4a7c15ull;
	if (bad)
		complain("wait", "words below rsp", bad, 0);
	verdict("interrupts leave alone what lies below the stack pointer");
}

int main(void)
{
	stack_t stack = {
		.ss_sp = alt_stack,
		.ss_size = sizeof(alt_stack),
	};

	sigaltstack(&stack, NULL);
	handle(SIGALRM, on_timer);
	handle(SIGSEGV, on_fault);
	handle(SIGTRAP, on_fault);
	handle(SIGILL, on_fault);
	handle(SIGFPE, on_fault);

	interrupts(8, "every register and flag survives timer signals");
	changed_by_handler();
	count_registers();
	odd_stack_pointers();
	system_calls();
	page_faults();
	traps(act_int3, 3, "int3");
	traps(act_ud2, 6, "ud2");
	traps(act_hlt, 13, "hlt");
	traps(act_divide, 0, "division by zero");
	below_the_stack();
	return finish();
}
