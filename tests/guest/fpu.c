// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does a user program keep its floating-point and vector registers?
 *
 * A whole image of x87, SSE and, where the processor has it, AVX state is
 * loaded at once, held over signals, context switches and system calls,
 * and stored again. Not a bit of it may change.
 */
#include <cpuid.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "check.h"

/* The XSAVE area in its standard format, as far as AVX needs it. */
struct image {
	uint16_t fcw, fsw;
	uint8_t ftw, reserved1;
	uint16_t fop;
	uint64_t fip, fdp;
	uint32_t mxcsr, mxcsr_mask;
	uint8_t st[8][16];	/* 10 bytes of each count */
	uint8_t xmm[16][16];
	uint8_t reserved2[96];
	uint64_t xstate_bv, xcomp_bv;
	uint8_t reserved3[48];
	uint8_t ymm[16][16];	/* the upper halves */
	uint8_t room[4096 - 832];
} __attribute__((aligned(64)));

_Static_assert(offsetof(struct image, xmm) == 160, "the manual says so");
_Static_assert(offsetof(struct image, ymm) == 576, "the manual says so");

/* The assembly looks at these. */
uint32_t have_xsave;
volatile uint32_t go_on;

/* Load, do something in between, store. */
void hold_until_told(const struct image *in, struct image *out);
void hold_over_calls(const struct image *in, struct image *out, long call,
		     long times);
void hold_for_a_while(const struct image *in, struct image *out, long turns);
long hold_over_fork(const struct image *in, struct image *out);
void load_image(const struct image *in);

__asm__(
"	.text\n"
"	.globl hold_until_told, hold_over_calls, hold_for_a_while\n"
"	.globl hold_over_fork, load_image, hold_spin, hold_spin_end\n"
"	.macro load_all\n"
"	cmpl $0, have_xsave(%rip)\n"
"	je 1f\n"
"	mov $7, %eax\n"
"	xor %edx, %edx\n"
"	xrstor64 (%rdi)\n"
"	jmp 2f\n"
"1:	fxrstor64 (%rdi)\n"
"2:\n"
"	.endm\n"
"	.macro store_all\n"
"	cmpl $0, have_xsave(%rip)\n"
"	je 1f\n"
"	mov $7, %eax\n"
"	xor %edx, %edx\n"
"	xsave64 (%rsi)\n"
"	jmp 2f\n"
"1:	fxsave64 (%rsi)\n"
"2:\n"
"	.endm\n"
"hold_until_told:\n"
"	load_all\n"
"hold_spin:\n"
"	cmpl $0, go_on(%rip)\n"
"	je hold_spin\n"
"hold_spin_end:\n"
"	store_all\n"
"	ret\n"
"hold_over_calls:\n"
"	push %rbx\n"
"	push %r12\n"
"	mov %rdx, %rbx\n"
"	mov %rcx, %r12\n"
"	load_all\n"
"3:	mov %rbx, %rax\n"
"	syscall\n"
"	dec %r12\n"
"	jnz 3b\n"
"	store_all\n"
"	pop %r12\n"
"	pop %rbx\n"
"	ret\n"
"hold_for_a_while:\n"
"	mov %rdx, %rcx\n"
"	load_all\n"
"3:	dec %rcx\n"
"	jnz 3b\n"
"	store_all\n"
"	ret\n"
"hold_over_fork:\n"
"	load_all\n"
"	mov $57, %eax\n"
"	syscall\n"
"	mov %rax, %rcx\n"
"	store_all\n"
"	mov %rcx, %rax\n"
"	ret\n"
"load_image:\n"
"	load_all\n"
"	ret\n"
);

static int have_avx;
static uint64_t seed = 0x665075;

static void fill(void *p, size_t size)
{
	uint8_t *byte = p;

	while (size--)
		*byte++ = random_next(&seed) >> 24;
}

static void new_image(struct image *image)
{
	static const uint16_t controls[] = { 0x37f, 0x27f, 0xf7f, 0xb7f };
	static const uint32_t mxcsrs[] = { 0x1f80, 0x7f80, 0x3fa0, 0xdf81 };
	int i;

	memset(image, 0, sizeof(*image));
	image->fcw = controls[random_next(&seed) >> 62];
	image->mxcsr = mxcsrs[random_next(&seed) >> 62];
	image->fsw = (random_next(&seed) >> 61) << 11;	/* the stack's top */
	image->ftw = 0xff;				/* all in use */
	for (i = 0; i < 8; i++)
		fill(image->st[i], 10);
	fill(image->xmm, sizeof(image->xmm));
	image->xstate_bv = 3;
	if (have_avx) {
		image->xstate_bv = 7;
		fill(image->ymm, sizeof(image->ymm));
	}
}

