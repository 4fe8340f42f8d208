/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Committed state: the server is killed before each of its steps in turn, and the next one must go on as if
 * nothing had happened: same answers, same registers, same interrupts, same bytes.
 */
#include "devmodel/core/chardev.h"
#include "tests/unit/devmodel/toy.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUILD 0x1234u

struct slot {
	struct port *port;
	size_t port_bytes, state_bytes;
	void *state;
	struct port_producer pp;
	struct dm *dm;
	struct server srv;
	long steps, kill_at; /* kill_at: -1 never */
	jmp_buf out;
	bool resumed;
};

static uint64_t zero_clock(void *ctx)
{
	(void)ctx;
	return 1000;
}

static void no_log(void *ctx, enum dm_level level, const char *text)
{
	(void)ctx, (void)level, (void)text;
}

static const struct dm_env env = {.now_ns = zero_clock, .realtime_ns = zero_clock, .log = no_log};

static void slot_init(struct slot *s)
{
	memset(s, 0, sizeof(*s));
	s->port_bytes = port_size(1);
	s->port = aligned_alloc(4096, (s->port_bytes + 4095) / 4096 * 4096);
	s->state_bytes = arena_segment_bytes(dm_arena_size(&dm_class_toy));
	s->state = aligned_alloc(64, (s->state_bytes + 63) / 64 * 64);
	assert_true(s->port && s->state);
	memset(s->port, 0, s->port_bytes);
	memset(s->state, 0, s->state_bytes);
	port_init(&s->pp, s->port, 2, 2, 1, "toy0");
	s->kill_at = -1;
}

static void slot_fini(struct slot *s)
{
	dm_destroy(s->dm);
	free(s->port);
	free(s->state);
}

static void attach(struct slot *s)
{
	struct err err;
	dm_destroy(s->dm);
	s->dm = NULL;
	assert_int_equal(dm_create(&s->dm, &dm_class_toy, &env, NULL, NULL, 0, &err), 0);
	assert_int_equal(server_attach(&s->srv, s->dm, s->port, s->port_bytes,
				       port_epoch_begin(&s->pp), s->state, s->state_bytes, BUILD,
				       -1, &s->resumed, &err),
			 0);
}

static void on_step(void *ctx, const char *step)
{
	struct slot *s = ctx;
	(void)step;
	if (s->steps++ == s->kill_at)
		longjmp(s->out, 1);
}

/* Serves what is there; if it is killed on the way, a fresh server takes over. */
static void run(struct slot *s)
{
	s->srv.step = on_step;
	s->srv.step_ctx = s;
	if (setjmp(s->out)) {
		attach(s);
		assert_true(s->resumed);
	}
	server_run(&s->srv, 100);
}

static const struct {
	uint8_t op;
	bool posted;
	uint32_t offset, value;
} script[] = {
	{PORT_OP_WRITE, false, TOY_RW, 0x11}, {PORT_OP_WRITE, true, TOY_OUT, 'a'},
	{PORT_OP_READ, false, TOY_CALL, 0},   {PORT_OP_WRITE, false, TOY_PULSE, 1},
	{PORT_OP_WRITE, true, TOY_PULSE, 1},  {PORT_OP_WRITE, false, TOY_LEVEL, 1},
	{PORT_OP_READ, false, TOY_RC, 0},     {PORT_OP_READ, false, TOY_RW, 0},
	{PORT_OP_WRITE, true, TOY_OUT, 'b'},  {PORT_OP_READ, false, TOY_CALL, 0},
	{PORT_OP_READ, false, TOY_RO, 0},     {PORT_OP_SYNC, false, 0, 0},
	{PORT_OP_WRITE, true, TOY_OUT, 'c'},  {PORT_OP_READ, false, TOY_CALL, 0},
	{PORT_OP_WRITE, false, TOY_LEVEL, 0}, {PORT_OP_READ, false, 0x500, 0},
};
#define N (sizeof(script) / sizeof(script[0]))

/* Runs the script, one request at a time, and checks every answer. */
static void run_script(struct slot *s, uint64_t *answers, bool compare)
{
	for (size_t i = 0; i < N; i++) {
		struct port_entry e = {.op = script[i].op,
				       .width = 4,
				       .offset = script[i].offset,
				       .value = script[i].value,
				       .vcpu = i % 2,
				       .flags = script[i].posted ? PORT_F_POSTED : 0};
		struct port_result res = {0, 0};
		uint64_t seq;
		int err;
		assert_int_equal(port_push(&s->pp, &e, &seq), 0);
		run(s);
		assert_true(port_served(&s->pp, seq));
		if (script[i].posted)
			continue;
		assert_true(port_poll_done(&s->pp, i % 2, seq, &res, &err));
		assert_int_equal(err, 0);
		if (compare)
			assert_int_equal(res.data, answers[i]);
		answers[i] = res.data;
	}
}

