// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does a debugger work? Single steps are counted one by one, watchpoints
 * must hit where the watched word is written and nowhere else, and a
 * debugger's idea of the registers must be the program's.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "check.h"

#define DR(n) (offsetof(struct user, u_debugreg) + (n) * 8)
#define REG(name) offsetof(struct user, regs.name)

/* DR7 for breakpoint 0: enabled, and what it waits for. */
#define DR7_EXECUTE 0x1ul
#define DR7_WRITE8 (1ul | 1ul << 16 | 2ul << 18)
#define DR7_ACCESS8 (1ul | 3ul << 16 | 2ul << 18)
#define DR7_WRITE1 (1ul | 1ul << 16)

void sequence(void *fresh_page);
extern const char seq_begin[], seq_call[], seq_after_call[], seq_touch[];
extern const char seq_end[];

/* 100 nops, a call, a fault, a branch, 8 times round a loop. */
#define SEQUENCE_STEPS (100 + 2 + 1 + 1 + 2 + 2 * 8 + 2)

__asm__(
"	.text\n"
"	.globl sequence, seq_begin, seq_call, seq_after_call, seq_touch\n"
"	.globl seq_end\n"
"sequence:\n"
"	int3\n"
"seq_begin:\n"
"	.rept 100\n"
"	nop\n"
"	.endr\n"
"	mov $39, %eax\n"
"seq_call:\n"
"	syscall\n"
"seq_after_call:\n"
"	nop\n"
"seq_touch:\n"
"	movb $1, (%rdi)\n"
"	mov $8, %ecx\n"
"	jmp 1f\n"
"	ud2\n"
"1:	dec %ecx\n"
"	jnz 1b\n"
"	pushfq\n"
"	popq %rax\n"
"seq_end:\n"
"	int3\n"
"	ret\n"
);

static volatile uint64_t watched[4] __attribute__((aligned(64)));

static long peek_user(pid_t child, size_t where)
{
	errno = 0;
	return ptrace(PTRACE_PEEKUSER, child, where, NULL);
}

static long poke_user(pid_t child, size_t where, uint64_t value)
{
	return ptrace(PTRACE_POKEUSER, child, where, value);
}

/* A child that runs @work under our eyes; stopped before it starts. */
static pid_t traced_child(void (*work)(void))
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child < 0)
		bail_out("fork: %m");
	if (!child) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		work();
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
		bail_out("the child did not stop");
	return child;
}

/* Let it go on; returns the signal it stopped with, 0 when it ended. */
static int go(pid_t child, int how, int sig)
{
	int status;

	ptrace(how, child, NULL, (long)sig);
	if (waitpid(child, &status, 0) != child)
		return -1;
	return WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
}

static void reap(pid_t child)
{
	int status;

	kill(child, SIGKILL);
	waitpid(child, &status, 0);
}

static void run_sequence(void)
{
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	sequence(page);
	_exit(*page == 1 ? 33 : 34);
}

static void single_steps(void)
{
	pid_t child = traced_child(run_sequence);
	struct user_regs_struct regs;
	uint64_t previous = 0;
	int steps = 0, after_call = 0, backwards = 0, status;

	if (go(child, PTRACE_CONT, 0) != SIGTRAP)
		bail_out("no SIGTRAP from the first int3");
	ok(peek_user(child, REG(rip)) == (long)seq_begin,
	   "the first breakpoint stops behind itself");
	while (steps < 1000) {
		if (peek_user(child, REG(rip)) == (long)seq_end)
			break;
		if (go(child, PTRACE_SINGLESTEP, 0) != SIGTRAP)
			break;
		steps++;
		ptrace(PTRACE_GETREGS, child, NULL, &regs);
		if (regs.rip == (uint64_t)seq_after_call) {
			after_call++;
			if (regs.rax != (uint64_t)child)
				backwards++;
		}
		if (regs.rip == previous)
			backwards++;
		previous = regs.rip;
	}
	if (!ok(steps == SEQUENCE_STEPS,
		"%d instructions take %d single steps", SEQUENCE_STEPS,
		SEQUENCE_STEPS))
		diag("it took %d", steps);
	ok(after_call == 1, "one of them over a system call");
	ok(!backwards, "and each of them moves on");
	ok(peek_user(child, DR(6)) & 0x4000, "DR6 says: a single step");
	go(child, PTRACE_CONT, 0);
	ptrace(PTRACE_CONT, child, NULL, NULL);
	waitpid(child, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 33,
	   "the program ends as if it had been alone");
}

/* --------------------------------------------- a program steps itself */

