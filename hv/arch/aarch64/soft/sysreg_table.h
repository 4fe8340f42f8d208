/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The table of system registers, private to sysreg*.c. Interrupt controller registers (ICC_*) are not in it: gic.h. */
#include "hv/arch/aarch64/soft/sysreg.h"

/* Who may do what. */
#define SR_R1 1u /* EL1 reads */
#define SR_W1 2u
#define SR_R0 4u /* EL0 reads, if the gate is open */
#define SR_W0 8u

/** enum sysreg_gate - what opens a register to EL0 (for SR_GATE_FP: to any EL). */
enum sysreg_gate {
	SR_GATE_NONE,
	SR_GATE_UCT,	/* SCTLR_EL1.UCT */
	SR_GATE_UMA,	/* SCTLR_EL1.UMA */
	SR_GATE_TDCC,	/* MDSCR_EL1.TDCC = 0 */
	SR_GATE_FP,	/* cpu.fp_ok, else EC 0x07 */
	SR_GATE_CNT_P,	/* CNTKCTL_EL1.EL0PCTEN: CNTPCT_EL0 */
	SR_GATE_CNT_V,	/* .EL0VCTEN: CNTVCT_EL0 */
	SR_GATE_CNT_PV, /* either: CNTFRQ_EL0 */
	SR_GATE_TMR_P,	/* .EL0PTEN: CNTP_*_EL0 */
	SR_GATE_TMR_V,	/* .EL0VTEN: CNTV_*_EL0 */
};

/** struct sysreg_desc - one register. @read NULL: with @off, the uint64_t there in struct cpu; without, @value.
 * @write NULL: with @off, stores what @value masks; without, ignores. */
struct sysreg_desc {
	uint16_t key;
	uint8_t access;
	uint8_t gate;
	uint16_t off;
	uint64_t value;
	uint64_t (*read)(struct cpu *c, uint32_t key);
	void (*write)(struct cpu *c, uint32_t key, uint64_t value);
};

/** sysreg_find - the register of @key, or NULL. */
const struct sysreg_desc *sysreg_find(uint32_t key);
/** sysreg_table - the whole table, sorted by key; *@ret_count entries. For tests. */
const struct sysreg_desc *sysreg_table(unsigned *ret_count);

/* The handlers that need more than storage: sysreg_ops.c. */
uint64_t sysreg_dczid_read(struct cpu *c, uint32_t key);
uint64_t sysreg_mpidr_read(struct cpu *c, uint32_t key);
uint64_t sysreg_currentel_read(struct cpu *c, uint32_t key);
uint64_t sysreg_spsel_read(struct cpu *c, uint32_t key);
void sysreg_spsel_write(struct cpu *c, uint32_t key, uint64_t value);
uint64_t sysreg_daif_read(struct cpu *c, uint32_t key);
void sysreg_daif_write(struct cpu *c, uint32_t key, uint64_t value);
uint64_t sysreg_nzcv_read(struct cpu *c, uint32_t key);
void sysreg_nzcv_write(struct cpu *c, uint32_t key, uint64_t value);
uint64_t sysreg_fpcr_read(struct cpu *c, uint32_t key);
void sysreg_fpcr_write(struct cpu *c, uint32_t key, uint64_t value);
uint64_t sysreg_fpsr_read(struct cpu *c, uint32_t key);
void sysreg_fpsr_write(struct cpu *c, uint32_t key, uint64_t value);
uint64_t sysreg_isr_read(struct cpu *c, uint32_t key);
void sysreg_sctlr_write(struct cpu *c, uint32_t key, uint64_t value);
void sysreg_cpacr_write(struct cpu *c, uint32_t key, uint64_t value);
void sysreg_ttbr_write(struct cpu *c, uint32_t key, uint64_t value);
void sysreg_tcr_write(struct cpu *c, uint32_t key, uint64_t value);
void sysreg_mair_write(struct cpu *c, uint32_t key, uint64_t value);
void sysreg_oslar_write(struct cpu *c, uint32_t key, uint64_t value);
uint64_t sysreg_timer_read(struct cpu *c, uint32_t key);
void sysreg_timer_write(struct cpu *c, uint32_t key, uint64_t value);
