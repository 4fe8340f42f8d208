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

/** flags_lazy - NZCV will follow from @a, @b as @kind says. */
static inline void flags_lazy(struct cpu *c, enum flag_kind kind, uint64_t a, uint64_t b)
{
	c->fl_a = a;
	c->fl_b = b;
	c->fl_kind = kind;
}

/*
 * Conditions of a subtraction a - b, in the type pair (U, S), and of a logical result a. They are
 * expressions so that the handler of each condition contains one compare. The order is that of the
 * encoding.
 */
#define COND_LIST(F)                                                                               \
	F(eq, 0)                                                                                   \
	F(ne, 1)                                                                                   \
	F(cs, 2)                                                                                   \
	F(cc, 3)                                                                                   \
	F(mi, 4)                                                                                   \
	F(pl, 5)                                                                                   \
	F(vs, 6)                                                                                   \
	F(vc, 7)                                                                                   \
	F(hi, 8)                                                                                   \
	F(ls, 9)                                                                                   \
	F(ge, 10)                                                                                  \
	F(lt, 11)                                                                                  \
	F(gt, 12)                                                                                  \
	F(le, 13)

#define SUBC_eq(U, S, a, b) ((U)(a) == (U)(b))
#define SUBC_ne(U, S, a, b) ((U)(a) != (U)(b))
#define SUBC_cs(U, S, a, b) ((U)(a) >= (U)(b))
#define SUBC_cc(U, S, a, b) ((U)(a) < (U)(b))
#define SUBC_mi(U, S, a, b) ((S)((U)(a) - (U)(b)) < 0)
#define SUBC_pl(U, S, a, b) ((S)((U)(a) - (U)(b)) >= 0)
#define SUBC_vs(U, S, a, b) ((S)(((U)(a) ^ (U)(b)) & ((U)(a) ^ ((U)(a) - (U)(b)))) < 0)
#define SUBC_vc(U, S, a, b) (!SUBC_vs(U, S, a, b))
#define SUBC_hi(U, S, a, b) ((U)(a) > (U)(b))
#define SUBC_ls(U, S, a, b) ((U)(a) <= (U)(b))
#define SUBC_ge(U, S, a, b) ((S)(a) >= (S)(b))
#define SUBC_lt(U, S, a, b) ((S)(a) < (S)(b))
#define SUBC_gt(U, S, a, b) ((S)(a) > (S)(b))
#define SUBC_le(U, S, a, b) ((S)(a) <= (S)(b))

#define LOGC_eq(U, S, a) ((U)(a) == 0)
#define LOGC_ne(U, S, a) ((U)(a) != 0)
#define LOGC_cs(U, S, a) ((void)(a), false)
#define LOGC_cc(U, S, a) ((void)(a), true)
#define LOGC_mi(U, S, a) ((S)(a) < 0)
#define LOGC_pl(U, S, a) ((S)(a) >= 0)
#define LOGC_vs(U, S, a) ((void)(a), false)
#define LOGC_vc(U, S, a) ((void)(a), true)
#define LOGC_hi(U, S, a) ((void)(a), false)
#define LOGC_ls(U, S, a) ((void)(a), true)
#define LOGC_ge(U, S, a) ((S)(a) >= 0)
#define LOGC_lt(U, S, a) ((S)(a) < 0)
#define LOGC_gt(U, S, a) ((S)(a) > 0)
#define LOGC_le(U, S, a) ((S)(a) <= 0)

/* Conditions of a packed NZCV: bit n of the constant is the answer for NZCV = n. */
#define PACKC_eq 0xf0f0u
#define PACKC_ne 0x0f0fu
#define PACKC_cs 0xccccu
#define PACKC_cc 0x3333u
#define PACKC_mi 0xff00u
#define PACKC_pl 0x00ffu
#define PACKC_vs 0xaaaau
#define PACKC_vc 0x5555u
#define PACKC_hi 0x0c0cu
#define PACKC_ls 0xf3f3u
#define PACKC_ge 0xaa55u
#define PACKC_lt 0x55aau
#define PACKC_gt 0x0a05u
#define PACKC_le 0xf5fau

/* FLAGS_COND - sets @h to condition @cc of the current flags, or runs @otherwise (which leaves) for
 * the rare kinds. */
#define FLAGS_COND(c, cc, h, otherwise)                                                            \
	do {                                                                                       \
		uint32_t k_ = (c)->fl_kind;                                                        \
		if (k_ == FL_SUB64)                                                                \
			h = SUBC_##cc(uint64_t, int64_t, (c)->fl_a, (c)->fl_b);                    \
		else if (k_ == FL_SUB32)                                                           \
			h = SUBC_##cc(uint32_t, int32_t, (c)->fl_a, (c)->fl_b);                    \
		else if (k_ == FL_LOG64)                                                           \
			h = LOGC_##cc(uint64_t, int64_t, (c)->fl_a);                               \
		else if (k_ == FL_LOG32)                                                           \
			h = LOGC_##cc(uint32_t, int32_t, (c)->fl_a);                               \
		else if (k_ == FL_NZCV)                                                            \
			h = PACKC_##cc >> ((uint32_t)(c)->fl_a >> 28) & 1;                         \
		else                                                                               \
			otherwise;                                                                 \
	} while (0)
