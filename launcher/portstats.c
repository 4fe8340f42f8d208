/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/portstats.h"

uint64_t portstats_samples(const Outrigger__DeviceStatus *d)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < PORT_LATENCY_BUCKETS; i++)
		n += portstats_get(d, PC_LATENCY + i);
	return n;
}

uint64_t portstats_percentile(const Outrigger__DeviceStatus *d, double percent)
{
	double want = (double)portstats_samples(d) * percent / 100;
	uint64_t seen = 0;
	for (unsigned i = 0; i < PORT_LATENCY_BUCKETS; i++) {
		seen += portstats_get(d, PC_LATENCY + i);
		if (seen && (double)seen >= want)
			return 2ull << i; /* bucket i holds 2^i to 2^(i+1) - 1 ns */
	}
	return 0;
}
