// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B10: every selector into DS, ES, FS, GS and SS, by a program; far jumps
 * and far returns to all of them. 0x23, the 32-bit code that only a native
 * kernel has, is left out.
 */
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "catch.h"

static uint64_t fs_base;

#define LOAD(name, reg)							\
static void name(uint64_t sel)						\
{									\
	asm volatile("movw %w0, %%" reg : : "r" (sel) : "memory");	\
}
LOAD(load_ds, "ds")
LOAD(load_es, "es")
LOAD(load_gs, "gs")
LOAD(load_ss, "ss")

/* The C library lives by the FS base: nothing in between may need it. */
static void load_fs(uint64_t sel)
{
	asm volatile("movw %w0, %%fs\n"
		     "movl %1, %%eax\n movl %2, %%edi\n movq %3, %%rsi\n"
		     "syscall"
		     : : "b" (sel), "i" (SYS_arch_prctl), "i" (ARCH_SET_FS),
		       "m" (fs_base)
		     : "rax", "rdi", "rsi", "rcx", "r11", "memory");
}

static struct {
	uint64_t offset;
	uint16_t selector;
} __attribute__((packed)) far;

static void far_jump(uint64_t sel)
{
	far.offset = (uint64_t)&&here;
	far.selector = sel;
	asm volatile("rex.w ljmp *%0" : : "m" (far));
here:
	return;
}

int main(void)
{
	static const struct {
		void (*load)(uint64_t);
		const char *name;
	} ways[] = {
		{ load_ds, "DS" }, { load_es, "ES" }, { load_fs, "FS" },
		{ load_gs, "GS" }, { load_ss, "SS" }, { far_jump, "far jump" },
	};

	catch_all();
	syscall(SYS_arch_prctl, ARCH_GET_FS, &fs_base);
	for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
		uint64_t sum = 0;
		int accepted = 0;

		for (unsigned int sel = 0; sel < 0x10000;
		     sel += sel < 512 ? 1 : 37) {
			int sig;

			if ((sel | 3) == 0x23)
				continue;
			/* Linux puts other things there than we do */
			if (w == 5 && (sel | 3) != 0x33 && sel > 0x90 &&
			    sel < 0x100)
				continue;
			sig = attempt(ways[w].load, sel);
			accepted += !sig;
			sum = digest(sum, sig);
			sum = digest(sum, seen.trap);
		}
		asm volatile("movw %w0, %%ds\n movw %w0, %%es" : : "r" (0));
		ok(1, "%s: %d accepted, %llx", ways[w].name, accepted,
		   (unsigned long long)sum);
	}
	return finish();
}
