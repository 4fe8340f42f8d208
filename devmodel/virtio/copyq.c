/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/virtio/copyq.h"
#include "base/clock.h"
#include "devmodel/core/core.h"
#include "devmodel/virtio/virtio.h"
#include "proto/copychan.h"
#include <errno.h>
#include <unistd.h>

#define ASK_EVERY_NS 10000000u

static_assert(VIRTIO_QUEUES_MAX <= COPY_QUEUES, "each queue has its part of the channel");

static const struct vring_mem *mem_of(void *ctx)
{
	return ((struct dm *)ctx)->mem;
}

static struct copy_channel *channel_of(void *ctx)
{
	return (void *)mem_of(ctx)->win[0].hva;
}

static void kick(const struct dm *dm)
{
	uint64_t one = 1;
	ssize_t n = write(dm->copy_kick_fd, &one, sizeof(one));
	(void)n; /* full: it is readable */
}

/*
 * A queue is empty for us: is it for the core? A driver may add buffers and notify nobody, and a model that looks by a timer is
 * to find them, as it would in the guest's ring. The core rings if it finds some.
 */
static void ask_for_more(struct dm *dm)
{
	uint64_t now = clock_now_ns();
	if (now - dm->copy_asked_ns < ASK_EVERY_NS)
		return;
	dm->copy_asked_ns = now;
	kick(dm);
}

/* What the core found in the guest's ring; VRING_OK: nothing. */
static enum vring_error core_error(void *ctx, unsigned q)
{
	const struct copy_channel *ch = channel_of(ctx);
	if (ch->magic != COPY_MAGIC || ch->version != COPY_VERSION || q >= COPY_QUEUES)
		return VRING_E_AREA;
	uint32_t e = atomic_load_explicit(&ch->queue[q].error, memory_order_acquire);
	return e < VRING_ERRORS ? (enum vring_error)e : VRING_E_AREA;
}

static int copyq_start(void *ctx, unsigned q, struct vring *r)
{
	uint16_t max = r->size_max;
	enum vring_error e = core_error(ctx, q);
	if (!e && (!r->size || r->size > max || !copy_ring_size(r->size)))
		e = VRING_E_SIZE;
	if (e) {
		r->error = (uint8_t)e;
		return -EINVAL;
	}
	uint64_t at = copy_queue_at(q);
	*r = (struct vring){.desc = at + COPY_DESC,
			    .driver = at + COPY_DRIVER,
			    .device = at + COPY_DEVICE,
			    .features = VRING_F_VERSION_1 | VRING_F_INDIRECT_DESC,
			    .size = (uint16_t)copy_ring_size(r->size),
			    .size_max = VRING_SIZE_MAX};
	int rc = vring_start(r, mem_of(ctx));
	r->size_max = max;
	if (!rc)
		atomic_store(&channel_of(ctx)->queue[q].started, 1);
	return rc;
}

static void copyq_stop(void *ctx, unsigned q, struct vring *r)
{
	(void)ctx, (void)q;
	vring_reset(r);
}

static int copyq_pop(void *ctx, unsigned q, struct vring *r, struct iovec *iov, unsigned max,
		     struct vring_chain *ret)
{
	int rc = vring_pop(r, mem_of(ctx), iov, max, ret);
	if (rc)
		return rc;
	/* Chains that were good come first: the core latches after it has handed them on. */
	enum vring_error e = core_error(ctx, q);
	if (!e) {
		ask_for_more(ctx);
		return 0;
	}
	r->error = (uint8_t)e;
	return -EIO;
}

static void copyq_unpop(void *ctx, unsigned q, struct vring *r, const struct vring_chain *c)
{
	(void)ctx, (void)q;
	vring_unpop(r, c);
}

static void copyq_push(void *ctx, unsigned q, struct vring *r, uint16_t id, uint16_t ndesc,
		       uint32_t len)
{
	(void)q;
	vring_push(r, mem_of(ctx), id, ndesc, len);
}

static bool copyq_should_signal(void *ctx, unsigned q, struct vring *r)
{
	const struct dm *dm = ctx;
	(void)q;
	if (vring_should_signal(r, dm->mem))
		kick(dm);
	return false;
}

static bool copyq_notify_on(void *ctx, unsigned q, struct vring *r)
{
	/* An error that was latched before we looked: the core rings for it, but before us. */
	return vring_notify_on(r, mem_of(ctx)) || (r->ready && !r->error && core_error(ctx, q));
}

static void copyq_notify_off(void *ctx, unsigned q, struct vring *r)
{
	(void)q;
	vring_notify_off(r, mem_of(ctx));
}

static bool copyq_available(void *ctx, unsigned q, const struct vring *r)
{
	(void)q;
	return vring_available(r, mem_of(ctx));
}

static bool copyq_published(void *ctx, unsigned q, const struct vring *r)
{
	(void)q;
	return vring_published(r, mem_of(ctx));
}

static void copyq_skip(void *ctx, unsigned q, struct vring *r, uint16_t id, uint16_t ndesc)
{
	(void)ctx, (void)q;
	vring_skip(r, id, ndesc);
}

static void copyq_adopt(void *ctx, unsigned q, struct vring *r,
			unsigned (*seen)(void *ctx, uint16_t id), void *seen_ctx)
{
	(void)q;
	vring_adopt(r, mem_of(ctx), seen, seen_ctx);
}

static void copyq_mark(void *ctx, unsigned q, const struct vring *r, const struct vring_chain *c,
		       struct vring_mark *ret)
{
	(void)q;
	vring_mark(r, mem_of(ctx), c, ret);
}

static int copyq_reread(void *ctx, unsigned q, const struct vring *r, uint16_t id, uint16_t ndesc,
			const struct vring_mark *mark, struct iovec *iov, unsigned max,
			struct vring_chain *ret)
{
	(void)q;
	return vring_reread(r, mem_of(ctx), id, ndesc, mark, iov, max, ret);
}

const struct dm_queue_ops copyq_ops = {
	.start = copyq_start,
	.stop = copyq_stop,
	.pop = copyq_pop,
	.unpop = copyq_unpop,
	.push = copyq_push,
	.should_signal = copyq_should_signal,
	.notify_on = copyq_notify_on,
	.notify_off = copyq_notify_off,
	.available = copyq_available,
	.published = copyq_published,
	.skip = copyq_skip,
	.adopt = copyq_adopt,
	.mark = copyq_mark,
	.reread = copyq_reread,
};
