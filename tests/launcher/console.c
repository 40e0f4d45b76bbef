// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guests that use the console, for tests/launcher-console.t: a driver that knows
 * of ports, polite or not.  The console is device 0 on the bus.
 */
#define GUEST(name)	static void name(void)
GUEST(con_long); GUEST(con_floods); GUEST(con_lives); GUEST(con_ports);
GUEST(con_evil); GUEST(con_deaf); GUEST(con_sizes); GUEST(con_sums);
GUEST(con_stream);
#define MORE_SCENARIOS							\
	{ "con-long", con_long }, { "con-floods", con_floods },		\
	{ "con-lives", con_lives }, { "con-ports", con_ports },		\
	{ "con-evil", con_evil }, { "con-deaf", con_deaf },		\
	{ "con-sizes", con_sizes }, { "con-sums", con_sums },		\
	{ "con-stream", con_stream }, STILL_MORE_SCENARIOS
#ifndef STILL_MORE_SCENARIOS
#define STILL_MORE_SCENARIOS
#endif
#include "fake-module.c"

#include <linux/virtio_console.h>

#define PORTS	(1ull << VIRTIO_CONSOLE_F_MULTIPORT)
#define WINDOW	(1ull << VIRTIO_CONSOLE_F_SIZE)
#define CTL_IN	(BUFFER(4))
#define CTL_OUT	(BUFFER(5))
#define PORT_IN	(BUFFER(6))
#define PORT_OUT (BUFFER(7))

static struct ring ctl_in, ctl_out, port_in, port_out;

/* 200 KB, each line with its number; ends when somebody has typed something. */
static void con_long(void)
{
	char key;

	start_console();
	for (int i = 0; i < 20000; i++)
		say("%08d\n", i);
	print("printed\n");
	while (listen_for(&key, 1, -1) <= 0)
		;
	say("key %c\n", key);
}

/* Waits for a key and prints two megabytes. */
static void con_floods(void)
{
	char key;

	start_console();
	while (listen_for(&key, 1, -1) <= 0)
		;
	for (int i = 0; i < 2048; i++)
		say("%1023d\n", i);
	print("printed\n");
}

/* Three lives, and a key in each. */
static void con_lives(void)
{
	char key;

	start_console();
	say("life %d\n", lives);
	while (listen_for(&key, 1, -1) <= 0)
		;
	say("key %c\n", key);
	if (lives < 3)
		shut_down(LGUEST_REBOOT, "again");
}

static void con_sizes(void)
{
	struct virtio_console_config *c = (void *)device(0)->config;
	uint64_t offered = device(0)->device_features;

	print("offered %llx\n", (unsigned long long)(offered & 3));
	if (!negotiate(0, usual | (offered & 3)))
		print("refused\n");
	set_up(&rx, 0, 0);
	set_up(&tx, 0, 1);
	device(0)->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	say("ready\n");
	print("ready\n");
	if (halt(device(0)->config_irq, 20000))
		print("size %ux%u\n", c->cols, c->rows);
}

/* --- Several ports ------------------------------------------------------------ */

static void listen_to(struct ring *r, uint64_t addr, uint32_t len)
{
	describe(r, 0, addr, len, VRING_DESC_F_WRITE, 0);
	offer(r, 0);
}

static void control(uint32_t id, uint16_t event, uint16_t value)
{
	struct virtio_console_control *c = gpa(CTL_OUT);

	*c = (struct virtio_console_control){ id, event, value };
	describe(&ctl_out, 0, CTL_OUT, sizeof(*c), 0, 0);
	offer(&ctl_out, 0);
	if (wait_used(&ctl_out, 5000) < 0)
		print("nobody hears\n");
}

static void start_ports(void)
{
	if (!negotiate(0, usual | PORTS |
		       (device(0)->device_features & WINDOW)))
		print("no ports\n");
	set_up(&rx, 0, 0);
	set_up(&tx, 0, 1);
	set_up(&ctl_in, 0, 2);
	set_up(&ctl_out, 0, 3);
	set_up(&port_in, 0, 4);
	set_up(&port_out, 0, 5);
	device(0)->status |= VIRTIO_CONFIG_S_DRIVER_OK;
}

/* The next message of the device, printed; its event, or -1 after @ms. */
static int message(int ms)
{
	static const char *const names[] = {
		"ready", "add", "remove", "port-ready", "console", "resize",
		"open", "name",
	};
	struct virtio_console_control *c = gpa(CTL_IN);
	uint16_t *size = (void *)(c + 1);
	static bool waiting;
	int len;

	if (!waiting)
		listen_to(&ctl_in, CTL_IN, 256);
	len = wait_used(&ctl_in, ms);
	waiting = len < 0;
	if (len < (int)sizeof(*c))
		return -1;
	if (c->event == VIRTIO_CONSOLE_PORT_NAME)
		print("%u name %.*s\n", c->id, len - 8, (char *)(c + 1));
	else if (c->event == VIRTIO_CONSOLE_RESIZE)
		print("%u resize %ux%u\n", c->id, size[0], size[1]);
	else
		print("%u %s %u\n", c->id,
		      c->event < 8 ? names[c->event] : "?", c->value);
	if (c->event == VIRTIO_CONSOLE_PORT_ADD)
		control(c->id, VIRTIO_CONSOLE_PORT_READY, 1);
	if (c->event == VIRTIO_CONSOLE_CONSOLE_PORT)
		control(c->id, VIRTIO_CONSOLE_PORT_OPEN, 1);
	return c->event;
}

