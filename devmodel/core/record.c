/* SPDX-License-Identifier: Apache-2.0 */
/* The recorder's life, its starts, stimuli and outputs. record.h says how it works. */
#include "devmodel/core/record_int.h"
#include "base/fd.h"
#include "base/tick.h"
#include "control.pb-c.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define PAIR_NS 1000000u /* see hv/slot_trace.c */

int record_open(struct dm *dm, struct trace_area *area, const struct record_origin *origin)
{
	struct recorder *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->dm = dm;
	r->area = area;
	r->origin = *origin;
	r->reason = origin->epoch > 1 ? "attached" : "asked";
	dm->rec = r;
	dm->rec_wanted = &area->wanted;
	return 0;
}

static void forget(struct recorder *r)
{
	record_mem_drop(&r->chains, UINT_MAX);
	record_mem_drop(&r->requests, UINT_MAX);
	memset(r->events, 0, sizeof(r->events));
	r->nshadow = r->nested = r->nstage = 0;
}

static void turn_off(struct recorder *r)
{
	if (!r->dm->rec_on)
		return;
	record_withdraw(r);
	forget(r);
	r->dm->rec_on = false;
}

void record_close(struct dm *dm)
{
	static const _Atomic uint32_t nobody;
	if (!dm->rec)
		return;
	turn_off(dm->rec);
	dm->rec_wanted = &nobody;
	free(dm->rec);
	dm->rec = NULL;
}

void record_restart(struct dm *dm, const char *reason)
{
	struct recorder *r = dm->rec;
	if (!r)
		return;
	turn_off(r);
	r->reason = reason;
}

/* ---- the beginning ------------------------------------------------------------------------------------- */

static uint32_t time_us(struct recorder *r)
{
	if (!r->ticks)
		return (uint32_t)(r->env->now_ns(r->ctx) / 1000);
	uint64_t now = tick_now(), since = tick_ns(now - r->tick);
	if (since > PAIR_NS) {
		r->tick_guest_ns = r->env->now_ns(r->ctx);
		r->tick = now;
		since = 0;
	}
	return (uint32_t)((r->tick_guest_ns + since) / 1000);
}

/* Before anything else is written: what waits. */
static void flush(struct recorder *r)
{
	for (unsigned i = 0; i < r->nstage; i++)
		trace_write(&r->w, &r->stage[i], NULL, 0);
	r->nstage = 0;
}

static uint8_t *item(uint8_t *at, uint32_t kind, const void *what, uint32_t bytes)
{
	struct trace_item head = {.kind = kind, .bytes = bytes};
	memcpy(at, &head, sizeof(head));
	memcpy(at + sizeof(head), what, bytes);
	return at + sizeof(head) + bytes;
}

/* TraceStart.host: windows, disk, link. */
static size_t put_host(struct dm *dm, uint8_t *buf)
{
	uint8_t *at = buf;
	for (unsigned i = 0; dm->mem && i < dm->mem->n; i++) {
		const struct vring_window *w = &dm->mem->win[i];
		struct trace_window t = {.gpa = w->gpa, .bytes = w->bytes, .writable = w->writable};
		at = item(at, TRACE_ITEM_WINDOW, &t, sizeof(t));
	}
	for (unsigned k = 0; dm->io && k < dm->options; k++) {
		if (dm->cls->options[k].type == DM_OPT_DISK && dm->io->disk_info) {
			struct dm_disk_info info = {0};
			struct trace_disk_info t;
			dm->io->disk_info(dm->io_ctx, 0, &info);
			record_disk_info(&t, &info);
			at = item(at, TRACE_ITEM_DISK, &t, sizeof(t));
		} else if (dm->cls->options[k].type == DM_OPT_NET && dm->io->link_info) {
			struct dm_link_info info = {0};
			struct trace_link_info t;
			dm->io->link_info(dm->io_ctx, 0, &info);
			record_link_info(&t, &info);
			at = item(at, TRACE_ITEM_LINK, &t, sizeof(t));
		}
	}
	return (size_t)(at - buf);
}

static void write_start(struct recorder *r, Outrigger__TraceStart *s)
{
	struct dm *dm = r->dm;
	size_t n = outrigger__trace_start__get_packed_size(s);
	AUTO_FREE uint8_t *buf = n <= TRACE_PAYLOAD_MAX ? malloc(n) : NULL;
	if (!buf)
		return;
	outrigger__trace_start__pack(s, buf);
	struct port_entry e = {.op = TRACE_START, .value = dm->commits, .time_us = time_us(r)};
	e.offset = (r->bytes ? TRACE_START_BYTES : 0) | (r->anew ? TRACE_START_ANEW : 0);
	for (unsigned i = 0; i < dm->regions; i++)
		if (dm->map[i].shadow_page >= 0)
			e.aux = (uint16_t)dm_shadow_pages(dm);
	trace_write(&r->w, &e, buf, n);
}

