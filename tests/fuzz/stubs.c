// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the Launcher's code calls and a fuzzer has not: messages, threads, the module.
 * Nothing here fails; those failures have tests of their own.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ending.h"
#include "message.h"
#include "sandbox.h"
#include "vm.h"
#include "worker.h"

/* Formatted, so that what is wrong with an argument is seen, and not printed. */
void message(const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
}

int vm_interrupt(const struct vm *vm, int fd, unsigned int irq)
{
	(void)vm, (void)fd, (void)irq;
	return 0;
}

int vm_doorbell(const struct vm *vm, int fd, unsigned int device, unsigned int queue,
		uint32_t flags)
{
	(void)vm, (void)fd, (void)device, (void)queue, (void)flags;
	return 0;
}

int worker_start(struct worker *worker, const char *name, void (*work)(void *arg), void *arg)
{
	(void)worker, (void)name, (void)work, (void)arg;
	return 0;
}

void worker_stop(struct worker *worker) { (void)worker; }
void worker_wait(struct worker *worker) { (void)worker; }
bool worker_must_stop(void) { return false; }
int sandbox_narrow(enum sandbox_class class) { (void)class; return 0; }

void ending_set(struct ending *ending, enum ending_kind kind, const char *format, ...)
{
	(void)ending, (void)kind, (void)format;
}
