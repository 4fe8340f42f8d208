/* SPDX-License-Identifier: Apache-2.0 */
/* The reset of one queue, at the wrong time and with wrong values: virtio 1.2, sections 2.6.1 and 4.2.2. */
#include "tests/wire/virtio_hostile.h"
#include "base/clock.h"
#include <string.h>

static bool open_it(struct vrig *v)
{
	vrig_open_with(v, DRV_F_RING_RESET);
	return v->d.features & DRV_F_RING_RESET;
}

static bool queue_is_down(void *arg)
{
	return !drv_r32(arg, DRV_QUEUE_READY);
}

/* Resets the target's queue; false: it does not go down. */
static bool queue_reset(struct vrig *v)
{
	drv_w32(&v->d, DRV_QUEUE_SEL, v->target->queue);
	drv_w32(&v->d, DRV_QUEUE_RESET, 1);
	return vrig_wait(v, queue_is_down, &v->d);
}

/* A new copy of memory, in which only the rings of the other queues may change. */
static void freeze_but_others(struct vrig *v)
{
	vrig_thaw(v);
	for (unsigned i = 0; i < v->nq; i++) {
		const struct drv_queue *q = &v->q[i];
		if (i == v->target->queue)
			continue;
		vrig_may(v, q->device.gpa, q->device.bytes);
		if (q->packed)
			vrig_may(v, q->desc.gpa, q->desc.bytes);
	}
	vrig_freeze(v);
}

static unsigned fill(struct vrig *v, struct drv_queue *q)
{
	struct drv_seg seg[VRIG_SEGS];
	unsigned n = v->target->request(v, seg), count = 0;
	while (count < 100 && drv_add(q, seg, n) >= 0)
		count++;
	return count;
}

/* 2.6.1: after it, the device does not touch the queue or its buffers; the device goes on. */
static void queue_reset_in_the_midst(struct vrig *v)
{
	for (unsigned round = 0; round < 20; round++) {
		if (!open_it(v))
			return;
		struct drv_queue *q = vrig_q(v);
		uint64_t from = v->d.taken;
		fill(v, q);
		drv_notify(q);
		uint64_t until = clock_now_ns() + round * 5000ull;
		while (clock_now_ns() < until)
			;
		assert_true(queue_reset(v));
		/* Its rings and buffers are the driver's again. */
		memset(q->desc.at, 0xc5, q->desc.bytes);
		memset(q->driver.at, 0xc5, q->driver.bytes);
		memset(q->device.at, 0xc5, q->device.bytes);
		memset(v->d.ram + from, 0xc5, v->d.taken - from);
		freeze_but_others(v);
		drv_notify(q);
		vrig_settle(v);
		vrig_settle(v);
		vrig_intact(v);
		assert_false(drv_broken(&v->d));
		assert_int_equal(drv_r32(&v->d, DRV_STATUS), 15);
		/* And again, elsewhere and smaller. */
		vrig_thaw(v);
		assert_true(drv_queue_setup(&v->d, q, v->target->queue, 16));
		if (v->target->prepare)
			v->target->prepare(v);
		vrig_request(v);
	}
}

static void queue_reset_of_absent_queues(struct vrig *v)
{
	static const uint32_t sel[] = {17, 63, 64, 255, 65535, 65536, 0x80000000, 0xffffffff};
	if (!open_it(v))
		return;
	for (unsigned i = 0; i < sizeof(sel) / sizeof(sel[0]); i++) {
		drv_w32(&v->d, DRV_QUEUE_SEL, sel[i]);
		drv_w32(&v->d, DRV_QUEUE_RESET, 1);
		(void)drv_r32(&v->d, DRV_QUEUE_RESET);
		drv_w32(&v->d, DRV_QUEUE_RESET, 0);
	}
	assert_true(vrig_is_alive(v));
	if (!drv_broken(&v->d))
		vrig_request(v);
}

static void queue_reset_with_odd_values(struct vrig *v)
{
	static const uint32_t value[] = {0, 2, 0x80000000, 0xffffffff, 0xfffffffe};
	for (unsigned i = 0; i < sizeof(value) / sizeof(value[0]); i++) {
		if (!open_it(v))
			return;
		vrig_request(v);
		drv_w32(&v->d, DRV_QUEUE_SEL, v->target->queue);
		drv_w32(&v->d, DRV_QUEUE_RESET, value[i]);
		assert_in_range(drv_r32(&v->d, DRV_QUEUE_RESET), 0, 1);
		vrig_settle(v);
		assert_true(vrig_is_alive(v));
		if (drv_r32(&v->d, DRV_QUEUE_READY) && !drv_broken(&v->d))
			vrig_request(v);
	}
}

static void queue_reset_again_and_again(struct vrig *v)
{
	if (!open_it(v))
		return;
	for (unsigned i = 0; i < 50; i++)
		assert_true(queue_reset(v));
	assert_true(drv_queue_setup(&v->d, vrig_q(v), v->target->queue, 64));
	if (v->target->prepare)
		v->target->prepare(v);
	vrig_request(v);
}

static void queue_reset_before_driver_ok(struct vrig *v)
{
	const struct vtarget *old = v->target;
	struct vtarget t = *old;
	t.features |= DRV_F_RING_RESET;
	v->target = &t;
	vrig_negotiate(v);
	v->target = old;
	(void)queue_reset(v);
	vrig_queues(v, 64);
	(void)queue_reset(v);
	drv_go(&v->d);
	vrig_freeze(v);
	drv_notify(vrig_q(v));
	vrig_settle(v);
	assert_true(vrig_is_alive(v));
	vrig_intact(v);
}

/* A queue that broke the device: its own reset is not the device's. */
static void queue_reset_when_broken(struct vrig *v)
{
	if (!open_it(v))
		return;
	struct drv_seg bad = {0, 16, v->target->shape == VSHAPE_IN ? DRV_WRITE : 0};
	vrig_add(v, vrig_q(v), &bad, 1);
	vrig_expect(v, vrig_q(v), VEND_BROKEN);
	drv_w32(&v->d, DRV_QUEUE_SEL, v->target->queue);
	drv_w32(&v->d, DRV_QUEUE_RESET, 1);
	vrig_settle(v);
	assert_true(drv_broken(&v->d));
	assert_true(vrig_is_alive(v));
}

/* Ready again with areas that are no good. */
static void queue_ready_again_with_bad_areas(struct vrig *v)
{
	const uint64_t bad[] = {0, vrig_end(v), vrig_end(v) - 16, v->d.gpa + 8, 0ull - 16};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (!open_it(v))
			return;
		assert_true(queue_reset(v));
		struct drv_queue *q = vrig_q(v);
		q->desc.gpa = bad[i];
		freeze_but_others(v);
		drv_queue_tell(q, 1);
		bool ready = drv_r32(&v->d, DRV_QUEUE_READY);
		drv_notify(q);
		vrig_settle(v);
		assert_true(!ready || drv_broken(&v->d));
		assert_true(vrig_is_alive(v));
		vrig_intact(v);
	}
}

const struct vcase vcases_qreset[] = {
	VCASE(queue_reset_in_the_midst, 0),	    VCASE(queue_reset_of_absent_queues, VCASE_ONCE),
	VCASE(queue_reset_with_odd_values, 0),	    VCASE(queue_reset_again_and_again, 0),
	VCASE(queue_reset_before_driver_ok, 0),	    VCASE(queue_reset_when_broken, 0),
	VCASE(queue_ready_again_with_bad_areas, 0), {}};
