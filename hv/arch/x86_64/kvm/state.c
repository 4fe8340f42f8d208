/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a vCPU: after power-on, after a reset, at the guest's entry point. */
#include "hv/arch/x86_64/kvm/x86.h"
#include "base/bytes.h"
#include "hv/arch/x86_64/board.h"
#include <errno.h>
#include <sys/ioctl.h>

/* What is not in the other structures and must be as after power-on again. One that the host does not have is left out. */
static const uint32_t reset_msrs[] = {
	0x10 /* TSC */,
	0x174 /* SYSENTER_CS */,
	0x175 /* SYSENTER_ESP */,
	0x176 /* SYSENTER_EIP */,
	0x1a0 /* MISC_ENABLE */,
	0x277 /* PAT */,
	0x2ff /* MTRR default */,
	0x6e0 /* TSC_DEADLINE */,
	0xc0000081 /* STAR */,
	0xc0000082 /* LSTAR */,
	0xc0000083 /* CSTAR */,
	0xc0000084 /* SFMASK */,
	0xc0000102 /* KERNEL_GS */,
	0xc0000103 /* TSC_AUX */,
	/* KVM's own (Documentation/virt/kvm/x86/msr.rst): a clock page must not be written after a reset. */
	0x4b564d00,
	0x4b564d01,
	0x4b564d02,
	0x4b564d03,
	0x4b564d04,
	0x11,
	0x12,
};

#define MSR_MTRR_DEFAULT 0x2ffu
#define MTRR_ENABLED_WRITEBACK                                                                     \
	0x806u /* SDM 3A, 11.11.2.1: all memory is write-back; no fixed ranges */

static int msrs_save(struct engine_vcpu *v)
{
	struct x86_msrs *m = &v->reset.msrs;
	for (unsigned i = 0; i < ARRAY_LEN(reset_msrs) && m->head.nmsrs < X86_MSRS_MAX; i++) {
		struct x86_msrs one = {.head.nmsrs = 1, .entries[0].index = reset_msrs[i]};
		if (ioctl(v->fd, KVM_GET_MSRS, &one) == 1)
			m->entries[m->head.nmsrs++] = one.entries[0];
	}
	return 0;
}

int x86_state_save(struct engine_vcpu *v, struct err *err)
{
	struct x86_state *s = &v->reset;
	if (ioctl(v->fd, KVM_GET_REGS, &s->regs) < 0 ||
	    ioctl(v->fd, KVM_GET_SREGS, &s->sregs) < 0 || ioctl(v->fd, KVM_GET_FPU, &s->fpu) < 0 ||
	    ioctl(v->fd, KVM_GET_LAPIC, &s->lapic) < 0 ||
	    ioctl(v->fd, KVM_GET_MP_STATE, &s->mp) < 0 ||
	    ioctl(v->fd, KVM_GET_VCPU_EVENTS, &s->events) < 0 ||
	    ioctl(v->fd, KVM_GET_DEBUGREGS, &s->debug) < 0 ||
	    (v->vm->has_xcrs && ioctl(v->fd, KVM_GET_XCRS, &s->xcrs) < 0))
		return err_set(err, errno, "KVM does not give the state of vCPU %u: %s", v->index,
			       strerror(errno));
	return msrs_save(v);
}

int x86_state_restore(struct engine_vcpu *v)
{
	struct x86_state *s = &v->reset;
	/* The segment registers first: EFER and the APIC base are in them, and decide what else is allowed. */
	if (ioctl(v->fd, KVM_SET_SREGS, &s->sregs) < 0 ||
	    ioctl(v->fd, KVM_SET_REGS, &s->regs) < 0 || ioctl(v->fd, KVM_SET_FPU, &s->fpu) < 0 ||
	    (v->vm->has_xcrs && ioctl(v->fd, KVM_SET_XCRS, &s->xcrs) < 0) ||
	    ioctl(v->fd, KVM_SET_DEBUGREGS, &s->debug) < 0 ||
	    ioctl(v->fd, KVM_SET_LAPIC, &s->lapic) < 0 ||
	    ioctl(v->fd, KVM_SET_VCPU_EVENTS, &s->events) < 0 ||
	    ioctl(v->fd, KVM_SET_MP_STATE, &s->mp) < 0)
		return -errno;
	int n = ioctl(v->fd, KVM_SET_MSRS, &s->msrs);
	return n < 0 ? -errno : n != (int)s->msrs.head.nmsrs ? -EINVAL : 0;
}

static struct kvm_segment segment(unsigned selector, unsigned type, bool is_long)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = (uint16_t)selector,
		.type = (uint8_t)type,
		.present = 1,
		.db = !is_long,
		.s = 1,
		.l = is_long,
		.g = 1,
	};
}

static void flat(struct kvm_sregs *s, bool is_long)
{
	s->cs = segment(X86_GDT_CODE, 0xb, is_long);
	s->ds = segment(X86_GDT_DATA, 3, false);
	s->es = s->fs = s->gs = s->ss = s->ds;
	s->cr0 = 0x11; /* PE, ET */
}

static void enter_long(struct kvm_sregs *s, const struct engine_boot *boot)
{
	flat(s, true);
	s->gdt.base = boot->args[2];
	s->gdt.limit = 8 * X86_GDT_ENTRIES - 1;
	s->cr3 = boot->args[1];
	s->cr4 = 1u << 5;	       /* PAE */
	s->cr0 |= 1u << 31;	       /* PG */
	s->efer |= 1u << 8 | 1u << 10; /* LME, LMA */
}

/* A firmware would have switched the caches on, and so says the default memory type. */
static int enter_mtrr(struct engine_vcpu *v)
{
	struct x86_msrs m = {
		.head.nmsrs = 1,
		.entries[0] = {.index = MSR_MTRR_DEFAULT, .data = MTRR_ENABLED_WRITEBACK},
	};
	return ioctl(v->fd, KVM_SET_MSRS, &m) < 0 ? -errno : 0;
}

void x86_entry_state(const struct engine_boot *boot, struct kvm_regs *r, struct kvm_sregs *s)
{
	switch ((enum x86_entry)boot->mode) {
	case X86_ENTRY_REAL:
		return;
	case X86_ENTRY_PROT:
		flat(s, false);
		r->rax = boot->args[0];
		r->rbx = boot->args[1];
		break;
	case X86_ENTRY_LONG:
		enter_long(s, boot);
		r->rsi = boot->args[0];
		break;
	}
	r->rip = boot->entry;
	r->rflags = 2;
}

int x86_state_enter(struct engine_vcpu *v, const struct engine_boot *boot)
{
	struct kvm_regs r = v->reset.regs;
	struct kvm_sregs s = v->reset.sregs;
	x86_entry_state(boot, &r, &s);
	if (ioctl(v->fd, KVM_SET_SREGS, &s) < 0 || ioctl(v->fd, KVM_SET_REGS, &r) < 0)
		return -errno;
	return enter_mtrr(v);
}
