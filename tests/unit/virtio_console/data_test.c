/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes: both ways, in order, with back-pressure; the configuration and emergency writes. */
#include "tests/unit/virtio_console/rig.h"
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"

#define EMERG_WR (DRV_CONFIG + 8)
#define BIG 40000u

static void fill(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = rig_pattern(i);
}

static void one_port_has_a_size_and_no_multiport(void **state)
{
	struct rig *r = rig_open((const char *const[]){"size", "132x50", NULL},
				 rig_layout(state) | CON_F_SIZE | CON_F_EMERG_WRITE, 2);
	assert_int_equal(drv_r32(&r->d, DRV_DEVICE_ID), 3);
	assert_int_equal(r->d.offered & 7, CON_F_SIZE | CON_F_EMERG_WRITE);
	assert_int_equal(drv_config(&r->d, 0, 2), 132);
	assert_int_equal(drv_config(&r->d, 2, 2), 50);
	assert_int_equal(drv_config(&r->d, 4, 4), 1);
	drv_w32(&r->d, DRV_QUEUE_SEL, 2);
	assert_int_equal(drv_r32(&r->d, DRV_QUEUE_NUM_MAX), 0);
	rig_close(r);
}

static void emergency_writes_leave_before_a_driver_is_there(void **state)
{
	struct rig *r = rig_open(NULL, rig_layout(state), 2);
	char out[8] = {0};
	assert_true(drv_reset(&r->d));
	drv_w32(&r->d, EMERG_WR, 0x11223300u | 'H');
	dmt_write(r->t, EMERG_WR, 2, 0x5500u | 'i');
	dmt_write(r->t, EMERG_WR, 1, '!');
	assert_int_equal(rig_output(r, 0, out, sizeof(out)), 3);
	assert_string_equal(out, "Hi!");
	assert_int_equal(rig_errors(r), 0);
	dmt_write(r->t, EMERG_WR + 1, 1, 'x');
	dmt_write(r->t, DRV_CONFIG, 2, 0xffff);
	assert_int_equal(rig_output(r, 0, out, sizeof(out)), 0);
	assert_int_equal(rig_errors(r), 2);
	assert_int_equal(drv_config(&r->d, 0, 2), 80);
	rig_close(r);
}

static void transmitted_bytes_leave_in_order(void **state)
{
	struct rig *r = rig_open(NULL, rig_layout(state), 2);
	char out[64] = {0};
	rig_send(r, 1, "Hello, ", 7, 1);
	rig_send(r, 1, "scattered ", 10, 3);
	rig_send(r, 1, "", 0, 1);
	rig_send(r, 1, "world\n", 6, 2);
	drv_kick(&r->q[1]);
	assert_int_equal(rig_reap(r, 1), 4);
	assert_int_equal(rig_output(r, 0, out, sizeof(out)), 23);
	assert_string_equal(out, "Hello, scattered world\n");
	assert_int_equal(r->t->counts[DM_COUNT_OUT_BYTES], 23);
	rig_close(r);
}

static void a_driver_that_spins_gets_no_interrupt(void **state)
{
	struct rig *r = rig_open(NULL, rig_layout(state), 2);
	drv_interrupts(&r->q[1], true);
	rig_send(r, 1, "polled", 6, 1);
	drv_kick(&r->q[1]);
	assert_int_equal(rig_reap(r, 1), 1);
	drv_interrupts(&r->q[1], true);
	dmt_advance(r->t, 10 * CON_SIGNAL_NS);
	assert_false(dmt_line(r->t, 0));
	rig_send(r, 1, "slept", 5, 1);
	drv_kick(&r->q[1]);
	assert_false(dmt_line(r->t, 0));
	dmt_advance(r->t, CON_SIGNAL_NS);
	assert_true(dmt_line(r->t, 0));
	assert_int_equal(rig_reap(r, 1), 1);
	rig_close(r);
}

