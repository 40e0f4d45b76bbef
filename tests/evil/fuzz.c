// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random calls to /dev/lguest and to everything that comes out of it.
 *
 *	fuzz GROUP SEED CALLS	CALLS random calls, as an ordinary user
 *	fuzz GROUP ldt ROUNDS	an LDT that comes while a Guest runs
 *	fuzz GROUP memory	odd sizes of memory, each refused in silence
 *
 * GROUP is the number of the group that may open the device; root starts
 * us, and we become user 1000 in that group before anything else.
 *
 * The calls are made in rounds. A round is a process of its own with three
 * threads that share all files and one Guest, and a second process (the
 * sink) that gets files by SCM_RIGHTS. The Guest is in small-guest.h;
 * its page tables are made anew now and then. No memory that the Guest has
 * is touched by a pointer, since other threads take it away.
 *
 * What a thread does is decided by the seed, the number of the round and
 * its own number; what the Host makes of three threads is not.
 */
#define _GNU_SOURCE 1
#include <asm/ldt.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "small-guest.h"

#define RUNS		((char *)0x1100000000ul)	/* run pages */
#define RUN_SLOTS	8
#define RUN_SLOT	(4 * PAGE)
#define FIRST_FD	10	/* below: ours; from here on: the game */
#define VM_FD		10	/* where a machine that works ... */
#define VCPU_FD		11	/* ... and its vCPU are put */
#define LAST_FD		40
#define THREADS		3
#define ROUND_CALLS	3000

enum { FD_MEMORY = 3, FD_SINK, FD_DEVICE_DIR };

/* By way of the file: the mapping may be gone. */
static void load_guest(void)
{
	struct small_guest g;

	build_guest(&g);
	pwrite(FD_MEMORY, g.tables, sizeof(g.tables), GPA_ROOT);
	pwrite(FD_MEMORY, &g.shared, sizeof(g.shared), GPA_SHARED);
	pwrite(FD_MEMORY, code, code_end - code, GPA_CODE);
}

/* ---- What all threads and processes share --------------------------------- */

enum kind {
	OPEN, SETUP, RUN, SET_STATE, GET_STATE, SET_MEM, CREATE, IRQFD, BELL,
	STATS, UNKNOWN, COMPAT, MMAP, UNMAP, FILE_OP, CLOSE, DUP, EVENT,
	MEM_OP, FORK, EXEC, CLONE_VM_OP, SCM, SIGNAL, AFFINITY, LDT, RESET,
	NEAR, DESCRIPTOR, ODD_MEM, PIDFD, URING,
	KINDS
};

static const char *const kind_names[KINDS] = {
	"open", "setup", "run", "set_state", "get_state", "set_memory",
	"create_vcpu", "irqfd", "doorbell", "get_stats", "unknown_ioctl",
	"compat_ioctl", "mmap", "munmap", "file_op", "close", "dup",
	"eventfd", "guest_memory", "fork", "exec", "clone_vm", "scm_rights",
	"signal", "affinity", "modify_ldt", "reset", "near_ioctl",
	"descriptor", "odd_memory", "pidfd_getfd", "io_uring"
};

static struct shared {
	atomic_ulong calls[KINDS], good[KINDS], usec[KINDS];
	atomic_ulong total, entered, deaths, spoilt, elsewhere;
} *shared;

static struct {
	atomic_int vm, vcpu, bell;	/* probably these */
	atomic_ulong quota;
	atomic_int tids[THREADS];
	uint64_t seed;
} game;

static _Thread_local uint64_t random_state;
static _Thread_local char scratch[2 * PAGE];