/* The options as they are set, in @list (room for all). Returns their number. */
static size_t put_options(struct dm *dm, Outrigger__OptionValue *o, Outrigger__OptionValue **list)
{
	size_t n = 0;
	for (unsigned k = 0; k < dm->options && n < LIMIT_OPTIONS; k++) {
		if (!dm->values[k])
			continue;
		outrigger__option_value__init(&o[n]);
		o[n].name = (char *)(uintptr_t)dm->cls->options[k].name;
		o[n].value = dm->values[k];
		list[n] = &o[n];
		n++;
	}
	return n;
}

/* Writes down how everything stands. */
static void begin(struct recorder *r)
{
	struct dm *dm = r->dm;
	Outrigger__OptionValue o[LIMIT_OPTIONS], *list[LIMIT_OPTIONS];
	uint8_t host[512];
	static_assert(sizeof(host) >= VRING_MEM_WINDOWS * 32 + 2 * 48, "all items fit");
	Outrigger__TraceStart s = OUTRIGGER__TRACE_START__INIT;
	AUTO_FREE uint8_t *state = NULL;
	size_t len;
	if (dm_save(dm, &state, &len))
		return;
	s.device = (char *)(uintptr_t)r->origin.device;
	s.model = (char *)(uintptr_t)dm->cls->name;
	s.model_version = dm->cls->version;
	s.build_id = (char *)(uintptr_t)r->origin.build_id;
	s.epoch = r->origin.epoch;
	s.options = list;
	s.n_options = put_options(dm, o, list);
	s.guest_ns = r->env->now_ns(r->ctx);
	s.real_ns = r->env->realtime_ns(r->ctx);
	s.reason = (char *)(uintptr_t)r->reason;
	s.state.data = state;
	s.state.len = len;
	s.dma = (char *)(uintptr_t)(dm->copied ? "copy" : dm->mem ? "map" : "none");
	s.host.data = host;
	s.host.len = put_host(dm, host);
	write_start(r, &s);
	r->levels = dm->hdr->levels;
	memcpy(r->edges, dm->hdr->edges, sizeof(r->edges));
	for (unsigned c = 0; c < dm->channels; c++)
		r->tail[c] = dm->hdr->ch[c].tail;
	r->reason = "asked";
}

void record_update(struct dm *dm)
{
	struct recorder *r = dm->rec;
	uint32_t wanted = atomic_load(&r->area->wanted);
	uint32_t asked = atomic_load(&r->area->asked);
	bool bytes = wanted & TRACE_WANT_BYTES;
	if (!wanted) {
		turn_off(r);
		return;
	}
	if (dm->rec_on && asked == r->asked && bytes == r->bytes)
		return;
	bool was_on = dm->rec_on;
	if (was_on)
		flush(r); /* what was asked outside of a step, if there was such */
	turn_off(r);
	uint64_t mult = atomic_load(&r->area->tick_mult);
	r->ticks = mult;
	r->tick = 0; /* long ago */
	if (mult)
		tick_scale = (struct tick_scale){.raw = true, .mult = mult};
	r->env = dm->env;
	r->ctx = dm->ctx;
	r->io = dm->io;
	r->io_ctx = dm->io_ctx;
	r->asked = asked;
	r->bytes = bytes;
	r->anew = !was_on;
	if (!was_on) /* another daemon may have written meanwhile */
		trace_writer_init(&r->w, r->area, TRACE_RING_DM);
	begin(r);
	record_interpose(r);
	dm->rec_on = true;
}

/* ---- steps --------------------------------------------------------------------------------------------- */

void record_nested(struct recorder *r, const struct port_entry *e, const struct iovec *iov,
		   unsigned n)
{
	r->nested++;
	if (!n && r->nstage < RECORD_STAGE) {
		r->stage[r->nstage++] = *e;
		return;
	}
	flush(r);
	trace_writev(&r->w, e, iov, n);
}

bool record_asked(const struct dm *dm)
{
	return dm->rec->nested;
}

void record_stimulus(struct dm *dm, const struct port_entry *e, const void *payload, size_t len)
{
	struct recorder *r = dm->rec;
	struct port_entry t = *e;
	t.time_us = time_us(r);
	r->nested = 0;
	flush(r);
	trace_write(&r->w, &t, payload, len);
}

