/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Control sockets: nng pair1 (and req/rep for the CLI) over ipc://, one packed protobuf message a frame.
 *
 * nng's own threads are bounded by ctl_setup(), which must run before the first socket is opened. Every
 * receive is non-blocking behind a pollable descriptor, so that one event loop (libuv or epoll) serves it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <protobuf-c/protobuf-c.h>
#include "base/err.h"
#include "proto/limits.h"
#include "control.pb-c.h"

struct ctl;

/** enum ctl_kind - PAIR: two peers, both may send; REP answers requests in turn; REQ asks. */
enum ctl_kind { CTL_PAIR, CTL_REP, CTL_REQ };

/** ctl_setup - bounds nng's thread pools for this process (a daemon wants few). Once, before all else. */
void ctl_setup(void);

/** ctl_listen / ctl_dial - opens a socket on @url ("ipc:///path"). Returns 0 and *@ret (gives), or -Exxx.
 * dial waits for the connection up to @timeout_ms. Largest message: LIMIT_MSG_BYTES. */
int ctl_listen(enum ctl_kind kind, const char *url, struct ctl **ret, struct err *err);
int ctl_dial(enum ctl_kind kind, const char *url, int timeout_ms, struct ctl **ret,
	     struct err *err);

/** ctl_close - closes and frees; NULL is allowed. Blocks for at most a quarter of a second: see ctl.c. */
void ctl_close(struct ctl *c);

/** ctl_fd - a descriptor that polls readable while a message waits. Borrowed; never read it. */
int ctl_fd(struct ctl *c);

/** ctl_send - packs and sends @m. Blocks up to @timeout_ms. 0, -ETIMEDOUT, -EMSGSIZE, -EPIPE. */
int ctl_send(struct ctl *c, const ProtobufCMessage *m, int timeout_ms);

/** ctl_recv - receives and unpacks one message of type @desc within LIMIT_UNPACK_BYTES.
 * @timeout_ms 0: only what is there. *@ret is freed with ctl_free(). 0, -EAGAIN, -EPROTO (not such a message
 * or over the limit; it was dropped), -EPIPE. */
int ctl_recv(struct ctl *c, const ProtobufCMessageDescriptor *desc, int timeout_ms,
	     ProtobufCMessage **ret);

/** ctl_free - frees what ctl_recv() or ctl_unpack() returned; NULL is allowed. */
void ctl_free(ProtobufCMessage *m);

/** ctl_unpack - unpacks @len bytes with the bounded allocator. NULL: malformed or over the limit. */
ProtobufCMessage *ctl_unpack(const ProtobufCMessageDescriptor *desc, const void *buf, size_t len);

/** ctl_peer_pid - pid of the peer of the last message received, 0 if unknown. */
int ctl_peer_pid(struct ctl *c);
