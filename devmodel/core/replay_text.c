/* SPDX-License-Identifier: Apache-2.0 */
/* Records in words. */
#include "devmodel/core/replay.h"
#include "base/bytes.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

typedef unsigned long long ull;

#define SHOWN 24u /* bytes of a payload */

/** struct out - a line that is cut off at its end. */
struct out {
	char *buf;
	size_t max, at;
};

static void add(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct out *o, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(o->buf + o->at, o->max - o->at, fmt, ap);
	va_end(ap);
	if (n > 0)
		o->at += (size_t)n < o->max - o->at ? (size_t)n : o->max - o->at - 1;
}

static void add_bytes(struct out *o, const uint8_t *p, uint32_t len)
{
	add(o, " %u bytes", len);
	if (!p || !len)
		return;
	add(o, " \"");
	for (uint32_t i = 0; i < len && i < SHOWN; i++) {
		if (p[i] != '"' && p[i] != '\\' && isprint(p[i]))
			add(o, "%c", p[i]);
		else
			add(o, "\\x%02x", p[i]);
	}
	add(o, "\"%s", len > SHOWN ? "..." : "");
}

/* The register that @e is about; false: none is there. */
static bool find(const struct dm *dm, const struct port_entry *e, struct dm_reg_ref *ret)
{
	return dm && e->range < dm->regions && e->width &&
	       !dm_reg_find(dm, e->range, e->offset, e->width, ret);
}

static void add_place(struct out *o, const struct dm *dm, const struct port_entry *e)
{
	struct dm_reg_ref ref;
	if (!find(dm, e, &ref)) {
		add(o, " range %u+%#x (%u)", e->range, e->offset, e->width);
		return;
	}
	add(o, " %s", ref.reg->name);
	if (ref.reg->bytes)
		add(o, "+%u", ref.index);
	else if (dm_reg_count(ref.reg) > 1)
		add(o, "[%u]", ref.index);
	add(o, " (%s+%#x, %u)", dm->region[e->range].name, e->offset, e->width);
}

static void add_value(struct out *o, const struct dm *dm, const struct port_entry *e, uint64_t v)
{
	struct dm_reg_ref ref;
	add(o, "%#llx", (ull)v);
	if (!find(dm, e, &ref) || ref.byte || !ref.reg->bits)
		return;
	const char *sep = " [";
	for (const struct dm_bits *b = ref.reg->bits; b->name; b++) {
		uint64_t f = v >> b->lsb & (b->bits < 64 ? (1ull << b->bits) - 1 : UINT64_MAX);
		if (!f)
			continue;
		if (b->bits == 1)
			add(o, "%s%s", sep, b->name);
		else
			add(o, "%s%s=%llu", sep, b->name, (ull)f);
		sep = " ";
	}
	if (*sep == ' ' && sep[1] == 0)
		add(o, "]");
}

const char *replay_value_text(const struct dm *dm, const struct port_entry *e, uint64_t value,
			      char *buf, size_t max)
{
	struct out o = {buf, max, 0};
	*buf = 0;
	add_value(&o, dm, e, value);
	return buf;
}

static void add_queue(struct out *o, const struct port_entry *e, const uint8_t *p, uint32_t len)
{
	static const char *const names[] = {"?",	  "start",     "stop",		"pop",
					    "unpop",	  "push",      "should_signal", "notify_on",
					    "notify_off", "available", "published",	"skip",
					    "adopt",	  "mark",      "reread"};
	struct trace_chain c;
	add(o, "queue %u %s", e->aux,
	    e->range < sizeof(names) / sizeof(names[0]) ? names[e->range] : "?");
	if ((e->range == TRACE_Q_POP && e->value == 1) ||
	    (e->range == TRACE_Q_REREAD && !e->value)) {
		if (len < sizeof(struct trace_vring) + sizeof(c))
			return;
		memcpy(&c, p + sizeof(struct trace_vring), sizeof(c));
		add(o, " chain %u: %llu bytes to read, %llu to write", c.id, (ull)c.out_bytes,
		    (ull)c.in_bytes);
	} else if (e->range == TRACE_Q_PUSH && len >= sizeof(struct trace_vring) + 8) {
		uint16_t id;
		memcpy(&id, p + sizeof(struct trace_vring), sizeof(id));
		add(o, " chain %u, %llu bytes written", id, (ull)e->value);
	} else {
		add(o, ": %llu", (ull)e->value);
	}
}

