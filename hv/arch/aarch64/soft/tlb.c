/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The software TLB's maintenance.
 *
 * Theory of operation. The hit test compares addresses only, so what a view holds must be valid for the current ASID:
 * a change of ASID drops the not-global entries (found by the @ng bitmap), TLBI drops by match. An entry's tag_r is its
 * page's VA as accessed, tag byte included; a match for TLBI looks at bits 55..12 only. A block mapping fills one
 * 4 KiB entry per page touched; TLBI of any address in the block must drop them all (DDI 0487, "TLB maintenance"), and
 * block_map tells in O(1) that there are none.
 */
#include "hv/arch/aarch64/soft/tlb.h"
#include "hv/arch/aarch64/soft/soft.h"
#include "hv/arch/aarch64/soft/sysreg.h"
#include <string.h>

#define VA_PAGE 0x00fffffffffff000ull /* bits 55..12 */

static void entry_drop(struct tlb_entry *e)
{
	e->tag_r = TLB_INVALID;
	e->tag_w = TLB_INVALID;
}

static void fetch_drop(struct tlb_fetch *f)
{
	f->tag = TLB_INVALID;
	f->page = NULL;
}

void tlb_init(struct tlb *t)
{
	for (unsigned i = 0; i < TLB_ENTRIES; i++)
		t->e[i] = (struct tlb_entry){.tag_r = TLB_INVALID, .tag_w = TLB_INVALID};
	for (unsigned i = 0; i < FTLB_ENTRIES; i++)
		t->f[i] = (struct tlb_fetch){.tag = TLB_INVALID};
	t->has_block = false;
	t->has_1g = false;
	memset(t->ng, 0, sizeof(t->ng));
	memset(t->fetch_ng, 0, sizeof(t->fetch_ng));
	memset(t->block_map, 0, sizeof(t->block_map));
}

/* --- fill --- */

static unsigned block_bit(uint64_t va)
{
	uint64_t r = va >> 21 & 0x7ffffffffull; /* bits 55..21 */
	return (unsigned)(r ^ r >> 10 ^ r >> 20) & 1023;
}

static uint64_t map_meta(struct tlb *t, uint64_t va, const struct mmu_map *m)
{
	uint64_t meta = (uint64_t)m->asid << 48 | (m->pa & 0x0000fffffffff000ull);
	if (m->nonglobal)
		meta |= TLB_META_NG;
	if (m->device)
		meta |= TLB_META_DEVICE;
	if (m->page_shift > 12) {
		unsigned b = block_bit(va);
		meta |= m->page_shift > 21 ? TLB_META_BLOCK1G : TLB_META_BLOCK2M;
		t->block_map[b / 64] |= 1ull << (b % 64);
		t->has_block = true;
		t->has_1g |= m->page_shift > 21;
	}
	return meta;
}

void tlb_fill(struct cpu *c, struct tlb *t, uint64_t va, const struct mmu_map *m, uint8_t *host)
{
	(void)c;
	unsigned i = tlb_index(va);
	struct tlb_entry *e = &t->e[i];
	uint64_t page = va & ~0xfffull;
	e->tag_r = m->read ? page : TLB_INVALID;
	e->tag_w = m->read && m->write ? page : TLB_INVALID;
	e->addend = (uintptr_t)host - (uintptr_t)va;
	e->meta = map_meta(t, va, m);
	if (m->nonglobal)
		t->ng[i / 64] |= 1ull << (i % 64);
}

struct tlb_fetch *tlb_fill_fetch(struct cpu *c, struct tlb *t, uint64_t va, const struct mmu_map *m,
				 void *page)
{
	(void)c;
	unsigned i = ftlb_index(va);
	struct tlb_fetch *f = &t->f[i];
	f->tag = va & ~0xfffull;
	f->pa = m->pa & ~0xfffull;
	f->meta = map_meta(t, va, m);
	f->page = page;
	if (m->nonglobal)
		t->fetch_ng[i / 64] |= 1ull << (i % 64);
	return f;
}

/* --- flush --- */

void tlb_flush_all(struct cpu *c)
{
	tlb_init(c->tlb_el[0]);
	tlb_init(c->tlb_el[1]);
}

/* Is there a valid entry with @tag and @meta that is not global? */
static bool is_nonglobal(uint64_t tag, uint64_t meta)
{
	return tag != TLB_INVALID && (meta & TLB_META_NG);
}

static bool is_of_asid(uint64_t meta, int asid)
{
	return asid < 0 || (int)(meta >> 48) == asid;
}

