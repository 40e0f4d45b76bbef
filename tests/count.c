// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A plugin for QEMU's emulator: what is executed, and where?
 *
 *	-plugin count.so,out=FILE[,module=FILE]
 *
 * Whenever a program executes MARK(number) of tests/guest/measure.h, a line
 * is added to the file: the number, and then all counters of the table below,
 * place by place, since the machine was switched on. They are exact: each
 * instruction is counted when it is executed, those of REP once a round.
 * The second file gets a line with the number, too, and then one for each
 * instruction where modules are: address and count.
 *
 * Debian's QEMU takes plugins, but its packages do not bring the header for
 * them. Here is as much of it as we need, after docs/devel/tcg-plugins.rst.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*translated)(uint64_t id, struct qemu_plugin_tb *block);
typedef void (*executed)(unsigned int cpu, void *data);
enum { INLINE_ADD_U64 };	/* enum qemu_plugin_op */
enum { NO_REGS };		/* enum qemu_plugin_cb_flags */

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated callback);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
	executed callback, int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn,
	int operation, void *counter, uint64_t n);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(
	const struct qemu_plugin_tb *block, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *insn);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

/* Where it is executed. The heads of the columns are made of these names. */
enum place { PROGRAM, LIBRARY, UML, GUEST, SWITCHER, MODULE, HOST, PLACES };
static const char *const place_name[PLACES] = {
	"program", "library", "uml", "guest", "switcher", "module", "host",
};

/* What is executed: anything, or one of these. */
enum what { ALL, CR3, MSR, LTR, LGDT, LIDT, IRET, LRET, SYSCALL, SYSRET, SWAPGS,
	    GSBASE, INVLPG, XSAVE, VMRUN, WHATS };
static const char *const what_name[WHATS] = {
	"all", "cr3", "msr", "ltr", "lgdt", "lidt", "iret", "lret", "syscall",
	"sysret", "swapgs", "gsbase", "invlpg", "xsave", "vmrun",
};

static uint64_t counts[PLACES][WHATS];
static FILE *out;

#define MODULES		0xffffffffc0000000
static uint64_t module_counts[1 << 22];
static FILE *module_out;

/*
 * Guest and Host are both Linux, at the same virtual addresses. But the
 * Host's text lies in one piece, where it was when the machine began: the
 * difference between its virtual addresses and ours is always the same. (A
 * kernel alone is the first, too: then "host" means that.)
 */
static enum place find_place(struct qemu_plugin_insn *insn)
{
	uint64_t address = qemu_plugin_insn_vaddr(insn);
	uint64_t difference = address - (uint64_t)qemu_plugin_insn_haddr(insn);
	static uint64_t host;

	if (address < 0x60000000)
		return PROGRAM;
	if (address < 0x70000000)
		return UML;
	if (address < 0x7ffc00000000)
		return LIBRARY;
	if (address < 1ull << 47)
		return PROGRAM;		/* what the kernel lends it: the vDSO */
	if (address >> 24 == 0xffff800000)
		return SWITCHER;
	if (address >= MODULES)
		return MODULE;
	if (address < 0xffffffff80000000)
		return GUEST;
	if (!host)
		host = difference;
	return difference == host ? HOST : GUEST;
}

static enum what find_0f(const uint8_t *p, int repeated)
{
	int reg = p[1] >> 3 & 7, memory = p[1] < 0xc0;

	switch (p[0]) {
	case 0x00:
		return reg == 3 ? LTR : ALL;
	case 0x01:
		if (p[1] == 0xd8)
			return VMRUN;
		if (p[1] == 0xf8)
			return SWAPGS;
		return !memory ? ALL : reg == 2 ? LGDT : reg == 3 ? LIDT :
			reg == 7 ? INVLPG : ALL;
	case 0x05:
		return SYSCALL;
	case 0x07:
		return SYSRET;
	case 0x22:
		return reg == 3 ? CR3 : ALL;
	case 0x30:
	case 0x32:
		return MSR;
	case 0x38:
		return p[1] == 0x82 ? INVLPG : ALL;	/* INVPCID */
	case 0xae:
		if (repeated)
			return !memory && (reg & 1) ? GSBASE : ALL;
		return memory && reg >= 4 && reg <= 6 ? XSAVE : ALL;
	case 0xc7:
		return memory && reg >= 3 && reg <= 5 ? XSAVE : ALL;
	}
	return ALL;
}

