/* SPDX-License-Identifier: Apache-2.0 */
/* Data processing, immediate (DDI 0487 C4.1.2). */
#include "hv/arch/aarch64/soft/decode.h"
#include "hv/arch/aarch64/soft/chain.h"
#include "hv/arch/aarch64/soft/ops_alu.h"

#define DP(name, body)                                                                             \
	static OP(name)                                                                            \
	{                                                                                          \
		body;                                                                              \
		OP_NEXT();                                                                         \
	}

DP(op_const, XR(rd) = o->uimm)
DP(op_adr, XR(rd) = c->page_va + o->uimm)
DP(op_mov_x, XR(rd) = XR(rn))
DP(op_mov_w, XR(rd) = WR(rn))
DP(op_add_ix, XR(rd) = XR(rn) + o->uimm)
DP(op_add_iw, XR(rd) = (uint32_t)(WR(rn) + (uint32_t)o->uimm))
DP(op_and_ix, XR(rd) = XR(rn) & o->uimm)
DP(op_orr_ix, XR(rd) = XR(rn) | o->uimm)
DP(op_eor_ix, XR(rd) = XR(rn) ^ o->uimm)
DP(op_orr_iw, XR(rd) = WR(rn) | (uint32_t)o->uimm)
DP(op_eor_iw, XR(rd) = WR(rn) ^ (uint32_t)o->uimm)

OP(op_adds_ix)
{
	uint64_t a = XR(rn), b = o->uimm;
	flags_lazy(c, FL_ADD64, a, b);
	XR(rd) = a + b;
	OP_NEXT();
}
OP(op_adds_iw)
{
	uint32_t a = WR(rn), b = (uint32_t)o->uimm;
	flags_lazy(c, FL_ADD32, a, b);
	XR(rd) = a + b;
	OP_NEXT();
}
OP(op_subs_ix)
{
	uint64_t a = XR(rn), b = o->uimm;
	flags_lazy(c, FL_SUB64, a, b);
	XR(rd) = a - b;
	OP_NEXT();
}
OP(op_subs_iw)
{
	uint32_t a = WR(rn), b = (uint32_t)o->uimm;
	flags_lazy(c, FL_SUB32, a, b);
	XR(rd) = a - b;
	OP_NEXT();
}
OP(op_ands_ix)
{
	uint64_t r = XR(rn) & o->uimm;
	flags_lazy(c, FL_LOG64, r, 0);
	XR(rd) = r;
	OP_NEXT();
}
OP(op_ands_iw)
{
	uint32_t r = WR(rn) & (uint32_t)o->uimm;
	flags_lazy(c, FL_LOG32, r, 0);
	XR(rd) = r;
	OP_NEXT();
}

/* MOVK: imm = the 16 bits in place, aux = shift. */
DP(op_movk_x, XR(rd) = (XR(rd) & ~(0xffffull << o->aux)) | o->uimm)
DP(op_movk_w, XR(rd) = (WR(rd) & ~(0xffffu << o->aux)) | (uint32_t)o->uimm)

/* Shifts by a constant: ra = amount. */
DP(op_lsr_ix, XR(rd) = XR(rn) >> o->ra)
DP(op_lsl_ix, XR(rd) = XR(rn) << o->ra)
DP(op_asr_ix, XR(rd) = (uint64_t)((int64_t)XR(rn) >> o->ra))
DP(op_lsr_iw, XR(rd) = WR(rn) >> o->ra)
DP(op_lsl_iw, XR(rd) = (uint32_t)(WR(rn) << o->ra))
DP(op_asr_iw, XR(rd) = (uint32_t)((int32_t)WR(rn) >> o->ra))
DP(op_ror_ix, XR(rd) = ror64(XR(rn), o->ra))
DP(op_ror_iw, XR(rd) = ror32(WR(rn), o->ra))
DP(op_sxtw, XR(rd) = (uint64_t)(int64_t)(int32_t)WR(rn))
DP(op_uxtb, XR(rd) = (uint8_t)WR(rn))
DP(op_uxth, XR(rd) = (uint16_t)WR(rn))
/* UBFX: ra = lsb, imm = mask. UBFIZ: the mask first. */
DP(op_ubfx, XR(rd) = (XR(rn) >> o->ra) & o->uimm)
DP(op_ubfiz, XR(rd) = (XR(rn) & o->uimm) << o->ra)
/* SBFX, SBFIZ: ra = left shift to the top, aux = arithmetic right shift. */
DP(op_sbf_x, XR(rd) = (uint64_t)((int64_t)(XR(rn) << o->ra) >> o->aux))
DP(op_sbf_w, XR(rd) = (uint32_t)((int32_t)(WR(rn) << o->ra) >> o->aux))
/* BFI, BFXIL: ra = rotate right of the source, imm = mask of the field in rd. */
DP(op_bfm_x, XR(rd) = (XR(rd) & ~o->uimm) | (ror64(XR(rn), o->ra) & o->uimm))
DP(op_bfm_w, XR(rd) = (WR(rd) & ~(uint32_t)o->uimm) | (ror32(WR(rn), o->ra) & (uint32_t)o->uimm))
/* EXTR: ra = lsb, never 0 here. */
DP(op_extr_x, XR(rd) = XR(rm) >> o->ra | XR(rn) << (64 - o->ra))
DP(op_extr_w, XR(rd) = (uint32_t)(WR(rm) >> o->ra | WR(rn) << (32 - o->ra)))

