/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/console.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/fd.h"
#include "launcher/front.h"
#include "launcher/text.h"

enum { READ_CHUNK = 16 * 1024 };

static void poll_close(uv_poll_t *p)
{
	if (p->loop && !uv_is_closing((uv_handle_t *)p)) {
		uv_poll_stop(p);
		uv_close((uv_handle_t *)p, NULL);
	}
}

/* ---- the log ----------------------------------------------------------------------------------
 */

static int log_open(const char *path, int flags)
{
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
}

/* Keeps the newer half of a log that has become too long: by another file, so that there is a whole one at any time. */
static void log_shorten(struct console *c)
{
	size_t keep = CONSOLE_LOG_BYTES / 2;
	AUTO_FREE char *buf = xalloc(keep, 1);
	AUTO_FREE char *path = xasprintf("%s.new", c->log_path);
	AUTO_FD fd = log_open(path, O_TRUNC);
	ssize_t n = pread(c->log_fd, buf, keep, (off_t)(c->log_bytes - keep));
	if (fd < 0 || n != (ssize_t)keep || pwrite(fd, buf, keep, 0) != n ||
	    rename(path, c->log_path) < 0) {
		unlink(path);
		return; /* no room: then it is longer than it should be */
	}
	fd_close(&c->log_fd);
	c->log_fd = fd_steal(&fd);
	c->log_bytes = keep;
}

/* Moves what is in the pipe to the end of the log. Where that is not possible the bytes are read, and pass by it. */
static ssize_t log_take(struct console *c, char *buf, size_t max)
{
	size_t n = c->piped < max ? c->piped : max;
	if (c->log_bytes + n > CONSOLE_LOG_BYTES)
		log_shorten(c);
	loff_t at = (loff_t)c->log_bytes;
	ssize_t moved = splice(c->pipe[0], NULL, c->log_fd, &at, n, 0);
	if (moved > 0) {
		c->piped -= (size_t)moved;
		c->log_bytes += (size_t)moved;
		return pread(c->log_fd, buf, (size_t)moved, at - moved);
	}
	moved = read(c->pipe[0], buf, n);
	c->piped = moved > 0 ? c->piped - (size_t)moved : 0;
	return moved;
}

/* ---- clients ------------------------------------------------------------------------------------
 */

static void client_event(uv_poll_t *p, int status, int events);

static void client_closed(uv_handle_t *h)
{
	struct console_client *k = h->data;
	fd_close(&k->fd);
	queue_fini(&k->out);
	k->used = k->closing = false;
}

static void client_close(struct console_client *k)
{
	if (!k->used || k->closing)
		return;
	k->closing = true;
	uv_poll_stop(&k->poll);
	uv_close((uv_handle_t *)&k->poll, client_closed);
}

static void client_update(struct console_client *k)
{
	int events = UV_DISCONNECT;
	if (!k->used || k->closing)
		return;
	if (k->out.len)
		events |= UV_WRITABLE;
	if (queue_room(&k->console->in))
		events |= UV_READABLE;
	uv_poll_start(&k->poll, events, client_event);
}

