/* SPDX-License-Identifier: Apache-2.0 */
/* Status, features and notifications in the wrong order or with wrong values: virtio 1.2, sections 2.1, 2.2, 3.1. */
#include "tests/wire/virtio_hostile.h"
#include <string.h>

#define S_ACK DRV_S_ACKNOWLEDGE
#define S_DRV (DRV_S_ACKNOWLEDGE | DRV_S_DRIVER)
#define S_FEAT (S_DRV | DRV_S_FEATURES_OK)
#define S_ALL (S_FEAT | DRV_S_DRIVER_OK)

static void notified_before_driver_ok(struct vrig *v)
{
	struct drv_queue *q;
	struct drv_seg seg[VRIG_SEGS];
	if (v->target->prepare)
		return;
	vrig_negotiate(v);
	vrig_queues(v, 64);
	q = vrig_q(v);
	unsigned n = v->target->request(v, seg), id;
	uint32_t len;
	vrig_add(v, q, seg, n);
	vrig_freeze(v);
	for (unsigned i = 0; i < 10; i++)
		drv_notify(q);
	vrig_settle(v);
	/* 2.1.2, 3.1.1: not before DRIVER_OK. */
	assert_false(drv_has_used(q));
	vrig_intact(v);
	if (drv_broken(&v->d))
		return;
	vrig_live(v);
	drv_notify(q);
	if (v->target->poke)
		v->target->poke(v);
	assert_true(drv_wait(q, &id, &len));
	v->target->answer(v, seg, n, len);
}

static void notified_for_absent_queues(struct vrig *v)
{
	static const uint32_t value[] = {17,	 31,	  62,	      63,	  64,
					 0xffff, 0x10000, 0x00010000, 0x80000000, 0xffffffff};
	vrig_freeze(v);
	for (unsigned i = 0; i < sizeof(value) / sizeof(value[0]); i++) {
		drv_w32(&v->d, DRV_QUEUE_NOTIFY, value[i]);
		vrig_raw_write(v, DRV_QUEUE_NOTIFY, 4, value[i]);
	}
	vrig_settle(v);
	vrig_intact(v);
	vrig_request(v);
}

static void notified_without_end(struct vrig *v)
{
	vrig_freeze(v);
	for (unsigned i = 0; i < 5000; i++)
		drv_w32(&v->d, DRV_QUEUE_NOTIFY, i % 4);
	vrig_settle(v);
	vrig_intact(v);
	vrig_request(v);
}

static void driver_ok_without_features_ok(struct vrig *v)
{
	struct drv_queue *q;
	struct drv_seg seg[VRIG_SEGS];
	assert_true(drv_reset(&v->d));
	vrig_thaw(v);
	v->nq = 0;
	drv_w32(&v->d, DRV_STATUS, S_ACK);
	drv_w32(&v->d, DRV_STATUS, S_DRV);
	drv_accept(&v->d, vrig_features(v) & drv_offered(&v->d));
	(void)drv_alloc(&v->d, 4096, 4096);
	vrig_queues(v, 64);
	q = vrig_q(v);
	unsigned n = v->target->request(v, seg);
	vrig_add(v, q, seg, n);
	vrig_freeze(v);
	drv_w32(&v->d, DRV_STATUS, S_DRV | DRV_S_DRIVER_OK);
	drv_notify(q);
	if (v->target->poke)
		v->target->poke(v);
	vrig_settle(v);
	assert_false(drv_has_used(q));
	assert_true(vrig_is_alive(v));
	vrig_intact(v);
}

static void status_in_one_step(struct vrig *v)
{
	/* All bits at once: features were not accepted yet, VERSION_1 is missing. */
	assert_true(drv_reset(&v->d));
	drv_w32(&v->d, DRV_STATUS, S_ALL);
	assert_false(drv_r32(&v->d, DRV_STATUS) & DRV_S_FEATURES_OK);
	assert_true(vrig_is_alive(v));
}

static void start_to(struct vrig *v, uint64_t features)
{
	assert_true(drv_reset(&v->d));
	drv_w32(&v->d, DRV_STATUS, S_ACK);
	drv_w32(&v->d, DRV_STATUS, S_DRV);
	drv_accept(&v->d, features);
	drv_w32(&v->d, DRV_STATUS, S_FEAT);
}

