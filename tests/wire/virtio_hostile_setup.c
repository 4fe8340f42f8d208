/* SPDX-License-Identifier: Apache-2.0 */
/* Queues that are set up wrongly: virtio 1.2, sections 2.7, 2.8, 4.2.2 and 4.2.3.2. */
#include "tests/wire/virtio_hostile.h"
#include <string.h>

/* ---- queues: areas and sizes ------------------------------------------------------------------------------ */

/* A queue was set up wrongly. Either the device says so, or it does not take the queue (QueueReady stays 0), or it serves
 * it; but it must not touch anything else. @must: serving is no choice. */
static void set_up_and_see(struct vrig *v, struct drv_queue *q, bool must)
{
	vrig_freeze(v);
	drv_queue_tell(q, 1);
	bool ready = drv_r32(&v->d, DRV_QUEUE_READY);
	drv_go(&v->d);
	drv_notify(q);
	if (v->target->poke && ready)
		v->target->poke(v);
	vrig_settle(v);
	if (must)
		assert_true(!ready || drv_broken(&v->d));
	assert_true(vrig_is_alive(v));
	assert_true(drv_reset(&v->d));
	vrig_intact(v);
}

/* All queues but the target's as they should be; that one only made. */
static struct drv_queue *one_queue_open(struct vrig *v)
{
	vrig_negotiate(v);
	for (unsigned i = 0; i < VRIG_QUEUES; i++) {
		struct drv_queue *q = &v->q[i];
		if (!drv_queue_make(&v->d, q, i, 64))
			break;
		(void)drv_alloc(&v->d, 64, 1);
		v->nq++;
		vrig_may(v, q->device.gpa, q->device.bytes);
		if (q->packed)
			vrig_may(v, q->desc.gpa, q->desc.bytes);
		if (i != v->target->queue)
			drv_queue_tell(q, 1);
	}
	return vrig_q(v);
}

static struct drv_area *area_of(struct drv_queue *q, unsigned i)
{
	return i == 0 ? &q->desc : i == 1 ? &q->driver : &q->device;
}

static void area_misaligned(struct vrig *v)
{
	/* 2.7: 16, 2, 4. 2.8: 16, 4, 4. */
	static const unsigned split[] = {8, 1, 2}, packed[] = {8, 2, 2};
	for (unsigned i = 0; i < 3; i++) {
		struct drv_queue *q = one_queue_open(v);
		area_of(q, i)->gpa += v->packed ? packed[i] : split[i];
		set_up_and_see(v, q, true);
		q = one_queue_open(v);
		area_of(q, i)->gpa += 1;
		set_up_and_see(v, q, true);
	}
}

static void area_outside_of_ram(struct vrig *v)
{
	uint64_t end = vrig_end(v);
	const uint64_t at[] = {0,	  v->d.gpa - 4096, v->d.gpa - 16,	    end,
			       0ull - 16, 0ull - 65536,	   v->d.gpa + (1ull << 48), 1ull << 63};
	for (unsigned i = 0; i < 3; i++)
		for (unsigned k = 0; k < sizeof(at) / sizeof(at[0]); k++) {
			struct drv_queue *q = one_queue_open(v);
			area_of(q, i)->gpa = at[k];
			set_up_and_see(v, q, true);
		}
}

static void area_over_the_end_of_ram(struct vrig *v)
{
	for (unsigned i = 0; i < 3; i++) {
		struct drv_queue *q = one_queue_open(v);
		struct drv_area *a = area_of(q, i);
		if (a->bytes <= 16)
			continue; /* packed event areas: 4 bytes, 4-aligned, cannot */
		a->gpa = vrig_end(v) - 16;
		set_up_and_see(v, q, true);
	}
}

