/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Memory accesses off the fast path: TLB misses, unaligned and page-crossing accesses, devices,
 * faults.
 *
 * Theory of operation. A fast handler computes its address, tests the TLB tag, and does the access.
 * When the tag does not match it gives the whole instruction to slow_mem(), which decodes the word
 * again and executes it in full: all bytes are translated first, so that no register and no memory
 * changes before every fault is known.
 */
#include "hv/arch/aarch64/soft/chain.h"
#include "hv/arch/aarch64/soft/tlb.h"

/** slow_mem - executes the load or store o->insn, then goes on behind @o; or ends the chain. */
OP(slow_mem);
/** slow_dc_zva - DC ZVA off the fast path: EL0's right to it, misses, faults. */
OP(slow_dc_zva);
OP(op_dc_zva);

/** mem_exec - executes the load or store @w at cpu.pc; icount absolute. False: an exception was
 * taken, or cpu.halt is HALT_MMIO; pc and registers are as they should be then. */
bool mem_exec(struct cpu *c, uint32_t w);
/** mem_mmio_done - completes the access in cpu.mmio with @data (ignored for writes) and steps over
 * it. */
void mem_mmio_done(struct cpu *c, uint64_t data);

/** mem_mmio_abort - ends it in an external abort instead. */
void mem_mmio_abort(struct cpu *c);

/** struct mem_span - host memory behind up to 64 bytes of guest addresses: one piece, or two across
 * a page end. */
struct mem_span {
	uint8_t *p[2];
	unsigned n0; /* bytes in the first piece */
	unsigned len;
	bool device; /* not RAM: @pa is what a device sees */
	uint64_t pa;
};

/** struct mem_req - what to translate. */
struct mem_req {
	uint64_t va;
	unsigned len;	/* 1..64 */
	unsigned align; /* natural alignment of an element */
	bool strict;	/* misaligned is a fault whatever SCTLR_EL1.A says */
	bool write;
	unsigned el; /* whose view */
};

/** mem_translate - false: *@ret_iss (DFSC, WnR) and *@ret_far say which fault. Takes nothing. */
bool mem_translate(struct cpu *c, const struct mem_req *r, struct mem_span *s, uint32_t *ret_iss,
		   uint64_t *ret_far);
/** mem_pa - physical address of @va for cache maintenance; false: *@ret_fault. */
bool mem_pa(struct cpu *c, uint64_t va, uint64_t *ret_pa, struct mmu_fault *ret_fault);

/** span_read / span_write - the bytes of a span that is RAM, element by element of @esize bytes,
 * each single-copy atomic where it is aligned. */
void span_read(const struct mem_span *s, uint8_t *to, unsigned esize);
void span_write(const struct mem_span *s, const uint8_t *from, unsigned esize);

/** mem_abort - takes a data abort at cpu.pc. */
void mem_abort(struct cpu *c, uint32_t iss, uint64_t far);

/* Host types for guest memory. */
typedef uint8_t __attribute__((may_alias)) mem8;
typedef uint16_t __attribute__((may_alias)) mem16;
typedef uint32_t __attribute__((may_alias)) mem32;
typedef uint64_t __attribute__((may_alias)) mem64;

#define MEM_HOST(T, va) (*(T *)((va) + e->addend))

/* MEM_GET / MEM_PUT - the same for accesses that need not be aligned: one host instruction each. */
#define MEM_GET(T, va)                                                                             \
	({                                                                                         \
		T get_;                                                                            \
		__builtin_memcpy(&get_, &MEM_HOST(const mem8, va), sizeof(T));                     \
		get_;                                                                              \
	})
#define MEM_PUT(T, va, value)                                                                      \
	do {                                                                                       \
		T put_ = (T)(value);                                                               \
		__builtin_memcpy(&MEM_HOST(mem8, va), &put_, sizeof(T));                           \
	} while (0)

#define SCTLR_ALIGN 0x2ull

/** mem_unaligned - the hit test failed on the entry @e with @tag: is it for alignment alone, and is the access allowed
 * as it is? That is so for normal memory inside of a page, unless SCTLR_EL1.A is set. */
static inline bool mem_unaligned(const struct cpu *c, const struct tlb_entry *e, uint64_t tag,
				 uint64_t va, unsigned len)
{
	return (va & ~0xfffull) == tag && (va & 0xfff) + len <= 4096 &&
	       !(e->meta & TLB_META_DEVICE) && !(c->sctlr & SCTLR_ALIGN);
}

/* MEM_PROBE_R / _W - declares e, the TLB entry of @va, or leaves for the slow path unless all of
 * @len bytes with elements of @esize are in one page and may be accessed as they lie: one compare where they are
 * aligned (tlb.h). */
#define MEM_PROBE_R(va, len, esize) MEM_PROBE(c->tlb, tag_r, va, len, esize)
#define MEM_PROBE_W(va, len, esize) MEM_PROBE(c->tlb, tag_w, va, len, esize)
/* With EL0's rights: LDTR, STTR. */
#define MEM_PROBE_EL0_R(va, esize) MEM_PROBE(c->tlb_el[0], tag_r, va, esize, esize)
#define MEM_PROBE_EL0_W(va, esize) MEM_PROBE(c->tlb_el[0], tag_w, va, esize, esize)
#define MEM_PROBE(view, tag, va, len, esize)                                                       \
	const struct tlb_entry *e = &(view)->e[tlb_index(va)];                                     \
	if (unlikely((((va) + ((len) - (esize))) & (~0xfffull | ((esize)-1))) != e->tag) &&        \
	    !((esize) > 1 && mem_unaligned(c, e, e->tag, va, len)))                                \
	return slow_mem(c, o)
/* MEM_PROBE_ALIGNED_R / _W - unaligned is for the slow path. */
#define MEM_PROBE_ALIGNED_R(va, esize) MEM_PROBE_ALIGNED(tag_r, va, esize)
#define MEM_PROBE_ALIGNED_W(va, esize) MEM_PROBE_ALIGNED(tag_w, va, esize)
#define MEM_PROBE_ALIGNED(tag, va, esize)                                                          \
	const struct tlb_entry *e = &c->tlb->e[tlb_index(va)];                                     \
	if (unlikely(((va) & (~0xfffull | ((esize)-1))) != e->tag))                                \
	return slow_mem(c, o)
