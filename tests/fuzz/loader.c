// SPDX-License-Identifier: GPL-2.0-or-later
/* Fuzzer of the loader: any file as a kernel, packed or not, and as an initrd. */
#include <stdlib.h>

#include "boot.h"

#define RAM	(40ul << 20)
#define MUST(x)	do { if (!(x)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct memory memory;
	struct blob blob = { .name = "kernel", .size = size, .fd = -1, .bytes = data };
	struct boot boot = { .initrd = &blob, .command_line = "console=hvc0" };
	struct kernel kernel;

	if (!memory.base)
		MUST(memory_create(&memory, RAM, 1) == 0);
	if (kernel_load(&blob, &memory, &kernel) < 0)
		return 0;
	for (unsigned int i = 0; i < kernel.num_segments; i++) {
		MUST(kernel.segments[i].start <= kernel.segments[i].end);
		MUST(kernel.segments[i].end <= RAM);
	}
	MUST(kernel.pgd < RAM);
	if (boot_prepare(&boot, &memory, &kernel) < 0)
		return 0;
	MUST(boot.params < RAM && boot.initrd_end <= RAM);
	MUST(!overlapping(&kernel, boot.initrd_start, boot.initrd_end));
	return 0;
}
