/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All system registers of the CPU: Armv8.0-A with E0PD, EL1 and EL0 in AArch64 only, FP and AdvSIMD, GICv3 system
 * registers, two breakpoints and two watchpoints, no PMU (DDI 0487, chapter D19 "AArch64 System Register
 * Descriptions"). The identification values keep Linux free of errata work-arounds and mitigations that a software
 * CPU does not need.
 */
#include "hv/arch/aarch64/soft/sysreg_table.h"
#include <stddef.h>

#define K SYSREG_KEY
#define RW1 (SR_R1 | SR_W1)
#define RW (SR_R1 | SR_W1 | SR_R0 | SR_W0)
#define OFF(field) .off = offsetof(struct cpu, field)
#define RAZ .value = 0
#define ANY .value = UINT64_MAX

/* clang-format off */
static const struct sysreg_desc table[] = {
	/* op0 = 2: debug */
	{K(2,0, 0,0,2), RW1, RAZ},						/* OSDTRRX_EL1 */
	{K(2,0, 0,0,4), RW1, OFF(dbgbvr[0]), ANY},			/* DBGBVR0_EL1 */
	{K(2,0, 0,0,5), RW1, OFF(dbgbcr[0]), .value = 0xffffffff},	/* DBGBCR0_EL1 */
	{K(2,0, 0,0,6), RW1, OFF(dbgwvr[0]), .value = ~3ull},		/* DBGWVR0_EL1 */
	{K(2,0, 0,0,7), RW1, OFF(dbgwcr[0]), .value = 0xffffffff},	/* DBGWCR0_EL1 */
	{K(2,0, 0,1,4), RW1, OFF(dbgbvr[1]), ANY},
	{K(2,0, 0,1,5), RW1, OFF(dbgbcr[1]), .value = 0xffffffff},
	{K(2,0, 0,1,6), RW1, OFF(dbgwvr[1]), .value = ~3ull},
	{K(2,0, 0,1,7), RW1, OFF(dbgwcr[1]), .value = 0xffffffff},
	{K(2,0, 0,2,0), RW1, OFF(mdccint), .value = 0x60000000},	/* MDCCINT_EL1 */
	{K(2,0, 0,2,2), RW1, OFF(mdscr), .value = 0xffffffff},		/* MDSCR_EL1 */
	{K(2,0, 0,3,2), RW1, RAZ},						/* OSDTRTX_EL1 */
	{K(2,0, 0,6,2), RW1, RAZ},						/* OSECCR_EL1 */
	{K(2,0, 1,0,0), SR_R1, RAZ},						/* MDRAR_EL1 */
	{K(2,0, 1,0,4), SR_W1, .write = sysreg_oslar_write},		/* OSLAR_EL1 */
	{K(2,0, 1,1,4), SR_R1, OFF(oslsr)},				/* OSLSR_EL1 */
	{K(2,0, 1,3,4), RW1, OFF(osdlr), .value = 1},			/* OSDLR_EL1 */
	{K(2,0, 1,4,4), RW1, RAZ},						/* DBGPRCR_EL1 */
	{K(2,0, 7,8,6), RW1, .value = 0xff},				/* DBGCLAIMSET_EL1 */
	{K(2,0, 7,9,6), RW1, RAZ},						/* DBGCLAIMCLR_EL1 */
	{K(2,0, 7,14,6), SR_R1, RAZ},					/* DBGAUTHSTATUS_EL1 */
	{K(2,3, 0,1,0), SR_R1 | SR_R0, SR_GATE_TDCC, RAZ},			/* MDCCSR_EL0 */
	{K(2,3, 0,4,0), RW, SR_GATE_TDCC, RAZ},				/* DBGDTR_EL0 */
	{K(2,3, 0,5,0), RW, SR_GATE_TDCC, RAZ},				/* DBGDTR{RX,TX}_EL0 */

	/* op0 = 3, op1 = 0: identification; what is not listed in CRm 1..7 reads zero */
	{K(3,0, 0,0,0), SR_R1, .value = 0x000f04f0},			/* MIDR_EL1: software */
	{K(3,0, 0,0,5), SR_R1, .read = sysreg_mpidr_read},		/* MPIDR_EL1 */
	{K(3,0, 0,0,6), SR_R1, RAZ},						/* REVIDR_EL1 */
	{K(3,0, 0,4,0), SR_R1, .value = 0x1300000001000011},		/* ID_AA64PFR0_EL1 */
	{K(3,0, 0,5,0), SR_R1, .value = 0x00101006},			/* ID_AA64DFR0_EL1 */
	{K(3,0, 0,7,0), SR_R1, .value = 0x0f000022},			/* ID_AA64MMFR0_EL1 */
	{K(3,0, 0,7,2), SR_R1, .value = 1ull << 60},			/* ID_AA64MMFR2_EL1: E0PD */

	{K(3,0, 1,0,0), RW1, OFF(sctlr), .write = sysreg_sctlr_write},	/* SCTLR_EL1 */
	{K(3,0, 1,0,1), RW1, OFF(actlr), ANY},				/* ACTLR_EL1 */
	{K(3,0, 1,0,2), RW1, OFF(cpacr), .write = sysreg_cpacr_write},	/* CPACR_EL1 */
	{K(3,0, 2,0,0), RW1, OFF(ttbr[0]), .write = sysreg_ttbr_write},	/* TTBR0_EL1 */
	{K(3,0, 2,0,1), RW1, OFF(ttbr[1]), .write = sysreg_ttbr_write},	/* TTBR1_EL1 */
	{K(3,0, 2,0,2), RW1, OFF(tcr), .write = sysreg_tcr_write},	/* TCR_EL1 */
	{K(3,0, 4,0,0), RW1, OFF(spsr), .value = 0xffffffff},		/* SPSR_EL1 */
	{K(3,0, 4,0,1), RW1, OFF(elr), ANY},				/* ELR_EL1 */
	{K(3,0, 4,1,0), RW1, OFF(sp_el[0]), ANY},			/* SP_EL0 */
	{K(3,0, 4,2,0), RW1, .read = sysreg_spsel_read, .write = sysreg_spsel_write},
	{K(3,0, 4,2,2), SR_R1, .read = sysreg_currentel_read},
	{K(3,0, 5,1,0), RW1, OFF(afsr[0]), ANY},			/* AFSR0_EL1 */
	{K(3,0, 5,1,1), RW1, OFF(afsr[1]), ANY},			/* AFSR1_EL1 */
	{K(3,0, 5,2,0), RW1, OFF(esr), .value = 0xffffffff},		/* ESR_EL1 */
	{K(3,0, 6,0,0), RW1, OFF(far), ANY},				/* FAR_EL1 */
	{K(3,0, 7,4,0), RW1, OFF(par), ANY},				/* PAR_EL1 */
	{K(3,0,10,2,0), RW1, OFF(mair), .write = sysreg_mair_write},	/* MAIR_EL1 */
	{K(3,0,10,3,0), RW1, OFF(amair), ANY},				/* AMAIR_EL1 */
	{K(3,0,12,0,0), RW1, OFF(vbar), .value = ~0x7ffull},		/* VBAR_EL1 */
	{K(3,0,12,0,1), SR_R1, RAZ},						/* RVBAR_EL1 */
	{K(3,0,12,1,0), SR_R1, .read = sysreg_isr_read},		/* ISR_EL1 */
	{K(3,0,13,0,1), RW1, OFF(contextidr), .value = 0xffffffff},	/* CONTEXTIDR_EL1 */
	{K(3,0,13,0,4), RW1, OFF(tpidr_el1), ANY},			/* TPIDR_EL1 */
	{K(3,0,14,1,0), RW1, .read = sysreg_timer_read, .write = sysreg_timer_write}, /* CNTKCTL_EL1 */

	/* op1 = 1, 2: caches; CLIDR_EL1 = 0: none to maintain by set and way */
	{K(3,1, 0,0,0), SR_R1, RAZ},						/* CCSIDR_EL1 */
	{K(3,1, 0,0,1), SR_R1, RAZ},						/* CLIDR_EL1 */
	{K(3,1, 0,0,7), SR_R1, RAZ},						/* AIDR_EL1 */
	{K(3,2, 0,0,0), RW1, OFF(csselr), .value = 0xf},		/* CSSELR_EL1 */

	/* op1 = 3: EL0's */
	{K(3,3, 0,0,1), SR_R1 | SR_R0, SR_GATE_UCT, .value = SYSREG_CTR_EL0},
	{K(3,3, 0,0,7), SR_R1 | SR_R0, .read = sysreg_dczid_read},
	{K(3,3, 4,2,0), RW, .read = sysreg_nzcv_read, .write = sysreg_nzcv_write},
	{K(3,3, 4,2,1), RW, SR_GATE_UMA, .read = sysreg_daif_read, .write = sysreg_daif_write},
	{K(3,3, 4,4,0), RW, SR_GATE_FP, .read = sysreg_fpcr_read, .write = sysreg_fpcr_write},
	{K(3,3, 4,4,1), RW, SR_GATE_FP, .read = sysreg_fpsr_read, .write = sysreg_fpsr_write},
	{K(3,3,13,0,2), RW, OFF(tpidr_el0), ANY},			/* TPIDR_EL0 */
	{K(3,3,13,0,3), RW1 | SR_R0, OFF(tpidrro_el0), ANY},		/* TPIDRRO_EL0 */
#define TIMER(op2crm, acc, g)									\
	{op2crm, acc, g, .read = sysreg_timer_read, .write = sysreg_timer_write}
	TIMER(K(3,3,14,0,0), RW1 | SR_R0, SR_GATE_CNT_PV),		/* CNTFRQ_EL0 */
	TIMER(K(3,3,14,0,1), SR_R1 | SR_R0, SR_GATE_CNT_P),		/* CNTPCT_EL0 */
	TIMER(K(3,3,14,0,2), SR_R1 | SR_R0, SR_GATE_CNT_V),		/* CNTVCT_EL0 */
	TIMER(K(3,3,14,2,0), RW, SR_GATE_TMR_P),			/* CNTP_TVAL_EL0 */
	TIMER(K(3,3,14,2,1), RW, SR_GATE_TMR_P),			/* CNTP_CTL_EL0 */
	TIMER(K(3,3,14,2,2), RW, SR_GATE_TMR_P),			/* CNTP_CVAL_EL0 */
	TIMER(K(3,3,14,3,0), RW, SR_GATE_TMR_V),			/* CNTV_TVAL_EL0 */
	TIMER(K(3,3,14,3,1), RW, SR_GATE_TMR_V),			/* CNTV_CTL_EL0 */
	TIMER(K(3,3,14,3,2), RW, SR_GATE_TMR_V),			/* CNTV_CVAL_EL0 */
};
/* clang-format on */

const struct sysreg_desc *sysreg_table(unsigned *ret_count)
{
	*ret_count = sizeof(table) / sizeof(table[0]);
	return table;
}

const struct sysreg_desc *sysreg_find(uint32_t key)
{
	unsigned lo = 0, hi = sizeof(table) / sizeof(table[0]);
	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		if (table[mid].key < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < sizeof(table) / sizeof(table[0]) && table[lo].key == key ? &table[lo] : NULL;
}
