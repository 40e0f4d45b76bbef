// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The agent runs one command inside the machine that build/try booted, and
 * tells build/try over a serial line or the Guest's console what the command
 * wrote and how it ended.
 *
 *	agent CHANNEL NONCE COMMAND [ARG...]
 *	agent CHANNEL NONCE --fail WHY
 *	agent --tsc				(see below)
 *
 * The line may be shared with kernel messages, so everything travels in text
 * lines of their own, each one numbered and with a checksum:
 *
 *	NONCE SEQUENCE TYPE BASE64 CRC32
 *
 * TYPE is o (standard output), e (standard error), x (exit status, the last
 * line) or f (the machine is not fit to run the command, and why).
 * build/try takes all other text for console output.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define CHUNK	3072		/* bytes in one line, a multiple of 3 */

static int channel;
static const char *nonce;
static unsigned int sequence;

static uint32_t crc32(const unsigned char *p, size_t len)
{
	uint32_t crc = ~0u;

	while (len--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
	}
	return ~crc;
}

static char *base64(char *out, const unsigned char *p, size_t len)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = p[i] << 16;

		v |= i + 1 < len ? p[i + 1] << 8 : 0;
		v |= i + 2 < len ? p[i + 2] : 0;
		*out++ = digit[v >> 18];
		*out++ = digit[v >> 12 & 63];
		*out++ = i + 1 < len ? digit[v >> 6 & 63] : '=';
		*out++ = i + 2 < len ? digit[v & 63] : '=';
	}
	return out;
}

static void send_line(char type, const void *data, size_t len)
{
	char line[CHUNK / 3 * 4 + 128], *p = line;

	p += sprintf(p, "%s %u %c ", nonce, sequence++, type);
	p = base64(p, data, len);
	p += sprintf(p, " %08x\n", crc32(data, len));
	for (char *q = line; q < p; ) {
		ssize_t n = write(channel, q, p - q);

		if (n > 0)
			q += n;
		else if (errno != EINTR && errno != EAGAIN)
			exit(125);
	}
}

static void fail(const char *why)
{
	char text[256];
	int len = snprintf(text, sizeof(text), "%s: %s", why, strerror(errno));

	send_line('f', text, len);
	tcdrain(channel);
	exit(125);
}

/* Not only raw: no echo, no newline translation, every byte as it is. */
static void open_channel(const char *path)
{
	struct termios t;

	channel = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (channel < 0) {
		perror(path);
		exit(125);
	}
	if (tcgetattr(channel, &t))
		return;
	cfmakeraw(&t);
	cfsetspeed(&t, B115200);
	t.c_cflag |= CLOCAL;
	t.c_cflag &= ~HUPCL;
	tcsetattr(channel, TCSANOW, &t);
}

static pid_t start(char **argv, int out, int err)
{
	sigset_t none;
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid)
		return pid;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	dup2(out, 1);
	dup2(err, 2);
	execvp(argv[0], argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static volatile sig_atomic_t ended;

static void child_ended(int signo)
{
	(void)signo;
	ended = 1;
}

/* Pass on what is there; 0 when the pipe has no writer any more. */
static int forward(int fd, char type)
{
	unsigned char buf[CHUNK];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n > 0)
		send_line(type, buf, n);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/*
 * Forward both pipes until the command has ended and they are empty.  They
 * may stay open longer than that, when it left a daemon behind.
 */
static void forward_all(int out, int err)
{
	struct pollfd fd[] = {
		{ .fd = out, .events = POLLIN },
		{ .fd = err, .events = POLLIN },
	};
	struct timespec soon = { 0 };
	sigset_t none;

	sigemptyset(&none);
	while (fd[0].fd >= 0 || fd[1].fd >= 0) {
		int last = ended;
		int n = ppoll(fd, 2, last ? &soon : NULL, &none);

		if (n < 0 && errno == EINTR)
			continue;
		for (int i = 0; i < 2; i++)
			if (n > 0 && fd[i].revents &&
			    !forward(fd[i].fd, "oe"[i]))
				fd[i].fd = -1;
		if (n == 0 && last)
			break;
	}
}

/*
 * How fast does the time stamp counter run here, in kHz?  build/try asks that
 * outside of any machine: the emulator passes the counter on, and a kernel on
 * a busy emulator may fail to find out for itself.
 */
static int print_tsc(void)
{
	struct timespec begin, end, pause = { .tv_nsec = 20000000 };
	uint64_t ticks, ns;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	ticks = __builtin_ia32_rdtsc();
	nanosleep(&pause, NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	ticks = __builtin_ia32_rdtsc() - ticks;
	ns = (end.tv_sec - begin.tv_sec) * 1000000000ull +
	     end.tv_nsec - begin.tv_nsec;
	printf("%llu\n", ticks * 1000000ull / ns);
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = child_ended };
	int out[2], err[2], status;
	char text[16];
	sigset_t child;
	pid_t pid;

	if (argc == 2 && !strcmp(argv[1], "--tsc"))
		return print_tsc();
	if (argc < 4) {
		fprintf(stderr, "usage: agent CHANNEL NONCE COMMAND...\n");
		return 125;
	}
	open_channel(argv[1]);
	nonce = argv[2];
	if (!strcmp(argv[3], "--fail") && argc == 5) {
		send_line('f', argv[4], strlen(argv[4]));
		tcdrain(channel);
		return 0;
	}

	/* SIGCHLD only arrives inside ppoll(), so that none is missed. */
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	sigaction(SIGCHLD, &act, NULL);
	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		fail("pipe");
	pid = start(argv + 3, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	forward_all(out[0], err[0]);
	waitpid(pid, &status, 0);
	sync();

	/* As a shell says it. */
	status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
				       WEXITSTATUS(status);
	send_line('x', text, sprintf(text, "%d", status));
	tcdrain(channel);
	return 0;
}
