/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that never come to an end. The Host has to stay usable, and a
 * signal to the Launcher has to end them at once. Each says "spinning"
 * when it begins.
 */
#define EVENT_ENTRY again
#define SYSCALL_ENTRY again
#if CASE == 5
#define EVIL_USER
#endif
#include "evil.h"

begin:
	PRINT	"spinning\n"
#if CASE == 1		/* a loop with interrupts off */
again:	movq	$0, SH(LGUEST_SH_VIF)
	jmp	again
#elif CASE == 2		/* a loop without an instruction in it */
again:	jmp	again
#elif CASE == 3		/* hypercalls, as fast as they go */
again:	HCALL	LHCALL_NOP
	jmp	again
#elif CASE == 4		/* asleep, with all interrupts masked */
again:	movq	$-1, SH(LGUEST_SH_BLOCKED)
	HCALL	LHCALL_HALT
	jmp	again
#elif CASE == 5		/* system calls that come back at once */
	movq	$USER, SH(LGUEST_SH_RIP)
	movq	$LGUEST_USER_CS, SH(LGUEST_SH_CS)
	movq	$0x202, SH(LGUEST_SH_RFLAGS)
	movq	$USER, SH(LGUEST_SH_RCX)
	movq	$0x202, SH(LGUEST_SH_R11)
again:	movq	$0, SH(LGUEST_SH_VECTOR)
	HCALL	LHCALL_IRET
	ud2
	.data
	.balign	4096
user_page:
	syscall
	jmp	user_page
	.balign	4096
#elif CASE == 6		/* page faults that are never repaired */
again:	movq	$0, SH(LGUEST_SH_VECTOR)
	movq	0x1000, %rax
	ud2
#elif CASE == 7		/* a timer that is always due */
again:	movq	$0, SH(LGUEST_SH_VECTOR)
	movq	$LGUEST_VIF_ON, SH(LGUEST_SH_VIF)
	HCALL	LHCALL_SET_TIMER, $1
	HCALL	LHCALL_HALT
	jmp	again
#elif CASE == 8		/* flushes and faults in turn */
again:	movq	$0, SH(LGUEST_SH_VECTOR)
	HCALL	LHCALL_FLUSH_TLB, $1
	movb	shared(%rip), %al
	jmp	again
#elif CASE == 9		/* a new address space in every turn */
again:	movq	$0, SH(LGUEST_SH_VECTOR)
	leaq	PHYS(root), %r12
1:	incq	%r13
	movq	%r13, %rdi
	andl	$7, %edi
	orq	%r12, %rdi
	HCALL	LHCALL_SET_CR3
	jmp	1b
#elif CASE == 10	/* a single step after each instruction */
again:	movq	$0, SH(LGUEST_SH_VECTOR)
	pushfq
	orl	$0x100, (%rsp)
	popfq
	nop
	jmp	again
#elif CASE == 11	/* device notifications, as fast as they go */
again:	HCALL	LHCALL_NOTIFY, $0, $0
	HCALL	LHCALL_NOTIFY, $0, $LGUEST_NOTIFY_CONFIG
	jmp	again
#endif
