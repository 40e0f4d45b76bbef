// SPDX-License-Identifier: GPL-2.0-or-later
/* The library of the hostile micro-Guests; see lib.h. */
#include <stdarg.h>
#include "lib.h"

#define FIRST_FREE	(4 * MEG)
#define LAST_FREE	(30 * MEG)
#define CMD_LINE_PTR	0x228		/* in the boot_params */

u64 interrupts, memory_end, seed;
int (*event_hook)(void);
static u64 next_page = FIRST_FREE;
static const char *command_line = "";
static u64 count, failures;
static char line[512] __attribute__((aligned(512)));
static u32 used;

void *memcpy(void *to, const void *from, unsigned long length)
{
	char *t = to;
	const char *f = from;

	while (length--)
		*t++ = *f++;
	return to;
}

void *memset(void *to, int byte, unsigned long length)
{
	volatile char *t = to;

	while (length--)
		*t++ = byte;
	return to;
}

bool same(const void *a, const void *b, u64 length)
{
	const char *x = a, *y = b;

	while (length--)
		if (*x++ != *y++)
			return false;
	return true;
}

static void put(char c)
{
	line[used++] = c;
	if (c != '\n' && used < sizeof(line))
		return;
	call(LHCALL_PRINT, PHYS(line), used, 0);
	used = 0;
}

static void put_number(u64 value, u32 base)
{
	char digits[24];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (n)
		put(digits[--n]);
}

static void vsay(const char *format, va_list args)
{
	for (; *format; format++) {
		const char *text;
		s64 number;

		if (*format != '%') {
			put(*format);
			continue;
		}
		switch (*++format) {
		case 's':
			for (text = va_arg(args, const char *); *text; text++)
				put(*text);
			break;
		case 'x':
			put_number(va_arg(args, u64), 16);
			break;
		case 'd':
			number = va_arg(args, s64);
			if (number < 0)
				put('-');
			put_number(number < 0 ? -(u64)number : (u64)number,
				   10);
			break;
		default:
			put_number(va_arg(args, u64), 10);
		}
	}
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsay(format, args);
	va_end(args);
}

bool ok(bool good, const char *format, ...)
{
	va_list args;

	say("%sok %u - ", good ? "" : "not ", ++count);
	failures += !good;
	va_start(args, format);
	vsay(format, args);
	va_end(args);
	put('\n');
	return good;
}

void poweroff(void)
{
	static const char none[1] __attribute__((aligned(64)));

	call(LHCALL_SHUTDOWN, PHYS(none), LGUEST_POWEROFF, 0);
	for (;;)
		asm volatile("ud2");
}

void finish(void)
{
	say("1..%u\n", count);
	poweroff();
}

/* "name=number", decimal or 0x..., on the command line */
u64 option(const char *name, u64 otherwise)
{
	const char *c = command_line;
	u64 value = 0;
	u32 base = 10;

	for (; *c; c++) {
		const char *n = name, *d = c;

		while (*n && *n == *d)
			n++, d++;
		if (!*n && *d == '=' && (c == command_line || c[-1] == ' ')) {
			c = d + 1;
			break;
		}
	}
	if (!*c)
		return otherwise;
	if (c[0] == '0' && c[1] == 'x') {
		base = 16;
		c += 2;
	}
	for (; ; c++) {
		if (*c >= '0' && *c <= '9')
			value = value * base + *c - '0';
		else if (base == 16 && *c >= 'a' && *c <= 'f')
			value = value * base + *c - 'a' + 10;
		else
			return value;
	}
}

/* xorshift64* */
u64 random(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 0x2545f4914f6cdd1dull;
}

void *pages(u64 number)
{
	u64 gpa = next_page;

	next_page += number * PAGE;
	if (next_page > LAST_FREE) {
		say("Bail out! no page is left\n");
		poweroff();
	}
	return VIRT(gpa);
}

void *page(void)
{
	return pages(1);
}

u64 *entry(u64 address, int level)
{
	u64 *table = root;
	int l;

	for (l = 4; l > level; l--) {
		u64 *e = &table[address >> (3 + 9 * l) & 511];

		if (!(*e & P))
			*e = PHYS(page()) | P | RW | US;
		table = VIRT(*e & FRAME_MASK);
	}
	return &table[address >> (3 + 9 * level) & 511];
}

void map(u64 address, u64 gpa, u64 flags)
{
	*entry(address, 1) = gpa | flags | P;
}

u64 regions_of(const u64 *pt)
{
	u64 *pud = page(), *pmd = page();
	int i;

	for (i = 0; i < 512; i++) {
		pud[i] = PHYS(pmd) | P | RW | US;
		pmd[i] = PHYS(pt) | P | RW | US;
	}
	return PHYS(pud) | P | RW | US;
}

void *user_code(u64 address, const void *code, u64 length)
{
	char *to = page();

	memcpy(to, code, length);
	map(address, PHYS(to), RW | US);
	flush();
	return to;
}

/*
 * As a kernel does, not to be interrupted from here to LHCALL_IRET: an
 * interrupt would save itself in "caught", and resume() never go on.
 */
static int run_at(u64 cs, u64 rip, u64 rsp, u64 rflags)
{
	shared.vif = 0;
	caught.cs = cs;
	caught.rip = rip;
	caught.rsp = rsp;
	caught.rflags = rflags;
	return attempt(resume, 0);
}

int run_user(u64 rip, u64 rsp, u64 rflags)
{
	return run_at(LGUEST_USER_CS, rip, rsp, rflags);
}

int run_kernel(u64 rip, u64 rsp, u64 rflags)
{
	return run_at(LGUEST_KERNEL_CS, rip, rsp, rflags);
}

/* From lib.S: 0 ends the attempt, 1 goes on where it happened. */
int on_event(u64 catching);
int on_event(u64 catching)
{
	if (event_hook)
		return event_hook();
	if (caught.vector >= LGUEST_IRQ_VECTOR &&
	    caught.vector < EVENT_SYSCALL) {
		interrupts++;
		return 1;
	}
	if (catching)
		return 0;
	say("\nBail out! event %u error %x address %x at %x cs %x\n",
	    caught.vector, caught.error, caught.cr2, caught.rip, caught.cs);
	poweroff();
}

/* From lib.S, the first C of all. */
void begin(u64 boot_params);
void begin(u64 boot_params)
{
	u32 *pointer = VIRT(boot_params + CMD_LINE_PTR);

	command_line = VIRT(*pointer);
	seed = option("seed", 1) * 0x9e3779b97f4a7c15ull + 1;
	if (!option("noinit", 0)) {
		introduce();
		memory_end = shared.bus + shared.bus_pages * PAGE;
	}
	run();
	finish();
}
