/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The x86_64-pc board: a PC without PCI. Interrupt controllers, timer and ACPI's power management are where every PC has
 * them; devices are virtio over MMIO, and what is on ports.
 *
 *   0x00000000  memory, up to 3 GiB               0xfec00000  IOAPIC
 *   0xc0000000  hole for devices                  0xfee00000  local APICs
 *   0xd0000000  virtio devices, 0x200 each        0xfffbc000  4 pages that KVM wants for itself
 *   0x100000000 memory beyond 3 GiB
 */
#define BOARD_HOLE_BASE 0xc0000000ull
#define BOARD_HOLE_SIZE 0x40000000ull
#define BOARD_VIRTIO_BASE 0xd0000000ull
#define BOARD_IOAPIC_BASE 0xfec00000ull
#define BOARD_LAPIC_BASE 0xfee00000ull
#define BOARD_KVM_BASE 0xfffbc000ull /* identity map page, then 3 pages of TSS */
#define BOARD_GSI_COUNT 24u
/* Ports of the fast path (pm.h). ACPI 6.4, 4.8.3: the fixed power-management registers. */
#define BOARD_PM_BASE 0x600u
#define BOARD_PM_SIZE 0x10u
#define BOARD_PM1_EVT 0x600u
#define BOARD_PM1_CNT 0x604u
#define BOARD_PM_TMR 0x608u
#define BOARD_RESET_PORT                                                                           \
	0xcf9u /* the reset control register of PC chipsets; also FADT's reset register */
#define BOARD_RESET_VALUE 6u
#define BOARD_SCI 9u
#define BOARD_SLP_TYP_S5 5u
#define BOARD_PM_TMR_HZ 3579545u

/** enum x86_entry - engine_boot.mode: how the CPU stands at the entry point, and what its args are. */
enum x86_entry {
	X86_ENTRY_REAL = 0, /* at the reset vector; no args */
	X86_ENTRY_PROT = 1, /* 32-bit protected mode, flat segments, no paging. args: eax, ebx */
	X86_ENTRY_LONG = 2, /* 64-bit mode. args: rsi, page table root, GDT */
};
/* What the GDT at args[2] of X86_ENTRY_LONG holds (Linux Documentation/arch/x86/boot.rst, "64-bit boot protocol"). */
#define X86_GDT_CODE 0x10u
#define X86_GDT_DATA 0x18u
#define X86_GDT_ENTRIES 4u
