/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Records as people read them: registers, fields and values by name, from the description that the trace has of its device. */
#include "control.pb-c.h"
#include "launcher/text.h"
#include "proto/trace.h"

/** struct trace_view - one record, with what is known of it. All borrowed. */
struct trace_view {
	const Outrigger__TraceDevice *info;
	unsigned device, ring;
	uint64_t index;	     /* in its ring */
	uint64_t time_ns;    /* guest time */
	uint64_t latency_ns; /* as the vCPU measured it; 0: not known */
	struct port_entry e;
	const uint8_t *payload; /* trace_payload(&e) bytes */
};

/** trace_text_reg - the register at @offset of region @range, and which of an array; NULL: there is none. */
const Outrigger__RegisterDescription *trace_text_reg(const Outrigger__TraceDevice *info,
						     unsigned range, uint32_t offset,
						     unsigned *ret_index);

/** trace_text_reg_name - "FR", "QueueSel[3]", "Config+4" or "0x44", appended. */
void trace_text_reg_name(const Outrigger__TraceDevice *info, unsigned range, uint32_t offset,
			 struct sb *out);

/** trace_text_kind - one word: "read", "queue". */
const char *trace_text_kind(const struct port_entry *e);

/** trace_text_detail - what the record says, without its kind, appended. */
void trace_text_detail(const struct trace_view *v, struct sb *out);

/** trace_text_ring - "", "l/" or "v2/": what stands before a record's number. */
void trace_text_ring(unsigned ring, char buf[16]);

/** trace_text_line - one line with its end; @raw: numbers as they are, and payloads as hexadecimal lines behind it. */
void trace_text_line(const struct trace_view *v, bool raw, struct sb *out);

/** trace_text_json - the same as one JSON object on a line. */
void trace_text_json(const struct trace_view *v, bool raw, struct sb *out);
