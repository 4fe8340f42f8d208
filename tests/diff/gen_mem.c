/* SPDX-License-Identifier: Apache-2.0 */
/* Loads and stores. Every access lies in the window; addresses come from bases the generator tracks. */
#include "gen.h"

#define WIN_END (CASE_WIN_BASE + CASE_WIN_SIZE)

/* Where an access goes relative to its base register, and what it needs. */
struct want {
	int64_t off;	/* address = base + off */
	int64_t wb;	/* writeback adds this to the base */
	uint32_t len;	/* bytes */
	uint32_t align; /* of the address; 1 = any */
};

static bool fits(const struct want *wt, uint64_t base)
{
	uint64_t a = base + (uint64_t)wt->off;

	return a >= CASE_WIN_BASE && a <= WIN_END - wt->len && a % wt->align == 0;
}

/* Gives a register (31 = SP) whose value suits, and applies the writeback to what is known. */
static int base_pick(struct gen *g, const struct want *wt, bool wb)
{
	uint64_t target, val;
	int r = -1;

	if (wb && g->branchy)
		return -1;
	if (gen_rnd(g, 3)) {
		uint32_t start = gen_rnd(g, 32);

		for (uint32_t i = 0; i < 32 && r < 0; i++) {
			uint32_t k = (start + i) & 31;

			if ((g->bases >> k & 1) && fits(wt, g->base_val[k]) &&
			    !(k == 31 && wb && wt->wb % 16))
				r = (int)k;
		}
	}
	if (r < 0) {
		target = CASE_WIN_BASE +
			 gen_rnd(g, CASE_WIN_SIZE - wt->len + 1) / wt->align * wt->align;
		val = target - (uint64_t)wt->off;
		if (gen_rnd(g, 5) == 0 && !((g->written | g->reserved) >> 31) &&
		    g->c->d.nset < CASE_SETS && !(wb && wt->wb % 16) && fits(wt, val & ~15ull)) {
			r = 31;
			val &= ~15ull;
		} else {
			r = gen_fresh(g);
		}
		if (r < 0)
			return -1;
		gen_set(g, (unsigned)r, val);
		g->bases |= 1u << r;
		g->base_val[r] = val;
	}
	if (wb)
		g->base_val[r] += (uint64_t)wt->wb;
	return r;
}

/* The base's value is not known any more, but it can be written now. */
static void base_forget(struct gen *g, unsigned r)
{
	g->bases &= ~(1u << r);
	g->reserved &= ~(1u << r);
	g->written |= 1u << r;
}

/* Destination of a general load without writeback: at times the base itself. */
static uint32_t load_dest(struct gen *g, unsigned base, bool wb)
{
	if (!wb && base != 31 && gen_rnd(g, 8) == 0) {
		base_forget(g, base);
		return base;
	}
	return gen_dest(g, false);
}

static uint32_t store_src(struct gen *g, unsigned base, bool wb)
{
	uint32_t r;

	do
		r = gen_rnd(g, 32);
	while (wb && r == base);
	return r;
}

enum ldst_mode { M_UNSIGNED, M_UNSCALED, M_POST, M_PRE, M_REGOFF, M_UNPRIV };
static const uint32_t ldst_base[] = {0x39000000, 0x38000000, 0x38000400,
				     0x38000c00, 0x38200800, 0x38000800};

/* Register offset: the index keeps its initial value, the base makes up for it. */
static bool regoff_index(struct gen *g, uint32_t *w, unsigned shift, int64_t *off)
{
	static const uint8_t opts[] = {2, 3, 6, 7};
	uint32_t opt = opts[gen_rnd(g, 4)], s = gen_rnd(g, 2), rm;
	uint64_t v;

	if (gen_rnd(g, 8) == 0) {
		rm = 31;
		v = 0;
	} else {
		int r = gen_fresh(g);

		if (r < 0)
			return false;
		rm = (uint32_t)r;
		v = g->st0.x[rm];
		g->reserved |= 1u << rm;
	}
	if (opt == 2)
		v = (uint32_t)v;
	else if (opt == 6)
		v = (uint64_t)(int64_t)(int32_t)v;
	*off = (int64_t)(s ? v << shift : v);
	*w |= rm << 16 | opt << 13 | s << 12;
	return true;
}

