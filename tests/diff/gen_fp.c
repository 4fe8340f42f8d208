/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scalar floating point and AdvSIMD data processing. Arm ARM C4.1.96 ff.
 *
 * Unallocated words in here are harmless (undefined on both sides), so the AdvSIMD rows do not
 * filter all of them; they only keep them rare, because an undefined word ends its case.
 */
#include "gen.h"
#include <stddef.h>

#define FIELD(w, lo, n) ((w) >> (lo) & ((1u << (n)) - 1))

static bool fix_fp_int(struct gen *g, uint32_t *w, unsigned *flags)
{
	uint32_t op = FIELD(*w, 16, 3), rmode = FIELD(*w, 19, 2), type = FIELD(*w, 22, 2);
	uint32_t sf = *w >> 31;

	(void)g;
	if (op != 2 && op != 3 && op != 7)
		*flags |= ROW_D;
	if (op >= 6) { /* FMOV */
		if (type == 2)
			return sf && rmode == 1;
		return type == sf && type < 2 && rmode == 0;
	}
	return type < 2 && (op <= 1 || rmode == 0);
}

static bool fix_fp_fixed(struct gen *g, uint32_t *w, unsigned *flags)
{
	uint32_t op = FIELD(*w, 16, 3), rmode = FIELD(*w, 19, 2);

	(void)g;
	if (op <= 1)
		*flags |= ROW_D;
	return (*w >> 31 || (*w & 1u << 15)) &&
	       ((op <= 1 && rmode == 3) || ((op == 2 || op == 3) && rmode == 0));
}

static bool fix_fp_1src(struct gen *g, uint32_t *w, unsigned *flags)
{
	uint32_t op = FIELD(*w, 15, 6), type = FIELD(*w, 22, 2);

	(void)g, (void)flags;
	if (op >= 4 && op <= 7 && op != 6)
		return type != 2 && (op & 3) != type;
	return type < 2 && (op <= 3 || (op >= 8 && op <= 15 && op != 13));
}

static bool fix_fp_2src(struct gen *g, uint32_t *w, unsigned *flags)
{
	(void)g, (void)flags;
	return FIELD(*w, 12, 4) <= 8;
}

/* The fields of an AdvSIMD word; f is the high bit of size, sz the low one, as FP forms use them. */
struct vf {
	uint32_t q, u, size, op5, op4, f, sz;
};

static struct vf fields(uint32_t w)
{
	return (struct vf){FIELD(w, 30, 1), FIELD(w, 29, 1), FIELD(w, 22, 2), FIELD(w, 11, 5),
			   FIELD(w, 12, 4), FIELD(w, 23, 1), FIELD(w, 22, 1)};
}

/* Is bit @i of @set set? */
static bool in(uint32_t set, uint32_t i)
{
	return set >> i & 1;
}

/* FP forms of "three same" with opcodes 24 to 31: bit (opcode - 24) for each of U:f. */
static const uint8_t three_fp[4] = {0xdf, 0xc7, 0xfd, 0x75};
static const uint8_t three_fp_scalar[4] = {0x98, 0x80, 0x30, 0x34};

static bool fix_3same(struct gen *g, uint32_t *w, unsigned *flags)
{
	struct vf v = fields(*w);

	(void)g, (void)flags;
	if (v.op5 >= 24)
		return in(three_fp[v.u << 1 | v.f], v.op5 - 24) && (!v.sz || v.q);
	if (v.op5 == 3)
		return true;
	if (v.op5 == 19 && v.u)
		return v.size == 0;
	if (v.op5 == 22)
		return v.size == 1 || v.size == 2;
	if (v.op5 == 23 && v.u)
		return false;
	return v.size != 3 || (v.q && in(0x830fe2, v.op5));
}

static bool fix_s_3same(struct gen *g, uint32_t *w, unsigned *flags)
{
	struct vf v = fields(*w);

	(void)g, (void)flags;
	if (v.op5 >= 24)
		return in(three_fp_scalar[v.u << 1 | v.f], v.op5 - 24);
	if (v.op5 == 22)
		return v.size == 1 || v.size == 2;
	return in(0xa22, v.op5) || (v.size == 3 && in(0x305c0, v.op5));
}

