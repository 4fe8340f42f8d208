/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "bench/report.h"

/** goals - what the project wants to reach, in the order of printing. */
extern const struct report_goal goals[];
extern const size_t goals_count;
