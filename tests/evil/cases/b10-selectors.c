// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B10: every selector into DS, ES, FS, GS and SS, by kernel and user. "full=1"
 * for all of them; otherwise all small ones and each 37th of the rest.
 *
 * run: -> 0
 */
#include "lib.h"

INSN(load_ds, "movw %w0, %%ds")
INSN(load_es, "movw %w0, %%es")
INSN(load_fs, "movw %w0, %%fs")
INSN(load_gs, "movw %w0, %%gs")
INSN(load_ss, "movw %w0, %%ss")
USER_CODE(user_ds, "movw %di, %ds\n movw %di, %es\n movw %di, %fs\n"
		   "movw %di, %gs\n syscall");
USER_CODE(user_ss, "movw %di, %ss");

static bool good_data(u64 sel)
{
	return sel < 4 || (sel | 3) == 0x2b || (sel | 3) == 0x33 ||
		(sel | 3) == 0x7b;
}

void run(void)
{
	static const struct {
		void (*load)(u64);
		const char *name;
	} loads[] = {
		{ load_ds, "DS" }, { load_es, "ES" }, { load_fs, "FS" },
		{ load_gs, "GS" }, { load_ss, "SS" },
	};
	u64 step = option("full", 0) ? 1 : 37, sel, i, good, bad;

	for (i = 0; i < 5; i++) {
		good = bad = 0;
		for (sel = 0; sel < 0x10000; sel += sel < 0x200 ? 1 : step) {
			int event = attempt(loads[i].load, sel);
			bool fine = i == 4 ? sel == 0x2b : good_data(sel);

			good += event == EVENT_NONE;
			bad += event != EVENT_NONE && event != 13 &&
				event != 11 && event != 12;
			bad += fine != (event == EVENT_NONE);
			if (event == EVENT_NONE && sel % 8 == 3)
				call(LHCALL_NOP, 0, 0, 0);
		}
		ok(!bad, "%s by the kernel: %u accepted, %u surprises",
		   loads[i].name, good, bad);
	}
	user_code(USER, CODE_OF(user_ds));
	user_code(USER + PAGE, CODE_OF(user_ss));
	for (i = 0; i < 2; i++) {
		good = bad = 0;
		for (sel = 0; sel < 0x10000; sel += sel < 0x200 ? 1 : step) {
			bool fine = i ? sel == 0x2b : good_data(sel);
			int event;

			caught.rdi = sel;
			event = run_user(USER + i * PAGE, 0, 0x202);
			good += event == EVENT_SYSCALL;
			bad += event != (fine ? EVENT_SYSCALL : 13);
		}
		ok(!bad, "%s by the user: %u accepted, %u surprises",
		   i ? "SS" : "DS, ES, FS, GS", good, bad);
	}
}
