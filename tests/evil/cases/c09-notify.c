// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C9: notifications of every queue of every device, there or not, as fast as
 * they go; the bus's pages full of random words.
 *
 * run: sub=0 -> 0
 * run: sub=1 seed=1 -> 0
 * run: sub=1 seed=2 -> 0
 */
#include "lib.h"

void run(void)
{
	u64 n, bad = 0, device, queue, count = 20000;
	u64 *bus;

	kernel_pmd[16] = 32 * MEG | P | RW | PS;
	flush();
	bus = VIRT(shared.bus);
	for (device = 0; device < LGUEST_DEVICES; device++) {
		for (queue = 0; queue < LGUEST_QUEUES; queue++)
			bad += call(LHCALL_NOTIFY, device, queue, 0) != 0;
		bad += call(LHCALL_NOTIFY, device, LGUEST_NOTIFY_CONFIG, 0) !=
			0;
	}
	ok(!bad, "each queue of each device");
	for (n = 0; n < count; n++) {
		u64 i;

		if (option("sub", 0)) {
			for (i = 0; i < 4; i++)
				bus[random() % (32 * 512)] = random() >>
					(random() % 64);
		}
		device = random() % 36;
		queue = random() % 40;
		if (random() % 4 == 0)
			queue = LGUEST_NOTIFY_CONFIG;
		bad += call(LHCALL_NOTIFY, device, queue, 0) !=
			(device < 32 && (queue < 32 ||
			 queue == LGUEST_NOTIFY_CONFIG) ? 0 : -EINVAL);
	}
	ok(!bad, "%u at random, %u odd answers", count, bad);
}
