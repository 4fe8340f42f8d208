/* SPDX-License-Identifier: Apache-2.0 */
/* AdvSIMD three different: long, wide and narrow forms, and the long by-element forms. x of Vn, y of Vm, z of Vd. */
#include "hv/arch/aarch64/soft/simd.h"

#define UPPER(T) (o->aux & AUX_UPPER ? 8 / sizeof(T) : 0)

/* Long: T lanes in, W lanes out. All of Vd is written, so there is no cut. */
#define VL_FROM(name, T, F, W, G, SRC, E)                                                          \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn], b = SRC, d = c->v[o->rd];                        \
		const size_t up = UPPER(T);                                                        \
		union vreg r;                                                                      \
		for (unsigned i = 0; i < 8 / sizeof(T); i++) {                                     \
			const W x = a.F[i + up], y = b.F[i + up], z = d.G[i];                      \
			(void)z;                                                                   \
			r.G[i] = (W)(E);                                                           \
		}                                                                                  \
		c->v[o->rd] = r;                                                                   \
		OP_NEXT();                                                                         \
	}
#define VLU(n, E)                                                                                  \
	VL_FROM(n##_b, uint8_t, b, uint16_t, h, RM_VEC, E)                                         \
	VL_FROM(n##_h, uint16_t, h, uint32_t, s, RM_VEC, E)                                        \
	VL_FROM(n##_s, uint32_t, s, uint64_t, d, RM_VEC, E)
/* Signed results are computed unsigned where they may wrap. */
#define VLS(n, E)                                                                                  \
	VL_FROM(n##_b, int8_t, sb, int16_t, sh, RM_VEC, E)                                         \
	VL_FROM(n##_h, int16_t, sh, int32_t, ss, RM_VEC, E)                                        \
	VL_FROM(n##_s, int32_t, ss, int64_t, sd, RM_VEC, E)
#define VLUEL(n, E)                                                                                \
	VL_FROM(n##el_h, uint16_t, h, uint32_t, s, RM_ELH, E)                                      \
	VL_FROM(n##el_s, uint32_t, s, uint64_t, d, RM_ELS, E)
#define VLSEL(n, E)                                                                                \
	VL_FROM(n##el_h, int16_t, sh, int32_t, ss, RM_ELH, E)                                      \
	VL_FROM(n##el_s, int32_t, ss, int64_t, sd, RM_ELS, E)

#define U64(e) ((uint64_t)(e))
VLS(saddl, x + y)
VLU(uaddl, x + y)
VLS(ssubl, x - y)
VLU(usubl, x - y)
VLS(sabdl, x > y ? x - y : y - x)
VLU(uabdl, x > y ? x - y : y - x)
VLS(sabal, U64(z) + U64(x > y ? x - y : y - x))
VLU(uabal, z + (x > y ? x - y : y - x))
VLS(smull, x *y)
VLU(umull, x *y)
VLS(smlal, U64(z) + U64(x * y))
VLU(umlal, z + x * y)
VLS(smlsl, U64(z) - U64(x * y))
VLU(umlsl, z - x * y)
VLSEL(smull, x *y)
VLUEL(umull, x *y)
VLSEL(smlal, U64(z) + U64(x * y))
VLUEL(umlal, z + x * y)
VLSEL(smlsl, U64(z) - U64(x * y))
VLUEL(umlsl, z - x * y)

static uint16_t pmull8(unsigned x, unsigned y)
{
	unsigned r = 0;

	for (unsigned i = 0; i < 8; i++)
		r ^= (y >> i & 1) ? x << i : 0;
	return (uint16_t)r;
}
VL_FROM(pmull_b, uint8_t, b, uint16_t, h, RM_VEC, pmull8(x, y))

/* Wide: W lanes of Vn with T lanes of Vm. */
#define VW(name, T, F, W, G, E)                                                                    \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn], b = c->v[o->rm];                                 \
		const size_t up = UPPER(T);                                                        \
		union vreg r;                                                                      \
		for (unsigned i = 0; i < 8 / sizeof(T); i++) {                                     \
			const uint64_t x = U64(a.G[i]), y = U64(b.F[i + up]);                      \
			r.G[i] = (W)(E);                                                           \
		}                                                                                  \
		c->v[o->rd] = r;                                                                   \
		OP_NEXT();                                                                         \
	}
#define VWS(n, E)                                                                                  \
	VW(n##_b, int8_t, sb, int16_t, sh, E)                                                      \
	VW(n##_h, int16_t, sh, int32_t, ss, E)                                                     \
	VW(n##_s, int32_t, ss, int64_t, sd, E)
#define VWU(n, E)                                                                                  \
	VW(n##_b, uint8_t, b, uint16_t, h, E)                                                      \
	VW(n##_h, uint16_t, h, uint32_t, s, E)                                                     \
	VW(n##_s, uint32_t, s, uint64_t, d, E)
VWS(saddw, x + y)
VWS(ssubw, x - y)
VWU(uaddw, x + y)
VWU(usubw, x - y)

/* Narrow: the high half of a sum or difference of W lanes. */
#define VN(name, T, F, W, G, E)                                                                    \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn], b = c->v[o->rm];                                 \
		const W rnd = (W)(1ull << (8 * sizeof(T) - 1));                                    \
		union vreg r;                                                                      \
		(void)rnd;                                                                         \
		for (unsigned i = 0; i < 8 / sizeof(T); i++) {                                     \
			const W x = a.G[i], y = b.G[i];                                            \
			r.F[i] = (T)((W)(E) >> (8 * sizeof(T)));                                   \
		}                                                                                  \
		vnarrow(c, o, r.d[0]);                                                             \
		OP_NEXT();                                                                         \
	}
#define VN3(n, E)                                                                                  \
	VN(n##_b, uint8_t, b, uint16_t, h, E)                                                      \
	VN(n##_h, uint16_t, h, uint32_t, s, E)                                                     \
	VN(n##_s, uint32_t, s, uint64_t, d, E)
VN3(addhn, x + y)
VN3(raddhn, x + y + rnd)
VN3(subhn, x - y)
VN3(rsubhn, x - y + rnd)

/* Saturating doubling multiply long; accumulation saturates once more. ADD: how z and the product p meet. */
#define VQDM(name, T, F, W, G, SRC, ACC)                                                           \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn], b = SRC, d = c->v[o->rd];                        \
		const size_t up = UPPER(T);                                                        \
		const unsigned n = simd_bytes(o) / (unsigned)sizeof(T);                            \
		union vreg r = vzero();                                                            \
		bool q = false;                                                                    \
		for (unsigned i = 0; i < n; i++) {                                                 \
			const W z = d.G[i];                                                        \
			W p;                                                                       \
			if (__builtin_mul_overflow((W)a.F[i + up] * 2, (W)b.F[i + up], &p)) {      \
				q = true;                                                          \
				p = SMAX_OF(W);                                                    \
			}                                                                          \
			ACC;                                                                       \
			(void)z;                                                                   \
			r.G[i] = p;                                                                \
		}                                                                                  \
		if (q)                                                                             \
			c->fpsr |= FPSR_QC;                                                        \
		c->v[o->rd] = r;                                                                   \
		OP_NEXT();                                                                         \
	}
#define ACC_SAT(BUILTIN, W)                                                                        \
	if (BUILTIN(z, p, &p)) {                                                                   \
		q = true;                                                                          \
		p = z < 0 ? SMIN_OF(W) : SMAX_OF(W);                                               \
	}
#define VQDM2(n, ACC32, ACC64)                                                                     \
	VQDM(n##_h, int16_t, sh, int32_t, ss, RM_VEC, ACC32)                                       \
	VQDM(n##_s, int32_t, ss, int64_t, sd, RM_VEC, ACC64)                                       \
	VQDM(n##el_h, int16_t, sh, int32_t, ss, RM_ELH, ACC32)                                     \
	VQDM(n##el_s, int32_t, ss, int64_t, sd, RM_ELS, ACC64)
VQDM2(sqdmull, , )
VQDM2(sqdmlal, ACC_SAT(__builtin_add_overflow, int32_t), ACC_SAT(__builtin_add_overflow, int64_t))
VQDM2(sqdmlsl, ACC_SAT(__builtin_sub_overflow, int32_t), ACC_SAT(__builtin_sub_overflow, int64_t))

simd_row simd_3diff[2][16] = {
	{
		ROW3(saddl),
		ROW3(saddw),
		ROW3(ssubl),
		ROW3(ssubw),
		ROW3(addhn),
		ROW3(sabal),
		ROW3(subhn),
		ROW3(sabdl),
		ROW3(smlal),
		ROW_HS(sqdmlal),
		ROW3(smlsl),
		ROW_HS(sqdmlsl),
		ROW3(smull),
		ROW_HS(sqdmull),
		ROW_B(pmull),
		{NULL},
	},
	{
		ROW3(uaddl),
		ROW3(uaddw),
		ROW3(usubl),
		ROW3(usubw),
		ROW3(raddhn),
		ROW3(uabal),
		ROW3(rsubhn),
		ROW3(uabdl),
		ROW3(umlal),
		{NULL},
		ROW3(umlsl),
		{NULL},
		ROW3(umull),
		{NULL},
		{NULL},
		{NULL},
	},
};

simd_row simd_elem_long[2][16] = {
	{
		[0x2] = ROW_HS(smlalel),
		[0x3] = ROW_HS(sqdmlalel),
		[0x6] = ROW_HS(smlslel),
		[0x7] = ROW_HS(sqdmlslel),
		[0xa] = ROW_HS(smullel),
		[0xb] = ROW_HS(sqdmullel),
	},
	{[0x2] = ROW_HS(umlalel), [0x6] = ROW_HS(umlslel), [0xa] = ROW_HS(umullel)},
};
