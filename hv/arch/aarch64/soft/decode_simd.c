/* SPDX-License-Identifier: Apache-2.0 */
/* Decoder of the AdvSIMD data-processing classes. "size" is the lane: 0 byte .. 3 doubleword. */
#include "hv/arch/aarch64/soft/decode.h"
#include "hv/arch/aarch64/soft/simd.h"

struct fields {
	unsigned q, u, size, opcode;
	bool scalar;
};

/* Sizes (bit n: size n) that the scalar forms of integer operations have, [U][opcode]. */
/* Rows as in the encoding tables. */
/* clang-format off */
static const uint8_t scalar_3same[2][32] = {
	{
		[0x01] = 15, [0x05] = 15, [0x06] = 8, [0x07] = 8, [0x08] = 8, [0x09] = 15, [0x0a] = 8,
		[0x0b] = 15, [0x10] = 8, [0x11] = 8, [0x16] = 6, [0x1b] = 3, [0x1c] = 3, [0x1f] = 15,
	},
	{
		[0x01] = 15, [0x05] = 15, [0x06] = 8, [0x07] = 8, [0x08] = 8, [0x09] = 15, [0x0a] = 8,
		[0x0b] = 15, [0x10] = 8, [0x11] = 8, [0x16] = 6, [0x1a] = 12, [0x1c] = 15, [0x1d] = 15,
	},
};
static const uint8_t scalar_2misc[2][32] = {
	{
		[0x03] = 15, [0x07] = 15, [0x08] = 8, [0x09] = 8, [0x0a] = 8, [0x0b] = 8, [0x0c] = 12,
		[0x0d] = 12, [0x0e] = 12, [0x14] = 7, [0x1a] = 15, [0x1b] = 15, [0x1c] = 3, [0x1d] = 15,
		[0x1f] = 12,
	},
	{
		[0x03] = 15, [0x07] = 15, [0x08] = 8, [0x09] = 8, [0x0b] = 8, [0x0c] = 12, [0x0d] = 12,
		[0x12] = 7, [0x14] = 7, [0x1a] = 15, [0x1b] = 15, [0x1c] = 3, [0x1d] = 15,
	},
};
/* The same by the lane that the immediate's leading one tells; of the narrow lane for 0x10..0x13. */
static const uint8_t scalar_shift[2][32] = {
	{
		[0x00] = 8, [0x02] = 8, [0x04] = 8, [0x06] = 8, [0x0a] = 8, [0x0e] = 15, [0x12] = 7,
		[0x13] = 7, [0x1c] = 12, [0x1f] = 12,
	},
	{
		[0x00] = 8, [0x02] = 8, [0x04] = 8, [0x06] = 8, [0x08] = 8, [0x0a] = 8, [0x0c] = 15,
		[0x0e] = 15, [0x10] = 7, [0x11] = 7, [0x12] = 7, [0x13] = 7, [0x1c] = 12, [0x1f] = 12,
	},
};

/* clang-format on */

static bool has(const uint8_t sizes[2][32], const struct fields *f)
{
	return sizes[f->u][f->opcode] >> f->size & 1;
}

/* Sets the handler and the width for lanes of size @lane; false without a handler. */
static bool done(struct op *o, op_fn *fn, const struct fields *f, unsigned lane)
{
	o->fn = fn;
	o->aux = (uint16_t)(f->scalar ? 1u << lane : f->q ? 16 : 8);
	return fn != NULL;
}

/* The same for long and narrow forms: the narrow vector is 8 bytes, and Q selects the upper part. */
static bool done_long(struct op *o, op_fn *fn, const struct fields *f, unsigned lane)
{
	o->fn = fn;
	o->aux = (uint16_t)(f->scalar ? 1u << lane : f->q ? 8 | AUX_UPPER : 8);
	return fn != NULL;
}

/* Doublewords in 64-bit vectors do not exist. */
static bool lone_d(const struct fields *f, unsigned lane)
{
	return lane == 3 && !f->q && !f->scalar;
}

static bool three_same(struct op *o, const struct fields *f)
{
	if (f->scalar && !has(scalar_3same, f))
		return false;
	if (f->opcode >= 0x18) {
		unsigned lane = 2 + (f->size & 1);
		return !lone_d(f, lane) &&
		       done(o, simd_3same_fp[f->u][f->opcode][f->size], f, lane);
	}
	if (f->opcode == 3) /* logic: size selects the operation */
		return done(o, simd_3same[f->u][3][f->size], f, 0);
	return !lone_d(f, f->size) && done(o, simd_3same[f->u][f->opcode][f->size], f, f->size);
}

static bool three_different(struct op *o, const struct fields *f)
{
	unsigned opcode = f->opcode >> 1;

	if (f->scalar && (f->u || (opcode != 9 && opcode != 11 && opcode != 13)))
		return false;
	return done_long(o, simd_3diff[f->u][opcode][f->size], f, f->size);
}

