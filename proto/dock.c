/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/dock.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define FDPASS_MAX (LIMIT_FDS + DOCK_FD_BACKEND + LIMIT_DEVICES * 2)

static int unix_addr(const char *path, struct sockaddr_un *sa, struct err *err)
{
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(sa->sun_path))
		return err_set(
			err, ENAMETOOLONG,
			"socket path %s is %zu bytes long; a Unix socket allows %zu: use a shorter "
			"XDG_RUNTIME_DIR or VM name",
			path, strlen(path), sizeof(sa->sun_path) - 1);
	memcpy(sa->sun_path, path, strlen(path) + 1);
	return 0;
}

int dock_listen(const char *path, struct err *err)
{
	struct sockaddr_un sa;
	int r = unix_addr(path, &sa, err);
	if (r)
		return r;
	AUTO_FD fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(err, errno, "cannot make a Unix socket: %s", strerror(errno));
	unlink(path);
	/* fchmod before bind sets the mode of the node that bind makes (Linux), so it is never open to others. */
	fchmod(fd, 0600);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 16) < 0)
		return err_set(err, errno, "cannot listen on %s: %s", path, strerror(errno));
	return fd_steal(&fd);
}

int dock_recv_request(int fd, struct dock_request *ret, pid_t *ret_pid, struct err *err)
{
	struct dock_request req;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return err_set(err, errno, "cannot read the peer's credentials: %s",
			       strerror(errno));
	if (cred.uid != geteuid() && cred.uid != 0)
		return err_set(err, EPERM,
			       "pid %d of user %u may not dock: the VM belongs to user %u",
			       cred.pid, cred.uid, geteuid());
	ssize_t n = recv(fd, &req, sizeof(req), MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return err_set(err, ECONNRESET, "pid %d left before it said who it is", cred.pid);
	if (n != (ssize_t)sizeof(req) || req.magic != DOCK_MAGIC || req.version != DOCK_VERSION ||
	    !memchr(req.token, 0, sizeof(req.token)))
		return err_set(err, EPROTO,
			       "pid %d sent %zd bytes that are no dock request of version %u",
			       cred.pid, n, DOCK_VERSION);
	*ret = req;
	*ret_pid = cred.pid;
	return 0;
}

int fdpass_send(int sock, const void *buf, size_t len, const int *fds, unsigned nfds)
{
	if (nfds > FDPASS_MAX)
		return -EMSGSIZE;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
	union {
		char space[CMSG_SPACE(sizeof(int) * FDPASS_MAX)];
		struct cmsghdr align;
	} u;
	memset(&u, 0, sizeof(u));
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	if (nfds) {
		m.msg_control = u.space;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	ssize_t n;
	do
		n = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n == (ssize_t)len ? 0 : -EMSGSIZE;
}

ssize_t fdpass_recv(int sock, void *buf, size_t len, int *fds, unsigned max, unsigned *ret_nfds)
{
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	union {
		char space[CMSG_SPACE(sizeof(int) * FDPASS_MAX)];
		struct cmsghdr align;
	} u;
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = u.space,
		.msg_controllen = sizeof(u.space),
	};
	*ret_nfds = 0;
	ssize_t n;
	do
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	unsigned got = 0, surplus = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t k = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < k; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (got < max) {
				fds[got++] = fd;
			} else {
				close(fd);
				surplus++;
			}
		}
	}
	if (surplus || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		while (got)
			close(fds[--got]);
		return -EMSGSIZE;
	}
	*ret_nfds = got;
	return n;
}

int dock_send_reply(int fd, const struct dock_reply *r, const int *fds, unsigned nfds)
{
	if (nfds > LIMIT_FDS + DOCK_FD_BACKEND)
		return -EMSGSIZE;
	return fdpass_send(fd, r, sizeof(*r), fds, nfds);
}

static int dock_wait_reply(int fd, int timeout_ms, const char *path, struct err *err)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int r;
	do
		r = poll(&p, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return err_set(err, ETIMEDOUT, "no answer from the dock at %s within %d ms", path,
			       timeout_ms);
	return r < 0 ? err_set(err, errno, "poll: %s", strerror(errno)) : 0;
}