static uint64_t rnd(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static uint64_t below(uint64_t n)
{
	return rnd() % n;
}

static bool one_in(unsigned int n)
{
	return below(n) == 0;
}

/* Every call goes by here, and is counted. */
static long tally(enum kind kind, long ret)
{
	atomic_fetch_add(&shared->total, 1);
	atomic_fetch_add(&shared->calls[kind], 1);
	if (ret >= 0)
		atomic_fetch_add(&shared->good[kind], 1);
	return ret;
}

/* ---- Numbers and pointers that somebody might choose ------------------------- */

static uint64_t odd_number(void)
{
	switch (below(8)) {
	case 0: return 0;
	case 1: return below(64);
	case 2: return below(MEMORY_SIZE);
	case 3: return 1ull << below(64);
	case 4: return (1ull << below(64)) - 1;
	case 5: return -(1ull << below(64));
	case 6: return KERNEL + below(MEMORY_SIZE);
	default: return rnd();
	}
}

static uint64_t odd_pages(void)
{
	/* Large ones are for "fuzz memory". */
	return one_in(4) ? odd_number() >> 30 : PAGE * below(2048);
}

/* Where an argument may lie; the first half are good places. */
static void *odd_place(void *good, size_t size)
{
	switch (below(16)) {
	default: return good;
	case 8: return NULL;
	case 9: return (void *)odd_number();
	case 10: return MEMORY + below(MEMORY_SIZE);
	case 11: return RUNS + below(RUN_SLOTS * RUN_SLOT);
	case 12: return RUNS + RUN_SLOTS * RUN_SLOT - size / 2;
	case 13: return (void *)(0x7ffffffff000 - size / 2);
	case 14: return (void *)0xffff800000000000;
	case 15: return (void *)code;
	}
}

static int odd_fd(void)
{
	switch (below(8)) {
	case 0: case 1: case 2: return game.vcpu;
	case 3: case 4: return game.vm;
	case 5: return game.bell;
	case 6: return one_in(16) ? (int)odd_number() : FD_MEMORY;
	default: return FIRST_FD + below(LAST_FD - FIRST_FD);
	}
}

/* Not one of our own. */
static int odd_game_fd(void)
{
	return one_in(4) ? game.vm : one_in(3) ? game.vcpu :
		(int)(FIRST_FD + below(LAST_FD - FIRST_FD));
}

/* Seldom the machine's own. */
static int odd_place_for_fd(void)
{
	if (one_in(200))
		return VM_FD + below(2);
	return VCPU_FD + 1 + below(LAST_FD - VCPU_FD - 1);
}

/* Put a new file where the game is. */
static int keep_at(int fd, int place)
{
	if (fd < 0 || fd == place)
		return fd;
	place = dup3(fd, place, one_in(2) ? O_CLOEXEC : 0);
	close(fd);
	return place;
}

static int keep(int fd)
{
	return keep_at(fd, odd_place_for_fd());
}

/* ---- Calls -------------------------------------------------------------------- */

static void start_state(struct lguest_state *s)
{
	*s = (struct lguest_state){
		.rip = KERNEL + GPA_CODE + CODE_STEP * below(CODE_ENTRIES - 1),
		.rbx = rnd(), .rsp = KERNEL + 0x21000, .rflags = 2,
		.cr3 = GPA_ROOT,
	};
	if (one_in(50))
		s->rip = KERNEL + GPA_CODE + CODE_STEP * (CODE_ENTRIES - 1);
}

static void call_open(void)
{
	static const int flags[] = {
		O_RDWR, O_RDWR, O_RDWR, O_RDONLY, O_WRONLY,
		O_RDWR | O_NONBLOCK, O_RDWR | O_CLOEXEC, O_RDWR | O_TRUNC,
		O_RDWR | O_APPEND | O_ASYNC, O_PATH, O_RDWR | O_DIRECT,
		O_RDWR | O_CREAT | O_EXCL, O_RDWR | O_DIRECTORY,
	};
	int fd = keep(open("/dev/lguest", flags[below(13)]));

	tally(OPEN, fd);
	if (fd >= 0 && one_in(2))
		game.vm = fd;
}

/* Forget the machine, wherever it is still held. */
static void call_reset(void)
{
	mmap(RUNS, RUN_SLOTS * RUN_SLOT, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	tally(RESET, close_range(FIRST_FD, LAST_FD + 8, 0));
	write(FD_SINK, "x", 1);		/* the sink forgets, too */
	ftruncate(FD_MEMORY, MEMORY_SIZE);
	game.vm = game.vcpu = game.bell = -1;
}

/* A whole Guest, if there is none in this process. */
static void call_setup(void)
{
	struct lguest_memory m = {
		(uintptr_t)MEMORY, MEMORY_SIZE, BUS_PAGES, 0
	};
	struct lguest_state s;
	int vm, vcpu, prot = PROT_READ | PROT_WRITE;

	load_guest();
	mmap(MEMORY, MEMORY_SIZE, prot, MAP_SHARED | MAP_FIXED, FD_MEMORY, 0);
	vm = keep_at(open("/dev/lguest", O_RDWR), VM_FD);
	if (tally(SETUP, vm) < 0) {	/* the old one is still there */
		if (one_in(3))
			call_reset();
		return;
	}
	game.vm = vm;
	tally(SETUP, ioctl(vm, LGUEST_SET_MEMORY, &m));
	vcpu = keep_at(ioctl(vm, LGUEST_CREATE_VCPU, 0), VCPU_FD);
	if (tally(SETUP, vcpu) < 0)
		return;
	game.vcpu = vcpu;
	mmap(RUNS, PAGE, prot, MAP_SHARED | MAP_FIXED, vcpu, 0);
	start_state(&s);
	tally(SETUP, ioctl(vcpu, LGUEST_SET_STATE, &s));
}

/* RUN, with some of our registers watched. */
static long run_watched(int fd)
{
	uint64_t xmm[2] = { rnd(), rnd() }, xmm_after[2];
	uint64_t r12 = rnd(), gs = below(1ull << 46), gs_after = 0;
	register uint64_t r12_now asm("r12") = r12;
	uint32_t mxcsr = 0x1f80 | below(4) << 13, mxcsr_after, normal = 0x1f80;
	long ret;

	syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, gs);
	asm volatile("movdqu %[xmm], %%xmm13; ldmxcsr %[mxcsr]; syscall;"
		     "movdqu %%xmm13, %[xmm_after]; stmxcsr %[mxcsr_after];"
		     "ldmxcsr %[normal]"
		     : "=a" (ret), "+r" (r12_now),
		       [xmm_after] "=m" (xmm_after),
		       [mxcsr_after] "=m" (mxcsr_after)
		     : "a" ((long)SYS_ioctl), "D" ((long)fd),
		       "S" ((long)LGUEST_RUN), "d" (rnd()),
		       [xmm] "m" (xmm), [mxcsr] "m" (mxcsr),
		       [normal] "m" (normal)
		     : "rcx", "r11", "xmm13", "memory");
	syscall(SYS_arch_prctl, 0x1004 /* ARCH_GET_GS */, &gs_after);
	if (r12_now != r12 || gs != gs_after || mxcsr != mxcsr_after ||
	    memcmp(xmm, xmm_after, sizeof(xmm)) != 0)
		atomic_fetch_add(&shared->spoilt, 1);
	return ret;
}

static void call_run(void)
{
	long ret = run_watched(one_in(20) ? odd_fd() : game.vcpu);

	tally(RUN, ret);
	if (ret == 0 || ret == -EINTR)
		atomic_fetch_add(&shared->entered, 1);
	if (ret == -ENODEV)
		atomic_fetch_add(&shared->deaths, 1);
	else if ((ret != -EBADF && ret != -ENOTTY) || !one_in(4))
		return;
	call_reset();
	call_setup();
}

static void call_set_state(void)
{
	struct lguest_state s;
	uint64_t *words = (uint64_t *)&s;
	int i, fd = one_in(20) ? odd_fd() : game.vcpu;

	start_state(&s);
	for (i = below(4); i > 0; i--)
		words[below(sizeof(s) / 8)] = odd_number();
	if (one_in(8))
		s.user = below(3);
	tally(SET_STATE, ioctl(fd, LGUEST_SET_STATE,
			       odd_place(&s, sizeof(s))));
}

static void call_get_state(void)
{
	struct lguest_state *s = (void *)scratch;
	int fd = one_in(20) ? odd_fd() : game.vcpu;

	tally(GET_STATE, ioctl(fd, LGUEST_GET_STATE,
			       odd_place(s, sizeof(*s))));
}

static void call_set_memory(void)
{
	struct lguest_memory m = {
		(uintptr_t)MEMORY, MEMORY_SIZE, BUS_PAGES, 0
	};

	switch (below(8)) {
	case 0: m.user_addr = odd_number(); break;
	case 1: m.user_addr = odd_pages(); break;
	case 2: m.size = odd_pages(); break;
	case 3: m.bus_pages = odd_number(); break;
	case 4: m.flags = odd_number(); break;
	case 5: m.user_addr = (uintptr_t)RUNS; break;
	case 6: m.user_addr = (uintptr_t)code & -PAGE; break;
	}
	tally(SET_MEM, ioctl(one_in(8) ? odd_fd() : game.vm,
			     LGUEST_SET_MEMORY, odd_place(&m, sizeof(m))));
}

static void call_create(void)
{
	int fd = ioctl(one_in(8) ? odd_fd() : game.vm, LGUEST_CREATE_VCPU,
		       one_in(2) ? 0 : odd_number());

	fd = keep(fd);
	tally(CREATE, fd);
	if (fd >= 0)
		game.vcpu = fd;
}

static void call_irqfd(void)
{
	struct lguest_irqfd i = {
		.fd = one_in(4) ? odd_fd() : game.bell,
		.irq = one_in(8) ? odd_number() : below(64),
		.flags = one_in(8) ? odd_number() : below(2),
		.reserved = one_in(32),
	};

	tally(IRQFD, ioctl(one_in(8) ? odd_fd() : game.vm, LGUEST_IRQFD,
			   odd_place(&i, sizeof(i))));
}

static void call_doorbell(void)
{
	struct lguest_doorbell b = {
		.fd = one_in(4) ? odd_fd() : game.bell,
		.device = one_in(8) ? odd_number() : below(4),
		.queue = one_in(8) ? odd_number() : below(8),
		.flags = one_in(8) ? odd_number() : below(2),
	};

	tally(BELL, ioctl(one_in(8) ? odd_fd() : game.vm, LGUEST_DOORBELL,
			  odd_place(&b, sizeof(b))));
}

static void call_stats(void)
{
	tally(STATS, ioctl(odd_fd(), one_in(2) ? LGUEST_GET_STATS :
						 LGUEST_GET_VERSION,
			   odd_place(scratch, sizeof(struct lguest_stats))));
}

static void call_unknown(void)
{
	unsigned int cmd = _IOC(below(4), one_in(4) ? below(256) : 0xb7,
				one_in(4) ? below(256) : below(24),
				one_in(2) ? below(1 << 14) : below(600));

	if (one_in(16))
		cmd = rnd();
	/* Those that every file has may close, truncate or block ours. */
	tally(UNKNOWN, ioctl(odd_game_fd(), cmd,
			     odd_place(scratch, sizeof(scratch))));
}

/* One bit, one number or one byte beside a call that there is. */
static void call_near(void)
{
	static const unsigned int cmds[] = {
		LGUEST_GET_VERSION, LGUEST_SET_MEMORY, LGUEST_CREATE_VCPU,
		LGUEST_GET_STATS, LGUEST_RUN, LGUEST_GET_STATE,
		LGUEST_SET_STATE, LGUEST_IRQFD, LGUEST_DOORBELL,
	};
	unsigned int cmd = cmds[below(9)], nr = _IOC_NR(cmd);

	switch (below(4)) {
	case 0: cmd ^= 1u << (below(22) + 8); break;
	case 1: cmd = _IOC(_IOC_DIR(cmd), _IOC_TYPE(cmd),
			   nr < 6 ? 6 + below(10) : 19 + below(237),
			   _IOC_SIZE(cmd)); break;
	case 2: cmd = _IOC(_IOC_DIR(cmd), _IOC_TYPE(cmd), nr,
			   _IOC_SIZE(cmd) + 1 + below(64)); break;
	case 3: cmd = _IOC(_IOC_DIR(cmd) ^ (1 + below(3)), _IOC_TYPE(cmd),
			   nr, _IOC_SIZE(cmd)); break;
	}
	tally(NEAR, ioctl(one_in(2) ? game.vm : game.vcpu, cmd,
			  odd_place(scratch, sizeof(scratch))));
}

/* As a 32-bit program would, from 64-bit code. */
static void call_compat(void)
{
	static const unsigned int cmds[] = {
		LGUEST_GET_VERSION, LGUEST_SET_MEMORY, LGUEST_CREATE_VCPU,
		LGUEST_GET_STATS, LGUEST_RUN, LGUEST_GET_STATE,
		LGUEST_SET_STATE, LGUEST_IRQFD,
	};
	long ret;

	asm volatile("int $0x80"
		     : "=a" (ret)
		     : "a" (54L), "b" ((long)odd_game_fd()),
		       "c" ((long)cmds[below(8)]), "d" (below(1ul << 32))
		     : "memory", "r8", "r9", "r10", "r11");
	tally(COMPAT, (int)ret);
}

static void call_mmap(void)
{
	char *where = RUNS + below(RUN_SLOTS) * RUN_SLOT;
	size_t size = one_in(2) ? PAGE : PAGE * (1 + below(4));
	int flags = MAP_FIXED | (one_in(4) ? MAP_PRIVATE : MAP_SHARED);
	off_t offset = one_in(4) ? (off_t)(odd_number() & -PAGE) : 0;
	void *ret;

	if (one_in(8))
		flags |= MAP_POPULATE;
	if (one_in(8))
		flags |= MAP_LOCKED;
	if (one_in(32))
		size = below(PAGE);
	ret = mmap(where, size, below(8), flags, odd_game_fd(), offset);
	tally(MMAP, ret == MAP_FAILED ? -1 : 0);
}

static void call_unmap(void)
{
	char *where = RUNS + below(RUN_SLOTS * RUN_SLOT / PAGE) * PAGE;
	char *to = RUNS + below(RUN_SLOTS) * RUN_SLOT;
	void *ret = NULL;
	int err = 0;

	switch (below(5)) {
	case 0: err = munmap(where, PAGE); break;
	case 1: err = mprotect(where, PAGE, below(8)); break;
	case 2: err = madvise(where, PAGE, below(26)); break;
	case 3: ret = mremap(where, PAGE, PAGE * (1 + below(4)),
			     MREMAP_MAYMOVE | MREMAP_FIXED, to); break;
	case 4: ret = mremap(where, PAGE, PAGE * below(3), 0); break;
	}
	tally(UNMAP, err || ret == MAP_FAILED ? -1 : 0);
}

static long descriptor_op(int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT };
	struct stat st;

	switch (below(8)) {
	case 0: return fcntl(fd, F_SETFL, odd_number() & ~O_ASYNC);
	case 1: return fcntl(fd, F_GETFL);
	case 2: return fcntl(fd, F_SETFD, below(2));
	case 3: return fcntl(fd, F_SETLEASE, below(3));
	case 4: return flock(fd, (1 << below(4)) | LOCK_NB);
	case 5: return fstat(fd, &st);
	case 6: return fcntl(fd, F_SETSIG, below(2) * SIGUSR1);
	default: return epoll_ctl(FD_DEVICE_DIR, EPOLL_CTL_ADD, fd, &event);
	}
}

