/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of dm.h that only hand over to the environment: clocks, log, guest memory.
 */
#include "devmodel/core/core.h"
#include "devmodel/core/host.h"
#include "vring/vring.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRATCH_MAX (1u << 20)

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

/* The window that holds all of @len bytes at @gpa; NULL: none. */
static uint8_t *granted(const struct dm *dm, uint64_t gpa, size_t len, bool writable)
{
	for (unsigned i = 0; dm->mem && i < dm->mem->n; i++) {
		const struct vring_window *w = &dm->mem->win[i];
		uint64_t at = gpa - w->gpa;
		if (gpa >= w->gpa && at <= w->bytes && len <= w->bytes - at &&
		    (w->writable || !writable))
			return w->hva + at;
	}
	return NULL;
}

int dm_memory(struct dm *dm, bool write, uint64_t gpa, void *buf, size_t len)
{
	uint8_t *p = granted(dm, gpa, len, write);
	if (!p)
		return -EACCES;
	if (write)
		memcpy(p, buf, len);
	else
		memcpy(buf, p, len);
	return 0;
}

int dm_dma_read(struct dm *dm, uint64_t gpa, void *buf, size_t len)
{
	return dm->dma_tap ? dm->dma_tap(dm, false, gpa, buf, len)
			   : dm_memory(dm, false, gpa, buf, len);
}

int dm_dma_write(struct dm *dm, uint64_t gpa, const void *buf, size_t len)
{
	void *from = (void *)(uintptr_t)buf;
	return dm->dma_tap ? dm->dma_tap(dm, true, gpa, from, len)
			   : dm_memory(dm, true, gpa, from, len);
}

void *dm_dma_map(struct dm *dm, uint64_t gpa, size_t len, bool writable)
{
	return granted(dm, gpa, len, writable);
}

const struct vring_mem *dm_mem(struct dm *dm)
{
	return dm->mem;
}

const struct dm_queue_ops *dm_queue_ops(struct dm *dm, void **ret_ctx)
{
	*ret_ctx = dm->queue_ctx;
	return dm->queue_ops;
}

void *dm_scratch(struct dm *dm, size_t bytes)
{
	CHECK(bytes <= SCRATCH_MAX);
	if (bytes > dm->scratch_bytes) {
		free(dm->scratch);
		dm->scratch = malloc(bytes);
		CHECK(dm->scratch);
		dm->scratch_bytes = bytes;
	}
	return dm->scratch;
}

void dm_random(struct dm *dm, void *buf, size_t len)
{
	dm->env->random(dm->ctx, buf, len);
}

/* ---- counters: for people, not part of the state ----------------------------------------------------- */

void dm_count(struct dm *dm, enum dm_count what, uint64_t n)
{
	if (dm->env->count)
		dm->env->count(dm->ctx, what, n);
}

void dm_count_latency(struct dm *dm, uint64_t ns)
{
	if (dm->env->latency)
		dm->env->latency(dm->ctx, ns);
}

void dm_count_depth(struct dm *dm, unsigned n)
{
	if (dm->env->depth)
		dm->env->depth(dm->ctx, n);
}

/* ---- disks and links ---------------------------------------------------------------------------------- */

void dm_disk_info(struct dm *dm, unsigned disk, struct dm_disk_info *ret)
{
	dm->io->disk_info(dm->io_ctx, disk, ret);
}

int dm_disk_submit(struct dm *dm, unsigned disk, const struct dm_disk_io *io)
{
	return dm->io->disk_submit(dm->io_ctx, disk, io);
}

unsigned dm_disk_drain(struct dm *dm, unsigned disk)
{
	return dm->io->disk_drain(dm->io_ctx, disk);
}

void dm_disk_writeback(struct dm *dm, unsigned disk, bool on)
{
	dm->io->disk_writeback(dm->io_ctx, disk, on);
}

int dm_disk_resize(struct dm *dm, unsigned disk, uint64_t bytes)
{
	return dm->io->disk_resize(dm->io_ctx, disk, bytes);
}

void dm_link_info(struct dm *dm, unsigned link, struct dm_link_info *ret)
{
	dm->io->link_info(dm->io_ctx, link, ret);
}

void dm_link_offloads(struct dm *dm, unsigned link, bool csum, bool tso4, bool tso6)
{
	dm->io->link_offloads(dm->io_ctx, link, csum, tso4, tso6);
}

ssize_t dm_link_recv(struct dm *dm, unsigned link, unsigned queue, void *buf, size_t max)
{
	return dm->io->link_recv(dm->io_ctx, link, queue, buf, max);
}

ssize_t dm_link_peek(struct dm *dm, unsigned link, unsigned queue, uint8_t **ret)
{
	return dm->io->link_peek(dm->io_ctx, link, queue, ret);
}

void dm_link_skip(struct dm *dm, unsigned link, unsigned queue)
{
	dm->io->link_skip(dm->io_ctx, link, queue);
}

int dm_link_send(struct dm *dm, unsigned link, unsigned queue, const struct iovec *iov, unsigned n)
{
	return dm->io->link_send(dm->io_ctx, link, queue, iov, n);
}

void dm_link_listen(struct dm *dm, unsigned link, bool on)
{
	dm->io->link_listen(dm->io_ctx, link, on);
}
