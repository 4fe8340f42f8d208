/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * dma: copy. The core moves the data of one virtio-mmio device, whose daemon sees no guest memory: see proto/copychan.h for
 * what the daemon sees, and docs/adr/0010-dma-copy.md for why.
 *
 * Theory of operation. Where the guest's rings are, the core knows from the guest alone: it looks at the guest's writes to
 * the transport registers (virtio 1.2, 4.2.2) on their way to the daemon. Data is moved by whoever has something to move: a
 * doorbell by the vCPU that rings it, a bounded amount; all else, and what is left over, by one service thread of the device, which
 * sleeps until the daemon gives chains back.
 *
 * Locks. copy.lock guards everything but the atomics. It is held for a bounded time and never over a system call. The calls of
 * struct copy_ops are made without it.
 */
#include "base/err.h"
#include "hv/mem.h"
#include <stdbool.h>
#include <stdint.h>

struct copy;

/** struct copy_ops - what the copier calls. Any thread. @opaque: copy_create()'s. */
struct copy_ops {
	/** ring - the daemon is to look at queue @q. @vcpu: who asks; COPY_NO_VCPU: the service thread. May block on a hostile
	 * daemon's eventfd until the caller is sent a signal. */
	void (*ring)(void *opaque, unsigned vcpu, unsigned q);
	/** used - the guest has got buffers back and wants an interrupt. */
	void (*used)(void *opaque);
	/** hostile - the daemon wrote what it never may. */
	void (*hostile)(void *opaque, const char *what);
};
#define COPY_NO_VCPU UINT32_MAX
#define COPY_R_NOTIFY 0x050u /* QueueNotify */

/** copy_create - the channel of device @name over all of @mem (borrowed), and its thread. 0 and *@ret (gives), -Exxx. */
int copy_create(const char *name, const struct mem *mem, const struct copy_ops *ops, void *opaque,
		struct copy **ret, struct err *err);

/** copy_destroy - ends the thread and frees all. No vCPU runs. NULL is allowed. */
void copy_destroy(struct copy *c);

/** copy_channel_fd / copy_kick_fd - for the daemon: the channel, and the eventfd that it writes after it gave chains back. */
int copy_channel_fd(const struct copy *c);
int copy_kick_fd(const struct copy *c);

/** copy_write_begin / _end - the guest writes @value (32 bits) to the register at @offset: before and after the daemon has
 * served it, or would have: also while there is none, for a guest that resets a dead device uses its memory for other
 * things. A vCPU thread. */
void copy_write_begin(struct copy *c, uint32_t offset, uint32_t value);
void copy_write_end(struct copy *c, uint32_t offset, uint32_t value);

/** copy_doorbell - the guest notified queue @q: moves what there is, and rings the daemon. A vCPU thread. */
void copy_doorbell(struct copy *c, unsigned vcpu, uint32_t q);

/** copy_serving - a daemon serves from now on: looks at all queues. Any thread. */
void copy_serving(struct copy *c);

/** copy_cut - the daemon is gone, or not to be listened to. What it has stays with it until another one serves, or the guest
 * stops the queue. Any thread. */
void copy_cut(struct copy *c);

/** copy_reset - the VM resets: all queues stop. */
void copy_reset(struct copy *c);

/** struct copy_counts - for people. */
struct copy_counts {
	uint64_t chains, in_bytes, out_bytes; /* moved; in: to the guest */
	uint64_t outstanding;		      /* chains with the daemon now */
};
void copy_counts(struct copy *c, struct copy_counts *ret);
