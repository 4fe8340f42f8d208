/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A host channel of a device: the descriptor behind an option of type chardev.
 *
 * Theory of operation. Nothing is buffered here. Output waits in the arena's out-queue until write(2) takes it;
 * input is read only as far as the model has room. Descriptors are watched edge-triggered, so a channel that
 * is full, empty or dead costs nothing, and the flags below remember what the last edge said.
 *
 * Who is behind the descriptor decides what happens to output that nobody takes:
 *   a reader that is slow: it waits; the model shows its own back-pressure. Nothing is lost.
 *   nobody yet or any more, but somebody may come (listen, pty): the newest CHARDEV_KEEP bytes are kept.
 *   the peer is gone for good (stream, write), or there is none (null): it is dropped.
 */
#include "devmodel/core/server.h"

#define CHARDEV_KEEP 2048u /* output kept for a reader that may come */

enum chardev_kind { CHARDEV_NULL, CHARDEV_STREAM, CHARDEV_PTY, CHARDEV_LISTEN, CHARDEV_WRITE };

/** struct chardev - one channel. One thread. */
struct chardev {
	enum chardev_kind kind;
	unsigned channel;
	int epfd;      /* borrowed */
	int fd;	       /* owned: the peer; listen: the client, -1: none */
	int listen_fd; /* owned: listen only */
	bool readable, writable;
	bool input_ended; /* stream: the peer will send no more */
	bool always;	  /* not pollable (a regular file): always ready */
	struct server *srv;
};

/** chardev_kind_parse - "stream", "pty", "listen", "write", "null". -EINVAL: none of them. */
int chardev_kind_parse(const char *s, enum chardev_kind *ret);

/** chardev_open - takes *@fd (-1 for null) and watches it on @epfd with @tag as the event's data.
 * 0 or -Exxx. */
int chardev_open(struct chardev *c, enum chardev_kind kind, unsigned channel, int *fd,
		 struct server *srv, int epfd, uint64_t tag);

/** chardev_event - an epoll event @events came for this channel. */
void chardev_event(struct chardev *c, uint32_t events, uint64_t tag);

/** chardev_run - moves what can be moved, both ways, committing each step. True if it moved anything. */
bool chardev_run(struct chardev *c, uint64_t tag);

/** chardev_wants_poll - somebody may take the output later without an event telling: look again in a second. */
bool chardev_wants_poll(const struct chardev *c);

/** chardev_close - closes the descriptors. */
void chardev_close(struct chardev *c);
