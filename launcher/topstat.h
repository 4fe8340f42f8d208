/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Rates: what happened in a VM between two of its status replies. No state, any thread. */
#include "launcher/portstats.h"
#include "proto/limits.h"

/** struct top_device - one device; rates are per second. */
struct top_device {
	char name[LIMIT_NAME + 1], model[LIMIT_NAME + 1], state[16], why[160];
	unsigned order; /* place in the config */
	double reads_forwarded, writes_forwarded, writes_posted, reads_shadow;
	double accesses; /* the four together */
	double requests, in_bytes, out_bytes, errors, drops;
	double interrupts, wakes;
	uint64_t depth; /* requests in flight now */
	struct histogram
		latency; /* of this interval: of requests, or of forwarded accesses if there were none */
	bool latency_of_requests;
};

/** struct top_cpu - one vCPU. */
struct top_cpu {
	double exits, mips;
};

/** struct top_view - one interval of a VM. */
struct top_view {
	char vm[LIMIT_NAME + 1], state[16], engine[16];
	uint64_t uptime_ns;
	double seconds;	  /* length of the interval; 0: there is none yet, rates are 0 */
	double unclaimed; /* accesses to nowhere */
	size_t ncpus, ndevices;
	struct top_cpu cpus[LIMIT_VCPUS];
	struct top_device devices[LIMIT_DEVICES];
};

/** top_rates - fills @v with what happened from @before (NULL: nothing is known) to @now. A counter that went back, as
 * after a restart of the VM, counts from 0. */
void top_rates(struct top_view *v, const Outrigger__CliReply *before,
	       const Outrigger__CliReply *now);
