/* SPDX-License-Identifier: Apache-2.0 */
/* What a split ring can be made to say: virtio 1.2, section 2.7. */
#include "tests/wire/virtio_hostile.h"
#include <string.h>

/* A correct request in descriptors 0 to n - 1, not yet available. */
static unsigned request_at_zero(struct vrig *v, struct drv_seg seg[VRIG_SEGS])
{
	struct drv_queue *q = vrig_q(v);
	unsigned n = v->target->request(v, seg);
	for (unsigned i = 0; i < n; i++) {
		struct drv_desc *d = drv_desc(q, i);
		d->addr = seg[i].gpa;
		d->len = seg[i].len;
		d->x = (uint16_t)(seg[i].flags | (i + 1 < n ? DRV_NEXT : 0));
		d->y = (uint16_t)(i + 1 < n ? i + 1 : 0);
		if (seg[i].flags & DRV_WRITE)
			vrig_may(v, seg[i].gpa, seg[i].len);
	}
	return n;
}

static void chain_is_one_descriptor_to_itself(struct vrig *v)
{
	struct drv_seg seg[VRIG_SEGS];
	request_at_zero(v, seg);
	drv_desc(vrig_q(v), 0)->x |= DRV_NEXT;
	drv_desc(vrig_q(v), 0)->y = 0;
	drv_split_offer(vrig_q(v), 0);
	vrig_expect(v, vrig_q(v), VEND_BROKEN);
}

static void chain_loops_to(struct vrig *v, uint16_t to)
{
	struct drv_queue *q = vrig_q(v);
	struct drv_seg seg[VRIG_SEGS];
	request_at_zero(v, seg);
	/* One direction only, so that the order of buffers is right and nothing but the loop is wrong. */
	uint16_t flags = (uint16_t)(DRV_NEXT | (seg[0].flags & DRV_WRITE));
	for (uint16_t i = 0; i < 8; i++) {
		*drv_desc(q, i) = *drv_desc(q, 0);
		drv_desc(q, i)->x = flags;
		drv_desc(q, i)->y = (uint16_t)(i + 1);
	}
	drv_desc(q, 7)->y = to;
	drv_split_offer(q, 0);
	vrig_expect(v, q, VEND_BROKEN);
}

static void chain_loops_to_its_head(struct vrig *v)
{
	chain_loops_to(v, 0);
}

static void chain_loops_to_its_middle(struct vrig *v)
{
	chain_loops_to(v, 4);
}

static void chain_loops_at_its_end(struct vrig *v)
{
	chain_loops_to(v, 7);
}

static void chain_of_the_whole_ring_loops(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	struct drv_seg seg[VRIG_SEGS];
	request_at_zero(v, seg);
	for (uint16_t i = 0; i < q->size; i++) {
		*drv_desc(q, i) = *drv_desc(q, 0);
		drv_desc(q, i)->x |= DRV_NEXT;
		drv_desc(q, i)->y = (uint16_t)((i + 1) % q->size);
	}
	drv_split_offer(q, 0);
	vrig_expect(v, q, VEND_BROKEN);
}

static void next_is_out_of_range(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	const uint16_t bad[] = {q->size, (uint16_t)(q->size + 1), 0x7fff, 0x8000, 0xffff};
	for (unsigned i = 0; i < 5; i++) {
		struct drv_seg seg[VRIG_SEGS];
		vrig_open(v);
		request_at_zero(v, seg);
		drv_desc(q, 0)->x |= DRV_NEXT;
		drv_desc(q, 0)->y = bad[i];
		drv_split_offer(q, 0);
		vrig_expect(v, q, VEND_BROKEN);
	}
}

static void head_is_out_of_range(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	const uint16_t bad[] = {q->size, (uint16_t)(q->size + 1), 0x7fff, 0x8000, 0xffff};
	for (unsigned i = 0; i < 5; i++) {
		vrig_open(v);
		drv_split_offer(q, bad[i]);
		vrig_expect(v, q, VEND_BROKEN);
	}
}

static void avail_index_jumps(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	const uint16_t by[] = {(uint16_t)(q->size + 1), 0x4000, 0x8000, 0xffff};
	for (unsigned i = 0; i < 4; i++) {
		struct drv_seg seg[VRIG_SEGS];
		vrig_open(v);
		request_at_zero(v, seg);
		drv_store16(drv_split_avail_idx(q), by[i]);
		vrig_expect(v, q, VEND_BROKEN);
	}
}

static void avail_index_steps_back(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	unsigned id;
	uint32_t len;
	vrig_request(v);
	vrig_request(v);
	vrig_settle(v);
	drv_store16(drv_split_avail_idx(q), 1);
	assert_false(drv_used(q, &id, &len));
	vrig_expect(v, q, VEND_BROKEN);
}

