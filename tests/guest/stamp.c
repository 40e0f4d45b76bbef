// SPDX-License-Identifier: GPL-2.0-or-later
/* Put the time of day (monotonic, nanoseconds) before each line. */
#include "check.h"

int main(void)
{
	char line[4096];

	while (fgets(line, sizeof(line), stdin)) {
		printf("%lld %s", (long long)clock_ns(CLOCK_MONOTONIC), line);
		fflush(stdout);
	}
	return 0;
}
