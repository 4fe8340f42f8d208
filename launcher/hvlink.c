/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/hvlink.h"
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/fd.h"
#include "launcher/text.h"
#include "proto/dock.h"

enum { ANSWER_S = 2, CLAIM_TRIES = 300, CLAIM_TRY_MS = 10 };

static int send_packet(int sock, unsigned op, const char *key, const int *fds, unsigned n)
{
	struct launch_packet p = {
		.magic = LAUNCH_MAGIC, .op = op, .nfds = n, .pid = (int32_t)getpid()};
	snprintf(p.key, sizeof(p.key), "%s", key);
	return fdpass_send(sock, &p, sizeof(p), fds, n);
}

int hvlink_keep(int sock, const char *key, const int *fds, unsigned n)
{
	return send_packet(sock, n ? LAUNCH_KEEP : LAUNCH_DROP, key, fds, n);
}

int hvlink_backends(int sock, const char *token, const int *fds, unsigned n)
{
	return send_packet(sock, LAUNCH_BACKENDS, token, fds, n);
}

int hvlink_connect(const char *dir, pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct timeval tv = {.tv_sec = ANSWER_S};
	struct ucred cred;
	socklen_t len = sizeof(cred);
	AUTO_FD fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(err, errno, "cannot make a socket: %s", strerror(errno));
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%.*s/launch", (int)sizeof(sa.sun_path) - 8,
		 dir);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return err_set(err, errno, "cannot reach hv at %s: %s", sa.sun_path,
			       strerror(errno));
	/* Of the process that listens. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.pid <= 0)
		return err_set(err, EPERM, "cannot tell which process hv is");
	int pidfd = (int)syscall(SYS_pidfd_open, cred.pid, 0u);
	if (pidfd < 0)
		return err_set(err, errno, "hv (pid %d): %s", cred.pid, strerror(errno));
	*ret_pid = cred.pid;
	*ret_pidfd = pidfd;
	return fd_steal(&fd);
}

static int take_answer(int sock, struct launch_packet *p, int fds[LAUNCH_KEEP_FDS], unsigned *ret_n,
		       struct err *err)
{
	ssize_t got = fdpass_recv(sock, p, sizeof(*p), fds, LAUNCH_KEEP_FDS, ret_n);
	if (got == (ssize_t)sizeof(*p) && p->magic == LAUNCH_MAGIC &&
	    memchr(p->key, 0, sizeof(p->key)) && memchr(p->reason, 0, sizeof(p->reason)))
		return 0;
	for (unsigned i = 0; got > 0 && i < *ret_n; i++)
		fd_close(&fds[i]);
	if (got > 0)
		return err_set(err, EPROTO, "hv is of another version");
	return err_set(err, got < 0 ? (int)-got : ECONNRESET, "hv gives no answer: %s",
		       got < 0 ? strerror((int)-got) : "it has ended");
}

int hvlink_claim(int sock, struct err *err)
{
	struct launch_packet p;
	int fds[LAUNCH_KEEP_FDS];
	unsigned n = 0;
	for (int i = 0; i < CLAIM_TRIES; i++) {
		int r = send_packet(sock, LAUNCH_CLAIM, "", NULL, 0);
		if (r < 0)
			return err_set(err, -r, "hv takes no claim: %s", strerror(-r));
		r = take_answer(sock, &p, fds, &n, err);
		if (r < 0)
			return r;
		while (n)
			fd_close(&fds[--n]);
		if (p.status != EAGAIN)
			break;
		poll(NULL, 0, CLAIM_TRY_MS);
	}
	if (p.status == 0)
		return 0;
	return err_set(err, p.status, "%s", text_printable(p.reason));
}

int hvlink_next(int sock, unsigned index, struct launch_packet *ret, int fds[LAUNCH_KEEP_FDS],
		unsigned *ret_n, struct err *err)
{
	struct launch_packet p = {.magic = LAUNCH_MAGIC, .op = LAUNCH_NEXT, .index = index};
	int r = fdpass_send(sock, &p, sizeof(p), NULL, 0);
	if (r < 0)
		return err_set(err, -r, "hv gives nothing back: %s", strerror(-r));
	r = take_answer(sock, ret, fds, ret_n, err);
	if (r < 0 || !ret->status)
		return r;
	return -ENOENT;
}
