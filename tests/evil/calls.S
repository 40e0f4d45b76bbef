/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every hypercall, with arguments that it has to refuse and some that it
 * has to take. Prints TAP.
 */
#define EVIL_NO_INIT
#define EVENT_ENTRY event_unexpected
#include "evil.h"

#define EINVAL	22
#define EBUSY	16
#define ENOSYS	38
#define MSR_FS_BASE	0xc0000100
#define MSR_LSTAR	0xc0000082
#define MEMORY		0x2000000	/* what the Launcher is told */

	.macro	VERDICT name
	incl	count(%rip)
	PRINT	"ok "
	jmp	2f
1:	incl	count(%rip)
	PRINT	"not ok "
2:	movl	count(%rip), %edi
	call	print_number
	PRINT	"- \name\n"
	.endm

	/* The answer to the last call is this one. */
	.macro	IS value, name
	cmpq	$\value, %rax
	jne	1f
	VERDICT	"\name"
	.endm

	.macro	IS_NEGATIVE name
	testq	%rax, %rax
	jns	1f
	VERDICT	"\name"
	.endm

	.data
count:	.long	0
	.balign	16
fs_word:
	.quad	0x12345678

	.text
begin:
	HCALL	LHCALL_NOP
	IS	0, "a call that does nothing"

	/* The introduction */
	HCALL	LHCALL_HALT
	IS_NEGATIVE "no sleep before the introduction"
	movq	$LGUEST_ABI_VERSION, SH(LGUEST_SHARED_VERSION)
	leaq	event_unexpected(%rip), %rax
	movq	%rax, SH(LGUEST_SHARED_EVENT_ENTRY)
	movq	%rax, SH(LGUEST_SHARED_SYSCALL_ENTRY)
	HCALL	LHCALL_INIT, $(PHYS(shared) + 8)
	IS	-EINVAL, "INIT: a page that is not aligned"
	HCALL	LHCALL_INIT, $(MEMORY*4)
	IS	-EINVAL, "INIT: a page beyond the memory"
	HCALL	LHCALL_INIT, $-4096
	IS	-EINVAL, "INIT: a page at the end of all numbers"
	movq	$77, SH(LGUEST_SHARED_VERSION)
	HCALL	LHCALL_INIT, $PHYS(shared)
	IS	-EINVAL, "INIT: another version of the treaty"
	movq	$LGUEST_ABI_VERSION, SH(LGUEST_SHARED_VERSION)
	movabsq	$0x800000000000, %rax
	movq	%rax, SH(LGUEST_SHARED_EVENT_ENTRY)
	HCALL	LHCALL_INIT, $PHYS(shared)
	IS	-EINVAL, "INIT: an entry that is not canonical"
	leaq	event_unexpected(%rip), %rax
	movq	%rax, SH(LGUEST_SHARED_EVENT_ENTRY)
	HCALL	LHCALL_INIT, $PHYS(shared)
	IS	0, "INIT"
	HCALL	LHCALL_INIT, $PHYS(shared)
	IS	-EBUSY, "INIT: once is enough"

	/* Numbers */
	movq	$LHCALL_COUNT, %rax
	syscall
	IS	-ENOSYS, "a call with a number too large by one"
	movq	$-1, %rax
	syscall
	IS	-ENOSYS, "a call with the number -1"
	movabsq	$0x100000000, %rax
	syscall
	IS	-ENOSYS, "a call with the number 2^32"

	/* Printing */
	HCALL	LHCALL_PRINT, $PHYS(shared), $4097
	IS	-EINVAL, "PRINT: too long"
	HCALL	LHCALL_PRINT, $PHYS(shared), $0
	IS	-EINVAL, "PRINT: nothing"
	HCALL	LHCALL_PRINT, $PHYS(shared), $-1
	IS	-EINVAL, "PRINT: a negative length"
	HCALL	LHCALL_PRINT, $(PHYS(shared) + 4095), $2
	IS	-EINVAL, "PRINT: over the edge of a page"
	HCALL	LHCALL_PRINT, $(MEMORY*4), $1
	IS	-EINVAL, "PRINT: from beyond the memory"
	HCALL	LHCALL_PRINT, $-1, $1
	IS	-EINVAL, "PRINT: from the end of all numbers"

	/* Shutting down, not quite */
	HCALL	LHCALL_SHUTDOWN, $PHYS(empty_reason), $0
	IS	-EINVAL, "SHUTDOWN: of kind 0"
	HCALL	LHCALL_SHUTDOWN, $PHYS(empty_reason), $99
	IS	-EINVAL, "SHUTDOWN: of kind 99"

	/* Memory */
	HCALL	LHCALL_FLUSH_TLB, $0
	IS	0, "FLUSH_TLB: user"
	HCALL	LHCALL_FLUSH_TLB, $1
	IS	0, "FLUSH_TLB: everything"
	HCALL	LHCALL_FLUSH_TLB, $2
	IS	-EINVAL, "FLUSH_TLB: of kind 2"
	HCALL	LHCALL_FLUSH_TLB, $0x1001
	IS	-EINVAL, "FLUSH_TLB: half a root"
	HCALL	LHCALL_FLUSH_TLB, $0x1000
	IS	0, "FLUSH_TLB: a root that nobody has"
	HCALL	LHCALL_FLUSH_TLB, $-4096
	IS	0, "FLUSH_TLB: a root outside memory"
	HCALL	LHCALL_FLUSH_TLB, $PHYS(root)
	IS	0, "FLUSH_TLB: the root"
	HCALL	LHCALL_FLUSH_PAGE, $0x1000
	IS	0, "FLUSH_PAGE: of the user"
	leaq	shared(%rip), %rdi
	HCALL	LHCALL_FLUSH_PAGE
	IS	0, "FLUSH_PAGE: of the kernel"
	movabsq	$0xffff800000000000, %rdi
	HCALL	LHCALL_FLUSH_PAGE
	IS	0, "FLUSH_PAGE: in the hole"
	movabsq	$0x8000000000000000, %rdi
	HCALL	LHCALL_FLUSH_PAGE
	IS	0, "FLUSH_PAGE: not canonical"
	HCALL	LHCALL_SET_CR3, $PHYS(root)
	IS	0, "SET_CR3: the same again"

	/* Devices */
	HCALL	LHCALL_NOTIFY, $LGUEST_DEVICES, $0
	IS	-EINVAL, "NOTIFY: a device too many"
	HCALL	LHCALL_NOTIFY, $-1, $0
	IS	-EINVAL, "NOTIFY: device -1"
	HCALL	LHCALL_NOTIFY, $0, $LGUEST_QUEUES
	IS	-EINVAL, "NOTIFY: a queue too many"
	HCALL	LHCALL_NOTIFY, $(LGUEST_DEVICES - 1), $0
	IS	0, "NOTIFY: a device that is not there"
	HCALL	LHCALL_NOTIFY, $0, $0
	IS	0, "NOTIFY: a queue that is not ready"

	/* The processor */
	HCALL	LHCALL_SET_MSR, $MSR_LSTAR, $0x1000
	IS	-EINVAL, "SET_MSR: not for Guests"
	movabsq	$0x800000000000, %rsi
	movl	$MSR_FS_BASE, %edi
	HCALL	LHCALL_SET_MSR
	IS	-EINVAL, "SET_MSR: not canonical"
	leaq	fs_word(%rip), %rsi
	movl	$MSR_FS_BASE, %edi
	HCALL	LHCALL_SET_MSR
	IS	0, "SET_MSR: the FS base"
	movq	%fs:0, %rax
	IS	0x12345678, "... is in use"
	HCALL	LHCALL_LOAD_GS, $0
	IS	0, "LOAD_GS: no segment"
	HCALL	LHCALL_LOAD_GS, $0x40
	IS	-EINVAL, "LOAD_GS: a task"
	HCALL	LHCALL_LOAD_GS, $0x10
	IS	-EINVAL, "LOAD_GS: a segment of the kernel"
	HCALL	LHCALL_LOAD_GS, $0xffff
	IS	-EINVAL, "LOAD_GS: beyond the table"
	HCALL	LHCALL_LOAD_TLS, $0, $0, $0
	IS	0, "LOAD_TLS: none"
	movabsq	$0x0000890000000067, %rdi
	HCALL	LHCALL_LOAD_TLS, , $0, $0
	IS	-EINVAL, "LOAD_TLS: a task"
	movabsq	$0x0000ec0000100000, %rdx
	HCALL	LHCALL_LOAD_TLS, $0, $0
	IS	-EINVAL, "LOAD_TLS: a call gate"
	movabsq	$0x00cf93000000ffff, %rsi
	HCALL	LHCALL_LOAD_TLS, $0, , $0
	IS	-EINVAL, "LOAD_TLS: data of the kernel"
	HCALL	LHCALL_SET_DR, $4, $0
	IS	-EINVAL, "SET_DR: number 4"
	HCALL	LHCALL_SET_DR, $6, $0
	IS	-EINVAL, "SET_DR: number 6"
	movabsq	$0xffff800000004000, %rsi
	HCALL	LHCALL_SET_DR, $0
	IS	-EINVAL, "SET_DR: an address of the Switcher"
	movabsq	$0xffffffff81000000, %rsi
	HCALL	LHCALL_SET_DR, $1
	IS	-EINVAL, "SET_DR: an address of the kernel"
	HCALL	LHCALL_SET_DR, $0, $0x1000
	IS	0, "SET_DR: an address of the user"
	HCALL	LHCALL_SET_DR, $7, $0
	IS	0, "SET_DR: all off"

	/* Time */
	HCALL	LHCALL_SET_TIMER, $0
	IS	0, "SET_TIMER: stopped"
	movabsq	$0x7fffffffffffffff, %rdi
	HCALL	LHCALL_SET_TIMER
	IS	0, "SET_TIMER: in 292 years"
	HCALL	LHCALL_SET_TIMER, $-1
	IS	0, "SET_TIMER: in 584 years"
	HCALL	LHCALL_SET_TIMER, $0
	HCALL	LHCALL_WALLCLOCK
	movabsq	$1577836800000000000, %rbx
	cmpq	%rbx, %rax
	jb	1f
	VERDICT	"WALLCLOCK: it is later than 2020"

	call	registers
	call	tsc
	call	interrupt
	PRINT	"1.."
	movl	count(%rip), %edi
	call	print_number
	PRINT	"\n"
	POWEROFF

