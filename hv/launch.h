/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the launcher hands over first on the inherited socket: config and descriptors (proto/launch.h). What follows on the
 * same socket is hv/supervision.c's.
 */
#include <stdint.h>
#include "base/err.h"
#include "control.pb-c.h"
#include "proto/launch.h"

/** struct launch - what came. */
struct launch {
	Outrigger__VmConfig *cfg;
	int fds[LAUNCH_FDS_MAX];
	unsigned nfds;
};

/** launch_receive - waits for the packet on @sock (borrowed). 0, or -Exxx with @err. */
int launch_receive(int sock, struct launch *ret, struct err *err);

/** launch_fini - frees and closes what launch_receive() gave; a zeroed object is allowed. */
void launch_fini(struct launch *l);
