// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Everything that a user program may not do, and what it is told then.
 *
 * Each attempt must end in the signal that Linux promises, with the
 * address, the code and the error code that belong to it; and the
 * program must go on afterwards as if nothing had happened.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "check.h"

#define PAGE 4096ul
#define LAST_PAGE 0x7fffffffe000ul	/* of a user, with 4 levels */

/* What the last attempt ended in. */
static struct {
	int sig, code, trap;
	uint64_t addr, error, rip;
} seen;

static sigjmp_buf back;
static char alt_stack[65536] __attribute__((aligned(16)));
static char *code_page;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	const greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;

	seen.sig = sig;
	seen.code = info->si_code;
	seen.addr = (uint64_t)info->si_addr;
	seen.trap = gregs[REG_TRAPNO];
	seen.error = gregs[REG_ERR];
	seen.rip = gregs[REG_RIP];
	siglongjmp(back, 1);
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *),
		   int flags)
{
	struct sigaction action = {
		.sa_sigaction = handler,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | flags,
	};

	sigemptyset(&action.sa_mask);
	sigaction(sig, &action, NULL);
}

/* Run something that should not come back; returns the signal, or 0. */
static int attempt(void (*action)(void *), void *argument)
{
	memset(&seen, 0, sizeof(seen));
	if (!sigsetjmp(back, 1))
		action(argument);
	return seen.sig;
}

static void do_read(void *p)
{
	__asm__ volatile("movb (%0), %%al" : : "r" (p) : "rax", "memory");
}

static void do_write(void *p)
{
	__asm__ volatile("movb $1, (%0)" : : "r" (p) : "memory");
}

static void do_read8(void *p)
{
	__asm__ volatile("movq (%0), %%rax" : : "r" (p) : "rax", "memory");
}

static void do_call(void *p)
{
	((void (*)(void))p)();
}

static void say_what_was_seen(const char *what)
{
	diag("%s: signal %d code %d address %#llx trap %d error %#llx rip %#llx",
	     what, seen.sig, seen.code, (unsigned long long)seen.addr,
	     seen.trap, (unsigned long long)seen.error,
	     (unsigned long long)seen.rip);
}

/* A page fault that ends in SIGSEGV, with these particulars. */
static int is_fault(void (*action)(void *), void *p, int code,
		    uint64_t error)
{
	int good;

	attempt(action, p);
	good = seen.sig == SIGSEGV && seen.code == code &&
	       seen.addr == (uint64_t)p && seen.trap == 14 &&
	       seen.error == error;
	if (!good) {
		say_what_was_seen("a fault");
		diag("expected: code %d address %p error %#llx", code, p,
		     (unsigned long long)error);
	}
	return good;
}

static char *pages(size_t count, int prot)
{
	char *p = mmap(NULL, count * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	if (p == MAP_FAILED)
		bail_out("mmap: %m");
	/* One fault shall fill one page. */
	madvise(p, count * PAGE, MADV_NOHUGEPAGE);
	return p;
}

static void ordinary_faults(void)
{
	char *p = pages(4, PROT_READ | PROT_WRITE);
	char *q;

	ok(is_fault(do_read, NULL, SEGV_MAPERR, 4) &&
	   is_fault(do_write, NULL, SEGV_MAPERR, 6),
	   "reading and writing address 0");
	p[0] = 1;
	p[PAGE] = 1;
	mprotect(p, PAGE, PROT_READ);
	ok(is_fault(do_write, p + 5, SEGV_ACCERR, 7),
	   "writing a page that is there, but read-only");
	mprotect(p + PAGE, PAGE, PROT_NONE);
	ok(is_fault(do_read, p + PAGE + 7, SEGV_ACCERR, 4) &&
	   is_fault(do_write, p + PAGE + 4095, SEGV_ACCERR, 6),
	   "reading and writing a page without permissions");
	mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE);
	ok(!attempt(do_write, p + PAGE) && p[PAGE] == 1,
	   "... which is as before when they come back");
	q = p + 2 * PAGE;
	/* Bit 0 says whether a page is there: some kernels map ahead. */
	attempt(do_call, q);
	ok(seen.sig == SIGSEGV && seen.code == SEGV_ACCERR &&
	   seen.addr == (uint64_t)q && (seen.error | 1) == 0x15,
	   "executing data that was never touched");
	*q = (char)0xc3;
	ok(is_fault(do_call, q, SEGV_ACCERR, 0x15),
	   "executing data that is there");
	mprotect(q, PAGE, PROT_READ | PROT_EXEC);
	ok(!attempt(do_call, q), "... and again when it is code");
	ok(is_fault(do_write, q, SEGV_ACCERR, 7), "writing to that code");
	mprotect(q, PAGE, PROT_READ | PROT_WRITE);
	ok(is_fault(do_call, q, SEGV_ACCERR, 0x15),
	   "executing it when it is data again");
	munmap(p + 3 * PAGE, PAGE);
	ok(is_fault(do_read, p + 3 * PAGE, SEGV_MAPERR, 4),
	   "reading what was unmapped");
	attempt(do_read8, p + 3 * PAGE - 3);
	ok(seen.sig == SIGSEGV && seen.addr == (uint64_t)p + 3 * PAGE,
	   "reading across the edge names the page that is missing");
	munmap(p, 3 * PAGE);
}