/* Drops the not-global entries of @asid, or of every ASID if @asid < 0. Bits of entries that are kept stay. */
static void drop_nonglobal(struct tlb *t, int asid)
{
	for (unsigned w = 0; w < TLB_ENTRIES / 64; w++) {
		for (uint64_t bits = t->ng[w]; bits; bits &= bits - 1) {
			unsigned b = (unsigned)__builtin_ctzll(bits);
			struct tlb_entry *e = &t->e[w * 64 + b];
			bool ng = is_nonglobal(e->tag_r, e->meta);
			if (ng && !is_of_asid(e->meta, asid))
				continue;
			if (ng)
				entry_drop(e);
			t->ng[w] &= ~(1ull << b);
		}
	}
	for (unsigned w = 0; w < FTLB_ENTRIES / 64; w++) {
		for (uint64_t bits = t->fetch_ng[w]; bits; bits &= bits - 1) {
			unsigned b = (unsigned)__builtin_ctzll(bits);
			struct tlb_fetch *f = &t->f[w * 64 + b];
			bool ng = is_nonglobal(f->tag, f->meta);
			if (ng && !is_of_asid(f->meta, asid))
				continue;
			if (ng)
				fetch_drop(f);
			t->fetch_ng[w] &= ~(1ull << b);
		}
	}
}

void tlb_flush_asid(struct cpu *c, uint16_t asid)
{
	drop_nonglobal(c->tlb_el[0], asid);
	drop_nonglobal(c->tlb_el[1], asid);
}

void tlb_asid_changed(struct cpu *c)
{
	drop_nonglobal(c->tlb_el[0], -1);
	drop_nonglobal(c->tlb_el[1], -1);
}

/* @mask: the VA bits that count. @asid < 0: all. */
static void drop_entry(struct tlb_entry *e, uint64_t va, uint64_t mask, int asid)
{
	if (e->tag_r == TLB_INVALID || ((e->tag_r ^ va) & mask))
		return;
	if (asid < 0 || !(e->meta & TLB_META_NG) || (int)(e->meta >> 48) == asid)
		entry_drop(e);
}

static void drop_fetch(struct tlb_fetch *f, uint64_t va, uint64_t mask, int asid)
{
	if (f->tag == TLB_INVALID || ((f->tag ^ va) & mask))
		return;
	if (asid < 0 || !(f->meta & TLB_META_NG) || (int)(f->meta >> 48) == asid)
		fetch_drop(f);
}

/* The blocks of @kind (TLB_META_BLOCK*) around @va. */
static void drop_block(struct tlb *t, uint64_t va, uint64_t kind, uint64_t mask, int asid)
{
	/* Entries of one 2 MiB region lie in 512 slots in a row; those of 1 GiB everywhere. */
	unsigned first = kind == TLB_META_BLOCK2M ? tlb_index(va) & ~511u : 0;
	unsigned count = kind == TLB_META_BLOCK2M ? 512 : TLB_ENTRIES;
	for (unsigned i = first; i < first + count; i++) {
		if (t->e[i].meta & kind)
			drop_entry(&t->e[i], va, mask, asid);
	}
	for (unsigned i = 0; i < FTLB_ENTRIES; i++) {
		if (t->f[i].meta & kind)
			drop_fetch(&t->f[i], va, mask, asid);
	}
}

static void drop_va(struct tlb *t, uint64_t va, int asid)
{
	drop_entry(&t->e[tlb_index(va)], va, VA_PAGE, asid);
	drop_fetch(&t->f[ftlb_index(va)], va, VA_PAGE, asid);
	if (__builtin_expect(!t->has_block, 0))
		return;
	unsigned b = block_bit(va);
	if (t->block_map[b / 64] >> (b % 64) & 1)
		drop_block(t, va, TLB_META_BLOCK2M, VA_PAGE & ~0x1fffffull, asid);
	if (t->has_1g)
		drop_block(t, va, TLB_META_BLOCK1G, VA_PAGE & ~0x3fffffffull, asid);
}

void tlb_flush_va(struct cpu *c, uint64_t va, bool all_asids, uint16_t asid)
{
	drop_va(c->tlb_el[0], va, all_asids ? -1 : asid);
	drop_va(c->tlb_el[1], va, all_asids ? -1 : asid);
}

/* --- TLBI --- */

bool tlbi_exec(struct cpu *c, uint32_t key, uint64_t xt)
{
	bool shared = (key & ~7u) == SYSREG_KEY(1, 0, 8, 3, 0);
	if (!shared && (key & ~7u) != SYSREG_KEY(1, 0, 8, 7, 0))
		return false;
	struct inbox_msg m = {.asid = (uint16_t)(xt >> 48), .addr = (xt & 0xfffffffffffull) << 12};
	if (!(c->tcr >> 36 & 1)) /* TCR_EL1.AS: 8-bit ASIDs */
		m.asid &= 0xff;
	switch (key & 7) {
	case 0: /* VMALLE1 */
		m.kind = INBOX_TLB_ALL;
		tlb_flush_all(c);
		break;
	case 2: /* ASIDE1 */
		m.kind = INBOX_TLB_ASID;
		tlb_flush_asid(c, m.asid);
		break;
	case 1: /* VAE1 */
	case 3: /* VAAE1 */
	case 5: /* VALE1 */
	case 7: /* VAALE1 */
		m.kind = INBOX_TLB_VA;
		m.all_asids = key & 2;
		tlb_flush_va(c, m.addr, m.all_asids, m.asid);
		break;
	default:
		return false;
	}
	if (shared)
		soft_broadcast(c, &m);
	return true;
}
