/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long does a full exit take, there and back? Prints the shortest time
 * of 20 rounds, in ticks of the TSC, for 1000 times LHCALL_NOP, and for the
 * same loop without the call.
 */
#include "evil.h"

#define TIMES	1000
#define ROUNDS	20

	.macro	ROUND_BEGIN
	movl	$ROUNDS, %r14d
	movq	$-1, %r15
7:	TSC
	movq	%rax, %r13
	movl	$TIMES, %ebx
6:
	.endm

	.macro	ROUND_END
	decl	%ebx
	jnz	6b
	TSC
	subq	%r13, %rax
	cmpq	%r15, %rax
	cmovbq	%rax, %r15
	decl	%r14d
	jnz	7b
	.endm

begin:
	ROUND_BEGIN
	movl	$LHCALL_NOP, %eax
	syscall
	ROUND_END
	PRINT	"exit "
	movq	%r15, %rdi
	call	print_number
	ROUND_BEGIN
	movl	$LHCALL_NOP, %eax
	ROUND_END
	movq	%r15, %rdi
	call	print_number
	PRINT	"\n"
	POWEROFF