/* A call changes RAX, RCX and R11, and nothing else. */
registers:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	$0x1001, %rbx
	movq	$0x1002, %rdx
	movq	$0x1003, %rsi
	movq	$0x1004, %rdi
	movq	$0x1005, %rbp
	movq	$0x1006, %r8
	movq	$0x1007, %r9
	movq	$0x1008, %r10
	movq	$0x1009, %r12
	movq	$0x100a, %r13
	movq	$0x100b, %r14
	movq	$0x100c, %r15
	movq	%rbx, %xmm3
	movq	%r15, %xmm15
	movq	%rsp, saved_rsp(%rip)
	HCALL	LHCALL_NOP
	subq	saved_rsp(%rip), %rsp
	leaq	(%rbx,%rdx), %rcx
	addq	%rsi, %rcx
	addq	%rdi, %rcx
	addq	%rbp, %rcx
	addq	%r8, %rcx
	addq	%r9, %rcx
	addq	%r10, %rcx
	addq	%r12, %rcx
	addq	%r13, %rcx
	addq	%r14, %rcx
	addq	%r15, %rcx
	addq	%rsp, %rcx
	movq	saved_rsp(%rip), %rsp
	movq	%xmm3, %rax
	addq	%rax, %rcx
	movq	%xmm15, %rax
	addq	%rax, %rcx
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	/* 12 times 0x1000, 1 to 12, and twice more for SSE */
	cmpq	$(12 * 0x1000 + 78 + 0x1001 + 0x100c), %rcx
	jne	1f
	VERDICT	"a call changes RAX, RCX and R11 only"
	ret

	.data
	.balign	8
