// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B13: FS and GS bases by arch_prctl() and by WRGSBASE where the kernel
 * allows that: odd addresses are refused, the Host's are of no use, and
 * each base is there after a system call and after a while.
 */
#include <asm/prctl.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "catch.h"

static void write_gs(uint64_t value)
{
	asm volatile("wrgsbase %0" : : "r" (value));
}

static void read_through(uint64_t unused)
{
	(void)unused;
	asm volatile("movq %%gs:0, %%rax" : : : "rax", "memory");
}

static void swap(uint64_t unused)
{
	(void)unused;
	asm volatile("swapgs");
}

int main(void)
{
	static const uint64_t values[] = {
		0, 1, 0x7fffffffefff, 0x7fffffffffff, 0x800000000000,
		0xffff800000000000, 0xffff800000004000, 0xffffffff81000000,
		0xffff888000000000, 0x8000000000000000, ~0ull,
		0xff00000000004000,
	};
	int direct = getauxval(AT_HWCAP2) & 2;	/* FSGSBASE */

	catch_all();
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		uint64_t v = values[i], got = 0;
		int ret = syscall(SYS_arch_prctl, ARCH_SET_GS, v);
		int sig;

		syscall(SYS_arch_prctl, ARCH_GET_GS, &got);
		ok(!ret == (v < 0x7ffffffff000) && (ret || got == v),
		   "arch_prctl(GS, %#llx)", (unsigned long long)v);
		sig = attempt(read_through, 0);
		ok(sig == SIGSEGV, "... and nothing is there");
		/* QEMU takes what is not canonical; do not ask it */
		if (!direct || (uint64_t)((int64_t)(v << 16) >> 16) != v)
			continue;
		sig = attempt(write_gs, v);
		sched_yield();
		syscall(SYS_arch_prctl, ARCH_GET_GS, &got);
		ok(!sig && got == v, "WRGSBASE %#llx", (unsigned long long)v);
		sig = attempt(read_through, 0);
		ok(sig == SIGSEGV, "... and nothing is there");
	}
	ok(attempt(swap, 0) != 0, "SWAPGS: signal %d", seen.sig);
	return finish();
}