static bool emit_ldst(struct gen *g, const struct gen_row *row)
{
	enum ldst_mode mode = (enum ldst_mode)(row->arg & 15);
	bool v = row->arg & 16, wb = mode == M_POST || mode == M_PRE;
	uint32_t size = gen_rnd(g, 4), opc = gen_rnd(g, 4), w, shift = size;
	bool prfm = !v && size == 3 && opc == 2;
	struct want wt = {.align = 1};
	int32_t imm9 = (int32_t)gen_rnd(g, 512) - 256;
	uint32_t imm12 = gen_rnd(g, gen_rnd(g, 2) ? 4096 : 64);
	int rn;

	if (v && opc >= 2) {
		size = 0;
		shift = 4;
	}
	if (!v && opc == 3 && size >= 2)
		return false;
	if (prfm && (wb || mode == M_UNPRIV))
		return false;
	wt.len = 1u << shift;
	w = ldst_base[mode] | size << 30 | (uint32_t)v << 26 | opc << 22;
	if (mode == M_UNSIGNED) {
		w |= imm12 << 10;
		wt.off = (int64_t)imm12 << shift;
	} else if (mode == M_REGOFF) {
		if (!regoff_index(g, &w, shift, &wt.off))
			return false;
	} else {
		w |= ((uint32_t)imm9 & 511) << 12;
		wt.wb = imm9;
		wt.off = mode == M_POST ? 0 : imm9;
	}
	if (prfm) { /* touches nothing: any address will do */
		gen_word(g, row->name, w | gen_rnd(g, 32) << 5 | gen_rnd(g, 32));
		return true;
	}
	rn = base_pick(g, &wt, wb);
	if (rn < 0)
		return false;
	w |= (uint32_t)rn << 5;
	if (v)
		w |= gen_rnd(g, 32);
	else if (opc == 0)
		w |= store_src(g, (unsigned)rn, wb);
	else
		w |= load_dest(g, (unsigned)rn, wb);
	gen_word(g, row->name, w);
	return true;
}

/* row->arg: bits 1:0 the mode field (0 no-allocate, 1 post, 2 offset, 3 pre), bit 4 SIMD&FP */
static bool emit_pair(struct gen *g, const struct gen_row *row)
{
	uint32_t mode = row->arg & 3, opc = gen_rnd(g, 3), load = gen_rnd(g, 2), rt, rt2;
	bool v = row->arg & 16, wb = mode & 1;
	uint32_t shift = v ? 2 + opc : opc == 2 ? 3 : 2;
	int32_t imm7 = (int32_t)gen_rnd(g, 128) - 64;
	struct want wt = {.align = 1, .len = 2u << shift};
	int rn;

	if (!v && opc == 1 && (!load || mode == 0))
		return false;
	wt.wb = (int64_t)imm7 * (1 << shift);
	wt.off = mode == 1 ? 0 : wt.wb;
	rn = base_pick(g, &wt, wb);
	if (rn < 0)
		return false;
	if (v) {
		rt = gen_rnd(g, 32);
		do
			rt2 = gen_rnd(g, 32);
		while (load && rt == rt2);
	} else if (load) {
		rt = load_dest(g, (unsigned)rn, wb);
		do
			rt2 = load_dest(g, (unsigned)rn, wb);
		while (rt == rt2);
	} else {
		rt = store_src(g, (unsigned)rn, wb);
		rt2 = store_src(g, (unsigned)rn, wb);
	}
	gen_word(g, row->name,
		 0x28000000 | opc << 30 | (uint32_t)v << 26 | mode << 23 | load << 22 |
			 ((uint32_t)imm7 & 127) << 15 | rt2 << 10 | (uint32_t)rn << 5 | rt);
	return true;
}

/* Literals are read from the words of the case that are the same on both sides: not the exit. */
static bool emit_literal(struct gen *g, const struct gen_row *row)
{
	bool v = row->arg & 16;
	uint32_t opc = gen_rnd(g, v ? 3 : 4), rt;
	uint32_t words = v ? 1u << opc : opc == 1 ? 2 : 1;
	int32_t back;

	if (g->n + 2 < words)
		return false;
	back = (int32_t)(words - 1 + gen_rnd(g, g->n + 3 - words));
	if (v || opc == 3)
		rt = gen_rnd(g, 32);
	else
		rt = gen_dest(g, false);
	gen_word(g, row->name,
		 0x18000000 | opc << 30 | (uint32_t)v << 26 | ((uint32_t)-back & 0x7ffff) << 5 |
			 rt);
	return true;
}

