/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Decoded code of one vCPU.
 *
 * Theory of operation. Code is kept by physical page. A page has one slot per instruction word; a
 * slot leads to the operation decoded from that word. Operations lie in decode order in one arena,
 * together with the pages, so that all references are 32-bit distances. Branches inside a page link
 * straight to the target's operation; everything else goes fetch TLB -> page -> slot, so a TLB
 * invalidation never has to undo a link. A page that is invalidated loses its slots (its operations
 * stay behind, unreachable); when the arena is full everything is dropped, which costs a few
 * milliseconds of decoding.
 *
 * Instruction counting: inside a chain cpu.icount is the true count less the word index of the
 * current instruction, so only taken branches touch it: by the constant (branch + 1 - target).
 *
 * Owned by the vCPU's thread.
 */
#include "hv/arch/aarch64/soft/op.h"
#include "hv/arch/aarch64/soft/tlb.h"

#define CODE_ARENA_MAX (6u << 20)
#define CODE_HASH_BITS 10
#define CODE_BLOCK_MAX 64u

/** struct code_page - decoded code of one physical 4 KiB page. Lives in the arena. */
struct code_page {
	uint64_t pa;
	const uint8_t *host;
	struct code_page *next;
	uint64_t lines;	    /* bit n: something of the 64-byte line n is decoded */
	int32_t slot[1024]; /* operation, in bytes from this struct; 0: none */
};

struct code_cache {
	uint8_t *arena;
	uint32_t used, cap; /* bytes */
	uint32_t first;	    /* where pages and operations begin, behind the shared stubs */
	uint64_t drops;
	struct code_page *hash[1u << CODE_HASH_BITS];
};

/** code_create - an empty cache of @cap bytes at most, grown on demand. NULL: no memory. */
struct code_cache *code_create(uint32_t cap);
void code_destroy(struct code_cache *cc);

/** code_find - the operation at @va, decoded if need be; NULL after taking a fetch abort. Sets
 * cpu.page_va; the caller accounts icount. May drop everything. */
const struct op *code_find(struct cpu *c, uint64_t va);
/** code_drop_all - forgets everything that is decoded, and the fetch TLBs. */
void code_drop_all(struct cpu *c);
/** code_kill_line - the 64-byte line at @pa changed. True if decoded code was dropped: the running
 * block must end. */
bool code_kill_line(struct cpu *c, uint64_t pa);
/** code_forget_returns - empties the return predictions: EL, translation or code changed. */
void code_forget_returns(struct cpu *c);
/** code_word - the instruction word at @va as decoded from memory; 0 if the page is not known. */
uint32_t code_word(struct cpu *c, uint64_t va);
/** code_forget_fetch - all fetch TLB entries of both views. */
void code_forget_fetch(struct cpu *c);

/** code_probe - the operation at @va if the fetch TLB and the slot know it, else NULL. */
static inline const struct op *code_probe(const struct cpu *c, uint64_t va)
{
	const struct tlb_fetch *f = &c->tlb->f[ftlb_index(va)];
	if (__builtin_expect(f->tag != (va & (~0xfffull | 3)), 0))
		return NULL;
	const struct code_page *p = f->page;
	int32_t s = p->slot[(va >> 2) & 1023];
	if (__builtin_expect(s == 0, 0))
		return NULL;
	return (const struct op *)(const void *)((const uint8_t *)p + s);
}
