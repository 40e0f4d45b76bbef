// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The oracle: a second opinion on the shadow page tables.
 *
 *	oracle OPERATIONS SEED...
 *	oracle forge OPERATIONS SEED	what it reads is not what is there
 *
 * It owns a Guest. In each step it does one random thing: it writes to one of
 * the Guest's page tables, or has the Guest flush something, change its root
 * or touch an address, as kernel or as user. Then it reads from debugfs what
 * the processor would find in the shadow, and compares that with a model of
 * page walks (Intel's manual, volume 3, 4.5 to 4.10). A leaf is true if
 *
 *	it was there before, and nothing has flushed it since, or
 *	it came with this step, which was an access, and the Guest's tables,
 *	as they are now, have the same frame, at least its rights, the
 *	accessed bit at all levels, and the dirty bit if it is writable.
 *
 * So every leaf is what one version of the tables has allowed since the last
 * flush of its address. What the Guest gets to see of an access must follow
 * from such a leaf or from the tables as they are.
 *
 * A processor may also remember upper levels of its walks (4.10.3), until
 * anything is flushed. So "as they are now" means for each 2 MiB: the last
 * table as it is now, with what the levels above were at some access since.
 *
 * A Guest's processor differs from the manual's in this: the upper half acts
 * as if it were global; the kernel executes nothing of the lower half, and
 * the user has nothing of the upper half; slots 256 to 271 are empty; there
 * are no reserved bits, but a frame outside of memory ends the Guest; an
 * unknown PCID is 0, and a PCID with another root is flushed. A user may get a
 * page fault for which there is no reason, on the page behind that of the last
 * fault, and not twice on the same.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lguest/abi.h>
#include <lguest/uapi.h>

typedef uint64_t u64;

#define SHADOW	"/sys/kernel/debug/lguest/shadow"
#define PAGES	1024		/* of the Guest's memory: two large pages */
#define P	1ull
#define RW	2ull
#define US	4ull
#define A	0x20ull
#define D	0x40ull
#define PS	0x80ull
#define NX	(1ull << 63)
#define ADDR	0xffffffffff000ull
#define NOFLUSH	(1ull << 63)
#define HALF	(1ull << 47)
#define KBASE	0xffffff8000000000ull	/* slot 511: the kernel's part */
#define UBASE	0x10000000000ull	/* slot 2: the user's part */
#define SH_PAGE	(KBASE + 8192)

/* Frames: the shared page, the mailbox, code; from TABLES on they may be
 * tables, the first of them roots; from DATA on there is only data. */
enum { SHARED = 1, MAILBOX, CODE, USER_CODE, FIXED, TABLES = 12, ROOTS = 3,
       DATA = 26, END = 34, SPACES = 8 };
/* In each frame, where no index of the game leads: a name, a word to write
 * to, and code that puts the name into RBX and jumps to R8. */
enum { NAME = 336, WORD, EXEC = 340 };

/* ---- The Guest ---------------------------------------------------------- */

enum { MB_RAX = 1, MB_RBX, IN_RAX, IN_RDI, IN_RSI, IN_R8, IN_RIP };

asm(".pushsection .rodata\n"
    "code: movabs $0xffffff8000001000, %r15\n"	/* the mailbox */
    "	mov %rax, 8(%r15)\n"
    "	mov %rbx, 16(%r15)\n"
    "	mov $10, %eax\n"		/* LHCALL_PRINT: tell the Launcher */
    "	xor %edi, %edi\n"
    "	mov $1, %esi\n"
    "	syscall\n"
    "	movabs $0xffffff8000001000, %r15\n"
    "	xor %ebx, %ebx\n"
    "	mov 24(%r15), %rax\n"
    "	mov 32(%r15), %rdi\n"
    "	mov 40(%r15), %rsi\n"
    "	mov 48(%r15), %r8\n"
    "	jmp *56(%r15)\n"
    ".org code + 128; syscall; jmp code\n"
    ".org code + 160; mov (%rdi), %rbx; jmp code\n"
    ".org code + 192; mov %rsi, (%rdi); jmp code\n"
    ".org code + 224; jmp *%rdi\n"
    "user_code: mov (%rdi), %rbx; syscall\n"
    ".org user_code + 32; mov %rsi, (%rdi); syscall\n"
    ".org user_code + 64; jmp *%rdi\n"
    ".org user_code + 96; syscall\n"
    "code_end: .popsection\n");
extern const char code[], user_code[], code_end[];

/* ---- What the model knows ---------------------------------------------------- */

enum access { READ, WRITE, EXECUTE };
enum flush { NOTHING, ALL, USER_HALF, PAGE, SPACE };

struct walk {
	enum { ABSENT, PRESENT, DEADLY } found;
	u64 *entries[5];
	int top, level;		/* where it began; of the leaf */
	u64 rights, upper;	/* P, RW, US, NX of all, and above */
	u64 frame;
	bool used, dirty;
};

struct leaf {
	u64 va, pfn, bits;
	int space;
	char root;		/* k, u; w is a u that is withdrawn */
	/* noted at its birth: the Guest's frame, level and user bit */
	u64 frame;
	int level;
	bool user;
};

static u64 (*mem)[512];		/* the Guest's memory */
static u64 model[DATA][512];	/* ... as the model thinks it is */
static u64 roots[SPACES];	/* of each space */
static int current;
static struct leaf leaves[2][8192], *now = leaves[0], *before = leaves[1];
static int count, count_before;
static bool withdrawn[SPACES];
static u64 pfns[PAGES];

static int vm = -1, vcpu = -1, shadow_fd;
static struct lguest_run *run;
static struct lguest_shared *shared;
static u64 seed, step, random_state;
static struct { u64 updates, flushes, accesses, faults, stale, deaths,
		compared, born, short_walks, guesses; } total;
static u64 last_fault;		/* page of the last fault of a user */
static char what[200];		/* the last step */

static void fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("wrong: ");
	vprintf(fmt, args);
	printf("\n  seed %llu step %llu space %d: %s\n", (long long)seed,
	       (long long)step, current, what);
	va_end(args);
	exit(1);
}

