/* SPDX-License-Identifier: Apache-2.0 */
/* What makes the replayed model run: each kind of stimulus. */
#include "devmodel/core/replay_int.h"
#include "base/bytes.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull;

static void run_request(struct replay *r, const struct port_entry *e, uint64_t index)
{
	struct port_entry q = *e;
	uint32_t status;
	uint64_t data;
	char a[200], b[200];
	q.flags &= PORT_F_POSTED;
	if (e->op == PORT_OP_READ)
		q.value = 0;
	bool dirty = dm_serve(r->dm, &q, &status, &data);
	rp_mix(r, status | data << 8);
	r->stats.outputs++;
	if (status == PORT_STATUS_VM) {
		r->committed = true;
		rp_output_add(r, TRACE_VM, 0)->e.value = data;
	}
	if ((status == PORT_STATUS_ERROR) != !!(e->flags & PORT_F_FAILED))
		rp_differ(r, "status", index, e, NULL,
			  e->flags & PORT_F_FAILED ? "refused" : "served",
			  status == PORT_STATUS_ERROR ? "refused" : "served");
	else if (e->op == PORT_OP_READ && data != (e->value & width_mask(e->width ? e->width : 8)))
		rp_differ(r, "answer", index, e, NULL,
			  replay_value_text(r->dm, e, e->value, a, sizeof(a)),
			  replay_value_text(r->dm, e, data, b, sizeof(b)));
	if (dirty)
		rp_collect(r);
}

static bool run_input(struct replay *r, const struct port_entry *e, const uint8_t *payload,
		      uint64_t index, struct err *err)
{
	uint32_t len = trace_payload(e);
	char a[64], b[64];
	if (e->range >= r->dm->channels || !len)
		return !err_set(err, EPROTO, "record %llu: input for channel %u, of %u", (ull)index,
				e->range, r->dm->channels);
	size_t room = dm_input_room(r->dm, e->range);
	if (room < len) {
		snprintf(a, sizeof(a), "room for %u bytes", len);
		snprintf(b, sizeof(b), "room for %zu", room);
		rp_differ(r, "action", index, e, payload, a, b);
		return true;
	}
	dm_input(r->dm, e->range, payload, len);
	return true;
}

static bool run_taken(struct replay *r, const struct port_entry *e, uint64_t index, struct err *err)
{
	char a[64], b[64];
	if (e->range >= r->dm->channels)
		return !err_set(err, EPROTO, "record %llu: output of channel %u, of %u", (ull)index,
				e->range, r->dm->channels);
	size_t there = dm_output_pending(r->dm, e->range);
	if (there < e->value) {
		snprintf(a, sizeof(a), "%llu bytes queued", (ull)e->value);
		snprintf(b, sizeof(b), "%zu queued", there);
		rp_differ(r, "action", index, e, NULL, a, b);
		return true;
	}
	dm_output_consume(r->dm, e->range, (size_t)e->value);
	return true;
}

static void run_timers(struct replay *r, const struct port_entry *e, uint64_t index)
{
	uint32_t due = 0;
	char a[64], b[64];
	for (unsigned i = 0; i < r->cls->timers; i++) {
		uint64_t t = r->dm->hdr->timer_ns[i];
		if (t && t - 1 <= e->value)
			due |= 1u << i;
	}
	r->last_clock[0] = e->value;
	if (due != e->offset) {
		snprintf(a, sizeof(a), "timers due: %#x", e->offset);
		snprintf(b, sizeof(b), "timers due: %#x", due);
		rp_differ(r, "action", index, e, NULL, a, b);
		return;
	}
	dm_timers_run(r->dm, e->value);
}

static bool run_control(struct replay *r, const struct port_entry *e, const uint8_t *payload,
			uint64_t index, struct err *err)
{
	uint32_t len = trace_payload(e);
	char text[LIMIT_NAME + LIMIT_OPTION_BYTES + 2];
	struct err why = {{0}};
	if (!len || len >= sizeof(text) || !r->cls->controls)
		return !err_set(err, EPROTO, "record %llu: no control of this model", (ull)index);
	memcpy(text, payload, len);
	text[len] = 0;
	char *eq = strchr(text, '=');
	if (!eq)
		return !err_set(err, EPROTO, "record %llu: a control without a value", (ull)index);
	*eq = 0;
	int rc = dm_control_set(r->dm, text, eq + 1, &why);
	struct rp_record q = {.e = *e, .index = index};
	rp_same(r, &q, "result", e->value, (uint64_t)-rc);
	return true;
}

bool rp_stimulus(struct replay *r, const struct port_entry *e, const uint8_t *payload,
		 uint64_t index, struct err *err)
{
	struct rp_record q = {.e = *e, .index = index};
	switch (e->op) {
	case PORT_OP_READ:
	case PORT_OP_WRITE:
	case PORT_OP_SYNC:
	case PORT_OP_RESET:
		run_request(r, e, index);
		return true;
	case PORT_OP_DOORBELL:
		if (e->value < DM_MAX_DOORBELLS)
			dm_doorbell(r->dm, (unsigned)e->value);
		return true;
	case TRACE_HOST_IN:
		return run_input(r, e, payload, index, err);
	case TRACE_HOST_TAKEN:
		return run_taken(r, e, index, err);
	case TRACE_HOST_PEER:
		if (e->range < r->dm->channels)
			dm_peer_set(r->dm, e->range, e->value);
		return true;
	case TRACE_TIMER:
		run_timers(r, e, index);
		return true;
	case TRACE_CONTROL:
		return run_control(r, e, payload, index, err);
	case TRACE_WORK:
		rp_same(r, &q, "work done", e->value, dm_work(r->dm));
		return true;
	case TRACE_HOST_CALL:
		return rp_call(r, e, payload, trace_payload(e), err);
	default:
		return !err_set(err, EPROTO, "record %llu: unknown kind %#x", (ull)index, e->op);
	}
}
