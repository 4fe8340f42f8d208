/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The sandbox of a daemon: what a process gives up once it has its descriptors.
 *
 * Two steps, because the control link (nng) starts threads in between and its socket is found by a path:
 * sandbox_isolate() while the process has one thread: namespaces, an empty root, Landlock, no capabilities,
 * no_new_privs, limits. Threads started afterwards inherit all of it. Then sandbox_seal() when the link is
 * up: leaves the last directory and puts the system-call filter on every thread.
 * What the host does not have is left out and named in the report; nothing here needs privileges.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

/** enum sandbox_part - the parts; bits of struct sandbox.on. */
enum sandbox_part {
	SANDBOX_NO_NEW_PRIVS = 1 << 0,
	SANDBOX_NO_CAPS = 1 << 1,
	SANDBOX_USERNS = 1 << 2,
	SANDBOX_MOUNTNS = 1 << 3,
	SANDBOX_NETNS = 1 << 4,
	SANDBOX_IPCNS = 1 << 5,
	SANDBOX_UTSNS = 1 << 6,
	SANDBOX_PIDNS = 1 << 7, /* made by the launcher; seen here by being process 1 */
	SANDBOX_EMPTY_ROOT = 1 << 8,
	SANDBOX_LANDLOCK = 1 << 9,
	SANDBOX_SECCOMP = 1 << 10,
	SANDBOX_RLIMITS = 1 << 11,
};

/** struct sandbox - what is on. Zero it before the first call. */
struct sandbox {
	uint32_t on;
	char report[256];
};

/** sandbox_isolate - step one. @keep_dir: stays the working directory, reachable by relative paths until
 * sandbox_seal(); NULL: none. @writes_files: a backend writes a file, so file size is not limited.
 * 0, or -Exxx if no_new_privs or dropping capabilities failed. The process must have one thread. */
int sandbox_isolate(struct sandbox *sb, const char *keep_dir, bool writes_files, struct err *err);

/** struct sandbox_syscall - one permitted call and why it is. */
struct sandbox_syscall {
	const char *name;
	int number;
	const char *why;
};

/** sandbox_seal - step two: only the common calls and @extra[@n] remain, in all threads; any other one
 * kills the process. 0 or -Exxx: the filter could not be put on. */
int sandbox_seal(struct sandbox *sb, const int *extra, size_t n, struct err *err);

/** sandbox_common - the common part of the allow-list, for documentation and tests. */
const struct sandbox_syscall *sandbox_common(size_t *ret_n);

/** sandbox_report - what is on and what is not, one line: "userns mountns ... ; without landlock". */
const char *sandbox_report(struct sandbox *sb);

/** struct sandbox_probe - what this host offers to this user. */
struct sandbox_probe {
	bool userns, netns, pidns, mountns, landlock, seccomp;
	int landlock_abi;
};

/** sandbox_probe - tries each part in a child process; for `outrigger doctor`. Blocks for milliseconds. */
void sandbox_probe(struct sandbox_probe *ret);
