/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/vcpu.h"
#include "hv/pause.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#define VCPU_STACK (512 * 1024)
#define DUMP_BYTES 16384
#define WAKE_SIGNAL SIGUSR1

static void wake_handler(int sig)
{
	(void)sig; /* only ends a blocking system call with EINTR */
}

/* ---- accesses ---- */

static enum access_result unclaimed(struct vcpu *v, enum bus_space space, struct vm_exit *x)
{
	struct vm *vm = v->vm;
	uint64_t n = bus_unclaimed_count(&vm->bus, space, x->addr);
	if (n == 1)
		log_warn_limited("unclaimed %s %s of %u bytes at 0x%llx: no device is there",
				 bus_space_name(space), x->is_write ? "write" : "read", x->len,
				 (unsigned long long)x->addr);
	if (vm->unclaimed == UNCLAIMED_STOP) {
		vm_end(vm, "lost", 4,
		       "the guest accessed %s 0x%llx, where no device is (on_unclaimed: stop)",
		       bus_space_name(space), (unsigned long long)x->addr);
		return ACCESS_INTERRUPTED;
	}
	if (vm->unclaimed == UNCLAIMED_ABORT && space == BUS_MMIO)
		return ACCESS_ABORT;
	x->data = width_mask(x->len);
	return ACCESS_OK;
}

bool vcpu_mmio_now(void *opaque, unsigned vcpu, struct vm_exit *x)
{
	struct vm *vm = opaque;
	const struct bus_range *r =
		bus_lookup(&vm->bus, &vm->vcpus[vcpu].cache, BUS_MMIO, x->addr, x->len);
	return r &&
	       slot_access_now(r->slot, r, vcpu, x->addr - r->base, x->len, x->is_write, &x->data);
}

static bool reset_asked(struct vcpu *v);

static void notice(struct vcpu *v, const struct slot *s, uint32_t bits)
{
	atomic_fetch_or(&v->vm->devices[s->cfg.index].notices, bits);
	atomic_store(&v->vm->devices_changed, 1);
	vm_notify(v->vm);
}

static bool panicked(struct vcpu *v, const struct slot *s, enum port_vm_then then)
{
	switch (then) {
	case PORT_VM_STOP:
		vm_end(v->vm, "panic", 4, "the guest's system said so through %s", s->cfg.name);
		return false;
	case PORT_VM_PAUSE:
		/* This vCPU waits before its next instruction; the control thread does the rest. */
		atomic_store(&v->vm->pause_wanted, 1);
		notice(v, s, NOTICE_PANIC | NOTICE_PAUSE);
		return true;
	default:
		notice(v, s, NOTICE_PANIC);
		return true;
	}
}

/* A device that may do so asks something of the VM; the slot has checked it. False: the vCPU ends. */
static bool vm_asked(struct vcpu *v, const struct slot *s, uint64_t asked)
{
	switch (PORT_VM_WHAT(asked)) {
	case PORT_VM_EXIT:
		vm_end(v->vm, "exit", (int)PORT_VM_ARG(asked), "%s was written to: exit code %u",
		       s->cfg.name, PORT_VM_ARG(asked));
		return false;
	case PORT_VM_POWEROFF:
		vm_end(v->vm, "poweroff", 0, "the guest powered itself off by %s", s->cfg.name);
		return false;
	case PORT_VM_RESET:
		return reset_asked(v);
	case PORT_VM_PANIC:
		return panicked(v, s, (enum port_vm_then)PORT_VM_ARG(asked));
	case PORT_VM_CRASHLOADED:
		notice(v, s, NOTICE_CRASHLOADED);
		return true;
	}
	return true;
}

/* False: the vCPU ends. */
static bool access_exit(struct vcpu *v, enum bus_space space, struct vm_exit *x)
{
	struct vm *vm = v->vm;
	const struct bus_range *r = bus_lookup(&vm->bus, &v->cache, space, x->addr, x->len);
	enum access_result res;
	if (__builtin_expect(r != NULL, 1))
		res = slot_access(r->slot, r, v->index, &v->stop, x->addr - r->base, x->len,
				  x->is_write, &x->data);
	else
		res = unclaimed(v, space, x);
	if (__builtin_expect(res == ACCESS_OK, 1))
		return true;
	if (res == ACCESS_ABORT) {
		vm->ops->vcpu_abort(v->ev);
		return true;
	}
	if (res == ACCESS_VM)
		return vm_asked(v, r->slot, x->data);
	if (res == ACCESS_STOP)
		vm_end(vm, "lost", 4, "%s does not answer (on_failure: stop)", r->owner);
	return false;
}

/* ---- reset ---- */

static void boot_state(struct vcpu *v, struct engine_boot *b)
{
	*b = v->vm->boot;
	b->powered_on = v->index == 0;
}

