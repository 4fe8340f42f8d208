/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues and their turns.
 *
 * Theory of operation. A doorbell gives its queue one turn of at most VIRTIO_BUDGET chains: notifications are switched off,
 * the model's queue() is called, and when it has found the queue empty notifications are switched on and the ring is
 * looked at once more. What is left over goes into v.more, and work() serves those queues one turn at a time, in a circle,
 * so that a busy queue cannot starve the others, and each turn is a commit.
 *
 * A model that leaves chains where they are (no tag is free, no frame has come) is not asked again until it
 * calls virtio_more(), and the driver does not notify meanwhile.
 *
 * One flag word (v.unarmed) remembers the queues whose last pop found nothing. It makes a pop outside of queue(), say in
 * link_ready(), as safe as one inside: the next work() arms the notifications.
 */
#include "devmodel/core/record.h"
#include "devmodel/virtio/copyq.h"
#include "devmodel/virtio/transport.h"
#include <errno.h>

#define SCRATCH_BYTES (1u << 20) /* all that dm_scratch() gives: asked for once, it never moves */
#define REARM_MAX 4u		 /* looks at a queue that keeps filling up, within one turn */

static_assert(VIRTIO_QUEUES_MAX <= 32, "v.more and v.unarmed are words of 32 bits");
static_assert(VIRTIO_QUEUES_MAX <= DM_MAX_DOORBELLS, "each queue has its doorbell");

/* ---- rings in granted memory --------------------------------------------------------------------- */

static int direct_start(void *ctx, unsigned q, struct vring *r)
{
	(void)q;
	return vring_start(r, ctx);
}

static void direct_stop(void *ctx, unsigned q, struct vring *r)
{
	(void)ctx, (void)q;
	vring_reset(r);
}

static int direct_pop(void *ctx, unsigned q, struct vring *r, struct iovec *iov, unsigned max,
		      struct vring_chain *ret)
{
	(void)q;
	return vring_pop(r, ctx, iov, max, ret);
}

static void direct_unpop(void *ctx, unsigned q, struct vring *r, const struct vring_chain *c)
{
	(void)ctx, (void)q;
	vring_unpop(r, c);
}

static void direct_push(void *ctx, unsigned q, struct vring *r, uint16_t id, uint16_t ndesc,
			uint32_t len)
{
	(void)q;
	vring_push(r, ctx, id, ndesc, len);
}

static bool direct_should_signal(void *ctx, unsigned q, struct vring *r)
{
	(void)q;
	return vring_should_signal(r, ctx);
}

static bool direct_notify_on(void *ctx, unsigned q, struct vring *r)
{
	(void)q;
	return vring_notify_on(r, ctx);
}

static void direct_notify_off(void *ctx, unsigned q, struct vring *r)
{
	(void)q;
	vring_notify_off(r, ctx);
}

static bool direct_available(void *ctx, unsigned q, const struct vring *r)
{
	(void)q;
	return vring_available(r, ctx);
}

static bool direct_published(void *ctx, unsigned q, const struct vring *r)
{
	(void)q;
	return vring_published(r, ctx);
}

static void direct_skip(void *ctx, unsigned q, struct vring *r, uint16_t id, uint16_t ndesc)
{
	(void)ctx, (void)q;
	vring_skip(r, id, ndesc);
}

static void direct_adopt(void *ctx, unsigned q, struct vring *r,
			 unsigned (*seen)(void *ctx, uint16_t id), void *seen_ctx)
{
	(void)q;
	vring_adopt(r, ctx, seen, seen_ctx);
}

static void direct_mark(void *ctx, unsigned q, const struct vring *r, const struct vring_chain *c,
			struct vring_mark *ret)
{
	(void)q;
	vring_mark(r, ctx, c, ret);
}

static int direct_reread(void *ctx, unsigned q, const struct vring *r, uint16_t id, uint16_t ndesc,
			 const struct vring_mark *mark, struct iovec *iov, unsigned max,
			 struct vring_chain *ret)
{
	(void)q;
	return vring_reread(r, ctx, id, ndesc, mark, iov, max, ret);
}

static const struct dm_queue_ops direct_ops = {
	.start = direct_start,
	.stop = direct_stop,
	.pop = direct_pop,
	.unpop = direct_unpop,
	.push = direct_push,
	.should_signal = direct_should_signal,
	.notify_on = direct_notify_on,
	.notify_off = direct_notify_off,
	.available = direct_available,
	.published = direct_published,
	.skip = direct_skip,
	.adopt = direct_adopt,
	.mark = direct_mark,
	.reread = direct_reread,
};

