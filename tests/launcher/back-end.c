// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A vhost-user back end that is not well: back-end SOCKET WHEN HOW
 *
 * It listens at SOCKET, answers like a disk without content, and does HOW
 * instead when a letter of the kind WHEN comes. It serves no queue.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct header { uint32_t request, flags, size; };
static unsigned char content[4096];
static int client, file;

static void answer(struct header *h, const void *what, uint32_t size)
{
	struct header r = { h->request, 5, size };
	unsigned char all[8192];

	memcpy(all, &r, 12);
	memcpy(all + 12, what, size);
	if (write(client, all, 12 + size) < 0)
		exit(1);
}

static void send_files(struct header *h)
{
	struct header r = { h->request, 5, 8 };
	uint64_t zero = 0;
	struct iovec iov[] = { { &r, 12 }, { &zero, 8 } };
	char room[CMSG_SPACE(200 * sizeof(int))] = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2,
		.msg_control = room, .msg_controllen = sizeof(room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(200 * sizeof(int));
	for (int i = 0; i < 200; i++)
		((int *)CMSG_DATA(c))[i] = client;
	sendmsg(client, &msg, 0);
}

static void receive(void *to, size_t size)
{
	for (size_t done = 0; done < size;) {
		char room[CMSG_SPACE(sizeof(int))];
		struct iovec iov = { (char *)to + done, size - done };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = room, .msg_controllen = sizeof(room) };
		ssize_t got = recvmsg(client, &msg, 0);

		if (got <= 0) {
			printf("end\n");
			exit(0);
		}
		if (msg.msg_controllen >= CMSG_LEN(sizeof(int)))
			memcpy(&file, CMSG_DATA(CMSG_FIRSTHDR(&msg)), 4);
		done += got;
	}
}

/* Tries what the seals forbid. */
static void abuse_memory(void)
{
	struct stat st;

	fstat(file, &st);
	printf("offered %llu, guest %llu, offset %llu\n",
	       *(unsigned long long *)(content + 16),
	       *(unsigned long long *)(content + 8),
	       *(unsigned long long *)(content + 32));
	printf("shrink %d grow %d unseal %d\n", ftruncate(file, 4096),
	       ftruncate(file, st.st_size + 4096),
	       fcntl(file, F_ADD_SEALS, F_SEAL_WRITE));
	memset(mmap(NULL, st.st_size, PROT_WRITE, MAP_SHARED, file,
		    0) + (st.st_size - 32 * 4096), 0xff, 32 * 4096);
	fflush(stdout);
}

static void misbehave(struct header *h, const char *how)
{
	uint64_t one = 1;
	struct header r = { h->request, 5, 8 };

	if (!strcmp(how, "dies"))
		exit(0);
	if (!strcmp(how, "silent"))
		for (;;)
			pause();
	if (!strcmp(how, "refuses"))
		answer(h, &one, 8);
	if (!strcmp(how, "short"))
		answer(h, &one, 4);
	if (!strcmp(how, "long"))
		answer(h, content, 4000);
	if (!strcmp(how, "other"))
		r.request++;
	if (!strcmp(how, "unflagged"))
		r.flags = 1;
	if (!strcmp(how, "version"))
		r.flags = 6;
	if (!strcmp(how, "huge"))
		r.size = 0xffffffff;
	if (!strcmp(how, "other") || !strcmp(how, "unflagged") ||
	    !strcmp(how, "version") || !strcmp(how, "huge")) {
		if (write(client, &r, 12) + write(client, &one, 8) != 20)
			exit(1);
	}
	if (!strcmp(how, "half"))
		if (write(client, &r, 7) != 7)
			exit(1);
	if (!strcmp(how, "half-dies"))
		exit(write(client, &r, 7) != 7);
	if (!strcmp(how, "slow"))
		for (int i = 0; i < 20; i++) {
			char zero[20] = { 0 };

			memcpy(zero, &r, 12);
			if (write(client, zero + i, 1) != 1)
				exit(1);
			usleep(20000);
		}
	if (!strcmp(how, "drip"))
		for (int i = 0; i < 20; i++) {
			if (write(client, (char *)&r + i % 12, 1) != 1)
				exit(1);
			sleep(1);
		}
	if (!strcmp(how, "files"))
		send_files(h);
	if (!strcmp(how, "nothing"))
		answer(h, "\0\0\0\0\0\0\0", 8);
	if (!strcmp(how, "everything"))
		answer(h, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	if (!strcmp(how, "chatty")) {
		answer(h, "\0\0\0\0\0\0\0", 8);
		answer(h, "\0\0\0\0\0\0\0", 8);
	}
	if (!strcmp(how, "empty")) {	/* a configuration */
		((uint32_t *)content)[1] = 0;
		answer(h, content, h->size);
	}
	if (!strcmp(how, "abuses")) {
		abuse_memory();
		answer(h, "\0\0\0\0\0\0\0", 8);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct virtio_blk_config *disk = (void *)(content + 12);
	uint64_t features = 1ull << 32 | 1ull << 30 | 1ull << 28 |
			    1ull << VIRTIO_BLK_F_FLUSH;
	uint64_t protocol = 1ull << 3 | 1ull << 9;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (argc != 4)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	strncpy(a.sun_path, argv[1], sizeof(a.sun_path) - 1);
	if (bind(fd, (void *)&a, sizeof(a)) < 0 || listen(fd, 5) < 0)
		return 1;
	client = accept(fd, NULL, NULL);
	for (;;) {
		struct header h;

		receive(&h, 12);
		if (h.size > sizeof(content))
			return 1;
		receive(content, h.size);
		if (atoi(argv[2]) == (int)h.request)
			misbehave(&h, argv[3]);
		else if (h.request == 1)
			answer(&h, &features, 8);
		else if (h.request == 15)
			answer(&h, &protocol, 8);
		else if (h.request == 11)
			answer(&h, content, 8);
		else if (h.request == 24) {
			disk->capacity = 1024;
			answer(&h, content, h.size);
		} else if (h.flags & 8)
			answer(&h, "\0\0\0\0\0\0\0", 8);
	}
}
