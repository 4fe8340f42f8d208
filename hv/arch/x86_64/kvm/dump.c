/* SPDX-License-Identifier: Apache-2.0 */
/* A vCPU as text, for crash reports. */
#include "hv/arch/x86_64/kvm/x86.h"
#include "base/bytes.h"
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define ULL(x) ((unsigned long long)(x))
#define CODE_BYTES 16u

/** struct text - a buffer being filled; what does not fit is dropped. */
struct text {
	char *buf;
	size_t len, used;
};

static void put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(t->buf + t->used, t->len - t->used, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->used = t->used + (size_t)n < t->len ? t->used + (size_t)n : t->len - 1;
}

static void put_segment(struct text *t, const char *name, const struct kvm_segment *s)
{
	put(t, "%s=%04x base %llx limit %x type %x dpl %u db %u l %u%s\n", name, s->selector,
	    ULL(s->base), s->limit, s->type, s->dpl, s->db, s->l, s->unusable ? " unusable" : "");
}

static void put_regs(struct text *t, const struct kvm_regs *r)
{
	put(t,
	    "rip=%016llx rflags=%08llx\n"
	    "rax=%016llx rbx=%016llx rcx=%016llx rdx=%016llx\n"
	    "rsi=%016llx rdi=%016llx rbp=%016llx rsp=%016llx\n"
	    "r8 =%016llx r9 =%016llx r10=%016llx r11=%016llx\n"
	    "r12=%016llx r13=%016llx r14=%016llx r15=%016llx\n",
	    ULL(r->rip), ULL(r->rflags), ULL(r->rax), ULL(r->rbx), ULL(r->rcx), ULL(r->rdx),
	    ULL(r->rsi), ULL(r->rdi), ULL(r->rbp), ULL(r->rsp), ULL(r->r8), ULL(r->r9), ULL(r->r10),
	    ULL(r->r11), ULL(r->r12), ULL(r->r13), ULL(r->r14), ULL(r->r15));
}

static void put_sregs(struct text *t, const struct kvm_sregs *s)
{
	put(t, "cr0=%llx cr2=%llx cr3=%llx cr4=%llx cr8=%llx efer=%llx apic_base=%llx\n",
	    ULL(s->cr0), ULL(s->cr2), ULL(s->cr3), ULL(s->cr4), ULL(s->cr8), ULL(s->efer),
	    ULL(s->apic_base));
	put_segment(t, "cs", &s->cs);
	put_segment(t, "ss", &s->ss);
	put_segment(t, "ds", &s->ds);
	put_segment(t, "es", &s->es);
	put_segment(t, "fs", &s->fs);
	put_segment(t, "gs", &s->gs);
	put_segment(t, "tr", &s->tr);
	put(t, "gdt=%llx limit %x idt=%llx limit %x\n", ULL(s->gdt.base), s->gdt.limit,
	    ULL(s->idt.base), s->idt.limit);
}

static const uint8_t *ram_at(const struct engine_vm *vm, uint64_t gpa)
{
	for (unsigned i = 0; i < vm->cfg.mem_count; i++)
		if (gpa - vm->cfg.mem[i].gpa < vm->cfg.mem[i].size)
			return vm->cfg.mem[i].hva + (gpa - vm->cfg.mem[i].gpa);
	return NULL;
}

/* The bytes at the instruction pointer, as the guest's page tables map them. */
static void put_code(struct text *t, const struct engine_vcpu *v, const struct kvm_regs *r,
		     const struct kvm_sregs *s)
{
	put(t, "code at rip:");
	for (unsigned i = 0; i < CODE_BYTES; i++) {
		struct kvm_translation tr = {.linear_address = s->cs.base + r->rip + i};
		const uint8_t *p = NULL;
		if (ioctl(v->fd, KVM_TRANSLATE, &tr) == 0 && tr.valid)
			p = ram_at(v->vm, tr.physical_address);
		if (p)
			put(t, " %02x", *p);
		else
			put(t, " ??");
	}
	put(t, "\n");
}

static void put_exit(struct text *t, const struct kvm_run *r)
{
	put(t, "last KVM exit: %u\n", r->exit_reason);
	if (r->exit_reason != KVM_EXIT_INTERNAL_ERROR)
		return;
	put(t, "internal error %u:", r->internal.suberror);
	for (unsigned i = 0; i < r->internal.ndata && i < ARRAY_LEN(r->internal.data); i++)
		put(t, " %llx", ULL(r->internal.data[i]));
	put(t, "\n");
}

void x86_vcpu_dump(struct engine_vcpu *v, char *buf, size_t len)
{
	struct text t = {.buf = buf, .len = len};
	struct kvm_regs r;
	struct kvm_sregs s;
	if (!len)
		return;
	buf[0] = 0;
	if (ioctl(v->fd, KVM_GET_REGS, &r) < 0 || ioctl(v->fd, KVM_GET_SREGS, &s) < 0) {
		put(&t, "KVM does not give the registers\n");
		return;
	}
	put_regs(&t, &r);
	put_sregs(&t, &s);
	put_code(&t, v, &r, &s);
	put_exit(&t, v->run);
}
