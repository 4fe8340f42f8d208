/* SPDX-License-Identifier: Apache-2.0 */
/* The machine x86_64-pc for the core. */
#include "hv/arch/x86_64/board.h"
#include "hv/arch/x86_64/boot.h"
#include "hv/board.h"

static const struct board_range ranges[] = {
	{BUS_MMIO, BOARD_IOAPIC_BASE, 0x1000, "the IOAPIC"},
	{BUS_MMIO, BOARD_LAPIC_BASE, 0x1000, "the local APICs"},
	{BUS_MMIO, BOARD_KVM_BASE, 0x4000, "pages that KVM needs for itself"},
	{BUS_PIO, 0x20, 2, "the first interrupt controller (PIC)"},
	{BUS_PIO, 0x40, 4, "the timer (PIT)"},
	{BUS_PIO, 0x61, 1, "the timer's gate (PIT)"},
	{BUS_PIO, 0xa0, 2, "the second interrupt controller (PIC)"},
	{BUS_PIO, 0x4d0, 2, "the interrupt controllers' edge/level registers"},
	{BUS_PIO, BOARD_PM_BASE, BOARD_PM_SIZE, "ACPI power management"},
	{BUS_PIO, BOARD_RESET_PORT, 1, "the reset register"},
	{0},
};

extern const struct board board_x86_64_pc;
const struct board board_x86_64_pc = {
	.machine = "x86_64-pc",
	.isa = "x86_64",
	.ram = {.base = 0, .hole = BOARD_HOLE_BASE, .hole_bytes = BOARD_HOLE_SIZE},
	.irq_count = BOARD_GSI_COUNT,
	.has_pio = true,
	.ranges = ranges,
	.load = x86_boot_load,
};