static int same(const struct image *a, const struct image *b)
{
	int i, good = a->fcw == b->fcw && a->fsw == b->fsw &&
		      a->ftw == b->ftw && a->mxcsr == b->mxcsr &&
		      !memcmp(a->xmm, b->xmm, sizeof(a->xmm));

	for (i = 0; i < 8; i++)
		good &= !memcmp(a->st[i], b->st[i], 10);
	if (have_avx)
		good &= !memcmp(a->ymm, b->ymm, sizeof(a->ymm));
	return good;
}

static void say_difference(const struct image *a, const struct image *b)
{
	int i;

	if (a->fcw != b->fcw || a->fsw != b->fsw || a->ftw != b->ftw)
		diag("x87: control %x/%x status %x/%x tags %x/%x", a->fcw,
		     b->fcw, a->fsw, b->fsw, a->ftw, b->ftw);
	if (a->mxcsr != b->mxcsr)
		diag("MXCSR %x/%x", a->mxcsr, b->mxcsr);
	for (i = 0; i < 8; i++)
		if (memcmp(a->st[i], b->st[i], 10))
			diag("st%d differs", i);
	for (i = 0; i < 16; i++)
		if (memcmp(a->xmm[i], b->xmm[i], 16) ||
		    (have_avx && memcmp(a->ymm[i], b->ymm[i], 16)))
			diag("vector register %d differs", i);
}

static struct image in, out, other, in_frame, sane;
static volatile int frames, bad_frames, replace;
extern const char hold_spin[], hold_spin_end[];

static void on_timer(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	struct image *frame = (void *)uc->uc_mcontext.fpregs;
	const uint32_t *magic = (const uint32_t *)((char *)frame + 464);
	uint64_t rip = uc->uc_mcontext.gregs[REG_RIP];

	(void)sig;
	(void)info;
	if (rip < (uint64_t)hold_spin || rip >= (uint64_t)hold_spin_end)
		return;
	/* A frame without the extended part holds 512 bytes only. */
	memset(&in_frame, 0, sizeof(in_frame));
	memcpy(&in_frame, frame, 416);
	if (have_avx && magic[0] == 0x46505853)
		memcpy(in_frame.ymm, frame->ymm, sizeof(frame->ymm));
	if (!same(&in, &in_frame))
		bad_frames++;
	if (replace) {
		new_image(&in);
		memcpy(frame, &in, 8);
		frame->mxcsr = in.mxcsr;
		memcpy(frame->st, in.st, sizeof(in.st));
		memcpy(frame->xmm, in.xmm, sizeof(in.xmm));
		if (have_avx) {
			frame->xstate_bv |= 7;
			memcpy(frame->ymm, in.ymm, sizeof(in.ymm));
		}
	}
	if (++frames >= 30)
		go_on = 1;
	/* And now spoil everything. */
	load_image(&other);
}

static void timer(int microseconds)
{
	struct itimerval value = {
		.it_interval.tv_usec = microseconds,
		.it_value.tv_usec = microseconds,
	};

	setitimer(ITIMER_REAL, &value, NULL);
}

static void over_signals(const char *name)
{
	int round, bad = 0;

	bad_frames = 0;
	new_image(&other);
	timer(1000);
	for (round = 0; round < 5; round++) {
		new_image(&in);
		frames = 0;
		go_on = 0;
		hold_until_told(&in, &out);
		load_image(&sane);
		if (!same(&in, &out)) {
			bad++;
			say_difference(&in, &out);
		}
	}
	timer(0);
	if (!ok(!bad && !bad_frames, "%s", name))
		diag("%d frames and %d ends differ", bad_frames, bad);
}

static void over_calls(void)
{
	static const long calls[] = { SYS_getpid, SYS_sched_yield, 9999 };
	int i, bad = 0;

	for (i = 0; i < 300; i++) {
		new_image(&in);
		hold_over_calls(&in, &out, calls[i % 3], 5);
		load_image(&sane);
		bad += !same(&in, &out);
	}
	ok(!bad, "the registers survive system calls");
}

