/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every daemon must do in a swap, as the one that hands over and as the one that takes over: docs/protocol.md. Run with the
 * daemon's path as its argument.
 */
#include "tests/wire/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static const char *exe;

static int setup(void **state)
{
	*state = wire_create(exe);
	wire_start(*state);
	return 0;
}

static int teardown(void **state)
{
	wire_destroy(*state);
	return 0;
}

/* A register without side effects, to be told apart from its reset value; 0: the model has none that is known. */
static uint32_t plain_reg(const struct wire *w)
{
	return !strcmp(w->desc->name, "pl011") ? 0x24 : !strcmp(w->desc->name, "pl031") ? 0x04 : 0;
}

static Outrigger__FromDaemon *expect(struct wire *w, unsigned kind, uint64_t id)
{
	Outrigger__FromDaemon *m = wire_recv(w);
	assert_non_null(m);
	if (m->kind_case == OUTRIGGER__FROM_DAEMON__KIND_ERROR && m->kind_case != kind)
		fail_msg("%s", m->error);
	assert_int_equal(m->kind_case, kind);
	assert_int_equal(m->id, id);
	return m;
}

static void send_blob(struct wire *w, Outrigger__ToDaemon__KindCase kind, uint64_t id,
		      const void *data, size_t len)
{
	Outrigger__ToDaemon q = OUTRIGGER__TO_DAEMON__INIT;
	q.kind_case = kind;
	q.id = id;
	q.load.data = (uint8_t *)(uintptr_t)data;
	q.load.len = len;
	wire_send(w, &q);
}

/* The daemon hands over; the blob is a copy. */
static void *hand_over(struct wire *w, size_t *ret_len)
{
	wire_send_simple(w, OUTRIGGER__TO_DAEMON__KIND_HAND_OVER, 5);
	Outrigger__FromDaemon *m = expect(w, OUTRIGGER__FROM_DAEMON__KIND_HANDED_OVER, 5);
	void *copy = malloc(m->handed_over.len);
	assert_non_null(copy);
	memcpy(copy, m->handed_over.data, m->handed_over.len);
	*ret_len = m->handed_over.len;
	ctl_free(&m->base);
	return copy;
}

/* The next daemon of the slot comes up as a standby with a state segment that nobody has used. */
static void standby_start(struct wire *w)
{
	memset(w->state, 0, w->state_bytes);
	w->standby = true;
	wire_start(w);
}

static void handed_over_it_leaves_the_port_alone_and_resumed_it_goes_on(void **state)
{
	struct wire *w = *state;
	size_t len;
	free(hand_over(w, &len));
	assert_true(len > 0);
	uint32_t before = atomic_load(&w->pp.port->consumer.state);
	struct port_entry e = {.op = PORT_OP_SYNC};
	uint64_t seq = wire_push(w, &e);
	/* Its answer comes after a turn of its loop; the ring is still not served. */
	wire_send_simple(w, OUTRIGGER__TO_DAEMON__KIND_QUIESCE, 6);
	ctl_free(&expect(w, OUTRIGGER__FROM_DAEMON__KIND_OK, 6)->base);
	assert_false(port_served(&w->pp, seq));
	assert_int_equal(atomic_load(&w->pp.port->consumer.state), before);
	wire_send_simple(w, OUTRIGGER__TO_DAEMON__KIND_RESUME, 7);
	ctl_free(&expect(w, OUTRIGGER__FROM_DAEMON__KIND_OK, 7)->base);
	wire_wait(w, seq, NULL);
	free(hand_over(w, &len)); /* and once more */
}

static void handed_over_it_ends_without_a_word_in_the_port(void **state)
{
	struct wire *w = *state;
	size_t len;
	free(hand_over(w, &len));
	atomic_store(&w->pp.port->consumer.state, PORT_ASLEEP); /* its successor's */
	wire_send_simple(w, OUTRIGGER__TO_DAEMON__KIND_BYE, 8);
	ctl_free(&expect(w, OUTRIGGER__FROM_DAEMON__KIND_BYE, 8)->base);
	int status = wire_wait_exit(w);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(atomic_load(&w->pp.port->consumer.state), PORT_ASLEEP);
}

