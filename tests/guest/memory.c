// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Is memory where the program put it? Pages are mapped, moved, protected,
 * shared, copied on write and given back, and their contents compared.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define PAGE 4096ul

static sigjmp_buf back;

static void on_segv(int sig)
{
	siglongjmp(back, sig);
}

/* Can this be read, written? Asking changes nothing. */
static int readable(volatile const char *p)
{
	if (sigsetjmp(back, 1))
		return 0;
	(void)*p;
	return 1;
}

static int writable(volatile char *p)
{
	if (sigsetjmp(back, 1))
		return 0;
	*p = *p;
	return 1;
}

static char *map(size_t pages, int prot, int flags)
{
	char *p = mmap(NULL, pages * PAGE, prot, flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		bail_out("mmap: %m");
	return p;
}

/* Every word of a page has a value of its own. */
static void fill(char *p, size_t pages, uint64_t seed)
{
	uint64_t *word = (uint64_t *)p;
	size_t i;

	for (i = 0; i < pages * PAGE / 8; i++)
		word[i] = (seed + i) * 0x9e3779b97f4a7c15ull;
}

static int filled(const char *p, size_t pages, uint64_t seed)
{
	const uint64_t *word = (const uint64_t *)p;
	size_t i;

	for (i = 0; i < pages * PAGE / 8; i++)
		if (word[i] != (seed + i) * 0x9e3779b97f4a7c15ull)
			return 0;
	return 1;
}

static int all_zero(const char *p, size_t pages)
{
	size_t i;

	for (i = 0; i < pages * PAGE; i++)
		if (p[i])
			return 0;
	return 1;
}

static void map_and_unmap(void)
{
	char *p = map(512, PROT_READ | PROT_WRITE, MAP_PRIVATE), *q;
	int i, good = all_zero(p, 512);

	ok(good, "new memory is zero");
	fill(p, 512, 1);
	ok(filled(p, 512, 1), "2 MB keep what was written");
	for (i = 0; i < 512; i += 2)
		munmap(p + i * PAGE, PAGE);
	for (i = 0; i < 512; i++)
		good &= readable(p + i * PAGE) == (i & 1);
	ok(good, "every second page is unmapped, the others stay");
	for (i = 1; i < 512; i += 2)
		good &= filled(p + i * PAGE, 1, 1 + i * 512);
	ok(good, "... with what was in them");
	q = mmap(p, 512 * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ok(q == p && all_zero(p, 512), "mapped anew, they are zero again");
	munmap(p, 512 * PAGE);
	ok(!readable(p) && !readable(p + 511 * PAGE), "and all are gone");

	/* The same address again and again, with other pages behind it. */
	for (i = 0; i < 300; i++) {
		q = mmap(p, 4 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		good &= q == p && all_zero(p, 4);
		fill(p, 4, i);
		good &= filled(p, 4, i);
		munmap(p, 4 * PAGE);
		good &= !readable(p + PAGE);
	}
	ok(good, "300 generations at one address");
}

static void protect(void)
{
	char *p = map(64, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	int i, good = 1;

	fill(p, 64, 7);
	mprotect(p, 64 * PAGE, PROT_READ);
	for (i = 0; i < 64; i++)
		good &= readable(p + i * PAGE) && !writable(p + i * PAGE);
	ok(good, "read-only pages are read-only at once");
	for (i = 0; i < 64; i += 3)
		mprotect(p + i * PAGE, PAGE, PROT_NONE);
	for (i = 0; i < 64; i++)
		good &= readable(p + i * PAGE) == (i % 3 != 0);
	ok(good, "every third one without permissions");
	mprotect(p, 64 * PAGE, PROT_READ | PROT_WRITE);
	ok(filled(p, 64, 7) && writable(p) && writable(p + 63 * PAGE),
	   "all are back, with their contents");
	for (i = 0; i < 2000; i++) {
		mprotect(p + (i % 64) * PAGE, PAGE, PROT_READ);
		good &= !writable(p + (i % 64) * PAGE + 8);
		mprotect(p + (i % 64) * PAGE, PAGE, PROT_READ | PROT_WRITE);
		good &= writable(p + (i % 64) * PAGE + 8);
	}
	ok(good, "2000 times there and back");
	munmap(p, 64 * PAGE);
}

static void move(void)
{
	char *p = map(32, PROT_READ | PROT_WRITE, MAP_PRIVATE), *q;
	char *far = map(1024, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE);
	int i, good = 1;

	fill(p, 32, 11);
	q = mremap(p, 32 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
	ok(q != MAP_FAILED && filled(q, 32, 11) && all_zero(q + 32 * PAGE, 32),
	   "mremap() makes it larger");
	p = mremap(q, 64 * PAGE, 32 * PAGE, 0);
	ok(p == q && filled(p, 32, 11) && !readable(p + 32 * PAGE),
	   "and smaller");
	for (i = 0; i < 100; i++) {
		q = mremap(p, 32 * PAGE, 32 * PAGE,
			   MREMAP_MAYMOVE | MREMAP_FIXED,
			   far + (i * 40 % 960) * PAGE);
		good &= q != MAP_FAILED && filled(q, 32, 11);
		good &= p == q || !readable(p) ||
			(p > q && p < q + 32 * PAGE) ||
			(q > p && q < p + 32 * PAGE);
		if (!good)
			break;
		p = q;
	}
	ok(good, "and moves it 100 times");
	munmap(far, 1024 * PAGE);
}

static int wait_for(pid_t child)
{
	int status = -1;

	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

static void copy_on_write(void)
{
	char *p = map(128, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *shared = map(16, PROT_READ | PROT_WRITE, MAP_SHARED);
	int i, good = 1, generation;
	pid_t child;

	fill(p, 128, 21);
	fflush(stdout);
	child = fork();
	if (!child) {
		good = filled(p, 128, 21);
		fill(p, 128, 22);
		good &= filled(p, 128, 22);
		fill(shared, 8, 23);
		_exit(good ? 0 : 1);
	}
	for (i = 1; i < 128; i += 2)
		fill(p + i * PAGE, 1, 99);
	ok(wait_for(child) == 0, "a child sees and changes its own copy");
	for (i = 0; i < 128; i++)
		good &= filled(p + i * PAGE, 1, i & 1 ? 99 :
			       21 + (uint64_t)i * 512);
	ok(good, "the parent keeps its own");
	ok(filled(shared, 8, 23), "what is shared is shared");

	/* A chain of children, each of the one before. */
	fill(p, 128, 31);
	child = fork();
	if (!child) {
		for (generation = 0; generation < 20; generation++) {
			fill(p + generation * PAGE, 1, generation);
			child = fork();
			if (child)
				_exit(wait_for(child));
			for (i = 0; i < 128; i++)
				good &= filled(p + i * PAGE, 1,
					       i <= generation ? (uint64_t)i :
					       31 + (uint64_t)i * 512);
			if (!good)
				_exit(1);
		}
		_exit(0);
	}
	ok(wait_for(child) == 0 && filled(p, 128, 31),
	   "twenty generations, each with its own view");

	for (i = 0; i < 40; i++) {
		child = fork();
		if (!child) {
			fill(p + i * PAGE, 1, 5);
			_exit(filled(p + 40 * PAGE, 88, 31 + 40 * 512) ? 0 : 1);
		}
		good &= wait_for(child) == 0;
		fill(p + i * PAGE, 1, 31 + (uint64_t)i * 512);
	}
	ok(good && filled(p, 128, 31), "forty children, one after another");
	munmap(p, 128 * PAGE);
	munmap(shared, 16 * PAGE);
}

static void files(void)
{
	int fd = syscall(SYS_memfd_create, "shared", 0), i, good = 1;
	char *a, *b, *private;

	if (fd < 0 || ftruncate(fd, 32 * PAGE))
		bail_out("memfd_create: %m");
	a = mmap(NULL, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, 32 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	private = mmap(NULL, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		       fd, 0);
	fill(a, 32, 41);
	ok(filled(b, 32, 41) && filled(private, 32, 41),
	   "one file, mapped three times");
	fill(private, 16, 42);
	ok(filled(a, 32, 41) && filled(private, 16, 42),
	   "a private mapping keeps its changes to itself");
	for (i = 0; i < 32; i++) {
		char page[PAGE];

		good &= pread(fd, page, PAGE, i * PAGE) == (ssize_t)PAGE &&
			filled(page, 1, 41 + (uint64_t)i * 512);
		memset(page, i, PAGE);
		good &= pwrite(fd, page, PAGE, i * PAGE) == (ssize_t)PAGE &&
			b[i * PAGE + 77] == i;
	}
	ok(good, "read() and write() see the same pages");
	munmap(a, 32 * PAGE);
	munmap(b, 32 * PAGE);
	munmap(private, 32 * PAGE);
	close(fd);
}

static void give_back(void)
{
	char *p = map(64, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *start = sbrk(0), *end;
	int i, good = 1;

	for (i = 0; i < 50; i++) {
		fill(p, 64, i);
		good &= !madvise(p + 16 * PAGE, 32 * PAGE, MADV_DONTNEED);
		good &= filled(p, 16, i) && all_zero(p + 16 * PAGE, 32) &&
			filled(p + 48 * PAGE, 16, i + 48 * 512ull);
	}
	ok(good, "what was given back comes again as zeros");
	for (i = 0; i < 20; i++) {
		good &= sbrk(256 * PAGE) != (void *)-1;
		end = sbrk(0);
		memset(end - PAGE, i + 1, PAGE);
		memset(end - 200 * PAGE, i + 1, PAGE);
		good &= sbrk(-256 * (long)PAGE) != (void *)-1;
		good &= !readable(end - PAGE);
	}
	ok(good && sbrk(0) == start, "the heap grows and shrinks");
	munmap(p, 64 * PAGE);
}

static void fresh_code(void)
{
	unsigned char *p = (unsigned char *)map(2, PROT_READ | PROT_WRITE |
						PROT_EXEC, MAP_PRIVATE);
	int i, good = 1;

	for (i = 0; i < 1000; i++) {
		/* mov $i, %eax; ret */
		p[0] = 0xb8;
		memcpy(p + 1, &i, 4);
		p[5] = 0xc3;
		good &= ((int (*)(void))p)() == i;
	}
	ok(good, "code that was just written runs");
	for (i = 0; i < 300; i++) {
		mprotect(p, PAGE, PROT_READ | PROT_WRITE);
		memcpy(p + 1, &i, 4);
		mprotect(p, PAGE, PROT_READ | PROT_EXEC);
		good &= ((int (*)(void))p)() == i;
		good &= !writable((char *)p);
	}
	ok(good, "also when it may be written or run, never both");
	munmap(p, 2 * PAGE);
}

/* One page in each of many places: as many page tables as can be. */
static void far_apart(void)
{
	uint64_t seed = 5;
	char *p[60];
	int i, n, good = 1;

	for (n = 0; n < 5; n++) {
		for (i = 0; i < 60; i++) {
			uint64_t hint = random_next(&seed) & 0x7fffffe00000;

			p[i] = mmap((void *)hint, PAGE,
				    PROT_READ | PROT_WRITE, MAP_PRIVATE |
				    MAP_ANONYMOUS, -1, 0);
			if (p[i] == MAP_FAILED)
				bail_out("mmap: %m");
			fill(p[i], 1, i);
		}
		for (i = 0; i < 60; i++)
			good &= filled(p[i], 1, i);
		for (i = 0; i < 60; i++)
			munmap(p[i], PAGE);
		for (i = 0; i < 60; i++)
			good &= !readable(p[i]);
	}
	ok(good, "pages scattered over the whole address space");
}

int main(void)
{
	signal(SIGSEGV, on_segv);
	signal(SIGBUS, on_segv);
	map_and_unmap();
	protect();
	move();
	copy_on_write();
	files();
	give_back();
	fresh_code();
	far_apart();
	return finish();
}
