/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Handlers of the scalar floating-point classes. Tables end in [type]: 0 single, 1 double; NULL is unallocated. */
#include "hv/arch/aarch64/soft/op.h"

typedef op_fn *const fps_pair[2];

extern fps_pair fps_1src[16]; /* opcode: FMOV, FABS, FNEG, FSQRT, FRINT* */
extern op_fn
	*const fps_cvt[3][4]; /* [from][to], by the type field; half is 3 in "to", 2 in "from" */
extern fps_pair fps_2src[16];
extern fps_pair fps_3src[4]; /* o1:o0 */
extern fps_pair fps_cmp[4];  /* opcode2<4:3>: signalling, against zero */
extern fps_pair fps_ccmp[2]; /* signalling; aux: condition, imm: NZCV in bits 31..28 */
extern fps_pair fps_csel;    /* aux: condition */
extern fps_pair fps_imm;     /* imm: the bit pattern */
/* To integer: [rmode as enum fp_rmode][unsigned][sf][type]; from: [unsigned][sf][type]. imm: fraction bits. */
extern op_fn *const fps_to_int[5][2][2][2];
extern op_fn *const fps_from_int[2][2][2];
extern op_fn *const fps_mov_w_s,
	*const fps_mov_s_w, *const fps_mov_x_d, *const fps_mov_d_x, *const fps_mov_x_vd1,
									    *const fps_mov_vd1_x;
