/* SPDX-License-Identifier: Apache-2.0 */
/* Queues: set-up, use, errors and reset; virtio 1.2, sections 2.1.2, 2.6, 2.7, 2.8, 4.2.2 and 4.2.3. Split and packed. */
#include "tests/unit/virtio/tdriver.h"
#include "tests/unit/virtio/tmodel.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define V1 VRING_F_VERSION_1

struct fix {
	struct dm_test *t;
	struct tmodel *s;
	struct td d;
	uint64_t features;
};

static int setup_with(void **state, uint64_t features)
{
	static struct fix f;
	f = (struct fix){.t = dmt_create(&dm_class_tmodel, NULL), .features = features | V1};
	f.s = tm_state(f.t->dm);
	*state = &f;
	return td_negotiate(&f.d, f.t, f.features) ? 0 : -1;
}

static int setup_split(void **state)
{
	return setup_with(state, VIRTIO_F_RING_RESET);
}

static int setup_split_event(void **state)
{
	return setup_with(state, VIRTIO_F_RING_RESET | VRING_F_EVENT_IDX);
}

static int setup_packed(void **state)
{
	return setup_with(state, VIRTIO_F_RING_RESET | VRING_F_RING_PACKED);
}

static int setup_packed_event(void **state)
{
	return setup_with(state, VIRTIO_F_RING_RESET | VRING_F_RING_PACKED | VRING_F_EVENT_IDX);
}

static int teardown(void **state)
{
	dmt_destroy(((struct fix *)*state)->t);
	return 0;
}

static uint64_t errors(struct fix *f)
{
	return f->t->dm->guest_errors;
}

static void go(struct fix *f, uint16_t size)
{
	td_queue(&f->d, 0, size);
	td_queue(&f->d, 1, size);
	td_queue(&f->d, 3, size);
	td_ok(&f->d);
	dmt_work(f->t, 100);
}

/* Sends @len bytes through an echo queue and checks what comes back. */
static void expect_echo(struct fix *f, unsigned q, unsigned n, uint32_t len)
{
	uint64_t gpa = TD_BUF(q, n);
	unsigned got;
	uint32_t used;
	memset(dmt_at(f->t, gpa), (int)(n + 1), len);
	memset(dmt_at(f->t, gpa + len), 0, len);
	unsigned id = td_add(&f->d, q, gpa, len, len);
	dmt_doorbell(f->t, q);
	assert_true(td_used(&f->d, q, &got, &used));
	assert_int_equal(got, id);
	assert_int_equal(used, len);
	assert_memory_equal(dmt_at(f->t, gpa), dmt_at(f->t, gpa + len), len);
	assert_int_equal(dmt_r32(f->t, R_INTERRUPT_STATUS), VIRTIO_INT_USED);
	dmt_w32(f->t, R_INTERRUPT_ACK, VIRTIO_INT_USED);
	assert_false(dmt_line(f->t, 0));
}

static bool needs_reset(struct fix *f)
{
	return dmt_r32(f->t, R_STATUS) & VIRTIO_S_NEEDS_RESET;
}

/* ---- use ------------------------------------------------------------------------------------------- */

static void buffers_go_round(void **state)
{
	struct fix *f = *state;
	go(f, 8);
	for (unsigned i = 0; i < 50; i++) {
		expect_echo(f, 0, i % 50, 1 + i);
		expect_echo(f, 3, i % 50, 1 + i);
	}
	assert_int_equal(errors(f), 0);
	assert_int_equal(f->t->counts[DM_COUNT_REQUESTS], 100);
	dmt_w32(f->t, R_QUEUE_SEL, 0);
	assert_int_equal(dmt_r32(f->t, R_QUEUE_READY), 1);
}

static void inspect_shows_the_last_chains(void **state)
{
	struct fix *f = *state;
	char *s;
	go(f, 8);
	s = dm_inspect(f->t->dm, "dev");
	assert_null(strstr(s, "queue 0, last chains"));
	free(s);
	for (unsigned i = 0; i < 6; i++)
		expect_echo(f, 0, i, 10 + i);
	s = dm_inspect(f->t->dm, "dev");
	const char *at = strstr(s, "\"queue 0, last chains\": \"");
	assert_non_null(at);
	/* The last one first, four of them. */
	assert_non_null(strstr(at, ": out 1/15 in 1/15 used 15; "));
	assert_non_null(strstr(at, ": out 1/12 in 1/12 used 12\""));
	assert_null(strstr(at, "used 11"));
	assert_null(strstr(s, "queue 3, last chains"));
	free(s);
}

