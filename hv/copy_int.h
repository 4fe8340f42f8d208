/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Private to copy*.c: copy.c (life, threads), copy_regs.c (what the guest writes), copy_queue.c (moving data). */
#include "hv/copy.h"
#include "proto/copychan.h"
#include "vring/vring.h"
#include <pthread.h>
#include <stdatomic.h>

#define STATUS_DRIVER_OK 4u

/* Bounds of one turn with the lock held; the bytes are looked at after each chain. */
#define COPY_TURN_CHAINS 64u
#define COPY_TURN_BYTES (1u << 20)

static_assert(COPY_SIZE_MAX == VRING_SIZE_MAX, "a chain of the guest fits into one of ours");
static_assert(COPY_QUEUES <= 32, "queues are bits of a word");

/** struct copy_chain - a chain of the guest that is with the daemon; its number is our descriptor. */
struct copy_chain {
	bool out; /* with the daemon */
	uint16_t id, ndesc;
	uint32_t nout, nseg;
	uint32_t at, bytes; /* its part of the bounce area: table, then segments */
	uint64_t in_bytes;
};

/** struct copy_queue - one queue. copy.lock. */
struct copy_queue {
	struct vring ring; /* the guest's; .ready: the queue is alive */
	/* as the guest wrote them */
	uint32_t size;
	uint64_t desc, driver, device;
	/* ours, whose driver we are */
	uint8_t *base; /* of the queue in the channel */
	uint32_t nring;
	uint16_t avail, used;
	uint32_t nfree;
	uint16_t free[COPY_SIZE_MAX];
	struct copy_chain chain[COPY_SIZE_MAX];
	/* the bounce area, a circle: chains in the order in which they took their part */
	uint16_t order[COPY_SIZE_MAX];
	uint32_t order_head, order_n;
	uint32_t area_head, area_tail;
};

struct copy {
	char name[64];
	struct vring_mem mem;
	const struct copy_ops *ops;
	void *opaque;
	int channel_fd, kick_fd, wake_fd, epoll_fd;
	struct copy_channel *channel;
	/* Where each segment of a chain is in the guest: at the place that its descriptor has in the channel, which the daemon may
	 * change. Private, sparse. */
	uint8_t *mirror;

	pthread_t thread;
	bool thread_runs;
	_Atomic uint32_t stop, left;
	_Atomic uint32_t alive; /* bit q: ready. Changes under the lock */
	_Atomic uint32_t rung;	/* bit q: to be looked at */
	_Atomic uint32_t awake; /* the service thread will look again by itself */

	_Atomic uint32_t waiting; /* threads that want the lock and are not the service thread */
	pthread_mutex_t lock;
	/* registers */
	uint32_t status, queue_sel, features_sel;
	uint64_t features;
	bool serving; /* there is a daemon that serves; else nothing is read from the channel */
	struct copy_counts counts;
	struct iovec iov[VRING_SIZE_MAX];
	struct copy_queue queue[COPY_QUEUES];
};

/** struct copy_turn - what is to be done after the lock was released. */
struct copy_turn {
	uint32_t ring; /* bit q */
	bool used, more;
	const char *hostile;
};

/** copy_lock / copy_unlock - for all but the service thread, which lets others go first. */
void copy_lock(struct copy *c);
void copy_unlock(struct copy *c);

/** copy_queue_start - the guest set QueueReady. The ring's errors go to the daemon. */
void copy_queue_start(struct copy *c, unsigned q);
/** copy_queue_stop - forgets all chains of the queue. The daemon does not serve it any more. */
void copy_queue_stop(struct copy *c, unsigned q);
/** copy_queue_turn - one bounded turn of queue @q: takes back what the daemon has done, hands on what is available. */
void copy_queue_turn(struct copy *c, unsigned q, struct copy_turn *t);
/** copy_queue_interrupts - tells the daemon whether we want to hear of it. True: something was given back already. */
bool copy_queue_interrupts(struct copy *c, unsigned q, bool on);
/** copy_wake - the service thread is to look at all that was rung. */
void copy_wake(struct copy *c);
/** copy_finish - does what a turn asks for, without the lock. */
void copy_finish(struct copy *c, unsigned vcpu, const struct copy_turn *t);
