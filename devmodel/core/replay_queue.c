/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues of a replay. There are no rings: each operation is answered by its record, which also says what the ring is
 * afterwards. What the model writes into a chain is compared when it gives it back.
 */
#include "devmodel/core/replay_int.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool ring_get(struct vring *r, const struct trace_vring *t)
{
	if (t->size > VRING_SIZE_MAX || t->size_max > VRING_SIZE_MAX || t->ready > 1 ||
	    t->error >= VRING_ERRORS || t->avail_wrap > 1 || t->used_wrap > 1)
		return false;
	r->desc = t->desc;
	r->driver = t->driver;
	r->device = t->device;
	r->features = t->features;
	r->size = t->size;
	r->size_max = t->size_max;
	r->ready = t->ready;
	r->error = t->error;
	r->avail_wrap = t->avail_wrap;
	r->used_wrap = t->used_wrap;
	r->avail = t->avail;
	r->used = t->used;
	r->signalled = t->signalled;
	r->since = t->since;
	r->inflight = t->inflight;
	r->notify_off = t->notify_off;
	r->signalled_valid = t->signalled_valid;
	r->popped = t->popped;
	r->pushed = t->pushed;
	return true;
}

static void busy(struct vring *r, unsigned id, bool on)
{
	if (id >= VRING_SIZE_MAX)
		return;
	uint64_t bit = 1ull << (id % 64);
	r->busy[id / 64] = on ? r->busy[id / 64] | bit : r->busy[id / 64] & ~bit;
}

/* The record of the model's operation @what on queue @q; the ring is what it says. @min: bytes behind the trace_vring. */
static const struct rp_record *op(struct replay *r, enum trace_queue what, unsigned q,
				  struct vring *ring, size_t min, const char *words)
{
	char text[64];
	struct trace_vring t;
	snprintf(text, sizeof(text), "%s queue %u", words, q);
	const struct rp_record *rec =
		rp_action(r, TRACE_QUEUE, what, q, (uint32_t)(sizeof(t) + min), text);
	if (!rec)
		return NULL;
	memcpy(&t, rec->payload, sizeof(t));
	if (ring_get(ring, &t))
		return rec;
	rp_bad(r, rec, "a ring that cannot be");
	return NULL;
}

static int errno_of(uint64_t value)
{
	return value && value < 4096 ? -(int)value : 0;
}

static int q_start(void *ctx, unsigned q, struct vring *ring)
{
	struct replay *r = ctx;
	struct trace_queue_start s;
	struct vring mine = *ring;
	const struct rp_record *rec = op(r, TRACE_Q_START, q, ring, sizeof(s), "starts");
	if (!rec)
		return -EINVAL;
	memcpy(&s, rec->payload + sizeof(struct trace_vring), sizeof(s));
	rp_same(r, rec, "descriptor area", s.desc, mine.desc);
	rp_same(r, rec, "driver area", s.driver, mine.driver);
	rp_same(r, rec, "device area", s.device, mine.device);
	rp_same(r, rec, "features", s.features, mine.features);
	rp_same(r, rec, "size", s.size, mine.size);
	if (!rec->e.value)
		memset(ring->busy, 0, sizeof(ring->busy));
	return errno_of(rec->e.value);
}

static void q_stop(void *ctx, unsigned q, struct vring *ring)
{
	struct replay *r = ctx;
	if (op(r, TRACE_Q_STOP, q, ring, 0, "stops"))
		memset(ring->busy, 0, sizeof(ring->busy));
	rp_chains_drop(r, q, false);
}

/* ---- chains ---------------------------------------------------------------------------------------------- */

