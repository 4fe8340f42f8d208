/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Branches (DDI 0487 C4.1.3) and flag setters fused with the conditional branch behind them.
 *
 * Direct branches always go to a linked operation (chain.h, OP_TAKE); a target in another page is a
 * stub at the end of the block. aux is what a taken branch adds to icount.
 */
#include "hv/arch/aarch64/soft/decode.h"
#include "hv/arch/aarch64/soft/chain.h"
#include "hv/arch/aarch64/soft/ops_alu.h"

static OP(op_b)
{
	OP_TAKE();
}

/** ras_push - a call at @o: predicts that a RET will come back behind it. */
static inline void ras_push(struct cpu *c, const struct op *o, uint64_t ret)
{
	struct ras_entry *e = &c->ras[++c->ras_top & (RAS_SIZE - 1)];
	e->va = ret;
	e->op = o + 1;
}

static OP(op_bl)
{
	uint64_t ret = op_va(c, o) + 4;
	c->x[30] = ret;
	ras_push(c, o, ret);
	OP_TAKE();
}

/* BL to another page: imm = distance of the target from this page. */
static OP(op_bl_far)
{
	uint64_t ret = op_va(c, o) + 4;
	uint64_t to = c->page_va + o->uimm;
	c->x[30] = ret;
	ras_push(c, o, ret);
	c->icount += o->pc + 1u;
	OP_JUMP(to);
}

static OP(op_br)
{
	uint64_t to = XR(rn);
	c->icount += o->pc + 1u;
	OP_JUMP(to);
}

static OP(op_blr)
{
	uint64_t to = XR(rn);
	uint64_t ret = op_va(c, o) + 4;
	c->x[30] = ret;
	ras_push(c, o, ret);
	c->icount += o->pc + 1u;
	OP_JUMP(to);
}

static OP(op_ret)
{
	uint64_t to = XR(rn);
	const struct ras_entry *e = &c->ras[c->ras_top & (RAS_SIZE - 1)];
	c->icount += o->pc + 1u;
	if (likely(e->va == to) && likely(!cpu_attention(c))) {
		/* The page of the call: behind a call in a page's last word the predicted operation
		 * is op_page_end. */
		uint64_t call = to - 4;
		c->ras_top--;
		c->page_va = call & ~0xfffull;
		c->icount -= ((call >> 2) & 1023) + 1;
		OP_GO(e->op);
	}
	OP_JUMP(to);
}

#define BRANCH_IF(name, expr)                                                                      \
	static OP(name)                                                                            \
	{                                                                                          \
		if (expr)                                                                          \
			OP_TAKE();                                                                 \
		OP_NEXT();                                                                         \
	}

BRANCH_IF(op_cbz_x, XR(rn) == 0)
BRANCH_IF(op_cbnz_x, XR(rn) != 0)
BRANCH_IF(op_cbz_w, WR(rn) == 0)
BRANCH_IF(op_cbnz_w, WR(rn) != 0)
BRANCH_IF(op_tbz, !(XR(rn) >> o->ra & 1))
BRANCH_IF(op_tbnz, XR(rn) >> o->ra & 1)

/** slow_bcond - any condition, any flags. ra: condition. */
static SLOW OP(slow_bcond)
{
	if (flags_cond(c, o->ra))
		OP_TAKE();
	OP_NEXT();
}

