/* SPDX-License-Identifier: Apache-2.0 */
/* Power states, PSCI, reset. */
#include "hv/arch/aarch64/soft/vcpu.h"
#include <string.h>
#include "hv/arch/aarch64/soft/sysreg.h"

#define PSCI_ALREADY_ON (-4)
#define PSCI_ON_PENDING (-5)

static int64_t power_cpu_on(void *opaque, unsigned index, uint64_t entry, uint64_t context)
{
	struct soft_vm *vm = opaque;
	struct soft_vcpu *v = vm->vcpu[index];
	int64_t rc = 0;

	pthread_mutex_lock(&vm->power_lock);
	if (v->power == POWER_ON) {
		rc = PSCI_ALREADY_ON;
	} else if (v->power == POWER_ON_PENDING) {
		rc = PSCI_ON_PENDING;
	} else {
		v->power = POWER_ON_PENDING;
		v->on_entry = entry;
		v->on_context = context;
		/* Under the lock, as vcpu_power_up() clears it: set later, it could come after the
		 * vCPU has seen the new state, and would stay set while that runs. */
		vcpu_attention(v, ATTN_POWER);
	}
	pthread_mutex_unlock(&vm->power_lock);
	return rc;
}

static int power_cpu_state(void *opaque, unsigned index)
{
	struct soft_vm *vm = opaque;

	pthread_mutex_lock(&vm->power_lock);
	int state = (int)atomic_load(&vm->vcpu[index]->power);
	pthread_mutex_unlock(&vm->power_lock);
	return state;
}

const struct psci_ops vcpu_psci_ops = {.cpu_on = power_cpu_on, .cpu_state = power_cpu_state};

void vcpu_power_off(struct soft_vcpu *v)
{
	pthread_mutex_lock(&v->vm->power_lock);
	v->power = POWER_OFF;
	pthread_mutex_unlock(&v->vm->power_lock);
}

void vcpu_cpu_reset(struct soft_vcpu *v)
{
	struct cpu *c = &v->cpu;

	memset(c->x, 0, sizeof(c->x));
	memset(c->v, 0, sizeof(c->v));
	flags_set_nzcv(c, 0);
	sysreg_reset(c);
	code_drop_all(c);
	c->halt = HALT_NONE;
	c->dsb_wait = false;
	v->abort_mmio = false;
	cpu_attn_update(c);
}

bool vcpu_power_up(struct soft_vcpu *v)
{
	bool on;

	pthread_mutex_lock(&v->vm->power_lock);
	atomic_fetch_and(&v->cpu.attention, ~ATTN_POWER);
	if (v->power == POWER_ON_PENDING) {
		vcpu_cpu_reset(v);
		v->cpu.pc = v->on_entry;
		v->cpu.x[0] = v->on_context;
		v->power = POWER_ON;
	}
	on = v->power == POWER_ON;
	pthread_mutex_unlock(&v->vm->power_lock);
	return on;
}

bool soft_hvc(struct cpu *c)
{
	struct soft_vcpu *v = c->engine;
	uint64_t ret = 0;

	v->hvc_action = psci_call(&v->vm->psci, c->index, c->x, &ret);
	c->x[0] = ret;
	if (v->hvc_action == PSCI_RETURN)
		return true;
	c->halt = v->hvc_action == PSCI_SUSPEND ? HALT_WFI : HALT_HVC;
	return false;
}
