/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recorder between the virtio transport and its rings: operations and their results, with the bytes of the chains. The
 * rings themselves are not looked at.
 */
#include "devmodel/core/hash.h"
#include "devmodel/core/record_int.h"
#include "base/fd.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static_assert(sizeof(((struct vring *)0)->busy) == 16 * 8, "as in TRACE_Q_ADOPT");

static void ring_put(struct trace_vring *t, const struct vring *r)
{
	*t = (struct trace_vring){.desc = r->desc,
				  .driver = r->driver,
				  .device = r->device,
				  .features = r->features,
				  .size = r->size,
				  .size_max = r->size_max,
				  .ready = r->ready,
				  .error = r->error,
				  .avail_wrap = r->avail_wrap,
				  .used_wrap = r->used_wrap,
				  .avail = r->avail,
				  .used = r->used,
				  .signalled = r->signalled,
				  .since = r->since,
				  .inflight = r->inflight,
				  .notify_off = r->notify_off,
				  .signalled_valid = r->signalled_valid,
				  .popped = r->popped,
				  .pushed = r->pushed};
}

/* The record of operation @what on queue @q: the ring as it is now and @n pieces from r->iov[1] on. */
static void op(struct recorder *r, enum trace_queue what, unsigned q, uint64_t value,
	       const struct vring *ring, unsigned n)
{
	struct trace_vring t;
	struct port_entry e = {
		.op = TRACE_QUEUE, .range = (uint8_t)what, .aux = (uint16_t)q, .value = value};
	ring_put(&t, ring);
	r->iov[0] = (struct iovec){&t, sizeof(t)};
	record_nested(r, &e, r->iov, 1 + n);
}

/* A chain that was popped or read again: its segments and what it says. */
static void chain(struct recorder *r, enum trace_queue what, unsigned q, uint64_t value,
		  const struct vring *ring, const struct vring_chain *c)
{
	struct trace_chain t = {.id = c->id,
				.ndesc = c->ndesc,
				.nout = c->nout,
				.nin = c->nin,
				.known = record_known(r, c->out_bytes),
				.out_bytes = c->out_bytes,
				.in_bytes = c->in_bytes,
				.hash = dm_hash_iov(c->out, c->nout, c->out_bytes)};
	unsigned n = 0;
	CHECK(c->nout + c->nin <= RECORD_SEGS);
	for (unsigned i = 0; i < c->nout; i++)
		r->segs[n++] = (struct trace_seg){record_gpa(r->dm, c->out[i].iov_base),
						  c->out[i].iov_len};
	for (unsigned i = 0; i < c->nin; i++)
		r->segs[n++] =
			(struct trace_seg){record_gpa(r->dm, c->in[i].iov_base), c->in[i].iov_len};
	r->iov[1] = (struct iovec){&t, sizeof(t)};
	r->iov[2] = (struct iovec){r->segs, n * sizeof(r->segs[0])};
	op(r, what, q, value, ring,
	   2 + record_pieces(r->iov + 3, RECORD_SEGS, c->out, c->nout, t.known));
	record_mem_add(&r->chains, q, c->id, c->in, c->nin);
}

static int q_start(void *ctx, unsigned q, struct vring *ring)
{
	struct recorder *r = ctx;
	struct trace_queue_start s = {.desc = ring->desc,
				      .driver = ring->driver,
				      .device = ring->device,
				      .features = ring->features,
				      .size = ring->size};
	int rc = r->queue->start(r->queue_ctx, q, ring);
	r->iov[1] = (struct iovec){&s, sizeof(s)};
	op(r, TRACE_Q_START, q, (uint64_t)-rc, ring, 1);
	return rc;
}

static void q_stop(void *ctx, unsigned q, struct vring *ring)
{
	struct recorder *r = ctx;
	r->queue->stop(r->queue_ctx, q, ring);
	record_mem_drop(&r->chains, q);
	op(r, TRACE_Q_STOP, q, 0, ring, 0);
}

static int q_pop(void *ctx, unsigned q, struct vring *ring, struct iovec *iov, unsigned max,
		 struct vring_chain *ret)
{
	struct recorder *r = ctx;
	int rc = r->queue->pop(r->queue_ctx, q, ring, iov, max, ret);
	if (rc == 1)
		chain(r, TRACE_Q_POP, q, 1, ring, ret);
	else
		op(r, TRACE_Q_POP, q, (uint64_t)-rc, ring, 0);
	return rc;
}

static void q_unpop(void *ctx, unsigned q, struct vring *ring, const struct vring_chain *c)
{
	struct recorder *r = ctx;
	r->queue->unpop(r->queue_ctx, q, ring, c);
	free(record_mem_take(&r->chains, q, c->id));
	op(r, TRACE_Q_UNPOP, q, c->id, ring, 0);
}

