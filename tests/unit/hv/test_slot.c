/* SPDX-License-Identifier: Apache-2.0 */
/* The core's side of a port against a consumer thread: ways, order, lines, several vCPUs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <poll.h>
#include "slot_rig.h"

static void each_way_is_taken_and_counted(void **state)
{
	(void)state;
	struct rig r;
	rig_make(&r, POLICY_ONES);
	rig_start(&r, MINI_GOOD);
	wr(&r, 3, 0x11223344);
	assert_int_equal(rd(&r, 3, 4), 0x11223344);
	assert_int_equal(rd(&r, 3, 2), 0x3344); /* masked to the width */
	assert_int_equal(counters(&r)->reads_forwarded, 2);
	assert_int_equal(counters(&r)->writes_forwarded, 1);
	wr(&r, 0, 4);
	assert_int_equal(counters(&r)->writes_posted, 1);
	wr(&r, 1, 0x55);
	assert_int_equal(rd(&r, 1, 4), 0x55);
	assert_int_equal(counters(&r)->reads_shadow, 1);
	uint64_t served = r.mp.served;
	wr(&r, 2, 9);
	assert_int_equal(r.mp.served, served);
	assert_int_equal(rd(&r, 5, 4), 0);
	rig_end(&r);
}

static void access_across_a_register_is_forwarded(void **state)
{
	(void)state;
	struct rig r;
	uint64_t v = 0;
	rig_make(&r, POLICY_ONES);
	rig_start(&r, MINI_GOOD);
	/* Two bytes at 3: beyond the end of register 0, whose writes are posted. */
	assert_int_equal(slot_access(r.slot, &r.range, 0, &r.stop, 3, 2, true, &v), ACCESS_OK);
	assert_int_equal(counters(&r)->writes_posted, 0);
	assert_int_equal(counters(&r)->writes_forwarded, 1);
	/* An unaligned read of a shadow register. */
	assert_int_equal(slot_access(r.slot, &r.range, 0, &r.stop, 5, 2, false, &v), ACCESS_OK);
	assert_int_equal(counters(&r)->reads_shadow, 0);
	rig_end(&r);
}

static void shadow_read_waits_for_posted_writes_unless_waived(void **state)
{
	(void)state;
	struct rig r;
	rig_make(&r, POLICY_ONES);
	r.slot->cfg.deadline_ns = SHORT_NS;
	rig_start(&r, MINI_MUTE); /* posted writes stay in the ring */
	assert_int_equal(rd(&r, 1, 4), 0);
	assert_int_equal(counters(&r)->reads_shadow, 1); /* nothing is pending */
	wr(&r, 0, 4);
	assert_int_equal(rd(&r, 4, 4), 0); /* NOWAIT: at once */
	assert_int_equal(counters(&r)->reads_shadow, 2);
	assert_int_equal(rd(&r, 1, 4), 0xffffffff); /* asks the daemon, which is mute */
	assert_int_equal(counters(&r)->reads_shadow, 2);
	assert_int_equal(counters(&r)->reads_forwarded, 1);
	r.mp.mode = MINI_GOOD;
	while (!port_served(&r.slot->pp, r.slot->pp.tail))
		poll(NULL, 0, 1);
	assert_int_equal(rd(&r, 1, 4), 0);
	assert_int_equal(counters(&r)->reads_shadow, 3);
	rig_end(&r);
}

static void a_shadow_read_that_would_act_is_forwarded(void **state)
{
	(void)state;
	struct rig r;
	uint64_t v = 0;
	rig_make(&r, POLICY_ONES);
	r.rules[4] = bus_rule_guard(r.rules[4], 0x1e);
	rig_start(&r, MINI_GOOD);
	wr(&r, 1, 0x61);
	assert_int_equal(rd(&r, 1, 4), 0x61);
	assert_int_equal(rd(&r, 1, 1), 0x61);
	assert_int_equal(counters(&r)->reads_shadow, 2);
	wr(&r, 1, 0x69);
	assert_false(slot_access_now(r.slot, &r.range, 0, 4, 4, false, &v));
	assert_int_equal(v, 0);
	assert_int_equal(rd(&r, 1, 4), 0x69);
	assert_int_equal(counters(&r)->reads_shadow, 2);
	assert_int_equal(counters(&r)->reads_forwarded, 1);
	wr(&r, 1, 0x1e00); /* of the low byte */
	assert_int_equal(rd(&r, 1, 4), 0x1e00);
	assert_int_equal(counters(&r)->reads_shadow, 3);
	rig_end(&r);
}