void record_call(struct dm *dm, enum trace_call what, unsigned unit, uint32_t tag, int result)
{
	struct recorder *r = dm->rec;
	struct port_entry e = {.op = TRACE_HOST_CALL,
			       .range = (uint8_t)what,
			       .offset = unit,
			       .value = tag | (uint64_t)(uint32_t)result << 32,
			       .time_us = time_us(r)};
	AUTO_FREE struct record_mem *m =
		what == TRACE_CALL_DISK_DONE ? record_mem_take(&r->requests, unit, tag) : NULL;
	unsigned n = 0;
	uint64_t left = TRACE_DATA_MAX;
	for (unsigned i = 0; m && r->bytes && i < m->n && left && n < RECORD_SEGS; i++) {
		size_t k = m->seg[i].bytes < left ? m->seg[i].bytes : (size_t)left;
		r->iov[n++] = (struct iovec){m->seg[i].at, k};
		left -= k;
	}
	r->nested = 0;
	flush(r);
	trace_writev(&r->w, &e, r->iov, n);
}

/* ---- outputs ------------------------------------------------------------------------------------------- */

void record_event(struct dm *dm, unsigned line, uint32_t bits)
{
	dm->rec->events[line] |= bits;
}

void record_shadow(struct dm *dm, uint32_t offset, unsigned width, uint64_t value)
{
	struct recorder *r = dm->rec;
	if (r->nshadow == RECORD_SHADOWS)
		return; /* outputs() */
	struct port_entry *e = &r->shadow[r->nshadow++];
	*e = (struct port_entry){
		.op = TRACE_SHADOW, .width = (uint8_t)width, .offset = offset, .value = value};
	int32_t page = (int32_t)(offset / PORT_PAGE), best = -1;
	for (unsigned i = 0; i < dm->regions; i++) {
		int32_t first = dm->map[i].shadow_page;
		if (first < 0 || first > page || first < best)
			continue;
		best = first;
		e->range = (uint8_t)i;
	}
	if (best >= 0)
		e->offset = offset - (uint32_t)best * PORT_PAGE;
}

static void out_lines(struct recorder *r)
{
	const struct dm_hdr *h = r->dm->hdr;
	uint32_t changed = h->levels ^ r->levels;
	for (unsigned i = 0; i < r->dm->cls->irqs; i++) {
		if (!(changed >> i & 1) && h->edges[i] == r->edges[i] && !r->events[i])
			continue;
		struct port_entry e = {.op = TRACE_IRQ, .range = (uint8_t)i, .offset = h->edges[i]};
		e.value = (h->levels >> i & 1) | (uint64_t)r->events[i] << 32;
		trace_write(&r->w, &e, NULL, 0);
		r->edges[i] = h->edges[i];
		r->events[i] = 0;
	}
	r->levels = h->levels;
}

static void out_bytes(struct recorder *r)
{
	const struct dm *dm = r->dm;
	for (unsigned c = 0; c < dm->channels; c++) {
		uint32_t from = r->tail[c], n = dm->hdr->ch[c].tail - from;
		if (!n)
			continue;
		r->tail[c] += n;
		uint8_t *q = dm->arena + dm->hot_bytes + (size_t)c * DM_OUT_BYTES;
		uint32_t at = from & (DM_OUT_BYTES - 1);
		uint32_t first = n < DM_OUT_BYTES - at ? n : DM_OUT_BYTES - at;
		struct iovec iov[2] = {{q + at, first}, {q, n - first}};
		struct port_entry e = {.op = TRACE_HOST_OUT, .range = (uint8_t)c};
		trace_writev(&r->w, &e, iov, n > first ? 2 : 1);
	}
}

static void outputs(struct recorder *r)
{
	out_lines(r);
	out_bytes(r);
	for (unsigned i = 0; i < r->nshadow; i++)
		trace_write(&r->w, &r->shadow[i], NULL, 0);
	if (r->nshadow == RECORD_SHADOWS) /* there may have been more: the model is that large */
		record_restart(r->dm, "more shadow values than a record holds");
	r->nshadow = 0;
}

void record_commit(struct dm *dm)
{
	struct port_entry e = {.op = TRACE_COMMIT, .time_us = time_us(dm->rec)};
	flush(dm->rec);
	trace_write(&dm->rec->w, &e, NULL, 0);
	outputs(dm->rec);
}

void record_request(struct dm *dm, const struct port_entry *e, uint32_t status, uint64_t data,
		    bool committed)
{
	struct recorder *r = dm->rec;
	struct port_entry t = *e;
	if (e->op == PORT_OP_READ)
		t.value = data;
	if (status == PORT_STATUS_ERROR)
		t.flags |= PORT_F_FAILED;
	t.flags &= (uint8_t)~PORT_F_PAYLOAD;
	t.time_us = time_us(r);
	t.aux = 0;
	r->nested = 0;
	flush(r);
	trace_write(&r->w, &t, NULL, 0);
	if (status == PORT_STATUS_VM) {
		struct port_entry v = {.op = TRACE_VM, .value = data};
		trace_write(&r->w, &v, NULL, 0);
	}
	if (committed)
		outputs(r);
}
