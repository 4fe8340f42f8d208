/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The committed arena: the two copies in the state segment (proto/state.h) under a running model.
 *
 * The model always works on the copy that is not committed. arena_commit() makes it the good one with a single
 * 64-bit store and brings the other copy up to date, which then is the working one. A process that is killed
 * at any instruction leaves a good copy and the ring entry up to which it goes.
 */
#include "devmodel/core/core.h"
#include "proto/state.h"

/** struct arena - one thread. */
struct arena {
	struct dm *dm;
	struct state_segment *seg; /* borrows the mapping */
	uint8_t *copy[2];
	unsigned work; /* index of the working copy */
};

/** arena_segment_bytes - bytes that a state segment needs for arenas of @arena_bytes. */
size_t arena_segment_bytes(size_t arena_bytes);

/** arena_open - binds @dm to the segment at @map (@size bytes). *@ret_resumed: a state of this very build
 * (@build_id) was there and goes on; else it is made pristine, good up to ring entry @head.
 * 0, -EPROTO: the segment is too small. */
int arena_open(struct arena *a, struct dm *dm, void *map, size_t size, uint32_t build_id,
	       uint64_t head, bool *ret_resumed, struct err *err);

/** arena_reply_set - the answer that goes with the next commit. */
void arena_reply_set(struct arena *a, uint64_t seq, unsigned vcpu, uint32_t status, uint64_t data);

/** arena_reply - the answer that went with the last commit; seq 0: none. */
const struct state_reply *arena_reply(const struct arena *a);

/** arena_commit - the working copy is good, up to ring entry @head. */
void arena_commit(struct arena *a, uint64_t head);
/** arena_flip / arena_sync - its two halves: the store that commits, and a working copy for what comes next. */
void arena_flip(struct arena *a, uint64_t head);
void arena_sync(struct arena *a);

/** arena_discard - the working copy becomes what was committed last. */
void arena_discard(struct arena *a);

/** arena_head - the ring entry up to which the good copy goes. */
uint64_t arena_head(const struct arena *a);