static void call_file_op(void)
{
	int fd = odd_game_fd();
	struct pollfd p = { .fd = fd, .events = (short)rnd() };
	struct iovec v = { odd_place(scratch, 64), below(8192) };
	long ret;

	switch (below(16)) {
	case 0: ret = read(fd, odd_place(scratch, 64), below(8192)); break;
	case 1: ret = write(fd, odd_place(scratch, 64), 8); break;
	case 2: ret = lseek(fd, odd_number(), below(5)); break;
	case 3: ret = poll(&p, 1, 0); break;
	case 4: ret = pread(fd, scratch, 64, odd_number()); break;
	case 5: ret = pwritev(fd, &v, 1, odd_number()); break;
	case 6: ret = fsync(fd); break;
	case 7: ret = ftruncate(fd, odd_number()); break;
	case 8: ret = fallocate(fd, below(8), below(8192), 4096); break;
	case 9: ret = sendfile(fd, FD_MEMORY, NULL, 4096); break;
	case 10: ret = copy_file_range(fd, NULL, FD_MEMORY, NULL, 64, 0);
		break;
	case 11: ret = splice(fd, NULL, FD_SINK, NULL, 64,
			      SPLICE_F_NONBLOCK); break;
	case 12: ret = readahead(fd, 0, 4096); break;
	case 13: ret = posix_fadvise(fd, 0, 4096, below(8)); break;
	default: ret = descriptor_op(fd); break;
	}
	tally(FILE_OP, ret);
}

