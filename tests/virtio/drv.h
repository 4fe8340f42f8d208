/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The driver's side of virtio over MMIO (virtio 1.2, sections 2, 3 and 4.2), for tests.
 *
 * Theory of operation. A test reaches its device through struct drv_access, so the same code drives a daemon over its
 * port and, in a bare-metal guest, a device behind real loads and stores. It needs no libc but a
 * memset for the compiler to call.
 * It is a correct driver as long as it is used as one, and a tool for writing a wrong one: addresses, lengths and flags
 * of a chain go into the ring as they are given, ring areas and indices are open to everybody.
 *
 * All memory is one block of guest memory that drv_alloc() hands out from the front; drv_reset() takes it all back.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Registers (4.2.2). */
#define DRV_MAGIC 0x000u
#define DRV_VERSION 0x004u
#define DRV_DEVICE_ID 0x008u
#define DRV_VENDOR 0x00cu
#define DRV_DEVICE_FEATURES 0x010u
#define DRV_DEVICE_FEATURES_SEL 0x014u
#define DRV_DRIVER_FEATURES 0x020u
#define DRV_DRIVER_FEATURES_SEL 0x024u
#define DRV_QUEUE_SEL 0x030u
#define DRV_QUEUE_NUM_MAX 0x034u
#define DRV_QUEUE_NUM 0x038u
#define DRV_QUEUE_READY 0x044u
#define DRV_QUEUE_NOTIFY 0x050u
#define DRV_INT_STATUS 0x060u
#define DRV_INT_ACK 0x064u
#define DRV_STATUS 0x070u
#define DRV_DESC_LO 0x080u
#define DRV_DRIVER_LO 0x090u
#define DRV_DEVICE_LO 0x0a0u
#define DRV_SHM_SEL 0x0acu
#define DRV_SHM_LEN_LO 0x0b0u
#define DRV_SHM_BASE_LO 0x0b8u
#define DRV_QUEUE_RESET 0x0c0u
#define DRV_CONFIG_GENERATION 0x0fcu
#define DRV_CONFIG 0x100u

/* Device status (2.1). */
#define DRV_S_ACKNOWLEDGE 1u
#define DRV_S_DRIVER 2u
#define DRV_S_DRIVER_OK 4u
#define DRV_S_FEATURES_OK 8u
#define DRV_S_NEEDS_RESET 64u
#define DRV_S_FAILED 128u

/* Features of every device (6). */
#define DRV_F_INDIRECT (1ull << 28)
#define DRV_F_EVENT_IDX (1ull << 29)
#define DRV_F_VERSION_1 (1ull << 32)
#define DRV_F_PACKED (1ull << 34)
#define DRV_F_IN_ORDER (1ull << 35)
#define DRV_F_RING_RESET (1ull << 40)

/* Descriptor flags: 2.7.5 and 2.8.1. */
#define DRV_NEXT 1u
#define DRV_WRITE 2u
#define DRV_INDIRECT 4u
#define DRV_AVAIL (1u << 7)
#define DRV_USED (1u << 15)

/* What the driver event area, or the device's, says: 2.8.14. */
#define DRV_EVENT_ON 0u
#define DRV_EVENT_OFF 1u
#define DRV_EVENT_DESC 2u

#define DRV_QUEUE_MAX 1024u /* entries that a queue of ours has at most */
#define DRV_TABLE_MAX 16u   /* entries of an indirect table that drv_add_indirect() makes */

/** struct drv_desc - one descriptor. Split: @x is flags, @y is next; packed: @x is the buffer id, @y is flags. */
struct drv_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t x, y;
};

/** struct drv_access - how the driver reaches its device. */
struct drv_access {
	uint64_t (*read)(void *ctx, uint32_t offset, unsigned width);
	void (*write)(void *ctx, uint32_t offset, unsigned width, uint64_t value);
	/** wait - until @ready(@arg) is true, which an interrupt may have caused; false: it took too long. */
	bool (*wait)(void *ctx, bool (*ready)(void *arg), void *arg);
};