saved_rsp:
	.quad	0

	.text
/* The Host tells how fast the TSC is; the wall clock has to agree. */
tsc:
	HCALL	LHCALL_WALLCLOCK
	movq	%rax, %r12
	TSC
	movq	%rax, %r13
1:	HCALL	LHCALL_WALLCLOCK
	movq	%rax, %r14
	subq	%r12, %rax
	cmpq	$500000000, %rax
	jb	1b
	movq	%rax, %r14	/* nanoseconds */
	TSC
	subq	%r13, %rax	/* ticks */
	movl	$1000000, %ecx
	mulq	%rcx
	divq	%r14		/* ticks in a millisecond */
	movq	SH(LGUEST_SHARED_TSC_KHZ), %rcx
	subq	%rcx, %rax
	jns	2f
	negq	%rax
2:	imulq	$50, %rax	/* within 2 percent */
	cmpq	%rcx, %rax
	ja	1f
	VERDICT	"the wall clock agrees with the TSC"
	ret

/* One timer, one interrupt; then the frame leads back. */
interrupt:
	leaq	1f(%rip), %rax
	movq	%rsp, saved_rsp(%rip)
	movq	$0, SH(LGUEST_SH_VIF)
	HCALL	LHCALL_SET_TIMER, $1000000
	TSC
	movq	%rax, %r12
3:	TSC			/* not delivered while virtual IF is off */
	subq	%r12, %rax
	cmpq	$50000000, %rax
	jb	3b
	cmpq	$0, SH(LGUEST_SH_PENDING)
	je	1f
	VERDICT	"a timer makes an interrupt pending"
	ret
