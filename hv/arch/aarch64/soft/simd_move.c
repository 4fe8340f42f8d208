/* SPDX-License-Identifier: Apache-2.0 */
/* AdvSIMD permute, extract, table lookup, copy and modified immediate. */
#include "hv/arch/aarch64/soft/simd.h"

/* Permutes: n lanes, a of Vn, b of Vm; E1 and E2 give lane i of the result by its position. */
#define PERM(name, T, F, E)                                                                        \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg a = c->v[o->rn], b = c->v[o->rm];                                 \
		const unsigned n = (simd_bytes(o) == 16 ? 16u : 8u) / (unsigned)sizeof(T);         \
		union vreg r = vzero();                                                            \
		for (unsigned i = 0; i < n; i++)                                                   \
			r.F[i] = (E);                                                              \
		c->v[o->rd] = r;                                                                   \
		OP_NEXT();                                                                         \
	}
#define UZP(F, p) (i < n / 2 ? a.F[2 * i + (p)] : b.F[2 * i - n + (p)])
#define TRN(F, p) (i & 1 ? b.F[i - 1 + (p)] : a.F[i + (p)])
#define ZIP(F, p) (i & 1 ? b.F[i / 2 + (p) * (n / 2)] : a.F[i / 2 + (p) * (n / 2)])
#define PERM4(name, M, p)                                                                          \
	PERM(name##_b, uint8_t, b, M(b, p))                                                        \
	PERM(name##_h, uint16_t, h, M(h, p))                                                       \
	PERM(name##_s, uint32_t, s, M(s, p)) PERM(name##_d, uint64_t, d, M(d, p))
PERM4(uzp1, UZP, 0)
PERM4(uzp2, UZP, 1)
PERM4(trn1, TRN, 0)
PERM4(trn2, TRN, 1)
PERM4(zip1, ZIP, 0)
PERM4(zip2, ZIP, 1)
simd_row simd_permute[8] = {
	[1] = ROW4(uzp1), [2] = ROW4(trn1), [3] = ROW4(zip1),
	[5] = ROW4(uzp2), [6] = ROW4(trn2), [7] = ROW4(zip2),
};

/* EXT: bytes imm.. of Vm:Vn. */
static OP(ext)
{
	OP_FP_CHECK();
	const union vreg a = c->v[o->rn], b = c->v[o->rm];
	const unsigned n = (unsigned)o->imm;
	if (simd_bytes(o) == 16) {
		const fp_u128 va = (fp_u128)a.d[1] << 64 | a.d[0],
			      vb = (fp_u128)b.d[1] << 64 | b.d[0];
		const fp_u128 r = n ? va >> (8 * n) | vb << (128 - 8 * n) : va;
		vset(&c->v[o->rd], (uint64_t)r, (uint64_t)(r >> 64));
	} else {
		const uint64_t r = n ? a.d[0] >> (8 * n) | b.d[0] << (64 - 8 * n) : a.d[0];
		vset(&c->v[o->rd], r, 0);
	}
	OP_NEXT();
}
op_fn *const simd_ext = ext;

/* Table lookup over the registers Vn.. (numbers wrap at 32). TBX keeps the lanes whose index is too large. */
#define TBL(name, LEN, TBX)                                                                        \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const union vreg idx = c->v[o->rm], d = c->v[o->rd];                               \
		union vreg r = vzero();                                                            \
		const unsigned bytes = simd_bytes(o);                                              \
		for (unsigned i = 0; i < bytes; i++) {                                             \
			const unsigned j = idx.b[i];                                               \
			if (j < 16 * (LEN))                                                        \
				r.b[i] = c->v[(o->rn + j / 16) & 31].b[j & 15];                    \
			else                                                                       \
				r.b[i] = (TBX) ? d.b[i] : 0;                                       \
		}                                                                                  \
		c->v[o->rd] = r;                                                                   \
		OP_NEXT();                                                                         \
	}
TBL(tbl1, 1, false)
TBL(tbl2, 2, false)
TBL(tbl3, 3, false)
TBL(tbl4, 4, false)
TBL(tbx1, 1, true)
TBL(tbx2, 2, true)
TBL(tbx3, 3, true)
TBL(tbx4, 4, true)
op_fn *const simd_tbl[2][4] = {{tbl1, tbl2, tbl3, tbl4}, {tbx1, tbx2, tbx3, tbx4}};

/* Copies. imm: source lane; ra: destination lane of INS. */
#define COPY(T, F, SFX, ONES)                                                                      \
	static OP(dup_elem_##SFX)                                                                  \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const uint64_t x = c->v[o->rn].F[o->uimm] * (ONES);                                \
		vput(c, o, (union vreg){.d = {x, x}}, simd_bytes(o));                              \
		OP_NEXT();                                                                         \
	}                                                                                          \
	static OP(dup_gpr_##SFX)                                                                   \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const uint64_t x = (T)c->x[o->rn] * (ONES);                                        \
		vput(c, o, (union vreg){.d = {x, x}}, simd_bytes(o));                              \
		OP_NEXT();                                                                         \
	}                                                                                          \
	static OP(ins_elem_##SFX)                                                                  \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		c->v[o->rd].F[o->ra] = c->v[o->rn].F[o->uimm];                                     \
		OP_NEXT();                                                                         \
	}                                                                                          \
	static OP(ins_gpr_##SFX)                                                                   \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		c->v[o->rd].F[o->ra] = (T)c->x[o->rn];                                             \
		OP_NEXT();                                                                         \
	}                                                                                          \
	static OP(umov_##SFX)                                                                      \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		c->x[o->rd] = c->v[o->rn].F[o->uimm];                                              \
		OP_NEXT();                                                                         \
	}
COPY(uint8_t, b, b, 0x0101010101010101ull)
COPY(uint16_t, h, h, 0x0001000100010001ull)
COPY(uint32_t, s, s, 0x0000000100000001ull)
COPY(uint64_t, d, d, 1ull)
simd_row simd_dup_elem = ROW4(dup_elem);
simd_row simd_dup_gpr = ROW4(dup_gpr);
simd_row simd_ins_elem = ROW4(ins_elem);
simd_row simd_ins_gpr = ROW4(ins_gpr);
simd_row simd_umov = ROW4(umov);

#define SMOV(SFX, F, MASK)                                                                         \
	static OP(smov_##SFX)                                                                      \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		c->x[o->rd] = (uint64_t)(int64_t)c->v[o->rn].F[o->uimm] & (uint64_t)(MASK);        \
		OP_NEXT();                                                                         \
	}
SMOV(wb, sb, 0xffffffffull)
SMOV(wh, sh, 0xffffffffull)
SMOV(xb, sb, ~0ull)
SMOV(xh, sh, ~0ull)
SMOV(xs, ss, ~0ull)
simd_row simd_smov_w = {smov_wb, smov_wh, NULL, NULL};
simd_row simd_smov_x = {smov_xb, smov_xh, smov_xs, NULL};

/* Modified immediate: imm is the 64-bit pattern. */
static OP(movi)
{
	OP_FP_CHECK();
	const uint64_t x = o->uimm;
	vset(&c->v[o->rd], x, simd_bytes(o) == 16 ? x : 0);
	OP_NEXT();
}
static OP(orr_imm)
{
	OP_FP_CHECK();
	union vreg *d = &c->v[o->rd];
	vset(d, d->d[0] | o->uimm, simd_bytes(o) == 16 ? d->d[1] | o->uimm : 0);
	OP_NEXT();
}
static OP(bic_imm)
{
	OP_FP_CHECK();
	union vreg *d = &c->v[o->rd];
	vset(d, d->d[0] & ~o->uimm, simd_bytes(o) == 16 ? d->d[1] & ~o->uimm : 0);
	OP_NEXT();
}
op_fn *const simd_movi = movi;
op_fn *const simd_orr_imm = orr_imm;
op_fn *const simd_bic_imm = bic_imm;
