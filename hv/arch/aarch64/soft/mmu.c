/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage 1 of the EL1&0 regime: 4 KiB granule, 48-bit VA, 40-bit PA (DDI 0487, chapter D8 "The AArch64 Virtual Memory
 * System Architecture").
 *
 * Theory of operation. mmu_walk() is pure: it reads the registers and the tables in guest RAM and answers with what
 * the page allows to the EL asked; the TLB keeps that answer. The order of checks is the architecture's: VA range and
 * EPD/E0PD (translation fault, level 0), table base out of range (address size, level 0), then per level: table read
 * (external abort), valid, address size; at the leaf the access flag, then permissions.
 */
#include "hv/arch/aarch64/soft/tlb.h"
#include "hv/arch/aarch64/soft/sysreg.h"
#include <errno.h>

#define PA_BITS_MAX 40u /* ID_AA64MMFR0_EL1.PARange = 2 */

#define FSC_ADDRESS_SIZE 0x00u
#define FSC_TRANSLATION 0x04u
#define FSC_ACCESS_FLAG 0x08u
#define FSC_PERMISSION 0x0cu
#define FSC_EXTERNAL_WALK 0x14u

#define SCTLR_M 0x1ull
#define SCTLR_I 0x1000ull
#define SCTLR_WXN 0x80000ull

#define DESC_VALID 0x1ull
#define DESC_TABLE 0x2ull
#define DESC_AP_EL0 (1ull << 6)
#define DESC_AP_RO (1ull << 7)
#define DESC_AF (1ull << 10)
#define DESC_NG (1ull << 11)
#define DESC_PXN (1ull << 53)
#define DESC_UXN (1ull << 54)
#define TABLE_PXN (1ull << 59)
#define TABLE_UXN (1ull << 60)
#define TABLE_AP_NO_EL0 (1ull << 61)
#define TABLE_AP_RO (1ull << 62)

static uint64_t bits_mask(unsigned n)
{
	return (1ull << n) - 1;
}

static int walk_fault(struct mmu_fault *f, unsigned type, unsigned level)
{
	f->fsc = (uint8_t)(type + level);
	f->s1ptw = false;
	return -EFAULT;
}

/* regime - the half of the address space that a VA selects by bit 55. */
struct regime {
	uint64_t base;	      /* of the first table */
	unsigned input_bits;  /* 64 - TxSZ */
	unsigned output_bits; /* min(IPS, PARange) */
	unsigned level;	      /* of the first table */
};

static uint16_t current_asid(const struct cpu *c)
{
	uint64_t asid = c->ttbr[c->tcr >> 22 & 1] >> 48;
	return (uint16_t)(c->tcr >> 36 & 1 ? asid : asid & 0xff);
}

/* Stage 1 off: flat, Device-nGnRnE for data (DDI 0487, "the effects of disabling a stage of address translation"). */
static int walk_off(struct cpu *c, uint64_t va, enum mmu_access access, struct mmu_map *m,
		    struct mmu_fault *f)
{
	bool tbi = c->tcr >> (37 + (va >> 55 & 1)) & 1;
	uint64_t pa = tbi ? va & bits_mask(56) : va;
	if (pa >> PA_BITS_MAX)
		return walk_fault(f, FSC_ADDRESS_SIZE, 0);
	*m = (struct mmu_map){
		.pa = pa, .page_shift = 12, .read = true, .write = true, .exec = true};
	m->sh = 2;
	if (access == MMU_FETCH) {
		m->attr = c->sctlr & SCTLR_I ? 0xaa : 0x44;
	} else {
		m->device = true;
		m->attr = 0x00;
	}
	return 0;
}

/* Picks the table for @va, or gives the level 0 fault. */
static int regime_select(const struct cpu *c, uint64_t va, unsigned el, struct regime *r,
			 struct mmu_fault *f)
{
	static const uint8_t ips_bits[8] = {32, 36, 40, 40, 40, 40, 40, 40};
	unsigned upper = (unsigned)(va >> 55) & 1;
	unsigned tsz = (unsigned)(c->tcr >> (upper ? 16 : 0)) & 63;
	bool tbi = c->tcr >> (37 + upper) & 1;
	bool epd = c->tcr >> (upper ? 23 : 7) & 1;
	bool e0pd = c->tcr >> (55 + upper) & 1;
	/* Out of 16..39 either a fault or a clamp is allowed; QEMU faults. */
	if (tsz < 16 || tsz > 39 || epd || (e0pd && el == 0))
		return walk_fault(f, FSC_TRANSLATION, 0);
	r->input_bits = 64 - tsz;
	uint64_t top = tbi ? va << 8 >> 8 : va;
	uint64_t want = upper ? bits_mask((tbi ? 56 : 64) - r->input_bits) : 0;
	if (top >> r->input_bits != want)
		return walk_fault(f, FSC_TRANSLATION, 0);

	unsigned levels = (r->input_bits - 12 + 8) / 9;
	r->level = 4 - levels;
	r->output_bits = ips_bits[c->tcr >> 32 & 7];
	unsigned base_bits = r->input_bits - 12 - 9 * (levels - 1) + 3;
	uint64_t base = c->ttbr[upper] & bits_mask(48) & ~bits_mask(base_bits < 6 ? 6 : base_bits);
	if (base >> r->output_bits)
		return walk_fault(f, FSC_ADDRESS_SIZE, 0);
	r->base = base;
	return 0;
}

/* What the leaf allows to @el (DDI 0487, "Data access permissions", "Instruction execution permissions"). */
static void leaf_permissions(const struct cpu *c, uint64_t d, unsigned el, struct mmu_map *m)
{
	bool user = d & DESC_AP_EL0;
	bool writable = !(d & DESC_AP_RO);
	bool wxn = c->sctlr & SCTLR_WXN;
	if (el == 0) {
		m->read = user;
		m->write = user && writable;
		m->exec = !(d & DESC_UXN) && !(wxn && m->write);
	} else {
		m->read = true;
		m->write = writable;
		m->exec = !(d & DESC_PXN) && !(user && writable) && !(wxn && writable);
	}
}

static void leaf_fill(const struct cpu *c, uint64_t d, uint64_t va, unsigned level, unsigned el,
		      struct mmu_map *m)
{
	unsigned shift = 12 + 9 * (3 - level);
	*m = (struct mmu_map){.page_shift = (uint8_t)shift};
	m->pa = (d & bits_mask(48) & ~bits_mask(shift)) | (va & bits_mask(shift));
	m->attr = (uint8_t)(c->mair >> (8 * (d >> 2 & 7)));
	m->device = (m->attr & 0xf0) == 0;
	m->sh = (uint8_t)(d >> 8 & 3);
	m->nonglobal = d & DESC_NG;
	m->asid = current_asid(c);
	leaf_permissions(c, d, el, m);
}

/* Attributes of the tables above restrict the leaf. */
static uint64_t leaf_restrict(uint64_t d, uint64_t tables)
{
	if (tables & TABLE_AP_RO)
		d |= DESC_AP_RO;
	if (tables & TABLE_AP_NO_EL0)
		d &= ~DESC_AP_EL0;
	if (tables & TABLE_UXN)
		d |= DESC_UXN;
	if (tables & TABLE_PXN)
		d |= DESC_PXN;
	return d;
}

static bool desc_read(struct cpu *c, uint64_t pa, uint64_t *ret)
{
	const uint8_t *p = soft_ram(c->vm, pa, 8, NULL);
	if (!p)
		return false;
	/* One 64-bit read: another vCPU may be writing it. */
	*ret = __atomic_load_n((const uint64_t *)(const void *)p, __ATOMIC_RELAXED);
	return true;
}

int mmu_walk(struct cpu *c, uint64_t va, unsigned el, enum mmu_access access, struct mmu_map *ret,
	     struct mmu_fault *ret_fault)
{
	if (!(c->sctlr & SCTLR_M))
		return walk_off(c, va, access, ret, ret_fault);

	struct regime r;
	int rc = regime_select(c, va, el, &r, ret_fault);
	if (rc)
		return rc;
	uint64_t table = r.base, tables = 0, d;
	uint64_t in = va & bits_mask(r.input_bits);
	unsigned level = r.level, shift;
	bool leaf;
	for (;; level++) {
		shift = 12 + 9 * (3 - level);
		/* The first table can have fewer entries: in has no bits above input_bits. */
		if (!desc_read(c, table + (in >> shift & 0x1ff) * 8, &d))
			return walk_fault(ret_fault, FSC_EXTERNAL_WALK, level);
		leaf = level == 3 || !(d & DESC_TABLE);
		/* A block at level 0, and 0b01 at level 3, are reserved. */
		if (!(d & DESC_VALID) || (level == 0 && leaf) || (level == 3 && !(d & DESC_TABLE)))
			return walk_fault(ret_fault, FSC_TRANSLATION, level);
		if ((d & bits_mask(48)) >> r.output_bits)
			return walk_fault(ret_fault, FSC_ADDRESS_SIZE, level);
		if (leaf)
			break;
		tables |= d;
		table = d & bits_mask(48) & ~bits_mask(12);
	}
	if (!(d & DESC_AF))
		return walk_fault(ret_fault, FSC_ACCESS_FLAG, level);
	struct mmu_map m;
	leaf_fill(c, leaf_restrict(d, tables), va, level, el, &m);
	bool ok = access == MMU_READ ? m.read : access == MMU_WRITE ? m.write : m.exec;
	if (!ok)
		return walk_fault(ret_fault, FSC_PERMISSION, level);
	*ret = m;
	return 0;
}

bool mmu_at_exec(struct cpu *c, uint32_t key, uint64_t va)
{
	unsigned op2 = key & 7;
	if ((key & ~7u) != SYSREG_KEY(1, 0, 7, 8, 0) || op2 > 3)
		return false;
	struct mmu_map m;
	struct mmu_fault f;
	if (mmu_walk(c, va, op2 & 2 ? 0 : 1, op2 & 1 ? MMU_WRITE : MMU_READ, &m, &f)) {
		c->par = 1 | 1ull << 11 | (uint64_t)f.fsc << 1;
		return true;
	}
	/* Device and Normal Non-cacheable report Outer Shareable. NS as on QEMU's board without secure world. */
	uint64_t sh = m.device || m.attr == 0x44 || m.attr == 0x40 ? 2 : m.sh;
	c->par = (uint64_t)m.attr << 56 | (m.pa & bits_mask(48) & ~bits_mask(12)) | 1ull << 11 |
		 1ull << 9 | sh << 7;
	return true;
}
