/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Theory of operation. A console joins one device's byte stream (our end of a socket pair) with:
 * the foreground terminal (at most one console has it), a log file of bounded size, and the clients
 * of `outrigger console` over a unix socket. To the foreground nothing is lost: while its queue is
 * full the device's end is not read, and the device tells the guest by its own flags. Without room
 * at a client, that client loses the oldest bytes and is told how many: a slow client never holds
 * the guest up. What is typed goes into one queue to the device; while that is full, its sources
 * are not read. All on the supervisor's loop.
 *
 * The log is also the record of what was taken from the device: bytes go by splice(2) from its stream into a pipe and from
 * there into the log, and only then to anybody else. hv keeps the stream and the pipe as well, so a supervisor that is killed
 * between any two system calls has lost none and taken none twice: the next one goes on with the pipe.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <uv.h>
#include "base/err.h"
#include "launcher/queue.h"

enum {
	CONSOLE_CLIENTS = 8,		   /* at the same time */
	CONSOLE_SCROLLBACK = 64 * 1024,	   /* given to a new client */
	CONSOLE_CLIENT_QUEUE = 256 * 1024, /* what a client may lag behind */
	CONSOLE_INPUT_QUEUE = 64 * 1024,
	CONSOLE_LOG_BYTES = 1024 * 1024, /* then the older half is dropped */
};

struct console;
struct front;

/** struct console_client - one `outrigger console`. */
struct console_client {
	struct console *console;
	uv_poll_t poll;
	int fd;
	bool used, closing;
	struct queue out;
	size_t dropped;
};

/** struct console - see above. Loop thread. */
struct console {
	char *device;
	int fd;
	int pipe[2];  /* between stream and log: reading end, writing end */
	size_t piped; /* bytes in it */
	bool leaving; /* its device is joined to something else: to be read to the end */
	bool open;    /* the device's end can still be read */
	uv_poll_t poll;
	struct queue in; /* to the device */
	struct queue back;
	char *log_path;
	int log_fd;
	size_t log_bytes;
	int listen_fd;
	uv_poll_t listen_poll;
	struct console_client clients[CONSOLE_CLIENTS];
	struct front *front; /* NULL: not at the terminal */
};

#define CONSOLE_FDS 3 /* what has to be kept of a console: its stream and the pipe */

/** console_fds - a copy of them in @ret, borrowed; for hv to keep. */
void console_fds(const struct console *c, int ret[CONSOLE_FDS]);

/** console_start - begins to serve: takes @fds (all are -1 afterwards), makes the log at @log_path and listens at
 * @socket_path. @fds[1] < 0: it is new, and a pipe is made; else another supervisor had it, its log goes on, and its end is
 * shown to those who come. 0 or -Exxx; then console_stop() cleans up. */
int console_start(struct console *c, uv_loop_t *loop, const char *device, int fds[CONSOLE_FDS],
		  const char *log_path, const char *socket_path, struct err *err);

/** console_attach - shows it in the foreground from now on; with @back, what came before as well. @f is borrowed. */
void console_attach(struct console *c, struct front *f, bool back);

/** console_type - queues what was typed for the device; returns how many of @n bytes had room. */
size_t console_type(struct console *c, const char *p, size_t n);

/** console_update - brings what is polled in line with the room in the queues. */
void console_update(struct console *c);

/** console_drain - reads what the device still left, after its daemon is gone, as far as the
 * foreground has room. true: nothing is left. */
bool console_drain(struct console *c);

/** console_stop - closes all; the uv handles are closed by the loop's end. A zeroed one is allowed.
 */
void console_stop(struct console *c);
