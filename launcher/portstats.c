/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/portstats.h"
#include "base/bytes.h"

static uint64_t greater(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t portstats_in_bytes(const Outrigger__DeviceStatus *d)
{
	return greater(portstats_io(d, PI_IN_BYTES), portstats_get(d, PC_HOST_IN_BYTES));
}

uint64_t portstats_out_bytes(const Outrigger__DeviceStatus *d)
{
	return greater(portstats_io(d, PI_OUT_BYTES), portstats_get(d, PC_HOST_OUT_BYTES));
}

struct histogram portstats_requests(const Outrigger__DeviceStatus *d)
{
	struct histogram h;
	for (unsigned i = 0; i < PORT_LATENCY_BUCKETS; i++)
		h.bucket[i] = portstats_io(d, PI_LATENCY + i);
	return h;
}

struct histogram portstats_accesses(const Outrigger__DeviceStatus *d)
{
	struct histogram h;
	for (unsigned i = 0; i < PORT_LATENCY_BUCKETS; i++)
		h.bucket[i] = portstats_get(d, PC_LATENCY + i);
	return h;
}

uint64_t histogram_samples(const struct histogram *h)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < PORT_LATENCY_BUCKETS; i++)
		n += h->bucket[i];
	return n;
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
	double want = (double)histogram_samples(h) * percent / 100;
	uint64_t seen = 0;
	for (unsigned i = 0; i < PORT_LATENCY_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen && (double)seen >= want)
			return 2ull << i;
	}
	return 0;
}

/* ---- for people and scripts ----------------------------------------------------------------------- */

static const struct counter {
	const char *key, *text;
	unsigned index;
} counters[] = {
	{"reads_forwarded", "reads forwarded", PC_READS_FORWARDED},
	{"writes_forwarded", "writes forwarded", PC_WRITES_FORWARDED},
	{"writes_posted", "writes posted", PC_WRITES_POSTED},
	{"reads_shadow", "reads from shadow", PC_READS_SHADOW},
	{"irqs_sampled", "interrupt changes", PC_IRQS_SAMPLED},
	{"wakes_sent", "wake-ups of the daemon", PC_WAKES_SENT},
	{"ring_full_waits", "waits for a full ring", PC_RING_FULL_WAITS},
	{"deadline_misses", "deadlines missed", PC_DEADLINE_MISSES},
	{"policy_answers", "answers by policy", PC_POLICY_ANSWERS},
	{"bad_answers", "nonsense answers", PC_BAD_ANSWERS},
	{"served", "requests served", PC_SERVED},
	{"sleeps", "times asleep", PC_SLEEPS},
	{"waiter_wakes", "wake-ups of vCPUs", PC_WAITER_WAKES},
	{"irq_kicks", "interrupt kicks", PC_IRQ_KICKS},
	{"host_in_bytes", "bytes from the host", PC_HOST_IN_BYTES},
	{"host_out_bytes", "bytes to the host", PC_HOST_OUT_BYTES},
	{"guest_errors", "accesses refused", PC_GUEST_ERRORS},
};
static const struct counter io_counters[] = {
	{"requests", "device requests", PI_REQUESTS},
	{"in_bytes", "payload to the guest", PI_IN_BYTES},
	{"out_bytes", "payload from the guest", PI_OUT_BYTES},
	{"errors", "requests with an error", PI_ERRORS},
	{"drops", "frames or bytes dropped", PI_DROPS},
	{"depth", "requests in flight now", PI_DEPTH},
	{"doorbells", "turns after a doorbell", PI_DOORBELLS},
	{"events", "interrupt events", PI_EVENTS},
};
static const double percents[] = {50, 90, 99, 99.9};
static const char *const percent_keys[] = {"p50_ns", "p90_ns", "p99_ns", "p999_ns"};

static void text_ns(struct sb *b, uint64_t ns)
{
	if (ns < 10000)
		sb_addf(b, "%llu ns", (unsigned long long)ns);
	else if (ns < 10000000)
		sb_addf(b, "%llu us", (unsigned long long)ns / 1000);
	else
		sb_addf(b, "%llu ms", (unsigned long long)ns / 1000000);
}

static void text_latency(const char *what, const struct histogram *h, struct sb *out)
{
	uint64_t n = histogram_samples(h);
	sb_addf(out, "  %s, %llu samples:", what, (unsigned long long)n);
	for (size_t i = 0; n && i < ARRAY_LEN(percents); i++) {
		sb_addf(out, "%s %g %% < ", i ? "," : "", percents[i]);
		text_ns(out, histogram_percentile(h, percents[i]));
	}
	sb_add(out, n ? "\n" : " none\n");
}

static void json_latency(struct json *j, const char *key, const struct histogram *h)
{
	json_open(j, key, '{');
	json_u64(j, "samples", histogram_samples(h));
	for (size_t i = 0; i < ARRAY_LEN(percents); i++)
		json_u64(j, percent_keys[i], histogram_percentile(h, percents[i]));
	json_open(j, "log2_ns", '[');
	for (unsigned i = 0; i < PORT_LATENCY_BUCKETS; i++)
		json_u64(j, NULL, h->bucket[i]);
	json_close(j, ']');
	json_close(j, '}');
}

static void text_counter(const char *what, uint64_t v, bool all, struct sb *out)
{
	if (v || all)
		sb_addf(out, "  %-24s %14llu\n", what, (unsigned long long)v);
}

void portstats_text(const Outrigger__DeviceStatus *d, bool all, struct sb *out)
{
	for (size_t i = 0; i < ARRAY_LEN(counters); i++)
		text_counter(counters[i].text, portstats_get(d, counters[i].index), all, out);
	for (size_t i = 0; i < ARRAY_LEN(io_counters); i++)
		text_counter(io_counters[i].text, portstats_io(d, io_counters[i].index),
			     all && d->n_io, out);
	struct histogram accesses = portstats_accesses(d), requests = portstats_requests(d);
	if (all || histogram_samples(&accesses))
		text_latency("forwarded latency", &accesses, out);
	if (histogram_samples(&requests))
		text_latency("request latency", &requests, out);
}

void portstats_json(const Outrigger__DeviceStatus *d, struct json *j)
{
	json_open(j, "counters", '{');
	for (size_t i = 0; i < ARRAY_LEN(counters); i++)
		json_u64(j, counters[i].key, portstats_get(d, counters[i].index));
	json_close(j, '}');
	json_open(j, "io", '{');
	for (size_t i = 0; i < ARRAY_LEN(io_counters); i++)
		json_u64(j, io_counters[i].key, portstats_io(d, io_counters[i].index));
	json_close(j, '}');
	struct histogram accesses = portstats_accesses(d), requests = portstats_requests(d);
	json_latency(j, "latency", &accesses);
	json_latency(j, "request_latency", &requests);
}
