/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Guest that fits into a page, for programs of the Host that make a
 * machine themselves: its code in several parts, its page tables, and its
 * shared page.
 */
#ifndef EVIL_SMALL_GUEST_H
#define EVIL_SMALL_GUEST_H

#include <stdint.h>
#include <string.h>

#include <lguest/abi.h>
#include <lguest/uapi.h>

#define PAGE		4096ul
#define MEMORY		((char *)0x1000000000ul)
#define MEMORY_SIZE	(4ul << 20)
#define BUS_PAGES	2
#define KERNEL		0xffffffff80000000ul
#define USER		0x400000ul
#define GPA_ROOT	0x2000ul
#define GPA_SHARED	0x6000ul
#define GPA_CODE	0x10000ul
#define GPA_COUNT	0x20000ul	/* where one part counts */
#define GPA_TOUCHED	0x80000ul	/* ... and one touches all pages */
#define GPA_TOUCHED_END	0x200000ul

#define STRING(x)	#x
#define NUMBER(x)	STRING(x)

/* Found at KERNEL + GPA_CODE and, for its user, at USER + GPA_CODE. */
asm(".pushsection .rodata\n"
    "code:\n"
    /* An endless loop. */
    "1:	jmp 1b\n"
    /* Hypercalls with odd arguments; RBX is the seed. */
    ".balign 128\n"
    "1:	imul $0x5851f42d, %rbx, %rbx\n"
    "	add $0x14057b7f, %rbx\n"
    "	mov %rbx, %rax\n"
    "	shr $13, %rax\n"
    "	and $31, %eax\n"
    "	cmp $" NUMBER(LHCALL_IRET) ", %eax\n"
    "	je 1b\n"
    "	cmp $" NUMBER(LHCALL_SHUTDOWN) ", %eax\n"
    "	je 1b\n"
    "	cmp $" NUMBER(LHCALL_SET_CR3) ", %eax\n"
    "	je 1b\n"
    "	mov %ebx, %edi\n"
    "	shr $10, %edi\n"
    "	mov %rbx, %rsi\n"
    "	shr $24, %rsi\n"
    "	mov %rbx, %rdx\n"
    "	syscall\n"
    "	jmp 1b\n"
    /* Touch half of the memory, forget all, again. */
    ".balign 128\n"
    "1:	mov $" NUMBER(0xffffffff80080000) ", %rbx\n"
    "2:	movb %bl, (%rbx)\n"
    "	add $4096, %rbx\n"
    "	cmp $" NUMBER(0xffffffff80200000) ", %rbx\n"
    "	jb 2b\n"
    "	mov $" NUMBER(LHCALL_FLUSH_TLB) ", %eax\n"
    "	mov $1, %edi\n"
    "	syscall\n"
    "	jmp 1b\n"
    /* Introduce itself; sleep until a timer wakes it, again and again. */
    ".balign 128\n"
    "	mov $" NUMBER(LHCALL_INIT) ", %eax\n"
    "	mov $0x6000, %edi\n"
    "	syscall\n"
    "1:	mov $" NUMBER(LHCALL_SET_TIMER) ", %eax\n"
    "	mov $100000, %edi\n"
    "	syscall\n"
    "	mov $" NUMBER(LHCALL_HALT) ", %eax\n"
    "	syscall\n"
    "	jmp 1b\n"
    /* Introduce itself; a user that makes system calls. */
    ".balign 128\n"
    "	mov $" NUMBER(LHCALL_INIT) ", %eax\n"
    "	mov $0x6000, %edi\n"
    "	syscall\n"
    "	mov $" NUMBER(LHCALL_IRET) ", %eax\n"
    "	syscall\n"
    "	ud2\n"
    /* Introduce itself; faults. */
    ".balign 128\n"
    "	mov $" NUMBER(LHCALL_INIT) ", %eax\n"
    "	mov $0x6000, %edi\n"
    "	syscall\n"
    "1:	incb 0x123456\n"
    "	jmp 1b\n"
    /* Things that the Launcher is told of. */
    ".balign 128\n"
    "1:	mov $" NUMBER(LHCALL_PRINT) ", %eax\n"
    "	mov $0x10000, %edi\n"
    "	mov $16, %esi\n"
    "	syscall\n"
    "	mov $" NUMBER(LHCALL_NOTIFY) ", %eax\n"
    "	mov $1, %edi\n"
    "	mov $3, %esi\n"
    "	syscall\n"
    "	jmp 1b\n"
    /* Death. */
    ".balign 128\n"
    "	ud2\n"
    /* Where events go (1024), system calls (1088), and the user (1152). */
    ".org code + 1024\n"
    "	mov $" NUMBER(0xffffffff80006000) ", %rbp\n"
    "	movq $0, " NUMBER(LGUEST_SH_VECTOR) "(%rbp)\n"
    "	mov $" NUMBER(LHCALL_IRET) ", %eax\n"
    "	syscall\n"
    ".org code + 1088\n"
    "	mov $" NUMBER(LHCALL_IRET) ", %eax\n"
    "	syscall\n"
    ".org code + 1152\n"
    "1:	syscall\n"
    "	movb %al, 0x408000(%rbx)\n"
    "	jmp 1b\n"
    /* Count in a page of memory (1216). */
    ".org code + 1216\n"
    "1:	incq " NUMBER(0xffffffff80020000) "\n"
    "	jmp 1b\n"
    "code_end:\n"
    ".popsection\n");
extern const char code[], code_end[];
#define CODE_ENTRIES	8
#define CODE_STEP	128
#define CODE_TOUCH	(2 * CODE_STEP)
#define CODE_EVENT	1024
#define CODE_SYSCALL	1088
#define CODE_USER	1152
#define CODE_COUNT	1216


struct small_guest {
	uint64_t tables[4][512];
	struct lguest_shared shared;
};

static void build_guest(struct small_guest *g)
{
	memset(g, 0, sizeof(*g));
	g->shared = (struct lguest_shared){
		.rip = USER + GPA_CODE + CODE_USER, .cs = LGUEST_USER_CS,
		.rflags = 0x202, .rsp = USER + 0x7000,
		.version = LGUEST_ABI_VERSION,
		.event_entry = KERNEL + GPA_CODE + CODE_EVENT,
		.syscall_entry = KERNEL + GPA_CODE + CODE_SYSCALL,
	};
	g->tables[0][511] = (GPA_ROOT + PAGE) | 7;
	g->tables[0][0] = (GPA_ROOT + 2 * PAGE) | 7;
	g->tables[1][510] = (GPA_ROOT + 3 * PAGE) | 7;
	g->tables[2][0] = (GPA_ROOT + 3 * PAGE) | 7;
	g->tables[3][0] = 0x83;		/* KERNEL: 2 MB, kernel */
	g->tables[3][2] = 0x87;		/* USER: the same, user */
}

#endif
