/* SPDX-License-Identifier: Apache-2.0 */
#include "soft_env.h"
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "hv/arch/aarch64/soft/sysreg.h"

static struct env *current;

uint8_t *soft_ram(struct soft_vm *vm, uint64_t pa, uint64_t len, bool *ret_ro)
{
	uint64_t off = pa - vm->mem[0].gpa;
	if (pa < vm->mem[0].gpa || off > vm->mem[0].size || len > vm->mem[0].size - off)
		return NULL;
	if (ret_ro)
		*ret_ro = false;
	return vm->mem[0].hva + off;
}

void soft_broadcast(struct cpu *c, const struct inbox_msg *m)
{
	(void)c;
	current->broadcasts++;
	current->last = *m;
}

int env_setup(void **state)
{
	struct env *e = aligned_alloc(64, (sizeof(*e) + 63) / 64 * 64);
	CHECK(e != NULL);
	memset(e, 0, sizeof(*e));
	e->vm.cpus = 1;
	e->vm.mem_count = 1;
	e->vm.mem[0] = (struct engine_mem){.gpa = ENV_RAM, .size = ENV_RAM_SIZE};
	e->vm.mem[0].hva = aligned_alloc(4096, ENV_RAM_SIZE);
	CHECK(e->vm.mem[0].hva != NULL);
	memset(e->vm.mem[0].hva, 0, ENV_RAM_SIZE);
	e->next_table = ENV_RAM;
	e->cpu.vm = &e->vm;
	e->cpu.tlb_el[0] = &e->view[0];
	e->cpu.tlb_el[1] = &e->view[1];
	sysreg_reset(&e->cpu);
	current = e;
	*state = e;
	return 0;
}

int env_teardown(void **state)
{
	struct env *e = *state;
	free(e->vm.mem[0].hva);
	free(e);
	return 0;
}

uint64_t env_table(struct env *e)
{
	uint64_t t = e->next_table;
	e->next_table += 4096;
	CHECK(e->next_table <= ENV_RAM + ENV_RAM_SIZE);
	return t;
}

uint64_t *env_desc(struct env *e, uint64_t table, unsigned index)
{
	return (uint64_t *)(void *)soft_ram(&e->vm, table + index * 8, 8, NULL);
}

uint64_t *env_map(struct env *e, uint64_t root, unsigned root_level, uint64_t va, unsigned level,
		  uint64_t leaf, uint64_t table_bits)
{
	uint64_t table = root;
	for (unsigned l = root_level;; l++) {
		uint64_t *d = env_desc(e, table, (unsigned)(va >> (12 + 9 * (3 - l))) & 511);
		if (l == level) {
			*d = leaf;
			return d;
		}
		if (!*d)
			*d = env_table(e) | D_TABLE | table_bits;
		table = *d & 0x0000fffffffff000ull;
	}
}

void env_mmu_on(struct env *e)
{
	struct cpu *c = &e->cpu;
	c->ttbr[0] = env_table(e);
	c->ttbr[1] = env_table(e);
	c->tcr = 16 | 16 << 16 | 2ull << 32 | 1ull << 36; /* T0SZ, T1SZ, IPS = 40 bits, AS */
	c->mair = 0x4400ff; /* 0: write-back, 1: nGnRnE, 2: non-cacheable */
	c->sctlr |= 1;
}
