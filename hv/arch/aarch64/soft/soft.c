/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/arch/aarch64/soft/soft.h"
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hv/arch/aarch64/board.h"
#include "hv/arch/aarch64/soft/vcpu.h"

static struct soft_vm *vm_of(struct engine_vm *e)
{
	return (struct soft_vm *)(void *)e;
}

static struct soft_vcpu *vcpu_of(struct engine_vcpu *e)
{
	return (struct soft_vcpu *)(void *)e;
}

uint8_t *soft_ram(struct soft_vm *vm, uint64_t pa, uint64_t len, bool *ret_ro)
{
	for (unsigned i = 0; i < vm->mem_count; i++) {
		const struct engine_mem *m = &vm->mem[i];
		uint64_t off = pa - m->gpa;
		if (off < m->size && len <= m->size - off) {
			if (ret_ro)
				*ret_ro = m->readonly;
			return m->hva + off;
		}
	}
	return NULL;
}

static void signal_set(struct soft_vm *vm, unsigned cpu, uint32_t bit, bool level)
{
	struct soft_vcpu *v = vm->vcpu[cpu];

	if (!v)
		return;
	if (level)
		vcpu_attention(v, bit);
	else
		atomic_fetch_and(&v->cpu.attention, ~bit);
}

/** signal_irq, signal_fiq - the GIC's outputs to @cpu. Called with the GIC's lock held. */
static void signal_irq(void *opaque, unsigned cpu, bool level)
{
	signal_set(opaque, cpu, ATTN_IRQ, level);
}

static void signal_fiq(void *opaque, unsigned cpu, bool level)
{
	signal_set(opaque, cpu, ATTN_FIQ, level);
}

static const struct gic_ops gic_ops = {.signal = signal_irq, .signal_fiq = signal_fiq};

static int soft_probe(struct err *err)
{
	(void)err;
	return 0;
}

static void soft_vm_destroy(struct engine_vm *evm)
{
	struct soft_vm *vm = vm_of(evm);

	if (!vm)
		return;
	gic_destroy(vm->gic);
	pthread_mutex_destroy(&vm->power_lock);
	free(vm);
}

/** host_cores - how many this process may use. */
static unsigned host_cores(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : (unsigned)CPU_COUNT(&set);
}

static int soft_vm_create(const struct engine_vm_config *cfg, struct engine_vm **ret,
			  struct err *err)
{
	struct soft_vm *vm;

	if (cfg->cpus < 1 || cfg->cpus > SOFT_CPUS_MAX)
		return err_set(err, EINVAL, "%u vCPUs; the software engine has 1 to %u", cfg->cpus,
			       SOFT_CPUS_MAX);
	if (cfg->mem_count > SOFT_MEM_MAX)
		return err_set(err, EINVAL,
			       "%u memory blocks; the software engine takes at most %u",
			       cfg->mem_count, SOFT_MEM_MAX);
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return err_set(err, ENOMEM, "no memory for a VM");
	vm->cpus = cfg->cpus;
	vm->crowded = cfg->cpus > host_cores();
	vm->clock = cfg->clock;
	vm->mmio_now = cfg->mmio_now;
	vm->bell = cfg->bell;
	vm->lines = cfg->lines;
	vm->idle = cfg->idle;
	vm->rouse = cfg->rouse;
	vm->opaque = cfg->opaque;
	vm->mem_count = cfg->mem_count;
	memcpy(vm->mem, cfg->mem, cfg->mem_count * sizeof(vm->mem[0]));
	pthread_mutex_init(&vm->power_lock, NULL);
	vm->psci = (struct psci){.cpus = cfg->cpus, .ops = &vcpu_psci_ops, .opaque = vm};
	vm->gic = gic_create(cfg->cpus, BOARD_SPI_COUNT, &gic_ops, vm);
	if (!vm->gic) {
		soft_vm_destroy((struct engine_vm *)(void *)vm);
		return err_set(err, ENOMEM, "no memory for an interrupt controller");
	}
	vcpu_timer_install();
	*ret = (struct engine_vm *)(void *)vm;
	return 0;
}

static void soft_vm_reset(struct engine_vm *evm)
{
	struct soft_vm *vm = vm_of(evm);

	gic_reset(vm->gic);
	/* Before any of them goes on: see soft_vcpu_reset(). */
	pthread_mutex_lock(&vm->power_lock);
	for (unsigned i = 0; i < vm->cpus; i++)
		if (vm->vcpu[i])
			atomic_store(&vm->vcpu[i]->power, POWER_OFF);
	pthread_mutex_unlock(&vm->power_lock);
}

static void soft_vcpu_destroy(struct engine_vcpu *ev)
{
	struct soft_vcpu *v = vcpu_of(ev);

	if (!v)
		return;
	if (v->vm->vcpu[v->cpu.index] == v)
		v->vm->vcpu[v->cpu.index] = NULL;
	vcpu_timer_close(v);
	code_destroy(v->cpu.code);
	free(v->tlbs);
	pthread_mutex_destroy(&v->inbox_lock);
	free(v);
}

static int soft_vcpu_create(struct engine_vm *evm, unsigned index, struct engine_vcpu **ret,
			    struct err *err)
{
	struct soft_vm *vm = vm_of(evm);
	struct soft_vcpu *v = NULL;
	struct cpu *c;

