/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model-specific registers that KVM does not have. A few that operating systems look at without asking CPUID first are served
 * here; what nobody has is an exception in the guest, as on hardware, and is told once a register.
 *
 * KVM asks us (KVM_CAP_X86_USER_SPACE_MSR, api.rst 7.21) about unknown registers, and about those that the filter
 * (KVM_X86_SET_MSR_FILTER, 4.97) keeps from it.
 */
#include "hv/arch/x86_64/kvm/x86.h"
#include "base/bytes.h"
#include "base/log.h"
#include <errno.h>
#include <sys/ioctl.h>

/** struct msr - reads as @value; writes are ignored. */
struct msr {
	uint32_t index;
	uint64_t value;
	const char *name;
};

/* Ascending. Intel SDM 4, tables 2-2 and 2-20. */
static const struct msr served[] = {
	{0x34, 0, "SMI_COUNT"},
	{0x1fc, 0, "POWER_CTL"},
	{0x606, 0, "RAPL_POWER_UNIT"},
	{0x610, 0, "PKG_POWER_LIMIT"},
	{0x611, 0, "PKG_ENERGY_STATUS"},
	{0x619, 0, "DRAM_ENERGY_STATUS"},
	{0x639, 0, "PP0_ENERGY_STATUS"},
	{0x641, 0, "PP1_ENERGY_STATUS"},
	{0xc0010299, 0, "AMD RAPL_PWR_UNIT"},
	{0xc001029b, 0, "AMD PKG_ENERGY_STAT"},
};

/* Kept from KVM in every version, so that they are the same on all hosts: power limits are the host's own affair. */
static int filter(int vm_fd)
{
	static uint8_t none[2]; /* a bitmap of zeros: denied */
	struct kvm_msr_filter f = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges = {{.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
			    .nmsrs = 1,
			    .base = 0x34,
			    .bitmap = none},
			   {.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
			    .nmsrs = 12,
			    .base = 0x606,
			    .bitmap = none}},
	};
	return ioctl(vm_fd, KVM_X86_SET_MSR_FILTER, &f) < 0 ? -errno : 0;
}

void x86_msr_init(const struct engine_vm *vm)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args = {KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER},
	};
	if (ioctl(vm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_USER_SPACE_MSR) <= 0 ||
	    ioctl(vm->vm_fd, KVM_ENABLE_CAP, &cap) < 0) {
		log_info(
			"this KVM lacks KVM_CAP_X86_USER_SPACE_MSR: unknown MSRs are not reported");
		return;
	}
	int rc = filter(vm->vm_fd);
	if (rc)
		log_info("this KVM takes no MSR filter: %s", strerror(-rc));
}

static const struct msr *find(uint32_t index)
{
	for (unsigned i = 0; i < ARRAY_LEN(served); i++)
		if (served[i].index == index)
			return &served[i];
	return NULL;
}

/* True the first time for each register, as far as the set has room. Any vCPU's thread. */
static bool first_time(struct engine_vm *vm, uint32_t index)
{
	for (unsigned i = 0; i < ARRAY_LEN(vm->msrs_told); i++) {
		uint64_t have = 0, want = (uint64_t)index | 1ull << 32;
		if (atomic_compare_exchange_strong(&vm->msrs_told[i], &have, want))
			return true;
		if (have == want)
			return false;
	}
	return false;
}

void x86_msr_exit(struct engine_vcpu *v)
{
	struct kvm_run *r = v->run;
	bool is_write = r->exit_reason == KVM_EXIT_X86_WRMSR;
	const struct msr *m = find(r->msr.index);
	r->msr.error = !m;
	if (m && !is_write)
		r->msr.data = m->value;
	if (!first_time(v->vm, r->msr.index))
		return;
	if (m)
		log_debug("vcpu=%u msr=0x%x %s: %s", v->index, r->msr.index,
			  is_write ? "write ignored" : "read as 0", m->name);
	else
		log_warn_limited("vcpu=%u msr=0x%x: the guest %s it, and nobody has it: it gets an "
				 "exception",
				 v->index, r->msr.index, is_write ? "writes" : "reads");
}
