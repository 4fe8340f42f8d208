/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The copy channel: what a device with `dma: copy` sees instead of guest memory.
 *
 * Theory of operation. For each queue of the device the core keeps a split virtqueue of its own in this shared memory, and is
 * its driver. It pops chains from the guest's ring, copies what the device may read into the bounce area, and makes them available
 * in its ring, with descriptors that point into the bounce area. The daemon is the device of that ring, as of any other: the
 * channel is its one window of "guest memory", with addresses that are offsets in the channel. What it gives back, the core copies
 * into the guest's buffers and gives back in the guest's ring. So a daemon runs the same code with and without copying,
 * and a daemon that dies leaves what every device leaves behind: a used ring that its successor adopts.
 *
 * Trust. The daemon trusts the core. The core reads nothing here but whether a queue was started, used.idx and the used
 * ring, each entry once, and checks it; whatever else stands in the channel it knows by itself.
 *
 * The queue's size is the guest's, rounded up to a power of two. Of the features of vring.h the ring has indirect descriptors
 * only; each chain is one indirect descriptor.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define COPY_MAGIC 0x59504f43u /* "COPY" */
#define COPY_VERSION 1u
#define COPY_QUEUES 20u
#define COPY_SIZE_MAX 1024u

/* One queue: ring areas, then the bounce area. */
#define COPY_DESC 0u
#define COPY_DRIVER (COPY_DESC + 16u * COPY_SIZE_MAX)
#define COPY_DEVICE (COPY_DRIVER + 4096u)
#define COPY_BOUNCE (COPY_DEVICE + 12288u)
#define COPY_BOUNCE_BYTES (8u << 20)
#define COPY_QUEUE_BYTES (COPY_BOUNCE + COPY_BOUNCE_BYTES)
static_assert(4096 >= 6 + 2 * COPY_SIZE_MAX && 12288 >= 6 + 8 * COPY_SIZE_MAX, "areas fit");
static_assert(COPY_BOUNCE % 4096 == 0, "the bounce area is page aligned");

/** struct copy_queue_word - what the core says of a queue beside its ring. */
struct copy_queue_word {
	_Atomic uint32_t
		error; /* enum vring_error of the guest's ring, latched; the queue gives nothing more */
	_Atomic uint32_t
		started; /* the daemon: it serves the queue. Until then nothing is taken from the guest's ring */
	uint32_t pad[14];
};
static_assert(sizeof(struct copy_queue_word) == 64, "layout");

/** struct copy_channel - the first page. Written by the core but for copy_queue_word.started. */
struct copy_channel {
	uint32_t magic, version, queues, reserved;
	uint8_t pad[48];
	struct copy_queue_word queue[COPY_QUEUES];
};
static_assert(offsetof(struct copy_channel, queue) == 64, "layout");

#define COPY_HEAD_BYTES 4096u
#define COPY_CHANNEL_BYTES (COPY_HEAD_BYTES + (uint64_t)COPY_QUEUES * COPY_QUEUE_BYTES)
static_assert(sizeof(struct copy_channel) <= COPY_HEAD_BYTES, "layout");

/** copy_queue_at - offset of queue @q in the channel. */
static inline uint64_t copy_queue_at(unsigned q)
{
	return COPY_HEAD_BYTES + (uint64_t)q * COPY_QUEUE_BYTES;
}

/** copy_ring_size - entries of the ring for a guest's queue of @size entries: the next power of two. 0 for more than
 * COPY_SIZE_MAX. */
static inline uint32_t copy_ring_size(uint32_t size)
{
	uint32_t n = 1;
	while (n < size && n <= COPY_SIZE_MAX)
		n *= 2;
	return n <= COPY_SIZE_MAX ? n : 0;
}