static void an_emptied_queue_asks_for_notifications(void **state)
{
	struct fix *f = *state;
	go(f, 8);
	assert_true(td_wants_kick(&f->d, 0));
	for (unsigned i = 0; i < 20; i++) {
		expect_echo(f, 0, i, 8);
		assert_true(td_wants_kick(&f->d, 0));
	}
}

static void a_queue_that_is_not_emptied_asks_for_none(void **state)
{
	struct fix *f = *state;
	go(f, 32);
	for (unsigned i = 0; i < TM_KEEP + 4; i++)
		td_add(&f->d, 1, TD_BUF(1, i), 8, 0);
	dmt_doorbell(f->t, 1);
	assert_int_equal(f->s->nkept, TM_KEEP);
	td_add(&f->d, 1, TD_BUF(1, 30), 8, 0);
	assert_false(td_wants_kick(&f->d, 1));
	dmt_write(f->t, R_CONFIG, 1, 0); /* gives all back, and looks again by itself */
	dmt_work(f->t, 100);
	assert_int_equal(f->s->nkept, 5);
	assert_true(td_wants_kick(&f->d, 1));
}

static void a_turn_is_bounded(void **state)
{
	struct fix *f = *state;
	go(f, TM_QUEUE_SIZE);
	const unsigned n = TM_QUEUE_SIZE;
	for (unsigned i = 0; i < n; i++)
		td_add(&f->d, 0, TD_BUF(0, i), 8, 0);
	uint32_t calls = f->s->calls[0];
	dm_doorbell(f->t->dm, 0);
	dmt_settle(f->t);
	assert_int_equal(f->s->calls[0], calls + 1);
	assert_int_equal(f->s->q[0].popped, VIRTIO_BUDGET);
	unsigned turns = dmt_work(f->t, 100);
	assert_true(turns >= 1 && turns <= 4);
	assert_int_equal(f->s->q[0].pushed, n);
	assert_int_equal(f->s->q[0].inflight, 0);
}

static void busy_queues_take_turns(void **state)
{
	struct fix *f = *state;
	go(f, TM_QUEUE_SIZE);
	for (unsigned i = 0; i < 120; i++) {
		td_add(&f->d, 0, TD_BUF(0, i), 8, 0);
		td_add(&f->d, 3, TD_BUF(3, i), 8, 0);
	}
	virtio_more(f->t->dm, f->s, 0);
	virtio_more(f->t->dm, f->s, 3);
	uint32_t a = f->s->calls[0], b = f->s->calls[3];
	dmt_work(f->t, 1);
	dmt_work(f->t, 1);
	assert_int_equal(f->s->calls[0] - a, 1);
	assert_int_equal(f->s->calls[3] - b, 1);
	dmt_work(f->t, 100);
	assert_int_equal(f->s->q[0].pushed, 120);
	assert_int_equal(f->s->q[3].pushed, 120);
}

/* Many queues are rung before there is a commit: more chains than can wait for one. */
static void turns_without_a_commit_between(void **state)
{
	struct fix *f = *state;
	go(f, TM_QUEUE_SIZE);
	for (unsigned i = 0; i < 100; i++) {
		td_add(&f->d, 0, TD_BUF(0, i), 8, 0);
		td_add(&f->d, 3, TD_BUF(3, i), 8, 0);
	}
	dm_doorbell(f->t->dm, 0);
	dm_doorbell(f->t->dm, 3);
	dm_doorbell(f->t->dm, 0);
	assert_true(f->s->v.nfresh <= VIRTIO_FRESH);
	assert_true(dm_work(f->t->dm)); /* there is more: commit, and ask again */
	dmt_settle(f->t);
	dmt_work(f->t, 100);
	assert_int_equal(f->s->q[0].pushed, 100);
	assert_int_equal(f->s->q[3].pushed, 100);
	assert_int_equal(dmt_r32(f->t, R_INTERRUPT_STATUS), VIRTIO_INT_USED);
	assert_true(td_wants_kick(&f->d, 0));
	assert_true(td_wants_kick(&f->d, 3));
}