/** struct drv - one device and its driver. Fill in ops, ctx, ram, gpa and bytes, the rest by drv_reset(). */
struct drv {
	const struct drv_access *ops;
	void *ctx;
	uint8_t *ram;	/* guest memory as we see it... */
	uint64_t gpa;	/* ...and as the device does */
	uint64_t bytes; /* how much */
	uint64_t taken; /* bytes of it that drv_alloc() gave away */
	uint64_t offered, features;
};

/** struct drv_area - a part of guest memory. */
struct drv_area {
	uint8_t *at;
	uint64_t gpa;
	uint64_t bytes;
};

/** struct drv_seg - one buffer of a chain: DRV_WRITE means that the device writes it. Flags go into the descriptor as
 * they are; drv_add() adds DRV_NEXT to all but the last. */
struct drv_seg {
	uint64_t gpa;
	uint32_t len;
	uint16_t flags;
};

/** struct drv_queue - one virtqueue. */
struct drv_queue {
	struct drv *d;
	unsigned index;
	uint16_t size;
	bool packed, event_idx;
	struct drv_area desc, driver, device, tables;
	uint16_t nfree;		      /* ring entries */
	uint16_t free_head;	      /* split: descriptor; packed: id */
	uint16_t next[DRV_QUEUE_MAX]; /* free list; split: also the chains */
	uint16_t taken
		[DRV_QUEUE_MAX]; /* ring entries of the chain with this id; 0: not with the device */
	uint16_t avail;		 /* split: avail.idx; packed: next slot */
	uint16_t used;		 /* split: next used.idx to look at; packed: next slot */
	uint16_t added;		 /* what moved avail since the last drv_wants_kick() */
	bool avail_wrap, used_wrap;
};

/* ---- the device (drv.c) --------------------------------------------------------------------------------- */

static inline uint32_t drv_r32(struct drv *d, uint32_t offset)
{
	return (uint32_t)d->ops->read(d->ctx, offset, 4);
}
static inline void drv_w32(struct drv *d, uint32_t offset, uint32_t value)
{
	d->ops->write(d->ctx, offset, 4, value);
}
/** drv_w64 - a pair of registers, low word first. */
void drv_w64(struct drv *d, uint32_t offset, uint64_t value);

/** drv_alloc - @bytes of guest memory aligned to @align, zeroed. Runs out: .at is NULL. */
struct drv_area drv_alloc(struct drv *d, uint64_t bytes, uint64_t align);
/** drv_at - our pointer to guest address @gpa, which must lie in the driver's memory. */
void *drv_at(const struct drv *d, uint64_t gpa);

/** drv_reset - status 0, waits until it reads 0 (2.1.2), all memory free. False: it did not become 0. */
bool drv_reset(struct drv *d);
/** drv_offered - the feature bits that the device offers. */
uint64_t drv_offered(struct drv *d);
/** drv_accept - writes the driver's features, checked against nothing. */
void drv_accept(struct drv *d, uint64_t features);
/** drv_negotiate - 3.1.1 steps 1 to 6: reset, ACKNOWLEDGE, DRIVER, those of @want that are offered (VERSION_1 always), FEATURES_OK.
 * False: the device does not take them. */
bool drv_negotiate(struct drv *d, uint64_t want);
/** drv_go - DRIVER_OK. */
void drv_go(struct drv *d);
/** drv_broken - does the device need a reset? */
bool drv_broken(struct drv *d);
/** drv_config - @width bytes at @offset of the configuration, read as 2.5.3 says. */
uint64_t drv_config(struct drv *d, uint32_t offset, unsigned width);

/* ---- queues (queue.c) ----------------------------------------------------------------------------------- */

/** drv_queue_make - memory and indices for queue @index of at most @size entries in the negotiated layout; the device
 * is told nothing. False: the device has no such queue, or there is no memory. */
bool drv_queue_make(struct drv *d, struct drv_queue *q, unsigned index, uint16_t size);
/** drv_queue_tell - writes size and areas to the device, and QueueReady (@ready). */
void drv_queue_tell(struct drv_queue *q, uint32_t ready);
/** drv_queue_setup - both. */
bool drv_queue_setup(struct drv *d, struct drv_queue *q, unsigned index, uint16_t size);

