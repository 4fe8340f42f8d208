/* SPDX-License-Identifier: Apache-2.0 */
#include "mmu.h"

#define POOL 160
static uint64_t pool[POOL][512] __attribute__((aligned(4096)));
static unsigned used;

uint64_t mmu_tcr(unsigned t0sz, unsigned t1sz)
{
	return t0sz | (uint64_t)t1sz << 16 | 1ull << 8 | 1ull << 10 | 3ull << 12 | 1ull << 24 |
	       1ull << 26 | 3ull << 28 | 2ull << 30 | 2ull << 32;
}

uint64_t *pt_alloc(void)
{
	uint64_t *t = pool[used++];

	if (used > POOL) {
		print("FAIL: out of tables\n");
		done();
	}
	for (int i = 0; i < 512; i++)
		t[i] = 0;
	return t;
}

void pt_release(void)
{
	used = 0;
}

static unsigned index_of(uint64_t va, int level)
{
	return va >> (39 - 9 * level) & 511;
}

uint64_t *pt_entry(uint64_t *root, int first, uint64_t va, int level)
{
	uint64_t *t = root;

	for (int l = first; l < level; l++) {
		uint64_t e = t[index_of(va, l)];

		if ((e & 3) != 3)
			return NULL;
		t = (uint64_t *)(e & 0xfffffffff000ull);
	}
	return &t[index_of(va, level)];
}

uint64_t *pt_map(uint64_t *root, int first, uint64_t va, uint64_t pa, int level, uint64_t bits)
{
	uint64_t *t = root;

	for (int l = first; l < level; l++) {
		uint64_t *e = &t[index_of(va, l)];

		if ((*e & 3) != 3)
			*e = (uint64_t)pt_alloc() | PTE_TABLE;
		t = (uint64_t *)(*e & 0xfffffffff000ull);
	}
	t += index_of(va, level);
	pte_set(t, pa | bits | (level == 3 ? 3 : 1));
	return t;
}

void pt_identity(uint64_t *root, int first)
{
	pt_map(root, first, 0, 0, 1, PTE_DEVICE);
	pt_map(root, first, RAM_BASE, RAM_BASE, 1, PTE_NORMAL);
}

void tlbi_all(void)
{
	__asm__ volatile("dsb ish\n\ttlbi vmalle1\n\tdsb ish\n\tisb" ::: "memory");
}

void pte_set(uint64_t *e, uint64_t v)
{
	*(volatile uint64_t *)e = v;
	__asm__ volatile("dsb ish\n\tisb" ::: "memory");
}

void mmu_on(uint64_t *ttbr0, uint64_t tcr, uint64_t sctlr_more)
{
	write_sysreg(mair_el1, 0x44ff00);
	write_sysreg(tcr_el1, tcr);
	write_sysreg(ttbr0_el1, (uint64_t)ttbr0);
	tlbi_all();
	write_sysreg(sctlr_el1, SCTLR_RES1 | SCTLR_M | SCTLR_C | SCTLR_I | sctlr_more);
}

void mmu_off(void)
{
	write_sysreg(sctlr_el1, SCTLR_RES1);
	tlbi_all();
}
