/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "bench/child.h"
#include "bench/report.h"

#include <limits.h>

#define VMM_ARGS_MAX 64

/** struct vmm_setup - where everything is, and how long to measure. Paths end in NUL. */
struct vmm_setup {
	char outrigger[PATH_MAX];
	char config[PATH_MAX];
	char qemu[PATH_MAX]; /* empty: QEMU is not measured */
	char kernel[PATH_MAX];
	char initrd[PATH_MAX];
	char guest[PATH_MAX];	   /* the bare-metal guest */
	char live_guest[PATH_MAX]; /* that of measure_live() */
	char rootfs[PATH_MAX];	   /* a Debian root image with fio and iperf3 */
	char work[PATH_MAX];	   /* where disk images are made */
	unsigned memory_mib;
	unsigned runs;
	double scale; /* of the lengths: 1 = full */
	bool verbose;
};

/** struct vmm_image - what a virtual machine is to run. Borrows. */
struct vmm_image {
	const char *kernel;
	const char *initrd;  /* NULL: none */
	const char *cmdline; /* NULL: none */
	/* For machines with more devices; NULL: those of the setup. */
	const char *config;	      /* Outrigger's */
	unsigned cpus;		      /* Outrigger's; 0: one */
	const char *const *qemu_args; /* QEMU's further arguments, ended by NULL */
};

/** vmm_has - whether this side is to be measured. */
bool vmm_has(const struct vmm_setup *s, enum report_side side);

/**
 * vmm_start - starts the side's hypervisor on @image with one vCPU, its console on the child's
 * standard input and output. Both sides get the same memory and image; QEMU its `virt` board with
 * GICv3 and a Cortex-A53, translated (TCG), without default devices. 0 or -Exxx with @e set.
 */
int vmm_start(const struct vmm_setup *s, enum report_side side, const struct vmm_image *image,
	      struct child *c, struct err *e);

/** vmm_name - the name of the Outrigger VM that vmm_start() started last; valid until its next call. */
const char *vmm_name(void);

/** vmm_explain - sets @e to "<side> <what>", with the ends of the child's outputs. Returns -EIO. */
int vmm_explain(struct child *c, enum report_side side, const char *what, struct err *e);
