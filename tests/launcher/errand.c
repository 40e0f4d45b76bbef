// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guests that are on an errand, for tests/launcher-errand.t, and play the Messenger
 * well, badly, or not at all.  The wire is port 1 of the console, device 0.
 */
#define STILL_MORE_SCENARIOS						\
	{ "does-it", does_it }, { "shows-archive", shows_archive },	\
	{ "repeats-input", repeats_input }, { "cannot", cannot },	\
	{ "only-ready", only_ready }, { "talks-nonsense", talks_nonsense }, \
	{ "babbles", babbles }, { "has-last-word", has_last_word },	\
	{ "panics-late", panics_late }, { "reboots-late", reboots_late },
static void does_it(void), shows_archive(void), repeats_input(void),
	    cannot(void), only_ready(void), talks_nonsense(void), babbles(void),
	    has_last_word(void), panics_late(void), reboots_late(void);
#include "console.c"

/* Bytes for the wire, in pieces of PIECE. */
static void wire(const void *bytes, size_t len)
{
	size_t piece = atoi(getenv("PIECE") ?: "65536");

	for (size_t at = 0; at < len; at += piece)
		send_port((const char *)bytes + at,
			  len - at < piece ? len - at : piece);
}

static void tell_wire(char kind, const void *bytes, size_t len)
{
	uint32_t head[2] = { kind, len };
	char all[65536];

	memcpy(all, head, 8);
	memcpy(all + 8, bytes, len);
	wire(all, 8 + len);
}

static void tell_status(uint32_t status)
{
	tell_wire('s', &status, 4);
}

static void set_out(void)
{
	print("early words\n");
	meet();
	control(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	tell_wire('r', "", 0);
}

/* ... and ends with STATUS; the console is used as well. */
static void does_it(void)
{
	set_out();
	say("the console\n");
	tell_wire('o', "some out", 8);
	tell_wire('e', "some err\n", 9);
	tell_wire('o', "", 0);
	tell_wire('o', "put\n", 4);
	tell_status(atoi(getenv("STATUS") ?: "0"));
}

static void shows_archive(void)
{
	struct boot_params *b = gpa(state.rsi);
	const char *at = gpa(b->hdr.ramdisk_image);

	set_out();
	for (uint32_t left = b->hdr.ramdisk_size; left; ) {
		uint32_t part = left < 32768 ? left : 32768;

		tell_wire('o', at, part);
		at += part;
		left -= part;
	}
	tell_status(0);
}

/* Takes its input in bites, and its status is how many messages those were. */
static void repeats_input(void)
{
	static char all[8192];
	int have = 0, len, messages = 0;

	set_out();
	for (;;) {
		uint32_t head[2];

		len = hear_port(all + have, 1000, 10000);
		if (len < 0)
			break;
		have += len;
		while (have >= 8) {
			memcpy(head, all, 8);
			if (head[0] != 'i' || head[1] > 4096) {
				print("odd input\n");
				return;
			}
			if (have < (int)(8 + head[1]))
				break;
			messages++;
			if (!head[1]) {
				if (have > 8)
					print("something after the end\n");
				tell_status(messages < 255 ? messages : 255);
				return;
			}
			tell_wire('o', all + 8, head[1]);
			have -= 8 + head[1];
			memmove(all, all + 8 + head[1], have);
		}
	}
	print("no end\n");
}

static void cannot(void)
{
	const char text[] = "cannot \e[31mfly\n";

	set_out();
	tell_wire('t', text, strlen(text));
	tell_status(0);
}

static void only_ready(void) { set_out(); }

/* NONSENSE is a kind and a length; then there is a status. */
static void talks_nonsense(void)
{
	char kind, content[300];
	unsigned int len;
	uint32_t head[2];

	sscanf(getenv("NONSENSE"), "%c%u", &kind, &len);
	set_out();
	head[0] = kind;
	head[1] = len;
	memset(content, 0xff, sizeof(content));
	wire(head, 8);
	wire(content, len < 300 ? len : 300);
	tell_status(0);
}

/* Never stops to talk. */
static void babbles(void)
{
	char line[] = "babble\n";

	set_out();
	for (int i = 0; i < 1 << 20; i++)
		tell_wire(*(getenv("KIND") ?: "o"), line, 7);
	tell_status(0);
}

static void has_last_word(void)
{
	set_out();
	tell_status(5);
	tell_wire('o', "more\n", 5);
	tell_wire('x', "nonsense\n", 9);
	tell_status(6);
}

static void panics_late(void)
{
	set_out();
	tell_status(0);
	shut_down(LGUEST_CRASH, "at the last moment");
}

static void reboots_late(void)
{
	set_out();
	print("life %d\n", lives);
	shut_down(LGUEST_REBOOT, "again");
}
