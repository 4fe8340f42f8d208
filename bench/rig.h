/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "bench/footprint.h"
#include "bench/vmm.h"

/*
 * A rig: a VM with virtio devices that runs a shell of the Debian root image on its console and does what it is told. The
 * root image is /dev/vda, read-only; what else there is, the caller says. Two rigs can run side by side, one
 * idle while the other is measured.
 */

#define RIG_DEVICES_MAX 6

/** struct rig_device - one more virtio device, for either side. Borrows. */
struct rig_device {
	const char *model;   /* Outrigger's: virtio-blk, ... */
	const char *options; /* Outrigger's, as YAML flow mapping: {path: /x, cache: none} */
	const char *dma;     /* Outrigger's: map, copy; NULL: the default */
	const char *
		qemu_backend; /* "-blockdev ..." or the like: option and value, separated by the first space; NULL: none */
	const char *qemu_device; /* the value of -device, without bus */
};

/** struct rig - one running VM. Zeroed: not running. */
struct rig {
	enum report_side side;
	struct child child;
	char name[48]; /* of the VM, for outrigger's other verbs */
	char config[PATH_MAX];
};

/** rig_start - boots it to the shell. 0 or -Exxx with @e. Blocks for some seconds. */
int rig_start(const struct vmm_setup *s, enum report_side side, const struct rig_device *devices,
	      size_t n, struct rig *rig, struct err *e);

/**
 * rig_run - runs @command in the shell and waits for its end, at most @seconds. *@ret_output: what it printed,
 * valid until the next call. 0; -EIO if it failed, -ETIMEDOUT, with @e.
 */
int rig_run(struct rig *rig, const char *command, double seconds, const char **ret_output,
	    struct err *e);

/** rig_stop - ends it. A zeroed or half-started one is fine. */
void rig_stop(struct rig *rig);

/** rig_stat - the counter @key of device @device, as `outrigger stats --json` tells it; -1: it cannot be had. */
double rig_stat(const struct vmm_setup *s, const struct rig *rig, const char *device,
		const char *key);
