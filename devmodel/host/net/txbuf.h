/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Frames on their way into a stream socket: each with its length in front, 4 bytes, big-endian.
 *
 * Theory of operation. A daemon can be killed at any instruction, and its successor goes on with the same socket. If half a frame had
 * been written by then, the other end would take the head of the next one for its rest. So what one sendmsg() is
 * given ends with a frame and is at most TX_CHUNK bytes long: Linux takes so much into a Unix socket wholly or
 * not at all (it becomes one buffer: net/unix/af_unix.c allocates up to 80 KiB at once, and half the send buffer). Where a
 * host does take a part, the rest is kept and goes first.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define TX_PREFIX 4u
#define TX_CHUNK (TX_PREFIX + 65550u)
#define TX_BYTES (512u << 10) /* room; touched only as far as it is used */

/** struct txbuf - bytes [head, tail) wait; the first @part of them are the rest of a frame. */
struct txbuf {
	uint8_t *buf;
	size_t head, tail, part;
};

/** txbuf_init - 0, -ENOMEM. txbuf_fini takes a zeroed one. */
int txbuf_init(struct txbuf *t);
void txbuf_fini(struct txbuf *t);

/** txbuf_room - bytes that can be added, prefixes included. */
size_t txbuf_room(const struct txbuf *t);
/** txbuf_next - where the next frame of at most @max bytes goes; the caller has seen that there is room. */
uint8_t *txbuf_next(struct txbuf *t);
/** txbuf_add - the frame at txbuf_next() is complete, @len bytes. */
void txbuf_add(struct txbuf *t, size_t len);
/** txbuf_keep - the last @left bytes of a frame (in @iov from byte @skip on) that the socket took only a part of. */
void txbuf_keep(struct txbuf *t, const struct iovec *iov, unsigned n, size_t skip);

/** txbuf_flush - writes what waits. 0: all is gone; -EAGAIN: the socket is full; else the socket's error. */
int txbuf_flush(struct txbuf *t, int fd);
/** txbuf_clear - throws away what waits. */
void txbuf_clear(struct txbuf *t);
