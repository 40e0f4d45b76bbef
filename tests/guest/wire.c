// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sends bytes along a vsock and wants them back:
 *
 *	wire call PORT COUNT		the Guest calls the Host
 *	wire serve PORT			... and is called, once
 *	wire unix-call PATH PORT COUNT	the Host calls the Guest at PATH
 *	wire unix-serve PATH		... and is called, once
 *
 * Who serves reads to the end and gives everything back.
 */
#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char *what)
{
	printf("wire: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int vsock(void)
{
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (fd < 0)
		fail("socket");
	return fd;
}

static int call_vsock(unsigned int port)
{
	struct sockaddr_vm to = { .svm_family = AF_VSOCK, .svm_cid = 2,
				  .svm_port = port };
	int fd = vsock();

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail("connect");
	return fd;
}

static int take(int listener)
{
	int fd;

	if (listen(listener, 1) < 0)
		fail("listen");
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		fail("accept");
	return fd;
}

static int serve_vsock(unsigned int port)
{
	struct sockaddr_vm at = { .svm_family = AF_VSOCK,
				  .svm_cid = VMADDR_CID_ANY, .svm_port = port };
	int fd = vsock();

	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		fail("bind");
	return take(fd);
}

static struct sockaddr_un path_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	return address;
}

static int call_unix(const char *path, const char *port)
{
	struct sockaddr_un to = path_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char byte = 0, first = 0;

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail("connect");
	dprintf(fd, "CONNECT %s\n", port);
	while (byte != '\n') {
		if (read(fd, &byte, 1) != 1)
			fail("nobody is there");
		first = first ? first : byte;
	}
	if (first != 'O')
		fail("no OK");
	return fd;
}

static int serve_unix(const char *path)
{
	struct sockaddr_un at = path_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		fail("bind");
	return take(fd);
}

static void put(int fd, const uint8_t *from, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, from, len);

		if (n <= 0)
			fail("write");
		from += n;
		len -= n;
	}
}

/* Everything up to the end, which is at @max bytes at most. */
static size_t get(int fd, uint8_t *to, size_t max)
{
	size_t len = 0;
	ssize_t n;

	while (len < max && (n = read(fd, to + len, max - len)) != 0) {
		if (n < 0)
			fail("read");
		len += n;
	}
	return len;
}

#define MOST	(16 << 20)

static void call(int fd, size_t count)
{
	uint8_t *data = calloc(1, MOST + 1), *back = calloc(1, MOST + 1);
	uint32_t seed = 12345;
	size_t got;

	for (size_t i = 0; i < count; i++) {
		seed = seed * 1664525 + 1013904223;
		data[i] = seed >> 24;
	}
	put(fd, data, count);
	shutdown(fd, SHUT_WR);
	got = get(fd, back, MOST + 1);
	printf("wire: %zu of %zu bytes came back, %s\n", got, count,
	       got == count && !memcmp(data, back, count) ? "unchanged" :
	       "changed");
}

static void serve(int fd)
{
	uint8_t *data = malloc(MOST);

	put(fd, data, get(fd, data, MOST));
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 4 && !strcmp(argv[1], "call"))
		call(call_vsock(strtoul(argv[2], NULL, 10)), atol(argv[3]));
	else if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(serve_vsock(strtoul(argv[2], NULL, 10)));
	else if (argc == 5 && !strcmp(argv[1], "unix-call"))
		call(call_unix(argv[2], argv[3]), atol(argv[4]));
	else if (argc == 3 && !strcmp(argv[1], "unix-serve"))
		serve(serve_unix(argv[2]));
	else
		return 2;
	return 0;
}
