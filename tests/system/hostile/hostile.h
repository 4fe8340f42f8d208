/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A device daemon that keeps to no rule: what it does is said by HOSTILE in its environment. It has
 * no sandbox, so it can do more than any real daemon could.
 */
#include <stdint.h>
#include "proto/ctl.h"
#include "proto/dock.h"
#include "proto/port.h"

#define HOSTILE_SIZE 0x1000u
#define HOSTILE_IRQS 2u

/** struct hostile - what docking gave. */
struct hostile {
	const char *mode, *dock_path;
	int fds[LIMIT_FDS + DOCK_FD_BACKEND];
	int dock_fd;
	struct dock_reply reply;
	struct ctl *ctl;
	struct port *port;
	size_t port_bytes;
	struct port_consumer pc;
};

/** hostile_is - true if HOSTILE names this. */
bool hostile_is(const struct hostile *h, const char *mode);

/** hostile_random - the next number of a generator that starts the same in each run. */
uint64_t hostile_random(void);

/** hostile_serve_one - answers one request as a device should; false: there was none. */
bool hostile_serve_one(struct hostile *h);

/** hostile_attack - what the mode says to do once the guest runs. Does not return before hv is
 * gone. */
void hostile_attack(struct hostile *h);

/** hostile_gone - true when hv has closed the dock connection. */
bool hostile_gone(struct hostile *h);

/** hostile_ranges - what the mode registers. Owned by the callee until the next call. */
Outrigger__RegisterRanges *hostile_ranges(const struct hostile *h);
