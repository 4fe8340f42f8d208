/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/arch/x86_64/kvm/x86.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/arch/x86_64/board.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct kvm_need needs[] = {
	{KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP", "there are no interrupt controllers", true},
	{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY", "guest memory cannot be mapped", true},
	{KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT", "a vCPU cannot be stopped safely", true},
	{KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR", "real mode does not work", true},
	{KVM_CAP_PIT2, "KVM_CAP_PIT2", "there is no timer before the APICs' own", true},
	{KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID", "the guest does not learn what its CPU is", true},
	{KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE", "only one vCPU could be used", true},
	{0, NULL, NULL, false},
};

static int x86_probe(struct err *err)
{
	AUTO_FD fd = kvm_open(needs, err);
	if (fd < 0)
		return fd;
	AUTO_FD vm = ioctl(fd, KVM_CREATE_VM, 0);
	return vm < 0 ? err_set(err, errno, "KVM cannot make a VM: %s", strerror(errno)) : 0;
}

/* ---- interrupts ---- */

static void x86_irq_line(struct engine_vm *vm, unsigned irq, bool level)
{
	struct kvm_irq_level l = {.irq = irq, .level = level};
	if (ioctl(vm->vm_fd, KVM_IRQ_LINE, &l) < 0)
		log_warn_limited("KVM refuses level %d of interrupt %u: %s", level, irq,
				 strerror(errno));
}

static void x86_irq_pulse(struct engine_vm *vm, unsigned irq)
{
	x86_irq_line(vm, irq, true);
	x86_irq_line(vm, irq, false);
}

static void sci(void *opaque, bool level)
{
	x86_irq_line(opaque, BOARD_SCI, level);
}

/* ---- the VM ---- */

static void x86_vm_destroy(struct engine_vm *vm)
{
	if (!vm)
		return;
	pm_fini(&vm->pm);
	pthread_mutex_destroy(&vm->clock_lock);
	fd_close(&vm->vm_fd);
	fd_close(&vm->kvm_fd);
	free(vm->cpuid);
	free(vm);
}

static int chips_save(struct engine_vm *vm)
{
	for (unsigned i = 0; i < ARRAY_LEN(vm->chips); i++) {
		vm->chips[i].chip_id = i; /* master, slave, IOAPIC */
		if (ioctl(vm->vm_fd, KVM_GET_IRQCHIP, &vm->chips[i]) < 0)
			return -errno;
	}
	return ioctl(vm->vm_fd, KVM_GET_PIT2, &vm->pit) < 0 ? -errno : 0;
}

static int make_vm(struct engine_vm *vm, struct err *err)
{
	uint64_t identity = BOARD_KVM_BASE;
	struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};
	vm->vm_fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->vm_fd < 0)
		return err_set(err, errno, "KVM cannot make a VM: %s", strerror(errno));
	/* Before any vCPU: api.rst, 4.78 and 4.39. */
	if (ioctl(vm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0 ||
	    ioctl(vm->vm_fd, KVM_SET_TSS_ADDR, (unsigned long)(BOARD_KVM_BASE + 0x1000)) < 0)
		return err_set(err, errno, "KVM does not take its pages at 0x%llx: %s",
			       (unsigned long long)BOARD_KVM_BASE, strerror(errno));
	if (ioctl(vm->vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return err_set(err, errno, "KVM cannot make the interrupt controllers: %s",
			       strerror(errno));
	if (ioctl(vm->vm_fd, KVM_CREATE_PIT2, &pit) < 0)
		return err_set(err, errno, "KVM cannot make the timer: %s", strerror(errno));
	x86_msr_init(vm);
	int rc = chips_save(vm);
	if (rc)
		return err_set(err, -rc, "KVM does not give the state of its chips: %s",
			       strerror(-rc));
	return kvm_map(vm->vm_fd, vm->cfg.mem, vm->cfg.mem_count, err);
}

static int x86_vm_create(const struct engine_vm_config *cfg, struct engine_vm **ret,
			 struct err *err)
{
	if (cfg->cpus < 1 || cfg->cpus > X86_CPUS_MAX)
		return err_set(err, EINVAL, "%u vCPUs; 1 to %u are possible", cfg->cpus,
			       X86_CPUS_MAX);
	struct engine_vm *vm = calloc(1, sizeof(*vm));
	if (!vm)
		return err_set(err, ENOMEM, "no memory for a VM");
	vm->cfg = *cfg;
	vm->vm_fd = -1;
	pm_init(&vm->pm, cfg->clock, sci, vm);
	pthread_mutex_init(&vm->clock_lock, NULL);
	vm->clock_offset = atomic_load(&cfg->clock->offset_ns);
	vm->kvm_fd = kvm_open(needs, err);
	int rc = vm->kvm_fd < 0 ? vm->kvm_fd : make_vm(vm, err);
	int bytes = rc ? 0 : ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (!rc && bytes < (int)sizeof(struct kvm_run))
		rc = err_set(err, EPROTO, "KVM says that a vCPU's page has %d bytes", bytes);
	vm->run_bytes = (size_t)bytes;
	vm->has_xcrs = !rc && ioctl(vm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XCRS) > 0;
	if (!rc)
		rc = x86_cpuid_create(vm->kvm_fd, cfg->cpus, &vm->cpuid, err);
	if (rc) {
		x86_vm_destroy(vm);
		return rc;
	}
	*ret = vm;
	return 0;
}

static void x86_vm_reset(struct engine_vm *vm)
{
	pm_reset(&vm->pm);
	for (unsigned i = 0; i < ARRAY_LEN(vm->chips); i++)
		if (ioctl(vm->vm_fd, KVM_SET_IRQCHIP, &vm->chips[i]) < 0)
			log_warn("KVM does not reset interrupt controller %u: %s", i,
				 strerror(errno));
	if (ioctl(vm->vm_fd, KVM_SET_PIT2, &vm->pit) < 0)
		log_warn("KVM does not reset the timer: %s", strerror(errno));
	for (unsigned i = 0; i < vm->cfg.cpus; i++) {
		int rc = vm->vcpus[i] ? x86_state_restore(vm->vcpus[i]) : 0;
		if (rc)
			log_warn("KVM does not reset vCPU %u: %s", i, strerror(-rc));
	}
}

/* ---- vCPUs ---- */

static void x86_vcpu_destroy(struct engine_vcpu *v)
{
	if (!v)
		return;
	if (v->run)
		munmap(v->run, v->vm->run_bytes);
	fd_close(&v->fd);
	v->vm->vcpus[v->index] = NULL;
	free(v);
}

static int x86_vcpu_create(struct engine_vm *vm, unsigned index, struct engine_vcpu **ret,
			   struct err *err)
{
	struct engine_vcpu *v = calloc(1, sizeof(*v));
	if (!v || index >= vm->cfg.cpus) {
		free(v);
		return err_set(err, ENOMEM, "no memory for vCPU %u", index);
	}
	int rc;
	v->vm = vm;
	v->index = index;
	v->fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, (unsigned long)index);
	if (v->fd < 0) {
		rc = err_set(err, errno, "KVM cannot make vCPU %u: %s", index, strerror(errno));
		goto fail;
	}
	void *p = mmap(NULL, vm->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (p == MAP_FAILED) {
		rc = err_set(err, errno, "cannot map vCPU %u: %s", index, strerror(errno));
		goto fail;
	}
	v->run = p;
	v->clock_offset = vm->clock_offset;
	kvm_kick_init(&v->kick, v->run);
	rc = x86_cpuid_set(v, err);
	if (!rc)
		rc = x86_state_save(v, err);
	if (rc)
		goto fail;
	vm->vcpus[index] = v;
	*ret = v;
	return 0;
fail:
	x86_vcpu_destroy(v);
	return rc;
}

/* After vm_reset(), or fresh: the registers are those of a reset. */
static void x86_vcpu_reset(struct engine_vcpu *v, const struct engine_boot *boot)
{
	v->mmio_pending = v->aborted = false;
	v->io_done = v->io_count = 0;
	int rc = boot->powered_on ? x86_state_enter(v, boot) : 0;
	if (rc)
		log_err("KVM does not take the first state of vCPU %u: %s", v->index,
			strerror(-rc));
}

static void x86_vcpu_kick(struct engine_vcpu *v)
{
	kvm_kick_send(&v->kick);
}

static bool x86_power_button(struct engine_vm *vm)
{
	return pm_power_button(&vm->pm);
}

static void x86_vcpu_stats(struct engine_vcpu *v, struct engine_vcpu_stats *ret)
{
	*ret = (struct engine_vcpu_stats){
		.exits = atomic_load_explicit(&v->exits, memory_order_relaxed)};
}

extern const struct engine_ops kvm_x86_64_engine;
const struct engine_ops kvm_x86_64_engine = {
	.name = "kvm",
	.isa = "x86_64",
	.probe = x86_probe,
	.measure = x86_measure,
	.vm_create = x86_vm_create,
	.vm_destroy = x86_vm_destroy,
	.vm_reset = x86_vm_reset,
	.vcpu_create = x86_vcpu_create,
	.vcpu_destroy = x86_vcpu_destroy,
	.vcpu_reset = x86_vcpu_reset,
	.vcpu_run = x86_vcpu_run,
	.vcpu_abort = x86_vcpu_abort,
	.vcpu_kick = x86_vcpu_kick,
	.irq_line = x86_irq_line,
	.irq_pulse = x86_irq_pulse,
	.power_button = x86_power_button,
	.vcpu_stats = x86_vcpu_stats,
	.vcpu_dump = x86_vcpu_dump,
};