static bool fix_3diff(struct gen *g, uint32_t *w, unsigned *flags)
{
	struct vf v = fields(*w);

	(void)g, (void)flags;
	if (v.op4 == 9 || v.op4 == 11 || v.op4 == 13)
		return !v.u && (v.size == 1 || v.size == 2);
	if (v.op4 == 14)
		return !v.u && v.size == 0;
	return v.size != 3 && v.op4 != 15;
}

static bool fix_s_3diff(struct gen *g, uint32_t *w, unsigned *flags)
{
	struct vf v = fields(*w);

	(void)g, (void)flags;
	return (v.op4 == 9 || v.op4 == 11 || v.op4 == 13) && !v.u && (v.size == 1 || v.size == 2);
}

/* FP forms of "two registers, miscellaneous" by U:f; 22, 23 and 28 with f have rules of their own. */
static const uint32_t misc_fp[4] = {0x3f000000, 0x2f00f000, 0x3e000000, 0xae00b000};
static const uint32_t misc_fp_scalar[4] = {0x3c000000, 0xac007000, 0x3c000000, 0x2c003000};

static bool fix_2misc(struct gen *g, uint32_t *w, unsigned *flags)
{
	struct vf v = fields(*w);
	uint32_t op = FIELD(*w, 12, 5);

	(void)g, (void)flags;
	if (op == 22)
		return !v.f && (!v.u || v.sz);
	if (op == 23)
		return !v.f && !v.u;
	if (op == 28 && v.f)
		return !v.sz;
	if (op >= 24 || (op >= 12 && op < 16))
		return in(misc_fp[v.u << 1 | v.f] | (v.u && v.f ? 1u << 25 : 0), op) &&
		       (!v.sz || v.q);
	switch (op) {
	case 0:
		return v.size < 3u - v.u;
	case 1:
		return !v.u && v.size == 0;
	case 5:
		return v.size <= v.u;
	case 3:
	case 7:
	case 8:
	case 9:
	case 11:
		return v.size != 3 || v.q;
	case 10:
		return !v.u && (v.size != 3 || v.q);
	case 19:
		return v.u && v.size != 3;
	case 2:
	case 4:
	case 6:
	case 18:
	case 20:
		return v.size != 3;
	default:
		return false;
	}
}

static bool fix_s_2misc(struct gen *g, uint32_t *w, unsigned *flags)
{
	struct vf v = fields(*w);
	uint32_t op = FIELD(*w, 12, 5);

	(void)g, (void)flags;
	if (op == 22)
		return v.u && !v.f && v.sz;
	if (op >= 24 || (op >= 12 && op < 16))
		return in(misc_fp_scalar[v.u << 1 | v.f], op);
	if (op == 3 || op == 7)
		return true;
	if (op == 8 || op == 9 || op == 11 || (op == 10 && !v.u))
		return v.size == 3;
	return (op == 20 || (op == 18 && v.u)) && v.size != 3;
}

static bool fix_s_pairwise(struct gen *g, uint32_t *w, unsigned *flags)
{
	struct vf v = fields(*w);
	uint32_t op = FIELD(*w, 12, 5);

	(void)g, (void)flags;
	if (!v.u)
		return op == 27 && v.size == 3;
	return op == 12 || op == 15 || (op == 13 && !v.f);
}

static bool fix_across(struct gen *g, uint32_t *w, unsigned *flags)
{
	struct vf v = fields(*w);
	uint32_t op = FIELD(*w, 12, 5);

	(void)g, (void)flags;
	if (op == 12 || op == 15)
		return v.u && v.q && !v.sz;
	return (op == 3 || op == 10 || op == 26 || (op == 27 && !v.u)) && v.size != 3 &&
	       (v.size != 2 || v.q);
}