static int dock_reply_check(const struct dock_reply *r, unsigned nfds, unsigned min,
			    struct err *err)
{
	if (r->magic != DOCK_MAGIC || r->version != DOCK_VERSION ||
	    !memchr(r->device, 0, sizeof(r->device)) ||
	    !memchr(r->control_url, 0, sizeof(r->control_url)) ||
	    !memchr(r->reason, 0, sizeof(r->reason)))
		return err_set(err, EPROTO,
			       "the dock's answer is not of version %u: hv and the device model "
			       "must come from the same build",
			       DOCK_VERSION);
	if (r->status)
		return err_set(err, r->status > 0 && r->status < 4096 ? r->status : EPROTO,
			       "the dock refused us: %s", r->reason);
	if (nfds < min || nfds != r->nfds)
		return err_set(err, EPROTO, "the dock sent %u descriptors; %u were announced", nfds,
			       r->nfds);
	return 0;
}

static int dock_ask(const char *path, const char *token, int timeout_ms, struct dock_reply *ret,
		    int *fds, unsigned min, unsigned max, unsigned *ret_nfds, struct err *err)
{
	struct sockaddr_un sa;
	int r = unix_addr(path, &sa, err);
	if (r)
		return r;
	struct dock_request req = {.magic = DOCK_MAGIC, .version = DOCK_VERSION};
	if (strlen(token) > LIMIT_TOKEN)
		return err_set(err, EINVAL, "a dock token has %d hex digits, this one has %zu",
			       LIMIT_TOKEN, strlen(token));
	memcpy(req.token, token, strlen(token));
	AUTO_FD fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(err, errno, "cannot make a Unix socket: %s", strerror(errno));
	/* hv and its daemons are started side by side: the dock may be a moment away. */
	uint64_t end = clock_now_ns() + (uint64_t)timeout_ms * 1000000u;
	while (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		if ((errno != ENOENT && errno != ECONNREFUSED) || clock_now_ns() >= end)
			return err_set(err, errno,
				       "cannot reach the dock at %s: %s (is the VM running?)", path,
				       strerror(errno));
		nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
	}
	if (send(fd, &req, sizeof(req), MSG_NOSIGNAL) != (ssize_t)sizeof(req))
		return err_set(err, errno, "cannot write to the dock at %s: %s", path,
			       strerror(errno));
	r = dock_wait_reply(fd, timeout_ms, path, err);
	if (r)
		return r;
	struct dock_reply rep;
	unsigned nfds = 0;
	ssize_t n = fdpass_recv(fd, &rep, sizeof(rep), fds, max, &nfds);
	if (n == (ssize_t)sizeof(rep))
		r = dock_reply_check(&rep, nfds, min, err);
	else
		r = err_set(err, n < 0 ? (int)-n : ECONNRESET,
			    "the dock at %s closed without an answer", path);
	if (r) {
		while (nfds)
			close(fds[--nfds]);
		return r;
	}
	*ret = rep;
	*ret_nfds = nfds;
	return fd_steal(&fd);
}

int dock_connect(const char *path, const char *token, int timeout_ms, struct dock_reply *ret,
		 int *fds, unsigned max, unsigned *ret_nfds, struct err *err)
{
	return dock_ask(path, token, timeout_ms, ret, fds, DOCK_FD_BACKEND, max, ret_nfds, err);
}

int dock_observe(const char *path, const char *token, int timeout_ms, struct dock_reply *ret,
		 int *ret_trace_fd, struct err *err)
{
	unsigned n;
	return dock_ask(path, token, timeout_ms, ret, ret_trace_fd, 1, 1, &n, err);
}

bool dock_token_is(const char *want, const char token[LIMIT_TOKEN + 1])
{
	unsigned diff = !want[0];
	for (unsigned k = 0; want[0] && k <= LIMIT_TOKEN; k++)
		diff |= (unsigned char)want[k] ^ (unsigned char)token[k];
	return !diff;
}

void dock_token_make(char token[LIMIT_TOKEN + 1])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t raw[LIMIT_TOKEN / 2];
	CHECK(getrandom(raw, sizeof(raw), 0) == (ssize_t)sizeof(raw));
	for (unsigned i = 0; i < sizeof(raw); i++) {
		token[2 * i] = hex[raw[i] >> 4];
		token[2 * i + 1] = hex[raw[i] & 15];
	}
	token[LIMIT_TOKEN] = 0;
}
