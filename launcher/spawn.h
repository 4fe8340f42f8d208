/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Starting a process of the VM: own process group, own log, dies with us unless it is told better, on wish in a PID namespace. */
#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"

/** struct spawn - what to start. All borrowed. */
struct spawn {
	const char *path;
	const char *const *argv; /* NULL-terminated */
	const char *const *env;	 /* added to ours, "NAME=value", NULL-terminated, may be NULL */
	const char *log_path;	 /* standard output and error go there; made new */
	bool append;		 /* the log goes on from an earlier process of this name */
	int keep_fd;		 /* descriptor the program inherits, -1: none */
	bool pid_namespace;	 /* ask for one; where the host refuses, it runs without */
	bool outlives;		 /* our death does not end it, something else does */
};

/** spawn_start - starts it; never waits for it. 0 with *@ret_pid and *@ret_isolated (it has its own
 * PID namespace), or -Exxx. A program that cannot be executed ends with code 127 and says why in
 * its log. */
int spawn_start(const struct spawn *s, pid_t *ret_pid, bool *ret_isolated, struct err *err);

/** spawn_status_text - "exit code 3" or "signal 9 (Killed)" in @buf. Returns @buf. */
char *spawn_status_text(char buf[64], int status);

/** spawn_log_tail - the last @lines lines of the log at @path as a heap string ("" if none), each
 * after @indent. */
char *spawn_log_tail(const char *path, unsigned lines, const char *indent);
