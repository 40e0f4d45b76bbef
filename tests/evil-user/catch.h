/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A catcher of signals for programs that do what they must not: attempt()
 * runs something and tells which signal ended it. The state that the
 * signal found is in "seen"; segments and vector control are set right
 * again by the kernel when it calls the handler, or by us.
 */
#ifndef EVIL_USER_CATCH_H
#define EVIL_USER_CATCH_H

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#include "check.h"

static struct {
	int sig, code, trap;
	uint64_t addr, error, rip, rflags;
	greg_t regs[NGREG];
} seen;

static sigjmp_buf catch_back;
static char catch_stack[65536] __attribute__((aligned(16)));
static void (*catch_hook)(ucontext_t *context);

static void catch_signal(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	const greg_t *regs = u->uc_mcontext.gregs;

	seen.sig = sig;
	seen.code = info->si_code;
	seen.addr = (uint64_t)info->si_addr;
	seen.trap = regs[REG_TRAPNO];
	seen.error = regs[REG_ERR];
	seen.rip = regs[REG_RIP];
	seen.rflags = regs[REG_EFL];
	memcpy(seen.regs, regs, sizeof(seen.regs));
	if (catch_hook)
		catch_hook(u);
	else
		siglongjmp(catch_back, 1);
}

__attribute__((unused))
static void catch_all(void)
{
	static const int signals[] = {
		SIGSEGV, SIGILL, SIGTRAP, SIGFPE, SIGBUS,
	};
	struct sigaction action = {
		.sa_sigaction = catch_signal,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};
	stack_t stack = {
		.ss_sp = catch_stack, .ss_size = sizeof(catch_stack),
	};

	sigemptyset(&action.sa_mask);
	sigaltstack(&stack, NULL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

/* The signal that ended it, or 0. */
__attribute__((unused))
static int attempt(void (*function)(uint64_t), uint64_t arg)
{
	memset(&seen, 0, sizeof(seen));
	if (!sigsetjmp(catch_back, 1))
		function(arg);
	return seen.sig;
}

/* What many results add up to; the same numbers give the same sum. */
__attribute__((unused))
static uint64_t digest(uint64_t sum, uint64_t value)
{
	sum ^= value;
	sum *= 0x100000001b3;
	return sum ^ sum >> 29;
}

#endif
