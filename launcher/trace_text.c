/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/trace_text.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/fd.h"
#include "launcher/json.h"
#include "launcher/trace_detail.h"

enum { RAW_BYTES = 4096, RAW_ROW = 32 };

const char *trace_text_kind(const struct port_entry *e)
{
	static const char *const names[256] = {
		[PORT_OP_READ] = "read",
		[PORT_OP_WRITE] = "write",
		[PORT_OP_SYNC] = "sync",
		[PORT_OP_RESET] = "reset",
		[PORT_OP_DOORBELL] = "doorbell",
		[TRACE_HOST_IN] = "host-in",
		[TRACE_TIMER] = "timer",
		[TRACE_HOST_TAKEN] = "taken",
		[TRACE_HOST_PEER] = "peer",
		[TRACE_CONTROL] = "control",
		[TRACE_WORK] = "work",
		[TRACE_HOST_CALL] = "call",
		[TRACE_CLOCK] = "clock",
		[TRACE_RANDOM] = "random",
		[TRACE_QUEUE] = "queue",
		[TRACE_HOST] = "host",
		[TRACE_DMA_READ] = "dma-read",
		[TRACE_DMA_WRITE] = "dma-write",
		[TRACE_COMMIT] = "commit",
		[TRACE_IRQ] = "irq",
		[TRACE_HOST_OUT] = "host-out",
		[TRACE_SHADOW] = "shadow",
		[TRACE_LOG] = "log",
		[TRACE_START] = "start",
		[TRACE_GAP] = "gap",
		[TRACE_POLICY] = "policy",
		[TRACE_LINE] = "line",
	};
	return names[e->op] ? names[e->op] : "unknown";
}

/* ---- registers ------------------------------------------------------------------------------------------- */

const Outrigger__RegisterDescription *trace_text_reg(const Outrigger__TraceDevice *info,
						     unsigned range, uint32_t offset,
						     unsigned *ret_index)
{
	const Outrigger__ModelDescription *d = info->description;
	if (!d || range >= d->n_regions)
		return NULL;
	for (size_t i = 0; i < d->regions[range]->n_regs; i++) {
		const Outrigger__RegisterDescription *r = d->regions[range]->regs[i];
		uint64_t count = r->count ? r->count : 1, width = r->width ? r->width : 1;
		uint64_t stride = r->stride ? r->stride : width, at = (uint64_t)offset - r->offset;
		if (offset < r->offset || at / stride >= count || at % stride >= width)
			continue;
		*ret_index = (unsigned)(at / stride);
		return r;
	}
	return NULL;
}

void trace_text_reg_name(const Outrigger__TraceDevice *info, unsigned range, uint32_t offset,
			 struct sb *out)
{
	unsigned i = 0;
	const Outrigger__RegisterDescription *r = trace_text_reg(info, range, offset, &i);
	if (!r) {
		if (range)
			sb_addf(out, "%u:", range);
		sb_addf(out, "0x%x", offset);
		return;
	}
	sb_add(out, r->name);
	if (r->count > 1)
		sb_addf(out, "[%u]", i);
	uint64_t stride = r->stride ? r->stride : r->width ? r->width : 1;
	uint64_t rest = offset - r->offset - i * stride;
	if (rest)
		sb_addf(out, "+%" PRIu64, rest);
}

static uint64_t field_value(const Outrigger__FieldDescription *f, uint64_t value)
{
	uint64_t v = f->lsb < 64 ? value >> f->lsb : 0;
	return f->bits && f->bits < 64 ? v & ((1ull << f->bits) - 1) : v;
}

/* An access may be narrower than its register: PL011's are of 32 bits, and Linux uses 16. */
static bool field_there(const struct trace_view *v, const Outrigger__RegisterDescription *r,
			const Outrigger__FieldDescription *f)
{
	uint64_t stride = r->stride ? r->stride : r->width ? r->width : 1;
	bool begins = (v->e.offset - r->offset) % stride == 0;
	return begins && (uint64_t)f->lsb + (f->bits ? f->bits : 1) <= v->e.width * 8u;
}

