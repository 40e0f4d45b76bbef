// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guests with a vsock, for tests/launcher-vsock.t: a small driver that knows one
 * connection at a time, and some that are no drivers at all.  The device is the
 * first one on the bus.
 */
#define SIZE	64
#define GUEST(name)	static void name(void)
GUEST(vs_calls); GUEST(vs_called); GUEST(vs_nobody); GUEST(vs_nonsense);
GUEST(vs_storm); GUEST(vs_liar); GUEST(vs_deaf); GUEST(vs_short);
GUEST(vs_fills); GUEST(vs_mad); GUEST(vs_reboots); GUEST(vs_half);
GUEST(vs_crowd); GUEST(vs_small);
#define MORE_SCENARIOS							\
	{ "vs-calls", vs_calls }, { "vs-called", vs_called },		\
	{ "vs-nobody", vs_nobody }, { "vs-nonsense", vs_nonsense },	\
	{ "vs-storm", vs_storm }, { "vs-liar", vs_liar },		\
	{ "vs-deaf", vs_deaf }, { "vs-short", vs_short },		\
	{ "vs-fills", vs_fills }, { "vs-mad", vs_mad },			\
	{ "vs-reboots", vs_reboots }, { "vs-half", vs_half },		\
	{ "vs-crowd", vs_crowd }, { "vs-small", vs_small },
#include "fake-module.c"

#include <linux/virtio_vsock.h>

#define HEADER	sizeof(struct virtio_vsock_hdr)
#define ROOM	4096			/* of a receive buffer */
#define RX(i)	(0x1800000ull + (i) * 0x10000)
#define TX	0x3000000ull
#define ALLOC	262144			/* what we say that we can hold */
#define OP(name)	VIRTIO_VSOCK_OP_##name

static uint32_t forwarded, sent, theirs, their_alloc, my_port, their_port;

static void give(unsigned int i, uint32_t len)
{
	describe(&rx, i, RX(i), len, IN, 0);
	offer(&rx, i);
}

static void start_vsock(unsigned int buffers)
{
	if (!negotiate(0, usual))
		print("features refused\n");
	set_up(&rx, 0, 0);
	set_up(&tx, 0, 1);
	device(0)->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	for (unsigned int i = 0; i < buffers; i++)
		give(i, ROOM);
	forwarded = sent = theirs = 0;
	their_alloc = 0;
}

static struct virtio_vsock_hdr packet(uint16_t op, uint32_t len)
{
	return (struct virtio_vsock_hdr){
		.src_cid = 3, .dst_cid = 2, .src_port = my_port,
		.dst_port = their_port, .len = len, .type = 1, .op = op,
		.buf_alloc = ALLOC, .fwd_cnt = forwarded,
	};
}

/* Sends header @h and @have bytes that stand behind it already. */
static void send_it(const struct virtio_vsock_hdr *h, uint32_t have)
{
	memcpy(gpa(TX), h, HEADER);
	describe(&tx, 0, TX, HEADER + have, 0, 0);
	offer(&tx, 0);
	if (wait_used(&tx, 5000) < 0)
		print("a packet is stuck\n");
}

static void tell(uint16_t op)
{
	struct virtio_vsock_hdr h = packet(op, 0);

	send_it(&h, 0);
}

/* The next packet, with its data in @data; an operation, or 0 after @ms. */
static struct virtio_vsock_hdr last;
static int hear(uint8_t *data, int ms)
{
	uint16_t at = rx.seen;
	int got = wait_used(&rx, ms);
	unsigned int i;

	/* A wake-up may come before the packet does. */
	if (got < 0)
		return 0;
	if (got == 0 && rx.seen == at)
		got = wait_used(&rx, ms);
	i = rx.used->ring[(rx.seen - 1) % SIZE].id;
	got = rx.used->ring[(rx.seen - 1) % SIZE].len;
	memcpy(&last, gpa(RX(i)), HEADER);
	if (got != (int)(HEADER + last.len))
		print("length %d and %u\n", got, last.len);
	if (data)
		memcpy(data, gpa(RX(i) + HEADER), last.len);
	theirs = last.fwd_cnt;
	their_alloc = last.buf_alloc;
	give(i, ROOM);
	return last.op;
}

static bool call(uint32_t port)
{
	my_port++;
	their_port = port;
	forwarded = sent = 0;
	tell(OP(REQUEST));
	return hear(NULL, 5000) == OP(RESPONSE);
}

