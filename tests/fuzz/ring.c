// SPDX-License-Identifier: GPL-2.0-or-later
/* Fuzzer of virtqueues: any memory, and any place in it for the tables. */
#include <string.h>

#include "ring.h"

#define RAM	65536ul

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory memory = { .ram = RAM, .size = RAM, .fd = -1 };
	struct virtqueue vq;
	struct vq_place place;

	if (size < sizeof(place) + 1)
		return 0;
	memcpy(&place, data, sizeof(place));
	memory.base = calloc(1, RAM);		/* ASan knows where it ends */
	memcpy(memory.base, data + sizeof(place) + 1,
	       size - sizeof(place) - 1 < RAM ? size - sizeof(place) - 1 : RAM);
	if (vq_start(&vq, &memory, &place, data[sizeof(place)] & 1) == 0)
		drain(&vq, &memory);
	else
		MUST(vq.error);
	free(memory.base);
	return 0;
}
