/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that do something odd, once. Either the Host ends them, and says
 * why, or it tells them of an event, and they say which one it was. The
 * comment behind each CASE holds a pattern for what has to be said.
 */
#if CASE < 10
#define EVIL_NO_INIT
#endif
#if CASE == 14
#define EVENT_ENTRY double_fault
#else
#define EVENT_ENTRY event
#endif
#define SYSCALL_ENTRY event
#include "evil.h"

#define HOLE	0xffff800000000000

begin:
#if CASE == 1		/* trap 13 at 0x800000000000 */
	/* A jump to an address that is not canonical. */
	movabsq	$0x0000800000000000, %rax
	jmp	*%rax
#elif CASE == 2		/* trap 13 at 0x8000000000000000 */
	movabsq	$0x8000000000000000, %rax
	jmp	*%rax
#elif CASE == 3		/* trap 14 at 0x1000, error 0x10 */
	/* A jump to where nothing is. */
	movl	$0x1000, %eax
	jmp	*%rax
#elif CASE == 4		/* before LHCALL_INIT: trap 6 */
	ud2
#elif CASE == 5		/* before LHCALL_INIT: trap 3 */
	int3
#elif CASE == 6		/* LHCALL_IRET before LHCALL_INIT */
	HCALL	LHCALL_IRET
#elif CASE == 7		/* trap 14 .* error 0x2, address 0xffff800000004000 */
	/* A write into the Switcher. */
	movabsq	$(HOLE + 0x4000), %rax
	movq	%rax, (%rax)
#elif CASE == 8		/* trap 14 .* error 0x10, address 0xffff800000000000 */
	/* A jump into the Switcher. */
	movabsq	$HOLE, %rax
	jmp	*%rax
#elif CASE == 9		/* before LHCALL_INIT: trap 13 */
	/* Halting by the instruction, not by the call. */
	hlt
#elif CASE == 10	/* CR3 set to 0x7ffff000, outside memory */
	movl	$0x7ffff000, %edi
	HCALL	LHCALL_SET_CR3
#elif CASE == 11	/* CR3 set to 0xfffffffffffff000, outside memory */
	movq	$-4096, %rdi
	HCALL	LHCALL_SET_CR3
#elif CASE == 12	/* return to a frame with CS 0x23 */
	movq	$0x23, SH(LGUEST_SH_CS)
	HCALL	LHCALL_IRET
#elif CASE == 13	/* return to a frame with CS 0x0 */
	movq	$0, SH(LGUEST_SH_CS)
	HCALL	LHCALL_IRET
#elif CASE == 14	/* double fault: trap 6 */
	/* A second event before the first was taken: see "event". */
	ud2
#elif CASE == 15	/* page at 0x7fff0000000 mapped, outside memory */
	/* A page beyond the memory. */
	movabsq	$(0x7fff0000000 + PTE_P + PTE_RW + PTE_US), %rax
	movq	%rax, user_pt+8(%rip)
	movb	USER + 0x1000, %al
#elif CASE == 16	/* page table at 0x7fff0000000, outside memory */
	/* A page table beyond the memory. */
	movabsq	$(0x7fff0000000 + PTE_P + PTE_RW + PTE_US), %rax
	movq	%rax, user_pmd(%rip)
	movb	0x1000, %al
#elif CASE == 17	/* page at .* mapped, outside memory */
	/* A large page that begins inside and ends outside. */
	movq	$(0x7fe00000 + PTE_P + PTE_RW + PTE_US + PTE_PS), %rax
	movq	%rax, user_pmd(%rip)
	movb	0x1000, %al
#elif CASE == 18	/* event 14 error 0 */
	/*
	 * The hole's slot in our own table, with our own memory behind it.
	 * Nobody may have that.
	 */
	leaq	PHYS(user_pud), %rax
	orq	$(PTE_P | PTE_RW | PTE_US), %rax
	movq	%rax, root+256*8(%rip)
	HCALL	LHCALL_FLUSH_TLB, $1
	movabsq	$(HOLE + 0x7000), %rax
	movq	(%rax), %rax