	if (index >= vm->cpus || vm->vcpu[index])
		return err_set(err, EINVAL, "vCPU %u of %u exists or is out of range", index,
			       vm->cpus);
	if (posix_memalign((void **)&v, 64, sizeof(*v)))
		return err_set(err, ENOMEM, "no memory for vCPU %u", index);
	memset(v, 0, sizeof(*v));
	v->vm = vm;
	v->power = POWER_OFF;
	pthread_mutex_init(&v->inbox_lock, NULL);
	c = &v->cpu;
	c->index = index;
	c->vm = vm;
	c->engine = v;
	c->bell = vm->bell ? &vm->bell->rung : &v->no_bell;
	c->code = code_create(CODE_ARENA_MAX);
	if (posix_memalign((void **)&v->tlbs, 64, 2 * sizeof(struct tlb)))
		v->tlbs = NULL;
	if (!c->code || !v->tlbs) {
		soft_vcpu_destroy((struct engine_vcpu *)(void *)v);
		return err_set(err, ENOMEM, "no memory for the code cache of vCPU %u", index);
	}
	for (unsigned el = 0; el < 2; el++) {
		c->tlb_el[el] = &v->tlbs[el];
		tlb_init(c->tlb_el[el]);
	}
	gtimer_init(&c->timer, vm->clock, vm->gic, index, vcpu_timer_arm, v);
	atomic_store(&v->power, POWER_OFF);
	vcpu_cpu_reset(v);
	vm->vcpu[index] = v;
	*ret = (struct engine_vcpu *)(void *)v;
	return 0;
}

static void soft_vcpu_reset(struct engine_vcpu *ev, const struct engine_boot *boot)
{
	struct soft_vcpu *v = vcpu_of(ev);

	vcpu_cpu_reset(v);
	v->cpu.pc = boot->entry;
	memcpy(v->cpu.x, boot->args, sizeof(boot->args));
	/* Each thread resets its own vCPU, and one that has a host core at last may find that another has executed
	 * CPU_ON for it already: that must stand. So all are off from the start, and after a reset of the machine. */
	pthread_mutex_lock(&v->vm->power_lock);
	if (boot->powered_on) {
		atomic_fetch_and(&v->cpu.attention, ~ATTN_POWER);
		atomic_store(&v->power, POWER_ON);
	} else if (v->power == POWER_ON) {
		atomic_store(&v->power, POWER_OFF);
	}
	pthread_mutex_unlock(&v->vm->power_lock);
}

static void soft_vcpu_run(struct engine_vcpu *ev, struct vm_exit *exit)
{
	vcpu_run_loop(vcpu_of(ev), exit);
}

static void soft_vcpu_abort(struct engine_vcpu *ev)
{
	vcpu_of(ev)->abort_mmio = true;
}

static void soft_vcpu_kick(struct engine_vcpu *ev)
{
	vcpu_attention(vcpu_of(ev), ATTN_KICK);
}

static void soft_irq_line(struct engine_vm *evm, unsigned irq, bool level)
{
	gic_set_spi(vm_of(evm)->gic, irq, level);
}

static void soft_irq_pulse(struct engine_vm *evm, unsigned irq)
{
	gic_pulse_spi(vm_of(evm)->gic, irq);
}

static void soft_vcpu_stats(struct engine_vcpu *ev, struct engine_vcpu_stats *ret)
{
	struct soft_vcpu *v = vcpu_of(ev);

	ret->instructions = atomic_load_explicit(&v->stat_icount, memory_order_relaxed);
	ret->exits = atomic_load_explicit(&v->stat_exits, memory_order_relaxed);
}

static void soft_vcpu_dump(struct engine_vcpu *ev, char *buf, size_t len)
{
	const struct cpu *c = &vcpu_of(ev)->cpu;
	size_t n = 0;

#define PUT(...)                                                                                   \
	do {                                                                                       \
		int w_ = n < len ? snprintf(buf + n, len - n, __VA_ARGS__) : 0;                    \
		n += w_ > 0 ? (size_t)w_ : 0;                                                      \
	} while (0)
	PUT("cpu=%u pc=%016llx sp=%016llx el=%u spsel=%u daif=%x nzcv=%08x icount=%llu\n", c->index,
	    (unsigned long long)c->pc, (unsigned long long)c->x[REG_SP], c->el, c->sp_sel, c->daif,
	    flags_nzcv(c), (unsigned long long)c->icount);
	for (unsigned i = 0; i < 31; i++)
		PUT("x%u=%016llx%c", i, (unsigned long long)c->x[i], i % 4 == 3 ? '\n' : ' ');
	PUT("\nsctlr=%llx tcr=%llx ttbr0=%llx ttbr1=%llx vbar=%llx mair=%llx\n",
	    (unsigned long long)c->sctlr, (unsigned long long)c->tcr,
	    (unsigned long long)c->ttbr[0], (unsigned long long)c->ttbr[1],
	    (unsigned long long)c->vbar, (unsigned long long)c->mair);
	PUT("esr=%llx far=%llx elr=%llx spsr=%llx attention=%x halt=%u\n",
	    (unsigned long long)c->esr, (unsigned long long)c->far, (unsigned long long)c->elr,
	    (unsigned long long)c->spsr,
	    (unsigned)atomic_load(&((struct cpu *)(uintptr_t)c)->attention), c->halt);
#undef PUT
}

const struct engine_ops soft_engine = {
	.name = "soft",
	.isa = "aarch64",
	.probe = soft_probe,
	.vm_create = soft_vm_create,
	.vm_destroy = soft_vm_destroy,
	.vm_reset = soft_vm_reset,
	.vcpu_create = soft_vcpu_create,
	.vcpu_destroy = soft_vcpu_destroy,
	.vcpu_reset = soft_vcpu_reset,
	.vcpu_run = soft_vcpu_run,
	.vcpu_abort = soft_vcpu_abort,
	.vcpu_kick = soft_vcpu_kick,
	.irq_line = soft_irq_line,
	.irq_pulse = soft_irq_pulse,
	.vcpu_stats = soft_vcpu_stats,
	.vcpu_dump = soft_vcpu_dump,
};