/* FCVTN, FCVTL, FCVTXN: size<0> picks the pair of formats. */
static bool misc_convert(struct op *o, const struct fields *f)
{
	if (f->size > 1)
		return false;
	if (f->u)
		return f->opcode == 0x16 && f->size == 1 && done_long(o, simd_fcvtxn, f, 2);
	if (f->scalar)
		return false;
	return done_long(o, f->opcode == 0x16 ? simd_fcvt_narrow[f->size] : simd_fcvt_long[f->size],
			 f, 2);
}

static bool two_misc(struct op *o, const struct fields *f)
{
	unsigned lane = 2 + (f->size & 1);
	op_fn *fn;

	if (f->opcode == 0x16 || f->opcode == 0x17)
		return misc_convert(o, f);
	if (f->scalar ? !has(scalar_2misc, f)
		      : !f->u && f->opcode == 0x1f) /* FRECPX has no vector form */
		return false;
	if (f->opcode >= 0x12 && f->opcode <= 0x14)
		return done_long(o, simd_2misc_narrow[f->u][f->opcode][f->size], f, f->size);
	fn = simd_2misc_fp[f->u][f->opcode][f->size];
	if (fn)
		return !lone_d(f, lane) && done(o, fn, f, lane);
	return !lone_d(f, f->size) && done(o, simd_2misc[f->u][f->opcode][f->size], f, f->size);
}

static bool across(struct op *o, const struct fields *f)
{
	op_fn *fn = simd_across_fp[f->u][f->opcode][f->size];

	if (fn)
		return f->q && done(o, fn, f, 2);
	return !(f->size == 2 && !f->q) &&
	       done(o, simd_across[f->u][f->opcode][f->size], f, f->size);
}

static bool scalar_pairwise(struct op *o, const struct fields *f)
{
	if (!f->u)
		return f->opcode == 0x1b && f->size == 3 && done(o, simd_addp_d, f, 3);
	return done(o, simd_pair_fp[f->opcode][f->size], f, 3);
}

static bool by_element(uint32_t w, struct op *o, struct fields *f)
{
	unsigned opcode = bits(w, 15, 12), h = bits(w, 11, 11), l = bits(w, 21, 21),
		 m = bits(w, 20, 20);
	op_fn *fp = simd_elem_fp[f->u][opcode][f->size],
	      *lng = simd_elem_long[f->u][opcode][f->size];

	if (f->size == 1) {
		o->rm &= 15;
		o->imm = h << 2 | l << 1 | m;
	} else {
		o->imm = h << 1 | l;
	}
	if (fp) {
		if (f->size == 3 && (l || (!f->q && !f->scalar)))
			return false;
		if (f->size == 3)
			o->imm = h;
		return done(o, fp, f, f->size);
	}
	if (lng) {
		if (f->scalar && opcode != 3 && opcode != 7 && opcode != 11)
			return false;
		return done_long(o, lng, f, f->size);
	}
	if (f->scalar && (opcode & ~1u) != 12)
		return false;
	return done(o, simd_elem[f->u][opcode][f->size], f, f->size);
}

static bool shift_imm(uint32_t w, struct op *o, struct fields *f)
{
	unsigned immh = bits(w, 22, 19), imm = bits(w, 22, 16);
	bool left;

	f->size = 31 - (unsigned)__builtin_clz(immh);
	left = f->opcode == 0x0a || f->opcode == 0x0c || f->opcode == 0x0e || f->opcode == 0x14;
	o->imm = left ? (int)imm - (8 << f->size) : (16 << f->size) - (int)imm;
	if (f->scalar && !has(scalar_shift, f))
		return false;
	if (f->opcode >= 0x10 && f->opcode <= 0x14)
		return done_long(o, simd_shift_narrow[f->u][f->opcode][f->size], f, f->size);
	if (lone_d(f, f->size))
		return false;
	if (f->opcode >= 0x1c)
		return done(o, simd_shift_fp[f->u][f->opcode][f->size], f, f->size);
	return done(o, simd_shift[f->u][f->opcode][f->size], f, f->size);
}

/* AdvSIMDExpandImm without the floating-point forms. */
static uint64_t expand_imm(unsigned cmode, unsigned op, uint64_t imm8)
{
	uint64_t r;

	if (cmode < 8) /* 32-bit, shifted by bytes */
		return (imm8 << (8 * (cmode >> 1))) * 0x0000000100000001ull;
	if (cmode < 12) /* 16-bit */
		return (imm8 << (8 * (cmode >> 1 & 1))) * 0x0001000100010001ull;
	if (cmode < 14) /* 32-bit, shifting ones in */
		return ((imm8 << (8 << (cmode & 1))) | ((1ull << (8 << (cmode & 1))) - 1)) *
		       0x0000000100000001ull;
	if (!op)
		return imm8 * 0x0101010101010101ull;
	r = 0;
	for (unsigned i = 0; i < 8; i++) /* each bit a byte */
		r |= (imm8 >> i & 1 ? 0xffull : 0) << (8 * i);
	return r;
}