static void posted_write_is_served_before_a_later_read(void **state)
{
	(void)state;
	struct rig r;
	rig_make(&r, POLICY_ONES);
	rig_start(&r, MINI_GOOD);
	for (uint64_t i = 0; i < 3000; i++) {
		wr(&r, 0, i << 4);
		assert_int_equal(rd(&r, 0, 4), i << 4);
	}
	rig_end(&r);
}

static void full_ring_waits_and_loses_nothing(void **state)
{
	(void)state;
	struct rig r;
	rig_make(&r, POLICY_ONES);
	rig_start(&r, MINI_GOOD);
	for (uint64_t i = 0; i < 20 * PORT_RING_ENTRIES; i++)
		wr(&r, 0, i << 4);
	assert_int_equal(rd(&r, 0, 4), (20ull * PORT_RING_ENTRIES - 1) << 4);
	assert_int_equal(r.mp.served, 20 * PORT_RING_ENTRIES + 1);
	assert_int_equal(counters(&r)->policy_answers, 0);
	rig_end(&r);
}

static void doorbell_and_acknowledge_need_no_answer(void **state)
{
	(void)state;
	struct rig r;
	struct port_consumer pc;
	uint64_t v;
	rig_make(&r, POLICY_ONES);
	rig_rule(&r, 0, BUS_READ_FORWARD, BUS_WRITE_DOORBELL);
	rig_rule(&r, 1, BUS_READ_PENDING, BUS_WRITE_ACK);
	/* No consumer thread: whoever waited for an answer would wait for ever. */
	uint32_t epoch = slot_attach(r.slot);
	assert_int_equal(slot_serve(r.slot), 0);
	assert_int_equal(port_attach(&pc, r.slot->pp.port, r.slot->port_bytes, epoch, UINT64_MAX),
			 0);
	wr(&r, 0, 5);
	wr(&r, 0, 5);
	v = 7;
	assert_true(slot_access_now(r.slot, &r.range, 0, 0, 4, true, &v));
	assert_true(port_doorbells_take(&pc) == (1u << 5 | 1u << 7));
	/* To a sleeper it is a system call: not on the spot, but by the long way, which kicks. */
	assert_true(port_sleep_begin(&pc, false));
	assert_false(slot_access_now(r.slot, &r.range, 0, 0, 4, true, &v));
	wr(&r, 0, 1);
	assert_int_equal(counters(&r)->wakes_sent, 1);
	port_sleep_end(&pc);
	assert_true(port_doorbells_take(&pc) == 2);
	/* There is no doorbell 64: on the spot nothing happens, the daemon is to see it as a write. */
	v = 64;
	assert_false(slot_access_now(r.slot, &r.range, 0, 0, 4, true, &v));

	assert_true(port_line_event(&pc, 0, 3));
	assert_true(slot_access_now(r.slot, &r.range, 0, 4, 4, false, &v));
	assert_int_equal(v, 3);
	assert_int_equal(r.level, 1); /* the line was sampled before the guest saw the value */
	v = 1;
	assert_true(slot_access_now(r.slot, &r.range, 0, 4, 4, true, &v));
	assert_int_equal(rd(&r, 1, 4), 2);
	assert_int_equal(r.level, 1);
	wr(&r, 1, 2);
	assert_int_equal(rd(&r, 1, 4), 0);
	assert_int_equal(r.level, 0);
	assert_int_equal(counters(&r)->reads_forwarded + counters(&r)->writes_forwarded, 0);
	slot_destroy(r.slot);
}

static void line_changes_arrive_with_the_answer(void **state)
{
	(void)state;
	struct rig r;
	rig_make(&r, POLICY_ONES);
	rig_rule(&r, 0, BUS_READ_FORWARD, BUS_WRITE_FORWARD);
	rig_start(&r, MINI_GOOD);
	wr(&r, 0, 1);
	assert_int_equal(r.level, 1);
	wr(&r, 0, 1);
	assert_int_equal(r.level_calls, 1);
	wr(&r, 0, 0);
	assert_int_equal(r.level, 0);
	for (int i = 0; i < 100; i++)
		wr(&r, 0, 2);
	assert_int_equal(r.pulses, 100); /* none lost, none doubled */
	slot_lines_sample(r.slot);
	assert_int_equal(r.pulses, 100);
	assert_false(port_lines_unseen(&r.mp.pc));
	rig_end(&r);
}

