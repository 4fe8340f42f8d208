/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed virtqueues, virtio 1.2 section 2.8, the device's side.
 *
 * Theory of operation. One ring of descriptors that both sides write. A descriptor is available if its AVAIL flag equals
 * our wrap counter and its USED flag does not, and used once both equal it; each side's counter flips when it passes the
 * end. The flags are loaded with acquire before the rest is read, and stored with release after the rest is
 * written. A chain's descriptors are copied when it is popped, so writing used descriptors over those of chains
 * that are still in flight harms nothing: the used position never passes the available one, which packed_outstanding()
 * measures and packed_pop() keeps within the ring.
 *
 * Event suppression: the driver area is what the driver wishes, the device area what we wish, both {off:15 wrap:1, flags}
 * in one 32-bit word that is loaded and stored whole. Fences pair as in split.c.
 */
#include "vring/ring.h"

#define EVENT_BYTES 4u
#define EVENT_ENABLE 0u
#define EVENT_DISABLE 1u
#define EVENT_DESC 2u
#define EVENT_FLAGS 3u

static inline uint8_t *desc_area(const struct vring *r, const struct vring_mem *mem)
{
	return ring_at(mem, r->desc, (uint64_t)r->size * DESC_BYTES, true);
}

static inline bool is_available(uint16_t flags, unsigned wrap)
{
	return !!(flags & DESC_F_AVAIL) == wrap && !!(flags & DESC_F_USED) != wrap;
}

static inline bool is_used(uint16_t flags, unsigned wrap)
{
	return !!(flags & DESC_F_AVAIL) == wrap && !!(flags & DESC_F_USED) == wrap;
}

/* The rest of a descriptor whose flags said that it is available. The same word holds the flags again: they may differ
 * now, and are not looked at. */
static inline struct desc desc_load(const uint8_t *p, uint16_t flags)
{
	uint64_t rest = ring_load64(p + 8);
	return (struct desc){.addr = ring_load64(p),
			     .len = (uint32_t)rest,
			     .flags = flags,
			     .last = (uint16_t)(rest >> 32)};
}

/* All entries of the table belong to the chain, in order; flags but WRITE are reserved and ignored (2.8.7). */
static enum vring_error table_walk(const struct vring *r, struct gather *g, const struct desc *ind)
{
	const uint8_t *table = ring_indirect(r, g->mem, ind);
	if (!table)
		return VRING_E_INDIRECT;
	uint32_t entries = ind->len / DESC_BYTES;
	if (entries > r->size)
		return VRING_E_LOOP;
	for (uint32_t i = 0; i < entries; i++) {
		const uint8_t *p = table + (size_t)i * DESC_BYTES;
		uint64_t rest = ring_load64(p + 8);
		struct desc d = {.addr = ring_load64(p),
				 .len = (uint32_t)rest,
				 .flags = (uint16_t)(rest >> 48) & DESC_F_WRITE};
		enum vring_error e = gather_add(g, &d);
		if (e)
			return e;
	}
	return VRING_OK;
}

static inline void advance(const struct vring *r, uint16_t *pos, uint8_t *wrap, unsigned n)
{
	unsigned next = *pos + n;
	if (next >= r->size) {
		next -= r->size;
		*wrap ^= 1;
	}
	*pos = (uint16_t)next;
}

int packed_pop(struct vring *r, const struct vring_mem *mem, struct iovec *iov, unsigned max,
	       struct vring_chain *ret)
{
	const uint8_t *ring = desc_area(r, mem);
	if (!ring)
		return ring_fail(r, VRING_E_AREA);
	struct gather g = {.mem = mem, .iov = iov, .max = max};
	unsigned room = r->size - packed_outstanding(r), n = 0;
	uint16_t pos = r->avail;
	uint8_t wrap = r->avail_wrap;
	struct desc d;
	do {
		const uint8_t *p = ring + (size_t)pos * DESC_BYTES;
		/* Acquire: pairs with the driver's release of the flags; the rest of the descriptor, and for the
		 * head the rest of the chain, comes after. */
		uint16_t flags = ring_load16_acquire(p + 14);
		if (!is_available(flags, wrap))
			return n ? ring_fail(r, VRING_E_TRUNCATED) : 0;
		d = desc_load(p, flags);
		if (++n > room)
			return ring_fail(r, VRING_E_INFLIGHT);
		enum vring_error e;
		if (!(d.flags & DESC_F_INDIRECT))
			e = gather_add(&g, &d);
		else if (n > 1) /* not in a list linked by NEXT (2.8.19) */
			e = VRING_E_INDIRECT;
		else
			e = table_walk(r, &g, &d);
		if (!e && (d.flags & DESC_F_NEXT) && n == r->size)
			e = VRING_E_LOOP;
		if (e)
			return ring_fail(r, e);
		advance(r, &pos, &wrap, 1);
	} while (d.flags & DESC_F_NEXT);
	/* The id counts in the last descriptor of a list (2.8.6). */
	if (ring_id_busy(r, d.last))
		return ring_fail(r, VRING_E_INFLIGHT);
	gather_finish(&g, ret);
	ret->id = d.last;
	ret->ndesc = (uint16_t)n;
	ring_id_take(r, d.last);
	r->avail = pos;
	r->avail_wrap = wrap;
	return 1;
}

