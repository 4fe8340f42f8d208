/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon dies at any point and another one goes on: every request that the driver gave is answered once, and what was
 * answered well is on the disk.
 */
#include "tests/unit/virtio_blk/rig.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void each(void (*body)(struct bd *b))
{
	for (enum bd_ring ring = SPLIT; ring < BD_RINGS; ring++) {
		struct bd b;
		bd_open(&b, ring, NULL, 0);
		body(&b);
		bd_close(&b);
	}
}

static void body_in_flight(struct bd *b)
{
	unsigned slot[6];
	b->t->disk.hold = true;
	for (unsigned i = 0; i < 6; i++) {
		memset(bd_data(b, b->next), (int)(i + 1), 512);
		slot[i] = bd_add(b, 0, i & 1 ? T_IN : T_OUT, i, 512);
	}
	bd_kick(b, 0);
	bd_complete(b, 4, 0);
	bd_complete(b, 0, 0);
	bd_reap(b);
	assert_int_equal(b->answers[slot[0]], 1);
	b->t->disk.hold = false;
	dmt_crash(b->t);
	bd_reap(b);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(b->answers[slot[i]], 1);
		assert_int_equal(bd_status(b, slot[i]), BLK_S_OK);
		assert_memory_equal(b->t->disk.data + 512 * i, bd_data(b, slot[i]), 512);
	}
	assert_int_equal(bd_busy(b), 0);
	assert_int_equal(bd_do(b, T_IN, 9, 512), BLK_S_OK);
}

static void what_was_in_flight_is_done_again(void **s)
{
	(void)s;
	each(body_in_flight);
}

/* The answer is in the ring, and the state does not know of it yet; the driver may even have used its place again. */
static void body_uncommitted(struct bd *b)
{
	unsigned slot[4];
	b->t->disk.hold = true;
	for (unsigned i = 0; i < 3; i++)
		slot[i] = bd_add(b, 0, T_OUT, i, 512);
	bd_kick(b, 0);
	unsigned before = b->t->disk.requests;
	dmt_disk_complete(b->t, 0, 0);
	dmt_disk_complete(b->t, 0, 0);
	b->t->dm->cls->work(b->t->dm, b->t->dm->state);
	bd_reap(b);
	assert_int_equal(b->answers[slot[0]] + b->answers[slot[1]], 2);
	slot[3] = bd_add(b, 0, T_OUT, 3, 512);
	b->t->disk.hold = false;
	dmt_crash(b->t);
	bd_reap(b);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(b->answers[slot[i]], 1);
	assert_int_equal(b->t->disk.requests, before + 2); /* only the third was done again */
	assert_true(b->t->pending[0] & VIRTIO_INT_USED);
	assert_int_equal(bd_do(b, T_IN, 9, 512), BLK_S_OK);
}

static void an_answer_that_was_given_is_not_given_again(void **s)
{
	(void)s;
	each(body_uncommitted);
}

/* A full packed ring: the driver puts new chains where the used descriptors were, which then tell nothing any more. */
static void in_a_full_packed_ring_the_state_says_what_was_given(void **s)
{
	(void)s;
	for (enum bd_ring ring = PACKED; ring <= PACKED_INDIRECT; ring++) {
		struct bd b;
		unsigned slot[11];
		bd_open(&b, ring, NULL, 0);
		b.entries = ring == PACKED ? 24 : 8; /* eight requests */
		bd_start(&b, ring, 0);
		b.t->disk.hold = true;
		for (unsigned i = 0; i < 8; i++)
			slot[i] = bd_add(&b, 0, T_OUT, i, 512);
		bd_kick(&b, 0);
		assert_int_equal(b.t->disk.held, 8);
		for (unsigned i = 0; i < 3; i++)
			dmt_disk_complete(b.t, 0, 0);
		unsigned before = b.t->disk.requests;
		b.t->dm->cls->work(b.t->dm, b.t->dm->state); /* and no commit */
		bd_reap(&b);
		for (unsigned i = 8; i < 11; i++)
			slot[i] = bd_add(&b, 0, T_OUT, i, 512);
		b.t->disk.hold = false;
		dmt_crash(b.t);
		bd_reap(&b);
		for (unsigned i = 0; i < 11; i++) {
			assert_int_equal(b.answers[slot[i]], 1);
			assert_int_equal(bd_status(&b, slot[i]), BLK_S_OK);
		}
		assert_int_equal(b.t->disk.requests, before + 5 + 3);
		assert_false(bd_needs_reset(&b));
		bd_close(&b);
	}
}