/* What else a file descriptor is good for. */
static void call_descriptor(void)
{
	struct flock lock = { .l_type = below(3), .l_len = below(4096) };
	struct iovec v = { odd_place(scratch, 64), 64 };
	char path[32], text[256];
	int fd = odd_game_fd(), one = below(2), pipes[2] = { -1, -1 };
	struct statx stx;
	long ret = -1;

	sprintf(path, "/proc/self/fd%s/%d", one_in(3) ? "info" : "", fd);
	switch (below(16)) {
	case 0: ret = keep(open(path, one_in(2) ? O_RDWR : O_RDONLY)); break;
	case 1:
		ret = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (ret >= 0) {
			int it = ret;

			if (strstr(path, "info"))
				read(it, text, sizeof(text));
			close(it);
		}
		break;
	case 2: ret = keep(fcntl(fd, F_DUPFD, FIRST_FD)); break;
	case 3: ret = fcntl(fd, F_OFD_SETLK, &lock); break;
	case 4: ret = fcntl(fd, F_SETLK, &lock); break;
	case 5: ret = fcntl(fd, F_SETPIPE_SZ, 4096); break;
	case 6: ret = fcntl(fd, F_GET_SEALS); break;
	case 7: ret = fcntl(fd, F_SETOWN, one_in(2) ? getpid() : 0); break;
	case 8: ret = fcntl(fd, F_NOTIFY, below(64)); break;
	case 9: ret = ioctl(fd, FIONREAD, odd_place(&one, 4)); break;
	case 10: ret = ioctl(fd, FIONBIO, odd_place(&one, 4)); break;
	case 11: ret = fchmod(fd, 0660); break;
	case 12: ret = fchown(fd, -1, -1); break;
	case 13: ret = statx(fd, "", AT_EMPTY_PATH, STATX_ALL, &stx); break;
	case 14:
		if (pipe2(pipes, O_NONBLOCK | O_CLOEXEC))
			break;
		write(pipes[1], scratch, 64);
		ret = one_in(2) ? splice(pipes[0], NULL, fd, NULL, 64,
					 SPLICE_F_NONBLOCK) :
			splice(fd, NULL, pipes[1], NULL, 64,
			       SPLICE_F_NONBLOCK);
		break;
	case 15:	/* the run page, by way of another's eyes */
		v.iov_base = RUNS + below(RUN_SLOTS) * RUN_SLOT;
		ret = process_vm_readv(getpid(), &(struct iovec){ scratch, 64 },
				       1, &v, 1, 0);
		break;
	}
	close(pipes[0]);
	close(pipes[1]);
	tally(DESCRIPTOR, ret);
}

