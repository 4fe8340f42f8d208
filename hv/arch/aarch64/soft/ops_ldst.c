/* SPDX-License-Identifier: Apache-2.0 */
/* Loads and stores of one register (DDI 0487 C4.1.4): the fast forms. Anything odd goes to
 * slow_mem(). */
#include "hv/arch/aarch64/soft/decode.h"
#include "hv/arch/aarch64/soft/mem.h"
#include "hv/arch/aarch64/soft/mem_struct.h"

/*
 * Addressing modes: i offset, pre, post, r/u/s register offset (LSL, UXTW, SXTW), each unscaled (0)
 * or scaled by the element size (n), lit PC-relative. va = address, wb = write-back after the
 * access.
 */
#define OFF ((uint64_t)(int64_t)o->imm32)
#define VA_i(SH) (XR(rn) + OFF)
#define VA_pre(SH) (XR(rn) + OFF)
#define VA_post(SH) (XR(rn))
#define VA_r0(SH) (XR(rn) + XR(rm))
#define VA_rn(SH) (XR(rn) + (XR(rm) << SH))
#define VA_u0(SH) (XR(rn) + WR(rm))
#define VA_un(SH) (XR(rn) + ((uint64_t)WR(rm) << SH))
#define VA_s0(SH) (XR(rn) + (uint64_t)(int64_t)(int32_t)WR(rm))
#define VA_sn(SH) (XR(rn) + ((uint64_t)(int64_t)(int32_t)WR(rm) << SH))
#define VA_lit(SH) (c->page_va + OFF)
#define WB_i
#define WB_pre XR(rn) = va
#define WB_post XR(rn) = va + OFF
#define WB_r0
#define WB_rn
#define WB_u0
#define WB_un
#define WB_s0
#define WB_sn
#define WB_lit

