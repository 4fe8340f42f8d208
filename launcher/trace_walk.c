/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/trace_walk.h"
#include <stdlib.h>
#include "base/fd.h"

#define AHEAD_MAX 65536u /* records of one step that are looked through for its time */

/* One ring that has records. */
struct stream {
	struct trace_cursor next; /* behind @v */
	struct trace_view v;	  /* the one to be given next */
	uint64_t nested_end,
		nested_ns; /* records before this index have this time: their stimulus's */
};

/* Where the search for the latency of an access of one vCPU has come to. */
struct join {
	struct trace_cursor at;
	struct port_entry e;
	bool have;
};

struct walk_device {
	struct join join[PORT_MAX_VCPUS];
	bool daemon; /* its daemon's ring has records */
};

struct trace_walk {
	const struct trace_file *file;
	struct stream *stream;
	unsigned n;
	struct walk_device *device;
	bool all;
};

bool trace_walk_nested(const struct port_entry *e)
{
	switch (e->op) {
	case TRACE_CLOCK:
	case TRACE_RANDOM:
	case TRACE_QUEUE:
	case TRACE_HOST:
	case TRACE_DMA_READ:
	case TRACE_DMA_WRITE:
	case TRACE_LOG:
		return true;
	default:
		return false;
	}
}

bool trace_walk_twin(unsigned ring, const struct port_entry *e)
{
	return ring >= TRACE_RING_VCPU && e->op <= PORT_OP_RESET && e->seq &&
	       !(e->flags & PORT_F_SHADOW);
}

static void join_step(struct join *j)
{
	const uint8_t *payload;
	do
		j->have = trace_cursor_next(&j->at, &j->e, &payload);
	while (j->have && !trace_walk_twin(TRACE_RING_VCPU, &j->e));
}

/* How long vCPU e->vcpu waited for @e. Sequence numbers rise in both rings. */
static uint64_t latency(struct walk_device *d, const struct port_entry *e)
{
	if (e->op > PORT_OP_RESET || !e->seq || e->vcpu >= PORT_MAX_VCPUS)
		return 0;
	struct join *j = &d->join[e->vcpu];
	while (j->have && j->e.seq < e->seq)
		join_step(j);
	return j->have && j->e.seq == e->seq ? trace_latency_ns(j->e.aux) : 0;
}

/* The time of the stimulus that the nested record before @at belongs to. */
static void look_ahead(struct stream *s)
{
	struct trace_cursor at = s->next;
	struct port_entry e;
	const uint8_t *payload;
	s->nested_ns = s->v.time_ns;
	for (unsigned i = 0; i < AHEAD_MAX && trace_cursor_next(&at, &e, &payload); i++) {
		s->nested_end = at.index;
		if (e.op == TRACE_GAP || e.op == TRACE_START)
			return; /* a step that was cut off */
		if (e.time_us) {
			s->nested_ns = at.time_ns;
			return;
		}
	}
}

static bool stream_step(struct trace_walk *w, struct stream *s)
{
	struct walk_device *d = &w->device[s->v.device];
	do {
		s->v.index = s->next.index;
		if (!trace_cursor_next(&s->next, &s->v.e, &s->v.payload))
			return false;
	} while (!w->all && d->daemon && trace_walk_twin(s->v.ring, &s->v.e));
	s->v.time_ns = s->next.time_ns;
	s->v.latency_ns = 0;
	if (s->v.ring == TRACE_RING_DM) {
		s->v.latency_ns = latency(d, &s->v.e);
		if (trace_walk_nested(&s->v.e) && s->v.index >= s->nested_end)
			look_ahead(s);
		if (trace_walk_nested(&s->v.e))
			s->v.time_ns = s->nested_ns;
	} else if (trace_walk_twin(s->v.ring, &s->v.e) && s->v.e.aux) {
		s->v.latency_ns = trace_latency_ns(s->v.e.aux);
	}
	return true;
}

static void ring_open(struct trace_walk *w, unsigned device, unsigned ring)
{
	struct walk_device *d = &w->device[device];
	struct stream *s = &w->stream[w->n];
	*s = (struct stream){.v = {.info = trace_file_device_info(w->file, device),
				   .device = device,
				   .ring = ring}};
	trace_cursor_init(&s->next, w->file, device, ring);
	if (!s->next.chunk)
		return;
	if (ring == TRACE_RING_DM)
		d->daemon = true;
	if (ring >= TRACE_RING_VCPU) {
		struct join *j = &d->join[ring - TRACE_RING_VCPU];
		j->at = s->next;
		join_step(j);
	}
	w->n++;
}

struct trace_walk *trace_walk_create(const struct trace_file *f, int device, bool all)
{
	struct trace_walk *w = xalloc(1, sizeof(*w));
	unsigned devices = trace_file_devices(f);
	w->file = f;
	w->all = all;
	w->stream = xalloc((size_t)devices * TRACE_RINGS + 1, sizeof(*w->stream));
	w->device = xalloc(devices + 1u, sizeof(*w->device));
	for (unsigned i = 0; i < devices; i++)
		for (unsigned k = 0; k < TRACE_RINGS && (device < 0 || (unsigned)device == i); k++)
			ring_open(w, i, k);
	for (unsigned i = 0; i < w->n;) /* the first of each */
		if (stream_step(w, &w->stream[i]))
			i++;
		else
			w->stream[i] = w->stream[--w->n];
	return w;
}

static bool before(const struct stream *a, const struct stream *b)
{
	if (a->v.time_ns != b->v.time_ns)
		return a->v.time_ns < b->v.time_ns;
	return a->v.device != b->v.device ? a->v.device < b->v.device : a->v.ring < b->v.ring;
}

bool trace_walk_next(struct trace_walk *w, struct trace_view *ret)
{
	unsigned first = 0;
	if (!w->n)
		return false;
	for (unsigned i = 1; i < w->n; i++)
		if (before(&w->stream[i], &w->stream[first]))
			first = i;
	*ret = w->stream[first].v;
	if (!stream_step(w, &w->stream[first]))
		w->stream[first] = w->stream[--w->n];
	return true;
}

void trace_walk_destroy(struct trace_walk *w)
{
	if (!w)
		return;
	free(w->stream);
	free(w->device);
	free(w);
}
