/* SPDX-License-Identifier: Apache-2.0 */
/* The machine aarch64-virt for the core. */
#include "hv/arch/aarch64/board.h"
#include "hv/board.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/arch/aarch64/boot.h"
#include "hv/arch/aarch64/fdt.h"
#include <errno.h>
#include <string.h>

static void write_out(int fd, const void *blob, size_t size)
{
	int rc = 0;
	if (pwrite(fd, blob, size, 0) < 0 && errno == ESPIPE)
		rc = fd_write_all(fd, blob, size);
	if (rc)
		log_warn("cannot write the device tree out: %s", strerror(-rc));
}

static int load_dtb(const struct mem *m, const struct board_images *in, struct boot_layout *l,
		    struct err *err)
{
	const Outrigger__VmConfig *c = in->cfg;
	struct fdt_config f = {
		.ram_base = m->base.v,
		.ram_size = m->size,
		.cpus = c->cpus,
		.bootargs = c->cmdline,
		.initrd_start = l->initrd_start,
		.initrd_end = l->initrd_end,
		.n_devices = c->n_devices,
		.devices = c->devices,
	};
	AUTO_FREE void *blob = NULL;
	size_t size = 0;
	int rc = fdt_build(&f, &blob, &size, err);
	if (!rc)
		rc = boot_place_dtb(m, l, blob, size, err);
	if (!rc && in->tables_fd >= 0)
		write_out(in->tables_fd, blob, size);
	return rc;
}

static int virt_load(const struct mem *m, const struct board_images *in, struct engine_boot *ret,
		     struct err *err)
{
	struct boot_source src = {
		.kernel_fd = in->kernel_fd,
		.initrd_fd = in->initrd_fd,
		.kernel_path = in->cfg->kernel_path,
		.initrd_path = in->cfg->initrd_path,
	};
	struct boot_layout l = {0};
	int rc = boot_load(m, &src, &l, err);
	if (!rc)
		rc = load_dtb(m, in, &l, err);
	if (!rc)
		*ret = (struct engine_boot){.entry = l.entry, .args = {l.dtb}};
	return rc;
}

extern const struct board board_aarch64_virt;
const struct board board_aarch64_virt = {
	.machine = "aarch64-virt",
	.isa = "aarch64",
	.ram = {.base = BOARD_RAM_BASE},
	.irq_count = BOARD_SPI_COUNT,
	.ranges = (const struct board_range[]){{BUS_MMIO, BOARD_GICD_BASE, BOARD_GICD_SIZE,
						"the interrupt distributor"},
					       {BUS_MMIO, BOARD_GICR_BASE, BOARD_GICR_SIZE_MAX,
						"the interrupt redistributors"},
					       {0}},
	.load = virt_load,
};