/* The chain that record @rec has: its segments into @iov, its bytes into memory. False: it makes no sense. */
static bool chain_get(struct replay *r, const struct rp_record *rec, struct iovec *iov,
		      unsigned max, struct vring_chain *ret, struct rp_chain **ret_mem)
{
	struct trace_chain t;
	struct trace_seg seg[VRING_SIZE_MAX * 2];
	const uint8_t *p = rec->payload + sizeof(struct trace_vring),
		      *end = rec->payload + rec->len;
	uint64_t out = 0, in = 0;
	if ((size_t)(end - p) < sizeof(t))
		return false;
	memcpy(&t, p, sizeof(t));
	p += sizeof(t);
	if (t.nout > VRING_SIZE_MAX || t.nin > VRING_SIZE_MAX || t.nout + t.nin > max ||
	    (size_t)(end - p) < (t.nout + t.nin) * sizeof(seg[0]))
		return false;
	memcpy(seg, p, (t.nout + t.nin) * sizeof(seg[0]));
	p += (t.nout + t.nin) * sizeof(seg[0]);
	for (unsigned i = 0; i < t.nout + t.nin; i++) {
		uint8_t *at = rp_at(r, seg[i].gpa, seg[i].bytes);
		if (!at || !seg[i].bytes || seg[i].bytes > UINT32_MAX)
			return false;
		iov[i] = (struct iovec){at, (size_t)seg[i].bytes};
		*(i < t.nout ? &out : &in) += seg[i].bytes;
	}
	if (out != t.out_bytes || in != t.in_bytes || t.known > out ||
	    t.known > (size_t)(end - p) || out > VRING_CHAIN_BYTES_MAX ||
	    in > VRING_CHAIN_BYTES_MAX)
		return false;
	if (t.known)
		vring_iov_write(iov, t.nout, 0, p, t.known);
	*ret = (struct vring_chain){.id = t.id,
				    .ndesc = t.ndesc,
				    .nout = t.nout,
				    .nin = t.nin,
				    .out = iov,
				    .in = iov + t.nout,
				    .out_bytes = out,
				    .in_bytes = in};
	*ret_mem = rp_chain_add(r, rec->e.aux, t.id, t.nin, seg + t.nout);
	/* What the model copies there may come from a frame that is not wholly in the trace. */
	(*ret_mem)->unknown = in > REPLAY_HASHED || r->dark;
	r->dark |= t.known < out;
	return true;
}

static int q_pop(void *ctx, unsigned q, struct vring *ring, struct iovec *iov, unsigned max,
		 struct vring_chain *ret)
{
	struct replay *r = ctx;
	struct rp_chain *c;
	const struct rp_record *rec = op(r, TRACE_Q_POP, q, ring, 0, "pops from");
	if (!rec)
		return 0;
	if (rec->e.value != 1)
		return errno_of(rec->e.value);
	if (!chain_get(r, rec, iov, max, ret, &c)) {
		rp_bad(r, rec, "a chain that cannot be");
		return 0;
	}
	busy(ring, ret->id, true);
	return 1;
}

static void q_unpop(void *ctx, unsigned q, struct vring *ring, const struct vring_chain *c)
{
	struct replay *r = ctx;
	const struct rp_record *rec = op(r, TRACE_Q_UNPOP, q, ring, 0, "puts a chain back into");
	rp_same(r, rec, "chain", rec ? rec->e.value : 0, c->id);
	busy(ring, c->id, false);
	free(rp_chain_take(r, q, c->id));
}

/* What the model wrote into the chain that record @rec gives back: @len bytes of it. */
static void same_bytes(struct replay *r, const struct rp_record *rec, const struct rp_chain *c,
		       const struct trace_pushed *t, uint32_t len)
{
	struct iovec iov[VRING_SIZE_MAX];
	uint64_t bytes = 0;
	if (!c || !(t->flags & TRACE_PUSHED_HASH) || c->unknown || r->dark) {
		r->stats.unknown += len != 0;
		return;
	}
	for (unsigned i = 0; i < c->nseg; i++) {
		iov[i] = (struct iovec){rp_at(r, c->seg[i].gpa, c->seg[i].bytes),
					(size_t)c->seg[i].bytes};
		bytes += c->seg[i].bytes;
	}
	rp_same(r, rec, "hash of what was written", t->hash,
		dm_hash_iov(iov, c->nseg, bytes < len ? bytes : len));
}

static void q_push(void *ctx, unsigned q, struct vring *ring, uint16_t id, uint16_t ndesc,
		   uint32_t len)
{
	struct replay *r = ctx;
	struct trace_pushed t;
	const struct rp_record *rec = op(r, TRACE_Q_PUSH, q, ring, sizeof(t), "gives back to");
	struct rp_chain *c = rp_chain_take(r, q, id);
	busy(ring, id, false);
	if (rec) {
		memcpy(&t, rec->payload + sizeof(struct trace_vring), sizeof(t));
		rp_same(r, rec, "chain", t.id, id);
		rp_same(r, rec, "descriptors", t.ndesc, ndesc);
		rp_same(r, rec, "bytes written", rec->e.value, len);
		same_bytes(r, rec, c, &t, len);
	}
	free(c);
}

/* ---- notifications ----------------------------------------------------------------------------------------- */

