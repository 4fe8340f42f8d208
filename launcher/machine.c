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

/* A PC without PCI (hv/arch/x86_64/board.h): what is on ports is where every PC has it. */
static const struct machine_block pc_blocks[] = {
	{"the IOAPIC", 0xfec00000, 0x1000, false},
	{"the local APICs", 0xfee00000, 0x1000, false},
	{"pages that KVM needs for itself", 0xfffbc000, 0x4000, false},
	{"the first interrupt controller (PIC)", 0x20, 2, true},
	{"the timer (PIT)", 0x40, 4, true},
	{"the timer's gate (PIT)", 0x61, 1, true},
	{"the second interrupt controller (PIC)", 0xa0, 2, true},
	{"the interrupt controllers' edge/level registers", 0x4d0, 2, true},
	{"ACPI power management", 0x600, 0x10, true},
	{"the reset register", 0xcf9, 1, true},
	{NULL, 0, 0, false},
};

static const struct machine_slot pc_slots[] = {
	{"ns16550", 0x3f8, 4, true},
	{"ns16550", 0x2f8, 3, true},
	{"rtc-cmos", 0x70, 8, true},
	{"i8042", 0x60, 1, true},
	{"pvpanic", 0x505, 0, true},
	{"debug-exit", 0xf4, 0, true},
	/* For bare-metal programs: no PC has these. */
	{"pl011", 0xd0100000, 10, false},
	{"pl031", 0xd0101000, 11, false},
	{NULL, 0, 0, false},
};

/* The IOAPIC's own pins first, then what is free of the old bus's. */
static const uint8_t pc_row_irqs[] = {16, 17, 18, 19, 20, 21, 22, 23, 5, 6, 7, 14, 15, 12};

const struct machine machine_x86_64_pc = {
	.name = "x86_64-pc",
	.summary = "a PC without PCI: IOAPIC, ACPI, virtio over MMIO, devices on ports",
	.ram_base = 0,
	.ram_max = 255ull << 30,
	.hole = 0xc0000000,
	.hole_size = 0x40000000,
	.address_bits = 39,
	.pio = true,
	.spi_count = 24,
	.blocks = pc_blocks,
	.slots = pc_slots,
	.row_prefix = "virtio-",
	.row_base = 0xd0000000,
	.row_stride = 0x200,
	.row_irqs = pc_row_irqs,
	.row_count = sizeof(pc_row_irqs),
};

static const struct machine *const machines[] = {&machine_aarch64_virt, &machine_x86_64_pc};

const struct machine *machine_find(const char *name)
{
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		if (strcmp(name, machines[i]->name) == 0)
			return machines[i];
	return NULL;
}
