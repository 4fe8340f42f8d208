/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/pause.h"
#include "base/log.h"
#include "hv/report.h"
#include "hv/swap.h"
#include <errno.h>

/* To every daemon that serves; nobody waits for the answers. */
static void tell_daemons(struct vm *vm, Outrigger__ToDaemon__KindCase kind)
{
	for (unsigned i = 0; i < vm->n_devices; i++) {
		struct device *d = &vm->devices[i];
		Outrigger__ToDaemon m = OUTRIGGER__TO_DAEMON__INIT;
		Outrigger__Configure c = OUTRIGGER__CONFIGURE__INIT;
		if (d->stage != STAGE_UP || (d->swap && swap_in_hand_over(d->swap)))
			continue; /* a successor is told when it serves */
		m.kind_case = kind;
		if (kind == OUTRIGGER__TO_DAEMON__KIND_CONFIGURE) {
			c.vm = vm->cfg->name;
			c.guest_clock_offset_ns = atomic_load(&vm->clock.offset_ns);
			m.configure = &c;
		} else {
			m.quiesce = true; /* the bools of the oneof share their place */
		}
		if (ctl_send(d->ctl, &m.base, 0))
			log_warn("device=%s does not take a control message", d->cfg->name);
	}
}

static void answer(struct vm *vm, uint64_t launcher_id, int status, const char *why)
{
	if (launcher_id)
		report_reply(vm, launcher_id, status, why, NULL, 0);
}

void vm_pause(struct vm *vm, uint64_t launcher_id)
{
	if (vm->state != VM_RUNNING) {
		answer(vm, launcher_id, EINVAL, "the VM does not run");
		return;
	}
	if (vm->paused || vm->pausing) {
		answer(vm, launcher_id, vm->paused ? 0 : EBUSY,
		       vm->paused ? "" : "another pause is under way");
		return;
	}
	vm->pausing = true;
	vm->pause_request = launcher_id;
	atomic_store(&vm->pause_wanted, 1);
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		vm->ops->vcpu_kick(vm->vcpus[i].ev);
	pause_review(vm);
}

void pause_review(struct vm *vm)
{
	if (!vm->pausing)
		return;
	pthread_mutex_lock(&vm->reset_lock);
	unsigned quiet = vm->pause_parked + vm->reset_parked;
	pthread_mutex_unlock(&vm->reset_lock);
	if (quiet < vm->n_vcpus)
		return;
	guest_clock_stop(&vm->clock);
	tell_daemons(vm, OUTRIGGER__TO_DAEMON__KIND_QUIESCE);
	vm->paused = true;
	vm->pausing = false;
	log_info("paused");
	answer(vm, vm->pause_request, 0, "");
	vm->pause_request = 0;
}

void vm_resume(struct vm *vm, uint64_t launcher_id)
{
	if (vm->pausing) {
		answer(vm, vm->pause_request, EINTR, "resumed before it was paused");
		vm->pausing = false;
		vm->pause_request = 0;
	}
	if (vm->paused) {
		guest_clock_start(&vm->clock);
		tell_daemons(vm, OUTRIGGER__TO_DAEMON__KIND_CONFIGURE);
		tell_daemons(vm, OUTRIGGER__TO_DAEMON__KIND_RESUME);
		vm->paused = false;
		log_info("resumed");
	}
	pthread_mutex_lock(&vm->reset_lock);
	atomic_store(&vm->pause_wanted, 0);
	pthread_cond_broadcast(&vm->reset_cond);
	pthread_mutex_unlock(&vm->reset_lock);
	report_reply(vm, launcher_id, 0, "", NULL, 0);
}

void pause_wait(struct vcpu *v)
{
	struct vm *vm = v->vm;
	pthread_mutex_lock(&vm->reset_lock);
	vm->pause_parked++;
	vm_notify(vm);
	while (atomic_load(&vm->pause_wanted) && !atomic_load(&v->stop))
		pthread_cond_wait(&vm->reset_cond, &vm->reset_lock);
	vm->pause_parked--;
	pthread_mutex_unlock(&vm->reset_lock);
}
