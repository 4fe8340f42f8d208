/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The A64 decoder: one function per top-level group, each beside its handlers. Each fills fn, rd,
 * rn, rm, ra, aux, imm of *@o and returns what the block builder has to know. Pure, any thread.
 */
#include "hv/arch/aarch64/soft/op.h"

enum decode_result {
	DEC_UNDEF = 0,
	DEC_OK,	    /* goes on with the next word */
	DEC_NOP,    /* no operation needed at all */
	DEC_END,    /* nothing after it is reached by falling through */
	DEC_BRANCH, /* direct conditional branch: imm = distance in bytes; goes on */
	DEC_JUMP,   /* B: imm = distance; ends */
	DEC_CALL,   /* BL: imm = distance; goes on, but only by its return */
};

enum decode_result decode_dp_imm(uint32_t w, struct op *o);
enum decode_result decode_dp_reg(uint32_t w, struct op *o);
enum decode_result decode_dp_misc(uint32_t w, struct op *o); /* conditional, 1-3 source */
enum decode_result decode_branch(uint32_t w, struct op *o);
enum decode_result decode_exception(uint32_t w,
				    struct op *o); /* SVC, HVC, SMC, BRK, HLT, DCPS; ERET, DRPS */
enum decode_result decode_system(uint32_t w, struct op *o);
enum decode_result decode_ldst(uint32_t w, struct op *o);
enum decode_result decode_ldst_pair(uint32_t w, struct op *o);
enum decode_result decode_ldst_excl(uint32_t w, struct op *o);

enum decode_result decode_ldst_ordered(uint32_t w, struct op *o);

/** decode_insn - any word. DEC_UNDEF: *@o is an op_undef. @o->pc is the caller's. */
enum decode_result decode_insn(uint32_t w, struct op *o);
/** decode_fuse - tries to make @o (just decoded, a flag setter) and the following conditional
 * branch @w one operation. True: @o is the branch, imm32 the operand, and the caller sets aux and
 * link. */
bool decode_fuse(struct op *o, uint32_t w);

/** decode_call_far - the handler of a BL whose target is in another page: imm = bytes from this
 * page. */
op_fn *decode_call_far(void);

#define INSN_ERET 0xd69f03e0u
#define INSN_DRPS 0xd6bf03e0u

/* Register fields, XZR resolved for reading and writing. */
static inline uint8_t rd_w(uint32_t w)
{
	return (uint8_t)((w & 31) == 31 ? REG_JUNK : (w & 31));
}
static inline uint8_t reg_r(uint32_t w, unsigned shift)
{
	unsigned r = (w >> shift) & 31;
	return (uint8_t)(r == 31 ? REG_ZERO : r);
}
static inline uint8_t reg_w(uint32_t w, unsigned shift)
{
	unsigned r = (w >> shift) & 31;
	return (uint8_t)(r == 31 ? REG_JUNK : r);
}
static inline uint8_t reg_n(uint32_t w, unsigned shift)
{
	return (uint8_t)((w >> shift) & 31);
}
static inline uint32_t bits(uint32_t w, unsigned hi, unsigned lo)
{
	return (w >> lo) & ((2u << (hi - lo)) - 1);
}
static inline int64_t sbits(uint32_t w, unsigned hi, unsigned lo)
{
	return (int64_t)(int32_t)(w << (31 - hi)) >> (31 - hi + lo);
}
