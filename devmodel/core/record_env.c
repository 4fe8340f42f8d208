/* SPDX-License-Identifier: Apache-2.0 */
/* The recorder between a model and its clocks, random numbers, guest memory, disks and links. */
#include "devmodel/core/hash.h"
#include "devmodel/core/record_int.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ------------------------------------------------------------------------------------------ */

uint64_t record_gpa(const struct dm *dm, const void *p)
{
	for (unsigned i = 0; dm->mem && i < dm->mem->n; i++) {
		const struct vring_window *w = &dm->mem->win[i];
		uintptr_t at = (uintptr_t)p - (uintptr_t)w->hva;
		if ((uintptr_t)p >= (uintptr_t)w->hva && at < w->bytes)
			return w->gpa + at;
	}
	return UINT64_MAX;
}

uint32_t record_known(const struct recorder *r, uint64_t bytes)
{
	if (r->bytes)
		return bytes < TRACE_DATA_MAX ? (uint32_t)bytes : TRACE_DATA_MAX;
	return bytes <= TRACE_DATA_WHOLE ? (uint32_t)bytes : TRACE_DATA_HEAD;
}

unsigned record_pieces(struct iovec *to, unsigned max, const struct iovec *iov, unsigned n,
		       uint64_t bytes)
{
	unsigned k = 0;
	for (unsigned i = 0; i < n && bytes && k < max; i++) {
		size_t part = iov[i].iov_len < bytes ? iov[i].iov_len : (size_t)bytes;
		to[k++] = (struct iovec){iov[i].iov_base, part};
		bytes -= part;
	}
	return k;
}

struct record_mem *record_mem_add(struct record_mem **list, unsigned queue, unsigned id,
				  const struct iovec *iov, unsigned n)
{
	free(record_mem_take(list, queue, id)); /* cannot be, but for a hostile driver */
	struct record_mem *m = malloc(sizeof(*m) + n * sizeof(m->seg[0]));
	if (!m)
		return NULL;
	*m = (struct record_mem){.next = *list, .queue = queue, .id = id, .n = n};
	for (unsigned i = 0; i < n; i++)
		m->seg[i] = (struct record_seg){iov[i].iov_base, iov[i].iov_len};
	*list = m;
	return m;
}

struct record_mem *record_mem_take(struct record_mem **list, unsigned queue, unsigned id)
{
	for (; *list; list = &(*list)->next) {
		struct record_mem *m = *list;
		if (m->queue != queue || m->id != id)
			continue;
		*list = m->next;
		return m;
	}
	return NULL;
}

void record_mem_drop(struct record_mem **list, unsigned queue)
{
	while (*list) {
		struct record_mem *m = *list;
		if (queue != UINT_MAX && m->queue != queue) {
			list = &m->next;
			continue;
		}
		*list = m->next;
		free(m);
	}
}

/* ---- the environment ----------------------------------------------------------------------------------- */

static void nested_value(struct recorder *r, unsigned op, unsigned range, uint64_t value,
			 const void *payload, size_t len)
{
	struct port_entry e = {.op = (uint8_t)op, .range = (uint8_t)range, .value = value};
	struct iovec iov = {(void *)(uintptr_t)payload, len};
	record_nested(r, &e, &iov, len ? 1 : 0);
}

static uint64_t rec_now(void *ctx)
{
	struct recorder *r = ctx;
	uint64_t v = r->env->now_ns(r->ctx);
	nested_value(r, TRACE_CLOCK, 0, v, NULL, 0);
	return v;
}

static uint64_t rec_realtime(void *ctx)
{
	struct recorder *r = ctx;
	uint64_t v = r->env->realtime_ns(r->ctx);
	nested_value(r, TRACE_CLOCK, 1, v, NULL, 0);
	return v;
}

static void rec_log(void *ctx, enum dm_level level, const char *text)
{
	struct recorder *r = ctx;
	r->env->log(r->ctx, level, text);
	nested_value(r, TRACE_LOG, level, 0, text, strlen(text));
}

static void rec_random(void *ctx, void *buf, size_t len)
{
	struct recorder *r = ctx;
	r->env->random(r->ctx, buf, len);
	for (size_t at = 0; at < len; at += TRACE_DATA_MAX) {
		size_t n = len - at < TRACE_DATA_MAX ? len - at : TRACE_DATA_MAX;
		nested_value(r, TRACE_RANDOM, 0, 0, (uint8_t *)buf + at, n);
	}
}

static void rec_count(void *ctx, enum dm_count what, uint64_t n)
{
	struct recorder *r = ctx;
	if (r->env->count)
		r->env->count(r->ctx, what, n);
}

static void rec_latency(void *ctx, uint64_t ns)
{
	struct recorder *r = ctx;
	if (r->env->latency)
		r->env->latency(r->ctx, ns);
}

static void rec_depth(void *ctx, unsigned n)
{
	struct recorder *r = ctx;
	if (r->env->depth)
		r->env->depth(r->ctx, n);
}