static void killed_before_any_step_nothing_is_lost_or_doubled(void **state)
{
	(void)state;
	uint64_t answers[N];
	struct slot ref;
	slot_init(&ref);
	attach(&ref);
	assert_false(ref.resumed);
	run_script(&ref, answers, false);
	assert_true(ref.steps > 3 * (long)N);
	for (long k = 0; k < ref.steps; k++) {
		struct slot s;
		slot_init(&s);
		attach(&s);
		s.kill_at = k;
		run_script(&s, answers, true);
		assert_memory_equal(s.dm->arena, ref.dm->arena, s.dm->arena_bytes);
		assert_memory_equal(s.port->shadow, ref.port->shadow, PORT_PAGE);
		assert_int_equal(s.port->line[1].edges, 2);
		assert_int_equal(s.port->line[0].word, PORT_LINE_LOW);
		slot_fini(&s);
	}
	slot_fini(&ref);
}

static void a_line_survives_the_daemon(void **state)
{
	(void)state;
	struct slot s;
	struct port_entry e = {.op = PORT_OP_WRITE, .width = 4, .offset = TOY_LEVEL, .value = 1};
	uint64_t seq;
	slot_init(&s);
	attach(&s);
	port_push(&s.pp, &e, &seq);
	run(&s);
	attach(&s);
	assert_int_equal(s.port->line[0].word, PORT_LINE_HIGH);
	/* Another build starts pristine: the line falls, and hv must be told. */
	((struct state_segment *)s.state)->build_id++;
	attach(&s);
	assert_false(s.resumed);
	assert_int_equal(s.port->line[0].word, PORT_LINE_LOW);
	assert_true(s.srv.kick_due);
	slot_fini(&s);
}

static void a_small_segment_is_refused(void **state)
{
	(void)state;
	struct slot s;
	struct err err;
	bool resumed;
	slot_init(&s);
	assert_int_equal(dm_create(&s.dm, &dm_class_toy, &env, NULL, NULL, 0, &err), 0);
	assert_int_equal(server_attach(&s.srv, s.dm, s.port, s.port_bytes, 1, s.state,
				       s.state_bytes - 1, BUILD, -1, &resumed, &err),
			 -EPROTO);
	assert_int_equal(server_attach(&s.srv, s.dm, s.port, s.port_bytes - 1, 1, s.state,
				       s.state_bytes, BUILD, -1, &resumed, &err),
			 -EPROTO);
	slot_fini(&s);
}

/* Queues byte @i and writes it out; killed before step @kill_at of that (-1: never), a fresh server does it. */
static void write_byte_out(struct slot *s, int fd, int ep, unsigned i, long kill_at)
{
	struct chardev c;
	struct port_entry e = {.op = PORT_OP_WRITE,
			       .width = 4,
			       .flags = PORT_F_POSTED,
			       .offset = TOY_OUT,
			       .value = 'a' + i};
	uint64_t seq;
	s->kill_at = -1;
	port_push(&s->pp, &e, &seq);
	run(s);
	assert_int_equal(chardev_open(&c, CHARDEV_STREAM, 0, &fd, &s->srv, ep, 0), 0);
	s->steps = 0;
	s->kill_at = kill_at;
	if (setjmp(s->out))
		attach(s);
	chardev_run(&c, 0);
	chardev_close(&c);
}

/* The host's end sees every byte once, but that a kill between write and commit doubles that write. */
static void killed_while_writing_out_bytes_are_never_lost(void **state)
{
	(void)state;
	for (long k = 0; k < 6; k++) {
		struct slot s;
		int sv[2], ep = epoll_create1(0);
		char got[64] = "", once[64] = "";
		size_t at = 0;
		slot_init(&s);
		attach(&s);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
		for (unsigned i = 0; i < 8; i++)
			write_byte_out(&s, dup(sv[1]), ep, i, i == 4 ? k : -1);
		ssize_t n = recv(sv[0], got, sizeof(got) - 1, MSG_DONTWAIT);
		assert_true(n == 8 || (k >= 1 && k <= 2 && n == 9)); /* "written", "commit" */
		for (ssize_t i = 0; i < n; i++)
			if (!at || got[i] != once[at - 1])
				once[at++] = got[i];
		assert_string_equal(once, "abcdefgh");
		close(sv[0]);
		close(sv[1]);
		close(ep);
		slot_fini(&s);
	}
}

/* The successor of @from: a state segment of its own, the same port. */
static void successor_init(struct slot *s, struct slot *from, struct err *err)
{
	*s = (struct slot){.port = from->port,
			   .port_bytes = from->port_bytes,
			   .state_bytes = from->state_bytes,
			   .kill_at = -1};
	s->state = aligned_alloc(64, (s->state_bytes + 63) / 64 * 64);
	assert_non_null(s->state);
	memset(s->state, 0, s->state_bytes);
	assert_int_equal(dm_create(&s->dm, &dm_class_toy, &env, NULL, NULL, 0, err), 0);
}

static int take_over_now(struct slot *s, struct slot *from, const uint8_t *blob, size_t len,
			 struct err *err)
{
	return server_take_over(&s->srv, s->dm, s->port, s->port_bytes,
				port_epoch_reserve(&from->pp), s->state, s->state_bytes, BUILD, -1,
				blob, len, err);
}