static void line_keeps_its_level_when_the_daemon_dies(void **state)
{
	(void)state;
	struct rig r;
	rig_make(&r, POLICY_ONES);
	rig_rule(&r, 0, BUS_READ_FORWARD, BUS_WRITE_FORWARD);
	rig_start(&r, MINI_GOOD);
	wr(&r, 0, 1);
	slot_fail(r.slot, SLOT_DEAD, "gone");
	atomic_store(&r.slot->pp.port->line[0].word, PORT_LINE_LOW);
	atomic_fetch_add(&r.slot->pp.port->consumer.lines_gen, 1);
	slot_lines_sample(r.slot);
	assert_int_equal(r.level, 1);
	assert_int_equal(r.level_calls, 1);
	rig_end(&r);
}

static void *second_vcpu(void *arg)
{
	struct rig *r = arg;
	for (uint64_t i = 0; i < 4000; i++) {
		uint64_t v = i;
		slot_access(r->slot, &r->range, 1, &r->stop, 24, 4, true, &v);
		v = 0;
		slot_access(r->slot, &r->range, 1, &r->stop, 24, 4, false, &v);
		if (v != i)
			return r; /* asserts belong to the main thread */
		slot_lines_sample(r->slot);
	}
	return NULL;
}

static void two_vcpus_do_not_mix_their_answers(void **state)
{
	(void)state;
	struct rig r;
	pthread_t t;
	rig_make(&r, POLICY_ONES);
	rig_start(&r, MINI_GOOD);
	assert_int_equal(pthread_create(&t, NULL, second_vcpu, &r), 0);
	for (uint64_t i = 0; i < 4000; i++) {
		wr(&r, 0, (i & 1) | (i & 2)); /* line and pulses under way as well */
		wr(&r, 3, i);
		assert_int_equal(rd(&r, 3, 4), i);
	}
	void *wrong = NULL;
	pthread_join(t, &wrong);
	assert_null(wrong);
	slot_lines_sample(r.slot);
	assert_int_equal(r.level, 1);
	assert_true(r.pulses > 0 && r.pulses <= 2000);
	rig_end(&r);
}

static void sleeping_daemon_is_woken(void **state)
{
	(void)state;
	for (int local = 0; local < 2; local++) {
		struct rig r;
		rig_make(&r, POLICY_ONES);
		r.mp.never_spin = true;
		rig_start(&r, local ? MINI_LOCAL : MINI_GOOD);
		for (uint64_t i = 0; i < 300; i++) {
			wr(&r, 3, i);
			assert_int_equal(rd(&r, 3, 4), i);
		}
		assert_true(counters(&r)->wakes_sent > 0);
		assert_int_equal(counters(&r)->deadline_misses, 0);
		assert_true(r.slot->pp.port->producer.last_core != 0);
		rig_end(&r);
	}
}

static void reset_reaches_the_daemon(void **state)
{
	(void)state;
	struct rig r;
	rig_make(&r, POLICY_ONES);
	rig_start(&r, MINI_GOOD);
	wr(&r, 3, 9);
	assert_int_equal(slot_reset(r.slot, 0, &r.stop), ACCESS_OK);
	assert_int_equal(r.mp.resets, 1);
	assert_int_equal(rd(&r, 3, 4), 0);
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_way_is_taken_and_counted),
		cmocka_unit_test(doorbell_and_acknowledge_need_no_answer),
		cmocka_unit_test(access_across_a_register_is_forwarded),
		cmocka_unit_test(shadow_read_waits_for_posted_writes_unless_waived),
		cmocka_unit_test(a_shadow_read_that_would_act_is_forwarded),
		cmocka_unit_test(posted_write_is_served_before_a_later_read),
		cmocka_unit_test(full_ring_waits_and_loses_nothing),
		cmocka_unit_test(line_changes_arrive_with_the_answer),
		cmocka_unit_test(line_keeps_its_level_when_the_daemon_dies),
		cmocka_unit_test(two_vcpus_do_not_mix_their_answers),
		cmocka_unit_test(sleeping_daemon_is_woken),
		cmocka_unit_test(reset_reaches_the_daemon),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