static void over_fork(void)
{
	int i, bad = 0, status;
	long child;

	fflush(stdout);
	for (i = 0; i < 20; i++) {
		new_image(&in);
		child = hold_over_fork(&in, &out);
		load_image(&sane);
		if (!child)
			_exit(same(&in, &out) ? 0 : 1);
		bad += !same(&in, &out);
		bad += waitpid(child, &status, 0) != child || status;
	}
	ok(!bad, "a child of fork() begins with them");
}

/* Many processes at once, each with its own image. */
static void over_switches(int yielding, const char *name)
{
	int i, round, bad = 0, status;
	pid_t child;

	fflush(stdout);
	for (i = 0; i < 8; i++) {
		child = fork();
		if (child)
			continue;
		seed += i * 77;
		for (round = 0; round < 40; round++) {
			new_image(&in);
			if (yielding)
				hold_over_calls(&in, &out, SYS_sched_yield,
						20);
			else
				hold_for_a_while(&in, &out, 500000);
			load_image(&sane);
			bad += !same(&in, &out);
		}
		_exit(bad ? 1 : 0);
	}
	for (i = 0; i < 8; i++)
		bad += wait(&status) < 0 || status;
	ok(!bad, "%s", name);
}

/* ------------------------------------------------------- exceptions */

static sigjmp_buf back;
static volatile int fpe_code;

static void on_fpe(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	fpe_code = info->si_code;
	siglongjmp(back, 1);
}

static void exceptions(void)
{
	static const uint16_t unmasked = 0x37b;
	static const uint32_t sse_unmasked = 0x1d80;
	volatile long zero = 0;
	double x = 1, y = 0;

	fpe_code = 0;
	if (!sigsetjmp(back, 1))
		zero = 5 / zero;
	ok(fpe_code == FPE_INTDIV, "an integer division by zero is SIGFPE");
	fpe_code = 0;
	if (!sigsetjmp(back, 1))
		__asm__ volatile("fninit; fldcw %0; fld1; fldz; fdivrp; fwait"
				 : : "m" (unmasked));
	__asm__ volatile("fninit");
	ok(fpe_code == FPE_FLTDIV, "an x87 division by zero is SIGFPE");
	fpe_code = 0;
	if (!sigsetjmp(back, 1))
		__asm__ volatile("ldmxcsr %1; divsd %2, %0"
				 : "+x" (x) : "m" (sse_unmasked), "x" (y));
	load_image(&sane);
	/* Some emulators never raise it. */
	if (fpe_code)
		ok(fpe_code == FPE_FLTDIV, "and so is one in SSE");
	else
		skip("and so is one in SSE", "not raised by this processor");
}

static void find_out(void)
{
	unsigned int a, b, c, d, xcr0 = 0, high;

	__cpuid(1, a, b, c, d);
	have_xsave = !!(c & bit_OSXSAVE);
	if (have_xsave)
		__asm__ volatile("xgetbv" : "=a" (xcr0), "=d" (high)
				 : "c" (0));
	have_avx = (c & bit_AVX) && (xcr0 & 6) == 6;
	diag("XSAVE %s, XCR0 %#x, AVX %s", have_xsave ? "yes" : "no", xcr0,
	     have_avx ? "yes" : "no");
}

int main(void)
{
	struct sigaction action = {
		.sa_sigaction = on_timer,
		.sa_flags = SA_SIGINFO,
	};

	find_out();
	sane.fcw = 0x37f;
	sane.mxcsr = 0x1f80;
	sane.xstate_bv = 3;
	sigaction(SIGALRM, &action, NULL);
	action.sa_sigaction = on_fpe;
	sigaction(SIGFPE, &action, NULL);

	if (!have_avx)
		skip("AVX registers are part of it", "no AVX here");
	else
		ok(1, "AVX registers are part of it");
	over_signals("x87, SSE and AVX registers survive signals");
	replace = 1;
	over_signals("a handler changes all of them");
	replace = 0;
	over_calls();
	over_fork();
	over_switches(1, "8 processes keep theirs, switched by sched_yield()");
	over_switches(0, "8 processes keep theirs, switched by the timer");
	exceptions();
	return finish();
}