/* Without EVENT_IDX the ring does not say what the driver has seen. */
static void a_driver_that_goes_on_sending_is_told_at_times(void **state)
{
	struct rig *r = rig_open(NULL, rig_layout(state) & ~DRV_F_EVENT_IDX, 2);
	for (unsigned i = 0; i < 15; i++) { /* less than half of the ring's 32 entries */
		rig_send(r, 1, "x", 1, 1);
		drv_kick(&r->q[1]);
		assert_int_equal(rig_reap(r, 1), 1);
		dmt_advance(r->t, CON_SIGNAL_NS / 4);
		assert_false(dmt_line(r->t, 0));
	}
	dmt_advance(r->t, CON_SIGNAL_NS * 3 / 4);
	assert_true(dmt_line(r->t, 0));
	dmt_ack(r->t, 0, ~0u);
	dmt_advance(r->t, 100 * CON_SIGNAL_NS);
	assert_false(dmt_line(r->t, 0));
	for (unsigned i = 0; i < 16; i++)
		rig_send(r, 1, "x", 1, 1);
	drv_kick(&r->q[1]);
	assert_true(dmt_line(r->t, 0));
	rig_close(r);
}

static void a_slow_host_holds_buffers_back(void **state)
{
	struct rig *r = rig_open(NULL, rig_layout(state), 2);
	uint8_t want[30 * 400], got[sizeof(want) + 1];
	fill(want, sizeof(want));
	for (unsigned i = 0; i < 30; i++)
		assert_true(rig_send(r, 1, want + 400 * i, 400, 1) >= 0);
	drv_kick(&r->q[1]);
	unsigned back = rig_reap(r, 1);
	assert_true(back >= 7 && back <= 10); /* DM_OUT_SOFT is 3072 */
	size_t n = rig_output(r, 0, got, 1000);
	assert_int_equal(n, 1000);
	assert_int_equal(rig_reap(r, 1), 0); /* still over DM_OUT_RESUME */
	while (n < sizeof(want)) {
		size_t more = rig_output(r, 0, got + n, 700);
		assert_true(more > 0);
		n += more;
		back += rig_reap(r, 1);
	}
	assert_int_equal(rig_output(r, 0, got + n, 1), 0);
	assert_int_equal(back, 30);
	assert_memory_equal(got, want, sizeof(want));
	assert_int_equal(r->t->dm->hdr->lost_out, 0);
	rig_close(r);
}

static void a_chain_longer_than_the_out_queue_goes_in_parts(void **state)
{
	struct rig *r = rig_open(NULL, rig_layout(state), 2);
	uint8_t *want = malloc(BIG), *got = malloc(BIG + 6);
	fill(want, BIG);
	rig_send(r, 1, want, BIG, 8);
	rig_send(r, 1, "after", 5, 1);
	drv_kick(&r->q[1]);
	size_t n = 0, more;
	assert_int_equal(rig_reap(r, 1), 0);
	while ((more = rig_output(r, 0, got + n, BIG + 6 - n < 999 ? BIG + 6 - n : 999))) {
		n += more;
		if (n < BIG - DM_OUT_BYTES)
			assert_int_equal(rig_reap(r, 1), 0);
	}
	assert_int_equal(n, BIG + 5);
	assert_int_equal(rig_reap(r, 1), 2);
	assert_memory_equal(got, want, BIG);
	assert_memory_equal(got + BIG, "after", 5);
	free(want);
	free(got);
	rig_close(r);
}

static void a_reset_forgets_how_far_a_chain_had_gone(void **state)
{
	struct rig *r = rig_open(NULL, rig_layout(state), 2);
	uint8_t *bytes = calloc(1, BIG);
	char out[DM_OUT_BYTES];
	rig_send(r, 1, bytes, BIG, 1);
	drv_kick(&r->q[1]);
	assert_int_equal(rig_reap(r, 1), 0);
	rig_negotiate(r, rig_layout(state), 2);
	while (rig_output(r, 0, out, sizeof(out)))
		;
	rig_send(r, 1, "new", 3, 1);
	drv_kick(&r->q[1]);
	assert_int_equal(rig_reap(r, 1), 1);
	assert_int_equal(rig_output(r, 0, out, sizeof(out)), 3);
	assert_memory_equal(out, "new", 3);
	free(bytes);
	rig_close(r);
}

