/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The KVM engine for x86_64 guests. Interrupt controllers, timers and the local APICs' start-up of processors are the kernel's;
 * this is set-up, exits, and power management.
 *
 * Threads as hv/engine.h says. vm_reset() sets the state of all vCPUs, whose threads are parked then: each for itself would be
 * too late, the first one may already start the others.
 */
#include "hv/arch/kvm/kvm.h"
#include "hv/arch/x86_64/pm.h"

#define X86_CPUS_MAX 64u
#define X86_MSRS_MAX 64u

/** struct x86_msrs - as KVM_GET_MSRS and KVM_SET_MSRS take it. */
struct x86_msrs {
	struct kvm_msrs head;
	struct kvm_msr_entry entries[X86_MSRS_MAX];
};

/** struct x86_state - all of a vCPU that a reset must put back. */
struct x86_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	struct kvm_lapic_state lapic;
	struct kvm_mp_state mp;
	struct kvm_vcpu_events events;
	struct kvm_debugregs debug;
	struct kvm_xcrs xcrs;
	struct x86_msrs msrs;
};

/** struct engine_vm - constant after vm_create() but for what says otherwise. */
struct engine_vm {
	struct engine_vm_config cfg;
	int kvm_fd, vm_fd;
	size_t run_bytes;
	struct pm pm;
	struct kvm_irqchip chips[3]; /* as they are after reset */
	struct kvm_pit_state2 pit;
	struct kvm_cpuid2 *cpuid; /* what KVM offers, less what a guest should not see */
	bool has_xcrs;
	pthread_mutex_t clock_lock;	/* guards clock_offset, stood_ticks; a leaf */
	uint64_t clock_offset;		/* of the guest clock, that the kvmclock follows */
	uint64_t stood_ticks;		/* the last pause, in ticks of the TSC */
	_Atomic uint64_t msrs_told[64]; /* msr.c: registers that were logged */
	struct engine_vcpu *vcpus[X86_CPUS_MAX];
};

struct engine_vcpu {
	struct engine_vm *vm;
	unsigned index;
	int fd;
	struct kvm_run *run;
	struct kvm_kick kick;
	struct x86_state reset; /* as after KVM_CREATE_VCPU */
	uint64_t clock_offset;	/* of the guest clock, that the TSC follows */
	/* An exit that waits for its answer. */
	bool mmio_pending, aborted;
	uint32_t io_done, io_count; /* elements of a port access */
	_Atomic uint64_t exits;
	_Atomic uint64_t left_tsc; /* the host's TSC when it left the guest last */
};

/** x86_cpuid_create - what guests of this VM may see, by KVM_GET_SUPPORTED_CPUID and the policy in cpuid.c. free() it. */
int x86_cpuid_create(int kvm_fd, unsigned cpus, struct kvm_cpuid2 **ret, struct err *err);
/** x86_cpuid_set - gives it to a vCPU, with the leaves that are its own. */
int x86_cpuid_set(const struct engine_vcpu *v, struct err *err);

/** x86_msr_init - asks KVM to ask us about registers that it does not have. x86_msr_exit - it does: run.msr is answered. */
void x86_msr_init(const struct engine_vm *vm);
void x86_msr_exit(struct engine_vcpu *v);

/** x86_clock_follow - the guest clock's offset has become @offset: it stood still. Own thread. */
void x86_clock_follow(struct engine_vcpu *v, uint64_t offset);

/** x86_state_save - remembers the state of a fresh vCPU. x86_state_restore - puts it back. 0 or -Exxx. */
int x86_state_save(struct engine_vcpu *v, struct err *err);
int x86_state_restore(struct engine_vcpu *v);
/** x86_entry_state - the registers at the guest's entry point; @r and @s are those of a reset. */
void x86_entry_state(const struct engine_boot *boot, struct kvm_regs *r, struct kvm_sregs *s);
/** x86_state_enter - the first vCPU at the guest's entry point. 0 or -Exxx. */
int x86_state_enter(struct engine_vcpu *v, const struct engine_boot *boot);

/** x86_vcpu_run, x86_vcpu_abort - of engine_ops. */
void x86_vcpu_run(struct engine_vcpu *v, struct vm_exit *exit);
void x86_vcpu_abort(struct engine_vcpu *v);

/** x86_measure, x86_vcpu_dump - of engine_ops. */
int x86_measure(struct engine_speed *ret, struct err *err);
void x86_vcpu_dump(struct engine_vcpu *v, char *buf, size_t len);