static const struct dm_queue_ops *ops_below(struct dm *dm, void **ret_ctx)
{
	static const struct vring_mem nothing;
	const struct dm_queue_ops *ops = dm_queue_ops(dm, ret_ctx);
	if (ops)
		return ops;
	if (dm->copied) {
		*ret_ctx = dm;
		return &copyq_ops;
	}
	const struct vring_mem *mem = dm_mem(dm);
	*ret_ctx =
		(void *)(mem ? mem : &nothing); /* read only, behind the operations' void pointer */
	return &direct_ops;
}

static const struct dm_queue_ops *ops_of(struct dm *dm, void **ret_ctx)
{
	const struct dm_queue_ops *ops = ops_below(dm, ret_ctx);
	return __builtin_expect(dm->rec_on, 0) ? record_queue(dm, ops, *ret_ctx, ret_ctx) : ops;
}

void virtio_prepare(struct dm *dm)
{
	dm_scratch(dm, SCRATCH_BYTES);
}

static struct iovec *iov_of(struct dm *dm)
{
	uint8_t *p = dm_scratch(dm, SCRATCH_BYTES);
	return (struct iovec *)(void *)(p + SCRATCH_BYTES - VIRTIO_SCRATCH_IOV);
}

/* ---- life of a queue ---------------------------------------------------------------------------- */

int virtio_queue_start(struct dm *dm, void *state, unsigned q)
{
	void *ctx;
	const struct dm_queue_ops *ops = ops_of(dm, &ctx);
	struct vring *r = virtio_queue(state, q);
	r->features = ((struct virtio *)state)->negotiated & VRING_FEATURES;
	return ops->start(ctx, q, r);
}

void virtio_queue_stop(struct dm *dm, void *state, unsigned q)
{
	void *ctx;
	struct virtio *v = state;
	const struct dm_queue_ops *ops = ops_of(dm, &ctx);
	if (v->status & VIRTIO_S_DRIVER_OK && virtio_queue(state, q)->ready)
		v->stale |= 1ull << q; /* its doorbell may have been rung and not served yet */
	v->more &= ~(1u << q);
	v->unarmed &= ~(1u << q);
	v->signal &= ~(1u << q);
	fresh_drop(v, q);
	ops->stop(ctx, q, virtio_queue(state, q));
}

bool virtio_live(const void *state)
{
	const struct virtio *v = state;
	return (v->status & (VIRTIO_S_DRIVER_OK | VIRTIO_S_NEEDS_RESET | VIRTIO_S_FAILED)) ==
	       VIRTIO_S_DRIVER_OK;
}

bool virtio_queue_live(const void *state, unsigned q)
{
	const struct virtio *v = state;
	const struct vring *r = (const struct vring *)(const void *)(v + 1) + q;
	return virtio_live(state) && q < v->nqueues && r->ready && !r->error;
}

void virtio_broken(struct dm *dm, void *state, unsigned q, const char *why)
{
	struct virtio *v = state;
	if (!v->broken_queue)
		v->broken_queue = q + 1;
	dm_guest_error(dm, "queue %u: %s; the device needs a reset", q, why);
	if (v->status & VIRTIO_S_NEEDS_RESET)
		return;
	v->status |= VIRTIO_S_NEEDS_RESET;
	v->more = v->unarmed = 0;
	/* 2.1.2: a configuration change notification, if DRIVER_OK is set; else when it is. */
	if (v->status & VIRTIO_S_DRIVER_OK)
		dm_irq_event(dm, 0, VIRTIO_INT_CONFIG);
}

/* ---- what a model calls ------------------------------------------------------------------------- */

int virtio_pop(struct dm *dm, void *state, unsigned q, struct vring_chain *ret)
{
	void *ctx;
	struct virtio *v = state;
	const struct dm_queue_ops *ops = ops_of(dm, &ctx);
	if (!virtio_queue_live(state, q))
		return virtio_live(state) && q < v->nqueues && !virtio_queue(state, q)->ready
			       ? 0
			       : -EIO;
	struct vring *r = virtio_queue(state, q);
	bool packed = r->features & VRING_F_RING_PACKED;
	if (packed) {
		fresh_begin(dm, state);
		if (!fresh_room(v)) { /* not empty: it goes on after the next commit */
			virtio_more(dm, state, q);
			return 0;
		}
	}
	int rc = ops->pop(ctx, q, r, iov_of(dm), VRING_SIZE_MAX, ret);
	if (rc > 0) {
		v->unarmed &= ~(1u << q);
		lately_popped(dm, q, ret);
		if (packed)
			fresh_popped(dm, v, q, ret);
	} else if (rc == 0) {
		v->unarmed |= 1u << q;
	} else {
		virtio_broken(dm, state, q, vring_error_text(r->error));
	}
	return rc;
}

