/* SPDX-License-Identifier: Apache-2.0 */
/* The core's side of a port against a consumer thread: ways, order, deadlines, nonsense, death, lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>
#include <string.h>
#include "base/bytes.h"
#include "base/clock.h"
#include "hv/slot.h"
#include "mini_daemon.h"

#define DEADLINE_NS 20000000000ull /* where a miss would be a failure: also on a busy machine */
#define SHORT_NS 60000000u	   /* where a miss is the point */

struct rig {
	struct slot *slot;
	struct mini_port mp;
	struct bus_range range;
	bus_rule_t rules[64];
	uint32_t irq;
	bool two_maps; /* races in the port are the point of the test: see mini_port.map */
	_Atomic uint32_t stop;
	/* what the slot told us */
	pthread_t vcpu_thread;
	_Atomic uint32_t level, level_calls, pulses, changes;
};

static void rig_line(void *opaque, unsigned irq, bool level)
{
	struct rig *r = opaque;
	assert_int_equal(irq, 7);
	atomic_store(&r->level, level);
	atomic_fetch_add(&r->level_calls, 1);
}

static void rig_pulse(void *opaque, unsigned irq)
{
	struct rig *r = opaque;
	assert_int_equal(irq, 7);
	atomic_fetch_add(&r->pulses, 1);
}

static void rig_changed(void *opaque)
{
	struct rig *r = opaque;
	atomic_fetch_add(&r->changes, 1);
}

static const struct slot_ops rig_ops = {rig_line, rig_pulse, rig_changed};

static void rig_rule(struct rig *r, unsigned reg, unsigned read_way, unsigned write_way)
{
	for (unsigned b = 0; b < 4; b++)
		r->rules[reg * 4 + b] = bus_rule_make(read_way, write_way, 7, 4 - b);
}

/* A slot whose daemon has not come yet. */
static void rig_make(struct rig *r, enum slot_policy policy)
{
	struct err err = {0};
	memset(r, 0, sizeof(*r));
	r->irq = 7;
	struct slot_config c = {
		.name = "dut",
		.vcpus = 2,
		.lines = 1,
		.irqs = &r->irq,
		.shadow_pages = 1,
		.deadline_ns = DEADLINE_NS,
		.policy = policy,
		.state_bytes = 64,
		.ops = &rig_ops,
		.opaque = r,
	};
	assert_int_equal(slot_create(&c, &r->slot, &err), 0);
	rig_rule(r, 0, BUS_READ_FORWARD, BUS_WRITE_POST);
	rig_rule(r, 1, BUS_READ_SHADOW, BUS_WRITE_FORWARD);
	rig_rule(r, 2, BUS_READ_FORWARD, BUS_WRITE_IGNORE);
	rig_rule(r, 4, BUS_READ_SHADOW_NOWAIT, BUS_WRITE_FORWARD);
	r->range = (struct bus_range){.space = BUS_MMIO,
				      .widths = 7,
				      .size = MINI_SIZE,
				      .owner = "dut",
				      .slot = r->slot,
				      .rules = r->rules,
				      .rules_len = ARRAY_LEN(r->rules)};
}

static void rig_start(struct rig *r, enum mini_mode mode)
{
	r->mp.mode = (int)mode;
	if (!r->two_maps)
		r->mp.map = r->slot->pp.port;
	uint32_t epoch = slot_attach(r->slot);
	mini_port_start(&r->mp, r->slot->port_fd, r->slot->kick_fd, r->slot->irq_fd, epoch);
	assert_int_equal(slot_serve(r->slot), 0);
}

static void rig_end(struct rig *r)
{
	mini_port_stop(&r->mp);
	assert_int_equal(SLOT_WORD_INFLIGHT(r->slot->word), 0);
	slot_destroy(r->slot);
}

static uint64_t rd(struct rig *r, unsigned reg, unsigned len)
{
	uint64_t v = 0;
	assert_int_equal(slot_access(r->slot, &r->range, 0, &r->stop, reg * 4, len, false, &v), ACCESS_OK);
	return v;
}

static void wr(struct rig *r, unsigned reg, uint64_t v)
{
	assert_int_equal(slot_access(r->slot, &r->range, 0, &r->stop, reg * 4, 4, true, &v), ACCESS_OK);
}

static struct port_counters *counters(struct rig *r)
{
	return &r->slot->pp.port->counters;
}

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

