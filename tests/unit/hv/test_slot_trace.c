/* SPDX-License-Identifier: Apache-2.0 */
/* What the core writes into a slot's trace area: each way of an access, lines, and nothing while nobody watches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <poll.h>
#include <sys/stat.h>
#include "slot_rig.h"

struct seen {
	struct port_entry e[64];
	unsigned n;
};

static void take(struct trace_reader *t, struct seen *s)
{
	uint64_t lost;
	int64_t got = trace_read(t, s->e, sizeof(s->e), &lost);
	assert_true(got >= 0);
	assert_int_equal(lost, 0);
	s->n = (unsigned)(got / TRACE_UNIT);
}

static void each_way_is_recorded(void **state)
{
	(void)state;
	struct rig r;
	struct trace_reader t, lines;
	struct seen s;
	rig_make(&r, POLICY_ONES);
	rig_start(&r, MINI_GOOD);
	trace_reader_init(&t, r.slot->trace.area, TRACE_RING_VCPU);
	trace_reader_init(&lines, r.slot->trace.area, TRACE_RING_LINES);
	slot_trace_want(r.slot, TRACE_WANT_RECORDS);
	assert_int_equal(r.slot->trace.area->wanted, 1);
	wr(&r, 3, 0x11223344);			/* forwarded */
	assert_int_equal(rd(&r, 3, 2), 0x3344); /* forwarded, masked */
	wr(&r, 0, 1);				/* posted, raises the line */
	wr(&r, 1, 0x55);			/* forwarded */
	assert_int_equal(rd(&r, 1, 4), 0x55);	/* shadow */
	wr(&r, 2, 9);				/* ignored */
	while (!atomic_load(&r.level))
		slot_lines_sample(r.slot);
	take(&t, &s);
	assert_int_equal(s.n, 6);
	static const struct port_entry want[] = {
		{.op = PORT_OP_WRITE, .width = 4, .offset = 12, .value = 0x11223344, .seq = 1},
		{.op = PORT_OP_READ, .width = 2, .offset = 12, .value = 0x3344, .seq = 2},
		{.op = PORT_OP_WRITE, .width = 4, .flags = PORT_F_POSTED, .value = 1, .seq = 3},
		{.op = PORT_OP_WRITE, .width = 4, .offset = 4, .value = 0x55, .seq = 4},
		{.op = PORT_OP_READ,
		 .width = 4,
		 .flags = PORT_F_SHADOW,
		 .offset = 4,
		 .value = 0x55},
		{.op = PORT_OP_WRITE, .width = 4, .flags = PORT_F_SHADOW, .offset = 8, .value = 9},
	};
	for (unsigned i = 0; i < s.n; i++) {
		struct port_entry e = s.e[i];
		bool waited = !(e.flags & (PORT_F_POSTED | PORT_F_SHADOW));
		assert_int_equal(!!e.aux, waited); /* a latency where somebody waited */
		assert_true(e.time_us);
		e.aux = 0;
		e.time_us = 0;
		assert_memory_equal(&e, &want[i], sizeof(e));
	}
	take(&lines, &s);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.e[0].op, TRACE_LINE);
	assert_int_equal(s.e[0].value, 1);
	wr(&r, 0, 2); /* down, and a pulse */
	while (!atomic_load(&r.pulses))
		slot_lines_sample(r.slot);
	take(&lines, &s);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.e[0].value + s.e[1].value, 2);
	rig_end(&r);
}

static void accesses_without_a_detour_are_recorded(void **state)
{
	(void)state;
	struct rig r;
	struct trace_reader t;
	struct seen s;
	uint64_t v = 0;
	rig_make(&r, POLICY_ONES);
	r.mp.never_spin = false;
	rig_start(&r, MINI_GOOD);
	trace_reader_init(&t, r.slot->trace.area, TRACE_RING_VCPU + 1);
	slot_trace_want(r.slot, TRACE_WANT_RECORDS);
	assert_true(slot_access_now(r.slot, &r.range, 1, 16, 4, false, &v));
	take(&t, &s);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.e[0].flags, PORT_F_SHADOW);
	assert_int_equal(s.e[0].vcpu, 1);
	assert_int_equal(s.e[0].offset, 16);
	rig_end(&r);
}

