/* SPDX-License-Identifier: Apache-2.0 */
/* What a model asks of its environment in a replay: clocks, random numbers, guest memory, disks, links. */
#include "devmodel/core/replay_int.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull;

/* ---- clocks, log, random numbers, guest memory ------------------------------------------------------- */

static uint64_t ask_clock(struct replay *r, unsigned which)
{
	const struct rp_record *q = rp_question(r, TRACE_CLOCK, which, 0);
	if (q)
		r->last_clock[which] = q->e.value;
	return r->last_clock[which];
}

static uint64_t rp_now(void *ctx)
{
	return ask_clock(ctx, 0);
}

static uint64_t rp_realtime(void *ctx)
{
	return ask_clock(ctx, 1);
}

static void rp_log(void *ctx, enum dm_level level, const char *text)
{
	(void)ctx, (void)level, (void)text; /* is for people, and limited by a real clock */
}

static void rp_random(void *ctx, void *buf, size_t len)
{
	struct replay *r = ctx;
	char what[64];
	memset(buf, 0, len);
	for (size_t at = 0; at < len;) {
		size_t n = len - at < TRACE_DATA_MAX ? len - at : TRACE_DATA_MAX;
		snprintf(what, sizeof(what), "asks for %zu random bytes", n);
		const struct rp_record *q = rp_action(r, TRACE_RANDOM, 0, 0, 1, what);
		rp_same(r, q, "random bytes", q ? q->len : 0, n);
		if (q)
			memcpy((uint8_t *)buf + at, q->payload, q->len < n ? q->len : n);
		at += n;
	}
}

const struct dm_env replay_env = {
	.now_ns = rp_now, .realtime_ns = rp_realtime, .log = rp_log, .random = rp_random};

int replay_dma(struct dm *dm, bool write, uint64_t gpa, void *buf, size_t len)
{
	struct replay *r = dm->ctx;
	char what[96];
	snprintf(what, sizeof(what), "%s %zu bytes at %#llx", write ? "writes" : "reads", len,
		 (ull)gpa);
	const struct rp_record *q =
		rp_action(r, write ? TRACE_DMA_WRITE : TRACE_DMA_READ, 0, 0, 0, what);
	rp_same(r, q, "address", q ? q->e.value : 0, gpa);
	if (!q)
		return dm_memory(dm, write, gpa, buf, len);
	if (q->e.offset)
		return -(int)(q->e.offset & 4095);
	rp_same(r, q, "bytes", q->len, len < TRACE_DATA_MAX ? len : TRACE_DATA_MAX);
	uint8_t *p = rp_at(r, gpa, len);
	if (!p || q->len > len) {
		rp_bad(r, q, "guest memory that was not granted");
		return -EACCES;
	}
	if (!write) {
		if (q->len)
			memcpy(p, q->payload, q->len);
		memcpy(buf, p, len);
		return 0;
	}
	rp_same(r, q, "hash of the bytes", dm_hash(q->payload ? q->payload : p, q->len),
		dm_hash(buf, q->len));
	memcpy(p, buf, len);
	return 0;
}

/* ---- chains, and the buffers of disks ------------------------------------------------------------------ */

struct rp_chain *rp_chain_add(struct replay *r, unsigned queue, unsigned id, unsigned nseg,
			      const struct trace_seg *seg)
{
	free(rp_chain_take(r, queue, id));
	struct rp_chain *c = calloc(1, sizeof(*c) + nseg * sizeof(c->seg[0]));
	CHECK(c);
	*c = (struct rp_chain){.next = r->chains, .queue = queue, .id = id, .nseg = nseg};
	memcpy(c->seg, seg, nseg * sizeof(c->seg[0]));
	r->chains = c;
	return c;
}

struct rp_chain *rp_chain_take(struct replay *r, unsigned queue, unsigned id)
{
	for (struct rp_chain **at = &r->chains; *at; at = &(*at)->next) {
		struct rp_chain *c = *at;
		if (c->queue != queue || c->id != id)
			continue;
		*at = c->next;
		return c;
	}
	return NULL;
}

void rp_chains_drop(struct replay *r, unsigned queue, bool all)
{
	for (struct rp_chain **at = &r->chains; *at;) {
		struct rp_chain *c = *at;
		if (!all && c->queue != queue) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		free(c);
	}
}

