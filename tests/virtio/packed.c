/* SPDX-License-Identifier: Apache-2.0 */
/* Packed virtqueues from the driver's side: virtio 1.2, section 2.8. */
#include "tests/virtio/drv.h"

int drv_packed_add(struct drv_queue *q, const struct drv_seg *seg, unsigned n)
{
	uint16_t id = q->free_head, first = q->avail, first_flags = 0;
	for (unsigned k = 0; k < n; k++) {
		struct drv_desc *d = drv_desc(q, q->avail);
		uint16_t flags = (uint16_t)(seg[k].flags | (k + 1 < n ? DRV_NEXT : 0) |
					    drv_packed_flags(q->avail_wrap));
		d->addr = seg[k].gpa;
		d->len = seg[k].len;
		d->x = id;
		if (k)
			drv_store16(&d->y, flags);
		else
			first_flags = flags;
		if (++q->avail == q->size) {
			q->avail = 0;
			q->avail_wrap = !q->avail_wrap;
		}
	}
	q->added = (uint16_t)(q->added + n);
	q->free_head = q->next[id];
	q->taken[id] = (uint16_t)n;
	q->nfree = (uint16_t)(q->nfree - n);
	/* 2.8.20.1: the head becomes available last. */
	drv_store16(&drv_desc(q, first)->y, first_flags);
	return id;
}

bool drv_packed_has_used(const struct drv_queue *q)
{
	uint16_t f = drv_load16(&drv_desc(q, q->used)->y);
	return !!(f & DRV_AVAIL) == q->used_wrap && !!(f & DRV_USED) == q->used_wrap;
}

bool drv_packed_used(struct drv_queue *q, unsigned *ret_id, uint32_t *ret_len)
{
	if (!drv_packed_has_used(q))
		return false;
	const struct drv_desc *d = drv_desc(q, q->used);
	unsigned id = d->x;
	*ret_id = id;
	*ret_len = d->len;
	uint16_t n = id < q->size ? q->taken[id] : 0;
	if (!n)
		n = 1; /* the test sees an id that it did not give */
	else {
		q->nfree = (uint16_t)(q->nfree + n);
		q->taken[id] = 0;
		q->next[id] = q->free_head;
		q->free_head = (uint16_t)id;
	}
	q->used = (uint16_t)(q->used + n);
	if (q->used >= q->size) {
		q->used = (uint16_t)(q->used - q->size);
		q->used_wrap = !q->used_wrap;
	}
	return true;
}

bool drv_packed_wants_kick(struct drv_queue *q, uint16_t added)
{
	uint16_t off_wrap = drv_load16(q->device.at);
	uint16_t flags = drv_load16(q->device.at + 2) & 3;
	if (flags != DRV_EVENT_DESC)
		return flags == DRV_EVENT_ON;
	/* 2.8.21.3: was that slot among the last @added ones? In slots counted from the start of our lap. */
	int event = off_wrap & 0x7fff;
	if ((off_wrap >> 15) != q->avail_wrap)
		event -= q->size;
	int passed = (int)q->avail - event;
	return passed > 0 && passed <= (int)added;
}

void drv_packed_interrupts(struct drv_queue *q, bool on)
{
	if (on && q->event_idx)
		drv_store16(q->driver.at, (uint16_t)(q->used | (unsigned)q->used_wrap << 15));
	drv_store16(q->driver.at + 2, (uint16_t)(!on		? DRV_EVENT_OFF
						 : q->event_idx ? DRV_EVENT_DESC
								: DRV_EVENT_ON));
}
