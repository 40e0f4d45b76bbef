// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *	random-disk DISK AT SECTORS [OPERATIONS [SEED]]
 *
 * Random writes, reads, discards, zeroes (kept or given back) and flushes on
 * a part of a disk, and a model that knows what each sector must hold: what
 * was written last, or zeroes. A sector that was discarded may be either of the
 * two. Some accesses go through the page cache, most of them around it.
 *
 * Run several at once on neighbouring parts: they must not notice.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "check.h"

#define SECTOR	512
#define WORDS	(SECTOR / sizeof(uint64_t))
#define MOST	256		/* sectors at a time */

static struct {
	uint64_t value;		/* 0: zeroes */
	int discarded;		/* ... or zeroes */
} *model;

static uint64_t seed = 1, first, count, values;
static long differences, operations;
static int direct, cached;
static uint64_t *buffer;

static unsigned int choose(unsigned int n)
{
	return (random_next(&seed) >> 33) % n;
}

static void fill(uint64_t *sector, uint64_t value)
{
	uint64_t state = value << 20 | 1;

	for (size_t i = 0; i < WORDS; i++)
		sector[i] = value ? random_next(&state) : 0;
}

static off_t offset(uint64_t sector)
{
	return (off_t)((first + sector) * SECTOR);
}

static void failed(const char *what)
{
	if (differences++ < 10)
		diag("operation %ld: %s: %m", operations, what);
}

static void op_write(uint64_t at, uint64_t n, int file)
{
	for (uint64_t i = 0; i < n; i++) {
		model[at + i].value = ++values << 1 | 1;
		model[at + i].discarded = 0;
		fill(buffer + i * WORDS, model[at + i].value);
	}
	if (pwrite(file, buffer, n * SECTOR, offset(at)) !=
	    (ssize_t)(n * SECTOR))
		failed("write");
	/* Who mixes both ways has to see to it that they agree. */
	if (file == cached && fdatasync(cached))
		failed("fdatasync");
}

static void op_read(uint64_t at, uint64_t n, int file)
{
	uint64_t should[WORDS], nothing[WORDS] = { 0 };

	if (pread(file, buffer, n * SECTOR, offset(at)) !=
	    (ssize_t)(n * SECTOR)) {
		failed("read");
		return;
	}
	for (uint64_t i = 0; i < n; i++) {
		uint64_t *is = buffer + i * WORDS;

		fill(should, model[at + i].value);
		if (!memcmp(is, should, SECTOR))
			continue;
		if (model[at + i].discarded && !memcmp(is, nothing, SECTOR)) {
			model[at + i].value = 0;
			continue;
		}
		if (differences++ < 10)
			diag("operation %ld, sector %llu: %#llx, should be %#llx",
			     operations, (unsigned long long)(at + i),
			     (unsigned long long)is[0],
			     (unsigned long long)should[0]);
	}
}

static void op_discard(uint64_t at, uint64_t n)
{
	uint64_t range[2] = { offset(at), n * SECTOR };

	if (ioctl(direct, BLKDISCARD, range))
		failed("discard");
	for (uint64_t i = 0; i < n; i++)
		model[at + i].discarded = 1;
}

static void op_zero(uint64_t at, uint64_t n, int how)
{
	uint64_t range[2] = { offset(at), n * SECTOR };
	int error;

	if (how == 0)
		error = ioctl(direct, BLKZEROOUT, range);
	else
		error = fallocate(direct, FALLOC_FL_KEEP_SIZE | (how == 1 ?
				  FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE),
				  offset(at), n * SECTOR);
	if (error)
		failed("zeroes");
	for (uint64_t i = 0; i < n; i++) {
		model[at + i].value = 0;
		model[at + i].discarded = 0;
	}
}

static void operation(void)
{
	unsigned int what = choose(100);
	uint64_t at = choose(count), n = 1 + choose(choose(8) ? 16 : MOST);

	operations++;
	if (n > count - at)
		n = count - at;
	if (what < 40)
		op_write(at, n, direct);
	else if (what < 45)
		op_write(at, n, cached);
	else if (what < 75)
		op_read(at, n, direct);
	else if (what < 80)
		op_read(at, n, cached);
	else if (what < 88)
		op_discard(at, n);
	else if (what < 97)
		op_zero(at, n, what % 3);
	else if (fsync(direct))
		failed("fsync");
}

int main(int argc, char **argv)
{
	long wanted = argc > 4 ? atol(argv[4]) : 10000;

	if (argc < 4)
		bail_out("random-disk DISK AT SECTORS [OPERATIONS [SEED]]");
	first = strtoull(argv[2], NULL, 0);
	count = strtoull(argv[3], NULL, 0);
	if (argc > 5)
		seed = strtoull(argv[5], NULL, 0) << 1 | 1;
	direct = open(argv[1], O_RDWR | O_DIRECT);
	cached = open(argv[1], O_RDWR);
	model = calloc(count, sizeof(*model));
	buffer = aligned_alloc(4096, MOST * SECTOR);
	if (direct < 0 || cached < 0 || !model || !buffer)
		bail_out("%s: %m", argv[1]);
	for (uint64_t at = 0; at < count; at += MOST)
		op_write(at, count - at < MOST ? count - at : MOST, direct);
	while (operations < wanted)
		operation();
	for (uint64_t at = 0; at < count; at += MOST)
		op_read(at, count - at < MOST ? count - at : MOST, direct);
	if (!ok(!differences, "%ld random operations on a disk", wanted))
		diag("%ld differences", differences);
	return finish();
}
