/* SPDX-License-Identifier: Apache-2.0 */
/* What a packed ring can be made to say: virtio 1.2, section 2.8. */
#include "tests/wire/virtio_hostile.h"
#include <string.h>

static const uint16_t LAP1 = DRV_AVAIL; /* available in the first lap */

/* A correct request in slots 0 to n - 1, without AVAIL and USED; id @id. */
static unsigned request_at_zero(struct vrig *v, struct drv_seg seg[VRIG_SEGS], uint16_t id)
{
	struct drv_queue *q = vrig_q(v);
	unsigned n = v->target->request(v, seg);
	for (unsigned i = 0; i < n; i++) {
		struct drv_desc *d = drv_desc(q, i);
		d->addr = seg[i].gpa;
		d->len = seg[i].len;
		d->x = id;
		d->y = (uint16_t)(seg[i].flags | (i + 1 < n ? DRV_NEXT : 0));
		if (seg[i].flags & DRV_WRITE)
			vrig_may(v, seg[i].gpa, seg[i].len);
	}
	return n;
}

static void offer(struct drv_queue *q, unsigned n)
{
	while (n--)
		drv_store16(&drv_desc(q, n)->y, drv_desc(q, n)->y | LAP1);
}

static void chain_is_longer_than_the_ring(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	struct drv_seg seg[VRIG_SEGS];
	request_at_zero(v, seg, 0);
	for (unsigned i = 0; i < q->size; i++) {
		*drv_desc(q, i) = *drv_desc(q, 0);
		drv_desc(q, i)->y = (uint16_t)(DRV_NEXT | LAP1 | (seg[0].flags & DRV_WRITE));
	}
	vrig_expect(v, q, VEND_BROKEN);
}

/* 2.8.20.1: the first descriptor becomes available last, so a tail that is not is a lie. */
static void tail_is_not_available(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	const uint16_t tail[] = {0, DRV_USED, DRV_USED | DRV_AVAIL};
	for (unsigned i = 0; i < 3; i++) {
		struct drv_seg seg[VRIG_SEGS];
		vrig_open(v);
		request_at_zero(v, seg, 0);
		*drv_desc(q, 1) = *drv_desc(q, 0);
		drv_desc(q, 1)->y = (uint16_t)((seg[0].flags & DRV_WRITE) | tail[i]);
		drv_desc(q, 0)->y = (uint16_t)((seg[0].flags & DRV_WRITE) | DRV_NEXT | LAP1);
		vrig_expect(v, q, VEND_BROKEN);
	}
}

static void chain_ends_in_the_next_lap_unavailable(struct vrig *v)
{
	/* All but the last slot are used up, then a chain over the end whose second half has the old wrap bit. */
	struct drv_queue *q = vrig_q(v);
	struct drv_seg seg[VRIG_SEGS];
	unsigned n = v->target->request(v, seg);
	if (v->target->poke || (q->size - 1) % n)
		return;
	for (unsigned i = 0; i < (q->size - 1) / n; i++)
		vrig_add(v, q, seg, n);
	drv_notify(q);
	unsigned id;
	uint32_t len;
	for (unsigned i = 0; i < (q->size - 1) / n; i++)
		assert_true(drv_wait(q, &id, &len));
	uint16_t flags = (uint16_t)(seg[0].flags & DRV_WRITE);
	*drv_desc(q, q->size - 1u) = (struct drv_desc){seg[0].gpa, seg[0].len, 0,
						       (uint16_t)(flags | DRV_NEXT | DRV_AVAIL)};
	*drv_desc(q, 0) =
		(struct drv_desc){seg[0].gpa, seg[0].len, 0, (uint16_t)(flags | DRV_AVAIL)};
	vrig_expect(v, q, VEND_BROKEN);
}

static void wrong_wrap_bits_are_not_available(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	const uint16_t bits[] = {0, DRV_USED, DRV_AVAIL | DRV_USED};
	for (unsigned i = 0; i < 3; i++) {
		struct drv_seg seg[VRIG_SEGS];
		vrig_open(v);
		/* Looks used to us when both bits are 1, so the ring itself tells what the device did. */
		unsigned n = request_at_zero(v, seg, 7);
		for (unsigned k = 0; k < n; k++)
			drv_desc(q, k)->y |= bits[i];
		vrig_freeze(v);
		drv_notify(q);
		if (v->target->poke)
			v->target->poke(v);
		vrig_settle(v);
		assert_false(drv_broken(&v->d));
		assert_int_equal(drv_desc(q, 0)->x, 7);
		assert_int_equal(drv_desc(q, 0)->y & (DRV_AVAIL | DRV_USED), bits[i]);
		vrig_intact(v);
	}
}

