// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *	devices [OPTION...] disk /dev/vda
 *	devices [OPTION...] net ADDRESS
 *	devices serve
 *
 * What does a request to a disk cost, or a packet? For the net there must be
 * a peer, which is the same program with the argument "serve". What is on the
 * disk is lost. For the options see measure.h.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "measure.h"

/* --- The disk ------------------------------------------------------------- */

#define DEPTH 16		/* requests at a time */
#define LARGE (128ul << 10)	/* bytes of a large one */

static int disk;
static uint64_t disk_size;
static char *buffers;		/* DEPTH pages, or one of LARGE bytes */

static void open_disk(const char *path)
{
	disk = open(path, O_RDWR | O_DIRECT);
	check(disk >= 0 && !ioctl(disk, BLKGETSIZE64, &disk_size));
	buffers = mmap(NULL, LARGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	check(buffers != MAP_FAILED);
}

static off_t somewhere(void)
{
	static uint64_t state = 1;

	return random_next(&state) % (disk_size / PAGE) * PAGE;
}

static void read_one(long n)
{
	while (n--)
		check(pread(disk, buffers, PAGE, somewhere()) ==
		      (ssize_t)PAGE);
}

static void write_one(long n)
{
	while (n--)
		check(pwrite(disk, buffers, PAGE, somewhere()) ==
		      (ssize_t)PAGE);
}

/* As many of them as can be are under way at all times. */
static void many(long n, int kind)
{
	static struct iocb request[DEPTH];
	struct io_event done[DEPTH];
	struct iocb *now[DEPTH];
	aio_context_t queue = 0;
	long begun = 0, ended = 0, got = DEPTH, i, count;

	check(!syscall(SYS_io_setup, DEPTH, &queue));
	for (i = 0; i < DEPTH; i++)
		done[i].obj = (uintptr_t)&request[i];
	while (ended < n) {
		for (count = 0; count < got && begun < n; begun++) {
			i = (struct iocb *)(uintptr_t)done[count].obj -
			    request;
			request[i] = (struct iocb){
				.aio_lio_opcode = kind,
				.aio_fildes = disk,
				.aio_buf = (uintptr_t)(buffers + i * PAGE),
				.aio_nbytes = PAGE,
				.aio_offset = somewhere(),
			};
			now[count++] = &request[i];
		}
		check(syscall(SYS_io_submit, queue, count, now) == count);
		got = syscall(SYS_io_getevents, queue, 1, DEPTH, done, NULL);
		check(got > 0);
		for (i = 0; i < got; i++)
			check(done[i].res == (int64_t)PAGE);
		ended += got;
	}
	syscall(SYS_io_destroy, queue);
}

static void read_many(long n)
{
	many(n, IOCB_CMD_PREAD);
}

static void write_many(long n)
{
	many(n, IOCB_CMD_PWRITE);
}

static void read_on(long n)
{
	off_t at = 0;

	while (n--) {
		check(pread(disk, buffers, LARGE, at) == (ssize_t)LARGE);
		at = (at + LARGE) % disk_size;
	}
}

static void write_on(long n)
{
	off_t at = 0;

	while (n--) {
		check(pwrite(disk, buffers, LARGE, at) == (ssize_t)LARGE);
		at = (at + LARGE) % disk_size;
	}
}

static void write_sync(long n)
{
	while (n--) {
		write_one(1);
		check(!fsync(disk));
	}
}

static void measure_disk(const char *path)
{
	open_disk(path);
	measure("disk_read", read_one, 2000, 1);
	measure("disk_write", write_one, 2000, 1);
	measure("disk_read_16", read_many, 4000, 1);
	measure("disk_write_16", write_many, 4000, 1);
	measure("disk_read_128k", read_on, 400, 1);
	measure("disk_write_128k", write_on, 400, 1);
	measure("disk_write_sync", write_sync, 1000, 1);
}

/* --- The net -------------------------------------------------------------- */

#define PORT 7007
#define CHUNK 65536		/* bytes of a read or write */
#define MIB (1 << 20)
#define PACKETS 32		/* one after the other */
#define PACKET 1400		/* bytes of each */

/* What a client asks for: so many bytes from one side to the other. */
struct order {
	uint32_t to_peer, from_peer;
};

static char data[CHUNK];
static struct sockaddr_in peer = {
	.sin_family = AF_INET,
};

static void give(int fd, size_t left)
{
	ssize_t now;

	for (; left; left -= now) {
		now = write(fd, data, left < CHUNK ? left : CHUNK);
		check(now > 0);
	}
}

static void take(int fd, size_t left)
{
	ssize_t now;

	for (; left; left -= now) {
		now = read(fd, data, left < CHUNK ? left : CHUNK);
		check(now > 0);
	}
}

static void serve_stream(int fd)
{
	struct order order;

	while (recv(fd, &order, sizeof(order), MSG_WAITALL) ==
	       sizeof(order)) {
		take(fd, order.to_peer);
		give(fd, order.from_peer);
		give(fd, 1);
	}
	close(fd);
}

/* A packet of one byte is sent back; others only count. */
static void serve(void)
{
	int on = 1;
	struct pollfd fds[] = {
		{ .fd = socket(AF_INET, SOCK_DGRAM, 0), .events = POLLIN },
		{ .fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN },
	};

	peer.sin_port = htons(PORT);
	setsockopt(fds[1].fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	check(!bind(fds[0].fd, (void *)&peer, sizeof(peer)) &&
	      !bind(fds[1].fd, (void *)&peer, sizeof(peer)) &&
	      !listen(fds[1].fd, 1));
	while (poll(fds, 2, -1) > 0) {
		struct sockaddr_in from;
		socklen_t length = sizeof(from);
		ssize_t got;

		if (fds[1].revents)
			serve_stream(accept(fds[1].fd, NULL, NULL));
		if (!fds[0].revents)
			continue;
		got = recvfrom(fds[0].fd, data, CHUNK, 0, (void *)&from,
			       &length);
		if (got == 1)
			sendto(fds[0].fd, data, 1, 0, (void *)&from, length);
	}
}

static int packets, stream;

static void connect_both(const char *address)
{
	struct order nothing = { 0, 0 };

	peer.sin_port = htons(PORT);
	check(inet_pton(AF_INET, address, &peer.sin_addr) == 1);
	packets = socket(AF_INET, SOCK_DGRAM, 0);
	check(!connect(packets, (void *)&peer, sizeof(peer)));
	stream = socket(AF_INET, SOCK_STREAM, 0);
	check(!connect(stream, (void *)&peer, sizeof(peer)));
	check(write(stream, &nothing, sizeof(nothing)) == sizeof(nothing));
	take(stream, 1);
}

static void ping(long n)
{
	char c = 0;

	while (n--)
		check(send(packets, &c, 1, 0) == 1 &&
		      recv(packets, &c, 1, 0) == 1);
}

/* So few that none is lost; an answer says that the peer has taken them. */
static void send_packets(long n)
{
	int i;

	while (n--) {
		for (i = 0; i < PACKETS; i++)
			check(send(packets, data, PACKET, 0) == PACKET);
		ping(1);
	}
}

static void exchange(uint32_t to_peer, uint32_t from_peer)
{
	struct order order = { to_peer, from_peer };

	check(write(stream, &order, sizeof(order)) == sizeof(order));
	give(stream, to_peer);
	take(stream, from_peer);
	take(stream, 1);
}

static void send_mib(long n)
{
	exchange(n * MIB, 0);
}

static void receive_mib(long n)
{
	exchange(0, n * MIB);
}

static void stream_ping(long n)
{
	while (n--)
		exchange(0, 0);
}

static void measure_net(const char *address)
{
	connect_both(address);
	measure("net_send_mib", send_mib, 64, 1);
	measure("net_receive_mib", receive_mib, 64, 1);
	measure("net_tcp_ping", stream_ping, 2000, 1);
	shutdown(stream, SHUT_RDWR);
	measure("net_udp_ping", ping, 2000, 1);
	measure("net_packet", send_packets, 100, PACKETS);
}

int main(int argc, char **argv)
{
	int at = measure_options(argc, argv);
	const char *what = at >= 0 && at < argc ? argv[at] : "";

	if (!strcmp(what, "disk") && at + 2 == argc)
		measure_disk(argv[at + 1]);
	else if (!strcmp(what, "net") && at + 2 == argc)
		measure_net(argv[at + 1]);
	else if (!strcmp(what, "serve") && at + 1 == argc)
		serve();
	else
		return 2;
	return 0;
}
