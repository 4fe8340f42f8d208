/* SPDX-License-Identifier: Apache-2.0 */
/* AdvSIMD shift by immediate (integer). The amount is o->imm. x of Vn, z of Vd, n the amount. */
#include "hv/arch/aarch64/soft/simd.h"
#include "hv/arch/aarch64/soft/simd_shl.h"

#define VI(name, T, F, E)                                                                          \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn], d = c->v[o->rd];                                 \
		const int n = (int)o->imm;                                                         \
		union vreg r;                                                                      \
		for (unsigned i = 0; i < 16 / sizeof(T); i++) {                                    \
			const T x = a.F[i], z = d.F[i];                                            \
			(void)z;                                                                   \
			r.F[i] = (T)(E);                                                           \
		}                                                                                  \
		vput(c, o, r, simd_bytes(o));                                                      \
		OP_NEXT();                                                                         \
	}
#define VIU(n, E)                                                                                  \
	VI(n##_b, uint8_t, b, E)                                                                   \
	VI(n##_h, uint16_t, h, E) VI(n##_s, uint32_t, s, E) VI(n##_d, uint64_t, d, E)
#define VIS(n, E)                                                                                  \
	VI(n##_b, int8_t, sb, E)                                                                   \
	VI(n##_h, int16_t, sh, E) VI(n##_s, int32_t, ss, E) VI(n##_d, int64_t, sd, E)

#define BITS(x) (8 * (int)sizeof(x))
#define ALL(x) (UINT64_MAX >> (64 - BITS(x)))

VIS(sshr, n < BITS(x) ? x >> n : x >> (BITS(x) - 1))
VIU(ushr, n < BITS(x) ? x >> n : 0)
VIS(ssra, (uint64_t)z + (uint64_t)(n < BITS(x) ? x >> n : x >> (BITS(x) - 1)))
VIU(usra, z + (n < BITS(x) ? x >> n : 0))
VIS(srshr, shl_signed(x, -n, true))
VIU(urshr, shl_unsigned(x, -n, true))
VIS(srsra, (uint64_t)z + (uint64_t)shl_signed(x, -n, true))
VIU(ursra, z + shl_unsigned(x, -n, true))
VIU(shl, x << n)
VIU(sli, (uint64_t)x << n | (z & ~(ALL(x) << n)))
/* The upper n bits of z stay. */
VIU(sri, n < BITS(x) ? (x >> n) | (z & ~(ALL(x) >> n)) : z)

#define VQI(name, T, F, E)                                                                         \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn];                                                  \
		const int n = (int)o->imm;                                                         \
		union vreg r = vzero();                                                            \
		const unsigned bytes = simd_bytes(o);                                              \
		bool q = false;                                                                    \
		for (unsigned i = 0; i < bytes / sizeof(T); i++) {                                 \
			const T x = a.F[i];                                                        \
			T t;                                                                       \
			E;                                                                         \
			r.F[i] = t;                                                                \
		}                                                                                  \
		if (q)                                                                             \
			c->fpsr |= FPSR_QC;                                                        \
		vput(c, o, r, bytes);                                                              \
		OP_NEXT();                                                                         \
	}
#define SQSHL(T)                                                                                   \
	q |= shl_signed_overflows(x, n, BITS(x));                                                  \
	t = (T)shl_signed_sat(x, n, BITS(x), false)
#define UQSHL(T)                                                                                   \
	q |= shl_unsigned_overflows(x, n, BITS(x));                                                \
	t = (T)shl_unsigned_sat(x, n, BITS(x), false)
#define SQSHLU(T, U)                                                                               \
	const U ux = x < 0 ? 0 : (U)x;                                                             \
	q |= x < 0 || shl_unsigned_overflows(ux, n, BITS(x));                                      \
	t = (T)shl_unsigned_sat(ux, n, BITS(x), false)
VQI(sqshl_b, int8_t, sb, SQSHL(int8_t))
VQI(sqshl_h, int16_t, sh, SQSHL(int16_t))
VQI(sqshl_s, int32_t, ss, SQSHL(int32_t))
VQI(sqshl_d, int64_t, sd, SQSHL(int64_t))
VQI(uqshl_b, uint8_t, b, UQSHL(uint8_t))
VQI(uqshl_h, uint16_t, h, UQSHL(uint16_t))
VQI(uqshl_s, uint32_t, s, UQSHL(uint32_t))
VQI(uqshl_d, uint64_t, d, UQSHL(uint64_t))
VQI(sqshlu_b, int8_t, sb, SQSHLU(int8_t, uint8_t))
VQI(sqshlu_h, int16_t, sh, SQSHLU(int16_t, uint16_t))
VQI(sqshlu_s, int32_t, ss, SQSHLU(int32_t, uint32_t))
VQI(sqshlu_d, int64_t, sd, SQSHLU(int64_t, uint64_t))

/* Narrowing right shifts: W lanes x, shifted to s, to T lanes. n is at most the bits of T, below those of W. */
#define VNI(name, T, F, W, G, SHIFT, E)                                                            \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn];                                                  \
		const int n = (int)o->imm;                                                         \
		const unsigned count = simd_bytes(o) / (unsigned)sizeof(T);                        \
		union vreg r = vzero();                                                            \
		bool q = false;                                                                    \
		for (unsigned i = 0; i < count; i++) {                                             \
			const W x = a.G[i];                                                        \
			const __auto_type s = SHIFT;                                               \
			T t = (T)s;                                                                \
			E;                                                                         \
			r.F[i] = t;                                                                \
		}                                                                                  \
		if (q)                                                                             \
			c->fpsr |= FPSR_QC;                                                        \
		vnarrow(c, o, r.d[0]);                                                             \
		OP_NEXT();                                                                         \
	}
#define VNIU(name, SHIFT, M)                                                                       \
	VNI(name##_b, uint8_t, b, uint16_t, h, SHIFT, M(uint8_t))                                  \
	VNI(name##_h, uint16_t, h, uint32_t, s, SHIFT, M(uint16_t))                                \
	VNI(name##_s, uint32_t, s, uint64_t, d, SHIFT, M(uint32_t))
#define VNIS(name, SHIFT, M)                                                                       \
	VNI(name##_b, int8_t, sb, int16_t, sh, SHIFT, M(int8_t))                                   \
	VNI(name##_h, int16_t, sh, int32_t, ss, SHIFT, M(int16_t))                                 \
	VNI(name##_s, int32_t, ss, int64_t, sd, SHIFT, M(int32_t))
#define VNISU(name, SHIFT, M)                                                                      \
	VNI(name##_b, uint8_t, b, int16_t, sh, SHIFT, M(uint8_t))                                  \
	VNI(name##_h, uint16_t, h, int32_t, ss, SHIFT, M(uint16_t))                                \
	VNI(name##_s, uint32_t, s, int64_t, sd, SHIFT, M(uint32_t))
#define SAT_S(T)                                                                                   \
	if (s < SMIN_OF(T) || s > SMAX_OF(T)) {                                                    \
		q = true;                                                                          \
		t = s < 0 ? SMIN_OF(T) : SMAX_OF(T);                                               \
	}
#define SAT_U(T)                                                                                   \
	if (s > UMAX_OF(T)) {                                                                      \
		q = true;                                                                          \
		t = UMAX_OF(T);                                                                    \
	}
#define SAT_SU(T)                                                                                  \
	if (s < 0 || s > (int64_t)UMAX_OF(T)) {                                                    \
		q = true;                                                                          \
		t = s < 0 ? 0 : UMAX_OF(T);                                                        \
	}
/* Without saturation there are only vector forms. */
#define VNIP(name, T, F, W, G, SHIFT)                                                              \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn];                                                  \
		const int n = (int)o->imm;                                                         \
		union vreg r;                                                                      \
		for (unsigned i = 0; i < 8 / sizeof(T); i++) {                                     \
			const W x = a.G[i];                                                        \
			r.F[i] = (T)(SHIFT);                                                       \
		}                                                                                  \
		vnarrow(c, o, r.d[0]);                                                             \
		OP_NEXT();                                                                         \
	}
#define VNIP3(name, SHIFT)                                                                         \
	VNIP(name##_b, uint8_t, b, uint16_t, h, SHIFT)                                             \
	VNIP(name##_h, uint16_t, h, uint32_t, s, SHIFT)                                            \
	VNIP(name##_s, uint32_t, s, uint64_t, d, SHIFT)
VNIP3(shrn, x >> n)
VNIP3(rshrn, (x >> n) + (x >> (n - 1) & 1))
VNIS(sqshrn, (int64_t)x >> n, SAT_S)
VNIS(sqrshrn, shl_signed(x, -n, true), SAT_S)
VNIU(uqshrn, (uint64_t)x >> n, SAT_U)
VNIU(uqrshrn, shl_unsigned(x, -n, true), SAT_U)
VNISU(sqshrun, (int64_t)x >> n, SAT_SU)
VNISU(sqrshrun, shl_signed(x, -n, true), SAT_SU)

/* Widening left shifts (SXTL, UXTL with 0). */
#define VLI(name, T, F, W, G)                                                                      \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn];                                                  \
		const size_t up = o->aux & AUX_UPPER ? 8 / sizeof(T) : 0;                          \
		const int n = (int)o->imm;                                                         \
		union vreg r;                                                                      \
		for (unsigned i = 0; i < 8 / sizeof(T); i++)                                       \
			r.G[i] = (W)((W)a.F[i + up] << n);                                         \
		c->v[o->rd] = r;                                                                   \
		OP_NEXT();                                                                         \
	}
VLI(sshll_b, int8_t, sb, uint16_t, h)
VLI(sshll_h, int16_t, sh, uint32_t, s)
VLI(sshll_s, int32_t, ss, uint64_t, d)
VLI(ushll_b, uint8_t, b, uint16_t, h)
VLI(ushll_h, uint16_t, h, uint32_t, s)
VLI(ushll_s, uint32_t, s, uint64_t, d)

simd_row simd_shift[2][32] = {
	{
		[0x00] = ROW4(sshr),
		[0x02] = ROW4(ssra),
		[0x04] = ROW4(srshr),
		[0x06] = ROW4(srsra),
		[0x0a] = ROW4(shl),
		[0x0e] = ROW4(sqshl),
	},
	{
		[0x00] = ROW4(ushr),
		[0x02] = ROW4(usra),
		[0x04] = ROW4(urshr),
		[0x06] = ROW4(ursra),
		[0x08] = ROW4(sri),
		[0x0a] = ROW4(sli),
		[0x0c] = ROW4(sqshlu),
		[0x0e] = ROW4(uqshl),
	},
};
simd_row simd_shift_narrow[2][32] = {
	{
		[0x10] = ROW3(shrn),
		[0x11] = ROW3(rshrn),
		[0x12] = ROW3(sqshrn),
		[0x13] = ROW3(sqrshrn),
		[0x14] = ROW3(sshll),
	},
	{
		[0x10] = ROW3(sqshrun),
		[0x11] = ROW3(sqrshrun),
		[0x12] = ROW3(uqshrn),
		[0x13] = ROW3(uqrshrn),
		[0x14] = ROW3(ushll),
	},
};
