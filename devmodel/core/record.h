/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The recorder: writes what a model is given, asks for and gives into the daemon's ring of its trace area.
 *
 * Theory of operation. The recorder stands at the model's boundary: the calls of core.h that make the model run tell it of each
 * stimulus, the environment tells it of each commit with what became visible by it (lines, shadow values, queued bytes), and while somebody
 * reads it has put itself between the model and its clocks, random numbers, disks, links and queues. While
 * nobody does, all that is left of it is record_sync(): one load and a branch.
 *
 * Between two steps record_sync() sees that somebody wants a trace, or asks for a new beginning, and writes a TRACE_START with the
 * saved device. The step before is complete then and the next one has not begun, so a replay that loads that state
 * is where the model was.
 *
 * The environment's thread only.
 */
#include "devmodel/core/core.h"
#include "devmodel/core/queue_ops.h"
#include "proto/trace.h"

/** struct record_origin - what a TRACE_START says of whoever writes it. Borrowed until record_close(). */
struct record_origin {
	const char *device, *build_id;
	uint32_t epoch;
};

/** record_open - from now on @dm is recorded into @area (borrowed, checked) whenever somebody wants it. 0, -ENOMEM. */
int record_open(struct dm *dm, struct trace_area *area, const struct record_origin *origin);
/** record_close - the end of it. Without record_open() it does nothing. */
void record_close(struct dm *dm);

/** record_restart - the state was replaced, or another daemon wrote to the ring meanwhile: the next record_sync() writes a
 * TRACE_START that says @reason (a literal). */
void record_restart(struct dm *dm, const char *reason);

/** record_update - record_sync()'s second half. */
void record_update(struct dm *dm);

/** record_sync - between two steps, when all is committed: starts, stops, or begins anew, as the readers want. */
static inline void record_sync(struct dm *dm)
{
	uint32_t wanted = atomic_load_explicit(dm->rec_wanted, memory_order_relaxed);
	if (__builtin_expect(wanted | dm->rec_on, 0))
		record_update(dm);
}

/* ---- while it is on (dm->rec_on); else these must not be called ------------------------------------------- */

/** record_request - request @e was served, and is answered already. @committed: as dm_serve() said. */
void record_request(struct dm *dm, const struct port_entry *e, uint32_t status, uint64_t data,
		    bool committed);
/** record_stimulus - the model has run because of @e: TRACE_HOST_IN and the like. */
void record_stimulus(struct dm *dm, const struct port_entry *e, const void *payload, size_t len);
/** record_asked - did the model ask for anything since the last stimulus? */
bool record_asked(const struct dm *dm);
/** record_call - the back-end has called the model. @tag, @result of _DISK_DONE. */
void record_call(struct dm *dm, enum trace_call what, unsigned unit, uint32_t tag, int result);
/** record_event - @bits of the events of @line are published with this commit. */
void record_event(struct dm *dm, unsigned line, uint32_t bits);
/** record_shadow - a value is published with this commit; as dm_shadow_fn. */
void record_shadow(struct dm *dm, uint32_t offset, unsigned width, uint64_t value);
/** record_commit - a commit outside of a request is published. */
void record_commit(struct dm *dm);
/** record_queue - the operations that record what @base (with @base_ctx) does. */
const struct dm_queue_ops *record_queue(struct dm *dm, const struct dm_queue_ops *base,
					void *base_ctx, void **ret_ctx);
