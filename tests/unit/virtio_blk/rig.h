/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A driver of virtio-blk for tests, over the test driver's queues: chains of any layout, split and packed, with
 * and without indirect tables. Request i of a queue has its memory at a place of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "devmodel/virtio/blk/blk.h"
#include "tests/unit/virtio/tdriver.h"

#define T_IN 0u
#define T_OUT 1u
#define T_FLUSH 4u
#define T_GET_ID 8u
#define T_DISCARD 11u
#define T_WRITE_ZEROES 13u

#define BD_SLOTS 128u
#define BD_SEGS 24u
#define BD_DATA_MAX 0x2000u

/** struct bd_seg - one buffer of a chain. */
struct bd_seg {
	uint64_t gpa;
	uint32_t len;
	bool write;
};

/** struct bd - a disk and its driver. */
struct bd {
	struct td d;
	struct dm_test *t;
	bool indirect;
	uint16_t entries;	    /* of a queue; 0: TD_ENTRIES */
	unsigned next;		    /* slot of the next request */
	unsigned slot[4][256];	    /* by queue and id of the ring */
	unsigned answers[BD_SLOTS]; /* times that this request came back */
	uint32_t len[BD_SLOTS];
};

/** enum bd_ring - the ways in which a driver can describe its chains. */
enum bd_ring { SPLIT, SPLIT_INDIRECT, PACKED, PACKED_INDIRECT, BD_RINGS };

extern const struct dm_class dm_class_virtio_blk;

/** bd_open - a device with @options ("name", "value", ..., NULL), a driver that takes all features but @without. */
void bd_open(struct bd *b, enum bd_ring ring, const char *const *options, uint64_t without);
/** bd_start - negotiation and queues, after a reset. */
void bd_start(struct bd *b, enum bd_ring ring, uint64_t without);
void bd_close(struct bd *b);

/** bd_place - memory of request @slot: header at +0, status at +16, range at +32, data at +0x400. */
uint64_t bd_place(unsigned slot);
uint8_t *bd_data(struct bd *b, unsigned slot);
uint8_t bd_status(struct bd *b, unsigned slot);
/** bd_chain - makes @segs available on queue @q. Returns the slot that its answer counts for. No kick. */
unsigned bd_chain(struct bd *b, unsigned q, const struct bd_seg *segs, unsigned n);
/** bd_header - a slot whose header says so, and whose status is 0xff. */
unsigned bd_header(struct bd *b, uint32_t type, uint64_t sector);
/** bd_add - a request of the usual layout: header, @bytes of data, status. Returns its slot. No kick. */
unsigned bd_add(struct bd *b, unsigned q, uint32_t type, uint64_t sector, uint32_t bytes);
/** bd_range - the same for discard and write-zeroes. */
unsigned bd_range(struct bd *b, uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags);
/** bd_kick - rings the doorbell of queue @q; takes all answers. */
void bd_kick(struct bd *b, unsigned q);
void bd_reap(struct bd *b);
/** bd_complete - the host ends held request @i; all that follows from it. */
void bd_complete(struct bd *b, unsigned i, int result);
/** bd_do - a request, to its end. Its status. */
uint8_t bd_do(struct bd *b, uint32_t type, uint64_t sector, uint32_t bytes);
/** bd_busy - requests in the device's table. */
unsigned bd_busy(struct bd *b);
/** bd_config - @width bytes of the configuration. */
uint64_t bd_config(struct bd *b, uint32_t offset, unsigned width);
bool bd_needs_reset(struct bd *b);
