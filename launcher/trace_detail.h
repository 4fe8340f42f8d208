/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The records that are no accesses, in words (proto/trace_payload.h). */
#include "launcher/trace_text.h"

/** trace_detail - appends what record @v says, without its kind. */
void trace_detail(const struct trace_view *v, struct sb *out);

/** trace_detail_start - the unpacked payload of a TRACE_START; NULL: it makes no sense. Free with ctl_free(). */
Outrigger__TraceStart *trace_detail_start(const struct port_entry *e, const uint8_t *payload);