/* The sink, or we ourselves, by a file that stands for the process. */
static void call_pidfd(void)
{
	int pid = one_in(2) ? getpid() : getppid();
	int pidfd = syscall(SYS_pidfd_open, pid, 0), fd = -1;

	if (pidfd >= 0) {
		fd = syscall(SYS_pidfd_getfd, pidfd, odd_game_fd(), 0);
		close(pidfd);
	}
	tally(PIDFD, keep(fd));
}

/* One request that is about one of our files: read, write, poll. */
static void call_uring(void)
{
	struct io_uring_params p = { 0 };
	int ring = syscall(SYS_io_uring_setup, 1, &p);
	struct io_uring_sqe *sqe;
	size_t size = p.sq_off.array + 4;
	char *sq;

	if (tally(URING, ring) < 0)
		return;
	sq = mmap(NULL, size, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
	sqe = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
	if (sq != MAP_FAILED && sqe != MAP_FAILED) {
		static const uint8_t ops[] = {
			IORING_OP_READ, IORING_OP_WRITE, IORING_OP_POLL_ADD,
			IORING_OP_FSYNC, IORING_OP_FALLOCATE, IORING_OP_CLOSE,
			IORING_OP_URING_CMD, IORING_OP_FADVISE,
		};

		memset(sqe, 0, sizeof(*sqe));
		sqe->opcode = ops[below(8)];
		sqe->fd = odd_game_fd();
		sqe->addr = (uintptr_t)odd_place(scratch, 64);
		sqe->len = below(128);
		*(uint32_t *)(sq + p.sq_off.array) = 0;
		*(uint32_t *)(sq + p.sq_off.tail) = 1;
		tally(URING, syscall(SYS_io_uring_enter, ring, 1, 0, 0, NULL,
				     0));
	}
	if (sq != MAP_FAILED)
		munmap(sq, size);
	if (sqe != MAP_FAILED)
		munmap(sqe, PAGE);
	close(ring);
}

static void call_close(void)
{
	tally(CLOSE, close(odd_place_for_fd()));
}

static void call_dup(void)
{
	tally(DUP, dup3(odd_game_fd(), odd_place_for_fd(),
			one_in(2) ? O_CLOEXEC : 0));
}

static void call_event(void)
{
	uint64_t one = 1;

	if (one_in(4)) {
		game.bell = keep(eventfd(0, EFD_NONBLOCK |
					 (one_in(4) ? EFD_SEMAPHORE : 0)));
		tally(EVENT, game.bell);
	} else {
		tally(EVENT, write(game.bell, &one, 8));
	}
}

static void call_memory_op(void)
{
	size_t first = one_in(8) ? below(64) : below(MEMORY_SIZE / PAGE);
	size_t count = one_in(4) ? 512 : 1 + below(8);
	char *at = MEMORY + first * PAGE;
	size_t size = count * PAGE;
	int rw = PROT_READ | PROT_WRITE;
	void *ret = NULL;
	int err = 0;

	if (at + size > MEMORY + MEMORY_SIZE)
		size = MEMORY + MEMORY_SIZE - at;
	switch (below(12)) {
	case 0: err = munmap(at, size); break;
	case 1: err = mprotect(at, size, below(4)); break;
	case 2: err = madvise(at, size, below(26)); break;
	case 3: ret = mmap(at, size, rw, MAP_FIXED | MAP_PRIVATE |
			   MAP_ANONYMOUS, -1, 0); break;
	case 4: ret = mremap(at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
			     MEMORY + 2 * MEMORY_SIZE); break;
	case 5: err = fallocate(FD_MEMORY, FALLOC_FL_PUNCH_HOLE |
				FALLOC_FL_KEEP_SIZE, first * PAGE, size);
		break;
	case 6: err = ftruncate(FD_MEMORY, one_in(2) ? MEMORY_SIZE :
				first * PAGE); break;
	case 7: err = mlock(at, size); break;
	case 8: err = munlock(at, size); break;
	case 9: load_guest(); break;
	default: ret = mmap(at, size, rw, MAP_FIXED | MAP_SHARED, FD_MEMORY,
			    first * PAGE); break;
	}
	tally(MEM_OP, err || ret == MAP_FAILED ? -1 : 0);
}

/* Somewhere in the Guest's memory: memory of another kind. */
static void call_odd_memory(void)
{
	size_t first = one_in(8) ? below(64) : below(MEMORY_SIZE / PAGE - 8);
	char *at = MEMORY + first * PAGE;
	size_t size = (1 + below(8)) * PAGE;
	int rw = PROT_READ | PROT_WRITE, fd = -1;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = {
		.range = { (uintptr_t)at, size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	void *ret = NULL;
	long err = 0;

	switch (below(8)) {
	case 0: ret = mmap(at, size, rw, MAP_FIXED | MAP_SHARED,
			   game.vcpu, 0); break;
	case 1: ret = mmap(at, size, rw, MAP_FIXED | MAP_SHARED |
			   MAP_ANONYMOUS, -1, 0); break;
	case 2: ret = mmap(at, size, rw, MAP_FIXED | MAP_PRIVATE, FD_MEMORY,
			   first * PAGE); break;
	case 3: ret = mmap(at, size, rw, MAP_FIXED | MAP_SHARED, FD_MEMORY,
			   MEMORY_SIZE * 4); break;
	case 4: ret = mmap(at, size, rw, MAP_FIXED | MAP_PRIVATE |
			   MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0); break;
	case 5:
		fd = open("/proc/self/exe", O_RDONLY);
		ret = mmap(at, size, PROT_READ | (one_in(2) ? PROT_WRITE : 0),
			   MAP_FIXED | MAP_PRIVATE, fd, 0);
		break;
	case 6:
		ret = mmap(at, size, rw, MAP_FIXED | MAP_PRIVATE |
			   MAP_ANONYMOUS, -1, 0);
		fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK |
			     UFFD_USER_MODE_ONLY);
		ioctl(fd, UFFDIO_API, &api);
		err = ioctl(fd, UFFDIO_REGISTER, &r);
		break;
	case 7: ret = mremap(RUNS + below(RUN_SLOTS) * RUN_SLOT, PAGE, PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED, at); break;
	}
	close(fd);
	tally(ODD_MEM, err || ret == MAP_FAILED ? -1 : 0);
}

/* What a process may do with files whose memory is another's. */
static void be_elsewhere(int calls)
{
	while (calls-- > 0) {
		int fd = odd_game_fd();
		struct lguest_state s;

		switch (below(6)) {
		case 0:
			if (ioctl(fd, LGUEST_RUN) == 0)
				atomic_fetch_add(&shared->elsewhere, 1);
			break;
		case 1:
			if (ioctl(fd, LGUEST_GET_STATE, &s) == 0)
				atomic_fetch_add(&shared->elsewhere, 1);
			break;
		case 2: call_stats(); break;
		case 3: call_create(); break;
		case 4: call_close(); break;
		case 5:
			mmap(RUNS, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED,
			     fd, 0);
			break;
		}
		tally(FORK, 0);
	}
}

static void call_fork(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(5);
		random_state ^= 1;
		be_elsewhere(below(20));
		_exit(0);
	}
	tally(FORK, pid);
}

static void call_exec(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		char seed[32];
		char *argv[] = { "fuzz", "-", "elsewhere", seed, NULL };

		alarm(5);
		sprintf(seed, "%llu", (unsigned long long)rnd());
		execve("/proc/self/exe", argv, argv + 4);
		_exit(1);
	}
	tally(EXEC, pid);
}

