/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* System registers and SYS instructions by key. */
#include "hv/arch/aarch64/soft/cpu.h"

/** SYSREG_KEY - op0(2):op1(3):CRn(4):CRm(4):op2(3), as in bits 20..5 of MRS/MSR/SYS. */
#define SYSREG_KEY(op0, op1, crn, crm, op2)                                                        \
	((uint32_t)((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2)))

enum sysreg_result {
	SYSREG_OK,
	SYSREG_UNDEF, /* EC 0 */
	SYSREG_TRAP, /* EC 0x18 to EL1 (EL0 access that a control bit traps), ISS from sysreg_iss() */
	SYSREG_FP_TRAP, /* EC 0x07: FPCR, FPSR while FP is trapped */
};

/** sysreg_iss - ISS of EC 0x18 for MRS (@is_read) / MSR / SYS of @key with general register @rt. */
static inline uint32_t sysreg_iss(uint32_t key, unsigned rt, bool is_read)
{
	return (key >> 14 & 3) << 20 | (key & 7) << 17 | (key >> 11 & 7) << 14 |
	       (key >> 7 & 15) << 10 | (rt & 31) << 5 | (key >> 3 & 15) << 1 | is_read;
}

/** sysreg_sys_gate - may the current EL execute the SYS instruction @key (IC, DC, AT, TLBI)? Also from EL0 by
 * SCTLR_EL1.UCI and DZE. Unallocated ones are SYSREG_UNDEF. */
enum sysreg_result sysreg_sys_gate(const struct cpu *c, uint32_t key);
/** sysreg_wfx_trapped - WFI (@wfe false) or WFE at EL0 traps: EC 0x01 with iss 0x1e00000 | wfe. */
static inline bool sysreg_wfx_trapped(const struct cpu *c, bool wfe)
{
	return c->el == 0 && !(c->sctlr >> (wfe ? 18 : 16) & 1);
}
/* Values at EL1, for decoded operations. At EL0 CTR_EL0 needs SCTLR_EL1.UCT, and DCZID_EL0 shows DZE. */
#define SYSREG_DCZID_EL0 0x4ull
#define SYSREG_CTR_EL0 0x9444c004ull

/** sysreg_read / sysreg_write - MRS / MSR (register) of @key at the current EL. vCPU's own thread. Writes that change
 * the regime flush what they must; the caller ends its block after any write. */
enum sysreg_result sysreg_read(struct cpu *c, uint32_t key, uint64_t *ret);
enum sysreg_result sysreg_write(struct cpu *c, uint32_t key, uint64_t value);

/** sysreg_reset - all system registers of @c to their reset values, EL1h, DAIF set, MMU off. */
void sysreg_reset(struct cpu *c);

/** sysreg_pstate_imm - MSR (immediate): SPSel, DAIFSet, DAIFClr by op1:op2. False: UNDEF. *@ret_trap: EL0 trap,
 * EC 0x18 with sysreg_iss(SYSREG_KEY(0, op1, 4, imm, op2), 31, false). */
bool sysreg_pstate_imm(struct cpu *c, unsigned op1, unsigned op2, unsigned imm, bool *ret_trap);