static void answers_by_policy_and_bad_widths_are_recorded(void **state)
{
	(void)state;
	struct rig r;
	struct trace_reader t;
	struct seen s;
	uint64_t v = 5;
	rig_make(&r, POLICY_ONES);
	r.slot->cfg.deadline_ns = SHORT_NS;
	trace_reader_init(&t, r.slot->trace.area, TRACE_RING_VCPU);
	slot_trace_want(r.slot, TRACE_WANT_RECORDS);
	assert_int_equal(rd(&r, 5, 4), 0xffffffff); /* nobody serves */
	rig_start(&r, MINI_MUTE);
	assert_int_equal(rd(&r, 3, 4), 0xffffffff); /* nobody answers */
	wr(&r, 3, 7);
	assert_int_equal(slot_access(r.slot, &r.range, 0, &r.stop, 12, 8, true, &v), ACCESS_OK);
	take(&t, &s);
	assert_int_equal(s.n, 4);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(s.e[i].op, TRACE_POLICY);
	assert_int_equal(s.e[0].value, 0xffffffff);
	assert_int_equal(s.e[0].offset, 20);
	assert_int_equal(s.e[1].flags, 0);
	assert_int_equal(s.e[2].flags, PORT_F_WRITTEN);
	assert_int_equal(s.e[2].value, 7);
	assert_int_equal(s.e[3].op, PORT_OP_WRITE);
	assert_int_equal(s.e[3].flags, PORT_F_SHADOW | PORT_F_FAILED);
	rig_end(&r);
}

static void nothing_is_written_while_nobody_watches(void **state)
{
	(void)state;
	struct rig r;
	struct trace_reader t;
	struct seen s;
	struct stat st;
	rig_make(&r, POLICY_ONES);
	rig_start(&r, MINI_GOOD);
	trace_reader_init(&t, r.slot->trace.area, TRACE_RING_VCPU);
	atomic_store(&r.slot->trace.area->wanted, 3); /* a hostile daemon does */
	for (unsigned i = 0; i < 100; i++)
		rd(&r, 3, 4);
	take(&t, &s);
	assert_int_equal(s.n, 0);
	slot_trace_want(r.slot, TRACE_WANT_RECORDS);
	for (unsigned i = 0; i < TRACE_HV_BYTES / TRACE_UNIT + 100; i++) /* round the ring */
		rd(&r, 3, 4);
	assert_int_equal(fstat(r.slot->trace.fd, &st), 0);
	assert_true(st.st_blocks * 512 >= TRACE_HV_BYTES);
	atomic_store(&r.slot->trace.area->wanted, 0); /* does not switch us off */
	trace_reader_init(&t, r.slot->trace.area, TRACE_RING_VCPU);
	rd(&r, 3, 4);
	take(&t, &s);
	assert_int_equal(s.n, 1);
	slot_trace_want(r.slot, 0);
	rd(&r, 3, 4);
	take(&t, &s);
	assert_int_equal(s.n, 0);
	assert_int_equal(fstat(r.slot->trace.fd, &st), 0);
	assert_true(st.st_blocks * 512 <= TRACE_RING_BASE); /* its memory was given back */
	slot_trace_want(r.slot, TRACE_WANT_RECORDS);	    /* and once more */
	trace_reader_init(&t, r.slot->trace.area, TRACE_RING_VCPU);
	rd(&r, 3, 4);
	take(&t, &s);
	assert_int_equal(s.n, 1);
	rig_end(&r);
}

static void nonsense_in_the_rings_heads_does_not_lead_the_core_astray(void **state)
{
	(void)state;
	struct rig r;
	rig_make(&r, POLICY_ONES);
	rig_start(&r, MINI_GOOD);
	slot_trace_want(r.slot, TRACE_WANT_RECORDS);
	for (uint64_t i = 0; i < 20000; i++) {
		atomic_store(&r.slot->trace.area->ring[TRACE_RING_VCPU].head,
			     i * 0x9e3779b97f4a7c15u);
		atomic_store(&r.slot->trace.area->ring[TRACE_RING_VCPU].reserve, ~i);
		r.slot->trace.area->bytes = i;
		r.slot->trace.area->vcpus = (uint32_t)~i;
		rd(&r, 3, 4);
	}
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_way_is_recorded),
		cmocka_unit_test(accesses_without_a_detour_are_recorded),
		cmocka_unit_test(answers_by_policy_and_bad_widths_are_recorded),
		cmocka_unit_test(nothing_is_written_while_nobody_watches),
		cmocka_unit_test(nonsense_in_the_rings_heads_does_not_lead_the_core_astray),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
