/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spoilt traces of every model: bytes changed at random, records left out, doubled and moved. Nothing may crash, hang, or read
 * what is not there (the sanitizers look). The traces are those of tests/replay.
 */
#include "devmodel/core/replay.h"
#include "proto/trace_file.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 150u
#define RECORDS 4096u

extern const struct dm_class dm_class_pl011, dm_class_pl031, dm_class_virtio_blk,
	dm_class_virtio_console, dm_class_virtio_net, dm_class_virtio_rng;

/** struct rec - a record of the good trace; the payload is a copy. */
struct rec {
	struct port_entry e;
	uint8_t *payload;
};

static uint64_t seed;

static unsigned rnd(unsigned below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(seed >> 33) % below;
}

static unsigned load(const char *name, struct rec *rec)
{
	char path[512];
	struct trace_file *f;
	struct err err;
	struct trace_cursor c;
	const uint8_t *payload;
	unsigned n = 0;
	snprintf(path, sizeof(path), "%s/%s.trace", TRACES, name);
	if (trace_file_open(path, &f, NULL, &err))
		fail_msg("%s", err.msg);
	trace_cursor_init(&c, f, 0, TRACE_RING_DM);
	while (n < RECORDS && trace_cursor_next(&c, &rec[n].e, &payload)) {
		rec[n].payload = malloc(trace_payload(&rec[n].e) + 1);
		assert_non_null(rec[n].payload);
		if (trace_payload(&rec[n].e))
			memcpy(rec[n].payload, payload, trace_payload(&rec[n].e));
		n++;
	}
	trace_file_close(f);
	return n;
}

static void feed(struct replay *r, const struct rec *rec, uint64_t index, unsigned spoil)
{
	struct err err;
	struct port_entry e = rec->e;
	uint32_t len = trace_payload(&e);
	uint8_t *p = malloc(len + 1);
	assert_non_null(p);
	memcpy(p, rec->payload, len);
	for (; spoil; spoil--) {
		unsigned at = rnd((unsigned)sizeof(e) + len);
		if (at >= sizeof(e))
			p[at - sizeof(e)] ^= (uint8_t)(1u << rnd(8));
		else if (at < offsetof(struct port_entry, seq) || at >= 24)
			((uint8_t *)&e)[at] ^= (uint8_t)(1u << rnd(8));
	}
	if (!len)
		e.flags &= (uint8_t)~PORT_F_PAYLOAD;
	else if (rnd(8) == 0) { /* shorter than it was, and the rest is not ours */
		len = rnd(len) + 1;
		p = realloc(p, len);
		e.seq = (e.seq & UINT32_MAX) | (uint64_t)len << 32;
	}
	replay_feed(r, &e, p, index, &err);
	free(p);
}

static void hostile(const char *name, const struct dm_class *cls)
{
	struct rec *rec = calloc(RECORDS, sizeof(*rec));
	unsigned n = load(name, rec);
	seed = 1;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct replay *r;
		assert_int_equal(replay_create(&r, cls), 0);
		for (unsigned i = 0; i < n; i++) {
			unsigned dice = rnd(200);
			if (dice == 0)
				continue;
			if (dice == 1) /* one from elsewhere */
				feed(r, &rec[rnd(n)], i, 0);
			feed(r, &rec[i], i, dice < 6 ? dice : 0);
			if (replay_waits(r)) /* go on with what follows */
				feed(r, &rec[0], i, 0);
		}
		replay_end(r);
		replay_destroy(r);
	}
	for (unsigned i = 0; i < n; i++)
		free(rec[i].payload);
	free(rec);
}

#define TEST(fn, name, cls)                                                                        \
	static void fn(void **state)                                                               \
	{                                                                                          \
		(void)state;                                                                       \
		hostile(name, &cls);                                                               \
	}
TEST(a_uart, "pl011/session", dm_class_pl011)
TEST(a_clock, "pl031/alarm", dm_class_pl031)
TEST(a_disk, "virtio-blk/requests", dm_class_virtio_blk)
TEST(a_disk_after_a_crash, "virtio-blk/crash", dm_class_virtio_blk)
TEST(a_console, "virtio-console/data", dm_class_virtio_console)
TEST(a_network, "virtio-net/frames", dm_class_virtio_net)
TEST(an_entropy_device, "virtio-rng/buffers", dm_class_virtio_rng)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_uart),
		cmocka_unit_test(a_clock),
		cmocka_unit_test(a_disk),
		cmocka_unit_test(a_disk_after_a_crash),
		cmocka_unit_test(a_console),
		cmocka_unit_test(a_network),
		cmocka_unit_test(an_entropy_device),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
