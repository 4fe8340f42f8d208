/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

#include <stdlib.h>

void stats_add(struct stats *s, double sample)
{
	if (s->n < STATS_SAMPLES_MAX)
		s->sample[s->n++] = sample;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

struct stats_summary stats_sum_up(struct stats *s)
{
	if (!s->n)
		return (struct stats_summary){0};
	qsort(s->sample, s->n, sizeof s->sample[0], compare);
	double median = s->n % 2 ? s->sample[s->n / 2]
				 : (s->sample[s->n / 2 - 1] + s->sample[s->n / 2]) / 2;
	return (struct stats_summary){

		.n = s->n,
		.min = s->sample[0],
		.median = median,
		.p99 = s->sample[(s->n * 99 + 99) / 100 - 1],
		.max = s->sample[s->n - 1],
	};
}
