// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * 1000 times (or as often as the first argument says) fork() and exec(),
 * with arguments, an environment, a pipe and an exit status that are
 * different each time.
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static int child(char **argv)
{
	const char *from_parent = getenv("NUMBER");
	int n = atoi(argv[2]);
	char text[64];

	if (!from_parent || atoi(from_parent) != n * 3)
		return 255;
	snprintf(text, sizeof(text), "this is %d", n);
	if (write(1, text, strlen(text) + 1) != (ssize_t)strlen(text) + 1)
		return 254;
	return n % 250;
}

static int once(int n)
{
	char number[32], environment[32], text[64] = "", expected[64];
	char *argv[] = { "forkexec", "child", number, NULL };
	char *envp[] = { environment, NULL };
	int fds[2], status = -1, bad = 0;
	pid_t pid;

	snprintf(number, sizeof(number), "%d", n);
	snprintf(environment, sizeof(environment), "NUMBER=%d", n * 3);
	snprintf(expected, sizeof(expected), "this is %d", n);
	if (pipe(fds))
		return 1;
	pid = n & 1 ? vfork() : fork();
	if (!pid) {
		dup2(fds[1], 1);
		close(fds[0]);
		execve("/proc/self/exe", argv, envp);
		_exit(253);
	}
	close(fds[1]);
	bad += pid < 0;
	bad += read(fds[0], text, sizeof(text)) !=
	       (ssize_t)strlen(expected) + 1;
	bad += strcmp(text, expected) != 0;
	close(fds[0]);
	bad += waitpid(pid, &status, 0) != pid;
	bad += !WIFEXITED(status) || WEXITSTATUS(status) != n % 250;
	if (bad)
		diag("number %d: status %#x, text \"%s\"", n, status, text);
	return bad;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 1000;
	int i, bad = 0;

	if (argc > 2 && !strcmp(argv[1], "child"))
		return child(argv);
	for (i = 0; i < count && bad < 5; i++)
		bad += once(i) != 0;
	ok(!bad, "%d times fork, exec and wait", count);
	return finish();
}
