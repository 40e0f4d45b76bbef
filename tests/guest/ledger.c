// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *	ledger write NAME FILE AT SLOTS SECTORS FIRST [direct|dsync]
 *	ledger check NAME FILE AT SLOTS SECTORS FROM LAST
 *
 * Somebody who writes down one numbered record after the other, has each of
 * them made durable, and only then says "NAME durable NUMBER"; and somebody
 * who looks afterwards whether that was true. FILE is a disk, or a file. Record
 * n takes the place of record n - SLOTS, AT bytes from the start.
 *
 * Every sector says whose it is and which part of which record, and the rest
 * of it follows from that, so that each one is right or wrong by itself: what
 * is torn, old, foreign or in the wrong place is found. As a record is begun
 * only when all before it are durable, everything below the highest number that
 * is found must be there, as well as all up to LAST (and from FROM on).
 *
 * An error is said once for each attempt; then the same record is tried again.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

#define SECTOR	512
#define WORDS	(SECTOR / sizeof(uint64_t))
#define MAGIC	0x7265676465676c2eull

static const char *name;
static uint64_t slots, sectors;
static off_t at;
static int file;
static uint64_t *record;

static uint64_t owner(void)
{
	uint64_t hash = MAGIC;

	for (const char *p = name; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 0x100000001b3ull;
	return hash;
}

static void fill(uint64_t *sector, uint64_t number, uint64_t index)
{
	uint64_t state = owner() ^ number << 8 ^ index;

	sector[0] = owner();
	sector[1] = number;
	sector[2] = index;
	for (size_t i = 3; i < WORDS; i++)
		sector[i] = random_next(&state);
}

static off_t place(uint64_t slot)
{
	return at + (off_t)(slot * sectors * SECTOR);
}

static void say(const char *what, uint64_t number, int error)
{
	char line[200];
	int len = snprintf(line, sizeof(line), "%s %s %llu%s%s\n", name, what,
			   (unsigned long long)number, error ? ": " : "",
			   error ? strerror(error) : "");

	if (write(1, line, len) != len)
		exit(1);
}

static int write_record(uint64_t number, int synchronous)
{
	size_t len = sectors * SECTOR;
	ssize_t done;

	for (uint64_t i = 0; i < sectors; i++)
		fill(record + i * WORDS, number, i);
	done = pwrite(file, record, len, place(number % slots));
	if (done != (ssize_t)len) {
		say("write", number, done < 0 ? errno : EIO);
		return -1;
	}
	if (!synchronous && fdatasync(file)) {
		say("sync", number, errno);
		return -1;
	}
	return 0;
}

__attribute__((noreturn))
static void write_all(uint64_t number, int synchronous)
{
	for (;;) {
		if (write_record(number, synchronous)) {
			usleep(300000);
			continue;
		}
		say("durable", number, 0);
		number++;
	}
}

/* The number of the record that this is a part of; 0: none, or ~0: wrong. */
static uint64_t judge(const uint64_t *sector, uint64_t slot, uint64_t index)
{
	static const uint64_t nothing[WORDS];
	uint64_t should[WORDS];

	if (!memcmp(sector, nothing, SECTOR))
		return 0;
	fill(should, sector[1], index);
	if (!sector[1] || sector[1] % slots != slot ||
	    memcmp(sector, should, SECTOR))
		return ~0ull;
	return sector[1];
}

static void read_slot(uint64_t slot)
{
	size_t len = sectors * SECTOR, got = 0;

	memset(record, 0, len);
	while (got < len) {
		ssize_t n = pread(file, (char *)record + got, len - got,
				  place(slot) + (off_t)got);

		if (n < 0) {
			say("cannot be read", slot, errno);
			exit(1);
		}
		if (!n)
			break;
		got += n;
	}
}

static int check_all(uint64_t from, uint64_t last)
{
	uint64_t *whole = calloc(slots, sizeof(*whole));
	uint64_t *part = calloc(slots * sectors, sizeof(*part));
	uint64_t highest = 0, lost = 0, bad = 0, end, next;

	for (uint64_t slot = 0; slot < slots; slot++) {
		read_slot(slot);
		for (uint64_t i = 0; i < sectors; i++) {
			uint64_t is = judge(record + i * WORDS, slot, i);

			part[slot * sectors + i] = is;
			if (is == ~0ull) {
				bad++;
				is = 0;
			}
			if (is > highest)
				highest = is;
			if (!i)
				whole[slot] = is;
			else if (is != whole[slot])
				whole[slot] = 0;
		}
	}
	/* The record that was being written may be there in part. */
	for (uint64_t i = 0; highest && i < sectors; i++) {
		uint64_t is = part[highest % slots * sectors + i];

		if (is && is != ~0ull && is != highest &&
		    is + slots != highest)
			bad++;
	}
	end = highest > last ? highest - 1 : last;
	next = highest > last ? highest : last;
	if (next >= slots && from < next - slots + 1)
		from = next - slots + 1;
	for (uint64_t n = from ? from : 1; n <= end; n++)
		lost += whole[n % slots] != n;
	if (highest <= last || whole[highest % slots] == highest)
		next++;
	printf("%s checked: last %llu highest %llu lost %llu bad %llu next %llu\n",
	       name, (unsigned long long)last, (unsigned long long)highest,
	       (unsigned long long)lost, (unsigned long long)bad,
	       (unsigned long long)next);
	fflush(stdout);
	return lost || bad;
}

int main(int argc, char **argv)
{
	int writes = argc > 1 && !strcmp(argv[1], "write"), flags = 0;
	const char *how = writes && argc == 9 ? argv[8] : "";

	if (argc != 9 && (!writes || argc != 8))
		bail_out("ledger write|check NAME FILE AT SLOTS SECTORS ...");
	if (!strcmp(how, "direct"))
		flags = O_DIRECT;
	else if (!strcmp(how, "dsync"))
		flags = O_DSYNC;
	name = argv[2];
	at = (off_t)strtoull(argv[4], NULL, 0);
	slots = strtoull(argv[5], NULL, 0);
	sectors = strtoull(argv[6], NULL, 0);
	file = open(argv[3], writes ? O_RDWR | O_CREAT | flags : O_RDONLY, 0600);
	record = aligned_alloc(4096, (sectors * SECTOR + 4095) & ~4095ull);
	if (file < 0 || !record)
		bail_out("%s: %m", argv[3]);
	if (writes)
		write_all(strtoull(argv[7], NULL, 0), flags == O_DSYNC);
	return check_all(strtoull(argv[7], NULL, 0), strtoull(argv[8], NULL, 0));
}
