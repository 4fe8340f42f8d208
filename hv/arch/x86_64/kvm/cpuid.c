/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guest's CPUID says. The start is what KVM supports on this host (KVM_GET_SUPPORTED_CPUID); taken away is what makes
 * no sense without what is not here; put in is what belongs to one vCPU: its APIC id and its place among the others.
 * Intel Software Developer's Manual 2A, CPUID; AMD64 Architecture Programmer's Manual 3, appendix E.
 */
#include "hv/arch/x86_64/kvm/x86.h"
#include "base/bytes.h"
#include "base/fd.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define ENTRIES_MAX 256u
#define F1_ECX_MONITOR (1u << 3)
#define F1_ECX_VMX (1u << 5)
#define F1_ECX_TSC_DEADLINE (1u << 24)
#define F1_ECX_HYPERVISOR (1u << 31)
#define F1_EDX_HTT (1u << 28)
#define X1_ECX_SVM (1u << 2)
#define X1_ECX_TOPOEXT (1u << 22)

static unsigned bits_for(unsigned n)
{
	return n <= 1 ? 0 : 32u - (unsigned)__builtin_clz(n - 1);
}

/* Nested virtualisation is not offered: its state would not survive a reset. MONITOR would spin the host's core. */
static void policy(struct kvm_cpuid_entry2 *e, unsigned cpus)
{
	switch (e->function) {
	case 1:
		e->ecx &= ~(F1_ECX_MONITOR | F1_ECX_VMX);
		/* The local APIC's deadline timer is KVM's own: it is not in what the host's CPU has. */
		e->ecx |= F1_ECX_HYPERVISOR | F1_ECX_TSC_DEADLINE;
		e->edx &= ~F1_EDX_HTT;
		if (cpus > 1)
			e->edx |= F1_EDX_HTT;
		break;
	case 4: /* caches: each core its own, the package has all cores */
		e->eax &= ~0xffffc000u;
		e->eax |= ((1u << bits_for(cpus)) - 1) << 26;
		break;
	case 6: /* power management of the host's CPU */
		e->ecx &= ~(1u << 3);
		break;
	case 0xa: /* performance counters: they would have to be saved and restored */
		e->eax = e->ebx = e->ecx = e->edx = 0;
		break;
	case 0x80000001:
		e->ecx &= ~(X1_ECX_SVM | X1_ECX_TOPOEXT);
		break;
	case 0x80000008:
		e->ecx = cpus > 1 ? (bits_for(cpus) << 12 | (cpus - 1)) : 0;
		break;
	}
}

int x86_cpuid_create(int kvm_fd, unsigned cpus, struct kvm_cpuid2 **ret, struct err *err)
{
	AUTO_FREE struct kvm_cpuid2 *c =
		calloc(1, sizeof(*c) + ENTRIES_MAX * sizeof(c->entries[0]));
	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	c->nent = ENTRIES_MAX;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, c) < 0)
		return err_set(err, errno, "KVM does not say what CPU it offers: %s",
			       strerror(errno));
	for (unsigned i = 0; i < c->nent; i++)
		policy(&c->entries[i], cpus);
	*ret = ptr_steal(c);
	return 0;
}

/* The leaves that say which CPU it is. */
static void own(struct kvm_cpuid_entry2 *e, unsigned index, unsigned cpus)
{
	switch (e->function) {
	case 1:
		e->ebx = (e->ebx & 0xffffu) | index << 24 | (cpus & 0xffu) << 16;
		break;
	case 0xb:
	case 0x1f: /* extended topology: one thread a core, all cores in one package */
		e->eax = e->ebx = 0;
		e->ecx = e->index;
		e->edx = index;
		if (e->index == 0) {
			e->ebx = 1;
			e->ecx |= 1u << 8;
		} else if (e->index == 1) {
			e->eax = bits_for(cpus);
			e->ebx = cpus;
			e->ecx |= 2u << 8;
		}
		break;
	case 0x8000001e:
		e->eax = index;
		e->ebx = index;
		e->ecx = 0;
		break;
	}
}

int x86_cpuid_set(const struct engine_vcpu *v, struct err *err)
{
	const struct kvm_cpuid2 *from = v->vm->cpuid;
	size_t bytes = sizeof(*from) + from->nent * sizeof(from->entries[0]);
	AUTO_FREE struct kvm_cpuid2 *c = malloc(bytes);
	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	memcpy(c, from, bytes);
	for (unsigned i = 0; i < c->nent; i++)
		own(&c->entries[i], v->index, v->vm->cfg.cpus);
	if (ioctl(v->fd, KVM_SET_CPUID2, c) < 0)
		return err_set(err, errno, "KVM does not take the CPU of vCPU %u: %s", v->index,
			       strerror(errno));
	return 0;
}