/* Another process, the same memory: it may run the Guest. */
static int other_process(void *unused)
{
	(void)unused;
	/* Our thread's storage is in use: the parent sleeps meanwhile. */
	syscall(SYS_ioctl, game.vcpu, LGUEST_GET_STATE, MEMORY);
	syscall(SYS_ioctl, game.vm, LGUEST_CREATE_VCPU, 0);
	syscall(SYS_exit, 0);
	return 0;
}

static void call_clone_vm(void)
{
	static char stacks[THREADS][16384];
	int i, me = gettid();

	for (i = 0; i < THREADS - 1 && game.tids[i] != me; i++)
		;
	tally(CLONE_VM_OP, clone(other_process, stacks[i] + 16384,
				 CLONE_VM | CLONE_VFORK | SIGCHLD, NULL));
}

static void call_scm(void)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v = { "x", 1 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int fd = odd_game_fd();

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	tally(SCM, sendmsg(FD_SINK, &m, MSG_DONTWAIT | MSG_NOSIGNAL));
}

static void call_signal(void)
{
	tally(SIGNAL, syscall(SYS_tgkill, getpid(),
			      (int)game.tids[below(THREADS)], SIGUSR1));
}

static void call_affinity(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(below(2), &set);
	if (one_in(2)) {
		CPU_SET(0, &set);
		CPU_SET(1, &set);
	}
	tally(AFFINITY, sched_setaffinity(game.tids[below(THREADS)],
					  sizeof(set), &set));
}

