/* SPDX-License-Identifier: Apache-2.0 */
/* What became visible by a commit of the replayed model, compared with what the trace says. */
#include "devmodel/core/replay_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rp_outputs_drop(struct replay *r)
{
	for (unsigned i = 0; i < r->nout; i++)
		free(r->out[i].payload);
	r->nout = r->outdone = 0;
}

struct rp_output *rp_output_add(struct replay *r, unsigned op, unsigned range)
{
	static struct rp_output overflow;
	struct rp_output *o = r->nout < REPLAY_OUTPUTS ? &r->out[r->nout++] : &overflow;
	*o = (struct rp_output){.e = {.op = (uint8_t)op, .range = (uint8_t)range}};
	return o;
}

static void collect_lines(struct replay *r)
{
	struct dm_hdr *h = r->dm->hdr;
	uint32_t changed = h->levels ^ r->levels;
	for (unsigned i = 0; i < r->cls->irqs; i++) {
		if (changed >> i & 1 || h->edges[i] != r->edges[i] || h->events[i]) {
			struct rp_output *o = rp_output_add(r, TRACE_IRQ, i);
			o->e.offset = h->edges[i];
			o->e.value = (h->levels >> i & 1) | (uint64_t)h->events[i] << 32;
		}
		r->edges[i] = h->edges[i];
		h->events[i] = 0;
	}
	h->forget = 0;
	r->levels = h->levels;
}

static void collect_bytes(struct replay *r)
{
	for (unsigned c = 0; c < r->dm->channels; c++) {
		uint32_t from = r->tail[c], n = r->dm->hdr->ch[c].tail - from;
		if (!n || n > DM_OUT_BYTES)
			continue;
		r->tail[c] += n;
		struct rp_output *o = rp_output_add(r, TRACE_HOST_OUT, c);
		const uint8_t *q = r->dm->arena + r->dm->hot_bytes + (size_t)c * DM_OUT_BYTES;
		o->payload = malloc(n);
		CHECK(o->payload);
		o->len = n;
		for (uint32_t i = 0; i < n; i++)
			o->payload[i] = q[(from + i) & (DM_OUT_BYTES - 1)];
	}
}

static void collect_shadow(void *ctx, uint32_t offset, unsigned width, uint64_t value)
{
	struct replay *r = ctx;
	int32_t page = (int32_t)(offset / PORT_PAGE), best = -1;
	unsigned range = 0;
	for (unsigned i = 0; i < r->dm->regions; i++) {
		int32_t first = r->dm->map[i].shadow_page;
		if (first < 0 || first > page || first < best)
			continue;
		best = first;
		range = i;
	}
	struct rp_output *o = rp_output_add(r, TRACE_SHADOW, range);
	o->e.offset = offset - (uint32_t)(best < 0 ? 0 : best) * PORT_PAGE;
	o->e.width = (uint8_t)width;
	o->e.value = value;
}

/* The commit: what is visible now. */
void rp_collect(struct replay *r)
{
	r->dm->commits++;
	r->committed = true;
	collect_lines(r);
	collect_bytes(r);
	if (r->shadows)
		dm_shadow_refresh(r->dm, false, collect_shadow, r);
	for (unsigned i = 0; i < r->nout; i++) {
		const struct port_entry *e = &r->out[i].e;
		rp_mix(r, e->op | (uint64_t)e->range << 8 | (uint64_t)e->offset << 32);
		rp_mix(r, e->value);
		if (r->out[i].len)
			r->stats.hash =
				dm_hash_mix(r->stats.hash, r->out[i].payload, r->out[i].len);
	}
}

bool rp_is_output(uint8_t op)
{
	return op == TRACE_VM || op == TRACE_IRQ || op == TRACE_HOST_OUT || op == TRACE_SHADOW;
}

static const char *out_kind(uint8_t op)
{
	return op == TRACE_VM	      ? "request"
	       : op == TRACE_IRQ      ? "line"
	       : op == TRACE_HOST_OUT ? "bytes"
				      : "shadow";
}

/* Output record @e says what came out; the model's next one is to be the same. */
void rp_output_compare(struct replay *r, const struct port_entry *e, const uint8_t *payload,
		       uint64_t index)
{
	char a[200], b[200];
	const struct rp_output *o = r->outdone < r->nout ? &r->out[r->outdone++] : NULL;
	uint32_t len = trace_payload(e);
	r->stats.outputs++;
	replay_text(r->dm, e, payload, a, sizeof(a));
	if (!o) {
		rp_differ(r, "missing", index, e, payload, a, "nothing");
		return;
	}
	struct port_entry got = o->e;
	if (o->len) {
		got.flags |= PORT_F_PAYLOAD;
		got.seq = (uint64_t)o->len << 32;
	}
	bool same = o->e.op == e->op && o->e.range == e->range && o->e.offset == e->offset &&
		    o->e.width == e->width && o->e.value == e->value && o->len == len;
	if (same && len && memcmp(o->payload, payload, len) != 0) {
		same = r->dark;
		r->stats.unknown += r->dark;
	}
	if (!same)
		rp_differ(r, out_kind(e->op), index, e, payload, a,
			  replay_text(r->dm, &got, o->payload, b, sizeof(b)));
}

/* The outputs of the commit are all compared, or there are some that the trace has not. */
void rp_outputs_end(struct replay *r, bool cut)
{
	char b[200];
	if (r->outdone < r->nout && !cut && !r->differs) {
		const struct rp_output *o = &r->out[r->outdone];
		struct port_entry got = o->e;
		if (o->len) {
			got.flags |= PORT_F_PAYLOAD;
			got.seq = (uint64_t)o->len << 32;
		}
		rp_differ(r, "extra", r->stimulus_index, &r->stimulus, NULL, "nothing more",
			  replay_text(r->dm, &got, o->payload, b, sizeof(b)));
	}
	rp_outputs_drop(r);
	if (r->committed)
		r->dark = r->committed = false;
}