#define BCOND(cc, n)                                                                               \
	static OP(op_b_##cc)                                                                       \
	{                                                                                          \
		bool h;                                                                            \
		FLAGS_COND(c, cc, h, return slow_bcond(c, o));                                     \
		if (h)                                                                             \
			OP_TAKE();                                                                 \
		OP_NEXT();                                                                         \
	}
COND_LIST(BCOND)

/* ---- SUBS, ANDS + B.cond. imm32: the immediate operand ---- */

#define FUSE_SUB(cc, sfx, T, S, K, bexpr)                                                          \
	static OP(op_subs_##sfx##_##cc)                                                            \
	{                                                                                          \
		T a = (T)XR(rn), b = bexpr;                                                        \
		flags_lazy(c, FL_SUB##K, a, b);                                                    \
		XR(rd) = (T)(a - b);                                                               \
		if (SUBC_##cc(T, S, a, b))                                                         \
			OP_TAKE();                                                                 \
		OP_NEXT();                                                                         \
	}
#define FUSE_SUBS(cc, n)                                                                           \
	FUSE_SUB(cc, ix, uint64_t, int64_t, 64, (uint64_t)(int64_t)o->imm32)                       \
	FUSE_SUB(cc, iw, uint32_t, int32_t, 32, (uint32_t)o->imm32)                                \
	FUSE_SUB(cc, rx, uint64_t, int64_t, 64, XR(rm))                                            \
	FUSE_SUB(cc, rw, uint32_t, int32_t, 32, WR(rm))
COND_LIST(FUSE_SUBS)

#define FUSE_AND(cc, sfx, T, S, K, bexpr)                                                          \
	static OP(op_ands_##sfx##_##cc)                                                            \
	{                                                                                          \
		T r = (T)XR(rn) & bexpr;                                                           \
		flags_lazy(c, FL_LOG##K, r, 0);                                                    \
		XR(rd) = r;                                                                        \
		if (LOGC_##cc(T, S, r))                                                            \
			OP_TAKE();                                                                 \
		OP_NEXT();                                                                         \
	}
#define FUSE_ANDS(cc)                                                                              \
	FUSE_AND(cc, ix, uint64_t, int64_t, 64, (uint64_t)(int64_t)o->imm32)                       \
	FUSE_AND(cc, iw, uint32_t, int32_t, 32, (uint32_t)o->imm32)                                \
	FUSE_AND(cc, rx, uint64_t, int64_t, 64, XR(rm))                                            \
	FUSE_AND(cc, rw, uint32_t, int32_t, 32, WR(rm))
FUSE_ANDS(eq)
FUSE_ANDS(ne)

bool decode_fuse(struct op *o, uint32_t w)
{
#define SUB_ROW(cc, n) {op_subs_ix_##cc, op_subs_iw_##cc, op_subs_rx_##cc, op_subs_rw_##cc},
	static op_fn *const sub[14][4] = {COND_LIST(SUB_ROW)};
	static op_fn *const and[2][4] = {
		{op_ands_ix_eq, op_ands_iw_eq, op_ands_rx_eq, op_ands_rw_eq},
		{op_ands_ix_ne, op_ands_iw_ne, op_ands_rx_ne, op_ands_rw_ne},
	};
	static op_fn *const setter[8] = {op_subs_ix, op_subs_iw, op_subs_rx, op_subs_rw,
					 op_ands_ix, op_ands_iw, op_ands_rx, op_ands_rw};
	unsigned cond = w & 15, k = 0;

	if ((w & 0xff000010u) != 0x54000000u || cond >= 14)
		return false;
	while (k < 8 && o->fn != setter[k])
		k++;
	if (k == 8)
		return false;
	if (k == 0 || k == 4) { /* a 64-bit immediate must survive as a signed 32-bit one */
		if (o->imm != (int64_t)(int32_t)o->imm)
			return false;
	}
	if (k >= 4 && cond > 1)
		return false;
	o->fn = k < 4 ? sub[cond][k] : and[cond][k - 4];
	o->imm32 = (int32_t)o->uimm;
	return true;
}

static enum decode_result dec_bcond(uint32_t w, struct op *o)
{
#define BCOND_FN(cc, n) op_b_##cc,
	static op_fn *const fn[16] = {COND_LIST(BCOND_FN) slow_bcond, slow_bcond};
	if (w & 0x01000010u)
		return DEC_UNDEF;
	o->ra = w & 15;
	o->fn = fn[w & 15];
	o->imm = (int64_t)((uint64_t)sbits(w, 23, 5) << 2);
	return DEC_BRANCH;
}

static enum decode_result dec_cbz(uint32_t w, struct op *o)
{
	static op_fn *const fn[2][2] = {{op_cbz_w, op_cbnz_w}, {op_cbz_x, op_cbnz_x}};
	o->rn = reg_r(w, 0);
	o->fn = fn[w >> 31][w >> 24 & 1];
	o->imm = (int64_t)((uint64_t)sbits(w, 23, 5) << 2);
	return DEC_BRANCH;
}

static enum decode_result dec_tbz(uint32_t w, struct op *o)
{
	o->rn = reg_r(w, 0);
	o->ra = (uint8_t)((w >> 31) << 5 | bits(w, 23, 19));
	o->fn = w >> 24 & 1 ? op_tbnz : op_tbz;
	o->imm = (int64_t)((uint64_t)sbits(w, 18, 5) << 2);
	return DEC_BRANCH;
}

static enum decode_result dec_indirect(uint32_t w, struct op *o)
{
	if ((w & 0xff9ffc1fu) != 0xd61f0000u)
		return DEC_UNDEF;
	o->rn = reg_r(w, 5);
	switch (bits(w, 22, 21)) {
	case 0:
		o->fn = op_br;
		return DEC_END;
	case 1:
		o->fn = op_blr;
		return DEC_OK; /* goes on: the return comes back behind it */
	case 2:
		o->fn = op_ret;
		return DEC_END;
	default:
		return DEC_UNDEF;
	}
}

op_fn *decode_call_far(void)
{
	return op_bl_far;
}

enum decode_result decode_branch(uint32_t w, struct op *o)
{
	switch (w >> 29) {
	case 0:
	case 4: {
		bool link = w >> 31;
		o->imm = (int64_t)((uint64_t)sbits(w, 25, 0) << 2);
		o->fn = link ? op_bl : op_b;
		return link ? DEC_CALL : DEC_JUMP;
	}
	case 1:
	case 5:
		return w >> 25 & 1 ? dec_tbz(w, o) : dec_cbz(w, o);
	case 2:
		return w >> 25 & 1 ? DEC_UNDEF : dec_bcond(w, o);
	case 6:
		if ((w & 0xfe000000u) == 0xd6000000u && w != INSN_ERET && w != INSN_DRPS)
			return dec_indirect(w, o);
		return decode_system(w, o);
	default:
		return DEC_UNDEF;
	}
}
