/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorder and replayer over register models. That they are right for all that a model can do is shown by the models' own tests, which
 * run once more with each session replayed (replay_*); here is what a replay says when something is not as it was.
 */
#include "devmodel/core/replay.h"
#include "devmodel/core/testenv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

extern const struct dm_class dm_class_pl011, dm_class_pl031, dm_class_virtio_rng;

enum { DR = 0x00, FR = 0x18, LCR_H = 0x2c, IMSC = 0x38, MIS = 0x40, ICR = 0x44 };

/** struct trace - the records of a session. */
struct trace {
	uint8_t *buf;
	size_t len;
};

/* A session that touches everything: registers, input, output, lines, a new beginning in between. */
static struct trace record_uart(void)
{
	char out[64];
	struct trace t;
	struct dm_test *u = dmt_create(&dm_class_pl011, NULL);
	dmt_record(u, TRACE_WANT_RECORDS);
	dmt_w32(u, LCR_H, 0x70);
	dmt_w32(u, IMSC, 0x7ff);
	dmt_input(u, "hello");
	for (unsigned i = 0; i < 5; i++)
		dmt_r32(u, DR);
	dmt_w32(u, DR, 'a');
	dmt_w32(u, DR, '~');
	dmt_output(u, out, sizeof(out));
	trace_ask(u->area);
	dmt_w32(u, ICR, 0x7ff);
	dmt_r32(u, MIS);
	dmt_r32(u, FR);
	dmt_reset(u);
	dmt_w32(u, DR, 'c');
	t.buf = dmt_trace(u, &t.len);
	dmt_destroy(u);
	return t;
}

/* Feeds @t to @cls. 0, or the first that is not, with its text in @ret. */
static int play(const struct dm_class *cls, const struct trace *t, struct replay_diverged *ret,
		struct replay_stats *stats)
{
	struct replay *r;
	struct err err = {{0}};
	uint64_t n = 0;
	int rc = 0;
	assert_int_equal(replay_create(&r, cls), 0);
	for (size_t at = 0; at < t->len && !rc; n++) {
		struct port_entry e;
		memcpy(&e, t->buf + at, sizeof(e));
		rc = replay_feed(r, &e, t->buf + at + sizeof(e), n, &err);
		at += trace_record_bytes(&e);
	}
	if (!rc)
		rc = replay_end(r);
	if (ret)
		*ret = *replay_difference(r);
	if (stats)
		*stats = *replay_stats(r);
	replay_destroy(r);
	return rc;
}

/* The index of the @nth record of kind @op; its entry. */
static uint64_t find(const struct trace *t, unsigned op, unsigned nth, struct port_entry **ret)
{
	uint64_t n = 0;
	for (size_t at = 0; at < t->len; n++) {
		struct port_entry *e = (void *)(t->buf + at);
		if (e->op == op && !nth--) {
			*ret = e;
			return n;
		}
		at += trace_record_bytes(e);
	}
	fail_msg("no such record");
	return 0;
}

static void a_session_replays_clean_with_one_hash(void **state)
{
	struct trace t = record_uart();
	struct replay_stats first = {0}, s;
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(play(&dm_class_pl011, &t, NULL, &s), 0);
		if (!i)
			first = s;
		assert_int_equal(s.hash, first.hash);
	}
	assert_int_equal(s.starts, 2);
	assert_true(s.outputs > 20);
	assert_int_equal(s.skipped, 0);
	free(t.buf);
}

/* ---- a model that differs -------------------------------------------------------------------------------- */

static void planted_write(struct dm *dm, void *state, const struct dm_io *io)
{
	struct dm_io wrong = *io;
	if (io->reg->offset == DR && io->value == '~')
		wrong.value = '#';
	dm_class_pl011.write(dm, state, &wrong);
}

static void planted_in(struct dm *dm, void *state, unsigned ch, const uint8_t *buf, size_t len)
{
	dm_class_pl011.host_in(dm, state, ch, buf, len);
	dm_irq_set(dm, 0, false);
}

