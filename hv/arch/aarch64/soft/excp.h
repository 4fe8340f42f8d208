/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Exceptions to EL1 and return (DDI 0487, D1). All set cpu.pc and PSTATE; the run loop goes on at cpu.pc. */
#include "hv/arch/aarch64/soft/cpu.h"

enum excp_class {
	EC_UNKNOWN = 0x00,
	EC_WFX = 0x01,
	EC_FP = 0x07,
	EC_ILLEGAL = 0x0e,
	EC_SVC = 0x15,
	EC_SYSREG = 0x18,
	EC_IABT_LOWER = 0x20,
	EC_IABT = 0x21,
	EC_PC_ALIGN = 0x22,
	EC_DABT_LOWER = 0x24,
	EC_DABT = 0x25,
	EC_SP_ALIGN = 0x26,
	EC_FP_EXC = 0x2c,
	EC_SERROR = 0x2f,
	EC_STEP_LOWER = 0x32,
	EC_BRK = 0x3c,
};

/** excp_sync - takes a synchronous exception with ELR = @elr. @iss: 25 bits. IL is set by the class. For the
 * classes 0x20/0x21, 0x24/0x25 pass the "lower" value or either: the EL decides. */
void excp_sync(struct cpu *c, enum excp_class ec, uint32_t iss, uint64_t elr);
/* Bits of the ISS of data aborts. */
#define ISS_WNR 0x40u
#define ISS_S1PTW 0x80u
#define ISS_CM 0x100u /* cache maintenance, with ISS_WNR */
#define FSC_EXTERNAL 0x10u
#define FSC_ALIGNMENT 0x21u
#define FSC_EXCLUSIVE 0x35u /* exclusive access to memory that has none */

/** excp_abort - instruction or data abort (or alignment fault) at @far. @iss as for excp_sync(). */
void excp_abort(struct cpu *c, bool fetch, uint32_t iss, uint64_t far, uint64_t elr);
/** excp_irq - takes an IRQ at cpu.pc. The caller has checked attention and DAIF. */
void excp_irq(struct cpu *c);
/** excp_fiq - the same for FIQ (Group 0 interrupts). */
void excp_fiq(struct cpu *c);
/** excp_serror - takes an SError with @iss. */
void excp_serror(struct cpu *c, uint32_t iss);
/** excp_step_active - software step is in force at the current EL and PSTATE (MDSCR_EL1.SS): with cpu.ss = 1 one
 * instruction runs and cpu.ss becomes 0; with cpu.ss = 0 excp_step() comes before the next instruction. */
bool excp_step_active(const struct cpu *c);
/** excp_step - takes the Software Step exception. */
void excp_step(struct cpu *c);
/** excp_eret - ERET: PSTATE from SPSR_EL1, pc from ELR_EL1; illegal states set PSTATE.IL (the next
 * instruction then takes EC_ILLEGAL: the caller checks cpu.il). Clears the monitor, sets the event register. */
void excp_eret(struct cpu *c);
/** pstate_spsr - PSTATE as an SPSR image, NZCV included. */
uint64_t pstate_spsr(const struct cpu *c);
