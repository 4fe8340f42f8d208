/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The host's floating point in front of fp_core.h, where it gives the same bits and the same FPSR.
 *
 * Theory of operation: with round-to-nearest, no flushing, and IXC already set (it is sticky and programs seldom clear
 * it), a finite result above the smallest normal number can raise nothing new: not UFC or OFC, and no operand was a
 * NaN or an invalid infinity, or the result would not be such a number. Everything else goes to the integer code. The
 * host runs with its default environment (round to nearest, no flushing).
 */
#include <math.h>
#include <string.h>
#include "hv/arch/aarch64/soft/fp_core.h"

static inline double fp_host_d(uint64_t b)
{
	double v;

	memcpy(&v, &b, sizeof(v));
	return v;
}
static inline float fp_host_s(uint64_t b)
{
	uint32_t w = (uint32_t)b;
	float v;

	memcpy(&v, &w, sizeof(v));
	return v;
}
static inline uint64_t fp_bits_d(double v)
{
	uint64_t b;

	memcpy(&b, &v, sizeof(b));
	return b;
}
static inline uint64_t fp_bits_s(float v)
{
	uint32_t b;

	memcpy(&b, &v, sizeof(b));
	return b;
}

/* Round to nearest, no flushing, IXC seen. */
static inline bool fp_quick(const struct cpu *c)
{
	return (c->fpcr & (3u << 22 | FPCR_FZ)) == 0 && (c->fpsr & FPSR_IXC);
}

/* Finite and above the smallest normal number, by magnitude. */
static inline bool fp_safe(enum fp_fmt f, uint64_t r)
{
	if (f == FP_D)
		return (r & ~(1ull << 63)) - 0x0010000000000001u <
		       0x7ff0000000000000u - 0x0010000000000001u;
	return ((uint32_t)r & ~(1u << 31)) - 0x00800001u < 0x7f800000u - 0x00800001u;
}

#define FP_FAST2(name, E)                                                                          \
	static inline uint64_t fpq_##name(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b)    \
	{                                                                                          \
		if (__builtin_expect(fp_quick(c), 1)) {                                            \
			uint64_t r;                                                                \
			if (f == FP_D) {                                                           \
				const double x = fp_host_d(a), y = fp_host_d(b);                   \
				r = fp_bits_d(E);                                                  \
			} else {                                                                   \
				const float x = fp_host_s(a), y = fp_host_s(b);                    \
				r = fp_bits_s(E);                                                  \
			}                                                                          \
			if (__builtin_expect(fp_safe(f, r), 1))                                    \
				return r;                                                          \
		}                                                                                  \
		return fp_##name(c, f, a, b);                                                      \
	}
FP_FAST2(add, x + y)
FP_FAST2(sub, x - y)
FP_FAST2(mul, x *y)
FP_FAST2(div, x / y)

static inline uint64_t fpq_sqrt(struct cpu *c, enum fp_fmt f, uint64_t a)
{
	if (__builtin_expect(fp_quick(c) && !(a & fp_sign_bit(f)), 1)) {
		uint64_t r =
			f == FP_D ? fp_bits_d(sqrt(fp_host_d(a))) : fp_bits_s(sqrtf(fp_host_s(a)));
		if (__builtin_expect(fp_safe(f, r), 1))
			return r;
	}
	return fp_sqrt(c, f, a);
}

/** fpq_muladd - @addend + @a * @b. The C library's fma() rounds once. */
static inline uint64_t fpq_muladd(struct cpu *c, enum fp_fmt f, uint64_t addend, uint64_t a,
				  uint64_t b)
{
	if (__builtin_expect(fp_quick(c), 1)) {
		uint64_t r;
		if (f == FP_D)
			r = fp_bits_d(fma(fp_host_d(a), fp_host_d(b), fp_host_d(addend)));
		else
			r = fp_bits_s(fmaf(fp_host_s(a), fp_host_s(b), fp_host_s(addend)));
		if (__builtin_expect(fp_safe(f, r), 1))
			return r;
	}
	return fp_muladd(c, f, addend, a, b, 0);
}

/** fpq_cmp - as fp_cmp(). Ordered operands raise nothing. */
static inline unsigned fpq_cmp(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b, bool signal)
{
	if (__builtin_expect(!(c->fpcr & FPCR_FZ), 1)) {
		const double x = f == FP_D ? fp_host_d(a) : (double)fp_host_s(a);
		const double y = f == FP_D ? fp_host_d(b) : (double)fp_host_s(b);
		if (!__builtin_isunordered(x, y))
			return __builtin_isless(x, y)	   ? FP_LT
			       : __builtin_isgreater(x, y) ? FP_GT
							   : FP_EQ;
	}
	return fp_cmp(c, f, a, b, signal);
}

/** fpq_from_int - integer to floating point, @v extended to 64 bits. */
static inline uint64_t fpq_from_int(struct cpu *c, enum fp_fmt f, uint64_t v, bool is_signed)
{
	if (__builtin_expect(fp_quick(c), 1)) {
		if (is_signed)
			return f == FP_D ? fp_bits_d((double)(int64_t)v)
					 : fp_bits_s((float)(int64_t)v);
		return f == FP_D ? fp_bits_d((double)v) : fp_bits_s((float)v);
	}
	return fp_from_fixed(c, f, v, 0, is_signed);
}

/** fpq_to_int_z - floating point to a 64-bit signed integer, toward zero. @bits: 32 or 64. */
static inline uint64_t fpq_to_int_z(struct cpu *c, enum fp_fmt f, uint64_t a, bool is_signed,
				    unsigned bits)
{
	const double x = f == FP_D ? fp_host_d(a) : (double)fp_host_s(a);
	const double limit = bits == 64 ? 0x1p63 : 0x1p31; /* of both kinds: the rest is rare */

	if (__builtin_expect(fp_quick(c), 1) && __builtin_isless(x, limit) &&
	    __builtin_isgreaterequal(x, is_signed ? -limit : 0.0)) {
		const uint64_t v = (uint64_t)(int64_t)x;
		return bits == 64 ? v : (uint32_t)v;
	}
	return fp_to_fixed(c, f, a, 0, is_signed, bits, FP_RZ);
}

/** fpq_widen, fpq_shorten - single to double, double to single. */
static inline uint64_t fpq_widen(struct cpu *c, uint64_t a)
{
	const float x = fp_host_s(a);

	if (__builtin_expect(!(c->fpcr & FPCR_FZ) && !__builtin_isunordered(x, x), 1))
		return fp_bits_d((double)x);
	return fp_convert(c, FP_S, FP_D, a, FP_RN);
}
static inline uint64_t fpq_shorten(struct cpu *c, uint64_t a)
{
	if (__builtin_expect(fp_quick(c), 1)) {
		const uint64_t r = fp_bits_s((float)fp_host_d(a));
		if (__builtin_expect(fp_safe(FP_S, r), 1))
			return r;
	}
	return fp_convert(c, FP_D, FP_S, a, fp_mode(c));
}