static int take_over(struct slot *s, struct slot *from, const uint8_t *blob, size_t len,
		     struct err *err)
{
	successor_init(s, from, err);
	return take_over_now(s, from, blob, len, err);
}

static void a_successor_goes_on_where_the_other_stopped(void **state)
{
	(void)state;
	struct slot a, b;
	struct err err;
	uint8_t *blob;
	size_t len;
	uint64_t seq;
	slot_init(&a);
	attach(&a);
	struct port_entry e = {.op = PORT_OP_WRITE, .width = 4, .offset = TOY_RW, .value = 0x77};
	struct port_result res;
	int rc;
	port_push(&a.pp, &e, &seq);
	run(&a);
	e = (struct port_entry){.op = PORT_OP_WRITE, .width = 4, .offset = TOY_OUT, .value = 'x'};
	port_push(&a.pp, &e, &seq);
	run(&a);
	/* Answered, but not looked at yet: the answer stays good. */
	assert_int_equal(dm_save(a.dm, &blob, &len), 0);
	e = (struct port_entry){.op = PORT_OP_READ, .width = 4, .offset = TOY_RW, .vcpu = 1};
	uint64_t waits;
	port_push(&a.pp, &e, &waits);
	uint32_t old = a.srv.port.epoch;
	assert_int_not_equal(take_over(&b, &a, blob, len - 1, &err), 0);
	assert_int_equal(atomic_load(&a.port->consumer.epoch), old); /* nothing was touched */
	dm_destroy(b.dm);
	free(b.state);
	assert_int_equal(take_over(&b, &a, blob, len, &err), 0);
	assert_int_equal(atomic_load(&a.port->consumer.epoch), b.srv.port.epoch);
	server_leave(&a.srv);
	port_epoch_set(&a.pp, b.srv.port.epoch);
	assert_true(port_poll_done(&a.pp, 0, seq, &res, &rc));
	assert_false(port_poll_done(&a.pp, 1, waits, &res, &rc));
	assert_int_equal(server_run(&b.srv, 100), 1);
	assert_true(port_poll_done(&a.pp, 1, waits, &res, &rc));
	assert_int_equal(res.data, 0xab000077);
	assert_int_equal(dm_output_pending(b.dm, 0), 1);
	/* Killed: another of its build goes on from its segment, not from the old one's. */
	struct slot c = b;
	c.dm = NULL;
	c.pp = a.pp;
	attach(&c);
	assert_true(c.resumed);
	assert_int_equal(dm_output_pending(c.dm, 0), 1);
	free(blob);
	dm_destroy(b.dm);
	dm_destroy(c.dm);
	free(b.state);
	slot_fini(&a);
}

static struct slot *dying;

static void die_in(void *ctx, const char *step)
{
	(void)ctx;
	on_step(dying, step);
}

/* Killed on its way in: either the other one still has the port, or whoever follows finds the state that was handed over. */
static void a_successor_killed_while_it_takes_over_loses_no_state(void **state)
{
	(void)state;
	bool ended = false;
	for (long k = 0; !ended; k++) {
		struct slot a, b;
		struct err err;
		uint8_t *blob;
		size_t len;
		uint64_t seq;
		slot_init(&a);
		attach(&a);
		struct port_entry e = {
			.op = PORT_OP_WRITE, .width = 4, .offset = TOY_RW, .value = 0x77};
		port_push(&a.pp, &e, &seq);
		run(&a);
		assert_int_equal(dm_save(a.dm, &blob, &len), 0);
		uint32_t old = atomic_load(&a.port->consumer.epoch);
		dying = &b;
		successor_init(&b, &a, &err);
		b.kill_at = k;
		step_hook = die_in;
		ended = !setjmp(b.out);
		if (ended)
			assert_int_equal(take_over_now(&b, &a, blob, len, &err), 0);
		ended = b.steps <= k;
		step_hook = NULL;
		struct slot *next = &a;
		if (atomic_load(&a.port->consumer.epoch) != old) {
			b.pp = a.pp;
			attach(&b);
			assert_true(b.resumed);
			next = &b;
		}
		uint32_t status;
		uint64_t data;
		e = (struct port_entry){.op = PORT_OP_READ, .width = 4, .offset = TOY_RW};
		dm_serve(next->dm, &e, &status, &data);
		assert_int_equal(data, 0xab000077);
		free(blob);
		dm_destroy(b.dm);
		free(b.state);
		slot_fini(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_successor_goes_on_where_the_other_stopped),
		cmocka_unit_test(a_successor_killed_while_it_takes_over_loses_no_state),
		cmocka_unit_test(killed_before_any_step_nothing_is_lost_or_doubled),
		cmocka_unit_test(a_line_survives_the_daemon),
		cmocka_unit_test(a_small_segment_is_refused),
		cmocka_unit_test(killed_while_writing_out_bytes_are_never_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
