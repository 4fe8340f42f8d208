/* SPDX-License-Identifier: Apache-2.0 */
/* The status machine: virtio 1.2, sections 2.1, 2.2, 2.4 and 3.1. */
#include "tests/unit/virtio/tdriver.h"
#include "tests/unit/virtio/tmodel.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define ACK VIRTIO_S_ACKNOWLEDGE
#define DRV VIRTIO_S_DRIVER
#define FOK VIRTIO_S_FEATURES_OK
#define DOK VIRTIO_S_DRIVER_OK
#define V1 VRING_F_VERSION_1

static int setup(void **state)
{
	*state = dmt_create(&dm_class_tmodel, NULL);
	return 0;
}

static int teardown(void **state)
{
	dmt_destroy(*state);
	return 0;
}

static uint32_t status(struct dm_test *t, uint32_t value)
{
	dmt_w32(t, R_STATUS, value);
	return dmt_r32(t, R_STATUS);
}

static void the_way_to_driver_ok(void **state)
{
	struct dm_test *t = *state;
	assert_int_equal(status(t, ACK), ACK);
	assert_int_equal(status(t, ACK | DRV), ACK | DRV);
	td_accept(t, V1 | TM_F_ONE);
	assert_int_equal(status(t, ACK | DRV | FOK), ACK | DRV | FOK);
	assert_true(virtio_has(t->dm->state, TM_F_ONE));
	assert_false(virtio_live(t->dm->state));
	assert_int_equal(tm_state(t->dm)->oks, 0);
	assert_int_equal(status(t, ACK | DRV | FOK | DOK), ACK | DRV | FOK | DOK);
	assert_int_equal(tm_state(t->dm)->oks, 1);
	assert_true(virtio_live(t->dm->state));
	assert_int_equal(t->dm->guest_errors, 0);
}

static void all_at_once_goes_too(void **state)
{
	struct dm_test *t = *state;
	td_accept(t, V1);
	assert_int_equal(status(t, ACK | DRV | FOK | DOK), ACK | DRV | FOK | DOK);
}

/* 2.1.1: the driver must not clear a bit; only a reset does. */
static void bits_are_not_cleared(void **state)
{
	struct dm_test *t = *state;
	struct td d;
	td_negotiate(&d, t, V1);
	td_ok(&d);
	static const uint32_t less[] = {ACK, DRV, FOK, DOK, ACK | DRV, ACK | DRV | FOK};
	for (size_t i = 0; i < sizeof(less) / sizeof(less[0]); i++) {
		assert_int_equal(status(t, less[i]), ACK | DRV | FOK | DOK);
		assert_int_equal(t->dm->guest_errors, i + 1);
	}
	assert_true(virtio_live(t->dm->state));
	assert_int_equal(tm_state(t->dm)->oks, 1);
}

static void unknown_bits_are_not_taken(void **state)
{
	struct dm_test *t = *state;
	assert_int_equal(status(t, 0xffffff00 | 0x30 | ACK), ACK);
	assert_int_equal(t->dm->guest_errors, 1);
	assert_int_equal(status(t, ACK | VIRTIO_S_NEEDS_RESET), ACK); /* the device's */
	assert_int_equal(t->dm->guest_errors, 2);
}

static void driver_before_acknowledge_is_counted(void **state)
{
	struct dm_test *t = *state;
	assert_int_equal(status(t, DRV), DRV);
	assert_int_equal(t->dm->guest_errors, 1);
}

static void features_ok_needs_driver(void **state)
{
	struct dm_test *t = *state;
	td_accept(t, V1);
	assert_int_equal(status(t, ACK | FOK), ACK);
	assert_int_equal(t->dm->guest_errors, 1);
	assert_int_equal(status(t, ACK | DRV | FOK), ACK | DRV | FOK);
}

static void driver_ok_needs_features_ok(void **state)
{
	struct dm_test *t = *state;
	td_accept(t, V1);
	assert_int_equal(status(t, ACK | DRV | DOK), ACK | DRV);
	assert_int_equal(t->dm->guest_errors, 1);
	assert_int_equal(tm_state(t->dm)->oks, 0);
	/* a refused FEATURES_OK in the same write */
	td_accept(t, TM_F_ONE);
	assert_int_equal(status(t, ACK | DRV | FOK | DOK), ACK | DRV);
	assert_false(virtio_live(t->dm->state));
}

