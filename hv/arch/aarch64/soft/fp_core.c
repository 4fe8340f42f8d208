/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/arch/aarch64/soft/fp_core.h"

/* The formats are constants in every caller here, so one always-inlined body serves both widths. */
#define INLINE static inline __attribute__((always_inline))

INLINE uint64_t shr_sticky(uint64_t v, unsigned n)
{
	if (n == 0)
		return v;
	if (n > 63)
		return v != 0;
	return v >> n | ((v << (64 - n)) != 0);
}

INLINE fp_u128 shr_sticky128(fp_u128 v, unsigned n)
{
	if (n == 0)
		return v;
	if (n > 127)
		return v != 0;
	return v >> n | ((v << (128 - n)) != 0);
}

INLINE unsigned clz128(fp_u128 v)
{
	uint64_t hi = (uint64_t)(v >> 64);

	return (unsigned)(hi ? __builtin_clzll(hi) : 64 + __builtin_clzll((uint64_t)v));
}

INLINE struct fp_num unpack(struct cpu *c, enum fp_fmt f, uint64_t bits)
{
	const unsigned mb = fp_mbits(f);
	const uint32_t emask = (1u << fp_ebits(f)) - 1;
	const uint64_t m = bits & ((1ull << mb) - 1);
	const uint32_t e = (uint32_t)(bits >> mb) & emask;
	struct fp_num x = {.frac = m << (63 - mb), .sign = (bits >> (fp_width(f) - 1)) & 1};

	if (e == 0) {
		if (m != 0 && f != FP_H && (c->fpcr & FPCR_FZ)) {
			c->fpsr |= FPSR_IDC;
			x.frac = 0;
		}
		if (x.frac == 0) {
			x.exp = INT32_MIN / 2;
			x.cls = FPC_ZERO;
			return x;
		}
		int lz = __builtin_clzll(x.frac);
		x.frac <<= lz;
		x.exp = 1 - fp_bias(f) - lz;
		x.cls = FPC_NORMAL;
	} else if (e == emask && !(f == FP_H && (c->fpcr & FPCR_AHP))) {
		x.exp = INT32_MAX / 2;
		x.cls = m == 0 ? FPC_INF : (x.frac >> 62) & 1 ? FPC_QNAN : FPC_SNAN;
	} else {
		x.frac |= 1ull << 63;
		x.exp = (int32_t)e - fp_bias(f);
		x.cls = FPC_NORMAL;
	}
	return x;
}

struct fp_num fp_unpack(struct cpu *c, enum fp_fmt f, uint64_t bits)
{
	return unpack(c, f, bits);
}

INLINE uint64_t overflow(struct cpu *c, enum fp_fmt f, unsigned sign, enum fp_rmode mode)
{
	if (f == FP_H && (c->fpcr & FPCR_AHP)) { /* no infinities: saturate, invalid, not inexact */
		c->fpsr |= FPSR_IOC;
		return fp_zero(f, sign) | 0x7fff;
	}
	c->fpsr |= FPSR_OFC | FPSR_IXC;
	bool to_inf = mode == FP_RN || (mode == FP_RP && !sign) || (mode == FP_RM && sign);
	return to_inf ? fp_inf(f, sign) : fp_max_normal(f, sign);
}

INLINE uint64_t round_pack(struct cpu *c, enum fp_fmt f, unsigned sign, int32_t exp, uint64_t frac,
			   enum fp_rmode mode)
{
	const unsigned mb = fp_mbits(f), rb = 63 - mb;
	const int32_t emask = (1 << fp_ebits(f)) - 1;
	const uint64_t half = 1ull << (rb - 1);
	int32_t be = exp + fp_bias(f);

	if (be < 1) {
		/* Tininess is judged before rounding; flushing sets UFC alone. */
		if (f != FP_H && (c->fpcr & FPCR_FZ)) {
			c->fpsr |= FPSR_UFC;
			return fp_zero(f, sign);
		}
		frac = shr_sticky(frac, be < -64 ? 65 : (unsigned)(1 - be));
		be = 0;
	}
	const int32_t top = f == FP_H && (c->fpcr & FPCR_AHP) ? emask + 1 : emask;
	if (be >= top)
		return overflow(c, f, sign, mode);
	uint64_t low = frac & ((1ull << rb) - 1), mant = frac >> rb;
	bool up = false;
	if (low) {
		if (be == 0)
			c->fpsr |= FPSR_UFC;
		switch (mode) {
		case FP_RN:
			up = low > half || (low == half && (mant & 1));
			break;
		case FP_RP:
			up = !sign;
			break;
		case FP_RM:
			up = sign;
			break;
		case FP_RZ:
		case FP_RA: /* rounds to integers only */
			break;
		case FP_ODD:
			mant |= 1;
			break;
		}
	}
	mant += up;
	/* The leading one adds to the exponent field, and so does a carry out of the fraction. */
	uint64_t packed = (be == 0 ? 0 : (uint64_t)(be - 1) << mb) + mant;
	if ((packed >> mb) >= (uint64_t)top)
		return overflow(c, f, sign, mode);
	if (low)
		c->fpsr |= FPSR_IXC;
	return packed | fp_zero(f, sign);
}

