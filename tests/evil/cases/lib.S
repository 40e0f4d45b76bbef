/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of the library that C cannot say: where a micro-Guest begins,
 * its first page tables, and what catches events.
 *
 * Nobody but the Guest itself touches its stack. So the entry for events
 * saves all registers in the structure "caught" before it needs one, and
 * goes on with a stack of its own.
 */
#include <lguest/abi.h>
#include "lib.h"

#define PHYS(label)	((label) - BASE)
#define SH(offset)	shared + (offset)(%rip)
#define EV(offset)	caught + (offset)(%rip)

	.section .note.lguest, "a", @note
	.balign	4
	.long	2f - 1f, 4f - 3f, LGUEST_NOTE_ENTRY
1:	.asciz	LGUEST_NOTE_NAME
2:	.balign	4
3:	.quad	LGUEST_ABI_VERSION, start, PHYS(root)
4:
	.section .note.GNU-stack, "", @progbits

	.data
	.globl	root, kernel_pmd, shared, caught
	.balign	4096
root:	.fill	511, 8, 0
	.quad	PHYS(kernel_pud) + 3
kernel_pud:
	.fill	510, 8, 0
	.quad	PHYS(kernel_pmd) + 3
	.quad	0
	/* 32 MB in large pages */
kernel_pmd:
	address = 0
	.rept	16
	.quad	address + 0x83
	address = address + 0x200000
	.endr
	.fill	496, 8, 0
shared:	.fill	4096, 1, 0
	.fill	8192, 1, 0
stack:
	.fill	4096, 1, 0
event_stack:
caught:	.fill	23, 8, 0
catching:
	.quad	0
jump_rsp:
	.quad	0

	.text
	.globl	start
start:
	leaq	stack(%rip), %rsp
	movq	%rsi, %rdi
	call	begin
	ud2

/* int attempt(void (*function)(u64), u64 arg) */
	.globl	attempt
attempt:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, jump_rsp(%rip)
	movq	$1, catching(%rip)
	movq	%rdi, %rax
	movq	%rsi, %rdi
	call	*%rax
	movq	$EVENT_NONE, %rax
attempt_ends:
	movq	$0, catching(%rip)
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret

	.macro	COPY offset, to
	movq	SH(\offset), %rax
	movq	%rax, EV(\to)
	.endm

	.macro	SAVE_REGISTERS
	movq	%rax, EV(EV_RAX)
	movq	%rbx, EV(EV_RBX)
	movq	%rcx, EV(EV_RCX)
	movq	%rdx, EV(EV_RDX)
	movq	%rsi, EV(EV_RSI)
	movq	%rdi, EV(EV_RDI)
	movq	%rbp, EV(EV_RBP)
	movq	%r8, EV(EV_R8)
	movq	%r9, EV(EV_R9)
	movq	%r10, EV(EV_R10)
	movq	%r11, EV(EV_R11)
	movq	%r12, EV(EV_R12)
	movq	%r13, EV(EV_R13)
	movq	%r14, EV(EV_R14)
	movq	%r15, EV(EV_R15)
	COPY	LGUEST_SH_RSP, EV_RSP
	COPY	LGUEST_SH_RIP, EV_RIP
	COPY	LGUEST_SH_CS, EV_CS
	COPY	LGUEST_SH_RFLAGS, EV_RFLAGS
	.endm

	.globl	event_entry, syscall_entry
event_entry:
	SAVE_REGISTERS
	COPY	LGUEST_SH_VECTOR, EV_VECTOR
	COPY	LGUEST_SH_ERROR, EV_ERROR
	COPY	LGUEST_SH_CR2, EV_CR2
	COPY	LGUEST_SH_DR6, EV_DR6
	movq	$0, SH(LGUEST_SH_VECTOR)
	movzbl	EV(EV_VECTOR), %eax
	movq	%rax, EV(EV_VECTOR)
	jmp	1f
syscall_entry:
	SAVE_REGISTERS
	movq	$EVENT_SYSCALL, EV(EV_VECTOR)
1:	leaq	event_stack(%rip), %rsp
	movq	catching(%rip), %rdi
	call	on_event
	testl	%eax, %eax
	jnz	resume
	movq	jump_rsp(%rip), %rsp
	movq	EV(EV_VECTOR), %rax
	jmp	attempt_ends

	.macro	BACK from, offset
	movq	EV(\from), %rax
	movq	%rax, SH(\offset)
	.endm

	.globl	resume
resume:
	BACK	EV_RSP, LGUEST_SH_RSP
	BACK	EV_RIP, LGUEST_SH_RIP
	BACK	EV_CS, LGUEST_SH_CS
	BACK	EV_RFLAGS, LGUEST_SH_RFLAGS
	BACK	EV_RAX, LGUEST_SH_RAX
	BACK	EV_RCX, LGUEST_SH_RCX
	BACK	EV_R11, LGUEST_SH_R11
	movq	EV(EV_RBX), %rbx
	movq	EV(EV_RDX), %rdx
	movq	EV(EV_RSI), %rsi
	movq	EV(EV_RDI), %rdi
	movq	EV(EV_RBP), %rbp
	movq	EV(EV_R8), %r8
	movq	EV(EV_R9), %r9
	movq	EV(EV_R10), %r10
	movq	EV(EV_R12), %r12
	movq	EV(EV_R13), %r13
	movq	EV(EV_R14), %r14
	movq	EV(EV_R15), %r15
	movl	$LHCALL_IRET, %eax
	syscall
	ud2

/* LHCALL_INIT, with the entries above */
	.globl	introduce
introduce:
	movq	$LGUEST_ABI_VERSION, SH(SHARED_VERSION)
	leaq	event_entry(%rip), %rax
	movq	%rax, SH(SHARED_EVENT_ENTRY)
	leaq	syscall_entry(%rip), %rax
	movq	%rax, SH(SHARED_SYSCALL_ENTRY)
	movq	$PHYS(shared), %rdi
	movl	$LHCALL_INIT, %eax
	syscall
	ret
