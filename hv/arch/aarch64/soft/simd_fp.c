/* SPDX-License-Identifier: Apache-2.0 */
/* AdvSIMD floating point, vector and scalar forms: three same, by element, pairwise, across lanes. x of Vn, y of Vm,
 * z of Vd; FMT is FP_S or FP_D. Only the lanes that exist are computed, for their flags. */
#include "hv/arch/aarch64/soft/simd.h"
#include "hv/arch/aarch64/soft/fp_fast.h"

#define VF_FROM(name, T, F, FMT, SRC, E)                                                           \
	static OP(name)                                                                            \
	{                                                                                          \
		const enum fp_fmt fmt = FMT;                                                       \
		(void)fmt;                                                                         \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn], b = SRC, d = c->v[o->rd];                        \
		const unsigned n = simd_bytes(o) / (unsigned)sizeof(T);                            \
		union vreg r = vzero();                                                            \
		for (unsigned i = 0; i < n; i++) {                                                 \
			const T x = a.F[i], y = b.F[i], z = d.F[i];                                \
			(void)z;                                                                   \
			r.F[i] = (T)(E);                                                           \
		}                                                                                  \
		c->v[o->rd] = r;                                                                   \
		OP_NEXT();                                                                         \
	}
#define VF(n, E)                                                                                   \
	VF_FROM(n##_s, uint32_t, s, FP_S, RM_VEC, E)                                               \
	VF_FROM(n##_d, uint64_t, d, FP_D, RM_VEC, E)
#define VFEL(n, E)                                                                                 \
	VF_FROM(n##el_s, uint32_t, s, FP_S, RM_ELS, E)                                             \
	VF_FROM(n##el_d, uint64_t, d, FP_D, RM_ELD, E)

#define SIGN fp_sign_bit(fmt)
#define ABS(v) ((v) & ~SIGN)
#define MASK_IF(E) ((E) ? ~(uint64_t)0 : 0)
#define CMP(p, q, signal) fpq_cmp(c, fmt, p, q, signal)
/* Greater or equal: C without V. */
#define AT_LEAST(nzcv) (((nzcv)&3) == 2)

VF(fmaxnm, fp_maxnm(c, fmt, x, y))
VF(fminnm, fp_minnm(c, fmt, x, y))
VF(fmla, fpq_muladd(c, fmt, z, x, y))
VF(fmls, fpq_muladd(c, fmt, z, x ^ SIGN, y))
VFEL(fmla, fpq_muladd(c, fmt, z, x, y))
VFEL(fmls, fpq_muladd(c, fmt, z, x ^ SIGN, y))
VF(fadd, fpq_add(c, fmt, x, y))
VF(fsub, fpq_sub(c, fmt, x, y))
VF(fabd, ABS(fpq_sub(c, fmt, x, y)))
VF(fmulx, fp_mulx(c, fmt, x, y))
VF(fmul, fpq_mul(c, fmt, x, y))
VFEL(fmulx, fp_mulx(c, fmt, x, y))
VFEL(fmul, fpq_mul(c, fmt, x, y))
VF(fdiv, fpq_div(c, fmt, x, y))
VF(fmax, fp_max(c, fmt, x, y))
VF(fmin, fp_min(c, fmt, x, y))
VF(fcmeq, MASK_IF(CMP(x, y, false) == FP_EQ))
VF(fcmge, MASK_IF(AT_LEAST(CMP(x, y, true))))
VF(fcmgt, MASK_IF(CMP(x, y, true) == FP_GT))
VF(facge, MASK_IF(AT_LEAST(CMP(ABS(x), ABS(y), true))))
VF(facgt, MASK_IF(CMP(ABS(x), ABS(y), true) == FP_GT))
VF(frecps, fp_recip_step(c, fmt, x, y))
VF(frsqrts, fp_rsqrt_step(c, fmt, x, y))

/* Pairwise: lanes 2i, 2i + 1 of Vm:Vn. */
#define VFP(name, T, F, FMT, FN)                                                                   \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn], b = c->v[o->rm];                                 \
		const unsigned half = simd_bytes(o) / (2 * (unsigned)sizeof(T));                   \
		union vreg r = vzero();                                                            \
		for (unsigned i = 0; i < half; i++)                                                \
			r.F[i] = (T)FN(c, FMT, a.F[2 * i], a.F[2 * i + 1]);                        \
		for (unsigned i = 0; i < half; i++)                                                \
			r.F[half + i] = (T)FN(c, FMT, b.F[2 * i], b.F[2 * i + 1]);                 \
		c->v[o->rd] = r;                                                                   \
		OP_NEXT();                                                                         \
	}
/* Scalar pairwise, and across the four lanes: pairs first, as Reduce() of the manual does. */
#define VFX(name, T, F, FMT, FN)                                                                   \
	static OP(name##_pair)                                                                     \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn];                                                  \
		const uint64_t r = FN(c, FMT, a.F[0], a.F[1]);                                     \
		vset(&c->v[o->rd], r, 0);                                                          \
		OP_NEXT();                                                                         \
	}
#define VFV(name, FN)                                                                              \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn];                                                  \
		const uint64_t lo = FN(c, FP_S, a.s[0], a.s[1]);                                   \
		const uint64_t hi = FN(c, FP_S, a.s[2], a.s[3]);                                   \
		const uint64_t r = FN(c, FP_S, lo, hi);                                            \
		vset(&c->v[o->rd], r, 0);                                                          \
		OP_NEXT();                                                                         \
	}
#define VFP2(n, FN)                                                                                \
	VFP(n##_s, uint32_t, s, FP_S, FN)                                                          \
	VFP(n##_d, uint64_t, d, FP_D, FN)                                                          \
	VFX(n##_s, uint32_t, s, FP_S, FN) VFX(n##_d, uint64_t, d, FP_D, FN)
VFP2(fmaxnmp, fp_maxnm)
VFP2(fminnmp, fp_minnm)
VFP2(faddp, fpq_add)
VFP2(fmaxp, fp_max)
VFP2(fminp, fp_min)
VFV(fmaxnmv, fp_maxnm)
VFV(fminnmv, fp_minnm)
VFV(fmaxv, fp_max)
VFV(fminv, fp_min)

/* size<1> chooses between the two operations of an opcode. */
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

simd_row simd_3same_fp[2][32] = {
	{
		[0x18] = ROW_FP(fmaxnm, fminnm),
		[0x19] = ROW_FP(fmla, fmls),
		[0x1a] = ROW_FP(fadd, fsub),
		[0x1b] = ROW_LO(fmulx),
		[0x1c] = ROW_LO(fcmeq),
		[0x1e] = ROW_FP(fmax, fmin),
		[0x1f] = ROW_FP(frecps, frsqrts),
	},
	{
		[0x18] = ROW_FP(fmaxnmp, fminnmp),
		[0x1a] = ROW_FP(faddp, fabd),
		[0x1b] = ROW_LO(fmul),
		[0x1c] = ROW_FP(fcmge, fcmgt),
		[0x1d] = ROW_FP(facge, facgt),
		[0x1e] = ROW_FP(fmaxp, fminp),
		[0x1f] = ROW_LO(fdiv),
	},
};
simd_row simd_elem_fp[2][16] = {
	{[0x1] = ROW_HI(fmlael), [0x5] = ROW_HI(fmlsel), [0x9] = ROW_HI(fmulel)},
	{[0x9] = ROW_HI(fmulxel)},
};
simd_row simd_pair_fp[32] = {
	[0x0c] = {fmaxnmp_s_pair, fmaxnmp_d_pair, fminnmp_s_pair, fminnmp_d_pair},
	[0x0d] = {faddp_s_pair, faddp_d_pair, NULL, NULL},
	[0x0f] = {fmaxp_s_pair, fmaxp_d_pair, fminp_s_pair, fminp_d_pair},
};
simd_row simd_across_fp[2][32] = {
	{{NULL}},
	{[0x0c] = {fmaxnmv, NULL, fminnmv, NULL}, [0x0f] = {fmaxv, NULL, fminv, NULL}},
};
