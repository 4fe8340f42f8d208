/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a vCPU: KVM's exits become neutral ones.
 *
 * Theory of operation. An access that KVM cannot serve is left half-done in the kernel until the next KVM_RUN, which takes the
 * answer from the shared page. A port access may have several elements (REP INS, REP OUTS): each leaves as an exit of its own,
 * and only after the last of them does the guest go on. KVM merges what was read into the register, and sign or zero
 * extension is part of its instruction emulation: no x86 is decoded here.
 */
#include "hv/arch/x86_64/kvm/x86.h"
#include "base/bytes.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>

static void fail(struct vm_exit *x, enum exit_reason reason, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void fail(struct vm_exit *x, enum exit_reason reason, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(x->why, sizeof(x->why), fmt, ap);
	va_end(ap);
	x->reason = reason;
}

/* ---- ports ---- */

static uint8_t *io_element(struct engine_vcpu *v)
{
	return (uint8_t *)v->run + v->run->io.data_offset + (size_t)v->io_done * v->run->io.size;
}

static void io_fill(struct engine_vcpu *v, struct vm_exit *x)
{
	x->reason = EXIT_PIO;
	x->is_write = v->run->io.direction == KVM_EXIT_IO_OUT;
	x->len = v->run->io.size;
	x->addr = v->run->io.port;
	x->data = x->is_write ? load_le(io_element(v), x->len) : 0;
}

/* Takes the answer of the element that is out. True: there is another one. */
static bool io_take(struct engine_vcpu *v, uint64_t data)
{
	if (v->run->io.direction == KVM_EXIT_IO_IN)
		store_le(io_element(v), v->run->io.size, data);
	if (++v->io_done < v->io_count)
		return true;
	v->io_done = v->io_count = 0;
	return false;
}

/* Power management is answered here. True: *@x is an exit. */
static bool io_fast(struct engine_vcpu *v, struct vm_exit *x)
{
	switch (pm_access(&v->vm->pm, x->addr, x->len, x->is_write, &x->data)) {
	case PM_POWEROFF:
		x->reason = EXIT_POWEROFF;
		return true;
	case PM_RESET:
		x->reason = EXIT_RESET;
		return true;
	case PM_NONE:
		break;
	}
	return false;
}

/* The elements of the access, from the one at io_done on, as far as they are served here. True: *@x is an exit. */
static bool io_next(struct engine_vcpu *v, struct vm_exit *x)
{
	do {
		io_fill(v, x);
		if (!pm_has(x->addr))
			return true;
		if (io_fast(v, x))
			return true;
	} while (io_take(v, x->data));
	return false;
}

/* ---- memory ---- */

static void mmio_fill(struct engine_vcpu *v, struct vm_exit *x)
{
	struct kvm_run *r = v->run;
	x->reason = EXIT_MMIO;
	x->is_write = r->mmio.is_write;
	x->len = (uint8_t)r->mmio.len;
	x->addr = r->mmio.phys_addr;
	x->data = x->is_write ? load_le(r->mmio.data, x->len) : 0;
	v->mmio_pending = !x->is_write;
}

/* KVM gives 1 to 8 bytes; what is no power of two (an access across a page) has no neutral form, and nobody is there who
 * would answer it: ones. True: *@x is an exit. */
static bool mmio_exit(struct engine_vcpu *v, struct vm_exit *x)
{
	if (!is_pow2(v->run->mmio.len) || v->run->mmio.len > 8) {
		memset(v->run->mmio.data, 0xff, sizeof(v->run->mmio.data));
		return false;
	}
	mmio_fill(v, x);
	return true;
}

/* ---- what ends a VM ---- */

static void internal_error(struct engine_vcpu *v, struct vm_exit *x)
{
	static const char *const names[] = {
		"?", "it cannot emulate an instruction", "simultaneous exceptions",
		"an event could not be delivered", "an exit that it does not expect"};
	uint32_t sub = v->run->internal.suberror;
	fail(x, EXIT_ENGINE, "KVM gave up with internal error %u: %s", sub,
	     sub < ARRAY_LEN(names) ? names[sub] : "unknown to us");
}

static void system_event(struct engine_vcpu *v, struct vm_exit *x)
{
	uint32_t type = v->run->system_event.type;
	if (type == KVM_SYSTEM_EVENT_SHUTDOWN)
		x->reason = EXIT_POWEROFF;
	else if (type == KVM_SYSTEM_EVENT_RESET)
		x->reason = EXIT_RESET;
	else
		fail(x, EXIT_CRASH, "KVM reports system event %u", type);
}

/* One exit of KVM. True: *@x is an exit; false: run on. */
static bool translate(struct engine_vcpu *v, struct vm_exit *x)
{
	switch (v->run->exit_reason) {
	case KVM_EXIT_IO:
		v->io_done = 0;
		v->io_count = v->run->io.count;
		return v->io_count && io_next(v, x);
	case KVM_EXIT_MMIO:
		return mmio_exit(v, x);
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		x86_msr_exit(v);
		return false;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return false;
	case KVM_EXIT_SHUTDOWN:
		fail(x, EXIT_CRASH, "triple fault: an exception in the handler of a double fault");
		return true;
	case KVM_EXIT_SYSTEM_EVENT:
		system_event(v, x);
		return true;
	case KVM_EXIT_FAIL_ENTRY:
		fail(x, EXIT_ENGINE,
		     "the CPU refuses to enter the guest: hardware reason 0x%llx on host CPU %u",
		     (unsigned long long)v->run->fail_entry.hardware_entry_failure_reason,
		     v->run->fail_entry.cpu);
		return true;
	case KVM_EXIT_INTERNAL_ERROR:
		internal_error(v, x);
		return true;
	default:
		fail(x, EXIT_ENGINE, "KVM exit %u is unknown to us", v->run->exit_reason);
		return true;
	}
}

/* ---- the loop ---- */

/* The answer of the exit before. True: *@x is the next exit of the same access. */
static bool answer(struct engine_vcpu *v, struct vm_exit *x)
{
	uint64_t data = v->aborted ? UINT64_MAX : x->data;
	v->aborted = false;
	if (v->mmio_pending) {
		store_le(v->run->mmio.data, v->run->mmio.len & 15u, data);
		v->mmio_pending = false;
	}
	if (!v->io_count)
		return false;
	return io_take(v, data) && io_next(v, x);
}

static void run(struct engine_vcpu *v, struct vm_exit *x)
{
	if (answer(v, x))
		return;
	for (;;) {
		int rc = ioctl(v->fd, KVM_RUN, 0);
		atomic_store_explicit(&v->exits,
				      atomic_load_explicit(&v->exits, memory_order_relaxed) + 1,
				      memory_order_relaxed);
		*x = (struct vm_exit){0};
		if (rc < 0 && errno == EINTR) {
			if (!kvm_kick_take(&v->kick))
				continue;
			x->reason = EXIT_KICKED;
			return;
		}
		if (rc < 0 &&
		    errno == EAGAIN) /* a processor that waits for its start-up was started */
			continue;
		if (rc < 0) {
			fail(x, EXIT_ENGINE, "KVM_RUN: %s", kvm_run_error(errno));
			return;
		}
		if (translate(v, x))
			return;
	}
}

void x86_vcpu_run(struct engine_vcpu *v, struct vm_exit *x)
{
	uint64_t offset = atomic_load_explicit(&v->vm->cfg.clock->offset_ns, memory_order_relaxed);
	kvm_kick_enter(&v->kick);
	if (__builtin_expect(offset != v->clock_offset, 0))
		x86_clock_follow(v, offset);
	run(v, x);
	atomic_store_explicit(&v->left_tsc, __builtin_ia32_rdtsc(), memory_order_relaxed);
}

void x86_vcpu_abort(struct engine_vcpu *v)
{
	v->aborted = true;
}
