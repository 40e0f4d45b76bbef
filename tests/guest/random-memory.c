// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *	random-memory [OPERATIONS [SEED]]
 *
 * Random mmap, munmap, mprotect, mremap, madvise, fork, reads, writes and
 * jumps in an arena of 512 pages, and a model that knows what each of them
 * must lead to: every byte that is read must be what was written last, and
 * what is not allowed must fault, at its address and nowhere else.
 *
 * While it runs it is food for a hypervisor's audit: all that can happen
 * to a page table happens to these.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define PAGE 4096ul
#define ZONES 8
#define ZONE_PAGES 64
#define PAGES (ZONES * ZONE_PAGES)
#define CHILD_OPERATIONS 40

/* Zones that share page tables of each level, and that cross them. */
static const uint64_t zones[ZONES] = {
	0x100000000000, 0x100000040000,		/* neighbours */
	0x100000200000 - 32 * PAGE,		/* crosses a page table */
	0x100040000000 - 32 * PAGE,		/* ... a page directory */
	0x108000000000 - 32 * PAGE,		/* ... and one more */
	0x110000000000, 0x200000000000, 0x300000000000,
};

/* What the model knows of a page. */
static struct {
	uint8_t mapped, prot;
	uint64_t value;		/* 0, or what was written */
} model[PAGES];

enum outcome { DONE, FAULT_HERE, FAULT_ELSEWHERE };

static uint64_t seed = 1;
static sigjmp_buf back;
static volatile uint64_t fault_address;
static long differences, faults, forks, operations;
static int pipe_fds[2];

static char *address(int n)
{
	return (char *)zones[n / ZONE_PAGES] + n % ZONE_PAGES * PAGE;
}

static void on_segv(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	fault_address = (uint64_t)info->si_addr;
	siglongjmp(back, 1);
}

static unsigned int choose(unsigned int n)
{
	return (random_next(&seed) >> 33) % n;
}

static void differs(const char *what, int n, uint64_t is, uint64_t should)
{
	if (differences++ < 10)
		diag("operation %ld, %s, page %d at %p (%s, prot %d): %#llx, should be %#llx",
		     operations, what, n, (void *)address(n),
		     model[n].mapped ? "mapped" : "not mapped", model[n].prot,
		     (unsigned long long)is, (unsigned long long)should);
}

/* An access that may fault, and what came of it. */
static enum outcome outcome_of_fault(char *p)
{
	faults++;
	return fault_address == (uint64_t)p ? FAULT_HERE : FAULT_ELSEWHERE;
}

static enum outcome try_read(char *p, uint64_t *value)
{
	if (sigsetjmp(back, 0))
		return outcome_of_fault(p);
	*value = *(volatile uint64_t *)p;
	return DONE;
}

static enum outcome try_write(char *p, uint64_t value)
{
	if (sigsetjmp(back, 0))
		return outcome_of_fault(p);
	*(volatile uint64_t *)p = value;
	return DONE;
}

static enum outcome try_call(char *p)
{
	if (sigsetjmp(back, 0))
		return outcome_of_fault(p);
	((void (*)(void))p)();
	return DONE;
}

static int allowed(int n, int prot)
{
	return model[n].mapped && (model[n].prot & prot);
}

static void check_word(int n, char *p)
{
	enum outcome outcome;
	uint64_t value = 0;

	outcome = try_read(p, &value);
	if (!allowed(n, PROT_READ)) {
		if (outcome != FAULT_HERE)
			differs("a read that must fault", n, outcome,
				FAULT_HERE);
	} else if (outcome != DONE) {
		differs("a read faulted", n, fault_address, 0);
	} else if (value != model[n].value) {
		differs("a read", n, value, model[n].value);
	}
}

/* The first and the last word of a page are written, and are the same. */
static void op_read(int n)
{
	check_word(n, address(n) + (choose(2) ? 0 : PAGE - 8));
}

static void op_write(int n)
{
	/* Its lowest byte is a RET, for op_call(). */
	uint64_t value = random_next(&seed) << 8 | 0xc3;
	enum outcome outcome = try_write(address(n), value);

	if (!allowed(n, PROT_WRITE)) {
		if (outcome != FAULT_HERE)
			differs("a write that must fault", n, outcome,
				FAULT_HERE);
		return;
	}
	if (outcome != DONE) {
		differs("a write faulted", n, fault_address, 0);
		return;
	}
	if (try_write(address(n) + PAGE - 8, value) != DONE)
		differs("a second write faulted", n, fault_address, 0);
	model[n].value = value;
}

static void op_call(int n)
{
	enum outcome outcome;

	/* Without a RET there, we would never come back. */
	if (allowed(n, PROT_EXEC) && !model[n].value)
		return;
	outcome = try_call(address(n));
	if (outcome != (allowed(n, PROT_EXEC) ? DONE : FAULT_HERE))
		differs("a call", n, outcome, allowed(n, PROT_EXEC));
}

/* How many pages from @n on, at most @most, are of the same zone. */
static int stretch(int n, int most)
{
	int end = (n / ZONE_PAGES + 1) * ZONE_PAGES;
	int count = 1 + choose(most);

	return n + count > end ? end - n : count;
}

/* ... and mapped as well. */
static int mapped_stretch(int n, int most)
{
	int i, count = stretch(n, most);

	for (i = 0; i < count; i++)
		if (!model[n + i].mapped)
			break;
	return i;
}

