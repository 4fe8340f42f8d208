/* SPDX-License-Identifier: Apache-2.0 */
/* AdvSIMD floating point, vector and scalar forms: two-register miscellaneous and fixed-point conversions. */
#include "hv/arch/aarch64/soft/simd.h"
#include "hv/arch/aarch64/soft/fp_fast.h"

#define VF1(name, T, F, FMT, E)                                                                    \
	static OP(name)                                                                            \
	{                                                                                          \
		const enum fp_fmt fmt = FMT;                                                       \
		(void)fmt;                                                                         \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn];                                                  \
		const unsigned n = simd_bytes(o) / (unsigned)sizeof(T);                            \
		union vreg r = vzero();                                                            \
		for (unsigned i = 0; i < n; i++) {                                                 \
			const T x = a.F[i];                                                        \
			r.F[i] = (T)(E);                                                           \
		}                                                                                  \
		c->v[o->rd] = r;                                                                   \
		OP_NEXT();                                                                         \
	}
#define VF(n, E)                                                                                   \
	VF1(n##_s, uint32_t, s, FP_S, E)                                                           \
	VF1(n##_d, uint64_t, d, FP_D, E)

#define SIGN fp_sign_bit(fmt)
#define MASK_IF(E) ((E) ? ~(uint64_t)0 : 0)
#define AT_LEAST(nzcv) (((nzcv)&3) == 2)
#define WIDTH fp_width(fmt)
#define FBITS ((unsigned)o->imm)
/* A lane extended to 64 bits. */
#define SEXT(v) ((uint64_t)(fmt == FP_S ? (int64_t)(int32_t)(v) : (int64_t)(v)))

VF(fabs, x & ~SIGN)
VF(fneg, x ^ SIGN)
VF(fsqrt, fpq_sqrt(c, fmt, x))
VF(fcmgt0, MASK_IF(fpq_cmp(c, fmt, x, 0, true) == FP_GT))
VF(fcmge0, MASK_IF(AT_LEAST(fpq_cmp(c, fmt, x, 0, true))))
VF(fcmeq0, MASK_IF(fpq_cmp(c, fmt, x, 0, false) == FP_EQ))
VF(fcmle0, MASK_IF(AT_LEAST(fpq_cmp(c, fmt, 0, x, true))))
VF(fcmlt0, MASK_IF(fpq_cmp(c, fmt, x, 0, true) == FP_LT))
VF(frintn, fp_rint(c, fmt, x, FP_RN, false))
VF(frintm, fp_rint(c, fmt, x, FP_RM, false))
VF(frintp, fp_rint(c, fmt, x, FP_RP, false))
VF(frintz, fp_rint(c, fmt, x, FP_RZ, false))
VF(frinta, fp_rint(c, fmt, x, FP_RA, false))
VF(frintx, fp_rint(c, fmt, x, fp_mode(c), true))
VF(frinti, fp_rint(c, fmt, x, fp_mode(c), false))
#define VFCVT(sfx, MODE)                                                                           \
	VF(fcvt##sfx##s, fp_to_fixed(c, fmt, x, 0, true, WIDTH, MODE))                             \
	VF(fcvt##sfx##u, fp_to_fixed(c, fmt, x, 0, false, WIDTH, MODE))
VFCVT(n, FP_RN)
VFCVT(m, FP_RM)
VFCVT(p, FP_RP)
VF(fcvtzs, fpq_to_int_z(c, fmt, x, true, WIDTH))
VF(fcvtzu, fpq_to_int_z(c, fmt, x, false, WIDTH))
VFCVT(a, FP_RA)
VF(scvtf, fpq_from_int(c, fmt, SEXT(x), true))
VF(ucvtf, fpq_from_int(c, fmt, x, false))
VF(frecpe, fp_recip_estimate(c, fmt, x))
VF(frsqrte, fp_rsqrt_estimate(c, fmt, x))
VF(frecpx, fp_recip_exponent(c, fmt, x))
VF1(urecpe, uint32_t, s, FP_S, fp_urecpe(x))
VF1(ursqrte, uint32_t, s, FP_S, fp_ursqrte(x))

VF(scvtf_fixed, fp_from_fixed(c, fmt, SEXT(x), FBITS, true))
VF(ucvtf_fixed, fp_from_fixed(c, fmt, x, FBITS, false))
VF(fcvtzs_fixed, fp_to_fixed(c, fmt, x, FBITS, true, WIDTH, FP_RZ))
VF(fcvtzu_fixed, fp_to_fixed(c, fmt, x, FBITS, false, WIDTH, FP_RZ))

#define ROW_FP(p, q)                                                                               \
	{                                                                                          \
		p##_s, p##_d, q##_s, q##_d                                                         \
	}
#define ROW_LO(p)                                                                                  \
	{                                                                                          \
		p##_s, p##_d, NULL, NULL                                                           \
	}
#define ROW_HI(p)                                                                                  \
	{                                                                                          \
		NULL, NULL, p##_s, p##_d                                                           \
	}
simd_row simd_2misc_fp[2][32] = {
	{
		[0x0c] = ROW_HI(fcmgt0),
		[0x0d] = ROW_HI(fcmeq0),
		[0x0e] = ROW_HI(fcmlt0),
		[0x0f] = ROW_HI(fabs),
		[0x18] = ROW_FP(frintn, frintp),
		[0x19] = ROW_FP(frintm, frintz),
		[0x1a] = ROW_FP(fcvtns, fcvtps),
		[0x1b] = ROW_FP(fcvtms, fcvtzs),
		[0x1c] = {fcvtas_s, fcvtas_d, urecpe, NULL},
		[0x1d] = ROW_FP(scvtf, frecpe),
		[0x1f] = ROW_HI(frecpx),
	},
	{
		[0x0c] = ROW_HI(fcmge0),
		[0x0d] = ROW_HI(fcmle0),
		[0x0f] = ROW_HI(fneg),
		[0x18] = ROW_LO(frinta),
		[0x19] = ROW_FP(frintx, frinti),
		[0x1a] = ROW_FP(fcvtnu, fcvtpu),
		[0x1b] = ROW_FP(fcvtmu, fcvtzu),
		[0x1c] = {fcvtau_s, fcvtau_d, ursqrte, NULL},
		[0x1d] = ROW_FP(ucvtf, frsqrte),
		[0x1f] = ROW_HI(fsqrt),
	},
};
simd_row simd_shift_fp[2][32] = {
	{[0x1c] = {NULL, NULL, scvtf_fixed_s, scvtf_fixed_d},
	 [0x1f] = {NULL, NULL, fcvtzs_fixed_s, fcvtzs_fixed_d}},
	{[0x1c] = {NULL, NULL, ucvtf_fixed_s, ucvtf_fixed_d},
	 [0x1f] = {NULL, NULL, fcvtzu_fixed_s, fcvtzu_fixed_d}},
};

/* FCVTL, FCVTN, FCVTXN: between formats one step apart. */
static OP(fcvtl_h)
{
	OP_FP_CHECK();
	const union vreg a = c->v[o->rn];
	const unsigned up = o->aux & AUX_UPPER ? 4 : 0;
	union vreg r = vzero();
	for (unsigned i = 0; i < 4; i++)
		r.s[i] = (uint32_t)fp_convert(c, FP_H, FP_S, a.h[i + up], fp_mode(c));
	c->v[o->rd] = r;
	OP_NEXT();
}
static OP(fcvtl_s)
{
	OP_FP_CHECK();
	const union vreg a = c->v[o->rn];
	const unsigned up = o->aux & AUX_UPPER ? 2 : 0;
	union vreg r = vzero();
	for (unsigned i = 0; i < 2; i++)
		r.d[i] = fpq_widen(c, a.s[i + up]);
	c->v[o->rd] = r;
	OP_NEXT();
}
static OP(fcvtn_h)
{
	OP_FP_CHECK();
	const union vreg a = c->v[o->rn];
	uint64_t r = 0;
	for (unsigned i = 0; i < 4; i++)
		r |= fp_convert(c, FP_S, FP_H, a.s[i], fp_mode(c)) << (16 * i);
	vnarrow(c, o, r);
	OP_NEXT();
}
/* Both S results of D lanes; a scalar form has one. */
#define VFCVTN(name, CONVERT)                                                                      \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn];                                                  \
		uint64_t r = CONVERT(c, a.d[0]);                                                   \
		if (simd_bytes(o) == 8)                                                            \
			r |= CONVERT(c, a.d[1]) << 32;                                             \
		vnarrow(c, o, r);                                                                  \
		OP_NEXT();                                                                         \
	}
static uint64_t shorten_odd(struct cpu *c, uint64_t a)
{
	return fp_convert(c, FP_D, FP_S, a, FP_ODD);
}
VFCVTN(fcvtn_s, fpq_shorten)
VFCVTN(fcvtxn_s, shorten_odd)
op_fn *const simd_fcvt_long[2] = {fcvtl_h, fcvtl_s};
op_fn *const simd_fcvt_narrow[2] = {fcvtn_h, fcvtn_s};
op_fn *const simd_fcvtxn = fcvtxn_s;