/* The second slot is available, the first is not: there is nothing to do. */
static void a_hole_is_not_jumped_over(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	struct drv_seg seg[VRIG_SEGS];
	unsigned n = request_at_zero(v, seg, 0);
	for (unsigned i = n; i-- > 0;) {
		*drv_desc(q, i + 1) = *drv_desc(q, i);
		drv_desc(q, i + 1)->y |= LAP1;
	}
	drv_desc(q, 0)->y = 0;
	vrig_expect(v, q, VEND_QUIET);
}

/* The buffer id is the driver's own (2.8.1): whatever it is, it comes back. */
static void id_is_above_the_ring(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	const uint16_t ids[] = {q->size, 0x3ff, 0x400, 0x7fff, 0x8000, 0xffff};
	for (unsigned i = 0; i < 6; i++) {
		struct drv_seg seg[VRIG_SEGS];
		vrig_open(v);
		unsigned n = request_at_zero(v, seg, ids[i]);
		offer(q, n);
		vrig_expect(v, q, VEND_EITHER);
		if (drv_has_used(q))
			assert_int_equal(drv_desc(q, 0)->x, ids[i]);
	}
}

static void one_id_for_all(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	struct drv_seg seg[VRIG_SEGS];
	unsigned n = request_at_zero(v, seg, 5);
	for (unsigned k = n; k + n <= q->size; k++)
		*drv_desc(q, k) = *drv_desc(q, k - n);
	offer(q, q->size / n * n);
	vrig_end_of(v, q);
}

static void ids_within_a_chain_differ(struct vrig *v)
{
	/* 2.8.8: the id of the last descriptor counts. */
	struct drv_queue *q = vrig_q(v);
	struct drv_seg seg[VRIG_SEGS];
	unsigned n = request_at_zero(v, seg, 9);
	for (unsigned k = 0; k + 1 < n; k++)
		drv_desc(q, k)->x = (uint16_t)(100 + k);
	offer(q, n);
	vrig_expect(v, q, VEND_DONE);
	assert_int_equal(drv_desc(q, 0)->x, 9);
}

static void event_area_is_garbage(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	for (unsigned i = 0; i < 32; i++) {
		/* 3 is no value of the flags; offsets beyond the ring; the other lap. */
		drv_store16(q->driver.at, (uint16_t)(0x0fff * i + 1));
		drv_store16(q->driver.at + 2, (uint16_t)(i | 0xfff0));
		drv_store16(q->device.at, (uint16_t)(0x1fff * i));
		drv_store16(q->device.at + 2, (uint16_t)i);
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

static void many_laps(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	struct drv_seg seg[VRIG_SEGS];
	unsigned n = v->target->request(v, seg);
	if (v->target->poke)
		return;
	for (unsigned lap = 0; lap < 50; lap++) {
		unsigned batch = 0, id;
		uint32_t len;
		while (drv_add(q, seg, n) >= 0)
			batch++;
		drv_kick(q);
		for (unsigned i = 0; i < batch; i++)
			assert_true(drv_wait(q, &id, &len));
	}
	assert_false(drv_broken(&v->d));
}

/* 2.8.5: a used descriptor that the driver takes back and offers anew while the device still has its neighbours. */
static void used_slot_is_offered_again_at_once(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	struct drv_seg seg[VRIG_SEGS];
	unsigned n = request_at_zero(v, seg, 1);
	offer(q, n);
	vrig_expect(v, q, VEND_DONE);
	/* The same bits as before, in the slot where the device has been: not its turn. */
	request_at_zero(v, seg, 2);
	offer(q, n);
	vrig_freeze(v);
	drv_notify(q);
	vrig_settle(v);
	assert_false(drv_broken(&v->d));
	assert_int_equal(drv_desc(q, 0)->x, 2);
	vrig_intact(v);
}

const struct vcase vcases_packed[] = {
	VCASE(chain_is_longer_than_the_ring, VCASE_PACKED | VCASE_LIVE),
	VCASE(tail_is_not_available, VCASE_PACKED | VCASE_LIVE),
	VCASE(chain_ends_in_the_next_lap_unavailable, VCASE_PACKED | VCASE_LIVE),
	VCASE(wrong_wrap_bits_are_not_available, VCASE_PACKED | VCASE_LIVE),
	VCASE(a_hole_is_not_jumped_over, VCASE_PACKED | VCASE_LIVE),
	VCASE(id_is_above_the_ring, VCASE_PACKED | VCASE_LIVE),
	VCASE(one_id_for_all, VCASE_PACKED | VCASE_LIVE),
	VCASE(ids_within_a_chain_differ, VCASE_PACKED | VCASE_LIVE),
	VCASE(event_area_is_garbage, VCASE_PACKED | VCASE_LIVE),
	VCASE(many_laps, VCASE_PACKED | VCASE_LIVE),
	VCASE(used_slot_is_offered_again_at_once, VCASE_PACKED | VCASE_LIVE),
	{}};
