/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The decoded operation. Handlers chain by sibling calls (gcc -O2 makes each a jmp); with
 * SOFT_LOOP_DISPATCH (-O0 and sanitizer builds) the same bodies return the next operation to a
 * loop.
 */
#include "hv/arch/aarch64/soft/cpu.h"

struct op;
typedef const struct op *op_fn(struct cpu *c, const struct op *o);

/** struct op - 24 bytes. Register numbers are indices of cpu.x with XZR already resolved (REG_ZERO
 * read, REG_JUNK written, REG_SP where the encoding means SP); of cpu.v for vector operands. */
struct op {
	op_fn *fn;
	uint8_t rd, rn, rm, ra;
	uint16_t pc;  /* word index of the instruction in its 4 KiB page, 0..1023 */
	uint16_t aux; /* handler's own; in branches: instructions since the block began */
	union {
		int64_t imm;
		uint64_t uimm;
		const struct op *target;
		struct {
			int32_t imm32;
			union {
				int32_t link;  /* branches: target operation, in bytes from this one
						*/
				uint32_t insn; /* loads and stores: the instruction word, for the
						  slow path */
			};
		};
	};
};
_Static_assert(sizeof(struct op) == 24, "layout");

#define OP(name) const struct op *name(struct cpu *c __attribute__((unused)), const struct op *o)
#ifdef SOFT_LOOP_DISPATCH
#define OP_NEXT() return o + 1
#else
#define OP_NEXT() return (o + 1)->fn(c, o + 1)
#endif

/** op_undef - handler: this word is UNDEFINED (or not known): logs the word once per word, takes EC
 * 0. */
OP(op_undef);
/** op_fp_trap - takes the FP access trap (EC 0x07) for the instruction @o. */
OP(op_fp_trap);

/** OP_FP_CHECK - first line of each handler that touches FP/AdvSIMD state. */
#define OP_FP_CHECK()                                                                              \
	do {                                                                                       \
		if (__builtin_expect(!c->fp_ok, 0))                                                \
			return op_fp_trap(c, o);                                                   \
	} while (0)

/**
 * decode_fp - decodes the FP and AdvSIMD data-processing classes (top-level op0 = x111: scalar FP,
 * AdvSIMD; not their loads and stores). Fills fn, rd, rn, rm, ra, aux, imm of *@o. False:
 * unallocated or not v8.0-A -> op_undef. Conversions and moves between general and FP registers
 * name general registers as in struct op.
 */
bool decode_fp(uint32_t insn, struct op *o);
