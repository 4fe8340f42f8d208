/* SPDX-License-Identifier: Apache-2.0 */
/* Exceptions to EL1 and return from them (DDI 0487, chapter D1 "The AArch64 System Level Programmers' Model"). */
#include "hv/arch/aarch64/soft/excp.h"
#include "hv/arch/aarch64/soft/flags.h"
#include "hv/arch/aarch64/soft/tlb.h"

#define VECTOR_SYNC 0x000u
#define VECTOR_IRQ 0x080u
#define VECTOR_FIQ 0x100u
#define VECTOR_SERROR 0x180u

#define SPSR_SS (1u << 21)
#define SPSR_IL (1u << 20)
#define ESR_IL (1u << 25)
#define MDSCR_SS 0x1u
#define MDSCR_KDE 0x2000u
#define OSLSR_OSLK 0x2u

uint64_t pstate_spsr(const struct cpu *c)
{
	uint32_t s = flags_nzcv(c) | (uint32_t)c->daif << 6 | (uint32_t)c->el << 2 | c->sp_sel;
	if (c->il)
		s |= SPSR_IL;
	if (c->ss)
		s |= SPSR_SS;
	return s;
}

/* Common entry: @vector is the offset within a vector group. */
static void enter(struct cpu *c, unsigned vector, uint64_t elr)
{
	unsigned group = c->el == 0 ? 0x400 : c->sp_sel ? 0x200 : 0;
	c->spsr = pstate_spsr(c);
	c->elr = elr;
	cpu_sp_switch(c, 1, 1);
	c->daif = 0xf;
	c->il = 0;
	c->ss = 0;
	cpu_fp_update(c);
	c->pc = mmu_branch_addr(c, c->vbar + group + vector);
}

void excp_sync(struct cpu *c, enum excp_class ec, uint32_t iss, uint64_t elr)
{
	unsigned class = ec;
	switch (ec) {
	case EC_IABT_LOWER:
	case EC_IABT:
		class = c->el == 0 ? EC_IABT_LOWER : EC_IABT;
		break;
	case EC_DABT_LOWER:
	case EC_DABT:
		class = c->el == 0 ? EC_DABT_LOWER : EC_DABT;
		break;
	case EC_STEP_LOWER:
		class = c->el == 0 ? EC_STEP_LOWER : EC_STEP_LOWER + 1;
		break;
	default:
		break;
	}
	/* IL is 0 for 16-bit instructions only. */
	c->esr = (uint64_t) class << 26 | ESR_IL | (iss & 0x1ffffffu);
	enter(c, VECTOR_SYNC, elr);
}

void excp_abort(struct cpu *c, bool fetch, uint32_t iss, uint64_t far, uint64_t elr)
{
	c->far = far;
	excp_sync(c, fetch ? EC_IABT : EC_DABT, iss, elr);
}

void excp_irq(struct cpu *c)
{
	enter(c, VECTOR_IRQ, c->pc);
}

void excp_fiq(struct cpu *c)
{
	enter(c, VECTOR_FIQ, c->pc);
}

void excp_serror(struct cpu *c, uint32_t iss)
{
	c->esr = (uint64_t)EC_SERROR << 26 | ESR_IL | (iss & 0x1ffffffu);
	enter(c, VECTOR_SERROR, c->pc);
}

/* AArch64.GenerateDebugExceptions: at @el with PSTATE.D = @d. */
static bool debug_enabled(const struct cpu *c, unsigned el, bool d)
{
	if (c->oslsr & OSLSR_OSLK || c->osdlr & 1)
		return false;
	return el == 0 || (c->mdscr & MDSCR_KDE && !d);
}

bool excp_step_active(const struct cpu *c)
{
	return c->mdscr & MDSCR_SS && debug_enabled(c, c->el, c->daif & 8);
}

void excp_step(struct cpu *c)
{
	/* ISV = 0: whether an exclusive load was stepped is not told. */
	excp_sync(c, EC_STEP_LOWER, 0x22, c->pc);
}

/* Is the state that @spsr names one that ERET from @el can go to? This CPU has neither AArch32 nor EL2 and EL3. */
static bool return_is_legal(const struct cpu *c, uint64_t spsr)
{
	unsigned mode = (unsigned)spsr & 0x1f;
	unsigned el = mode >> 2 & 3;
	if (mode & 0x10 || mode & 2)
		return false;
	return el <= c->el && !(el == 0 && mode & 1);
}

void excp_eret(struct cpu *c)
{
	uint64_t spsr = c->spsr;
	uint64_t pc = c->elr;
	bool source = debug_enabled(c, c->el, c->daif & 8);

	c->excl_valid = false;
	c->event = true;
	if (return_is_legal(c, spsr)) {
		unsigned el = (unsigned)spsr >> 2 & 3;
		bool dest = debug_enabled(c, el, spsr >> 9 & 1);
		c->ss = c->mdscr & MDSCR_SS && !source && dest && spsr & SPSR_SS;
		c->il = (uint8_t)(spsr >> 20 & 1);
		cpu_sp_switch(c, el, (unsigned)spsr & 1);
		cpu_fp_update(c);
	} else {
		/* EL and SP stay; the next instruction takes the Illegal Execution State exception. */
		c->il = 1;
		c->ss = 0;
	}
	flags_set_nzcv(c, (uint32_t)spsr);
	c->daif = (uint8_t)(spsr >> 6 & 0xf);
	c->pc = mmu_branch_addr(c, pc);
}
