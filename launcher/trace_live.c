/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/trace_live.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fd.h"
#include "launcher/trace_walk.h"

struct live_record {
	struct trace_view v;
	size_t payload; /* where it is in the bytes, + 1; 0: none */
	size_t order;
};

struct live_ring {
	uint64_t index, time_ns;
};

struct trace_live {
	const Outrigger__TraceDevice *device[TRACE_FILE_DEVICES];
	struct live_ring (*ring)[TRACE_RINGS];
	unsigned n;
	struct live_record *record;
	size_t records, room;
	struct sb bytes; /* payloads */
};

struct trace_live *trace_live_create(void)
{
	struct trace_live *l = xalloc(1, sizeof(*l));
	l->ring = xalloc(TRACE_FILE_DEVICES, sizeof(*l->ring));
	return l;
}

void trace_live_destroy(struct trace_live *l)
{
	if (!l)
		return;
	sb_free(&l->bytes);
	free(l->record);
	free(l->ring);
	free(l);
}

void trace_live_device(struct trace_live *l, const Outrigger__TraceDevice *info)
{
	l->device[l->n++] = info;
}

static struct live_record *add(struct trace_live *l, unsigned device, unsigned ring)
{
	if (l->records == l->room) {
		l->room = l->room ? l->room * 2 : 1024;
		l->record = xrealloc(l->record, l->room, sizeof(*l->record));
	}
	struct live_record *r = &l->record[l->records];
	*r = (struct live_record){.order = l->records++};
	r->v.info = l->device[device];
	r->v.device = device;
	r->v.ring = ring;
	r->v.index = l->ring[device][ring].index++;
	return r;
}

/* Nested records have the time of the stimulus that follows them. */
static void times_nested(struct trace_live *l, size_t from)
{
	uint64_t ns = 0;
	for (size_t i = l->records; i-- > from;) {
		struct trace_view *v = &l->record[i].v;
		if (trace_walk_nested(&v->e) && ns)
			v->time_ns = ns;
		else
			ns = v->time_ns;
	}
}

void trace_live_add(struct trace_live *l, unsigned device, unsigned ring, const uint8_t *records,
		    size_t bytes, uint64_t lost, uint64_t guest_ns)
{
	struct live_ring *lr = &l->ring[device][ring];
	size_t from = l->records;
	if (lost) {
		struct live_record *r = add(l, device, ring);
		r->v.e = (struct port_entry){.op = TRACE_GAP, .value = lost};
		r->v.time_ns = lr->time_ns;
	}
	for (size_t at = 0; at < bytes;) {
		struct live_record *r = add(l, device, ring);
		memcpy(&r->v.e, records + at, sizeof(r->v.e));
		uint32_t n = trace_payload(&r->v.e);
		if (n) {
			r->payload = l->bytes.len + 1;
			sb_addn(&l->bytes, (const char *)records + at + sizeof(r->v.e), n);
		}
		if (r->v.e.time_us)
			lr->time_ns = trace_time_ns(guest_ns, r->v.e.time_us);
		r->v.time_ns = lr->time_ns;
		at += trace_record_bytes(&r->v.e);
	}
	if (ring == TRACE_RING_DM)
		times_nested(l, from);
}

static int by_time(const void *pa, const void *pb)
{
	const struct live_record *a = pa, *b = pb;
	if (a->v.time_ns != b->v.time_ns)
		return a->v.time_ns < b->v.time_ns ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* hv's record of the same access, if it was read together with the daemon's. Both rings rise in seq. */
static void join(struct trace_live *l)
{
	for (size_t i = 0; i < l->records; i++) {
		struct trace_view *v = &l->record[i].v;
		if (v->ring != TRACE_RING_DM || v->e.op > PORT_OP_RESET || !v->e.seq)
			continue;
		for (size_t k = i + 1; k < l->records && k < i + 4096; k++) {
			const struct trace_view *h = &l->record[k].v;
			if (h->device == v->device && h->e.seq == v->e.seq &&
			    h->ring == TRACE_RING_VCPU + v->e.vcpu &&
			    trace_walk_twin(h->ring, &h->e)) {
				v->latency_ns = h->e.aux ? trace_latency_ns(h->e.aux) : 0;
				break;
			}
		}
	}
}

int trace_live_flush(struct trace_live *l, struct err *err)
{
	AUTO_SB out = {0};
	qsort(l->record, l->records, sizeof(*l->record), by_time);
	join(l);
	for (size_t i = 0; i < l->records; i++) {
		struct live_record *r = &l->record[i];
		if (r->payload)
			r->v.payload = (const uint8_t *)l->bytes.s + r->payload - 1;
		if (!trace_walk_twin(r->v.ring, &r->v.e))
			trace_text_line(&r->v, false, &out);
	}
	l->records = 0;
	l->bytes.len = 0;
	fputs(sb_str(&out), stdout);
	if (fflush(stdout))
		return err_set(err, errno, "cannot write to standard output: %s", strerror(errno));
	return 0;
}