static bool fix_indexed(struct gen *g, uint32_t *w, unsigned *flags)
{
	struct vf v = fields(*w);
	bool wide = v.size == 3;

	(void)g, (void)flags;
	if (v.op4 == 1 || v.op4 == 5 || v.op4 == 9)
		return (v.op4 == 9 || !v.u) && v.size >= 2 && (!wide || (v.q && !FIELD(*w, 21, 1)));
	return v.size >= 1 && v.size <= 2 && in(v.u ? 0x0455 : 0x3dcc, v.op4);
}

static bool fix_s_indexed(struct gen *g, uint32_t *w, unsigned *flags)
{
	struct vf v = fields(*w);

	(void)g, (void)flags;
	if (v.op4 == 1 || v.op4 == 5 || v.op4 == 9)
		return (v.op4 == 9 || !v.u) && v.size >= 2 && (v.size == 2 || !FIELD(*w, 21, 1));
	return !v.u && v.size >= 1 && v.size <= 2 && in(0x3888, v.op4);
}

static bool fix_permute(struct gen *g, uint32_t *w, unsigned *flags)
{
	(void)g, (void)flags;
	return FIELD(*w, 12, 2) != 0 && (FIELD(*w, 22, 2) != 3 || FIELD(*w, 30, 1));
}

static bool fix_copy(struct gen *g, uint32_t *w, unsigned *flags)
{
	uint32_t op = FIELD(*w, 11, 4), q = FIELD(*w, 30, 1), imm5 = FIELD(*w, 16, 5);

	(void)g;
	if (!(imm5 & 15))
		return false;
	if (*w & 1u << 29)
		return q; /* INS element */
	if (op == 5 || op == 7) {
		*flags |= ROW_D;
		return true;
	}
	return op == 0 || op == 1 || (op == 3 && q);
}

static bool fix_ext(struct gen *g, uint32_t *w, unsigned *flags)
{
	(void)g, (void)flags;
	return (*w & 1u << 30) || !(*w & 1u << 14);
}

static bool fix_modimm(struct gen *g, uint32_t *w, unsigned *flags)
{
	(void)g, (void)flags;
	return FIELD(*w, 12, 4) != 15 || !(*w & 1u << 29) || (*w & 1u << 30);
}

static bool fix_shimm(struct gen *g, uint32_t *w, unsigned *flags)
{
	struct vf v = fields(*w);
	uint32_t immh = FIELD(*w, 19, 4);

	(void)g, (void)flags;
	if (!immh)
		return false;
	if (v.op5 >= 16 && v.op5 <= 20)
		return immh < 8;
	if (v.op5 == 28 || v.op5 == 31)
		return immh >= 4 && (immh < 8 || v.q);
	return in(v.u ? 0x5555 : 0x4455, v.op5) && (immh < 8 || v.q);
}

static bool fix_s_shimm(struct gen *g, uint32_t *w, unsigned *flags)
{
	struct vf v = fields(*w);
	uint32_t immh = FIELD(*w, 19, 4);

	(void)g, (void)flags;
	if (v.op5 == 28 || v.op5 == 31)
		return immh >= 4;
	if (v.op5 >= 16 && v.op5 <= 19)
		return immh && immh < 8 && (v.u || v.op5 >= 18);
	if (v.op5 == 14 || (v.op5 == 12 && v.u))
		return immh != 0;
	return immh >= 8 && in(v.u ? 0x0555 : 0x0455, v.op5);
}

static bool fix_s_copy(struct gen *g, uint32_t *w, unsigned *flags)
{
	(void)g, (void)flags;
	return FIELD(*w, 16, 4) != 0;
}

static bool fix_any_fp(struct gen *g, uint32_t *w, unsigned *flags)
{
	(void)g;
	/* Whatever may write a general register does it through the tracked path. */
	if ((*w & 0x5f200000) == 0x1e000000 || (*w & 0x5f20fc00) == 0x1e200000 ||
	    (*w & 0x9fe08400) == 0x0e000400)
		*flags |= ROW_D;
	return true;
}