static volatile int self_steps;
static volatile uint64_t self_last;

static void on_self_step(int sig, siginfo_t *info, void *context)
{
	greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	self_steps++;
	self_last = gregs[REG_RIP];
	if (self_steps > 500)
		gregs[REG_EFL] &= ~0x100ull;
}

static void step_myself(void)
{
	struct sigaction action = {
		.sa_sigaction = on_self_step,
		.sa_flags = SA_SIGINFO,
	};

	sigaction(SIGTRAP, &action, NULL);
	/* One trap for each instruction after popfq, to the last popfq. */
	__asm__ volatile(
		"pushfq; orl $0x100, (%%rsp); popfq\n\t"
		"nop; nop; nop; nop; nop; nop; nop; nop; nop; nop\n\t"
		"pushfq; andl $~0x100, (%%rsp); popfq"
		: : : "cc", "memory");
	if (!ok(self_steps == 13, "a program that steps itself: 13 traps"))
		diag("%d traps", self_steps);
	self_steps = 0;
	__asm__ volatile(
		"pushfq; orl $0x100, (%%rsp); popfq\n\t"
		"mov $39, %%eax; syscall; nop; nop; nop\n\t"
		"pushfq; andl $~0x100, (%%rsp); popfq"
		: : : "rax", "rcx", "r11", "cc", "memory");
	/* Processors differ in whether SYSCALL itself is seen. */
	ok(self_steps == 7 || self_steps == 8,
	   "... over a system call: 7 or 8 traps");
	diag("over a system call: %d traps", self_steps);
	signal(SIGTRAP, SIG_DFL);
}

/* ------------------------------------------------------- watchpoints */

static void write_watched(void)
{
	int fds[2], i;

	watched[1] = 1;				/* beside it */
	watched[0] = 2;				/* hit 1 */
	for (i = 0; i < 100; i++)
		watched[2] = watched[0];	/* only reads it */
	*(volatile char *)&watched[0] = 3;	/* hit 2 */
	sched_yield();
	watched[0]++;				/* hit 3 */
	if (pipe(fds) || write(fds[1], "12345678", 8) != 8)
		_exit(1);
	raise(SIGUSR1);
	if (read(fds[0], (void *)watched, 8) != 8)
		_exit(2);
	raise(SIGUSR2);
	watched[0] = 4;				/* hit 4 */
	_exit(watched[0] == 4 ? 44 : 45);
}

static void watch_writes(void)
{
	pid_t child = traced_child(write_watched);
	int hits = 0, values = 1, kernel_hits = 0, sig, status, in_read = 0;
	static const uint64_t expected[] = { 2, 3, 4 };

	ok(!poke_user(child, DR(0), (uint64_t)watched) &&
	   !poke_user(child, DR(7), DR7_WRITE8),
	   "setting a watchpoint of 8 bytes");
	ok(peek_user(child, DR(0)) == (long)watched,
	   "... whose address reads back");
	for (;;) {
		sig = go(child, PTRACE_CONT, 0);
		if (sig == SIGUSR1) {
			in_read = 1;
			poke_user(child, DR(6), 0);
			continue;
		}
		if (sig == SIGUSR2) {
			diag("DR6 after a read() into it: %#lx",
			     peek_user(child, DR(6)));
			in_read = 0;
			continue;
		}
		if (sig != SIGTRAP)
			break;
		if (in_read) {
			kernel_hits++;
			continue;
		}
		if (!(peek_user(child, DR(6)) & 1))
			values = 0;
		poke_user(child, DR(6), 0);
		if (hits < 3 &&
		    (uint64_t)ptrace(PTRACE_PEEKDATA, child, watched, NULL) !=
		    expected[hits])
			values = 0;
		hits++;
	}
	if (!ok(hits == 4, "it is hit by 4 writes, and by nothing else"))
		diag("%d hits, last signal %d", hits, sig);
	ok(values, "each stop comes right behind the write");
	diag("a read() into it made %d stops", kernel_hits);
	ok(sig == 0, "the program goes on to its end");
	if (sig)
		reap(child);

	child = traced_child(write_watched);
	poke_user(child, DR(0), (uint64_t)watched);
	poke_user(child, DR(7), DR7_WRITE8);
	poke_user(child, DR(7), 0);
	go(child, PTRACE_CONT, 0);
	go(child, PTRACE_CONT, 0);
	ptrace(PTRACE_CONT, child, NULL, NULL);
	waitpid(child, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 44,
	   "a watchpoint that was taken back stops nobody");
}