static void meet(void)
{
	start_ports();
	control(VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	while (message(500) >= 0)
		;
}

static void send_port(const char *text, int len)
{
	memcpy(gpa(PORT_OUT), text, len);
	describe(&port_out, 0, PORT_OUT, len, 0, 0);
	offer(&port_out, 0);
	while (wait_used(&port_out, 1000) < 0)
		;
}

static int hear_port(char *to, int len, int ms)
{
	int got;

	listen_to(&port_in, PORT_IN, len);
	got = wait_used(&port_in, ms);
	if (got > 0)
		memcpy(to, gpa(PORT_IN), got);
	return got;
}

/* Talks on port 1: says how much came and gives it back, until there is a '!'. */
static void con_ports(void)
{
	char text[256];
	int len = 0;

	meet();
	say("console\n");
	print("met\n");
	control(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	do {
		len = hear_port(text, sizeof(text), -1);
		if (len <= 0)
			continue;
		send_port(text, len);
	} while (len <= 0 || !memchr(text, '!', len));
	while (message(500) >= 0)
		;
	print("done\n");
}

/* Takes 1 MB from port 1 in small bites, and tells its sum. */
static void con_sums(void)
{
	uint32_t total = 0, sum = 0;
	char text[4096];

	meet();
	control(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	print("open\n");
	halt(0, 300);
	while (total < 1 << 20) {
		int len = hear_port(text, sizeof(text), 10000);

		if (len < 0)
			break;
		for (int i = 0; i < len; i++)
			sum = sum * 31 + (uint8_t)text[i];
		total += len;
	}
	print("%u bytes, sum %u\n", total, sum);
}

/* Sends 1 MB through port 1. */
static void con_stream(void)
{
	char text[4096];

	meet();
	control(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	print("open\n");
	for (int i = 0; i < 256; i++) {
		for (int j = 0; j < 4096; j++)
			text[j] = (char)(i + j * 7);
		send_port(text, sizeof(text));
	}
	print("sent\n");
}

/* Messages of all sorts, then a polite driver. */
static void con_evil(void)
{
	start_ports();
	listen_to(&ctl_in, CTL_IN, 1);		/* no room for an answer */
	for (int i = 0; i < 3000; i++) {
		struct virtio_console_control *c = gpa(CTL_OUT);
		uint32_t ids[] = { 0, 1, 2, 7, 8, 255, 1u << 31, ~0u };

		*c = (struct virtio_console_control){ ids[dice(8)],
			dice(2) ? dice(10) : dice(65536), dice(3) };
		describe(&ctl_out, 0, CTL_OUT, dice(4) ? 8 : dice(8), 0, 0);
		if (!dice(4)) {			/* in pieces, and too long */
			describe(&ctl_out, 0, CTL_OUT, 3, NEXT, 1);
			describe(&ctl_out, 1, CTL_OUT + 3, 0, NEXT, 2);
			describe(&ctl_out, 2, CTL_OUT + 3, 60000, 0, 0);
		}
		if (!dice(50))			/* not for us to write to */
			describe(&ctl_out, 0, CTL_OUT, 8, IN, 0);
		offer(&ctl_out, 0);
		if (wait_used(&ctl_out, 5000) < 0) {
			print("nobody hears\n");
			return;
		}
	}
	set_up(&port_out, 0, 5);		/* the same place again */
	send_port("nobody asked\n", 13);
	for (int i = 0; i < 100; i++)		/* one byte each */
		if (returned(&ctl_in)) {
			ctl_in.seen++;
			listen_to(&ctl_in, CTL_IN, 1 + dice(9));
		}
	device(0)->status = 0;
	notify(0, LGUEST_NOTIFY_CONFIG);
	meet();
	say("sane again\n");
	print("sane again\n");
}

/* Never gives a buffer for input, nor for control; prints a lot. */
static void con_deaf(void)
{
	start_ports();
	for (int i = 0; i < 1000; i++)
		control(VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	control(1, VIRTIO_CONSOLE_PORT_READY, 1);
	control(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	notify(0, 0);
	notify(0, 4);
	print("deaf\n");
	for (int i = 0; i < 30; i++) {
		say("line %d\n", i);
		halt(0, 100);
	}
}
