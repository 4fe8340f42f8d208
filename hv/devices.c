/* SPDX-License-Identifier: Apache-2.0 */
/* All devices of a VM: made from the config, watched, looked at when one has changed, ended. */
#include "hv/device.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/copy.h"
#include "hv/pause.h"
#include "hv/report.h"
#include "hv/swap.h"
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

/* ---- the slot's calls ---- */

static void op_irq_line(void *opaque, unsigned irq, bool level)
{
	struct device *d = opaque;
	d->vm->ops->irq_line(d->vm->evm, irq, level);
}

static void op_irq_pulse(void *opaque, unsigned irq)
{
	struct device *d = opaque;
	d->vm->ops->irq_pulse(d->vm->evm, irq);
}

static void op_changed(void *opaque)
{
	struct device *d = opaque;
	atomic_store(&d->vm->devices_changed, 1);
	vm_notify(d->vm);
}

static const struct slot_ops device_slot_ops = {
	.irq_line = op_irq_line,
	.irq_pulse = op_irq_pulse,
	.changed = op_changed,
};

/* ---- the copier's calls ---- */

#define VIRTIO_INT_USED 1u /* virtio 1.2, 4.2.2: InterruptStatus */

static void op_copy_ring(void *opaque, unsigned vcpu, unsigned q)
{
	struct device *d = opaque;
	slot_ring(d->slot, vcpu, q);
}

static void op_copy_used(void *opaque)
{
	struct device *d = opaque;
	slot_event(d->slot, VIRTIO_INT_USED);
}

static void op_copy_hostile(void *opaque, const char *what)
{
	struct device *d = opaque;
	slot_fail(d->slot, SLOT_QUARANTINED, "%s wrote nonsense into its copy channel: %s",
		  d->cfg->name, what);
}

static const struct copy_ops device_copy_ops = {
	.ring = op_copy_ring,
	.used = op_copy_used,
	.hostile = op_copy_hostile,
};
/* ---- all of them ---- */

static void irq_ready(void *arg)
{
	struct vm *vm = arg;
	struct epoll_event ev[16];
	/* Edge-triggered and never read: a daemon holds the same open file and could make a read
	 * block. */
	int n = epoll_wait(vm->irq_epoll, ev, ARRAY_LEN(ev), 0);
	for (int i = 0; i < n; i++)
		slot_lines_sample(vm->devices[ev[i].data.u32].slot);
}

static int irq_watch_add(struct device *d, unsigned index, struct err *err)
{
	/* The idle vCPUs first: exclusive waiters are woken in this order, see idle.h. */
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET | EPOLLEXCLUSIVE, .data.u32 = index};
	for (unsigned i = 0; i < d->vm->n_vcpus; i++) {
		int rc = idle_watch(&d->vm->vcpus[i].idle, d->slot->irq_fd);
		if (rc)
			return err_set(err, -rc, "%s: cannot watch its interrupts: %s",
				       d->cfg->name, strerror(-rc));
	}
	if (epoll_ctl(d->vm->irq_epoll, EPOLL_CTL_ADD, d->slot->irq_fd, &ev) < 0)
		return err_set(err, errno, "%s: cannot watch its interrupts: %s", d->cfg->name,
			       strerror(errno));
	return 0;
}

static void device_ranges(struct device *d)
{
	for (unsigned i = 0; i < d->cfg->n_ranges; i++) {
		const Outrigger__RangeConfig *c = d->cfg->ranges[i];
		d->ranges[i] = (struct bus_range){
			.space = strcmp(c->space, "pio") ? BUS_MMIO : BUS_PIO,
			.index = (uint8_t)i,
			.base = c->address,
			.size = c->size,
			.owner = d->cfg->name,
			.slot = d->slot,
		};
	}
}