static bool emit_ordered(struct gen *g, const struct gen_row *row)
{
	uint32_t size = gen_rnd(g, 4), load = gen_rnd(g, 2);
	struct want wt = {.len = 1u << size, .align = 1u << size};
	int rn = base_pick(g, &wt, false);
	uint32_t rt;

	if (rn < 0)
		return false;
	rt = load ? load_dest(g, (unsigned)rn, false) : store_src(g, (unsigned)rn, false);
	gen_word(g, row->name, 0x089ffc00 | size << 30 | load << 22 | (uint32_t)rn << 5 | rt);
	return true;
}

/*
 * An exclusive sequence as a whole: LDXR, at times an ALU instruction or CLREX, STXR; or a lone
 * STXR, which fails. The monitor is clear after each.
 */
static bool emit_exclusive(struct gen *g, const struct gen_row *row)
{
	bool pair = row->arg;
	uint32_t size = pair ? 2 + gen_rnd(g, 2) : gen_rnd(g, 4), kind = gen_rnd(g, 6);
	struct want wt = {.len = (1u << size) << pair};
	uint32_t rt, rt2 = 31, rs, base, st;
	int rn;

	wt.align = wt.len;
	if (g->branchy || g->n + 4 > g->len)
		return false;
	rn = base_pick(g, &wt, false);
	if (rn < 0)
		return false;
	base = (pair ? 0x08600000u : 0x08400000u) | size << 30 | (uint32_t)rn << 5 | 31u << 16;
	rt = gen_dest(g, false);
	while (pair && (rt2 = gen_dest(g, false)) == rt)
		;
	if (kind != 5)
		gen_word(g, row->name, base | gen_rnd(g, 2) << 15 | rt2 << 10 | rt);
	if (kind == 1) /* ADD Xt, Xt, Xm */
		gen_word(g, row->name, 0x8b000000 | gen_rnd(g, 32) << 16 | rt << 5 | rt);
	if (kind == 2)
		gen_word(g, row->name, 0xd5033f5f); /* CLREX */
	st = store_src(g, (unsigned)rn, false);
	if (kind != 3)
		st = rt;
	if (pair && kind == 4)
		rt2 = store_src(g, (unsigned)rn, false);
	do
		rs = gen_dest(g, false);
	while (rs == st || (pair && rs == rt2));
	gen_word(g, row->name,
		 (base & ~(1u << 22 | 31u << 16)) | rs << 16 | gen_rnd(g, 2) << 15 | rt2 << 10 |
			 st);
	return true;
}

/* LD1..LD4 and ST1..ST4, multiple structures. row->arg: post-index. */
static bool emit_multi(struct gen *g, const struct gen_row *row)
{
	static const uint8_t ops[] = {0, 2, 4, 6, 7, 8, 10}, regs[] = {4, 4, 3, 3, 1, 2, 2};
	uint32_t k = gen_rnd(g, 7), q = gen_rnd(g, 2), size = gen_rnd(g, 4), rm = 0;
	bool post = row->arg, is_ld1 = ops[k] == 2 || ops[k] >= 6;
	struct want wt = {.len = regs[k] * (8u << q), .align = 1};
	int rn;

	if (ops[k] == 8)
		is_ld1 = false;
	if (size == 3 && !q && !is_ld1)
		return false;
	wt.wb = wt.len;
	rn = base_pick(g, &wt, post);
	if (rn < 0)
		return false;
	if (post) {
		rm = rn == 31 ? 31 : gen_rnd(g, 4) ? gen_rnd(g, 32) : 31;
		if (rm != 31)
			base_forget(g, (unsigned)rn);
	}
	gen_word(g, row->name,
		 0x0c000000 | q << 30 | (uint32_t)post << 23 | gen_rnd(g, 2) << 22 | rm << 16 |
			 (uint32_t)ops[k] << 12 | size << 10 | (uint32_t)rn << 5 | gen_rnd(g, 32));
	return true;
}

