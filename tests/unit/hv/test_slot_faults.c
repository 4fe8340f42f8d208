/* SPDX-License-Identifier: Apache-2.0 */
/* The core's side of a port against daemons that hang, die, write nonsense or attack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>
#include "base/clock.h"
#include "slot_rig.h"

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
		/* On a busy host the first answers may miss the short deadline. */
		uint64_t end = clock_now_ns() + 20000000000ull;
		while (slot_state(r.slot) != SLOT_QUARANTINED && clock_now_ns() < end)
			rd(&r, 3, 4);
		assert_int_equal(slot_state(r.slot), SLOT_QUARANTINED);
		slot_why(r.slot, why, sizeof(why));
		assert_non_null(strstr(why, "dut wrote"));
		assert_int_equal(counters(&r)->bad_answers, 1);
		assert_int_equal(rd(&r, 1, 4),
				 0xffffffff); /* its shadow page is not trusted either */
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
	assert_int_equal(slot_access(r.slot, &r.range, 0, &r.stop, 12, 4, false, &v),
			 ACCESS_INTERRUPTED);
	pthread_join(t, NULL);
	rig_end(&r);
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

/* ---- parked accesses ---- */

struct parker {
	struct rig *r;
	uint64_t v;
	enum access_result res;
	_Atomic uint32_t done;
	pthread_t t;
};

static void *read_parked(void *arg)
{
	struct parker *p = arg;
	p->res = slot_access(p->r->slot, &p->r->range, 0, &p->r->stop, 12, 4, false, &p->v);
	atomic_store(&p->done, 1);
	return NULL;
}

static void parker_start(struct parker *p, struct rig *r)
{
	*p = (struct parker){.r = r};
	assert_int_equal(pthread_create(&p->t, NULL, read_parked, p), 0);
	uint64_t end = clock_now_ns() + DEADLINE_NS;
	while (!atomic_load(&r->slot->parked) && clock_now_ns() < end)
		poll(NULL, 0, 1);
	assert_int_equal(atomic_load(&r->slot->parked), 1);
	assert_int_equal(atomic_load(&p->done), 0);
}

static void parker_join(struct parker *p, enum access_result res)
{
	pthread_join(p->t, NULL);
	assert_int_equal(p->res, res);
	assert_int_equal(atomic_load(&p->r->slot->parked), 0);
	assert_int_equal(SLOT_WORD_INFLIGHT(p->r->slot->word), 0);
}

static void parked_access_waits_for_the_hung_daemon(void **state)
{
	(void)state;
	struct rig r;
	struct parker p;
	rig_make(&r, POLICY_PARK);
	r.slot->cfg.deadline_ns = SHORT_NS;
	rig_start(&r, MINI_GOOD);
	wr(&r, 3, 91);
	r.mp.mode = MINI_MUTE;
	parker_start(&p, &r);
	assert_true(r.changes >= 1);
	assert_int_equal(counters(&r)->deadline_misses, 1);
	r.mp.mode = MINI_GOOD;
	parker_join(&p, ACCESS_OK);
	assert_int_equal(p.v, 91);
	assert_int_equal(counters(&r)->policy_answers, 0);
	rig_end(&r);
}

static void parked_access_is_served_by_the_next_daemon(void **state)
{
	(void)state;
	static const bool whole[] = {false, true}; /* the daemon: died, or was quarantined */
	for (unsigned i = 0; i < ARRAY_LEN(whole); i++) {
		struct rig r;
		struct parker p;
		rig_make(&r, POLICY_PARK);
		r.two_maps = true;
		r.slot->cfg.deadline_ns = SHORT_NS;
		rig_start(&r, MINI_MUTE);
		parker_start(&p, &r);
		if (whole[i])
			slot_fail(r.slot, SLOT_QUARANTINED, "nonsense");
		else
			assert_true(slot_vacate(r.slot));
		mini_port_stop(&r.mp);
		slot_down_set(r.slot, true);
		poll(NULL, 0, 120); /* longer than a slice: it stays parked */
		assert_int_equal(atomic_load(&p.done), 0);
		slot_down_set(r.slot, false);
		memset(&r.mp, 0, sizeof(r.mp));
		r.mp.reg[3] = 17;
		rig_start(&r, MINI_GOOD);
		parker_join(&p, ACCESS_OK);
		assert_int_equal(p.v, 17);
		rig_end(&r);
	}
}