static bool touches(const struct rp_chain *c, const struct trace_seg *seg, unsigned n)
{
	for (unsigned i = 0; i < c->nseg; i++)
		for (unsigned k = 0; k < n; k++)
			if (seg[k].gpa < c->seg[i].gpa + c->seg[i].bytes &&
			    c->seg[i].gpa < seg[k].gpa + seg[k].bytes)
				return true;
	return false;
}

void rp_mark_unknown(struct replay *r, const struct trace_seg *seg, unsigned n)
{
	for (struct rp_chain *c = r->chains; c; c = c->next)
		if (c->queue != UINT_MAX && touches(c, seg, n))
			c->unknown = true;
}

/* ---- disks ------------------------------------------------------------------------------------------- */

static void rp_disk_info(void *h, unsigned disk, struct dm_disk_info *ret)
{
	struct replay *r = h;
	const struct rp_record *q = rp_question(r, TRACE_HOST, TRACE_H_DISK_INFO, disk);
	struct trace_disk_info t;
	if (q && q->len == sizeof(t)) {
		memcpy(&t, q->payload, sizeof(t));
		replay_disk_info(&r->disk, &t);
	}
	*ret = r->disk;
}

/* The model's own buffers, as guest addresses; UINT64_MAX: they are in no window. */
static void segments(const struct replay *r, const struct dm_disk_io *io, struct trace_seg *to)
{
	for (unsigned i = 0; i < io->niov; i++) {
		to[i] = (struct trace_seg){UINT64_MAX, io->iov[i].iov_len};
		for (unsigned k = 0; k < r->mem.n; k++) {
			const struct vring_window *w = &r->mem.win[k];
			uintptr_t p = (uintptr_t)io->iov[i].iov_base, at = p - (uintptr_t)w->hva;
			if (p >= (uintptr_t)w->hva && at < w->bytes)
				to[i].gpa = w->gpa + at;
		}
	}
}

static void same_segments(struct replay *r, const struct rp_record *q, const struct dm_disk_io *io,
			  const struct trace_seg *mine)
{
	struct trace_seg s;
	for (unsigned i = 0; i < io->niov; i++) {
		memcpy(&s, q->payload + sizeof(struct trace_submit) + i * sizeof(s), sizeof(s));
		rp_same(r, q, "address of a segment", s.gpa, mine[i].gpa);
		rp_same(r, q, "bytes of a segment", s.bytes, mine[i].bytes);
	}
}

static int rp_disk_submit(void *h, unsigned disk, const struct dm_disk_io *io)
{
	static const char *const names[] = {"?", "read", "write", "flush", "discard", "zero"};
	struct replay *r = h;
	struct trace_submit s;
	struct trace_seg mine[VRING_SIZE_MAX * 2];
	char what[128];
	snprintf(what, sizeof(what), "submits a %s of %llu bytes at %llu as tag %u",
		 names[(unsigned)io->op < 6 ? io->op : 0], (ull)io->bytes, (ull)io->offset,
		 io->tag);
	CHECK(io->niov <= VRING_SIZE_MAX * 2);
	segments(r, io, mine);
	const struct rp_record *q =
		rp_action(r, TRACE_HOST, TRACE_H_DISK_SUBMIT, disk, sizeof(s), what);
	if (!q)
		return 0;
	memcpy(&s, q->payload, sizeof(s));
	if (s.nseg > VRING_SIZE_MAX * 2 || q->len < sizeof(s) + s.nseg * sizeof(mine[0])) {
		rp_bad(r, q, "its payload is too short");
		return 0;
	}
	rp_same(r, q, "operation", s.op, io->op);
	rp_same(r, q, "tag", s.tag, io->tag);
	rp_same(r, q, "offset", s.offset, io->offset);
	rp_same(r, q, "bytes", s.bytes, io->bytes);
	rp_same(r, q, "unmap", s.unmap, io->unmap);
	rp_same(r, q, "segments", s.nseg, io->niov);
	if (s.nseg == io->niov)
		same_segments(r, q, io, mine);
	if (io->op == DM_DISK_READ)
		rp_chain_add(r, UINT_MAX, io->tag, io->niov, mine);
	return (int)(int64_t)q->e.value;
}