static void touch_bytes(void)
{
	volatile char *bytes = (volatile char *)watched;
	int i;

	for (i = 0; i < 16; i++)
		bytes[i] = i;
	raise(SIGUSR1);
	i = bytes[2];
	_exit(i);
}

static void watch_one_byte(void)
{
	pid_t child = traced_child(touch_bytes);
	int sig;

	poke_user(child, DR(0), (uint64_t)watched + 5);
	poke_user(child, DR(7), DR7_WRITE1);
	sig = go(child, PTRACE_CONT, 0);
	ok(sig == SIGTRAP &&
	   (ptrace(PTRACE_PEEKDATA, child, watched, NULL) & 0xff0000000000) ==
	   0x050000000000, "a watchpoint of one byte");
	sig = go(child, PTRACE_CONT, 0);
	ok(sig == SIGUSR1, "... is not hit by its neighbours");
	poke_user(child, DR(0), (uint64_t)watched);
	poke_user(child, DR(7), DR7_ACCESS8);
	sig = go(child, PTRACE_CONT, 0);
	ok(sig == SIGTRAP, "a watchpoint for reads is hit by a read");
	reap(child);
}

static void break_on_execution(void)
{
	pid_t child = traced_child(run_sequence);
	int sig;

	poke_user(child, DR(0), (uint64_t)seq_touch);
	poke_user(child, DR(7), DR7_EXECUTE);
	go(child, PTRACE_CONT, 0);
	sig = go(child, PTRACE_CONT, 0);
	ok(sig == SIGTRAP && peek_user(child, REG(rip)) == (long)seq_touch,
	   "a breakpoint on execution stops before its instruction");
	sig = go(child, PTRACE_CONT, 0);
	ok(sig == SIGTRAP && peek_user(child, REG(rip)) == (long)seq_end + 1,
	   "... and goes on behind it");
	reap(child);
}

/* Two children with different watchpoints must not get each other's. */
static void spin_and_write(void)
{
	int i;

	for (i = 0; i < 40; i++) {
		watched[1] = i;
		sched_yield();
		usleep(1000);
	}
	watched[0] = 1;
	_exit(0);
}

static void watch_two_children(void)
{
	pid_t a = traced_child(spin_and_write);
	pid_t b = traced_child(spin_and_write);
	int status, n, hits_a = 0, hits_b = 0, ended = 0;
	pid_t who;

	poke_user(a, DR(0), (uint64_t)&watched[0]);
	poke_user(a, DR(7), DR7_WRITE8);
	poke_user(b, DR(0), (uint64_t)&watched[1]);
	poke_user(b, DR(7), DR7_WRITE8);
	ptrace(PTRACE_CONT, a, NULL, NULL);
	ptrace(PTRACE_CONT, b, NULL, NULL);
	for (n = 0; n < 200 && ended < 2; n++) {
		who = waitpid(-1, &status, 0);
		if (who < 0)
			break;
		if (!WIFSTOPPED(status)) {
			ended++;
			continue;
		}
		if (WSTOPSIG(status) == SIGTRAP)
			*(who == a ? &hits_a : &hits_b) += 1;
		ptrace(PTRACE_CONT, who, NULL, NULL);
	}
	if (!ok(ended == 2 && hits_a == 1 && hits_b == 40,
		"two children with a watchpoint each: 1 and 40 hits"))
		diag("%d and %d hits, %d ended", hits_a, hits_b, ended);
}

static void refused_addresses(void)
{
	pid_t child = traced_child(spin_and_write);
	static const uint64_t bad[] = {
		0xffff800000000000, 0xffffffff81000000, 0xfffffe0000000000,
		0xffff888000000000,
	};
	size_t i, refused = 0;

	/* Linux takes the address while DR7 is off, or refuses at once. */
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		refused += poke_user(child, DR(0), bad[i]) ||
			   poke_user(child, DR(7), DR7_WRITE8);
		poke_user(child, DR(7), 0);
	}
	ok(refused == i, "kernel addresses cannot be watched");
	reap(child);
}

/* ------------------------------------------------ registers from afar */

static void spin(void)
{
	for (;;)
		__asm__ volatile("pause");
}