/** drv_add - makes a chain of @n segments available. Its id (split: head), -1: no room. */
int drv_add(struct drv_queue *q, const struct drv_seg *seg, unsigned n);
/** drv_add_indirect - the same by one descriptor and a table of @n <= DRV_TABLE_MAX entries. */
int drv_add_indirect(struct drv_queue *q, const struct drv_seg *seg, unsigned n);
/** drv_table - writes the @n segments as an indirect table in the queue's layout to @at. */
void drv_table(const struct drv_queue *q, void *at, const struct drv_seg *seg, unsigned n);

/** drv_wants_kick - does the device want to be notified of what was added since the last notification? Full fence. */
bool drv_wants_kick(struct drv_queue *q);
/** drv_kick - notifies the device if it wants that. True: it did. */
bool drv_kick(struct drv_queue *q);
/** drv_notify - notifies in any case. */
void drv_notify(struct drv_queue *q);

/** drv_used - takes the next used chain: its id and the length that the device gave. False: none. */
bool drv_used(struct drv_queue *q, unsigned *ret_id, uint32_t *ret_len);
/** drv_wait - waits for one. False: it took too long. */
bool drv_wait(struct drv_queue *q, unsigned *ret_id, uint32_t *ret_len);
/** drv_has_used - is there one? */
bool drv_has_used(const struct drv_queue *q);
/** drv_interrupts - asks the device for interrupts, or for none. With EVENT_IDX on means: for the next used chain. */
void drv_interrupts(struct drv_queue *q, bool on);

/* ---- layouts (split.c, packed.c): called by queue.c, and by tests that write rings by hand --------------- */

static inline uint16_t drv_load16(const void *p)
{
	return __atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE);
}
static inline void drv_store16(void *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)p, v, __ATOMIC_RELEASE);
}
static inline struct drv_desc *drv_desc(const struct drv_queue *q, unsigned i)
{
	return (struct drv_desc *)(void *)q->desc.at + i;
}

/* Split (2.7.6, 2.7.8): fields of the driver area and of the device area. */
static inline uint8_t *drv_split_avail_idx(const struct drv_queue *q)
{
	return q->driver.at + 2;
}
static inline uint8_t *drv_split_avail_ring(const struct drv_queue *q, unsigned i)
{
	return q->driver.at + 4 + 2 * i;
}
static inline uint8_t *drv_split_used_event(const struct drv_queue *q)
{
	return q->driver.at + 4 + 2 * q->size;
}
static inline uint8_t *drv_split_used_idx(const struct drv_queue *q)
{
	return q->device.at + 2;
}
static inline uint8_t *drv_split_avail_event(const struct drv_queue *q)
{
	return q->device.at + 4 + 8 * q->size;
}
/** drv_split_offer - puts @head into the available ring and moves its index. */
void drv_split_offer(struct drv_queue *q, uint16_t head);
int drv_split_add(struct drv_queue *q, const struct drv_seg *seg, unsigned n);
bool drv_split_used(struct drv_queue *q, unsigned *ret_id, uint32_t *ret_len);
bool drv_split_wants_kick(struct drv_queue *q, uint16_t added);
void drv_split_interrupts(struct drv_queue *q, bool on);

/** drv_packed_flags - AVAIL and USED bits of a descriptor that becomes available under wrap counter @wrap (2.8.1). */
static inline uint16_t drv_packed_flags(bool wrap)
{
	return (uint16_t)(wrap ? DRV_AVAIL : DRV_USED);
}
int drv_packed_add(struct drv_queue *q, const struct drv_seg *seg, unsigned n);
bool drv_packed_has_used(const struct drv_queue *q);
bool drv_packed_used(struct drv_queue *q, unsigned *ret_id, uint32_t *ret_len);
bool drv_packed_wants_kick(struct drv_queue *q, uint16_t added);
void drv_packed_interrupts(struct drv_queue *q, bool on);
