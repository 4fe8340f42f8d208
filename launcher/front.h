/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The foreground: standard input and output of `outrigger run`.
 *
 * Theory of operation. Our standard streams are shared with the user's shell, so they are never
 * made non-blocking. Output is written by libuv's thread pool, one write at a time; input is polled
 * through an epoll instance of our own, since uv_poll would set O_NONBLOCK; a file or /dev/null,
 * which cannot be polled, is read when there is room.
 */
#include <stdbool.h>
#include <uv.h>
#include "launcher/console.h"
#include "launcher/term.h"

/** front_key_fn - an escape was typed. */
typedef void (*front_key_fn)(void *arg, enum term_key key);
/** front_gone_fn - standard output cannot be written any more; @error: a negative errno. */
typedef void (*front_gone_fn)(void *arg, int error);

enum { FRONT_OUT_QUEUE = 64 * 1024, FRONT_TTY_INPUT = 1024 * 1024 };

/** struct front - loop thread. */
struct front {
	uv_loop_t *loop;
	struct console *console; /* NULL: no console is shown */
	struct queue out;
	uv_fs_t write;
	char *chunk;
	bool writing, gone;
	char last; /* byte that was put out last */
	int epoll_fd;
	uv_poll_t in_poll;
	bool in_open, in_polled, in_polling, tty;
	struct queue typed; /* from a terminal, for the device, beyond the console's own queue */
	struct term_escape escape;
	front_key_fn on_key;
	front_gone_fn on_gone;
	void *arg;
};

/** front_start - takes standard input (if @input) and output; a terminal becomes raw. */
void front_start(struct front *f, uv_loop_t *loop, struct console *c, bool input,
		 front_key_fn on_key, front_gone_fn on_gone, void *arg);

/** front_room - bytes of output that can be taken now. */
size_t front_room(const struct front *f);

/** front_put - output, at most front_room() bytes. */
void front_put(struct front *f, const char *p, size_t n);

/** front_update - reads input again if the console has room. */
void front_update(struct front *f);

/** front_idle - true if all output was written. */
bool front_idle(const struct front *f);

/** front_size - the terminal's size as "COLSxROWS"; false: there is no terminal, or it does not know. */
bool front_size(const struct front *f, char *buf, size_t max);

/** front_line_begin - what brings the terminal to the start of a line before a message of ours: "",
 * "\r" or
 * "\r\n". */
const char *front_line_begin(const struct front *f);

/** front_stop - restores the terminal; what is still unwritten is dropped. A zeroed one is allowed.
 */
void front_stop(struct front *f);
