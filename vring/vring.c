/* SPDX-License-Identifier: Apache-2.0 */
#include "vring/vring.h"
#include "base/bytes.h"
#include "vring/ring.h"

void vring_reset(struct vring *r)
{
	*r = (struct vring){.size_max = r->size_max};
}

/* Size, alignment and places of the three areas. */
static enum vring_error areas_check(const struct vring *r, const struct vring_mem *mem)
{
	bool packed = ring_is_packed(r);
	if (!r->size || r->size > VRING_SIZE_MAX || r->size > r->size_max ||
	    (!packed && !is_pow2(r->size)))
		return VRING_E_SIZE;
	/* The tables of 2.7 and 2.8: a packed ring's event suppression areas are words. */
	uint64_t driver_align = packed ? 4 : 2;
	if (!mem)
		return VRING_E_AREA;
	if (r->desc % 16 || r->driver % driver_align || r->device % 4)
		return VRING_E_ALIGN;
	uint64_t driver_bytes = packed ? 4 : split_driver_bytes(r);
	uint64_t device_bytes = packed ? 4 : split_device_bytes(r);
	if (!ring_at(mem, r->desc, (uint64_t)r->size * DESC_BYTES, packed) ||
	    !ring_at(mem, r->driver, driver_bytes, false) ||
	    !ring_at(mem, r->device, device_bytes, true))
		return VRING_E_AREA;
	return VRING_OK;
}

int vring_start(struct vring *r, const struct vring_mem *mem)
{
	struct vring fresh = {.desc = r->desc,
			      .driver = r->driver,
			      .device = r->device,
			      .features = r->features,
			      .size = r->size,
			      .size_max = r->size_max};
	fresh.error = (uint8_t)areas_check(&fresh, mem);
	if (!fresh.error) {
		fresh.ready = 1;
		fresh.avail_wrap = fresh.used_wrap = 1;
		fresh.signalled_valid = 1;
	}
	*r = fresh;
	return r->error ? -EINVAL : 0;
}

int vring_check(const struct vring *r, const struct vring_mem *mem)
{
	if (r->ready > 1 || r->error >= VRING_ERRORS || r->size_max > VRING_SIZE_MAX)
		return -EINVAL;
	if (!r->ready)
		return 0;
	unsigned busy = 0;
	for (unsigned i = 0; i < ARRAY_LEN(r->busy); i++)
		busy += (unsigned)__builtin_popcountll(r->busy[i]);
	if (areas_check(r, mem) || r->inflight > r->size || busy > r->inflight)
		return -EINVAL;
	if (!ring_is_packed(r))
		return busy == r->inflight ? 0 : -EINVAL;
	if (r->avail_wrap > 1 || r->used_wrap > 1 || r->avail >= r->size || r->used >= r->size ||
	    packed_outstanding(r) > r->size || packed_outstanding(r) < r->inflight)
		return -EINVAL;
	return 0;
}

int vring_pop(struct vring *r, const struct vring_mem *mem, struct iovec *iov, unsigned max,
	      struct vring_chain *ret)
{
	if (!r->ready || r->error)
		return r->error ? -EIO : 0;
	int got = ring_is_packed(r) ? packed_pop(r, mem, iov, max, ret)
				    : split_pop(r, mem, iov, max, ret);
	if (got > 0)
		r->popped++;
	return got;
}

void vring_unpop(struct vring *r, const struct vring_chain *c)
{
	if (!r->ready || r->error || !ring_id_put(r, c->id))
		return;
	r->popped--;
	if (ring_is_packed(r))
		packed_unpop(r, c);
	else
		r->avail--;
}

void vring_push(struct vring *r, const struct vring_mem *mem, uint16_t id, uint16_t ndesc,
		uint32_t len)
{
	if (!r->ready || r->error)
		return;
	if (ring_is_packed(r))
		packed_push(r, mem, id, ndesc, len);
	else
		split_push(r, mem, id, len);
}

bool vring_should_signal(struct vring *r, const struct vring_mem *mem)
{
	if (!r->ready || r->error)
		return false;
	return ring_is_packed(r) ? packed_should_signal(r, mem) : split_should_signal(r, mem);
}

void vring_notify_off(struct vring *r, const struct vring_mem *mem)
{
	if (!r->ready || r->error || r->notify_off)
		return;
	r->notify_off = 1;
	if (ring_is_packed(r))
		packed_notify_off(r, mem);
	else
		split_notify_off(r, mem);
}

bool vring_notify_on(struct vring *r, const struct vring_mem *mem)
{
	if (!r->ready || r->error)
		return false;
	/* Stored also if we think it is on: after a crash the driver may have been told otherwise. */
	r->notify_off = 0;
	if (ring_is_packed(r))
		packed_notify_on(r, mem);
	else
		split_notify_on(r, mem);
	ring_fence(); /* between our wish and the driver's index or flags: see split.c */
	return vring_available(r, mem);
}

bool vring_available(const struct vring *r, const struct vring_mem *mem)
{
	if (!r->ready || r->error)
		return false;
	return ring_is_packed(r) ? packed_available(r, mem) : split_available(r, mem);
}

bool vring_published(const struct vring *r, const struct vring_mem *mem)
{
	if (!r->ready || r->error)
		return false;
	return ring_is_packed(r) ? packed_published(r, mem) : split_published(r, mem);
}

void vring_skip(struct vring *r, uint16_t id, uint16_t ndesc)
{
	if (!r->ready || r->error)
		return;
	bool packed = ring_is_packed(r);
	if ((packed && (!ndesc || ndesc > packed_outstanding(r))) || !ring_id_put(r, id))
		return;
	if (packed)
		packed_skip(r, ndesc);
	else
		r->used++;
	r->pushed++;
	r->notify_off = 0;
	r->signalled_valid = 0;
}

void vring_adopt(struct vring *r, const struct vring_mem *mem,
		 unsigned (*seen)(void *ctx, uint16_t id), void *ctx)
{
	if (!r->ready || r->error)
		return;
	bool any = ring_is_packed(r) ? packed_adopt(r, mem, seen, ctx)
				     : split_adopt(r, mem, seen, ctx);
	r->notify_off = 0; /* what the driver was told last is not known */
	if (any)
		r->signalled_valid = 0;
}

const char *vring_error_text(enum vring_error e)
{
	/* clang-format off */
	static const char *const text[VRING_ERRORS] = {
		[VRING_OK] = "no error",
		[VRING_E_SIZE] = "the queue size is 0, too large, or (split) not a power of two",
		[VRING_E_ALIGN] = "a ring area is misaligned",
		[VRING_E_AREA] = "a ring area is outside of the device's memory",
		[VRING_E_AVAIL] = "avail.idx is ahead by more than the queue size",
		[VRING_E_HEAD] = "a descriptor index is not below the queue size",
		[VRING_E_LOOP] = "a descriptor chain is longer than the queue",
		[VRING_E_BUFFER] = "a buffer is outside of the device's memory or not writable",
		[VRING_E_ORDER] = "a device-readable buffer follows a device-writable one",
		[VRING_E_INDIRECT] = "an indirect descriptor that is not allowed, or its table is malformed",
		[VRING_E_TOTAL] = "the buffers of a chain are longer than 4 GiB together",
		[VRING_E_INFLIGHT] = "more buffers outstanding than the queue has entries, or one twice",
		[VRING_E_TRUNCATED] = "a chain goes on in a descriptor that is not available",
		[VRING_E_LIMIT] = "a chain is longer than dma: copy can copy",
	};
	/* clang-format on */
	return (unsigned)e < VRING_ERRORS ? text[e] : "unknown error";
}
