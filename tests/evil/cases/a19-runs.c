// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A19: a program touches page after page. The Switcher may guess that a fault
 * is the Guest's own; the kernel must be told the same as by the Host, to the
 * last register, and a wrong guess must not be made twice in one place.
 *
 * run: sub=0 seed=1 -> 0
 * run: sub=1 -> 4 /double fault: trap 14 at 0x40\d{4}, error 0x[46], address 0x40001000/
 */
#include "lib.h"

#define RUN	0x40000000ull		/* where there is nothing */
#define FLAGS	0x202ull		/* interrupts on */
#define AC	0x40000ull
#define TF	0x100ull

USER_CODE(user_read, "movb (%rdi), %al");
USER_CODE(user_write, "movb %al, (%rdi)");

static int touch(u64 address, bool write, u64 rflags)
{
	caught.rdi = address;
	return run_user(USER + write * PAGE, 0x1230 + address, rflags);
}

/* Everything that the kernel is told of a fault of the user's. */
static bool told(u64 address, bool write, u64 rflags)
{
	struct event before;
	u64 gs = random() & 0x7ffffffffff0;
	int event;

	for (u64 *r = &caught.rax; r <= &caught.r15; r++)
		*r = random();
	caught.rdi = address;
	before = caught;
	shared.user_gs = gs;
	event = touch(address, write, rflags);
	return event == 14 && same(&before.rax, &caught.rax, 15 * 8) &&
	       caught.rip == USER + write * PAGE &&
	       caught.rsp == 0x1230 + address &&
	       caught.cs == LGUEST_USER_CS &&
	       (caught.rflags & ~0x10000ull) == rflags &&
	       caught.error == (write ? 6 : 4) && caught.cr2 == address &&
	       shared.user_gs == gs && !(shared.vif & LGUEST_VIF_ON);
}

void run(void)
{
	static const u64 flags[] = { FLAGS, FLAGS | TF, FLAGS | AC,
				     FLAGS | 0x8d5 };
	u64 i, bad = 0, again = 0;
	int first, second;

	user_code(USER, CODE_OF(user_read));
	user_code(USER + PAGE, CODE_OF(user_write));
	*entry(RUN, 1) = 0;
	flush();
	if (option("sub", 0) == 1) {
		/* nobody takes the event before this one */
		touch(RUN, true, FLAGS);
		shared.vector = 14 | LGUEST_EVENT_VALID;
		touch(RUN + PAGE, true, FLAGS);
	}
	for (i = 0; i < 200; i++) {
		u64 at = RUN + i * PAGE + random() % PAGE;

		bad += !told(at, i & 1, flags[i % 4]);
		map(at & -PAGE, PHYS(page()), RW | US);
		again += touch(at, i & 1, FLAGS) != EVENT_SYSCALL;
	}
	ok(!bad, "the kernel is told of each of %u faults in a run, %u wrongly",
	   i, bad);
	ok(!again, "... and each page is there when it is mapped");

	/* The run goes on, but the Guest has mapped the page already. */
	map(RUN + 0x201 * PAGE, PHYS(page()), RW | US | ACCESSED | DIRTY);
	first = touch(RUN + 0x200 * PAGE, false, FLAGS);
	second = touch(RUN + 0x201 * PAGE, false, FLAGS);
	ok(first == 14 && second == EVENT_SYSCALL,
	   "where the Host sees the next page, nobody guesses");
	map(RUN + 0x300 * PAGE, PHYS(page()), RW | US | ACCESSED | DIRTY);
	first = touch(RUN + 0x2ff * PAGE, true, FLAGS);
	second = touch(RUN + 0x300 * PAGE, true, FLAGS);
	ok(first == 14 && second == 14 && caught.error == 6 &&
	   caught.cr2 == RUN + 0x300 * PAGE,
	   "where it does not, the guess is wrong");
	ok(touch(RUN + 0x300 * PAGE, true, FLAGS) == EVENT_SYSCALL,
	   "... but not twice in the same place");

	/* Not in the run: another page, the kernel, the last page of all. */
	first = touch(RUN + 0x400 * PAGE, false, FLAGS);
	map(RUN + 0x501 * PAGE, PHYS(page()), RW | US | ACCESSED | DIRTY);
	ok(first == 14 && touch(RUN + 0x501 * PAGE, false, FLAGS) ==
	   EVENT_SYSCALL, "another page is no matter for guesses");
	first = touch(LAST_PAGE, false, FLAGS);
	second = touch(LAST_PAGE + PAGE, false, FLAGS);
	ok(first == 14 && second == 13, "nor is the page behind the last one");
	first = touch(HOLE - PAGE, false, FLAGS);
	ok(first == 13 && touch(BASE, false, FLAGS) == 14 &&
	   caught.cr2 == BASE, "and the kernel is out of reach");
}
