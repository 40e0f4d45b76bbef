// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C14: every reason for which the Host ends a Guest, and each of them once.
 * Adapted: another vCPU inside a long operation needs another vCPU.
 *
 * run: sub=0 -> 4 /with CS 0x99/
 * run: sub=1 -> 4 /double fault: trap 6/
 * run: sub=2 -> 4 /page table at 0xffffffff000, outside memory/
 * run: sub=3 -> 4 /page at 0xffffffff000 mapped, outside memory/
 * run: sub=4 -> 4 /CR3 set to .*, outside memory/
 * run: sub=5 noinit=1 -> 4 /LHCALL_IRET before LHCALL_INIT/
 * run: sub=6 noinit=1 -> 4 /before LHCALL_INIT: trap 0/
 */
#include "lib.h"

void run(void)
{
	switch (option("sub", 0)) {
	case 0:
		shared.cs = 0x99;
		call(LHCALL_IRET, 0, 0, 0);
		break;
	case 1:
		shared.vector = 1;
		asm volatile("ud2");
		break;
	case 2:
		*entry(0x40000000, 2) = 0xffffffff000 | P | RW;
		flush();
		asm volatile("movb 0x40000000, %%al" : : : "rax");
		break;
	case 3:
		map(0x40000000, 0xffffffff000, RW);
		flush();
		asm volatile("movb 0x40000000, %%al" : : : "rax");
		break;
	case 4:
		call(LHCALL_SET_CR3, 0xffffffff000, 0, 0);
		break;
	case 5:
		call(LHCALL_IRET, 0, 0, 0);
		break;
	default:
		asm volatile("xorl %%ecx, %%ecx\n divl %%ecx"
			     : : : "rax", "rcx", "rdx");
	}
	ok(false, "there was a reason");
}
