/* SPDX-License-Identifier: Apache-2.0 */
/* Records and steps of a replay. replay.h says how it works. */
#include "devmodel/core/replay_int.h"
#include "base/bytes.h"
#include "base/fd.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull;

int replay_create(struct replay **ret, const struct dm_class *cls)
{
	struct replay *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->cls = cls;
	r->nested = calloc(REPLAY_PENDING, sizeof(*r->nested));
	r->frame = malloc(DM_FRAME_MAX);
	if (!r->nested || !r->frame) {
		replay_destroy(r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

static void drop_nested(struct replay *r)
{
	for (unsigned i = 0; i < r->nnested; i++)
		free(r->nested[i].payload);
	r->nnested = r->next = 0;
	r->nested_bytes = 0;
}

void replay_destroy(struct replay *r)
{
	if (!r)
		return;
	if (r->nested)
		drop_nested(r);
	rp_outputs_drop(r);
	rp_stop(r);
	free(r->nested);
	free(r->frame);
	free(r);
}

void replay_override(struct replay *r, const struct dm_setting *set, size_t n)
{
	CHECK(n <= LIMIT_OPTIONS);
	r->override = set;
	r->noverride = n;
}

const struct replay_diverged *replay_difference(const struct replay *r)
{
	return &r->diff;
}

const struct replay_stats *replay_stats(const struct replay *r)
{
	return &r->stats;
}

bool replay_waits(const struct replay *r)
{
	return !r->running;
}

struct dm *replay_model(struct replay *r)
{
	return r->dm;
}

void rp_mix(struct replay *r, uint64_t v)
{
	if (!r->loading)
		r->stats.hash = dm_hash_mix(r->stats.hash, &v, sizeof(v));
}

void rp_differ(struct replay *r, const char *kind, uint64_t index, const struct port_entry *e,
	       const uint8_t *payload, const char *expected, const char *got)
{
	if (r->differs)
		return;
	r->differs = true;
	r->diff =
		(struct replay_diverged){.record = index, .step = r->stimulus_index, .kind = kind};
	replay_text(r->dm, e, payload, r->diff.where, sizeof(r->diff.where));
	snprintf(r->diff.expected, sizeof(r->diff.expected), "%s", expected);
	snprintf(r->diff.got, sizeof(r->diff.got), "%s", got);
}

void rp_bad(struct replay *r, const struct rp_record *q, const char *why)
{
	char text[128];
	if (!r->is_bad)
		err_set(&r->bad, EPROTO, "record %llu, %s: %s", (ull)q->index,
			replay_text(r->dm, &q->e, q->payload, text, sizeof(text)), why);
	r->is_bad = true;
}

/* ---- nested records ------------------------------------------------------------------------------------ */

static bool is_question(const struct port_entry *e)
{
	switch (e->op) {
	case TRACE_CLOCK:
	case TRACE_LOG:
		return true;
	case TRACE_QUEUE:
		return e->range == TRACE_Q_AVAILABLE || e->range == TRACE_Q_PUBLISHED ||
		       e->range == TRACE_Q_MARK;
	case TRACE_HOST:
		return e->range == TRACE_H_DISK_INFO || e->range == TRACE_H_LINK_INFO;
	default:
		return false;
	}
}

struct rp_record *rp_question(struct replay *r, unsigned op, unsigned range, unsigned aux)
{
	for (unsigned i = 0; i < r->nnested; i++) {
		struct rp_record *q = &r->nested[i];
		if (q->used || q->e.op != op || q->e.range != range || q->e.aux != aux)
			continue;
		q->used = true;
		return q;
	}
	return NULL;
}

static struct rp_record *next_action(struct replay *r)
{
	while (r->next < r->nnested && is_question(&r->nested[r->next].e))
		r->next++;
	return r->next < r->nnested ? &r->nested[r->next] : NULL;
}

struct rp_record *rp_action(struct replay *r, unsigned op, unsigned range, unsigned aux,
			    uint32_t min, const char *what)
{
	struct rp_record *q = next_action(r);
	char text[160];
	rp_mix(r, op | (uint64_t)range << 8 | (uint64_t)aux << 16);
	if (r->differs || r->is_bad || r->loading)
		return NULL;
	if (!q) {
		rp_differ(r, "extra", r->stimulus_index, &r->stimulus, NULL, "nothing more", what);
		return NULL;
	}
	if (q->e.op != op || q->e.range != range || q->e.aux != aux) {
		replay_text(r->dm, &q->e, q->payload, text, sizeof(text));
		rp_differ(r, "action", q->index, &q->e, q->payload, text, what);
		return NULL;
	}
	if (q->len < min) {
		rp_bad(r, q, "its payload is too short");
		return NULL;
	}
	r->next++;
	q->used = true;
	return q;
}

void rp_same(struct replay *r, const struct rp_record *q, const char *what, uint64_t expected,
	     uint64_t got)
{
	char a[64], b[64];
	rp_mix(r, got);
	if (!q)
		return;
	r->stats.outputs++;
	if (expected == got)
		return;
	snprintf(a, sizeof(a), "%s %#llx", what, (ull)expected);
	snprintf(b, sizeof(b), "%s %#llx", what, (ull)got);
	rp_differ(r, "action", q->index, &q->e, q->payload, a, b);
}

static int keep_nested(struct replay *r, const struct port_entry *e, const uint8_t *payload,
		       uint64_t index, struct err *err)
{
	uint32_t len = trace_payload(e);
	if (r->nnested == REPLAY_PENDING || r->nested_bytes + len > REPLAY_PENDING_BYTES)
		return err_set(err, EPROTO,
			       "record %llu: more than %u nested records or %u bytes in one step",
			       (ull)index, REPLAY_PENDING, REPLAY_PENDING_BYTES);
	struct rp_record q = {.e = *e, .len = len, .index = index};
	if (len) {
		q.payload = malloc(len);
		if (!q.payload)
			return err_set(err, ENOMEM, "out of memory");
		memcpy(q.payload, payload, len);
		r->nested_bytes += len;
	}
	r->nested[r->nnested++] = q;
	return 0;
}

static int step(struct replay *r, const struct port_entry *e, const uint8_t *payload,
		uint64_t index, struct err *err)
{
	char text[160];
	r->stimulus = *e;
	r->stimulus.flags &= (uint8_t)~PORT_F_PAYLOAD;
	r->stimulus_index = index;
	r->next = 0;
	r->stats.steps++;
	bool good = rp_stimulus(r, e, payload, index, err);
	if (good && r->is_bad) {
		*err = r->bad;
		good = false;
	}
	const struct rp_record *left = next_action(r);
	if (good && left)
		rp_differ(r, "missing", left->index, &left->e, left->payload,
			  replay_text(r->dm, &left->e, left->payload, text, sizeof(text)),
			  "nothing");
	r->was_dark |= r->dark;
	drop_nested(r);
	return good ? 0 : -EPROTO;
}

/* ---- records --------------------------------------------------------------------------------------------- */

static bool is_nested(uint8_t op)
{
	return op == TRACE_CLOCK || op == TRACE_RANDOM || op == TRACE_QUEUE || op == TRACE_HOST ||
	       op == TRACE_DMA_READ || op == TRACE_DMA_WRITE || op == TRACE_LOG;
}

static int feed(struct replay *r, const struct port_entry *e, const uint8_t *payload,
		uint64_t index, struct err *err)
{
	if (e->op == TRACE_START)
		return rp_start(r, e, payload, index, err);
	if (!r->running) {
		r->stats.skipped++;
		return 0;
	}
	if (rp_is_output(e->op)) {
		rp_output_compare(r, e, payload, index);
		return 0;
	}
	rp_outputs_end(r, false);
	if (r->differs)
		return 0;
	if (is_nested(e->op))
		return keep_nested(r, e, payload, index, err);
	if (e->op == TRACE_COMMIT) {
		rp_collect(r);
		return 0;
	}
	return step(r, e, payload, index, err);
}

/* The model is not where the trace is: a START is needed. */
static void lose(struct replay *r)
{
	drop_nested(r);
	rp_outputs_drop(r);
	r->running = r->is_bad = false;
}

int replay_feed(struct replay *r, const struct port_entry *e, const uint8_t *payload,
		uint64_t index, struct err *err)
{
	r->stats.records++;
	r->differs = false;
	if (e->op == TRACE_GAP) {
		r->stats.gaps++;
		lose(r);
		return 0;
	}
	if (e->op == TRACE_START) /* what was before is complete, unless its daemon died */
		rp_outputs_end(r, e->offset & TRACE_START_ANEW);
	bool differs = r->differs;
	if (e->op == TRACE_START)
		drop_nested(r); /* of a step that was cut off */
	int rc = feed(r, e, payload, index, err);
	differs |= r->differs;
	r->stats.diverged += differs;
	if (rc < 0 || (differs && e->op != TRACE_START))
		lose(r);
	return rc < 0 ? rc : differs;
}

int replay_end(struct replay *r)
{
	drop_nested(r);
	rp_outputs_end(r, true);
	return 0;
}