static int random_prot(void)
{
	static const int prots[] = {
		PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
		PROT_READ | PROT_WRITE | PROT_EXEC, PROT_READ,
		PROT_READ | PROT_EXEC, PROT_NONE,
	};

	return prots[choose(6)];
}

static void op_map(int n)
{
	int i, count = stretch(n, 16), prot = random_prot();
	char *p = mmap(address(n), count * PAGE, prot, MAP_PRIVATE |
		       MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);

	if (p != address(n))
		bail_out("mmap: %m");
	for (i = n; i < n + count; i++) {
		model[i].mapped = 1;
		model[i].prot = prot;
		model[i].value = 0;
	}
}

static void op_unmap(int n)
{
	int i, count = stretch(n, 12);

	if (munmap(address(n), count * PAGE))
		bail_out("munmap: %m");
	for (i = n; i < n + count; i++)
		memset(&model[i], 0, sizeof(model[i]));
}

static void op_protect(int n)
{
	int i, count = mapped_stretch(n, 16), prot = random_prot();

	if (!count)
		return;
	if (mprotect(address(n), count * PAGE, prot))
		bail_out("mprotect: %m");
	for (i = n; i < n + count; i++)
		model[i].prot = prot;
}

static void op_move(int n)
{
	int to = choose(PAGES);

	if (!model[n].mapped || to == n)
		return;
	if (mremap(address(n), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   address(to)) != address(to))
		bail_out("mremap: %m");
	model[to] = model[n];
	memset(&model[n], 0, sizeof(model[n]));
}

static void op_forget(int n)
{
	int i, count = mapped_stretch(n, 8);

	if (!count)
		return;
	if (madvise(address(n), count * PAGE, MADV_DONTNEED))
		bail_out("madvise: %m");
	for (i = n; i < n + count; i++)
		model[i].value = 0;
}

/* The same, by the kernel on our behalf. */
static void op_kernel(int n)
{
	uint64_t value = random_next(&seed) << 8 | 0xc3;
	ssize_t done;

	if (write(pipe_fds[1], &value, 8) != 8)
		bail_out("write: %m");
	done = read(pipe_fds[0], address(n), 8);
	if (done == 8) {
		if (!allowed(n, PROT_WRITE))
			differs("read() must fail", n, done, -1);
		else if (try_write(address(n) + PAGE - 8, value) != DONE)
			differs("a write faulted", n, fault_address, 0);
		model[n].value = value;
		return;
	}
	if (allowed(n, PROT_WRITE))
		differs("read() failed", n, errno, 0);
	/* What could not be stored may be lost, or wait for a reader. */
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	if (pipe(pipe_fds))
		bail_out("pipe: %m");
}

static void check_all(void)
{
	int n;

	for (n = 0; n < PAGES; n++) {
		if (!allowed(n, PROT_READ) && choose(16))
			continue;
		check_word(n, address(n));
		check_word(n, address(n) + PAGE - 8);
	}
}

static void operation(int may_fork);

static void op_fork(void)
{
	int i, status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child < 0)
		bail_out("fork: %m");
	if (!child) {
		seed ^= 0x5555;
		differences = 0;
		if (pipe(pipe_fds))
			_exit(2);
		for (i = 0; i < CHILD_OPERATIONS; i++)
			operation(0);
		check_all();
		_exit(differences ? 1 : 0);
	}
	/* Both go on at once, on pages that they still share. */
	for (i = 0; i < CHILD_OPERATIONS / 2; i++)
		operation(0);
	if (waitpid(child, &status, 0) != child || status) {
		differences++;
		diag("operation %ld: child ended with %#x", operations,
		     status);
	}
	operations += CHILD_OPERATIONS;
	forks++;
}

/* Most accesses are to what is allowed: a fault takes much longer. */
static int choose_page(int prot)
{
	int n = choose(PAGES), tries;

	for (tries = 0; tries < 20 && !allowed(n, prot); tries++) {
		if (!choose(100))
			break;
		n = choose(PAGES);
	}
	return n;
}

static void operation(int may_fork)
{
	unsigned int what = choose(1000);

	operations++;
	if (what < 430)
		op_write(choose_page(PROT_WRITE));
	else if (what < 730)
		op_read(choose_page(PROT_READ));
	else if (what < 760)
		op_call(choose_page(PROT_EXEC));
	else if (what < 840)
		op_map(choose(PAGES));
	else if (what < 890)
		op_unmap(choose(PAGES));
	else if (what < 960)
		op_protect(choose(PAGES));
	else if (what < 975)
		op_move(choose(PAGES));
	else if (what < 985)
		op_forget(choose(PAGES));
	else if (what < 998 || !may_fork)
		op_kernel(choose_page(PROT_WRITE));
	else
		op_fork();
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 1000000;
	struct sigaction action = {
		.sa_sigaction = on_segv,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};
	int64_t begin = clock_ns(CLOCK_MONOTONIC);
	long next_check = 0;

	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0) | 1;
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	if (pipe(pipe_fds))
		bail_out("pipe: %m");
	diag("%ld operations, seed %llu", count, (unsigned long long)seed);
	while (operations < count) {
		operation(1);
		if (operations >= next_check) {
			check_all();
			next_check = operations + 5000;
		}
	}
	check_all();
	diag("%ld forks, %ld faults, %lld s", forks, faults,
	     (long long)(clock_ns(CLOCK_MONOTONIC) - begin) / 1000000000);
	if (!ok(!differences, "%ld random operations on memory", count))
		diag("%ld differences", differences);
	return finish();
}