static void client_flush(struct console_client *k)
{
	size_t len;
	const char *p = queue_head(&k->out, &len);
	ssize_t n = len ? send(k->fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
	if (n > 0) {
		queue_drop(&k->out, (size_t)n);
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		client_close(k);
		return;
	}
	if (k->dropped && k->out.len == 0) {
		char note[80];
		int m = snprintf(note, sizeof(note),
				 "\r\n[outrigger: %zu bytes dropped: this client was too slow]\r\n",
				 k->dropped);
		k->dropped = 0;
		queue_put(&k->out, note, (size_t)m);
	}
}

static void client_put(struct console_client *k, const char *p, size_t n)
{
	if (!k->used || k->closing)
		return;
	k->dropped += queue_put_last(&k->out, p, n);
	client_flush(k);
	client_update(k);
}

static void client_event(uv_poll_t *p, int status, int events)
{
	struct console_client *k = p->data;
	char buf[4096];
	if (status < 0) {
		client_close(k);
		return;
	}
	if (events & UV_WRITABLE)
		client_flush(k);
	size_t room = queue_room(&k->console->in);
	if ((events & UV_READABLE) && room && !k->closing) {
		ssize_t n = read(k->fd, buf, room < sizeof(buf) ? room : sizeof(buf));
		if (n > 0)
			console_type(k->console, buf, (size_t)n);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			client_close(k);
	} else if (events & UV_DISCONNECT) {
		client_close(k);
	}
	console_update(k->console);
}

static void client_accept(uv_poll_t *p, int status, int events)
{
	struct console *c = p->data;
	struct console_client *k = NULL;
	size_t len;
	(void)status;
	(void)events;
	AUTO_FD fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	for (int i = 0; !k && i < CONSOLE_CLIENTS; i++)
		if (!c->clients[i].used)
			k = &c->clients[i];
	if (!k) {
		static const char full[] =
			"outrigger: this console has its most clients already\r\n";
		if (send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL) < 0)
			return;
		return;
	}
	*k = (struct console_client){
		.console = c, .fd = fd, .out = {.limit = CONSOLE_CLIENT_QUEUE}};
	if (uv_poll_init(c->poll.loop, &k->poll, fd) < 0)
		return;
	fd_steal(&fd);
	k->used = true;
	k->poll.data = k;
	const char *back = queue_head(&c->back, &len);
	if (len)
		client_put(k, back, len);
	client_update(k);
}

/* ---- the device's end ---- */

static void output(struct console *c, const char *p, size_t n)
{
	queue_put_last(&c->back, p, n);
	for (int i = 0; i < CONSOLE_CLIENTS; i++)
		client_put(&c->clients[i], p, n);
	if (c->front)
		front_put(c->front, p, n);
}

/* Reads once, as much as the foreground can take. Bytes read, 0: no room or nothing there, -1: the
 * end. */
static ssize_t device_read(struct console *c)
{
	char buf[READ_CHUNK];
	size_t room = c->front ? front_room(c->front) : sizeof(buf);
	if (!c->open || room == 0)
		return c->open ? 0 : -1;
	room = room < sizeof(buf) ? room : sizeof(buf);
	ssize_t n = c->piped ? (ssize_t)c->piped
			     : splice(c->fd, NULL, c->pipe[1], NULL, room, SPLICE_F_NONBLOCK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		c->open = false;
		return -1;
	}
	c->piped = (size_t)n;
	ssize_t taken, all = 0;
	while (c->piped && (taken = log_take(c, buf, room)) > 0) {
		output(c, buf, (size_t)taken);
		all += taken;
	}
	return all;
}

static void device_event(uv_poll_t *p, int status, int events)
{
	struct console *c = p->data;
	if (status < 0 || (events & UV_READABLE))
		device_read(c);
	if ((events & UV_WRITABLE) && c->in.len) {
		size_t len;
		const char *in = queue_head(&c->in, &len);
		ssize_t n = send(c->fd, in, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			queue_drop(&c->in, (size_t)n);
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			queue_drop(&c->in, len);
		if (c->front)
			front_update(c->front);
	}
	console_update(c);
}

void console_update(struct console *c)
{
	int events = 0;
	if (!c->poll.loop || uv_is_closing((uv_handle_t *)&c->poll))
		return;
	if (c->open && (!c->front || front_room(c->front)))
		events |= UV_READABLE;
	if (c->open && c->in.len)
		events |= UV_WRITABLE;
	if (events)
		uv_poll_start(&c->poll, events, device_event);
	else
		uv_poll_stop(&c->poll);
	for (int i = 0; i < CONSOLE_CLIENTS; i++)
		client_update(&c->clients[i]);
}

size_t console_type(struct console *c, const char *p, size_t n)
{
	if (!c->open)
		return n;
	n = queue_put(&c->in, p, n);
	console_update(c);
	return n;
}

void console_attach(struct console *c, struct front *f, bool back)
{
	size_t len;
	const char *before = queue_head(&c->back, &len);
	c->front = f;
	if (back && len)
		front_put(f, before, len);
	console_update(c);
}

bool console_drain(struct console *c)
{
	while (device_read(c) > 0)
		;
	return !c->front || front_room(c->front) > 0;
}

/* ---- life ---- */

static int listen_start(struct console *c, uv_loop_t *loop, const char *path, struct err *err)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(err, ENAMETOOLONG, "socket path %s is too long", path);
	memcpy(sa.sun_path, path, strlen(path));
	unlink(path); /* of a supervisor before us */
	c->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->listen_fd < 0 || bind(c->listen_fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(c->listen_fd, 8) < 0)
		return err_set(err, errno, "cannot listen on %s: %s", path, strerror(errno));
	int r = uv_poll_init(loop, &c->listen_poll, c->listen_fd);
	if (r < 0)
		return err_set(err, -r, "cannot poll %s: %s", path, uv_strerror(r));
	c->listen_poll.data = c;
	uv_poll_start(&c->listen_poll, UV_READABLE, client_accept);
	return 0;
}