/* Sends @len bytes, as credit allows; false if the connection is gone. */
static bool send_all(const uint8_t *data, uint32_t len)
{
	while (len > 0) {
		uint32_t credit = their_alloc - (sent - theirs);
		uint32_t part = len < credit ? len : credit;
		struct virtio_vsock_hdr h;

		if (part > 4000)
			part = 4000;
		if (part == 0) {
			int op = hear(NULL, 5000);

			if (op != OP(CREDIT_UPDATE)) {
				print("no credit, but %d\n", op);
				return false;
			}
			continue;
		}
		memcpy(gpa(TX + HEADER), data, part);
		h = packet(OP(RW), part);
		send_it(&h, part);
		data += part;
		len -= part;
		sent += part;
	}
	return true;
}

static void hang_up(uint32_t flags)
{
	struct virtio_vsock_hdr h = packet(OP(SHUTDOWN), 0);

	h.flags = flags;
	send_it(&h, 0);
}

/* Receives until there is no more; adds up the bytes. */
static uint64_t drink(uint64_t *count)
{
	uint8_t data[ROOM];
	uint64_t sum = 0, n = 0;
	int op;

	while ((op = hear(data, 10000)) == OP(RW) || op == OP(CREDIT_UPDATE)) {
		if (op != OP(RW))
			continue;
		for (uint32_t i = 0; i < last.len; i++)
			sum = sum * 31 + data[i];
		n += last.len;
		forwarded += last.len;
		if (n % 131072 < last.len)
			tell(OP(CREDIT_UPDATE));
	}
	*count = n;
	if (op != OP(SHUTDOWN))
		print("ended by %d\n", op);
	return sum;
}

/* What comes after all that says that the other side is done. */
static int the_end(void)
{
	int op;

	while ((op = hear(NULL, 5000)) == OP(SHUTDOWN))
		;
	return op;
}

/* Calls port 5006, sends a megabyte, and gets it back. */
static void vs_calls(void)
{
	static uint8_t data[1 << 20];
	uint64_t sum = 0, count;

	start_vsock(16);
	for (uint32_t i = 0; i < sizeof(data); i++) {
		data[i] = dice(256);
		sum = sum * 31 + data[i];
	}
	print("cid %llu\n", *(unsigned long long *)device(0)->config);
	print("call: %d\n", call(5006));
	print("sent: %d sum %llx\n", send_all(data, sizeof(data)),
	      (unsigned long long)sum);
	hang_up(VIRTIO_VSOCK_SHUTDOWN_SEND);
	sum = drink(&count);
	print("got %llu sum %llx\n", (unsigned long long)count,
	      (unsigned long long)sum);
	hang_up(3);
	print("end: %d\n", the_end());
}

/* Is called at port 5000, gives back what it gets, one packet each. */
static void vs_called(void)
{
	uint8_t data[ROOM];
	int op;

	start_vsock(16);
	print("ready\n");
	for (;;) {
		op = hear(data, 20000);
		if (op == OP(REQUEST)) {
			their_port = last.src_port;
			my_port = last.dst_port;
			forwarded = sent = 0;
			print("port %u from %u\n", my_port,
			      their_port >= 1u << 30);
			tell(my_port == 5000 ? OP(RESPONSE) : OP(RST));
		} else if (op == OP(RW)) {
			forwarded += last.len;
			if (memchr(data, '!', last.len))
				return;
			send_all(data, last.len);
		} else if (op == OP(SHUTDOWN)) {
			hang_up(3);
		} else if (op == OP(RST)) {
			print("reset\n");
		} else if (op != OP(CREDIT_UPDATE)) {
			return;
		}
	}
}

static void vs_nobody(void)
{
	static const uint32_t ports[] = { 1, 0, ~0u, 1u << 31, 5001 };
	int op;

	start_vsock(16);
	for (int i = 0; i < 5; i++) {
		my_port = ports[4 - i];
		their_port = ports[i];
		tell(OP(REQUEST));
		op = hear(NULL, 5000);
		print("%u: %d from %u to %u\n", ports[i], op,
		      last.src_port, last.dst_port);
	}
}

