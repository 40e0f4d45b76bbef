// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How much work is one exit, at the worst? Each kind of exit is brought
 * about several times in the state that costs most, and the cheapest of
 * those is told (in the others the Host had business of its own). Ticks of
 * the TSC; where a tick is an instruction (-icount), these are instructions.
 *
 * "tables=N" on the command line: the shadow tables that a vCPU may have.
 */
#include "lib.h"

#define AT		0x100000000ull
#define TRIALS		8
#define GROUP		(16 * PAGE)	/* borrowed at a time, at most */

static u64 tables, fresh = 16 * MEG;	/* memory that nobody has touched */
static u64 next_region;
static char none[1] __attribute__((aligned(64)));

static void tell(const char *name, u64 ticks)
{
	say("bound %s %u\n", name, ticks);
}

static void measure_call(const char *name, u64 n, u64 a, u64 b, u64 c)
{
	u64 best = ~0ull;
	int i;

	for (i = 0; i < TRIALS; i++) {
		u64 begin = tsc(), ticks;

		call(n, a, b, c);
		ticks = tsc() - begin;
		if (ticks < best)
			best = ticks;
	}
	tell(name, best);
}

INSN(port, "inb $0x80, %%al");
INSN(undefined, "ud2");
INSN(privileged, "hlt");
INSN(breakpoint, "int3");
INSN(touch_nothing, "movabsb 0x600000000000, %%al");

static void measure_insn(const char *name, void (*insn)(u64))
{
	u64 best = ~0ull;
	int i;

	for (i = 0; i < TRIALS; i++) {
		u64 begin = tsc(), ticks;

		attempt(insn, 0);
		ticks = tsc() - begin;
		if (ticks < best)
			best = ticks;
	}
	tell(name, best);
}

/* One page table for a lot of regions, so that only the Host needs many. */
static void make_regions(void)
{
	u64 *pt = page(), *target = page(), regions = regions_of(pt);
	u64 i;

	for (i = 0; i < 512; i++)
		pt[i] = PHYS(target) | P | RW | US | ACCESSED | DIRTY;
	for (i = 0; i < 128; i++)
		root[i] = regions;
	flush();
}

static u64 touch(u64 address)
{
	u64 begin = tsc();

	(void)*(volatile u8 *)address;
	return tsc() - begin;
}

/* Use up tables, all but about this many. */
static void use_tables(u64 left)
{
	u64 n;

	flush();
	for (n = 0; n + left < tables - tables / 256; n++)
		touch(AT + n * 2 * MEG);
	next_region = AT + n * 2 * MEG;
}

/*
 * A first touch in the Host, with three tables to be made for it. The page
 * before is not known, and so it borrows no others.
 */
static void measure_first_touch(void)
{
	u64 best = ~0ull, i;

	for (i = 0; i < TRIALS; i++, fresh += 2 * PAGE) {
		u64 address = (i + 130) << 39, ticks;

		map(address, fresh, RW | US);
		ticks = touch(address);
		if (ticks < best)
			best = ticks;
	}
	tell("fault-first-touch", best);
}

/* The same, but the pages before are known: it borrows eight. */
static void measure_run(void)
{
	u64 best = ~0ull, i, n;

	fresh = (fresh + GROUP - 1) & -GROUP;
	for (i = 0; i < TRIALS; i++, fresh += GROUP) {
		u64 address = (i + 140) << 39, ticks;

		for (n = 0; n < GROUP; n += PAGE, fresh += PAGE)
			touch((u64)VIRT(fresh));
		map(address, fresh, RW | US);
		ticks = touch(address);
		if (ticks < best)
			best = ticks;
	}
	tell("fault-first-touch-run", best);
}

/* No table is left: all of them are given up for the sake of one. */
static void measure_last_table(void)
{
	u64 best = ~0ull, most;
	int i;

	for (i = 0; i < 3; i++) {
		u64 n;

		use_tables(64);
		most = 0;
		for (n = 0; n < 128; n++) {
			u64 ticks = touch(next_region + n * 2 * MEG);

			if (ticks > most)
				most = ticks;
		}
		if (most < best)
			best = most;
	}
	tell("fault-no-table-left", best);
}

static void measure_full(const char *name, u64 n, u64 a)
{
	u64 best = ~0ull;
	int i;

	for (i = 0; i < 3; i++) {
		u64 begin, ticks;

		use_tables(128);
		begin = tsc();
		call(n, a, 0, 0);
		ticks = tsc() - begin;
		if (ticks < best)
			best = ticks;
	}
	tell(name, best);
}

void run(void)
{
	tables = option("tables", 8192);
	make_regions();
	measure_call("nop", LHCALL_NOP, 0, 0, 0);
	measure_call("set-timer", LHCALL_SET_TIMER, 1ull << 40, 0, 0);
	measure_call("wallclock", LHCALL_WALLCLOCK, 0, 0, 0);
	measure_call("set-msr", LHCALL_SET_MSR, FS_BASE, 0, 0);
	measure_call("load-tls", LHCALL_LOAD_TLS, 0, 0, 0);
	measure_call("load-gs", LHCALL_LOAD_GS, 0, 0, 0);
	measure_call("set-dr", LHCALL_SET_DR, 0, 0, 0);
	measure_call("flush-page", LHCALL_FLUSH_PAGE, AT, 0, 0);
	measure_call("notify", LHCALL_NOTIFY, 0, 0, 0);
	measure_call("print", LHCALL_PRINT, PHYS(none), 1, 0);
	measure_insn("emulated-port", port);
	measure_insn("invalid-opcode", undefined);
	measure_insn("protection-fault", privileged);
	measure_insn("breakpoint", breakpoint);
	measure_insn("fault-reflected", touch_nothing);
	measure_first_touch();
	measure_run();
	measure_last_table();
	measure_full("flush-all", LHCALL_FLUSH_TLB, 1);
	measure_full("flush-user", LHCALL_FLUSH_TLB, 0);
	measure_full("set-cr3", LHCALL_SET_CR3, PHYS(root));
	ok(true, "all exits were measured");
}
