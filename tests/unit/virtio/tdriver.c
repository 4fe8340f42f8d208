/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/virtio/tdriver.h"
#include "devmodel/virtio/transport.h"
#include <string.h>

#define F_NEXT 1u
#define F_WRITE 2u
#define F_AVAIL 0x80u
#define F_USED 0x8000u

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t a, b; /* split: flags, next; packed: id, flags */
};

static struct desc *desc_at(struct td *d, unsigned q, unsigned i)
{
	return (struct desc *)dmt_at(d->t, TD_AREA(q)) + i;
}

static uint16_t *driver_area(struct td *d, unsigned q)
{
	return dmt_at(d->t, TD_AREA(q) + 0x2000);
}

static uint16_t *device_area(struct td *d, unsigned q)
{
	return dmt_at(d->t, TD_AREA(q) + 0x3000);
}

uint64_t td_offered(struct dm_test *t)
{
	dmt_w32(t, R_DEVICE_FEATURES_SEL, 0);
	uint64_t low = dmt_r32(t, R_DEVICE_FEATURES);
	dmt_w32(t, R_DEVICE_FEATURES_SEL, 1);
	return low | (uint64_t)dmt_r32(t, R_DEVICE_FEATURES) << 32;
}

void td_accept(struct dm_test *t, uint64_t features)
{
	dmt_w32(t, R_DRIVER_FEATURES_SEL, 0);
	dmt_w32(t, R_DRIVER_FEATURES, (uint32_t)features);
	dmt_w32(t, R_DRIVER_FEATURES_SEL, 1);
	dmt_w32(t, R_DRIVER_FEATURES, (uint32_t)(features >> 32));
}

