/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/front.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "base/fd.h"
#include "launcher/text.h"

enum { CHUNK = 16 * 1024 };

/* ---- output ---------------------------------------------------------------------------------- */

static void write_next(struct front *f);

static void write_done(uv_fs_t *req)
{
	struct front *f = req->data;
	ssize_t n = req->result;
	uv_fs_req_cleanup(req);
	f->writing = false;
	if (n == UV_EINTR || n == UV_EAGAIN)
		n = 0; /* EAGAIN: someone else made the terminal non-blocking; the pool's thread
			  tries again */
	if (n < 0) {
		f->gone = true;
		queue_drop(&f->out, f->out.len);
		f->on_gone(f->arg, (int)n);
	} else {
		queue_drop(&f->out, (size_t)n);
	}
	write_next(f);
	if (f->console)
		console_update(f->console);
}

static void write_next(struct front *f)
{
	size_t len;
	const char *p = queue_head(&f->out, &len);
	if (f->writing || f->gone || len == 0)
		return;
	if (len > CHUNK)
		len = CHUNK;
	memcpy(f->chunk, p, len); /* the queue may move while the pool writes */
	uv_buf_t buf = uv_buf_init(f->chunk, (unsigned)len);
	f->write.data = f;
	f->writing = uv_fs_write(f->loop, &f->write, STDOUT_FILENO, &buf, 1, -1, write_done) == 0;
}

size_t front_room(const struct front *f)
{
	return f->gone ? SIZE_MAX : queue_room(&f->out);
}

void front_put(struct front *f, const char *p, size_t n)
{
	if (f->gone)
		return;
	queue_put(&f->out, p, n);
	if (n)
		f->last = p[n - 1];
	write_next(f);
}

bool front_size(const struct front *f, char *buf, size_t max)
{
	unsigned cols, rows;
	if (!f->tty || !term_size(STDIN_FILENO, &cols, &rows))
		return false;
	snprintf(buf, max, "%ux%u", cols, rows);
	return true;
}

const char *front_line_begin(const struct front *f)
{
	if (!f->tty || !f->last)
		return "";
	return f->last == '\n' ? "\r" : "\r\n";
}

bool front_idle(const struct front *f)
{
	return !f->writing && (f->gone || f->out.len == 0);
}

/* ---- input --------------------------------------------------------------------------------------
 */

/* Bytes of input that can be taken. A terminal is always read, or Ctrl-A x would stop working. */
static size_t input_room(const struct front *f)
{
	size_t room = queue_room(&f->console->in);
	return f->tty ? queue_room(&f->typed) : room;
}

static void input_take(struct front *f, const char *p, size_t n)
{
	char plain[4096];
	if (!f->tty) {
		console_type(f->console, p, n);
		return;
	}
	while (n) {
		enum term_key key;
		size_t used, len = term_filter(&f->escape, p, n, plain, &used, &key);
		queue_put(&f->typed, plain, len);
		p += used;
		n -= used;
		if (key != TERM_NONE)
			f->on_key(f->arg, key);
	}
}

/* One read. false: nothing more is there. */
static bool input_read(struct front *f)
{
	char buf[4096];
	size_t room = input_room(f);
	if (f->tty && room == 0)
		room = sizeof(buf); /* the guest does not read: only escapes count */
	if (!f->in_open || room == 0)
		return false;
	ssize_t n = read(STDIN_FILENO, buf, room < sizeof(buf) ? room : sizeof(buf));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	if (n <= 0) {
		f->in_open = false;
		return false;
	}
	input_take(f, buf, (size_t)n);
	return true;
}

static void input_ready(uv_poll_t *p, int status, int events)
{
	struct front *f = p->data;
	(void)status;
	(void)events;
	input_read(f);
	front_update(f);
}

void front_update(struct front *f)
{
	if (!f->console)
		return;
	if (f->typed.len) {
		size_t len;
		const char *p = queue_head(&f->typed, &len);
		queue_drop(&f->typed, console_type(f->console, p, len));
	}
	while (f->in_open && !f->in_polled && input_read(f))
		;
	bool want = f->in_open && f->in_polled && (f->tty || input_room(f));
	if (want && !f->in_polling)
		uv_poll_start(&f->in_poll, UV_READABLE, input_ready);
	else if (!want && f->in_polling)
		uv_poll_stop(&f->in_poll);
	f->in_polling = want;
}

static void input_start(struct front *f)
{
	f->in_open = true;
	f->tty = term_raw(STDIN_FILENO);
	if (!f->tty && isatty(STDIN_FILENO)) {
		f->in_open = false; /* a job in the background: reading would stop it */
		return;
	}
	struct epoll_event ev = {.events = EPOLLIN};
	f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (f->epoll_fd >= 0 && epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &ev) == 0 &&
	    uv_poll_init(f->loop, &f->in_poll, f->epoll_fd) == 0) {
		f->in_poll.data = f;
		f->in_polled = true;
	}
}

void front_start(struct front *f, uv_loop_t *loop, struct console *c, bool input,
		 front_key_fn on_key, front_gone_fn on_gone, void *arg)
{
	*f = (struct front){.loop = loop,
			    .console = c,
			    .epoll_fd = -1,
			    .on_key = on_key,
			    .on_gone = on_gone,
			    .arg = arg,
			    .out = {.limit = FRONT_OUT_QUEUE},
			    .typed = {.limit = FRONT_TTY_INPUT}};
	f->chunk = xalloc(CHUNK, 1);
	if (input)
		input_start(f);
	console_attach(c, f, true);
	front_update(f);
}

void front_stop(struct front *f)
{
	term_restore();
	if (!f->loop)
		return;
	if (f->console)
		f->console->front = NULL;
	f->console = NULL;
	if (f->in_polled && !uv_is_closing((uv_handle_t *)&f->in_poll)) {
		uv_poll_stop(&f->in_poll);
		uv_close((uv_handle_t *)&f->in_poll, NULL);
	}
	if (f->writing)
		uv_cancel((uv_req_t *)&f->write);
	else
		ptr_free(&f->chunk);
	f->in_open = f->in_polled = false;
	queue_fini(&f->out);
	queue_fini(&f->typed);
}