/* Each is answered by a reset or by silence, and is the end of nothing else. */
static void vs_nonsense(void)
{
	struct virtio_vsock_hdr h;
	int op;

	start_vsock(16);
	my_port = 1000;
	their_port = 5000;
	for (op = 0; op < 12; op++) {
		if (op == OP(REQUEST))
			continue;
		tell(op);
		print("%d: %d\n", op, hear(NULL, op == OP(RST) ? 200 : 5000));
	}
	h = packet(OP(REQUEST), 0);
	h.type = 2;
	send_it(&h, 0);
	print("type 2: %d\n", hear(NULL, 5000));
	h = packet(OP(REQUEST), 0);
	h.dst_cid = 77;
	send_it(&h, 0);
	op = hear(NULL, 5000);
	print("cid 77: %d from %llu\n", op,
	      (unsigned long long)last.src_cid);
	h = packet(OP(REQUEST), 0);
	h.src_cid = 77;
	send_it(&h, 0);
	print("from cid 77: %d\n", hear(NULL, 200));
	print("call: %d\n", call(5000));
	tell(OP(REQUEST));
	print("the same again: %d\n", hear(NULL, 5000));
	print("call: %d\n", call(5000));
	tell(OP(RESPONSE));
	print("a response: %d\n", hear(NULL, 5000));
	print("call: %d\n", call(5000));
	tell(99);
	print("operation 99: %d\n", hear(NULL, 5000));
	print("call: %d\n", call(5000));
	hang_up(2);
	h = packet(OP(RW), 3);
	send_it(&h, 3);
	/* (The program may have hung up by then, which is told as well.) */
	print("data after the end: %d\n", the_end());
	print("call: %d\n", call(5000));
	tell(OP(CREDIT_REQUEST));
	op = hear(NULL, 5000);
	print("credit: %d %u\n", op, last.buf_alloc);
	tell(OP(RST));
}

/* Ten thousand connections that are closed at once, or not at all. */
static void vs_storm(void)
{
	int answers = 0, good = 0;

	start_vsock(32);
	for (int i = 0; i < 10000; i++) {
		struct virtio_vsock_hdr h;

		my_port = i;
		their_port = dice(2) ? 5000 : dice(~0u);
		h = packet(OP(REQUEST), 0);
		send_it(&h, 0);
		h.op = dice(3) ? OP(RST) : OP(SHUTDOWN);
		h.flags = 3;
		if (dice(16))
			send_it(&h, 0);
		while (returned(&rx))
			answers += hear(NULL, 0) > 0;
	}
	for (int i = 0; i < 10000; i++) {
		my_port = i;
		their_port = 5000;
		tell(OP(RST));
		while (returned(&rx))
			hear(NULL, 0);
	}
	while (hear(NULL, 300))
		answers++;
	my_port = 20000;
	for (int i = 0; i < 20 && !good; i++)
		good = call(5000);
	print("answers: %d\nwell again: %d\n", answers > 100, good);
}

/* Says that it can hold 4 GB, that it got more than was sent, and sends more
 * than we hold.
 */
static void vs_liar(void)
{
	struct virtio_vsock_hdr h;
	uint64_t count;
	int op, n = 0;

	start_vsock(16);
	print("call: %d\n", call(5002));
	for (int i = 0; i < 40; i++) {
		h = packet(OP(RW), 4000);
		send_it(&h, 4000);
	}
	while ((op = hear(NULL, 5000)) && op != OP(RST))
		;
	print("too much: %d\n", op);
	print("call: %d\n", call(5003));
	forwarded = 0x80000000;
	tell(OP(CREDIT_UPDATE));
	while ((op = hear(NULL, 300)))
		n++;
	print("passed on what never came: %d\n", n < 20);
	forwarded = 0;
	h = packet(OP(CREDIT_UPDATE), 0);
	h.buf_alloc = ~0u;
	send_it(&h, 0);
	drink(&count);
	print("holds 4 GB: %d\n", count > 100000);
}

/* Takes nothing for a while; and its port is still good. */
static void vs_deaf(void)
{
	uint64_t count;

	start_vsock(1);
	print("call: %d\n", call(5003));
	halt(63, 1500);
	drink(&count);
	print("got %llu\n", (unsigned long long)count);
}

