/* SPDX-License-Identifier: Apache-2.0 */
/* Split virtqueues from the driver's side: virtio 1.2, section 2.7. */
#include "tests/virtio/drv.h"

void drv_split_offer(struct drv_queue *q, uint16_t head)
{
	drv_store16(drv_split_avail_ring(q, q->avail % q->size), head);
	q->avail++;
	q->added++;
	drv_store16(drv_split_avail_idx(q), q->avail);
}

int drv_split_add(struct drv_queue *q, const struct drv_seg *seg, unsigned n)
{
	uint16_t head = q->free_head, i = head, last = head;
	for (unsigned k = 0; k < n; k++) {
		struct drv_desc *d = drv_desc(q, i);
		bool more = k + 1 < n;
		d->addr = seg[k].gpa;
		d->len = seg[k].len;
		d->x = (uint16_t)(seg[k].flags | (more ? DRV_NEXT : 0));
		d->y = more ? q->next[i] : 0;
		last = i;
		i = q->next[i];
	}
	q->next[last] = q->size; /* the chain's end in our own list */
	q->free_head = i;
	q->nfree = (uint16_t)(q->nfree - n);
	q->taken[head] = (uint16_t)n;
	drv_split_offer(q, head);
	return head;
}

bool drv_split_used(struct drv_queue *q, unsigned *ret_id, uint32_t *ret_len)
{
	if (drv_load16(drv_split_used_idx(q)) == q->used)
		return false;
	const uint32_t *e = (const void *)(q->device.at + 4 + 8 * (q->used % q->size));
	uint32_t id = e[0], n;
	*ret_id = id;
	*ret_len = e[1];
	q->used++;
	if (id >= q->size || !(n = q->taken[id]))
		return true; /* the test sees an id that it did not give */
	uint16_t last = (uint16_t)id;
	while (q->next[last] != q->size && --n)
		last = q->next[last];
	q->nfree = (uint16_t)(q->nfree + q->taken[id]);
	q->taken[id] = 0;
	q->next[last] = q->free_head;
	q->free_head = (uint16_t)id;
	return true;
}

bool drv_split_wants_kick(struct drv_queue *q, uint16_t added)
{
	if (!q->event_idx)
		return !(drv_load16(q->device.at) & 1);
	/* 2.7.10: avail_event was passed by the last @added heads. */
	uint16_t event = drv_load16(drv_split_avail_event(q));
	return (uint16_t)(q->avail - event - 1) < added;
}

void drv_split_interrupts(struct drv_queue *q, bool on)
{
	if (q->event_idx)
		/* Off: as far away as can be (2.7.7.1: the flag must be 0 then). */
		drv_store16(drv_split_used_event(q), on ? q->used : (uint16_t)(q->used - 1));
	else
		drv_store16(q->driver.at, !on);
}
