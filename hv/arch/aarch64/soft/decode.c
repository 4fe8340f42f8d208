/* SPDX-License-Identifier: Apache-2.0 */
/* Top level of the A64 decoder (DDI 0487 C4.1, table C4-1). */
#include "hv/arch/aarch64/soft/decode.h"
#include "hv/arch/aarch64/soft/soft_test.h"

static enum decode_result dec_top(uint32_t w, struct op *o)
{
	switch (bits(w, 28, 25)) {
	case 8:
	case 9:
		return decode_dp_imm(w, o);
	case 10:
	case 11:
		return decode_branch(w, o);
	case 4:
	case 6:
	case 12:
	case 14:
		return decode_ldst(w, o);
	case 5:
	case 13:
		return decode_dp_reg(w, o);
	case 7:
	case 15:
		return decode_fp(w, o) ? DEC_OK : DEC_UNDEF;
	default:
		return DEC_UNDEF;
	}
}

enum decode_result decode_insn(uint32_t w, struct op *o)
{
	uint16_t pc = o->pc;
	enum decode_result r = dec_top(w, o);

	if (r == DEC_UNDEF)
		*o = (struct op){.fn = op_undef, .uimm = w};
	o->pc = pc;
	return r;
}

bool soft_decode_is_allocated(uint32_t word)
{
	struct op o = {.pc = 0};
	return decode_insn(word, &o) != DEC_UNDEF;
}
