/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The supervisor of one VM: `outrigger run` from a checked config to the last line. */
#include <stdbool.h>
#include <stdint.h>
#include "launcher/config.h"

enum run_console { RUN_CONSOLE_AUTO, RUN_CONSOLE_STDIO, RUN_CONSOLE_NONE, RUN_CONSOLE_PTY };

/** struct run_options - what does not belong to the VM but to this run of it. */
struct run_options {
	bool quiet, no_reboot, detached, no_sandbox;
	enum run_console console;
	int ready_fd;	   /* --detach: told when the VM runs (taken), -1: none */
	uint64_t start_ns; /* when the command began, CLOCK_MONOTONIC */
};

/** supervise - runs the VM to its end; the caller's config and models are borrowed. Returns the
 * exit code. */
int supervise(const struct config *c, const struct models *m, const struct run_options *o);

/** supervise_adopt - becomes the supervisor of the running VM @vm, whose own is gone, to its end. Returns the exit code, as
 * supervise() would; 1 if it cannot be adopted. */
int supervise_adopt(const char *vm, const struct models *m, const struct run_options *o);
