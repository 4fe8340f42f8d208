/* SPDX-License-Identifier: Apache-2.0 */
/* Data processing, register: logical and add/subtract, shifted and extended (DDI 0487 C4.1.5). */
#include "hv/arch/aarch64/soft/decode.h"
#include "hv/arch/aarch64/soft/chain.h"
#include "hv/arch/aarch64/soft/ops_alu.h"

/* Second operand by shift kind: ra = amount. */
#define S64_none XR(rm)
#define S64_lsl (XR(rm) << o->ra)
#define S64_lsr (XR(rm) >> o->ra)
#define S64_asr ((uint64_t)((int64_t)XR(rm) >> o->ra))
#define S64_ror ror64(XR(rm), o->ra)
#define S32_none WR(rm)
#define S32_lsl ((uint32_t)(WR(rm) << o->ra))
#define S32_lsr (WR(rm) >> o->ra)
#define S32_asr ((uint32_t)((int32_t)WR(rm) >> o->ra))
#define S32_ror ror32(WR(rm), o->ra)

#define LOGIC(name, sh, expr64, expr32)                                                            \
	static OP(op_##name##_x_##sh)                                                              \
	{                                                                                          \
		uint64_t a = XR(rn), b = S64_##sh;                                                 \
		XR(rd) = expr64;                                                                   \
		OP_NEXT();                                                                         \
	}                                                                                          \
	static OP(op_##name##_w_##sh)                                                              \
	{                                                                                          \
		uint32_t a = WR(rn), b = S32_##sh;                                                 \
		XR(rd) = (uint32_t)(expr32);                                                       \
		OP_NEXT();                                                                         \
	}

#define LOGICS(name, sh, inv)                                                                      \
	static OP(op_##name##_x_##sh)                                                              \
	{                                                                                          \
		uint64_t b = S64_##sh, r = XR(rn) & (inv ? ~b : b);                                \
		flags_lazy(c, FL_LOG64, r, 0);                                                     \
		XR(rd) = r;                                                                        \
		OP_NEXT();                                                                         \
	}                                                                                          \
	static OP(op_##name##_w_##sh)                                                              \
	{                                                                                          \
		uint32_t b = S32_##sh, r = WR(rn) & (inv ? ~b : b);                                \
		flags_lazy(c, FL_LOG32, r, 0);                                                     \
		XR(rd) = r;                                                                        \
		OP_NEXT();                                                                         \
	}

#define LOGIC_ALL(sh)                                                                              \
	LOGIC(and, sh, a &b, a &b)                                                                 \
	LOGIC(bic, sh, a & ~b, a & ~b)                                                             \
	LOGIC(orr, sh, a | b, a | b)                                                               \
	LOGIC(orn, sh, a | ~b, a | ~b)                                                             \
	LOGIC(eor, sh, a ^ b, a ^ b)                                                               \
	LOGIC(eon, sh, a ^ ~b, a ^ ~b)                                                             \
	LOGICS(bics, sh, true)

LOGIC_ALL(none)
LOGIC_ALL(lsl)
LOGIC_ALL(lsr)
LOGIC_ALL(asr)
LOGIC_ALL(ror)
LOGICS(ands, lsl, false)
LOGICS(ands, lsr, false)
LOGICS(ands, asr, false)
LOGICS(ands, ror, false)

OP(op_ands_rx)
{
	uint64_t r = XR(rn) & XR(rm);
	flags_lazy(c, FL_LOG64, r, 0);
	XR(rd) = r;
	OP_NEXT();
}
OP(op_ands_rw)
{
	uint32_t r = WR(rn) & WR(rm);
	flags_lazy(c, FL_LOG32, r, 0);
	XR(rd) = r;
	OP_NEXT();
}

static OP(op_movr_x)
{
	XR(rd) = XR(rm);
	OP_NEXT();
}
static OP(op_movr_w)
{
	XR(rd) = WR(rm);
	OP_NEXT();
}

/* The four additions of one second operand. */
#define ADDSUB(sfx, T, K, rdn, bexpr)                                                              \
	static OP(op_add_##sfx)                                                                    \
	{                                                                                          \
		T a = (T)XR(rn), b = bexpr;                                                        \
		XR(rd) = (T)(a + b);                                                               \
		OP_NEXT();                                                                         \
	}                                                                                          \
	static OP(op_sub_##sfx)                                                                    \
	{                                                                                          \
		T a = (T)XR(rn), b = bexpr;                                                        \
		XR(rd) = (T)(a - b);                                                               \
		OP_NEXT();                                                                         \
	}                                                                                          \
	static OP(op_adds_##sfx)                                                                   \
	{                                                                                          \
		T a = (T)XR(rn), b = bexpr;                                                        \
		flags_lazy(c, FL_ADD##K, a, b);                                                    \
		XR(rd) = (T)(a + b);                                                               \
		OP_NEXT();                                                                         \
	}

#define SUBS(name, T, K, bexpr)                                                                    \
	OP(name)                                                                                   \
	{                                                                                          \
		T a = (T)XR(rn), b = bexpr;                                                        \
		flags_lazy(c, FL_SUB##K, a, b);                                                    \
		XR(rd) = (T)(a - b);                                                               \
		OP_NEXT();                                                                         \
	}

#define ADDSUB_SHIFT(sh)                                                                           \
	ADDSUB(x_##sh, uint64_t, 64, XR(rd), S64_##sh)                                             \
	ADDSUB(w_##sh, uint32_t, 32, XR(rd), S32_##sh)

ADDSUB_SHIFT(none)
ADDSUB_SHIFT(lsl)
ADDSUB_SHIFT(lsr)
ADDSUB_SHIFT(asr)
SUBS(op_subs_rx, uint64_t, 64, XR(rm))
SUBS(op_subs_rw, uint32_t, 32, WR(rm))
static SUBS(op_subs_x_lsl, uint64_t, 64, S64_lsl) static SUBS(
	op_subs_w_lsl, uint32_t, 32,
	S32_lsl) static SUBS(op_subs_x_lsr, uint64_t, 64,
			     S64_lsr) static SUBS(op_subs_w_lsr, uint32_t, 32,
						  S32_lsr) static SUBS(op_subs_x_asr, uint64_t, 64,
								       S64_asr) static SUBS(op_subs_w_asr,
											    uint32_t,
											    32,
											    S32_asr)

#define ADDSUB_EXT(ext, T)                                                                         \
	ADDSUB(x_##ext, uint64_t, 64, XR(rd), (uint64_t)(int64_t)(T)XR(rm) << o->ra)               \
	ADDSUB(w_##ext, uint32_t, 32, XR(rd), (uint32_t)((uint32_t)(T)XR(rm) << o->ra))            \
	static SUBS(op_subs_x_##ext, uint64_t, 64,                                                 \
		    (uint64_t)(int64_t)(T)XR(rm)                                                   \
			    << o->ra) static SUBS(op_subs_w_##ext, uint32_t, 32,                   \
						  (uint32_t)((uint32_t)(T)XR(rm) << o->ra))

	ADDSUB_EXT(uxtb, uint8_t) ADDSUB_EXT(uxth, uint16_t) ADDSUB_EXT(uxtw, uint32_t)
		ADDSUB_EXT(sxtb, int8_t) ADDSUB_EXT(sxth, int16_t) ADDSUB_EXT(sxtw, int32_t)

			static enum decode_result dec_logical(uint32_t w, struct op *o)
{
#define ROW(n, sf)                                                                                 \
	{                                                                                          \
		op_##n##_##sf##_none, op_##n##_##sf##_lsl, op_##n##_##sf##_lsr,                    \
			op_##n##_##sf##_asr, op_##n##_##sf##_ror                                   \
	}
	static op_fn *const fn[2][8][5] = {
		{ROW(and, w),
		 ROW(bic, w),
		 ROW(orr, w),
		 ROW(orn, w),
		 ROW(eor, w),
		 ROW(eon, w),
		 {op_ands_rw, op_ands_w_lsl, op_ands_w_lsr, op_ands_w_asr, op_ands_w_ror},
		 ROW(bics, w)},
		{ROW(and, x),
		 ROW(bic, x),
		 ROW(orr, x),
		 ROW(orn, x),
		 ROW(eor, x),
		 ROW(eon, x),
		 {op_ands_rx, op_ands_x_lsl, op_ands_x_lsr, op_ands_x_asr, op_ands_x_ror},
		 ROW(bics, x)},
	};
#undef ROW
	unsigned sf = w >> 31, op = bits(w, 30, 29) << 1 | (w >> 21 & 1);
	unsigned amount = bits(w, 15, 10), kind = bits(w, 23, 22) + 1;

	if (!sf && amount > 31)
		return DEC_UNDEF;
	if (amount == 0)
		kind = 0;
	o->rd = reg_w(w, 0);
	o->rn = reg_r(w, 5);
	o->rm = reg_r(w, 16);
	o->ra = (uint8_t)amount;
	o->fn = fn[sf][op][kind];
	if (op == 2 && kind == 0 && o->rn == REG_ZERO)
		o->fn = sf ? op_movr_x : op_movr_w;
	return DEC_OK;
}

static enum decode_result dec_addsub_shift(uint32_t w, struct op *o)
{
#define ROW(n, sf)                                                                                 \
	{                                                                                          \
		op_##n##_##sf##_none, op_##n##_##sf##_lsl, op_##n##_##sf##_lsr,                    \
			op_##n##_##sf##_asr                                                        \
	}
	static op_fn *const fn[2][4][4] = {
		{ROW(add, w),
		 ROW(adds, w),
		 ROW(sub, w),
		 {op_subs_rw, op_subs_w_lsl, op_subs_w_lsr, op_subs_w_asr}},
		{ROW(add, x),
		 ROW(adds, x),
		 ROW(sub, x),
		 {op_subs_rx, op_subs_x_lsl, op_subs_x_lsr, op_subs_x_asr}},
	};
#undef ROW
	unsigned sf = w >> 31, amount = bits(w, 15, 10), kind = bits(w, 23, 22);

	if (kind == 3 || (!sf && amount > 31))
		return DEC_UNDEF;
	kind = amount ? kind + 1 : 0;
	o->rd = reg_w(w, 0);
	o->rn = reg_r(w, 5);
	o->rm = reg_r(w, 16);
	o->ra = (uint8_t)amount;
	o->fn = fn[sf][bits(w, 30, 29)][kind];
	return DEC_OK;
}

static enum decode_result dec_addsub_ext(uint32_t w, struct op *o)
{
#define COL(n, e) op_##n##_##e
#define ROW(n, sf, last)                                                                           \
	{                                                                                          \
		COL(n, sf##_uxtb), COL(n, sf##_uxth), COL(n, sf##_uxtw), last, COL(n, sf##_sxtb),  \
			COL(n, sf##_sxth), COL(n, sf##_sxtw), last                                 \
	}
	static op_fn *const fn[2][4][8] = {
		{ROW(add, w, op_add_w_lsl), ROW(adds, w, op_adds_w_lsl), ROW(sub, w, op_sub_w_lsl),
		 ROW(subs, w, op_subs_w_lsl)},
		{ROW(add, x, op_add_x_lsl), ROW(adds, x, op_adds_x_lsl), ROW(sub, x, op_sub_x_lsl),
		 ROW(subs, x, op_subs_x_lsl)},
	};
#undef ROW
#undef COL
	unsigned sf = w >> 31, s = w >> 29 & 1, amount = bits(w, 12, 10);

	if (bits(w, 23, 22) || amount > 4)
		return DEC_UNDEF;
	o->rd = s ? reg_w(w, 0) : reg_n(w, 0);
	o->rn = reg_n(w, 5);
	o->rm = reg_r(w, 16);
	o->ra = (uint8_t)amount;
	o->fn = fn[sf][bits(w, 30, 29)][bits(w, 15, 13)];
	return DEC_OK;
}

enum decode_result decode_dp_reg(uint32_t w, struct op *o)
{
	if (w >> 28 & 1)
		return decode_dp_misc(w, o);
	if (!(w >> 24 & 1))
		return dec_logical(w, o);
	return w >> 21 & 1 ? dec_addsub_ext(w, o) : dec_addsub_shift(w, o);
}