void console_fds(const struct console *c, int ret[CONSOLE_FDS])
{
	ret[0] = c->fd;
	ret[1] = c->pipe[0];
	ret[2] = c->pipe[1];
}

/* Takes over what a supervisor before us has left: the end of the log for those who come, the rest in the pipe. */
static int inherit(struct console *c)
{
	int piped = 0;
	off_t end = lseek(c->log_fd, 0, SEEK_END);
	if (end < 0 || ioctl(c->pipe[0], FIONREAD, &piped) < 0)
		return -errno;
	c->log_bytes = (size_t)end;
	c->piped = (size_t)piped;
	size_t n = c->log_bytes < CONSOLE_SCROLLBACK ? c->log_bytes : CONSOLE_SCROLLBACK;
	AUTO_FREE char *buf = xalloc(n + 1, 1);
	ssize_t got = pread(c->log_fd, buf, n, end - (off_t)n);
	if (got > 0)
		queue_put_last(&c->back, buf, (size_t)got);
	return 0;
}

int console_start(struct console *c, uv_loop_t *loop, const char *device, int fds[CONSOLE_FDS],
		  const char *log_path, const char *socket_path, struct err *err)
{
	bool again = fds[1] >= 0;
	*c = (struct console){.fd = fd_steal(&fds[0]),
			      .pipe = {fd_steal(&fds[1]), fd_steal(&fds[2])},
			      .open = true,
			      .listen_fd = -1,
			      .in = {.limit = CONSOLE_INPUT_QUEUE},
			      .back = {.limit = CONSOLE_SCROLLBACK}};
	c->device = xstrdup(device);
	c->log_path = xstrdup(log_path);
	c->log_fd = log_open(log_path, again ? 0 : O_TRUNC);
	if (c->log_fd < 0)
		return err_set(err, errno, "cannot write %s: %s", log_path, strerror(errno));
	int r = again ? inherit(c) : pipe2(c->pipe, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
	if (r == 0)
		r = fd_nonblock(c->fd, 1);
	if (r < 0)
		return err_set(err, -r, "cannot make the console of %s: %s", device, strerror(-r));
	r = uv_poll_init(loop, &c->poll, c->fd);
	if (r < 0)
		return err_set(err, -r, "cannot poll the console of %s: %s", device,
			       uv_strerror(r));
	c->poll.data = c;
	r = listen_start(c, loop, socket_path, err);
	while (r == 0 && c->piped && device_read(c) > 0)
		continue;
	if (r == 0)
		console_update(c);
	return r;
}

void console_stop(struct console *c)
{
	if (!c->device)
		return;
	for (int i = 0; i < CONSOLE_CLIENTS; i++) {
		if (c->clients[i].used && !c->clients[i].closing)
			client_flush(&c->clients[i]);
		client_close(&c->clients[i]);
	}
	poll_close(&c->poll);
	poll_close(&c->listen_poll);
	c->open = false;
	fd_close(&c->fd);
	fd_close(&c->pipe[0]);
	fd_close(&c->pipe[1]);
	fd_close(&c->listen_fd);
	fd_close(&c->log_fd);
	ptr_free(&c->log_path);
	queue_fini(&c->in);
	queue_fini(&c->back);
	ptr_free(&c->device);
}
