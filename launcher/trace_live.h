/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Records as they come, decoded to standard output: in the order of their times, as far as they were read together. */
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "control.pb-c.h"

struct trace_live;

struct trace_live *trace_live_create(void);
void trace_live_destroy(struct trace_live *l);

/** trace_live_device - one more device; @info is borrowed. */
void trace_live_device(struct trace_live *l, const Outrigger__TraceDevice *info);

/** trace_live_add - whole records of a ring, before which @lost bytes were lost, read at guest time @guest_ns. Copied. */
void trace_live_add(struct trace_live *l, unsigned device, unsigned ring, const uint8_t *records,
		    size_t bytes, uint64_t lost, uint64_t guest_ns);

/** trace_live_flush - prints what was added. 0, or -EPIPE: nobody reads. */
int trace_live_flush(struct trace_live *l, struct err *err);
