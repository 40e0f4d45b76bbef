// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A1: frames that are not the Guest's, by every kind of entry.
 *
 * Adapted: what a Guest writes into its tables means nothing until it is
 * used. Using it ends the Guest; mapping it and not using it is harmless.
 *
 * run: sub=0-13 -> 4 /outside memory/
 * run: sub=14 -> 0
 */
#include "lib.h"

INSN(do_read, "movb (%0), %%al")
INSN(do_write, "movb $1, (%0)")
INSN(do_jump, "call *%0")

#define AT	0x40000000ull

/* The flags that a processor ignores, and those of the cache. */
static u64 odd_flags(void)
{
	return random() & (PWT | PCD | GLOBAL | 0xe00 | 0x7full << 52 | NX);
}

static void use_outside(u64 kind, u64 gpa)
{
	entry(AT, 1);
	switch (kind) {
	case 0:
		map(AT, gpa, RW | odd_flags());
		break;
	case 1:
		*entry(AT, 2) = (gpa & ~(2 * MEG - 1)) | PS | P | RW;
		break;
	case 2:
		*entry(AT, 3) = (gpa & ~(1024 * MEG - 1)) | PS | P | RW;
		break;
	case 3: case 4: case 5:
		*entry(AT, kind - 1) = gpa | P | RW | US;
		break;
	default:
		call(LHCALL_SET_CR3, gpa, 0, 0);
		do_read(AT);
	}
	flush();
	do_read(AT + (kind == 1 || kind == 2 ? 2 * MEG - PAGE : 0));
}

/* All frames and all flags around a page that is in use. */
static void surround(void)
{
	char *good = page();
	int i, bit;

	good[0] = 42;
	for (bit = 13; bit < 52; bit++) {
		for (i = 0; i < 16; i++)
			map(AT + i * PAGE, (1ull << bit) + i * PAGE +
			    (bit < 26 ? memory_end : 0),
			    RW | ACCESSED | DIRTY | odd_flags());
		map(AT + 5 * PAGE, PHYS(good), RW | ACCESSED | DIRTY);
		flush();
		if (*(volatile char *)(AT + 5 * PAGE) != 42)
			break;
	}
	ok(bit == 52, "pages outside that nobody touches harm nobody");
}

void run(void)
{
	u64 sub = option("sub", 14);
	u64 gpa = sub % 2 ? FRAME_MASK : memory_end;

	if (sub == 14) {
		surround();
		return;
	}
	/* A large page is outside as a whole. */
	if (sub / 2 == 1 || sub / 2 == 2)
		gpa |= 1ull << (sub / 2 == 1 ? 26 : 36);
	use_outside(sub / 2, gpa);
	ok(false, "frame %x, used by entry of kind %u", gpa, sub / 2);
}
