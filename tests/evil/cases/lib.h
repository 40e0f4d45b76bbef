/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The library of the hostile micro-Guests: no libc, no kernel below them.
 * One file is one case; it defines run(), which is entered after
 * LHCALL_INIT (unless the file says CASE_NO_INIT) in Guest kernel mode with
 * virtual interrupts off, and which prints TAP.
 *
 * Guest-physical memory, 32 MB of it, is seen at BASE. The image lies at
 * 2 MB; pages from 4 MB on are handed out by page(). The lower half of the
 * address space is empty at first.
 */
#ifndef EVIL_CASES_LIB_H
#define EVIL_CASES_LIB_H

#define BASE		0xffffffff80000000
#define EVENT_NONE	-1		/* attempt(): nothing happened */
#define EVENT_SYSCALL	0x1000		/* ... a system call from user */

/* where struct event keeps things, for lib.S */
#define EV_RAX		0x00
#define EV_RBX		0x08
#define EV_RCX		0x10
#define EV_RDX		0x18
#define EV_RSI		0x20
#define EV_RDI		0x28
#define EV_RBP		0x30
#define EV_R8		0x38
#define EV_R9		0x40
#define EV_R10		0x48
#define EV_R11		0x50
#define EV_R12		0x58
#define EV_R13		0x60
#define EV_R14		0x68
#define EV_R15		0x70
#define EV_RSP		0x78
#define EV_RIP		0x80
#define EV_CS		0x88
#define EV_RFLAGS	0x90
#define EV_VECTOR	0x98
#define EV_ERROR	0xa0
#define EV_CR2		0xa8
#define EV_DR6		0xb0

/* the second part of the shared page, for lib.S */
#define SHARED_VERSION		0x100
#define SHARED_EVENT_ENTRY	0x110
#define SHARED_SYSCALL_ENTRY	0x118

#ifndef __ASSEMBLER__
#include <lguest/abi.h>

typedef __u64 u64;
typedef __u32 u32;
typedef __u16 u16;
typedef __u8 u8;
typedef __s64 s64;
typedef _Bool bool;
#define true 1
#define false 0

#define PAGE		4096ull
#define MEG		(1024 * 1024ull)
#define USER		0x400000ull	/* where cases put their user */
#define HOLE		0xffff800000000000ull
#define LAST_PAGE	0x7ffffffff000ull
#define PHYS(address)	((u64)(address) - BASE)
#define VIRT(gpa)	((void *)((u64)(gpa) + BASE))

#define P		0x001ull
#define RW		0x002ull
#define US		0x004ull
#define PWT		0x008ull
#define PCD		0x010ull
#define ACCESSED	0x020ull
#define DIRTY		0x040ull
#define PS		0x080ull
#define GLOBAL		0x100ull
#define NX		(1ull << 63)
#define NOFLUSH		(1ull << 63)
#define FRAME_MASK	0x000ffffffffff000ull

#define EINVAL		22
#define EBUSY		16
#define ENOSYS		38
#define FS_BASE		0xc0000100u
#define GS_BASE		0xc0000101u
#define XCR0_AVX	7

/* What was interrupted, and why; in the order of the EV_ numbers. */
struct event {
	u64 rax, rbx, rcx, rdx, rsi, rdi, rbp;
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
	u64 rsp, rip, cs, rflags, vector, error, cr2, dr6;
};

extern struct event caught;		/* by the last attempt() */
extern u64 interrupts;			/* vectors from 0x30 on, seen */
extern volatile struct lguest_shared shared;
extern u64 root[512], kernel_pmd[512];
extern u64 memory_end;			/* RAM and device pages */
extern u64 seed;			/* "seed=N" on the command line */

/* Call a function that may not survive; the vector that ended it. */
int attempt(void (*function)(u64), u64 arg);
/* Go on at "caught"; to be used as a function of attempt(). */
void resume(u64 unused);
/* The same with a frame made of these, and the registers of "caught". */
int run_user(u64 rip, u64 rsp, u64 rflags);
int run_kernel(u64 rip, u64 rsp, u64 rflags);
/* Sees all events first: 0 ends the attempt, 1 resumes "caught". */
extern int (*event_hook)(void);
void say(const char *format, ...);	/* %u %x %s %d, all of 64 bits */
bool ok(bool good, const char *format, ...);
void finish(void) __attribute__((noreturn));
void poweroff(void) __attribute__((noreturn));
u64 option(const char *name, u64 otherwise);
u64 random(void);			/* from the seed */
void *page(void);			/* zeroed, 4 KB aligned */
void *pages(u64 count);
/* The entry of this level for an address; tables above it are made. */
u64 *entry(u64 address, int level);
void map(u64 address, u64 gpa, u64 flags);
/* An entry for the root: in its 512 GB, each 2 MB show this page table. */
u64 regions_of(const u64 *pt);
/* A page for the user at this address, with this code in it. */
void *user_code(u64 address, const void *code, u64 length);
bool same(const void *a, const void *b, u64 length);
void *memcpy(void *to, const void *from, unsigned long length);
void *memset(void *to, int byte, unsigned long length);
void introduce(void);			/* LHCALL_INIT */
void run(void);

static inline s64 call(u64 number, u64 a, u64 b, u64 c)
{
	u64 ret = number;

	asm volatile("syscall"
		     : "+a" (ret), "+D" (a), "+S" (b), "+d" (c)
		     : : "rcx", "r11", "memory");
	return ret;
}

static inline void flush(void)
{
	call(LHCALL_FLUSH_TLB, 1, 0, 0);
}

static inline u64 tsc(void)
{
	u32 low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high));
	return (u64)high << 32 | low;
}

/* A function for attempt() that is one instruction, its argument in RDI. */
#define INSN(name, text)						\
static __attribute__((unused)) void name(u64 arg)			\
{									\
	asm volatile(text : "+D" (arg) : : "rax", "rbx", "rcx", "rdx",	\
		     "rsi", "r8", "r9", "r10", "r11", "memory", "cc");	\
}

/* A piece of code for the user; ends in a system call of number 99. */
#define USER_CODE(name, text)						\
extern const char name[], name##_end[];					\
asm(".pushsection .rodata\n" #name ":\n" text "\n"			\
    "	movl $99, %eax\n	syscall\n	ud2\n"			\
    #name "_end:\n	.popsection")
#define CODE_OF(name)	name, (u64)(name##_end - name)

#endif
#endif
