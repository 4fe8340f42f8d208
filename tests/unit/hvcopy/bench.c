/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request costs in the core and the daemon together, with rings in granted memory (map) and with copying (copy): one
 * thread plays all, so that no wake-up is counted; and once with the service thread, as it is.
 */
#include "base/clock.h"
#include "rig.h"
#include <stdio.h>
#include <string.h>

#define SPAN_NS 300000000ull
#define SLICE_NS 2000000ull

static struct rig rig;
static struct iovec iov[VRING_SIZE_MAX];

/* One request: header out, @bytes of data, status in. */
static unsigned segs(struct drv_seg *seg, uint32_t bytes, bool write, unsigned k)
{
	uint64_t at = GUEST_GPA(AREA_DATA) + 0x400000u + (uint64_t)k * 0x40000;
	seg[0] = (struct drv_seg){at, 16, false};
	unsigned n = 1;
	for (uint32_t done = 0; done < bytes; done += 4096)
		seg[n++] = (struct drv_seg){at + 4096 + done, bytes < 4096 ? bytes : 4096, write};
	seg[n++] = (struct drv_seg){at + 2048, 1, true};
	return n;
}

/* The best of many slices: the rest of the machine is in the others. */
struct best {
	uint64_t n, ns;
	double ns_each;
};

static void best_add(struct best *b, uint64_t n, uint64_t ns)
{
	b->n += n;
	b->ns += ns;
	if (b->ns < SLICE_NS)
		return;
	double each = (double)b->ns / (double)b->n;
	if (!b->ns_each || each < b->ns_each)
		b->ns_each = each;
	b->n = b->ns = 0;
}

static void report(const char *how, uint32_t bytes, bool read, unsigned depth, const struct best *b)
{
	printf("%-22s %6u bytes %-5s depth %2u  %8.0f ns a request\n", how, bytes,
	       read ? "read" : "write", depth, b->ns_each);
}

static void run_map(uint32_t bytes, bool read, unsigned depth)
{
	rig_init(&rig);
	struct vring r;
	struct vring_mem mem = {.n = 1, .win[0] = {RAM_BASE, RAM_BYTES, rig.ram.hva, true}};
	drv_init(&rig.drv[0], &rig.g, &r, 128, VRING_F_EVENT_IDX | VRING_F_INDIRECT_DESC);
	vring_start(&r, &mem);
	struct drv_seg seg[DRV_SEGS];
	struct vring_chain c;
	uint64_t token, end = clock_now_ns() + SPAN_NS;
	struct best best = {0};
	uint32_t len;
	while (clock_now_ns() < end) {
		for (unsigned i = 0; i < depth; i++)
			drv_add(&rig.drv[0], seg, segs(seg, bytes, read, i), 0, i, NULL);
		uint64_t t0 = clock_now_ns();
		while (vring_pop(&r, &mem, iov, VRING_SIZE_MAX, &c) == 1) {
			vring_push(&r, &mem, c.id, c.ndesc, (uint32_t)c.in_bytes);
		}
		vring_should_signal(&r, &mem);
		vring_notify_on(&r, &mem);
		best_add(&best, depth, clock_now_ns() - t0);
		while (drv_reap(&rig.drv[0], &token, &len))
			;
	}
	report("map", bytes, read, depth, &best);
	rig_fini(&rig);
}

/* Without the service thread's wake-up: the next doorbell takes back what was pushed. */
static void run_copy(uint32_t bytes, bool read, unsigned depth, bool thread)
{
	rig_up(&rig, 128, VRING_F_EVENT_IDX | VRING_F_INDIRECT_DESC);
	struct drv_seg seg[DRV_SEGS];
	struct vring_chain c;
	uint64_t token, end = clock_now_ns() + SPAN_NS;
	struct best best = {0};
	uint32_t len;
	while (clock_now_ns() < end) {
		for (unsigned i = 0; i < depth; i++)
			drv_add(&rig.drv[0], seg, segs(seg, bytes, read, i), 0, i, NULL);
		uint64_t t0 = clock_now_ns();
		unsigned back = 0;
		for (unsigned got = 0; got < depth;) {
			rig_notify(&rig, 0);
			while (rig_pop(&rig, 0, iov, &c) == 1) {
				rig_push(&rig, 0, &c, (uint32_t)c.in_bytes);
				got++;
			}
			if (thread)
				rig_signal(&rig, 0);
		}
		if (!thread)
			rig_notify(&rig, 0);
		while (back < depth)
			back += thread ? rig_reap(&rig, 0, &token, &len)
				       : drv_reap(&rig.drv[0], &token, &len);
		best_add(&best, depth, clock_now_ns() - t0);
	}
	report(thread ? "copy, service thread" : "copy", bytes, read, depth, &best);
	rig_fini(&rig);
}

int main(void)
{
	const uint32_t sizes[] = {64, 4096, 131072};
	for (unsigned i = 0; i < 3; i++)
		for (unsigned read = 0; read < 2; read++)
			for (unsigned depth = 1; depth <= 32; depth *= 32) {
				run_map(sizes[i], read, depth);
				run_copy(sizes[i], read, depth, false);
				run_copy(sizes[i], read, depth, true);
			}
	return 0;
}
