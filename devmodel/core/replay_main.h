/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What replay_main.c, replay_min.c (making a trace smaller) and replay_export.c know of each other. */
#include "devmodel/core/replay.h"
#include "proto/trace_file.h"

/** struct replay_args - the command line. */
struct replay_args {
	const char *file, *device, *minimize, *export;
	uint64_t until, from_start, context;
	bool has_until, json, stop_at, all;
};

/** replay_complain - prints "replay: message" on standard error. Returns 2. */
int replay_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** replay_export - writes what replays of device @device of @f to @path: its daemon's records from the first start on. The exit code. */
int replay_export(const struct trace_file *f, unsigned device, const char *path);

/** replay_minimize - writes the smallest trace found that shows the first difference of @f's @device to @path. The exit code. */
int replay_minimize(const struct dm_class *cls, const struct trace_file *f, unsigned device,
		    const char *path);