#define LOAD(name, mode, T, SH, expr)                                                              \
	static OP(op_##name##_##mode)                                                              \
	{                                                                                          \
		uint64_t va = VA_##mode(SH);                                                       \
		MEM_PROBE_R(va, sizeof(T), sizeof(T));                                             \
		T m = MEM_GET(T, va);                                                              \
		WB_##mode;                                                                         \
		XR(rd) = (uint64_t)(expr);                                                         \
		OP_NEXT();                                                                         \
	}
#define STORE(name, mode, T, SH)                                                                   \
	static OP(op_##name##_##mode)                                                              \
	{                                                                                          \
		uint64_t va = VA_##mode(SH);                                                       \
		MEM_PROBE_W(va, sizeof(T), sizeof(T));                                             \
		MEM_PUT(T, va, XR(rd));                                                            \
		WB_##mode;                                                                         \
		OP_NEXT();                                                                         \
	}
#define VLOAD(name, mode, T, SH)                                                                   \
	static OP(op_##name##_##mode)                                                              \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		uint64_t va = VA_##mode(SH);                                                       \
		MEM_PROBE_R(va, sizeof(T), sizeof(T));                                             \
		c->v[o->rd].d[0] = MEM_GET(T, va);                                                 \
		c->v[o->rd].d[1] = 0;                                                              \
		WB_##mode;                                                                         \
		OP_NEXT();                                                                         \
	}
#define VSTORE(name, mode, T, SH)                                                                  \
	static OP(op_##name##_##mode)                                                              \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		uint64_t va = VA_##mode(SH);                                                       \
		MEM_PROBE_W(va, sizeof(T), sizeof(T));                                             \
		MEM_PUT(T, va, c->v[o->rd].d[0]);                                                  \
		WB_##mode;                                                                         \
		OP_NEXT();                                                                         \
	}
/* Q registers: two halves, aligned to 8 (what is not goes the slow way). */
#define QLOAD(name, mode)                                                                          \
	static OP(op_##name##_##mode)                                                              \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		uint64_t va = VA_##mode(4);                                                        \
		MEM_PROBE_R(va, 16, 8);                                                            \
		uint64_t lo = MEM_GET(mem64, va), hi = MEM_GET(mem64, va + 8);                     \
		c->v[o->rd].d[0] = lo;                                                             \
		c->v[o->rd].d[1] = hi;                                                             \
		WB_##mode;                                                                         \
		OP_NEXT();                                                                         \
	}
#define QSTORE(name, mode)                                                                         \
	static OP(op_##name##_##mode)                                                              \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		uint64_t va = VA_##mode(4);                                                        \
		MEM_PROBE_W(va, 16, 8);                                                            \
		MEM_PUT(mem64, va, c->v[o->rd].d[0]);                                              \
		MEM_PUT(mem64, va + 8, c->v[o->rd].d[1]);                                          \
		WB_##mode;                                                                         \
		OP_NEXT();                                                                         \
	}

#define ALL_LOAD(name, T, SH, expr)                                                                \
	LOAD(name, i, T, SH, expr)                                                                 \
	LOAD(name, pre, T, SH, expr)                                                               \
	LOAD(name, post, T, SH, expr)                                                              \
	LOAD(name, r0, T, SH, expr)                                                                \
	LOAD(name, rn, T, SH, expr)                                                                \
	LOAD(name, u0, T, SH, expr)                                                                \
	LOAD(name, un, T, SH, expr)                                                                \
	LOAD(name, s0, T, SH, expr)                                                                \
	LOAD(name, sn, T, SH, expr)
#define ALL_OF(F, name, ...)                                                                       \
	F(name, i __VA_OPT__(, ) __VA_ARGS__)                                                      \
	F(name, pre __VA_OPT__(, ) __VA_ARGS__)                                                    \
	F(name, post __VA_OPT__(, ) __VA_ARGS__)                                                   \
	F(name, r0 __VA_OPT__(, ) __VA_ARGS__)                                                     \
	F(name, rn __VA_OPT__(, ) __VA_ARGS__)                                                     \
	F(name, u0 __VA_OPT__(, ) __VA_ARGS__)                                                     \
	F(name, un __VA_OPT__(, ) __VA_ARGS__)                                                     \
	F(name, s0 __VA_OPT__(, ) __VA_ARGS__)                                                     \
	F(name, sn __VA_OPT__(, ) __VA_ARGS__)

#define SX(S, v) ((uint64_t)(int64_t)(S)(v))
#define SW(S, v) ((uint32_t)(int32_t)(S)(v))

ALL_LOAD(ldr_b, mem8, 0, m)
ALL_LOAD(ldrsx_b, mem8, 0, SX(int8_t, m))
ALL_LOAD(ldrsw_b, mem8, 0, SW(int8_t, m))
ALL_LOAD(ldr_h, mem16, 1, m)
ALL_LOAD(ldrsx_h, mem16, 1, SX(int16_t, m))
ALL_LOAD(ldrsw_h, mem16, 1, SW(int16_t, m))
ALL_LOAD(ldr_w, mem32, 2, m)
ALL_LOAD(ldrsx_w, mem32, 2, SX(int32_t, m))
ALL_LOAD(ldr_x, mem64, 3, m)
ALL_OF(STORE, str_b, mem8, 0)
ALL_OF(STORE, str_h, mem16, 1)
ALL_OF(STORE, str_w, mem32, 2)
ALL_OF(STORE, str_x, mem64, 3)
ALL_OF(VLOAD, vldr_b, mem8, 0)
ALL_OF(VLOAD, vldr_h, mem16, 1)
ALL_OF(VLOAD, vldr_s, mem32, 2)
ALL_OF(VLOAD, vldr_d, mem64, 3)
ALL_OF(QLOAD, vldr_q)
ALL_OF(VSTORE, vstr_b, mem8, 0)
ALL_OF(VSTORE, vstr_h, mem16, 1)
ALL_OF(VSTORE, vstr_s, mem32, 2)
ALL_OF(VSTORE, vstr_d, mem64, 3)
ALL_OF(QSTORE, vstr_q)

LOAD(ldr_w, lit, mem32, 2, m)
LOAD(ldr_x, lit, mem64, 3, m)
LOAD(ldrsx_w, lit, mem32, 2, SX(int32_t, m))
VLOAD(vldr_s, lit, mem32, 2)
VLOAD(vldr_d, lit, mem64, 3)
QLOAD(vldr_q, lit)

/* LDAR, STLR: sequentially consistent among themselves, so the store is an exchange on x86. */
#define ORDERED(name, T)                                                                           \
	static OP(op_ldar_##name)                                                                  \
	{                                                                                          \
		uint64_t va = XR(rn);                                                              \
		MEM_PROBE_ALIGNED_R(va, sizeof(T));                                                \
		XR(rd) = __atomic_load_n(&MEM_HOST(T, va), __ATOMIC_SEQ_CST);                      \
		OP_NEXT();                                                                         \
	}                                                                                          \
	static OP(op_stlr_##name)                                                                  \
	{                                                                                          \
		uint64_t va = XR(rn);                                                              \
		MEM_PROBE_ALIGNED_W(va, sizeof(T));                                                \
		__atomic_store_n(&MEM_HOST(T, va), (T)XR(rd), __ATOMIC_SEQ_CST);                   \
		OP_NEXT();                                                                         \
	}
ORDERED(b, mem8)
ORDERED(h, mem16)
ORDERED(w, mem32)
ORDERED(x, mem64)

OP(op_dc_zva)
{
	uint64_t va = XR(rm) & ~63ull;
	const struct tlb_entry *e = &c->tlb->e[tlb_index(va)];
	if (unlikely((va & ~0xfffull) != e->tag_w || !c->el))
		return slow_dc_zva(c, o);
	__builtin_memset(&MEM_HOST(mem64, va), 0, 64);
	OP_NEXT();
}

/* LDTR, STTR: what Linux copies from and to user memory with. */
#define LDTR(name, T, expr)                                                                        \
	static OP(op_ldtr_##name)                                                                  \
	{                                                                                          \
		uint64_t va = XR(rn) + OFF;                                                        \
		MEM_PROBE_EL0_R(va, sizeof(T));                                                    \
		T m = MEM_GET(T, va);                                                              \
		XR(rd) = (uint64_t)(expr);                                                         \
		OP_NEXT();                                                                         \
	}
#define STTR(name, T)                                                                              \
	static OP(op_sttr_##name)                                                                  \
	{                                                                                          \
		uint64_t va = XR(rn) + OFF;                                                        \
		MEM_PROBE_EL0_W(va, sizeof(T));                                                    \
		MEM_PUT(T, va, XR(rd));                                                            \
		OP_NEXT();                                                                         \
	}
LDTR(b, mem8, m)
LDTR(sx_b, mem8, SX(int8_t, m))
LDTR(sw_b, mem8, SW(int8_t, m))
LDTR(h, mem16, m)
LDTR(sx_h, mem16, SX(int16_t, m))
LDTR(sw_h, mem16, SW(int16_t, m))
LDTR(w, mem32, m)
LDTR(sx_w, mem32, SX(int32_t, m))
LDTR(x, mem64, m)
STTR(b, mem8)
STTR(h, mem16)
STTR(w, mem32)
STTR(x, mem64)

/* Structures: always in full. */
static OP(op_mem_any_fp)
{
	OP_FP_CHECK();
	return slow_mem(c, o);
}

enum mode { M_I, M_PRE, M_POST, M_R0, M_RN, M_U0, M_UN, M_S0, M_SN, MODES };

#define ROW(n)                                                                                     \
	{                                                                                          \
		op_##n##_i, op_##n##_pre, op_##n##_post, op_##n##_r0, op_##n##_rn, op_##n##_u0,    \
			op_##n##_un, op_##n##_s0, op_##n##_sn                                      \
	}
/* [size][opc][mode] */
static op_fn *const int_fn[4][4][MODES] = {
	{ROW(str_b), ROW(ldr_b), ROW(ldrsx_b), ROW(ldrsw_b)},
	{ROW(str_h), ROW(ldr_h), ROW(ldrsx_h), ROW(ldrsw_h)},
	{ROW(str_w), ROW(ldr_w), ROW(ldrsx_w)},
	{ROW(str_x), ROW(ldr_x)},
};
static op_fn *const vec_fn[4][4][MODES] = {
	{ROW(vstr_b), ROW(vldr_b), ROW(vstr_q), ROW(vldr_q)},
	{ROW(vstr_h), ROW(vldr_h)},
	{ROW(vstr_s), ROW(vldr_s)},
	{ROW(vstr_d), ROW(vldr_d)},
};

/* [size][opc] */
static op_fn *const unpriv_fn[4][4] = {
	{op_sttr_b, op_ldtr_b, op_ldtr_sx_b, op_ldtr_sw_b},
	{op_sttr_h, op_ldtr_h, op_ldtr_sx_h, op_ldtr_sw_h},
	{op_sttr_w, op_ldtr_w, op_ldtr_sx_w},
	{op_sttr_x, op_ldtr_x},
};

static enum decode_result dec_literal(uint32_t w, struct op *o)
{
	static op_fn *const fn[2][4] = {
		{op_ldr_w_lit, op_ldr_x_lit, op_ldrsx_w_lit},
		{op_vldr_s_lit, op_vldr_d_lit, op_vldr_q_lit},
	};
	unsigned v = w >> 26 & 1, opc = w >> 30;

	if (opc == 3)
		return v ? DEC_UNDEF : DEC_NOP; /* PRFM */
	o->fn = fn[v][opc];
	o->rd = v ? reg_n(w, 0) : reg_w(w, 0);
	o->imm32 = (int32_t)((int64_t)((uint64_t)sbits(w, 23, 5) << 2) + o->pc * 4);
	o->insn = w;
	return DEC_OK;
}

/** single_mode - addressing mode of the forms without unsigned offset; MODES: unallocated. */
static enum mode single_mode(uint32_t w, struct op *o)
{
	if (w >> 21 & 1) {
		static const uint8_t base[8] = {[2] = M_U0, [3] = M_R0, [6] = M_S0, [7] = M_R0};
		unsigned m = base[bits(w, 15, 13)];
		if (bits(w, 11, 10) != 2 || !m)
			return MODES;
		o->rm = reg_r(w, 16);
		return (enum mode)(m + (w >> 12 & 1));
	}
	o->imm32 = (int32_t)sbits(w, 20, 12);
	switch (bits(w, 11, 10)) {
	case 1:
		return M_POST;
	case 3:
		return M_PRE;
	default:
		return M_I;
	}
}

static enum decode_result dec_single(uint32_t w, struct op *o)
{
	unsigned size = w >> 30, v = w >> 26 & 1, opc = bits(w, 23, 22);
	bool uimm = w >> 24 & 1;
	bool unpriv = !uimm && !(w >> 21 & 1) && bits(w, 11, 10) == 2;
	enum mode mode = M_I;

	o->insn = w;
	o->rn = reg_n(w, 5);
	if (uimm)
		o->imm32 = (int32_t)(bits(w, 21, 10) << (v && opc & 2 ? 4 : size));
	else
		mode = single_mode(w, o);
	if (mode == MODES)
		return DEC_UNDEF;
	if (!v && size == 3 && opc == 2) /* PRFM, PRFUM */
		return mode == M_PRE || mode == M_POST || unpriv ? DEC_UNDEF : DEC_NOP;
	o->fn = v ? vec_fn[size][opc][mode] : int_fn[size][opc][mode];
	if (!o->fn || (unpriv && v))
		return DEC_UNDEF;
	if (unpriv)
		o->fn = unpriv_fn[size][opc];
	/* A store's rd is read, a load's written. */
	if (v)
		o->rd = reg_n(w, 0);
	else
		o->rd = opc == 0 ? reg_r(w, 0) : reg_w(w, 0);
	return DEC_OK;
}

enum decode_result decode_ldst_ordered(uint32_t w, struct op *o)
{
	static op_fn *const fn[2][4] = {
		{op_stlr_b, op_stlr_h, op_stlr_w, op_stlr_x},
		{op_ldar_b, op_ldar_h, op_ldar_w, op_ldar_x},
	};
	bool load = w >> 22 & 1;

	if (!(w >> 15 & 1))
		return DEC_UNDEF; /* LDLAR, STLLR: v8.1 */
	o->insn = w;
	o->rn = reg_n(w, 5);
	o->rd = load ? reg_w(w, 0) : reg_r(w, 0);
	o->fn = fn[load][w >> 30];
	return DEC_OK;
}

enum decode_result decode_ldst(uint32_t w, struct op *o)
{
	struct mem_struct_form f;

	switch (bits(w, 29, 28)) {
	case 0:
		if (!(w >> 26 & 1))
			return w >> 24 & 1 ? DEC_UNDEF : decode_ldst_excl(w, o);
		if (w >> 31 || (w >> 25 & 1) || !mem_struct_split(w, &f))
			return DEC_UNDEF;
		o->insn = w;
		o->fn = op_mem_any_fp;
		return DEC_OK;
	case 1:
		return w >> 24 & 1 ? DEC_UNDEF : dec_literal(w, o);
	case 2:
		return decode_ldst_pair(w, o);
	default:
		return dec_single(w, o);
	}
}
