/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Frames on their way into a stream socket: each with its length in front, 4 bytes, big-endian.
 *
 * Theory of operation. A daemon can be killed at any instruction, and its successor goes on with the same socket. If half a
 * frame had been written by then, the other end would take the head of the next one for its rest. So what one system call is
 * given ends with a frame, and is only begun where all of it will fit: Linux takes a write into a Unix socket in pieces of about
 * 36 KiB (net/unix/af_unix.c), each as long as the memory in use is below the send buffer's size. What is in use is asked
 * for (SIOCOUTQ) when our own, pessimistic count says that it might be too much. Where a host takes a part all the
 * same, the rest is kept and goes first.
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
	size_t limit,
		used; /* of the socket's send buffer: its size (0: too small to be careful with), at most in use */
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

/** txbuf_socket - frames go to socket @fd from now on. */
void txbuf_socket(struct txbuf *t, int fd);
/** txbuf_fits - will socket @fd take @len bytes whole? Counts them as written. */
bool txbuf_fits(struct txbuf *t, int fd, size_t len);
/** txbuf_flush - writes what waits. 0: all is gone; -EAGAIN: the socket is full; else the socket's error. */
int txbuf_flush(struct txbuf *t, int fd);
/** txbuf_clear - throws away what waits. */
void txbuf_clear(struct txbuf *t);