static bool modified_imm(uint32_t w, struct op *o, const struct fields *f)
{
	unsigned cmode = bits(w, 15, 12), imm8 = bits(w, 18, 16) << 5 | bits(w, 9, 5);
	op_fn *fn = simd_movi;

	if (bits(w, 11, 11)) /* half precision */
		return false;
	if (cmode == 15) {
		if (f->u && !f->q)
			return false;
		o->uimm = fp_expand_imm(f->u ? FP_D : FP_S, imm8);
		if (!f->u)
			o->uimm |= o->uimm << 32;
		return done(o, fn, f, 3);
	}
	o->uimm = expand_imm(cmode, f->u, imm8);
	if (cmode < 12 && (cmode & 1))
		fn = f->u ? simd_bic_imm : simd_orr_imm;
	else if (f->u && cmode < 14)
		o->uimm = ~o->uimm;
	return done(o, fn, f, 3);
}

static bool move_to_gpr(uint32_t w, struct op *o, const struct fields *f, unsigned lane, bool sign)
{
	o->rd = rd_w(w);
	o->aux = 0;
	if (sign)
		o->fn = f->q ? simd_smov_x[lane] : simd_smov_w[lane];
	else
		o->fn = f->q == (lane == 3) ? simd_umov[lane] : NULL;
	return o->fn != NULL;
}

static bool copy(uint32_t w, struct op *o, const struct fields *f)
{
	unsigned imm5 = bits(w, 20, 16), imm4 = bits(w, 14, 11), lane, index;

	if ((imm5 & 15) == 0)
		return false;
	lane = (unsigned)__builtin_ctz(imm5);
	index = imm5 >> (lane + 1);
	o->imm = index;
	if (f->scalar)
		return !f->u && imm4 == 0 && done(o, simd_dup_elem[lane], f, lane);
	if (f->u) { /* INS (element) */
		o->ra = (uint8_t)index;
		o->imm = imm4 >> lane;
		return f->q && done(o, simd_ins_elem[lane], f, lane);
	}
	switch (imm4) {
	case 0:
		return !lone_d(f, lane) && done(o, simd_dup_elem[lane], f, lane);
	case 1:
		o->rn = reg_r(w, 5);
		return !lone_d(f, lane) && done(o, simd_dup_gpr[lane], f, lane);
	case 3:
		o->rn = reg_r(w, 5);
		o->ra = (uint8_t)index;
		return f->q && done(o, simd_ins_gpr[lane], f, lane);
	case 5:
	case 7:
		return move_to_gpr(w, o, f, lane, imm4 == 5);
	default:
		return false;
	}
}

/* Bit 21 clear, bit 10 clear: table lookup, permute, extract. */
static bool lookup_permute_extract(uint32_t w, struct op *o, const struct fields *f)
{
	if (f->scalar || bits(w, 15, 15))
		return false;
	if (f->u) {
		o->imm = bits(w, 14, 11);
		return f->size == 0 && (f->q || o->imm < 8) && done(o, simd_ext, f, 0);
	}
	if (bits(w, 11, 11))
		return !lone_d(f, f->size) &&
		       done(o, simd_permute[bits(w, 14, 12)][f->size], f, f->size);
	return f->size == 0 && done(o, simd_tbl[bits(w, 12, 12)][bits(w, 14, 13)], f, 0);
}

/* Bit 24 clear, bits 11..10 = 2 with bit 21 set: bits 20..17 tell the class. */
static bool misc(uint32_t w, struct op *o, struct fields *f)
{
	f->opcode = bits(w, 16, 12);
	if (bits(w, 20, 17) == 0)
		return two_misc(o, f);
	if (bits(w, 20, 17) == 8)
		return f->scalar ? scalar_pairwise(o, f) : across(o, f);
	return false;
}

bool decode_simd(uint32_t w, struct op *o)
{
	struct fields f = {
		.q = bits(w, 30, 30),
		.u = bits(w, 29, 29),
		.size = bits(w, 23, 22),
		.opcode = bits(w, 15, 11),
		.scalar = bits(w, 28, 28),
	};

	if (bits(w, 24, 24)) {
		if (!bits(w, 10, 10))
			return by_element(w, o, &f);
		if (bits(w, 23, 23))
			return false;
		if (bits(w, 22, 19))
			return shift_imm(w, o, &f);
		return !f.scalar && modified_imm(w, o, &f);
	}
	if (bits(w, 21, 21)) {
		if (bits(w, 10, 10))
			return three_same(o, &f);
		return bits(w, 11, 11) ? misc(w, o, &f) : three_different(o, &f);
	}
	if (!bits(w, 10, 10))
		return lookup_permute_extract(w, o, &f);
	return f.size == 0 && !bits(w, 15, 15) && copy(w, o, &f);
}
