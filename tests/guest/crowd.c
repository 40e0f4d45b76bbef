// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many processes (200, or as many as the first argument says) that take
 * turns. Each has memory of its own with a sum over it, and changes both
 * whenever its turn comes: first all at once, then one after the other.
 */
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define WORDS 4096		/* 32 KB for each process */
#define LAPS 10			/* of the token through the ring */
#define YIELDS 30

static uint64_t memory[WORDS];

static uint64_t sum(void)
{
	uint64_t s = 0;
	int i;

	for (i = 0; i < WORDS; i++)
		s = (s << 1 | s >> 63) ^ memory[i];
	return s;
}

static int in_the_ring(int n, int from, int to)
{
	uint64_t seed = 0x1000 + n, expected, token;
	int i, turn, bad = 0;

	for (i = 0; i < WORDS; i++)
		memory[i] = random_next(&seed);
	expected = sum();
	for (turn = 0; turn < YIELDS; turn++) {
		sched_yield();
		bad += sum() != expected;
		memory[random_next(&seed) % WORDS] = random_next(&seed);
		expected = sum();
	}
	for (turn = 0; turn < LAPS; turn++) {
		if (read(from, &token, sizeof(token)) != sizeof(token))
			return 1;
		bad += sum() != expected;
		bad += token != ((uint64_t)turn << 32 | n);
		memory[random_next(&seed) % WORDS] = token;
		expected = sum();
		token++;
		if (write(to, &token, sizeof(token)) != sizeof(token))
			return 1;
	}
	return bad != 0;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 200;
	int first[2], from, next[2], i, bad = 0, status;
	uint64_t token;

	if (pipe(first))
		bail_out("pipe: %m");
	from = first[0];
	for (i = 0; i < count; i++) {
		if (pipe(next))
			bail_out("pipe: %m");
		fflush(stdout);
		switch (fork()) {
		case -1:
			bail_out("fork: %m");
		case 0:
			close(next[0]);
			close(first[1]);
			_exit(in_the_ring(i, from, next[1]));
		}
		close(from);
		close(next[1]);
		from = next[0];
	}
	ok(1, "%d processes begin", count);
	for (i = 0; i < LAPS; i++) {
		token = (uint64_t)i << 32;
		bad += write(first[1], &token, 8) != 8;
		bad += read(from, &token, 8) != 8;
		bad += token != ((uint64_t)i << 32 | count);
	}
	ok(!bad, "a token goes round %d times, and counts them", LAPS);
	for (bad = 0, i = 0; i < count; i++)
		bad += wait(&status) < 0 || status;
	if (!ok(!bad, "each found its memory as it had left it"))
		diag("%d did not", bad);
	return finish();
}