static bool q_should_signal(void *ctx, unsigned q, struct vring *ring)
{
	const struct rp_record *rec =
		op(ctx, TRACE_Q_SHOULD_SIGNAL, q, ring, 0, "asks about signals of");
	return rec && rec->e.value;
}

static bool q_notify_on(void *ctx, unsigned q, struct vring *ring)
{
	const struct rp_record *rec =
		op(ctx, TRACE_Q_NOTIFY_ON, q, ring, 0, "asks for notifications of");
	return rec && rec->e.value;
}

static void q_notify_off(void *ctx, unsigned q, struct vring *ring)
{
	op(ctx, TRACE_Q_NOTIFY_OFF, q, ring, 0, "turns off notifications of");
}

static bool q_available(void *ctx, unsigned q, const struct vring *ring)
{
	(void)ring;
	const struct rp_record *rec = rp_question(ctx, TRACE_QUEUE, TRACE_Q_AVAILABLE, q);
	return rec && rec->e.value;
}

/* ---- after a crash ----------------------------------------------------------------------------------------- */

static bool q_published(void *ctx, unsigned q, const struct vring *ring)
{
	(void)ring;
	const struct rp_record *rec = rp_question(ctx, TRACE_QUEUE, TRACE_Q_PUBLISHED, q);
	return rec && rec->e.value;
}

static void q_skip(void *ctx, unsigned q, struct vring *ring, uint16_t id, uint16_t ndesc)
{
	(void)ndesc;
	const struct rp_record *rec = op(ctx, TRACE_Q_SKIP, q, ring, 0, "skips a chain of");
	rp_same(ctx, rec, "chain", rec ? rec->e.value : 0, id);
	busy(ring, id, false);
}

static void q_adopt(void *ctx, unsigned q, struct vring *ring,
		    unsigned (*seen)(void *ctx, uint16_t id), void *seen_ctx)
{
	const struct rp_record *rec = op(ctx, TRACE_Q_ADOPT, q, ring, sizeof(ring->busy), "adopts");
	if (!rec)
		return;
	const uint8_t *p = rec->payload + sizeof(struct trace_vring);
	memcpy(ring->busy, p, sizeof(ring->busy));
	p += sizeof(ring->busy);
	for (size_t left = rec->len - (size_t)(p - rec->payload); left >= 2; left -= 2, p += 2) {
		uint16_t id;
		memcpy(&id, p, sizeof(id));
		seen(seen_ctx, id);
	}
}

static void q_mark(void *ctx, unsigned q, const struct vring *ring, const struct vring_chain *c,
		   struct vring_mark *ret)
{
	(void)ring, (void)c;
	const struct rp_record *rec = rp_question(ctx, TRACE_QUEUE, TRACE_Q_MARK, q);
	struct trace_mark t = {0};
	if (rec && rec->len >= sizeof(struct trace_vring) + sizeof(t))
		memcpy(&t, rec->payload + sizeof(struct trace_vring), sizeof(t));
	*ret = (struct vring_mark){.table = t.table, .entries = t.entries, .slot = t.slot};
}

static int q_reread(void *ctx, unsigned q, const struct vring *ring, uint16_t id, uint16_t ndesc,
		    const struct vring_mark *mark, struct iovec *iov, unsigned max,
		    struct vring_chain *ret)
{
	struct replay *r = ctx;
	struct rp_chain *c;
	struct vring scratch = *ring;
	(void)mark;
	const struct rp_record *rec =
		op(r, TRACE_Q_REREAD, q, &scratch, 0, "reads a chain again of");
	if (!rec)
		return -EIO;
	if (rec->e.value)
		return errno_of(rec->e.value);
	if (!chain_get(r, rec, iov, max, ret, &c)) {
		rp_bad(r, rec, "a chain that cannot be");
		return -EIO;
	}
	rp_same(r, rec, "chain", ret->id, id);
	rp_same(r, rec, "descriptors", ret->ndesc, ndesc);
	return 0;
}

const struct dm_queue_ops replay_queue_ops = {
	.start = q_start,
	.stop = q_stop,
	.pop = q_pop,
	.unpop = q_unpop,
	.push = q_push,
	.should_signal = q_should_signal,
	.notify_on = q_notify_on,
	.notify_off = q_notify_off,
	.available = q_available,
	.published = q_published,
	.skip = q_skip,
	.adopt = q_adopt,
	.mark = q_mark,
	.reread = q_reread,
};
