/* SPDX-License-Identifier: Apache-2.0 */
/* System instructions, system registers, barriers, hints (DDI 0487 C4.1.3). */
#include "base/bytes.h"
#include "hv/arch/aarch64/soft/decode.h"
#include "hv/arch/aarch64/soft/chain.h"
#include "hv/arch/aarch64/soft/excp.h"
#include "hv/arch/aarch64/soft/mem.h"
#include "hv/arch/aarch64/soft/soft.h"
#include "hv/arch/aarch64/soft/sysreg.h"

#define ISS_FP 0x1e00000u /* CV = 1, COND = AL */
#define ISS_WFX 0x1e00000u

/* ---- hints and barriers ---- */

static SLOW OP(slow_wfi)
{
	if (!c->trap && sysreg_wfx_trapped(c, false))
		return chain_raise(c, o, EC_WFX, ISS_WFX);
	if (atomic_load_explicit(&c->attention, memory_order_relaxed) & (ATTN_IRQ | ATTN_FIQ))
		OP_NEXT();
	c->halt = HALT_WFI;
	return chain_leave_after(c, o);
}

static SLOW OP(slow_wfe)
{
	if (!c->event && !c->trap && sysreg_wfx_trapped(c, true))
		return chain_raise(c, o, EC_WFX, ISS_WFX | 1);
	if (c->event || c->trap) {
		c->event = false;
		OP_NEXT();
	}
	c->halt = HALT_WFE;
	return chain_leave_after(c, o);
}

static SLOW OP(slow_sev)
{
	c->event = true;
	if (!o->aux && c->vm)
		soft_sev(c);
	OP_NEXT();
}

static SLOW OP(slow_yield)
{
	soft_yield(c);
	if (atomic_load(&c->attention) & ATTN_INBOX)
		return chain_leave_after(c, o);
	OP_NEXT();
}

/* YIELD: software spins for another CPU, which may have no host core. */
static OP(op_yield)
{
	if (unlikely(c->vm && c->vm->crowded))
		return slow_yield(c, o);
	cpu_relax();
	OP_NEXT();
}

static OP(op_clrex)
{
	c->excl_valid = false;
	OP_NEXT();
}

/* DMB: only a store followed by a load needs a fence on TSO hosts; aux: the kind includes that. */
static OP(op_dmb_full)
{
	atomic_thread_fence(memory_order_seq_cst);
	OP_NEXT();
}

static OP(op_dmb_ld)
{
	atomic_thread_fence(memory_order_acq_rel);
	OP_NEXT();
}

static SLOW OP(slow_dsb)
{
	soft_dsb(c);
	/* What others posted while this vCPU waited comes first. */
	if (atomic_load(&c->attention) & ATTN_INBOX)
		return chain_leave_after(c, o);
	OP_NEXT();
}

static OP(op_dsb)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (unlikely(c->dsb_wait))
		return slow_dsb(c, o);
	OP_NEXT();
}

/* ISB: changes to code and registers act at once in this engine; what other vCPUs posted acts now.
 */
static OP(op_isb)
{
	if (unlikely(cpu_attention(c)))
		return chain_leave_after(c, o);
	OP_NEXT();
}

/* ---- MRS, MSR ---- */

/** reg_result - what follows a register access that did not succeed. */
static const struct op *reg_failed(struct cpu *c, const struct op *o, enum sysreg_result r,
				   bool read)
{
	switch (r) {
	case SYSREG_TRAP:
		return chain_raise(c, o, EC_SYSREG, sysreg_iss(o->aux, o->ra, read));
	case SYSREG_FP_TRAP:
		return chain_raise(c, o, EC_FP, ISS_FP);
	default:
		return chain_raise(c, o, EC_UNKNOWN, 0);
	}
}

/** mrs_exec - a function of its own, because a handler whose local has its address taken does not
 * chain by a jump. */
static __attribute__((noinline)) enum sysreg_result mrs_exec(struct cpu *c, const struct op *o)
{
	uint64_t v = 0;
	enum sysreg_result r = sysreg_read(c, o->aux, &v);
	if (r == SYSREG_OK)
		XR(rd) = v;
	return r;
}

static SLOW OP(slow_mrs)
{
	enum sysreg_result r = mrs_exec(c, o);
	if (r != SYSREG_OK)
		return reg_failed(c, o, r, true);
	OP_NEXT();
}

static SLOW OP(slow_msr)
{
	enum sysreg_result r = sysreg_write(c, o->aux, XR(rm));
	if (r != SYSREG_OK)
		return reg_failed(c, o, r, false);
	cpu_attn_update(c);
	if ((o->aux & 0x3800) == 0x1800 && !cpu_attention(c))
		OP_NEXT(); /* op1 = 3: what EL0 may write changes no regime */
	code_forget_returns(c);
	return chain_leave_after(c, o);
}

