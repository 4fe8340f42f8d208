/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast KVM is here. A VM of its own with one vCPU and no interrupt controllers runs a loop in 64-bit kernel mode, then leaves
 * by port accesses; the same loop on the host is what to compare with. /dev/kvm can be there and be useless: one that has
 * no hardware below it was seen to run guest kernel code at 2 million instructions a second.
 */
#include "hv/arch/x86_64/kvm/x86.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include "hv/arch/x86_64/board.h"
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define MEM_BYTES 0x10000u
#define PML4_AT 0x1000u
#define PDPT_AT 0x2000u
#define PD_AT 0x3000u
#define GDT_AT 0x500u
#define CODE_AT 0x4000u
#define LOOP_INSTRUCTIONS 4u
/* The first run is short enough for the slowest, the second long enough for the fastest. */
#define SHORT_LOOPS 1000u
#define LONG_LOOPS 200000u
#define SHORT_NS 200000u
#define EXITS_MIN 8u
#define EXITS_MAX 200u
#define EXITS_NS 1000000u

/* add %rcx,%rax; xor %rdx,%rax; dec %rcx; jnz; then out %al,$0x80 for ever */
static const uint8_t code[] = {0x48, 0x01, 0xc8, 0x48, 0x31, 0xd0, 0x48, 0xff,
			       0xc9, 0x75, 0xf5, 0xe6, 0x80, 0xeb, 0xfc};

/** struct probe - the VM, half-made or whole. */
struct probe {
	int kvm_fd, vm_fd, cpu_fd;
	uint8_t *mem;
	struct kvm_run *run;
	size_t run_bytes;
};

static void probe_close(struct probe *p)
{
	if (p->run)
		munmap(p->run, p->run_bytes);
	fd_close(&p->cpu_fd);
	fd_close(&p->vm_fd);
	fd_close(&p->kvm_fd);
	if (p->mem)
		munmap(p->mem, MEM_BYTES);
}

static int probe_fill(struct probe *p)
{
	p->mem = mmap(NULL, MEM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->mem == MAP_FAILED) {
		p->mem = NULL;
		return -errno;
	}
	store_le(p->mem + PML4_AT, 8, PDPT_AT | 3);
	store_le(p->mem + PDPT_AT, 8, PD_AT | 3);
	store_le(p->mem + PD_AT, 8, 0x83);
	store_le(p->mem + GDT_AT + X86_GDT_CODE, 8, 0x00af9b000000ffffull);
	store_le(p->mem + GDT_AT + X86_GDT_DATA, 8, 0x00cf93000000ffffull);
	memcpy(p->mem + CODE_AT, code, sizeof(code));
	return 0;
}