/* 2.7.13: a head that is with the device is not offered again. One that is served at once is none any more. */
static void same_head_twice(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	struct drv_seg seg[VRIG_SEGS];
	request_at_zero(v, seg);
	for (unsigned i = 0; i < q->size; i++)
		drv_split_offer(q, 0);
	vrig_end_of(v, q);
}

static void two_chains_share_a_tail(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	struct drv_seg seg[VRIG_SEGS];
	unsigned n = request_at_zero(v, seg);
	*drv_desc(q, 16) = *drv_desc(q, 0);
	if (n == 1)
		drv_desc(q, 16)->y = 0;
	drv_split_offer(q, 0);
	drv_split_offer(q, 16);
	vrig_expect(v, q, VEND_EITHER);
}

/* The device looks at what it was told, not at the rest of the ring. */
static void ring_beyond_the_index_is_ignored(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	memset(drv_split_avail_ring(q, 1), 0xff, 2u * (q->size - 1u));
	vrig_request(v);
	vrig_freeze(v);
	vrig_expect(v, q, VEND_QUIET);
}

static void events_and_flags_are_garbage(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	for (unsigned i = 0; i < 16; i++) {
		uint16_t rubbish = (uint16_t)(0x1111 * i + 0x8001);
		drv_store16(q->driver.at,
			    (uint16_t)(rubbish | 2)); /* flags: only bit 0 says something */
		drv_store16(drv_split_used_event(q), rubbish);
		/* The device's own fields are not its memory: it must not read them back. */
		drv_store16(q->device.at, rubbish);
		drv_store16(drv_split_avail_event(q), rubbish);
		struct drv_seg seg[VRIG_SEGS];
		unsigned n = v->target->request(v, seg), id;
		uint32_t len;
		vrig_add(v, q, seg, n);
		drv_notify(q);
		if (v->target->poke)
			v->target->poke(v);
		assert_true(drv_wait(q, &id, &len));
		v->target->answer(v, seg, n, len);
	}
}

static void used_index_is_rewritten(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	vrig_request(v);
	/* It counts by itself: what stands in memory is for the driver. */
	drv_store16(drv_split_used_idx(q), 0x1234);
	struct drv_seg seg[VRIG_SEGS];
	unsigned n = v->target->request(v, seg), id;
	uint32_t len;
	q->used = 0x1234;
	vrig_add(v, q, seg, n);
	drv_notify(q);
	if (v->target->poke)
		v->target->poke(v);
	vrig_settle(v);
	q->used = 1;
	assert_true(drv_wait(q, &id, &len));
	assert_int_equal(drv_load16(drv_split_used_idx(q)), 2);
}

/* Free-running indices pass 65535. */
static void indices_run_over(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	struct drv_seg seg[VRIG_SEGS];
	unsigned n = v->target->request(v, seg);
	for (unsigned done = 0; done < 66000;) {
		unsigned batch = 0, id;
		uint32_t len;
		while (drv_add(q, seg, n) >= 0)
			batch++;
		drv_kick(q);
		if (v->target->poke)
			return; /* one by one it would take too long */
		for (unsigned i = 0; i < batch; i++)
			assert_true(drv_wait(q, &id, &len));
		done += batch;
	}
	assert_false(drv_broken(&v->d));
}

const struct vcase vcases_split[] = {
	VCASE(chain_is_one_descriptor_to_itself, VCASE_SPLIT | VCASE_LIVE),
	VCASE(chain_loops_to_its_head, VCASE_SPLIT | VCASE_LIVE),
	VCASE(chain_loops_to_its_middle, VCASE_SPLIT | VCASE_LIVE),
	VCASE(chain_loops_at_its_end, VCASE_SPLIT | VCASE_LIVE),
	VCASE(chain_of_the_whole_ring_loops, VCASE_SPLIT | VCASE_LIVE),
	VCASE(next_is_out_of_range, VCASE_SPLIT | VCASE_LIVE),
	VCASE(head_is_out_of_range, VCASE_SPLIT | VCASE_LIVE),
	VCASE(avail_index_jumps, VCASE_SPLIT | VCASE_LIVE),
	VCASE(avail_index_steps_back, VCASE_SPLIT | VCASE_LIVE),
	VCASE(same_head_twice, VCASE_SPLIT | VCASE_LIVE),
	VCASE(two_chains_share_a_tail, VCASE_SPLIT | VCASE_LIVE),
	VCASE(ring_beyond_the_index_is_ignored, VCASE_SPLIT | VCASE_LIVE),
	VCASE(events_and_flags_are_garbage, VCASE_SPLIT | VCASE_LIVE),
	VCASE(used_index_is_rewritten, VCASE_SPLIT | VCASE_LIVE),
	VCASE(indices_run_over, VCASE_SPLIT | VCASE_LIVE),
	{}};