static enum what find_what(struct qemu_plugin_insn *insn)
{
	const uint8_t *p = qemu_plugin_insn_data(insn);
	const uint8_t *end = p + qemu_plugin_insn_size(insn);
	int repeated = 0;

	for (; p < end && (*p == 0xf3 || *p == 0x66 || *p == 0xf2); p++)
		repeated |= *p == 0xf3;
	if (p < end && *p >> 4 == 4)		/* REX */
		p++;
	if (p < end && *p == 0xcf)
		return IRET;
	if (p < end && *p == 0xcb)
		return LRET;
	if (end - p >= 2 && *p == 0x0f) {
		/* (RDMSR and their like have no more bytes.) */
		uint8_t rest[2] = { p[1], end - p > 2 ? p[2] : 0 };

		return find_0f(rest, repeated);
	}
	return ALL;
}

static int is_mark(struct qemu_plugin_insn *insn)
{
	const uint8_t *p = qemu_plugin_insn_data(insn);

	return qemu_plugin_insn_size(insn) == 7 && !memcmp(p, "\x0f\x1f\x80", 3)
		&& !memcmp(p + 4, "GL", 3) ? p[3] : 0;
}

static void mark(unsigned int cpu, void *number)
{
	(void)cpu;
	fprintf(out, "%" PRIuPTR, (uintptr_t)number);
	for (int place = 0; place < PLACES; place++)
		for (int what = 0; what < WHATS; what++)
			fprintf(out, "\t%" PRIu64, counts[place][what]);
	fprintf(out, "\n");
	fflush(out);
	if (!module_out)
		return;
	fprintf(module_out, "mark %" PRIuPTR "\n", (uintptr_t)number);
	for (size_t i = 0; i < sizeof(module_counts) / 8; i++)
		if (module_counts[i])
			fprintf(module_out, "%" PRIx64 " %" PRIu64 "\n",
				MODULES + i,
				module_counts[i]);
	fflush(module_out);
}

static uint64_t *module_counter(struct qemu_plugin_insn *insn)
{
	uint64_t offset = qemu_plugin_insn_vaddr(insn) - MODULES;

	if (!module_out || offset >= sizeof(module_counts) / 8)
		return NULL;
	return module_counts + offset;
}

static void block(uint64_t id, struct qemu_plugin_tb *block)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
		struct qemu_plugin_insn *insn =
			qemu_plugin_tb_get_insn(block, i);
		uint64_t *counter = counts[find_place(insn)];
		enum what what = find_what(insn);

		qemu_plugin_register_vcpu_insn_exec_inline(insn,
			INLINE_ADD_U64, counter, 1);
		if (module_counter(insn))
			qemu_plugin_register_vcpu_insn_exec_inline(insn,
				INLINE_ADD_U64, module_counter(insn), 1);
		if (what != ALL)
			qemu_plugin_register_vcpu_insn_exec_inline(insn,
				INLINE_ADD_U64, counter + what, 1);
		if (is_mark(insn))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark,
				NO_REGS, (void *)(uintptr_t)is_mark(insn));
	}
}

__attribute__((visibility("default")))
int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc < 1 || strncmp(argv[0], "out=", 4) ||
	    !(out = fopen(argv[0] + 4, "w")))
		return 1;
	if (argc > 1 && (strncmp(argv[1], "module=", 7) ||
			 !(module_out = fopen(argv[1] + 7, "w"))))
		return 1;
	fprintf(out, "mark");
	for (int place = 0; place < PLACES; place++)
		for (int what = 0; what < WHATS; what++)
			fprintf(out, "\t%s %s", place_name[place],
				what_name[what]);
	fprintf(out, "\n");
	qemu_plugin_register_vcpu_tb_trans_cb(id, block);
	return 0;
}