void virtio_unpop(struct dm *dm, void *state, unsigned q, const struct vring_chain *c)
{
	void *ctx;
	const struct dm_queue_ops *ops = ops_of(dm, &ctx);
	if (!virtio_queue_live(state, q))
		return;
	lately_unpopped(dm, q);
	fresh_unpopped(state, q, c->id);
	ops->unpop(ctx, q, virtio_queue(state, q), c);
}

void virtio_push(struct dm *dm, void *state, unsigned q, uint16_t id, uint16_t ndesc, uint32_t len)
{
	if (!virtio_queue_live(state, q))
		return;
	dm_count(dm, DM_COUNT_REQUESTS, 1);
	lately_pushed(dm, q, id, len);
	if (virtio_queue(state, q)->features & VRING_F_RING_PACKED) {
		fresh_begin(dm, state);
		if (fresh_push(state, q, id, len))
			return;
	}
	virtio_ring_push(dm, state, q, id, ndesc, len);
}

void virtio_ring_push(struct dm *dm, void *state, unsigned q, uint16_t id, uint16_t ndesc,
		      uint32_t len)
{
	void *ctx;
	const struct dm_queue_ops *ops = ops_of(dm, &ctx);
	if (!virtio_queue_live(state, q))
		return;
	struct vring *r = virtio_queue(state, q);
	ops->push(ctx, q, r, id, ndesc, len);
	if (r->error)
		virtio_broken(dm, state, q, vring_error_text(r->error));
}

void virtio_signal(struct dm *dm, void *state, unsigned q)
{
	if (fresh_waiting(state, q))
		((struct virtio *)state)->signal |= 1u << q;
	virtio_ring_signal(dm, state, q);
}

void virtio_ring_signal(struct dm *dm, void *state, unsigned q)
{
	void *ctx;
	const struct dm_queue_ops *ops = ops_of(dm, &ctx);
	if (virtio_queue_live(state, q) && ops->should_signal(ctx, q, virtio_queue(state, q)))
		dm_irq_event(dm, 0, VIRTIO_INT_USED);
}

bool virtio_rearm(struct dm *dm, void *state, unsigned q)
{
	void *ctx;
	struct virtio *v = state;
	const struct dm_queue_ops *ops = ops_of(dm, &ctx);
	if (!virtio_queue_live(state, q))
		return false;
	v->unarmed &= ~(1u << q);
	struct vring *r = virtio_queue(state, q);
	bool more = ops->notify_on(ctx, q, r);
	if (r->error)
		virtio_broken(dm, state, q, vring_error_text(r->error));
	return more && !r->error;
}

void virtio_hush(struct dm *dm, void *state, unsigned q)
{
	void *ctx;
	const struct dm_queue_ops *ops = ops_of(dm, &ctx);
	if (virtio_queue_live(state, q))
		ops->notify_off(ctx, q, virtio_queue(state, q));
}

void virtio_more(struct dm *dm, void *state, unsigned q)
{
	(void)dm;
	if (virtio_queue_live(state, q))
		((struct virtio *)state)->more |= 1u << q;
}

/* ---- turns ---------------------------------------------------------------------------------------- */

/* One turn of queue @q: bounded, whatever the driver does meanwhile. */
static void turn(struct dm *dm, void *state, unsigned q)
{
	struct virtio *v = state;
	const struct virtio_model *m = virtio_model_of(dm);
	uint32_t bit = 1u << q;
	v->more &= ~bit;
	virtio_hush(dm, state, q);
	for (unsigned i = 0; i < REARM_MAX; i++) {
		if (m->queue(dm, state, q, VIRTIO_BUDGET)) {
			virtio_more(dm, state, q);
			return;
		}
		if (!virtio_queue_live(state, q) || !(v->unarmed & bit))
			return; /* broken, or the model goes on by itself later */
		if (!virtio_rearm(dm, state, q))
			return;
		virtio_hush(dm, state, q);
	}
	virtio_more(dm, state, q);
}