uint64_t fp_round(struct cpu *c, enum fp_fmt f, unsigned sign, int32_t exp, uint64_t frac,
		  enum fp_rmode mode)
{
	return round_pack(c, f, sign, exp, frac, mode);
}

uint64_t fp_invalid(struct cpu *c, enum fp_fmt f)
{
	c->fpsr |= FPSR_IOC;
	return fp_default_nan(f);
}

uint64_t fp_nan1(struct cpu *c, enum fp_fmt f, uint64_t a, struct fp_num x)
{
	if (x.cls == FPC_SNAN)
		c->fpsr |= FPSR_IOC;
	if (c->fpcr & FPCR_DN)
		return fp_default_nan(f);
	return a | 1ull << (fp_mbits(f) - 1);
}

uint64_t fp_nan2(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b, struct fp_num x,
		 struct fp_num y)
{
	/* A signalling NaN wins over a quiet one, then the first operand over the second. */
	if (x.cls == FPC_SNAN || (y.cls != FPC_SNAN && x.cls == FPC_QNAN))
		return fp_nan1(c, f, a, x);
	return fp_nan1(c, f, b, y);
}

/* Sum of two finite non-zero values, or exact zero. */
INLINE uint64_t add_finite(struct cpu *c, enum fp_fmt f, struct fp_num x, struct fp_num y)
{
	if (x.exp < y.exp || (x.exp == y.exp && x.frac < y.frac)) {
		struct fp_num t = x;
		x = y;
		y = t;
	}
	/* One bit down leaves room for the carry; 53 significant bits leave room for guard bits. */
	uint64_t p = x.frac >> 1, q = shr_sticky(y.frac >> 1, (unsigned)(x.exp - y.exp) & ~0u);
	uint64_t s = x.sign == y.sign ? p + q : p - q;
	if (s == 0)
		return fp_zero(f, fp_mode(c) == FP_RM);
	int lz = __builtin_clzll(s);
	return round_pack(c, f, x.sign, x.exp + 1 - lz, s << lz, fp_mode(c));
}

INLINE uint64_t add_sub(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b, bool sub)
{
	struct fp_num x = unpack(c, f, a), y = unpack(c, f, b);

	if (fp_is_nan(x) || fp_is_nan(y))
		return fp_nan2(c, f, a, b, x, y);
	y.sign ^= sub;
	if (x.cls == FPC_INF) {
		if (y.cls == FPC_INF && x.sign != y.sign)
			return fp_invalid(c, f);
		return fp_inf(f, x.sign);
	}
	if (y.cls == FPC_INF)
		return fp_inf(f, y.sign);
	if (x.cls == FPC_ZERO && y.cls == FPC_ZERO)
		return fp_zero(f, x.sign == y.sign ? x.sign : fp_mode(c) == FP_RM);
	if (x.cls == FPC_ZERO)
		return round_pack(c, f, y.sign, y.exp, y.frac, FP_RZ);
	if (y.cls == FPC_ZERO)
		return round_pack(c, f, x.sign, x.exp, x.frac, FP_RZ);
	return add_finite(c, f, x, y);
}

INLINE uint64_t mul(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b, bool mulx)
{
	struct fp_num x = unpack(c, f, a), y = unpack(c, f, b);
	unsigned sign = x.sign ^ y.sign;

	if (fp_is_nan(x) || fp_is_nan(y))
		return fp_nan2(c, f, a, b, x, y);
	if (x.cls == FPC_INF || y.cls == FPC_INF) {
		if (x.cls != FPC_ZERO && y.cls != FPC_ZERO)
			return fp_inf(f, sign);
		if (!mulx)
			return fp_invalid(c, f);
		return fp_zero(f, sign) | (uint64_t)(fp_bias(f) + 1) << fp_mbits(f);
	}
	if (x.cls == FPC_ZERO || y.cls == FPC_ZERO)
		return fp_zero(f, sign);
	fp_u128 p = (fp_u128)x.frac * y.frac;
	int32_t exp = x.exp + y.exp + 1;
	if (!(p >> 127)) {
		p <<= 1;
		exp--;
	}
	return round_pack(c, f, sign, exp, (uint64_t)(p >> 64) | ((uint64_t)p != 0), fp_mode(c));
}