static unsigned rp_disk_drain(void *h, unsigned disk)
{
	struct replay *r = h;
	const struct rp_record *q =
		rp_action(r, TRACE_HOST, TRACE_H_DISK_DRAIN, disk, 0, "waits for the disk");
	/* What the host read meanwhile is in the guest's memory, and not in the trace. */
	for (struct rp_chain *c = r->chains; c; c = c->next)
		if (c->queue == UINT_MAX)
			rp_mark_unknown(r, c->seg, c->nseg);
	rp_chains_drop(r, UINT_MAX, false);
	return q ? (unsigned)q->e.value : 0;
}

static void rp_disk_writeback(void *h, unsigned disk, bool on)
{
	struct replay *r = h;
	const struct rp_record *q = rp_action(r, TRACE_HOST, TRACE_H_DISK_WRITEBACK, disk, 0,
					      "sets the disk's write cache");
	rp_same(r, q, "write cache", q ? q->e.offset : 0, on);
	r->disk.writeback = on;
}

static int rp_disk_resize(void *h, unsigned disk, uint64_t bytes)
{
	struct replay *r = h;
	uint64_t v = 0;
	const struct rp_record *q =
		rp_action(r, TRACE_HOST, TRACE_H_DISK_RESIZE, disk, sizeof(v), "resizes the disk");
	if (!q)
		return 0;
	memcpy(&v, q->payload, sizeof(v));
	rp_same(r, q, "bytes", v, bytes);
	return (int)(int64_t)q->e.value;
}

/* ---- links ------------------------------------------------------------------------------------------- */

static void rp_link_info(void *h, unsigned link, struct dm_link_info *ret)
{
	struct replay *r = h;
	const struct rp_record *q = rp_question(r, TRACE_HOST, TRACE_H_LINK_INFO, link);
	struct trace_link_info t;
	if (q && q->len == sizeof(t)) {
		memcpy(&t, q->payload, sizeof(t));
		replay_link_info(&r->link, &t);
	}
	*ret = r->link;
}

static void rp_link_offloads(void *h, unsigned link, bool csum, bool tso4, bool tso6)
{
	struct replay *r = h;
	const struct rp_record *q = rp_action(r, TRACE_HOST, TRACE_H_LINK_OFFLOADS, link, 0,
					      "sets the link's offloads");
	rp_same(r, q, "offloads", q ? q->e.offset : 0,
		(unsigned)csum | (unsigned)tso4 << 1 | (unsigned)tso6 << 2);
}

/* The frame of record @q, in r->frame. Its length, what the call returned, or 0. */
static ssize_t frame_in(struct replay *r, const struct rp_record *q)
{
	struct trace_frame f;
	int64_t n = q ? (int64_t)q->e.value : 0;
	if (n <= 0)
		return n < -4095 ? 0 : (ssize_t)n;
	if (n > (int64_t)DM_FRAME_MAX || q->len < sizeof(f)) {
		rp_bad(r, q, "a frame that is too long, or missing");
		return 0;
	}
	memcpy(&f, q->payload, sizeof(f));
	if (f.known > q->len - sizeof(f) || f.known > n) {
		rp_bad(r, q, "a frame that is cut off");
		return 0;
	}
	memset(r->frame, 0, (size_t)n);
	memcpy(r->frame, q->payload + sizeof(f), f.known);
	r->dark |= f.known < n;
	return (ssize_t)n;
}

static ssize_t rp_link_recv(void *h, unsigned link, unsigned queue, void *buf, size_t max)
{
	struct replay *r = h;
	const struct rp_record *q =
		rp_action(r, TRACE_HOST, TRACE_H_LINK_RECV, link, 0, "takes a frame");
	rp_same(r, q, "queue", q ? q->e.offset : 0, queue);
	ssize_t n = frame_in(r, q);
	if (n > 0)
		memcpy(buf, r->frame, (size_t)n < max ? (size_t)n : max);
	return n > 0 && (size_t)n > max ? 0 : n;
}

static ssize_t rp_link_peek(void *h, unsigned link, unsigned queue, uint8_t **ret)
{
	struct replay *r = h;
	const struct rp_record *q =
		rp_action(r, TRACE_HOST, TRACE_H_LINK_PEEK, link, 0, "looks for a frame");
	rp_same(r, q, "queue", q ? q->e.offset : 0, queue);
	*ret = r->frame;
	return frame_in(r, q);
}

static void rp_link_skip(void *h, unsigned link, unsigned queue)
{
	struct replay *r = h;
	const struct rp_record *q =
		rp_action(r, TRACE_HOST, TRACE_H_LINK_SKIP, link, 0, "takes the frame off");
	rp_same(r, q, "queue", q ? q->e.offset : 0, queue);
}