static int device_create(struct vm *vm, unsigned index, struct err *err)
{
	struct device *d = &vm->devices[index];
	const Outrigger__DeviceConfig *c = vm->cfg->devices[index];
	bool edge = c->fdt && c->fdt->irq_type && !strcmp(c->fdt->irq_type, "edge-rising");
	struct slot_config sc = {
		.name = c->name,
		.index = index,
		.vcpus = vm->cfg->cpus,
		.lines = (unsigned)c->n_irqs,
		.irqs = c->irqs,
		.shadow_pages = c->shadow_pages,
		.deadline_ns = c->deadline_ns,
		.vm_requests = c->vm_requests,
		.state_bytes = c->state_bytes,
		.clock = &vm->clock,
		.ops = &device_slot_ops,
		.opaque = d,
	};
	d->vm = vm;
	d->cfg = c;
	d->state_bytes = c->state_bytes;
	d->dock_fd = d->pid_fd = d->debug.client_fd = -1;
	int rc = config_failure(c, &sc.policy, &sc.restart, err);
	for (size_t i = 0; i < c->n_irqs && !rc; i++) {
		rc = irq_claim(&vm->irqs, c->irqs[i], c->name, err);
		if (!rc && vm->ops->irq_configure)
			vm->ops->irq_configure(vm->evm, c->irqs[i], edge);
	}
	if (!rc)
		rc = slot_create(&sc, &d->slot, err);
	if (!rc && c->dma && !strcmp(c->dma, "copy"))
		rc = copy_create(c->name, &vm->mem, &device_copy_ops, d, &d->copy, err);
	if (!rc) {
		d->slot->copy = d->copy;
		slot_clock(d->slot, atomic_load(&vm->clock.offset_ns), 0);
	}
	device_ranges(d);
	if (!rc)
		rc = irq_watch_add(d, index, err);
	if (!rc && backends_init(&d->backends, c->backends, c->n_backends, vm->fds))
		rc = err_set(err, ENOMEM, "out of memory");
	snprintf(d->token, sizeof(d->token), "%s", c->token);
	d->reported = SLOT_WAITING;
	return rc;
}

/* The configured ranges against each other and what is reserved, before anything is started. */
static int ranges_disjoint(struct vm *vm, struct err *err)
{
	AUTO_FREE struct bus_range *all = calloc(LIMIT_DEVICES * LIMIT_RANGES, sizeof(*all));
	unsigned n = 0;
	if (!all)
		return err_set(err, ENOMEM, "out of memory");
	for (unsigned i = 0; i < vm->n_devices; i++) {
		memcpy(&all[n], vm->devices[i].ranges, vm->devices[i].cfg->n_ranges * sizeof(*all));
		n += (unsigned)vm->devices[i].cfg->n_ranges;
	}
	return bus_check(&vm->bus, all, n, err);
}

int devices_create(struct vm *vm, struct err *err)
{
	vm->irq_epoll = epoll_create1(EPOLL_CLOEXEC);
	vm->devices = calloc(vm->cfg->n_devices + 1, sizeof(vm->devices[0]));
	if (vm->irq_epoll < 0 || !vm->devices)
		return err_set(err, ENOMEM, "out of memory or descriptors");
	for (unsigned i = 0; i < vm->cfg->n_devices; i++) {
		vm->n_devices = i + 1;
		int rc = device_create(vm, i, err);
		if (rc)
			return rc;
	}
	vm->irq_watch = watch_start(&vm->loop, vm->irq_epoll, irq_ready, vm);
	if (!vm->irq_watch)
		return err_set(err, ENOMEM, "cannot watch the interrupts");
	return ranges_disjoint(vm, err);
}

