/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Arm floating point in integers: exact results, FPSR flags and NaN choice of DDI 0487 (shared/functions/float),
 * without FP16 arithmetic (half precision only converts).
 *
 * Theory of operation: a value is unpacked to struct fp_num (sign, exponent, 64-bit fraction with bit 63 set), computed
 * with a sticky lowest bit, and rounded once by fp_round(). All functions read cpu.fpcr and OR into cpu.fpsr; none
 * takes the address of a caller's local, so that handlers stay sibling calls.
 */
#include "hv/arch/aarch64/soft/cpu.h"

#define FPCR_AHP (1u << 26)
#define FPCR_DN (1u << 25)
#define FPCR_FZ (1u << 24)
#define FPCR_RMODE(fpcr) (((fpcr) >> 22) & 3u)

#define FPSR_IOC (1u << 0)
#define FPSR_DZC (1u << 1)
#define FPSR_OFC (1u << 2)
#define FPSR_UFC (1u << 3)
#define FPSR_IXC (1u << 4)
#define FPSR_IDC (1u << 7)
#define FPSR_QC (1u << 27)

/* Rounding: the first four as in FPCR.RMode. */
enum fp_rmode { FP_RN, FP_RP, FP_RM, FP_RZ, FP_RA, FP_ODD };

enum fp_fmt { FP_H, FP_S, FP_D };

enum fp_cls { FPC_ZERO, FPC_NORMAL, FPC_INF, FPC_QNAN, FPC_SNAN };

/** struct fp_num - value = frac / 2^63 * 2^exp. Zero and infinity have exponents that order them. */
struct fp_num {
	uint64_t frac; /* FPC_NORMAL: bit 63 set; NaN: payload, quiet bit at 62 */
	int32_t exp;
	uint8_t cls;
	uint8_t sign;
};

__extension__ typedef unsigned __int128 fp_u128;

/** fp_mbits, fp_ebits, fp_width - fraction, exponent and total bits of @f. */
static inline unsigned fp_mbits(enum fp_fmt f)
{
	return f == FP_D ? 52 : f == FP_S ? 23 : 10;
}
static inline unsigned fp_ebits(enum fp_fmt f)
{
	return f == FP_D ? 11 : f == FP_S ? 8 : 5;
}
static inline unsigned fp_width(enum fp_fmt f)
{
	return f == FP_D ? 64 : f == FP_S ? 32 : 16;
}
static inline int32_t fp_bias(enum fp_fmt f)
{
	return (1 << (fp_ebits(f) - 1)) - 1;
}

/** fp_sign_bit, fp_zero, fp_inf, fp_default_nan - bit patterns of @f. */
static inline uint64_t fp_sign_bit(enum fp_fmt f)
{
	return 1ull << (fp_width(f) - 1);
}
static inline uint64_t fp_zero(enum fp_fmt f, unsigned sign)
{
	return sign ? fp_sign_bit(f) : 0;
}
static inline uint64_t fp_inf(enum fp_fmt f, unsigned sign)
{
	return fp_zero(f, sign) | ((1ull << fp_ebits(f)) - 1) << fp_mbits(f);
}
static inline uint64_t fp_default_nan(enum fp_fmt f)
{
	return fp_inf(f, 0) | 1ull << (fp_mbits(f) - 1);
}
static inline uint64_t fp_max_normal(enum fp_fmt f, unsigned sign)
{
	return fp_inf(f, sign) - 1;
}
static inline enum fp_rmode fp_mode(const struct cpu *c)
{
	return (enum fp_rmode)FPCR_RMODE(c->fpcr);
}

/** fp_unpack - FPUnpack: flushes denormal inputs (not half) under FPCR.FZ and sets IDC. */
struct fp_num fp_unpack(struct cpu *c, enum fp_fmt f, uint64_t bits);
/** fp_round - FPRound of a non-zero value: @frac with bit 63 set, lowest bit sticky. */
uint64_t fp_round(struct cpu *c, enum fp_fmt f, unsigned sign, int32_t exp, uint64_t frac,
		  enum fp_rmode mode);
/** fp_nan1, fp_nan2 - FPProcessNaN(s): what an operation returns when an operand is a NaN. */
uint64_t fp_nan1(struct cpu *c, enum fp_fmt f, uint64_t a, struct fp_num x);
uint64_t fp_nan2(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b, struct fp_num x,
		 struct fp_num y);
/** fp_invalid - sets IOC, gives the default NaN. */
uint64_t fp_invalid(struct cpu *c, enum fp_fmt f);

static inline bool fp_is_nan(struct fp_num x)
{
	return x.cls >= FPC_QNAN;
}

/* Arithmetic. FNEG and FABS are bit operations of the handlers. */
uint64_t fp_add(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b);
uint64_t fp_sub(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b);
uint64_t fp_mul(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b);
/** fp_mulx - FMULX: infinity times zero is 2. */
uint64_t fp_mulx(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b);
uint64_t fp_div(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b);
uint64_t fp_sqrt(struct cpu *c, enum fp_fmt f, uint64_t a);
/** fp_muladd - (@addend + @a * @b) * 2^@scale, one rounding. */
uint64_t fp_muladd(struct cpu *c, enum fp_fmt f, uint64_t addend, uint64_t a, uint64_t b,
		   int32_t scale);
uint64_t fp_max(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b);
uint64_t fp_min(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b);
uint64_t fp_maxnm(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b);
uint64_t fp_minnm(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b);

/* Results of fp_cmp(): NZCV nibbles of FCMP. */
#define FP_EQ 6u
#define FP_LT 8u
#define FP_GT 2u
#define FP_UNORDERED 3u
/** fp_cmp - compares; IOC for signalling NaNs, and for quiet ones if @signal. */
unsigned fp_cmp(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b, bool signal);

/* Conversions (fp_conv.c). */
/** fp_to_fixed - rounds @a * 2^@fbits to an integer of @bits bits, saturating with IOC. Result masked to @bits. */
uint64_t fp_to_fixed(struct cpu *c, enum fp_fmt f, uint64_t a, unsigned fbits, bool is_signed,
		     unsigned bits, enum fp_rmode mode);
/** fp_from_fixed - @v / 2^@fbits; @v already extended to 64 bits. FPCR.RMode. */
uint64_t fp_from_fixed(struct cpu *c, enum fp_fmt f, uint64_t v, unsigned fbits, bool is_signed);
/** fp_rint - FRINT*: to an integral value. @exact: FRINTX, raises IXC. */
uint64_t fp_rint(struct cpu *c, enum fp_fmt f, uint64_t a, enum fp_rmode mode, bool exact);
/** fp_convert - FCVT between formats, with FPCR.AHP for half. */
uint64_t fp_convert(struct cpu *c, enum fp_fmt from, enum fp_fmt to, uint64_t a,
		    enum fp_rmode mode);

/* Estimates and steps (fp_est.c). */
uint64_t fp_recip_estimate(struct cpu *c, enum fp_fmt f, uint64_t a);
uint64_t fp_rsqrt_estimate(struct cpu *c, enum fp_fmt f, uint64_t a);
uint64_t fp_recip_step(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b);
uint64_t fp_rsqrt_step(struct cpu *c, enum fp_fmt f, uint64_t a, uint64_t b);
uint64_t fp_recip_exponent(struct cpu *c, enum fp_fmt f, uint64_t a);
uint32_t fp_urecpe(uint32_t a);
uint32_t fp_ursqrte(uint32_t a);
