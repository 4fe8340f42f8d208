/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9: whatever a daemon was doing, each byte leaves once and each chain comes back once.
 *
 * A daemon's life is a row of transitions: a doorbell, a turn of work, some input, some output, each followed by a commit.
 * The tests kill it in transition @at, either with what it did thrown away (before the commit) or just after the
 * commit; guest memory keeps all that was written to it in both cases.
 */
#include "tests/unit/virtio_console/rig.h"
#include <stdlib.h>
#include <string.h>

#define CHAINS 24u
#define CHAIN_BYTES 500u

struct life {
	struct rig *r;
	unsigned step, at;
	bool before_commit, died;
};

/* After each transition: commits, or dies. */
static void transition(struct life *l)
{
	if (l->died || l->step++ != l->at) {
		dmt_settle(l->r->t);
		return;
	}
	l->died = true;
	if (!l->before_commit)
		dmt_settle(l->r->t);
	dmt_crash(l->r->t);
}

static void work(struct life *l)
{
	while (dm_work(l->r->t->dm))
		transition(l);
}

static void ring(struct life *l, unsigned q)
{
	dm_doorbell(l->r->t->dm, q);
	transition(l);
	work(l);
}

/* One write of the daemon to the host: the bytes are out, whatever becomes of it. Those that a crash before the
 * commit makes it write again are allowed (one host write); *ret_again counts them. */
static size_t host_write(struct life *l, uint8_t *to, size_t max, size_t *ret_again)
{
	const uint8_t *p;
	size_t n = dm_output_peek(l->r->t->dm, 0, &p);
	n = n < max ? n : max;
	memcpy(to, p, n);
	if (!n)
		return 0;
	bool dead = l->died;
	dm_output_consume(l->r->t->dm, 0, n);
	transition(l);
	if (!dead && l->died && l->before_commit) {
		*ret_again = n;
		return 0; /* it will write them again: taken off here */
	}
	return n;
}

static bool transmit(void **state, unsigned at, bool before_commit)
{
	struct rig *r = rig_open(NULL, rig_layout(state), 2);
	struct life l = {.r = r, .at = at, .before_commit = before_commit};
	static uint8_t want[CHAINS * CHAIN_BYTES], got[sizeof(want) + DM_OUT_BYTES];
	size_t n = 0, again = 0;
	unsigned back = 0;
	for (size_t i = 0; i < sizeof(want); i++)
		want[i] = rig_pattern(i);
	for (unsigned i = 0; i < CHAINS; i++) {
		/* The last is longer than the out-queue. */
		unsigned len = i + 1 < CHAINS / 2 ? CHAIN_BYTES : CHAIN_BYTES * (CHAINS - i);
		assert_true(rig_send(r, 1, want + CHAIN_BYTES * i, len, 2) >= 0);
		if (len > CHAIN_BYTES)
			break;
	}
	unsigned chains = CHAINS / 2;
	ring(&l, 1);
	back += rig_reap(r, 1);
	for (unsigned idle = 0; idle < 3; idle++) {
		size_t more = host_write(&l, got + n, 900, &again);
		n += more;
		work(&l);
		back += rig_reap(r, 1);
		if (more)
			idle = 0;
	}
	assert_int_equal(n, sizeof(want));
	assert_memory_equal(got, want, n);
	assert_int_equal(back, chains);
	assert_false(drv_broken(&r->d));
	assert_int_equal(rig_errors(r), 0);
	/* And it goes on. */
	rig_send(r, 1, "on", 2, 1);
	dmt_doorbell(r->t, 1);
	assert_int_equal(rig_reap(r, 1), 1);
	assert_int_equal(rig_output(r, 0, got, 8), 2);
	rig_close(r);
	return l.died;
}

static void transmitted_bytes_survive_once(void **state)
{
	unsigned deaths = 0;
	for (unsigned at = 0; transmit(state, at, true) && transmit(state, at, false); at++)
		deaths++;
	assert_true(deaths > 20);
}

/* Input that was read from the host but not committed dies with the daemon: one host read at most. */
static bool receive(void **state, unsigned at, bool before_commit)
{
	struct rig *r = rig_open(NULL, rig_layout(state), 2);
	struct life l = {.r = r, .at = at, .before_commit = before_commit};
	uint8_t want[400], got[sizeof(want)];
	const uint8_t *p;
	size_t sent = 0, kept = 0, seen = 0;
	for (size_t i = 0; i < sizeof(want); i++)
		want[i] = rig_pattern(i);
	for (unsigned i = 0; i < 30; i++)
		rig_post(r, 0, 1 + i % 20);
	ring(&l, 0);
	for (size_t room; sent < sizeof(want) && (room = dm_input_room(r->t->dm, 0));) {
		size_t n = sizeof(want) - sent < room ? sizeof(want) - sent : room;
		bool dead = l.died;
		dm_input(r->t->dm, 0, want + sent, n);
		transition(&l);
		if (!dead && l.died && l.before_commit)
			memmove(want + sent, want + sent + n, sizeof(want) - sent - n);
		else
			sent += n;
		if (sent % 3 == 0) /* at times two inputs come without a turn in between */
			work(&l);
		kept = sent;
	}
	work(&l);
	for (int len; (len = rig_take(r, 0, &p)) >= 0; seen += (size_t)len) {
		assert_true(seen + (size_t)len <= sizeof(got));
		memcpy(got + seen, p, (size_t)len);
	}
	assert_int_equal(seen, kept);
	assert_memory_equal(got, want, seen);
	assert_false(drv_broken(&r->d));
	assert_int_equal(r->t->counts[DM_COUNT_DROPS], 0);
	rig_close(r);
	return l.died;
}

static void received_bytes_arrive_once(void **state)
{
	unsigned deaths = 0;
	for (unsigned at = 0; receive(state, at, true) && receive(state, at, false); at++)
		deaths++;
	assert_true(deaths > 10);
}

static bool handshake(void **state, unsigned at, bool before_commit)
{
	struct rig *r = rig_open((const char *const[]){"ports", "4", NULL},
				 rig_layout(state) | CON_F_MULTIPORT, 10);
	struct life l = {.r = r, .at = at, .before_commit = before_commit};
	for (unsigned i = 0; i < 20; i++)
		rig_post(r, CON_CONTROL_RXQ, 32);
	ring(&l, CON_CONTROL_RXQ);
	rig_send(r, CON_CONTROL_TXQ, "\0\0\0\0\0\0\1\0", 8, 1);
	ring(&l, CON_CONTROL_TXQ);
	for (unsigned i = 0; i < 4; i++)
		rig_expect(r, i, EV_DEVICE_ADD, 0, NULL, 0);
	assert_true(rig_quiet(r));
	assert_int_equal(rig_reap(r, CON_CONTROL_TXQ), 1);
	rig_close(r);
	return l.died;
}

static void control_messages_are_said_once(void **state)
{
	unsigned deaths = 0;
	for (unsigned at = 0; handshake(state, at, true) && handshake(state, at, false); at++)
		deaths++;
	assert_true(deaths >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_BOTH(transmitted_bytes_survive_once),
		RIG_BOTH(received_bytes_arrive_once),
		RIG_BOTH(control_messages_are_said_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
