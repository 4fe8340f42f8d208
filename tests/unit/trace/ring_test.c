/* SPDX-License-Identifier: Apache-2.0 */
/* The rings of a trace area: one writer, readers that keep up and readers that are overtaken, hostile words in shared memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include "base/bytes.h"
#include "base/clock.h"
#include "proto/trace.h"

#define BUF (TRACE_PAYLOAD_MAX + TRACE_UNIT)

static struct trace_area *area_make(unsigned vcpus)
{
	size_t n = trace_area_bytes(vcpus);
	struct trace_area *a = aligned_alloc(4096, align_up(n, 4096));
	assert_non_null(a);
	memset(a, 0, n);
	trace_area_init(a, vcpus, "uart0");
	assert_int_equal(trace_area_check(a, n), 0);
	return a;
}

static uint8_t pattern(uint64_t seed, size_t i)
{
	return (uint8_t)((seed * 2654435761u) >> 8 ^ i * 31);
}

/* Record number @n, with a payload whose length and bytes follow from it. */
static void numbered_write(struct trace_writer *w, uint64_t n)
{
	static _Thread_local uint8_t payload[4096];
	struct port_entry e = {
		.op = PORT_OP_READ, .value = n, .offset = (uint32_t)~n, .seq = n & UINT32_MAX};
	size_t len = n % 7 == 3 ? (n * 37) % sizeof(payload) : 0;
	for (size_t i = 0; i < len; i++)
		payload[i] = pattern(n, i);
	trace_write(w, &e, payload, len);
}

static void numbered_check(const struct port_entry *e, const uint8_t *payload)
{
	size_t len = e->value % 7 == 3 ? (e->value * 37) % 4096 : 0;
	assert_int_equal(e->op, PORT_OP_READ);
	assert_int_equal(e->offset, (uint32_t)~e->value);
	assert_int_equal(trace_payload(e), len);
	assert_int_equal((uint32_t)e->seq, (uint32_t)e->value);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(payload[i], pattern(e->value, i));
}

/* Checks the @n bytes at @buf; records rise from *@next. Returns how many there were. */
static uint64_t numbered_check_all(const uint8_t *buf, int64_t n, uint64_t *next, bool gapless)
{
	uint64_t count = 0;
	for (int64_t at = 0; at < n; count++) {
		struct port_entry e;
		memcpy(&e, buf + at, sizeof(e));
		numbered_check(&e, buf + at + sizeof(e));
		if (gapless || count)
			assert_int_equal(e.value, *next);
		else
			assert_true(e.value >= *next);
		*next = e.value + 1;
		at += (int64_t)trace_record_bytes(&e);
	}
	return count;
}

static void records_come_out_as_they_went_in(void **state)
{
	(void)state;
	struct trace_area *a = area_make(1);
	struct trace_writer w;
	struct trace_reader r;
	static uint8_t buf[BUF];
	uint64_t lost, next = 0;
	trace_writer_init(&w, a, TRACE_RING_VCPU);
	trace_reader_init(&r, a, TRACE_RING_VCPU);
	assert_int_equal(trace_read(&r, buf, sizeof(buf), &lost), 0);
	for (uint64_t i = 0; i < 20000; i++) { /* many times round the ring */
		numbered_write(&w, i);
		if (i % 50 == 49)
			numbered_check_all(buf, trace_read(&r, buf, sizeof(buf), &lost), &next,
					   true);
		assert_int_equal(lost, 0);
	}
	assert_int_equal(next, 20000);
	assert_int_equal(r.lost, 0);
	free(a);
}

static void a_payload_of_pieces_is_one(void **state)
{
	(void)state;
	struct trace_area *a = area_make(0);
	struct trace_writer w;
	struct trace_reader r;
	static uint8_t buf[BUF], want[5000];
	uint64_t lost;
	trace_writer_init(&w, a, TRACE_RING_DM);
	trace_reader_init(&r, a, TRACE_RING_DM);
	for (size_t i = 0; i < sizeof(want); i++)
		want[i] = pattern(9, i);
	struct iovec v[] = {
		{want, 1}, {want + 1, 0}, {want + 1, 66}, {want + 67, 31}, {want + 98, 4902}};
	struct port_entry e = {.op = TRACE_QUEUE, .seq = 5};
	trace_writev(&w, &e, v, ARRAY_LEN(v));
	assert_int_equal(trace_read(&r, buf, sizeof(buf), &lost),
			 TRACE_UNIT + align_up(5000, TRACE_UNIT));
	memcpy(&e, buf, sizeof(e));
	assert_int_equal(trace_payload(&e), 5000);
	assert_int_equal((uint32_t)e.seq, 5);
	assert_memory_equal(buf + TRACE_UNIT, want, 5000);
	for (size_t i = TRACE_UNIT + 5000; i % TRACE_UNIT; i++)
		assert_int_equal(buf[i], 0); /* nothing of older records */
	free(a);
}

