// SPDX-License-Identifier: GPL-2.0-or-later
/* Print the TSC: where an emulator counts instructions, their number. */
#include "check.h"

int main(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a" (low), "=d" (high));
	printf("%llu\n", (unsigned long long)high << 32 | low);
	return 0;
}
