/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The dock: an AF_UNIX SOCK_SEQPACKET socket of the VM that hands a daemon its descriptors.
 *
 * A daemon connects, sends one struct dock_request with its one-time token; hv checks SO_PEERCRED (same
 * user) and the token, and answers one struct dock_reply with descriptors by SCM_RIGHTS. The connection
 * then stays open, silent, for as long as the daemon lives: its end is how each side learns at
 * once that the other is gone. Everything else goes over control (ctl.h).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "proto/limits.h"

#define DOCK_MAGIC 0x4b434f44u /* "DOCK" */
#define DOCK_VERSION 3u

/** struct dock_request - daemon to hv, one packet, no descriptors. */
struct dock_request {
	uint32_t magic, version;
	char token[LIMIT_TOKEN + 1]; /* hex, NUL-terminated */
	char pad[7];
};
_Static_assert(sizeof(struct dock_request) == 48, "layout");

/** enum dock_fd - the order of descriptors in a reply; the backend's follow DOCK_FD_BACKEND on. */
enum dock_fd {
	DOCK_FD_PORT = 0,  /* memfd: struct port */
	DOCK_FD_STATE = 1, /* memfd: struct state_segment (proto/state.h) */
	DOCK_FD_KICK = 2,  /* eventfd hv -> daemon: the ring has entries */
	DOCK_FD_IRQ = 3,   /* eventfd daemon -> hv: line words changed */
	DOCK_FD_BELL = 4,  /* memfd: struct bell (proto/bell.h) */
	DOCK_FD_TRACE = 5, /* memfd: struct trace_area (proto/trace.h) */
	DOCK_FD_BACKEND =
		6, /* host descriptors of the device's options, then those of its memory grants */
};

/** struct dock_reply - hv to daemon. @status: 0 or a positive errno; then @reason says why. */
struct dock_reply {
	uint32_t magic, version;
	int32_t status;
	uint32_t epoch;
	uint32_t nfds;
	char device[LIMIT_NAME + 1];
	char control_url[108]; /* nng URL of this slot's control socket, "ipc://..." */
	char reason[104];
};
_Static_assert(sizeof(struct dock_reply) == 264, "layout");

/** dock_listen - binds @path (unlinks a stale one; mode 0600) and listens. Returns the descriptor or -Exxx. */
int dock_listen(const char *path, struct err *err);

/** dock_recv_request - reads one request from an accepted connection and its peer's credentials.
 * 0; -EAGAIN: nothing yet (non-blocking @fd); -EPROTO: not a request; -EPERM: another user; -ECONNRESET: gone.
 * @ret_pid: the peer's pid as seen here. */
int dock_recv_request(int fd, struct dock_request *ret, pid_t *ret_pid, struct err *err);

/** dock_send_reply - sends @r with @nfds (<= LIMIT_FDS + DOCK_FD_BACKEND) borrowed descriptors. 0 or -Exxx. */
int dock_send_reply(int fd, const struct dock_reply *r, const int *fds, unsigned nfds);

/** dock_connect - daemon's side: connects to @path, sends @token, waits up to @timeout_ms for the
 * reply. @fds: array of @max, filled with owned CLOEXEC descriptors; *@ret_nfds: how many.
 * Returns the connection's descriptor (gives; keep it open), or -Exxx with @err saying what to do. */
int dock_connect(const char *path, const char *token, int timeout_ms, struct dock_reply *ret,
		 int *fds, unsigned max, unsigned *ret_nfds, struct err *err);

/** dock_observe - the same for a reader of a trace area (the token is of HvRequest.observe): *@ret_trace_fd (gives) is the
 * area. While the connection is open, hv and the daemon write into it. */
int dock_observe(const char *path, const char *token, int timeout_ms, struct dock_reply *ret,
		 int *ret_trace_fd, struct err *err);

/** dock_token_is - @want (LIMIT_TOKEN digits; "": none is) is @token. Its time tells nothing of which digit differs. */
bool dock_token_is(const char *want, const char token[LIMIT_TOKEN + 1]);

/** dock_token_make - a fresh token of LIMIT_TOKEN hex digits from getrandom(2), NUL-terminated. */
void dock_token_make(char token[LIMIT_TOKEN + 1]);

/** fdpass_send / fdpass_recv - one SEQPACKET message of @len bytes with descriptors (also used by the launcher
 * to give hv its config and host descriptors). recv returns the bytes read, 0 at end, or -Exxx;
 * received descriptors are CLOEXEC and owned by the caller; surplus ones are closed (-EMSGSIZE). */
int fdpass_send(int sock, const void *buf, size_t len, const int *fds, unsigned nfds);
ssize_t fdpass_recv(int sock, void *buf, size_t len, int *fds, unsigned max, unsigned *ret_nfds);