/* Packets that are not as long as they say. */
static void vs_short(void)
{
	static const uint32_t says[] = { 1, 100, 65537, ~0u };
	struct virtio_vsock_hdr h;

	for (int i = 0; i < 6; i++) {
		start_vsock(4);
		my_port = 1;
		their_port = 5000;
		h = packet(OP(RW), i < 4 ? says[i] : 0);
		memcpy(gpa(TX), &h, HEADER);
		describe(&tx, 0, TX, i == 4 ? 43 : i == 5 ? 0 : HEADER, 0, 0);
		offer(&tx, 0);
		for (int k = 0; k < 200 && !(device(0)->status &
		     VIRTIO_CONFIG_S_NEEDS_RESET); k++)
			halt(device(0)->config_irq, 10);
		print("%d: %d\n", i, !!(device(0)->status &
					VIRTIO_CONFIG_S_NEEDS_RESET));
	}
	start_vsock(4);
	print("well again: %d\n", call(5000));
}

/* Receive buffers without room. */
static void vs_small(void)
{
	start_vsock(0);
	give(0, HEADER);
	my_port = 1;
	their_port = 1;
	tell(OP(REQUEST));
	for (int k = 0; k < 200 && !(device(0)->status &
	     VIRTIO_CONFIG_S_NEEDS_RESET); k++)
		halt(device(0)->config_irq, 10);
	print("no room: %d\n", !!(device(0)->status &
				  VIRTIO_CONFIG_S_NEEDS_RESET));
	start_vsock(0);
	give(0, HEADER + 1);
	print("call: %d\n", call(5000));
}

/* Fills our buffer and leaves; a slow reader must get all of it. */
static void vs_fills(void)
{
	static uint8_t data[60000];

	start_vsock(16);
	memset(data, 'z', sizeof(data));
	print("call: %d\n", call(5004));
	/* The socket in the Host holds something, too. */
	for (int i = 0; i < 20; i++) {
		uint32_t credit = their_alloc - (sent - theirs);

		if (credit < sizeof(data))
			break;
		send_all(data, sizeof(data));
		while (hear(NULL, 200))
			;
	}
	hang_up(3);
	print("sent %u\n", sent);
	print("end: %d\n", the_end());
	tell(OP(RST));
	print("gone\n");
	halt(63, 3000);
}

/* One direction ends, and the other goes on. */
static void vs_half(void)
{
	uint64_t count;

	start_vsock(16);
	print("call: %d\n", call(5005));
	drink(&count);
	print("got %llu and the end, flags %u\n", (unsigned long long)count,
	      last.flags);
	send_all((const uint8_t *)"still here", 10);
	hang_up(3);
	print("end: %d\n", the_end());
}

static void vs_crowd(void)
{
	int good = 0, bad = 0;

	start_vsock(32);
	for (int i = 0; i < 200; i++)
		*(call(5000) ? &good : &bad) += 1;
	print("%d and %d\n", good, bad);
	for (int i = 1; i <= 200; i++) {
		my_port = i;
		tell(OP(RST));
	}
	while (hear(NULL, 200))
		;
	print("again: %d\n", call(5000));
}

static void vs_reboots(void)
{
	start_vsock(4);
	my_port = 0;
	print("life %d: %d\n", lives, call(5000));
	if (lives < 3)
		shut_down(LGUEST_REBOOT, "again");
}

static void vs_mad(void)
{
	static const uint32_t odd[] = { 0, 1, 5000, 5001, ~0u, 1u << 31,
		(1u << 30) + 1, 65536, 4000 };

	for (int i = 0; i < 20000; i++) {
		struct virtio_vsock_hdr h;
		uint32_t have = dice(4) ? dice(5000) : 0;

		if (i == 0 || dice(2000) == 0 || device(0)->status &
		    VIRTIO_CONFIG_S_NEEDS_RESET)
			start_vsock(dice(16));
		my_port = odd[dice(9)];
		their_port = odd[dice(5)];
		h = packet(dice(9), dice(60) ? have : dice(~0u));
		h.buf_alloc = dice(2) ? ALLOC : odd[dice(9)];
		h.fwd_cnt = dice(2) ? 0 : odd[dice(9)];
		h.flags = dice(8);
		if (!dice(50))
			h.type = dice(4);
		memcpy(gpa(TX), &h, HEADER);
		describe(&tx, 0, TX, HEADER + have, 0, 0);
		offer(&tx, 0);
		wait_used(&tx, 50);
		while (returned(&rx))
			hear(NULL, 0);
	}
	start_vsock(16);
	my_port = 99;
	print("sane again: %d\n", call(5000));
}
