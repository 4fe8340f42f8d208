/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport registers of a copied device, as the guest writes them: virtio 1.2, section 4.2.2.
 *
 * What begins a queue is done before the daemon hears of it, so that it finds its ring; what ends one after, so that it has
 * let go of the buffers. A daemon that disagrees with the guest about the state of a queue harms itself only: chains are taken from
 * rings that the guest says are ready, by a guest that says the device is live.
 */
#include "hv/copy_int.h"

enum {
	R_DRIVER_FEATURES = 0x020,
	R_DRIVER_FEATURES_SEL = 0x024,
	R_QUEUE_SEL = 0x030,
	R_QUEUE_NUM = 0x038,
	R_QUEUE_READY = 0x044,
	R_STATUS = 0x070,
	R_QUEUE_DESC_LOW = 0x080,
	R_QUEUE_DESC_HIGH = 0x084,
	R_QUEUE_DRIVER_LOW = 0x090,
	R_QUEUE_DRIVER_HIGH = 0x094,
	R_QUEUE_DEVICE_LOW = 0x0a0,
	R_QUEUE_DEVICE_HIGH = 0x0a4,
	R_QUEUE_RESET = 0x0c0,
};

#define F_RING_RESET (1ull << 40)

static void put_low(uint64_t *v, uint32_t value)
{
	*v = (*v & ~0xffffffffull) | value;
}

static void put_high(uint64_t *v, uint32_t value)
{
	*v = (*v & 0xffffffffull) | (uint64_t)value << 32;
}

static void write_features(struct copy *c, uint32_t value)
{
	/* FEATURES_OK may have been refused, and then the driver may choose again (3.1.1). */
	if (c->status & STATUS_DRIVER_OK)
		return;
	if (c->features_sel == 0)
		put_low(&c->features, value);
	else if (c->features_sel == 1)
		put_high(&c->features, value);
}

/* The registers of the selected queue, while it is not ready. */
static void write_queue(struct copy *c, uint32_t offset, uint32_t value)
{
	if (c->queue_sel >= COPY_QUEUES || c->queue[c->queue_sel].ring.ready)
		return;
	struct copy_queue *q = &c->queue[c->queue_sel];
	switch (offset) {
	case R_QUEUE_NUM:
		q->size = value;
		break;
	case R_QUEUE_DESC_LOW:
		put_low(&q->desc, value);
		break;
	case R_QUEUE_DESC_HIGH:
		put_high(&q->desc, value);
		break;
	case R_QUEUE_DRIVER_LOW:
		put_low(&q->driver, value);
		break;
	case R_QUEUE_DRIVER_HIGH:
		put_high(&q->driver, value);
		break;
	case R_QUEUE_DEVICE_LOW:
		put_low(&q->device, value);
		break;
	case R_QUEUE_DEVICE_HIGH:
		put_high(&q->device, value);
		break;
	case R_QUEUE_READY:
		if (value == 1)
			copy_queue_start(c, c->queue_sel);
		break;
	default:
		break;
	}
}

/* Acknowledgements and the like come with each interrupt: they need no lock. */
static bool concerns_us(uint32_t offset)
{
	return offset == R_DRIVER_FEATURES || offset == R_DRIVER_FEATURES_SEL ||
	       offset == R_QUEUE_SEL || offset == R_QUEUE_NUM || offset == R_QUEUE_READY ||
	       (offset >= R_QUEUE_DESC_LOW && offset <= R_QUEUE_DEVICE_HIGH);
}

void copy_write_begin(struct copy *c, uint32_t offset, uint32_t value)
{
	if (!concerns_us(offset))
		return;
	copy_lock(c);
	switch (offset) {
	case R_DRIVER_FEATURES:
		write_features(c, value);
		break;
	case R_DRIVER_FEATURES_SEL:
		c->features_sel = value;
		break;
	case R_QUEUE_SEL:
		c->queue_sel = value;
		break;
	default:
		write_queue(c, offset, value);
		break;
	}
	copy_unlock(c);
}

static void reset_locked(struct copy *c)
{
	for (unsigned q = 0; q < COPY_QUEUES; q++)
		copy_queue_stop(c, q);
	c->status = c->queue_sel = c->features_sel = 0;
	c->features = 0;
}

/* Every queue that is ready: the driver may have filled them before DRIVER_OK, and may not notify again. */
static void ring_all(struct copy *c)
{
	atomic_fetch_or(&c->rung, atomic_load(&c->alive));
	copy_wake(c);
}

void copy_write_end(struct copy *c, uint32_t offset, uint32_t value)
{
	bool live = false;
	if (offset != R_QUEUE_READY && offset != R_STATUS && offset != R_QUEUE_RESET)
		return;
	copy_lock(c);
	if (offset == R_STATUS && value == 0) {
		reset_locked(c);
	} else if (offset == R_STATUS) {
		live = value & ~c->status & STATUS_DRIVER_OK;
		c->status |= value; /* 2.1.1: a driver clears no bit */
	} else if (c->queue_sel < COPY_QUEUES &&
		   (offset == R_QUEUE_READY ? value == 0
					    : value == 1 && c->features & F_RING_RESET)) {
		copy_queue_stop(c, c->queue_sel);
	}
	copy_unlock(c);
	if (live)
		ring_all(c);
}

void copy_reset(struct copy *c)
{
	copy_lock(c);
	reset_locked(c);
	copy_unlock(c);
}

void copy_serving(struct copy *c)
{
	copy_lock(c);
	c->serving = true;
	copy_unlock(c);
	ring_all(c);
}

void copy_cut(struct copy *c)
{
	copy_lock(c);
	c->serving = false;
	copy_unlock(c);
}
