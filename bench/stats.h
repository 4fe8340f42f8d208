/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

#define STATS_SAMPLES_MAX 4096

/** struct stats - samples of one quantity. Zeroed = empty. Owned by one thread. */
struct stats {
	size_t n;
	double sample[STATS_SAMPLES_MAX];
};

/** struct stats_summary - what is reported of them. n = 0: nothing was measured. */
struct stats_summary {
	size_t n;
	double min, median, p99, max;
};

/** stats_add - adds a sample; those after the first STATS_SAMPLES_MAX are dropped. */
void stats_add(struct stats *s, double sample);

/** stats_sum_up - minimum, median, 99th percentile and maximum of the samples. Sorts them. */
struct stats_summary stats_sum_up(struct stats *s);
