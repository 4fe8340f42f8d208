/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Software TLB of one EL view, and the stage 1 walk behind it.
 *
 * Hit test of an access of @size bytes: (va & (~0xfff | (size - 1))) == tag, which fails for misaligned accesses too;
 * then host pointer = va + addend. Device pages never get a tag; read-only pages no write tag.
 */
#include "hv/arch/aarch64/soft/cpu.h"

#define TLB_BITS 10
#define TLB_ENTRIES (1u << TLB_BITS)
#define TLB_INVALID                                                                                \
	0x800ull /* a bit that no masked address of an access up to 1 KiB has; 1 would equal va 1 */
#define FTLB_ENTRIES 256u

struct tlb_entry {
	uint64_t tag_r, tag_w; /* page's VA, or TLB_INVALID */
	uintptr_t addend;      /* host address - va */
	uint64_t meta;	       /* ASID in bits 63..48, page's PA in 47..12, TLB_META_* */
};
#define TLB_META_NG 0x1ull     /* not global */
#define TLB_META_DEVICE 0x2ull /* Device memory type that lies in RAM: unaligned is a fault */
#define TLB_META_BLOCK2M 0x4ull
#define TLB_META_BLOCK1G 0x8ull
struct tlb_fetch {
	uint64_t tag; /* page's VA, or TLB_INVALID */
	uint64_t pa;  /* page's physical address */
	uint64_t meta;
	void *page; /* code_page of code.h, or NULL; owned by the code cache */
};

/** struct tlb - one view (EL0 or EL1) of one vCPU. */
struct tlb {
	struct tlb_entry e[TLB_ENTRIES];
	struct tlb_fetch f[FTLB_ENTRIES];
	bool has_block; /* an entry came from a block mapping: TLBI VA must flush the block's range */
	bool has_1g;	/* ... of 1 GiB */
	/* Which entries of @e and @f are not global, so that an ASID change visits only them; and in which 2 MiB regions
	 * (by hash) a block mapping was entered, so that TLBI VA elsewhere stays O(1). Conservative: bits may be stale. */
	uint64_t ng[TLB_ENTRIES / 64], fetch_ng[FTLB_ENTRIES / 64];
	uint64_t block_map[16];
};

static inline unsigned tlb_index(uint64_t va)
{
	return (unsigned)(va >> 12) & (TLB_ENTRIES - 1);
}
static inline unsigned ftlb_index(uint64_t va)
{
	return (unsigned)(va >> 12) & (FTLB_ENTRIES - 1);
}

enum mmu_access { MMU_READ, MMU_WRITE, MMU_FETCH };

/** struct mmu_map - the result of a walk. */
struct mmu_map {
	uint64_t pa;		/* of the exact va */
	uint8_t page_shift;	/* 12, 21, 30 */
	bool read, write, exec; /* for the EL asked */
	bool device;		/* Device memory type: no unaligned access, no exclusives */
	bool nonglobal;
	uint16_t asid;
	uint8_t attr; /* MAIR attribute byte; for PAR_EL1 */
	uint8_t sh;
};
/** struct mmu_fault - why it failed. @fsc: DFSC/IFSC (0x00-0x07, 0x09-0x0f; 0x14-0x17: external abort on the walk,
 * that is, a table outside RAM). @s1ptw: ISS bit 7; always false here, it tells of stage 2 faults only. */
struct mmu_fault {
	uint8_t fsc;
	bool s1ptw;
};

/** mmu_walk - translates @va for @el and @access by the current registers. 0, or -EFAULT with *@ret_fault. Alignment
 * is the caller's. Pure: touches no TLB. vCPU's own thread. */
int mmu_walk(struct cpu *c, uint64_t va, unsigned el, enum mmu_access access, struct mmu_map *ret,
	     struct mmu_fault *ret_fault);

/** mmu_branch_addr - @va as PC after a branch, or exception return: with TBI the tag byte becomes
 * copies of bit 55 (DDI 0487, BranchAddr). */
static inline uint64_t mmu_branch_addr(const struct cpu *c, uint64_t va)
{
	unsigned tbi = (unsigned)(c->tcr >> 37) & 3; /* TBI0, TBI1 */
	if (__builtin_expect(tbi == 0, 1))
		return va;
	if (!(tbi >> (va >> 55 & 1) & 1))
		return va;
	return (uint64_t)((int64_t)(va << 8) >> 8);
}

/** tlb_fill - after mmu_walk(): enters the 4 KiB page of @va; @host: host address of m->pa. Device-type RAM (MMU off
 * too) is entered as well: hits are aligned by the hit test, and TLB_META_DEVICE tells the slow path that unaligned
 * is a fault. Read-only RAM: clear m->write before. */
void tlb_fill(struct cpu *c, struct tlb *t, uint64_t va, const struct mmu_map *m, uint8_t *host);
/** tlb_fill_fetch - the same for the fetch TLB. @page is kept as is. Returns the entry. */
struct tlb_fetch *tlb_fill_fetch(struct cpu *c, struct tlb *t, uint64_t va, const struct mmu_map *m,
				 void *page);
/** tlb_init - all entries of a new view invalid. */
void tlb_init(struct tlb *t);

/** tlb_flush_* - drop entries of both views of this vCPU (local part of TLBI). @va: any address of the page, bits
 * 63..56 ignored. Own thread. */
void tlb_flush_all(struct cpu *c);
void tlb_flush_asid(struct cpu *c, uint16_t asid);
void tlb_flush_va(struct cpu *c, uint64_t va, bool all_asids, uint16_t asid);

/** tlb_asid_changed - the current ASID is another one: drops the not-global entries. */
void tlb_asid_changed(struct cpu *c);

/** tlbi_exec - executes TLBI by its op1:CRm:op2 (SYSREG_KEY of the SYS instruction), here and, for the IS variants,
 * by soft_broadcast() of soft.h on the others.
 * False: not a TLBI that EL1 has (UNDEF). */
bool tlbi_exec(struct cpu *c, uint32_t key, uint64_t xt);

/** mmu_at_exec - AT S1E1R/W, S1E0R/W: fills PAR_EL1. False: not one of these. */
bool mmu_at_exec(struct cpu *c, uint32_t key, uint64_t va);

/** soft_ram - host address of @len bytes of guest RAM at @pa; NULL if not wholly RAM. *@ret_ro (may be NULL). */
uint8_t *soft_ram(struct soft_vm *vm, uint64_t pa, uint64_t len, bool *ret_ro);
