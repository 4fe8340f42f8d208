/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/virtio/drv.h"

bool drv_queue_make(struct drv *d, struct drv_queue *q, unsigned index, uint16_t size)
{
	__builtin_memset(q, 0, sizeof(*q));
	drv_w32(d, DRV_QUEUE_SEL, index);
	uint32_t max = drv_r32(d, DRV_QUEUE_NUM_MAX);
	if (size > DRV_QUEUE_MAX)
		size = DRV_QUEUE_MAX;
	if (size > max)
		size = (uint16_t)max;
	if (!size)
		return false;
	q->d = d;
	q->index = index;
	q->size = size;
	q->packed = d->features & DRV_F_PACKED;
	q->event_idx = d->features & DRV_F_EVENT_IDX;
	/* 2.7 and 2.8: sizes and alignments of the three areas. */
	q->desc = drv_alloc(d, 16u * size, 16);
	q->driver = drv_alloc(d, q->packed ? 4 : 6 + 2u * size, q->packed ? 4 : 2);
	q->device = drv_alloc(d, q->packed ? 4 : 6 + 8u * size, 4);
	q->tables = drv_alloc(d, 16ull * DRV_TABLE_MAX * size, 16);
	if (!q->tables.at || !q->device.at || !q->driver.at || !q->desc.at)
		return false;
	q->nfree = size;
	for (unsigned i = 0; i < size; i++)
		q->next[i] = (uint16_t)(i + 1);
	q->avail_wrap = q->used_wrap = true;
	return true;
}

void drv_queue_tell(struct drv_queue *q, uint32_t ready)
{
	drv_w32(q->d, DRV_QUEUE_SEL, q->index);
	drv_w32(q->d, DRV_QUEUE_NUM, q->size);
	drv_w64(q->d, DRV_DESC_LO, q->desc.gpa);
	drv_w64(q->d, DRV_DRIVER_LO, q->driver.gpa);
	drv_w64(q->d, DRV_DEVICE_LO, q->device.gpa);
	drv_w32(q->d, DRV_QUEUE_READY, ready);
}

bool drv_queue_setup(struct drv *d, struct drv_queue *q, unsigned index, uint16_t size)
{
	if (!drv_queue_make(d, q, index, size))
		return false;
	drv_queue_tell(q, 1);
	return true;
}

int drv_add(struct drv_queue *q, const struct drv_seg *seg, unsigned n)
{
	if (!n || n > q->nfree)
		return -1;
	return q->packed ? drv_packed_add(q, seg, n) : drv_split_add(q, seg, n);
}

void drv_table(const struct drv_queue *q, void *at, const struct drv_seg *seg, unsigned n)
{
	struct drv_desc *t = at;
	for (unsigned i = 0; i < n; i++) {
		t[i].addr = seg[i].gpa;
		t[i].len = seg[i].len;
		/* 2.7.5.3: as in the ring. 2.8.7: one after the other, no NEXT, only WRITE is looked at. */
		if (q->packed) {
			t[i].x = 0;
			t[i].y = seg[i].flags;
		} else {
			t[i].x = (uint16_t)(seg[i].flags | (i + 1 < n ? DRV_NEXT : 0));
			t[i].y = (uint16_t)(i + 1 < n ? i + 1 : 0);
		}
	}
}

int drv_add_indirect(struct drv_queue *q, const struct drv_seg *seg, unsigned n)
{
	if (!q->nfree || n > DRV_TABLE_MAX)
		return -1;
	/* The id that drv_add() is going to use has the table with its number. */
	uint64_t at = 16ull * DRV_TABLE_MAX * q->free_head;
	drv_table(q, q->tables.at + at, seg, n);
	struct drv_seg one = {q->tables.gpa + at, 16 * n, DRV_INDIRECT};
	return drv_add(q, &one, 1);
}

bool drv_wants_kick(struct drv_queue *q)
{
	/* Partner: the device turns notifications on, full fence, and looks at the ring again (2.7.10.1, 2.8.21). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	uint16_t added = q->added;
	q->added = 0;
	return q->packed ? drv_packed_wants_kick(q, added) : drv_split_wants_kick(q, added);
}

void drv_notify(struct drv_queue *q)
{
	drv_w32(q->d, DRV_QUEUE_NOTIFY, q->index);
}

bool drv_kick(struct drv_queue *q)
{
	if (!drv_wants_kick(q))
		return false;
	drv_notify(q);
	return true;
}

bool drv_has_used(const struct drv_queue *q)
{
	return q->packed ? drv_packed_has_used(q) : drv_load16(drv_split_used_idx(q)) != q->used;
}

bool drv_used(struct drv_queue *q, unsigned *ret_id, uint32_t *ret_len)
{
	return q->packed ? drv_packed_used(q, ret_id, ret_len) : drv_split_used(q, ret_id, ret_len);
}

static bool has_used(void *arg)
{
	return drv_has_used(arg);
}

bool drv_wait(struct drv_queue *q, unsigned *ret_id, uint32_t *ret_len)
{
	return q->d->ops->wait(q->d->ctx, has_used, q) && drv_used(q, ret_id, ret_len);
}

void drv_interrupts(struct drv_queue *q, bool on)
{
	if (q->packed)
		drv_packed_interrupts(q, on);
	else
		drv_split_interrupts(q, on);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