static void hung_daemon_is_answered_by_policy_and_heard_again(void **state)
{
	(void)state;
	struct rig r;
	rig_make(&r, POLICY_ONES);
	r.slot->cfg.deadline_ns = SHORT_NS;
	rig_start(&r, MINI_MUTE);
	uint64_t t0 = clock_now_ns();
	assert_int_equal(rd(&r, 3, 4), 0xffffffff);
	uint64_t took = clock_now_ns() - t0;
	assert_true(took >= SHORT_NS);
	t0 = clock_now_ns();
	for (int i = 0; i < 50; i++)
		assert_int_equal(rd(&r, 3, 2), 0xffff);
	for (int i = 0; i < 2000; i++)
		wr(&r, 0, 1);
	assert_true(clock_now_ns() - t0 < 50ull * SHORT_NS); /* one deadline, not one each */
	assert_int_equal(counters(&r)->deadline_misses, 1);
	assert_true(r.slot->silent_seq != 0);
	assert_int_equal(r.changes, 1);
	r.mp.mode = MINI_GOOD;
	while (!port_served(&r.slot->pp, r.slot->pp.tail))
		poll(NULL, 0, 1);
	wr(&r, 3, 77);
	assert_int_equal(rd(&r, 3, 4), 77);
	assert_true(r.slot->silent_seq == 0);
	assert_int_equal(r.changes, 2);
	rig_end(&r);
}

static void policy_stop_says_stop(void **state)
{
	(void)state;
	struct rig r;
	uint64_t v = 0;
	rig_make(&r, POLICY_STOP);
	r.slot->cfg.deadline_ns = SHORT_NS;
	rig_start(&r, MINI_MUTE);
	assert_int_equal(slot_access(r.slot, &r.range, 0, &r.stop, 12, 4, false, &v), ACCESS_STOP);
	rig_end(&r);
}

static void without_a_daemon_policy_answers_at_once(void **state)
{
	(void)state;
	struct rig r;
	rig_make(&r, POLICY_ONES);
	assert_int_equal(rd(&r, 3, 4), 0xffffffff);
	assert_int_equal(rd(&r, 1, 1), 0xff); /* the shadow page of nobody is not read */
	assert_int_equal(slot_state(r.slot), SLOT_WAITING);
	slot_destroy(r.slot);
}

static void *kill_later(void *arg)
{
	struct rig *r = arg;
	/* Until the access is in: the request stands in the ring. */
	while (atomic_load(&r->slot->pp.tail) == 0)
		poll(NULL, 0, 1);
	slot_fail(r->slot, SLOT_DEAD, "killed by the test");
	return NULL;
}

static void death_ends_a_wait_long_before_its_deadline(void **state)
{
	(void)state;
	struct rig r;
	pthread_t t;
	char why[64];
	rig_make(&r, POLICY_ONES);
	r.slot->cfg.deadline_ns = 3600000000000ull;
	rig_start(&r, MINI_MUTE);
	assert_int_equal(pthread_create(&t, NULL, kill_later, &r), 0);
	assert_int_equal(rd(&r, 3, 4), 0xffffffff);
	pthread_join(t, NULL);
	assert_int_equal(slot_state(r.slot), SLOT_DEAD);
	slot_why(r.slot, why, sizeof(why));
	assert_string_equal(why, "killed by the test");
	rig_end(&r);
}

static void successor_answers_and_stale_answers_do_not_count(void **state)
{
	(void)state;
	struct rig r;
	rig_make(&r, POLICY_ONES);
	r.two_maps = true;
	rig_start(&r, MINI_GOOD);
	wr(&r, 3, 5);
	uint32_t old = slot_epoch(r.slot);
	slot_fail(r.slot, SLOT_DEAD, "gone");
	mini_port_stop(&r.mp);
	assert_int_equal(rd(&r, 3, 4), 0xffffffff);
	/* The dead one's answer to the request that comes next, made in advance. */
	struct port_completion *c = &r.slot->pp.port->comp[0];
	c->status = PORT_STATUS_OK;
	c->data = 0xbad;
	c->epoch = old;
	atomic_store(&c->done, PORT_DONE(r.slot->pp.tail + 1));
	memset(&r.mp, 0, sizeof(r.mp));
	r.mp.reg[3] = 6;
	rig_start(&r, MINI_GOOD);
	assert_int_not_equal(slot_epoch(r.slot), old);
	assert_int_equal(rd(&r, 3, 4), 6);
	rig_end(&r);
}

static void nonsense_is_quarantined_once(void **state)
{
	(void)state;
	static const enum mini_mode modes[] = {MINI_BAD_STATUS, MINI_BAD_LINE, MINI_BAD_HEAD};
	for (unsigned i = 0; i < ARRAY_LEN(modes); i++) {
		struct rig r;
		char why[100];
		rig_make(&r, POLICY_ONES);
		r.slot->cfg.deadline_ns = SHORT_NS;
		rig_start(&r, modes[i]);
		for (int k = 0; k < 5; k++)
			rd(&r, 3, 4);
		assert_int_equal(slot_state(r.slot), SLOT_QUARANTINED);
		slot_why(r.slot, why, sizeof(why));
		assert_non_null(strstr(why, "dut wrote"));
		assert_int_equal(counters(&r)->bad_answers, 1);
		assert_int_equal(rd(&r, 1, 4), 0xffffffff); /* its shadow page is not trusted either */
		rig_end(&r);
	}
}

