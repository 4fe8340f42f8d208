/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The environment of a unit test: a model over a script. The clock stands still until the test moves it, host output piles
 * up until it is taken, and after each call the arena is what a commit would make of it.
 */
#include "devmodel/core/core.h"

/** struct dm_test - one model under test. */
struct dm_test {
	struct dm *dm;
	void *arena;
	uint64_t now_ns, real_ns;
	char log[512]; /* the line logged last */
	unsigned logs;
};

/** dmt_create - a model with @options ("name", "value", ..., NULL; NULL: none), reset. Aborts on a bad class. */
struct dm_test *dmt_create(const struct dm_class *cls, const char *const *options);
void dmt_destroy(struct dm_test *t);

/** dmt_read / dmt_write - a guest access of @width bytes to region 0. */
uint64_t dmt_read(struct dm_test *t, uint32_t offset, unsigned width);
void dmt_write(struct dm_test *t, uint32_t offset, unsigned width, uint64_t value);
/** dmt_r32 / dmt_w32 - the usual ones. */
static inline uint32_t dmt_r32(struct dm_test *t, uint32_t offset)
{
	return (uint32_t)dmt_read(t, offset, 4);
}
static inline void dmt_w32(struct dm_test *t, uint32_t offset, uint32_t value)
{
	dmt_write(t, offset, 4, value);
}

/** dmt_reset - the VM resets. */
void dmt_reset(struct dm_test *t);
/** dmt_line - the level of an interrupt line. */
bool dmt_line(const struct dm_test *t, unsigned line);
/** dmt_advance - moves both clocks on by @ns, running timers at their times. */
void dmt_advance(struct dm_test *t, uint64_t ns);
/** dmt_input - offers @s to channel 0; returns how many bytes the model had room for. */
size_t dmt_input(struct dm_test *t, const char *s);
/** dmt_output - takes up to @max - 1 bytes that are queued on channel 0 into @buf, NUL-terminated. */
size_t dmt_output(struct dm_test *t, char *buf, size_t max);
