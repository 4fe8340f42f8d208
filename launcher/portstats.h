/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The counters of a port as `ps` and `stats` show them. */
#include <stdint.h>
#include "control.pb-c.h"
#include "launcher/json.h"
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

/** enum port_io_index - place of a number in DeviceStatus.io, which is struct port_io as words. The first
 * are in the order of enum dm_count (devmodel/dm.h). */
enum port_io_index {
#define PORT_IO(f) (offsetof(struct port_io, f) / 8)
	PI_REQUESTS = PORT_IO(count),
	PI_IN_BYTES,
	PI_OUT_BYTES,
	PI_ERRORS,
	PI_DROPS,
	PI_DEPTH = PORT_IO(depth),
	PI_DOORBELLS = PORT_IO(doorbells),
	PI_EVENTS = PORT_IO(events),
	PI_LATENCY = PORT_IO(latency_log2_ns),
};

/** portstats_io - one number of struct port_io; 0 when hv did not send it. */
static inline uint64_t portstats_io(const Outrigger__DeviceStatus *d, unsigned index)
{
	return index < d->n_io ? d->io[index] : 0;
}

/** portstats_in_bytes / _out_bytes - payload to and from the guest: what the model counted, or what its byte
 * streams moved. */
uint64_t portstats_in_bytes(const Outrigger__DeviceStatus *d);
uint64_t portstats_out_bytes(const Outrigger__DeviceStatus *d);

/** struct histogram - counts by powers of two of nanoseconds: bucket i holds 2^i to 2^(i+1) - 1. */
struct histogram {
	uint64_t bucket[PORT_LATENCY_BUCKETS];
};

/** portstats_requests / portstats_accesses - the latencies of requests, and of sampled forwarded accesses. */
struct histogram portstats_requests(const Outrigger__DeviceStatus *d);
struct histogram portstats_accesses(const Outrigger__DeviceStatus *d);
/** histogram_samples - how many there are. */
uint64_t histogram_samples(const struct histogram *h);
/** histogram_percentile - the latency below which @percent of the samples were, in ns: the upper edge of its bucket;
 * 0 without samples. */
uint64_t histogram_percentile(const struct histogram *h, double percent);

/** portstats_get - one counter; 0 when hv did not send it. */
static inline uint64_t portstats_get(const Outrigger__DeviceStatus *d, unsigned index)
{
	return index < d->n_counters ? d->counters[index] : 0;
}

/** portstats_text - appends counters and latencies, a line each; not @all: those that are not 0. portstats_json - the same as members of the open
 * object of @j: counters, io, latency, request_latency. */
void portstats_text(const Outrigger__DeviceStatus *d, bool all, struct sb *out);
void portstats_json(const Outrigger__DeviceStatus *d, struct json *j);