bool decode_bitmask(unsigned n, unsigned imms, unsigned immr, uint64_t *ret)
{
	unsigned v = n << 6 | (~imms & 63);
	if (v < 2)
		return false;
	unsigned len = 31 - (unsigned)__builtin_clz(v);
	unsigned size = 1u << len, levels = size - 1;
	unsigned s = imms & levels, r = immr & levels;
	if (s == levels)
		return false;
	uint64_t elem = ~0ull >> (63 - s);
	if (r) {
		uint64_t m = size == 64 ? ~0ull : (1ull << size) - 1;
		elem = (elem >> r | elem << (size - r)) & m;
	}
	for (; size < 64; size *= 2)
		elem |= elem << size;
	*ret = elem;
	return true;
}

static enum decode_result dec_adr(uint32_t w, struct op *o)
{
	int64_t imm = (int64_t)((uint64_t)sbits(w, 23, 5) << 2) | bits(w, 30, 29);
	o->fn = op_adr;
	o->rd = reg_w(w, 0);
	/* The handler adds the page's address: the word index is known only to the block builder.
	 */
	o->imm = w >> 31 ? (int64_t)((uint64_t)imm << 12) : imm + (int64_t)o->pc * 4;
	return DEC_OK;
}

static enum decode_result dec_addsub(uint32_t w, struct op *o)
{
	bool sf = w >> 31, sub = w >> 30 & 1, s = w >> 29 & 1;
	uint64_t imm = (uint64_t)bits(w, 21, 10) << (w >> 22 & 1 ? 12 : 0);

	o->rn = reg_n(w, 5);
	if (s) {
		o->rd = reg_w(w, 0);
		o->uimm = imm;
		o->fn = sub ? (sf ? op_subs_ix : op_subs_iw) : (sf ? op_adds_ix : op_adds_iw);
		return DEC_OK;
	}
	o->rd = reg_n(w, 0);
	o->uimm = sub ? 0 - imm : imm;
	if (imm == 0)
		o->fn = sf ? op_mov_x : op_mov_w;
	else
		o->fn = sf ? op_add_ix : op_add_iw;
	return DEC_OK;
}

static enum decode_result dec_logical(uint32_t w, struct op *o)
{
	static op_fn *const fn[2][4] = {
		{op_and_ix, op_orr_iw, op_eor_iw, op_ands_iw},
		{op_and_ix, op_orr_ix, op_eor_ix, op_ands_ix},
	};
	unsigned sf = w >> 31, opc = bits(w, 30, 29);
	uint64_t imm;

	if (!sf && (w >> 22 & 1))
		return DEC_UNDEF;
	if (!decode_bitmask(w >> 22 & 1, bits(w, 15, 10), bits(w, 21, 16), &imm))
		return DEC_UNDEF;
	if (!sf)
		imm = (uint32_t)imm;
	o->rd = opc == 3 ? reg_w(w, 0) : reg_n(w, 0);
	o->rn = reg_r(w, 5);
	o->uimm = imm;
	o->fn = opc == 1 && o->rn == REG_ZERO ? op_const : fn[sf][opc];
	return DEC_OK;
}

static enum decode_result dec_movewide(uint32_t w, struct op *o)
{
	unsigned sf = w >> 31, opc = bits(w, 30, 29), sh = bits(w, 22, 21) * 16;
	uint64_t imm = (uint64_t)bits(w, 20, 5) << sh;