static void parked_access_without_a_daemon_can_be_stopped(void **state)
{
	(void)state;
	struct rig r;
	struct parker p;
	rig_make(&r, POLICY_PARK);
	slot_down_set(r.slot, true);
	parker_start(&p, &r);
	atomic_store(&r.stop, 1);
	slot_interrupt(r.slot, 0);
	parker_join(&p, ACCESS_INTERRUPTED);
	slot_fail(r.slot, SLOT_DEAD, "gone");
	atomic_store(&r.stop, 0);
	parker_start(&p, &r);
	atomic_store(&r.stop, 1);
	slot_interrupt(r.slot, 0);
	parker_join(&p, ACCESS_INTERRUPTED);
	slot_destroy(r.slot);
}

static void held_device_parks_whatever_its_policy_until_it_is_let_go(void **state)
{
	(void)state;
	struct rig r;
	struct parker p;
	rig_make(&r, POLICY_ONES);
	rig_start(&r, MINI_MUTE);
	slot_hold_set(r.slot, SLOT_HOLD_DEBUG); /* long before the deadline */
	parker_start(&p, &r);
	slot_hold_set(r.slot, 0);
	r.slot->cfg.deadline_ns = SHORT_NS;
	parker_join(&p, ACCESS_OK);
	assert_int_equal(p.v, 0xffffffff); /* the policy again */
	slot_hold_set(r.slot, SLOT_HOLD_PAUSED);
	parker_start(&p, &r);
	r.mp.mode = MINI_GOOD;
	parker_join(&p, ACCESS_OK);
	assert_int_equal(p.v, 0);
	/* Killed by its debugger: the mark goes, and the policy answers. */
	r.mp.mode = MINI_MUTE;
	slot_hold_set(r.slot, SLOT_HOLD_DEBUG);
	parker_start(&p, &r);
	slot_fail(r.slot, SLOT_DEAD, "killed");
	slot_hold_set(r.slot, 0);
	parker_join(&p, ACCESS_OK);
	assert_int_equal(p.v, 0xffffffff);
	rig_end(&r);
}

static void parked_posted_writes_wait_for_room_and_none_is_lost(void **state)
{
	(void)state;
	struct rig r;
	uint64_t v = 1;
	rig_make(&r, POLICY_PARK);
	r.slot->cfg.deadline_ns = SHORT_NS;
	rig_start(&r, MINI_MUTE);
	for (unsigned i = 0; i < PORT_RING_ENTRIES; i++)
		wr(&r, 0, 0);
	atomic_store(&r.stop, 0);
	struct parker p;
	parker_start(&p, &r); /* finds no room */
	r.mp.mode = MINI_GOOD;
	parker_join(&p, ACCESS_OK);
	assert_int_equal(slot_access(r.slot, &r.range, 0, &r.stop, 0, 4, true, &v), ACCESS_OK);
	assert_int_equal(rd(&r, 0, 4), 1);
	assert_int_equal(atomic_load(&r.mp.served), PORT_RING_ENTRIES + 3);
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hung_daemon_is_answered_by_policy_and_heard_again),
		cmocka_unit_test(policy_stop_says_stop),
		cmocka_unit_test(without_a_daemon_policy_answers_at_once),
		cmocka_unit_test(death_ends_a_wait_long_before_its_deadline),
		cmocka_unit_test(successor_answers_and_stale_answers_do_not_count),
		cmocka_unit_test(nonsense_is_quarantined_once),
		cmocka_unit_test(random_port_never_hangs_or_kills),
		cmocka_unit_test(stop_word_ends_a_wait),
		cmocka_unit_test(kick_that_blocks_is_interrupted_and_quarantined),
		cmocka_unit_test(parked_access_waits_for_the_hung_daemon),
		cmocka_unit_test(parked_access_is_served_by_the_next_daemon),
		cmocka_unit_test(parked_access_without_a_daemon_can_be_stopped),
		cmocka_unit_test(held_device_parks_whatever_its_policy_until_it_is_let_go),
		cmocka_unit_test(parked_posted_writes_wait_for_room_and_none_is_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
