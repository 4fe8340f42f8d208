/* SPDX-License-Identifier: Apache-2.0 */
#include "drv.h"
#include "base/err.h"
#include <string.h>

#define NEXT 1u
#define WRITE 2u
#define INDIRECT 4u
#define AVAIL 0x80u
#define USED 0x8000u

static uint16_t get16(const uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void put16(uint16_t *p, uint16_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static void fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void drv_init(struct drv *d, struct guest *g, struct vring *r, unsigned size, uint64_t features)
{
	bool packed = features & VRING_F_RING_PACKED;
	*d = (struct drv){.g = g,
			  .packed = packed,
			  .event_idx = features & VRING_F_EVENT_IDX,
			  .size = size,
			  .nfree = size,
			  .avail_wrap = 1,
			  .used_wrap = 1};
	d->desc_gpa = guest_end(AREA_DESC, 16ull * size, 16);
	d->driver_gpa = guest_end(AREA_DRIVER, packed ? 4 : 6 + 2ull * size, packed ? 4 : 2);
	d->device_gpa = guest_end(AREA_DEVICE, packed ? 4 : 6 + 8ull * size, 4);
	d->desc = (void *)guest_ptr(g, d->desc_gpa);
	d->driver = (void *)guest_ptr(g, d->driver_gpa);
	d->device = (void *)guest_ptr(g, d->device_gpa);
	memset(d->desc, 0, 16ull * size);
	memset(d->driver, 0, packed ? 4 : 6 + 2ull * size);
	memset(d->device, 0, packed ? 4 : 6 + 8ull * size);
	for (unsigned i = 0; i < size; i++)
		d->free_next[i] = (uint16_t)(i + 1);
	*r = (struct vring){.desc = d->desc_gpa,
			    .driver = d->driver_gpa,
			    .device = d->device_gpa,
			    .features = features | VRING_F_VERSION_1,
			    .size = (uint16_t)size,
			    .size_max = VRING_SIZE_MAX};
}

static uint16_t id_take(struct drv *d)
{
	uint16_t id = d->free_head;
	d->free_head = d->free_next[id];
	return id;
}

static void id_put(struct drv *d, uint16_t id)
{
	d->free_next[id] = d->free_head;
	d->free_head = id;
}

/* Fills the table of @id with @n buffers; returns its address. */
static uint64_t table_fill(struct drv *d, uint16_t id, const struct drv_seg *seg, unsigned n)
{
	uint64_t gpa = DRV_TABLE(id);
	struct drv_desc *t = (void *)guest_ptr(d->g, gpa);
	for (unsigned i = 0; i < n; i++) {
		uint16_t write = seg[i].write ? WRITE : 0;
		t[i] = (struct drv_desc){.addr = seg[i].gpa, .len = seg[i].len};
		if (d->packed) {
			t[i].w14 = write;
		} else {
			t[i].w12 = (uint16_t)(write | (i + 1 < n ? NEXT : 0));
			t[i].w14 = (uint16_t)(i + 1 < n ? i + 1 : 0);
		}
	}
	return gpa;
}

static struct drv_desc desc_of(const struct drv_seg *s)
{
	return (struct drv_desc){.addr = s->gpa, .len = s->len};
}

static uint16_t split_fill(struct drv *d, const struct drv_seg *seg, unsigned n, unsigned direct)
{
	unsigned slots = direct + (direct < n ? 1 : 0);
	uint16_t head = d->free_head;
	for (unsigned i = 0; i < slots; i++) {
		uint16_t at = id_take(d);
		struct drv_desc e;
		if (i < direct) {
			e = desc_of(&seg[i]);
			e.w12 = seg[i].write ? WRITE : 0;
		} else {
			e = (struct drv_desc){.addr = table_fill(d, head, seg + i, n - i),
					      .len = (n - i) * 16,
					      .w12 = INDIRECT};
		}
		if (i + 1 < slots) {
			e.w12 |= NEXT;
			e.w14 = d->free_head;
		}
		d->desc[at] = e;
	}
	d->nfree -= slots;
	d->taken[head] = (uint16_t)slots;
	return head;
}

static void packed_fill(struct drv *d, uint16_t id, const struct drv_seg *seg, unsigned n,
			unsigned direct)
{
	unsigned slots = direct ? n : 1;
	struct drv_desc *first = &d->desc[d->avail];
	uint16_t first_flags = 0;
	for (unsigned i = 0; i < slots; i++) {
		struct drv_desc e;
		uint16_t flags = d->avail_wrap ? AVAIL : USED;
		if (direct) {
			e = desc_of(&seg[i]);
			flags |=
				(uint16_t)((seg[i].write ? WRITE : 0) | (i + 1 < slots ? NEXT : 0));
		} else {
			e = (struct drv_desc){.addr = table_fill(d, id, seg, n), .len = n * 16};
			flags |= INDIRECT;
		}
		struct drv_desc *at = &d->desc[d->avail];
		at->addr = e.addr;
		at->len = e.len;
		at->w12 = id;
		if (i)
			put16(&at->w14, flags);
		else
			first_flags = flags;
		if (++d->avail == d->size) {
			d->avail = 0;
			d->avail_wrap ^= 1;
		}
	}
	put16(&first->w14, first_flags); /* last: publishes the whole list (2.8.6) */
	d->nfree -= slots;
	d->since_kick += slots;
	d->taken[id] = (uint16_t)slots;
}

bool drv_stage(struct drv *d, const struct drv_seg *seg, unsigned n, uint16_t *ret_id)
{
	if (n > d->nfree)
		return false;
	uint16_t head = split_fill(d, seg, n, n);
	put16(&d->driver[2 + d->avail++ % d->size], head);
	if (ret_id)
		*ret_id = head;
	return true;
}

void drv_publish(struct drv *d)
{
	put16(&d->driver[1], d->avail);
}

bool drv_add(struct drv *d, const struct drv_seg *seg, unsigned n, unsigned nindirect,
	     uint64_t token, uint16_t *ret_id)
{
	unsigned direct = nindirect < n ? nindirect : n;
	unsigned slots = direct + (direct < n ? 1 : 0);
	CHECK(n <= DRV_SEGS && (!d->packed || !direct || direct == n));
	if (slots > d->nfree)
		return false;
	uint16_t id;
	if (d->packed) {
		id = id_take(d);
		d->token[id] = token;
		packed_fill(d, id, seg, n, direct);
	} else {
		id = split_fill(d, seg, n, direct);
		d->token[id] = token;
		put16(&d->driver[2 + d->avail++ % d->size], id);
		drv_publish(d);
	}
	if (ret_id)
		*ret_id = id;
	return true;
}

static bool packed_used(struct drv *d)
{
	uint16_t flags = get16(&d->desc[d->used].w14);
	return !!(flags & AVAIL) == d->used_wrap && !!(flags & USED) == d->used_wrap;
}

static bool has_used(struct drv *d)
{
	return d->packed ? packed_used(d) : get16(&d->device[1]) != d->used;
}

bool drv_reap(struct drv *d, uint64_t *ret_token, uint32_t *ret_len)
{
	if (!has_used(d))
		return false;
	uint32_t id, slots;
	if (d->packed) {
		struct drv_desc *e = &d->desc[d->used];
		id = e->w12;
		CHECK(id < d->size);
		*ret_len = (e->w14 & WRITE) ? e->len : 0;
		slots = d->taken[id];
		if ((d->used = (uint16_t)(d->used + slots)) >= d->size) {
			d->used = (uint16_t)(d->used - d->size);
			d->used_wrap ^= 1;
		}
		id_put(d, (uint16_t)id);
	} else {
		uint32_t e[2];
		memcpy(e, &d->device[2 + 4 * (d->used++ % d->size)], sizeof(e));
		id = e[0];
		CHECK(id < d->size);
		*ret_len = e[1];
		slots = d->taken[id];
		uint16_t at = (uint16_t)id;
		for (unsigned i = 0; i < slots; i++) {
			uint16_t next = d->desc[at].w14;
			id_put(d, at);
			at = next;
		}
	}
	CHECK(slots && slots + d->nfree <= d->size);
	*ret_token = d->token[id];
	d->taken[id] = 0;
	d->nfree += slots;
	return true;
}

bool drv_kick_needed(struct drv *d)
{
	fence();
	if (!d->packed) {
		uint16_t was = d->last_kick, now = d->avail;
		d->last_kick = now;
		if (!d->event_idx)
			return !(get16(&d->device[0]) & 1);
		uint16_t event = get16(&d->device[2 + 4 * d->size]);
		return (uint16_t)(now - event - 1) < (uint16_t)(now - was);
	}
	uint32_t e = __atomic_load_n((uint32_t *)(void *)d->device, __ATOMIC_ACQUIRE);
	int since = (int)d->since_kick;
	d->since_kick = 0;
	if (e >> 16 != 2)
		return e >> 16 != 1;
	int at = (int)(e & 0x7fff);
	if ((e >> 15 & 1) != d->avail_wrap)
		at -= (int)d->size;
	return at < (int)d->avail && at >= (int)d->avail - since;
}

static void driver_word(struct drv *d, uint32_t v)
{
	__atomic_store_n((uint32_t *)(void *)d->driver, v, __ATOMIC_RELEASE);
}

void drv_irq_off(struct drv *d)
{
	if (d->packed)
		driver_word(d, 1u << 16);
	else if (!d->event_idx)
		put16(&d->driver[0], 1);
	else
		put16(&d->driver[2 + d->size], (uint16_t)(d->used - 1));
}

void drv_irq_at(struct drv *d, unsigned ahead)
{
	if (!d->packed) {
		put16(&d->driver[2 + d->size], (uint16_t)(d->used + ahead));
		return;
	}
	unsigned at = d->used + ahead, wrap = d->used_wrap;
	if (at >= d->size) {
		at -= d->size;
		wrap ^= 1;
	}
	driver_word(d, 2u << 16 | wrap << 15 | at);
}

bool drv_irq_on(struct drv *d)
{
	if (d->event_idx)
		drv_irq_at(d, 0);
	else if (d->packed)
		driver_word(d, 0);
	else
		put16(&d->driver[0], 0);
	fence();
	return has_used(d);
}
