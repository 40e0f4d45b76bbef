/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must be true of every chain, whatever a driver has written. */
#include <stdlib.h>

#include "virtqueue.h"

#define MUST(x)	do { if (!(x)) abort(); } while (0)

/* Takes what there is, as a device would, and touches each byte that it may touch. */
static inline void drain(struct virtqueue *vq, const struct memory *memory)
{
	static struct chain chain;
	static char bytes[1 << 16];

	for (int n = 0; n < 64 && vq_pop(vq, &chain) > 0; n++) {
		uint64_t out = 0, in = 0;

		MUST(chain.out + chain.in <= VQ_SIZE_MAX);
		for (unsigned int i = 0; i < chain.out + chain.in; i++) {
			const uint8_t *at = chain.iov[i].iov_base;

			MUST(at >= memory->base && at <= memory->base + memory->ram);
			MUST(chain.iov[i].iov_len <=
			     (uint64_t)(memory->base + memory->ram - at));
			*(i < chain.out ? &out : &in) += chain.iov[i].iov_len;
		}
		MUST(out == chain.out_len && in == chain.in_len);
		MUST(in <= UINT32_MAX);
		chain_read(&chain, (size_t)n, bytes, sizeof(bytes));
		vq_push(vq, &chain, chain_write(&chain, bytes, sizeof(bytes)));
		vq_interrupt_due(vq);
	}
	vq_want_doorbell(vq);
	vq_pending(vq);
	MUST(!vq->error || vq_pop(vq, &chain) < 0);
}