static long make_ldt(void)
{
	struct user_desc d = {
		.entry_number = 0, .limit = 0xfffff, .seg_32bit = 1,
		.contents = MODIFY_LDT_CONTENTS_CODE, .limit_in_pages = 1,
		.useable = 1,
	};

	return syscall(SYS_modify_ldt, 1, &d, sizeof(d));
}

static void call_ldt(void)
{
	tally(LDT, make_ldt());
}

static const struct {
	void (*call)(void);
	enum kind kind;
	unsigned int weight;
} calls[] = {
	{ call_open, OPEN, 10 }, { call_setup, SETUP, 10 },
	{ call_run, RUN, 40 }, { call_set_state, SET_STATE, 120 },
	{ call_get_state, GET_STATE, 60 }, { call_set_memory, SET_MEM, 60 },
	{ call_create, CREATE, 40 }, { call_irqfd, IRQFD, 100 },
	{ call_doorbell, BELL, 80 }, { call_stats, STATS, 60 },
	{ call_unknown, UNKNOWN, 100 }, { call_compat, COMPAT, 30 },
	{ call_mmap, MMAP, 80 }, { call_unmap, UNMAP, 60 },
	{ call_file_op, FILE_OP, 150 }, { call_close, CLOSE, 20 },
	{ call_dup, DUP, 20 }, { call_event, EVENT, 80 },
	{ call_memory_op, MEM_OP, 40 }, { call_fork, FORK, 2 },
	{ call_exec, EXEC, 1 }, { call_clone_vm, CLONE_VM_OP, 2 },
	{ call_scm, SCM, 12 }, { call_signal, SIGNAL, 40 },
	{ call_affinity, AFFINITY, 10 }, { call_reset, RESET, 2 },
	{ call_near, NEAR, 60 }, { call_descriptor, DESCRIPTOR, 80 },
	{ call_odd_memory, ODD_MEM, 10 }, { call_pidfd, PIDFD, 10 },
	{ call_uring, URING, 5 },
};
#define CALLS	(sizeof(calls) / sizeof(calls[0]))

static void make_a_call(void)
{
	unsigned int i, sum = 0, n;
	struct timespec begin, end;

	/* A Guest with an LDT is dead: one round in eight may have one. */
	if (game.seed % 8 == 0 && one_in(2000))
		return call_ldt();
	if (game.vm < 0 && one_in(4))
		return call_setup();
	for (i = 0; i < CALLS; i++)
		sum += calls[i].weight;
	n = below(sum);
	for (i = 0; n >= calls[i].weight; i++)
		n -= calls[i].weight;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	calls[i].call();
	clock_gettime(CLOCK_MONOTONIC, &end);
	atomic_fetch_add(&shared->usec[calls[i].kind],
			 (end.tv_sec - begin.tv_sec) * 1000000 +
			 (end.tv_nsec - begin.tv_nsec) / 1000);
}

/* ---- A round -------------------------------------------------------------------- */

static void on_signal(int number)
{
	(void)number;
}

/* Whatever blocks in a thread ends after some milliseconds. */
static void start_timer(void)
{
	struct sigevent e = { .sigev_notify = SIGEV_THREAD_ID,
			      .sigev_signo = SIGALRM };
	struct itimerspec t = { .it_interval.tv_nsec = 4000000,
				.it_value.tv_nsec = 4000000 };
	timer_t timer;

	e._sigev_un._tid = gettid();
	timer_create(CLOCK_MONOTONIC, &e, &timer);
	timer_settime(timer, 0, &t, NULL);
}

static void *thread(void *arg)
{
	long number = (long)arg;

	random_state = game.seed * 1000003 + number * 7919;
	game.tids[number] = gettid();
	start_timer();
	while (atomic_load(&game.quota) > 0) {
		make_a_call();
		atomic_fetch_sub(&game.quota, 1);
		if (atomic_load(&game.quota) > ROUND_CALLS)
			break;	/* below nothing */
	}
	return NULL;
}

/* The process that gets files sent to it. */
static void sink(int from)
{
	random_state = game.seed;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		char byte, control[CMSG_SPACE(sizeof(int))];
		struct iovec v = { &byte, 1 };
		struct msghdr m = {
			.msg_iov = &v, .msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		struct cmsghdr *c;
		int fd;

		if (recvmsg(from, &m, 0) <= 0)
			_exit(0);
		c = CMSG_FIRSTHDR(&m);
		if (!c) {
			close_range(FIRST_FD, LAST_FD, 0);
			munmap(RUNS, PAGE);
			continue;
		}
		memcpy(&fd, CMSG_DATA(c), sizeof(int));
		if (keep(fd) >= 0)
			be_elsewhere(below(6));
	}
}