/* The requests were taken and not committed: nobody has seen it. */
static void body_popped(struct bd *b)
{
	unsigned slot[4];
	slot[0] = bd_add(b, 0, T_OUT, 0, 512);
	slot[1] = bd_add(b, 0, T_GET_ID, 0, 20);
	slot[2] = bd_add(b, 0, 77, 0, 0); /* ends without the host */
	slot[3] = bd_add(b, 0, T_IN, 1, 512);
	b->t->disk.hold = true;
	b->t->dm->cls->doorbell(b->t->dm, b->t->dm->state, 0);
	b->t->disk.hold = false;
	dmt_crash(b->t);
	bd_reap(b);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(b->answers[slot[i]], 1);
		assert_int_equal(bd_status(b, slot[i]), i == 2 ? BLK_S_UNSUPP : BLK_S_OK);
	}
}

static void what_was_taken_and_not_committed_is_taken_again(void **s)
{
	(void)s;
	each(body_popped);
}

static void the_write_cache_stays_as_it_was_set(void **s)
{
	struct bd b;
	(void)s;
	bd_open(&b, SPLIT, NULL, 0);
	dmt_write(b.t, 0x120, 1, 0);
	b.t->disk.info.writeback = true; /* as a new back-end begins */
	dmt_crash(b.t);
	assert_false(b.t->disk.info.writeback);
	bd_close(&b);
}

static void a_chain_that_the_driver_overwrote_is_an_error_of_its_own(void **s)
{
	(void)s;
	for (enum bd_ring ring = SPLIT; ring < BD_RINGS; ring++) {
		struct bd b;
		bd_open(&b, ring, NULL, 0);
		b.t->disk.hold = true;
		unsigned slot = bd_add(&b, 0, T_IN, 1, 512);
		bd_kick(&b, 0);
		/* All descriptors and tables now say nonsense. */
		memset(dmt_at(b.t, TD_AREA(0)), 0xff, 16 * 3);
		memset(dmt_at(b.t, bd_place(slot) + 0x80), 0xff, 64);
		b.t->disk.hold = false;
		dmt_crash(b.t);
		assert_int_equal(bd_busy(&b), 0); /* answered with an error where its status was */
		assert_int_equal(bd_status(&b, slot), BLK_S_IOERR);
		bd_close(&b);
	}
}

/* A saved state can come from anywhere: no list in it may lead out of the table or never end. */
static void a_state_whose_lists_are_broken_is_refused(void **s)
{
	struct bd b;
	struct blk bad;
	(void)s;
	bd_open(&b, SPLIT, NULL, 0);
	b.t->disk.hold = true;
	for (unsigned i = 0; i < 3; i++)
		bd_add(&b, 0, T_IN, i, 512);
	bd_kick(&b, 0);
	const struct blk *good = b.t->dm->state;
	assert_true(blk_check(b.t->dm, good));
#define BROKEN(change)                                                                             \
	do {                                                                                       \
		bad = *good;                                                                       \
		change;                                                                            \
		assert_false(blk_check(b.t->dm, &bad));                                            \
	} while (0)
	BROKEN(bad.first[0] = 200);
	BROKEN(bad.first[0] = 7);
	BROKEN(bad.req[2].next = 0);
	BROKEN(bad.req[1].next = 1);
	BROKEN(bad.req[1].next = BLK_NONE);
	BROKEN(bad.req[1].prev = 2);
	BROKEN(bad.req[1].queue = 1);
	BROKEN(bad.last[0] = 0);
	BROKEN(bad.first[1] = 0);
	BROKEN(bad.busy[1] = 1);
	BROKEN(bad.inflight = 2);
	bd_close(&b);
}

/* ---- at random ----------------------------------------------------------------------------------------------- */

static uint32_t dice(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % n;
}

#define SPAN_MAX                                                                                   \
	40u /* from the oldest chain to the newest: three descriptors each, in a ring of 128 that is reused in order */

struct play {
	struct bd b;
	uint32_t seed;
	unsigned open[BD_SLOTS], nopen; /* slots that wait for their answer */
	unsigned sector[BD_SLOTS];
};

/* How far the oldest request without an answer is behind. */
static unsigned play_span(const struct play *p)
{
	unsigned span = 0;
	for (unsigned i = 0; i < p->nopen; i++) {
		unsigned behind = (p->b.next - p->open[i]) % BD_SLOTS;
		span = behind > span ? behind : span;
	}
	return span;
}