	if (opc == 1 || (!sf && sh > 16))
		return DEC_UNDEF;
	o->rd = reg_w(w, 0);
	if (opc == 3) {
		o->fn = sf ? op_movk_x : op_movk_w;
		o->uimm = imm;
		o->aux = (uint16_t)sh;
		return DEC_OK;
	}
	if (opc == 0)
		imm = ~imm;
	o->uimm = sf ? imm : (uint32_t)imm;
	o->fn = op_const;
	return DEC_OK;
}

static void dec_ubfm(struct op *o, unsigned sf, unsigned r, unsigned s, unsigned width)
{
	if (s >= r) {
		o->ra = (uint8_t)r;
		o->uimm = ~0ull >> (63 - (s - r));
		if (s == width - 1)
			o->fn = sf ? op_lsr_ix : op_lsr_iw;
		else if (r == 0 && s == 7)
			o->fn = op_uxtb;
		else if (r == 0 && s == 15)
			o->fn = op_uxth;
		else
			o->fn = op_ubfx;
		return;
	}
	o->ra = (uint8_t)(width - r);
	o->uimm = ~0ull >> (63 - s);
	if (s + 1 == r)
		o->fn = sf ? op_lsl_ix : op_lsl_iw;
	else
		o->fn = op_ubfiz;
}

static void dec_sbfm(struct op *o, unsigned sf, unsigned r, unsigned s, unsigned width)
{
	o->fn = sf ? op_sbf_x : op_sbf_w;
	if (s >= r) {
		if (s == width - 1) {
			o->fn = sf ? op_asr_ix : op_asr_iw;
			o->ra = (uint8_t)r;
			return;
		}
		if (sf && r == 0 && s == 31) {
			o->fn = op_sxtw;
			return;
		}
		o->ra = (uint8_t)(width - 1 - s);
		o->aux = (uint16_t)(width - 1 - s + r);
		return;
	}
	o->ra = (uint8_t)(width - 1 - s);
	o->aux = (uint16_t)(r - s - 1); /* the field ends up at bit width - r */
}

static void dec_bfm(struct op *o, unsigned sf, unsigned r, unsigned s, unsigned width)
{
	o->fn = sf ? op_bfm_x : op_bfm_w;
	o->ra = (uint8_t)r;
	if (s >= r)
		o->uimm = ~0ull >> (63 - (s - r));
	else
		o->uimm = (~0ull >> (63 - s)) << (width - r);
}

static enum decode_result dec_bitfield(uint32_t w, struct op *o)
{
	unsigned sf = w >> 31, opc = bits(w, 30, 29), r = bits(w, 21, 16), s = bits(w, 15, 10);

	if (opc == 3 || sf != (w >> 22 & 1) || (!sf && (r > 31 || s > 31)))
		return DEC_UNDEF;
	o->rd = reg_w(w, 0);
	o->rn = reg_r(w, 5);
	if (opc == 0)
		dec_sbfm(o, sf, r, s, sf ? 64 : 32);
	else if (opc == 1)
		dec_bfm(o, sf, r, s, sf ? 64 : 32);
	else
		dec_ubfm(o, sf, r, s, sf ? 64 : 32);
	/* BFM reads rd: XZR must read as zero, and its junk slot never does; the result is dropped
	 * anyway. */
	return DEC_OK;
}

static enum decode_result dec_extract(uint32_t w, struct op *o)
{
	unsigned sf = w >> 31, lsb = bits(w, 15, 10);

	if (bits(w, 30, 29) || (w >> 21 & 1) || sf != (w >> 22 & 1) || (!sf && lsb > 31))
		return DEC_UNDEF;
	o->rd = reg_w(w, 0);
	o->rn = reg_r(w, 5);
	o->rm = reg_r(w, 16);
	o->ra = (uint8_t)lsb;
	if (o->rn == o->rm) {
		o->fn = sf ? op_ror_ix : op_ror_iw;
	} else if (lsb == 0) {
		o->rn = o->rm;
		o->fn = sf ? op_mov_x : op_mov_w;
	} else {
		o->fn = sf ? op_extr_x : op_extr_w;
	}
	return DEC_OK;
}

enum decode_result decode_dp_imm(uint32_t w, struct op *o)
{
	switch (bits(w, 25, 23)) {
	case 0:
	case 1:
		return dec_adr(w, o);
	case 2:
		return dec_addsub(w, o);
	case 4:
		return dec_logical(w, o);
	case 5:
		return dec_movewide(w, o);
	case 6:
		return dec_bitfield(w, o);
	case 7:
		return dec_extract(w, o);
	default:
		return DEC_UNDEF;
	}
}
