/* SPDX-License-Identifier: Apache-2.0 */
/* AdvSIMD two-register miscellaneous (integer), across lanes (integer), scalar ADDP. x of Vn, z of Vd. */
#include "hv/arch/aarch64/soft/simd.h"

/* Free of side effects: all 16 bytes. */
#define V2(name, T, F, E)                                                                          \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn];                                                  \
		union vreg r;                                                                      \
		for (unsigned i = 0; i < 16 / sizeof(T); i++) {                                    \
			const T x = a.F[i];                                                        \
			r.F[i] = (T)(E);                                                           \
		}                                                                                  \
		vput(c, o, r, simd_bytes(o));                                                      \
		OP_NEXT();                                                                         \
	}
#define V2U(n, E)                                                                                  \
	V2(n##_b, uint8_t, b, E)                                                                   \
	V2(n##_h, uint16_t, h, E) V2(n##_s, uint32_t, s, E)
#define V2UD(n, E) V2U(n, E) V2(n##_d, uint64_t, d, E)
#define V2SD(n, E)                                                                                 \
	V2(n##_b, int8_t, sb, E)                                                                   \
	V2(n##_h, int16_t, sh, E) V2(n##_s, int32_t, ss, E) V2(n##_d, int64_t, sd, E)

#define LT(E) ((E) ? -1 : 0)

V2SD(cmgt0, LT(x > 0))
V2SD(cmge0, LT(x >= 0))
V2SD(cmeq0, LT(x == 0))
V2SD(cmle0, LT(x <= 0))
V2SD(cmlt0, LT(x < 0))
V2UD(neg, 0ull - x)
V2SD(abs, x < 0 ? (uint64_t)0 - (uint64_t)x : (uint64_t)x)

/* Leading zeros of @x in a lane of @bits bits. */
static inline int clz_lane(uint64_t x, int bits)
{
	return x == 0 ? bits : __builtin_clzll(x) - (64 - bits);
}
#define BITS_OF(x) (8 * (int)sizeof(x))
V2U(clz, clz_lane(x, BITS_OF(x)))
/* Leading sign bits less one: zeros of x ^ (x >> 1) without the top bit. */
#define CLS(T, W)                                                                                  \
	(clz_lane((W)((W)((uint64_t)x ^ (uint64_t)(x >> 1)) & (W)SMAX_OF(T)), BITS_OF(x)) - 1)
V2(cls_b, int8_t, sb, CLS(int8_t, uint8_t))
V2(cls_h, int16_t, sh, CLS(int16_t, uint16_t))
V2(cls_s, int32_t, ss, CLS(int32_t, uint32_t))

V2(not_b, uint64_t, d, ~x)

static inline uint64_t popcount_bytes(uint64_t x)
{
	x = x - ((x >> 1) & 0x5555555555555555ull);
	x = (x & 0x3333333333333333ull) + ((x >> 2) & 0x3333333333333333ull);
	return (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
}
static inline uint64_t reverse_bits_in_bytes(uint64_t x)
{
	x = (x & 0x5555555555555555ull) << 1 | (x >> 1 & 0x5555555555555555ull);
	x = (x & 0x3333333333333333ull) << 2 | (x >> 2 & 0x3333333333333333ull);
	return (x & 0x0f0f0f0f0f0f0f0full) << 4 | (x >> 4 & 0x0f0f0f0f0f0f0f0full);
}
V2(cnt_b, uint64_t, d, popcount_bytes(x))
V2(rbit_b, uint64_t, d, reverse_bits_in_bytes(x))

/* REV: elements reversed in containers of 64, 32, 16 bits. */
static inline uint64_t swap_halves(uint64_t x)
{
	return (x & 0x0000ffff0000ffffull) << 16 | (x >> 16 & 0x0000ffff0000ffffull);
}
static inline uint64_t swap_bytes(uint64_t x)
{
	return (x & 0x00ff00ff00ff00ffull) << 8 | (x >> 8 & 0x00ff00ff00ff00ffull);
}
static inline uint64_t swap_words(uint64_t x)
{
	return x << 32 | x >> 32;
}
V2(rev64_b, uint64_t, d, __builtin_bswap64(x))
V2(rev64_h, uint64_t, d, swap_words(swap_halves(x)))
V2(rev64_s, uint64_t, d, swap_words(x))
V2(rev32_b, uint32_t, s, __builtin_bswap32(x))
V2(rev32_h, uint64_t, d, swap_halves(x))
V2(rev16_b, uint64_t, d, swap_bytes(x))

/* Pairwise long additions: x, y neighbours, z the accumulator lane. */
#define VPL(name, T, F, W, G, E)                                                                   \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn], d = c->v[o->rd];                                 \
		union vreg r;                                                                      \
		for (unsigned i = 0; i < 16 / sizeof(W); i++) {                                    \
			const W x = (W)a.F[2 * i], y = (W)a.F[2 * i + 1], z = d.G[i];              \
			(void)z;                                                                   \
			r.G[i] = (W)(E);                                                           \
		}                                                                                  \
		vput(c, o, r, simd_bytes(o));                                                      \
		OP_NEXT();                                                                         \
	}
/* The lanes are extended as T says and summed unsigned. */
#define VPLS(n, E)                                                                                 \
	VPL(n##_b, int8_t, sb, uint16_t, h, E)                                                     \
	VPL(n##_h, int16_t, sh, uint32_t, s, E) VPL(n##_s, int32_t, ss, uint64_t, d, E)
#define VPLU(n, E)                                                                                 \
	VPL(n##_b, uint8_t, b, uint16_t, h, E)                                                     \
	VPL(n##_h, uint16_t, h, uint32_t, s, E) VPL(n##_s, uint32_t, s, uint64_t, d, E)
VPLS(saddlp, x + y)
VPLU(uaddlp, x + y)
VPLS(sadalp, x + y + z)
VPLU(uadalp, x + y + z)

/* Saturating: E computes t from x (and z) and sets q. */
#define VQ2(name, T, F, E)                                                                         \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn], d = c->v[o->rd];                                 \
		union vreg r = vzero();                                                            \
		const unsigned bytes = simd_bytes(o);                                              \
		bool q = false;                                                                    \
		for (unsigned i = 0; i < bytes / sizeof(T); i++) {                                 \
			const T x = a.F[i], z = d.F[i];                                            \
			T t;                                                                       \
			(void)z;                                                                   \
			E;                                                                         \
			r.F[i] = t;                                                                \
		}                                                                                  \
		if (q)                                                                             \
			c->fpsr |= FPSR_QC;                                                        \
		vput(c, o, r, bytes);                                                              \
		OP_NEXT();                                                                         \
	}
#define SQNEG(T, COND)                                                                             \
	if (x == SMIN_OF(T)) {                                                                     \
		q = true;                                                                          \
		t = SMAX_OF(T);                                                                    \
	} else {                                                                                   \
		t = (T)((COND) ? -x : x);                                                          \
	}
#define VQ2S(n, M, ...)                                                                            \
	VQ2(n##_b, int8_t, sb, M(int8_t, __VA_ARGS__))                                             \
	VQ2(n##_h, int16_t, sh, M(int16_t, __VA_ARGS__))                                           \
	VQ2(n##_s, int32_t, ss, M(int32_t, __VA_ARGS__))                                           \
	VQ2(n##_d, int64_t, sd, M(int64_t, __VA_ARGS__))
VQ2S(sqabs, SQNEG, x < 0)
VQ2S(sqneg, SQNEG, true)

/* SUQADD: signed z + unsigned x. USQADD: unsigned z + signed x. */
#define SUQADD(U)                                                                                  \
	if (__builtin_add_overflow((U)x, z, &t)) {                                                 \
		q = true;                                                                          \
		t = (__typeof__(t))((U)~0ull >> 1);                                                \
	}
#define USQADD(S)                                                                                  \
	if (__builtin_add_overflow((S)x, z, &t)) {                                                 \
		q = true;                                                                          \
		t = (__typeof__(t))((S)x < 0 ? 0 : ~0ull);                                         \
	}
VQ2(suqadd_b, int8_t, sb, SUQADD(uint8_t))
VQ2(suqadd_h, int16_t, sh, SUQADD(uint16_t))
VQ2(suqadd_s, int32_t, ss, SUQADD(uint32_t))
VQ2(suqadd_d, int64_t, sd, SUQADD(uint64_t))
VQ2(usqadd_b, uint8_t, b, USQADD(int8_t))
VQ2(usqadd_h, uint16_t, h, USQADD(int16_t))
VQ2(usqadd_s, uint32_t, s, USQADD(int32_t))
VQ2(usqadd_d, uint64_t, d, USQADD(int64_t))

/* Narrowing with saturation: W lanes x to T lanes; bytes count the narrow lanes. */
#define VXTN(name, T, F, W, G, E)                                                                  \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn];                                                  \
		const unsigned n = simd_bytes(o) / (unsigned)sizeof(T);                            \
		union vreg r = vzero();                                                            \
		bool q = false;                                                                    \
		for (unsigned i = 0; i < n; i++) {                                                 \
			const W x = a.G[i];                                                        \
			T t = (T)x;                                                                \
			E;                                                                         \
			r.F[i] = t;                                                                \
		}                                                                                  \
		if (q)                                                                             \
			c->fpsr |= FPSR_QC;                                                        \
		vnarrow(c, o, r.d[0]);                                                             \
		OP_NEXT();                                                                         \
	}
#define SQX(T)                                                                                     \
	if (t != x) {                                                                              \
		q = true;                                                                          \
		t = x < 0 ? SMIN_OF(T) : SMAX_OF(T);                                               \
	}
#define UQX(T)                                                                                     \
	if (t != x) {                                                                              \
		q = true;                                                                          \
		t = UMAX_OF(T);                                                                    \
	}
#define SQXU(T)                                                                                    \
	if (x < 0 || x > (__typeof__(x))UMAX_OF(T)) {                                              \
		q = true;                                                                          \
		t = x < 0 ? 0 : UMAX_OF(T);                                                        \
	}
#define VXTNP(name, T, F, G)                                                                       \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn];                                                  \
		union vreg r;                                                                      \
		for (unsigned i = 0; i < 8 / sizeof(T); i++)                                       \
			r.F[i] = (T)a.G[i];                                                        \
		vnarrow(c, o, r.d[0]);                                                             \
		OP_NEXT();                                                                         \
	}
VXTNP(xtn_b, uint8_t, b, h)
VXTNP(xtn_h, uint16_t, h, s)
VXTNP(xtn_s, uint32_t, s, d)
VXTN(sqxtn_b, int8_t, sb, int16_t, sh, SQX(int8_t))
VXTN(sqxtn_h, int16_t, sh, int32_t, ss, SQX(int16_t))
VXTN(sqxtn_s, int32_t, ss, int64_t, sd, SQX(int32_t))
VXTN(uqxtn_b, uint8_t, b, uint16_t, h, UQX(uint8_t))
VXTN(uqxtn_h, uint16_t, h, uint32_t, s, UQX(uint16_t))
VXTN(uqxtn_s, uint32_t, s, uint64_t, d, UQX(uint32_t))
VXTN(sqxtun_b, uint8_t, b, int16_t, sh, SQXU(uint8_t))
VXTN(sqxtun_h, uint16_t, h, int32_t, ss, SQXU(uint16_t))
VXTN(sqxtun_s, uint32_t, s, int64_t, sd, SQXU(uint32_t))

/* SHLL: widened, shifted by the lane's size. */
#define VSHLL(name, T, F, W, G)                                                                    \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn];                                                  \
		const size_t up = o->aux & AUX_UPPER ? 8 / sizeof(T) : 0;                          \
		union vreg r;                                                                      \
		for (unsigned i = 0; i < 8 / sizeof(T); i++)                                       \
			r.G[i] = (W)((W)a.F[i + up] << (8 * sizeof(T)));                           \
		c->v[o->rd] = r;                                                                   \
		OP_NEXT();                                                                         \
	}
VSHLL(shll_b, uint8_t, b, uint16_t, h)
VSHLL(shll_h, uint16_t, h, uint32_t, s)
VSHLL(shll_s, uint32_t, s, uint64_t, d)

simd_row simd_2misc[2][32] = {
	{
		[0x00] = ROW3(rev64),
		[0x01] = ROW_B(rev16),
		[0x02] = ROW3(saddlp),
		[0x03] = ROW4(suqadd),
		[0x04] = ROW3(cls),
		[0x05] = ROW_B(cnt),
		[0x06] = ROW3(sadalp),
		[0x07] = ROW4(sqabs),
		[0x08] = ROW4(cmgt0),
		[0x09] = ROW4(cmeq0),
		[0x0a] = ROW4(cmlt0),
		[0x0b] = ROW4(abs),
	},
	{
		[0x00] = {rev32_b, rev32_h, NULL, NULL},
		[0x02] = ROW3(uaddlp),
		[0x03] = ROW4(usqadd),
		[0x04] = ROW3(clz),
		[0x05] = {not_b, rbit_b, NULL, NULL},
		[0x06] = ROW3(uadalp),
		[0x07] = ROW4(sqneg),
		[0x08] = ROW4(cmge0),
		[0x09] = ROW4(cmle0),
		[0x0b] = ROW4(neg),
	},
};
simd_row simd_2misc_narrow[2][32] = {
	{[0x12] = ROW3(xtn), [0x14] = ROW3(sqxtn)},
	{[0x12] = ROW3(sqxtun), [0x13] = ROW3(shll), [0x14] = ROW3(uqxtn)},
};

/* Across lanes: t starts as the first lane, x runs over the others. */
#define VX(name, T, F, W, G, E)                                                                    \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn];                                                  \
		const unsigned n = simd_bytes(o) / (unsigned)sizeof(T);                            \
		union vreg r = vzero();                                                            \
		W t = a.F[0];                                                                      \
		for (unsigned i = 1; i < n; i++) {                                                 \
			const T x = a.F[i];                                                        \
			t = (W)(E);                                                                \
		}                                                                                  \
		r.G[0] = t;                                                                        \
		c->v[o->rd] = r;                                                                   \
		OP_NEXT();                                                                         \
	}
#define VXS(n, E)                                                                                  \
	VX(n##_b, int8_t, sb, int8_t, sb, E)                                                       \
	VX(n##_h, int16_t, sh, int16_t, sh, E) VX(n##_s, int32_t, ss, int32_t, ss, E)
#define VXU(n, E)                                                                                  \
	VX(n##_b, uint8_t, b, uint8_t, b, E)                                                       \
	VX(n##_h, uint16_t, h, uint16_t, h, E) VX(n##_s, uint32_t, s, uint32_t, s, E)
VX(saddlv_b, int8_t, sb, int16_t, sh, t + x)
VX(saddlv_h, int16_t, sh, int32_t, ss, t + x)
VX(saddlv_s, int32_t, ss, int64_t, sd, t + x)
VX(uaddlv_b, uint8_t, b, uint16_t, h, t + x)
VX(uaddlv_h, uint16_t, h, uint32_t, s, t + x)
VX(uaddlv_s, uint32_t, s, uint64_t, d, t + x)
VXS(smaxv, x > t ? x : t)
VXS(sminv, x < t ? x : t)
VXU(umaxv, x > t ? x : t)
VXU(uminv, x < t ? x : t)
VXU(addv, t + x)

simd_row simd_across[2][32] = {
	{
		[0x03] = ROW3(saddlv),
		[0x0a] = ROW3(smaxv),
		[0x1a] = ROW3(sminv),
		[0x1b] = ROW3(addv),
	},
	{[0x03] = ROW3(uaddlv), [0x0a] = ROW3(umaxv), [0x1a] = ROW3(uminv)},
};

static OP(addp_scalar)
{
	OP_FP_CHECK();
	const union vreg a = c->v[o->rn];
	vset(&c->v[o->rd], a.d[0] + a.d[1], 0);
	OP_NEXT();
}
op_fn *const simd_addp_d = addp_scalar;
