/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * All records of a trace file in the order of their times, with what hv's rings say of an access joined to the daemon's record of it.
 */
#include <stdbool.h>
#include "launcher/trace_text.h"
#include "proto/trace_file.h"

struct trace_walk;

/** trace_walk_create - goes through @f (borrowed); @device: only that one (index), -1: all. @all: hv's records of accesses that
 * the daemon's ring has, too, are given as well, and not only their latency. */
struct trace_walk *trace_walk_create(const struct trace_file *f, int device, bool all);

/** trace_walk_next - the next record; false: the end. Borrowed until the file is closed. */
bool trace_walk_next(struct trace_walk *w, struct trace_view *ret);

void trace_walk_destroy(struct trace_walk *w);

/** trace_walk_nested - a record of the daemon's ring that comes before its stimulus, and has no time of its own. */
bool trace_walk_nested(const struct port_entry *e);

/** trace_walk_twin - a record of hv's of which the daemon's ring has its own. */
bool trace_walk_twin(unsigned ring, const struct port_entry *e);
