/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* System registers and SYS instructions by key. */
#include "hv/arch/aarch64/soft/cpu.h"

/** SYSREG_KEY - op0(2):op1(3):CRn(4):CRm(4):op2(3), as in bits 20..5 of MRS/MSR/SYS. */
#define SYSREG_KEY(op0, op1, crn, crm, op2)                                                        \
	((uint32_t)((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2)))

enum sysreg_result {
	SYSREG_OK,
	SYSREG_UNDEF,	/* EC 0 */
	SYSREG_TRAP,	/* EC 0x18 to EL1 (EL0 access that a control bit traps) */
};

/** sysreg_read / sysreg_write - MRS / MSR (register) of @key at the current EL. vCPU's own thread. Writes that change
 * the regime flush what they must; the caller ends its block after any write. */
enum sysreg_result sysreg_read(struct cpu *c, uint32_t key, uint64_t *ret);
enum sysreg_result sysreg_write(struct cpu *c, uint32_t key, uint64_t value);

/** sysreg_reset - all system registers of @c to their reset values, EL1h, DAIF set, MMU off. */
void sysreg_reset(struct cpu *c);

/** sysreg_pstate_imm - MSR (immediate): SPSel, DAIFSet, DAIFClr by op1:op2. False: UNDEF. *@ret_trap: EL0 trap. */
bool sysreg_pstate_imm(struct cpu *c, unsigned op1, unsigned op2, unsigned imm, bool *ret_trap);
