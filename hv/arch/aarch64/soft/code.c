/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/arch/aarch64/soft/code.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/bytes.h"
#include "hv/arch/aarch64/soft/chain.h"
#include "hv/arch/aarch64/soft/decode.h"
#include "hv/arch/aarch64/soft/soft.h"

/* What one block may need at most: operations, a stub for each branch, and the resume operation. */
#define BLOCK_BYTES ((2 * CODE_BLOCK_MAX + 2) * (uint32_t)sizeof(struct op))

static struct op *arena_op(const struct code_cache *cc, uint32_t off)
{
	return (struct op *)(void *)(cc->arena + off);
}

struct code_cache *code_create(uint32_t cap)
{
	struct code_cache *cc = calloc(1, sizeof(*cc));
	if (!cc)
		return NULL;
	cc->arena = mmap(NULL, cap, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (cc->arena == MAP_FAILED) {
		free(cc);
		return NULL;
	}
	cc->cap = cap;
	/* The shared stub that every unlinked branch leads to. */
	*arena_op(cc, 0) = (struct op){.fn = slow_unlinked};
	cc->first = 64;
	cc->used = cc->first;
	return cc;
}

void code_destroy(struct code_cache *cc)
{
	if (!cc)
		return;
	munmap(cc->arena, cc->cap);
	free(cc);
}

void code_forget_returns(struct cpu *c)
{
	for (unsigned i = 0; i < RAS_SIZE; i++)
		c->ras[i].va = 1;
}

void code_forget_fetch(struct cpu *c)
{
	for (unsigned el = 0; el < 2; el++)
		for (unsigned i = 0; i < FTLB_ENTRIES; i++)
			c->tlb_el[el]->f[i].tag = TLB_INVALID;
}

void code_drop_all(struct cpu *c)
{
	struct code_cache *cc = c->code;

	memset(cc->hash, 0, sizeof(cc->hash));
	cc->used = cc->first;
	cc->drops++;
	code_forget_fetch(c);
	code_forget_returns(c);
	c->last = NULL;
}

static unsigned page_hash(uint64_t pa)
{
	return (unsigned)(pa >> 12 ^ pa >> (12 + CODE_HASH_BITS)) & ((1u << CODE_HASH_BITS) - 1);
}

static struct code_page *page_lookup(const struct code_cache *cc, uint64_t pa)
{
	struct code_page *p = cc->hash[page_hash(pa)];
	while (p && p->pa != pa)
		p = p->next;
	return p;
}

/** page_get - the code page at @pa, made if needed; the caller has made room. */
static struct code_page *page_get(struct code_cache *cc, uint64_t pa, const uint8_t *host)
{
	struct code_page *p = page_lookup(cc, pa);
	if (p)
		return p;
	p = (struct code_page *)(void *)(cc->arena + cc->used);
	cc->used += (uint32_t)align_up(sizeof(*p), 64);
	memset(p, 0, sizeof(*p));
	p->pa = pa;
	p->host = host;
	p->next = cc->hash[page_hash(pa)];
	cc->hash[page_hash(pa)] = p;
	return p;
}

bool code_kill_line(struct cpu *c, uint64_t pa)
{
	struct code_page *p = page_lookup(c->code, pa & ~0xfffull);

	if (!p || !(p->lines >> ((pa >> 6) & 63) & 1))
		return false;
	memset(p->slot, 0, sizeof(p->slot));
	p->lines = 0;
	code_forget_returns(c);
	c->last = NULL;
	return true;
}

/** fetch_fault - takes the instruction abort of a fetch from @va. */
static void fetch_fault(struct cpu *c, uint64_t va, unsigned fsc)
{
	c->pc = va;
	cpu_abort(c, true, fsc, va, va);
}

/** fetch_fill - walks for @va and fills its fetch TLB entry. NULL after an abort. */
static struct tlb_fetch *fetch_fill(struct cpu *c, uint64_t va)
{
	struct mmu_map m = {.pa = va, .page_shift = 12, .exec = true};
	struct mmu_fault fault;
	const uint8_t *host;