static void buffers_from_before_driver_ok_are_used_after_it(void **state)
{
	struct fix *f = *state;
	unsigned id;
	uint32_t len;
	td_queue(&f->d, 0, 8);
	td_add(&f->d, 0, TD_BUF(0, 0), 8, 8);
	dmt_doorbell(f->t, 0);
	assert_int_equal(errors(f), 1); /* 3.1.1: no notification before DRIVER_OK */
	assert_false(td_used(&f->d, 0, &id, &len));
	td_ok(&f->d);
	dmt_work(f->t, 100);
	assert_true(td_used(&f->d, 0, &id, &len));
}

static void notifications_of_nothing_are_counted(void **state)
{
	struct fix *f = *state;
	td_queue(&f->d, 0, 8);
	td_ok(&f->d);
	dmt_w32(f->t, R_QUEUE_NOTIFY, 0);
	assert_int_equal(errors(f), 0);
	dmt_w32(f->t, R_QUEUE_NOTIFY, 1); /* not ready */
	assert_int_equal(errors(f), 1);
	dmt_w32(f->t, R_QUEUE_NOTIFY, 2); /* does not exist */
	assert_int_equal(errors(f), 2);
	dmt_w32(f->t, R_QUEUE_NOTIFY, 63);
	assert_int_equal(errors(f), 3);
	dmt_w32(f->t, R_QUEUE_NOTIFY, 0x10000); /* NOTIFICATION_DATA was not negotiated */
	assert_int_equal(errors(f), 4);
	assert_false(needs_reset(f));
	expect_echo(f, 0, 0, 8);
}

/* ---- set-up ---------------------------------------------------------------------------------------- */

static void a_queue_that_does_not_exist_takes_nothing(void **state)
{
	struct fix *f = *state;
	static const uint32_t absent[] = {2, 4, 5, 64, 0x10000, 0xffffffff};
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
		uint64_t before = errors(f);
		td_areas(&f->d, absent[i], 8, TD_AREA(0), TD_AREA(0) + 0x2000, TD_AREA(0) + 0x3000);
		dmt_w32(f->t, R_QUEUE_READY, 1);
		assert_int_equal(errors(f) - before, 8);
		assert_int_equal(dmt_r32(f->t, R_QUEUE_NUM_MAX), 0);
		assert_int_equal(dmt_r32(f->t, R_QUEUE_READY), 0);
		dmt_w32(f->t, R_QUEUE_RESET, 1);
		assert_int_equal(errors(f) - before, 9);
	}
	assert_false(needs_reset(f));
}

static void sizes_that_cannot_be(void **state)
{
	struct fix *f = *state;
	static const uint32_t bad[] = {0, TM_QUEUE_SIZE + 1, 2 * TM_QUEUE_SIZE, 0x10008,
				       0xffffffff};
	td_areas(&f->d, 0, 16, TD_AREA(0), TD_AREA(0) + 0x2000, TD_AREA(0) + 0x3000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		dmt_w32(f->t, R_QUEUE_NUM, bad[i]);
		assert_int_equal(errors(f), i + 1);
		assert_int_equal(f->s->q[0].size, 16);
	}
	uint64_t before = errors(f);
	dmt_w32(f->t, R_QUEUE_NUM, 24); /* no power of two: 2.7, 2.8.10.1 */
	assert_int_equal(errors(f) - before, f->d.packed ? 0 : 1);
	assert_int_equal(f->s->q[0].size, f->d.packed ? 24 : 16);
}

static void a_ready_queue_is_not_set_up_again(void **state)
{
	struct fix *f = *state;
	go(f, 8);
	struct vring before = f->s->q[0];
	td_areas(&f->d, 0, 16, TD_AREA(1), TD_AREA(1), TD_AREA(1));
	assert_int_equal(errors(f), 7);
	dmt_w32(f->t, R_QUEUE_READY, 1);
	assert_int_equal(errors(f), 8);
	dmt_w32(f->t, R_QUEUE_READY, 2);
	assert_int_equal(errors(f), 9);
	assert_memory_equal(&before, &f->s->q[0], sizeof(before));
	expect_echo(f, 0, 0, 8);
}

