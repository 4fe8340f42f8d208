/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* NZCV behind functions, so that its lazy form stays a secret of this file and of ops_int. */
#include "hv/arch/aarch64/soft/cpu.h"

/* fl_kind: how NZCV follows from fl_a, fl_b. */
enum flag_kind {
	FL_NZCV = 0,  /* fl_a = NZCV in bits 31..28 */
	FL_SUB64 = 1, /* flags of a - b */
	FL_SUB32 = 2, /* flags of (uint32_t)a - (uint32_t)b */
	FL_ADD64 = 3, /* flags of a + b */
	FL_ADD32 = 4,
	FL_LOG64 = 5, /* N, Z of a; C = V = 0 */
	FL_LOG32 = 6,
};

/** flags_nzcv - NZCV in bits 31..28. */
uint32_t flags_nzcv(const struct cpu *c);

/** flags_set_nzcv - sets NZCV from bits 31..28 of @nzcv. */
static inline void flags_set_nzcv(struct cpu *c, uint32_t nzcv)
{
	c->fl_kind = FL_NZCV;
	c->fl_a = nzcv & 0xf0000000u;
}

/** flags_cond - true if condition @cond (0..15, as encoded) holds. */
bool flags_cond(const struct cpu *c, unsigned cond);