void packed_unpop(struct vring *r, const struct vring_chain *c)
{
	if (r->avail < c->ndesc) {
		r->avail = (uint16_t)(r->avail + r->size - c->ndesc);
		r->avail_wrap ^= 1;
	} else {
		r->avail = (uint16_t)(r->avail - c->ndesc);
	}
}

/* @ndesc entries from r->used on are used. */
void packed_skip(struct vring *r, uint16_t ndesc)
{
	advance(r, &r->used, &r->used_wrap, ndesc);
	r->since = r->since > UINT16_MAX - ndesc ? UINT16_MAX : (uint16_t)(r->since + ndesc);
}

void packed_push(struct vring *r, const struct vring_mem *mem, uint16_t id, uint16_t ndesc,
		 uint32_t len)
{
	uint8_t *ring = desc_area(r, mem);
	if (!ring) {
		ring_fail(r, VRING_E_AREA);
		return;
	}
	if (!ndesc || ndesc > packed_outstanding(r) || !ring_id_put(r, id))
		return;
	uint8_t *p = ring + (size_t)r->used * DESC_BYTES;
	/* WRITE tells whether the length counts (2.8.5). */
	uint16_t flags = (uint16_t)((r->used_wrap ? DESC_F_AVAIL | DESC_F_USED : 0) |
				    (len ? DESC_F_WRITE : 0));
	ring_store32_volatile(p + 8, len);
	ring_store16(p + 12, id);
	/* Release: the buffers, length and id are visible before the flags that publish them. */
	ring_store16_release(p + 14, flags);
	packed_skip(r, ndesc);
	r->pushed++;
}

bool packed_should_signal(struct vring *r, const struct vring_mem *mem)
{
	const uint8_t *driver = ring_at(mem, r->driver, EVENT_BYTES, false);
	if (!driver) {
		ring_fail(r, VRING_E_AREA);
		return false;
	}
	unsigned since = r->since;
	bool valid = r->signalled_valid;
	if (valid && !since)
		return false;
	r->since = 0;
	r->signalled_valid = 1;
	r->signalled = r->used;
	ring_fence(); /* between our used descriptors and the driver's wish */
	uint32_t event = ring_load32(driver);
	unsigned flags = event >> 16 & EVENT_FLAGS;
	if (flags != EVENT_DESC || !ring_has_event_idx(r))
		return flags != EVENT_DISABLE;
	if (!valid || since > r->size) /* more than a round: whichever entry it is, it was passed */
		return true;
	/* Positions of this round count from 0, those of the last one up to -1. Was one of [used - since, used) the event's? */
	int at = (int)(event & 0x7fff);
	if ((event >> 15 & 1) != r->used_wrap)
		at -= r->size;
	return at < (int)r->used && at >= (int)r->used - (int)since;
}

void packed_notify_off(struct vring *r, const struct vring_mem *mem)
{
	uint8_t *device = ring_at(mem, r->device, EVENT_BYTES, true);
	if (device)
		ring_store32(device, EVENT_DISABLE << 16);
}

void packed_notify_on(struct vring *r, const struct vring_mem *mem)
{
	uint8_t *device = ring_at(mem, r->device, EVENT_BYTES, true);
	if (!device)
		ring_fail(r, VRING_E_AREA);
	else if (ring_has_event_idx(r))
		ring_store32(device, EVENT_DESC << 16 | (uint32_t)r->avail_wrap << 15 | r->avail);
	else
		ring_store32(device, EVENT_ENABLE << 16);
}

bool packed_available(const struct vring *r, const struct vring_mem *mem)
{
	const uint8_t *ring = desc_area(r, mem);
	return ring && is_available(ring_load16_acquire(ring + (size_t)r->avail * DESC_BYTES + 14),
				    r->avail_wrap);
}

bool packed_published(const struct vring *r, const struct vring_mem *mem)
{
	const uint8_t *ring = desc_area(r, mem);
	if (!ring || !packed_outstanding(r))
		return false;
	/* An entry between used and available position says "available" until it is written. After that it says "used", or, if
	 * the driver has taken it back and uses it anew, "available" in the next round. */
	return !is_available(ring_load16_acquire(ring + (size_t)r->used * DESC_BYTES + 14),
			     r->used_wrap);
}

bool packed_adopt(struct vring *r, const struct vring_mem *mem,
		  unsigned (*seen)(void *ctx, uint16_t id), void *ctx)
{
	const uint8_t *ring = desc_area(r, mem);
	if (!ring) {
		ring_fail(r, VRING_E_AREA);
		return false;
	}
	bool any = false;
	for (unsigned left = packed_outstanding(r); left;) {
		const uint8_t *p = ring + (size_t)r->used * DESC_BYTES;
		if (!is_used(ring_load16_acquire(p + 14), r->used_wrap))
			break;
		uint16_t id = ring_load16(p + 12);
		unsigned n = ring_id_busy(r, id) || id >= VRING_SIZE_MAX ? seen(ctx, id) : 0;
		if (!n || n > left || !ring_id_put(r, id))
			break;
		advance(r, &r->used, &r->used_wrap, n);
		left -= n;
		r->pushed++;
		any = true;
	}
	return any;
}
