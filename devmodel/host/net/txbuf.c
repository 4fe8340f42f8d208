/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/host/net/txbuf.h"
#include <errno.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define SLACK (16u << 10)
#define OVERHEAD 4096u

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

void txbuf_socket(struct txbuf *t, int fd)
{
	int size = 0;
	socklen_t len = sizeof(size);
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len) < 0)
		size = 0;
	/* It wakes us when a quarter is in use: then the largest chunk must fit. */
	t->limit = (size_t)size >= 2 * (TX_CHUNK + SLACK) ? (size_t)size : 0;
	t->used = t->limit;
}

bool txbuf_fits(struct txbuf *t, int fd, size_t len)
{
	int used = 0;
	if (!t->limit)
		return true;
	if (t->used + len + SLACK > t->limit) {
		if (ioctl(fd, SIOCOUTQ, &used) < 0)
			return true;
		t->used = (size_t)used;
	}
	if (t->used + len + SLACK > t->limit)
		return false;
	t->used += 2 * len + OVERHEAD; /* it counts whole pages, and its own structures */
	return true;
}

int txbuf_flush(struct txbuf *t, int fd)
{
	while (t->head < t->tail) {
		size_t n = chunk(t);
		if (!txbuf_fits(t, fd, n))
			return -EAGAIN;
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
