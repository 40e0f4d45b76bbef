// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B17 for a program: instructions that tell what they should not. Where the
 * Host's tables lie must not be seen: what SGDT and SIDT show, if anything,
 * is the same wherever the Host's kernel is.
 */
#include "catch.h"

static struct {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed)) table;
static uint64_t value;

static void do_sgdt(uint64_t unused)
{
	(void)unused;
	asm volatile("sgdt %0" : "=m" (table));
}

static void do_sidt(uint64_t unused)
{
	(void)unused;
	asm volatile("sidt %0" : "=m" (table));
}

#define TELL(name, text)						\
static void name(uint64_t arg)						\
{									\
	asm volatile(text : "=m" (value) : "c" (arg)			\
		     : "rax", "rdx", "memory", "cc");			\
}
TELL(do_sldt, "xorl %%eax, %%eax\n sldt %%ax\n movq %%rax, %0")
TELL(do_str, "xorl %%eax, %%eax\n str %%ax\n movq %%rax, %0")
TELL(do_smsw, "xorl %%eax, %%eax\n smsw %%rax\n movq %%rax, %0")
TELL(do_rdpmc, "rdpmc\n movq %%rax, %0")
TELL(do_rdmsr, "rdmsr\n movq %%rax, %0")
TELL(do_cr0, "movq %%cr0, %%rax\n movq %%rax, %0")
TELL(do_cr3, "movq %%cr3, %%rax\n movq %%rax, %0")
TELL(do_cr4, "movq %%cr4, %%rax\n movq %%rax, %0")
TELL(do_dr0, "movq %%dr0, %%rax\n movq %%rax, %0")
TELL(do_dr7, "movq %%dr7, %%rax\n movq %%rax, %0")
TELL(do_lsl, "xorl %%eax, %%eax\n lsl %%ecx, %%eax\n movq %%rax, %0")
TELL(do_lar, "xorl %%eax, %%eax\n lar %%ecx, %%eax\n movq %%rax, %0")
TELL(do_verr, "xorl %%eax, %%eax\n verr %%cx\n setz %%al\n movq %%rax, %0")
TELL(do_verw, "xorl %%eax, %%eax\n verw %%cx\n setz %%al\n movq %%rax, %0")
TELL(do_pushf, "pushfq\n popq %%rax\n movq %%rax, %0")

/* the fixmap, the entry areas, the direct map, modules, the kernel */
static int is_known(uint64_t base)
{
	return base >= 0xfffffffffffe0000 ||		/* Linux for UMIP */
	       (base >= 0xffff800000000000 &&		/* the Switcher's */
		base < 0xffff800000100000) ||
	       (base >= 0xff00000000000000 &&
		base < 0xff00000000100000);
}

/* What the kernel alone shows is where its own tables are. */
static int in_a_guest(void)
{
	FILE *f = fopen("/proc/cmdline", "r");
	char line[512] = "";

	if (f && fgets(line, sizeof(line), f))
		return strstr(line, "hvc0") != NULL;
	return 0;
}

static void tables(void)
{
	void (*const ways[])(uint64_t) = { do_sgdt, do_sidt };
	static const char *const names[] = { "SGDT", "SIDT" };

	for (int i = 0; i < 2; i++) {
		int sig;

		table.base = 0;
		sig = attempt(ways[i], 0);
		diag("%s: signal %d, base %#llx, limit %#x", names[i], sig,
		     (unsigned long long)table.base, table.limit);
		ok(sig == SIGSEGV || !in_a_guest() || is_known(table.base),
		   "%s shows nothing that is secret", names[i]);
	}
	attempt(do_sldt, 0);
	ok(seen.sig || value == 0, "there is no LDT");
	attempt(do_str, 0);
	diag("STR: signal %d, %#llx", seen.sig, (unsigned long long)value);
	ok(seen.sig || value < 0x100, "STR shows a small number");
	attempt(do_smsw, 0);
	diag("SMSW: signal %d, %#llx", seen.sig, (unsigned long long)value);
	ok(seen.sig || (value & 0x80000001) == 0x80000001,
	   "SMSW shows that it is protected and paged");
}

static void refused(void)
{
	static const struct {
		void (*way)(uint64_t);
		const char *name;
	} ways[] = {
		{ do_rdpmc, "RDPMC" }, { do_rdmsr, "RDMSR" },
		{ do_cr0, "CR0" }, { do_cr3, "CR3" }, { do_cr4, "CR4" },
		{ do_dr0, "DR0" }, { do_dr7, "DR7" },
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		int sig = 0;

		for (int n = 0; n < 64; n++)
			sig |= attempt(ways[i].way, n) ^ SIGSEGV;
		ok(!sig, "%s is refused", ways[i].name);
	}
}

/* Selectors: a base or a type may be seen, an address may not. */
static void descriptors(void)
{
	int writable = 0, limits = 0, executable = 0;

	for (unsigned int sel = 0; sel < 0x10000; sel += 1) {
		value = 0;
		if (attempt(do_lsl, sel))
			break;
		limits += value > 0xffff && value != 0xffffffff;
		value = 0;
		if (attempt(do_lar, sel))
			break;
		/* ring 0 is not shown to ring 3, whatever it is */
		executable += (value & 0x6000) == 0 && value;
		attempt(do_verr, sel);
		attempt(do_verw, sel);
		writable += value && (sel | 3) != 0x2b;
	}
	ok(!seen.sig, "LSL, LAR, VERR, VERW: all 65536 selectors");
	ok(!executable, "no descriptor of ring 0 is shown (%d are)",
	   executable);
	diag("%d odd limits, %d writable", limits, writable);
}

int main(void)
{
	catch_all();
	tables();
	refused();
	descriptors();
	attempt(do_pushf, 0);
	ok((value & 0x1f7302) == 0x202, "PUSHF: %#llx",
	   (unsigned long long)(value & 0x1f7302));
	return finish();
}
