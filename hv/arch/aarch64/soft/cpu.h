/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The software AArch64 CPU: all state of one vCPU, and the contract between its parts.
 *
 *   op.h      the decoded operation and how handlers chain        decode*.c, ops_*.c
 *   tlb.h     software TLB, the only way from VA to host memory   tlb.c, mmu.c (stage 1 walk)
 *   excp.h    exceptions, PSTATE, ERET                            excp.c
 *   sysreg.h  system registers by key                             sysreg.c
 *
 * Owned by the vCPU's thread. Other threads write only @attention (atomic) and the inbox.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "hv/arch/aarch64/timer.h"
#include "hv/arch/aarch64/psci.h"

#define REG_SP 31   /* x[31]: the current stack pointer */
#define REG_ZERO 32 /* x[32]: always 0; what a read of XZR names */
#define REG_JUNK 33 /* x[33]: never read; what a write of XZR names */

/** union vreg - one V register, little-endian lanes. */
union vreg {
	uint64_t d[2];
	uint32_t s[4];
	uint16_t h[8];
	uint8_t b[16];
	int64_t sd[2];
	int32_t ss[4];
	int16_t sh[8];
	int8_t sb[16];
} __attribute__((aligned(16)));

/* Bits of cpu.attention: something to do before the next block. Any thread may set, own thread
 * clears. */
#define ATTN_IRQ 0x1u	 /* the GIC asserts this CPU's IRQ (level; follows gic_ops.signal) */
#define ATTN_TIMER 0x2u	 /* run gtimer_update() */
#define ATTN_KICK 0x4u	 /* leave vcpu_run() with EXIT_KICKED */
#define ATTN_INBOX 0x8u	 /* TLB or code invalidations from other vCPUs wait */
#define ATTN_POWER 0x10u /* the power state changed */
#define ATTN_EVENT 0x20u /* another vCPU executed SEV */
#define ATTN_FIQ 0x40u	 /* the GIC asserts this CPU's FIQ (Group 0 interrupts) */
#define ATTN_STEP 0x80u	 /* always set while single-stepping: each taken branch leaves the chain */

/* Return predictions: where BL and BLR expect to come back to. Forgotten whenever translation, EL
 * or code changes. */
#define RAS_SIZE 16u
struct ras_entry {
	uint64_t va; /* 1: none */
	const struct op *op;
};

/* What cpu.halt asks of the run loop after the chain ended. */
enum cpu_halt {
	HALT_NONE = 0,
	HALT_WFI,
	HALT_WFE,
	HALT_HVC,  /* a PSCI call that does not return at once: soft_vcpu says which */
	HALT_MMIO, /* soft_vcpu.mmio waits for an answer */
	HALT_STOP, /* test interface: an exception was recorded */
};

struct soft_vm;
struct tlb;
struct op;
struct code_cache;

/** struct cpu - one vCPU. */
struct cpu {
	uint64_t x[34];
	/* Lazy flags: see flags.h. Never touch these outside flags.h. */
	uint64_t fl_a, fl_b;
	uint32_t fl_kind;
	_Atomic uint32_t attention;
	_Atomic uint32_t
		*bell;	       /* rung by daemons; looked at together with @attention. Never NULL */
	struct tlb *tlb;       /* the view of the current EL */
	struct tlb *tlb_el[2]; /* views of EL0 and EL1; LDTR/STTR use EL0's */
	uint64_t icount;  /* instructions retired; inside a chain: less the current word index */
	uint64_t pc;	  /* valid outside of op chains */
	uint64_t page_va; /* inside a chain: the page of the running code */
	const struct op *last; /* inside a chain: the branch that was just taken */
	uint32_t attn_mask; /* bits of @attention that count now: not ATTN_IRQ while PSTATE.I is set
			     */
	uint8_t el;	    /* 0 or 1 */
	uint8_t sp_sel;	    /* PSTATE.SP */
	uint8_t daif;	    /* D=8 A=4 I=2 F=1 */
	uint8_t il, ss;
	bool fp_ok; /* FP/AdvSIMD not trapped at this EL (CPACR_EL1.FPEN) */
	/* Exclusive monitor: physical host address, size and value(s) that LDXR saw. */
	bool excl_valid;
	uint8_t excl_size;
	uint64_t excl_addr;
	uint64_t excl_val[2];
	bool event; /* WFE's event register */

	union vreg v[32];
	uint32_t fpcr, fpsr;

	/* System registers that have storage. */
	uint64_t sp_el[2]; /* banked SPs; the current one lives in x[31] */
	uint64_t sctlr, tcr, ttbr[2], mair, vbar, esr, far, elr, spsr, cpacr, contextidr;
	uint64_t tpidr_el0, tpidrro_el0, tpidr_el1, par, afsr[2], amair, actlr, csselr, mdscr;
	uint64_t oslsr, osdlr, mdccint, dbgbvr[16], dbgbcr[16], dbgwvr[16], dbgwcr[16];

	uint8_t halt;  /* enum cpu_halt */
	bool step;     /* decode one instruction a block (test interface) */
	bool dsb_wait; /* invalidations were broadcast since the last DSB */
	unsigned ras_top;
	struct ras_entry ras[RAS_SIZE];
	/* The device access that ended the chain, and where its result goes. */
	struct {
		uint64_t pa, va, data;
		uint8_t len, rd;
		uint8_t sign; /* 0: zero-extend, 32 or 64: sign-extend to that width */
		bool write;
	} mmio;
	/* Test interface: flat memory instead of the MMU, and a hook instead of taking exceptions.
	 */
	uint8_t *flat_host;
	uint64_t flat_base, flat_size;
	void (*trap)(struct cpu *c, unsigned ec, uint32_t iss, uint64_t far, uint64_t elr);

	struct gtimer timer;
	unsigned index;
	struct soft_vm *vm;
	struct code_cache *code;
	void *engine; /* struct engine_vcpu of the soft engine */
};

/** cpu_sp_switch - makes (@el, @sp_sel) current, moving x[31] to and from its bank. */
static inline void cpu_sp_switch(struct cpu *c, unsigned el, unsigned sp_sel)
{
	c->sp_el[c->sp_sel ? c->el : 0] = c->x[REG_SP];
	c->el = (uint8_t)el;
	c->sp_sel = (uint8_t)(el == 0 ? 0 : sp_sel);
	c->x[REG_SP] = c->sp_el[c->sp_sel ? c->el : 0];
	c->tlb = c->tlb_el[el];
}

/** cpu_attn_update - recomputes attn_mask. Call after PSTATE.I or PSTATE.F changed inside a chain; the run loop
 * does it too. */
static inline void cpu_attn_update(struct cpu *c)
{
	c->attn_mask = ~((c->daif & 2 ? ATTN_IRQ : 0) | (c->daif & 1 ? ATTN_FIQ : 0));
}

/** cpu_fp_update - recomputes fp_ok from CPACR_EL1.FPEN and the EL. Call after either changes. */
static inline void cpu_fp_update(struct cpu *c)
{
	unsigned fpen = (unsigned)(c->cpacr >> 20) & 3;
	c->fp_ok = fpen == 3 || (fpen == 1 && c->el == 1);
}