void virtio_kick_all(void *state)
{
	struct virtio *v = state;
	for (unsigned q = 0; q < v->nqueues; q++)
		if (virtio_queue_live(state, q))
			v->more |= 1u << q;
}

void virtio_dm_doorbell(struct dm *dm, void *state, unsigned index)
{
	struct virtio *v = state;
	uint64_t bit = index < 64 ? 1ull << index : 0;
	bool late = v->stale & bit;
	v->stale &= ~bit;
	virtio_prepare(dm);
	if (virtio_queue_live(state, index)) {
		turn(dm, state, index);
		return;
	}
	if (late || v->status & VIRTIO_S_NEEDS_RESET) /* the driver cannot know yet */
		return;
	if (index >= v->nqueues)
		dm_guest_error(dm, "notification of queue %u, which does not exist", index);
	else if (!(v->status & VIRTIO_S_DRIVER_OK))
		dm_guest_error(dm, "notification of queue %u before DRIVER_OK", index);
	else
		dm_guest_error(dm, "notification of queue %u, which is not ready", index);
}

/* Asks for notifications of the queues that were found empty outside of a turn. */
static void rearm_all(struct dm *dm, void *state)
{
	struct virtio *v = state;
	uint32_t left = v->unarmed;
	v->unarmed = 0;
	while (left) {
		unsigned q = (unsigned)__builtin_ctz(left);
		left &= left - 1;
		if (virtio_rearm(dm, state, q))
			virtio_more(dm, state, q);
	}
}

bool virtio_dm_work(struct dm *dm, void *state)
{
	struct virtio *v = state;
	virtio_prepare(dm);
	/* Pushes of this very interval wait for the commit that a `true` brings about. */
	bool did = fresh_begin(dm, state) || fresh_waiting(v, ANY_QUEUE) || v->unarmed;
	if (v->unarmed)
		rearm_all(dm, state);
	if (!v->more || !virtio_live(state))
		return did;
	/* The next set bit from v->turn on, around the corner. */
	uint32_t after = v->turn < 32 ? v->more & ~((1u << v->turn) - 1) : 0;
	unsigned q = (unsigned)__builtin_ctz(after ? after : v->more);
	v->turn = q + 1;
	if (virtio_queue_live(state, q))
		turn(dm, state, q);
	else
		v->more &= ~(1u << q);
	return true;
}

/* ---- after a crash ------------------------------------------------------------------------------------ */

bool virtio_ring_skip(struct dm *dm, void *state, unsigned q, uint16_t id, uint16_t ndesc)
{
	void *ctx;
	const struct dm_queue_ops *ops = ops_of(dm, &ctx);
	struct vring *r = virtio_queue(state, q);
	if (!virtio_queue_live(state, q) || !ops->published || !ops->published(ctx, q, r))
		return false;
	ops->skip(ctx, q, r, id, ndesc);
	return true;
}

void virtio_mark(struct dm *dm, void *state, unsigned q, const struct vring_chain *c,
		 struct vring_mark *ret)
{
	void *ctx;
	const struct dm_queue_ops *ops = ops_of(dm, &ctx);
	ops->mark(ctx, q, virtio_queue(state, q), c, ret);
}

int virtio_reread(struct dm *dm, void *state, unsigned q, uint16_t id, uint16_t ndesc,
		  const struct vring_mark *mark, struct iovec *iov, unsigned max,
		  struct vring_chain *ret)
{
	void *ctx;
	const struct dm_queue_ops *ops = ops_of(dm, &ctx);
	return ops->reread(ctx, q, virtio_queue(state, q), id, ndesc, mark, iov, max, ret);
}

void virtio_adopt(struct dm *dm, void *state, unsigned q, unsigned (*seen)(void *ctx, uint16_t id),
		  void *seen_ctx)
{
	void *ctx;
	const struct dm_queue_ops *ops = ops_of(dm, &ctx);
	if (!virtio_queue_live(state, q))
		return;
	struct vring *r = virtio_queue(state, q);
	ops->adopt(ctx, q, r, seen, seen_ctx);
	if (r->error)
		virtio_broken(dm, state, q, vring_error_text(r->error));
}

static unsigned seen_nothing(void *ctx, uint16_t id)
{
	(void)ctx, (void)id;
	return 0;
}

void virtio_adopt_all(struct dm *dm, void *state, unsigned q)
{
	virtio_adopt(dm, state, q, seen_nothing, NULL);
}
