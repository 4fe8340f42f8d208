/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/pause.h"
#include "base/log.h"
#include "hv/device.h"
#include "hv/report.h"
#include "hv/swap.h"
#include <errno.h>
#include <stdio.h>

/* ---- the clock ---- */

static void clock_publish(struct vm *vm)
{
	for (unsigned i = 0; i < vm->n_devices; i++)
		slot_clock(vm->devices[i].slot, atomic_load(&vm->clock.offset_ns),
			   atomic_load(&vm->clock.stopped_at));
}

/* ---- the daemons ---- */

static int tell(struct device *d, Outrigger__ToDaemon__KindCase kind)
{
	Outrigger__ToDaemon m = OUTRIGGER__TO_DAEMON__INIT;
	Outrigger__Configure c = OUTRIGGER__CONFIGURE__INIT;
	m.kind_case = kind;
	if (kind == OUTRIGGER__TO_DAEMON__KIND_CONFIGURE) {
		c.vm = d->vm->cfg->name;
		c.guest_clock_offset_ns = atomic_load(&d->vm->clock.offset_ns);
		m.configure = &c;
	} else {
		m.quiesce = true; /* the bools of the oneof share their place */
	}
	return ctl_send(d->ctl, &m.base, 0);
}

bool pause_quiet(const struct device *d)
{
	return (d->vm->paused && !d->freeze) || d->person_paused || d->recovering;
}

/* Makes @d's daemon quiet, or not, as it should be. Nobody waits for the answers. One that does not take the message (it
 * may be stopped) is told later: see pause_review(). */
static void settle(struct device *d)
{
	bool quiet = pause_quiet(d);
	if (d->stage != STAGE_UP || (d->swap && swap_in_hand_over(d->swap)))
		return; /* whoever serves next is told then */
	if (d->clock_news && !tell(d, OUTRIGGER__TO_DAEMON__KIND_CONFIGURE))
		d->clock_news = false;
	if (quiet != d->told_quiet && !tell(d, quiet ? OUTRIGGER__TO_DAEMON__KIND_QUIESCE
						     : OUTRIGGER__TO_DAEMON__KIND_RESUME))
		d->told_quiet = quiet;
}

static void settle_all(struct vm *vm)
{
	for (unsigned i = 0; i < vm->n_devices; i++)
		settle(&vm->devices[i]);
}

void pause_told(struct device *d, bool quiet)
{
	d->told_quiet = quiet;
	d->clock_news = true;
	settle(d);
}

/* ---- the VM ---- */

static void answer(struct vm *vm, uint64_t launcher_id, int status, const char *why)
{
	if (launcher_id)
		report_reply(vm, launcher_id, status, why, NULL, 0);
}

static bool wanted(const struct vm *vm)
{
	bool w = vm->pause_asked;
	for (unsigned i = 0; i < vm->n_devices; i++)
		w |= vm->devices[i].freeze != 0;
	return w;
}

static void stand(struct vm *vm)
{
	vm->standing = true;
	guest_clock_stop(&vm->clock);
	clock_publish(vm);
	atomic_store(&vm->pause_wanted, 1);
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		vm->ops->vcpu_kick(vm->vcpus[i].ev);
}

static void go_on(struct vm *vm)
{
	vm->standing = vm->paused = false;
	guest_clock_start(&vm->clock);
	clock_publish(vm);
	for (unsigned i = 0; i < vm->n_devices; i++)
		vm->devices[i].clock_news = true;
	settle_all(vm);
	log_info("goes on");
	pthread_mutex_lock(&vm->reset_lock);
	atomic_store(&vm->pause_wanted, 0);
	pthread_cond_broadcast(&vm->reset_cond);
	pthread_mutex_unlock(&vm->reset_lock);
}

/* vCPUs that run no guest code: in pause_wait(), in a reset, or with an access that is parked. The one that does the work of a
 * reset needs the daemons. */
static bool all_quiet(struct vm *vm)
{
	unsigned n = 0;
	for (unsigned i = 0; i < vm->n_devices; i++)
		n += atomic_load(&vm->devices[i].slot->parked);
	pthread_mutex_lock(&vm->reset_lock);
	n += vm->pause_parked + vm->reset_parked - vm->reset_busy;
	pthread_mutex_unlock(&vm->reset_lock);
	return n >= vm->n_vcpus;
}

void pause_review(struct vm *vm)
{
	if (vm->standing && !vm->paused && all_quiet(vm)) {
		vm->paused = true;
		log_info("stands still");
	}
	if (vm->paused && vm->pause_request) {
		report_reply(vm, vm->pause_request, 0, "", NULL, 0);
		vm->pause_request = 0;
	}
	settle_all(vm);
}

void pause_update(struct vm *vm)
{
	bool want = wanted(vm);
	if (vm->state != VM_RUNNING)
		return;
	if (want && !vm->standing)
		stand(vm);
	else if (!want && vm->standing)
		go_on(vm);
	pause_review(vm);
}

void vm_pause(struct vm *vm, uint64_t launcher_id)
{
	if (vm->state != VM_RUNNING || vm->pause_request) {
		answer(vm, launcher_id, vm->pause_request ? EBUSY : EINVAL,
		       vm->pause_request ? "another pause is under way" : "the VM does not run");
		return;
	}
	vm->pause_request = launcher_id;
	vm->pause_asked = true;
	pause_update(vm);
}

void vm_resume(struct vm *vm, uint64_t launcher_id)
{
	char why[160] = "";
	vm->pause_asked = false;
	if (vm->pause_request) {
		report_reply(vm, vm->pause_request, EINTR, "resumed before it was paused", NULL, 0);
		vm->pause_request = 0;
	}
	pause_update(vm);
	for (unsigned i = 0; i < vm->n_devices && !why[0]; i++)
		if (vm->devices[i].freeze)
			snprintf(why, sizeof(why),
				 "it is not paused any more, but device %s holds it up: see "
				 "`outrigger ps`",
				 vm->devices[i].cfg->name);
	report_reply(vm, launcher_id, why[0] ? EBUSY : 0, why, NULL, 0);
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

/* ---- one device ---- */

void pause_device(struct device *d, uint64_t launcher_id)
{
	Outrigger__ToDaemon m = OUTRIGGER__TO_DAEMON__INIT;
	if (d->stage != STAGE_UP || d->swap) {
		report_reply(d->vm, launcher_id, EBUSY,
			     d->swap ? "a swap of the device is under way"
				     : "the device has no daemon that serves",
			     NULL, 0);
		return;
	}
	d->person_paused = true;
	device_hold_update(d);
	if (d->told_quiet) {
		report_reply(d->vm, launcher_id, 0, "", NULL, 0);
	} else {
		m.kind_case = OUTRIGGER__TO_DAEMON__KIND_QUIESCE;
		m.quiesce = true;
		d->told_quiet = true;
		device_request(d, &m, launcher_id); /* its answer tells that it is quiet */
	}
	devices_review(d->vm);
}

void resume_device(struct device *d, uint64_t launcher_id)
{
	d->person_paused = d->recovering = false;
	device_hold_update(d);
	settle(d);
	devices_review(d->vm);
	report_reply(d->vm, launcher_id, 0, "", NULL, 0);
}
