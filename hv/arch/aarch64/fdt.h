/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The guest's device tree, made from the same config that makes the ranges. Node names and layout
 * follow QEMU's `virt`, because bare-metal programs for that board read them. Devicetree
 * Specification 0.4.
 */
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "control.pb-c.h"
#include "proto/limits.h"

/** struct fdt_config - what the tree says. All borrowed. */
struct fdt_config {
	uint64_t ram_base, ram_size;
	unsigned cpus;
	const char *bootargs;		   /* "" = none */
	uint64_t initrd_start, initrd_end; /* equal: none */
	size_t n_devices;
	Outrigger__DeviceConfig *const *devices;
};

/** fdt_build - makes the blob. 0, *@ret (gives, free()) and *@ret_size in bytes; -EINVAL: a device
 * cannot be described (named in @err); -ENOMEM. Has fresh random bytes in /chosen/rng-seed each
 * time. */
int fdt_build(const struct fdt_config *cfg, void **ret, size_t *ret_size, struct err *err);
