/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside of the FP/AdvSIMD part: what decode_fp*.c and the handler files simd_*.c, fp_scalar.c share.
 *
 * Handlers sit in tables in the order of the encoding, [U][opcode][size]; NULL is unallocated. A scalar form is the
 * vector form with fewer bytes. Operands: rd, rn, rm, ra index cpu.v; o->aux as below; o->imm is the shift, the lane
 * index or the immediate.
 */
#include "hv/arch/aarch64/soft/op.h"
#include "hv/arch/aarch64/soft/fp_core.h"
#include "hv/arch/aarch64/soft/vset.h"

/* aux: bytes of the vector (1, 2, 4, 8, 16); of the narrow vector in long and narrow forms. */
#define AUX_BYTES 0x1fu
/* aux: second-part form ("2") of a long, wide or narrow operation. */
#define AUX_UPPER 0x100u

typedef op_fn *const simd_row[4];

extern simd_row simd_3same[2][32];    /* integer: opcodes 0..0x17 */
extern simd_row simd_3same_fp[2][32]; /* opcodes 0x18..0x1f, size<1> selects the operation */
extern simd_row simd_elem[2][16];
extern simd_row simd_elem_fp[2][16];
extern simd_row simd_3diff[2][16];
extern simd_row simd_elem_long[2][16];
extern simd_row simd_2misc[2][32];
extern simd_row simd_2misc_narrow[2][32]; /* XTN and friends, by size of the narrow lane */
extern simd_row simd_2misc_fp[2][32];
extern simd_row simd_across[2][32];
extern simd_row simd_across_fp[2][32]; /* opcode, size as in simd_3same_fp */
extern simd_row simd_pair_fp[32];
extern simd_row simd_shift[2][32];	  /* opcode, log2 of the lane's bytes */
extern simd_row simd_shift_narrow[2][32]; /* by size of the narrow lane */
extern simd_row simd_shift_fp[2][32];
extern op_fn *const simd_fcvt_long[2], *const simd_fcvt_narrow[2], *const simd_fcvtxn;
extern op_fn *const simd_addp_d;
extern simd_row simd_permute[8]; /* opcode of the permute class */
extern simd_row simd_dup_elem, simd_dup_gpr, simd_ins_elem, simd_ins_gpr;
extern simd_row simd_umov, simd_smov_w, simd_smov_x;
extern op_fn *const simd_ext, *const simd_tbl[2][4]; /* [TBX][len] */
extern op_fn *const simd_movi, *const simd_orr_imm, *const simd_bic_imm;

/** decode_simd - AdvSIMD, scalar forms included. decode_simd.c */
bool decode_simd(uint32_t w, struct op *o);
/** decode_fp_scalar - scalar FP: conversions, compares, arithmetic. decode_fp.c */
bool decode_fp_scalar(uint32_t w, struct op *o);
/** fp_expand_imm - VFPExpandImm: the value of an 8-bit FMOV immediate. */
uint64_t fp_expand_imm(enum fp_fmt f, uint32_t imm8);

static inline unsigned simd_bytes(const struct op *o)
{
	return o->aux & AUX_BYTES;
}

/** vput - writes the first @bytes of @r to Vd, zeros above. */
static inline void vput(struct cpu *c, const struct op *o, union vreg r, unsigned bytes)
{
	vset_low(&c->v[o->rd], r, bytes);
}

static inline union vreg vzero(void)
{
	return (union vreg){.d = {0, 0}};
}

/** vnarrow - the result of a narrowing operation: lower half (upper zero), or upper half (lower kept). */
static inline void vnarrow(struct cpu *c, const struct op *o, uint64_t r)
{
	union vreg *d = &c->v[o->rd];

	if (o->aux & AUX_UPPER)
		vset(d, d->d[0], r);
	else
		vset(d, r, 0);
}

/* A lane of @v in all lanes. */
static inline union vreg bcast_h(union vreg v, unsigned i)
{
	union vreg r;

	r.d[0] = r.d[1] = v.h[i & 7] * 0x0001000100010001ull;
	return r;
}
static inline union vreg bcast_s(union vreg v, unsigned i)
{
	union vreg r;

	r.d[0] = r.d[1] = v.s[i & 3] * 0x0000000100000001ull;
	return r;
}
static inline union vreg bcast_d(union vreg v, unsigned i)
{
	union vreg r;

	r.d[0] = r.d[1] = v.d[i & 1];
	return r;
}

/* The second operand: a register, or one of its lanes. */
#define RM_VEC c->v[o->rm]
#define RM_ELH bcast_h(c->v[o->rm], (unsigned)o->uimm)
#define RM_ELS bcast_s(c->v[o->rm], (unsigned)o->uimm)
#define RM_ELD bcast_d(c->v[o->rm], (unsigned)o->uimm)

/* Rows of the tables. */
#define ROW4(n)                                                                                    \
	{                                                                                          \
		n##_b, n##_h, n##_s, n##_d                                                         \
	}
#define ROW3(n)                                                                                    \
	{                                                                                          \
		n##_b, n##_h, n##_s, NULL                                                          \
	}
#define ROW_HS(n)                                                                                  \
	{                                                                                          \
		NULL, n##_h, n##_s, NULL                                                           \
	}
#define ROW_B(n)                                                                                   \
	{                                                                                          \
		n##_b, NULL, NULL, NULL                                                            \
	}

/* Extremes of a signed lane type. */
#define SMAX_OF(T) ((T)((1ull << (8 * sizeof(T) - 1)) - 1))
#define SMIN_OF(T) ((T)(-SMAX_OF(T) - 1))
#define UMAX_OF(T) ((T)~0ull)