/* Single structures and replicate. */
static bool emit_single(struct gen *g, const struct gen_row *row)
{
	uint32_t opc = gen_rnd(g, 8), r = gen_rnd(g, 2), s = gen_rnd(g, 2), size = gen_rnd(g, 4);
	uint32_t scale = opc >> 1, selem = ((opc & 1) << 1 | r) + 1, load = gen_rnd(g, 2), rm = 0;
	bool post = row->arg;
	struct want wt = {.align = 1};
	int rn;

	if (scale == 1)
		size &= 2;
	if (scale == 2 && (size &= 1) == 1) {
		s = 0;
		scale = 3;
	} else if (scale == 3) { /* replicate */
		s = 0;
		load = 1;
		scale = size;
	}
	wt.len = selem << scale;
	wt.wb = wt.len;
	rn = base_pick(g, &wt, post && 1);
	if (rn < 0 || (post && rn == 31 && wt.wb % 16))
		return false;
	if (post) {
		rm = rn == 31 ? 31 : gen_rnd(g, 4) ? gen_rnd(g, 32) : 31;
		if (rm != 31)
			base_forget(g, (unsigned)rn);
	}
	gen_word(g, row->name,
		 0x0d000000 | gen_rnd(g, 2) << 30 | (uint32_t)post << 23 | load << 22 | r << 21 |
			 rm << 16 | opc << 13 | s << 12 | size << 10 | (uint32_t)rn << 5 |
			 gen_rnd(g, 32));
	return true;
}

#define R(name, cls, fn, arg)                                                                      \
	{                                                                                          \
		name, 0, 0, cls, 0, 0, fn, arg                                                     \
	}

const struct gen_row gen_rows_mem[] = {
	R("ldst_unsigned", GEN_MEM, emit_ldst, M_UNSIGNED),
	R("ldst_unscaled", GEN_MEM, emit_ldst, M_UNSCALED),
	R("ldst_post", GEN_MEM, emit_ldst, M_POST),
	R("ldst_pre", GEN_MEM, emit_ldst, M_PRE),
	R("ldst_regoff", GEN_MEM, emit_ldst, M_REGOFF),
	R("ldst_unpriv", GEN_MEM, emit_ldst, M_UNPRIV),
	R("ldst_pair_na", GEN_MEM, emit_pair, 0),
	R("ldst_pair_post", GEN_MEM, emit_pair, 1),
	R("ldst_pair", GEN_MEM, emit_pair, 2),
	R("ldst_pair_pre", GEN_MEM, emit_pair, 3),
	R("ldr_literal", GEN_MEM, emit_literal, 0),
	R("ordered", GEN_MEM, emit_ordered, 0),
	R("exclusive", GEN_MEM, emit_exclusive, 0),
	R("exclusive_pair", GEN_MEM, emit_exclusive, 1),
	R("v_ldst_unsigned", GEN_SIMDMEM, emit_ldst, 16 | M_UNSIGNED),
	R("v_ldst_unscaled", GEN_SIMDMEM, emit_ldst, 16 | M_UNSCALED),
	R("v_ldst_post", GEN_SIMDMEM, emit_ldst, 16 | M_POST),
	R("v_ldst_pre", GEN_SIMDMEM, emit_ldst, 16 | M_PRE),
	R("v_ldst_regoff", GEN_SIMDMEM, emit_ldst, 16 | M_REGOFF),
	R("v_ldst_pair_na", GEN_SIMDMEM, emit_pair, 16),
	R("v_ldst_pair_post", GEN_SIMDMEM, emit_pair, 17),
	R("v_ldst_pair", GEN_SIMDMEM, emit_pair, 18),
	R("v_ldst_pair_pre", GEN_SIMDMEM, emit_pair, 19),
	R("v_ldr_literal", GEN_SIMDMEM, emit_literal, 16),
	R("ld_multi", GEN_SIMDMEM, emit_multi, 0),
	R("ld_multi_post", GEN_SIMDMEM, emit_multi, 1),
	R("ld_single", GEN_SIMDMEM, emit_single, 0),
	R("ld_single_post", GEN_SIMDMEM, emit_single, 1),
};
const unsigned gen_rows_mem_n = sizeof(gen_rows_mem) / sizeof(gen_rows_mem[0]);
