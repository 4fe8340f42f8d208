/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MRS, MSR and SYS: who may access what (DDI 0487, chapters C5 and D19). The registers are in sysreg_table.c.
 *
 * Rules: unlisted encodings are UNDEFINED but for the identification space op0 = 3, op1 = 0, CRn = 0, CRm = 1..7,
 * which reads zero; EL0 sees only what the table opens to it, and an EL0 access that a control bit closes traps with
 * EC 0x18, whereas one that no bit could open is UNDEFINED (Linux emulates EL0's reads of ID registers that way).
 */
#include "hv/arch/aarch64/soft/sysreg.h"
#include "base/log.h"
#include "hv/arch/aarch64/soft/sysreg_table.h"
#include "hv/arch/aarch64/soft/tlb.h"
#include <string.h>

#define SCTLR_UMA (1ull << 9)
#define SCTLR_DZE (1ull << 14)
#define SCTLR_UCT (1ull << 15)
#define SCTLR_UCI (1ull << 26)
/* RES1 bits and the bits QEMU's Cortex-A cores have set at reset: no WFx traps, SP alignment checks. */
#define SCTLR_RESET 0x30d50838ull
#define OSLSR_RESET 0xaull /* OS lock implemented (OSLM = 0b10) and locked */
#define MDSCR_TDCC (1ull << 12)
#define KEY_SP_EL0 SYSREG_KEY(3, 0, 4, 1, 0)

static bool gate_open(const struct cpu *c, enum sysreg_gate gate)
{
	uint32_t k = c->timer.cntkctl;
	switch (gate) {
	case SR_GATE_UCT:
		return c->sctlr & SCTLR_UCT;
	case SR_GATE_UMA:
		return c->sctlr & SCTLR_UMA;
	case SR_GATE_TDCC:
		return !(c->mdscr & MDSCR_TDCC);
	case SR_GATE_CNT_P:
		return k & 1;
	case SR_GATE_CNT_V:
		return k & 2;
	case SR_GATE_CNT_PV:
		return k & 3;
	case SR_GATE_TMR_V:
		return k & 0x100;
	case SR_GATE_TMR_P:
		return k & 0x200;
	case SR_GATE_NONE:
	case SR_GATE_FP:
		break;
	}
	return true;
}

/* May the current EL do this? */
static enum sysreg_result check(const struct cpu *c, const struct sysreg_desc *d, bool is_write)
{
	unsigned need = c->el == 0 ? (is_write ? SR_W0 : SR_R0) : (is_write ? SR_W1 : SR_R1);
	if (!(d->access & need))
		return SYSREG_UNDEF;
	if (d->gate == SR_GATE_NONE)
		/* The SP in use has no name (DDI 0487, SP_EL0 "Accessing"). */
		return d->key == KEY_SP_EL0 && !c->sp_sel ? SYSREG_UNDEF : SYSREG_OK;
	if (d->gate == SR_GATE_FP)
		return c->fp_ok ? SYSREG_OK : SYSREG_FP_TRAP;
	return c->el != 0 || gate_open(c, d->gate) ? SYSREG_OK : SYSREG_TRAP;
}

static bool is_id_space(uint32_t key)
{
	unsigned crm = key >> 3 & 15;
	return (key & ~0x7fu) == SYSREG_KEY(3, 0, 0, 0, 0) && crm >= 1 && crm <= 7;
}

static enum sysreg_result undefined(const struct cpu *c, uint32_t key, bool is_write)
{
	if (c->el == 1)
		log_warn_limited("sysreg undefined op=%s reg=S%u_%u_C%u_C%u_%u",
				 is_write ? "msr" : "mrs", key >> 14 & 3, key >> 11 & 7,
				 key >> 7 & 15, key >> 3 & 15, key & 7);
	return SYSREG_UNDEF;
}

enum sysreg_result sysreg_read(struct cpu *c, uint32_t key, uint64_t *ret)
{
	const struct sysreg_desc *d = sysreg_find(key);
	if (!d) {
		if (c->el == 1 && is_id_space(key)) {
			*ret = 0;
			return SYSREG_OK;
		}
		if (c->el == 1 && c->timer.gic &&
		    gic_icc_read(c->timer.gic, c->timer.cpu, key, ret))
			return SYSREG_OK;
		return undefined(c, key, false);
	}
	enum sysreg_result r = check(c, d, false);
	if (r != SYSREG_OK)
		return r;
	if (d->read)
		*ret = d->read(c, key);
	else if (d->off)
		memcpy(ret, (const char *)c + d->off, sizeof(*ret));
	else
		*ret = d->value;
	return SYSREG_OK;
}

enum sysreg_result sysreg_write(struct cpu *c, uint32_t key, uint64_t value)
{
	const struct sysreg_desc *d = sysreg_find(key);
	if (!d) {
		if (c->el == 1 && c->timer.gic &&
		    gic_icc_write(c->timer.gic, c->timer.cpu, key, value))
			return SYSREG_OK;
		return undefined(c, key, true);
	}
	enum sysreg_result r = check(c, d, true);
	if (r != SYSREG_OK)
		return r;
	if (d->write) {
		d->write(c, key, value);
	} else if (d->off) {
		value &= d->value;
		memcpy((char *)c + d->off, &value, sizeof(value));
	}
	return SYSREG_OK;
}

enum sysreg_result sysreg_sys_gate(const struct cpu *c, uint32_t key)
{
	uint64_t need = 0;
	switch (key) {
	case SYSREG_KEY(1, 3, 7, 4, 1): /* DC ZVA */
		need = SCTLR_DZE;
		break;
	case SYSREG_KEY(1, 3, 7, 5, 1):	 /* IC IVAU */
	case SYSREG_KEY(1, 3, 7, 10, 1): /* DC CVAC */
	case SYSREG_KEY(1, 3, 7, 11, 1): /* DC CVAU */
	case SYSREG_KEY(1, 3, 7, 14, 1): /* DC CIVAC */
		need = SCTLR_UCI;
		break;
	case SYSREG_KEY(1, 0, 7, 1, 0):	 /* IC IALLUIS */
	case SYSREG_KEY(1, 0, 7, 5, 0):	 /* IC IALLU */
	case SYSREG_KEY(1, 0, 7, 6, 1):	 /* DC IVAC */
	case SYSREG_KEY(1, 0, 7, 6, 2):	 /* DC ISW */
	case SYSREG_KEY(1, 0, 7, 10, 2): /* DC CSW */
	case SYSREG_KEY(1, 0, 7, 14, 2): /* DC CISW */
	case SYSREG_KEY(1, 0, 7, 8, 0):	 /* AT S1E1R */
	case SYSREG_KEY(1, 0, 7, 8, 1):	 /* AT S1E1W */
	case SYSREG_KEY(1, 0, 7, 8, 2):	 /* AT S1E0R */
	case SYSREG_KEY(1, 0, 7, 8, 3):	 /* AT S1E0W */
	case SYSREG_KEY(1, 0, 8, 3, 0):	 /* TLBI VMALLE1IS */
	case SYSREG_KEY(1, 0, 8, 3, 1):	 /* VAE1IS */
	case SYSREG_KEY(1, 0, 8, 3, 2):	 /* ASIDE1IS */
	case SYSREG_KEY(1, 0, 8, 3, 3):	 /* VAAE1IS */
	case SYSREG_KEY(1, 0, 8, 3, 5):	 /* VALE1IS */
	case SYSREG_KEY(1, 0, 8, 3, 7):	 /* VAALE1IS */
	case SYSREG_KEY(1, 0, 8, 7, 0):	 /* the same, not shared */
	case SYSREG_KEY(1, 0, 8, 7, 1):
	case SYSREG_KEY(1, 0, 8, 7, 2):
	case SYSREG_KEY(1, 0, 8, 7, 3):
	case SYSREG_KEY(1, 0, 8, 7, 5):
	case SYSREG_KEY(1, 0, 8, 7, 7):
		return c->el == 0 ? SYSREG_UNDEF : SYSREG_OK;
	default:
		return SYSREG_UNDEF;
	}
	return c->el != 0 || (c->sctlr & need) ? SYSREG_OK : SYSREG_TRAP;
}

bool sysreg_pstate_imm(struct cpu *c, unsigned op1, unsigned op2, unsigned imm, bool *ret_trap)
{
	*ret_trap = false;
	if (op1 == 0 && op2 == 5) { /* SPSel */
		if (c->el == 0)
			return false;
		cpu_sp_switch(c, 1, imm & 1);
		return true;
	}
	if (op1 != 3 || (op2 != 6 && op2 != 7))
		return false;
	if (c->el == 0 && !(c->sctlr & SCTLR_UMA)) {
		*ret_trap = true;
		return true;
	}
	if (op2 == 6) /* DAIFSet */
		c->daif |= (uint8_t)(imm & 0xf);
	else /* DAIFClr */
		c->daif &= (uint8_t) ~(imm & 0xf);
	return true;
}

void sysreg_reset(struct cpu *c)
{
	c->sctlr = SCTLR_RESET;
	c->oslsr = OSLSR_RESET;
	c->tcr = c->ttbr[0] = c->ttbr[1] = c->mair = c->amair = c->vbar = 0;
	c->esr = c->far = c->elr = c->spsr = c->par = c->afsr[0] = c->afsr[1] = 0;
	c->cpacr = c->contextidr = c->actlr = c->csselr = 0;
	c->tpidr_el0 = c->tpidrro_el0 = c->tpidr_el1 = 0;
	c->mdscr = c->osdlr = c->mdccint = 0;
	memset(c->dbgbvr, 0, sizeof(c->dbgbvr));
	memset(c->dbgbcr, 0, sizeof(c->dbgbcr));
	memset(c->dbgwvr, 0, sizeof(c->dbgwvr));
	memset(c->dbgwcr, 0, sizeof(c->dbgwcr));
	c->fpcr = c->fpsr = 0;
	c->sp_el[0] = c->sp_el[1] = 0;
	c->x[REG_SP] = 0;
	c->el = 1;
	c->sp_sel = 1;
	c->daif = 0xf;
	c->il = c->ss = 0;
	c->tlb = c->tlb_el[1];
	c->excl_valid = false;
	c->event = false;
	cpu_fp_update(c);
	if (c->tlb_el[0] && c->tlb_el[1])
		tlb_flush_all(c);
	if (c->timer.clock)
		gtimer_reset(&c->timer);
}
