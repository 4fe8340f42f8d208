/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/restart.h"

/* Doubled for each one after the second, without overflow. */
static uint64_t delay(const struct restart_policy *p, uint32_t before)
{
	uint64_t ns = p->backoff_ns;
	if (!before)
		return 0;
	for (uint32_t i = 1; i < before && ns < RESTART_BACKOFF_MAX_NS; i++)
		ns *= 2;
	return ns < RESTART_BACKOFF_MAX_NS ? ns : RESTART_BACKOFF_MAX_NS;
}

bool restart_next(struct restart_row *row, const struct restart_policy *p, uint64_t now_ns,
		  uint64_t *ret_delay_ns)
{
	if (now_ns - row->started_ns > p->window_ns)
		row->count = 0;
	if (row->count >= p->limit)
		return false;
	*ret_delay_ns = delay(p, row->count++);
	return true;
}