static void random_port_never_hangs_or_kills(void **state)
{
	(void)state;
	uint64_t x = 88172645463325252ull;
	for (int round = 0; round < 40; round++) {
		struct rig r;
		rig_make(&r, POLICY_ONES);
		r.slot->cfg.deadline_ns = 2000000;
		slot_attach(r.slot);
		slot_serve(r.slot);
		uint64_t *p = (uint64_t *)(void *)r.slot->pp.port;
		for (size_t i = 0; i < r.slot->port_bytes / 8; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			p[i] = round & 1 ? x : x & 3;
		}
		for (unsigned k = 0; k < 20; k++) {
			uint64_t v = 1;
			slot_access(r.slot, &r.range, k & 1, &r.stop, (k % 5) * 4, 4, k & 2, &v);
			assert_true(v <= 0xffffffff);
			slot_lines_sample(r.slot);
		}
		assert_true(r.pulses <= 4 * 40);
		slot_destroy(r.slot);
	}
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

static void *interrupt_later(void *arg)
{
	struct rig *r = arg;
	while (atomic_load(&r->slot->pp.tail) == 0)
		poll(NULL, 0, 1);
	atomic_store(&r->stop, 1);
	port_interrupt(&r->slot->pp, 0);
	return NULL;
}

static void stop_word_ends_a_wait(void **state)
{
	(void)state;
	struct rig r;
	pthread_t t;
	uint64_t v = 0;
	rig_make(&r, POLICY_ONES);
	r.slot->cfg.deadline_ns = 3600000000000ull;
	rig_start(&r, MINI_MUTE);
	assert_int_equal(pthread_create(&t, NULL, interrupt_later, &r), 0);
	assert_int_equal(slot_access(r.slot, &r.range, 0, &r.stop, 12, 4, false, &v), ACCESS_INTERRUPTED);
	pthread_join(t, NULL);
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

static _Atomic uint32_t kick_over;

static void on_signal(int sig)
{
	(void)sig;
}

/* The control thread's part: looks until the kick is stuck, then interrupts it. */
static void *unstick(void *arg)
{
	struct rig *r = arg;
	while (!atomic_load(&kick_over)) {
		if (slot_kick_stuck(r->slot, 0))
			pthread_kill(r->vcpu_thread, SIGUSR1);
		poll(NULL, 0, 5);
	}
	return NULL;
}

static void kick_that_blocks_is_interrupted_and_quarantined(void **state)
{
	(void)state;
	struct rig r;
	pthread_t t;
	uint64_t full = UINT64_MAX - 1;
	struct sigaction sa = {.sa_handler = on_signal};
	sigaction(SIGUSR1, &sa, NULL);
	rig_make(&r, POLICY_ONES);
	slot_attach(r.slot);
	slot_serve(r.slot);
	/* What a hostile daemon can do with the descriptor that it shares with us. */
	assert_int_equal(write(r.slot->kick_fd, &full, sizeof(full)), sizeof(full));
	assert_int_equal(fcntl(r.slot->kick_fd, F_SETFL, 0), 0);
	atomic_store(&r.slot->pp.port->consumer.state, PORT_ASLEEP);
	r.vcpu_thread = pthread_self();
	assert_int_equal(pthread_create(&t, NULL, unstick, &r), 0);
	assert_int_equal(rd(&r, 3, 4), 0xffffffff);
	atomic_store(&kick_over, 1);
	pthread_join(t, NULL);
	assert_int_equal(slot_state(r.slot), SLOT_QUARANTINED);
	slot_destroy(r.slot);
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
		cmocka_unit_test(access_across_a_register_is_forwarded),
		cmocka_unit_test(shadow_read_waits_for_posted_writes_unless_waived),
		cmocka_unit_test(posted_write_is_served_before_a_later_read),
		cmocka_unit_test(full_ring_waits_and_loses_nothing),
		cmocka_unit_test(hung_daemon_is_answered_by_policy_and_heard_again),
		cmocka_unit_test(policy_stop_says_stop),
		cmocka_unit_test(without_a_daemon_policy_answers_at_once),
		cmocka_unit_test(death_ends_a_wait_long_before_its_deadline),
		cmocka_unit_test(successor_answers_and_stale_answers_do_not_count),
		cmocka_unit_test(nonsense_is_quarantined_once),
		cmocka_unit_test(random_port_never_hangs_or_kills),
		cmocka_unit_test(line_changes_arrive_with_the_answer),
		cmocka_unit_test(line_keeps_its_level_when_the_daemon_dies),
		cmocka_unit_test(stop_word_ends_a_wait),
		cmocka_unit_test(two_vcpus_do_not_mix_their_answers),
		cmocka_unit_test(sleeping_daemon_is_woken),
		cmocka_unit_test(kick_that_blocks_is_interrupted_and_quarantined),
		cmocka_unit_test(reset_reaches_the_daemon),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