static void a_standby_practises_takes_over_and_serves_what_waited(void **state)
{
	struct wire *w = *state;
	uint32_t reg = plain_reg(w);
	size_t len;
	if (reg)
		wire_write(w, 0, reg, 4, 0x4321);
	uint32_t old_epoch = w->epoch;
	uint8_t *blob = hand_over(w, &len);
	struct port_entry e = {.op = PORT_OP_SYNC};
	uint64_t seq = wire_push(w, &e);
	wire_kill(w);
	standby_start(w);
	/* So far it has touched nothing. */
	assert_int_equal(atomic_load(&w->pp.port->consumer.epoch), old_epoch);
	assert_false(port_served(&w->pp, seq));
	send_blob(w, OUTRIGGER__TO_DAEMON__KIND_LOAD, 1, blob, len / 2);
	ctl_free(&expect(w, OUTRIGGER__FROM_DAEMON__KIND_ERROR, 1)->base);
	send_blob(w, OUTRIGGER__TO_DAEMON__KIND_LOAD, 2, blob, len);
	ctl_free(&expect(w, OUTRIGGER__FROM_DAEMON__KIND_OK, 2)->base);
	assert_int_equal(atomic_load(&w->pp.port->consumer.epoch), old_epoch);
	assert_false(port_served(&w->pp, seq));
	send_blob(w, OUTRIGGER__TO_DAEMON__KIND_TAKE_OVER, 3, blob, len);
	ctl_free(&expect(w, OUTRIGGER__FROM_DAEMON__KIND_SERVING, 0)->base);
	assert_int_equal(atomic_load(&w->pp.port->consumer.epoch), w->epoch);
	wire_wait(w, seq, NULL);
	if (reg)
		assert_int_equal(wire_read(w, 0, reg, 4) & 0xffff, 0x4321);
	/* Killed, it is followed by a daemon that goes on from its segment. */
	if (reg)
		wire_write(w, 0, reg, 4, 0x1234);
	wire_kill(w);
	w->standby = false;
	wire_start(w);
	assert_true(w->resumed);
	if (reg)
		assert_int_equal(wire_read(w, 0, reg, 4) & 0xffff, 0x1234);
	free(blob);
}

static void a_standby_that_cannot_take_over_says_so_and_ends(void **state)
{
	struct wire *w = *state;
	uint32_t old_epoch = w->epoch;
	size_t len;
	uint8_t *blob = hand_over(w, &len);
	wire_kill(w);
	standby_start(w);
	blob[8] ^= 0x20; /* another model's name */
	send_blob(w, OUTRIGGER__TO_DAEMON__KIND_TAKE_OVER, 3, blob, len);
	ctl_free(&expect(w, OUTRIGGER__FROM_DAEMON__KIND_ERROR, 0)->base);
	int status = wire_wait_exit(w);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	assert_int_equal(atomic_load(&w->pp.port->consumer.epoch), old_epoch);
	free(blob);
}

static void a_standby_that_is_not_needed_ends(void **state)
{
	struct wire *w = *state;
	wire_kill(w);
	standby_start(w);
	Outrigger__ToDaemon m = OUTRIGGER__TO_DAEMON__INIT;
	char why[] = "no";
	m.kind_case = OUTRIGGER__TO_DAEMON__KIND_REFUSED;
	m.refused = why;
	wire_send(w, &m);
	int status = wire_wait_exit(w);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s DAEMON\n", argv[0]);
		return 2;
	}
	exe = argv[1];
	ctl_setup();
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(handed_over_it_leaves_the_port_alone_and_resumed_it_goes_on),
		T(handed_over_it_ends_without_a_word_in_the_port),
		T(a_standby_practises_takes_over_and_serves_what_waited),
		T(a_standby_that_cannot_take_over_says_so_and_ends),
		T(a_standby_that_is_not_needed_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