/* Its bytes are looked at before the driver has them back. */
static void q_push(void *ctx, unsigned q, struct vring *ring, uint16_t id, uint16_t ndesc,
		   uint32_t len)
{
	struct recorder *r = ctx;
	AUTO_FREE struct record_mem *m = record_mem_take(&r->chains, q, id);
	struct trace_pushed t = {.id = id, .ndesc = ndesc};
	unsigned n = 0;
	uint64_t bytes = 0;
	for (unsigned i = 0; m && i < m->n; i++) {
		r->iov[2 + i] = (struct iovec){m->seg[i].at, m->seg[i].bytes};
		bytes += m->seg[i].bytes;
	}
	if (m) {
		bytes = bytes < len ? bytes : len;
		t.flags = TRACE_PUSHED_HASH;
		t.hash = dm_hash_iov(r->iov + 2, m->n, bytes);
		t.known = record_known(r, bytes);
		n = record_pieces(r->iov + 2, RECORD_SEGS, r->iov + 2, m->n, t.known);
	}
	r->queue->push(r->queue_ctx, q, ring, id, ndesc, len);
	r->iov[1] = (struct iovec){&t, sizeof(t)};
	op(r, TRACE_Q_PUSH, q, len, ring, 1 + n);
}

static bool q_should_signal(void *ctx, unsigned q, struct vring *ring)
{
	struct recorder *r = ctx;
	bool v = r->queue->should_signal(r->queue_ctx, q, ring);
	op(r, TRACE_Q_SHOULD_SIGNAL, q, v, ring, 0);
	return v;
}

static bool q_notify_on(void *ctx, unsigned q, struct vring *ring)
{
	struct recorder *r = ctx;
	bool v = r->queue->notify_on(r->queue_ctx, q, ring);
	op(r, TRACE_Q_NOTIFY_ON, q, v, ring, 0);
	return v;
}

static void q_notify_off(void *ctx, unsigned q, struct vring *ring)
{
	struct recorder *r = ctx;
	r->queue->notify_off(r->queue_ctx, q, ring);
	op(r, TRACE_Q_NOTIFY_OFF, q, 0, ring, 0);
}

static bool q_available(void *ctx, unsigned q, const struct vring *ring)
{
	struct recorder *r = ctx;
	bool v = r->queue->available(r->queue_ctx, q, ring);
	op(r, TRACE_Q_AVAILABLE, q, v, ring, 0);
	return v;
}

static bool q_published(void *ctx, unsigned q, const struct vring *ring)
{
	struct recorder *r = ctx;
	bool v = r->queue->published && r->queue->published(r->queue_ctx, q, ring);
	op(r, TRACE_Q_PUBLISHED, q, v, ring, 0);
	return v;
}

static void q_skip(void *ctx, unsigned q, struct vring *ring, uint16_t id, uint16_t ndesc)
{
	struct recorder *r = ctx;
	r->queue->skip(r->queue_ctx, q, ring, id, ndesc);
	op(r, TRACE_Q_SKIP, q, id, ring, 0);
}

/** struct seen - what the ring below found. */
struct seen {
	unsigned (*fn)(void *ctx, uint16_t id);
	void *ctx;
	unsigned n;
	uint16_t id[VRING_SIZE_MAX];
};

static unsigned note_seen(void *ctx, uint16_t id)
{
	struct seen *s = ctx;
	if (s->n < VRING_SIZE_MAX)
		s->id[s->n++] = id;
	return s->fn(s->ctx, id);
}

static void q_adopt(void *ctx, unsigned q, struct vring *ring,
		    unsigned (*fn)(void *ctx, uint16_t id), void *seen_ctx)
{
	struct recorder *r = ctx;
	struct seen s = {.fn = fn, .ctx = seen_ctx};
	r->queue->adopt(r->queue_ctx, q, ring, note_seen, &s);
	r->iov[1] = (struct iovec){ring->busy, sizeof(ring->busy)};
	r->iov[2] = (struct iovec){s.id, s.n * sizeof(s.id[0])};
	op(r, TRACE_Q_ADOPT, q, 0, ring, s.n ? 2 : 1);
}

static void q_mark(void *ctx, unsigned q, const struct vring *ring, const struct vring_chain *c,
		   struct vring_mark *ret)
{
	struct recorder *r = ctx;
	r->queue->mark(r->queue_ctx, q, ring, c, ret);
	struct trace_mark t = {.table = ret->table, .entries = ret->entries, .slot = ret->slot};
	r->iov[1] = (struct iovec){&t, sizeof(t)};
	op(r, TRACE_Q_MARK, q, 0, ring, 1);
}

static int q_reread(void *ctx, unsigned q, const struct vring *ring, uint16_t id, uint16_t ndesc,
		    const struct vring_mark *mark, struct iovec *iov, unsigned max,
		    struct vring_chain *ret)
{
	struct recorder *r = ctx;
	int rc = r->queue->reread(r->queue_ctx, q, ring, id, ndesc, mark, iov, max, ret);
	if (!rc)
		chain(r, TRACE_Q_REREAD, q, 0, ring, ret);
	else
		op(r, TRACE_Q_REREAD, q, (uint64_t)-rc, ring, 0);
	return rc;
}

const struct dm_queue_ops record_queue_ops = {
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

const struct dm_queue_ops *record_queue(struct dm *dm, const struct dm_queue_ops *base,
					void *base_ctx, void **ret_ctx)
{
	dm->rec->queue = base;
	dm->rec->queue_ctx = base_ctx;
	*ret_ctx = dm->rec;
	return &record_queue_ops;
}