/* ---- features --------------------------------------------------------------------------------------------- */

static void refused(struct dm_test *t, uint64_t features, unsigned errors)
{
	struct td d;
	uint64_t before = t->dm->guest_errors;
	assert_false(td_negotiate(&d, t, features));
	assert_int_equal(dmt_r32(t, R_STATUS), ACK | DRV);
	assert_int_equal(t->dm->guest_errors - before, errors);
	assert_int_equal(((struct virtio *)t->dm->state)->negotiated, 0);
}

/* 2.2.1: no feature that was not offered. */
static void features_that_are_not_offered_are_refused(void **state)
{
	struct dm_test *t = *state;
	uint64_t offered = td_offered(t);
	for (unsigned bit = 0; bit < 64; bit++)
		if (!(offered >> bit & 1))
			refused(t, V1 | 1ull << bit, 1);
}

/* 6.1: a driver that does not know version 1 does not get a device. */
static void version_1_is_required(void **state)
{
	refused(*state, TM_F_ONE, 1);
	refused(*state, 0, 1);
}

static void the_model_may_refuse(void **state)
{
	struct dm_test *t = *state;
	struct td d;
	refused(t, V1 | TM_F_BAD, 0);
	td_accept(t, V1 | TM_F_ONE); /* and the driver may think again */
	assert_int_equal(status(t, ACK | DRV | FOK), ACK | DRV | FOK);
	assert_true(td_negotiate(&d, t, V1));
}

/* 2.2.2, 3.1.1 step 5. */
static void features_are_fixed_by_features_ok(void **state)
{
	struct dm_test *t = *state;
	struct td d;
	td_negotiate(&d, t, V1);
	td_accept(t, V1 | TM_F_ONE);
	assert_int_equal(t->dm->guest_errors, 2); /* both words */
	td_ok(&d);
	assert_int_equal(((struct virtio *)t->dm->state)->negotiated, V1);
}

static void there_are_64_features(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, R_DRIVER_FEATURES_SEL, 2);
	dmt_w32(t, R_DRIVER_FEATURES, 0);
	assert_int_equal(t->dm->guest_errors, 0);
	dmt_w32(t, R_DRIVER_FEATURES, 1);
	assert_int_equal(t->dm->guest_errors, 1);
	assert_int_equal(((struct virtio *)t->dm->state)->written, 0);
}

/* ---- failed, reset -------------------------------------------------------------------------------------- */

static void failed_ends_it(void **state)
{
	struct dm_test *t = *state;
	struct td d;
	td_negotiate(&d, t, V1);
	td_queue(&d, 0, 8);
	td_ok(&d);
	assert_int_equal(status(t, ACK | DRV | FOK | DOK | VIRTIO_S_FAILED),
			 ACK | DRV | FOK | DOK | VIRTIO_S_FAILED);
	assert_false(virtio_live(t->dm->state));
	td_add(&d, 0, TD_BUF(0, 0), 8, 8);
	dmt_doorbell(t, 0);
	unsigned id;
	uint32_t len;
	assert_false(td_used(&d, 0, &id, &len));
	assert_int_equal(status(t, 0), 0);
}

static void nothing_goes_on_after_failed(void **state)
{
	struct dm_test *t = *state;
	status(t, ACK | DRV);
	td_accept(t, V1);
	status(t, ACK | DRV | VIRTIO_S_FAILED);
	assert_int_equal(status(t, ACK | DRV | FOK | DOK | VIRTIO_S_FAILED),
			 ACK | DRV | VIRTIO_S_FAILED);
	assert_int_equal(t->dm->guest_errors, 1);
}

static void expect_fresh(struct dm_test *t)
{
	assert_int_equal(dmt_r32(t, R_STATUS), 0);
	assert_int_equal(dmt_r32(t, R_INTERRUPT_STATUS), 0);
	assert_false(dmt_line(t, 0));
	for (unsigned q = 0; q < 4; q++) {
		dmt_w32(t, R_QUEUE_SEL, q);
		assert_int_equal(dmt_r32(t, R_QUEUE_READY), 0);
		assert_int_equal(dmt_r32(t, R_QUEUE_NUM_MAX), q == 2 ? 0 : TM_QUEUE_SIZE);
	}
	struct virtio *v = t->dm->state;
	assert_int_equal(v->negotiated | v->written | v->broken_queue | v->more | v->nfresh, 0);
	/* and it works again */
	struct td d;
	unsigned id;
	uint32_t len;
	assert_true(td_negotiate(&d, t, V1));
	td_queue(&d, 0, 8);
	td_ok(&d);
	td_add(&d, 0, TD_BUF(0, 0), 8, 8);
	dmt_doorbell(t, 0);
	assert_true(td_used(&d, 0, &id, &len));
	assert_int_equal(len, 8);
}

