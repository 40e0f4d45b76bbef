// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guests that use the network device, for tests/launcher-net.t: a driver with
 * mergeable buffers, polite or not.  The device is the first one on the bus.
 * What is at the other end is decided by the test.
 */
#define SIZE	64
#define GUEST(name)	static void name(void)
GUEST(net_looks); GUEST(net_echo); GUEST(net_evil); GUEST(net_deaf);
GUEST(net_reboots); GUEST(net_unplugged); GUEST(net_stuck); GUEST(net_small);
GUEST(net_held); GUEST(net_headless); GUEST(net_plain); GUEST(net_asks);
GUEST(net_pings); GUEST(net_waits); GUEST(net_drinks); GUEST(net_sums);
GUEST(net_resets);
#define MORE_SCENARIOS							\
	{ "net-looks", net_looks }, { "net-echo", net_echo },		\
	{ "net-evil", net_evil }, { "net-deaf", net_deaf },		\
	{ "net-reboots", net_reboots }, { "net-stuck", net_stuck },	\
	{ "net-unplugged", net_unplugged }, { "net-small", net_small },	\
	{ "net-held", net_held }, { "net-headless", net_headless },	\
	{ "net-plain", net_plain }, { "net-asks", net_asks },		\
	{ "net-pings", net_pings }, { "net-waits", net_waits },		\
	{ "net-drinks", net_drinks }, { "net-sums", net_sums },		\
	{ "net-resets", net_resets },
#include "fake-module.c"

#include <arpa/inet.h>
#include <linux/virtio_net.h>

#define F(name)	(1ull << VIRTIO_NET_F_##name)
#define MERGE	(usual | F(MAC) | F(STATUS) | F(MTU) | F(MRG_RXBUF))
#define OFFLOADS (F(CSUM) | F(HOST_TSO4) | F(HOST_TSO6) | F(HOST_ECN) |	\
		  F(GUEST_CSUM) | F(GUEST_TSO4) | F(GUEST_TSO6) | F(GUEST_ECN))
#define HEADER	12
#define ROOM	2048			/* bytes of a buffer, usually */
#define RX(i)	(0x800000ull + (i) * 0x10000)
#define TX	0x2000000ull

static uint32_t room;

static struct virtio_net_config *config(void)
{
	return (void *)device(0)->config;
}

/* Puts buffer @i into the ring; tells the device or not. */
static void give(unsigned int i)
{
	describe(&rx, i, RX(i), room, IN, 0);
	offer(&rx, i);
}

static void start_net(uint64_t features, uint32_t size, unsigned int buffers)
{
	if (!negotiate(0, features))
		print("features refused\n");
	set_up(&rx, 0, 0);
	set_up(&tx, 0, 1);
	device(0)->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	room = size;
	for (unsigned int i = 0; i < buffers; i++)
		give(i);
}

/*
 * The next frame, without its header; its length, or -1 after @ms.  Gives its
 * buffers back at once.
 */
static struct virtio_net_hdr_v1 got;
static uint8_t frame[70000];

static int receive(int ms)
{
	unsigned int count = 1;
	int len = 0;

	for (unsigned int i = 0; i < count; i++) {
		int part = wait_used(&rx, i ? 0 : ms);
		unsigned int id;

		if (part < 0)
			return i ? -2 : -1;
		id = rx.used->ring[(rx.seen - 1) % SIZE].id;
		if (i == 0) {
			memcpy(&got, gpa(RX(id)), HEADER);
			count = got.num_buffers;
			memcpy(frame, gpa(RX(id) + HEADER), part - HEADER);
			len = part - HEADER;
		} else {
			memcpy(frame + len, gpa(RX(id)), part);
			len += part;
		}
		give(id);
	}
	return len;
}

/* Sends what stands at TX, header and all. */
static bool transmit(uint32_t len)
{
	describe(&tx, 0, TX, len, 0, 0);
	offer(&tx, 0);
	return wait_used(&tx, 5000) >= 0;
}