static void file_faults(void)
{
	int fd = syscall(SYS_memfd_create, "edge", 0);
	char *p;

	if (fd < 0 || ftruncate(fd, PAGE)) {
		skip("reading beyond the end of a file", "no memfd");
		return;
	}
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	attempt(do_read, p + PAGE);
	ok(seen.sig == SIGBUS && seen.code == BUS_ADRERR &&
	   seen.addr == (uint64_t)p + PAGE,
	   "reading beyond the end of a file is SIGBUS");
	p[3] = 7;
	ok(!ftruncate(fd, 0) && attempt(do_read, p) == SIGBUS,
	   "... also when the file was cut under a mapping");
	munmap(p, 2 * PAGE);
	close(fd);
}

static void long_jumps(void)
{
	char *p = pages(1, PROT_NONE);
	volatile int jumps = 0;
	int i;

	for (i = 0; i < 20000; i++)
		jumps += attempt(i & 1 ? do_read : do_write,
				 i & 2 ? p : NULL) == SIGSEGV;
	ok(jumps == 20000, "siglongjmp() out of 20000 SIGSEGV handlers");
	munmap(p, PAGE);
}

/* Four faults inside each other: each handler commits the next. */
static char *nest;
static volatile int depth, deepest;

static void on_nested(int sig, siginfo_t *info, void *context)
{
	char *page = (char *)((uint64_t)info->si_addr & ~(PAGE - 1));

	(void)sig;
	(void)context;
	if (++depth < 4)
		page[PAGE] = depth;
	if (depth > deepest)
		deepest = depth;
	mprotect(page, PAGE, PROT_READ | PROT_WRITE);
	depth--;
}

static void nested_faults(void)
{
	int i, good = 1;

	nest = pages(4, PROT_NONE);
	handle(SIGSEGV, on_nested, SA_NODEFER);
	nest[0] = 9;
	handle(SIGSEGV, on_signal, 0);
	good = nest[0] == 9 && deepest == 4;
	for (i = 1; i < 4; i++)
		good &= nest[i * PAGE] == i;
	ok(good, "handlers that fault in handlers, four deep");
	munmap(nest, 4 * PAGE);
}

static int eat_stack(int meals)
{
	volatile char here[2048];

	here[0] = 1;
	return meals ? eat_stack(meals - 1) + here[0] : 0;
}

static void do_eat(void *p)
{
	(void)p;
	eat_stack(1000000);
}

static void stack_overflow(void)
{
	struct rlimit limit = { .rlim_cur = 1 << 20, .rlim_max = 1 << 20 };
	int status = -1;
	char start = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		setrlimit(RLIMIT_STACK, &limit);
		attempt(do_eat, NULL);
		_exit(seen.sig == SIGSEGV &&
		      (uint64_t)&start - seen.addr > (900 << 10) &&
		      (uint64_t)&start - seen.addr < (1100 << 10) ? 7 : 8);
	}
	waitpid(child, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 7,
	   "a stack grows to its limit, and its overflow is caught");
}