INLINE uint64_t divide(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b)
{
	struct fp_num x = unpack(c, f, a), y = unpack(c, f, b);
	unsigned sign = x.sign ^ y.sign;

	if (fp_is_nan(x) || fp_is_nan(y))
		return fp_nan2(c, f, a, b, x, y);
	if ((x.cls == FPC_INF && y.cls == FPC_INF) || (x.cls == FPC_ZERO && y.cls == FPC_ZERO))
		return fp_invalid(c, f);
	if (x.cls == FPC_INF || y.cls == FPC_ZERO) {
		if (x.cls != FPC_INF)
			c->fpsr |= FPSR_DZC;
		return fp_inf(f, sign);
	}
	if (x.cls == FPC_ZERO || y.cls == FPC_INF)
		return fp_zero(f, sign);
	bool less = x.frac < y.frac;
	fp_u128 n = (fp_u128)x.frac << (less ? 64 : 63);
	uint64_t q = (uint64_t)(n / y.frac);
	bool rest = (fp_u128)q * y.frac != n;
	return round_pack(c, f, sign, x.exp - y.exp - less, q | rest, fp_mode(c));
}

/* Integer square root of n >= 2^126: 32 bits by digits, the other 32 by one division. */
static uint64_t isqrt128(fp_u128 n)
{
	uint64_t hi = (uint64_t)(n >> 64), s0 = 0, r0 = hi;

	for (uint64_t bit = 1ull << 31; bit; bit >>= 1) {
		uint64_t t = (s0 << 1 | bit) * bit;
		if (r0 >= t) {
			r0 -= t;
			s0 |= bit;
		}
	}
	fp_u128 num = (fp_u128)r0 << 32 | (uint32_t)(n >> 32);
	fp_u128 s = ((fp_u128)s0 << 32) + num / (s0 << 1);
	while (s * s > n)
		s--;
	return (uint64_t)s;
}

INLINE uint64_t square_root(struct cpu *c, enum fp_fmt f, uint64_t a)
{
	struct fp_num x = unpack(c, f, a);

	if (fp_is_nan(x))
		return fp_nan1(c, f, a, x);
	if (x.cls == FPC_ZERO)
		return fp_zero(f, x.sign);
	if (x.sign)
		return fp_invalid(c, f);
	if (x.cls == FPC_INF)
		return fp_inf(f, 0);
	unsigned odd = (unsigned)x.exp & 1;
	fp_u128 n = (fp_u128)x.frac << (63 + odd);
	uint64_t s = isqrt128(n);
	bool rest = (fp_u128)s * s != n;
	return round_pack(c, f, 0, (x.exp - (int32_t)odd) / 2, s | rest, fp_mode(c));
}

/* FPProcessNaNs3 with the addend first; infinity * 0 with a quiet addend is invalid too. */
static uint64_t nan3(struct cpu *c, enum fp_fmt f, const uint64_t v[3], const struct fp_num n[3],
		     bool inf_zero)
{
	if (n[0].cls == FPC_QNAN && inf_zero)
		return fp_invalid(c, f);
	for (unsigned cls = FPC_SNAN; cls >= FPC_QNAN; cls--)
		for (unsigned i = 0; i < 3; i++)
			if (n[i].cls == cls)
				return fp_nan1(c, f, v[i], n[i]);
	return fp_default_nan(f);
}

static inline uint64_t muladd(struct cpu *c, enum fp_fmt f, uint64_t addend, uint64_t a, uint64_t b,
			      int32_t scale)
{
	struct fp_num z = unpack(c, f, addend), x = unpack(c, f, a), y = unpack(c, f, b);
	uint8_t sign = x.sign ^ y.sign;
	bool inf_p = x.cls == FPC_INF || y.cls == FPC_INF,
	     zero_p = x.cls == FPC_ZERO || y.cls == FPC_ZERO;

	if (fp_is_nan(z) || fp_is_nan(x) || fp_is_nan(y)) {
		const uint64_t v[3] = {addend, a, b};
		const struct fp_num n[3] = {z, x, y};
		return nan3(c, f, v, n, inf_p && zero_p);
	}
	if ((inf_p && zero_p) || (z.cls == FPC_INF && inf_p && z.sign != sign))
		return fp_invalid(c, f);
	if (z.cls == FPC_INF || inf_p)
		return fp_inf(f, inf_p ? sign : z.sign);
	if (zero_p) {
		if (z.cls == FPC_ZERO)
			return fp_zero(f, z.sign == sign ? sign : fp_mode(c) == FP_RM);
		return round_pack(c, f, z.sign, z.exp + scale, z.frac, fp_mode(c));
	}
	/* Both terms with the leading one at bit 126. The product's low bits are zero: shifting it is exact. */
	fp_u128 p = (fp_u128)x.frac * y.frac, q = (fp_u128)z.frac << 63;
	int32_t exp = x.exp + y.exp;
	if (p >> 127) {
		p >>= 1;
		exp++;
	}
	if (z.cls != FPC_ZERO) {
		if (z.exp > exp || (z.exp == exp && q > p)) {
			fp_u128 t = p;
			p = q;
			q = shr_sticky128(t, (unsigned)(z.exp - exp));
			exp = z.exp;
			uint8_t ts = sign;
			sign = z.sign;
			z.sign = ts;
		} else {
			q = shr_sticky128(q, (unsigned)(exp - z.exp));
		}
		p = sign == z.sign ? p + q : p - q;
		if (p == 0)
			return fp_zero(f, fp_mode(c) == FP_RM);
	}
	unsigned lz = clz128(p);
	p <<= lz;
	return round_pack(c, f, sign, exp + 1 - (int32_t)lz + scale,
			  (uint64_t)(p >> 64) | ((uint64_t)p != 0), fp_mode(c));
}

