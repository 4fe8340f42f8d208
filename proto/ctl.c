/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/ctl.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/util/platform.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CLOSE_WAIT_NS 250000000u

struct ctl {
	nng_socket sock;
	int fd;
	int peer_pid;
};

/* ---- the bounded allocator ------------------------------------------------------------------- */

/*
 * A message can ask for far more memory than its bytes on the wire (each empty submessage costs a struct). The
 * allocator counts what one message takes and refuses beyond LIMIT_UNPACK_BYTES; protobuf-c then unwinds.
 */
struct budget {
	size_t left;
};

static void *budget_alloc(void *opaque, size_t size)
{
	struct budget *b = opaque;
	if (size > b->left)
		return NULL;
	b->left -= size;
	return malloc(size ? size : 1);
}

static void budget_free(void *opaque, void *p)
{
	(void)opaque;
	free(p);
}

ProtobufCMessage *ctl_unpack(const ProtobufCMessageDescriptor *desc, const void *buf, size_t len)
{
	struct budget b = {.left = LIMIT_UNPACK_BYTES};
	ProtobufCAllocator a = {.alloc = budget_alloc, .free = budget_free, .allocator_data = &b};
	if (len > LIMIT_MSG_BYTES)
		return NULL;
	return protobuf_c_message_unpack(desc, &a, len, buf);
}

void ctl_free(ProtobufCMessage *m)
{
	ProtobufCAllocator a = {.alloc = budget_alloc, .free = budget_free, .allocator_data = NULL};
	if (m)
		protobuf_c_message_free_unpacked(m, &a);
}

/* ---- sockets ------------------------------------------------------------------------------------ */

static int nng_errno(int rv)
{
	switch (rv) {
	case 0:
		return 0;
	case NNG_ETIMEDOUT:
		return -ETIMEDOUT;
	case NNG_EAGAIN:
		return -EAGAIN;
	case NNG_ENOMEM:
		return -ENOMEM;
	case NNG_EMSGSIZE:
		return -EMSGSIZE;
	case NNG_EADDRINUSE:
		return -EADDRINUSE;
	case NNG_ECONNREFUSED:
		return -ECONNREFUSED;
	case NNG_ENOENT:
		return -ENOENT;
	case NNG_EPERM:
		return -EPERM;
	default:
		return -EPIPE;
	}
}

static int ctl_open(enum ctl_kind kind, struct ctl **ret, struct err *err)
{
	struct ctl *c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	c->fd = -1;
	/* Not version 0: up to nng 1.6 that one keeps the descriptors of NNG_OPT_RECVFD for ever (nanomsg/nng pull request 1640). */
	int rv = kind == CTL_PAIR  ? nng_pair1_open(&c->sock)
		 : kind == CTL_REP ? nng_rep0_open(&c->sock)
				   : nng_req0_open(&c->sock);
	if (rv) {
		free(c);
		return err_set(err, ENOMEM, "cannot open a control socket: %s", nng_strerror(rv));
	}
	nng_socket_set_size(c->sock, NNG_OPT_RECVMAXSZ, LIMIT_MSG_BYTES);
	nng_socket_set_ms(c->sock, NNG_OPT_RECONNMINT, 2);
	nng_socket_set_ms(c->sock, NNG_OPT_RECONNMAXT, 20);
	if (kind != CTL_REP && kind != CTL_REQ) {
		nng_socket_set_int(c->sock, NNG_OPT_SENDBUF, 64);
		nng_socket_set_int(c->sock, NNG_OPT_RECVBUF, 64);
	}
	*ret = c;
	return 0;
}

int ctl_listen(enum ctl_kind kind, const char *url, struct ctl **ret, struct err *err)
{
	struct ctl *c = NULL;
	int r = ctl_open(kind, &c, err);
	if (r)
		return r;
	nng_listener l;
	int rv = nng_listener_create(&l, c->sock, url);
	if (!rv) {
		nng_listener_set_int(l, NNG_OPT_IPC_PERMISSIONS, 0600);
		rv = nng_listener_start(l, 0);
	}
	if (rv) {
		ctl_close(c);
		r = nng_errno(rv);
		return err_set(err, -r, "cannot listen on %s: %s", url, nng_strerror(rv));
	}
	*ret = c;
	return 0;
}

