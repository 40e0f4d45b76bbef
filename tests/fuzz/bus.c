// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzzer of the bus: a driver that writes anything to its device page and to memory,
 * and notifies in any order. The device takes what comes; there are no threads.
 */
#include <string.h>

#include "bus.h"
#include "ring.h"

#define RAM	32768ul

static int create(struct device *device, const struct settings *settings)
{
	static const uint8_t config[24] = { 1 };

	(void)settings;
	device->num_queues = 3;
	device->offered |= 0xff;
	device_set_config(device, config, sizeof(config));
	return 0;
}

static enum served serve(struct queue *queue)
{
	(void)queue;
	return WAIT_FOR_GUEST;
}

static const struct device_ops ops = {
	.name = "fuzz", .type = 42, .create = create, .serve = serve,
};

static void step(struct bus *bus, const struct memory *memory, const uint8_t *op)
{
	uint8_t *page = memory->base + memory->ram;
	uint16_t at = (uint16_t)(op[1] | op[2] << 8);
	struct device *device = bus->devices[0];

	switch (op[0] % 8) {
	case 0:
		bus_notify(bus, 0, LGUEST_NOTIFY_CONFIG);
		break;
	case 1:
		bus_notify(bus, op[1], op[2] & 0x80 ? LGUEST_NOTIFY_CONFIG : op[2]);
		break;
	case 2:		/* the driver's half of the page */
	case 3:
		memcpy(page + at % (LGUEST_DEVICE_SIZE - 8), op + 3, 8);
		break;
	case 4:		/* to the point: the status, or the features */
		((struct lguest_device *)page)->status = op[3];
		break;
	case 5:
		((struct lguest_device *)page)->driver_features =
			1ull << 32 | op[3] | (uint64_t)op[4] << 24;
		break;
	default:
		memcpy(memory->base + at % (RAM - 8), op + 3, 8);
	}
	for (unsigned int i = 0; i < device->num_queues; i++)
		if (device->queues[i].running)
			drain(&device->queues[i].vq, memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory memory = {
		.ram = RAM, .fd = -1, .size = RAM + LGUEST_DEVICES * LGUEST_DEVICE_SIZE,
	};
	struct device_plan plan = { .ops = &ops };
	struct vm vm = { .fd = -1 };
	struct ending ending;
	struct bus bus;

	memory.base = calloc(1, memory.size);
	bus_create(&bus);
	MUST(bus_add(&bus, &plan) == 0);
	MUST(bus_connect(&bus, &memory, &vm, &ending) == 0);
	for (size_t i = 0; i + 11 <= size && i < 11 * 300; i += 11)
		step(&bus, &memory, data + i);
	bus_disconnect(&bus);
	bus_destroy(&bus);
	free(memory.base);
	return 0;
}
