/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of dm.h that only hand over to the environment: clocks, log, guest memory.
 */
#include "devmodel/core/core.h"
#include <errno.h>
#include <stdio.h>

uint64_t dm_now_ns(struct dm *dm)
{
	return dm->env->now_ns(dm->ctx);
}

uint64_t dm_realtime_ns(struct dm *dm)
{
	return dm->env->realtime_ns(dm->ctx);
}

static void log_va(struct dm *dm, enum dm_level level, const char *fmt, va_list ap)
{
	char text[512];
	uint32_t dropped = 0;
	if (!log_rate_ok(&dm->rate, 10, &dropped))
		return;
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	if (dropped && n > 0 && (size_t)n < sizeof(text))
		snprintf(text + n, sizeof(text) - (size_t)n, " held_back=%u", dropped);
	dm->env->log(dm->ctx, level, text);
}

void dm_log(struct dm *dm, enum dm_level level, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	log_va(dm, level, fmt, ap);
	va_end(ap);
}

void dm_guest_error(struct dm *dm, const char *fmt, ...)
{
	va_list ap;
	dm->guest_errors++;
	va_start(ap, fmt);
	log_va(dm, DM_LOG_WARN, fmt, ap);
	va_end(ap);
}

int dm_dma_read(struct dm *dm, uint64_t gpa, void *buf, size_t len)
{
	if (!dm->cls->dma || !dm->env->dma_read)
		return -EACCES;
	return dm->env->dma_read(dm->ctx, gpa, buf, len);
}

int dm_dma_write(struct dm *dm, uint64_t gpa, const void *buf, size_t len)
{
	if (!dm->cls->dma || !dm->env->dma_write)
		return -EACCES;
	return dm->env->dma_write(dm->ctx, gpa, buf, len);
}

void *dm_dma_map(struct dm *dm, uint64_t gpa, size_t len, bool writable)
{
	if (!dm->cls->dma || !dm->env->dma_map)
		return NULL;
	return dm->env->dma_map(dm->ctx, gpa, len, writable);
}
