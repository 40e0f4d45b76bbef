// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Load another kernel, for now or for after a crash.
 *
 *	kexec now|crash KERNEL INITRD COMMANDLINE
 *
 * "now" goes there at once, with no word to any process.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int kernel, initrd, now;

	if (argc != 5)
		return 2;
	now = !strcmp(argv[1], "now");
	kernel = open(argv[2], O_RDONLY);
	initrd = open(argv[3], O_RDONLY);
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[4]) + 1,
		    argv[4], now ? 0 : KEXEC_FILE_ON_CRASH)) {
		perror("kexec_file_load");
		return 1;
	}
	if (!now)
		return 0;
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		LINUX_REBOOT_CMD_KEXEC, NULL);
	perror("reboot");
	return 1;
}