static void the_largest_payload_fits_and_small_buffers_are_told(void **state)
{
	(void)state;
	struct trace_area *a = area_make(0);
	struct trace_writer w;
	struct trace_reader r;
	static uint8_t big[TRACE_PAYLOAD_MAX], buf[BUF];
	uint64_t lost;
	trace_writer_init(&w, a, TRACE_RING_DM);
	trace_reader_init(&r, a, TRACE_RING_DM);
	struct port_entry e = {.op = TRACE_START};
	trace_write(&w, &e, big, sizeof(big));
	assert_int_equal(trace_read(&r, buf, 4096, &lost), -EMSGSIZE);
	assert_int_equal(trace_read(&r, buf, sizeof(buf), &lost), sizeof(big) + TRACE_UNIT);
	free(a);
}

static void an_overtaken_reader_counts_and_goes_on(void **state)
{
	(void)state;
	struct trace_area *a = area_make(1);
	struct trace_writer w;
	struct trace_reader r;
	static uint8_t buf[BUF];
	uint64_t lost, next = 0, begin;
	trace_writer_init(&w, a, TRACE_RING_VCPU);
	trace_reader_init(&r, a, TRACE_RING_VCPU);
	begin = w.pos;
	for (uint64_t i = 0; i < 20000; i++)
		numbered_write(&w, i);
	assert_int_equal(trace_read(&r, buf, sizeof(buf), &lost), 0);
	assert_int_equal(lost, w.pos - begin);
	assert_int_equal(r.lost, lost);
	numbered_write(&w, 20000);
	assert_true(trace_read(&r, buf, sizeof(buf), &lost) > 0);
	numbered_check_all(buf, TRACE_UNIT, &next, false);
	assert_int_equal(next, 20001);
	assert_int_equal(lost, 0);
	free(a);
}

static void a_writer_that_died_inside_a_record_leaves_a_gap(void **state)
{
	(void)state;
	struct trace_area *a = area_make(0);
	struct trace_writer w;
	struct trace_reader r;
	static uint8_t buf[BUF];
	uint64_t lost;
	trace_writer_init(&w, a, TRACE_RING_DM);
	trace_reader_init(&r, a, TRACE_RING_DM);
	numbered_write(&w, 1);
	atomic_store(&a->ring[TRACE_RING_DM].reserve, w.pos + 96); /* and then: kill -9 */
	trace_writer_init(&w, a, TRACE_RING_DM);
	numbered_write(&w, 2);
	int64_t n = trace_read(&r, buf, sizeof(buf), &lost);
	struct port_entry e;
	assert_int_equal(n, TRACE_UNIT + 96 + TRACE_UNIT);
	memcpy(&e, buf + TRACE_UNIT, sizeof(e));
	assert_int_equal(e.op, TRACE_GAP);
	assert_int_equal(e.value, 96);
	assert_int_equal(trace_record_bytes(&e), 96);
	memcpy(&e, buf + TRACE_UNIT + 96, sizeof(e));
	numbered_check(&e, NULL);
	assert_int_equal(e.value, 2);
	assert_int_equal(lost, 0);
	atomic_store(&a->ring[TRACE_RING_DM].reserve,
		     w.pos + (1ull << 40)); /* nonsense: no such record */
	trace_writer_init(&w, a, TRACE_RING_DM);
	numbered_write(&w, 4);
	assert_int_equal(trace_read(&r, buf, sizeof(buf), &lost), 0);
	numbered_write(&w, 5);
	assert_int_equal(trace_read(&r, buf, sizeof(buf), &lost), TRACE_UNIT);
	free(a);
}

static void nonsense_in_a_ring_harms_no_reader(void **state)
{
	(void)state;
	struct trace_area *a = area_make(1);
	struct trace_writer w;
	static uint8_t buf[BUF];
	uint64_t lost, seed = 42;
	trace_writer_init(&w, a, TRACE_RING_VCPU);
	for (uint64_t i = 0; i < 5000; i++)
		numbered_write(&w, i);
	for (unsigned round = 0; round < 20000; round++) {
		struct trace_reader r;
		trace_reader_init(&r, a, TRACE_RING_VCPU);
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		struct trace_ring *ring = &a->ring[TRACE_RING_VCPU];
		uint64_t head = r.pos + (seed >> 33) % (2 * TRACE_HV_BYTES);
		atomic_store(&ring->head, round % 5 ? head : seed);
		atomic_store(&ring->reserve, round % 3 ? head : seed >> 7);
		uint8_t *bytes = (uint8_t *)a + trace_ring_offset(TRACE_RING_VCPU);
		bytes[seed >> 40 & (TRACE_HV_BYTES - 1)] ^= (uint8_t)(seed >> 20);
		int64_t n = trace_read(&r, buf, round % 2 ? sizeof(buf) : 96, &lost);
		assert_true(n <= (int64_t)sizeof(buf) &&
			    (n >= 0 || n == -EPROTO || n == -EMSGSIZE));
		for (int64_t at = 0; at < n;) { /* whole records only */
			struct port_entry e;
			memcpy(&e, buf + at, sizeof(e));
			at += (int64_t)trace_record_bytes(&e);
			assert_true(at <= n);
		}
	}
	free(a);
}

