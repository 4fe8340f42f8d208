/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the files of the replayer know of each other: replay.c (records and steps), replay_step.c (stimuli), replay_out.c
 * (outputs), replay_start.c (beginnings), replay_env.c (clocks,
 * random numbers, disks, links), replay_queue.c (queues), replay_text.c (words).
 */
#include "devmodel/core/hash.h"
#include "devmodel/core/host.h"
#include "devmodel/core/queue_ops.h"
#include "devmodel/core/replay.h"
#include "vring/vring.h"

#define REPLAY_PENDING_BYTES (64u << 20) /* nested records of one step */
#define REPLAY_PENDING 65536u
#define REPLAY_OUTPUTS 4096u
#define REPLAY_HASHED (64u << 20) /* chains whose bytes are compared have at most so many */
#define REPLAY_WINDOW_MAX (1ull << 40)

/** struct rp_record - a nested record. */
struct rp_record {
	struct port_entry e;
	uint8_t *payload;
	uint32_t len;
	bool used;
	uint64_t index;
};

/** struct rp_output - what the model did at this commit. */
struct rp_output {
	struct port_entry e;
	uint8_t *payload;
	uint32_t len;
};

/** struct rp_chain - a chain that the model has, or the buffers of a disk's request (@queue UINT_MAX, @id its tag). */
struct rp_chain {
	struct rp_chain *next;
	unsigned queue, id, nseg;
	bool unknown; /* what is in its memory is not in the trace */
	struct trace_seg seg[];
};

struct replay {
	const struct dm_class *cls;
	struct dm *dm;
	void *arena;
	struct vring_mem mem;
	const struct dm_setting *override;
	size_t noverride;
	bool bytes, shadows, running;
	bool loading; /* a start is taken: what the model does is not compared */
	bool dark; /* since the last commit a chain or frame was seen that is not wholly in the trace */
	bool committed; /* its outputs are being compared */
	bool was_dark;	/* one since the START did */
	bool differs;
	struct replay_diverged diff;
	struct replay_stats stats;
	struct rp_record *nested;
	unsigned nnested, next; /* @next: of the actions */
	size_t nested_bytes;
	struct port_entry stimulus;
	uint64_t stimulus_index;
	struct rp_output out[REPLAY_OUTPUTS];
	unsigned nout, outdone;
	uint32_t levels, edges[DM_MAX_LINES], tail[DM_MAX_CHANNELS];
	struct rp_chain *chains;
	uint64_t last_clock[2];
	struct dm_disk_info disk;
	struct dm_link_info link;
	uint8_t *frame; /* DM_FRAME_MAX */
	struct err bad; /* a nested record that makes no sense */
	bool is_bad;
};

/** rp_differ - notes a difference at record @index, unless there is one already. */
void rp_differ(struct replay *r, const char *kind, uint64_t index, const struct port_entry *e,
	       const uint8_t *payload, const char *expected, const char *got);
/** rp_bad - nested record @q makes no sense. */
void rp_bad(struct replay *r, const struct rp_record *q, const char *why);

/** rp_question - the answer to a question: the next unused record of @op, @range, @aux in this step; NULL: there is none. */
struct rp_record *rp_question(struct replay *r, unsigned op, unsigned range, unsigned aux);
/** rp_action - the next action, which must be @op, @range, @aux and have @min bytes of payload at least; NULL: it is not, and that
 * is noted, with @what the model does. */
struct rp_record *rp_action(struct replay *r, unsigned op, unsigned range, unsigned aux,
			    uint32_t min, const char *what);
/** rp_same - compares a number of an action. @what: its name. Mixes it into the hash. */
void rp_same(struct replay *r, const struct rp_record *q, const char *what, uint64_t expected,
	     uint64_t got);
/** rp_mix - @v belongs to what the model did. */
void rp_mix(struct replay *r, uint64_t v);
/** rp_at - @bytes of guest memory at @gpa; NULL: not granted. */
uint8_t *rp_at(const struct replay *r, uint64_t gpa, uint64_t bytes);

struct rp_chain *rp_chain_add(struct replay *r, unsigned queue, unsigned id, unsigned nseg,
			      const struct trace_seg *seg);
struct rp_chain *rp_chain_take(struct replay *r, unsigned queue, unsigned id);
void rp_chains_drop(struct replay *r, unsigned queue, bool all);
/** rp_mark_unknown - chains that hold any of @seg[@n]: a disk wrote there what the trace does not have. */
void rp_mark_unknown(struct replay *r, const struct trace_seg *seg, unsigned n);

/** rp_output_add - another thing that became visible. rp_collect - the commit: all that did. */
struct rp_output *rp_output_add(struct replay *r, unsigned op, unsigned range);
void rp_collect(struct replay *r);
bool rp_is_output(uint8_t op);
/** rp_output_compare - output record @e says what came out: the model's next one is to be the same. */
void rp_output_compare(struct replay *r, const struct port_entry *e, const uint8_t *payload,
		       uint64_t index);
/** rp_outputs_end - no more of this commit; unless it is @cut off, the model has no more either. rp_outputs_drop - forgets them. */
void rp_outputs_end(struct replay *r, bool cut);
void rp_outputs_drop(struct replay *r);

/** rp_stimulus - runs the model. False: the record makes no sense (@err). */
bool rp_stimulus(struct replay *r, const struct port_entry *e, const uint8_t *payload,
		 uint64_t index, struct err *err);

/** rp_start - a TRACE_START: compares the model's state with it, and makes the model anew. 0, 1: differs, -EPROTO. */
int rp_start(struct replay *r, const struct port_entry *e, const uint8_t *payload, uint64_t index,
	     struct err *err);
/** rp_stop - frees the model and its memory. */
void rp_stop(struct replay *r);

/** rp_call - TRACE_HOST_CALL. false: it makes no sense (@err). */
bool rp_call(struct replay *r, const struct port_entry *e, const uint8_t *payload, uint32_t len,
	     struct err *err);

extern const struct dm_env replay_env;
extern const struct dm_io_ops replay_io;
extern const struct dm_queue_ops replay_queue_ops;
int replay_dma(struct dm *dm, bool write, uint64_t gpa, void *buf, size_t len);
void replay_disk_info(struct dm_disk_info *to, const struct trace_disk_info *from);
void replay_link_info(struct dm_link_info *to, const struct trace_link_info *from);
