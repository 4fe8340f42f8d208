/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Traces for other programs. @device: index in the file, -1: all. 0, or -Exxx with @err; errors of @out are the caller's to look for.
 */
#include <stdio.h>
#include "proto/trace_file.h"

/** trace_export_chrome - JSON of the Trace Event Format: chrome://tracing, Perfetto. Accesses are slices on a track of each vCPU,
 * what the models do are instants on one of each device, interrupt lines are counters. */
int trace_export_chrome(const struct trace_file *f, int device, FILE *out, struct err *err);

/** trace_export_vcd - value change dump (IEEE 1364-2005, 18): interrupt lines as wires, registers as vectors. */
int trace_export_vcd(const struct trace_file *f, int device, FILE *out, struct err *err);

/** trace_export_pcap - the frames of network devices, with wall-clock times; what was not recorded of a frame is cut off
 * (see --dma). -ENOENT: there are none. */
int trace_export_pcap(const struct trace_file *f, int device, FILE *out, struct err *err);