static int probe_open(struct probe *p)
{
	struct err none;
	uint64_t identity = BOARD_KVM_BASE;
	struct engine_mem mem = {.gpa = 0, .size = MEM_BYTES};
	int rc = probe_fill(p);
	mem.hva = p->mem;
	if (!rc)
		p->vm_fd = ioctl(p->kvm_fd, KVM_CREATE_VM, 0);
	if (!rc && p->vm_fd < 0)
		rc = -errno;
	if (!rc &&
	    (ioctl(p->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0 ||
	     ioctl(p->vm_fd, KVM_SET_TSS_ADDR, (unsigned long)(BOARD_KVM_BASE + 0x1000)) < 0))
		rc = -errno;
	if (!rc)
		rc = kvm_map(p->vm_fd, &mem, 1, &none);
	if (!rc)
		p->cpu_fd = ioctl(p->vm_fd, KVM_CREATE_VCPU, 0ul);
	if (!rc && p->cpu_fd < 0)
		rc = -errno;
	int bytes = rc ? 0 : ioctl(p->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	p->run_bytes = bytes > 0 ? (size_t)bytes : 0;
	void *run = rc || bytes < (int)sizeof(struct kvm_run)
			    ? MAP_FAILED
			    : mmap(NULL, p->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
				   p->cpu_fd, 0);
	p->run = run == MAP_FAILED ? NULL : run;
	return rc ? rc : p->run ? 0 : -EPROTO;
}

/* Long mode: without it the guest cannot be told what the CPU has. */
static int probe_cpuid(struct probe *p)
{
	struct err none;
	AUTO_FREE struct kvm_cpuid2 *c = NULL;
	int rc = x86_cpuid_create(p->kvm_fd, 1, &c, &none);
	return rc ? rc : ioctl(p->cpu_fd, KVM_SET_CPUID2, c) < 0 ? -errno : 0;
}

static int probe_enter(struct probe *p, uint64_t loops)
{
	const struct engine_boot boot = {
		.entry = CODE_AT, .args = {0, PML4_AT, GDT_AT}, .mode = X86_ENTRY_LONG};
	struct kvm_regs r = {0};
	struct kvm_sregs s;
	if (ioctl(p->cpu_fd, KVM_GET_SREGS, &s) < 0)
		return -errno;
	x86_entry_state(&boot, &r, &s);
	r.rcx = loops;
	return ioctl(p->cpu_fd, KVM_SET_SREGS, &s) < 0 || ioctl(p->cpu_fd, KVM_SET_REGS, &r) < 0
		       ? -errno
		       : 0;
}

/* To the next port access. Nanoseconds, or -Exxx. */
static int64_t probe_run(struct probe *p)
{
	uint64_t begin = clock_now_ns();
	int rc;
	do
		rc = ioctl(p->cpu_fd, KVM_RUN, 0);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return -errno;
	if (p->run->exit_reason != KVM_EXIT_IO)
		return -EPROTO;
	return (int64_t)(clock_now_ns() - begin) + 1;
}

static uint64_t host_ips(void)
{
	uint64_t begin = clock_now_ns(), a = 0, c = LONG_LOOPS, d = 0;
	__asm__ volatile("1: add %1, %0\n\txor %2, %0\n\tdec %1\n\tjnz 1b"
			 : "+r"(a), "+r"(c), "+r"(d)::"cc");
	return (uint64_t)LONG_LOOPS * LOOP_INSTRUCTIONS * 1000000000u /
	       (clock_now_ns() - begin + 1);
}

static int measure_ips(struct probe *p, uint64_t *ret)
{
	uint64_t loops = SHORT_LOOPS;
	int rc = probe_enter(p, loops);
	int64_t ns = rc ? rc : probe_run(p);
	if (ns > 0 && ns < SHORT_NS) {
		loops = LONG_LOOPS;
		rc = probe_enter(p, loops);
		ns = rc ? rc : probe_run(p);
	}
	if (ns < 0)
		return (int)ns;
	*ret = loops * LOOP_INSTRUCTIONS * 1000000000u / (uint64_t)ns;
	return 0;
}

static int measure_exits(struct probe *p, uint64_t *ret)
{
	uint64_t sum = 0, n = 0;
	while (n < EXITS_MIN || (n < EXITS_MAX && sum < EXITS_NS)) {
		int64_t ns = probe_run(p);
		if (ns < 0)
			return (int)ns;
		sum += (uint64_t)ns;
		n++;
	}
	*ret = sum / n;
	return 0;
}

int x86_measure(struct engine_speed *ret, struct err *err)
{
	struct probe p = {.kvm_fd = -1, .vm_fd = -1, .cpu_fd = -1};
	struct engine_speed s = {0};
	p.kvm_fd = kvm_open((const struct kvm_need[]){{0}}, err);
	if (p.kvm_fd < 0)
		return p.kvm_fd;
	int rc = probe_open(&p);
	if (!rc)
		rc = probe_cpuid(&p);
	if (!rc)
		rc = measure_ips(&p, &s.kernel_ips);
	if (!rc)
		rc = measure_exits(&p, &s.exit_ns);
	probe_close(&p);
	if (rc)
		return err_set(err, -rc, "the probe guest did not run: %s", strerror(-rc));
	s.host_ips = host_ips();
	*ret = s;
	return 0;
}
