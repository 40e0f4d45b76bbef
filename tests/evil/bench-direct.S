/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long does a system call take, from the Guest's user to the Guest's
 * kernel and back, when the kernel does nothing? Prints the shortest time
 * of 20 rounds, in ticks of the TSC, for 1000 calls; then the number of
 * instructions that the Guest itself executes in them. Under an emulator
 * where a tick is an instruction, what is left is the Switcher's.
 */
#define SYSCALL_ENTRY	from_user
#define EVIL_USER
#include "evil.h"

#define TIMES	1000
#define ROUNDS	20

/* What the user's loop and the kernel's stub execute for each call. */
#define OURS	(4 + 11)

begin:
	/* Go to the user. */
	movq	$USER, SH(LGUEST_SH_RIP)
	movq	$LGUEST_USER_CS, SH(LGUEST_SH_CS)
	movq	$0x202, SH(LGUEST_SH_RFLAGS)
	movq	$USER, SH(LGUEST_SH_RCX)
	movq	$0x202, SH(LGUEST_SH_R11)
	HCALL	LHCALL_IRET
	ud2

from_user:
	cmpl	$1, %eax
	je	1f
	movq	%rax, SH(LGUEST_SH_RAX)
	movq	SH(LGUEST_SH_RIP), %rax
	movq	%rax, SH(LGUEST_SH_RCX)
	movq	SH(LGUEST_SH_RFLAGS), %rax
	movq	%rax, SH(LGUEST_SH_R11)
	movq	$LGUEST_USER_CS, SH(LGUEST_SH_CS)
	movl	$LHCALL_IRET, %eax
	syscall
	ud2
1:	leaq	stack_end(%rip), %rsp
	PRINT	"direct "
	movq	%r15, %rdi
	call	print_number
	movl	$(OURS * TIMES), %edi
	call	print_number
	PRINT	"\n"
	POWEROFF

	.data
	.balign	4096
user_page:
	movl	$ROUNDS, %r14d
	movq	$-1, %r15
2:	TSC
	movq	%rax, %r13
	movl	$TIMES, %ebx
1:	xorl	%eax, %eax
	syscall
	decl	%ebx
	jnz	1b
	TSC
	subq	%r13, %rax
	cmpq	%r15, %rax
	cmovbq	%rax, %r15
	decl	%r14d
	jnz	2b
	movl	$1, %eax
	syscall
	ud2
	.balign	4096