static u64 rnd(void)
{
	u64 z = random_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static unsigned int below(unsigned int n)
{
	return (rnd() >> 32) % n;
}

static bool canonical(u64 va)
{
	return (u64)((int64_t)(va << 16) >> 16) == va;
}

static bool in_the_hole(u64 va)
{
	return (va >> 39 & 511) >= 256 && (va >> 39 & 511) < 272;
}

/* The walk of the manual: section 4.5. */
static struct walk walk(u64 root, u64 va)
{
	struct walk w = { .found = ABSENT, .top = 4, .rights = P | RW | US,
			  .used = true };
	u64 table = root / 4096, e, size;

	for (w.level = 4; ; w.level--) {
		w.upper = w.rights;
		if (table >= PAGES) {
			w.found = DEADLY;
			return w;
		}
		w.entries[w.level] = &mem[table][va >> (3 + 9 * w.level) & 511];
		e = *w.entries[w.level];
		if (!(e & P))
			return w;
		w.rights = (w.rights & e & 7) | ((w.rights | e) & NX);
		w.used &= !!(e & A);
		if (w.level == 1 || (w.level < 4 && e & PS))
			break;
		table = (e & ADDR) >> 12;
	}
	size = 1ull << (9 * (w.level - 1));
	w.frame = ((e & ADDR) >> 12 & -size) + (va >> 12 & (size - 1));
	w.dirty = e & D;
	w.found = PRESENT;
	return w;
}

/* Ways to last tables that an access has gone since the last flush. */
static struct way {
	u64 part, upper, *table;
	int space;
} ways[256];
static int ways_count;

static void note_way(u64 va, const struct walk *w)
{
	struct way way = { va >> 21, w->upper, NULL, current };

	if (w->found != PRESENT || w->level > 1)
		return;
	way.table = w->entries[1] - (va >> 12 & 511);
	for (int i = 0; i < ways_count; i++)
		if (!memcmp(&ways[i], &way, sizeof(way)))
			return;
	if (ways_count < 256)
		ways[ways_count++] = way;
}

/* The short walk by one of them: section 4.10.3. False: it is another way. */
static bool walk_way(const struct way *way, u64 va, struct walk *w)
{
	u64 *e = &way->table[va >> 12 & 511];

	if (way->part != va >> 21 || way->space != current)
		return false;
	*w = (struct walk){ .found = *e & P ? PRESENT : ABSENT, .top = 1,
			    .level = 1, .entries[1] = e, .used = *e & A,
			    .dirty = *e & D, .frame = (*e & ADDR) >> 12 };
	w->rights = (way->upper & *e & 7) | ((way->upper | *e) & NX);
	return true;
}

/* May it be done? Section 4.6, with CR0.WP and SMEP. */
static bool allowed(u64 rights, u64 va, bool user, enum access access)
{
	if (user && (!(rights & US) || va >= HALF))
		return false;
	if (access == WRITE)
		return rights & RW;
	return access == READ || (!(rights & NX) && (user || va >= HALF));
}

/* The accessed and dirty bits: section 4.8. */
static void mark(struct walk *w, bool write)
{
	for (int i = w->top; i >= w->level; i--) {
		u64 at = w->entries[i] - mem[0];

		model[at / 512][at % 512] |= A;
		if (write && i == w->level)
			model[at / 512][at % 512] |= D;
	}
}

/* Indices of entries that may change, and that addresses have. */
static const int game[] = { 0, 1, 2, 3, 5, 8, 255, 256, 271, 272, 510, 511 };
#define GAME	12

static bool tables_are(bool all)
{
	for (int f = 0; f < DATA; f++)
		for (int i = 0; f >= FIXED && i < GAME; i++)
			if (mem[f][game[i]] != model[f][game[i]])
				return false;
	return !all || !memcmp(mem[FIXED], model[FIXED],
			       (DATA - FIXED) * 4096);
}

/* ---- The shadow --------------------------------------------------------------- */

static u64 guest_pfn(u64 frame)
{
	static int fd;
	u64 e = 0, at = (u64)mem[frame] / 4096 * 8;

	if (!fd)
		fd = open("/proc/self/pagemap", O_RDONLY);
	if (!pfns[frame] && pread(fd, &e, 8, at) == 8)
		pfns[frame] = e & ((1ull << 55) - 1);
	return pfns[frame];
}

static char *number(char *at, u64 *n)
{
	for (*n = 0; *at > ' '; at++)
		*n = *n * 16 + (*at <= '9' ? *at - '0' : *at - 'a' + 10);
	return at + 1;
}

/* Leaves come in order: by space, root and address. */
static void read_shadow(void)
{
	static char text[1 << 20];
	struct leaf *swap = before;
	ssize_t n, got = 0;
	char *at = text, *end;
	int spaces = 0, own;

	before = now, now = swap;
	count_before = count, count = 0;
	do {		/* somebody else may be reading it, too */
		got = 0;
		while ((n = pread(shadow_fd, text + got,
				  sizeof(text) - 1 - got, got)) > 0)
			got += n;
		text[got] = 0;
	} while (strstr(text, " busy"));
	for (; *at; at = end + 1) {
		struct leaf *l = &now[count];

		if (*at <= '9') {		/* a leaf */
			*l = (struct leaf){ .space = *at - '0', .root = at[1] };
			end = number(number(number(at + 3, &l->va), &l->pfn),
				     &l->bits) - 1;
			count += count < 8191;
			continue;
		}
		end = strchr(at, '\n');
		*end = 0;
		if (sscanf(at, "machine %*d levels %*d current %d", &own) == 1) {
			if (own != current)
				fail("the current space is %d", own);
		} else if (*at != 's' || !strstr(at, " window")) {
			fail("the shadow says: %s", at);
		} else {
			withdrawn[spaces++] = strstr(at, " withdrawn");
		}
	}
	if (spaces != SPACES)
		fail("there are %d spaces", spaces);
}

static int order(const struct leaf *a, const struct leaf *b)
{
	if (a->space != b->space)
		return a->space - b->space;
	if ((a->root == 'k') != (b->root == 'k'))
		return a->root == 'k' ? -1 : 1;
	return a->va < b->va ? -1 : a->va > b->va;
}

/* What no leaf may ever be, whatever the Guest's tables say. */
static void check_sane(struct leaf *l)
{
	bool low = l->va < HALF;

	if (!canonical(l->va) || in_the_hole(l->va))
		fail("a leaf in the hole, at %llx", (long long)l->va);
	if (!low && l->root != 'k')
		fail("the user has a leaf at %llx", (long long)l->va);
	if ((l->bits & ~(RW | 0x200)) != (P | US))
		fail("bits %llx at %llx", (long long)l->bits, (long long)l->va);
	if (low && l->root == 'k' && !(l->bits & 0x200))
		fail("the kernel may execute %llx", (long long)l->va);
	if (l->root == 'u' && !l->user)
		fail("the user sees the kernel's page at %llx",
		     (long long)l->va);
}

static void check_leaf(struct leaf *l, struct walk w);

/* Does a short walk lead to it? */
static bool is_noted(struct leaf *l)
{
	struct walk w;

	for (int i = 0; i < ways_count; i++)
		if (walk_way(&ways[i], l->va, &w) && w.found == PRESENT &&
		    w.frame < PAGES && guest_pfn(w.frame) == l->pfn && w.used &&
		    (!(l->bits & RW) || (w.rights & RW && w.dirty)) &&
		    (l->bits & 0x200 || !(w.rights & NX)) &&
		    (l->root != 'u' || w.rights & US)) {
			check_leaf(l, w);
			return true;
		}
	return false;
}

/* A leaf that has come with this step. */
static void check_birth(struct leaf *l, bool access)
{
	bool stub = l->va >> 39 == KBASE >> 39;

	total.born++;
	if (!access && !stub)
		fail("a leaf at %llx comes from nowhere", (long long)l->va);
	if (l->va < HALF && l->space != current)
		fail("a leaf at %llx in space %d", (long long)l->va, l->space);
	if (!is_noted(l))
		check_leaf(l, walk(roots[current], l->va));
}

/* A walk leads to it, and allows what it allows. */
static void check_leaf(struct leaf *l, struct walk w)
{
	if (w.found != PRESENT || w.frame >= PAGES)
		fail("a leaf at %llx, where nothing is", (long long)l->va);
	if (guest_pfn(w.frame) != l->pfn)
		pfns[w.frame] = 0;	/* it may have been moved */
	if (guest_pfn(w.frame) != l->pfn)
		fail("a leaf at %llx leads to page %llx, not %llx",
		     (long long)l->va, (long long)l->pfn,
		     (long long)guest_pfn(w.frame));
	if (!w.used)
		fail("a leaf at %llx that is not accessed", (long long)l->va);
	if (l->bits & RW && !(w.rights & RW && w.dirty))
		fail("a writable leaf at %llx", (long long)l->va);
	if (!(l->bits & 0x200) && w.rights & NX)
		fail("an executable leaf at %llx", (long long)l->va);
	l->frame = w.frame;
	l->level = w.level;
	l->user = w.rights & US;
}

/* Did the flush of this step cover a leaf? Section 4.10.4. */
static bool covered(const struct leaf *l, enum flush flush, u64 va, int space)
{
	if (flush == ALL)
		return true;
	if (flush == USER_HALF || flush == SPACE)
		return l->va < HALF && l->space == space;
	if (flush == PAGE && (l->va >= HALF || l->space == space))
		return (l->va ^ va) >> (3 + 9 * l->level) == 0;
	return false;
}

/* Can it fail at all? Change one thing in what was read from the shadow. */
static int forgery = -1;
#define FORGERIES	8

static void forge(void)
{
	struct leaf *l = &now[count ? below(count) : 0], *old;

	if (forgery < 0 || step < 100 || !count)
		return;
	switch (forgery) {
	case 0: l->pfn ^= 1; break;		/* another page */
	case 1: l->bits |= RW; break;
	case 2: l->bits &= 0x1ff; break;	/* no NX */
	case 3: l->bits |= 0x100; break;	/* global */
	case 4: l->space ^= 1; break;
	case 5: l->va ^= HALF; break;		/* near the hole */
	case 6: l->root = l->root == 'w' ? 'u' : l->root; break;
	case 7:		/* as if the last leaf were never flushed */
		old = &before[count_before ? count_before - 1 : 0];
		if (count_before && (now[count - 1].space < old->space))
			now[count++] = *old;
	}
}

/* After each step: every leaf of all roots. */
static void check_shadow(enum flush flush, u64 va, int space, bool access)
{
	struct leaf *old;

	read_shadow();
	forge();
	old = before;
	for (struct leaf *l = now; l < now + count; l++) {
		bool same;

		while (old < before + count_before && order(old, l) < 0)
			old++;
		same = old < before + count_before && !order(old, l) &&
		       old->pfn == l->pfn && old->bits == l->bits;
		if (same && !covered(old, flush, va, space)) {
			l->frame = old->frame;
			l->level = old->level;
			l->user = old->user;
		} else if (same && !access && l->va >> 39 != KBASE >> 39) {
			fail("a leaf at %llx is left", (long long)l->va);
		} else {
			check_birth(l, access);
		}
		check_sane(l);
		total.compared++;
	}
}

static struct leaf *find_leaf(u64 va, char root)
{
	struct leaf *l = now;

	while (l < now + count && (l->va != (va & -4096) || l->root != root ||
				   (l->space != current && va < HALF)))
		l++;
	return l < now + count ? l : NULL;
}

/* ---- Steps ------------------------------------------------------------------------ */

static volatile sig_atomic_t seconds;	/* of CPU time, in one step */

static void on_signal(int number)
{
	(void)number;
	seconds++;
}

static void enter(void)
{
	seconds = 0;
	while (ioctl(vcpu, LGUEST_RUN))
		if (errno != EINTR || seconds == 5)
			fail("it does not come back: %s", strerror(errno));
}

static void start_guest(void)
{
	struct lguest_memory m = { (u64)mem, PAGES * 4096, 0, 0 };
	struct lguest_state s = { .rip = KBASE + 128, .rax = LHCALL_INIT,
				  .rdi = SHARED * 4096, .rflags = 2,
				  .cr3 = TABLES * 4096 };

	if (vm >= 0) {
		munmap(run, 4096);
		close(vcpu);
		close(vm);
	}
	memset(shared, 0, 4096 / 2);
	count = 0;
	shared->version = LGUEST_ABI_VERSION;
	shared->event_entry = shared->syscall_entry = KBASE;
	vm = open("/dev/lguest", O_RDWR);
	if (vm < 0 || ioctl(vm, LGUEST_SET_MEMORY, &m))
		fail("no machine: %s", strerror(errno));
	vcpu = ioctl(vm, LGUEST_CREATE_VCPU, 0);
	run = mmap(NULL, 4096, PROT_READ, MAP_SHARED, vcpu, 0);
	if (vcpu < 0 || run == MAP_FAILED || ioctl(vcpu, LGUEST_SET_STATE, &s))
		fail("no vCPU: %s", strerror(errno));
	ways_count = 0;
	last_fault = -2;
	memset(roots, 0, sizeof(roots));
	roots[0] = TABLES * 4096;
	current = 0;
	enter();
	if (run->reason != LGUEST_EXIT_PRINT)
		fail("it does not start: %s", run->text);
	check_shadow(ALL, 0, 0, true);
}

/* Returns false if it has died of a frame outside of memory. */
static bool run_guest(u64 rip, u64 rax, u64 rdi, u64 rsi, u64 r8)
{
	u64 *box = mem[MAILBOX];

	box[IN_RAX] = rax, box[IN_RDI] = rdi, box[IN_RSI] = rsi;
	box[IN_R8] = r8, box[IN_RIP] = rip;
	shared->vector = 0;
	enter();
	if (run->reason == LGUEST_EXIT_PRINT)
		return true;
	if (!strstr(run->text, "outside memory"))
		fail("it has died: %s", run->text);
	return false;
}

/* A new machine; what killed the last one is gone. */
static void bury(void)
{
	total.deaths++;
	for (int f = TABLES; f < DATA; f++)
		for (int i = 0; i < GAME; i++) {
			u64 *e = &mem[f][game[i]];

			if ((*e & ADDR) >> 12 >= PAGES)
				*e = 0;
			model[f][game[i]] = *e;
		}
	start_guest();
}

static u64 hot[4];		/* addresses that are used more often */

static u64 odd_address(void)
{
	static const u64 top[] = { 0, 0, 0, 0, 0, 255, 272, 272, 510, 511, 2,
				   256, 271, 0, 0, 255 };
	static const u64 edges[] = { HALF - 4096, -HALF, HALF, -HALF - 4096,
				     -240ull << 39, (-240ull << 39) - 4096,
				     HALF << 1, -4096 };
	u64 va;

	if (below(10) < 8)
		return hot[below(4)];
	if (below(16) == 0)
		return edges[below(8)];
	va = top[below(16)] << 39 | (u64)game[below(2)] << 30 |
	     (u64)game[below(8) ? below(2) : 11] << 21 |
	     (u64)game[below(6)] << 12;
	return va & HALF ? va | -HALF : va;
}

/* Sane ones make whole paths, so that there is something to be found. */
static u64 odd_entry(bool sane, int level)
{
	unsigned int n = sane ? 12 : 4;
	u64 e = (u64)(below(n) ? TABLES + below(DATA - TABLES) :
		      DATA + below(END - DATA)) << 12;

	if (below(sane ? 1000 : 200) == 0)
		e = rnd() & ADDR;
	if (below(level == 2 || level == 3 ? 4 : 40) == 0)
		e = (u64)below(2) << 21 | PS | (below(8) ? 0 : rnd() & 0x1f0000);
	e |= below(2 * n) ? P : 0;
	e |= below(n) ? RW : 0;
	e |= below(n) ? US : 0;
	e |= below(n) ? 0 : NX;
	e |= below(2) ? A | (rnd() & D) : 0;
	if (below(4) == 0)
		e |= rnd() & 0x7ff0000000000f18;
	return e;
}

static void update(void)
{
	struct walk w = walk(roots[current], hot[below(4)]);
	bool path = w.found != DEADLY && below(8), sane = below(8);
	static const u64 bits[] = { RW, US, A, D, NX, P };
	u64 *e, at, old;

	total.updates++;
	e = &mem[TABLES + below(DATA - TABLES)][game[below(GAME)]];
	if (path && (w.found == PRESENT || below(16) == 0))
		w.level += below(5 - w.level);
	if (path && w.level < 4 && w.entries[w.level] >= mem[DATA])
		w.level++;	/* nothing leads on from there */
	if (path)
		e = w.entries[w.level];
	at = e - mem[0];
	if (at / 512 < TABLES || at / 512 >= DATA ||
	    (at / 512 < TABLES + ROOTS && (at % 512 == 2 || at % 512 == 511)))
		return;		/* the stubs stay */
	old = *e;
	if (path && w.found == ABSENT && sane)
		*e = odd_entry(true, w.level) | P;
	else if (old && below(3))
		*e = old ^ bits[below(below(3) ? 5 : 6)];
	else
		*e = odd_entry(sane, w.level);
	model[at / 512][at % 512] = *e;
	sprintf(what, "table %d entry %d = %llx, was %llx", (int)(at / 512),
		(int)(at % 512), (long long)*e, (long long)old);
	check_shadow(NOTHING, 0, 0, false);
}

static void set_cr3(void)
{
	int pcid = below(20) ? below(4) ? below(3) : below(8) : below(4096);
	u64 root = (TABLES + (below(8) ? pcid : (int)below(ROOTS)) % ROOTS) *
		   4096ull;
	u64 cr3 = root | pcid | (below(4) ? NOFLUSH : 0);
	bool keep;

	if (below(2000) == 0)
		cr3 = root = ((u64)PAGES + below(4)) * 4096;
	sprintf(what, "CR3 = %llx", (long long)cr3);
	if (!run_guest(KBASE + 128, LHCALL_SET_CR3, cr3, 0, 0)) {
		if (root < PAGES * 4096)
			fail("it has died: %s", run->text);
		return bury();
	}
	pcid = pcid < SPACES ? pcid : 0;
	keep = cr3 & NOFLUSH && (cr3 & 0xfff) < SPACES && roots[pcid] == root;
	if (!keep)
		ways_count = 0;
	roots[pcid] = root;
	current = pcid;
	check_shadow(keep ? NOTHING : SPACE, 0, pcid, false);
}

static void flush(void)
{
	int kind = below(16);
	u64 va = odd_address();

	total.flushes++;
	if (kind < 5)
		return set_cr3();
	if (kind < 13) {
		sprintf(what, "flush page %llx", (long long)va);
		run_guest(KBASE + 128, LHCALL_FLUSH_PAGE, va, 0, 0);
		if (!in_the_hole(va))
			ways_count = 0;
		return check_shadow(PAGE, va, current, false);
	}
	ways_count = 0;
	sprintf(what, "flush %s", kind == 13 ? "all" : "user half");
	run_guest(KBASE + 128, LHCALL_FLUSH_TLB, kind == 13, 0, 0);
	check_shadow(kind == 13 ? ALL : USER_HALF, 0, current, false);
}

static bool got(u64 frame, enum access access, u64 value)
{
	if (access == WRITE && frame < DATA)
		model[frame][WORD] = mem[frame][WORD];
	if (shared->vector || !tables_are(false))
		return false;
	if (access == WRITE)
		return mem[frame][WORD] == value;
	return mem[MAILBOX][MB_RBX] == mem[frame][NAME];
}

/* Does a short walk explain it, with its marks in the last table? */
static bool got_noted(u64 va, bool user, enum access access, u64 value)
{
	struct walk w;

	for (int i = 0; i < ways_count; i++) {
		u64 *m, old;

		if (!walk_way(&ways[i], va, &w) || w.found != PRESENT ||
		    w.frame >= PAGES || !allowed(w.rights, va, user, access))
			continue;
		m = &model[0][w.entries[1] - mem[0]];
		old = *m;
		mark(&w, access == WRITE);
		if (got(w.frame, access, value)) {
			total.short_walks++;
			return true;
		}
		*m = old;
	}
	return false;
}

/* A fault by mistake: not there, although it is. */
static bool guessed(u64 va, bool user, enum access access)
{
	return user && access != EXECUTE && va >> 12 == last_fault + 1 &&
	       shared->vector == (14 | LGUEST_EVENT_VALID) &&
	       shared->error == (access == WRITE ? 6 : 4) &&
	       shared->cr2 == va && shared->cs == LGUEST_USER_CS;
}

/* What the Guest saw is right, by a leaf that was there or by the tables. */
static void check_access(u64 va, bool user, enum access access, u64 value,
			 struct leaf *l, struct walk *w)
{
	u64 error = access == WRITE ? 2 : access == EXECUTE ? 16 : 0;

	if (l && allowed((l->bits & 7) | (l->bits & 0x200 ? NX : 0), va, user,
			 access) && got(l->frame, access, value)) {
		total.stale += w->found != PRESENT || w->frame != l->frame ||
			       !allowed(w->rights, va, user, access);
		return;
	}
	if (!canonical(va)) {
		if (shared->vector != (13 | LGUEST_EVENT_VALID) ||
		    shared->error)
			fail("no protection fault, but %llx",
			     (long long)shared->vector);
		return;
	}
	if (got_noted(va, user, access, value))
		return;
	if (!in_the_hole(va) && w->found == PRESENT &&
	    allowed(w->rights, va, user, access)) {
		if (guessed(va, user, access)) {
			total.guesses++;
			return;
		}
		mark(w, access == WRITE);
		if (!got(w->frame, access, value))
			fail("vector %llx error %llx, RBX %llx: it should be "
			     "frame %llx", (long long)shared->vector,
			     (long long)shared->error,
			     (long long)mem[MAILBOX][MB_RBX],
			     (long long)w->frame);
		return;
	}
	total.faults++;
	error |= (user ? 4 : 0) | (w->found == PRESENT && !in_the_hole(va));
	if (shared->vector != (14 | LGUEST_EVENT_VALID) ||
	    shared->error != error || shared->cr2 != va ||
	    shared->cs != (user ? LGUEST_USER_CS : LGUEST_KERNEL_CS))
		fail("vector %llx error %llx CR2 %llx CS %llx, not error %llx",
		     (long long)shared->vector, (long long)shared->error,
		     (long long)shared->cr2, (long long)shared->cs,
		     (long long)error);
}

static bool noted_death(u64 va)
{
	struct walk w;

	for (int i = 0; i < ways_count; i++)
		if (walk_way(&ways[i], va, &w) && w.found == PRESENT &&
		    w.frame >= PAGES)
			return true;
	return false;
}

static void touch(void)
{
	static const char *const names[] = { "read", "write", "execute" };
	enum access access = below(3);
	bool user = below(2), alive;
	u64 page = odd_address(), value = rnd(), u = UBASE + 32 * access;
	u64 va = page + 8 * (access == READ ? NAME : access == WRITE ? WORD :
							       EXEC);
	struct leaf *l = find_leaf(page, user ? 'u' : 'k');
	struct walk w = walk(roots[current], va);

	sprintf(what, "%s %s %llx", user ? "user" : "kernel", names[access],
		(long long)va);
	total.accesses++;
	if (user) {
		shared->rip = u, shared->cs = LGUEST_USER_CS;
		shared->rflags = 0x202, shared->rcx = below(2) ? u : 0;
		shared->r11 = 0x202, shared->rsp = 0;
		alive = run_guest(KBASE + 128, LHCALL_IRET, va, value,
				  UBASE + 96);
	} else {
		alive = run_guest(KBASE + 160 + 32 * access, 0, va, value,
				  KBASE);
	}
	if (!alive) {
		if (!noted_death(va) &&
		    (w.found == ABSENT || in_the_hole(va) ||
		     (w.found == PRESENT && (w.frame < PAGES ||
			!allowed(w.rights, va, user, access)))))
			fail("it has died: %s", run->text);
		return bury();
	}
	check_access(va, user, access, value, l, &w);
	if (user && shared->vector == (14 | LGUEST_EVENT_VALID))
		last_fault = va >> 12;
	note_way(va, &w);
	if (!tables_are(below(512) == 0))
		fail("a table has changed");
	/* On the way to its user, a withdrawn half is forgotten. */
	check_shadow(user && withdrawn[current] ? USER_HALF : NOTHING, 0,
		     current, true);
}

static u64 leaf_to(u64 frame, u64 rights)
{
	return frame << 12 | P | A | D | rights;
}

static void prepare_memory(void)
{
	static const unsigned char jump[] = { 0xbb, 0, 0, 0, 0,
					      0x41, 0xff, 0xe0 };
	const int k = FIXED, u = FIXED + 3;

	memset(mem, 0, PAGES * 4096);
	for (u64 f = 0; f < PAGES; f++) {
		mem[f][NAME] = 0x5afe0000 + f;
		memcpy(&mem[f][EXEC], jump, sizeof(jump));
		memcpy((char *)&mem[f][EXEC] + 1, &mem[f][NAME], 4);
	}
	memcpy(mem[CODE], code, user_code - code);
	memcpy(mem[USER_CODE], user_code, code_end - user_code);
	for (int r = TABLES; r < TABLES + ROOTS; r++) {
		mem[r][511] = leaf_to(k, RW);
		mem[r][2] = leaf_to(u, RW | US);
	}
	mem[k][0] = leaf_to(k + 1, RW);
	mem[k + 1][0] = leaf_to(k + 2, RW);
	mem[k + 2][0] = leaf_to(CODE, 0);
	mem[k + 2][1] = leaf_to(MAILBOX, RW);
	mem[k + 2][2] = leaf_to(SHARED, RW);
	mem[u][0] = leaf_to(u + 1, RW | US);
	mem[u + 1][0] = leaf_to(u + 2, RW | US);
	mem[u + 2][0] = leaf_to(USER_CODE, US);
	for (int i = 0; i < 60; i++)
		mem[TABLES + i % (DATA - TABLES)][game[below(5)]] = odd_entry(true, 4);
	for (int r = TABLES; r < TABLES + ROOTS; r++)
		mem[r][2] = leaf_to(u, RW | US);
	memcpy(model, mem, sizeof(model));
}

static void play(u64 steps)
{
	prepare_memory();
	start_guest();
	for (step = 0; step < steps; step++) {
		int n = below(100);

		if (step % 512 == 0)
			for (int i = 0; i < 4; i++)
				hot[i] = odd_address();
		if (n < 40)
			update();
		else if (n < 52)
			flush();
		else
			touch();
	}
}

static void play_forgeries(u64 steps)
{
	for (forgery = 0; forgery < FORGERIES; forgery++) {
		pid_t pid = fork();
		int status = 0;

		if (!pid) {
			mlock(mem, PAGES * 4096);
			play(steps);
			_exit(0);
		}
		waitpid(pid, &status, 0);
		printf("forgery %d: %s\n", forgery, WIFEXITED(status) &&
		       WEXITSTATUS(status) == 1 ? "noticed" : "missed");
	}
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct itimerval second = { { 1, 0 }, { 1, 0 } };
	bool forge = argc > 1 && !strcmp(argv[1], "forge");

	setvbuf(stdout, NULL, _IOLBF, 0);
	mem = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(mem, PAGES * 4096, MADV_NOHUGEPAGE);
	shared = (void *)mem[SHARED];
	shadow_fd = open(SHADOW, O_RDONLY);
	argc -= forge, argv += forge;
	if (argc < 3 || mem == MAP_FAILED || shadow_fd < 0 ||
	    (!forge && mlock(mem, PAGES * 4096))) {
		perror("oracle");
		return 2;
	}
	sigaction(SIGPROF, &sa, NULL);
	setitimer(ITIMER_PROF, &second, NULL);
	for (int i = 2; i < argc; i++) {
		random_state = seed = strtoull(argv[i], NULL, 10);
		if (forge)
			play_forgeries(strtoull(argv[1], NULL, 10));
		else
			play(strtoull(argv[1], NULL, 10));
	}
	if (forge)
		return 0;
	printf("updates %llu\nflushes %llu\naccesses %llu\nfaults %llu\n"
	       "stale %llu\ndeaths %llu\nborn %llu\ncompared %llu\n"
	       "short_walks %llu\nguesses %llu\n",
	       (long long)total.updates, (long long)total.flushes,
	       (long long)total.accesses, (long long)total.faults,
	       (long long)total.stale, (long long)total.deaths,
	       (long long)total.born, (long long)total.compared,
	       (long long)total.short_walks, (long long)total.guesses);
	return 0;
}