/* ------------------------------------------------ kernel addresses */

static const uint64_t kernel_addresses[] = {
	0xffff800000000000,	/* the hole for hypervisors: slot 256 */
	0xffff800000001000, 0xffff800000004000, 0xffff800000005000,
	0xffff800000006000, 0xffff800000007000, 0xffff800000008000,
	0xffff800000010000, 0xffff808000000000,
	0xffff880000000000, 0xffff888000000000, 0xffff888001000000,
	0xffffc90000000000, 0xffffea0000000000,
	0xfffffe0000000000, 0xfffffe0000001000,
	0xffffffff80000000, 0xffffffff81000000, 0xffffffff82000000,
	0xffffffffa0000000, 0xffffffffc0000000, 0xffffffffff5f8000,
	0xfffffffffffff000, 0xfffffffffffffff8,
};

/* Canonical with 5 levels only: a page fault there, else #GP. */
static const uint64_t odd_addresses[] = {
	0x0000800000000000, 0x00008000000000ff, 0x4000000000000000,
	0x8000000000000000, 0xff00000000000000, 0xff00000000004000,
	0xffff7ffffffff000, 0xfeffffffffffffff, 0x00ffffffffffffff,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void kernel_memory(void)
{
	int reads = 0, writes = 0, calls = 0, efaults = 0, odd = 0;
	size_t i;
	int fds[2];

	for (i = 0; i < COUNT(kernel_addresses); i++) {
		void *p = (void *)kernel_addresses[i];

		reads += is_fault(do_read, p, SEGV_MAPERR, 5);
		writes += is_fault(do_write, p, SEGV_MAPERR, 7);
		calls += is_fault(do_call, p, SEGV_MAPERR, 0x15);
		__builtin_prefetch(p);
	}
	ok(reads == (int)i, "kernel addresses cannot be read");
	ok(writes == (int)i, "... nor written");
	ok(calls == (int)i, "... nor executed");

	if (pipe(fds))
		bail_out("pipe: %m");
	for (i = 0; i < COUNT(kernel_addresses); i++) {
		void *p = (void *)kernel_addresses[i];

		efaults += write(fds[1], p, 8) < 0 && errno == EFAULT;
		efaults += syscall(SYS_clock_gettime, CLOCK_MONOTONIC, p) &&
			   errno == EFAULT;
		if (write(fds[1], "12345678", 8) != 8)
			bail_out("pipe: %m");
		efaults += read(fds[0], p, 8) < 0 && errno == EFAULT;
		efaults -= read(fds[0], alt_stack, 8) != 8;
	}
	ok(efaults == 3 * (int)i, "... nor given to system calls");
	for (i = 0; i < COUNT(odd_addresses); i++) {
		void *p = (void *)odd_addresses[i];

		odd += attempt(do_read, p) == SIGSEGV;
		odd += attempt(do_write, p) == SIGSEGV;
		odd += attempt(do_call, p) == SIGSEGV;
		odd += write(fds[1], p, 8) < 0 && errno == EFAULT;
	}
	ok(odd == 4 * (int)i, "addresses that are not canonical: the same");
	close(fds[0]);
	close(fds[1]);
}

/* The kernel touches user memory for us: faults there are served. */
static void kernel_faults(void)
{
	char *p = pages(64, PROT_READ | PROT_WRITE);
	int fd = open("/dev/zero", O_RDONLY), fds[2], i, good = 1, status;
	pid_t child;

	if (fd < 0)
		bail_out("/dev/zero: %m");
	ok(read(fd, p + 100, 40 * PAGE) == (ssize_t)(40 * PAGE),
	   "read() into memory that was never touched");
	memset(p, 0x5a, 64 * PAGE);
	fflush(stdout);
	child = fork();
	if (!child) {
		good = read(fd, p + 3, 20 * PAGE) == (ssize_t)(20 * PAGE);
		for (i = 3; i < (int)(20 * PAGE); i++)
			good &= !p[i];
		_exit(good ? 5 : 6);
	}
	waitpid(child, &status, 0);
	for (i = 0; i < (int)(64 * PAGE); i++)
		good &= p[i] == 0x5a;
	ok(good && WIFEXITED(status) && WEXITSTATUS(status) == 5,
	   "read() into memory that is shared after fork()");
	mprotect(p, PAGE, PROT_READ);
	ok(read(fd, p, 8) < 0 && errno == EFAULT,
	   "read() into memory that is read-only is EFAULT");
	mprotect(p, PAGE, PROT_NONE);
	good = !pipe(fds) && write(fds[1], p, 8) < 0 && errno == EFAULT;
	ok(good, "write() from memory without permissions is EFAULT");
	munmap(p + PAGE, PAGE);
	ok(syscall(SYS_getcwd, p + PAGE, 4096) < 0 && errno == EFAULT,
	   "getcwd() into what was unmapped is EFAULT");
	close(fds[0]);
	close(fds[1]);
	close(fd);
	munmap(p, 64 * PAGE);
}

/* -------------------------------------- instructions for ring 0 only */

#define INSTRUCTION(name, ...)						\
	static void i_##name(void *p)					\
	{								\
		__asm__ volatile(__VA_ARGS__				\
				 : : "D" (p)				\
				 : "rax", "rcx", "rdx", "rbx", "rsi",	\
				   "memory", "cc");			\
	}

INSTRUCTION(hlt, "hlt")
INSTRUCTION(cli, "cli")
INSTRUCTION(sti, "sti")
INSTRUCTION(in, "mov $0x80, %%edx; in %%dx, %%al")
INSTRUCTION(out, "mov $0x80, %%edx; out %%al, %%dx")
INSTRUCTION(in_imm, "in $0x64, %%al")
INSTRUCTION(insb, "mov $0x80, %%edx; insb")
INSTRUCTION(lgdt, "lgdt (%0)")
INSTRUCTION(lidt, "lidt (%0)")
INSTRUCTION(lldt, "xor %%eax, %%eax; lldt %%ax")
INSTRUCTION(ltr, "mov $0x40, %%eax; ltr %%ax")
INSTRUCTION(read_cr0, "mov %%cr0, %%rax")
INSTRUCTION(write_cr0, "xor %%eax, %%eax; mov %%rax, %%cr0")
INSTRUCTION(read_cr2, "mov %%cr2, %%rax")
INSTRUCTION(read_cr3, "mov %%cr3, %%rax")
INSTRUCTION(write_cr3, "xor %%eax, %%eax; mov %%rax, %%cr3")
INSTRUCTION(read_cr4, "mov %%cr4, %%rax")
INSTRUCTION(write_cr4, "xor %%eax, %%eax; mov %%rax, %%cr4")
INSTRUCTION(read_cr8, "mov %%cr8, %%rax")
INSTRUCTION(read_dr7, "mov %%dr7, %%rax")
INSTRUCTION(write_dr0, "xor %%eax, %%eax; mov %%rax, %%dr0")
INSTRUCTION(write_dr7, "xor %%eax, %%eax; mov %%rax, %%dr7")
INSTRUCTION(rdmsr, "mov $0xc0000082, %%ecx; rdmsr")
INSTRUCTION(wrmsr, "mov $0xc0000082, %%ecx; wrmsr")
INSTRUCTION(rdpmc, "xor %%ecx, %%ecx; rdpmc")
INSTRUCTION(invlpg, "invlpg (%0)")
INSTRUCTION(invd, "invd")
INSTRUCTION(wbinvd, "wbinvd")
INSTRUCTION(clts, "clts")
INSTRUCTION(lmsw, "mov $1, %%eax; lmsw %%ax")
INSTRUCTION(swapgs, "swapgs")
INSTRUCTION(sysret, "lea 1f(%%rip), %%rcx; mov $0x202, %%r11d; sysretq\n1:")
INSTRUCTION(xsetbv, "xor %%ecx, %%ecx; mov $1, %%eax; xor %%edx, %%edx;"
	    "xsetbv")
INSTRUCTION(kernel_ss, "mov $0x18, %%eax; mov %%eax, %%ss")
INSTRUCTION(kernel_ds, "mov $0x18, %%eax; mov %%eax, %%ds")
INSTRUCTION(kernel_es, "mov $0x10, %%eax; mov %%eax, %%es")
INSTRUCTION(tss_fs, "mov $0x40, %%eax; mov %%eax, %%fs")
INSTRUCTION(far_gs, "mov $0xfff8, %%eax; mov %%eax, %%gs")
INSTRUCTION(null_ss, "xor %%eax, %%eax; mov %%eax, %%ss")
INSTRUCTION(lret_kernel, "push $0x10; lea 1f(%%rip), %%rax; push %%rax;"
	    "lretq\n1:")
INSTRUCTION(iret_kernel, "mov %%rsp, %%rax; push $0x18; push %%rax; pushfq;"
	    "push $0x10; lea 1f(%%rip), %%rax; push %%rax; iretq\n1:")
INSTRUCTION(ljmp_tss, "movl $0x40, 4(%0); movl $0, (%0); ljmp *(%0)")
INSTRUCTION(far_rip, "mov $0x7fff, %%eax; shl $48, %%rax; jmp *%%rax")
INSTRUCTION(far_ret, "mov $0x8000, %%eax; shl $32, %%rax; push %%rax; ret")
INSTRUCTION(far_read, "mov $0x8000, %%eax; shl $48, %%rax; mov (%%rax), %%al")
INSTRUCTION(far_push, "mov %%rsp, %%rbx; mov $0x8000, %%eax;"
	    "shl $48, %%rax; mov %%rax, %%rsp; push %%rax; mov %%rbx, %%rsp")

INSTRUCTION(ud2, "ud2")
INSTRUCTION(ud1, ".byte 0x0f, 0xb9, 0xc0")
INSTRUCTION(push_es, ".byte 0x06")
INSTRUCTION(daa, ".byte 0x27")
INSTRUCTION(aad, ".byte 0xd5, 0x0a")
INSTRUCTION(clac, ".byte 0x0f, 0x01, 0xca")
INSTRUCTION(rsm, ".byte 0x0f, 0xaa")

struct instruction {
	const char *name;
	void (*run)(void *p);
};

#define ENTRY(name) { #name, i_##name }

static const struct instruction protected_ones[] = {
	ENTRY(hlt), ENTRY(cli), ENTRY(sti), ENTRY(in), ENTRY(out),
	ENTRY(in_imm), ENTRY(insb), ENTRY(lgdt), ENTRY(lidt), ENTRY(lldt),
	ENTRY(ltr), ENTRY(read_cr0), ENTRY(write_cr0), ENTRY(read_cr2),
	ENTRY(read_cr3), ENTRY(write_cr3), ENTRY(read_cr4),
	ENTRY(write_cr4), ENTRY(read_cr8), ENTRY(read_dr7),
	ENTRY(write_dr0), ENTRY(write_dr7), ENTRY(rdmsr), ENTRY(wrmsr),
	ENTRY(rdpmc), ENTRY(invlpg), ENTRY(invd), ENTRY(wbinvd),
	ENTRY(clts), ENTRY(lmsw), ENTRY(swapgs), ENTRY(sysret),
	ENTRY(xsetbv), ENTRY(kernel_ss), ENTRY(kernel_ds),
	ENTRY(kernel_es), ENTRY(tss_fs), ENTRY(far_gs), ENTRY(null_ss),
	ENTRY(lret_kernel), ENTRY(iret_kernel), ENTRY(ljmp_tss),
	ENTRY(far_rip), ENTRY(far_ret), ENTRY(far_read),
};

static const struct instruction invalid_ones[] = {
	ENTRY(ud2), ENTRY(ud1), ENTRY(push_es), ENTRY(daa), ENTRY(aad),
	ENTRY(clac), ENTRY(rsm),
};

static uint64_t operand[4];

static void instructions(void)
{
	size_t i;
	int good = 0;

	for (i = 0; i < COUNT(protected_ones); i++) {
		attempt(protected_ones[i].run, operand);
		if (seen.sig == SIGSEGV)
			good++;
		else
			say_what_was_seen(protected_ones[i].name);
	}
	ok(good == (int)i, "%d protected instructions give SIGSEGV", (int)i);
	attempt(i_hlt, NULL);
	ok(seen.code == SI_KERNEL && seen.trap == 13 && !seen.error &&
	   !seen.addr, "... with trap 13, error 0 and no address");
	for (good = 0, i = 0; i < COUNT(invalid_ones); i++) {
		attempt(invalid_ones[i].run, operand);
		if (seen.sig == SIGILL && seen.trap == 6)
			good++;
		else
			say_what_was_seen(invalid_ones[i].name);
	}
	ok(good == (int)i, "%d invalid instructions give SIGILL", (int)i);
	attempt(i_far_push, NULL);
	ok(seen.sig == SIGBUS || seen.sig == SIGSEGV,
	   "a push through a wild stack pointer is caught");
}

static void software_interrupts(void)
{
	static const char template[] = {
		(char)0xb8, 20, 0, 0, 0,	/* mov $20, %eax */
		(char)0xcd, 0,			/* int $n */
		(char)0xc3,			/* ret */
	};
	int n, good = 0, want;

	for (n = 0; n < 256; n++) {
		if (n == 0x80)
			continue;
		memcpy(code_page, template, sizeof(template));
		code_page[6] = n;
		attempt(do_call, code_page);
		want = n == 3 ? SIGTRAP : SIGSEGV;
		if (seen.sig == want && (n == 3 || n == 4 || seen.trap == 13))
			good++;
		else
			say_what_was_seen("int");
	}
	ok(good == 255, "int $n gives SIGSEGV; int $3 gives SIGTRAP");
	code_page[6] = (char)0x80;
	attempt(do_call, code_page);
	ok(seen.sig == 0 || seen.sig == SIGSEGV,
	   "int $0x80 is a system call or SIGSEGV, and nothing else");
	code_page[0] = (char)0xf1;
	attempt(do_call, code_page);
	ok(seen.sig == SIGTRAP || seen.sig == SIGILL,
	   "icebp is SIGTRAP (or SIGILL, in an emulator)");
	attempt(do_call, memcpy(code_page, "\xcc\xc3", 2));
	ok(seen.sig == SIGTRAP && seen.trap == 3 &&
	   seen.rip == (uint64_t)code_page + 1, "int3 stops behind itself");
}

/*
 * What differs between processors and kernels is tried in a child. It may
 * end as it likes; we care that it ends, and that we are still here.
 */
static void in_a_child(const char *name, const char *code, size_t size)
{
	int status, tries;
	pid_t child;

	memcpy(code_page, code, size);
	fflush(stdout);
	child = fork();
	if (!child) {
		alarm(2);
		attempt(do_call, code_page);
		_exit(0);
	}
	for (tries = 0; tries < 1000; tries++) {
		if (waitpid(child, &status, WNOHANG) == child)
			break;
		usleep(10000);
	}
	ok(tries < 1000, "%s in a child harms nobody", name);
	if (tries == 1000) {
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
	} else {
		diag("%s: the child's status was %#x", name, status);
	}
}

static void odd_instructions(void)
{
	/* mov $20,%eax; mov %rsp,%rbp; sysenter; hlt */
	in_a_child("sysenter",
		   "\xb8\x14\0\0\0\x48\x89\xe5\x0f\x34\xf4", 11);
	/* push $0x23; push $0; lretq */
	in_a_child("a far return to 32-bit code", "\x6a\x23\x6a\0\x48\xcb", 6);
	/* mov %ss,%eax; mov %eax,%ss; syscall; hlt */
	in_a_child("mov %ss before syscall",
		   "\x8c\xd0\x8e\xd0\x0f\x05\xf4", 7);
	/* mov %ss,%eax; mov %eax,%ss; int3; hlt */
	in_a_child("mov %ss before int3", "\x8c\xd0\x8e\xd0\xcc\xf4", 6);
	/* pushfq; orl $0x44400,(%rsp); popfq; mov $39,%eax; syscall; hlt */
	in_a_child("AC, NT and DF over a system call",
		   "\x9c\x81\x0c\x24\0\x44\x04\0\x9d\xb8\x27\0\0\0\x0f\x05"
		   "\xf4", 17);
	/* pushfq; orl $0x44400,(%rsp); popfq; int3; hlt */
	in_a_child("AC, NT and DF over int3",
		   "\x9c\x81\x0c\x24\0\x44\x04\0\x9d\xcc\xf4", 11);
	/* 1: mov %rsp,%rsp; xor %eax,%eax; mov %eax,%gs; jmp 1b */
	in_a_child("loading GS for ever, until the alarm",
		   "\x48\x89\xe4\x31\xc0\x8e\xe8\xeb\xf7", 9);
	in_a_child("vmcall", "\x0f\x01\xc1\xf4", 4);
	in_a_child("vmmcall", "\x0f\x01\xd9\xf4", 4);
}

/* ----------------------------------------------- the edge of the world */

static void on_far_return(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] =
		(greg_t)info->si_value.sival_ptr;
}