static const struct dm_env record_env = {.now_ns = rec_now,
					 .realtime_ns = rec_realtime,
					 .log = rec_log,
					 .random = rec_random,
					 .count = rec_count,
					 .latency = rec_latency,
					 .depth = rec_depth};

static int rec_dma(struct dm *dm, bool write, uint64_t gpa, void *buf, size_t len)
{
	struct port_entry e = {.op = write ? TRACE_DMA_WRITE : TRACE_DMA_READ, .value = gpa};
	int rc = dm_memory(dm, write, gpa, buf, len);
	struct iovec iov = {buf, len < TRACE_DATA_MAX ? len : TRACE_DATA_MAX};
	e.offset = (uint32_t)-rc;
	record_nested(dm->rec, &e, &iov, rc || !len ? 0 : 1);
	return rc;
}

/* ---- disks ------------------------------------------------------------------------------------------- */

void record_disk_info(struct trace_disk_info *to, const struct dm_disk_info *from)
{
	*to = (struct trace_disk_info){.bytes = from->bytes,
				       .block = from->block,
				       .physical = from->physical,
				       .readonly = from->readonly,
				       .can_discard = from->can_discard,
				       .can_zero = from->can_zero,
				       .writeback = from->writeback};
	memcpy(to->id, from->id, sizeof(to->id));
}

/* A call of the back-end. */
static void call(struct recorder *r, enum trace_host what, unsigned unit, uint32_t offset,
		 int64_t value, const void *payload, size_t len)
{
	struct port_entry e = {.op = TRACE_HOST,
			       .range = (uint8_t)what,
			       .aux = (uint16_t)unit,
			       .offset = offset,
			       .value = (uint64_t)value};
	struct iovec iov = {(void *)(uintptr_t)payload, len};
	record_nested(r, &e, &iov, len ? 1 : 0);
}

static void rec_disk_info(void *h, unsigned disk, struct dm_disk_info *ret)
{
	struct recorder *r = h;
	struct trace_disk_info t;
	r->io->disk_info(r->io_ctx, disk, ret);
	record_disk_info(&t, ret);
	call(r, TRACE_H_DISK_INFO, disk, 0, 0, &t, sizeof(t));
}

static int rec_disk_submit(void *h, unsigned disk, const struct dm_disk_io *io)
{
	struct recorder *r = h;
	unsigned n = io->niov < RECORD_SEGS ? io->niov : RECORD_SEGS;
	struct trace_submit s = {.op = io->op,
				 .tag = io->tag,
				 .offset = io->offset,
				 .bytes = io->bytes,
				 .unmap = io->unmap,
				 .nseg = n};
	struct port_entry e = {
		.op = TRACE_HOST, .range = TRACE_H_DISK_SUBMIT, .aux = (uint16_t)disk};
	for (unsigned i = 0; i < n; i++)
		r->segs[i] = (struct trace_seg){record_gpa(r->dm, io->iov[i].iov_base),
						io->iov[i].iov_len};
	int rc = r->io->disk_submit(r->io_ctx, disk, io);
	e.value = (uint64_t)rc;
	if (!rc && io->op == DM_DISK_READ && r->bytes)
		record_mem_add(&r->requests, disk, io->tag, io->iov, n);
	struct iovec iov[2] = {{&s, sizeof(s)}, {r->segs, n * sizeof(r->segs[0])}};
	record_nested(r, &e, iov, n ? 2 : 1);
	return rc;
}

static unsigned rec_disk_drain(void *h, unsigned disk)
{
	struct recorder *r = h;
	unsigned n = r->io->disk_drain(r->io_ctx, disk);
	record_mem_drop(&r->requests, disk);
	call(r, TRACE_H_DISK_DRAIN, disk, 0, n, NULL, 0);
	return n;
}

static void rec_disk_writeback(void *h, unsigned disk, bool on)
{
	struct recorder *r = h;
	r->io->disk_writeback(r->io_ctx, disk, on);
	call(r, TRACE_H_DISK_WRITEBACK, disk, on, 0, NULL, 0);
}

static int rec_disk_resize(void *h, unsigned disk, uint64_t bytes)
{
	struct recorder *r = h;
	int rc = r->io->disk_resize(r->io_ctx, disk, bytes);
	call(r, TRACE_H_DISK_RESIZE, disk, 0, rc, &bytes, sizeof(bytes));
	return rc;
}

/* ---- links ------------------------------------------------------------------------------------------- */

void record_link_info(struct trace_link_info *to, const struct dm_link_info *from)
{
	*to = (struct trace_link_info){.up = from->up,
				       .csum = from->csum,
				       .tso4 = from->tso4,
				       .tso6 = from->tso6,
				       .ufo = from->ufo,
				       .ecn = from->ecn,
				       .rx_csum = from->rx_csum,
				       .rx_tso4 = from->rx_tso4,
				       .rx_tso6 = from->rx_tso6,
				       .queues = from->queues,
				       .mtu = from->mtu};
}