	if (c->flat_host) {
		uint64_t off = (va & ~0xfffull) - c->flat_base;
		host = off < c->flat_size ? c->flat_host + off : NULL;
	} else {
		if (mmu_walk(c, va, c->el, MMU_FETCH, &m, &fault)) {
			fetch_fault(c, va, fault.fsc);
			return NULL;
		}
		host = soft_ram(c->vm, m.pa & ~0xfffull, 4096, NULL);
	}
	if (!host) {
		fetch_fault(c, va, 0x10);
		return NULL;
	}
	return tlb_fill_fetch(c, c->tlb, va, &m, page_get(c->code, m.pa & ~0xfffull, host));
}

static const struct op *slot_op(const struct code_page *p, unsigned idx)
{
	return (const struct op *)(const void *)((const uint8_t *)p + p->slot[idx]);
}

static void slot_set(struct code_page *p, unsigned idx, const struct op *o)
{
	p->slot[idx] = (int32_t)((const uint8_t *)o - (const uint8_t *)p);
	p->lines |= 1ull << (idx >> 4);
}

/** struct block - the block being decoded. */
struct block {
	struct code_cache *cc;
	struct code_page *page;
	struct op *out;			/* next free operation */
	struct op *far[CODE_BLOCK_MAX]; /* branches that need a stub to another page */
	int64_t far_to[CODE_BLOCK_MAX]; /* their targets, bytes from the page */
	unsigned fars;
};

/** block_link - completes the direct branch @o at word @idx with distance @dist. */
static void block_link(struct block *b, struct op *o, unsigned idx, int64_t dist)
{
	int64_t to = (int64_t)idx * 4 + dist;
	bool near = to >= 0 && to < 4096;

	o->pc = (uint16_t)idx;
	if (near) {
		unsigned t = (unsigned)to / 4;
		o->aux = (uint16_t)(idx + 1 - t);
		op_set_link(o, b->page->slot[t] ? slot_op(b->page, t) : arena_op(b->cc, 0));
		return;
	}
	o->aux = (uint16_t)(idx + 1);
	b->far[b->fars] = o;
	b->far_to[b->fars++] = to;
}

/** block_far - writes the stubs. */
static void block_far(struct block *b)
{
	for (unsigned i = 0; i < b->fars; i++) {
		struct op *s = b->out++;
		*s = (struct op){.fn = op_far, .imm = b->far_to[i]};
		op_set_link(b->far[i], s);
	}
}

/** block_call - BL: in this page a link, else by address. */
static void block_call(struct block *b, struct op *o, unsigned idx, int64_t dist)
{
	int64_t to = (int64_t)idx * 4 + dist;

	if (to >= 0 && to < 4096) {
		block_link(b, o, idx, dist);
		return;
	}
	o->fn = decode_call_far();
	o->imm = to;
}

/** block_end - what follows word @idx - 1 when decoding stops there. */
static void block_end(struct block *b, unsigned idx, bool step)
{
	struct op *o = b->out++;

	*o = (struct op){.fn = slow_resume, .pc = (uint16_t)idx};
	if (step)
		o->fn = op_step_stop;
	else if (idx == 1024)
		o->fn = op_page_end;
	else if (b->page->slot[idx]) {
		o->fn = op_goto;
		op_set_link(o, slot_op(b->page, idx));
	}
}

static uint32_t page_word(const struct code_page *p, unsigned idx)
{
	uint32_t w;
	memcpy(&w, p->host + idx * 4, 4);
	return w;
}

/** block_one - decodes word @idx at b->out. Returns how many words it took; *@ret_end: nothing
 * follows. */
static unsigned block_one(struct block *b, unsigned idx, bool step, bool *ret_end)
{
	struct op *o = b->out;
	uint32_t w = page_word(b->page, idx);
	unsigned n = 1;

	*o = (struct op){.pc = (uint16_t)idx};
	enum decode_result r = decode_insn(w, o);
	int64_t dist = o->imm;
	slot_set(b->page, idx, o);
	if (r == DEC_NOP)
		return 1;
	b->out++;
	if (r == DEC_OK && !step && idx < 1023) {
		uint32_t next = page_word(b->page, idx + 1);
		if (decode_fuse(o, next)) {
			b->page->lines |= 1ull << ((idx + 1) >> 4);
			block_link(b, o, idx + 1, (int64_t)((uint64_t)sbits(next, 23, 5) << 2));
			n = 2;
		}
	} else if (r == DEC_BRANCH || r == DEC_JUMP) {
		block_link(b, o, idx, dist);
	} else if (r == DEC_CALL) {
		block_call(b, o, idx, dist);
	}
	*ret_end = r == DEC_END || r == DEC_JUMP || r == DEC_UNDEF;
	return n;
}

/** decode_block - decodes from word @idx of @p on. There is room for BLOCK_BYTES. */
static void decode_block(struct cpu *c, struct code_page *p, unsigned idx)
{
	struct block b = {.cc = c->code, .page = p, .out = arena_op(c->code, c->code->used)};
	bool end = false;

	for (unsigned n = 0; n < CODE_BLOCK_MAX && !end; n++) {
		if (idx == 1024 || (n && p->slot[idx]))
			break;
		idx += block_one(&b, idx, c->step, &end);
		if (c->step)
			break;
	}
	if (!end || c->step)
		block_end(&b, idx, c->step);
	block_far(&b);
	b.cc->used = (uint32_t)((uint8_t *)b.out - b.cc->arena);
}

const struct op *code_find(struct cpu *c, uint64_t va)
{
	struct code_cache *cc = c->code;
	struct tlb_fetch *f = &c->tlb->f[ftlb_index(va)];
	unsigned idx = (va >> 2) & 1023;

	if (va & 3) {
		c->pc = va;
		if (c->trap)
			cpu_abort(c, true, 0, va, va);
		else
			cpu_exception_far(c, 0x22, 0, va, va);
		return NULL;
	}
	if (cc->used + BLOCK_BYTES + sizeof(struct code_page) + 128 > cc->cap)
		code_drop_all(c);
	if (f->tag != (va & ~0xfffull)) {
		f = fetch_fill(c, va);
		if (!f)
			return NULL;
	}
	struct code_page *p = f->page;
	if (!p->slot[idx])
		decode_block(c, p, idx);
	c->page_va = va & ~0xfffull;
	return slot_op(p, idx);
}

uint32_t code_word(struct cpu *c, uint64_t va)
{
	const struct tlb_fetch *f = &c->tlb->f[ftlb_index(va)];
	if (f->tag != (va & ~0xfffull))
		return 0;
	return page_word(f->page, (va >> 2) & 1023);
}

void chain_run(struct cpu *c)
{
	const struct op *o = code_find(c, c->pc);

	if (!o)
		return;
	c->icount -= (c->pc >> 2) & 1023;
#ifdef SOFT_LOOP_DISPATCH
	while (o)
		o = o->fn(c, o);
#else
	o->fn(c, o);
#endif
}

/* ---- operations that the decoder inserts ---- */

SLOW OP(slow_jump)
{
	(void)o;
	if (cpu_attention(c))
		return NULL;
	uint64_t va = c->pc = mmu_branch_addr(c, c->pc); /* drops an address tag */
	const struct op *n = code_find(c, va);
	if (!n)
		return NULL;
	c->icount -= (va >> 2) & 1023;
	OP_GO(n);
}

SLOW OP(slow_attention)
{
	const struct op *t = op_link(o);
	unsigned idx = (unsigned)(uint16_t)(o->pc + 1u - o->aux);

	if (t->fn == op_far) {
		c->pc = c->page_va + t->uimm;
	} else {
		c->pc = c->page_va + idx * 4ull;
		c->icount += idx;
	}
	return NULL;
}

/** slow_unlinked - the target of a branch inside the page that is not linked yet: c->last is the
 * branch. */
SLOW OP(slow_unlinked)
{
	struct op *br = (struct op *)(uintptr_t)c->last;
	unsigned idx = (unsigned)(uint16_t)(br->pc + 1u - br->aux);
	uint64_t drops = c->code->drops;
	const struct op *n = code_find(c, c->page_va + idx * 4ull);

	(void)o;
	if (!n) {
		c->icount += idx;
		return NULL;
	}
	if (drops == c->code->drops)
		op_set_link(br, n);
	OP_GO(n);
}

/** op_far - goes to imm bytes from this page; icount is absolute here. */
OP(op_far)
{
	uint64_t to = c->page_va + o->uimm;
	OP_JUMP(to);
}

OP(op_goto)
{
	OP_GO(op_link(o));
}

/** slow_resume - the block ended here for its length alone: finds what follows and becomes op_goto.
 */
SLOW OP(slow_resume)
{
	struct op *self = (struct op *)(uintptr_t)o;
	unsigned idx = o->pc;
	uint64_t drops = c->code->drops;
	const struct op *n = code_find(c, op_va(c, o));

	if (!n) {
		c->icount += idx;
		return NULL;
	}
	if (drops == c->code->drops) {
		op_set_link(self, n);
		self->fn = op_goto;
	}
	OP_GO(n);
}

OP(op_page_end)
{
	uint64_t to = c->page_va + 4096;
	c->icount += o->pc;
	OP_JUMP(to);
}

OP(op_step_stop)
{
	return chain_leave(c, o);
}
