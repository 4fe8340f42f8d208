/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The disk back-end over a real file, without a daemon: what the daemon's loop would do is done by rig_wait().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "devmodel/core/host.h"

#define RIG_BYTES (8u << 20)
#define PENDING INT32_MAX

struct rig {
	struct dm *dm;
	void *arena, *h;
	int epfd;
	int fd; /* the test's own view of the file */
	char path[64];
	const char *cache;
	bool direct;
	int result[DM_DISK_TAGS]; /* PENDING: not done */
	unsigned done, refused;	  /* refused: the disk_done that nobody may get */
	bool drained;
	char log[512];
	unsigned logs;
	struct err err;
};

/** struct rig_faults - what the wrapped calls do to the next callers. */
struct rig_faults {
	int fdatasync_errno; /* 0: none */
	unsigned fdatasync_calls;
	size_t move_max; /* preadv2 and pwritev2 move at most so much; 0: no limit */
	int move_errno;
	int last_flags; /* of the last pwritev2 */
	int fallocate_errno;
	unsigned fallocate_calls;
	int uring_errno;
};
extern struct rig_faults rig_faults;

/** rig_open - a file of RIG_BYTES random bytes (@dir: where; NULL: the temporary folder). @cache: "none" opens with O_DIRECT.
 * 0 or the back-end's error; -ENOTSUP: no O_DIRECT here, and 1: skipped. */
int rig_open(struct rig *r, const char *dir, const char *aio, const char *cache, bool readonly);
void rig_close(struct rig *r);
/** rig_begin, rig_use, rig_end - the parts of it: the file; the back-end over @path (aio=auto), as rig_open(); without it. */
void rig_begin(struct rig *r, const char *dir, const char *cache);
int rig_use(struct rig *r, const char *path);
void rig_end(struct rig *r);

/** rig_submit - starts a request of one buffer. rig_wait - runs until all that was submitted is done. */
void rig_submit(struct rig *r, enum dm_disk_op op, uint32_t tag, uint64_t offset, void *buf,
		size_t bytes);
void rig_wait(struct rig *r);
/** rig_do - both; the result. */
int rig_do(struct rig *r, enum dm_disk_op op, uint64_t offset, void *buf, size_t bytes);
/** rig_alloc - page-aligned memory that lives until the program ends. */
uint8_t *rig_alloc(size_t bytes);
void rig_fill(void *buf, size_t bytes, uint32_t seed);

/** faults_run, block_run - the tests of those files; how many failed. */
int faults_run(void);
int block_run(void);
