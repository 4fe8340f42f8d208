/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split virtqueues, virtio 1.2 section 2.7, the device's side.
 *
 * Theory of operation. The driver fills descriptors, writes a head into avail.ring and then moves avail.idx; we load
 * avail.idx with acquire, so what it published is what we read. We write used.ring and move used.idx with release. Who
 * wants to know whether the other side sleeps stores its own index, makes a full fence and loads the other's wish:
 * split_should_signal() (used.idx, then used_event or avail.flags) pairs with the driver's fence between its
 * used_event and used.idx; vring_notify_on() (avail_event or used.flags, then avail.idx) pairs with the driver's
 * fence between avail.idx and avail_event.
 *
 * Layout: driver area {flags, idx, ring[size], used_event}, device area {flags, idx, ring[size] of {id, len}, avail_event}.
 */
#include "vring/ring.h"

#define AVAIL_F_NO_INTERRUPT 1u
#define USED_F_NO_NOTIFY 1u

static inline const uint8_t *driver_area(const struct vring *r, const struct vring_mem *mem)
{
	return ring_at(mem, r->driver, split_driver_bytes(r), false);
}

static inline uint8_t *device_area(const struct vring *r, const struct vring_mem *mem)
{
	return ring_at(mem, r->device, split_device_bytes(r), true);
}

/* The descriptors of an indirect table: linked by next, from entry 0 on (2.7.5.3). @walked: those outside of it. */
static enum vring_error table_walk(const struct vring *r, struct gather *g, const struct desc *ind,
				   unsigned walked)
{
	const uint8_t *table = ring_indirect(r, g->mem, ind);
	if (!table)
		return VRING_E_INDIRECT;
	uint32_t entries = ind->len / DESC_BYTES;
	for (uint32_t i = 0;;) {
		if (walked++ >= r->size)
			return VRING_E_LOOP;
		struct desc d = ring_desc_split(table + (size_t)i * DESC_BYTES);
		if (d.flags & DESC_F_INDIRECT)
			return VRING_E_INDIRECT;
		enum vring_error e = gather_add(g, &d);
		if (e || !(d.flags & DESC_F_NEXT))
			return e;
		i = d.last;
		if (i >= entries)
			return VRING_E_INDIRECT;
	}
}

static inline enum vring_error chain_walk(const struct vring *r, struct gather *g, uint16_t head)
{
	const uint8_t *table = ring_at(g->mem, r->desc, (uint64_t)r->size * DESC_BYTES, false);
	if (!table)
		return VRING_E_AREA;
	for (unsigned i = head, walked = 0;;) {
		if (i >= r->size)
			return VRING_E_HEAD;
		if (walked++ >= r->size)
			return VRING_E_LOOP;
		struct desc d = ring_desc_split(table + (size_t)i * DESC_BYTES);
		if (d.flags & DESC_F_INDIRECT)
			return table_walk(r, g, &d, walked - 1);
		enum vring_error e = gather_add(g, &d);
		if (e || !(d.flags & DESC_F_NEXT))
			return e;
		i = d.last;
	}
}

int split_pop(struct vring *r, const struct vring_mem *mem, struct iovec *iov, unsigned max,
	      struct vring_chain *ret)
{
	const uint8_t *driver = driver_area(r, mem);
	if (!driver)
		return ring_fail(r, VRING_E_AREA);
	/* Acquire: pairs with the driver's release of avail.idx; the ring entry and its descriptors come after. */
	uint16_t waiting = (uint16_t)(ring_load16_acquire(driver + 2) - r->avail);
	if (!waiting)
		return 0;
	if (waiting > r->size)
		return ring_fail(r, VRING_E_AVAIL);
	if (waiting + r->inflight > r->size)
		return ring_fail(r, VRING_E_INFLIGHT);
	uint16_t head = ring_load16(driver + 4 + 2 * (size_t)(r->avail & (r->size - 1)));
	struct gather g = {.mem = mem, .iov = iov, .max = max};
	enum vring_error e = ring_id_busy(r, head) ? VRING_E_INFLIGHT : chain_walk(r, &g, head);
	if (e)
		return ring_fail(r, e);
	gather_finish(&g, ret);
	ret->id = head;
	ret->ndesc = 1;
	ring_id_take(r, head);
	r->avail++;
	return 1;
}

