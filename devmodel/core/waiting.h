/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Waiting for the next request: spin, or sleep, and on which core.
 *
 * Theory of operation. A wake-up across cores costs tens of microseconds, one on the same core a few, and seeing
 * a store while spinning on another core a tenth of one. So there are two states:
 *   cold (requests are rare): sleep on the very core on which the vCPU runs that pushed last, and never spin
 *   there, since it would keep the vCPU from running;
 *   hot (HOT_AFTER requests in a row came within HOT_GAP_NS): run on any core but that one, and spin for
 *   a few times the usual gap. The first spin in vain makes the device cold again, so an idle guest costs nothing.
 * With one core only there is no hot state.
 */
#include <sched.h>
#include "proto/port.h"

/** struct waiting - one thread. */
struct waiting {
	cpu_set_t allowed; /* as the process was started */
	int cores;
	bool hot;
	int pinned;   /* cold: the core we are pinned to, -1: none */
	int excluded; /* hot: the core we keep away from */
	unsigned short_gaps;
	uint64_t gap_ns;   /* hot: moving average between empty ring and next request */
	uint32_t look_ps;  /* one look while spinning, picoseconds */
	uint64_t since_ns; /* estimated time since the last look at other events */
};

/** waiting_init - measures a spin and reads the cores we may use. */
void waiting_init(struct waiting *w);

/** waiting_spin - hot: looks at the ring for up to @limit_ns (0: the budget) until a request is there.
 * True: one is. With the budget used up in vain the device is cold. */
bool waiting_spin(struct waiting *w, struct port_consumer *pc, uint64_t limit_ns);

/** waiting_settle - before sleeping: goes to the producer's core. Returns what port_sleep_begin() wants as @local. */
bool waiting_settle(struct waiting *w, struct port_consumer *pc);

/** waiting_woke - after sleeping for @slept_ns; @by_request: the ring has something. May make the device hot. */
void waiting_woke(struct waiting *w, const struct port_consumer *pc, uint64_t slept_ns,
		  bool by_request);