static void a_wrong_byte_is_found_where_it_comes_out(void **state)
{
	struct trace t = record_uart();
	struct dm_class cls = dm_class_pl011;
	struct replay_diverged d;
	struct port_entry *e;
	(void)state;
	cls.write = planted_write;
	assert_int_equal(play(&cls, &t, &d, NULL), 1);
	assert_string_equal(d.kind, "bytes");
	assert_int_equal(d.record, find(&t, TRACE_HOST_OUT, 1, &e));
	assert_non_null(strstr(d.expected, "\"~\""));
	assert_non_null(strstr(d.got, "\"#\""));
	free(t.buf);
}

static void a_line_that_stays_low_is_found(void **state)
{
	struct trace t = record_uart();
	struct dm_class cls = dm_class_pl011;
	struct replay_diverged d;
	(void)state;
	cls.host_in = planted_in;
	assert_int_equal(play(&cls, &t, &d, NULL), 1);
	assert_non_null(strstr(d.expected, "line 0 high"));
	free(t.buf);
}

static void a_wrong_answer_is_told_with_its_register(void **state)
{
	struct trace t = record_uart();
	struct replay_diverged d;
	struct port_entry *e;
	(void)state;
	uint64_t n = find(&t, PORT_OP_READ, 2, &e);
	e->value = 'L';
	assert_int_equal(play(&dm_class_pl011, &t, &d, NULL), 1);
	assert_string_equal(d.kind, "answer");
	assert_int_equal(d.record, n);
	assert_non_null(strstr(d.where, "DR"));
	free(t.buf);
}

static void a_state_that_differs_is_found_at_the_next_start(void **state)
{
	struct trace t = record_uart();
	struct replay_diverged d;
	struct port_entry *e;
	(void)state;
	find(&t, PORT_OP_WRITE, 0,
	     &e); /* of LCR_H: nothing of it shows before the start but its shadow */
	uint64_t n = find(&t, TRACE_START, 1, &e);
	uint8_t *p = memmem((uint8_t *)e + sizeof(*e), trace_payload(e), "s.lcr_h", 7);
	if (p) { /* the field's value follows its record's head */
		p[40] ^= 0x80;
		assert_int_equal(play(&dm_class_pl011, &t, &d, NULL), 1);
		assert_string_equal(d.kind, "state");
		assert_int_equal(d.record, n);
		assert_non_null(strstr(d.expected, "s.lcr_h"));
	}
	assert_non_null(p);
	free(t.buf);
}

static void outputs_that_are_missing_or_too_many_are_found(void **state)
{
	struct trace t = record_uart();
	struct replay_diverged d;
	struct port_entry *e;
	(void)state;
	find(&t, TRACE_HOST_OUT, 0, &e);
	e->op = TRACE_LOG; /* no longer an output */
	assert_int_equal(play(&dm_class_pl011, &t, &d, NULL), 1);
	assert_string_equal(d.kind, "extra");
	e->op = TRACE_HOST_OUT;
	uint64_t n = find(&t, TRACE_COMMIT, 0, &e);
	e->op = TRACE_SHADOW;
	e->width = 4;
	assert_int_equal(play(&dm_class_pl011, &t, &d, NULL), 1);
	assert_string_equal(d.kind, "missing");
	assert_int_equal(d.record, n);
	free(t.buf);
}

/* ---- losses ------------------------------------------------------------------------------------------------ */

static void after_a_gap_it_goes_on_at_the_next_start(void **state)
{
	struct trace t = record_uart();
	struct replay_stats s;
	struct port_entry *e;
	(void)state;
	find(&t, PORT_OP_WRITE, 1, &e);
	e->op = TRACE_GAP;
	assert_int_equal(play(&dm_class_pl011, &t, NULL, &s), 0);
	assert_int_equal(s.gaps, 1);
	assert_int_equal(s.starts, 2);
	assert_true(s.skipped > 10);
	free(t.buf);
}

static void nothing_is_written_while_nobody_wants_it(void **state)
{
	size_t len;
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_pl011, NULL);
	dmt_record(t, TRACE_WANT_RECORDS);
	dmt_w32(t, DR, 'x');
	dmt_record(t, 0);
	free(dmt_trace(t, &len));
	assert_true(len);
	dmt_w32(t, DR, 'x');
	dmt_r32(t, FR);
	free(dmt_trace(t, &len));
	assert_int_equal(len, 0);
	dmt_record(t, TRACE_WANT_RECORDS);
	dmt_w32(t, DR, 'y');
	struct trace tr = {.buf = dmt_trace(t, &tr.len)};
	assert_int_equal(play(&dm_class_pl011, &tr, NULL, NULL), 0);
	free(tr.buf);
	dmt_destroy(t);
}

