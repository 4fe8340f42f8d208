/* SPDX-License-Identifier: Apache-2.0 */
#include "smp.h"

#define STACK_BYTES 16384

/* What smp_entry reads with the MMU off; offsets are in the assembly. */
struct smp_boot {
	uint64_t sp, mair, tcr, ttbr0, sctlr, cpu;
};

volatile struct smp_entry_state smp_entered[SMP_MAX];
volatile uint32_t smp_irqs[SMP_MAX][32];
void (*smp_irq_hook)(unsigned cpu, unsigned id);

static struct smp_boot boot[SMP_MAX] __attribute__((aligned(64)));
static uint8_t stacks[SMP_MAX][STACK_BYTES] __attribute__((aligned(64)));
static unsigned cpus;
static uint64_t *root;
static smp_fn job;
static volatile uint32_t job_gen, job_done, bar_count, bar_gen, ready[SMP_MAX];

void smp_entry(void);
void smp_secondary(struct smp_boot *b, uint64_t daif, uint64_t spsel, uint64_t el, uint64_t sctlr);

/* x0: struct smp_boot. The state found goes on to C in x1 to x4. */
__asm__(".text\n.global smp_entry\nsmp_entry:\n"
	"	mrs	x1, daif\n"
	"	mrs	x2, spsel\n"
	"	mrs	x3, currentel\n"
	"	mrs	x4, sctlr_el1\n"
	"	msr	spsel, #1\n"
	"	ldp	x5, x6, [x0]\n"
	"	mov	sp, x5\n"
	"	msr	mair_el1, x6\n"
	"	ldp	x5, x6, [x0, #16]\n"
	"	msr	tcr_el1, x5\n"
	"	msr	ttbr0_el1, x6\n"
	"	adr	x5, vectors\n"
	"	msr	vbar_el1, x5\n"
	"	ldr	x5, [x0, #32]\n"
	"	isb\n"
	"	tlbi	vmalle1\n"
	"	dsb	nsh\n"
	"	isb\n"
	"	msr	sctlr_el1, x5\n"
	"	isb\n"
	"	bl	smp_secondary\n");

static void gic_cpu_init(unsigned cpu)
{
	uint64_t rd = GICR + cpu * 0x20000ull, sgi = rd + 0x10000;

	mmio_w32(rd + GICR_WAKER, mmio_r32(rd + GICR_WAKER) & ~2u);
	while (mmio_r32(rd + GICR_WAKER) & 4)
		;
	mmio_w32(sgi + GICD_IGROUPR, ~0u);
	mmio_w32(sgi + GICD_ICENABLER, ~0u);
	mmio_w32(sgi + GICD_ICPENDR, ~0u);
	mmio_w32(sgi + GICD_ICACTIVER, ~0u);
	for (unsigned id = 0; id < 32; id++)
		mmio_w8(sgi + GICD_IPRIORITYR + id, 0xa0);
	mmio_w32(sgi + GICD_ISENABLER, 0xffffu | 1u << PPI_CNTV);
	icc_write(ICC_SRE_EL1, 7);
	icc_write(ICC_PMR_EL1, 0xf0);
	icc_write(ICC_BPR1_EL1, 0);
	icc_write(ICC_CTLR_EL1, 0);
	icc_write(ICC_IGRPEN1_EL1, 1);
}

static void irq(void)
{
	unsigned cpu = smp_self(), id = (unsigned)icc_read(ICC_IAR1_EL1);

	if (id >= 32)
		return; /* spurious: what was signalled is gone */
	if (id == PPI_CNTV)
		write_sysreg(cntv_ctl_el0, 0);
	smp_irqs[cpu][id]++;
	if (smp_irq_hook)
		smp_irq_hook(cpu, id);
	icc_write(ICC_EOIR1_EL1, id);
}

void smp_irq_wait(volatile uint32_t *count, uint32_t want)
{
	while ((int32_t)(*count - want) < 0)
		__asm__ volatile("wfi\n\tmsr daifclr, #2\n\tisb\n\tmsr daifset, #2" ::: "memory");
}

