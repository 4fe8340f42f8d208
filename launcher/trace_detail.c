/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/trace_detail.h"
#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include "base/bytes.h"
#include "proto/ctl.h"
#include "proto/trace_payload.h"

enum { TEXT_BYTES = 48, HEX_BYTES = 16, SEGMENTS = 4 };

/* The struct of @size bytes at @at of the payload; false: it is not there. */
static bool part(const struct trace_view *v, size_t at, void *to, size_t size)
{
	uint32_t n = v->payload ? trace_payload(&v->e) : 0;
	if (at > n || n - at < size)
		return false;
	memcpy(to, v->payload + at, size);
	return true;
}

/* As text where it is some, else in hexadecimal. */
static void bytes_add(const struct trace_view *v, size_t at, struct sb *out)
{
	uint32_t n = v->payload ? trace_payload(&v->e) : 0;
	const uint8_t *p = at < n ? v->payload + at : NULL;
	size_t len = at < n ? n - at : 0, shown, odd = 0;
	for (size_t i = 0; i < len; i++)
		odd += !isprint(p[i]) && !strchr("\r\n\t\033\b", p[i]);
	shown = odd ? HEX_BYTES : TEXT_BYTES;
	shown = shown < len ? shown : len;
	sb_add(out, odd ? "" : "\"");
	for (size_t i = 0; i < shown; i++)
		if (odd)
			sb_addf(out, "%02x", p[i]);
		else if (p[i] == '"' || p[i] == '\\')
			sb_addf(out, "\\%c", p[i]);
		else if (isprint(p[i]))
			sb_addc(out, (char)p[i]);
		else if (p[i] == '\n')
			sb_add(out, "\\n");
		else if (p[i] == '\r')
			sb_add(out, "\\r");
		else
			sb_addf(out, "\\x%02x", p[i]);
	sb_add(out, odd ? "" : "\"");
	if (shown < len)
		sb_add(out, "...");
}

static void result_add(int64_t value, struct sb *out)
{
	if (value < 0 && value > -4096)
		sb_addf(out, "error: %s", strerror((int)-value));
	else
		sb_addf(out, "%" PRId64, value);
}

/* ---- queues ---------------------------------------------------------------------------------------------- */

static void segments_add(const struct trace_view *v, size_t at, uint32_t n, const char *what,
			 struct sb *out)
{
	struct trace_seg s;
	for (uint32_t i = 0; i < n && i < SEGMENTS && part(v, at + i * sizeof(s), &s, sizeof(s));
	     i++)
		sb_addf(out, "%s 0x%" PRIx64 "+%" PRIu64, i ? "" : what, s.gpa, s.bytes);
	if (n > SEGMENTS)
		sb_addf(out, " and %u more", n - SEGMENTS);
}

static void chain_add(const struct trace_view *v, struct sb *out)
{
	struct trace_chain c;
	size_t at = sizeof(struct trace_vring);
	if (!part(v, at, &c, sizeof(c)))
		return;
	at += sizeof(c);
	sb_addf(out, " chain %u, %" PRIu64 " bytes to the device, room for %" PRIu64, c.id,
		c.out_bytes, c.in_bytes);
	segments_add(v, at, c.nout, ", out", out);
	at += (size_t)c.nout * sizeof(struct trace_seg);
	segments_add(v, at, c.nin, ", in", out);
	at += (size_t)c.nin * sizeof(struct trace_seg);
	if (c.known) {
		sb_add(out, ", ");
		bytes_add(v, at, out);
	}
}

static void pushed_add(const struct trace_view *v, struct sb *out)
{
	struct trace_pushed p;
	if (!part(v, sizeof(struct trace_vring), &p, sizeof(p)))
		return;
	sb_addf(out, " chain %u, %" PRIu64 " bytes written", p.id, v->e.value);
	if (p.known) {
		sb_add(out, ": ");
		bytes_add(v, sizeof(struct trace_vring) + sizeof(p), out);
	}
}

