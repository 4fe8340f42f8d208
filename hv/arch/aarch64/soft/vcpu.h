/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One vCPU of the software engine: the CPU, and what other threads may touch of it.
 *
 * Theory of operation. Everything that concerns a vCPU from outside becomes a bit of cpu.attention;
 * a running chain sees it at the next taken branch, a sleeping vCPU waits on that very word as a
 * futex. The waker sets the bit, then looks at @sleeping; the sleeper sets @sleeping, then sleeps
 * only if the word is still what it read: one of the two sees the other (both orders are seq_cst),
 * so no wake-up is lost.
 *
 * Invalidations: the sender queues in the inbox, sets ATTN_INBOX, then looks at @in_guest; the
 * receiver sets @in_guest, then looks at attention. A vCPU outside of guest code is not waited for:
 * it empties its inbox before it goes in.
 */
#include <stdatomic.h>
#include <time.h>
#include "hv/arch/aarch64/soft/chain.h"
#include "hv/arch/aarch64/soft/soft.h"

enum power_state { POWER_ON = 0, POWER_OFF = 1, POWER_ON_PENDING = 2 };

struct soft_vcpu {
	struct cpu cpu; /* first: cpu.engine is this */
	struct soft_vm *vm;
	struct tlb *tlbs; /* two views, one allocation */

	/* Own thread. */
	bool abort_mmio;
	bool clock_seen; /* the host timer follows the guest clock as it is now */
	enum psci_action hvc_action;
	bool timer_made;
	timer_t timer; /* signals the own thread: no other core is woken */

	/* Any thread. */
	_Atomic uint32_t sleeping, in_guest; /* sleeping: enum sleep_kind */
	_Atomic uint32_t no_bell;	     /* what cpu.bell points to where there is none: 0 */
	_Atomic uint64_t stat_icount, stat_exits;

	_Atomic uint32_t power; /* enum power_state; changed under soft_vm.power_lock */

	/* soft_vm.power_lock */
	uint64_t on_entry, on_context;

	/* inbox_lock */
	pthread_mutex_t inbox_lock;
	struct inbox_msg inbox[SOFT_INBOX_SIZE];
	unsigned inbox_count;
	bool inbox_full;	       /* overflowed: everything goes */
	_Atomic uint64_t inbox_posted; /* changed under inbox_lock, read without */
	_Atomic uint64_t inbox_done;   /* inbox_posted as of the last drain */
};

/** vcpu_attention - sets @bits and wakes the vCPU if it sleeps. Any thread; async-signal-safe. */
void vcpu_attention(struct soft_vcpu *v, uint32_t bits);
/** enum sleep_kind - how a waker reaches the vCPU. */
enum sleep_kind { SLEEP_NONE = 0, SLEEP_FUTEX = 1, SLEEP_IDLE = 2 };

/** vcpu_idle - WFI: until attention has any bit. Sleeps where devices can wake it directly, if the VM has such a place
 * (engine_vm_config.idle). Own thread, between vcpu_leave() and vcpu_enter(). */
void vcpu_idle(struct soft_vcpu *v);
/** vcpu_lines - the bell was rung: has the lines of all devices sampled. Own thread, outside of a chain. */
void vcpu_lines(struct soft_vcpu *v);
/** vcpu_sleep - until attention has a bit of @wake; @timeout_ns 0: no limit. Own thread. */
void vcpu_sleep(struct soft_vcpu *v, uint32_t wake, uint64_t timeout_ns);
/** vcpu_inbox_drain - does what others posted. Own thread, outside of a chain (or in DSB). */
void vcpu_inbox_drain(struct soft_vcpu *v);
/** vcpu_enter / vcpu_leave - around guest code. */
void vcpu_enter(struct soft_vcpu *v);
void vcpu_leave(struct soft_vcpu *v);

/** vcpu_timer_setup - makes the host timer of the calling thread. First thing on the vCPU's thread.
 */
void vcpu_timer_setup(struct soft_vcpu *v);
/** vcpu_timer_arm - gtimer's callback. */
void vcpu_timer_arm(void *opaque, uint64_t guest_ns);
/** vcpu_timer_close - destroys the host timer. */
void vcpu_timer_close(struct soft_vcpu *v);
/** vcpu_timer_install - the signal handler of all of them; once per process, any number of times.
 */
void vcpu_timer_install(void);

/** vcpu_power_off - PSCI CPU_OFF by the vCPU itself. */
void vcpu_power_off(struct soft_vcpu *v);
/** vcpu_power_up - ATTN_POWER: if CPU_ON came, resets the CPU to its entry point. True: it is on.
 */
bool vcpu_power_up(struct soft_vcpu *v);
extern const struct psci_ops vcpu_psci_ops;

/** vcpu_cpu_reset - architectural reset; PC and x0..x3 are the caller's. */
void vcpu_cpu_reset(struct soft_vcpu *v);
/** vcpu_run_loop - vcpu_run of the engine. */
void vcpu_run_loop(struct soft_vcpu *v, struct vm_exit *exit);