void smp_secondary(struct smp_boot *b, uint64_t daif, uint64_t spsel, uint64_t el, uint64_t sctlr)
{
	unsigned cpu = (unsigned)b->cpu;
	uint32_t seen = load_acq(&job_gen);

	smp_entered[cpu].context = (uint64_t)b;
	smp_entered[cpu].daif = daif;
	smp_entered[cpu].spsel = spsel;
	smp_entered[cpu].el = el;
	smp_entered[cpu].sctlr = sctlr;
	smp_entered[cpu].mpidr = read_sysreg(mpidr_el1);
	gic_cpu_init(cpu);
	store_rel(&ready[cpu], 1);
	sev();
	for (;;) {
		wait_while(&job_gen, seen);
		seen++;
		job(cpu);
		add_acq_rel(&job_done, 1);
		sev();
	}
}

int64_t smp_cpu_on(unsigned cpu)
{
	uint64_t s;

	__asm__ volatile("mrs %0, sctlr_el1" : "=r"(s));
	boot[cpu] = (struct smp_boot){
		.sp = (uint64_t)stacks[cpu] + STACK_BYTES,
		.mair = read_sysreg(mair_el1),
		.tcr = read_sysreg(tcr_el1),
		.ttbr0 = read_sysreg(ttbr0_el1),
		.sctlr = s,
		.cpu = cpu,
	};
	/* It is read with the MMU off. */
	__asm__ volatile("dc cvac, %0\n\tdsb sy" ::"r"(&boot[cpu]) : "memory");
	return (int64_t)hvc_call(PSCI_CPU_ON, cpu, (uint64_t)smp_entry, (uint64_t)&boot[cpu]);
}

void smp_cpu_wait(unsigned cpu)
{
	wait_while(&ready[cpu], 0);
	store_rel(&ready[cpu], 0);
}

int64_t smp_state(unsigned cpu)
{
	return (int64_t)hvc_call(PSCI_AFFINITY_INFO, cpu, 0, 0);
}

unsigned smp_count(void)
{
	return cpus;
}

uint64_t *smp_root(void)
{
	return root;
}

unsigned smp_start(void)
{
	root = pt_alloc();
	pt_identity(root, 1);
	mmu_on(root, mmu_tcr(25, 25) | TCR_EPD1, 0);
	gic_init();
	gic_cpu_init(0);
	exc_irq = irq;
	for (cpus = 1; cpus < SMP_MAX && smp_state(cpus) == 1; cpus++)
		;
	for (unsigned i = 1; i < cpus; i++) {
		CHECK_EQ(smp_cpu_on(i), 0);
		smp_cpu_wait(i);
	}
	return cpus;
}

void smp_run_async(smp_fn fn)
{
	job = fn;
	job_done = 0;
	store_rel(&job_gen, job_gen + 1);
	sev();
}

void smp_run(smp_fn fn)
{
	smp_run_async(fn);
	fn(0);
	for (;;) {
		uint32_t d = load_acq(&job_done);

		if (d == cpus - 1)
			return;
		wait_while(&job_done, d);
	}
}

void smp_barrier(void)
{
	uint32_t gen = load_acq(&bar_gen);

	if (add_acq_rel(&bar_count, 1) == cpus) {
		bar_count = 0;
		store_rel(&bar_gen, gen + 1);
		sev();
	} else {
		wait_while(&bar_gen, gen);
	}
}

/* IHI 0069, ICC_SGI1R_EL1. */
void smp_sgi(unsigned cpu, unsigned id)
{
	__asm__ volatile("dsb ishst" ::: "memory");
	icc_write(ICC_SGI1R_EL1, (uint64_t)id << 24 | 1ull << cpu);
}

void smp_sgi_others(unsigned id)
{
	__asm__ volatile("dsb ishst" ::: "memory");
	icc_write(ICC_SGI1R_EL1, 1ull << 40 | (uint64_t)id << 24);
}
