/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "bench/report.h"

/**
 * pingpong_measure - the machine's own cost of a round trip between two processes that share a
 * page, with nothing else in it: both spinning on two cores; sleeping on a futex, on one core and
 * across two. Puts host.pingpong_* into @r (seconds of a round trip). What two cores are needed for
 * is left out on a machine with one. @scale: 1 = full length, less = quicker. 0 or -Exxx. Blocks
 * for about a second.
 */
int pingpong_measure(struct report *r, double scale);