/* 2.4, 4.2.2.1: from every state. */
static void reset_in_every_state(void **state)
{
	struct dm_test *t = *state;
	struct td d = {.t = t};
	for (unsigned step = 0; step < 9; step++) {
		struct tmodel *s = t->dm->state;
		status(t, 0);
		uint32_t setups = s->setups, quiesces = s->quiesces;
		if (step >= 1)
			status(t, ACK);
		if (step >= 2)
			status(t, ACK | DRV);
		if (step >= 3)
			td_accept(t, V1 | TM_F_ONE);
		if (step >= 4)
			status(t, ACK | DRV | FOK);
		if (step >= 5) {
			td_queue(&d, 0, 8);
			td_queue(&d, 1, 8);
		}
		if (step >= 6)
			td_ok(&d);
		if (step >=
		    7) { /* with a buffer that the model keeps, and an interrupt that waits */
			td_add(&d, 1, TD_BUF(1, 0), 8, 8);
			dmt_doorbell(t, 1);
			assert_int_equal(s->nkept, 1);
			td_add(&d, 0, TD_BUF(0, 0), 8, 8);
			dmt_doorbell(t, 0);
			assert_true(dmt_line(t, 0));
		}
		if (step >= 8) { /* broken */
			td_break(&d, 0);
			dmt_doorbell(t, 0);
			assert_true(dmt_r32(t, R_STATUS) & VIRTIO_S_NEEDS_RESET);
		}
		assert_int_equal(status(t, 0), 0);
		assert_int_equal(s->setups, setups + 1);
		assert_int_equal(s->quiesces, quiesces + 1);
		assert_int_equal(s->quiesced, 0);
		assert_int_equal(s->nkept, 0);
		expect_fresh(t);
	}
}

static void the_vm_resets(void **state)
{
	struct dm_test *t = *state;
	struct td d;
	td_negotiate(&d, t, V1);
	td_queue(&d, 0, 8);
	td_ok(&d);
	td_add(&d, 0, TD_BUF(0, 0), 8, 8);
	dmt_doorbell(t, 0);
	assert_true(dmt_line(t, 0));
	dmt_reset(t);
	assert_int_equal(tm_state(t->dm)->quiesces, 1);
	expect_fresh(t);
}

/* After a reset nothing touches guest memory, whatever is rung. */
static void nothing_is_used_after_a_reset(void **state)
{
	struct dm_test *t = *state;
	struct td d;
	unsigned id;
	uint32_t len;
	td_negotiate(&d, t, V1);
	td_queue(&d, 0, 8);
	td_ok(&d);
	status(t, 0);
	td_add(&d, 0, TD_BUF(0, 0), 8, 8);
	dmt_doorbell(t, 0); /* may have been rung before the reset: no error of the driver's */
	assert_int_equal(t->dm->guest_errors, 0);
	dmt_doorbell(t, 0);
	assert_int_equal(t->dm->guest_errors, 1);
	assert_false(td_used(&d, 0, &id, &len));
	assert_int_equal(dmt_r32(t, R_INTERRUPT_STATUS), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_way_to_driver_ok),
		T(all_at_once_goes_too),
		T(bits_are_not_cleared),
		T(unknown_bits_are_not_taken),
		T(driver_before_acknowledge_is_counted),
		T(features_ok_needs_driver),
		T(driver_ok_needs_features_ok),
		T(features_that_are_not_offered_are_refused),
		T(version_1_is_required),
		T(the_model_may_refuse),
		T(features_are_fixed_by_features_ok),
		T(there_are_64_features),
		T(failed_ends_it),
		T(nothing_goes_on_after_failed),
		T(reset_in_every_state),
		T(the_vm_resets),
		T(nothing_is_used_after_a_reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
