/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include "launcher/text.h"
#include "proto/trace_file.h"

/** trace_info - what is in file @f (@cut: its end is missing): devices, records by kind, losses, time. Appended to @out. */
void trace_info(const struct trace_file *f, bool cut, bool json, struct sb *out);
