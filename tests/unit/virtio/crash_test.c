/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 at any point of a turn: every buffer comes back exactly once, and the ring goes on. A crash before the commit is a call of
 * the model whose state is thrown away, while the ring keeps what it wrote there.
 */
#include "tests/unit/virtio/tdriver.h"
#include "tests/unit/virtio/tmodel.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct fix {
	struct dm_test *t;
	struct tmodel *s;
	struct td d;
	unsigned back; /* chains that came back */
};

static int setup_with(void **state, uint64_t features)
{
	static struct fix f;
	f = (struct fix){.t = dmt_create(&dm_class_tmodel, NULL)};
	f.s = tm_state(f.t->dm);
	*state = &f;
	if (!td_negotiate(&f.d, f.t, features | VRING_F_VERSION_1))
		return -1;
	td_queue(&f.d, 0, 16);
	td_queue(&f.d, 1, 16);
	td_ok(&f.d);
	dmt_work(f.t, 100);
	return 0;
}

static int setup_split(void **state)
{
	return setup_with(state, VRING_F_EVENT_IDX);
}

static int setup_packed(void **state)
{
	return setup_with(state, VRING_F_RING_PACKED | VRING_F_EVENT_IDX);
}

static int teardown(void **state)
{
	dmt_destroy(((struct fix *)*state)->t);
	return 0;
}

/* Takes back what was used; each id must be one that is out. */
static unsigned reap(struct fix *f, unsigned q, uint32_t *out)
{
	unsigned id, n = 0;
	uint32_t len;
	while (td_used(&f->d, q, &id, &len)) {
		assert_true(*out >> id & 1);
		*out &= ~(1u << id);
		n++;
	}
	f->back += n;
	return n;
}

static void add(struct fix *f, unsigned q, unsigned n, uint32_t *out)
{
	for (unsigned i = 0; i < n; i++) {
		/* chains of one and of two entries */
		unsigned id = td_add(&f->d, q, TD_BUF(q, i), 8, i & 1 ? 8 : 0);
		*out |= 1u << id;
	}
}

/* Dies after the turn, before its commit. */
static void killed_before_the_commit(void **state)
{
	struct fix *f = *state;
	uint32_t out = 0;
	for (unsigned round = 0; round < 20; round++) {
		unsigned n = 1 + round % 5;
		add(f, 0, n, &out);
		dm_doorbell(f->t->dm, 0);
		/* A driver that polls may take, and use again, what it sees already. */
		unsigned early = round & 1 ? reap(f, 0, &out) : 0;
		if (early)
			add(f, 0, 1, &out);
		dmt_crash(f->t);
		reap(f, 0, &out);
		assert_int_equal(out, 0);
		assert_int_equal(f->s->q[0].inflight, 0);
		assert_false(dmt_r32(f->t, R_STATUS) & VIRTIO_S_NEEDS_RESET);
		assert_true(dmt_r32(f->t, R_INTERRUPT_STATUS) & VIRTIO_INT_USED);
		dmt_w32(f->t, R_INTERRUPT_ACK, VIRTIO_INT_USED);
		assert_true(td_wants_kick(&f->d, 0));
	}
	assert_int_equal(f->t->dm->guest_errors, 0);
}

/* Dies between the commit of the turn and what comes after it. */
static void killed_after_the_commit(void **state)
{
	struct fix *f = *state;
	uint32_t out = 0;
	for (unsigned round = 0; round < 20; round++) {
		add(f, 0, 1 + round % 5, &out);
		dm_doorbell(f->t->dm, 0);
		dmt_settle(f->t);
		if (round % 3 == 1)
			dm_work(f->t->dm); /* shown to the driver, and not committed that it was */
		if (round % 3 == 1 && round & 1 && reap(f, 0, &out))
			add(f, 0, 1, &out);
		dmt_crash(f->t);
		reap(f, 0, &out);
		assert_int_equal(out, 0);
		assert_int_equal(f->s->q[0].inflight, 0);
	}
	assert_false(dmt_r32(f->t, R_STATUS) & VIRTIO_S_NEEDS_RESET);
}

