/* SPDX-License-Identifier: Apache-2.0 */
/* The run loop: attention, waiting, exits. */
#include "hv/arch/aarch64/soft/vcpu.h"
#include "base/bytes.h"
#include "hv/arch/aarch64/soft/excp.h"
#include "hv/arch/aarch64/soft/mem.h"

#define WFE_SPINS 50
#define WFE_SLEEP_NS 100000u /* the event stream's period, CNTKCTL_EL1.EVNTI as Linux sets it */

/** exit_set - fills @x. */
static bool exit_set(struct vm_exit *x, enum exit_reason r)
{
	x->reason = r;
	x->why[0] = 0;
	return true;
}

/** run_attention - serves the bits of attention that are set. True: leave with @exit. */
static bool run_attention(struct soft_vcpu *v, uint32_t bits, struct vm_exit *exit)
{
	struct cpu *c = &v->cpu;

	if (bits & ATTN_TIMER) {
		atomic_fetch_and(&c->attention, ~ATTN_TIMER);
		/* Any daemon can silence the bell; this bounds what that can cost the others. */
		if (v->vm->bell)
			vcpu_lines(v);
		gtimer_update(&c->timer);
	}
	if (bits & ATTN_INBOX)
		vcpu_inbox_drain(v);
	if (bits & ATTN_EVENT) {
		atomic_fetch_and(&c->attention, ~ATTN_EVENT);
		c->event = true;
	}
	if (bits & ATTN_KICK) {
		atomic_fetch_and(&c->attention, ~ATTN_KICK);
		v->clock_seen = false; /* it may be stopped or moved until the next run */
		return exit_set(exit, EXIT_KICKED);
	}
	return false;
}

/** line_changed - did the line that the last exclusive load watches change? */
static bool line_changed(const struct cpu *c)
{
	if (!c->excl_valid)
		return false;
	const volatile void *p = (const volatile void *)c->excl_addr;
	switch (c->excl_size) {
	case 0:
		return *(const volatile mem8 *)p != (uint8_t)c->excl_val[0];
	case 1:
		return *(const volatile mem16 *)p != (uint16_t)c->excl_val[0];
	case 2:
		return *(const volatile mem32 *)p != (uint32_t)c->excl_val[0];
	default: /* of a pair the first half, or both halves of a pair of words */
		return *(const volatile mem64 *)p != c->excl_val[0];
	}
}

/** wait_event - WFE. True once it is over. */
static bool wait_event(struct soft_vcpu *v)
{
	struct cpu *c = &v->cpu;

	/* An interrupt that is masked does not end WFE: spin locks are waited for with IRQs off. */
	cpu_attn_update(c);
	for (unsigned i = 0; i < WFE_SPINS; i++) {
		if (line_changed(c) || atomic_load(&c->attention) & c->attn_mask)
			break;
		cpu_relax();
	}
	if (!c->event && !line_changed(c) && !(atomic_load(&c->attention) & c->attn_mask)) {
		vcpu_leave(v);
		vcpu_sleep(v, c->attn_mask, WFE_SLEEP_NS);
		vcpu_enter(v);
	}
	c->event = false;
	return true;
}

/** run_halted - what cpu.halt asks. True: leave with @exit. */
static bool run_halted(struct soft_vcpu *v, struct vm_exit *exit)
{
	struct cpu *c = &v->cpu;

	switch ((enum cpu_halt)c->halt) {
	case HALT_WFI:
		if (atomic_load(&c->attention) & (ATTN_IRQ | ATTN_FIQ)) {
			c->halt = HALT_NONE;
			return false;
		}
		vcpu_leave(v);
		vcpu_idle(v);
		vcpu_enter(v);
		return false;
	case HALT_WFE:
		if (wait_event(v))
			c->halt = HALT_NONE;
		return false;
	case HALT_MMIO:
		exit->len = c->mmio.len;
		exit->is_write = c->mmio.write;
		exit->addr = c->mmio.pa;
		exit->data = c->mmio.data;
		return exit_set(exit, EXIT_MMIO);
	case HALT_HVC:
		c->halt = HALT_NONE;
		if (v->hvc_action == PSCI_CPU_OFF)
			vcpu_power_off(v);
		else
			return exit_set(exit,
					v->hvc_action == PSCI_RESET ? EXIT_RESET : EXIT_POWEROFF);
		return false;
	default:
		return false;
	}
}