static uint8_t *fresh(unsigned int len, unsigned int seed)
{
	uint8_t *to = gpa(TX);

	memset(to, 0, HEADER);
	for (unsigned int i = 0; i < len; i++)
		to[HEADER + i] = i * 7 + i / 256 + seed;
	return to + HEADER;
}

/* Sends a frame of @len bytes, and expects it back. */
static bool goes_around(unsigned int len, unsigned int seed)
{
	uint8_t *sent = fresh(len, seed);
	int back;

	if (!transmit(HEADER + len))
		print("%u: not sent\n", len);
	back = receive(5000);
	if (back == (int)len && !memcmp(frame, sent, len))
		return true;
	print("%u: %d came back\n", len, back);
	return false;
}

/* --- Guests that behave --------------------------------------------------- */

static void net_looks(void)
{
	struct lguest_device *d = device(0);
	const uint8_t *m = config()->mac;

	print("type %u queues %u config %u features %llx\n", d->type,
	      d->num_queues, d->config_len, d->device_features);
	print("mac %02x:%02x:%02x:%02x:%02x:%02x status %u mtu %u pairs %u\n",
	      m[0], m[1], m[2], m[3], m[4], m[5], config()->status,
	      config()->mtu, config()->max_virtqueue_pairs);
}

static void net_echo(void)
{
	static const unsigned int sizes[] = { 14, 60, 1514, 1515, 2036, 2037,
		9014, 65534, 65535 };
	struct vring_desc *table = gpa(BUFFER(2));
	uint8_t *sent;
	int good = 0;

	start_net(MERGE, ROOM, SIZE);
	for (int i = 0; i < 9; i++)
		good += goes_around(sizes[i], i);
	for (int i = 0; i < 1000; i++)
		good += goes_around(14 + i * 61 % 3000, i);
	print("%d of 1009 came back\n", good);

	/* every byte of the header alone, with nothing in between */
	sent = fresh(100, 99);
	for (int i = 0; i < 13; i++) {
		table[2 * i] = (struct vring_desc){ TX + i, 1, NEXT, 2 * i + 1 };
		table[2 * i + 1] = (struct vring_desc){ TX, 0, NEXT, 2 * i + 2 };
	}
	table[26] = (struct vring_desc){ TX + 13, 99, 0, 0 };
	describe(&tx, 0, BUFFER(2), 27 * 16, INDIRECT, 0);
	offer(&tx, 0);
	wait_used(&tx, 5000);
	print("in pieces: %s\n", receive(5000) == 100 &&
	      !memcmp(frame, sent, 100) ? "good" : "bad");

	/* many at once */
	fresh(1000, 5);
	for (int i = 0; i < 32; i++) {
		describe(&tx, i, TX, HEADER + 1000, 0, 0);
		offer(&tx, i);
	}
	for (good = 0; receive(2000) == 1000 && good < 32;)
		good++;
	while (returned(&tx))
		tx.seen++;
	print("%d at once\n", good);
}

/* The MAC, and how often the other end has heard from us. */
static void net_reboots(void)
{
	start_net(MERGE, ROOM, SIZE);
	goes_around(200, lives);
	net_looks();
	if (lives < 4)
		shut_down(LGUEST_REBOOT, "again");
}

/* Waits for the end of the link. */
static void net_unplugged(void)
{
	start_net(MERGE, ROOM, SIZE);
	print("status %u\n", config()->status);
	fresh(100, 0);
	transmit(HEADER + 100);
	for (int i = 0; i < 100 && config()->status; i++)
		halt(device(0)->config_irq, 100);
	print("status %u generation %u\n", config()->status,
	      device(0)->generation);
	for (int i = 0; i < 100; i++)
		if (!transmit(HEADER + 100))
			print("not sent\n");
	start_net(MERGE, ROOM, SIZE);
	print("status %u after a reset\n", config()->status);
	print("%s\n", receive(300) < 0 ? "silence" : "a frame from nowhere");
}

