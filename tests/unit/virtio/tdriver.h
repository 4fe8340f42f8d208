/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A virtio driver for unit tests: split and packed rings in the test environment's memory, one fixed place per queue.
 * A chain is one descriptor that the device reads (if @out > 0) and one that it writes (if @in > 0).
 */
#include "devmodel/core/testenv.h"

#define TD_QUEUES 4u
#define TD_ENTRIES 128u
#define TD_AREA(q)                                                                                 \
	(DMT_RAM_GPA +                                                                             \
	 0x10000u * (1 + (q))) /* descriptors; +0x2000 driver area, +0x3000 device area */
#define TD_BUF(q, i) (DMT_RAM_GPA + 0x100000u + 0x10000u * (q) + 0x100u * (i))

struct td_queue {
	uint16_t size, avail, used, free; /* split: free running; packed: slots */
	uint8_t avail_wrap, used_wrap;
	uint16_t slots[TD_ENTRIES]; /* packed: entries of the chain with this id */
};

struct td {
	struct dm_test *t;
	bool packed, event_idx;
	uint64_t features;
	struct td_queue q[TD_QUEUES];
};

/** td_offered - the device's feature bits. */
uint64_t td_offered(struct dm_test *t);
/** td_accept - writes the driver's feature bits. */
void td_accept(struct dm_test *t, uint64_t features);
/** td_negotiate - reset, ACKNOWLEDGE, DRIVER, those features, FEATURES_OK. True if the device took them. */
bool td_negotiate(struct td *d, struct dm_test *t, uint64_t features);
/** td_queue - sets up queue @q with @size entries and makes it ready. */
void td_queue(struct td *d, unsigned q, uint16_t size);
/** td_areas - writes size and addresses only. */
void td_areas(struct td *d, unsigned q, uint16_t size, uint64_t desc, uint64_t driver,
	      uint64_t device);
/** td_ok - DRIVER_OK. */
void td_ok(struct td *d);
/** td_add - a chain with buffers of @out and @in bytes at @gpa (device-writable part after the other). Its id. */
unsigned td_add(struct td *d, unsigned q, uint64_t gpa, uint32_t out, uint32_t in);
/** td_used - takes the next used chain. False: none. */
bool td_used(struct td *d, unsigned q, unsigned *ret_id, uint32_t *ret_len);
/** td_wants_kick - does the device want to hear of new buffers? */
bool td_wants_kick(struct td *d, unsigned q);
/** td_break - the next thing that the device finds in queue @q is no chain: a buffer outside of memory. */
void td_break(struct td *d, unsigned q);
