/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A byte queue with a limit: FIFO of contiguous bytes. One thread. */
#include <stddef.h>

/** struct queue - zero-initialise, set @limit. */
struct queue {
	char *buf;
	size_t start, len, cap, limit;
};

/** queue_room - bytes that can still be put. */
size_t queue_room(const struct queue *q);

/** queue_put - appends up to @n bytes; returns how many had room. */
size_t queue_put(struct queue *q, const char *p, size_t n);

/** queue_put_last - appends all @n bytes; over the limit the oldest go. Returns how many bytes were
 * dropped. */
size_t queue_put_last(struct queue *q, const char *p, size_t n);

/** queue_head - the bytes at the front; *@ret_len how many. Borrowed until the next put. */
const char *queue_head(const struct queue *q, size_t *ret_len);

/** queue_drop - removes @n bytes from the front. */
void queue_drop(struct queue *q, size_t n);
void queue_fini(struct queue *q);
