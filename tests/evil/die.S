/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that do something for which the Host has to end them. It says
 * why; the comment behind each CASE holds a pattern for that line, which
 * the test looks for.
 */
#define EVENT_ENTRY event
#define SYSCALL_ENTRY event
#if CASE < 10
#define EVIL_NO_INIT
#endif
#include "evil.h"

#define HOLE	0xffff800000000000

begin:
#if CASE == 1		/* trap 13 .* before LHCALL_INIT */
	/* A jump to an address that is not canonical. */
	movabsq	$0x0000800000000000, %rax
	jmp	*%rax
#elif CASE == 2		/* trap 13 .* before LHCALL_INIT */
	movabsq	$0x8000000000000000, %rax
	jmp	*%rax
#elif CASE == 3		/* trap 14 .* before LHCALL_INIT */
	/* A jump to where nothing is. */
	movl	$0x1000, %eax
	jmp	*%rax
#elif CASE == 4		/* trap 6 .* before LHCALL_INIT */
	ud2
#elif CASE == 5		/* trap 3 .* before LHCALL_INIT */
	int3
#elif CASE == 6		/* LHCALL_IRET before LHCALL_INIT */
	HCALL	LHCALL_IRET
#elif CASE == 7		/* trap 14 at .* error 0x2, address 0xffff800000004000 */
	/* A write into the Switcher. */
	movabsq	$(HOLE + 0x4000), %rax
	movq	%rax, (%rax)
#elif CASE == 8		/* trap 14 at .* address 0xffff800000000000 */
	/* A jump into the Switcher. */
	movabsq	$HOLE, %rax
	jmp	*%rax
#elif CASE == 9		/* trap 13 .* before LHCALL_INIT */
	/* Halting by the instruction, not by the call. */
	hlt
#elif CASE == 10	/* CR3 set to .* outside memory */
	movl	$0x7ffff000, %edi
	HCALL	LHCALL_SET_CR3
#elif CASE == 11	/* CR3 set to .* outside memory */
	movq	$-4096, %rdi
	HCALL	LHCALL_SET_CR3
#elif CASE == 12	/* return to a frame with CS 0x23 */
	movq	$0x23, SH(LGUEST_SH_CS)
	HCALL	LHCALL_IRET
#elif CASE == 13	/* return to a frame with CS 0 */
	movq	$0, SH(LGUEST_SH_CS)
	HCALL	LHCALL_IRET
#elif CASE == 14	/* double fault: trap 6 */
	/* A second event before the first was taken: see "event". */
	ud2
#elif CASE == 15	/* outside memory */
	/* A page beyond the memory. */
	movabsq	$(0x7fff0000000 + PTE_P + PTE_RW + PTE_US), %rax
	movq	%rax, user_pt+8(%rip)
	movb	USER + 0x1000, %al
#elif CASE == 16	/* outside memory */
	/* A page table beyond the memory. */
	movabsq	$(0x7fff0000000 + PTE_P + PTE_RW + PTE_US), %rax
	movq	%rax, user_pmd(%rip)
	movb	0x1000, %al
#elif CASE == 17	/* outside memory */
	/* A large page that begins inside and ends outside. */
	movq	$(0x7fe00000 + PTE_P + PTE_RW + PTE_US + PTE_PS), %rax
	movq	%rax, user_pmd(%rip)
	movb	0x1000, %al
#elif CASE == 18	/* trap 14 .* address 0xffff800000007000 */
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
#elif CASE == 19	/* double fault: trap 13 */
	/* A return to an address that is not canonical, in kernel mode. */
	movq	$LGUEST_KERNEL_CS, SH(LGUEST_SH_CS)
	movabsq	$0x0000800000000000, %rax
	movq	%rax, SH(LGUEST_SH_RIP)
	HCALL	LHCALL_IRET
#elif CASE == 20	/* double fault: trap 13 */
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
#elif CASE == 23	/* double fault: trap 14 */
	/* A root that contains itself, and nothing of the kernel's. */
	leaq	PHYS(root), %rax
	orq	$(PTE_P | PTE_RW), %rax
	movq	%rax, root+511*8(%rip)
	HCALL	LHCALL_SET_CR3, $PHYS(root)
	ud2
#elif CASE == 24	/* double fault: trap [0-9]+ */
	/* An interrupt that does not exist for us. */
	int	$8
#elif CASE == 25	/* double fault: trap [0-9]+ */
	int	$2
#elif CASE == 26	/* double fault: trap [0-9]+ */
	int	$0xef
#elif CASE == 27	/* double fault: trap [0-9]+ */
	/* The older way to call a kernel. */
	sysenter
	ud2
#elif CASE == 28	/* double fault: trap [0-9]+ */
	/* A far return to 32-bit code. */
	pushq	$0x23
	pushq	$USER
	lretq
#elif CASE == 29	/* double fault: trap [0-9]+ */
	/* A far return to ring 0. */
	pushq	$0x10
	leaq	event(%rip), %rax
	pushq	%rax
	lretq
#elif CASE == 30	/* double fault: trap [0-9]+ */
	/* A wild stack pointer, and then an event: nobody pushes. */
	movabsq	$HOLE, %rsp
	addq	$0x5000, %rsp
	ud2
#elif CASE == 31	/* double fault: trap [0-9]+ */
	/* The single-step flag over a hypercall. */
	pushfq
	orl	$0x100, (%rsp)
	popfq
	HCALL	LHCALL_NOP
	ud2
#elif CASE == 32	/* double fault: trap 1[34] */
	/* A segment of the processor's own. */
	movl	$0x40, %eax
	movl	%eax, %ss
#elif CASE == 33	/* double fault: trap 0 */
	xorl	%ecx, %ecx
	divl	%ecx
#elif CASE == 34	/* double fault: trap 1[34] */
	/* Somebody else's model-specific registers. */
	movl	$0xc0000082, %ecx
	movl	$0x1000, %eax
	xorl	%edx, %edx
	wrmsr
	ud2
	ud2
#endif
	/* Whoever gets here was not stopped. */
	PRINT	"still alive\n"
	POWEROFF

/* The first event leads to a second one. */
event:
	ud2