/* Fields that are not 0, and enumerated ones that are: "TXFE RXFE WLEN=8". */
static void fields_add(const struct trace_view *v, struct sb *out)
{
	unsigned i = 0;
	const Outrigger__RegisterDescription *r =
		trace_text_reg(v->info, v->e.range, v->e.offset, &i);
	bool some = false;
	for (size_t k = 0; r && k < r->n_fields; k++) {
		const Outrigger__FieldDescription *f = r->fields[k];
		uint64_t x = field_value(f, v->e.value);
		if (!field_there(v, r, f))
			continue;
		bool named = x < f->n_values && f->values[x][0];
		if (!x && !named)
			continue;
		sb_add(out, some ? " " : " {");
		some = true;
		if (named)
			sb_addf(out, "%s=%s", f->name, f->values[x]);
		else if (f->bits == 1)
			sb_add(out, f->name);
		else
			sb_addf(out, "%s=%" PRIu64, f->name, x);
	}
	if (some)
		sb_addc(out, '}');
}

static bool is_access(const struct port_entry *e)
{
	return e->op == PORT_OP_READ || e->op == PORT_OP_WRITE || e->op == TRACE_SHADOW ||
	       e->op == TRACE_POLICY;
}

static const char *access_note(const struct trace_view *v)
{
	const struct port_entry *e = &v->e;
	if (e->op == TRACE_POLICY)
		return e->flags & PORT_F_WRITTEN ? " (dropped by policy)" : " (by policy)";
	if (e->op == TRACE_SHADOW)
		return "";
	if (e->flags & PORT_F_FAILED)
		return " (refused)";
	if (e->flags & PORT_F_SHADOW)
		return " (by the core)";
	return e->flags & PORT_F_POSTED ? " (posted)" : "";
}

static void access_add(const struct trace_view *v, struct sb *out)
{
	const struct port_entry *e = &v->e;
	bool dropped = e->op == TRACE_POLICY && e->flags & PORT_F_WRITTEN;
	trace_text_reg_name(v->info, e->range, e->offset, out);
	sb_addf(out, " %s 0x%" PRIx64, e->op == PORT_OP_WRITE || dropped ? "<-" : "=", e->value);
	fields_add(v, out);
	sb_add(out, access_note(v));
}

void trace_text_detail(const struct trace_view *v, struct sb *out)
{
	if (is_access(&v->e))
		access_add(v, out);
	else
		trace_detail(v, out);
}

/* ---- lines ----------------------------------------------------------------------------------------------- */

void trace_text_ring(unsigned ring, char buf[16])
{
	if (ring >= TRACE_RING_VCPU)
		snprintf(buf, 16, "v%u/", ring - TRACE_RING_VCPU);
	else
		snprintf(buf, 16, "%s", ring == TRACE_RING_LINES ? "l/" : "");
}

static void hex_rows(const struct trace_view *v, struct sb *out)
{
	uint32_t n = v->payload ? trace_payload(&v->e) : 0, shown = n < RAW_BYTES ? n : RAW_BYTES;
	for (uint32_t i = 0; i < shown; i++) {
		if (i % RAW_ROW == 0)
			sb_addf(out, "%s%12s%04x ", i ? "\n" : "", "", i);
		sb_addf(out, "%s%02x", i % 4 ? "" : " ", v->payload[i]);
	}
	if (shown)
		sb_addc(out, '\n');
	if (shown < n)
		sb_addf(out, "%12s... and %u bytes more\n", "", n - shown);
}

static void raw_add(const struct trace_view *v, struct sb *out)
{
	const struct port_entry *e = &v->e;
	sb_addf(out,
		"  [op %02x width %u range %u flags %02x offset %x value %" PRIx64 " seq %" PRIx64
		" time %u vcpu %u aux %x]",
		e->op, e->width, e->range, e->flags, e->offset, e->value, e->seq, e->time_us,
		e->vcpu, e->aux);
}

