/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Arithmetic that several handler files share, and flag setters that fusion knows by name. */
#include "hv/arch/aarch64/soft/op.h"

static inline uint64_t ror64(uint64_t v, unsigned n)
{
	n &= 63;
	return v >> n | v << (-n & 63);
}

static inline uint32_t ror32(uint32_t v, unsigned n)
{
	n &= 31;
	return v >> n | v << (-n & 31);
}

OP(op_subs_ix);
OP(op_subs_iw);
OP(op_adds_ix);
OP(op_adds_iw);
OP(op_ands_ix);
OP(op_ands_iw);
OP(op_subs_rx);
OP(op_subs_rw);
OP(op_ands_rx);
OP(op_ands_rw);

/** decode_bitmask - the 64-bit pattern of a logical immediate. False: reserved. */
bool decode_bitmask(unsigned n, unsigned imms, unsigned immr, uint64_t *ret);
