// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzzer of what a Guest says about its errand. The stream comes in pieces; what goes
 * out and what it means must be what a second reading of it says, which has all of
 * the bytes at once.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "bus.h"
#include "errand.h"
#include "message.h"
#include "terminal.h"

const char _binary_messenger_start[1], _binary_messenger_end[1];

static uint8_t written[3][20000];
static size_t counts[3];

ssize_t fuzz_write(int fd, const void *bytes, size_t len)
{
	if (fd < 1 || fd > 2 || len > sizeof(written[fd]) - counts[fd])
		abort();
	len = len > 7 ? len - 3 : len;		/* not always all of it */
	memcpy(written[fd] + counts[fd], bytes, len);
	counts[fd] += len;
	return (ssize_t)len;
}

void ending_signal(struct ending *ending, int number) { (void)ending, (void)number; }
void terminal_speak_through(int fd) { (void)fd; }
void make_printable(char *text) { if (strlen(text) > DRAWER) abort(); }

static int second_reading(const uint8_t *at, size_t left)
{
	size_t seen[3] = { 0 };
	int result = RESULT_SILENT;

	while (left >= 8 && result > RESULT_LOST && result < 0) {
		uint32_t head[2], status;
		int fd = 0;
		size_t part;

		memcpy(head, at, 8);
		at += 8;
		left -= 8;
		part = head[1] < left ? head[1] : left;
		if (head[0] == 'o' || head[0] == 'e')
			fd = head[0] == 'o' ? 1 : 2;
		else if (!(head[0] == 'r' && head[1] == 0) &&
			 !(head[0] == 's' && head[1] == 4) &&
			 !(head[0] == 't' && head[1] < 256))
			result = RESULT_LOST;
		if (fd && (seen[fd] + part > counts[fd] ||
			   memcmp(written[fd] + seen[fd], at, part)))
			abort();
		seen[fd] += fd ? part : 0;
		if (result == RESULT_LOST || part < head[1])
			break;
		if (head[0] == 's') {
			memcpy(&status, at, 4);
			result = status > 255 ? RESULT_LOST : (int)status;
		} else if (head[0] == 't') {
			result = RESULT_TROUBLE;
		} else if (head[0] == 'r') {
			result = RESULT_NONE;
		}
		at += part;
		left -= part;
	}
	if (seen[1] != counts[1] || seen[2] != counts[2])
		abort();
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct errand errand;
	static struct bus bus;
	size_t step = size ? 1 + data[0] % 40 : 1;

	if (size < 1 || size > sizeof(written[1]))
		return 0;
	data++;
	size--;
	memset(&errand, 0, sizeof(errand));
	errand.bus = &bus;
	errand.result = RESULT_SILENT;
	counts[1] = counts[2] = 0;
	for (size_t at = 0; at < size; at += step)
		errand_hear(&errand, (const char *)data + at,
			    size - at < step ? size - at : step);
	if (errand.result != second_reading(data, size))
		abort();
	for (size_t at = 0; at < size; at += step)
		errand_overhear(&errand, (const char *)data + at,
				size - at < step * 500 ? size - at : step * 500);
	errand_result(&errand, 0);
	return 0;
}
