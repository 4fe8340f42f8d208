/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/core/chardev.h"
#include "base/fd.h"
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

int chardev_kind_parse(const char *s, enum chardev_kind *ret)
{
	static const char *const names[] = {[CHARDEV_NULL] = "null",
					    [CHARDEV_STREAM] = "stream",
					    [CHARDEV_PTY] = "pty",
					    [CHARDEV_LISTEN] = "listen",
					    [CHARDEV_WRITE] = "write"};
	for (unsigned i = 0; i <= CHARDEV_WRITE; i++) {
		if (!strcmp(s, names[i])) {
			*ret = (enum chardev_kind)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Watches a peer, edge-triggered. A regular file cannot be polled and is always ready. */
static int watch_peer(struct chardev *c, uint64_t tag)
{
	uint32_t in = c->kind == CHARDEV_WRITE ? 0 : EPOLLIN | EPOLLRDHUP;
	struct epoll_event ev = {.events = in | EPOLLOUT | EPOLLET, .data.u64 = tag};
	c->readable = c->writable = true; /* the first try finds out */
	if (!epoll_ctl(c->epfd, EPOLL_CTL_ADD, c->fd, &ev))
		return 0;
	if (errno != EPERM)
		return -errno;
	c->always = true;
	return 0;
}

static int watch_listener(struct chardev *c, uint64_t tag)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = tag};
	return epoll_ctl(c->epfd, EPOLL_CTL_ADD, c->listen_fd, &ev) ? -errno : 0;
}

int chardev_open(struct chardev *c, enum chardev_kind kind, unsigned channel, int *fd,
		 struct server *srv, int epfd, uint64_t tag)
{
	*c = (struct chardev){.kind = kind,
			      .channel = channel,
			      .epfd = epfd,
			      .fd = -1,
			      .listen_fd = -1,
			      .srv = srv};
	if (kind == CHARDEV_NULL)
		return 0;
	if (*fd < 0)
		return -EBADF;
	int rc = fd_nonblock(*fd, 1);
	if (rc)
		return rc;
	if (kind == CHARDEV_LISTEN) {
		c->listen_fd = fd_steal(fd);
		return watch_listener(c, tag);
	}
	c->fd = fd_steal(fd);
	return watch_peer(c, tag);
}

/* Others may hold the same open file, so closing alone would leave it watched for ever. */
static void unwatch(struct chardev *c, int *fd)
{
	if (*fd >= 0)
		epoll_ctl(c->epfd, EPOLL_CTL_DEL, *fd, NULL);
	fd_close(fd);
}

void chardev_close(struct chardev *c)
{
	unwatch(c, &c->fd);
	unwatch(c, &c->listen_fd);
}

/* The client of a listener left: the next one may come. */
static void peer_gone(struct chardev *c, uint64_t tag)
{
	unwatch(c, &c->fd);
	c->readable = c->writable = false;
	if (c->kind == CHARDEV_LISTEN)
		watch_listener(c, tag);
}

static void accept_client(struct chardev *c, uint64_t tag)
{
	int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	epoll_ctl(c->epfd, EPOLL_CTL_DEL, c->listen_fd, NULL);
	c->fd = fd;
	if (watch_peer(c, tag))
		peer_gone(c, tag);
}

void chardev_event(struct chardev *c, uint32_t events, uint64_t tag)
{
	if (c->listen_fd >= 0 && c->fd < 0) {
		accept_client(c, tag);
		return;
	}
	/* Errors and hang-ups show in the next read or write. */
	c->readable |= !!(events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR));
	c->writable |= !!(events & (EPOLLOUT | EPOLLHUP | EPOLLERR));
}

