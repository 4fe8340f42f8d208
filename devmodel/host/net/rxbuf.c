/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Received bytes of a stream, and where the frames in them begin.
 *
 * Theory of operation. Large reads, many frames each; frames are used where they lie. A daemon that takes over from one
 * that was killed may find itself in the middle of a frame: then, and when a length makes no sense, it looks for bytes that
 * are a length and the head of an IP or ARP packet of just that length, with a right IPv4 header checksum, and goes on
 * from there. A peer that sends a megabyte of nonsense is given up.
 */
#include "devmodel/host/net/stream.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "devmodel/host/net/frame.h"

int rxbuf_init(struct rxbuf *r)
{
	void *p = mmap(NULL, RX_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	*r = (struct rxbuf){.buf = p};
	rxbuf_clear(r, false);
	return 0;
}

void rxbuf_fini(struct rxbuf *r)
{
	if (r->buf)
		munmap(r->buf, RX_BYTES);
	*r = (struct rxbuf){0};
}

void rxbuf_clear(struct rxbuf *r, bool fresh)
{
	r->head = r->tail = RX_HEADROOM;
	r->len = 0;
	r->dressed = false;
	r->lost = !fresh;
	r->starved = true;
	r->searched = 0;
}

static size_t prefix(const uint8_t *p)
{
	return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

/* Moves the head to what looks like a frame. 1: found, 0: more bytes are needed, -EPROTO. */
static int search(struct rxbuf *r)
{
	while (r->searched < RX_LOST_MAX) {
		int found = frame_plausible(r->buf + r->head, r->tail - r->head);
		if (found < 0)
			return 0;
		if (found) {
			r->lost = false;
			r->searched = 0;
			return 1;
		}
		r->head++;
		r->searched++;
	}
	return -EPROTO;
}

static int have(struct rxbuf *r)
{
	while (!r->len) {
		if (r->lost) {
			int rc = search(r);
			if (rc <= 0)
				return rc;
		}
		if (r->tail - r->head < RX_PREFIX)
			return 0;
		r->len = prefix(r->buf + r->head);
		if (r->len < ETH_HDR || r->len > ETH_FRAME_MAX) {
			r->len = 0;
			r->lost = true;
		}
	}
	return r->tail - r->head >= RX_PREFIX + r->len;
}

int rxbuf_have(struct rxbuf *r)
{
	int rc = have(r);
	r->starved = rc == 0;
	return rc;
}

ssize_t rxbuf_fill(struct rxbuf *r, int fd)
{
	if (r->head == r->tail) {
		r->head = r->tail = RX_HEADROOM;
	} else if (RX_BYTES - r->head < RX_PREFIX + ETH_FRAME_MAX || r->tail == RX_BYTES) {
		memmove(r->buf + RX_HEADROOM, r->buf + r->head, r->tail - r->head);
		r->tail = RX_HEADROOM + (r->tail - r->head);
		r->head = RX_HEADROOM;
	}
	ssize_t n;
	do
		n = recv(fd, r->buf + r->tail, RX_BYTES - r->tail, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		r->tail += (size_t)n;
		r->starved = false;
	}
	return n < 0 ? -errno : n;
}

void rxbuf_skip(struct rxbuf *r)
{
	r->head += RX_PREFIX + r->len;
	r->len = 0;
	r->dressed = false;
	r->starved = r->head == r->tail;
}
