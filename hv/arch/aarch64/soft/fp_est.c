/* SPDX-License-Identifier: Apache-2.0 */
/* Reciprocal and reciprocal square root estimates and steps (DDI 0487, FPRecipEstimate and its neighbours). */
#include "hv/arch/aarch64/soft/fp_core.h"

#define FRAC52 ((1ull << 52) - 1)

/* @a: 256..511, a value in [0.5, 1) in units of 1/512. Gives 256..511 for [1, 2). */
static uint32_t recip_estimate(uint32_t a)
{
	a = a * 2 + 1; /* the middle of the interval */
	return ((1u << 19) / a + 1) / 2;
}

/* @a: 128..511, a value in [0.25, 1). */
static uint32_t rsqrt_estimate(uint32_t a)
{
	uint32_t b = 512;

	a = a < 256 ? a * 2 + 1 : ((a >> 1 << 1) + 1) * 2;
	while ((uint64_t)a * (b + 1) * (b + 1) < 1ull << 28)
		b++;
	return (b + 1) / 2;
}

uint32_t fp_urecpe(uint32_t a)
{
	return a >> 31 ? recip_estimate(a >> 23) << 23 : UINT32_MAX;
}

uint32_t fp_ursqrte(uint32_t a)
{
	return a >> 30 ? rsqrt_estimate(a >> 23) << 23 : UINT32_MAX;
}

static uint64_t pack(enum fp_fmt f, unsigned sign, int32_t exp, uint64_t frac)
{
	return fp_zero(f, sign) | (uint64_t)exp << fp_mbits(f) | frac >> (52 - fp_mbits(f));
}

uint64_t fp_recip_estimate(struct cpu *c, enum fp_fmt f, uint64_t a)
{
	const int32_t bias = fp_bias(f);
	struct fp_num x = fp_unpack(c, f, a);

	if (fp_is_nan(x))
		return fp_nan1(c, f, a, x);
	if (x.cls == FPC_INF)
		return fp_zero(f, x.sign);
	if (x.cls == FPC_ZERO) {
		c->fpsr |= FPSR_DZC;
		return fp_inf(f, x.sign);
	}
	if (x.exp < -bias - 1) { /* the reciprocal overflows */
		enum fp_rmode mode = fp_mode(c);
		c->fpsr |= FPSR_OFC | FPSR_IXC;
		bool to_inf =
			mode == FP_RN || (mode == FP_RP && !x.sign) || (mode == FP_RM && x.sign);
		return to_inf ? fp_inf(f, x.sign) : fp_max_normal(f, x.sign);
	}
	if ((c->fpcr & FPCR_FZ) && x.exp >= bias - 1) { /* it would be denormal */
		c->fpsr |= FPSR_UFC;
		return fp_zero(f, x.sign);
	}
	/* The fraction is normalised already, so the exponent of a denormal is just 0 or -1 here. */
	int32_t exp = 2 * bias - 1 - (x.exp + bias);
	uint64_t frac = ((uint64_t)recip_estimate((uint32_t)(x.frac >> 55)) & 0xff) << 44;
	if (exp == 0) {
		frac = 1ull << 51 | frac >> 1;
	} else if (exp == -1) {
		frac = 1ull << 50 | frac >> 2;
		exp = 0;
	}
	return pack(f, x.sign, exp, frac);
}

uint64_t fp_rsqrt_estimate(struct cpu *c, enum fp_fmt f, uint64_t a)
{
	const int32_t bias = fp_bias(f);
	struct fp_num x = fp_unpack(c, f, a);

	if (fp_is_nan(x))
		return fp_nan1(c, f, a, x);
	if (x.cls == FPC_ZERO) {
		c->fpsr |= FPSR_DZC;
		return fp_inf(f, x.sign);
	}
	if (x.sign)
		return fp_invalid(c, f);
	if (x.cls == FPC_INF)
		return 0;
	int32_t exp = x.exp + bias;
	uint32_t scaled = (uint32_t)(x.frac >> (exp & 1 ? 56 : 55));
	uint64_t frac = ((uint64_t)rsqrt_estimate(scaled) & 0xff) << 44;
	/* 3 * bias - 1 - exp is positive: division truncates as the manual's DIV. */
	return pack(f, 0, (3 * bias - 1 - exp) / 2, frac & FRAC52);
}

/* A step's product of infinity and zero counts as zero: the result is the constant. */
static bool inf_times_zero(struct fp_num x, struct fp_num y)
{
	return (x.cls == FPC_INF && y.cls == FPC_ZERO) || (x.cls == FPC_ZERO && y.cls == FPC_INF);
}

uint64_t fp_recip_step(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b)
{
	const uint64_t two = (uint64_t)(fp_bias(f) + 1) << fp_mbits(f);

	a ^= fp_sign_bit(f); /* also of a NaN, which is then handed on */
	if (inf_times_zero(fp_unpack(c, f, a), fp_unpack(c, f, b)))
		return two;
	return fp_muladd(c, f, two, a, b, 0);
}

uint64_t fp_rsqrt_step(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b)
{
	const uint64_t one = (uint64_t)fp_bias(f) << fp_mbits(f), half = 1ull << (fp_mbits(f) - 1);
	const uint64_t three = ((uint64_t)(fp_bias(f) + 1) << fp_mbits(f)) | half;

	a ^= fp_sign_bit(f);
	if (inf_times_zero(fp_unpack(c, f, a), fp_unpack(c, f, b)))
		return one | half;
	return fp_muladd(c, f, three, a, b, -1);
}

uint64_t fp_recip_exponent(struct cpu *c, enum fp_fmt f, uint64_t a)
{
	const unsigned mb = fp_mbits(f);
	const uint64_t emask = (1ull << fp_ebits(f)) - 1;
	struct fp_num x = fp_unpack(c, f, a);

	if (fp_is_nan(x))
		return fp_nan1(c, f, a, x);
	uint64_t e = (a >> mb) & emask;
	e = e == 0 ? emask - 1 : ~e & emask;
	return fp_zero(f, x.sign) | e << mb;
}
