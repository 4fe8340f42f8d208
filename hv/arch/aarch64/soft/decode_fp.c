/* SPDX-License-Identifier: Apache-2.0 */
/* Decoder of the scalar floating-point classes (DDI 0487, C4.1, Data Processing -- Scalar FP and Advanced SIMD). */
#include "hv/arch/aarch64/soft/decode.h"
#include "hv/arch/aarch64/soft/fp_core.h"
#include "hv/arch/aarch64/soft/fp_scalar.h"
#include "hv/arch/aarch64/soft/simd.h"

/* VFPExpandImm: sign, exponent and four fraction bits of an 8-bit immediate. */
uint64_t fp_expand_imm(enum fp_fmt f, uint32_t imm8)
{
	uint32_t b6 = imm8 >> 6 & 1;
	unsigned eb = fp_ebits(f), mb = fp_mbits(f);
	uint64_t exp =
		(uint64_t)!b6 << (eb - 1) | (b6 ? (1ull << (eb - 1)) - 4 : 0) | (imm8 >> 4 & 3);

	return fp_zero(f, imm8 >> 7) | exp << mb | (uint64_t)(imm8 & 15) << (mb - 4);
}

static bool fixed_conversion(uint32_t w, struct op *o, unsigned type)
{
	unsigned sf = w >> 31, rmode = bits(w, 20, 19), opcode = bits(w, 18, 16),
		 scale = bits(w, 15, 10);

	if (sf == 0 && scale < 32)
		return false;
	o->imm = 64 - (int)scale;
	if (rmode == 0 && (opcode & ~1u) == 2) {
		o->rn = reg_r(w, 5);
		o->fn = fps_from_int[opcode & 1][sf][type];
	} else if (rmode == 3 && opcode < 2) {
		o->rd = rd_w(w);
		o->fn = fps_to_int[FP_RZ][opcode & 1][sf][type];
	} else {
		return false;
	}
	return true;
}

/* FMOV between general and FP registers. */
static op_fn *int_move(unsigned sf, unsigned type, unsigned rmode, unsigned to_fp)
{
	if (sf == 0 && type == 0 && rmode == 0)
		return to_fp ? fps_mov_s_w : fps_mov_w_s;
	if (sf == 1 && type == 1 && rmode == 0)
		return to_fp ? fps_mov_d_x : fps_mov_x_d;
	if (sf == 1 && type == 2 && rmode == 1)
		return to_fp ? fps_mov_vd1_x : fps_mov_x_vd1;
	return NULL;
}

static bool int_conversion(uint32_t w, struct op *o, unsigned type)
{
	unsigned sf = w >> 31, rmode = bits(w, 20, 19), opcode = bits(w, 18, 16);

	o->imm = 0;
	if (opcode >= 6) {
		o->fn = int_move(sf, type, rmode, opcode & 1);
		if (opcode == 6)
			o->rd = rd_w(w);
		else
			o->rn = reg_r(w, 5);
		return o->fn != NULL;
	}
	if (type > 1)
		return false;
	if ((opcode & ~1u) == 2) {
		o->rn = reg_r(w, 5);
		o->fn = fps_from_int[opcode & 1][sf][type];
		return rmode == 0;
	}
	o->rd = rd_w(w);
	if (opcode >= 4) {
		o->fn = fps_to_int[FP_RA][opcode & 1][sf][type];
		return rmode == 0;
	}
	o->fn = fps_to_int[rmode][opcode & 1][sf][type];
	return true;
}

static bool one_source(uint32_t w, struct op *o, unsigned type)
{
	unsigned opcode = bits(w, 20, 15);

	if (opcode >= 16)
		return false;
	if (opcode >= 4 && opcode < 8) {
		o->fn = type == 2 ? NULL : fps_cvt[type == 3 ? 2 : type][opcode - 4];
		return o->fn != NULL;
	}
	if (type > 1)
		return false;
	o->fn = fps_1src[opcode][type];
	return o->fn != NULL;
}

static bool compare(uint32_t w, struct op *o, unsigned type)
{
	if (bits(w, 15, 14) != 0 || bits(w, 2, 0) != 0)
		return false;
	o->fn = fps_cmp[bits(w, 4, 3)][type];
	return true;
}

static bool immediate(uint32_t w, struct op *o, unsigned type)
{
	if (bits(w, 9, 5) != 0)
		return false;
	o->rn = 0;
	o->uimm = fp_expand_imm(type ? FP_D : FP_S, bits(w, 20, 13));
	o->fn = fps_imm[type];
	return true;
}

/* Bits 11..10 of the scalar classes: 0 the single-operand ones, which a mask of low bits tells apart. */
static bool by_low_bits(uint32_t w, struct op *o, unsigned type)
{
	if (bits(w, 15, 10) == 0)
		return int_conversion(w, o, type);
	if (bits(w, 14, 10) == 0x10)
		return one_source(w, o, type);
	if (type > 1)
		return false;
	if (bits(w, 13, 10) == 8)
		return compare(w, o, type);
	if (bits(w, 12, 10) == 4)
		return immediate(w, o, type);
	return false;
}

bool decode_fp_scalar(uint32_t w, struct op *o)
{
	unsigned type = bits(w, 23, 22), low = bits(w, 11, 10);

	if (bits(w, 29, 29) != 0)
		return false;
	if (bits(w, 24, 24)) { /* three sources */
		if (w >> 31 || type > 1)
			return false;
		o->fn = fps_3src[bits(w, 21, 21) << 1 | bits(w, 15, 15)][type];
		return true;
	}
	if (!bits(w, 21, 21))
		return type <= 1 && fixed_conversion(w, o, type);
	if (w >> 31 && bits(w, 15, 10) != 0) /* only integer conversions have sf */
		return false;
	if (low == 0)
		return by_low_bits(w, o, type);
	if (type > 1)
		return false;
	if (low == 2) {
		o->fn = fps_2src[bits(w, 15, 12)][type];
		return o->fn != NULL;
	}
	o->aux = (uint16_t)bits(w, 15, 12);
	if (low == 1) {
		o->fn = fps_ccmp[bits(w, 4, 4)][type];
		o->uimm = (uint64_t)bits(w, 3, 0) << 28;
	} else {
		o->fn = fps_csel[type];
	}
	return true;
}

bool decode_fp(uint32_t w, struct op *o)
{
	o->rd = (uint8_t)(w & 31);
	o->rn = (uint8_t)bits(w, 9, 5);
	o->rm = (uint8_t)bits(w, 20, 16);
	o->ra = (uint8_t)bits(w, 14, 10);
	o->imm = 0;
	o->aux = 0;
	if (bits(w, 28, 28) && bits(w, 30, 30) == 0)
		return decode_fp_scalar(w, o);
	return w >> 31 == 0 && decode_simd(w, o);
}
