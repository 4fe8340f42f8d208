/* SPDX-License-Identifier: Apache-2.0 */
/* The entropy device: virtio 1.2, section 5.4. */
#include "devmodel/virtio/transport.h"
#include "tests/unit/virtio/tdriver.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

extern const struct dm_class dm_class_virtio_rng;

#define S 1000000000ull
#define ENTRIES 8u
#define ALL_FEATURES (VRING_F_VERSION_1 | VRING_F_IN_ORDER)

struct fix {
	struct dm_test *t;
	struct td d;
};

static void start(struct fix *f, const char *rate, uint64_t features)
{
	f->t = dmt_create(&dm_class_virtio_rng, (const char *const[]){"rate", rate, NULL});
	assert_true(td_negotiate(&f->d, f->t, features));
	td_queue(&f->d, 0, ENTRIES);
	td_ok(&f->d);
	dmt_work(f->t, 100);
}

static uint64_t layout(void **state)
{
	return ALL_FEATURES | (*state ? VRING_F_RING_PACKED | VRING_F_EVENT_IDX : 0);
}

/* Offers @len bytes and returns how many came; 0 also if the buffer is not back. */
static uint32_t ask(struct fix *f, uint32_t len)
{
	unsigned id;
	uint32_t n = 0;
	memset(dmt_at(f->t, TD_BUF(0, 0)), 0, len);
	td_add(&f->d, 0, TD_BUF(0, 0), 0, len);
	dmt_doorbell(f->t, 0);
	return td_used(&f->d, 0, &id, &n) ? n : 0;
}

static bool filled(struct fix *f, uint32_t from, uint32_t to)
{
	const uint8_t *p = dmt_at(f->t, TD_BUF(0, 0));
	unsigned zeroes = 0;
	for (uint32_t i = from; i < to; i++)
		zeroes += !p[i];
	return zeroes < (to - from) / 16 + 2;
}

static void it_is_an_entropy_device(void **state)
{
	struct fix f;
	start(&f, "0", layout(state));
	assert_int_equal(dmt_r32(f.t, R_DEVICE_ID), 4);
	dmt_w32(f.t, R_QUEUE_SEL, 0);
	assert_true(dmt_r32(f.t, R_QUEUE_NUM_MAX) >= 8);
	dmt_w32(f.t, R_QUEUE_SEL, 1);
	assert_int_equal(dmt_r32(f.t, R_QUEUE_NUM_MAX), 0);
	assert_true(td_offered(f.t) & VRING_F_IN_ORDER);
	for (unsigned i = 0; i < VIRTIO_CONFIG_BYTES; i += 8)
		assert_int_equal(dmt_read(f.t, R_CONFIG + i, 8), 0);
	dmt_destroy(f.t);
}

static void buffers_are_filled(void **state)
{
	struct fix f;
	start(&f, "0", layout(state));
	static const uint32_t sizes[] = {1, 8, 64, 4096, 65536};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(ask(&f, sizes[i]), sizes[i]);
		assert_true(filled(&f, 0, sizes[i]));
		assert_true(dmt_line(f.t, 0));
		dmt_ack(f.t, 0, VIRTIO_INT_USED);
	}
	assert_int_equal(f.t->counts[DM_COUNT_IN_BYTES], 1 + 8 + 64 + 4096 + 65536);
	assert_int_equal(f.t->counts[DM_COUNT_REQUESTS], 5);
	assert_int_equal(f.t->dm->guest_errors, 0);
	dmt_destroy(f.t);
}

static void a_huge_buffer_is_filled_in_part(void **state)
{
	struct fix f;
	start(&f, "0", layout(state));
	uint32_t n = ask(&f, 1u << 20);
	assert_true(n > 0 && n <= 65536);
	assert_true(filled(&f, 0, n));
	assert_int_equal(*(const uint8_t *)dmt_at(f.t, TD_BUF(0, 0) + n), 0);
	dmt_destroy(f.t);
}

static void buffers_come_back_in_order(void **state)
{
	struct fix f;
	unsigned ids[4], id;
	uint32_t len;
	start(&f, "0", layout(state));
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 4; i++)
			ids[i] = td_add(&f.d, 0, TD_BUF(0, i), 0, 16 + i);
		dmt_doorbell(f.t, 0);
		for (unsigned i = 0; i < 4; i++) {
			assert_true(td_used(&f.d, 0, &id, &len));
			assert_int_equal(id, ids[i]);
			assert_int_equal(len, 16 + i);
		}
	}
	dmt_destroy(f.t);
}

/* 5.4.6.1: the driver must not give device-readable buffers. */
static void readable_buffers_are_left_alone(void **state)
{
	struct fix f;
	unsigned id;
	uint32_t len;
	start(&f, "0", layout(state));
	memset(dmt_at(f.t, TD_BUF(0, 0)), 0, 96);
	td_add(&f.d, 0, TD_BUF(0, 0), 32, 64);
	dmt_doorbell(f.t, 0);
	assert_true(td_used(&f.d, 0, &id, &len));
	assert_int_equal(len, 64);
	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(*(const uint8_t *)dmt_at(f.t, TD_BUF(0, 0) + i), 0);
	assert_true(filled(&f, 32, 96));
	td_add(&f.d, 0, TD_BUF(0, 0), 32, 0);
	dmt_doorbell(f.t, 0);
	assert_true(td_used(&f.d, 0, &id, &len));
	assert_int_equal(len, 0);
	assert_int_equal(f.t->dm->guest_errors, 2);
	assert_int_equal(ask(&f, 8), 8); /* it lives */
	dmt_destroy(f.t);
}

