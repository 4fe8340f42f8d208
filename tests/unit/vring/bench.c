/* SPDX-License-Identifier: Apache-2.0 */
/* What a request of two descriptors costs the device: pop, push, and asking whether to signal. */
#include "base/clock.h"
#include "drv.h"
#include <stdio.h>

#define BATCH 32u
#define ROUNDS 100000u

static void run(const char *name, uint64_t features, unsigned indirect)
{
	static struct guest g;
	static struct vring r;
	static struct drv d;
	guest_init(&g, features & VRING_F_RING_PACKED, false);
	drv_init(&d, &g, &r, 128, features);
	if (vring_start(&r, &g.mem))
		return;
	struct vring_mem mem = g.mem;
	struct drv_seg seg[2] = {{GUEST_BUFFERS, 64, false}, {GUEST_BUFFERS + 64, 64, true}};
	struct iovec iov[128];
	struct vring_chain c;
	uint64_t device_ns = 0, signal_ns = 0, n = 0, token;
	uint32_t len;
	for (unsigned i = 0; i < ROUNDS; i++) {
		for (unsigned k = 0; k < BATCH; k++)
			drv_add(&d, seg, 2, indirect, 0, NULL);
		uint64_t t0 = clock_now_ns();
		while (vring_pop(&r, &mem, iov, 128, &c) == 1) {
			vring_push(&r, &mem, c.id, c.ndesc, 64);
			n++;
		}
		uint64_t t1 = clock_now_ns();
		vring_should_signal(&r, &mem);
		signal_ns += clock_now_ns() - t1;
		device_ns += t1 - t0;
		while (drv_reap(&d, &token, &len))
			;
	}
	printf("%-18s pop+push %5.1f ns, should_signal (with clock) %5.1f ns\n", name,
	       (double)device_ns / (double)n, (double)signal_ns / ROUNDS);
	guest_fini(&g);
}

int main(void)
{
	run("split", VRING_F_EVENT_IDX, DRV_DIRECT);
	run("split indirect", VRING_F_EVENT_IDX | VRING_F_INDIRECT_DESC, 0);
	run("packed", VRING_F_EVENT_IDX | VRING_F_RING_PACKED, DRV_DIRECT);
	run("packed indirect", VRING_F_EVENT_IDX | VRING_F_RING_PACKED | VRING_F_INDIRECT_DESC, 0);
	return 0;
}
