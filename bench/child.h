/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Most of what a child prints that is kept: a chatty boot prints 30 kB. */
#define CHILD_OUTPUT_MAX (4u << 20)

/**
 * struct child - a command that runs with its standard input and output on pipes to us. Its
 * standard error goes to the end of @errors, an unlinked file. Owned by one thread.
 */
struct child {
	pid_t pid;
	int in, out, errors;
	uint64_t started_ns; /* CLOCK_MONOTONIC, just before fork */
	char *output;	     /* what came, NUL-terminated */
	size_t output_len;
	int status; /* as waitpid gives it, once pid is 0 */
};

/** child_start - runs @argv (found by PATH) in a process group of its own. 0 or -Exxx with @e set.
 */
int child_start(struct child *c, char *const argv[], struct err *e);

/**
 * child_wait_text - reads its output until @text has come, from @from on (an index of the output).
 * @ret_ns (may be NULL): when it was read. @deadline_ns: CLOCK_MONOTONIC. 0; -ETIMEDOUT; -EPIPE if
 * the output ended first. Blocks.
 */
int child_wait_text(struct child *c, const char *text, size_t from, uint64_t deadline_ns,
		    uint64_t *ret_ns);

/** child_wait_exit - reads the rest of its output and waits for its end. 0; -ETIMEDOUT. Blocks. */
int child_wait_exit(struct child *c, uint64_t deadline_ns);

/** child_error_text - the end of its standard error, at most @size - 1 bytes, into @text. */
void child_error_text(struct child *c, char *text, size_t size);

/** child_destroy - ends it if it runs (SIGTERM, after two seconds SIGKILL to the group) and frees
 * all. A zeroed or half-started one is fine. */
void child_destroy(struct child *c);