/** run_off - waits while the vCPU is powered off. True: leave with @exit. */
static bool run_off(struct soft_vcpu *v, struct vm_exit *exit)
{
	struct cpu *c = &v->cpu;

	for (;;) {
		if (vcpu_power_up(v))
			return false;
		if (run_attention(v, atomic_load(&c->attention), exit))
			return true;
		vcpu_leave(v);
		vcpu_sleep(v, ATTN_POWER | ATTN_KICK, 0);
		vcpu_enter(v);
	}
}

/** step_mode - turns one-instruction blocks on or off; either way all code is decoded anew. */
static void step_mode(struct cpu *c, bool on)
{
	if (c->step == on)
		return;
	c->step = on;
	if (on)
		atomic_fetch_or(&c->attention, ATTN_STEP);
	else
		atomic_fetch_and(&c->attention, ~ATTN_STEP);
	code_drop_all(c);
}

/** run_chain - exceptions that come before the next instruction, then guest code. */
static void run_chain(struct soft_vcpu *v)
{
	struct cpu *c = &v->cpu;
	bool step = false;

	cpu_attn_update(c);
	uint32_t bits = atomic_load_explicit(&c->attention, memory_order_relaxed) & c->attn_mask;
	if (bits & (ATTN_IRQ | ATTN_FIQ)) {
		if (bits & ATTN_FIQ)
			excp_fiq(c);
		else
			excp_irq(c);
		code_forget_returns(c);
		cpu_attn_update(c);
	}
	if (unlikely(c->il)) {
		cpu_exception(c, EC_ILLEGAL, 0, c->pc);
		return;
	}
	if (unlikely(c->mdscr & 1) && excp_step_active(c)) {
		step = c->ss;
		if (!step) {
			excp_step(c);
			code_forget_returns(c);
			return;
		}
	}
	step_mode(c, step);
	chain_run(c);
	if (step && c->halt != HALT_MMIO)
		c->ss = 0;
}

/** run_resume - completes the access that the last exit asked for. */
static void run_resume(struct soft_vcpu *v, const struct vm_exit *exit)
{
	struct cpu *c = &v->cpu;

	if (c->halt != HALT_MMIO)
		return;
	c->halt = HALT_NONE;
	if (v->abort_mmio)
		mem_mmio_abort(c);
	else
		mem_mmio_done(c, exit->data);
	v->abort_mmio = false;
}

void vcpu_run_loop(struct soft_vcpu *v, struct vm_exit *exit)
{
	struct cpu *c = &v->cpu;

	vcpu_timer_setup(v);
	run_resume(v, exit);
	vcpu_enter(v);
	if (!v->clock_seen) {
		v->clock_seen = true;
		gtimer_rearm(&c->timer);
	}
	for (;;) {
		uint32_t bits = atomic_load(&c->attention);

		if (unlikely(bits & ~(ATTN_IRQ | ATTN_FIQ | ATTN_STEP)) &&
		    run_attention(v, bits, exit))
			break;
		if (unlikely(atomic_load_explicit(c->bell, memory_order_relaxed)))
			vcpu_lines(v);
		if (unlikely(v->power != POWER_ON) && run_off(v, exit))
			break;
		atomic_store_explicit(&v->stat_icount, c->icount, memory_order_relaxed);
		if (c->halt == HALT_NONE)
			run_chain(v);
		if (c->halt != HALT_NONE && run_halted(v, exit))
			break;
	}
	vcpu_leave(v);
	atomic_store_explicit(&v->stat_icount, c->icount, memory_order_relaxed);
	atomic_fetch_add_explicit(&v->stat_exits, 1, memory_order_relaxed);
}