/* Without mergeable buffers: what does not fit is lost, the rest is not. */
static void net_plain(void)
{
	start_net(usual, 1526, SIZE);
	fresh(2000, 1);
	transmit(HEADER + 2000);
	print("%d\n", receive(300));
	goes_around(1514, 2);
	print("buffers %u\n", got.num_buffers);
	goes_around(14, 3);
	start_net(usual, 65547, 1);
	goes_around(65535, 3);
	goes_around(65535, 4);
	print("done\n");
}

/* Buffers so small that only some frames fit into all of them. */
static void net_small(void)
{
	start_net(MERGE, 100, SIZE);
	goes_around(1514, 0);
	print("buffers %u\n", got.num_buffers);
	goes_around(64 * 100 - HEADER, 1);
	print("buffers %u\n", got.num_buffers);
	fresh(64 * 100 - HEADER + 1, 2);
	transmit(HEADER + 64 * 100 - HEADER + 1);
	print("%d\n", receive(300));
	goes_around(1514, 3);
	start_net(MERGE, HEADER, SIZE);
	goes_around(700, 4);
	print("buffers %u\n", got.num_buffers);

	/* two places for each: 32 are all that the ring can have */
	start_net(MERGE, 100, 0);
	for (int i = 0; i < 32; i++) {
		describe(&rx, 2 * i, RX(i), 50, IN | NEXT, 2 * i + 1);
		describe(&rx, 2 * i + 1, RX(i) + 50, 50, IN, 0);
		offer(&rx, 2 * i);
	}
	fresh(5000, 5);
	transmit(HEADER + 5000);
	fresh(3000, 6);
	transmit(HEADER + 3000);
	for (int i = 0, len = 0; i < 31; i++) {
		len += wait_used(&rx, 2000);
		if (i == 30)
			print("%d bytes\n", len);
	}
}

/* Too few buffers at first: nothing may happen, and nothing be lost. */
static void net_held(void)
{
	start_net(MERGE, 100, 3);
	fresh(1514, 7);
	transmit(HEADER + 1514);
	print("waiting\n");
	halt(0, 2000);
	print("used %u\n", rx.used->idx);
	for (int i = 3; i < SIZE; i++)
		give(i);
	print("%d\n", receive(5000));
	print("%s\n", memcmp(frame, fresh(1514, 7), 1514) ? "bad" : "good");
}

static void net_headless(void)
{
	start_net(MERGE, HEADER - 1, SIZE);
	fresh(100, 0);
	describe(&tx, 0, TX, HEADER + 100, 0, 0);
	offer(&tx, 0);
	for (int i = 0; i < 100; i++)
		if (halt(device(0)->config_irq, 100) &&
		    device(0)->status & VIRTIO_CONFIG_S_NEEDS_RESET)
			break;
	start_net(MERGE, ROOM, SIZE);
	goes_around(100, 1);
	print("well again\n");
}

/* --- Guests that do not ------------------------------------------------------ */

static void evil(const char *what, uint32_t len, struct virtio_net_hdr_v1 h)
{
	fresh(len > HEADER ? len - HEADER : 0, 0);
	memcpy(gpa(TX), &h, HEADER);
	if (!transmit(len))
		print("%s: not returned\n", what);
}

#define HDR(...)	(struct virtio_net_hdr_v1){ __VA_ARGS__ }

static void evil_lengths(void)
{
	evil("nothing", 0, HDR(0));
	evil("one byte", 1, HDR(0));
	evil("11 bytes", 11, HDR(0));
	evil("only a header", 12, HDR(0));
	evil("13 bytes", HEADER + 13, HDR(0));
	evil("too long", HEADER + 65554, HDR(0));
	evil("16 MB", 16 << 20, HDR(0));
}

