/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every micro-Guest needs: the note that says where it begins, page
 * tables of its own, a stack, a shared page, and a few shorthands. A
 * micro-Guest defines the label "begin", which is reached with a stack
 * and, unless EVIL_NO_INIT is defined before, after LHCALL_INIT.
 *
 * Its memory, with 4-level tables of which each lies in the image:
 *
 *	0xffffffff80200000	the image, 2 MB, kernel
 *	0x400000		the page "user_page", user, with EVIL_USER
 *
 * It may define EVENT_ENTRY and SYSCALL_ENTRY, labels to be registered.
 */
#include <lguest/abi.h>

#define BASE		0xffffffff80000000
#define PHYS(label)	((label) - BASE)
#define USER		0x400000

#define PTE_P		0x001
#define PTE_RW		0x002
#define PTE_US		0x004
#define PTE_PS		0x080

#ifndef EVENT_ENTRY
#define EVENT_ENTRY	event_unexpected
#endif
#ifndef SYSCALL_ENTRY
#define SYSCALL_ENTRY	event_unexpected
#endif

/* The second part of the shared page, for which abi.h has no offsets. */
#define LGUEST_SHARED_VERSION		0x100
#define LGUEST_SHARED_EVENT_ENTRY	0x110
#define LGUEST_SHARED_SYSCALL_ENTRY	0x118
#define LGUEST_SHARED_IRET_START	0x120
#define LGUEST_SHARED_IRET_END		0x128
#define LGUEST_SHARED_TSC_KHZ		0x138

/* A word of the shared page. */
#define SH(offset)	shared + (offset)(%rip)

	.section .note.lguest, "a", @note
	.balign	4
	.long	2f - 1f, 4f - 3f, LGUEST_NOTE_ENTRY
1:	.asciz	LGUEST_NOTE_NAME
2:	.balign	4
3:	.quad	LGUEST_ABI_VERSION, start, PHYS(root)
4:

	/* Arguments that are given are loaded; the answer is in RAX. */
	.macro	HCALL number, a, b, c
	.ifnb	\c
	movq	\c, %rdx
	.endif
	.ifnb	\b
	movq	\b, %rsi
	.endif
	.ifnb	\a
	movq	\a, %rdi
	.endif
	movq	$\number, %rax
	syscall
	.endm

	.macro	PRINT text
	.section .rodata.text, "a"
	.balign	256		/* so that it lies within one page */
8:	.ascii	"\text"
9:
	.previous
	HCALL	LHCALL_PRINT, $PHYS(8b), $(9b - 8b)
	.endm

	.macro	POWEROFF
	HCALL	LHCALL_SHUTDOWN, $PHYS(empty_reason), $LGUEST_POWEROFF
	ud2
	.endm

	.data
	.balign	4096
root:	.quad	PHYS(user_pud) + (PTE_P | PTE_RW | PTE_US)
	.fill	510, 8, 0
	.quad	PHYS(kernel_pud) + (PTE_P | PTE_RW)
kernel_pud:
	.fill	510, 8, 0
	.quad	PHYS(kernel_pmd) + (PTE_P | PTE_RW)
	.quad	0
kernel_pmd:
	.quad	0
	.quad	0x200000 + (PTE_P | PTE_RW | PTE_PS)
	.fill	510, 8, 0
user_pud:
	.quad	PHYS(user_pmd) + (PTE_P | PTE_RW | PTE_US)
	.fill	511, 8, 0
user_pmd:
	.quad	0, 0
	.quad	PHYS(user_pt) + (PTE_P | PTE_RW | PTE_US)
	.fill	509, 8, 0
user_pt:
#ifdef EVIL_USER
	.quad	PHYS(user_page) + (PTE_P | PTE_RW | PTE_US)
#else
	.quad	0
#endif
	.fill	511, 8, 0
shared:
	.fill	4096, 1, 0
stack:
	.fill	4096, 1, 0
stack_end:
empty_reason:
	.asciz	""
	.balign	4096
digits:	.fill	32, 1, 0

	.text
	.globl	start
start:
	leaq	stack_end(%rip), %rsp
#ifndef EVIL_NO_INIT
	movq	$LGUEST_ABI_VERSION, SH(LGUEST_SHARED_VERSION)
	leaq	EVENT_ENTRY(%rip), %rax
	movq	%rax, SH(LGUEST_SHARED_EVENT_ENTRY)
	leaq	SYSCALL_ENTRY(%rip), %rax
	movq	%rax, SH(LGUEST_SHARED_SYSCALL_ENTRY)
	HCALL	LHCALL_INIT, $PHYS(shared)
	testq	%rax, %rax
	jz	begin
	PRINT	"Bail out! LHCALL_INIT failed\n"
	POWEROFF
#endif
	jmp	begin

event_unexpected:
	PRINT	"Bail out! an event that nobody expected: "
	movq	SH(LGUEST_SH_VECTOR), %rdi
	call	print_number
	movq	SH(LGUEST_SH_CR2), %rdi
	call	print_number
	movq	SH(LGUEST_SH_RIP), %rdi
	call	print_number
	PRINT	"\n"
	POWEROFF

/* Print RDI in decimal, and a space; destroys what a function may. */
print_number:
	pushq	%rbx
	movq	%rdi, %rax
	leaq	digits+32(%rip), %rbx
	movl	$10, %ecx
	decq	%rbx
	movb	$' ', (%rbx)
1:	xorl	%edx, %edx
	divq	%rcx
	addb	$'0', %dl
	decq	%rbx
	movb	%dl, (%rbx)
	testq	%rax, %rax
	jnz	1b
	movq	%rbx, %rdi
	movabsq	$BASE, %rax
	subq	%rax, %rdi
	leaq	digits+32(%rip), %rsi
	subq	%rbx, %rsi
	HCALL	LHCALL_PRINT
	popq	%rbx
	ret

/* Read the TSC into RAX; destroys RDX. */
	.macro	TSC
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	.endm