static void play_add(struct play *p)
{
	static const uint32_t types[] = {T_IN, T_OUT, T_OUT, T_FLUSH, T_GET_ID, 99};
	uint32_t type = types[dice(&p->seed, 6)];
	unsigned sector = p->b.next % 4096; /* no two requests meet */
	bool data = type == T_IN || type == T_OUT;
	memset(bd_data(&p->b, p->b.next), (int)dice(&p->seed, 256), 512);
	unsigned slot = bd_add(&p->b, 0, type, data ? sector : 0,
			       data		  ? 512
			       : type == T_GET_ID ? 20
						  : 0);
	p->sector[slot] = data ? sector : UINT32_MAX;
	p->open[p->nopen++] = slot;
}

static void play_check(struct play *p)
{
	bd_reap(&p->b);
	for (unsigned i = 0; i < p->nopen;) {
		unsigned slot = p->open[i];
		assert_true(p->b.answers[slot] <= 1);
		if (!p->b.answers[slot]) {
			i++;
			continue;
		}
		assert_true(bd_status(&p->b, slot) == BLK_S_OK ||
			    bd_status(&p->b, slot) == BLK_S_UNSUPP);
		if (p->sector[slot] != UINT32_MAX)
			assert_memory_equal(p->b.t->disk.data + 512 * p->sector[slot],
					    bd_data(&p->b, slot), 512);
		p->open[i] = p->open[--p->nopen];
	}
}

/* A completion that the state never hears of: the daemon dies before the commit. */
static void play_die_telling(struct play *p)
{
	struct dm_test_disk *d = &p->b.t->disk;
	unsigned i = dice(&p->seed, d->held);
	struct dm_disk_io *io = &d->held_io[i];
	for (unsigned k = 0; k < io->niov; k++) {
		if (io->op == DM_DISK_WRITE)
			memcpy(d->data + io->offset, io->iov[k].iov_base, io->iov[k].iov_len);
		else
			memcpy(io->iov[k].iov_base, d->data + io->offset, io->iov[k].iov_len);
	}
	p->b.t->dm->cls->disk_done(p->b.t->dm, p->b.t->dm->state, 0, d->held_tag[i], 0);
}

/* Answers that the state never hears of; the driver goes on with what it got back. */
static void play_die_giving(struct play *p)
{
	p->b.t->dm->cls->work(p->b.t->dm, p->b.t->dm->state);
	play_check(p);
	for (unsigned n = dice(&p->seed, 5); n && play_span(p) < SPAN_MAX; n--)
		play_add(p);
}

static void play(enum bd_ring ring, uint32_t seed)
{
	static struct play p;
	memset(&p, 0, sizeof(p));
	p.seed = seed;
	bd_open(&p.b, ring, NULL, 0);
	p.b.t->disk.hold = true;
	for (unsigned step = 0; step < 400; step++) {
		struct dm_test_disk *d = &p.b.t->disk;
		switch (dice(&p.seed, 8)) {
		case 0:
		case 1:
		case 2:
			if (play_span(&p) < SPAN_MAX)
				play_add(&p);
			break;
		case 3:
			bd_kick(&p.b, 0);
			break;
		case 4:
		case 5:
			for (unsigned n = dice(&p.seed, 4); n && d->held; n--)
				dmt_disk_complete(p.b.t, dice(&p.seed, d->held), 0);
			break;
		case 6:
			dmt_work(p.b.t, 1 + dice(&p.seed, 3));
			break;
		default:
			if (d->held && dice(&p.seed, 2))
				play_die_telling(&p);
			else if (dice(&p.seed, 2))
				play_die_giving(&p);
			dmt_crash(p.b.t);
			break;
		}
		play_check(&p);
	}
	p.b.t->disk.hold = false;
	dmt_crash(p.b.t);
	play_check(&p);
	assert_int_equal(p.nopen, 0);
	assert_int_equal(bd_busy(&p.b), 0);
	assert_false(bd_needs_reset(&p.b));
	bd_close(&p.b);
}

static void at_random_every_request_is_answered_once(void **s)
{
	(void)s;
	for (uint32_t seed = 1; seed <= 40; seed++)
		for (enum bd_ring ring = SPLIT; ring < BD_RINGS; ring++)
			play(ring, seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_in_flight_is_done_again),
		cmocka_unit_test(an_answer_that_was_given_is_not_given_again),
		cmocka_unit_test(in_a_full_packed_ring_the_state_says_what_was_given),
		cmocka_unit_test(what_was_taken_and_not_committed_is_taken_again),
		cmocka_unit_test(the_write_cache_stays_as_it_was_set),
		cmocka_unit_test(a_chain_that_the_driver_overwrote_is_an_error_of_its_own),
		cmocka_unit_test(a_state_whose_lists_are_broken_is_refused),
		cmocka_unit_test(at_random_every_request_is_answered_once),
	};
	return cmocka_run_group_tests_name("virtio_blk_crash", tests, NULL, NULL);
}