static void queue_add(const struct trace_view *v, struct sb *out)
{
	static const char *const names[] = {
		"?",	      "start",	 "stop",      "pop",	    "unpop",
		"push",	      "signal?", "notify-on", "notify-off", "available?",
		"published?", "skip",	 "adopt",     "mark",	    "read-again",
	};
	const struct port_entry *e = &v->e;
	struct trace_vring r;
	sb_addf(out, "%u %s", e->aux, e->range < ARRAY_LEN(names) ? names[e->range] : names[0]);
	if ((e->range == TRACE_Q_POP && e->value == 1) || (e->range == TRACE_Q_REREAD && !e->value))
		chain_add(v, out);
	else if (e->range == TRACE_Q_POP)
		sb_addf(out, ": %s", e->value ? strerror((int)(e->value & 4095)) : "nothing");
	else if (e->range == TRACE_Q_PUSH)
		pushed_add(v, out);
	else if (e->range == TRACE_Q_UNPOP || e->range == TRACE_Q_SKIP)
		sb_addf(out, " chain %" PRIu64, e->value);
	else if (e->range == TRACE_Q_START && part(v, 0, &r, sizeof(r)))
		sb_addf(out, ": size %u, descriptors at 0x%" PRIx64 "%s%s", r.size, r.desc,
			e->value ? ", error: " : "",
			e->value ? strerror((int)(e->value & 4095)) : "");
	else if (e->range != TRACE_Q_STOP && e->range != TRACE_Q_NOTIFY_OFF)
		sb_add(out, e->value ? " yes" : " no");
}

/* ---- the host -------------------------------------------------------------------------------------------- */

static void submit_add(const struct trace_view *v, struct sb *out)
{
	static const char *const ops[] = {"?", "read", "write", "flush", "discard", "zeroes"};
	struct trace_submit s;
	if (!part(v, 0, &s, sizeof(s)))
		return;
	sb_addf(out, " %s, tag %u, byte %" PRIu64 ", %" PRIu64 " bytes",
		s.op < ARRAY_LEN(ops) ? ops[s.op] : ops[0], s.tag, s.offset, s.bytes);
}

static void host_add(const struct trace_view *v, struct sb *out)
{
	static const char *const names[] = {
		"?",	       "disk info", "disk submit",   "disk drain",   "disk writeback",
		"disk resize", "link info", "link offloads", "link receive", "link peek",
		"link skip",   "link send", "link listen",
	};
	const struct port_entry *e = &v->e;
	struct trace_frame f;
	sb_addf(out, "%s %u:", e->range < ARRAY_LEN(names) ? names[e->range] : names[0], e->aux);
	if (e->range == TRACE_H_DISK_SUBMIT)
		submit_add(v, out);
	else if ((e->range == TRACE_H_LINK_RECV || e->range == TRACE_H_LINK_PEEK ||
		  e->range == TRACE_H_LINK_SEND) &&
		 part(v, 0, &f, sizeof(f)))
		sb_addf(out, " frame of %u bytes, queue %u", f.bytes, e->offset);
	if (e->value) {
		sb_add(out, " gave ");
		result_add((int64_t)e->value, out);
	}
}

static void call_add(const struct port_entry *e, struct sb *out)
{
	static const char *const names[] = {"?", "disk done", "disk changed", "link ready",
					    "resume"};
	sb_add(out, e->range < ARRAY_LEN(names) ? names[e->range] : names[0]);
	if (e->range == TRACE_CALL_DISK_DONE) {
		sb_addf(out, " %u: tag %u, ", e->offset, (uint32_t)e->value);
		result_add((int32_t)(e->value >> 32), out);
	} else if (e->range != TRACE_CALL_RESUME) {
		sb_addf(out, " %u", e->offset);
	}
}

/* ---- the trace itself ------------------------------------------------------------------------------------ */

Outrigger__TraceStart *trace_detail_start(const struct port_entry *e, const uint8_t *payload)
{
	if (e->op != TRACE_START || !payload)
		return NULL;
	return (void *)ctl_unpack(&outrigger__trace_start__descriptor, payload, trace_payload(e));
}

