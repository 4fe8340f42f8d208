/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the launcher hands over on the inherited socket: one SEQPACKET packet, struct launch_header,
 * with descriptors by SCM_RIGHTS. The first is a memfd with the packed VmConfig; the others are
 * index 0, 1, ... of every *_fd_index.
 */
#include <stdint.h>
#include "base/err.h"
#include "control.pb-c.h"

#define LAUNCH_MAGIC 0x48434c4fu /* "OLCH" */
#define LAUNCH_VERSION 1u
#define LAUNCH_FDS_MAX 144u

struct launch_header {
	uint32_t magic, version;
	uint32_t config_len; /* bytes of the packed VmConfig */
	uint32_t nfds;	     /* descriptors after the memfd */
};
_Static_assert(sizeof(struct launch_header) == 16, "layout");

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
