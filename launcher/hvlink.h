/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The launch socket on the launcher's side (proto/launch.h): descriptors to hv, and back from it after another supervisor. */
#include <sys/types.h>
#include "base/err.h"
#include "proto/launch.h"

/** hvlink_keep - has hv keep @n descriptors (borrowed) as @key for the next supervisor, or, with 0, forget them. 0 or -Exxx. */
int hvlink_keep(int sock, const char *key, const int *fds, unsigned n);

/** hvlink_backends - gives hv the @n back-ends (borrowed) of the swap with @token. 0 or -Exxx. */
int hvlink_backends(int sock, const char *token, const int *fds, unsigned n);

/** hvlink_connect - connects to the hv of the VM in folder @dir. The socket, with *@ret_pid and *@ret_pidfd (gives) of hv,
 * or -Exxx. */
int hvlink_connect(const char *dir, pid_t *ret_pid, int *ret_pidfd, struct err *err);

/** hvlink_claim - says that we supervise from now on. Waits a few seconds for a swap that is being finished. 0; -EBUSY:
 * somebody else does; else -Exxx. */
int hvlink_claim(int sock, struct err *err);

/** hvlink_next - the @index-th thing that hv holds for us, after hvlink_claim(): *@ret, with *@ret_n descriptors (gives) in
 * @fds. 0; -ENOENT: there are no more; else -Exxx. */
int hvlink_next(int sock, unsigned index, struct launch_packet *ret, int fds[LAUNCH_KEEP_FDS],
		unsigned *ret_n, struct err *err);
