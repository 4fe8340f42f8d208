/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/queue.h"
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "launcher/text.h"

size_t queue_room(const struct queue *q)
{
	return q->limit > q->len ? q->limit - q->len : 0;
}

/* Makes @n more bytes of storage behind the last one. */
static void storage(struct queue *q, size_t n)
{
	if (q->start + q->len + n <= q->cap)
		return;
	if (q->start && (q->len + n) * 2 <= q->cap) {
		memmove(q->buf, q->buf + q->start, q->len);
		q->start = 0;
		return;
	}
	q->cap = (q->len + n) * 2 + 256;
	char *to = xalloc(q->cap, 1);
	if (q->len)
		memcpy(to, q->buf + q->start, q->len);
	free(q->buf);
	q->buf = to;
	q->start = 0;
}

size_t queue_put(struct queue *q, const char *p, size_t n)
{
	if (n > queue_room(q))
		n = queue_room(q);
	if (n == 0)
		return 0;
	storage(q, n);
	memcpy(q->buf + q->start + q->len, p, n);
	q->len += n;
	return n;
}

size_t queue_put_last(struct queue *q, const char *p, size_t n)
{
	size_t dropped = 0;
	if (n > q->limit) {
		dropped = n - q->limit;
		p += dropped;
		n = q->limit;
	}
	if (n > queue_room(q)) {
		size_t old = n - queue_room(q);
		queue_drop(q, old);
		dropped += old;
	}
	queue_put(q, p, n);
	return dropped;
}

const char *queue_head(const struct queue *q, size_t *ret_len)
{
	*ret_len = q->len;
	return q->buf + q->start;
}

void queue_drop(struct queue *q, size_t n)
{
	CHECK(n <= q->len);
	q->start += n;
	q->len -= n;
	if (q->len == 0)
		q->start = 0;
}

void queue_fini(struct queue *q)
{
	free(q->buf);
	*q = (struct queue){.limit = q->limit};
}
