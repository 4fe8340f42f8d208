/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The state segment: a device's committed state, owned by hv, surviving the daemon.
 *
 * Two copies of the arena. A request runs on the working copy (index ^ 1); commit writes one 64-bit word
 * {head << 1 | index} that says at once which copy is good and up to which ring entry it goes.
 * A daemon that is killed at any instruction leaves a consistent pair behind.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#define STATE_MAGIC 0x53525441u /* "ATRS" */
#define STATE_VERSION 1u

/** struct state_reply - the last answer given by a committed copy, to publish again after a crash. */
struct state_reply {
	uint64_t seq; /* 0: none */
	uint64_t data;
	uint32_t status;
	uint32_t vcpu;
};

/** struct state_segment - head of the memfd; copies follow at STATE_COPY_OFFSET + i * copy_bytes. */
struct state_segment {
	uint32_t magic; /* 0 until the first daemon has made its pristine state */
	uint32_t version;
	char model[32];
	uint32_t model_version;
	uint32_t arena_bytes;	 /* of one copy, as the model declares it */
	uint32_t copy_bytes;	 /* arena_bytes rounded up to 64, plus sizeof(struct state_reply) */
	uint32_t build_id;	 /* of the daemon's binary: only the same build maps it as it is */
	_Atomic uint64_t commit; /* ring head << 1 | index of the good copy */
	uint64_t guest_errors;
};
#define STATE_COPY_OFFSET 128u
static_assert(sizeof(struct state_segment) <= STATE_COPY_OFFSET, "layout");
