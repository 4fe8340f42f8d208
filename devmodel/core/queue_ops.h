/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who works on the rings: the daemon itself, over the windows that it was granted (dma: map), or the core on its behalf
  * (dma: copy). The transport calls queues through this table only; a recorder and a replayer stand there, too. Private to
 * devmodel/.
 */
#include "vring/reread.h"

/** struct dm_queue_ops - the operations of vring.h on queue @q, whose ring is @r. @ctx is what dm_queue_ops() gave.
 * All are needed. Errors are latched in r->error, as vring.h says. */
struct dm_queue_ops {
	/** start - vring_start(): the addresses and the size are checked. */
	int (*start)(void *ctx, unsigned q, struct vring *r);
	/** stop - vring_reset(): nothing of the queue may be touched after it. Chains that are outstanding are forgotten. */
	void (*stop)(void *ctx, unsigned q, struct vring *r);
	/** pop - vring_pop(). The memory behind the iovecs is the chain's until it is pushed or the queue is stopped. */
	int (*pop)(void *ctx, unsigned q, struct vring *r, struct iovec *iov, unsigned max,
		   struct vring_chain *ret);
	void (*unpop)(void *ctx, unsigned q, struct vring *r, const struct vring_chain *c);
	/** push - vring_push(): the first @len bytes of the chain's device-writable part are the driver's to see. */
	void (*push)(void *ctx, unsigned q, struct vring *r, uint16_t id, uint16_t ndesc,
		     uint32_t len);
	bool (*should_signal)(void *ctx, unsigned q, struct vring *r);
	bool (*notify_on)(void *ctx, unsigned q, struct vring *r);
	void (*notify_off)(void *ctx, unsigned q, struct vring *r);
	bool (*available)(void *ctx, unsigned q, const struct vring *r);
	/** published, skip - vring_published(), vring_skip(). NULL: the rings are never packed. */
	bool (*published)(void *ctx, unsigned q, const struct vring *r);
	void (*skip)(void *ctx, unsigned q, struct vring *r, uint16_t id, uint16_t ndesc);
	void (*adopt)(void *ctx, unsigned q, struct vring *r,
		      unsigned (*seen)(void *ctx, uint16_t id), void *seen_ctx);
	/** mark, reread - vring_mark(), vring_reread(). */
	void (*mark)(void *ctx, unsigned q, const struct vring *r, const struct vring_chain *c,
		     struct vring_mark *ret);
	int (*reread)(void *ctx, unsigned q, const struct vring *r, uint16_t id, uint16_t ndesc,
		      const struct vring_mark *mark, struct iovec *iov, unsigned max,
		      struct vring_chain *ret);
};