static void latencies_keep_ten_bits(void **state)
{
	(void)state;
	for (uint64_t ns = 1; ns < 1ull << 40; ns += ns / 3 + 1) {
		uint64_t back = trace_latency_ns(trace_latency(ns));
		assert_true(back <= ns && ns - back <= ns / 512);
	}
	assert_int_equal(trace_latency_ns(trace_latency(0)), 1);
}

static void foreign_areas_are_refused(void **state)
{
	(void)state;
	struct trace_area *a = area_make(2);
	assert_int_equal(trace_area_check(a, TRACE_RING_BASE - 1), -EPROTO);
	assert_int_equal(trace_area_check(a, trace_area_bytes(2) - 1), -EPROTO);
	a->vcpus = PORT_MAX_VCPUS + 1;
	assert_int_equal(trace_area_check(a, trace_area_bytes(2)), -EPROTO);
	a->vcpus = 2;
	a->version++;
	assert_int_equal(trace_area_check(a, trace_area_bytes(2)), -EPROTO);
	free(a);
}

/* ---- the race ------------------------------------------------------------------------------------------- */

struct race {
	struct trace_area *a;
	_Atomic uint32_t stop;
	uint64_t written;
};

static void *race_write(void *arg)
{
	struct race *race = arg;
	struct trace_writer w;
	trace_writer_init(&w, race->a, TRACE_RING_VCPU);
	while (!atomic_load_explicit(&race->stop, memory_order_relaxed)) {
		numbered_write(&w, race->written++);
		if (race->written % 4096 == 0)
			sched_yield();
	}
	return NULL;
}

struct race_seen {
	struct race *race;
	unsigned pause;
	uint64_t records, losses;
};

#define RACE_RECORDS 30000u /* of the reader that keeps up as it can */
#define RACE_SLOW 500u	    /* and of the one that is overtaken again and again */
#define RACE_LOSSES 20u

/* True while the writer is not so far ahead that what we read next is overwritten while we read it, or a moment before. */
static bool lap(struct race *race, const struct trace_reader *r)
{
	return atomic_load(&race->a->ring[TRACE_RING_VCPU].head) - r->pos < r->size - (16 << 10);
}

static void *race_read(void *arg)
{
	struct race_seen *s = arg;
	struct trace_reader r;
	uint8_t *buf = malloc(BUF);
	uint64_t lost, next = 0, end = clock_now_ns() + 60000000000u;
	assert_non_null(buf);
	trace_reader_init(&r, s->race->a, TRACE_RING_VCPU);
	bool gapless = false;
	while (clock_now_ns() < end && (s->records < (s->pause ? RACE_SLOW : RACE_RECORDS) ||
					(s->pause && s->losses < RACE_LOSSES))) {
		int64_t n = trace_read(&r, buf, s->pause ? 64 << 10 : BUF, &lost);
		assert_true(n >= 0); /* an honest writer never leaves what is no record */
		if (lost) {
			s->losses++;
			gapless = false;
		}
		if (n) {
			s->records += numbered_check_all(buf, n, &next, gapless);
			gapless = true;
		}
		if (s->pause &&
		    n > 0) /* until the writer is a lap ahead: it is never asked to wait for us */
			while (clock_now_ns() < end && lap(s->race, &r))
				sched_yield();
	}
	free(buf);
	return NULL;
}

static void readers_race_the_writer_and_see_no_torn_record(void **state)
{
	(void)state;
	struct race race = {.a = area_make(1)};
	struct race_seen seen[2] = {{.race = &race}, {.race = &race, .pause = 3}};
	pthread_t writer, reader[2];
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&reader[i], NULL, race_read, &seen[i]), 0);
	assert_int_equal(pthread_create(&writer, NULL, race_write, &race), 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(reader[i], NULL);
	atomic_store(&race.stop, 1);
	pthread_join(writer, NULL);
	for (unsigned i = 0; i < 2; i++)
		printf("reader %u: %llu of %llu records, overtaken %llu times\n", i,
		       (unsigned long long)seen[i].records, (unsigned long long)race.written,
		       (unsigned long long)seen[i].losses);
	assert_true(seen[0].records >= RACE_RECORDS && seen[1].records >= RACE_SLOW);
	assert_true(seen[1].losses >= RACE_LOSSES);
	free(race.a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_out_as_they_went_in),
		cmocka_unit_test(a_payload_of_pieces_is_one),
		cmocka_unit_test(the_largest_payload_fits_and_small_buffers_are_told),
		cmocka_unit_test(an_overtaken_reader_counts_and_goes_on),
		cmocka_unit_test(a_writer_that_died_inside_a_record_leaves_a_gap),
		cmocka_unit_test(nonsense_in_a_ring_harms_no_reader),
		cmocka_unit_test(latencies_keep_ten_bits),
		cmocka_unit_test(foreign_areas_are_refused),
		cmocka_unit_test(readers_race_the_writer_and_see_no_torn_record),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