static void start_add(const struct trace_view *v, struct sb *out)
{
	Outrigger__TraceStart *s = trace_detail_start(&v->e, v->payload);
	if (!s) {
		sb_add(out, "makes no sense");
		return;
	}
	sb_addf(out, "%s version %u, start %u, build %.12s, %zu bytes of state (%s)", s->model,
		s->model_version, s->epoch, s->build_id, s->state.len, s->reason);
	ctl_free(&s->base);
}

static void gap_add(const struct trace_view *v, struct sb *out)
{
	if (v->payload)
		sb_addf(out, "a daemon ended while it wrote a record of %" PRIu64 " bytes",
			v->e.value);
	else
		sb_addf(out, "---- %" PRIu64 " bytes of records were lost here ----", v->e.value);
}

static void irq_add(const struct port_entry *e, struct sb *out)
{
	sb_addf(out, "line %u %s", e->range, e->value & 1 ? "high" : "low");
	if (e->value >> 32)
		sb_addf(out, ", events 0x%" PRIx64, e->value >> 32);
	if (e->offset)
		sb_addf(out, ", %u edges so far", e->offset);
}

static void line_add(const struct port_entry *e, struct sb *out)
{
	static const char *const what[] = {"low", "high", "edge"};
	sb_addf(out, "%u %s", e->range, e->value < ARRAY_LEN(what) ? what[e->value] : "?");
}

static void channel_add(const struct trace_view *v, struct sb *out)
{
	sb_addf(out, "channel %u, %u bytes: ", v->e.range, trace_payload(&v->e));
	bytes_add(v, 0, out);
}

static void dma_add(const struct trace_view *v, struct sb *out)
{
	sb_addf(out, "0x%" PRIx64, v->e.value);
	if (v->e.offset) {
		sb_addf(out, ": %s", strerror((int)(v->e.offset & 4095)));
		return;
	}
	sb_addf(out, ", %u bytes: ", trace_payload(&v->e));
	bytes_add(v, 0, out);
}

void trace_detail(const struct trace_view *v, struct sb *out)
{
	const struct port_entry *e = &v->e;
	switch (e->op) {
	case PORT_OP_DOORBELL:
		sb_addf(out, "%" PRIu64 "%s", e->value, v->ring == TRACE_RING_DM ? "" : " rung");
		break;
	case TRACE_HOST_IN:
	case TRACE_HOST_OUT:
		channel_add(v, out);
		break;
	case TRACE_TIMER:
		sb_addf(out, "due at %" PRIu64 " ns", e->value);
		break;
	case TRACE_HOST_TAKEN:
		sb_addf(out, "channel %u, %" PRIu64 " bytes", e->range, e->value);
		break;
	case TRACE_HOST_PEER:
		sb_addf(out, "channel %u: %s", e->range,
			e->value ? "somebody is there" : "nobody is there");
		break;
	case TRACE_CONTROL:
	case TRACE_RANDOM:
	case TRACE_LOG:
		bytes_add(v, 0, out);
		if (e->op == TRACE_CONTROL && e->value)
			sb_addf(out, ": %s", strerror((int)(e->value & 4095)));
		break;
	case TRACE_WORK:
		sb_add(out, e->value ? "did something" : "found nothing");
		break;
	case TRACE_CLOCK:
		sb_addf(out, "%s %" PRIu64 " ns", e->range ? "wall" : "guest", e->value);
		break;
	case TRACE_HOST_CALL:
		call_add(e, out);
		break;
	case TRACE_QUEUE:
		queue_add(v, out);
		break;
	case TRACE_HOST:
		host_add(v, out);
		break;
	case TRACE_DMA_READ:
	case TRACE_DMA_WRITE:
		dma_add(v, out);
		break;
	case TRACE_IRQ:
		irq_add(e, out);
		break;
	case TRACE_LINE:
		line_add(e, out);
		break;
	case TRACE_START:
		start_add(v, out);
		break;
	case TRACE_GAP:
		gap_add(v, out);
		break;
	case PORT_OP_SYNC:
	case PORT_OP_RESET:
	case TRACE_COMMIT:
		break;
	default:
		sb_addf(out, "op 0x%x, value 0x%" PRIx64, e->op, e->value);
	}
}
