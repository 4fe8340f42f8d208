/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The resolved config as the message that hv gets, and the way it gets there. */
#include "launcher/backend.h"
#include "launcher/config.h"
#include "proto/launch.h"

/** struct vmconfig - a VmConfig and all it points to. */
struct vmconfig {
	Outrigger__VmConfig msg;
	int *fds; /* those that *_fd_index refer to, borrowed from the backends */
	unsigned nfds;
	struct vmconfig_parts *parts;
};

/** vmconfig_make - fills @v from @c and @b (both borrowed, must outlive it). Makes the tokens. */
void vmconfig_make(struct vmconfig *v, const struct config *c, const struct backends *b,
		   const char *runtime_dir, bool no_reboot);
void vmconfig_fini(struct vmconfig *v);

/** vmconfig_send - packs @v into a memfd and sends the launch packet over @sock. 0 or -Exxx. */
int vmconfig_send(const struct vmconfig *v, int sock, struct err *err);
