/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One software CPU with 4 MiB of RAM and no engine around it: soft_ram() and soft_broadcast() are this file's. */
#include "hv/arch/aarch64/soft/cpu.h"
#include "hv/arch/aarch64/soft/soft.h"
#include "hv/arch/aarch64/soft/tlb.h"

#define ENV_RAM 0x40000000ull
#define ENV_RAM_SIZE 0x400000ull

/* Leaf descriptor bits. */
#define D_AF (1ull << 10)
#define D_NG (1ull << 11)
#define D_AP(x) ((uint64_t)(x) << 6)
#define D_ATTR(x) ((uint64_t)(x) << 2)
#define D_SH(x) ((uint64_t)(x) << 8)
#define D_PXN (1ull << 53)
#define D_UXN (1ull << 54)
#define D_TABLE 3ull
#define D_PAGE 3ull
#define D_BLOCK 1ull

struct env {
	struct cpu cpu;
	struct soft_vm vm;
	struct tlb view[2];
	uint64_t next_table; /* PA of the next free table */
	unsigned broadcasts;
	struct inbox_msg last;
};

/** env_setup / env_teardown - cmocka fixtures; *state is a struct env with the CPU after reset, MMU off. */
int env_setup(void **state);
int env_teardown(void **state);
/** env_table - PA of a new, empty table. */
uint64_t env_table(struct env *e);
/** env_desc - the descriptor @index of the table at @table. */
uint64_t *env_desc(struct env *e, uint64_t table, unsigned index);
/** env_map - maps @va by a descriptor @leaf (output address and attributes, type bits included) at @level, under the
 * root table @root of @root_level. Tables are made as needed with @table_bits. Returns the leaf descriptor. */
uint64_t *env_map(struct env *e, uint64_t root, unsigned root_level, uint64_t va, unsigned level,
		  uint64_t leaf, uint64_t table_bits);
/** env_mmu_on - two 48-bit halves with 16-bit ASIDs and 40-bit PA, roots made; MAIR: 0 normal, 1 device, 2 nc. */
void env_mmu_on(struct env *e);