/* All vCPUs are parked; this one does the work. False: the VM ends. */
static bool reset_machine(struct vcpu *v)
{
	struct vm *vm = v->vm;
	struct err err = {0};
	for (unsigned i = 0; i < vm->n_devices; i++) {
		enum access_result r = slot_reset(vm->devices[i].slot, v->index, &v->stop);
		if (r == ACCESS_INTERRUPTED)
			return false;
		if (r == ACCESS_STOP) {
			vm_end(vm, "lost", 4, "%s does not answer (on_failure: stop)",
			       vm->devices[i].cfg->name);
			return false;
		}
	}
	vm->ops->vm_reset(vm->evm);
	if (vm_load_images(vm, &err)) {
		vm_end(vm, "lost", 4, "cannot reset: %s", err.msg);
		return false;
	}
	return true;
}

/*
 * The meeting of all vCPUs for a reset. The last to come resets devices, machine and memory while
 * the others sleep; then each resets itself. False: the vCPU ends.
 */
static bool reset_meet(struct vcpu *v)
{
	struct vm *vm = v->vm;
	bool go = true;
	pthread_mutex_lock(&vm->reset_lock);
	uint64_t gen = vm->reset_gen;
	if (++vm->reset_parked == vm->n_vcpus) {
		vm->reset_busy = 1;
		pthread_mutex_unlock(&vm->reset_lock);
		go = reset_machine(v);
		pthread_mutex_lock(&vm->reset_lock);
		vm->reset_busy = 0;
		atomic_store(&vm->reset_wanted, 0);
		vm->reset_parked = 0;
		vm->reset_gen++;
		pthread_cond_broadcast(&vm->reset_cond);
	} else {
		while (vm->reset_gen == gen && !atomic_load(&v->stop))
			pthread_cond_wait(&vm->reset_cond, &vm->reset_lock);
	}
	pthread_mutex_unlock(&vm->reset_lock);
	if (!go || atomic_load(&v->stop))
		return false;
	struct engine_boot boot;
	boot_state(v, &boot);
	vm->ops->vcpu_reset(v->ev, &boot);
	return true;
}

static void reset_ask(struct vcpu *v)
{
	struct vm *vm = v->vm;
	if (atomic_exchange(&vm->reset_wanted, 1))
		return;
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		if (i != v->index)
			vm->ops->vcpu_kick(vm->vcpus[i].ev);
}

/* The guest asked for a reset. False: the vCPU ends. */
static bool reset_asked(struct vcpu *v)
{
	struct vm *vm = v->vm;
	if (vm->cfg->no_reboot) {
		vm_end(vm, "reset", 3, "the guest asked for a reset, which --no-reboot forbids");
		return false;
	}
	reset_ask(v);
	return true;
}

/* ---- the loop ---- */

/* Writes the registers and the reason to <runtime>.crash.txt: beside the runtime folder, which goes with the VM. */
static void dump(struct vcpu *v, const char *why)
{
	struct vm *vm = v->vm;
	AUTO_FREE char *text = calloc(1, DUMP_BYTES);
	char path[160];
	if (!text)
		return;
	vm->ops->vcpu_dump(v->ev, text, DUMP_BYTES);
	snprintf(path, sizeof(path), "%s.crash.txt", vm->cfg->runtime_dir);
	AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	dprintf(fd, "vcpu %u: %s\n%s", v->index, why, text);
}

static bool crash_exit(struct vcpu *v, const struct vm_exit *x)
{
	char why[sizeof(x->why) + 1];
	snprintf(why, sizeof(why), "%.*s", (int)sizeof(x->why), x->why);
	dump(v, why);
	vm_end(v->vm, "crash", 4, "%s on vCPU %u: %s (registers in %s.crash.txt)",
	       x->reason == EXIT_CRASH ? "the guest crashed" : "the engine failed", v->index,
	       why[0] ? why : "no reason given", v->vm->cfg->runtime_dir);
	return false;
}

/* Handles one exit. False: the vCPU ends. */
static bool handle(struct vcpu *v, struct vm_exit *x)
{
	struct vm *vm = v->vm;
	switch (x->reason) {
	case EXIT_MMIO:
		return access_exit(v, BUS_MMIO, x);
	case EXIT_PIO:
		return access_exit(v, BUS_PIO, x);
	case EXIT_NONE:
	case EXIT_KICKED:
		return true;
	case EXIT_POWEROFF:
		vm_end(vm, "poweroff", 0, "the guest powered itself off");
		return false;
	case EXIT_RESET:
		return reset_asked(v);
	case EXIT_CRASH:
	case EXIT_ENGINE:
		return crash_exit(v, x);
	}
	vm_end(vm, "crash", 4, "the engine returned the unknown exit %d", (int)x->reason);
	return false;
}

