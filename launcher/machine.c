/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/machine.h"
#include <stddef.h>
#include <string.h>

/* The memory map of QEMU's "virt" board (QEMU documentation, "virt generic virtual platform";
 * addresses as in the device tree it gives its guests), so that kernels and firmware made for it
 * run. */
static const struct machine_block virt_blocks[] = {
	{"the interrupt controller's distributor (GICD)", 0x08000000, 0x10000, false},
	{"the interrupt controller's redistributors (GICR)", 0x080a0000, 0xf60000, false},
	{NULL, 0, 0, false},
};

static const struct machine_slot virt_slots[] = {
	{"pl011", 0x09000000, 1, false},
	{"pl031", 0x09010000, 2, false},
	{"pl011", 0x09040000, 8, false}, /* the board's second UART */
	{NULL, 0, 0, false},
};

const struct machine machine_aarch64_virt = {
	.name = "aarch64-virt",
	.summary = "AArch64 with the memory map of QEMU's virt board: GICv3, generic timer, PSCI",
	.ram_base = 0x40000000,
	.ram_max = 255ull << 30,
	.address_bits = 40,
	.spi_count = 988,
	.blocks = virt_blocks,
	.slots = virt_slots,
	.row_prefix = "virtio-",
	.row_base = 0x0a000000,
	.row_stride = 0x200,
	.row_irq = 16,
	.row_count = 32,
};

const struct machine *machine_find(const char *name)
{
	return strcmp(name, machine_aarch64_virt.name) == 0 ? &machine_aarch64_virt : NULL;
}