static void rec_link_info(void *h, unsigned link, struct dm_link_info *ret)
{
	struct recorder *r = h;
	struct trace_link_info t;
	r->io->link_info(r->io_ctx, link, ret);
	record_link_info(&t, ret);
	call(r, TRACE_H_LINK_INFO, link, 0, 0, &t, sizeof(t));
}

static void rec_link_offloads(void *h, unsigned link, bool csum, bool tso4, bool tso6)
{
	struct recorder *r = h;
	r->io->link_offloads(r->io_ctx, link, csum, tso4, tso6);
	call(r, TRACE_H_LINK_OFFLOADS, link, (uint32_t)(csum | tso4 << 1 | tso6 << 2), 0, NULL, 0);
}

static void frame(struct recorder *r, enum trace_host what, unsigned link, unsigned queue,
		  int64_t value, const struct iovec *iov, unsigned n, uint64_t bytes)
{
	struct port_entry e = {.op = TRACE_HOST,
			       .range = (uint8_t)what,
			       .aux = (uint16_t)link,
			       .offset = queue,
			       .value = (uint64_t)value};
	struct trace_frame f = {.bytes = (uint32_t)bytes,
				.known = record_known(r, bytes),
				.hash = dm_hash_iov(iov, n, bytes)};
	r->iov[0] = (struct iovec){&f, sizeof(f)};
	record_nested(r, &e, r->iov, 1 + record_pieces(r->iov + 1, RECORD_SEGS, iov, n, f.known));
}

static void frame_in(struct recorder *r, enum trace_host what, unsigned link, unsigned queue,
		     ssize_t n, const void *buf)
{
	struct iovec iov = {(void *)(uintptr_t)buf, n > 0 ? (size_t)n : 0};
	if (n > 0)
		frame(r, what, link, queue, n, &iov, 1, (uint64_t)n);
	else
		call(r, what, link, queue, n, NULL, 0);
}

static ssize_t rec_link_recv(void *h, unsigned link, unsigned queue, void *buf, size_t max)
{
	struct recorder *r = h;
	ssize_t n = r->io->link_recv(r->io_ctx, link, queue, buf, max);
	frame_in(r, TRACE_H_LINK_RECV, link, queue, n, buf);
	return n;
}

static ssize_t rec_link_peek(void *h, unsigned link, unsigned queue, uint8_t **ret)
{
	struct recorder *r = h;
	ssize_t n = r->io->link_peek(r->io_ctx, link, queue, ret);
	frame_in(r, TRACE_H_LINK_PEEK, link, queue, n, *ret);
	return n;
}

static void rec_link_skip(void *h, unsigned link, unsigned queue)
{
	struct recorder *r = h;
	r->io->link_skip(r->io_ctx, link, queue);
	call(r, TRACE_H_LINK_SKIP, link, queue, 0, NULL, 0);
}

static int rec_link_send(void *h, unsigned link, unsigned queue, const struct iovec *iov,
			 unsigned n)
{
	struct recorder *r = h;
	uint64_t bytes = 0;
	for (unsigned i = 0; i < n; i++)
		bytes += iov[i].iov_len;
	int rc = r->io->link_send(r->io_ctx, link, queue, iov, n);
	frame(r, TRACE_H_LINK_SEND, link, queue, rc, iov, n, bytes);
	return rc;
}

static void rec_link_listen(void *h, unsigned link, bool on)
{
	struct recorder *r = h;
	r->io->link_listen(r->io_ctx, link, on);
	call(r, TRACE_H_LINK_LISTEN, link, on, 0, NULL, 0);
}

static const struct dm_io_ops record_io = {
	.disk_info = rec_disk_info,
	.disk_submit = rec_disk_submit,
	.disk_drain = rec_disk_drain,
	.disk_writeback = rec_disk_writeback,
	.disk_resize = rec_disk_resize,
	.link_info = rec_link_info,
	.link_offloads = rec_link_offloads,
	.link_recv = rec_link_recv,
	.link_peek = rec_link_peek,
	.link_skip = rec_link_skip,
	.link_send = rec_link_send,
	.link_listen = rec_link_listen,
};

/* ---- in between ---------------------------------------------------------------------------------------- */

void record_interpose(struct recorder *r)
{
	struct dm *dm = r->dm;
	dm->env = &record_env;
	dm->ctx = r;
	if (r->io) {
		dm->io = &record_io;
		dm->io_ctx = r;
	}
	dm->dma_tap = rec_dma;
}

void record_withdraw(struct recorder *r)
{
	struct dm *dm = r->dm;
	dm->env = r->env;
	dm->ctx = r->ctx;
	dm->io = r->io;
	dm->io_ctx = r->io_ctx;
	dm->dma_tap = NULL;
}
