/* SPDX-License-Identifier: Apache-2.0 */
/* Data processing, register: with carry, conditional, and of one to three sources (DDI 0487
 * C4.1.5). */
#include "hv/arch/aarch64/soft/decode.h"
#include "hv/arch/aarch64/soft/chain.h"
#include "hv/arch/aarch64/soft/ops_alu.h"

#define DP(name, body)                                                                             \
	static OP(name)                                                                            \
	{                                                                                          \
		body;                                                                              \
		OP_NEXT();                                                                         \
	}

/* ---- conditional select: rn if the condition holds, else rm changed ---- */

/** slow_csel - any condition and any kind of flags. aux: condition, operation << 4, sf << 6. */
static SLOW OP(slow_csel)
{
	uint64_t r = XR(rn);
	if (!flags_cond(c, o->aux & 15)) {
		r = XR(rm);
		switch (o->aux >> 4 & 3) {
		case 1:
			r++;
			break;
		case 2:
			r = ~r;
			break;
		case 3:
			r = 0 - r;
			break;
		default:
			break;
		}
	}
	XR(rd) = o->aux >> 6 ? r : (uint32_t)r;
	OP_NEXT();
}

#define CSEL(cc, name, expr)                                                                       \
	static OP(op_##name##_x_##cc)                                                              \
	{                                                                                          \
		bool h;                                                                            \
		FLAGS_COND(c, cc, h, return slow_csel(c, o));                                      \
		uint64_t a = XR(rn), b = XR(rm);                                                   \
		XR(rd) = h ? a : (expr);                                                           \
		OP_NEXT();                                                                         \
	}                                                                                          \
	static OP(op_##name##_w_##cc)                                                              \
	{                                                                                          \
		bool h;                                                                            \
		FLAGS_COND(c, cc, h, return slow_csel(c, o));                                      \
		uint32_t a = WR(rn), b = WR(rm);                                                   \
		XR(rd) = h ? a : (uint32_t)(expr);                                                 \
		OP_NEXT();                                                                         \
	}
#define CSELS(cc, n)                                                                               \
	CSEL(cc, csel, b)                                                                          \
	CSEL(cc, csinc, b + 1)
COND_LIST(CSELS)

static enum decode_result dec_csel(uint32_t w, struct op *o)
{
#define CSEL_ROW(cc, n) {{op_csel_w_##cc, op_csinc_w_##cc}, {op_csel_x_##cc, op_csinc_x_##cc}},
	static op_fn *const fn[14][2][2] = {COND_LIST(CSEL_ROW)};
	unsigned sf = w >> 31, cond = bits(w, 15, 12);
	unsigned kind = (w >> 30 & 1) << 1 | (w >> 10 & 1);

	if ((w >> 29 & 1) || (w >> 11 & 1))
		return DEC_UNDEF;
	o->rd = reg_w(w, 0);
	o->rn = reg_r(w, 5);
	o->rm = reg_r(w, 16);
	o->aux = (uint16_t)(cond | kind << 4 | sf << 6);
	o->fn = kind < 2 && cond < 14 ? fn[cond][sf][kind] : slow_csel;
	return DEC_OK;
}

/* ---- conditional compare: rn against rm + imm32 (one of both is zero); aux = NZCV otherwise ----
 */

/** slow_ccmp - any. ra: condition, negative form << 4, sf << 5. */
static SLOW OP(slow_ccmp)
{
	uint64_t a = XR(rn), b = XR(rm) + (uint64_t)(int64_t)o->imm32;
	bool sub = o->ra & 16, sf = o->ra & 32;

	if (!flags_cond(c, o->ra & 15))
		flags_set_nzcv(c, (uint32_t)o->aux << 28);
	else
		flags_lazy(c, sf ? (sub ? FL_SUB64 : FL_ADD64) : (sub ? FL_SUB32 : FL_ADD32),
			   sf ? a : (uint32_t)a, sf ? b : (uint32_t)b);
	OP_NEXT();
}

#define CCMP(cc, n)                                                                                \
	static OP(op_ccmp_x_##cc)                                                                  \
	{                                                                                          \
		bool h;                                                                            \
		FLAGS_COND(c, cc, h, return slow_ccmp(c, o));                                      \
		if (h)                                                                             \
			flags_lazy(c, FL_SUB64, XR(rn), XR(rm) + (uint64_t)(int64_t)o->imm32);     \
		else                                                                               \
			flags_set_nzcv(c, (uint32_t)o->aux << 28);                                 \
		OP_NEXT();                                                                         \
	}                                                                                          \
	static OP(op_ccmp_w_##cc)                                                                  \
	{                                                                                          \
		bool h;                                                                            \
		FLAGS_COND(c, cc, h, return slow_ccmp(c, o));                                      \
		if (h)                                                                             \
			flags_lazy(c, FL_SUB32, WR(rn), WR(rm) + (uint32_t)o->imm32);              \
		else                                                                               \
			flags_set_nzcv(c, (uint32_t)o->aux << 28);                                 \
		OP_NEXT();                                                                         \
	}
COND_LIST(CCMP)

static enum decode_result dec_ccmp(uint32_t w, struct op *o)
{
#define CCMP_ROW(cc, n) {op_ccmp_w_##cc, op_ccmp_x_##cc},
	static op_fn *const fn[14][2] = {COND_LIST(CCMP_ROW)};
	unsigned sf = w >> 31, cond = bits(w, 15, 12), sub = w >> 30 & 1;

	if (!(w >> 29 & 1) || (w >> 10 & 1) || (w >> 4 & 1))
		return DEC_UNDEF;
	o->rn = reg_r(w, 5);
	o->aux = (uint16_t)(w & 15);
	o->ra = (uint8_t)(cond | sub << 4 | sf << 5);
	o->imm = 0;
	if (w >> 11 & 1) {
		o->rm = REG_ZERO;
		o->imm32 = (int32_t)bits(w, 20, 16);
	} else {
		o->rm = reg_r(w, 16);
	}
	o->fn = sub && cond < 14 ? fn[cond][sf] : slow_ccmp;
	return DEC_OK;
}

/* ---- with carry: SBC is ADC of ~rm; aux = sub | s << 1 | sf << 2 ---- */

static OP(slow_adc)
{
	uint32_t cy = flags_nzcv(c) >> 29 & 1;
	uint64_t a = XR(rn), b = o->aux & 1 ? ~XR(rm) : XR(rm), r;
	bool co, v;

	if (o->aux & 4) {
		co = __builtin_add_overflow(a, b, &r);
		co |= __builtin_add_overflow(r, (uint64_t)cy, &r);
		v = (~(a ^ b) & (a ^ r)) >> 63;
	} else {
		uint64_t wide = (uint64_t)(uint32_t)a + (uint32_t)b + cy;
		r = (uint32_t)wide;
		co = wide >> 32;
		v = (uint32_t)(~(a ^ b) & (a ^ r)) >> 31;
	}
	if (o->aux & 2) {
		uint32_t n = (uint32_t)(r >> (o->aux & 4 ? 63 : 31));
		flags_set_nzcv(c, n << 31 | (r == 0 ? 1u << 30 : 0) | (co ? 1u << 29 : 0) |
					  (v ? 1u << 28 : 0));
	}
	XR(rd) = r;
	OP_NEXT();
}

static enum decode_result dec_adc(uint32_t w, struct op *o)
{
	if (bits(w, 15, 10))
		return DEC_UNDEF; /* RMIF, SETF: v8.4 */
	o->rd = reg_w(w, 0);
	o->rn = reg_r(w, 5);
	o->rm = reg_r(w, 16);
	o->aux = (uint16_t)(bits(w, 30, 30) | bits(w, 29, 29) << 1 | bits(w, 31, 31) << 2);
	o->fn = slow_adc;
	return DEC_OK;
}

/* ---- one source ---- */

static inline uint64_t rbit64(uint64_t v)
{
	v = __builtin_bswap64(v);
	v = (v >> 4 & 0x0f0f0f0f0f0f0f0full) | (v & 0x0f0f0f0f0f0f0f0full) << 4;
	v = (v >> 2 & 0x3333333333333333ull) | (v & 0x3333333333333333ull) << 2;
	return (v >> 1 & 0x5555555555555555ull) | (v & 0x5555555555555555ull) << 1;
}
static inline uint64_t rev16(uint64_t v)
{
	return (v >> 8 & 0x00ff00ff00ff00ffull) | (v & 0x00ff00ff00ff00ffull) << 8;
}
static inline uint64_t cls64(uint64_t v)
{
	return (uint64_t)__builtin_clrsbll((long long)v);
}

DP(op_rbit_x, XR(rd) = rbit64(XR(rn)))
DP(op_rbit_w, XR(rd) = rbit64(XR(rn)) >> 32)
DP(op_rev16_x, XR(rd) = rev16(XR(rn)))
DP(op_rev16_w, XR(rd) = (uint32_t)rev16(XR(rn)))
DP(op_rev_x, XR(rd) = __builtin_bswap64(XR(rn)))
DP(op_rev_w, XR(rd) = __builtin_bswap32(WR(rn)))
DP(op_rev32_x,
   XR(rd) = (uint64_t)__builtin_bswap32((uint32_t)(XR(rn) >> 32)) << 32 | __builtin_bswap32(WR(rn)))
DP(op_clz_x, XR(rd) = XR(rn) ? (uint64_t)__builtin_clzll(XR(rn)) : 64)
DP(op_clz_w, XR(rd) = WR(rn) ? (uint64_t)__builtin_clz(WR(rn)) : 32)
DP(op_cls_x, XR(rd) = cls64(XR(rn)))
DP(op_cls_w, XR(rd) = (uint64_t)__builtin_clrsb((int32_t)WR(rn)))

static enum decode_result dec_1src(uint32_t w, struct op *o)
{
	static op_fn *const fn[2][6] = {
		{op_rbit_w, op_rev16_w, op_rev_w, NULL, op_clz_w, op_cls_w},
		{op_rbit_x, op_rev16_x, op_rev32_x, op_rev_x, op_clz_x, op_cls_x},
	};
	unsigned sf = w >> 31, opc = bits(w, 15, 10);

	if ((w >> 29 & 1) || bits(w, 20, 16) || opc > 5 || !fn[sf][opc])
		return DEC_UNDEF;
	o->rd = reg_w(w, 0);
	o->rn = reg_r(w, 5);
	o->fn = fn[sf][opc];
	return DEC_OK;
}

/* ---- two sources ---- */

DP(op_udiv_x, uint64_t d = XR(rm); XR(rd) = d ? XR(rn) / d : 0)
DP(op_udiv_w, uint32_t d = WR(rm); XR(rd) = d ? WR(rn) / d : 0)
DP(op_sdiv_x, int64_t n = (int64_t)XR(rn); int64_t d = (int64_t)XR(rm);
   XR(rd) = d == 0    ? 0
	    : d == -1 ? 0 - (uint64_t)n
		      : (uint64_t)(n / d))
DP(op_sdiv_w, int32_t n = (int32_t)WR(rn); int32_t d = (int32_t)WR(rm);
   XR(rd) = d == 0    ? 0
	    : d == -1 ? 0u - (uint32_t)n
		      : (uint32_t)(n / d))
DP(op_lslv_x, XR(rd) = XR(rn) << (XR(rm) & 63))
DP(op_lslv_w, XR(rd) = (uint32_t)(WR(rn) << (WR(rm) & 31)))
DP(op_lsrv_x, XR(rd) = XR(rn) >> (XR(rm) & 63))
DP(op_lsrv_w, XR(rd) = WR(rn) >> (WR(rm) & 31))
DP(op_asrv_x, XR(rd) = (uint64_t)((int64_t)XR(rn) >> (XR(rm) & 63)))
DP(op_asrv_w, XR(rd) = (uint32_t)((int32_t)WR(rn) >> (WR(rm) & 31)))
DP(op_rorv_x, XR(rd) = ror64(XR(rn), (unsigned)XR(rm) & 63))
DP(op_rorv_w, XR(rd) = ror32(WR(rn), WR(rm) & 31))

static enum decode_result dec_2src(uint32_t w, struct op *o)
{
	static op_fn *const fn[2][16] = {
		{[2] = op_udiv_w, op_sdiv_w, [8] = op_lslv_w, op_lsrv_w, op_asrv_w, op_rorv_w},
		{[2] = op_udiv_x, op_sdiv_x, [8] = op_lslv_x, op_lsrv_x, op_asrv_x, op_rorv_x},
	};
	unsigned sf = w >> 31, opc = bits(w, 15, 10);

	if ((w >> 29 & 1) || opc > 15 || !fn[sf][opc])
		return DEC_UNDEF; /* CRC32: ID_AA64ISAR0_EL1.CRC32 is 0 */
	o->rd = reg_w(w, 0);
	o->rn = reg_r(w, 5);
	o->rm = reg_r(w, 16);
	o->fn = fn[sf][opc];
	return DEC_OK;
}

/* ---- three sources ---- */

DP(op_mul_x, XR(rd) = XR(rn) * XR(rm))
DP(op_madd_x, XR(rd) = XR(ra) + XR(rn) * XR(rm))
DP(op_msub_x, XR(rd) = XR(ra) - XR(rn) * XR(rm))
DP(op_madd_w, XR(rd) = (uint32_t)(WR(ra) + WR(rn) * WR(rm)))
DP(op_msub_w, XR(rd) = (uint32_t)(WR(ra) - WR(rn) * WR(rm)))
DP(op_smaddl, XR(rd) = XR(ra) + (uint64_t)((int64_t)(int32_t)WR(rn) * (int32_t)WR(rm)))
DP(op_smsubl, XR(rd) = XR(ra) - (uint64_t)((int64_t)(int32_t)WR(rn) * (int32_t)WR(rm)))
DP(op_umaddl, XR(rd) = XR(ra) + (uint64_t)WR(rn) * WR(rm))
DP(op_umsubl, XR(rd) = XR(ra) - (uint64_t)WR(rn) * WR(rm))
DP(op_umulh, XR(rd) = (uint64_t)(((unsigned __int128)XR(rn) * XR(rm)) >> 64))
DP(op_smulh, XR(rd) = (uint64_t)(((__int128)(int64_t)XR(rn) * (int64_t)XR(rm)) >> 64))

static enum decode_result dec_3src(uint32_t w, struct op *o)
{
	unsigned sf = w >> 31, op = bits(w, 23, 21) << 1 | (w >> 15 & 1);
	op_fn *fn = NULL;

	if (bits(w, 30, 29))
		return DEC_UNDEF;
	o->rd = reg_w(w, 0);
	o->rn = reg_r(w, 5);
	o->rm = reg_r(w, 16);
	o->ra = reg_r(w, 10);
	if (op == 0)
		fn = !sf ? op_madd_w : o->ra == REG_ZERO ? op_mul_x : op_madd_x;
	else if (op == 1)
		fn = sf ? op_msub_x : op_msub_w;
	else if (sf && op == 2)
		fn = op_smaddl;
	else if (sf && op == 3)
		fn = op_smsubl;
	else if (sf && op == 4)
		fn = op_smulh;
	else if (sf && op == 10)
		fn = op_umaddl;
	else if (sf && op == 11)
		fn = op_umsubl;
	else if (sf && op == 12)
		fn = op_umulh;
	if (!fn)
		return DEC_UNDEF;
	o->fn = fn;
	return DEC_OK;
}

enum decode_result decode_dp_misc(uint32_t w, struct op *o)
{
	if (w >> 24 & 1)
		return dec_3src(w, o);
	switch (bits(w, 23, 21)) {
	case 0:
		return dec_adc(w, o);
	case 2:
		return dec_ccmp(w, o);
	case 4:
		return dec_csel(w, o);
	case 6:
		return w >> 30 & 1 ? dec_1src(w, o) : dec_2src(w, o);
	default:
		return DEC_UNDEF;
	}
}
