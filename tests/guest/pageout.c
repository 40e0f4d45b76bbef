// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *	pageout PID MILLISECONDS
 *
 * Ask the kernel to page out all memory files of a process, again and
 * again, and to move its pages about, until the process ends.  Run on the
 * Host while the process is a Launcher: a Guest must not notice.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

static void compact(void)
{
	int fd = open("/proc/sys/vm/compact_memory", O_WRONLY);

	if (fd >= 0) {
		if (write(fd, "1", 1) < 0)
			perror("compact_memory");
		close(fd);
	}
}

/* How many bytes of it the kernel has taken. */
static size_t page_out(int pidfd, const char *pid)
{
	char path[64], line[512];
	size_t taken = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	maps = fopen(path, "r");
	while (maps && fgets(line, sizeof(line), maps)) {
		unsigned long from, to;
		struct iovec range;
		ssize_t n;

		if (!strstr(line, "memfd") ||
		    sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		range.iov_base = (void *)from;
		range.iov_len = to - from;
		n = syscall(SYS_process_madvise, pidfd, &range, 1,
			    MADV_PAGEOUT, 0);
		if (n > 0)
			taken += (size_t)n;
	}
	if (maps)
		fclose(maps);
	return taken;
}

int main(int argc, char *argv[])
{
	int pidfd, rounds = 0;

	if (argc != 3)
		return 2;
	pidfd = (int)syscall(SYS_pidfd_open, atoi(argv[1]), 0);
	if (pidfd < 0) {
		perror("pidfd_open");
		return 1;
	}
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	while (!poll(&end, 1, atoi(argv[2]))) {
		if (page_out(pidfd, argv[1]))
			rounds++;
		if (rounds % 4 == 3)
			compact();
	}
	printf("paged out %d times\n", rounds);
	return 0;
}
