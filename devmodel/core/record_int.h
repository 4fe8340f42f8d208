/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the files of the recorder know of each other: record.c (starts, stimuli, outputs), record_env.c (clocks, random numbers,
 * disks, links), record_queue.c (queues).
 */
#include "devmodel/core/host.h"
#include "devmodel/core/record.h"
#include "vring/vring.h"

#define RECORD_SHADOWS 256u /* values that one commit publishes; more are looked up again */
#define RECORD_STAGE 8u	    /* nested records without a payload */
#define RECORD_SEGS (VRING_SIZE_MAX * 2u)

/** struct record_seg - device-writable memory of a chain or of a disk's request. */
struct record_seg {
	uint8_t *at;
	size_t bytes;
};

/** struct record_mem - memory that a chain (@queue, @id) or a disk's request (@id its tag) has until it is given back. */
struct record_mem {
	struct record_mem *next;
	unsigned queue, id, n;
	struct record_seg seg[];
};

struct recorder {
	struct dm *dm;
	struct trace_area *area;
	struct trace_writer w;
	struct record_origin origin;
	const struct dm_env *env; /* below ours */
	void *ctx;
	const struct dm_io_ops *io;
	void *io_ctx;
	const struct dm_queue_ops *queue; /* below ours, as of the last call */
	void *queue_ctx;
	bool bytes; /* TRACE_WANT_BYTES */
	bool anew;  /* nothing was recorded before this start */
	const char *reason;
	uint32_t asked;
	unsigned nested; /* since the last stimulus */
	/* the last of them, not in the ring yet: the guest waits while the model asks, and no more when they are written */
	unsigned nstage;
	struct port_entry stage[RECORD_STAGE];
	/* time stamps: by the processor's counter since a pair of clocks that is taken anew now and then */
	bool ticks;
	uint64_t tick, tick_guest_ns;
	/* what was told last */
	uint32_t levels, edges[DM_MAX_LINES], tail[DM_MAX_CHANNELS];
	/* of this commit */
	uint32_t events[DM_MAX_LINES];
	unsigned nshadow;
	struct port_entry shadow[RECORD_SHADOWS];
	struct record_mem *chains, *requests;
	struct trace_seg segs[RECORD_SEGS];
	struct iovec iov[RECORD_SEGS + 4];
};

/** record_nested - a nested record: @payload in @n pieces. */
void record_nested(struct recorder *r, const struct port_entry *e, const struct iovec *iov,
		   unsigned n);
/** record_gpa - the guest address of @p, which lies in a granted window; UINT64_MAX: in none. */
uint64_t record_gpa(const struct dm *dm, const void *p);
/** record_pieces - appends to @to (room @max) the first @bytes of @iov[@n]. Returns the pieces used. */
unsigned record_pieces(struct iovec *to, unsigned max, const struct iovec *iov, unsigned n,
		       uint64_t bytes);
/** record_known - how many of @bytes are written down. */
uint32_t record_known(const struct recorder *r, uint64_t bytes);

/** record_mem_add / _take - remembers memory; finds it and takes it off the list. add: NULL without memory for it. */
struct record_mem *record_mem_add(struct record_mem **list, unsigned queue, unsigned id,
				  const struct iovec *iov, unsigned n);
struct record_mem *record_mem_take(struct record_mem **list, unsigned queue, unsigned id);
/** record_mem_drop - forgets what @queue has; UINT_MAX: everything. */
void record_mem_drop(struct record_mem **list, unsigned queue);

/** record_interpose / _withdraw - env, io and dma_tap of the model are ours, or the old ones again. */
void record_interpose(struct recorder *r);
void record_withdraw(struct recorder *r);
extern const struct dm_queue_ops record_queue_ops;

/** trace_disk_info_put and so on: the models' structs as the trace has them. */
void record_disk_info(struct trace_disk_info *to, const struct dm_disk_info *from);
void record_link_info(struct trace_link_info *to, const struct dm_link_info *from);