bool td_negotiate(struct td *d, struct dm_test *t, uint64_t features)
{
	*d = (struct td){.t = t, .features = features};
	d->packed = features & VRING_F_RING_PACKED;
	d->event_idx = features & VRING_F_EVENT_IDX;
	dmt_w32(t, R_STATUS, 0);
	dmt_w32(t, R_STATUS, VIRTIO_S_ACKNOWLEDGE);
	dmt_w32(t, R_STATUS, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
	td_accept(t, features);
	dmt_w32(t, R_STATUS, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK);
	return dmt_r32(t, R_STATUS) & VIRTIO_S_FEATURES_OK;
}

void td_areas(struct td *d, unsigned q, uint16_t size, uint64_t desc, uint64_t driver,
	      uint64_t device)
{
	struct dm_test *t = d->t;
	dmt_w32(t, R_QUEUE_SEL, q);
	dmt_w32(t, R_QUEUE_NUM, size);
	dmt_w32(t, R_QUEUE_DESC_LOW, (uint32_t)desc);
	dmt_w32(t, R_QUEUE_DESC_HIGH, (uint32_t)(desc >> 32));
	dmt_w32(t, R_QUEUE_DRIVER_LOW, (uint32_t)driver);
	dmt_w32(t, R_QUEUE_DRIVER_HIGH, (uint32_t)(driver >> 32));
	dmt_w32(t, R_QUEUE_DEVICE_LOW, (uint32_t)device);
	dmt_w32(t, R_QUEUE_DEVICE_HIGH, (uint32_t)(device >> 32));
}

void td_queue(struct td *d, unsigned q, uint16_t size)
{
	memset(dmt_at(d->t, TD_AREA(q)), 0, 0x10000);
	d->q[q] = (struct td_queue){.size = size, .avail_wrap = 1, .used_wrap = 1};
	td_areas(d, q, size, TD_AREA(q), TD_AREA(q) + 0x2000, TD_AREA(q) + 0x3000);
	dmt_w32(d->t, R_QUEUE_READY, 1);
}

void td_ok(struct td *d)
{
	dmt_w32(d->t, R_STATUS, dmt_r32(d->t, R_STATUS) | VIRTIO_S_DRIVER_OK);
}

/* ---- buffers -------------------------------------------------------------------------------------- */

static unsigned add_split(struct td *d, unsigned q, const struct desc *seg, unsigned n)
{
	struct td_queue *s = &d->q[q];
	uint16_t *avail = driver_area(d, q);
	unsigned head = s->free;
	for (unsigned i = 0; i < n; i++) {
		unsigned at = (head + i) % s->size;
		*desc_at(d, q, at) = seg[i];
		desc_at(d, q, at)->a = (uint16_t)(seg[i].a | (i + 1 < n ? F_NEXT : 0));
		desc_at(d, q, at)->b = (uint16_t)((at + 1) % s->size);
	}
	s->free = (uint16_t)((head + n) % s->size);
	avail[2 + s->avail % s->size] = (uint16_t)head;
	avail[1] = ++s->avail;
	return head;
}

static unsigned add_packed(struct td *d, unsigned q, const struct desc *seg, unsigned n)
{
	struct td_queue *s = &d->q[q];
	unsigned id = s->free;
	s->slots[id] = (uint16_t)n;
	s->free = (uint16_t)((id + 1) % s->size);
	for (unsigned i = 0; i < n; i++) {
		struct desc *p = desc_at(d, q, s->avail);
		p->addr = seg[i].addr;
		p->len = seg[i].len;
		p->a = (uint16_t)id;
		p->b = (uint16_t)(seg[i].a | (i + 1 < n ? F_NEXT : 0) |
				  (s->avail_wrap ? F_AVAIL : F_USED));
		if (++s->avail == s->size) {
			s->avail = 0;
			s->avail_wrap ^= 1;
		}
	}
	return id;
}

static unsigned add(struct td *d, unsigned q, const struct desc *seg, unsigned n)
{
	return d->packed ? add_packed(d, q, seg, n) : add_split(d, q, seg, n);
}

unsigned td_add(struct td *d, unsigned q, uint64_t gpa, uint32_t out, uint32_t in)
{
	struct desc seg[2];
	unsigned n = 0;
	if (out)
		seg[n++] = (struct desc){.addr = gpa, .len = out};
	if (in || !out)
		seg[n++] = (struct desc){.addr = gpa + out, .len = in, .a = F_WRITE};
	return add(d, q, seg, n);
}

void td_break(struct td *d, unsigned q)
{
	struct desc seg = {.addr = 0x1000, .len = 16};
	add(d, q, &seg, 1);
}

bool td_used(struct td *d, unsigned q, unsigned *ret_id, uint32_t *ret_len)
{
	struct td_queue *s = &d->q[q];
	if (!d->packed) {
		const uint16_t *used = device_area(d, q);
		const uint32_t *e =
			(const uint32_t *)(const void *)(used + 2) + 2 * (s->used % s->size);
		if (used[1] == s->used)
			return false;
		*ret_id = e[0];
		*ret_len = e[1];
		s->used++;
		driver_area(d, q)[2 + s->size] =
			s->used; /* used_event: interrupt for the next one */
		return true;
	}
	const struct desc *p = desc_at(d, q, s->used);
	if (!!(p->b & F_AVAIL) != s->used_wrap || !!(p->b & F_USED) != s->used_wrap)
		return false;
	*ret_id = p->a;
	*ret_len = p->len;
	s->used = (uint16_t)(s->used + s->slots[p->a]);
	if (s->used >= s->size) {
		s->used = (uint16_t)(s->used - s->size);
		s->used_wrap ^= 1;
	}
	return true;
}

bool td_wants_kick(struct td *d, unsigned q)
{
	struct td_queue *s = &d->q[q];
	const uint16_t *dev = device_area(d, q);
	if (d->packed) {
		if (dev[1] != 2)
			return dev[1] == 0;
		return dev[0] == (s->avail | (s->avail_wrap ? 0x8000 : 0));
	}
	if (!d->event_idx)
		return !(dev[0] & 1);
	return dev[2 + 4 * s->size] == s->avail; /* the next buffer is the one that it waits for */
}
