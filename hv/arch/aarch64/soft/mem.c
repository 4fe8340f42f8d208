/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/arch/aarch64/soft/mem.h"
#include "hv/arch/aarch64/soft/excp.h"
#include "hv/arch/aarch64/soft/soft.h"

#define SCTLR_A 0x2ull
#define FSC_TRANSLATION_L3 0x7u

/** struct piece - one page's part of an access. */
struct piece {
	uint8_t *host; /* NULL: not RAM */
	uint64_t pa;
	bool device; /* memory type */
};

/** piece_flat - the test interface's memory: all normal. */
static unsigned piece_flat(struct cpu *c, uint64_t va, unsigned el, struct piece *ret)
{
	uint64_t off = va - c->flat_base;
	struct mmu_map m = {.pa = va, .page_shift = 12, .read = true, .write = true};

	if (off >= c->flat_size)
		return FSC_TRANSLATION_L3;
	ret->host = c->flat_host + off;
	ret->pa = va;
	ret->device = false;
	tlb_fill(c, c->tlb_el[el], va, &m, ret->host);
	return 0;
}

/** piece_find - translates the page of @va. 0 or the fault status. */
static unsigned piece_find(struct cpu *c, uint64_t va, unsigned el, bool write, struct piece *ret)
{
	const struct tlb_entry *e = &c->tlb_el[el]->e[tlb_index(va)];
	struct mmu_map m;
	struct mmu_fault f;
	bool ro;

	if ((write ? e->tag_w : e->tag_r) == (va & ~0xfffull)) {
		/* NOLINTNEXTLINE: the addend is the distance from guest to host address */
		ret->host = (uint8_t *)(uintptr_t)(va + e->addend);
		ret->pa = (e->meta & 0xfffffffff000ull) | (va & 0xfff);
		ret->device = e->meta & TLB_META_DEVICE;
		return 0;
	}
	if (c->flat_host)
		return piece_flat(c, va, el, ret);
	if (mmu_walk(c, va, el, write ? MMU_WRITE : MMU_READ, &m, &f))
		return f.fsc;
	ret->pa = m.pa;
	ret->device = m.device;
	ret->host = soft_ram(c->vm, m.pa, 1, &ro);
	if (!ret->host)
		return 0;
	if (ro) {
		if (write)
			return FSC_EXTERNAL;
		m.write = false;
	}
	tlb_fill(c, c->tlb_el[el], va, &m, ret->host);
	return 0;
}

static bool span_fault(const struct mem_req *r, unsigned fsc, uint64_t far, uint32_t *ret_iss,
		       uint64_t *ret_far)
{
	*ret_iss = fsc | (r->write ? ISS_WNR : 0);
	*ret_far = far;
	return false;
}

bool mem_translate(struct cpu *c, const struct mem_req *r, struct mem_span *s, uint32_t *ret_iss,
		   uint64_t *ret_far)
{
	struct piece a, b;
	bool misaligned = r->va & (r->align - 1);
	unsigned room = 4096 - (unsigned)(r->va & 0xfff), fsc;

	if (misaligned && (r->strict || (c->sctlr & SCTLR_A)))
		return span_fault(r, FSC_ALIGNMENT, r->va, ret_iss, ret_far);
	fsc = piece_find(c, r->va, r->el, r->write, &a);
	if (fsc)
		return span_fault(r, fsc, r->va, ret_iss, ret_far);
	if (misaligned && a.device)
		return span_fault(r, FSC_ALIGNMENT, r->va, ret_iss, ret_far);
	s->len = r->len;
	s->n0 = r->len <= room ? r->len : room;
	s->p[0] = a.host;
	s->p[1] = NULL;
	s->pa = a.pa;
	s->device = !a.host;
	if (r->len <= room)
		return true;
	uint64_t next = r->va + room;
	fsc = piece_find(c, next, r->el, r->write, &b);
	if (fsc)
		return span_fault(r, fsc, next, ret_iss, ret_far);
	if (misaligned && b.device)
		return span_fault(r, FSC_ALIGNMENT, next, ret_iss, ret_far);
	if (!a.host || !b.host) /* no single device access crosses a page */
		return span_fault(r, FSC_EXTERNAL, a.host ? next : r->va, ret_iss, ret_far);
	s->p[1] = b.host;
	return true;
}

bool mem_pa(struct cpu *c, uint64_t va, uint64_t *ret_pa, struct mmu_fault *ret_fault)
{
	struct piece p;
	unsigned fsc = piece_find(c, va, c->el, false, &p);

	if (fsc) {
		*ret_fault = (struct mmu_fault){.fsc = (uint8_t)fsc};
		return false;
	}
	*ret_pa = p.pa;
	return true;
}

static void copy_one(uint8_t *to, const uint8_t *from, unsigned n)
{
	switch (n) {
	case 1:
		*to = *(const volatile mem8 *)from;
		break;
	case 2:
		*(volatile mem16 *)(void *)to = *(const volatile mem16 *)(const void *)from;
		break;
	case 4:
		*(volatile mem32 *)(void *)to = *(const volatile mem32 *)(const void *)from;
		break;
	default:
		*(volatile mem64 *)(void *)to = *(const volatile mem64 *)(const void *)from;
		break;
	}
}

/** copy_elems - @n bytes, of which @esize at a time if @mem, the guest's side, is aligned. */
static void copy_elems(uint8_t *to, const uint8_t *from, const uint8_t *mem, unsigned n,
		       unsigned esize)
{
	if (esize > 8)
		esize = 8;
	if ((uintptr_t)mem & (esize - 1) || n % esize)
		esize = 1;
	for (unsigned i = 0; i < n; i += esize)
		copy_one(to + i, from + i, esize);
}

void span_read(const struct mem_span *s, uint8_t *to, unsigned esize)
{
	copy_elems(to, s->p[0], s->p[0], s->n0, esize);
	if (s->p[1])
		copy_elems(to + s->n0, s->p[1], s->p[1], s->len - s->n0, 1);
}

void span_write(const struct mem_span *s, const uint8_t *from, unsigned esize)
{
	copy_elems(s->p[0], from, s->p[0], s->n0, esize);
	if (s->p[1])
		copy_elems(s->p[1], from + s->n0, s->p[1], s->len - s->n0, 1);
}

void mem_abort(struct cpu *c, uint32_t iss, uint64_t far)
{
	cpu_abort(c, false, iss, far, c->pc);
}
