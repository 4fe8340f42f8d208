/* SPDX-License-Identifier: Apache-2.0 */
/* Conversions between floating-point formats, integers and fixed point. */
#include "hv/arch/aarch64/soft/fp_core.h"

/* Splits the value frac / 2^63 * 2^e, e < 64, in an integer and a remainder in units of 2^-64 (sticky). */
struct split {
	uint64_t ip, rem;
};

static struct split split_at(uint64_t frac, int32_t e)
{
	if (e == 63)
		return (struct split){frac, 0};
	if (e >= 0)
		return (struct split){frac >> (63 - e), frac << (e + 1)};
	if (e == -1)
		return (struct split){0, frac};
	return (struct split){0, 1};
}

static bool rounds_up(struct split s, unsigned sign, enum fp_rmode mode)
{
	const uint64_t half = 1ull << 63;

	if (s.rem == 0)
		return false;
	switch (mode) {
	case FP_RN:
		return s.rem > half || (s.rem == half && (s.ip & 1));
	case FP_RP:
		return !sign;
	case FP_RM:
		return sign;
	case FP_RA:
		return s.rem >= half;
	default:
		return false;
	}
}

uint64_t fp_to_fixed(struct cpu *c, enum fp_fmt f, uint64_t a, unsigned fbits, bool is_signed,
		     unsigned bits, enum fp_rmode mode)
{
	const uint64_t mask = bits == 64 ? UINT64_MAX : (1ull << bits) - 1;
	struct fp_num x = fp_unpack(c, f, a);
	struct split s = {UINT64_MAX, 0};
	bool over = false;

	if (fp_is_nan(x)) {
		c->fpsr |= FPSR_IOC;
		return 0;
	}
	if (x.cls == FPC_ZERO)
		return 0;
	int32_t e = x.exp + (int32_t)fbits;
	if (x.cls == FPC_INF || e > 63) {
		over = true;
	} else {
		s = split_at(x.frac, e);
		s.ip += rounds_up(s, x.sign, mode);
	}
	uint64_t limit = is_signed ? (mask >> 1) + x.sign : x.sign ? 0 : mask;
	if (over || s.ip > limit) {
		c->fpsr |= FPSR_IOC;
		s.ip = limit;
	} else if (s.rem) {
		c->fpsr |= FPSR_IXC;
	}
	return (x.sign ? 0 - s.ip : s.ip) & mask;
}

uint64_t fp_from_fixed(struct cpu *c, enum fp_fmt f, uint64_t v, unsigned fbits, bool is_signed)
{
	unsigned sign = is_signed && v >> 63;

	if (v == 0)
		return 0;
	if (sign)
		v = 0 - v;
	int lz = __builtin_clzll(v);
	return fp_round(c, f, sign, 63 - lz - (int32_t)fbits, v << lz, fp_mode(c));
}

uint64_t fp_rint(struct cpu *c, enum fp_fmt f, uint64_t a, enum fp_rmode mode, bool exact)
{
	struct fp_num x = fp_unpack(c, f, a);

	if (fp_is_nan(x))
		return fp_nan1(c, f, a, x);
	if (x.cls == FPC_ZERO)
		return fp_zero(f, x.sign);
	if (x.cls == FPC_INF || x.exp >= (int32_t)fp_mbits(f))
		return a;
	struct split s = split_at(x.frac, x.exp);
	s.ip += rounds_up(s, x.sign, mode);
	if (s.rem && exact)
		c->fpsr |= FPSR_IXC;
	if (s.ip == 0)
		return fp_zero(f, x.sign);
	int lz = __builtin_clzll(s.ip);
	return fp_round(c, f, x.sign, 63 - lz, s.ip << lz, FP_RZ);
}

uint64_t fp_convert(struct cpu *c, enum fp_fmt from, enum fp_fmt to, uint64_t a, enum fp_rmode mode)
{
	const bool ahp = to == FP_H && (c->fpcr & FPCR_AHP);
	struct fp_num x = fp_unpack(c, from, a);

	if (fp_is_nan(x)) {
		if (x.cls == FPC_SNAN || ahp)
			c->fpsr |= FPSR_IOC;
		if (ahp)
			return fp_zero(to, x.sign);
		if (c->fpcr & FPCR_DN)
			return fp_default_nan(to);
		return fp_zero(to, x.sign) | fp_default_nan(to) | x.frac >> (63 - fp_mbits(to));
	}
	if (x.cls == FPC_INF) {
		if (!ahp)
			return fp_inf(to, x.sign);
		c->fpsr |= FPSR_IOC;
		return fp_zero(to, x.sign) | 0x7fff;
	}
	if (x.cls == FPC_ZERO)
		return fp_zero(to, x.sign);
	return fp_round(c, to, x.sign, x.exp, x.frac, mode);
}
