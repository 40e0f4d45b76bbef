// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * With this in LD_PRELOAD, "shortage run" begins where main() does, not in
 * the kernel's execve() or in the dynamic linker, whose troubles are not the
 * program's. Threads inherit it.
 */
#include <fcntl.h>
#include <unistd.h>

__attribute__((constructor)) static void begin(void)
{
	int fd = open("/proc/thread-self/make-it-fail", O_WRONLY);

	if (fd < 0 || write(fd, "1", 1) != 1)
		_exit(125);
	/* (closing it could not fail) */
	close(fd);
}
