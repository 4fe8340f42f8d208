/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/host/net/txbuf.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

int txbuf_init(struct txbuf *t)
{
	void *p = mmap(NULL, TX_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	*t = (struct txbuf){.buf = p};
	return 0;
}

void txbuf_fini(struct txbuf *t)
{
	if (t->buf)
		munmap(t->buf, TX_BYTES);
	*t = (struct txbuf){0};
}

size_t txbuf_room(const struct txbuf *t)
{
	return TX_BYTES - t->tail;
}

uint8_t *txbuf_next(struct txbuf *t)
{
	return t->buf + t->tail + TX_PREFIX;
}

void txbuf_add(struct txbuf *t, size_t len)
{
	uint8_t *p = t->buf + t->tail;
	p[0] = (uint8_t)(len >> 24);
	p[1] = (uint8_t)(len >> 16);
	p[2] = (uint8_t)(len >> 8);
	p[3] = (uint8_t)len;
	t->tail += TX_PREFIX + len;
}

void txbuf_keep(struct txbuf *t, const struct iovec *iov, unsigned n, size_t skip)
{
	for (unsigned i = 0; i < n; i++) {
		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		memcpy(t->buf + t->tail, (const uint8_t *)iov[i].iov_base + skip,
		       iov[i].iov_len - skip);
		t->tail += iov[i].iov_len - skip;
		t->part += iov[i].iov_len - skip;
		skip = 0;
	}
}

/* Bytes for one sendmsg: whole frames, at most TX_CHUNK together. */
static size_t chunk(const struct txbuf *t)
{
	size_t n = t->part;
	while (t->head + n < t->tail) {
		const uint8_t *p = t->buf + t->head + n;
		size_t len = TX_PREFIX +
			     ((size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]);
		if (n && n + len > TX_CHUNK)
			break;
		n += len;
	}
	return n;
}

/* @sent of the @n bytes of a chunk are gone: is the last frame cut in two? */
static void sent_part(struct txbuf *t, size_t n, size_t sent)
{
	size_t end = t->part; /* of the frame that byte @sent belongs to */
	while (end < sent) {
		const uint8_t *p = t->buf + t->head + end;
		end += TX_PREFIX +
		       ((size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]);
	}
	t->part = sent < n ? end - sent : 0;
}

int txbuf_flush(struct txbuf *t, int fd)
{
	while (t->head < t->tail) {
		size_t n = chunk(t);
		ssize_t sent = send(fd, t->buf + t->head, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -errno;
		sent_part(t, n, (size_t)sent);
		t->head += (size_t)sent;
	}
	t->head = t->tail = t->part = 0;
	return 0;
}

void txbuf_clear(struct txbuf *t)
{
	t->head = t->tail = t->part = 0;
}
