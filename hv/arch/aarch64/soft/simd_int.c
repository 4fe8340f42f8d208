/* SPDX-License-Identifier: Apache-2.0 */
/* AdvSIMD three same (integer), and its by-element forms. Lanes: x of Vn, y of Vm, z of Vd. */
#include "hv/arch/aarch64/soft/simd.h"
#include "hv/arch/aarch64/soft/simd_shl.h"

/* Free of side effects: always all 16 bytes, so that the loop becomes vector code; vput() cuts. */
#define V3_FROM(name, T, F, SRC, E)                                                                \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn], b = SRC, d = c->v[o->rd];                        \
		union vreg r;                                                                      \
		for (unsigned i = 0; i < 16 / sizeof(T); i++) {                                    \
			const T x = a.F[i], y = b.F[i], z = d.F[i];                                \
			(void)x, (void)y, (void)z;                                                 \
			r.F[i] = (T)(E);                                                           \
		}                                                                                  \
		vput(c, o, r, simd_bytes(o));                                                      \
		OP_NEXT();                                                                         \
	}
#define V3(name, T, F, E) V3_FROM(name, T, F, RM_VEC, E)
#define V3U(n, E)                                                                                  \
	V3(n##_b, uint8_t, b, E)                                                                   \
	V3(n##_h, uint16_t, h, E) V3(n##_s, uint32_t, s, E)
#define V3UD(n, E) V3U(n, E) V3(n##_d, uint64_t, d, E)
#define V3S(n, E)                                                                                  \
	V3(n##_b, int8_t, sb, E)                                                                   \
	V3(n##_h, int16_t, sh, E) V3(n##_s, int32_t, ss, E)
#define V3SD(n, E) V3S(n, E) V3(n##_d, int64_t, sd, E)
#define V3EL(n, E)                                                                                 \
	V3_FROM(n##el_h, uint16_t, h, RM_ELH, E)                                                   \
	V3_FROM(n##el_s, uint32_t, s, RM_ELS, E)

/* Saturating: only the lanes that exist; E sets q. */
#define VQ_FROM(name, T, F, SRC, E)                                                                \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn], b = SRC;                                         \
		union vreg r = vzero();                                                            \
		const unsigned bytes = simd_bytes(o);                                              \
		bool q = false;                                                                    \
		for (unsigned i = 0; i < bytes / sizeof(T); i++) {                                 \
			const T x = a.F[i], y = b.F[i];                                            \
			T t;                                                                       \
			E;                                                                         \
			r.F[i] = t;                                                                \
		}                                                                                  \
		if (q)                                                                             \
			c->fpsr |= FPSR_QC;                                                        \
		vput(c, o, r, bytes);                                                              \
		OP_NEXT();                                                                         \
	}
#define VQ(name, T, F, E) VQ_FROM(name, T, F, RM_VEC, E)

/* Pairwise: lanes of Vm:Vn two by two; x, y the pair. */
#define VP(name, T, F, E)                                                                          \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn], b = c->v[o->rm];                                 \
		union vreg r = vzero();                                                            \
		if (simd_bytes(o) == 16) {                                                         \
			for (unsigned i = 0; i < 8 / sizeof(T); i++) {                             \
				T x = a.F[2 * i], y = a.F[2 * i + 1];                              \
				r.F[i] = (T)(E);                                                   \
				x = b.F[2 * i], y = b.F[2 * i + 1];                                \
				r.F[i + 8 / sizeof(T)] = (T)(E);                                   \
			}                                                                          \
		} else {                                                                           \
			for (unsigned i = 0; i < 4 / sizeof(T); i++) {                             \
				T x = a.F[2 * i], y = a.F[2 * i + 1];                              \
				r.F[i] = (T)(E);                                                   \
				x = b.F[2 * i], y = b.F[2 * i + 1];                                \
				r.F[i + 4 / sizeof(T)] = (T)(E);                                   \
			}                                                                          \
		}                                                                                  \
		c->v[o->rd] = r;                                                                   \
		OP_NEXT();                                                                         \
	}
#define VPU(n, E)                                                                                  \
	VP(n##_b, uint8_t, b, E)                                                                   \
	VP(n##_h, uint16_t, h, E) VP(n##_s, uint32_t, s, E)
#define VPS(n, E)                                                                                  \
	VP(n##_b, int8_t, sb, E)                                                                   \
	VP(n##_h, int16_t, sh, E) VP(n##_s, int32_t, ss, E)

#define LT(E) ((E) ? -1 : 0)
#define MAX(p, q) ((p) > (q) ? (p) : (q))
#define MIN(p, q) ((p) < (q) ? (p) : (q))

V3S(shadd, ((int64_t)x + y) >> 1)
V3U(uhadd, ((uint64_t)x + y) >> 1)
V3S(srhadd, ((int64_t)x + y + 1) >> 1)
V3U(urhadd, ((uint64_t)x + y + 1) >> 1)
V3S(shsub, ((int64_t)x - y) >> 1)
V3U(uhsub, ((uint64_t)x - y) >> 1)
V3SD(cmgt, LT(x > y))
V3SD(cmge, LT(x >= y))
V3UD(cmhi, LT(x > y))
V3UD(cmhs, LT(x >= y))
V3UD(cmtst, LT((x & y) != 0))
V3UD(cmeq, LT(x == y))
V3S(smax, MAX(x, y))
V3S(smin, MIN(x, y))
V3U(umax, MAX(x, y))
V3U(umin, MIN(x, y))
V3S(sabd, x > y ? (int64_t)x - y : (int64_t)y - x)
V3U(uabd, x > y ? x - y : y - x)
V3S(saba, (int64_t)z + (x > y ? (int64_t)x - y : (int64_t)y - x))
V3U(uaba, z + (x > y ? x - y : y - x))
V3UD(add, x + y)
V3UD(sub, x - y)
V3U(mul, (uint32_t)x *y)
V3U(mla, z + (uint32_t)x * y)
V3U(mls, z - (uint32_t)x * y)
V3EL(mul, (uint32_t)x *y)
V3EL(mla, z + (uint32_t)x * y)
V3EL(mls, z - (uint32_t)x * y)

V3(and, uint64_t, d, x &y)
V3(bic, uint64_t, d, x & ~y)
V3(orr, uint64_t, d, x | y)
V3(orn, uint64_t, d, x | ~y)
V3(eor, uint64_t, d, x ^ y)
V3(bsl, uint64_t, d, (x & z) | (y & ~z))
V3(bit, uint64_t, d, (x & y) | (z & ~y))
V3(bif, uint64_t, d, (x & ~y) | (z & y))

VPS(smaxp, MAX(x, y))
VPS(sminp, MIN(x, y))
VPU(umaxp, MAX(x, y))
VPU(uminp, MIN(x, y))
VPU(addp, x + y)
V3_FROM(addp_d, uint64_t, d, RM_VEC, i == 0 ? x + a.d[1] : b.d[0] + y)

static uint8_t pmul8(uint8_t x, uint8_t y)
{
	unsigned r = 0;

	for (unsigned i = 0; i < 8; i++)
		r ^= (y >> i & 1) ? (unsigned)x << i : 0;
	return (uint8_t)r;
}
V3(pmul_b, uint8_t, b, pmul8(x, y))

/* Saturating add and subtract. */
#define SQ_OP(BUILTIN, T)                                                                          \
	if (BUILTIN(x, y, &t)) {                                                                   \
		q = true;                                                                          \
		t = x < 0 ? SMIN_OF(T) : SMAX_OF(T);                                               \
	}
#define UQ_OP(BUILTIN, LIMIT)                                                                      \
	if (BUILTIN(x, y, &t)) {                                                                   \
		q = true;                                                                          \
		t = LIMIT;                                                                         \
	}
#define VQSD(n, BUILTIN)                                                                           \
	VQ(n##_b, int8_t, sb, SQ_OP(BUILTIN, int8_t))                                              \
	VQ(n##_h, int16_t, sh, SQ_OP(BUILTIN, int16_t))                                            \
	VQ(n##_s, int32_t, ss, SQ_OP(BUILTIN, int32_t))                                            \
	VQ(n##_d, int64_t, sd, SQ_OP(BUILTIN, int64_t))
#define VQUD(n, BUILTIN, LIMIT)                                                                    \
	VQ(n##_b, uint8_t, b, UQ_OP(BUILTIN, (uint8_t)(LIMIT)))                                    \
	VQ(n##_h, uint16_t, h, UQ_OP(BUILTIN, (uint16_t)(LIMIT)))                                  \
	VQ(n##_s, uint32_t, s, UQ_OP(BUILTIN, (uint32_t)(LIMIT)))                                  \
	VQ(n##_d, uint64_t, d, UQ_OP(BUILTIN, (uint64_t)(LIMIT)))
VQSD(sqadd, __builtin_add_overflow)
VQSD(sqsub, __builtin_sub_overflow)
VQUD(uqadd, __builtin_add_overflow, ~0ull)
VQUD(uqsub, __builtin_sub_overflow, 0)

/* High half of the doubled product: overflows only for the product of both minima. */
#define QDMULH(T, ROUND)                                                                           \
	if (x == SMIN_OF(T) && y == SMIN_OF(T)) {                                                  \
		q = true;                                                                          \
		t = SMAX_OF(T);                                                                    \
	} else {                                                                                   \
		t = (T)(((int64_t)x * y + ((ROUND) ? 1ll << (8 * sizeof(T) - 2) : 0)) >>           \
			(8 * sizeof(T) - 1));                                                      \
	}
VQ(sqdmulh_h, int16_t, sh, QDMULH(int16_t, 0))
VQ(sqdmulh_s, int32_t, ss, QDMULH(int32_t, 0))
VQ(sqrdmulh_h, int16_t, sh, QDMULH(int16_t, 1))
VQ(sqrdmulh_s, int32_t, ss, QDMULH(int32_t, 1))
VQ_FROM(sqdmulhel_h, int16_t, sh, RM_ELH, QDMULH(int16_t, 0))
VQ_FROM(sqdmulhel_s, int32_t, ss, RM_ELS, QDMULH(int32_t, 0))
VQ_FROM(sqrdmulhel_h, int16_t, sh, RM_ELH, QDMULH(int16_t, 1))
VQ_FROM(sqrdmulhel_s, int32_t, ss, RM_ELS, QDMULH(int32_t, 1))

/* Shifts by register: the count is the low byte of y, signed; negative shifts right. */
#define V3SHL(n, T, F, FN, ROUND) V3(n, T, F, FN(x, (int8_t)y, ROUND))
#define V3SHLS(n, ROUND)                                                                           \
	V3SHL(n##_b, int8_t, sb, shl_signed, ROUND)                                                \
	V3SHL(n##_h, int16_t, sh, shl_signed, ROUND)                                               \
	V3SHL(n##_s, int32_t, ss, shl_signed, ROUND)                                               \
	V3SHL(n##_d, int64_t, sd, shl_signed, ROUND)
#define V3SHLU(n, ROUND)                                                                           \
	V3SHL(n##_b, uint8_t, b, shl_unsigned, ROUND)                                              \
	V3SHL(n##_h, uint16_t, h, shl_unsigned, ROUND)                                             \
	V3SHL(n##_s, uint32_t, s, shl_unsigned, ROUND)                                             \
	V3SHL(n##_d, uint64_t, d, shl_unsigned, ROUND)
V3SHLS(sshl, false)
V3SHLS(srshl, true)
V3SHLU(ushl, false)
V3SHLU(urshl, true)

#define VQSHL(n, T, F, FN, ROUND)                                                                  \
	VQ(n, T, F, {                                                                              \
		q |= FN##_overflows(x, (int8_t)y, 8 * sizeof(T));                                  \
		t = (T)FN##_sat(x, (int8_t)y, 8 * sizeof(T), ROUND);                               \
	})
#define VQSHLS(n, ROUND)                                                                           \
	VQSHL(n##_b, int8_t, sb, shl_signed, ROUND)                                                \
	VQSHL(n##_h, int16_t, sh, shl_signed, ROUND)                                               \
	VQSHL(n##_s, int32_t, ss, shl_signed, ROUND)                                               \
	VQSHL(n##_d, int64_t, sd, shl_signed, ROUND)
#define VQSHLU(n, ROUND)                                                                           \
	VQSHL(n##_b, uint8_t, b, shl_unsigned, ROUND)                                              \
	VQSHL(n##_h, uint16_t, h, shl_unsigned, ROUND)                                             \
	VQSHL(n##_s, uint32_t, s, shl_unsigned, ROUND)                                             \
	VQSHL(n##_d, uint64_t, d, shl_unsigned, ROUND)
VQSHLS(sqshl, false)
VQSHLS(sqrshl, true)
VQSHLU(uqshl, false)
VQSHLU(uqrshl, true)

simd_row simd_3same[2][32] = {
	{
		[0x00] = ROW3(shadd),	  [0x01] = ROW4(sqadd),
		[0x02] = ROW3(srhadd),	  [0x03] = {and, bic, orr, orn},
		[0x04] = ROW3(shsub),	  [0x05] = ROW4(sqsub),
		[0x06] = ROW4(cmgt),	  [0x07] = ROW4(cmge),
		[0x08] = ROW4(sshl),	  [0x09] = ROW4(sqshl),
		[0x0a] = ROW4(srshl),	  [0x0b] = ROW4(sqrshl),
		[0x0c] = ROW3(smax),	  [0x0d] = ROW3(smin),
		[0x0e] = ROW3(sabd),	  [0x0f] = ROW3(saba),
		[0x10] = ROW4(add),	  [0x11] = ROW4(cmtst),
		[0x12] = ROW3(mla),	  [0x13] = ROW3(mul),
		[0x14] = ROW3(smaxp),	  [0x15] = ROW3(sminp),
		[0x16] = ROW_HS(sqdmulh), [0x17] = ROW4(addp),
	},
	{
		[0x00] = ROW3(uhadd),	   [0x01] = ROW4(uqadd),
		[0x02] = ROW3(urhadd),	   [0x03] = {eor, bsl, bit, bif},
		[0x04] = ROW3(uhsub),	   [0x05] = ROW4(uqsub),
		[0x06] = ROW4(cmhi),	   [0x07] = ROW4(cmhs),
		[0x08] = ROW4(ushl),	   [0x09] = ROW4(uqshl),
		[0x0a] = ROW4(urshl),	   [0x0b] = ROW4(uqrshl),
		[0x0c] = ROW3(umax),	   [0x0d] = ROW3(umin),
		[0x0e] = ROW3(uabd),	   [0x0f] = ROW3(uaba),
		[0x10] = ROW4(sub),	   [0x11] = ROW4(cmeq),
		[0x12] = ROW3(mls),	   [0x13] = ROW_B(pmul),
		[0x14] = ROW3(umaxp),	   [0x15] = ROW3(uminp),
		[0x16] = ROW_HS(sqrdmulh),
	},
};

simd_row simd_elem[2][16] = {
	{[0x8] = ROW_HS(mulel), [0xc] = ROW_HS(sqdmulhel), [0xd] = ROW_HS(sqrdmulhel)},
	{[0x0] = ROW_HS(mlael), [0x4] = ROW_HS(mlsel)},
};
