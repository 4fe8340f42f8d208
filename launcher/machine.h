/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Boards: where memory, the interrupt controller and the known devices are. Constant tables. */
#include <stdbool.h>
#include <stdint.h>

/** struct machine_block - a range of the guest's address space that belongs to the board itself. */
struct machine_block {
	const char *what;
	uint64_t base, size;
	bool pio; /* of its I/O ports */
};

/** struct machine_slot - the board's own place for a model. @irq: SPI number. */
struct machine_slot {
	const char *model;
	uint64_t address;
	uint32_t irq;
	bool pio; /* the address is a port */
};

/** struct machine - one board. Arrays end with a NULL name. */
struct machine {
	const char *name, *summary;
	uint64_t ram_base, ram_max;
	uint64_t hole, hole_size; /* memory that would reach into it goes on behind it; 0: none */
	unsigned address_bits;
	bool pio; /* it has I/O ports, 0 to 0xffff */
	uint32_t spi_count;
	const struct machine_block *blocks;
	const struct machine_slot *slots;
	/* A row of equal slots for models named "@row_prefix...": address + n * stride, irq + n. */
	const char *row_prefix;
	uint64_t row_base, row_stride;
	uint32_t row_irq, row_count;
	const uint8_t *row_irqs; /* or one by one, row_count of them; NULL: row_irq + n */
};

extern const struct machine machine_aarch64_virt, machine_x86_64_pc;

/** machine_find - by name, or NULL. */
const struct machine *machine_find(const char *name);
