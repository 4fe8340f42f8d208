/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The environment of a unit test: a model over a script. The clock stands still until the test moves it, host output piles
 * up until it is taken, and after each call the arena is what a commit would make of it.
 */
#include "devmodel/core/core.h"
#include "proto/trace.h"
#include "vring/vring.h"

#define DMT_RAM_GPA 0x40000000ull
#define DMT_RAM_BYTES (4u << 20)
#define DMT_FRAMES 256u

/** struct dm_test_disk - the disk behind option 0 of type disk: memory. The test may change all of it. */
struct dm_test_disk {
	struct dm_disk_info
		info; /* .bytes 16 MiB, .block 512, discard and zero possible, writeback */
	uint8_t *data;
	int fail;      /* nonzero: what the next requests end with; not performed */
	bool hold;     /* requests wait for dmt_disk_complete() */
	unsigned held; /* of these: how many now */
	unsigned flushes, discards, zeroes, requests;
	uint32_t held_tag[DM_DISK_TAGS];
	struct dm_disk_io held_io[DM_DISK_TAGS];
};

/** struct dm_test_link - the network behind option 0 of type net: frames in lists. */
struct dm_test_link {
	struct dm_link_info info; /* up, one queue pair, no offloads */
	bool full;		  /* dm_link_send() says -EAGAIN */
	bool listening;
	unsigned nin, nout; /* frames that wait for the model; frames that it sent */
	struct {
		uint8_t *buf; /* with the 12-byte header */
		size_t len;
		unsigned queue;
	} in[DMT_FRAMES], out[DMT_FRAMES];
};

/** struct dm_test - one model under test. */
struct dm_test {
	struct dm *dm;
	void *arena;
	uint64_t now_ns, real_ns;
	char log[1024]; /* the line logged last */
	unsigned logs;
	uint8_t *ram; /* DMT_RAM_BYTES of guest memory at DMT_RAM_GPA */
	struct vring_mem mem;
	uint32_t pending[DM_MAX_LINES]; /* pending events, as the guest would read them */
	struct dm_test_disk disk;
	struct dm_test_link link;
	uint64_t counts[DM_COUNTS];
	void *committed; /* what a crash goes back to */
	uint64_t random;
	struct trace_area *area; /* dmt_record() */
	struct trace_reader reader;
	struct replay *replay; /* OUTRIGGER_DMT_REPLAY=records or bytes: all is replayed at once */
	uint64_t replayed;
	struct trace_file_writer *file; /* OUTRIGGER_DMT_SAVE=DIR, too */
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

/** dmt_ack - the guest clears pending events of @line. */
void dmt_ack(struct dm_test *t, unsigned line, uint32_t bits);
/** dmt_doorbell - rings doorbell @index; with dmt_work() until there is no work left. */
void dmt_doorbell(struct dm_test *t, unsigned index);
/** dmt_work - turns of left-over work, at most @max. Returns how many did something. */
unsigned dmt_work(struct dm_test *t, unsigned max);
/** dmt_disk_complete - ends the held request @i (of .held) with @result; performs it first if that is 0. */
void dmt_disk_complete(struct dm_test *t, unsigned i, int result);
/** dmt_link_frame - a frame (header of 12 zero bytes is put in front) arrives on @queue; calls link_ready. */
void dmt_link_frame(struct dm_test *t, unsigned queue, const void *frame, size_t len);
/** dmt_link_ready - tells the model to look at the link: room, up or down. */
void dmt_link_ready(struct dm_test *t);
/** dmt_control - sets a control; 0 or the model's error, with its text in t->log. */
int dmt_control(struct dm_test *t, const char *name, const char *value);
/** dmt_crash - the daemon dies with the last committed state; another one resumes from it. */
void dmt_crash(struct dm_test *t);
/** dmt_settle - carries out what the model left in its state: for tests that call the model by themselves. */
void dmt_settle(struct dm_test *t);
/** dmt_record - from now on all is recorded (enum trace_want; 0: no longer). */
void dmt_record(struct dm_test *t, uint32_t wanted);
/** dmt_trace - gives the records since the last call, *@ret_len bytes, less than a ring holds. To be freed. */
void *dmt_trace(struct dm_test *t, size_t *ret_len);
/** dmt_at - the test's pointer to guest memory at @gpa. */
void *dmt_at(struct dm_test *t, uint64_t gpa);