INLINE unsigned compare(struct fp_num x, struct fp_num y)
{
	if (x.cls == FPC_ZERO && y.cls == FPC_ZERO)
		return FP_EQ;
	if (x.sign != y.sign)
		return x.sign ? FP_LT : FP_GT;
	if (x.exp == y.exp && x.frac == y.frac)
		return FP_EQ;
	bool less = x.exp < y.exp || (x.exp == y.exp && x.frac < y.frac);
	return less != (bool)x.sign ? FP_LT : FP_GT;
}

unsigned fp_cmp(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b, bool signal)
{
	struct fp_num x = unpack(c, f, a), y = unpack(c, f, b);

	if (fp_is_nan(x) || fp_is_nan(y)) {
		if (signal || x.cls == FPC_SNAN || y.cls == FPC_SNAN)
			c->fpsr |= FPSR_IOC;
		return FP_UNORDERED;
	}
	return compare(x, y);
}

static uint64_t minmax(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b, bool max, bool nm)
{
	struct fp_num x = unpack(c, f, a), y = unpack(c, f, b);

	if (nm && x.cls == FPC_QNAN && !fp_is_nan(y)) /* the number wins over the quiet NaN */
		return y.cls == FPC_ZERO ? fp_zero(f, y.sign) : b;
	if (nm && y.cls == FPC_QNAN && !fp_is_nan(x))
		return x.cls == FPC_ZERO ? fp_zero(f, x.sign) : a;
	if (fp_is_nan(x) || fp_is_nan(y))
		return fp_nan2(c, f, a, b, x, y);
	if (x.cls == FPC_ZERO && y.cls == FPC_ZERO)
		return fp_zero(f, max ? x.sign & y.sign : x.sign | y.sign);
	bool first = compare(x, y) == (max ? FP_GT : FP_LT);
	struct fp_num r = first ? x : y;
	return r.cls == FPC_ZERO ? fp_zero(f, r.sign) : first ? a : b;
}

uint64_t fp_max(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b)
{
	return minmax(c, f, a, b, true, false);
}
uint64_t fp_min(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b)
{
	return minmax(c, f, a, b, false, false);
}
uint64_t fp_maxnm(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b)
{
	return minmax(c, f, a, b, true, true);
}
uint64_t fp_minnm(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b)
{
	return minmax(c, f, a, b, false, true);
}

uint64_t fp_add(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b)
{
	return f == FP_D ? add_sub(c, FP_D, a, b, false) : add_sub(c, FP_S, a, b, false);
}
uint64_t fp_sub(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b)
{
	return f == FP_D ? add_sub(c, FP_D, a, b, true) : add_sub(c, FP_S, a, b, true);
}
uint64_t fp_mul(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b)
{
	return f == FP_D ? mul(c, FP_D, a, b, false) : mul(c, FP_S, a, b, false);
}
uint64_t fp_mulx(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b)
{
	return mul(c, f, a, b, true);
}
uint64_t fp_div(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b)
{
	return f == FP_D ? divide(c, FP_D, a, b) : divide(c, FP_S, a, b);
}
uint64_t fp_sqrt(struct cpu *c, enum fp_fmt f, uint64_t a)
{
	return f == FP_D ? square_root(c, FP_D, a) : square_root(c, FP_S, a);
}
uint64_t fp_muladd(struct cpu *c, enum fp_fmt f, uint64_t addend, uint64_t a, uint64_t b,
		   int32_t scale)
{
	return muladd(c, f, addend, a, b, scale);
}
