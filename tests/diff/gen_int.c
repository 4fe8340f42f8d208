/* SPDX-License-Identifier: Apache-2.0 */
/* Integer data processing, moves of flags and FP status, and branches. Arm ARM C4.1. */
#include "gen.h"
#include <stddef.h>

#define SF(w) ((w) >> 31)
#define FIELD(w, lo, n) ((w) >> (lo) & ((1u << (n)) - 1))

static bool fix_logical_imm(struct gen *g, uint32_t *w, unsigned *flags)
{
	uint32_t n = FIELD(*w, 22, 1), imms = FIELD(*w, 10, 6);
	uint32_t len = n << 6 | (~imms & 63);
	unsigned top = 0;

	(void)g;
	if (n > SF(*w) || len < 2)
		return false;
	while (len >> (top + 1))
		top++;
	*flags |= FIELD(*w, 29, 2) == 3 ? ROW_D : ROW_D_SP;
	return (imms & ((1u << top) - 1)) != (1u << top) - 1;
}

static bool fix_movewide(struct gen *g, uint32_t *w, unsigned *flags)
{
	(void)g, (void)flags;
	return FIELD(*w, 29, 2) != 1 && (SF(*w) || FIELD(*w, 22, 1) == 0);
}

static bool fix_bitfield(struct gen *g, uint32_t *w, unsigned *flags)
{
	(void)g, (void)flags;
	*w = (*w & ~(1u << 22)) | SF(*w) << 22;
	return FIELD(*w, 29, 2) != 3 && (SF(*w) || !(*w & (1u << 21 | 1u << 15)));
}

static bool fix_extract(struct gen *g, uint32_t *w, unsigned *flags)
{
	(void)g, (void)flags;
	*w = (*w & ~(1u << 22)) | SF(*w) << 22;
	return SF(*w) || !(*w & 1u << 15);
}

static bool fix_shift_amount(struct gen *g, uint32_t *w, unsigned *flags)
{
	(void)g, (void)flags;
	return SF(*w) || !(*w & 1u << 15);
}

static bool fix_addsub_shift(struct gen *g, uint32_t *w, unsigned *flags)
{
	return FIELD(*w, 22, 2) != 3 && fix_shift_amount(g, w, flags);
}

static bool fix_addsub_ext(struct gen *g, uint32_t *w, unsigned *flags)
{
	(void)g, (void)flags;
	return FIELD(*w, 10, 3) <= 4;
}

static bool fix_1source(struct gen *g, uint32_t *w, unsigned *flags)
{
	unsigned op = FIELD(*w, 10, 3);

	(void)g, (void)flags;
	return op <= 5 && (SF(*w) || op != 3);
}

/*
 * Words of the whole data-processing space, allocated or not. Multiply-high with Ra other than
 * 31 breaks a should-be-one field and is left out.
 */
static bool fix_any_int(struct gen *g, uint32_t *w, unsigned *flags)
{
	(void)g;
	if ((*w & 0xff600000) == 0x9b400000 && FIELD(*w, 10, 5) != 31)
		return false;
	if ((*w & 0x1f000000) == 0x11000000 || (*w & 0x1fe00000) == 0x0b200000)
		*flags |= ROW_D_SP_NS;
	else if ((*w & 0x1f800000) == 0x12000000)
		*flags |= FIELD(*w, 29, 2) == 3 ? ROW_D : ROW_D_SP;
	else if ((*w & 0x1fe00000) == 0x1a400000)
		; /* conditional compare: no destination */
	else
		*flags |= ROW_D;
	return true;
}

/* MSR FPCR/FPSR: only values whose bits mean something in Armv8.0. */
static bool emit_msr_fp(struct gen *g, const struct gen_row *row)
{
	int r = gen_fresh(g);
	uint64_t rnd = case_rng_next(&g->s);

	if (r < 0)
		return false;
	gen_set(g, (unsigned)r, row->arg & rnd);
	gen_word(g, row->name, row->value | (uint32_t)r);
	return true;
}

/* Words from here to a place ahead in the case, or to its end. */
static uint32_t ahead(struct gen *g)
{
	return 1 + gen_rnd(g, g->len - g->n);
}

static bool emit_branch_imm(struct gen *g, const struct gen_row *row)
{
	uint32_t w = row->value | ((uint32_t)(case_rng_next(&g->s) >> 20) & ~row->mask);
	uint32_t bits = row->arg & 0xff, lo = row->arg >> 8;

	if (row->value == 0x94000000) { /* BL writes X30 */
		if (g->reserved >> 30 & 1)
			return false;
		g->written |= 1u << 30;
	}
	w |= (ahead(g) & ((1u << bits) - 1)) << lo;
	gen_word(g, row->name, w);
	return true;
}