void split_push(struct vring *r, const struct vring_mem *mem, uint16_t id, uint32_t len)
{
	uint8_t *device = device_area(r, mem);
	if (!device) {
		ring_fail(r, VRING_E_AREA);
		return;
	}
	if (!ring_id_put(r, id))
		return;
	uint8_t *entry = device + 4 + 8 * (size_t)(r->used & (r->size - 1));
	ring_store32_volatile(entry, id);
	ring_store32_volatile(entry + 4, len);
	r->used++;
	if (r->used ==
	    r->signalled) /* 65536 pushes and nobody asked: the difference says nothing any more */
		r->signalled_valid = 0;
	/* Release: the buffers and the entry are visible before the index that publishes them. */
	ring_store16_release(device + 2, r->used);
	r->pushed++;
}

bool split_should_signal(struct vring *r, const struct vring_mem *mem)
{
	const uint8_t *driver = driver_area(r, mem);
	if (!driver) {
		ring_fail(r, VRING_E_AREA);
		return false;
	}
	uint16_t now = r->used, before = r->signalled;
	bool valid = r->signalled_valid;
	if (valid && now == before)
		return false;
	r->signalled = now;
	r->signalled_valid = 1;
	ring_fence(); /* between our used.idx and the driver's wish: see the top */
	if (!ring_has_event_idx(r))
		return !(ring_load16(driver) & AVAIL_F_NO_INTERRUPT);
	uint16_t event = ring_load16(driver + 4 + 2 * (size_t)r->size);
	/* Was an entry written at index `event` since `before`? (2.7.7.2) */
	return !valid || (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

void split_notify_off(struct vring *r, const struct vring_mem *mem)
{
	uint8_t *device = device_area(r, mem);
	/* With event indices flags stays 0 (2.7.10.1), and an avail_event that is not moved on asks for nothing. */
	if (device && !ring_has_event_idx(r))
		ring_store16(device, USED_F_NO_NOTIFY);
}

void split_notify_on(struct vring *r, const struct vring_mem *mem)
{
	uint8_t *device = device_area(r, mem);
	if (!device)
		ring_fail(r, VRING_E_AREA);
	else if (ring_has_event_idx(r))
		ring_store16(device + 4 + 8 * (size_t)r->size, r->avail);
	else
		ring_store16(device, 0);
}

bool split_available(const struct vring *r, const struct vring_mem *mem)
{
	const uint8_t *driver = driver_area(r, mem);
	return driver && ring_load16_acquire(driver + 2) != r->avail;
}

bool split_published(const struct vring *r, const struct vring_mem *mem)
{
	const uint8_t *device = device_area(r, mem);
	return device && ring_load16_acquire(device + 2) != r->used;
}

bool split_adopt(struct vring *r, const struct vring_mem *mem,
		 unsigned (*seen)(void *ctx, uint16_t id), void *ctx)
{
	const uint8_t *device = device_area(r, mem);
	if (!device) {
		ring_fail(r, VRING_E_AREA);
		return false;
	}
	uint16_t n = (uint16_t)(ring_load16_acquire(device + 2) - r->used);
	if (n > r->size) { /* not what a daemon of ours leaves: the guest has written there */
		ring_fail(r, VRING_E_INFLIGHT);
		return false;
	}
	for (uint16_t i = 0; i < n; i++, r->used++) {
		const uint8_t *entry = device + 4 + 8 * (size_t)(r->used & (r->size - 1));
		uint16_t id = (uint16_t)ring_load32(entry);
		seen(ctx, id);
		if (!ring_id_put(r, id)) {
			r->avail++;
			r->popped++;
		}
		r->pushed++;
	}
	return n;
}
