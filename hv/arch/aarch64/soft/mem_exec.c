/* SPDX-License-Identifier: Apache-2.0 */
/* Loads and stores in full, from the instruction word: see mem.h. */
#include "hv/arch/aarch64/soft/mem.h"
#include <string.h>
#include "base/bytes.h"
#include "base/log.h"
#include "hv/arch/aarch64/soft/decode.h"
#include "hv/arch/aarch64/soft/excp.h"
#include "hv/arch/aarch64/soft/mem_struct.h"
#include "hv/arch/aarch64/soft/soft.h"
#include "hv/arch/aarch64/soft/sysreg.h"

/** struct access - a load or store of one or two registers, taken apart. */
struct access {
	uint64_t va;
	unsigned esize; /* bytes of one element */
	unsigned count; /* 1 or 2 */
	bool load, vec, ordered;
	uint8_t sign; /* as in cpu.mmio */
	uint8_t rt, rt2;
	bool wb;
	uint8_t rn;
	uint64_t wb_val;
	unsigned el;
};

/** size_opc - element size, direction, kind of the single-register forms. */
static void size_opc(uint32_t w, struct access *a)
{
	unsigned size = w >> 30, opc = bits(w, 23, 22);

	a->vec = w >> 26 & 1;
	a->count = 1;
	if (a->vec) {
		a->esize = opc & 2 ? 16 : 1u << size;
		a->load = opc & 1;
		return;
	}
	a->esize = 1u << size;
	a->load = opc != 0;
	a->sign = opc == 2 ? 64 : opc == 3 ? 32 : 0;
}

static uint64_t reg_offset(const struct cpu *c, uint32_t w, const struct access *a)
{
	uint64_t m = c->x[reg_r(w, 16)];
	unsigned sh = w >> 12 & 1 ? (unsigned)__builtin_ctz(a->esize) : 0;

	switch (bits(w, 15, 13)) {
	case 2:
		m = (uint32_t)m;
		break;
	case 6:
		m = (uint64_t)(int64_t)(int32_t)m;
		break;
	default:
		break;
	}
	return m << sh;
}

static void split_single(struct cpu *c, uint32_t w, struct access *a)
{
	uint64_t base = c->x[reg_n(w, 5)];
	uint64_t imm9 = (uint64_t)sbits(w, 20, 12);

	size_opc(w, a);
	a->rt = w & 31;
	a->rn = reg_n(w, 5);
	a->va = base;
	if (w >> 24 & 1) {
		a->va += (uint64_t)bits(w, 21, 10) * a->esize;
		return;
	}
	if (w >> 21 & 1) {
		a->va += reg_offset(c, w, a);
		return;
	}
	switch (bits(w, 11, 10)) {
	case 1: /* post */
		a->wb = true;
		a->wb_val = base + imm9;
		break;
	case 3: /* pre */
		a->wb = true;
		a->va = a->wb_val = base + imm9;
		break;
	case 2: /* LDTR, STTR: with EL0's rights */
		a->el = 0;
		a->va += imm9;
		break;
	default:
		a->va += imm9;
		break;
	}
}

static void split_pair(struct cpu *c, uint32_t w, struct access *a)
{
	unsigned opc = w >> 30, mode = bits(w, 24, 23);
	uint64_t base = c->x[reg_n(w, 5)], off;

	a->vec = w >> 26 & 1;
	a->count = 2;
	a->load = w >> 22 & 1;
	a->esize = a->vec ? 4u << opc : opc == 2 ? 8 : 4;
	a->sign = !a->vec && opc == 1 ? 64 : 0;
	a->rt = w & 31;
	a->rt2 = reg_n(w, 10);
	a->rn = reg_n(w, 5);
	off = (uint64_t)(sbits(w, 21, 15) * (int64_t)a->esize);
	a->va = mode == 1 ? base : base + off;
	a->wb = mode & 1;
	a->wb_val = base + off;
}

static void split_literal(struct cpu *c, uint32_t w, struct access *a)
{
	unsigned opc = w >> 30;

	a->vec = w >> 26 & 1;
	a->count = 1;
	a->load = true;
	a->esize = a->vec ? 4u << opc : opc == 1 ? 8 : 4;
	a->sign = !a->vec && opc == 2 ? 64 : 0;
	a->rt = w & 31;
	a->va = c->pc + ((uint64_t)sbits(w, 23, 5) << 2);
}

static void split_ordered(struct cpu *c, uint32_t w, struct access *a)
{
	a->count = 1;
	a->load = w >> 22 & 1;
	a->esize = 1u << (w >> 30);
	a->rt = w & 31;
	a->va = c->x[reg_n(w, 5)];
	a->ordered = true;
}

static uint64_t extend(uint64_t v, unsigned size, unsigned sign)
{
	if (!sign || size == 8)
		return v;
	unsigned sh = 64 - size * 8;
	v = (uint64_t)((int64_t)(v << sh) >> sh);
	return sign == 32 ? (uint32_t)v : v;
}

static void set_reg(struct cpu *c, const struct access *a, unsigned rt, const uint8_t *data)
{
	if (a->vec) {
		union vreg v = {.d = {0, 0}};
		memcpy(&v, data, a->esize);
		c->v[rt] = v;
		return;
	}
	c->x[rt == 31 ? REG_JUNK : rt] = extend(load_le(data, a->esize), a->esize, a->sign);
}

static void get_reg(const struct cpu *c, const struct access *a, unsigned rt, uint8_t *data)
{
	if (a->vec)
		memcpy(data, &c->v[rt], a->esize);
	else
		store_le(data, a->esize, c->x[rt == 31 ? REG_ZERO : rt]);
}

