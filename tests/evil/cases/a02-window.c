// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A2: the range of the Switcher, by entries of all four levels, for Guest
 * kernel and Guest user: reading, writing and executing are page faults.
 *
 * run: -> 0
 */
#include "lib.h"

INSN(do_read, "movb (%0), %%al")
INSN(do_write, "movb $1, (%0)")
INSN(do_jump, "call *%0")

USER_CODE(user_read, "movb (%rdi), %al");
USER_CODE(user_write, "movb %al, (%rdi)");
USER_CODE(user_jump, "jmp *%rdi");

static const u64 places[] = {
	0, 0x1000, 0x4000, 0x4200, 0x4500, 0x5000, 0x6000, 0x7000, 0x8000,
	0x10000, 0x200000, 0x40000000, 0x8000000000, 0x78000000000,
};
#define PLACES	(sizeof(places) / sizeof(places[0]))

static void probe(const char *what)
{
	u64 good = 0, i;

	for (i = 0; i < PLACES; i++) {
		u64 va = HOLE + places[i];
		int k;

		for (k = 0; k < 6; k++) {
			void (*const in_kernel[])(u64) = {
				do_read, do_write, do_jump,
			};
			int event;

			caught.rdi = va;
			event = k < 3 ? attempt(in_kernel[k], va) :
				run_user(USER + (k - 3) * PAGE, 0, 0x202);
			good += event == 14 && caught.cr2 == va;
		}
	}
	ok(good == 6 * PLACES, "%s: %u of %u accesses are page faults", what,
	   good, 6 * PLACES);
}

void run(void)
{
	u64 *target = page();
	u64 i, marks = 0;

	user_code(USER, CODE_OF(user_read));
	user_code(USER + PAGE, CODE_OF(user_write));
	user_code(USER + 2 * PAGE, CODE_OF(user_jump));
	probe("nothing mapped");
	for (i = 0; i < PLACES; i++)
		map(HOLE + places[i], PHYS(target), RW | US);
	flush();
	probe("by the last level");
	for (i = 0; i < PLACES; i++)
		*entry(HOLE + places[i], 2) = P | RW | US | PS;
	flush();
	probe("by the second level");
	for (i = 0; i < PLACES; i++)
		*entry(HOLE + places[i], 3) = P | RW | US | PS;
	flush();
	probe("by the third level");
	for (i = 256; i < 272; i++)
		root[i] = PHYS(root) | P | RW | US;
	flush();
	probe("by the root");
	for (i = 256; i < 272; i++)
		marks += !!(root[i] & ACCESSED);
	ok(!marks, "the Host did not even look at those entries");
	i = attempt(do_read, 0xff00000000000000);
	ok(i == 13, "where the window of a 5-level Host is: event %u", i);
	for (i = 256; i < 272; i++)
		call(LHCALL_FLUSH_PAGE, HOLE + ((i - 256) << 39), 0, 0);
	call(LHCALL_FLUSH_PAGE, 0xff00000000004000, 0, 0);
	probe("after flushing the range");
}
