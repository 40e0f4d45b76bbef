// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guests that want random numbers, for tests/launcher-rng.t.  The device is the
 * first one on the bus: --console none.
 */
#define GUEST(name)	static void name(void)
GUEST(rng_reads); GUEST(rng_greedy); GUEST(rng_odd); GUEST(rng_resets);
GUEST(rng_reboots); GUEST(rng_leaves); GUEST(rng_rests);
#define MORE_SCENARIOS							\
	{ "rng-reads", rng_reads }, { "rng-greedy", rng_greedy },	\
	{ "rng-odd", rng_odd }, { "rng-resets", rng_resets },		\
	{ "rng-reboots", rng_reboots }, { "rng-leaves", rng_leaves },	\
	{ "rng-rests", rng_rests },
#include "fake-module.c"

#define PLACE	0x1000000ull

static void start_rng(void)
{
	if (device(0)->type != 4)
		print("type %u\n", device(0)->type);
	if (!negotiate(0, usual))
		print("features refused\n");
	set_up(&rx, 0, 0);
	device(0)->status |= VIRTIO_CONFIG_S_DRIVER_OK;
}

static int want(uint32_t len, int ms)
{
	describe(&rx, 0, PLACE, len, IN, 0);
	offer(&rx, 0);
	return wait_used(&rx, ms);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* How many of the 256 values are among @len bytes. */
static int different(int len)
{
	uint8_t *bytes = gpa(PLACE);
	bool seen[256] = { false };
	int count = 0;

	for (int i = 0; i < len; i++) {
		count += !seen[bytes[i]];
		seen[bytes[i]] = true;
	}
	return count;
}

static void rng_reads(void)
{
	uint8_t first[64], *bytes = gpa(PLACE);
	int got;

	start_rng();
	memset(bytes, 0, 8192);
	got = want(64, 5000);
	print("64: %d, more than 20 values: %d\n", got, different(64) > 20);
	memcpy(first, bytes, 64);
	got = want(64, 5000);
	print("again: %d, the same: %d\n", got, !memcmp(first, bytes, 64));
	memset(bytes, 0, 8192);
	got = want(1, 5000);
	print("1: %d, behind it: %d\n", got, bytes[1]);
	memset(bytes, 0x55, 8192);
	got = want(8192, 5000);
	print("8192: %d, all values: %d, behind it: %d\n", got,
	      different(got) == 256, bytes[4096] == 0x55);
}

/* As much as it gets in two seconds, a gigabyte at a time. */
static void rng_greedy(void)
{
	struct vring_desc *table = gpa(BUFFER(2));
	double begin;
	long total = 0, requests = 0;
	int got;

	start_rng();
	for (int i = 0; i < 64; i++)
		table[i] = (struct vring_desc){ PLACE, 16 << 20,
			IN | (i < 63 ? NEXT : 0), i + 1 };
	begin = seconds();
	while (seconds() < begin + 2) {
		describe(&rx, 0, BUFFER(2), 64 * 16, INDIRECT, 0);
		offer(&rx, 0);
		got = wait_used(&rx, 5000);
		if (got <= 0) {
			print("nothing came: %d\n", got);
			return;
		}
		total += got;
		requests++;
	}
	print("total %ld in %.2f s, %ld requests\n", total,
	      seconds() - begin, requests);
}

/* Empty requests, and those that can only be read; for a second. */
static void rng_odd(void)
{
	double begin = seconds();
	long empty = 0;

	start_rng();
	describe(&rx, 0, PLACE, 64, 0, 0);
	offer(&rx, 0);
	print("nothing to write to: %d\n", wait_used(&rx, 5000));
	while (seconds() < begin + 1) {
		if (want(0, 5000) != 0)
			print("an empty request got something\n");
		empty++;
	}
	print("empty requests within the rate: %d\n", empty < 15000);
	print("and a good one: %d\n", want(32, 5000));
	describe(&rx, 0, ram() - 4, 8, IN, 0);
	offer(&rx, 0);
	print("outside: %d\n", wait_used(&rx, 500));
	start_rng();
	print("well again: %d\n", want(32, 5000));
}

/* A reset does not renew the allowance. */
static void rng_resets(void)
{
	double begin = seconds();
	long total = 0;

	while (seconds() < begin + 2) {
		start_rng();
		for (int i = 0, got = 1; i < 8 && got > 0; i++) {
			got = want(4096, 20);
			total += got > 0 ? got : 0;
		}
	}
	print("total %ld\n", total);
}

static void rng_reboots(void)
{
	start_rng();
	print("life %d: %d\n", lives, want(16, 5000));
	if (lives < 3)
		shut_down(LGUEST_REBOOT, "again");
}

/* Powers off with requests on their way. */
static void rng_leaves(void)
{
	start_rng();
	for (int i = 0; i < 8; i++) {
		describe(&rx, i, PLACE, 1 << 20, IN, 0);
		offer(&rx, i);
	}
}

/* Throws seldom; then resets a device that rests, and leaves one. */
static void rng_rests(void)
{
	start_rng();
	print("first: %d\n", want(64, 5000));
	usleep(5000000);
	print("second: %d\n", want(64, 5000));
	usleep(2500000);
	start_rng();
	print("after a reset: %d\n", want(64, 5000));
	usleep(2500000);
}
