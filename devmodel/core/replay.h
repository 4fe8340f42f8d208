/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The replayer: feeds the records of a daemon's ring to a model and compares what the model does with what is written there.
 *
 * Theory of operation. The replayer is an environment like the daemon's, made of records. A TRACE_START gives the model's options,
 * state and guest memory windows. Nested records are kept until their stimulus comes; then the model runs, and each thing that
 * it asks for is answered by them, each thing that it does is compared with them. What became visible by the commit is compared with
 * the outputs that follow. Guest memory is an empty mapping of the windows in which the chains' bytes are put down at
 * their addresses, so what a model writes can be compared when it gives a chain back.
 *
 * Questions (clocks, what a disk is) are answered also when the model asks more or less often than it did when it was recorded;
 * everything that the guest or the host can notice must be the same, in the same order.
 *
 * Nothing in here knows a clock, chance or a thread: the same records give the same answers, and the same hash.
 *
 * Trust. Records come from files that anybody may have made: every length, address and index is checked.
 */
#include "devmodel/core/core.h"
#include "proto/trace.h"

/** struct replay_diverged - a difference. */
struct replay_diverged {
	uint64_t record; /* index of the record at which it showed */
	uint64_t step;	 /* index of the stimulus that was being replayed */
	const char *
		kind; /* answer, status, line, bytes, shadow, action, missing, extra, state: a literal */
	char where[160];    /* what the record is, for people */
	char expected[256]; /* what the record says */
	char got[256];	    /* and what the model did */
};

/** struct replay_stats - what was done so far. */
struct replay_stats {
	uint64_t records, steps, outputs; /* outputs that were compared */
	uint64_t unknown; /* that could not be compared: the trace does not have the bytes */
	uint64_t starts, gaps;
	uint64_t
		skipped; /* records before the first START, and after a difference until the next one */
	uint64_t diverged;
	uint64_t hash; /* of all that the model did */
};

struct replay;

/** replay_create - a replayer for @cls. Gives *@ret. 0, -ENOMEM. */
int replay_create(struct replay **ret, const struct dm_class *cls);
void replay_destroy(struct replay *r);

/** replay_override - options @set[@n] (borrowed, LIMIT_OPTIONS at most) instead of those in the trace. */
void replay_override(struct replay *r, const struct dm_setting *set, size_t n);

/** replay_feed - the next record, number @index, with its payload (trace_payload() bytes). 0: as it was; 1: here the model differs
 * (replay_difference()), and the records up to the next TRACE_START are skipped; -EPROTO: this is no record that a daemon
 * writes, or not for this model: @err says why; then as after a difference. */
int replay_feed(struct replay *r, const struct port_entry *e, const uint8_t *payload,
		uint64_t index, struct err *err);
/** replay_end - there are no more records. 0 or 1. */
int replay_end(struct replay *r);

/** replay_difference - the one found last. */
const struct replay_diverged *replay_difference(const struct replay *r);
const struct replay_stats *replay_stats(const struct replay *r);
/** replay_waits - true until the first START, and after a difference: a START is needed to go on. */
bool replay_waits(const struct replay *r);
/** replay_model - the model as it is now; NULL before the first START. Borrowed until the next record. */
struct dm *replay_model(struct replay *r);

/** replay_text - record @e in one line, with the names of @cls's registers. Returns @buf. */
const char *replay_text(const struct dm *dm, const struct port_entry *e, const uint8_t *payload,
			char *buf, size_t max);
/** replay_value_text - @value of the register that @e is about, with its fields. @dm may be NULL. */
const char *replay_value_text(const struct dm *dm, const struct port_entry *e, uint64_t value,
			      char *buf, size_t max);

/** replay_main - outrigger-dm-X --replay: @argv[0] is the word after it. The exit code. */
int replay_main(const struct dm_class *cls, int argc, char **argv);