#elif CASE == 19	/* event 13 error 0 */
	/* A return to an address that is not canonical, in kernel mode. */
	movq	$LGUEST_KERNEL_CS, SH(LGUEST_SH_CS)
	movabsq	$0x0000800000000000, %rax
	movq	%rax, SH(LGUEST_SH_RIP)
	HCALL	LHCALL_IRET
#elif CASE == 20	/* event 14 error 20 */
	/* ... and to the user. */
	movq	$LGUEST_USER_CS, SH(LGUEST_SH_CS)
	movabsq	$0xffff800000000000, %rax
	movq	%rax, SH(LGUEST_SH_RIP)
	HCALL	LHCALL_IRET
#elif CASE == 21	/* double fault: trap 14 */
	/* The entry for events is unmapped under our feet. */
	movq	$0, kernel_pmd+8(%rip)
	HCALL	LHCALL_FLUSH_TLB, $1
#elif CASE == 22	/* double fault: trap 14 */
	/* So is the page table that maps it. */
	movq	$0, root+511*8(%rip)
	HCALL	LHCALL_FLUSH_TLB, $1
#elif CASE == 23	/* double fault|event */
	/* A root that contains itself, and nothing of the kernel's. */
	leaq	PHYS(root), %rax
	orq	$(PTE_P | PTE_RW), %rax
	movq	%rax, root+511*8(%rip)
	HCALL	LHCALL_SET_CR3, $PHYS(root)
	ud2
#elif CASE == 24	/* event 13 error (66|130) */
	/* An interrupt that does not exist for us. */
	int	$8
#elif CASE == 25	/* event 13 error (18|34) */
	int	$2
#elif CASE == 26	/* event 13 error (1914|3826) */
	int	$0xef
#elif CASE == 27	/* event (6|13) */
	/* The older way to call a kernel. */
	sysenter
	ud2
#elif CASE == 28	/* event 1[34] */
	/* A far return to 32-bit code. */
	pushq	$0x23
	pushq	$USER
	lretq
#elif CASE == 29	/* event 1[34] */
	/* A far return to ring 0. */
	pushq	$0x10
	leaq	event(%rip), %rax
	pushq	%rax
	lretq
#elif CASE == 30	/* event 6 error 0 */
	/* A wild stack pointer, and then an event: nobody pushes. */
	movabsq	$HOLE, %rsp
	addq	$0x5000, %rsp
	ud2
#elif CASE == 31	/* event 1 error 0 */
	/* The single-step flag over a hypercall. */
	pushfq
	orl	$0x100, (%rsp)
	popfq
	HCALL	LHCALL_NOP
	ud2
#elif CASE == 32	/* event 13 error 64 */
	/* A segment of the processor's own. */
	movl	$0x40, %eax
	movl	%eax, %ss
#elif CASE == 33	/* event 0 error 0 */
	xorl	%ecx, %ecx
	divl	%ecx
#elif CASE == 34	/* event 13 error 0 */
	/* Somebody else's model-specific registers. */
	movl	$0xc0000082, %ecx
	movl	$0x1000, %eax
	xorl	%edx, %edx
	wrmsr
#endif
	/* Whoever gets here was not stopped. */
	PRINT	"still alive\n"
	POWEROFF

/* The first event leads to a second one. */
double_fault:
	ud2

event:
	leaq	stack_end(%rip), %rsp
	PRINT	"event "
	movq	SH(LGUEST_SH_VECTOR), %rdi
	subq	$LGUEST_EVENT_VALID, %rdi
	call	print_number
	PRINT	"error "
	movq	SH(LGUEST_SH_ERROR), %rdi
	call	print_number
	PRINT	"\n"
	POWEROFF