/** answered_now - an access that hv answers without leaving the run loop. */
static bool answered_now(struct cpu *c, const struct access *a, uint64_t pa, uint64_t *data)
{
	struct vm_exit x;

	if (!c->vm->mmio_now)
		return false;
	x.len = (uint8_t)a->esize;
	x.is_write = !a->load;
	x.addr = pa;
	x.data = *data;
	if (!c->vm->mmio_now(c->vm->opaque, c->index, &x))
		return false;
	*data = x.data & width_mask(a->esize);
	return true;
}

/** device_access - the in-core interrupt controller, or an exit. Like KVM, only what has a valid
 * syndrome. */
static bool device_access(struct cpu *c, const struct access *a, uint64_t pa)
{
	uint64_t data = 0;

	if (a->vec || a->count != 1 || a->wb) {
		log_warn_limited("unsupported access to a device pa=%#llx pc=%#llx: external abort",
				 (unsigned long long)pa, (unsigned long long)c->pc);
		mem_abort(c, FSC_EXTERNAL | (a->load ? 0 : ISS_WNR), a->va);
		return false;
	}
	if (!a->load)
		data = c->x[a->rt == 31 ? REG_ZERO : a->rt] & width_mask(a->esize);
	if (gic_mmio(c->vm->gic, c->index, pa, a->esize, !a->load, &data) ||
	    answered_now(c, a, pa, &data)) {
		if (a->load)
			c->x[a->rt == 31 ? REG_JUNK : a->rt] = extend(data, a->esize, a->sign);
		return true;
	}
	c->mmio.pa = pa;
	c->mmio.va = a->va;
	c->mmio.data = data;
	c->mmio.len = (uint8_t)a->esize;
	c->mmio.write = !a->load;
	c->mmio.rd = a->rt == 31 ? REG_JUNK : a->rt;
	c->mmio.sign = a->sign;
	c->halt = HALT_MMIO;
	return false;
}

void mem_mmio_done(struct cpu *c, uint64_t data)
{
	if (!c->mmio.write)
		c->x[c->mmio.rd] =
			extend(data & width_mask(c->mmio.len), c->mmio.len, c->mmio.sign);
	c->pc += 4;
	c->icount++;
}

void mem_mmio_abort(struct cpu *c)
{
	mem_abort(c, FSC_EXTERNAL | (c->mmio.write ? ISS_WNR : 0), c->mmio.va);
}

static bool access_run(struct cpu *c, const struct access *a)
{
	struct mem_req r = {.va = a->va,
			    .len = a->esize * a->count,
			    .align = a->esize,
			    .strict = a->ordered,
			    .write = !a->load,
			    .el = a->el};
	struct mem_span s;
	uint8_t data[32] __attribute__((aligned(16)));
	uint32_t iss;
	uint64_t far;

	if (!mem_translate(c, &r, &s, &iss, &far)) {
		mem_abort(c, iss, far);
		return false;
	}
	if (s.device)
		return device_access(c, a, s.pa);
	if (a->load) {
		span_read(&s, data, a->esize);
		set_reg(c, a, a->rt, data);
		if (a->count == 2)
			set_reg(c, a, a->rt2, data + a->esize);
	} else {
		get_reg(c, a, a->rt, data);
		if (a->count == 2)
			get_reg(c, a, a->rt2, data + a->esize);
		span_write(&s, data, a->esize);
	}
	if (a->ordered)
		atomic_thread_fence(memory_order_seq_cst);
	if (a->wb)
		c->x[a->rn] = a->wb_val;
	return true;
}

bool mem_exec(struct cpu *c, uint32_t w)
{
	struct access a = {.el = c->el};

	if ((w & 0xbe000000u) == 0x0c000000u)
		return mem_struct(c, w);
	if ((w & 0x3b000000u) == 0x18000000u)
		split_literal(c, w, &a);
	else if ((w & 0x3a000000u) == 0x28000000u)
		split_pair(c, w, &a);
	else if ((w & 0x3f000000u) == 0x08000000u)
		split_ordered(c, w, &a);
	else
		split_single(c, w, &a);
	return access_run(c, &a);
}

SLOW OP(slow_mem)
{
	chain_leave(c, o);
	if (!mem_exec(c, o->insn))
		return NULL;
	c->icount -= o->pc;
	OP_NEXT();
}

/** zva_exec - DC ZVA but for its gate; false: it took an exception. Apart from the handler, which
 * must not have locals whose address is taken: it would not chain by a jump. */
static __attribute__((noinline)) bool zva_exec(struct cpu *c, const struct op *o)
{
	struct mem_req r = {
		.va = XR(rm) & ~63ull, .len = 64, .align = 1, .write = true, .el = c->el};
	struct mem_span s;
	uint32_t iss;
	uint64_t far;

	if (mem_translate(c, &r, &s, &iss, &far)) {
		if (!s.device) {
			memset(s.p[0], 0, 64);
			return true;
		}
		iss = FSC_ALIGNMENT | ISS_WNR;
	}
	chain_leave(c, o);
	mem_abort(c, iss, XR(rm)); /* FAR is the address as given */
	return false;
}

SLOW OP(slow_dc_zva)
{
	if (!c->trap && sysreg_sys_gate(c, o->aux) != SYSREG_OK) {
		chain_leave(c, o);
		cpu_exception(c, EC_SYSREG, sysreg_iss(o->aux, o->ra, false), c->pc);
		return NULL;
	}
	if (!zva_exec(c, o))
		return NULL;
	OP_NEXT();
}
