// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A17: what the Guest's user sees of the Guest's kernel: page faults, even
 * where the kernel has the page in use at this moment. (What a program in a
 * Linux Guest sees is in evil-user/probe.c.)
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

void run(void)
{
	u64 places[16], n = 0, i, round, bad = 0;
	char *secret = page();

	user_code(USER, CODE_OF(user_read));
	user_code(USER + PAGE, CODE_OF(user_write));
	user_code(USER + 2 * PAGE, CODE_OF(user_jump));
	/* supervisor pages in both halves */
	map(0x600000, PHYS(secret), RW);
	*entry(0x800000, 2) = P | RW | PS;
	places[n++] = 0x600000;
	places[n++] = 0x800000 + 0x1000;
	places[n++] = (u64)&shared;
	places[n++] = (u64)root;
	places[n++] = (u64)run;
	places[n++] = (u64)secret;
	places[n++] = BASE;
	places[n++] = 0xffffffffffffffff;
	flush();
	for (round = 0; round < 200; round++) {
		for (i = 0; i < n; i++) {
			u64 k = (round + i) % 3;
			int event;

			/* The kernel uses it, and it gets into the shadow. */
			if (i != 7)
				do_read(places[i]);
			if (i < 2)
				do_write(places[i]);
			caught.rdi = places[i];
			event = run_user(USER + k * PAGE, 0, 0x202);
			bad += event != 14 || caught.cr2 != places[i] ||
				!(caught.error & 4);
		}
	}
	ok(!bad, "%u probes, %u of them no page fault of the user's",
	   200 * n, bad);
	/* A large supervisor page with one user page beside it */
	map(0x610000, PHYS(secret), RW | US);
	flush();
	caught.rdi = 0x610000;
	ok(run_user(USER, 0, 0x202) == EVENT_SYSCALL, "its own page is there");
	caught.rdi = 0x600000;
	ok(run_user(USER, 0, 0x202) == 14, "the neighbour is not");
}
