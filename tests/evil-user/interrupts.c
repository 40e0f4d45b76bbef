// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B5: INT 0 to 255 and other ways into a kernel, by a program. INT 0x80 is
 * left out: it is a way into a native kernel with IA32 emulation.
 */
#include <sys/mman.h>

#include "catch.h"

static uint8_t *code;

static void execute(uint64_t unused)
{
	(void)unused;
	asm volatile("call *%0" : : "r" (code) :
		     "rax", "rcx", "rdx", "r11", "memory", "cc");
}

int main(void)
{
	static const struct {
		uint8_t bytes[4];
		const char *name;
	} others[] = {
		{ { 0xcc }, "INT3" }, { { 0xce }, "INTO" },
		{ { 0xf1 }, "ICEBP" }, { { 0x0f, 0x0b }, "UD2" },
		{ { 0x0f, 0xff, 0xc0 }, "UD0" }, { { 0x0f, 0xb9, 0xc0 }, "UD1" },
		{ { 0x0f, 0x34 }, "SYSENTER" }, { { 0x0f, 0x35 }, "SYSEXIT" },
		{ { 0x0f, 0x07 }, "SYSRET" }, { { 0xf4 }, "HLT" },
		{ { 0xfa }, "CLI" }, { { 0xfb }, "STI" },
		{ { 0x0f, 0x06 }, "CLTS" }, { { 0x0f, 0x08 }, "INVD" },
		{ { 0x0f, 0x09 }, "WBINVD" }, { { 0x0f, 0x30 }, "WRMSR" },
		{ { 0x0f, 0x32 }, "RDMSR" }, { { 0xec }, "IN" },
		{ { 0xee }, "OUT" }, { { 0x6c }, "INS" }, { { 0x6e }, "OUTS" },
		{ { 0x0f, 0x20, 0xc0 }, "MOV from CR0" },
		{ { 0x0f, 0x22, 0xd8 }, "MOV to CR3" },
		{ { 0x0f, 0x21, 0xf8 }, "MOV from DR7" },
		{ { 0x0f, 0x00, 0xd8 }, "LTR" }, { { 0x0f, 0x00, 0xd0 }, "LLDT" },
		{ { 0x0f, 0x01, 0xf8 }, "SWAPGS" },
		{ { 0x0f, 0x01, 0x38 }, "INVLPG" },
		{ { 0x0f, 0x01, 0x10 }, "LGDT" }, { { 0x0f, 0x01, 0x18 }, "LIDT" },
		{ { 0x0f, 0x01, 0xf0 }, "LMSW" }, { { 0x0f, 0x01, 0xd1 }, "XSETBV" },
		{ { 0x0f, 0x01, 0xc1 }, "VMCALL" }, { { 0x0f, 0x01, 0xd9 }, "VMMCALL" },
		{ { 0x0f, 0x01, 0xc8 }, "MONITOR" }, { { 0x06 }, "PUSH ES" },
		{ { 0x9a }, "CALL far" }, { { 0xea }, "JMP far" },
	};
	int counts[32] = { 0 };

	code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	catch_all();
	for (int n = 0; n < 256; n++) {
		int sig;

		if (n == 0x80)
			continue;
		code[0] = 0xcd;
		code[1] = n;
		code[2] = 0xc3;
		sig = attempt(execute, 0);
		counts[sig & 31]++;
		ok(sig == (n == 3 ? SIGTRAP : n == 4 ? sig : SIGSEGV) && sig,
		   "INT %d: signal %d, trap %d", n, sig, seen.trap);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		int sig;

		memset(code, 0xc3, 16);
		memcpy(code, others[i].bytes, 4);
		sig = attempt(execute, 0);
		ok(sig != 0, "%s: signal %d, trap %d, at +%d", others[i].name,
		   sig, seen.trap, (int)(seen.rip - (uint64_t)code));
	}
	return finish();
}