/* Buffers that the model keeps over commits: it tells which they are. */
static void killed_with_buffers_outstanding(void **state)
{
	struct fix *f = *state;
	uint32_t out = 0;
	for (unsigned round = 0; round < 20; round++) {
		add(f, 1, 4, &out);
		dmt_doorbell(f->t, 1);
		assert_int_equal(f->s->nkept, 4);
		if (round & 1) { /* dies while it gives them back */
			struct port_entry e = {.op = PORT_OP_WRITE, .width = 1, .offset = R_CONFIG};
			uint32_t status;
			uint64_t data;
			dm_serve(f->t->dm, &e, &status, &data);
			assert_int_equal(f->s->nkept, 0);
		}
		dmt_crash(f->t);
		assert_int_equal(f->s->nkept, round & 1 ? 0 : 4);
		dmt_write(f->t, R_CONFIG, 1, 0);
		dmt_work(f->t, 100);
		assert_int_equal(reap(f, 1, &out), 4);
		assert_int_equal(out, 0);
		assert_int_equal(f->s->q[1].inflight, 0);
	}
	assert_false(dmt_r32(f->t, R_STATUS) & VIRTIO_S_NEEDS_RESET);
}

/* A driver that polls has refilled the whole ring, over the used descriptors, before the successor looks. */
static void killed_with_a_full_ring(void **state)
{
	struct fix *f = *state;
	uint32_t out = 0;
	td_queue(&f->d, 3, 4);
	for (unsigned round = 0; round < 20; round++) {
		while (__builtin_popcount(out) < 4)
			add(f, 3, 1, &out);
		dm_doorbell(f->t->dm, 3);
		dmt_settle(f->t);
		if (round & 1)
			dm_work(f->t->dm); /* shown, not committed */
		reap(f, 3, &out);
		while (__builtin_popcount(out) < 4)
			add(f, 3, 1, &out);
		dmt_crash(f->t);
		reap(f, 3, &out);
		assert_int_equal(out, 0);
		assert_int_equal(f->s->q[3].inflight, 0);
	}
	assert_false(dmt_r32(f->t, R_STATUS) & VIRTIO_S_NEEDS_RESET);
}

/* Nothing of a packed ring is written before the commit that knows of it. */
static void packed_pushes_wait_for_the_commit(void **state)
{
	struct fix *f = *state;
	uint32_t out = 0;
	add(f, 0, 3, &out);
	dm_doorbell(f->t->dm, 0);
	assert_int_equal(reap(f, 0, &out), f->d.packed ? 0 : 3);
	if (f->d.packed)
		assert_true(dm_work(f->t->dm)); /* asks for that commit */
	dmt_settle(f->t);
	assert_int_equal(dmt_r32(f->t, R_INTERRUPT_STATUS), f->d.packed ? 0 : VIRTIO_INT_USED);
	dmt_work(f->t, 100);
	assert_int_equal(reap(f, 0, &out), f->d.packed ? 3 : 0);
	assert_int_equal(dmt_r32(f->t, R_INTERRUPT_STATUS), VIRTIO_INT_USED);
	assert_int_equal(out, 0);
}

/* ... and not after the queue was stopped. */
static void a_stopped_queue_forgets_what_waits(void **state)
{
	struct fix *f = *state;
	uint32_t out = 0;
	add(f, 0, 3, &out);
	dm_doorbell(f->t->dm, 0);
	dmt_settle(f->t);
	dmt_w32(f->t, R_QUEUE_SEL, 0);
	dmt_w32(f->t, R_QUEUE_READY, 0);
	assert_int_equal(f->s->v.nfresh, 0);
	dmt_work(f->t, 100);
	assert_int_equal(reap(f, 0, &out), f->d.packed ? 0 : 3);
}

/* All doorbells are rung after a crash, of queues that are not there as well: no errors of the driver's. */
static void a_crash_is_no_error_of_the_driver(void **state)
{
	struct fix *f = *state;
	dmt_crash(f->t);
	assert_int_equal(f->t->dm->guest_errors, 0);
	dmt_w32(f->t, R_STATUS, 0);
	dmt_crash(f->t);
	assert_int_equal(f->t->dm->guest_errors, 0);
}

static void a_broken_device_stays_broken(void **state)
{
	struct fix *f = *state;
	td_break(&f->d, 0);
	dmt_doorbell(f->t, 0);
	dmt_crash(f->t);
	assert_true(dmt_r32(f->t, R_STATUS) & VIRTIO_S_NEEDS_RESET);
	assert_true(dmt_r32(f->t, R_INTERRUPT_STATUS) & VIRTIO_INT_CONFIG);
}

#define BOTH(f)                                                                                    \
	{#f " (split)", f, setup_split, teardown, NULL},                                           \
	{                                                                                          \
#f " (packed)", f, setup_packed, teardown, NULL                                    \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(killed_before_the_commit),		 BOTH(killed_after_the_commit),
		BOTH(killed_with_buffers_outstanding),	 BOTH(killed_with_a_full_ring),
		BOTH(packed_pushes_wait_for_the_commit), BOTH(a_stopped_queue_forgets_what_waits),
		BOTH(a_crash_is_no_error_of_the_driver), BOTH(a_broken_device_stays_broken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