static void queues_come_after_features_ok(void **state)
{
	struct fix *f = *state;
	dmt_w32(f->t, R_STATUS, 0);
	dmt_w32(f->t, R_STATUS, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
	td_queue(&f->d, 0, 8);
	assert_int_equal(errors(f), 1);
	assert_int_equal(dmt_r32(f->t, R_QUEUE_READY), 0);
}

/* Where the areas may not be. */
static void bad_areas_break_the_queue(void **state)
{
	struct fix *f = *state;
	const uint64_t end = DMT_RAM_GPA + DMT_RAM_BYTES, d = TD_AREA(0);
	const uint64_t bad[][3] = {
		{0, d + 0x2000, d + 0x3000},
		{d, 0, d + 0x3000},
		{d, d + 0x2000, 0},
		{d + 8, d + 0x2000, d + 0x3000},
		{d, d + 0x2001, d + 0x3000},
		{d, d + 0x2000, d + 0x3002},
		{end - 16, d + 0x2000, d + 0x3000},
		{d, end - 2, d + 0x3000},
		{d, d + 0x2000, end},
		{UINT64_MAX - 15, d + 0x2000, d + 0x3000},
		{d, d + 0x2000, 1ull << 63},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (unsigned live = 0; live < 2; live++) {
			assert_true(td_negotiate(&f->d, f->t, f->features));
			if (live)
				td_ok(&f->d);
			td_areas(&f->d, 0, 8, bad[i][0], bad[i][1], bad[i][2]);
			dmt_w32(f->t, R_QUEUE_READY, 1);
			assert_int_equal(dmt_r32(f->t, R_QUEUE_READY), 1); /* as written */
			assert_true(needs_reset(f));
			/* 2.1.2: a configuration interrupt, if DRIVER_OK is set; else as soon as it is. */
			assert_int_equal(dmt_r32(f->t, R_INTERRUPT_STATUS),
					 live ? VIRTIO_INT_CONFIG : 0);
			if (!live)
				td_ok(&f->d);
			assert_int_equal(dmt_r32(f->t, R_INTERRUPT_STATUS), VIRTIO_INT_CONFIG);
			assert_false(virtio_live(f->s));
			dmt_doorbell(f->t, 0);
		}
	assert_true(td_negotiate(&f->d, f->t, f->features));
	go(f, 8);
	expect_echo(f, 0, 0, 8);
}

static void a_queue_without_a_size_breaks(void **state)
{
	struct fix *f = *state;
	td_areas(&f->d, 0, 0, TD_AREA(0), TD_AREA(0) + 0x2000, TD_AREA(0) + 0x3000);
	dmt_w32(f->t, R_QUEUE_READY, 1);
	assert_true(needs_reset(f));
}

/* ---- broken ---------------------------------------------------------------------------------------- */

static void a_broken_queue_stops_the_device_until_reset(void **state)
{
	struct fix *f = *state;
	unsigned id;
	uint32_t len;
	go(f, 8);
	td_add(&f->d, 1, TD_BUF(1, 0), 8, 8);
	dmt_doorbell(f->t, 1);
	td_break(&f->d, 3);
	dmt_doorbell(f->t, 3);
	assert_true(needs_reset(f));
	assert_int_equal(dmt_r32(f->t, R_INTERRUPT_STATUS), VIRTIO_INT_CONFIG);
	assert_int_equal(f->s->v.broken_queue, 3 + 1);
	assert_non_null(strstr(f->t->log, "queue 3"));
	/* No ring is processed, the good ones neither. */
	td_add(&f->d, 0, TD_BUF(0, 0), 8, 8);
	uint64_t before = errors(f);
	dmt_doorbell(f->t, 0);
	dmt_write(f->t, R_CONFIG, 1, 0);
	dmt_work(f->t, 100);
	assert_int_equal(errors(f), before); /* the driver need not know yet */
	assert_false(td_used(&f->d, 0, &id, &len));
	assert_false(td_used(&f->d, 1, &id, &len));
	assert_int_equal(dmt_r32(f->t, R_INTERRUPT_STATUS), VIRTIO_INT_CONFIG);
	/* It latches: writing the bit, or leaving it out, does not clear it. */
	dmt_w32(f->t, R_STATUS, 0xf);
	assert_true(needs_reset(f));
	dmt_w32(f->t, R_STATUS, 0x4f);
	assert_true(needs_reset(f));
	dmt_w32(f->t, R_QUEUE_SEL, 3);
	dmt_w32(f->t, R_QUEUE_READY, 0);
	assert_true(needs_reset(f));
	assert_int_equal(errors(f), before);
	assert_true(td_negotiate(&f->d, f->t, f->features));
	go(f, 8);
	expect_echo(f, 3, 0, 8);
}

static void an_index_out_of_range_breaks(void **state)
{
	struct fix *f = *state;
	if (f->d.packed)
		return; /* a packed ring has no index */
	go(f, 8);
	uint16_t *avail = dmt_at(f->t, TD_AREA(0) + 0x2000);
	avail[1] = 100;
	dmt_doorbell(f->t, 0);
	assert_true(needs_reset(f));
}

/* ---- stop and reset of one queue ----------------------------------------------------------------------- */

static void stop(struct fix *f, bool reset)
{
	dmt_w32(f->t, R_QUEUE_SEL, 1);
	if (reset)
		dmt_w32(f->t, R_QUEUE_RESET, 1);
	else
		dmt_w32(f->t, R_QUEUE_READY, 0);
	assert_int_equal(dmt_r32(f->t, R_QUEUE_RESET), 0);
	assert_int_equal(dmt_r32(f->t, R_QUEUE_READY), 0);
	assert_int_equal(dmt_r32(f->t, R_QUEUE_NUM_MAX), TM_QUEUE_SIZE);
}

/* 2.6.1, 4.2.2.2: only this queue, its buffers are forgotten, and it can be made ready again. */
static void one_queue_stops_and_starts(void **state)
{
	struct fix *f = *state;
	unsigned id;
	uint32_t len;
	go(f, 8);
	for (unsigned i = 0; i < 6; i++) {
		uint32_t quiesces = f->s->quiesces;
		td_add(&f->d, 1, TD_BUF(1, 0), 8, 8);
		dmt_doorbell(f->t, 1);
		assert_int_equal(f->s->nkept, 1);
		stop(f, i & 1);
		assert_int_equal(f->s->quiesces, quiesces + 1);
		assert_int_equal(f->s->quiesced, 1 + 1);
		dmt_write(f->t, R_CONFIG, 1, 0);
		assert_false(td_used(&f->d, 1, &id, &len));
		uint64_t before = errors(f);
		dmt_doorbell(f->t, 1); /* a late one */
		assert_int_equal(errors(f), before);
		dmt_doorbell(f->t, 1);
		assert_int_equal(errors(f), before + 1);
		expect_echo(f, 0, i, 8);
		td_queue(&f->d, 1, (uint16_t)(4u << (i % 3)));
		assert_int_equal(dmt_r32(f->t, R_QUEUE_READY), 1);
		assert_false(needs_reset(f));
	}
}

static void queue_reset_needs_its_feature(void **state)
{
	struct fix *f = *state;
	assert_true(td_negotiate(&f->d, f->t, f->features & ~VIRTIO_F_RING_RESET));
	go(f, 8);
	dmt_w32(f->t, R_QUEUE_SEL, 0);
	dmt_w32(f->t, R_QUEUE_RESET, 1);
	assert_int_equal(errors(f), 1);
	assert_int_equal(dmt_r32(f->t, R_QUEUE_READY), 1);
	expect_echo(f, 0, 0, 8);
}

static void queue_reset_takes_1_only(void **state)
{
	struct fix *f = *state;
	go(f, 8);
	dmt_w32(f->t, R_QUEUE_SEL, 0);
	dmt_w32(f->t, R_QUEUE_RESET, 0);
	dmt_w32(f->t, R_QUEUE_RESET, 2);
	assert_int_equal(errors(f), 2);
	expect_echo(f, 0, 0, 8);
}

/* ---- what a model meets ------------------------------------------------------------------------------- */

static void a_pop_outside_of_a_turn_is_armed_by_work(void **state)
{
	struct fix *f = *state;
	struct vring_chain c;
	go(f, 8);
	virtio_hush(f->t->dm, f->s, 0);
	assert_int_equal(virtio_pop(f->t->dm, f->s, 0, &c), 0);
	dmt_work(f->t, 100);
	assert_true(td_wants_kick(&f->d, 0));
	/* and if something came meanwhile it is found */
	virtio_hush(f->t->dm, f->s, 0);
	assert_int_equal(virtio_pop(f->t->dm, f->s, 0, &c), 0);
	td_add(&f->d, 0, TD_BUF(0, 0), 8, 8);
	dmt_work(f->t, 100);
	assert_int_equal(f->s->q[0].pushed, 1);
}

static void a_chain_can_be_put_back(void **state)
{
	struct fix *f = *state;
	struct vring_chain a, b;
	go(f, 8);
	td_add(&f->d, 0, TD_BUF(0, 0), 8, 8);
	assert_int_equal(virtio_pop(f->t->dm, f->s, 0, &a), 1);
	virtio_unpop(f->t->dm, f->s, 0, &a);
	assert_int_equal(virtio_pop(f->t->dm, f->s, 0, &b), 1);
	assert_int_equal(a.id, b.id);
	virtio_unpop(f->t->dm, f->s, 0, &b);
	assert_int_equal(f->s->v.nfresh, 0);
	dmt_doorbell(f->t, 0);
	assert_int_equal(f->s->q[0].pushed, 1);
	assert_int_equal(f->s->q[0].inflight, 0);
}

static void the_models_scratch_is_not_the_iovecs(void **state)
{
	struct fix *f = *state;
	struct vring_chain c;
	uint8_t *mine = dm_scratch(f->t->dm, 65536);
	go(f, 8);
	assert_ptr_equal(mine, dm_scratch(f->t->dm, 65536));
	td_add(&f->d, 0, TD_BUF(0, 0), 8, 8);
	memset(mine, 0xee, 65536);
	assert_int_equal(virtio_pop(f->t->dm, f->s, 0, &c), 1);
	memset(dm_scratch(f->t->dm, 65536), 0xdd, 65536);
	assert_int_equal(c.nout, 1);
	assert_ptr_equal(c.out[0].iov_base, dmt_at(f->t, TD_BUF(0, 0)));
	assert_int_equal(c.in[0].iov_len, 8);
}

/* Everything for all four kinds of ring. */
#define ALL(f)                                                                                     \
	{#f " (split)", f, setup_split, teardown, NULL},                                           \
		{#f " (split, event_idx)", f, setup_split_event, teardown, NULL},                  \
		{#f " (packed)", f, setup_packed, teardown, NULL},                                 \
	{                                                                                          \
#f " (packed, event_idx)", f, setup_packed_event, teardown, NULL                   \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALL(buffers_go_round),
		ALL(inspect_shows_the_last_chains),
		ALL(an_emptied_queue_asks_for_notifications),
		ALL(a_queue_that_is_not_emptied_asks_for_none),
		ALL(a_turn_is_bounded),
		ALL(busy_queues_take_turns),
		ALL(turns_without_a_commit_between),
		ALL(buffers_from_before_driver_ok_are_used_after_it),
		ALL(notifications_of_nothing_are_counted),
		ALL(a_queue_that_does_not_exist_takes_nothing),
		ALL(sizes_that_cannot_be),
		ALL(a_ready_queue_is_not_set_up_again),
		ALL(queues_come_after_features_ok),
		ALL(bad_areas_break_the_queue),
		ALL(a_queue_without_a_size_breaks),
		ALL(a_broken_queue_stops_the_device_until_reset),
		ALL(an_index_out_of_range_breaks),
		ALL(one_queue_stops_and_starts),
		ALL(queue_reset_needs_its_feature),
		ALL(queue_reset_takes_1_only),
		ALL(a_pop_outside_of_a_turn_is_armed_by_work),
		ALL(a_chain_can_be_put_back),
		ALL(the_models_scratch_is_not_the_iovecs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