static void a_crash_begins_anew(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_pl011, NULL);
	struct replay_stats s;
	dmt_record(t, TRACE_WANT_RECORDS);
	dmt_w32(t, DR, 'x');
	dmt_crash(t);
	dmt_w32(t, DR, 'y');
	struct trace tr = {.buf = dmt_trace(t, &tr.len)};
	assert_int_equal(play(&dm_class_pl011, &tr, NULL, &s), 0);
	assert_int_equal(s.starts, 2);
	free(tr.buf);
	dmt_destroy(t);
}

static void the_clock_is_the_recorded_one(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_pl031, NULL);
	dmt_record(t, TRACE_WANT_RECORDS);
	for (unsigned i = 0; i < 20; i++) {
		dmt_r32(t, 0x00);
		dmt_w32(t, 0x04, dmt_r32(t, 0x00) + 3);
		dmt_w32(t, 0x10, 1);
		dmt_advance(t, 1500000000ull);
	}
	struct trace tr = {.buf = dmt_trace(t, &tr.len)};
	assert_int_equal(play(&dm_class_pl031, &tr, NULL, NULL), 0);
	free(tr.buf);
	dmt_destroy(t);
}

static void another_model_is_refused(void **state)
{
	struct trace t = record_uart();
	(void)state;
	assert_int_equal(play(&dm_class_pl031, &t, NULL, NULL), -EPROTO);
	free(t.buf);
}

/* ---- hostile records ----------------------------------------------------------------------------------------- */

static uint64_t rnd(uint64_t *s)
{
	*s = *s * 6364136223846793005ull + 1442695040888963407ull;
	return *s >> 33;
}

/* Spoils a few bytes of a good trace, and replays what is there as long as records have a length that fits. */
static void hostile(const struct dm_class *cls, const struct trace *good, unsigned rounds)
{
	uint64_t seed = 1;
	struct trace t = {.buf = malloc(good->len)};
	for (unsigned i = 0; i < rounds; i++) {
		struct replay *r;
		uint64_t n = 0;
		memcpy(t.buf, good->buf, good->len);
		for (unsigned k = 1 + (unsigned)rnd(&seed) % 8; k; k--)
			t.buf[rnd(&seed) % good->len] = (uint8_t)rnd(&seed);
		assert_int_equal(replay_create(&r, cls), 0);
		for (size_t at = 0; at + TRACE_UNIT <= good->len; n++) {
			struct port_entry e;
			struct err err;
			memcpy(&e, t.buf + at, sizeof(e));
			if (trace_record_bytes(&e) > good->len - at)
				break;
			replay_feed(r, &e, t.buf + at + sizeof(e), n, &err);
			at += trace_record_bytes(&e);
		}
		replay_end(r);
		replay_destroy(r);
	}
	free(t.buf);
}

static void spoilt_records_harm_nobody(void **state)
{
	struct trace t = record_uart();
	(void)state;
	hostile(&dm_class_pl011, &t, 3000);
	free(t.buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_replays_clean_with_one_hash),
		cmocka_unit_test(a_wrong_byte_is_found_where_it_comes_out),
		cmocka_unit_test(a_line_that_stays_low_is_found),
		cmocka_unit_test(a_wrong_answer_is_told_with_its_register),
		cmocka_unit_test(a_state_that_differs_is_found_at_the_next_start),
		cmocka_unit_test(outputs_that_are_missing_or_too_many_are_found),
		cmocka_unit_test(after_a_gap_it_goes_on_at_the_next_start),
		cmocka_unit_test(nothing_is_written_while_nobody_wants_it),
		cmocka_unit_test(a_crash_begins_anew),
		cmocka_unit_test(the_clock_is_the_recorded_one),
		cmocka_unit_test(another_model_is_refused),
		cmocka_unit_test(spoilt_records_harm_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