/* ---- the rate -------------------------------------------------------------------------------------------- */

static void the_rate_is_kept(void **state)
{
	struct fix f;
	unsigned id;
	uint32_t len;
	uint64_t total = 0;
	start(&f, "1000", layout(state));
	assert_int_equal(ask(&f, 4096), 1000); /* a full bucket: one second's worth */
	for (unsigned i = 0; i < 4; i++)
		td_add(&f.d, 0, TD_BUF(0, i), 0, 256);
	dmt_doorbell(f.t, 0);
	assert_false(td_used(&f.d, 0, &id, &len));
	for (unsigned ms = 0; ms < 10000; ms += 5) {
		dmt_advance(f.t, S / 200);
		dmt_work(f.t, 100);
		while (td_used(&f.d, 0, &id, &len)) {
			total += len;
			assert_true(len > 0);
			td_add(&f.d, 0, TD_BUF(0, 0), 0, 256);
			if (td_wants_kick(&f.d, 0))
				dmt_doorbell(f.t, 0);
		}
		assert_true(total <= 1000u * (ms + 5) / 1000);
	}
	assert_true(total >= 9900);
	dmt_destroy(f.t);
}

/* Short buffers make Linux's driver wait for ever: there are none but those that the bucket cannot hold. */
static void buffers_are_filled_whole(void **state)
{
	struct fix f;
	unsigned id;
	uint32_t len;
	start(&f, "1", layout(state));
	assert_int_equal(ask(&f, 64), 64); /* a slow bucket holds one of Linux's buffers */
	assert_int_equal(ask(&f, 64), 0);
	dmt_advance(f.t, 64 * S - 1);
	dmt_work(f.t, 100);
	assert_false(td_used(&f.d, 0, &id, &len));
	dmt_advance(f.t, 1);
	dmt_work(f.t, 100);
	assert_true(td_used(&f.d, 0, &id, &len));
	assert_int_equal(len, 64);
	dmt_advance(f.t, 640 * S);
	assert_int_equal(ask(&f, 100), 64);
	dmt_destroy(f.t);
}

static void a_very_high_rate_does_not_overflow(void **state)
{
	struct fix f;
	start(&f, "8388608T", layout(state));
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(ask(&f, 65536), 65536);
	dmt_destroy(f.t);
}

static void a_reset_by_the_driver_does_not_fill_the_bucket(void **state)
{
	struct fix f;
	start(&f, "100", layout(state));
	assert_int_equal(ask(&f, 4096), 100);
	assert_true(td_negotiate(&f.d, f.t, layout(state)));
	td_queue(&f.d, 0, ENTRIES);
	td_ok(&f.d);
	assert_int_equal(ask(&f, 4096), 0);
	dmt_advance(f.t, S);
	dmt_work(f.t, 100);
	unsigned id;
	uint32_t len;
	assert_true(td_used(&f.d, 0, &id, &len));
	assert_int_equal(len, 100);
	dmt_destroy(f.t);
}

/* An idle device with an empty bucket wakes nobody for ever. */
static void an_idle_device_has_no_timer(void **state)
{
	struct fix f;
	start(&f, "100", layout(state));
	assert_int_equal(ask(&f, 100), 100);
	dmt_advance(f.t, 10 * S);
	dmt_work(f.t, 100);
	assert_int_equal(dm_timers_next(f.t->dm), UINT64_MAX);
	assert_true(td_wants_kick(&f.d, 0));
	dmt_destroy(f.t);
}

static void a_crash_loses_no_buffer_and_no_limit(void **state)
{
	struct fix f;
	unsigned id, n = 0;
	uint32_t len;
	uint64_t total = 0;
	start(&f, "1000", layout(state));
	for (unsigned round = 0; round < 8; round++) {
		for (unsigned i = 0; i < 3; i++)
			td_add(&f.d, 0, TD_BUF(0, i), 0, 100);
		dm_doorbell(f.t->dm, 0); /* killed before the commit */
		dmt_crash(f.t);
		for (unsigned ms = 0; ms < 1000; ms += 10) {
			dmt_advance(f.t, S / 100);
			dmt_work(f.t, 100);
		}
		for (; td_used(&f.d, 0, &id, &len); n++)
			total += len;
		assert_int_equal(n, 3 * (round + 1));
	}
	assert_int_equal(total, 8 * 300);
	dmt_destroy(f.t);
}

#define BOTH(f)                                                                                    \
	{#f " (split)", f, NULL, NULL, NULL},                                                      \
	{                                                                                          \
#f " (packed)", f, NULL, NULL, (void *)1                                           \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(it_is_an_entropy_device),
		BOTH(buffers_are_filled),
		BOTH(a_huge_buffer_is_filled_in_part),
		BOTH(buffers_come_back_in_order),
		BOTH(readable_buffers_are_left_alone),
		BOTH(the_rate_is_kept),
		BOTH(buffers_are_filled_whole),
		BOTH(a_very_high_rate_does_not_overflow),
		BOTH(a_reset_by_the_driver_does_not_fill_the_bucket),
		BOTH(an_idle_device_has_no_timer),
		BOTH(a_crash_loses_no_buffer_and_no_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