static SLOW OP(slow_msr_imm)
{
	bool trap;
	unsigned op1 = o->rn, op2 = o->rm, imm = o->ra;
	if (!sysreg_pstate_imm(c, op1, op2, imm, &trap)) {
		uint32_t key = SYSREG_KEY(0, op1, 4, imm, op2);
		if (trap)
			return chain_raise(c, o, EC_SYSREG, sysreg_iss(key, 31, false));
		return chain_raise(c, o, EC_UNKNOWN, 0);
	}
	if (trap)
		return chain_raise(c, o, EC_SYSREG,
				   sysreg_iss(SYSREG_KEY(0, op1, 4, imm, op2), 31, false));
	cpu_attn_update(c);
	return chain_leave_after(c, o);
}

static OP(op_mrs_sp_el0)
{
	if (unlikely(!(c->el & c->sp_sel)))
		return slow_mrs(c, o);
	XR(rd) = c->sp_el[0];
	OP_NEXT();
}
static OP(op_mrs_tpidr_el1)
{
	if (unlikely(!c->el))
		return slow_mrs(c, o);
	XR(rd) = c->tpidr_el1;
	OP_NEXT();
}
static OP(op_mrs_tpidr_el0)
{
	XR(rd) = c->tpidr_el0;
	OP_NEXT();
}
static OP(op_mrs_daif)
{
	if (unlikely(!c->el))
		return slow_mrs(c, o);
	XR(rd) = (uint64_t)c->daif << 6;
	OP_NEXT();
}
static OP(op_mrs_ctr)
{
	if (unlikely(!c->el))
		return slow_mrs(c, o);
	XR(rd) = SYSREG_CTR_EL0;
	OP_NEXT();
}
static OP(op_mrs_dczid)
{
	if (unlikely(!c->el))
		return slow_mrs(c, o);
	XR(rd) = SYSREG_DCZID_EL0;
	OP_NEXT();
}
static OP(op_msr_daif)
{
	if (unlikely(!c->el))
		return slow_msr(c, o);
	c->daif = (uint8_t)(XR(rm) >> 6 & 15);
	cpu_attn_update(c);
	if (unlikely(cpu_attention(c)))
		return chain_leave_after(c, o);
	OP_NEXT();
}
static OP(op_daif_set)
{
	if (unlikely(!c->el))
		return slow_msr_imm(c, o);
	c->daif |= o->ra;
	cpu_attn_update(c);
	OP_NEXT();
}
static OP(op_daif_clr)
{
	if (unlikely(!c->el))
		return slow_msr_imm(c, o);
	c->daif &= (uint8_t)~o->ra;
	cpu_attn_update(c);
	if (unlikely(cpu_attention(c)))
		return chain_leave_after(c, o);
	OP_NEXT();
}

/* ---- SYS: IC, DC, AT, TLBI ---- */

enum ivau_result { IVAU_ABORTED, IVAU_KILLED, IVAU_NO_CODE };

/** ic_ivau_exec - the line of @va changed. A function of its own for the same reason as mrs_exec.
 */
static __attribute__((noinline)) enum ivau_result ic_ivau_exec(struct cpu *c, const struct op *o,
							       uint64_t va)
{
	uint64_t pa;
	struct mmu_fault f;

	if (!mem_pa(c, va, &pa, &f)) {
		chain_leave(c, o);
		cpu_abort(c, false, f.fsc | ISS_WNR | ISS_CM, va, c->pc);
		return IVAU_ABORTED;
	}
	soft_broadcast(c, &(struct inbox_msg){.kind = INBOX_CODE_LINE, .addr = pa & ~63ull});
	return code_kill_line(c, pa) ? IVAU_KILLED : IVAU_NO_CODE;
}

static const struct op *sys_ic_ivau(struct cpu *c, const struct op *o, uint64_t va)
{
	switch (ic_ivau_exec(c, o, va)) {
	case IVAU_ABORTED:
		return NULL;
	case IVAU_KILLED:
		return chain_leave_after(c, o);
	default:
		OP_NEXT();
	}
}

/** ic_all_shared - IC IALLUIS. A function of its own for the same reason as mrs_exec. */
static __attribute__((noinline)) void ic_all_shared(struct cpu *c)
{
	soft_broadcast(c, &(struct inbox_msg){.kind = INBOX_CODE_ALL});
	code_drop_all(c);
}

static SLOW OP(slow_sys)
{
	uint32_t key = o->aux;
	uint64_t xt = XR(rm);
	enum sysreg_result r = sysreg_sys_gate(c, key);

	if (r != SYSREG_OK && !c->trap)
		return reg_failed(c, o, r, false);
	switch (key) {
	case SYSREG_KEY(1, 3, 7, 5, 1):
		return sys_ic_ivau(c, o, xt);
	case SYSREG_KEY(1, 0, 7, 1, 0):
		ic_all_shared(c);
		return chain_leave_after(c, o);
	case SYSREG_KEY(1, 0, 7, 5, 0):
		code_drop_all(c);
		return chain_leave_after(c, o);
	default:
		break;
	}
	if ((key >> 7 & 15) == 8) {
		if (!tlbi_exec(c, key, xt))
			return chain_raise(c, o, EC_UNKNOWN, 0);
		code_forget_returns(c);
	} else if ((key >> 3 & 15) == 8) {
		if (!mmu_at_exec(c, key, xt))
			return chain_raise(c, o, EC_UNKNOWN, 0);
	}
	/* Cache cleaning has no effect: all memory is coherent. */
	OP_NEXT();
}

