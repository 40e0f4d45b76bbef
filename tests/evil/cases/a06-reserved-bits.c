// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A6: reserved and ignored bits, in entries of all levels; NX at each level.
 *
 * Adapted: the Host takes from an entry only P, RW, US, NX, A, D and the
 * frame. A bit that a processor would complain of may be ignored, but it must
 * never reach a shadow table: that would be a fault for which the Host ends
 * the Guest.
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

#define AT	0x40000000ull

void run(void)
{
	volatile u64 *target = page();
	u64 plain[5];
	int level, bit, bad = 0;

	*target = 0x5a;
	map(AT, PHYS(target), RW | US);
	for (level = 1; level <= 4; level++)
		plain[level] = *entry(AT, level);
	for (level = 1; level <= 4; level++) {
		for (bit = 3; bit < 63; bit++) {
			int got;

			if ((bit >= 12 && bit < 52) ||
			    (bit == 7 && level > 1 && level < 4))
				continue;
			*entry(AT, level) = plain[level] | 1ull << bit;
			flush();
			got = attempt(do_read, AT);
			if (got != EVENT_NONE && got != 14)
				bad++;
			else if (got == EVENT_NONE &&
				 *(volatile u64 *)AT != 0x5a)
				bad++;
		}
		*entry(AT, level) = plain[level];
	}
	ok(!bad, "bits that mean nothing, in all levels");
	user_code(USER, CODE_OF(user_jump));
	((char *)target)[0] = 0x0f;	/* ud2 */
	((char *)target)[1] = 0x0b;
	flush();
	caught.rdi = AT;
	bad = run_user(USER, 0, 0x202);
	ok(bad == 6 && caught.rip == AT, "the user executes");
	for (level = 1; level <= 4; level++) {
		*entry(AT, level) |= NX;
		flush();
		caught.rdi = AT;
		bad = run_user(USER, 0, 0x202);
		ok(bad == (level == 4 ? 14 : 14) && (caught.error & 0x11) ==
		   0x11, "... but not with NX at level %u", level);
		*entry(AT, level) &= ~NX;
	}
	bad = attempt(do_jump, AT);
	ok(bad == 14 && (caught.error & 0x11) == 0x11,
	   "the kernel executes nothing in the lower half");
}
