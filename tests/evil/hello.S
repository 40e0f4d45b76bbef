/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The smallest Guest of all: it says hello and goes. */
#include "evil.h"

begin:
	PRINT	"hello from a micro-Guest\n"
	POWEROFF
