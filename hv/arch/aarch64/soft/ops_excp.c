/* SPDX-License-Identifier: Apache-2.0 */
/* Exceptions: how the engine takes them, and the instructions that make or end them (DDI 0487
 * C4.1.3). */
#include "hv/arch/aarch64/soft/decode.h"
#include "base/log.h"
#include "hv/arch/aarch64/soft/chain.h"
#include "hv/arch/aarch64/soft/excp.h"
#include "hv/arch/aarch64/soft/soft.h"

#define EC_HVC 0x16u
#define ISS_FP 0x1e00000u /* CV = 1, COND = AL */

void cpu_exception(struct cpu *c, unsigned ec, uint32_t iss, uint64_t elr)
{
	if (c->trap) {
		c->trap(c, ec, iss, 0, elr);
		return;
	}
	excp_sync(c, ec, iss, elr);
	code_forget_returns(c);
}

void cpu_exception_far(struct cpu *c, unsigned ec, uint32_t iss, uint64_t far, uint64_t elr)
{
	c->far = far;
	cpu_exception(c, ec, iss, elr);
}

void cpu_abort(struct cpu *c, bool fetch, uint32_t iss, uint64_t far, uint64_t elr)
{
	if (c->trap) {
		c->trap(c, fetch ? EC_IABT : EC_DABT, iss, far, elr);
		return;
	}
	excp_abort(c, fetch, iss, far, elr);
	code_forget_returns(c);
}

const struct op *chain_raise(struct cpu *c, const struct op *o, unsigned ec, uint32_t iss)
{
	chain_leave(c, o);
	cpu_exception(c, ec, iss, c->pc);
	return NULL;
}

/** undef_log - says once per word that it is UNDEFINED here; at most 64 words. */
static void undef_log(struct cpu *c, uint64_t pc, uint32_t word)
{
	static _Atomic uint32_t seen[64];

	for (unsigned i = 0; i < 64; i++) {
		uint32_t s = atomic_load_explicit(&seen[i], memory_order_relaxed);
		if (s == word)
			return;
		if (s == 0) {
			atomic_store_explicit(&seen[i], word, memory_order_relaxed);
			log_warn("undefined instruction word=%08x pc=%#llx el=%u cpu=%u", word,
				 (unsigned long long)pc, c->el, c->index);
			return;
		}
	}
}

SLOW OP(op_undef)
{
	uint64_t pc = op_va(c, o);
	uint32_t word = code_word(c, pc);
	if (!c->trap && word >> 16) /* not UDF, which means it */
		undef_log(c, pc, word);
	return chain_raise(c, o, EC_UNKNOWN, 0);
}

/* Allocated, but UNDEFINED on this CPU in every state: SMC without EL3, HLT, DCPS. */
static SLOW OP(slow_undef_known)
{
	return chain_raise(c, o, EC_UNKNOWN, 0);
}

SLOW OP(op_fp_trap)
{
	return chain_raise(c, o, EC_FP, ISS_FP);
}

static SLOW OP(slow_svc)
{
	chain_leave_after(c, o);
	cpu_exception(c, EC_SVC, o->aux, c->pc);
	return NULL;
}

static SLOW OP(slow_brk)
{
	return chain_raise(c, o, EC_BRK, o->aux);
}

static SLOW OP(slow_hvc)
{
	if (c->trap) {
		chain_leave_after(c, o);
		c->trap(c, EC_HVC, o->aux, 0, c->pc);
		return NULL;
	}
	if (c->el == 0)
		return chain_raise(c, o, EC_UNKNOWN, 0);
	if (!soft_hvc(c))
		return chain_leave_after(c, o);
	OP_NEXT();
}

static SLOW OP(slow_eret)
{
	if (c->el == 0 || c->trap)
		return chain_raise(c, o, EC_UNKNOWN, 0);
	c->icount += o->pc + 1u;
	excp_eret(c);
	cpu_attn_update(c);
	code_forget_returns(c);
	return NULL;
}

enum decode_result decode_exception(uint32_t w, struct op *o)
{
	unsigned opc = bits(w, 23, 21), ll = w & 3;

	if (w >> 24 != 0xd4) {
		o->fn = w == INSN_ERET ? slow_eret : slow_undef_known; /* DRPS */
		return DEC_END;
	}
	if (bits(w, 4, 2))
		return DEC_UNDEF;
	o->aux = (uint16_t)bits(w, 20, 5);
	if (opc == 0 && ll == 1)
		o->fn = slow_svc;
	else if (opc == 0 && ll == 2)
		o->fn = slow_hvc;
	else if (opc == 1 && ll == 0)
		o->fn = slow_brk;
	else if ((opc == 0 && ll == 3) || (opc == 2 && ll == 0) || (opc == 5 && ll))
		o->fn = slow_undef_known; /* SMC, HLT, DCPS1..3 */
	else
		return DEC_UNDEF;
	/* HVC goes on behind itself, BRK and SVC come back as a rule. */
	return o->fn == slow_hvc ? DEC_OK : DEC_END;
}
