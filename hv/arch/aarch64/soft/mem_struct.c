/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/arch/aarch64/soft/mem_struct.h"
#include <string.h>
#include "base/log.h"
#include "hv/arch/aarch64/soft/decode.h"
#include "hv/arch/aarch64/soft/excp.h"
#include "hv/arch/aarch64/soft/mem.h"

static bool split_multiple(uint32_t w, struct mem_struct_form *f)
{
	/* rpt and selem by opcode; 0: unallocated */
	static const uint8_t rpt[16] = {1, 0, 4, 0, 1, 0, 3, 1, 1, 0, 2};
	static const uint8_t selem[16] = {4, 0, 1, 0, 3, 0, 1, 1, 2, 0, 1};
	unsigned opc = bits(w, 15, 12), size = bits(w, 11, 10);

	if (!rpt[opc] || (w >> 21 & 1) || (!f->post && bits(w, 20, 16)))
		return false;
	if (size == 3 && !f->q && selem[opc] != 1)
		return false;
	f->rpt = rpt[opc];
	f->selem = selem[opc];
	f->esize = (uint8_t)(1u << size);
	f->bytes = (f->q ? 16u : 8u) * f->rpt * f->selem;
	return true;
}

static bool split_single(uint32_t w, struct mem_struct_form *f)
{
	unsigned opc = bits(w, 15, 13), s = w >> 12 & 1, size = bits(w, 11, 10), scale = opc >> 1;

	if (!f->post && bits(w, 20, 16))
		return false;
	f->single = true;
	f->rpt = 1;
	f->selem = (uint8_t)(((opc & 1) << 1 | (w >> 21 & 1)) + 1);
	switch (scale) {
	case 3:
		if (!f->load || s)
			return false;
		scale = size;
		f->replicate = true;
		break;
	case 0:
		f->index = (uint8_t)((unsigned)f->q << 3 | s << 2 | size);
		break;
	case 1:
		if (size & 1)
			return false;
		f->index = (uint8_t)((unsigned)f->q << 2 | s << 1 | size >> 1);
		break;
	default:
		if (size & 2)
			return false;
		if (!(size & 1)) {
			f->index = (uint8_t)((unsigned)f->q << 1 | s);
			break;
		}
		if (s)
			return false;
		f->index = f->q;
		scale = 3;
		break;
	}
	f->esize = (uint8_t)(1u << scale);
	f->bytes = (unsigned)f->esize * f->selem;
	return true;
}

bool mem_struct_split(uint32_t w, struct mem_struct_form *f)
{
	*f = (struct mem_struct_form){.rt = w & 31, .rn = reg_n(w, 5), .rm = reg_n(w, 16)};
	f->q = w >> 30 & 1;
	f->load = w >> 22 & 1;
	f->post = w >> 23 & 1;
	return w >> 24 & 1 ? split_single(w, f) : split_multiple(w, f);
}

/** lanes_set - spreads loaded @data over the registers. */
static void lanes_set(struct cpu *c, const struct mem_struct_form *f, const uint8_t *data)
{
	unsigned reg_bytes = f->q ? 16 : 8, es = f->esize;

	if (f->single) {
		for (unsigned i = 0; i < f->selem; i++) {
			union vreg *v = &c->v[(f->rt + i) & 31];
			if (!f->replicate) {
				memcpy(&v->b[(unsigned)f->index * es], data + i * es, es);
				continue;
			}
			*v = (union vreg){.d = {0, 0}};
			for (unsigned b = 0; b < reg_bytes; b += es)
				memcpy(v->b + b, data + i * es, es);
		}
		return;
	}
	for (unsigned r = 0; r < (unsigned)f->rpt * f->selem; r++)
		c->v[(f->rt + r) & 31] = (union vreg){.d = {0, 0}};
	for (unsigned r = 0; r < f->rpt; r++)
		for (unsigned e = 0; e < reg_bytes / es; e++)
			for (unsigned i = 0; i < f->selem; i++, data += es)
				memcpy(c->v[(f->rt + r + i) & 31].b + e * es, data, es);
}

/** lanes_get - the reverse. */
static void lanes_get(const struct cpu *c, const struct mem_struct_form *f, uint8_t *data)
{
	unsigned reg_bytes = f->q ? 16 : 8, es = f->esize;

	if (f->single) {
		for (unsigned i = 0; i < f->selem; i++)
			memcpy(data + i * es, &c->v[(f->rt + i) & 31].b[(unsigned)f->index * es],
			       es);
		return;
	}
	for (unsigned r = 0; r < f->rpt; r++)
		for (unsigned e = 0; e < reg_bytes / es; e++)
			for (unsigned i = 0; i < f->selem; i++, data += es)
				memcpy(data, c->v[(f->rt + r + i) & 31].b + e * es, es);
}

bool mem_struct(struct cpu *c, uint32_t w)
{
	struct mem_struct_form f;
	uint8_t data[64] __attribute__((aligned(16)));
	struct mem_span s;
	uint32_t iss;
	uint64_t far;

	if (!mem_struct_split(w, &f))
		return true; /* the decoder made sure */
	struct mem_req r = {
		.va = c->x[f.rn], .len = f.bytes, .align = f.esize, .write = !f.load, .el = c->el};
	if (!mem_translate(c, &r, &s, &iss, &far)) {
		mem_abort(c, iss, far);
		return false;
	}
	if (s.device) {
		log_warn_limited("SIMD access to a device pa=%#llx pc=%#llx: external abort",
				 (unsigned long long)s.pa, (unsigned long long)c->pc);
		mem_abort(c, FSC_EXTERNAL | (f.load ? 0 : ISS_WNR), r.va);
		return false;
	}
	if (f.load) {
		span_read(&s, data, f.esize);
		lanes_set(c, &f, data);
	} else {
		lanes_get(c, &f, data);
		span_write(&s, data, f.esize);
	}
	if (f.post)
		c->x[f.rn] += f.rm == 31 ? f.bytes : c->x[f.rm];
	return true;
}
