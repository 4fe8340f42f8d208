/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A machine as the core sees it: where its memory and its own ranges are, and how a guest gets into it. Each architecture
 * adds its boards under hv/arch/.
 */
#include "control.pb-c.h"
#include "hv/bus.h"
#include "hv/engine.h"
#include "hv/mem.h"

/** struct board_range - what belongs to the board itself: no device may be there. A list ends with a size of 0. */
struct board_range {
	enum bus_space space;
	uint64_t base, size;
	const char *what;
};

/** struct board_images - what is to be loaded. Descriptors are borrowed; -1: none. */
struct board_images {
	const Outrigger__VmConfig *cfg;
	int kernel_fd, initrd_fd;
	int tables_fd; /* the device tree is written here, where the board has one */
};

/** struct board - one machine. Constant. */
struct board {
	const char *machine; /* as in the config */
	const char *isa;     /* of its engines: struct engine_ops.isa */
	struct mem_layout ram;
	unsigned irq_count; /* interrupt lines are 0 to this - 1 */
	bool has_pio;
	const struct board_range *ranges;
	/** load - puts kernel, initramfs and tables into memory that reads as zero. 0 and *@ret: how the first vCPU
	 * begins (powered_on is the caller's); -Exxx with @err. Any thread. */
	int (*load)(const struct mem *m, const struct board_images *in, struct engine_boot *ret,
		    struct err *err);
};

/** board_find - by name, or NULL. */
const struct board *board_find(const char *machine);

/** board_names - the machines that people can ask for, as text. */
const char *board_names(void);