static void features_not_offered(struct vrig *v)
{
	uint64_t offered = drv_offered(&v->d);
	for (unsigned bit = 0; bit < 64; bit++) {
		if (offered >> bit & 1)
			continue;
		start_to(v, DRV_F_VERSION_1 | 1ull << bit);
		/* 2.2.2: it does not agree to what it cannot do. */
		if (drv_r32(&v->d, DRV_STATUS) & DRV_S_FEATURES_OK)
			fail_msg("feature %u was not offered and is accepted", bit);
	}
	start_to(v, ~0ull);
	assert_false(drv_r32(&v->d, DRV_STATUS) & DRV_S_FEATURES_OK);
}

static void version_1_not_accepted(struct vrig *v)
{
	/* 6.2: a device may refuse to go on; this one has no legacy interface to go on with. */
	start_to(v, 0);
	assert_false(drv_r32(&v->d, DRV_STATUS) & DRV_S_FEATURES_OK);
	start_to(v, drv_offered(&v->d) & ~DRV_F_VERSION_1);
	assert_false(drv_r32(&v->d, DRV_STATUS) & DRV_S_FEATURES_OK);
}

static void refused_features_can_be_corrected(struct vrig *v)
{
	start_to(v, ~0ull);
	assert_false(drv_r32(&v->d, DRV_STATUS) & DRV_S_FEATURES_OK);
	drv_accept(&v->d, DRV_F_VERSION_1);
	drv_w32(&v->d, DRV_STATUS, S_FEAT);
	assert_true(drv_r32(&v->d, DRV_STATUS) & DRV_S_FEATURES_OK);
}

static void features_written_by_odd_selectors(struct vrig *v)
{
	static const uint32_t sel[] = {2, 3, 31, 32, 0x7fffffff, 0x80000000, 0xffffffff};
	for (unsigned i = 0; i < sizeof(sel) / sizeof(sel[0]); i++) {
		drv_w32(&v->d, DRV_DEVICE_FEATURES_SEL, sel[i]);
		assert_int_equal(drv_r32(&v->d, DRV_DEVICE_FEATURES), 0);
		drv_w32(&v->d, DRV_DRIVER_FEATURES_SEL, sel[i]);
		drv_w32(&v->d, DRV_DRIVER_FEATURES, 0xffffffff);
	}
	assert_true(vrig_is_alive(v));
}

/* 2.2.1, 3.1.1 step 5: no more after FEATURES_OK. */
static void features_written_after_features_ok(struct vrig *v)
{
	drv_w32(&v->d, DRV_DRIVER_FEATURES_SEL, 0);
	drv_w32(&v->d, DRV_DRIVER_FEATURES, 0);
	drv_w32(&v->d, DRV_DRIVER_FEATURES_SEL, 1);
	drv_w32(&v->d, DRV_DRIVER_FEATURES, 0xffffffff);
	if (!drv_broken(&v->d))
		vrig_request(v); /* in the layout that was agreed on */
}

static void status_bits_cleared(struct vrig *v)
{
	static const uint32_t s[] = {S_FEAT, S_DRV, S_ACK, DRV_S_DRIVER_OK, DRV_S_FEATURES_OK, 2};
	for (unsigned i = 0; i < sizeof(s) / sizeof(s[0]); i++) {
		vrig_open(v);
		vrig_freeze(v);
		drv_w32(&v->d, DRV_STATUS, s[i]);
		drv_notify(vrig_q(v));
		vrig_settle(v);
		assert_true(vrig_is_alive(v));
		vrig_intact(v);
	}
}

static void status_has_odd_bits(struct vrig *v)
{
	static const uint32_t s[] = {0x10, 0x20,  0x40,	      0x80,	  0xc0,
				     0xff, 0x100, 0xffffff0f, 0xffffffff, 0x80000000};
	for (unsigned i = 0; i < sizeof(s) / sizeof(s[0]); i++) {
		vrig_open(v);
		drv_w32(&v->d, DRV_STATUS, s[i]);
		drv_w32(&v->d, DRV_STATUS, s[i] | S_ALL);
		drv_notify(vrig_q(v));
		vrig_settle(v);
		assert_true(vrig_is_alive(v));
		assert_true(drv_reset(&v->d));
		drv_w32(&v->d, DRV_STATUS, s[i]);
		drv_w32(&v->d, DRV_STATUS, 0);
		assert_int_equal(drv_r32(&v->d, DRV_STATUS), 0);
	}
}

