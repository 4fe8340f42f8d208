/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The software AArch64 engine: its VM, its vCPUs, and what the parts of a vCPU ask of it.
 *
 * Lock order: soft_vm.power_lock, then the GIC's own lock. soft_vcpu.inbox_lock is a leaf.
 */
#include <pthread.h>
#include "hv/engine.h"
#include "hv/arch/aarch64/gic.h"
#include "hv/arch/aarch64/psci.h"
#include "hv/arch/aarch64/soft/cpu.h"

#define SOFT_CPUS_MAX 64u
#define SOFT_MEM_MAX 8u
#define SOFT_INBOX_SIZE 64u

/** soft_engine - the engine for hv/engine.h. */
extern const struct engine_ops soft_engine;

struct soft_vcpu;

/** struct soft_vm - what engine_vm is in this engine. Constant after vm_create() but for power
 * states. */
struct soft_vm {
	unsigned cpus;
	bool crowded; /* more vCPUs than host cores */
	struct guest_clock *clock;
	struct engine_mem mem[SOFT_MEM_MAX];
	unsigned mem_count;
	bool (*mmio_now)(void *opaque, unsigned vcpu,
			 struct vm_exit *exit); /* see engine_vm_config */
	struct bell *bell;			/* this and the next three: see engine_vm_config */
	void (*lines)(void *opaque, unsigned vcpu);
	void (*idle)(void *opaque, unsigned vcpu);
	void (*rouse)(void *opaque, unsigned vcpu);
	void *opaque;
	struct gic *gic;
	struct psci psci;
	pthread_mutex_t power_lock; /* guards soft_vcpu.power, .on_entry, .on_context */
	_Atomic uint32_t drain_epoch, drain_waiters; /* DSB waits for inboxes to drain: a futex */
	struct soft_vcpu *vcpu[SOFT_CPUS_MAX];
};

/** enum inbox_kind - invalidations one vCPU asks of the others. */
enum inbox_kind {
	INBOX_TLB_ALL,	 /* tlb_flush_all() */
	INBOX_TLB_ASID,	 /* tlb_flush_asid(asid) */
	INBOX_TLB_VA,	 /* tlb_flush_va(addr, all_asids, asid) */
	INBOX_CODE_LINE, /* decoded code of the 64-byte line at PA addr */
	INBOX_CODE_ALL,
};

struct inbox_msg {
	uint8_t kind;
	bool all_asids;
	uint16_t asid;
	uint64_t addr;
};

/**
 * soft_broadcast - posts @m to every other vCPU (the local part is the caller's) and remembers that
 * the next DSB must wait until they have done it. With one vCPU it does nothing. Own thread of @c;
 * does not block.
 */
void soft_broadcast(struct cpu *c, const struct inbox_msg *m);

/* soft_ram() of tlb.h is in soft.c. */

/** soft_hvc - HVC at EL1: PSCI and SMCCC. True: x0 is set, go on; false: cpu.halt is set, leave.
 * Own thread. */
bool soft_hvc(struct cpu *c);
/** soft_yield - YIELD with more vCPUs than cores: lets another thread run. Own thread. What others posted meanwhile is
 * the caller's to do. */
void soft_yield(struct cpu *c);
/** soft_sev - SEV: wakes every vCPU that waits in WFE, and sets their event registers. */
void soft_sev(struct cpu *c);
/** soft_dsb - waits until every vCPU has done what was broadcast since the last DSB. Own thread;
 * blocks. */
void soft_dsb(struct cpu *c);