/* ---- decoders ---- */

static enum decode_result dec_hint(uint32_t w, struct op *o)
{
	switch (bits(w, 11, 5)) {
	case 1:
		o->fn = op_yield;
		return DEC_OK;
	case 2:
		o->fn = slow_wfe;
		return DEC_OK;
	case 3:
		o->fn = slow_wfi;
		return DEC_OK;
	case 4:
	case 5:
		o->fn = slow_sev;
		o->aux = w >> 5 & 1; /* SEVL: this CPU alone */
		return DEC_OK;
	default:
		return DEC_NOP;
	}
}

static enum decode_result dec_barrier(uint32_t w, struct op *o)
{
	unsigned crm = bits(w, 11, 8);

	switch (bits(w, 7, 5)) {
	case 2:
		o->fn = op_clrex;
		return DEC_OK;
	case 4:
		o->fn = op_dsb;
		return DEC_OK;
	case 5: /* the two low bits of the option: 1 loads, 2 stores, 3 (and 0) all */
		o->fn = (crm & 3) == 1 || (crm & 3) == 2 ? op_dmb_ld : op_dmb_full;
		return DEC_OK;
	case 6:
		o->fn = op_isb;
		return DEC_OK;
	default:
		return DEC_UNDEF;
	}
}

static enum decode_result dec_msr_imm(uint32_t w, struct op *o)
{
	unsigned op1 = bits(w, 18, 16), op2 = bits(w, 7, 5);

	o->rn = (uint8_t)op1;
	o->rm = (uint8_t)op2;
	o->ra = (uint8_t)bits(w, 11, 8);
	if (op1 == 3 && op2 == 6)
		o->fn = op_daif_set;
	else if (op1 == 3 && op2 == 7)
		o->fn = op_daif_clr;
	else if (op1 == 0 && op2 == 5)
		o->fn = slow_msr_imm;
	else
		return DEC_UNDEF;
	return DEC_OK;
}

static enum decode_result dec_sys(uint32_t w, struct op *o)
{
	uint32_t key = bits(w, 20, 5);

	if (w >> 21 & 1)
		return DEC_UNDEF; /* SYSL: none in v8.0 */
	o->aux = (uint16_t)key;
	o->rm = reg_r(w, 0);
	o->ra = w & 31;
	o->fn = key == SYSREG_KEY(1, 3, 7, 4, 1) ? op_dc_zva : slow_sys;
	return DEC_OK;
}

static enum decode_result dec_sysreg(uint32_t w, struct op *o)
{
	uint32_t key = bits(w, 20, 5);

	o->aux = (uint16_t)key;
	o->ra = w & 31;
	if (!(w >> 21 & 1)) {
		o->rm = reg_r(w, 0);
		o->fn = key == SYSREG_KEY(3, 3, 4, 2, 1) ? op_msr_daif : slow_msr;
		return DEC_OK;
	}
	o->rd = reg_w(w, 0);
	switch (key) {
	case SYSREG_KEY(3, 0, 4, 1, 0):
		o->fn = op_mrs_sp_el0;
		break;
	case SYSREG_KEY(3, 0, 13, 0, 4):
		o->fn = op_mrs_tpidr_el1;
		break;
	case SYSREG_KEY(3, 3, 13, 0, 2):
		o->fn = op_mrs_tpidr_el0;
		break;
	case SYSREG_KEY(3, 3, 4, 2, 1):
		o->fn = op_mrs_daif;
		break;
	case SYSREG_KEY(3, 3, 0, 0, 1):
		o->fn = op_mrs_ctr;
		break;
	case SYSREG_KEY(3, 3, 0, 0, 7):
		o->fn = op_mrs_dczid;
		break;
	default:
		o->fn = slow_mrs;
		break;
	}
	return DEC_OK;
}

enum decode_result decode_system(uint32_t w, struct op *o)
{
	if (w == INSN_ERET || w == INSN_DRPS || w >> 24 == 0xd4)
		return decode_exception(w, o);
	if (w >> 22 != 0x354)
		return DEC_UNDEF;
	unsigned op0 = bits(w, 20, 19), crn = bits(w, 15, 12);
	if (op0 >= 2)
		return dec_sysreg(w, o);
	if (op0 == 1)
		return dec_sys(w, o);
	if ((w >> 21 & 1) || (w & 31) != 31)
		return DEC_UNDEF;
	if (crn == 4)
		return dec_msr_imm(w, o);
	if (bits(w, 18, 16) != 3)
		return DEC_UNDEF;
	if (crn == 2)
		return dec_hint(w, o);
	return crn == 3 ? dec_barrier(w, o) : DEC_UNDEF;
}