static bool emit_branch_reg(struct gen *g, const struct gen_row *row)
{
	int r = gen_fresh(g);

	if (r < 0)
		return false;
	if (row->value == 0xd63f0000) { /* BLR */
		if (g->reserved >> 30 & 1)
			return false;
		g->written |= 1u << 30;
	}
	gen_set(g, (unsigned)r, CASE_CODE_BASE + g->c->d.code_off + 4ull * (1 + g->n + ahead(g)));
	gen_word(g, row->name, row->value | (uint32_t)r << 5);
	return true;
}

#define R(name, v, m, flags, fix)                                                                  \
	{                                                                                          \
		name, v, m, GEN_INT, flags, fix, NULL, 0                                           \
	}

const struct gen_row gen_rows_int[] = {
	R("adr", 0x10000000, 0x1f000000, ROW_D, NULL),
	R("addsub_imm", 0x11000000, 0x1f800000, ROW_D_SP_NS, NULL),
	R("logical_imm", 0x12000000, 0x1f800000, 0, fix_logical_imm),
	R("movewide", 0x12800000, 0x1f800000, ROW_D, fix_movewide),
	R("bitfield", 0x13000000, 0x1f800000, ROW_D, fix_bitfield),
	R("bitfield2", 0x13000000, 0x1f800000, ROW_D, fix_bitfield),
	R("extract", 0x13800000, 0x7fa00000, ROW_D, fix_extract),
	R("logical_reg", 0x0a000000, 0x1f000000, ROW_D, fix_shift_amount),
	R("addsub_shift", 0x0b000000, 0x1f200000, ROW_D, fix_addsub_shift),
	R("addsub_ext", 0x0b200000, 0x1fe00000, ROW_D_SP_NS, fix_addsub_ext),
	R("adc_sbc", 0x1a000000, 0x1fe0fc00, ROW_D, NULL),
	R("ccmp_reg", 0x3a400000, 0x3fe00c10, 0, NULL),
	R("ccmp_imm", 0x3a400800, 0x3fe00c10, 0, NULL),
	R("csel", 0x1a800000, 0x3fe00800, ROW_D, NULL),
	R("div", 0x1ac00800, 0x7fe0f800, ROW_D, NULL),
	R("shift_reg", 0x1ac02000, 0x7fe0f000, ROW_D, NULL),
	R("1source", 0x5ac00000, 0x7fffe000, ROW_D, fix_1source),
	R("madd", 0x1b000000, 0x7fe00000, ROW_D, NULL),
	R("maddl", 0x9b200000, 0xff600000, ROW_D, NULL),
	R("mulh", 0x9b407c00, 0xff60fc00, ROW_D, NULL),
	R("any_imm", 0x10000000, 0x1c000000, ROW_ANY, fix_any_int),
	R("any_reg", 0x0a000000, 0x0e000000, ROW_ANY, fix_any_int),
	R("msr_nzcv", 0xd51b4200, 0xffffffe0, 0, NULL),
	R("mrs_nzcv", 0xd53b4200, 0xffffffe0, ROW_D, NULL),
	R("hint", 0xd503201f, 0xffffffff, 0, NULL),
	{"mrs_fpcr", 0xd53b4400, 0xffffffe0, GEN_FP, ROW_D, 0, 0, 0},
	{"mrs_fpsr", 0xd53b4420, 0xffffffe0, GEN_FP, ROW_D, 0, 0, 0},
	{"msr_fpcr", 0xd51b4400, 0xffffffe0, GEN_FP, 0, 0, emit_msr_fp, 0x07c00000},
	{"msr_fpsr", 0xd51b4420, 0xffffffe0, GEN_FP, 0, 0, emit_msr_fp, 0x0800009f},
	{"b", 0x14000000, 0xffffffff, GEN_BRANCH, 0, 0, emit_branch_imm, 26},
	{"bl", 0x94000000, 0xffffffff, GEN_BRANCH, 0, 0, emit_branch_imm, 26},
	{"bcond", 0x54000000, 0xfffffff0, GEN_BRANCH, 0, 0, emit_branch_imm, 5 << 8 | 19},
	{"cbz", 0x34000000, 0x7effffe0, GEN_BRANCH, 0, 0, emit_branch_imm, 5 << 8 | 19},
	{"tbz", 0x36000000, 0x7e07ffe0, GEN_BRANCH, 0, 0, emit_branch_imm, 5 << 8 | 14},
	{"br", 0xd61f0000, 0xffffffff, GEN_BRANCH, 0, 0, emit_branch_reg, 0},
	{"blr", 0xd63f0000, 0xffffffff, GEN_BRANCH, 0, 0, emit_branch_reg, 0},
	{"ret", 0xd65f0000, 0xffffffff, GEN_BRANCH, 0, 0, emit_branch_reg, 0},
};
const unsigned gen_rows_int_n = sizeof(gen_rows_int) / sizeof(gen_rows_int[0]);