static void areas_end_with_ram(struct vrig *v)
{
	for (unsigned i = 0; i < 3; i++) {
		struct drv_queue *q = one_queue_open(v);
		struct drv_area *a = area_of(q, i);
		uint64_t bytes = (a->bytes + 15) / 16 * 16;
		a->gpa = vrig_end(v) - bytes;
		a->at = drv_at(&v->d, a->gpa);
		memset(a->at, 0, bytes);
		drv_queue_tell(q, 1);
		vrig_live(v);
		vrig_request(v);
	}
}

static void areas_overlap(struct vrig *v)
{
	/* No one checks that: what the device writes to one it may read in the other. It must live. */
	for (unsigned i = 0; i < 3; i++)
		for (unsigned k = 0; k < 3; k++) {
			struct drv_queue *q = one_queue_open(v);
			area_of(q, i)->gpa = area_of(q, k)->gpa;
			vrig_may(v, v->d.gpa, v->d.bytes);
			set_up_and_see(v, q, false);
		}
	struct drv_queue *q = one_queue_open(v);
	q->driver.gpa = q->device.gpa = q->desc.gpa;
	vrig_may(v, v->d.gpa, v->d.bytes);
	set_up_and_see(v, q, false);
}

static void two_queues_in_one_place(struct vrig *v)
{
	struct drv_queue *q = one_queue_open(v);
	if (v->nq < 2)
		return;
	const struct drv_queue *other = &v->q[q->index ? 0 : 1];
	q->desc.gpa = other->desc.gpa;
	q->driver.gpa = other->driver.gpa;
	q->device.gpa = other->device.gpa;
	vrig_may(v, v->d.gpa, v->d.bytes);
	set_up_and_see(v, q, false);
}

static void queue_size_is_wrong(struct vrig *v)
{
	drv_w32(&v->d, DRV_QUEUE_SEL, v->target->queue);
	uint32_t max = drv_r32(&v->d, DRV_QUEUE_NUM_MAX);
	const uint32_t bad[] = {0,	 max + 1, max * 2, 0x8000,     0xffff,
				0x10000, 0x10001, 0x10040, 0x80000000, 0xffffffff};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct drv_queue *q = one_queue_open(v);
		drv_w32(&v->d, DRV_QUEUE_SEL, q->index);
		drv_w32(&v->d, DRV_QUEUE_NUM, bad[i]);
		drv_w64(&v->d, DRV_DESC_LO, q->desc.gpa);
		drv_w64(&v->d, DRV_DRIVER_LO, q->driver.gpa);
		drv_w64(&v->d, DRV_DEVICE_LO, q->device.gpa);
		vrig_freeze(v);
		drv_w32(&v->d, DRV_QUEUE_READY, 1);
		bool ready = drv_r32(&v->d, DRV_QUEUE_READY);
		drv_go(&v->d);
		drv_notify(q);
		vrig_settle(v);
		if (ready && !drv_broken(&v->d))
			fail_msg("a queue of %u entries was taken, of %u at most", bad[i], max);
		assert_true(drv_reset(&v->d));
		vrig_intact(v);
	}
}

static void queue_size_is_no_power_of_two(struct vrig *v)
{
	static const uint16_t bad[] = {3, 5, 7, 63};
	for (unsigned i = 0; i < 4; i++) {
		struct drv_queue *q = one_queue_open(v);
		q->size = bad[i];
		/* 2.7: split rings only. A packed ring may have any size (2.8.1), and then serves. */
		if (!v->packed) {
			set_up_and_see(v, q, true);
			continue;
		}
		q->nfree = bad[i];
		drv_queue_tell(q, 1);
		vrig_live(v);
		for (unsigned k = 0; k < 8u && bad[i] > 3; k++)
			vrig_request(v);
	}
}

static void ready_twice(struct vrig *v)
{
	vrig_request(v);
	drv_w32(&v->d, DRV_QUEUE_SEL, v->target->queue);
	drv_w32(&v->d, DRV_QUEUE_READY, 1);
	drv_w32(&v->d, DRV_QUEUE_READY, 1);
	assert_int_equal(drv_r32(&v->d, DRV_QUEUE_READY), 1);
	/* Nothing began anew: the indices are where they were. */
	if (!drv_broken(&v->d))
		vrig_request(v);
}