static void evil_headers(void)
{
	static const struct virtio_net_hdr_v1 all[] = {
		{ .flags = 1, .csum_start = 65535, .csum_offset = 65535 },
		{ .flags = 1, .csum_start = 113, .csum_offset = 0 },
		{ .flags = 1, .csum_start = 99, .csum_offset = 14 },
		{ .flags = 1, .csum_start = 0, .csum_offset = 65535 },
		{ .flags = 1, .csum_start = 13, .csum_offset = 2 },
		{ .gso_type = 1, .gso_size = 1000, .hdr_len = 54 },
		{ .flags = 1, .csum_start = 34, .csum_offset = 16,
		  .gso_type = 1, .gso_size = 0, .hdr_len = 54 },
		{ .flags = 1, .csum_start = 34, .csum_offset = 16,
		  .gso_type = 1, .gso_size = 7, .hdr_len = 54 },
		{ .flags = 1, .csum_start = 34, .csum_offset = 16,
		  .gso_type = 1, .gso_size = 20, .hdr_len = 115 },
		{ .flags = 1, .csum_start = 34, .csum_offset = 16,
		  .gso_type = 4, .gso_size = 20, .hdr_len = 0 },
		{ .flags = 1, .csum_start = 34, .csum_offset = 16,
		  .gso_type = 2, .gso_size = 20, .hdr_len = 54 },
		{ .flags = 1, .csum_start = 34, .csum_offset = 16,
		  .gso_type = 3, .gso_size = 20, .hdr_len = 54 },
		{ .flags = 1, .csum_start = 34, .csum_offset = 16,
		  .gso_type = 0x7f, .gso_size = 20, .hdr_len = 54 },
		{ .flags = 1, .csum_start = 34, .csum_offset = 16,
		  .gso_type = 0x80, .gso_size = 20, .hdr_len = 54 },
		{ .flags = 1, .csum_start = 34, .csum_offset = 16,
		  .gso_type = 0xff, .gso_size = 65535, .hdr_len = 65535 },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		evil("header", HEADER + 114, all[i]);
}

/* 22 frames that nobody should see, and one that everybody may. */
static void net_evil(void)
{
	bool tap = device(0)->device_features & F(CSUM);

	start_net(MERGE | (tap ? OFFLOADS : 0), ROOM, SIZE);
	evil_lengths();
	evil_headers();
	/* with buffers to write to, or with nothing at all */
	describe(&tx, 0, TX, 100, IN, 0);
	offer(&tx, 0);
	if (wait_used(&tx, 5000) < 0)
		print("writable: not returned\n");
	/* chains of gigabytes, made of one place */
	for (int i = 0; i < SIZE; i++)
		describe(&tx, i, TX, 0x1000000, i < SIZE - 1 ? NEXT : 0, i + 1);
	offer(&tx, 0);
	if (wait_used(&tx, 5000) < 0)
		print("1 GB: not returned\n");
	/* flags without a meaning are not an error */
	evil("flags", HEADER + 100, HDR(.flags = 0xfe, .hdr_len = 9999,
					.gso_size = 1, .csum_start = 65535));
	print("last: %d\n", tap ? 0 : receive(2000));
	print("%d\n", tap ? -1 : receive(300));
}

/* Gives no buffers while the other end sends; and then some. */
static void net_deaf(void)
{
	uint32_t n, next = 0;
	int good = 0;

	start_net(MERGE, ROOM, 0);
	notify(0, 0);
	fresh(100, 0);
	transmit(HEADER + 100);		/* it may begin */
	print("deaf\n");
	halt(0, 3000);
	for (int i = 0; i < SIZE; i++)
		give(i);
	for (int i = 0; i < 5000 && receive(5000) == 1514; i++) {
		memcpy(&n, frame + 14, 4);
		good += n == next;
		next = n + 1;
	}
	print("%d in order\n", good);
}

/* Drinks from the firehose; the ring is never empty. */
static void net_drinks(void)
{
	int count = 0;

	start_net(MERGE, ROOM, SIZE);
	fresh(100, 0);
	transmit(HEADER + 100);
	while (count < 100000 && receive(5000) == 1514)
		count++;
	print("%d\n", count);
}

/* The same, with a new driver every few frames; nothing may come twice. */
static void net_resets(void)
{
	uint32_t n, last = 0;
	int count = 0;

	start_net(MERGE, ROOM, SIZE);
	fresh(100, 0);
	transmit(HEADER + 100);
	for (int i = 0; i < 300; i++) {
		start_net(i % 3 ? MERGE : usual, ROOM, SIZE - i % 50);
		for (int k = 0; k < i % 20; k++) {
			if (receive(5000) != 1514)
				print("%d: no frame\n", i);
			memcpy(&n, frame + 14, 4);
			if (n <= last && last)
				print("%d: %u after %u\n", i, n, last);
			last = n;
			count++;
		}
	}
	print("%d\n", count);
}

/* Sends to somebody who does not listen, until nothing goes any more. */
static void net_stuck(void)
{
	int sent = 0;

	start_net(MERGE, ROOM, SIZE);
	fresh(60000, 1);
	for (;;) {
		describe(&tx, 0, TX, HEADER + 60000, 0, 0);
		offer(&tx, 0);
		if (wait_used(&tx, 500) < 0)
			break;
		sent++;
	}
	print("stuck %s\n", sent ? "after some" : "at once");
	if (getenv("STAY"))
		for (;;)
			halt(0, -1);
	start_net(MERGE, ROOM, SIZE);
	print("reset\n");
	for (int i = 0; i < 100; i++) {
		fresh(1000, 2);
		describe(&tx, 0, TX, HEADER + 1000, 0, 0);
		offer(&tx, 0);
		if (wait_used(&tx, 20000) < 0)
			print("still stuck\n");
	}
	while (receive(1000) > 0)
		sent--;
	print("done\n");
}

static void net_waits(void)
{
	start_net(MERGE, ROOM, SIZE);
	fresh(100, 0);
	transmit(HEADER + 100);
	print("here\n");
	for (;;)
		halt(0, -1);
}

/* --- Guests that talk to a real network ------------------------------------------ */

static uint16_t sum(const void *from, int len, uint32_t sum)
{
	const uint8_t *b = from;

	for (int i = 0; i < len; i++)
		sum += i % 2 ? b[i] : b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void put16(uint8_t *at, uint16_t n) { at[0] = n >> 8; at[1] = n; }

static uint8_t *ethernet(const uint8_t *to, uint16_t type)
{
	uint8_t *f = gpa(TX + HEADER);

	memset(gpa(TX), 0, 4096);
	memcpy(f, to, 6);
	memcpy(f + 6, config()->mac, 6);
	put16(f + 12, type);
	return f + 14;
}

static uint8_t *ip(const uint8_t *mac, uint8_t protocol, const uint8_t *from,
		   const uint8_t *to, int len)
{
	uint8_t *p = ethernet(mac, 0x0800);

	p[0] = 0x45;
	put16(p + 2, 20 + len);
	p[8] = 64;
	p[9] = protocol;
	memcpy(p + 12, from, 4);
	memcpy(p + 16, to, 4);
	put16(p + 10, ~sum(p, 20, 0));
	return p + 20;
}

static const uint8_t all_ones[6] = { 255, 255, 255, 255, 255, 255 };
static uint8_t ours[4] = { 10, 9, 0, 2 }, theirs[4] = { 10, 9, 0, 1 };
static uint8_t their_mac[6];

/* Waits for a frame that begins its payload like this, at @at. */
static bool wait_for_frame(unsigned int at, const void *what, int len)
{
	for (int i = 0; i < 200; i++) {
		int size = receive(2000);

		if (size < 0)
			return false;
		if (size >= (int)at + len && !memcmp(frame + at, what, len))
			return true;
	}
	return false;
}

static bool ask_once(void)
{
	static const uint8_t request[] = { 0, 1, 8, 0, 6, 4, 0, 1 };
	static const uint8_t reply[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0, 2 };
	uint8_t *a = ethernet(all_ones, 0x0806);

	memcpy(a, request, 8);
	memcpy(a + 8, config()->mac, 6);
	memcpy(a + 14, ours, 4);
	memcpy(a + 24, theirs, 4);
	transmit(HEADER + 60);
	if (!wait_for_frame(12, reply, sizeof(reply)))
		return false;
	memcpy(their_mac, frame + 6, 6);
	return !memcmp(frame + 28, theirs, 4);
}

/* (A busy machine may be late.) */
static bool ask_for_mac(void)
{
	for (int i = 0; i < 5; i++)
		if (ask_once())
			return true;
	return false;
}

/* passt: who has an address, and which is ours? */
static void net_asks(void)
{
	static const uint8_t options[] = { 99, 130, 83, 99, 53, 1, 1, 255 };
	static const uint8_t reply[] = { 2, 1, 6 }, type[] = { 53, 1, 2 };
	static const uint8_t nobody[4];
	uint8_t *u;

	start_net(MERGE, ROOM, SIZE);
	print("arp: %s\n", ask_for_mac() ? "answered" : "nothing");
	u = ip(all_ones, 17, nobody, all_ones, 308);
	put16(u, 68);
	put16(u + 2, 67);
	put16(u + 4, 308);
	u[8] = 1;
	u[9] = 1;
	u[10] = 6;
	memcpy(u + 12, "test", 4);
	memcpy(u + 36, config()->mac, 6);
	memcpy(u + 244, options, sizeof(options));
	transmit(HEADER + 14 + 20 + 308);
	print("dhcp: %s\n", wait_for_frame(14 + 20 + 8, reply, 3) &&
	      memmem(frame + 282, 300, type, 3) ? "offered" : "nothing");
}

/* A tap of a Host with an address: 100 pings of several sizes. */
static void net_pings(void)
{
	int good = 0;

	start_net(MERGE, ROOM, SIZE);
	print("arp: %s\n", ask_for_mac() ? "answered" : "nothing");
	for (int i = 0; i < 100; i++) {
		int len = 8 + i * 14;
		uint8_t *p = ip(their_mac, 1, ours, theirs, len);
		uint8_t expect[4] = { 0x12, 0x34 };

		p[0] = 8;
		p[4] = expect[0];
		p[5] = expect[1];
		put16(p + 6, i);
		put16(expect + 2, i);
		for (int k = 8; k < len; k++)
			p[k] = k + i;
		put16(p + 2, ~sum(p, len, 0));
		transmit(HEADER + 34 + len);
		good += wait_for_frame(38, expect, 4) && frame[34] == 0 &&
			sum(frame + 34, len, 0) == 0xffff;
	}
	print("%d of 100 pings\n", good);
}

/* Sums that somebody else should complete, in both directions. */
static void net_sums(void)
{
	for (int with = 1; with >= 0; with--) {
		struct virtio_net_hdr_v1 *h = gpa(TX);
		uint32_t pseudo;
		uint8_t *u;

		start_net(MERGE | (with ? OFFLOADS : 0), ROOM, SIZE);
		if (!ask_for_mac())
			print("nobody there\n");
		u = ip(their_mac, 17, ours, theirs, 8 + 7);
		put16(u, 5000);
		put16(u + 2, 5000);
		put16(u + 4, 8 + 7);
		memcpy(u + 8, "partial", 7);
		pseudo = sum(u - 8, 8, 17 + 8 + 7);
		put16(u + 6, with ? pseudo : ~sum(u, 15, pseudo));
		if (with) {
			h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
			h->csum_start = 34;
			h->csum_offset = 6;
		}
		transmit(HEADER + 34 + 8 + 7);
		if (!wait_for_frame(42, "reply", 5))
			print("no reply\n");
		pseudo = sum(frame + 26, 8, 17 + 8 + 5);
		print("flags %u, sum %s\n", got.flags,
		      sum(frame + 34, 13, pseudo) == 0xffff ? "complete" :
		      "partial");
	}
}
