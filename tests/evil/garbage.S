/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A proper note, proper page tables, and random bytes for a kernel. */
#include "evil.h"

begin:
	.incbin	FILE
