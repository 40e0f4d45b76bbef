// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B5: INT 0 to 255, INT3, INTO, ICEBP, UD2 and SYSENTER, by the Guest's user
 * and by its kernel. (QEMU computes the error code of INT n as 16 n + 2; a
 * processor says 8 n + 2. ICEBP is 1, or 6 in QEMU.)
 *
 * run: -> 0
 */
#include "lib.h"

static char *code;

static int execute(bool user, u64 at)
{
	return user ? run_user(USER + at, 0, 0x202) :
		run_kernel((u64)code + at, 0, 2);
}

void run(void)
{
	static const struct {
		u8 bytes[3];
		int first, second;
		const char *name;
	} others[] = {
		{ { 0xcc }, 3, 3, "INT3" },
		{ { 0xce }, 6, 6, "INTO" },
		{ { 0xf1 }, 1, 6, "ICEBP" },
		{ { 0x0f, 0x0b }, 6, 6, "UD2" },
		{ { 0x0f, 0xb9, 0xc0 }, 6, 6, "UD1" },
		{ { 0x0f, 0x34 }, 13, 6, "SYSENTER" },
		{ { 0x0f, 0x35 }, 13, 6, "SYSEXIT" },
		{ { 0x0f, 0x07 }, 13, 6, "SYSRET" },
		{ { 0xf4 }, 13, 13, "HLT" },
		{ { 0xfa }, 13, 13, "CLI" },
		{ { 0xfb }, 13, 13, "STI" },
		{ { 0x0f, 0x06 }, 13, 13, "CLTS" },
		{ { 0x0f, 0x09 }, 13, 13, "WBINVD" },
		{ { 0x0f, 0x22, 0xd8 }, 13, 13, "MOV to CR3" },
		{ { 0x0f, 0x23, 0xf8 }, 13, 13, "MOV to DR7" },
		{ { 0x0f, 0x00, 0xd8 }, 13, 13, "LTR" },
		{ { 0x0f, 0x00, 0xd0 }, 13, 13, "LLDT" },
		{ { 0x0f, 0x01, 0xf8 }, 13, 6, "SWAPGS" },
		{ { 0x0f, 0x01, 0x38 }, 13, 13, "INVLPG" },
		{ { 0x0f, 0x01, 0x18 }, 13, 13, "LIDT" },
		{ { 0x0f, 0x01, 0xf0 }, 13, 13, "LMSW" },
	};
	u64 n, i;
	int mode;

	code = user_code(USER, "", 0);
	for (mode = 0; mode < 2; mode++) {
		const char *who = mode ? "user" : "kernel";
		u64 bad = 0;

		for (n = 0; n < 256; n++) {
			int event;

			code[0] = 0xcd;
			code[1] = n;
			event = execute(mode, 0);
			if (n == 3 || n == 4)
				bad += event != (int)n;
			else
				bad += event != 13 ||
					(caught.error != 8 * n + 2 &&
					 caught.error != 16 * n + 2);
		}
		ok(!bad, "INT 0 to 255 by the %s, %u surprises", who, bad);
		for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
			int event;

			memcpy(code, others[i].bytes, 3);
			event = execute(mode, 0);
			ok(event == others[i].first ||
			   event == others[i].second, "%s by the %s: event %d",
			   others[i].name, who, (s64)event);
		}
	}
}
