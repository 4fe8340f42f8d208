/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * virtio-blk: virtio 1.2, section 5.2. blk.c has the configuration and the class, request.c the requests,
 * table.c those in flight.
 *
 * Theory of operation. A request is taken from its ring, checked, written into the table (struct blk_req) and given to
 * the disk with its place in the table as the tag; it is in the committed state before the host sees it. When the host
 * is done, the status byte is written and the chain is given back. If the daemon dies in between, its successor finds
 * the table: what is in the used ring already was completed, everything else is read again from its descriptors and
 * done again, which changes nothing, as the guest was not told and so could not build on it.
 *
 * A request that the host has done is given back one commit later: what the driver sees as used is in the committed
 * state as done, so that the ring need not say what was given back but only how much of it.
 *
 * For that the descriptors must still be there. Those of a split ring are the device's until the chain is given back. In
 * a packed ring a used descriptor overwrites the one at the used position, which may belong to another chain
 * that is in flight. A chain in an indirect table loses nothing by that: where its table is stands in the
 * request. One without a table ("plain") holds back the completions of all that came after it in its queue.
 */
#include "devmodel/virtio/virtio.h"
#include "vring/reread.h"

#define BLK_QUEUES 8u
#define BLK_TAGS 128u /* requests in flight; more stay in their rings */
#define BLK_SECTOR 512u
#define BLK_ID_BYTES 20u
#define BLK_NONE 0xffu
#define BLK_MAX_SECTORS 0x3ffff8u /* of one discard or write-zeroes: 2 GiB less a page */

/* Feature bits, 5.2.3. */
#define BLK_F_SEG_MAX (1ull << 2)
#define BLK_F_RO (1ull << 5)
#define BLK_F_BLK_SIZE (1ull << 6)
#define BLK_F_FLUSH (1ull << 9)
#define BLK_F_TOPOLOGY (1ull << 10)
#define BLK_F_CONFIG_WCE (1ull << 11)
#define BLK_F_MQ (1ull << 12)
#define BLK_F_DISCARD (1ull << 13)
#define BLK_F_WRITE_ZEROES (1ull << 14)

/* Status bytes, 5.2.6. */
enum blk_status { BLK_S_OK = 0, BLK_S_IOERR = 1, BLK_S_UNSUPP = 2 };

/** struct blk_req - one request in flight. */
struct blk_req {
	uint64_t
		status; /* where its status byte is: guest address; with dma: copy ours, of this process */
	struct vring_mark mark;
	uint32_t len;	    /* bytes that are given back as written */
	uint16_t id, ndesc; /* of the chain */
	uint8_t queue;
	uint8_t prev, next; /* in the order of popping, by queue; BLK_NONE: none */
	uint8_t done : 1, plain : 1, result : 2;
};

/** struct blk - the state. */
struct blk {
	VIRTIO_STATE(BLK_QUEUES);
	uint64_t sectors; /* as the configuration shows it */
	uint64_t busy[BLK_TAGS / 64];
	uint32_t inflight;
	uint8_t writeback;
	uint8_t starved;  /* bit q: queue q waits for a free place in the table */
	uint8_t finished; /* bit q: requests of queue q are done and can be given back */
	uint8_t first[BLK_QUEUES], last[BLK_QUEUES];
	struct blk_req req[BLK_TAGS];
};

/* table.c */

/** blk_forget - an empty table. */
void blk_forget(struct blk *s);
/** blk_tag_take - a free place, or -1. blk_tag_put - gives back one that is in no list. */
int blk_tag_take(struct blk *s);
void blk_tag_put(struct blk *s, unsigned tag);
bool blk_tag_busy(const struct blk *s, unsigned tag);
/** blk_tag_link - request @tag is the newest of queue @q. blk_tag_free - takes it out of its list and of the table. */
void blk_tag_link(struct blk *s, unsigned tag, unsigned q);
void blk_tag_free(struct blk *s, unsigned tag);
/** blk_done - request @tag has ended so; it is given back after the next commit. */
void blk_done(struct dm *dm, struct blk *s, unsigned tag, enum blk_status status);
/** blk_deliver - gives back what is done in queue @q, in a turn that begins with this. */
void blk_deliver(struct dm *dm, struct blk *s, unsigned q);
/** blk_feed - queues that found the table full look again. */
void blk_feed(struct dm *dm, struct blk *s);
/** blk_adopt - after a crash: takes what was given back already out of the table. */
void blk_adopt(struct dm *dm, struct blk *s, unsigned q);
bool blk_check(struct dm *dm, const void *state);

/* request.c: functions of struct virtio_model and dm_class. */
bool blk_queue(struct dm *dm, void *state, unsigned q, unsigned budget);
void blk_disk_done(struct dm *dm, void *state, unsigned disk, uint32_t tag, int result);
void blk_quiesce(struct dm *dm, void *state, int q);
/** blk_recover - the requests of a daemon that died: gives back the finished ones, and does the others again. */
void blk_recover(struct dm *dm, struct blk *s);