static void do_far_return(void *p)
{
	siginfo_t info = {
		.si_code = SI_QUEUE,
		.si_value.sival_ptr = p,
	};

	syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &info);
}

static void edges(void)
{
	char *last = mmap((void *)LAST_PAGE, PAGE,
			  PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			  -1, 0);
	static const uint64_t far[] = {
		0x7ffffffff000, 0x800000000000, 0x8000000000000000,
		0xffff800000000000, 0xffffffff81000000, 0xfffffffffffffff0,
	};
	size_t i;
	int good = 0;

	if (last != (char *)LAST_PAGE)
		bail_out("cannot map the last page: %m");
	ok(syscall(SYS_mmap, LAST_PAGE + PAGE, PAGE, PROT_READ,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	   -1 && errno == ENOMEM,
	   "nothing can be mapped below the hole's edge");
	memcpy(last + PAGE - 7, "\xb8\x27\0\0\0\x0f\x05", 7);
	attempt(do_call, last + PAGE - 7);
	if (!ok(seen.sig == SIGSEGV && seen.addr == LAST_PAGE + PAGE &&
		seen.rip == LAST_PAGE + PAGE,
		"syscall as the last instruction of the last page"))
		say_what_was_seen("syscall");
	memset(last + PAGE - 7, 0x90, 7);
	attempt(do_call, last + PAGE - 7);
	ok(seen.sig == SIGSEGV && seen.addr == LAST_PAGE + PAGE,
	   "running over the edge of the last page");
	munmap(last, PAGE);
	handle(SIGUSR1, on_far_return, 0);
	for (i = 0; i < COUNT(far); i++) {
		good += attempt(do_far_return, (void *)far[i]) == SIGSEGV;
		if (seen.sig != SIGSEGV)
			say_what_was_seen("far return");
	}
	ok(good == (int)i, "sigreturn to where no user can be");
}

int main(void)
{
	stack_t stack = {
		.ss_sp = alt_stack,
		.ss_size = sizeof(alt_stack),
	};

	sigaltstack(&stack, NULL);
	handle(SIGSEGV, on_signal, 0);
	handle(SIGBUS, on_signal, 0);
	handle(SIGILL, on_signal, 0);
	handle(SIGTRAP, on_signal, 0);
	handle(SIGFPE, on_signal, 0);
	code_page = pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);

	ordinary_faults();
	file_faults();
	long_jumps();
	nested_faults();
	stack_overflow();
	kernel_memory();
	kernel_faults();
	instructions();
	software_interrupts();
	odd_instructions();
	edges();
	return finish();
}
