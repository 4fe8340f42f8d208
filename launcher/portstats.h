/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The counters of a port as `ps` and `stats` show them. */
#include <stdint.h>
#include "control.pb-c.h"
#include "proto/port.h"

/** enum port_counter_index - place of a counter in DeviceStatus.counters, which is struct
 * port_counters as words. */
enum port_counter_index {
#define PORT_COUNTER(f) (offsetof(struct port_counters, f) / 8)
	PC_READS_FORWARDED = PORT_COUNTER(reads_forwarded),
	PC_WRITES_FORWARDED = PORT_COUNTER(writes_forwarded),
	PC_WRITES_POSTED = PORT_COUNTER(writes_posted),
	PC_READS_SHADOW = PORT_COUNTER(reads_shadow),
	PC_WAKES_SENT = PORT_COUNTER(wakes_sent),
	PC_RING_FULL_WAITS = PORT_COUNTER(ring_full_waits),
	PC_DEADLINE_MISSES = PORT_COUNTER(deadline_misses),
	PC_POLICY_ANSWERS = PORT_COUNTER(policy_answers),
	PC_IRQS_SAMPLED = PORT_COUNTER(irqs_sampled),
	PC_BAD_ANSWERS = PORT_COUNTER(bad_answers),
	PC_LATENCY = PORT_COUNTER(latency_log2_ns),
	PC_SERVED = PORT_COUNTER(served),
	PC_SLEEPS = PORT_COUNTER(sleeps),
	PC_WAITER_WAKES = PORT_COUNTER(waiter_wakes),
	PC_IRQ_KICKS = PORT_COUNTER(irq_kicks),
	PC_HOST_IN_BYTES = PORT_COUNTER(host_in_bytes),
	PC_HOST_OUT_BYTES = PORT_COUNTER(host_out_bytes),
	PC_GUEST_ERRORS = PORT_COUNTER(guest_errors),
};

/** portstats_get - one counter; 0 when hv did not send it. */
static inline uint64_t portstats_get(const Outrigger__DeviceStatus *d, unsigned index)
{
	return index < d->n_counters ? d->counters[index] : 0;
}

/** portstats_percentile - the latency below which @percent of the sampled accesses were, in ns: the
 * upper edge of its power-of-two bucket; 0 without samples. */
uint64_t portstats_percentile(const Outrigger__DeviceStatus *d, double percent);

/** portstats_samples - how many accesses were sampled. */
uint64_t portstats_samples(const Outrigger__DeviceStatus *d);
