/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A trace file with every kind of record. */
#include "proto/trace_file.h"

/** sample_open - makes the file of two devices (net0 with registers, uart0 of which hv's rings only are there) and opens it.
 * @path: where it is; the caller removes it. */
struct trace_file *sample_open(char path[64]);
