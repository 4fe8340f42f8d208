/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#define SLOTS 32u
#define SLOT_BASE 0x0a000000ull
#define SLOT_BYTES 0x200u
#define SLOT_INTID 48u /* SPI 16 */
#define VDEVS 8u

static struct vdev *all[VDEVS];
static unsigned nall;

static uint64_t access_read(void *ctx, uint32_t offset, unsigned width)
{
	uint64_t a = ((struct vdev *)ctx)->base + offset;
	return width == 1 ? mmio_r8(a) : width == 2 ? mmio_r16(a) : mmio_r32(a);
}

static void access_write(void *ctx, uint32_t offset, unsigned width, uint64_t value)
{
	uint64_t a = ((struct vdev *)ctx)->base + offset;
	if (width == 1)
		mmio_w8(a, (uint8_t)value);
	else
		mmio_w32(a, (uint32_t)value);
}

static bool access_wait(void *ctx, bool (*ready)(void *arg), void *arg)
{
	uint64_t end = now() + seconds(STUCK_S);
	(void)ctx;
	while (!ready(arg))
		if (now() > end)
			return false;
	return true;
}

static const struct drv_access ops = {access_read, access_write, access_wait};

bool vdev_open(struct vdev *v, uint32_t id, uint8_t *arena, uint64_t bytes, uint64_t features)
{
	v->drv = (struct drv){
		.ops = &ops, .ctx = v, .ram = arena, .gpa = (uint64_t)arena, .bytes = bytes};
	for (unsigned i = 0; i < SLOTS; i++) {
		v->base = SLOT_BASE + i * SLOT_BYTES;
		v->intid = SLOT_INTID + i;
		if (mmio_r32(v->base + DRV_MAGIC) != 0x74726976 ||
		    mmio_r32(v->base + DRV_DEVICE_ID) != id)
			continue;
		if (!drv_negotiate(&v->drv,
				   features | DRV_F_PACKED | DRV_F_INDIRECT | DRV_F_EVENT_IDX)) {
			fault("negotiation fails, device", id, 0);
			return false;
		}
		all[nall++] = v;
		return true;
	}
	return false;
}

void vdev_go(struct vdev *v)
{
	drv_go(&v->drv);
	gic_edge(v->intid, false);
	gic_enable(v->intid);
	v->alive = now();
}

int vdev_add(struct vdev *v, struct drv_queue *q, const struct drv_seg *seg, unsigned n)
{
	return v->drv.features & DRV_F_INDIRECT ? drv_add_indirect(q, seg, n) : drv_add(q, seg, n);
}

bool vdev_look(struct vdev *v, struct drv_queue *q, bool busy, const char *name)
{
	if (v->irqs) {
		v->irqs = 0;
		v->alive = now();
		return true;
	}
	if (!busy) {
		v->alive = now();
	} else if (now() - v->alive > seconds(STUCK_S)) {
		say("E ");
		say(name);
		say(drv_has_used(q) ? ": an interrupt was lost\n" : ": is stuck\n");
		v->alive = now();
		return true;
	}
	return false;
}

bool vdev_irq(unsigned intid)
{
	for (unsigned i = 0; i < nall; i++) {
		struct vdev *v = all[i];
		if (v->intid != intid)
			continue;
		uint32_t status = mmio_r32(v->base + DRV_INT_STATUS);
		if (status & ~3u || !status)
			fault("InterruptStatus, device", status, i);
		if (status & 2 && drv_broken(&v->drv))
			fault("a device needs a reset:", i, 0);
		mmio_w32(v->base + DRV_INT_ACK, status);
		v->irqs = v->irqs + 1;
		return true;
	}
	return false;
}
