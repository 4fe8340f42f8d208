/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's clocks after a pause.
 *
 * Theory of operation. While all vCPUs stood still (pause, a debugger, `park`), the core's guest clock did, too, and its offset from the
 * host's has grown; by that it is noticed. KVM's clocks went on. Before a vCPU runs again its TSC is set back: all by the
 * same number of ticks, or they would no longer agree, and by no more than any of them stood, or it would run backwards: by what has
 * passed since the last of them left the guest. The first vCPU that comes back finds that out, under a lock that the others
 * must pass before they run, and sets the VM's kvmclock.
 */
#include "hv/arch/x86_64/kvm/x86.h"
#include "base/log.h"
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#define MSR_TSC 0x10u

static int tsc_by_msr(struct engine_vcpu *v, uint64_t ticks)
{
	struct x86_msrs m = {.head.nmsrs = 1, .entries[0].index = MSR_TSC};
	if (ioctl(v->fd, KVM_GET_MSRS, &m) != 1)
		return -EIO;
	m.entries[0].data -= ticks;
	return ioctl(v->fd, KVM_SET_MSRS, &m) == 1 ? 0 : -EIO;
}

/* By the offset, which is exact; where the kernel is too old for that (5.16), by value. */
static int tsc_back(struct engine_vcpu *v, uint64_t ticks)
{
	uint64_t offset = 0;
	struct kvm_device_attr a = {.group = KVM_VCPU_TSC_CTRL,
				    .attr = KVM_VCPU_TSC_OFFSET,
				    .addr = (uintptr_t)&offset};
	if (ioctl(v->fd, KVM_GET_DEVICE_ATTR, &a) < 0)
		return tsc_by_msr(v, ticks);
	offset -= ticks;
	return ioctl(v->fd, KVM_SET_DEVICE_ATTR, &a) < 0 ? -errno : 0;
}

static int kvmclock_back(struct engine_vcpu *v, uint64_t ticks)
{
	struct kvm_clock_data c = {0};
	int khz = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);
	if (khz <= 0)
		return -ENOTSUP;
	uint64_t ns = (uint64_t)((unsigned __int128)ticks * 1000000u / (unsigned)khz);
	if (ioctl(v->vm->vm_fd, KVM_GET_CLOCK, &c) < 0)
		return -errno;
	c.clock -= ns < c.clock ? ns : c.clock;
	c.flags = 0;
	return ioctl(v->vm->vm_fd, KVM_SET_CLOCK, &c) < 0 ? -errno : 0;
}

/* How long all of them have stood. */
static uint64_t ticks_stood(const struct engine_vm *vm)
{
	uint64_t left = 0;
	for (unsigned i = 0; i < vm->cfg.cpus; i++) {
		const struct engine_vcpu *o = vm->vcpus[i];
		uint64_t t = o ? atomic_load_explicit(&o->left_tsc, memory_order_relaxed) : 0;
		left = t > left ? t : left;
	}
	return left ? __builtin_ia32_rdtsc() - left : 0;
}

void x86_clock_follow(struct engine_vcpu *v, uint64_t offset)
{
	struct engine_vm *vm = v->vm;
	int rc = 0;
	pthread_mutex_lock(&vm->clock_lock);
	if (vm->clock_offset != offset) {
		vm->clock_offset = offset;
		vm->stood_ticks = ticks_stood(vm);
		rc = kvmclock_back(v, vm->stood_ticks);
	}
	uint64_t ticks = vm->stood_ticks;
	pthread_mutex_unlock(&vm->clock_lock);
	v->clock_offset = offset;
	int tsc_rc = tsc_back(v, ticks);
	rc = rc ? rc : tsc_rc;
	if (rc)
		log_warn_limited("vcpu=%u: KVM does not set the clock back, the guest sees the "
				 "time that it was stopped: %s",
				 v->index, strerror(-rc));
}