static void add_host(struct out *o, const struct port_entry *e, const uint8_t *p, uint32_t len)
{
	static const char *const names[] = {
		"?",	       "disk_info", "disk_submit",   "disk_drain", "disk_writeback",
		"disk_resize", "link_info", "link_offloads", "link_recv",  "link_peek",
		"link_skip",   "link_send", "link_listen"};
	static const char *const ops[] = {"?", "read", "write", "flush", "discard", "zero"};
	struct trace_submit s;
	add(o, "%s", e->range < sizeof(names) / sizeof(names[0]) ? names[e->range] : "?");
	if (e->range == TRACE_H_DISK_SUBMIT && len >= sizeof(s)) {
		memcpy(&s, p, sizeof(s));
		add(o, " %s of %llu bytes at %llu, tag %u", s.op < 6 ? ops[s.op] : "?",
		    (ull)s.bytes, (ull)s.offset, s.tag);
	} else if (e->offset) {
		add(o, " %u", e->offset);
	}
	add(o, ": %lld", (long long)e->value);
}

static void add_call(struct out *o, const struct port_entry *e)
{
	static const char *const names[] = {"?", "disk_done", "disk_changed", "link_ready",
					    "resume"};
	add(o, "%s", e->range < 5 ? names[e->range] : "?");
	if (e->range == TRACE_CALL_DISK_DONE)
		add(o, " tag %u: %d", (unsigned)e->value, (int)(uint32_t)(e->value >> 32));
}

/* Outputs and what the host did. False: it is none of these. */
static bool add_other(struct out *o, const struct dm *dm, const struct port_entry *e,
		      const uint8_t *p, uint32_t len)
{
	switch (e->op) {
	case TRACE_IRQ:
		add(o, "line %u %s, edges %u, events %#x", e->range, e->value & 1 ? "high" : "low",
		    e->offset, (unsigned)(e->value >> 32));
		return true;
	case TRACE_SHADOW:
		add(o, "shadow");
		add_place(o, dm, e);
		add(o, " = ");
		add_value(o, dm, e, e->value);
		return true;
	case TRACE_VM:
		add(o, "asks the VM: %#llx", (ull)e->value);
		return true;
	case TRACE_HOST_OUT:
	case TRACE_HOST_IN:
		add(o, "%s channel %u:", e->op == TRACE_HOST_IN ? "input" : "output", e->range);
		add_bytes(o, p, len);
		return true;
	case TRACE_HOST_TAKEN:
		add(o, "channel %u: %llu bytes taken", e->range, (ull)e->value);
		return true;
	case TRACE_HOST_PEER:
		add(o, "channel %u: peer %s", e->range, e->value ? "here" : "away");
		return true;
	case TRACE_TIMER:
		add(o, "timers %#x at %llu ns", e->offset, (ull)e->value);
		return true;
	case TRACE_CONTROL:
	case TRACE_LOG:
		add(o, "%s", e->op == TRACE_LOG ? "log" : "control");
		add_bytes(o, p, len);
		return true;
	default:
		return false;
	}
}

const char *replay_text(const struct dm *dm, const struct port_entry *e, const uint8_t *payload,
			char *buf, size_t max)
{
	struct out o = {buf, max, 0};
	uint32_t len = payload ? trace_payload(e) : 0;
	*buf = 0;
	if (add_other(&o, dm, e, payload, len))
		return buf;
	switch (e->op) {
	case PORT_OP_READ:
	case PORT_OP_WRITE:
		add(&o, "%s", e->op == PORT_OP_READ ? "read" : "write");
		add_place(&o, dm, e);
		add(&o, " = ");
		add_value(&o, dm, e, e->value);
		break;
	case PORT_OP_SYNC:
		add(&o, "sync");
		break;
	case PORT_OP_RESET:
		add(&o, "reset");
		break;
	case PORT_OP_DOORBELL:
		add(&o, "doorbell %llu", (ull)e->value);
		break;
	case TRACE_COMMIT:
		add(&o, "commit");
		break;
	case TRACE_START:
		add(&o, "start");
		break;
	case TRACE_GAP:
		add(&o, "gap of %llu bytes", (ull)e->value);
		break;
	case TRACE_CLOCK:
		add(&o, "%s clock: %llu ns", e->range ? "wall" : "guest", (ull)e->value);
		break;
	case TRACE_RANDOM:
		add(&o, "random:");
		add_bytes(&o, payload, len);
		break;
	case TRACE_WORK:
		add(&o, "work: %llu", (ull)e->value);
		break;
	case TRACE_QUEUE:
		add_queue(&o, e, payload, len);
		break;
	case TRACE_HOST:
		add_host(&o, e, payload, len);
		break;
	case TRACE_HOST_CALL:
		add_call(&o, e);
		break;
	case TRACE_DMA_READ:
	case TRACE_DMA_WRITE:
		add(&o, "memory %s %#llx:", e->op == TRACE_DMA_READ ? "read" : "write",
		    (ull)e->value);
		add_bytes(&o, payload, len);
		break;
	default:
		add(&o, "record of kind %#x", e->op);
		break;
	}
	return buf;
}
