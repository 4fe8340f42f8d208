/* SPDX-License-Identifier: Apache-2.0 */
/* The system registers that are more than storage (DDI 0487, chapters C5 and D19). */
#include "hv/arch/aarch64/soft/sysreg_table.h"
#include "hv/arch/aarch64/soft/flags.h"
#include "hv/arch/aarch64/soft/tlb.h"

#define SCTLR_M 0x1ull
#define SCTLR_DZE 0x4000ull
#define SCTLR_WXN 0x80000ull
#define SCTLR_BIG_ENDIAN 0x03000000ull /* EE, E0E: ID_AA64MMFR0_EL1.BigEnd = 0 */
#define CPACR_FPEN 0x300000ull
#define FPCR_MASK 0x07c00000u /* AHP, DN, FZ, RMode */
#define FPSR_MASK 0xf800009fu /* QC and the cumulative flags; NZCV has storage, as in QEMU */

uint64_t sysreg_dczid_read(struct cpu *c, uint32_t key)
{
	(void)key;
	/* DZP tells whether DC ZVA traps here. */
	bool prohibited = c->el == 0 && !(c->sctlr & SCTLR_DZE);
	return SYSREG_DCZID_EL0 | (prohibited ? 0x10 : 0);
}

uint64_t sysreg_mpidr_read(struct cpu *c, uint32_t key)
{
	(void)key;
	return 0x80000000ull | psci_index_mpidr(c->index);
}

uint64_t sysreg_currentel_read(struct cpu *c, uint32_t key)
{
	(void)key;
	return (uint64_t)c->el << 2;
}

uint64_t sysreg_spsel_read(struct cpu *c, uint32_t key)
{
	(void)key;
	return c->sp_sel;
}

void sysreg_spsel_write(struct cpu *c, uint32_t key, uint64_t value)
{
	(void)key;
	cpu_sp_switch(c, 1, (unsigned)value & 1);
}

uint64_t sysreg_daif_read(struct cpu *c, uint32_t key)
{
	(void)key;
	return (uint64_t)c->daif << 6;
}

void sysreg_daif_write(struct cpu *c, uint32_t key, uint64_t value)
{
	(void)key;
	c->daif = (uint8_t)(value >> 6 & 0xf);
}

uint64_t sysreg_nzcv_read(struct cpu *c, uint32_t key)
{
	(void)key;
	return flags_nzcv(c);
}

void sysreg_nzcv_write(struct cpu *c, uint32_t key, uint64_t value)
{
	(void)key;
	flags_set_nzcv(c, (uint32_t)value);
}

uint64_t sysreg_fpcr_read(struct cpu *c, uint32_t key)
{
	(void)key;
	return c->fpcr;
}

void sysreg_fpcr_write(struct cpu *c, uint32_t key, uint64_t value)
{
	(void)key;
	c->fpcr = (uint32_t)value & FPCR_MASK;
}

uint64_t sysreg_fpsr_read(struct cpu *c, uint32_t key)
{
	(void)key;
	return c->fpsr;
}

void sysreg_fpsr_write(struct cpu *c, uint32_t key, uint64_t value)
{
	(void)key;
	c->fpsr = (uint32_t)value & FPSR_MASK;
}

uint64_t sysreg_isr_read(struct cpu *c, uint32_t key)
{
	(void)key;
	uint32_t a = atomic_load_explicit(&c->attention, memory_order_relaxed);
	return (a & ATTN_IRQ ? 0x80 : 0) | (a & ATTN_FIQ ? 0x40 : 0);
}

void sysreg_sctlr_write(struct cpu *c, uint32_t key, uint64_t value)
{
	(void)key;
	uint64_t old = c->sctlr;
	c->sctlr = value & ~SCTLR_BIG_ENDIAN;
	if ((old ^ c->sctlr) & (SCTLR_M | SCTLR_WXN))
		tlb_flush_all(c);
}

void sysreg_cpacr_write(struct cpu *c, uint32_t key, uint64_t value)
{
	(void)key;
	c->cpacr = value & CPACR_FPEN;
	cpu_fp_update(c);
}

/* The ASID that tags not-global entries: of TTBR1 if TCR.A1. */
static uint64_t asid_now(const struct cpu *c)
{
	return c->ttbr[c->tcr >> 22 & 1] >> 48 & (c->tcr >> 36 & 1 ? 0xffff : 0xff);
}

void sysreg_ttbr_write(struct cpu *c, uint32_t key, uint64_t value)
{
	/* A new table under the same ASID needs TLBI from the guest, as on any CPU. */
	uint64_t old = asid_now(c);
	c->ttbr[key & 1] = value;
	if (asid_now(c) != old)
		tlb_asid_changed(c);
}

void sysreg_tcr_write(struct cpu *c, uint32_t key, uint64_t value)
{
	(void)key;
	if (c->tcr == value)
		return;
	c->tcr = value;
	tlb_flush_all(c);
}

void sysreg_mair_write(struct cpu *c, uint32_t key, uint64_t value)
{
	(void)key;
	if (c->mair == value)
		return;
	c->mair = value;
	tlb_flush_all(c);
}

void sysreg_oslar_write(struct cpu *c, uint32_t key, uint64_t value)
{
	(void)key;
	c->oslsr = (c->oslsr & ~2ull) | (value & 1) << 1;
}

uint64_t sysreg_timer_read(struct cpu *c, uint32_t key)
{
	uint64_t v = 0;
	if (c->timer.clock)
		gtimer_read(&c->timer, key, &v);
	return v;
}

void sysreg_timer_write(struct cpu *c, uint32_t key, uint64_t value)
{
	if (c->timer.clock)
		gtimer_write(&c->timer, key, value);
}
