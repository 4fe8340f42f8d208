/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The disk back-end, between its own files only.
 *
 * Theory of operation. The daemon's thread alone owns struct disk. A request is queued by disk_submit() while the model
 * runs and started by disk_run() once the model's state is committed, so the host never does what a crash would
 * make undone. Three ways lead to the file:
 *
 *   inline   buffered writes, and with aio=threads reads that the page cache can answer (RWF_NOWAIT). A copy into
 *            the page cache takes microseconds, a hand-over to another thread takes tens of them. A write that
 *            takes long (dirty throttling) closes this way for a while.
 *   io_uring reads, and writes that bypass the page cache: all of a turn in one system call. What the page cache
 *            has is done when the call returns.
 *   pool     threads, for what blocks or io_uring does badly: flush, discard, zeroes, writes that must be stable,
 *            buffers that O_DIRECT does not take, and what the kernel could not do asynchronously. All of it with
 *            aio=threads.
 *
 * A request belongs to one of them at a time; a short transfer is continued where it stopped.
 */
#include <pthread.h>
#include <stdatomic.h>
#include "devmodel/core/host.h"

/* ---- the file (file.c, file_io.c): any thread ------------------------------------------------------- */

/** struct disk_file - an image or a block device. Fixed after disk_file_open() but for the atomics. */
struct disk_file {
	int fd;	      /* owned */
	int buffered; /* owned: the same file without O_DIRECT; -1: none */
	bool is_block, direct, readonly;
	uint32_t logical, physical; /* bytes of a block */
	uint32_t dio_offset,
		dio_mem; /* what O_DIRECT wants offsets, lengths and buffers to be multiples of */
	_Atomic bool no_punch, no_zero_range; /* the file system said so */
};

/** struct disk_req - one request; its place in the table is its tag. */
struct disk_req {
	struct disk_req *next;
	uint64_t offset, bytes;
	uint64_t done; /* bytes of READ and WRITE that were moved */
	uint64_t start_ns;
	struct iovec *iov; /* what is left of it, from @first on */
	unsigned niov, first, cap;
	uint32_t tag;
	enum dm_disk_op op;
	bool busy, unmap;
	bool stable;  /* WRITE: must be on the medium when done */
	bool dropped; /* nobody waits for the result any more */
	int result;
	struct iovec few[4];
};

/** disk_file_open - takes *@fd, and *@buffered (may be -1), and finds out what they are. 0 or -Exxx with @err. */
int disk_file_open(struct disk_file *f, int *fd, int *buffered, struct err *err);
void disk_file_close(struct disk_file *f);
/** disk_file_bytes - the size now, or -Exxx. No ioctl: works behind the system call filter. */
int64_t disk_file_bytes(const struct disk_file *f);
/** disk_file_resize - sets the size of a regular file. 0 or -Exxx; -ENOTSUP: a block device. */
int disk_file_resize(struct disk_file *f, uint64_t bytes);

/** disk_req_advance - @n more bytes were moved. */
void disk_req_advance(struct disk_req *r, size_t n);
/** disk_req_aligned - may O_DIRECT be used as it is? */
bool disk_req_aligned(const struct disk_file *f, const struct disk_req *r);
/** disk_file_do - performs what is left of @r and sets r->result. Blocks. */
void disk_file_do(struct disk_file *f, struct disk_req *r);
/** disk_file_try_read - reads what the page cache has. True: @r is done. Does not block. */
bool disk_file_try_read(struct disk_file *f, struct disk_req *r);

/* ---- threads (pool.c) --------------------------------------------------------------------------------- */

/** struct disk_list - requests in order. */
struct disk_list {
	struct disk_req *head, **tail;
};
void disk_list_init(struct disk_list *l);
void disk_list_add(struct disk_list *l, struct disk_req *r);
struct disk_req *disk_list_take(struct disk_list *l);

#define POOL_THREADS 8u

/** struct disk_pool - threads that perform requests. */
struct disk_pool {
	struct disk_file *file; /* borrowed */
	pthread_t thread[POOL_THREADS];
	unsigned threads;
	int event_fd; /* owned: readable after something was done */
	pthread_mutex_t lock;
	pthread_cond_t work, idle;
	/* below: under @lock */
	struct disk_list todo, done;
	unsigned waiting, running; /* threads that sleep; requests that threads perform now */
	bool stop;
	_Atomic bool any_done; /* hint: @done is not empty */
};
int disk_pool_start(struct disk_pool *p, struct disk_file *file, unsigned threads, struct err *err);
void disk_pool_stop(struct disk_pool *p);
void disk_pool_add(struct disk_pool *p, struct disk_req *r);
/** disk_pool_take - one that is done, or NULL. */
struct disk_req *disk_pool_take(struct disk_pool *p);
/** disk_pool_drain - waits until nothing is waiting or running. What was not begun is given to @dropped. */
void disk_pool_drain(struct disk_pool *p, struct disk_list *dropped);

/* ---- io_uring (uring.c): the daemon's thread ------------------------------------------------------------ */

struct disk_uring;
/** disk_uring_open - NULL if it is not allowed or not there (@why, errno text). */
struct disk_uring *disk_uring_open(struct disk_file *file, int *ret_errno);
void disk_uring_close(struct disk_uring *u);
int disk_uring_fd(const struct disk_uring *u);
/** disk_uring_add - queues @r; disk_uring_flush() tells the kernel of all that were queued. False: there is no room. */
bool disk_uring_add(struct disk_uring *u, struct disk_req *r);
void disk_uring_flush(struct disk_uring *u);
/** disk_uring_queued - how many the kernel could not be told of yet. */
unsigned disk_uring_queued(const struct disk_uring *u);
/** disk_uring_take - one that has ended. *@ret_again: it is not finished, the pool must go on with it. NULL: none. */
struct disk_req *disk_uring_take(struct disk_uring *u, bool *ret_again);
/** disk_uring_wait - waits for one to end. Returns false if none is in flight. */
bool disk_uring_wait(struct disk_uring *u);
unsigned disk_uring_inflight(const struct disk_uring *u);
