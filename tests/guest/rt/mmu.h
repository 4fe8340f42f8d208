/* SPDX-License-Identifier: Apache-2.0 */
/* Stage 1 translation tables for the test programs: 4 KiB granule. */
#pragma once
#include "rt.h"

#define PTE_VALID 1ull
#define PTE_TABLE 3ull
#define PTE_PAGE 3ull
#define PTE_ATTR(n) ((uint64_t)(n) << 2)
#define PTE_AP(n) ((uint64_t)(n) << 6) /* 0 EL1 RW, 1 both RW, 2 EL1 RO, 3 both RO */
#define PTE_SH_INNER (3ull << 8)
#define PTE_AF (1ull << 10)
#define PTE_NG (1ull << 11)
#define PTE_PXN (1ull << 53)
#define PTE_UXN (1ull << 54)
#define TABLE_PXN (1ull << 59)
#define TABLE_UXN (1ull << 60)
#define TABLE_AP(n) ((uint64_t)(n) << 61)

#define ATTR_DEVICE 0
#define ATTR_NORMAL 1
#define ATTR_NC 2

#define PTE_NORMAL (PTE_AF | PTE_SH_INNER | PTE_ATTR(ATTR_NORMAL))
#define PTE_DEVICE (PTE_AF | PTE_ATTR(ATTR_DEVICE) | PTE_PXN | PTE_UXN)

#define SCTLR_M (1ull << 0)
#define SCTLR_A (1ull << 1)
#define SCTLR_C (1ull << 2)
#define SCTLR_SA (1ull << 3)
#define SCTLR_SA0 (1ull << 4)
#define SCTLR_UMA (1ull << 9)
#define SCTLR_I (1ull << 12)
#define SCTLR_DZE (1ull << 14)
#define SCTLR_UCT (1ull << 15)
#define SCTLR_NTWI (1ull << 16)
#define SCTLR_NTWE (1ull << 18)
#define SCTLR_WXN (1ull << 19)
#define SCTLR_UCI (1ull << 26)
#define SCTLR_RES1 0x30d00800ull

#define TCR_EPD0 (1ull << 7)
#define TCR_EPD1 (1ull << 23)
#define TCR_A1 (1ull << 22)
#define TCR_AS (1ull << 36)
#define TCR_TBI0 (1ull << 37)
#define TCR_TBI1 (1ull << 38)

/* mmu_tcr - TCR for the two T0SZ/T1SZ, 4 KiB, cacheable walks, 40-bit PA. */
uint64_t mmu_tcr(unsigned t0sz, unsigned t1sz);
/* pt_alloc - an empty table of the static pool. */
uint64_t *pt_alloc(void);
/* pt_release - makes all tables of the pool free again. The MMU must be off. */
void pt_release(void);
/*
 * pt_map - one block or page. @root is a table of level @first; the entry for @va is written at
 * @level (1 or 2 a block, 3 a page) with @bits, which include everything but the type. Tables in
 * between are made as needed. Gives the entry.
 */
uint64_t *pt_map(uint64_t *root, int first, uint64_t va, uint64_t pa, int level, uint64_t bits);
/* pt_entry - the entry for @va at @level, or NULL when a level above is not a table. */
uint64_t *pt_entry(uint64_t *root, int first, uint64_t va, int level);
/* pt_identity - maps devices and RAM by two 1 GiB blocks, for EL1 (EL0 may execute). */
void pt_identity(uint64_t *root, int first);
void mmu_on(uint64_t *ttbr0, uint64_t tcr, uint64_t sctlr_more);
void mmu_off(void);
void tlbi_all(void);
/* pte_set - writes an entry and makes it seen, without any TLBI. */
void pte_set(uint64_t *e, uint64_t v);