static void *vcpu_main(void *arg)
{
	struct vcpu *v = arg;
	struct vm *vm = v->vm;
	struct engine_boot boot;
	struct vm_exit x = {0};
	uint64_t zero = 0;
	boot_state(v, &boot);
	vm->ops->vcpu_reset(v->ev, &boot);
	if (v->index == 0 &&
	    atomic_compare_exchange_strong(&vm->first_instruction_ns, &zero, clock_now_ns()))
		vm_notify(vm);
	while (!atomic_load_explicit(&v->stop, memory_order_relaxed)) {
		if (__builtin_expect(atomic_load_explicit(&vm->reset_wanted, memory_order_relaxed),
				     0)) {
			if (!reset_meet(v))
				break;
			x = (struct vm_exit){0};
		}
		if (__builtin_expect(atomic_load_explicit(&vm->pause_wanted, memory_order_relaxed),
				     0)) {
			pause_wait(v);
			continue;
		}
		vm->ops->vcpu_run(v->ev, &x);
		/* One writer: no locked add is needed. */
		atomic_store_explicit(&v->exits,
				      atomic_load_explicit(&v->exits, memory_order_relaxed) + 1,
				      memory_order_relaxed);
		if (!handle(v, &x))
			break;
	}
	atomic_fetch_sub(&vm->vcpus_left, 1);
	vm_notify(vm);
	return NULL;
}

/* ---- control thread ---- */

int vcpus_create(struct vm *vm, struct err *err)
{
	vm->vcpus = calloc(vm->cfg->cpus, sizeof(vm->vcpus[0]));
	if (!vm->vcpus)
		return err_set(err, ENOMEM, "out of memory");
	vm->n_vcpus = vm->cfg->cpus;
	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		struct vcpu *v = &vm->vcpus[i];
		v->vm = vm;
		v->index = i;
		v->idle = (struct idle){-1, -1};
	}
	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		struct vcpu *v = &vm->vcpus[i];
		if (idle_init(&v->idle, err))
			return -EMFILE;
		int rc = vm->ops->vcpu_create(vm->evm, i, &v->ev, err);
		if (rc)
			return rc;
	}
	return 0;
}

int vcpus_start(struct vm *vm, struct err *err)
{
	struct sigaction sa = {.sa_handler =
				       wake_handler}; /* no SA_RESTART: it is there to interrupt */
	sigaction(WAKE_SIGNAL, &sa, NULL);
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, VCPU_STACK);
	/* Signals for the process are the control thread's. */
	sigset_t all, old;
	sigfillset(&all);
	sigdelset(&all, WAKE_SIGNAL);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	int rc = 0;
	for (unsigned i = 0; i < vm->n_vcpus && !rc; i++) {
		atomic_fetch_add(&vm->vcpus_left, 1);
		rc = pthread_create(&vm->vcpus[i].thread, &attr, vcpu_main, &vm->vcpus[i]);
		vm->vcpus[i].started = !rc;
		if (rc)
			atomic_fetch_sub(&vm->vcpus_left, 1);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return rc ? err_set(err, rc, "cannot start the vCPU threads: %s", strerror(rc)) : 0;
}

void vcpus_stop(struct vm *vm)
{
	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		struct vcpu *v = &vm->vcpus[i];
		atomic_store(&v->stop, 1);
		if (!v->started)
			continue;
		vm->ops->vcpu_kick(v->ev);
		for (unsigned k = 0; k < vm->n_devices; k++)
			slot_interrupt(vm->devices[k].slot, i);
		pthread_kill(v->thread, WAKE_SIGNAL);
	}
	pthread_mutex_lock(&vm->reset_lock);
	pthread_cond_broadcast(&vm->reset_cond);
	pthread_mutex_unlock(&vm->reset_lock);
}

void vcpus_unstick(struct vm *vm)
{
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		for (unsigned k = 0; k < vm->n_devices; k++)
			if (slot_kick_stuck(vm->devices[k].slot, i) && vm->vcpus[i].started)
				pthread_kill(vm->vcpus[i].thread, WAKE_SIGNAL);
}

void vcpus_join(struct vm *vm)
{
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		if (vm->vcpus[i].started) {
			pthread_join(vm->vcpus[i].thread, NULL);
			vm->vcpus[i].started = false;
		}
}

void vcpus_destroy(struct vm *vm)
{
	for (unsigned i = 0; vm->vcpus && i < vm->n_vcpus; i++) {
		if (vm->vcpus[i].ev)
			vm->ops->vcpu_destroy(vm->vcpus[i].ev);
		idle_fini(&vm->vcpus[i].idle);
	}
	free(vm->vcpus);
	vm->vcpus = NULL;
}