static int rp_link_send(void *h, unsigned link, unsigned queue, const struct iovec *iov, unsigned n)
{
	struct replay *r = h;
	struct trace_frame f;
	uint64_t bytes = 0;
	char what[64];
	for (unsigned i = 0; i < n; i++)
		bytes += iov[i].iov_len;
	snprintf(what, sizeof(what), "sends a frame of %llu bytes", (ull)bytes);
	const struct rp_record *q =
		rp_action(r, TRACE_HOST, TRACE_H_LINK_SEND, link, sizeof(f), what);
	if (!q)
		return 0;
	memcpy(&f, q->payload, sizeof(f));
	rp_same(r, q, "queue", q->e.offset, queue);
	rp_same(r, q, "bytes", f.bytes, bytes);
	if (r->dark)
		r->stats.unknown++;
	else
		rp_same(r, q, "hash of the frame", f.hash, dm_hash_iov(iov, n, bytes));
	int64_t rc = (int64_t)q->e.value;
	return rc < -4095 || rc > 0 ? 0 : (int)rc;
}

static void rp_link_listen(void *h, unsigned link, bool on)
{
	struct replay *r = h;
	const struct rp_record *q = rp_action(r, TRACE_HOST, TRACE_H_LINK_LISTEN, link, 0,
					      on ? "listens" : "stops listening");
	rp_same(r, q, "listening", q ? q->e.offset : 0, on);
}

const struct dm_io_ops replay_io = {
	.disk_info = rp_disk_info,
	.disk_submit = rp_disk_submit,
	.disk_drain = rp_disk_drain,
	.disk_writeback = rp_disk_writeback,
	.disk_resize = rp_disk_resize,
	.link_info = rp_link_info,
	.link_offloads = rp_link_offloads,
	.link_recv = rp_link_recv,
	.link_peek = rp_link_peek,
	.link_skip = rp_link_skip,
	.link_send = rp_link_send,
	.link_listen = rp_link_listen,
};

/* ---- calls into the model -------------------------------------------------------------------------------- */

/* Puts what a disk has read into the buffers of request @c. */
static void fill(struct replay *r, const struct rp_chain *c, const uint8_t *data, uint32_t len)
{
	for (unsigned i = 0; i < c->nseg && len; i++) {
		uint32_t n = c->seg[i].bytes < len ? (uint32_t)c->seg[i].bytes : len;
		uint8_t *p = rp_at(r, c->seg[i].gpa, n);
		if (p)
			memcpy(p, data, n);
		data += n;
		len -= n;
	}
}

static bool disk_done(struct replay *r, const struct port_entry *e, const uint8_t *payload,
		      uint32_t len, struct err *err)
{
	uint32_t tag = (uint32_t)e->value;
	int result = (int)(uint32_t)(e->value >> 32);
	uint64_t bytes = 0;
	if (!r->cls->disk_done || tag >= DM_DISK_TAGS || result > 0 || result < -4095)
		return !err_set(err, EPROTO, "tag %u of a disk ends with %d", tag, result);
	struct rp_chain *c = rp_chain_take(r, UINT_MAX, tag);
	for (unsigned i = 0; c && i < c->nseg; i++)
		bytes += c->seg[i].bytes;
	if (c && bytes > len)
		rp_mark_unknown(r, c->seg, c->nseg);
	if (c && len)
		fill(r, c, payload, len);
	free(c);
	dm_disk_done(r->dm, e->offset, tag, result);
	return true;
}

bool rp_call(struct replay *r, const struct port_entry *e, const uint8_t *payload, uint32_t len,
	     struct err *err)
{
	switch (e->range) {
	case TRACE_CALL_DISK_DONE:
		return disk_done(r, e, payload, len, err);
	case TRACE_CALL_DISK_CHANGED:
		dm_disk_changed(r->dm, 0);
		return true;
	case TRACE_CALL_LINK_READY:
		if (!r->cls->link_ready)
			return !err_set(err, EPROTO, "this model has no link");
		dm_link_ready(r->dm, 0);
		return true;
	case TRACE_CALL_RESUME:
		dm_resume(r->dm);
		return true;
	default:
		return !err_set(err, EPROTO, "unknown call %u of the back-end", e->range);
	}
}