static void prepare_round(uint64_t seed)
{
	struct sigaction sa = { .sa_handler = on_signal };
	int pair[2], fd;

	game.seed = seed;
	game.vm = game.vcpu = game.bell = -1;
	game.quota = ROUND_CALLS;
	fd = memfd_create("guest", 0);
	dup2(fd, 60);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	dup2(pair[0], 61);
	dup2(pair[1], 62);
	close_range(3, 59, 0);
	dup2(60, FD_MEMORY);
	dup2(61, FD_SINK);
	dup2(62, 9);
	close_range(60, 62, 0);
	ftruncate(FD_MEMORY, MEMORY_SIZE);
	if (fork() == 0)
		sink(9);
	close(9);
	fd = epoll_create1(0);
	dup2(fd, FD_DEVICE_DIR);
	if (fd != FD_DEVICE_DIR)
		close(fd);
	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

static void play_round(uint64_t seed)
{
	pthread_t threads[THREADS];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prepare_round(seed);
	random_state = seed;
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, thread, (void *)i);
	/* Every eighth ends in the middle of its work. */
	if (one_in(8)) {
		usleep(below(200000));
		raise(SIGKILL);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}

/* Returns false if a process has to be killed for not coming to an end. */
static bool wait_for(pid_t pid, int seconds)
{
	for (int i = 0; i < seconds * 100; i++) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return true;
		usleep(10000);
	}
	printf("stuck: round of process %d\n", pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return false;
}

static int fuzz(uint64_t seed, unsigned long wanted)
{
	unsigned long rounds = 0, stuck = 0;

	while (shared->total < wanted) {
		pid_t pid = fork();

		if (pid == 0)
			play_round(seed * 1000000 + rounds);
		if (pid < 0 || !wait_for(pid, 60))
			stuck++;
		rounds++;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	printf("seed %llu\n", (unsigned long long)seed);
	for (int i = 0; i < KINDS; i++)
		printf("kind %s %lu good %lu usec %lu\n", kind_names[i],
		       (unsigned long)shared->calls[i],
		       (unsigned long)shared->good[i],
		       (unsigned long)shared->usec[i]);
	printf("calls %lu\nrounds %lu\nstuck %lu\nentered %lu\n"
	       "deaths %lu\nspoilt %lu\nelsewhere %lu\n",
	       (unsigned long)shared->total, rounds, stuck,
	       (unsigned long)shared->entered, (unsigned long)shared->deaths,
	       (unsigned long)shared->spoilt,
	       (unsigned long)shared->elsewhere);
	return 0;
}

/* ---- An LDT that comes in the middle ----------------------------------------------- */

static void *ldt_thread(void *arg)
{
	usleep((uintptr_t)arg);
	if (make_ldt() < 0)
		perror("modify_ldt");
	return NULL;
}

static void play_ldt(uint64_t seed)
{
	int prot = PROT_READ | PROT_WRITE;
	struct lguest_state s;
	struct lguest_run *run;
	pthread_t thread;
	int ret;

	prepare_round(seed);
	random_state = seed;
	call_setup();
	run = mmap(NULL, PAGE, prot, MAP_SHARED, game.vcpu, 0);
	start_state(&s);
	s.rip = KERNEL + GPA_CODE;	/* the endless loop */
	if (run == MAP_FAILED || ioctl(game.vcpu, LGUEST_SET_STATE, &s) < 0) {
		printf("ldt: cannot set up: %s\n", strerror(errno));
		_exit(1);
	}
	pthread_create(&thread, NULL, ldt_thread, (void *)below(30000));
	do {
		ret = ioctl(game.vcpu, LGUEST_RUN);
	} while ((ret < 0 && errno == EINTR) ||
		 (ret == 0 && run->reason != LGUEST_EXIT_KILLED));
	printf("ldt: %s\n", ret < 0 ? strerror(errno) : run->text);
	fflush(stdout);
	_exit(0);
}

static int ldt_race(unsigned long rounds)
{
	fflush(stdout);
	for (unsigned long i = 0; i < rounds; i++) {
		pid_t pid = fork();

		if (pid == 0)
			play_ldt(i);
		wait_for(pid, 20);
	}
	return 0;
}

/* ---- Memory that nobody has ---------------------------------------------------------- */

static int odd_memory(void)
{
	for (int shift = 23; shift <= 63; shift++) {
		for (int less = 0; less < 2; less++) {
			struct lguest_memory m = {
				.user_addr = PAGE,
				.size = (1ull << shift) - less * PAGE,
			};
			int fd = open("/dev/lguest", O_RDWR);
			int ret = ioctl(fd, LGUEST_SET_MEMORY, &m);

			printf("memory 2^%d%s: %s\n", shift,
			       less ? " less a page" : "",
			       ret ? strerror(errno) : "taken");
			fflush(stdout);
			close(fd);
		}
	}
	return 0;
}

static int become_user(gid_t group)
{
	int fd;

	if (setgroups(0, NULL) || setegid(1000) || seteuid(1000))
		goto fail;
	fd = open("/dev/lguest", O_RDWR);
	printf("without the group: %s\n", fd < 0 ? strerror(errno) : "open");
	if (seteuid(0) || setegid(0) || setgroups(1, &group) ||
	    setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
		goto fail;
	fd = open("/dev/lguest", O_RDWR);
	printf("with the group: %s\n", fd < 0 ? strerror(errno) : "open");
	close(fd);
	return fd < 0 ? -1 : 0;
fail:
	perror("fuzz: cannot become a user");
	return -1;
}

int main(int argc, char **argv)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 4 && !strcmp(argv[2], "elsewhere")) {
		random_state = strtoull(argv[3], NULL, 10);
		be_elsewhere(20);
		return 0;
	}
	if (argc < 3 || become_user(atoi(argv[1])) < 0)
		return 2;
	if (argc == 3 && !strcmp(argv[2], "memory"))
		return odd_memory();
	if (argc == 4 && !strcmp(argv[2], "ldt"))
		return ldt_race(strtoul(argv[3], NULL, 10));
	if (argc == 4)
		return fuzz(strtoull(argv[2], NULL, 10),
			    strtoul(argv[3], NULL, 10));
	return 2;
}
