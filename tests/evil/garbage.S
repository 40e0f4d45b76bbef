/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A proper note, proper page tables, and random bytes for a kernel. The
 * STUBBORN ones go on after each event, one byte further, with numbers of
 * hypercalls in RAX, until somebody ends them.
 */
#ifdef STUBBORN
#define EVENT_ENTRY persist
#define SYSCALL_ENTRY persist
#else
#define EVIL_NO_INIT
#endif
#include "evil.h"

#define LENGTH	16384

begin:
	.incbin	FILE

#ifdef STUBBORN
persist:
	leaq	stack_end(%rip), %rsp
	movq	$0, SH(LGUEST_SH_VECTOR)
	rdtsc
	leaq	begin(%rip), %rbx
	movq	SH(LGUEST_SH_RIP), %rcx
	subq	%rbx, %rcx
	incq	%rcx
	cmpq	$LENGTH, %rcx
	jb	1f
	/* It has left the garbage: back to some place in there. */
	movl	%eax, %ecx
	andl	$(LENGTH - 1), %ecx
1:	addq	%rbx, %rcx
	movq	%rcx, SH(LGUEST_SH_RIP)
	movq	$LGUEST_KERNEL_CS, SH(LGUEST_SH_CS)
	movq	$2, SH(LGUEST_SH_RFLAGS)
	movq	%rsp, SH(LGUEST_SH_RSP)
	shrl	$7, %eax
	andl	$15, %eax
	/* Another address space would be the end of it. */
	cmpl	$LHCALL_SET_CR3, %eax
	jne	2f
	xorl	%eax, %eax
2:	movq	%rax, SH(LGUEST_SH_RAX)
	leaq	shared(%rip), %rdi
	HCALL	LHCALL_IRET
	ud2
#endif