int ctl_dial(enum ctl_kind kind, const char *url, int timeout_ms, struct ctl **ret, struct err *err)
{
	struct ctl *c = NULL;
	int r = ctl_open(kind, &c, err);
	if (r)
		return r;
	uint64_t end = clock_now_ns() + (uint64_t)timeout_ms * 1000000u;
	int rv;
	for (;;) {
		rv = nng_dial(c->sock, url, NULL, 0);
		if ((rv != NNG_ECONNREFUSED && rv != NNG_ENOENT) || clock_now_ns() >= end)
			break;
		nng_msleep(1);
	}
	if (rv) {
		ctl_close(c);
		r = nng_errno(rv);
		return err_set(err, -r, "cannot reach %s: %s", url, nng_strerror(rv));
	}
	*ret = c;
	return 0;
}

/*
 * nng_close() can wait for ever: up to 1.7 its close of a socket races with its own reaping of a pipe (nanomsg/nng issues
 * 1543 and 1813; seen here in several of some 150 runs of a unit test on a busy host). So a thread of its own calls it, and we
 * wait for that thread only so long. What a stuck close leaves behind ends with the process.
 */
struct closing {
	nng_socket sock;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;	/* lock */
	bool abandoned; /* lock: the waiter is gone, the thread frees */
};

static void closing_free(struct closing *k)
{
	pthread_cond_destroy(&k->cond);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

static void *closing_main(void *arg)
{
	struct closing *k = arg;
	nng_close(k->sock);
	pthread_mutex_lock(&k->lock);
	k->done = true;
	bool abandoned = k->abandoned;
	pthread_cond_signal(&k->cond);
	pthread_mutex_unlock(&k->lock);
	if (abandoned)
		closing_free(k);
	return NULL;
}

static void closing_wait(struct closing *k)
{
	struct timespec until = clock_timespec(clock_real_ns() + CLOSE_WAIT_NS);
	pthread_mutex_lock(&k->lock);
	while (!k->done && pthread_cond_timedwait(&k->cond, &k->lock, &until) == 0)
		continue;
	bool done = k->done;
	k->abandoned = !done;
	pthread_mutex_unlock(&k->lock);
	if (done)
		closing_free(k);
	else
		log_debug("closing a control socket takes long; going on without it");
}

void ctl_close(struct ctl *c)
{
	if (!c)
		return;
	struct closing *k = calloc(1, sizeof(*k));
	pthread_t t;
	pthread_attr_t attr;
	if (k) {
		k->sock = c->sock;
		pthread_mutex_init(&k->lock, NULL);
		pthread_cond_init(&k->cond, NULL);
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		if (pthread_create(&t, &attr, closing_main, k) == 0)
			closing_wait(k);
		else
			closing_free(k); /* the socket stays open until the process ends */
		pthread_attr_destroy(&attr);
	}
	free(c);
}

int ctl_fd(struct ctl *c)
{
	if (c->fd < 0)
		nng_socket_get_int(c->sock, NNG_OPT_RECVFD, &c->fd);
	return c->fd;
}

int ctl_send(struct ctl *c, const ProtobufCMessage *m, int timeout_ms)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	if (len > LIMIT_MSG_BYTES)
		return -EMSGSIZE;
	nng_msg *msg;
	if (nng_msg_alloc(&msg, len))
		return -ENOMEM;
	protobuf_c_message_pack(m, nng_msg_body(msg));
	nng_socket_set_ms(c->sock, NNG_OPT_SENDTIMEO, timeout_ms);
	int rv = nng_sendmsg(c->sock, msg, timeout_ms ? 0 : NNG_FLAG_NONBLOCK);
	if (rv)
		nng_msg_free(msg);
	return nng_errno(rv);
}

int ctl_recv(struct ctl *c, const ProtobufCMessageDescriptor *desc, int timeout_ms,
	     ProtobufCMessage **ret)
{
	nng_msg *msg = NULL;
	int rv;
	if (timeout_ms) {
		nng_socket_set_ms(c->sock, NNG_OPT_RECVTIMEO, timeout_ms);
		rv = nng_recvmsg(c->sock, &msg, 0);
		if (rv == NNG_ETIMEDOUT)
			return -EAGAIN;
	} else {
		rv = nng_recvmsg(c->sock, &msg, NNG_FLAG_NONBLOCK);
	}
	if (rv)
		return nng_errno(rv);
	uint64_t pid = 0;
	nng_pipe p = nng_msg_get_pipe(msg);
	if (nng_pipe_id(p) > 0)
		nng_pipe_get_uint64(p, NNG_OPT_IPC_PEER_PID, &pid);
	c->peer_pid = (int)pid;
	ProtobufCMessage *m = ctl_unpack(desc, nng_msg_body(msg), nng_msg_len(msg));
	nng_msg_free(msg);
	if (!m)
		return -EPROTO;
	*ret = m;
	return 0;
}

int ctl_peer_pid(struct ctl *c)
{
	return c->peer_pid;
}
