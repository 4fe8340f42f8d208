/* SPDX-License-Identifier: Apache-2.0 */
/* The requests in flight: their table, and how they are given back. blk.h says why so. */
#include "devmodel/virtio/blk/blk.h"
#include <string.h>

/* ---- the table ----------------------------------------------------------------------------------------- */

void blk_forget(struct blk *s)
{
	memset(s->busy, 0, sizeof(s->busy));
	memset(s->first, BLK_NONE, sizeof(s->first));
	memset(s->last, BLK_NONE, sizeof(s->last));
	s->inflight = 0;
	s->starved = s->finished = 0;
}

bool blk_tag_busy(const struct blk *s, unsigned tag)
{
	return s->busy[tag / 64] >> (tag % 64) & 1;
}

/* One queue's list, of a state that came from outside. Returns how many requests it holds, BLK_TAGS + 1: it is none. */
static unsigned check_list(const struct blk *s, unsigned q)
{
	unsigned n = 0, prev = BLK_NONE;
	for (unsigned tag = s->first[q]; tag != BLK_NONE; tag = s->req[tag].next) {
		if (tag >= BLK_TAGS || n == BLK_TAGS || !blk_tag_busy(s, tag))
			return BLK_TAGS + 1;
		const struct blk_req *r = &s->req[tag];
		if (r->queue != q || r->prev != prev)
			return BLK_TAGS + 1;
		prev = tag;
		n++;
	}
	return s->last[q] == prev ? n : BLK_TAGS + 1;
}

bool blk_check(struct dm *dm, const void *state)
{
	const struct blk *s = state;
	unsigned busy = 0, listed = 0;
	(void)dm;
	for (unsigned i = 0; i < BLK_TAGS / 64; i++)
		busy += (unsigned)__builtin_popcountll(s->busy[i]);
	for (unsigned q = 0; q < BLK_QUEUES; q++) {
		unsigned n = check_list(s, q);
		if (n > BLK_TAGS)
			return false;
		listed += n;
	}
	return busy == s->inflight && listed == busy;
}

int blk_tag_take(struct blk *s)
{
	for (unsigned i = 0; i < BLK_TAGS / 64; i++) {
		if (s->busy[i] == UINT64_MAX)
			continue;
		unsigned bit = (unsigned)__builtin_ctzll(~s->busy[i]);
		s->busy[i] |= 1ull << bit;
		s->inflight++;
		return (int)(i * 64 + bit);
	}
	return -1;
}

void blk_tag_put(struct blk *s, unsigned tag)
{
	s->busy[tag / 64] &= ~(1ull << (tag % 64));
	s->inflight--;
}

void blk_tag_link(struct blk *s, unsigned tag, unsigned q)
{
	struct blk_req *r = &s->req[tag];
	r->queue = (uint8_t)q;
	r->next = BLK_NONE;
	r->prev = s->last[q];
	if (r->prev == BLK_NONE)
		s->first[q] = (uint8_t)tag;
	else
		s->req[r->prev].next = (uint8_t)tag;
	s->last[q] = (uint8_t)tag;
}

/* Takes @tag out of its queue's list and out of the table. */
void blk_tag_free(struct blk *s, unsigned tag)
{
	struct blk_req *r = &s->req[tag];
	if (r->prev == BLK_NONE)
		s->first[r->queue] = r->next;
	else
		s->req[r->prev].next = r->next;
	if (r->next == BLK_NONE)
		s->last[r->queue] = r->prev;
	else
		s->req[r->next].prev = r->prev;
	blk_tag_put(s, tag);
}

/* ---- giving back ------------------------------------------------------------------------------------------- */

static void give_back(struct dm *dm, struct blk *s, unsigned tag)
{
	const struct blk_req *r = &s->req[tag];
	if (virtio_queue_live(s, r->queue)) {
		uint8_t status = r->result;
		dm_dma_write(dm, r->status, &status, 1);
		virtio_push(dm, s, r->queue, r->id, r->ndesc, r->len);
	}
	blk_tag_free(s, tag);
}

/* The first request of queue @q that can be given back, from @tag on in the order of popping; BLK_NONE: none. A plain
 * chain in flight would lose its descriptors to what comes after it. */
static unsigned next_ready(const struct blk *s, unsigned tag)
{
	while (tag != BLK_NONE && !s->req[tag].done)
		tag = s->req[tag].plain ? BLK_NONE : s->req[tag].next;
	return tag;
}

/* Queues that found the table full look again. */
void blk_feed(struct dm *dm, struct blk *s)
{
	for (; s->starved; s->starved &= (uint8_t)(s->starved - 1))
		virtio_more(dm, s, (unsigned)__builtin_ctz(s->starved));
}

/* Gives back what is done in queue @q. The committed state says so already: deliver_later(). */
void blk_deliver(struct dm *dm, struct blk *s, unsigned q)
{
	if (!(s->finished & 1u << q))
		return;
	s->finished &= (uint8_t) ~(1u << q);
	for (unsigned tag = next_ready(s, s->first[q]), next; tag != BLK_NONE; tag = next) {
		next = s->req[tag].next;
		give_back(dm, s, tag);
		next = next_ready(s, next);
	}
	virtio_signal(dm, s, q);
	dm_count_depth(dm, s->inflight);
	blk_feed(dm, s);
}

static void deliver_later(struct dm *dm, struct blk *s, unsigned q)
{
	s->finished |= (uint8_t)(1u << q);
	virtio_more(dm, s, q);
}

void blk_done(struct dm *dm, struct blk *s, unsigned tag, enum blk_status status)
{
	deliver_later(dm, s, s->req[tag].queue);
	s->req[tag].result = (unsigned)status & 3u;
	s->req[tag].done = 1;
	if (status != BLK_S_OK)
		dm_count(dm, DM_COUNT_ERRORS, 1);
}

/* ---- after a crash ------------------------------------------------------------------------------------------- */

struct adopt {
	struct blk *s;
	unsigned q;
};

static unsigned adopt_seen(void *ctx, uint16_t id)
{
	const struct adopt *a = ctx;
	for (unsigned tag = a->s->first[a->q]; tag != BLK_NONE; tag = a->s->req[tag].next)
		if (a->s->req[tag].id == id) {
			unsigned ndesc = a->s->req[tag].ndesc;
			blk_tag_free(a->s, tag);
			return ndesc;
		}
	return 0;
}

/*
 * A packed ring holds used descriptors only until the driver makes new ones available in their place. What was to be given
 * back next, and in which order, stands in the state; the ring only has to say how far that went.
 */
static void adopt_packed(struct dm *dm, struct blk *s, unsigned q)
{
	unsigned tag = s->finished & 1u << q ? next_ready(s, s->first[q]) : BLK_NONE, next;
	for (; tag != BLK_NONE; tag = next_ready(s, next)) {
		struct blk_req *r = &s->req[tag];
		if (!virtio_ring_skip(dm, s, q, r->id, r->ndesc))
			return;
		next = r->next;
		blk_tag_free(s, tag);
	}
}

void blk_adopt(struct dm *dm, struct blk *s, unsigned q)
{
	struct adopt a = {s, q};
	if (!virtio_queue_live(s, q))
		return;
	if (s->q[q].features & VRING_F_RING_PACKED)
		adopt_packed(dm, s, q);
	else
		virtio_adopt(dm, s, q, adopt_seen, &a);
}