static void input_waits_for_buffers(void **state)
{
	struct rig *r = rig_open(NULL, rig_layout(state), 2);
	uint8_t want[1000], got[1000];
	const uint8_t *p;
	size_t n = 0;
	fill(want, sizeof(want));
	assert_int_equal(rig_input(r, 0, want, sizeof(want)), 0);
	while (n < sizeof(want)) {
		rig_post(r, 0, 64);
		rig_post(r, 0, 1);
		drv_interrupts(&r->q[0], true);
		drv_kick(&r->q[0]);
		size_t taken = rig_input(r, 0, want + n, sizeof(want) - n), seen = 0;
		assert_int_equal(taken, sizeof(want) - n < 65 ? sizeof(want) - n : 65);
		assert_true(dmt_line(r->t, 0));
		dmt_ack(r->t, 0, VIRTIO_INT_USED);
		for (int len; (len = rig_take(r, 0, &p)) >= 0; seen += (size_t)len)
			memcpy(got + n + seen, p, (size_t)len);
		assert_int_equal(seen, taken);
		n += taken;
	}
	assert_memory_equal(got, want, sizeof(want));
	assert_int_equal(r->t->counts[DM_COUNT_IN_BYTES], sizeof(want));
	assert_int_equal(r->t->counts[DM_COUNT_DROPS], 0);
	rig_close(r);
}

static void many_small_buffers_take_a_long_input(void **state)
{
	struct rig *r = rig_open(NULL, rig_layout(state), 2);
	uint8_t want[30 * 3];
	const uint8_t *p;
	fill(want, sizeof(want));
	for (unsigned i = 0; i < 30; i++)
		rig_post(r, 0, 3);
	drv_kick(&r->q[0]);
	assert_int_equal(rig_input(r, 0, want, sizeof(want)), sizeof(want));
	for (unsigned i = 0; i < 30; i++) {
		assert_int_equal(rig_take(r, 0, &p), 3);
		assert_memory_equal(p, want + 3 * i, 3);
	}
	rig_close(r);
}

static void receive_buffers_without_room_come_back_empty(void **state)
{
	struct rig *r = rig_open(NULL, rig_layout(state), 2);
	const uint8_t *p;
	for (unsigned i = 0; i < 20; i++)
		rig_send(r, 0, "x", 1, 1);
	drv_kick(&r->q[0]);
	assert_int_equal(rig_reap(r, 0), 20);
	assert_int_equal(rig_errors(r), 20);
	assert_int_equal(rig_input(r, 0, "y", 1), 0);
	rig_post(r, 0, 8);
	drv_kick(&r->q[0]);
	assert_int_equal(rig_input(r, 0, "y", 1), 1);
	assert_int_equal(rig_take(r, 0, &p), 1);
	assert_int_equal(*p, 'y');
	assert_false(drv_broken(&r->d));
	rig_close(r);
}

/* 2.7.13: a driver must not touch a buffer that it has made available. */
static void a_buffer_that_shrinks_loses_bytes_and_nothing_else(void **state)
{
	struct rig *r = rig_open(NULL, rig_layout(state), 2);
	const uint8_t *p;
	rig_post(r, 0, 100);
	drv_kick(&r->q[0]);
	assert_int_equal(dm_input_room(r->t->dm, 0), 100);
	drv_desc(&r->q[0], 0)->len = 4;
	uint8_t bytes[100];
	fill(bytes, sizeof(bytes));
	assert_int_equal(rig_input(r, 0, bytes, sizeof(bytes)), 100);
	assert_int_equal(rig_take(r, 0, &p), 4);
	assert_memory_equal(p, bytes, 4);
	assert_int_equal(r->t->counts[DM_COUNT_DROPS], 96);
	rig_post(r, 0, 100);
	drv_kick(&r->q[0]);
	assert_int_equal(rig_input(r, 0, "ok", 2), 2);
	assert_int_equal(rig_take(r, 0, &p), 2);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_BOTH(one_port_has_a_size_and_no_multiport),
		RIG_BOTH(emergency_writes_leave_before_a_driver_is_there),
		RIG_BOTH(transmitted_bytes_leave_in_order),
		RIG_BOTH(a_driver_that_spins_gets_no_interrupt),
		RIG_BOTH(a_driver_that_goes_on_sending_is_told_at_times),
		RIG_BOTH(a_slow_host_holds_buffers_back),
		RIG_BOTH(a_chain_longer_than_the_out_queue_goes_in_parts),
		RIG_BOTH(a_reset_forgets_how_far_a_chain_had_gone),
		RIG_BOTH(input_waits_for_buffers),
		RIG_BOTH(many_small_buffers_take_a_long_input),
		RIG_BOTH(receive_buffers_without_room_come_back_empty),
		RIG_BOTH(a_buffer_that_shrinks_loses_bytes_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
