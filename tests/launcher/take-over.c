// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A Launcher that a Guest has taken over: preloaded into it, this makes one of
 * its threads do what the thread has no business with, and tells the result.
 *
 * TAKE_OVER="CLASS ATTEMPT": CLASS is vcpu, queue or main (which must wait for a
 * reboot); the attempts are in the table.  Prints "ATTEMPT returned N" and exits with
 * status 77, if it comes to that.  TAKE_OVER_FILE: a file to remove, or to make.
 */
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <lguest/uapi.h>

static long sys(long n, ...)
{
	va_list a;
	long v[6];

	va_start(a, n);
	for (int i = 0; i < 6; i++)
		v[i] = va_arg(a, long);
	va_end(a);
	n = syscall(n, v[0], v[1], v[2], v[3], v[4], v[5]);
	return n < 0 ? -errno : n;
}

/* The same with all arguments given. */
#define S(...)	sys(__VA_ARGS__, 0l, 0l, 0l, 0l, 0l, 0l)
#define L(x)	((long)(x))

static long child(long pid)
{
	if (!pid)
		_exit(0);
	return pid;
}

static const char *file(void) { return getenv("TAKE_OVER_FILE"); }

static long try_open(void) { return S(SYS_openat, L(AT_FDCWD), L("/etc/passwd"), L(O_RDONLY)); }
static long try_create(void) { return S(SYS_openat, L(AT_FDCWD), L(file()), L(O_CREAT | O_RDWR), 0600l); }
static long try_old_open(void) { return S(SYS_open, L("/etc/passwd"), L(O_RDONLY)); }
static long try_stat(void) { struct { char c[512]; } st; return S(SYS_newfstatat, L(AT_FDCWD), L("/etc/passwd"), L(&st), 0l); }
static long try_unlink(void) { return S(SYS_unlink, L(file())); }
static long try_socket(void) { return S(SYS_socket, L(AF_INET), L(SOCK_STREAM), 0l); }
static long try_unix(void) { return S(SYS_socket, L(AF_UNIX), L(SOCK_STREAM), 0l); }
static long try_ptrace(void) { return S(SYS_ptrace, L(PTRACE_ATTACH), L(getppid())); }
static long try_read_other(void) { return S(SYS_process_vm_readv, L(getppid())); }
static long try_execve(void)
{
	char *argv[] = { "true", NULL };

	return S(SYS_execve, L("/bin/true"), L(argv), 0l);
}
static long try_kill(void) { return S(SYS_kill, L(getppid()), 0l); }
static long try_tgkill(void) { return S(SYS_tgkill, 1l, 1l, 0l); }
static long try_mount(void) { return S(SYS_mount, L("none"), L("/tmp"), L("tmpfs"), 0l, 0l); }
static long try_chroot(void) { return S(SYS_chroot, L("/")); }
static long try_unshare(void) { return S(SYS_unshare, L(CLONE_NEWUSER)); }
static long try_setuid(void) { return S(SYS_setuid, 0l); }
static long try_prctl(void) { return S(SYS_prctl, L(PR_SET_DUMPABLE), 1l); }
static long try_fork(void) { return child(S(SYS_fork)); }
static long try_clone(void) { return child(S(SYS_clone, L(SIGCHLD), 0l)); }
static long try_clone3(void)
{
	struct { __u64 w[8]; } args = { { 0, 0, 0, 0, SIGCHLD } };

	return child(S(SYS_clone3, L(&args), L(sizeof(args))));
}
static long try_code(void) { return S(SYS_mmap, 0l, 4096l, L(PROT_READ | PROT_EXEC), L(MAP_PRIVATE | MAP_ANONYMOUS), -1l, 0l); }
static long try_mprotect(void)
{
	static char page[8192];

	return S(SYS_mprotect, L(page + 4095) & ~4095l, 4096l, L(PROT_READ | PROT_WRITE | PROT_EXEC));
}
static long try_bpf(void) { return S(SYS_bpf, 0l, 0l, 0l); }
static long try_perf(void) { return S(SYS_perf_event_open); }
static long try_uring(void) { return S(SYS_io_uring_setup, 1l, 0l); }
static long try_module(void) { return S(SYS_init_module, 0l, 0l, L("")); }
static long try_userfault(void) { return S(SYS_userfaultfd, 0l); }
static long try_pidfd(void) { return S(SYS_pidfd_open, L(getppid()), 0l); }
static long try_personality(void) { return S(SYS_personality, 0xffffffffl); }
static long try_tiocsti(void) { return S(SYS_ioctl, 0l, L(TIOCSTI), L("x")); }
static long try_ioctl(void) { return S(SYS_ioctl, 2l, 0x12345678l, 0l); }
static long try_capset(void) { return S(SYS_capset, 0l, 0l); }
/* The other two ways into the kernel: that of 32 bits, and that of x32. */
static long try_int80(void)
{
	long ret = 20;			/* getpid */

	asm volatile("int $0x80" : "+a" (ret) : : "r8", "r9", "r10", "r11", "memory");
	return ret;
}
static long try_x32(void) { return S(0x40000000l | SYS_getpid); }
/* What must go on working. */
static long try_nothing(void) { return S(SYS_getpid) > 0 ? 0 : -1; }

static const struct {
	const char *name;
	long (*attempt)(void);
} attempts[] = {
	{ "open", try_open }, { "create", try_create }, { "old-open", try_old_open },
	{ "stat", try_stat }, { "unlink", try_unlink }, { "socket", try_socket },
	{ "unix", try_unix }, { "ptrace", try_ptrace }, { "read-other", try_read_other },
	{ "execve", try_execve }, { "kill", try_kill }, { "tgkill", try_tgkill },
	{ "mount", try_mount }, { "chroot", try_chroot }, { "unshare", try_unshare },
	{ "setuid", try_setuid }, { "prctl", try_prctl }, { "fork", try_fork },
	{ "clone", try_clone }, { "clone3", try_clone3 }, { "code", try_code },
	{ "mprotect", try_mprotect }, { "bpf", try_bpf }, { "perf", try_perf },
	{ "uring", try_uring }, { "module", try_module }, { "userfault", try_userfault },
	{ "pidfd", try_pidfd }, { "personality", try_personality },
	{ "tiocsti", try_tiocsti }, { "ioctl", try_ioctl }, { "capset", try_capset },
	{ "int80", try_int80 }, { "x32", try_x32 }, { "nothing", try_nothing },
};

static void take_over(const char *class)
{
	const char *wish = getenv("TAKE_OVER");
	size_t len = strlen(class);

	if (!wish || strncmp(wish, class, len) != 0 || wish[len] != ' ')
		return;
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		char text[80];
		int n;

		if (strcmp(attempts[i].name, wish + len + 1) != 0)
			continue;
		n = snprintf(text, sizeof(text), "%s returned %ld\n", wish, attempts[i].attempt());
		syscall(SYS_write, 2, text, n);
		_exit(77);
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	static int (*next)(int, unsigned long, void *);
	va_list args;
	void *arg;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "ioctl");
	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (request == LGUEST_RUN)
		take_over("vcpu");
	return next(fd, request, arg);
}

/* The thread of a queue is the only one that waits for three files. */
int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	static int (*next)(struct pollfd *, nfds_t, int);

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "poll");
	if (n == 3)
		take_over("queue");
	return next(fds, n, timeout);
}

int openat(int dir, const char *path, int flags, ...)
{
	static int (*next)(int, const char *, int);
	static int lives;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "openat");
	if (strcmp(path, "lguest") == 0 && lives++)
		take_over("main");
	return next(dir, path, flags);
}