void devices_destroy(struct vm *vm)
{
	watch_stop(&vm->irq_watch);
	fd_close(&vm->irq_epoll);
	for (unsigned i = 0; i < vm->n_devices; i++) {
		struct device *d = &vm->devices[i];
		if (!d->vm)
			continue;
		swap_destroy(d->swap);
		observe_end(d);
		device_cut(d);
		watch_stop(&d->ctl_watch);
		ctl_close(d->ctl);
		ctl_close(d->retired);
		if (d->set)
			outrigger__swap_request__free_unpacked(d->set, NULL);
		backends_fini(&d->backends);
		copy_destroy(d->copy); /* its thread uses the slot */
		slot_destroy(d->slot);
		for (unsigned k = 0; k < LIMIT_RANGES; k++)
			free(d->rules[k]);
	}
	free(vm->devices);
	vm->devices = NULL;
	vm->n_devices = 0;
}

bool devices_serving(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->n_devices; i++)
		if (slot_state(vm->devices[i].slot) != SLOT_SERVING)
			return false;
	return true;
}

/* What the guest said through a device of that kind. */
static void notices_review(struct device *d)
{
	uint32_t n = atomic_exchange(&d->notices, 0), dropped;
	bool tell = n && log_rate_ok(&d->notice_rate, 10, &dropped); /* a guest causes it at will */
	if (tell && n & NOTICE_CRASHLOADED)
		report_notice(d->vm, "the guest panicked and handles it by itself (%s)",
			      d->cfg->name);
	if (n & NOTICE_PAUSE)
		vm_pause(d->vm, 0);
	if (tell && n & NOTICE_PANIC)
		report_notice(d->vm, "the guest panicked (%s)%s", d->cfg->name,
			      n & NOTICE_PAUSE ? "; it is paused, `outrigger resume` lets it go on"
					       : "");
}

/* Nobody serves, nobody is to come, and the guest is not to notice. */
static bool device_down(const struct device *d, enum slot_state s)
{
	bool alone = s == SLOT_DEAD || s == SLOT_QUARANTINED ||
		     (s == SLOT_WAITING && (d->given_up || !d->slot->cfg.restart));
	return alone && d->slot->cfg.policy == POLICY_PARK && d->vm->state == VM_RUNNING;
}

/* What the launcher is told of beside the slot's state. */
static unsigned device_flags(const struct device *d)
{
	return d->freeze | (d->debug.on ? 8u : 0) | (d->person_paused ? 16u : 0) |
	       (atomic_load(&d->slot->silent_seq) ? 32u : 0);
}

static void freeze_review(struct device *d, enum slot_state s)
{
	bool down = device_down(d, s);
	slot_down_set(d->slot, down);
	d->freeze = (atomic_load(&d->slot->parked) ? (unsigned)FREEZE_PARKED : 0u) |
		    (down ? (unsigned)FREEZE_DOWN : 0u) |
		    (d->debug.on && d->debug.held ? (unsigned)FREEZE_HELD : 0u);
}

static void device_review(struct device *d)
{
	struct vm *vm = d->vm;
	notices_review(d);
	enum slot_state s = slot_state(d->slot);
	if (s == SLOT_DEAD && d->person_paused) {
		d->person_paused = false;
		device_hold_update(d);
	}
	freeze_review(d, s);
	if (s == d->reported && device_flags(d) == d->reported_flags)
		return;
	bool news = s != d->reported;
	d->reported = s;
	d->reported_flags = device_flags(d);
	report_device(d);
	if (!news || (s != SLOT_DEAD && s != SLOT_QUARANTINED))
		return;
	char why[200];
	slot_why(d->slot, why, sizeof(why));
	if (d->swap)
		swap_abort(d->swap, why);
	device_cut(d);
	if (vm->state == VM_STARTING)
		vm_fail_start(vm, "%s", why);
	else if (d->slot->cfg.policy == POLICY_STOP)
		vm_end(vm, "lost", 4, "%s (on_failure: stop)", why);
	else
		log_warn("device=%s %s: %s; its policy answers", d->cfg->name, slot_state_name(s),
			 why);
}

void devices_review(struct vm *vm)
{
	for (unsigned i = 0; i < vm->n_devices; i++)
		device_review(&vm->devices[i]);
	pause_update(vm);
}