static void foreign_registers(void)
{
	pid_t child = traced_child(run_sequence);
	struct user_regs_struct regs, back;
	int sig;

	go(child, PTRACE_CONT, 0);
	ptrace(PTRACE_GETREGS, child, NULL, &regs);
	/* Not rax: the kernel may think of restarting a call. */
	regs.rbx = 0x1111111111111111;
	regs.rcx = 0x2222222222222222;
	regs.r11 = 0x3333333333333333;
	regs.r15 = 0x4444444444444444;
	regs.rdx = 0x5555555555555555;
	ptrace(PTRACE_SETREGS, child, NULL, &regs);
	go(child, PTRACE_SINGLESTEP, 0);
	ptrace(PTRACE_GETREGS, child, NULL, &back);
	ok(back.rbx == regs.rbx && back.rcx == regs.rcx &&
	   back.r11 == regs.r11 && back.r15 == regs.r15 &&
	   back.rdx == regs.rdx && back.rip == regs.rip + 1,
	   "a debugger changes registers, rcx and r11 among them");
	reap(child);

	child = traced_child(spin);
	poke_user(child, REG(rip), 0x800000000000);
	sig = go(child, PTRACE_CONT, 0);
	ok(sig == SIGSEGV, "a debugger sends it beyond the edge: SIGSEGV");
	poke_user(child, REG(rip), 0xffffffff81000000);
	sig = go(child, PTRACE_CONT, 0);
	ok(sig == SIGSEGV, "... and into the kernel: SIGSEGV");
	ok(poke_user(child, REG(cs), 0x10), "CS of the kernel is refused");
	poke_user(child, REG(eflags), 0x3202 | 1ul << 17 | 1ul << 19);
	ok(!(peek_user(child, REG(eflags)) & (0x3000 | 1 << 17 | 1 << 19)),
	   "IOPL and VM and VIF do not go into its flags");
	reap(child);
}

static void system_call_stops(void)
{
	pid_t child = traced_child(run_sequence);
	int entered = 0, left = 0, in = 0, sig, i;

	ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD);
	for (i = 0; i < 50; i++) {
		sig = go(child, PTRACE_SYSCALL, 0);
		if (!sig)
			break;
		if (sig != (SIGTRAP | 0x80))
			continue;
		in = !in;
		if (peek_user(child, REG(orig_rax)) != SYS_getpid)
			continue;
		if (in) {
			entered++;
			poke_user(child, REG(orig_rax), SYS_getppid);
		} else {
			left += peek_user(child, REG(rax)) == getpid();
			poke_user(child, REG(rax), 1);
		}
		/* It is getppid now, and is not found again at its end. */
		if (in && go(child, PTRACE_SYSCALL, 0) ==
		    (SIGTRAP | 0x80)) {
			in = 0;
			left += peek_user(child, REG(rax)) == getpid();
		}
	}
	ok(entered == 1 && left == 1,
	   "a debugger turns getpid() into getppid()");
}

static void patch_code(void)
{
	pid_t child = traced_child(run_sequence);
	long old = ptrace(PTRACE_PEEKTEXT, child, seq_touch, NULL);
	long here = *(const long *)seq_touch;
	int sig;

	ptrace(PTRACE_POKETEXT, child, seq_touch, (old & ~0xffl) | 0xcc);
	go(child, PTRACE_CONT, 0);
	sig = go(child, PTRACE_CONT, 0);
	ok(sig == SIGTRAP && peek_user(child, REG(rip)) == (long)seq_touch + 1,
	   "a breakpoint written into code that is read-only");
	ok(*(const long *)seq_touch == here && here == old,
	   "... of the child, not ours");
	ptrace(PTRACE_POKETEXT, child, seq_touch, old);
	poke_user(child, REG(rip), (uint64_t)seq_touch);
	sig = go(child, PTRACE_CONT, 0);
	ok(sig == SIGTRAP && peek_user(child, REG(rip)) == (long)seq_end + 1,
	   "... and taken out again");
	reap(child);
}

static void foreign_sse(void)
{
	pid_t child = traced_child(run_sequence);
	struct user_fpregs_struct fp, back;

	go(child, PTRACE_CONT, 0);
	ptrace(PTRACE_GETFPREGS, child, NULL, &fp);
	memset(fp.xmm_space, 0xa7, sizeof(fp.xmm_space));
	ptrace(PTRACE_SETFPREGS, child, NULL, &fp);
	go(child, PTRACE_SINGLESTEP, 0);
	ptrace(PTRACE_GETFPREGS, child, NULL, &back);
	ok(!memcmp(fp.xmm_space, back.xmm_space, sizeof(fp.xmm_space)),
	   "a debugger changes SSE registers");
	reap(child);
}

int main(void)
{
	single_steps();
	step_myself();
	watch_writes();
	watch_one_byte();
	break_on_execution();
	watch_two_children();
	refused_addresses();
	foreign_registers();
	system_call_stops();
	patch_code();
	foreign_sse();
	return finish();
}