/* A pty whose slave nobody has open takes bytes that nobody will read. */
static bool pty_without_reader(const struct chardev *c)
{
	struct pollfd p = {.fd = c->fd, .events = 0};
	return c->kind == CHARDEV_PTY && poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

static bool may_get_reader(const struct chardev *c)
{
	return (c->kind == CHARDEV_LISTEN && c->fd < 0) || pty_without_reader(c);
}

/* ---- output -------------------------------------------------------------------------------------------- */

static void took(struct chardev *c, size_t n)
{
	dm_output_consume(c->srv->dm, c->channel, n);
	server_commit(c->srv);
}

/* Nobody to read: all of it goes, or all but the newest CHARDEV_KEEP bytes. */
static bool drop_output(struct chardev *c, size_t keep)
{
	size_t n = dm_output_pending(c->srv->dm, c->channel);
	if (n <= keep)
		return false;
	took(c, n - keep);
	return true;
}

/* True: the error ends this peer. Full disks and the like are told once and the bytes are dropped. */
static void write_failed(struct chardev *c, int err, uint64_t tag)
{
	if (err == EAGAIN || err == EINTR) {
		c->writable = err == EINTR || c->always;
		return;
	}
	if (c->kind == CHARDEV_PTY) { /* EIO: the slave was closed this very moment */
		c->writable = false;
		return;
	}
	if (c->kind != CHARDEV_LISTEN)
		dm_log(c->srv->dm, DM_LOG_WARN, "channel=%u output ends: %s", c->channel,
		       strerror(err));
	peer_gone(c, tag);
	if (c->kind == CHARDEV_WRITE)
		c->kind = CHARDEV_NULL; /* open for the guest, whose writers would wait for ever */
}

static bool run_output(struct chardev *c, uint64_t tag)
{
	const uint8_t *p;
	bool moved = false;
	if (!dm_output_pending(c->srv->dm, c->channel))
		return false;
	if (may_get_reader(c))
		return drop_output(c, CHARDEV_KEEP);
	if (c->fd < 0)
		return drop_output(c, 0);
	if (c->kind == CHARDEV_PTY)
		c->writable = true; /* a reader came back without an edge, or there is one */
	while (c->writable && c->fd >= 0) {
		size_t n = dm_output_peek(c->srv->dm, c->channel, &p);
		if (!n)
			break;
		server_step(c->srv, "write");
		ssize_t w = write(c->fd, p, n);
		server_step(c->srv, "written");
		if (w < 0) {
			write_failed(c, errno, tag);
			continue;
		}
		atomic_fetch_add_explicit(&c->srv->port.port->counters.host_out_bytes, (uint64_t)w,
					  memory_order_relaxed);
		took(c, (size_t)w);
		moved = true;
	}
	if (c->fd < 0 &&
	    c->kind != CHARDEV_LISTEN) /* it ended just now: no event will tell again */
		moved |= drop_output(c, 0);
	return moved;
}

/* ---- input ----------------------------------------------------------------------------------------------- */

static void read_ended(struct chardev *c, ssize_t n, uint64_t tag)
{
	int err = n < 0 ? errno : 0;
	if (err == EINTR)
		return;
	c->readable = false;
	if (err == EAGAIN || c->kind == CHARDEV_PTY) /* EIO: no slave; its first write is an edge */
		return;
	if (c->kind == CHARDEV_LISTEN)
		peer_gone(c, tag);
	else
		c->input_ended = true; /* half closed: output may still be wanted */
}

static bool run_input(struct chardev *c, uint64_t tag)
{
	uint8_t buf[256];
	bool moved = false;
	while (c->fd >= 0 && c->readable && !c->input_ended && c->kind != CHARDEV_WRITE) {
		size_t room = dm_input_room(c->srv->dm, c->channel);
		if (!room)
			break;
		server_step(c->srv, "read");
		ssize_t n = read(c->fd, buf, room < sizeof(buf) ? room : sizeof(buf));
		server_step(c->srv, "taken");
		if (n <= 0) {
			read_ended(c, n, tag);
			continue;
		}
		dm_input(c->srv->dm, c->channel, buf, (size_t)n);
		atomic_fetch_add_explicit(&c->srv->port.port->counters.host_in_bytes, (uint64_t)n,
					  memory_order_relaxed);
		server_commit(c->srv);
		moved = true;
	}
	return moved;
}

/* A pty keeps its newest bytes for whoever opens it next, and what is thrown away needs no reader: both count as there. */
static bool run_peer(struct chardev *c)
{
	bool here = c->fd >= 0 || c->kind == CHARDEV_NULL;
	if (!dm_peer_set(c->srv->dm, c->channel, here))
		return false;
	server_commit(c->srv);
	return true;
}

bool chardev_run(struct chardev *c, uint64_t tag)
{
	bool moved = run_peer(c);
	moved |= run_output(c, tag);
	return run_input(c, tag) || moved;
}

bool chardev_wants_poll(const struct chardev *c)
{
	return c->kind == CHARDEV_PTY && c->fd >= 0 && dm_output_pending(c->srv->dm, c->channel) &&
	       (!c->writable || pty_without_reader(c));
}