static void failed_is_kept(struct vrig *v)
{
	drv_w32(&v->d, DRV_STATUS, S_ALL | DRV_S_FAILED);
	assert_true(drv_r32(&v->d, DRV_STATUS) & DRV_S_FAILED);
	vrig_settle(v);
	assert_true(vrig_is_alive(v));
}

static void reset_without_anything(struct vrig *v)
{
	for (unsigned i = 0; i < 200; i++) {
		drv_w32(&v->d, DRV_STATUS, 0);
		assert_int_equal(drv_r32(&v->d, DRV_STATUS), 0);
	}
}

/* 4.2.2.1 and 2.1.2: after a reset all queues are as new. */
static void reset_forgets_the_queues(struct vrig *v)
{
	vrig_request(v);
	assert_true(drv_reset(&v->d));
	for (unsigned i = 0; i < v->nq; i++) {
		drv_w32(&v->d, DRV_QUEUE_SEL, i);
		assert_int_equal(drv_r32(&v->d, DRV_QUEUE_READY), 0);
	}
	assert_int_equal(drv_r32(&v->d, DRV_INT_STATUS), 0);
}

/* A broken device does nothing but wait for its reset (2.1.2). */
static void broken_means_still(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	struct drv_seg bad = {0, 16, v->target->shape == VSHAPE_IN ? DRV_WRITE : 0};
	vrig_add(v, q, &bad, 1);
	vrig_expect(v, q, VEND_BROKEN);
	for (unsigned i = 0; i < v->nq; i++) {
		struct drv_seg seg[VRIG_SEGS];
		unsigned n = v->target->request(v, seg);
		vrig_add(v, &v->q[i], seg, n);
	}
	vrig_freeze(v);
	for (unsigned i = 0; i < v->nq; i++)
		drv_notify(&v->q[i]);
	vrig_settle(v);
	for (unsigned i = 0; i < v->nq; i++)
		assert_false(drv_has_used(&v->q[i]));
	/* Not even writing the status again brings it back. */
	drv_w32(&v->d, DRV_STATUS, S_ALL);
	drv_notify(q);
	vrig_settle(v);
	assert_true(drv_broken(&v->d));
	assert_false(drv_has_used(q));
	vrig_intact(v);
}

static void broken_a_hundred_times(struct vrig *v)
{
	for (unsigned i = 0; i < 100; i++) {
		struct drv_seg bad = {i, 16, v->target->shape == VSHAPE_IN ? DRV_WRITE : 0};
		vrig_open(v);
		vrig_add(v, vrig_q(v), &bad, 1);
		vrig_expect(v, vrig_q(v), VEND_BROKEN);
	}
}

const struct vcase vcases_status[] = {
	VCASE(notified_before_driver_ok, 0),
	VCASE(notified_for_absent_queues, VCASE_LIVE | VCASE_ONCE),
	VCASE(notified_without_end, VCASE_LIVE),
	VCASE(driver_ok_without_features_ok, 0),
	VCASE(status_in_one_step, VCASE_ONCE),
	VCASE(features_not_offered, VCASE_ONCE),
	VCASE(version_1_not_accepted, VCASE_ONCE),
	VCASE(refused_features_can_be_corrected, VCASE_ONCE),
	VCASE(features_written_by_odd_selectors, VCASE_LIVE | VCASE_ONCE),
	VCASE(features_written_after_features_ok, VCASE_LIVE),
	VCASE(status_bits_cleared, 0),
	VCASE(status_has_odd_bits, 0),
	VCASE(failed_is_kept, VCASE_LIVE | VCASE_ONCE),
	VCASE(reset_without_anything, VCASE_ONCE),
	VCASE(reset_forgets_the_queues, VCASE_LIVE),
	VCASE(broken_means_still, VCASE_LIVE),
	VCASE(broken_a_hundred_times, 0),
	{}};