static void ready_is_an_odd_value(struct vrig *v)
{
	static const uint32_t value[] = {2, 0x80000000, 0xffffffff, 0xfffffffe};
	for (unsigned i = 0; i < 4; i++) {
		struct drv_queue *q = one_queue_open(v);
		vrig_freeze(v);
		drv_queue_tell(q, value[i]);
		assert_in_range(drv_r32(&v->d, DRV_QUEUE_READY), 0, 1);
		drv_go(&v->d);
		drv_notify(q);
		vrig_settle(v);
		assert_true(vrig_is_alive(v));
		vrig_intact(v);
	}
}

/* 4.2.2.2: the driver MUST NOT change these while the queue is ready. The device goes on with what it took. */
static void areas_change_while_ready(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	vrig_request(v);
	drv_w32(&v->d, DRV_QUEUE_SEL, q->index);
	drv_w32(&v->d, DRV_QUEUE_NUM, 1);
	drv_w64(&v->d, DRV_DESC_LO, 0);
	drv_w64(&v->d, DRV_DRIVER_LO, vrig_end(v));
	drv_w64(&v->d, DRV_DEVICE_LO, ~0ull);
	vrig_request(v);
	vrig_request(v);
}

static void unready_while_live(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	vrig_request(v);
	drv_w32(&v->d, DRV_QUEUE_SEL, q->index);
	drv_w32(&v->d, DRV_QUEUE_READY, 0);
	struct drv_seg seg[VRIG_SEGS];
	unsigned n = v->target->request(v, seg);
	vrig_add(v, q, seg, n);
	/* It may stop or go on (4.2.2.2 forbids it to the driver unless it resets the queue), but it answers. */
	vrig_end_of(v, q);
}

static void absent_queues(struct vrig *v)
{
	static const uint32_t sel[] = {17, 63, 64, 255, 65535, 65536, 0x80000000, 0xffffffff};
	for (unsigned i = 0; i < sizeof(sel) / sizeof(sel[0]); i++) {
		drv_w32(&v->d, DRV_QUEUE_SEL, sel[i]);
		assert_int_equal(drv_r32(&v->d, DRV_QUEUE_NUM_MAX), 0); /* 4.2.2.1 */
		assert_int_equal(drv_r32(&v->d, DRV_QUEUE_READY), 0);
		drv_w32(&v->d, DRV_QUEUE_NUM, 64);
		drv_w64(&v->d, DRV_DESC_LO, v->d.gpa);
		drv_w64(&v->d, DRV_DRIVER_LO, v->d.gpa);
		drv_w64(&v->d, DRV_DEVICE_LO, v->d.gpa);
		vrig_freeze(v);
		drv_w32(&v->d, DRV_QUEUE_READY, 1);
		assert_int_equal(drv_r32(&v->d, DRV_QUEUE_READY), 0);
		drv_w32(&v->d, DRV_QUEUE_READY, 0);
		vrig_intact(v);
	}
	vrig_open(v);
	vrig_request(v);
}

const struct vcase vcases_setup[] = {VCASE(area_misaligned, 0),
				     VCASE(area_outside_of_ram, 0),
				     VCASE(area_over_the_end_of_ram, 0),
				     VCASE(areas_end_with_ram, 0),
				     VCASE(areas_overlap, 0),
				     VCASE(two_queues_in_one_place, 0),
				     VCASE(queue_size_is_wrong, VCASE_LIVE),
				     VCASE(queue_size_is_no_power_of_two, 0),
				     VCASE(ready_twice, VCASE_LIVE),
				     VCASE(ready_is_an_odd_value, 0),
				     VCASE(areas_change_while_ready, VCASE_LIVE),
				     VCASE(unready_while_live, VCASE_LIVE),
				     VCASE(absent_queues, VCASE_LIVE | VCASE_ONCE),
				     {}};
