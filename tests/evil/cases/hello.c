// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The smallest of them: for counting how many there can be (E5).
 */
#include "lib.h"

void run(void)
{
	ok(true, "hello");
}