void trace_text_line(const struct trace_view *v, bool raw, struct sb *out)
{
	AUTO_SB what = {0};
	char ring[16], number[40];
	trace_text_ring(v->ring, ring);
	snprintf(number, sizeof(number), "%s%" PRIu64, ring, v->index);
	trace_text_detail(v, &what);
	if (v->latency_ns)
		sb_addf(&what, "  %.*f us", v->latency_ns < 10000 ? 2 : 0,
			(double)v->latency_ns / 1e3);
	AUTO_FREE char *device = text_printable(xstrdup(v->info->device));
	AUTO_FREE char *rest = text_printable(xstrdup(sb_str(&what)));
	sb_addf(out, "%8s %5" PRIu64 ".%06" PRIu64 " %-8s ", number, v->time_ns / 1000000000,
		v->time_ns / 1000 % 1000000, device);
	sb_addf(out, rest[0] ? "%-9s %s" : "%s%s", trace_text_kind(&v->e), rest);
	if (raw)
		raw_add(v, out);
	sb_addc(out, '\n');
	if (raw)
		hex_rows(v, out);
}

static void json_fields(const struct trace_view *v, struct json *j)
{
	unsigned i = 0;
	AUTO_SB name = {0};
	const Outrigger__RegisterDescription *r =
		trace_text_reg(v->info, v->e.range, v->e.offset, &i);
	trace_text_reg_name(v->info, v->e.range, v->e.offset, &name);
	json_str(j, "register", sb_str(&name));
	if (!r || !r->n_fields)
		return;
	json_open(j, "fields", '{');
	for (size_t k = 0; k < r->n_fields; k++) {
		const Outrigger__FieldDescription *f = r->fields[k];
		uint64_t x = field_value(f, v->e.value);
		if (!field_there(v, r, f))
			continue;
		if (x < f->n_values && f->values[x][0])
			json_str(j, f->name, f->values[x]);
		else
			json_u64(j, f->name, x);
	}
	json_close(j, '}');
}

static void json_payload(const struct trace_view *v, struct json *j)
{
	AUTO_SB hex = {0};
	for (uint32_t i = 0; v->payload && i < trace_payload(&v->e); i++)
		sb_addf(&hex, "%02x", v->payload[i]);
	json_str(j, "payload", sb_str(&hex));
}

void trace_text_json(const struct trace_view *v, bool raw, struct sb *out)
{
	const struct port_entry *e = &v->e;
	struct json j = {.out = out, .flat = true};
	AUTO_SB text = {0};
	char ring[24];
	snprintf(ring, sizeof(ring), "vcpu%u", v->ring - TRACE_RING_VCPU);
	json_open(&j, NULL, '{');
	json_u64(&j, "record", v->index);
	json_str(&j, "ring",
		 v->ring == TRACE_RING_DM      ? "daemon"
		 : v->ring == TRACE_RING_LINES ? "lines"
					       : ring);
	json_u64(&j, "time_ns", v->time_ns);
	json_str(&j, "device", v->info->device);
	json_str(&j, "kind", trace_text_kind(e));
	if (is_access(e)) {
		json_u64(&j, "range", e->range);
		json_u64(&j, "offset", e->offset);
		json_u64(&j, "width", e->width);
		json_fields(v, &j);
		json_bool(&j, "posted", e->flags & PORT_F_POSTED);
		json_bool(&j, "core", e->flags & PORT_F_SHADOW);
		json_bool(&j, "refused", e->flags & PORT_F_FAILED);
		json_u64(&j, "vcpu", e->vcpu);
		if (e->op == TRACE_POLICY)
			json_bool(&j, "written", e->flags & PORT_F_WRITTEN);
	}
	json_u64(&j, "value", e->value);
	if (!trace_payload(e) && e->seq)
		json_u64(&j, "seq", e->seq);
	if (v->latency_ns)
		json_u64(&j, "latency_ns", v->latency_ns);
	trace_text_detail(v, &text);
	json_str(&j, "text", sb_str(&text));
	if (trace_payload(e))
		json_u64(&j, "payload_bytes", trace_payload(e));
	if (raw) {
		json_u64(&j, "op", e->op);
		json_u64(&j, "flags", e->flags);
		json_u64(&j, "aux", e->aux);
		json_payload(v, &j);
	}
	json_close(&j, '}');
}