#define F(name, v, m, flags, fix)                                                                  \
	{                                                                                          \
		name, v, m, GEN_FP, flags, fix, NULL, 0                                            \
	}
#define V(name, v, m, flags, fix)                                                                  \
	{                                                                                          \
		name, v, m, GEN_SIMD, flags, fix, NULL, 0                                          \
	}

const struct gen_row gen_rows_fp[] = {
	F("fp_int", 0x1e200000, 0x7f20fc00, 0, fix_fp_int),
	F("fp_fixed", 0x1e000000, 0x7fa00000, 0, fix_fp_fixed),
	F("fp_1src", 0x1e204000, 0xff207c00, 0, fix_fp_1src),
	F("fp_1src2", 0x1e204000, 0xff207c00, 0, fix_fp_1src),
	F("fp_cmp", 0x1e202000, 0xffa0fc07, 0, NULL),
	F("fp_imm", 0x1e201000, 0xffa01fe0, 0, NULL),
	F("fp_ccmp", 0x1e200400, 0xffa00c00, 0, NULL),
	F("fp_2src", 0x1e200800, 0xffa00c00, 0, fix_fp_2src),
	F("fp_2src2", 0x1e200800, 0xffa00c00, 0, fix_fp_2src),
	F("fp_csel", 0x1e200c00, 0xffa00c00, 0, NULL),
	F("fp_3src", 0x1f000000, 0xff800000, 0, NULL),
	F("fp_any", 0x1e000000, 0x5e000000, ROW_ANY, fix_any_fp),
	V("v_3same", 0x0e200400, 0x9f200400, 0, fix_3same),
	V("v_3same_int", 0x0e200400, 0x9f20c400, 0, fix_3same),
	V("v_3same_fp", 0x0e20c400, 0x9f20c400, 0, fix_3same),
	V("v_3same_logic", 0x0e201c00, 0x9f20fc00, 0, NULL),
	V("v_3diff", 0x0e200000, 0x9f200c00, 0, fix_3diff),
	V("v_2misc", 0x0e200800, 0x9f3e0c00, 0, fix_2misc),
	V("v_2misc_fp", 0x0e218800, 0x9f3f8c00, 0, fix_2misc),
	V("v_across", 0x0e300800, 0x9f3e0c00, 0, fix_across),
	V("v_copy", 0x0e000400, 0x9fe08400, 0, fix_copy),
	V("v_permute", 0x0e000800, 0xbf208c00, 0, fix_permute),
	V("v_ext", 0x2e000000, 0xbfe08400, 0, fix_ext),
	V("v_tbl", 0x0e000000, 0xbfe08c00, 0, NULL),
	V("v_modimm", 0x0f000400, 0x9ff80c00, 0, fix_modimm),
	V("v_shimm", 0x0f000400, 0x9f800400, 0, fix_shimm),
	V("v_indexed", 0x0f000000, 0x9f000400, 0, fix_indexed),
	V("s_3same", 0x5e200400, 0xdf200400, 0, fix_s_3same),
	V("s_3diff", 0x5e200000, 0xdf200c00, 0, fix_s_3diff),
	V("s_2misc", 0x5e200800, 0xdf3e0c00, 0, fix_s_2misc),
	V("s_2misc_fp", 0x5e218800, 0xdf3f8c00, 0, fix_s_2misc),
	V("s_pairwise", 0x5e300800, 0xdf3e0c00, 0, fix_s_pairwise),
	V("s_copy", 0x5e000400, 0xffe0fc00, 0, fix_s_copy),
	V("s_shimm", 0x5f000400, 0xdf800400, 0, fix_s_shimm),
	V("s_indexed", 0x5f000000, 0xdf000400, 0, fix_s_indexed),
	V("v_any", 0x0e000000, 0x9e000000, ROW_ANY, fix_any_fp),
	V("s_any", 0x5e000000, 0xde000000, ROW_ANY, fix_any_fp),
};
const unsigned gen_rows_fp_n = sizeof(gen_rows_fp) / sizeof(gen_rows_fp[0]);
