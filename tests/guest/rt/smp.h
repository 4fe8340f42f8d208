/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several CPUs for the test programs. smp_start() turns the others on; smp_run() makes all of them
 * execute a function. A program prints the same for any number of CPUs.
 */
#pragma once
#include "gic.h"
#include "mmu.h"

#define SMP_MAX 8
#define PSCI_CPU_OFF 0x84000002u
#define PSCI_CPU_ON 0xc4000003u
#define PSCI_AFFINITY_INFO 0xc4000004u

typedef void (*smp_fn)(unsigned cpu);

/* smp_start - MMU on with one identity map, GIC on, all CPUs on. Gives their number. */
unsigned smp_start(void);
/* smp_count - how many CPUs there are. */
unsigned smp_count(void);
/* smp_root - the root of the identity map, a table of level 1. */
uint64_t *smp_root(void);
/* smp_run - @fn on all CPUs; returns when all have done it. CPU 0 only. */
void smp_run(smp_fn fn);
/* smp_run_async - @fn on all CPUs but 0; returns at once, and keeps no count of who is done. */
void smp_run_async(smp_fn fn);
/* smp_barrier - waits for all CPUs. Inside smp_run() only. */
void smp_barrier(void);
/* smp_cpu_on - CPU_ON of @cpu as smp_start() did it; the PSCI answer. */
int64_t smp_cpu_on(unsigned cpu);
/* smp_cpu_wait - until @cpu waits for work again after smp_cpu_on(). */
void smp_cpu_wait(unsigned cpu);
/* smp_state - AFFINITY_INFO of @cpu. */
int64_t smp_state(unsigned cpu);
/* smp_self - this CPU's index. */
static inline unsigned smp_self(void)
{
	return read_sysreg(mpidr_el1) & 0xff;
}

/* What a CPU found on entry. */
struct smp_entry_state {
	uint64_t context, daif, spsel, el, sctlr, mpidr;
};
extern volatile struct smp_entry_state smp_entered[SMP_MAX];

/* smp_sgi - Group 1 SGI @id to @cpu. smp_sgi_others - to all but the caller. */
void smp_sgi(unsigned cpu, unsigned id);
void smp_sgi_others(unsigned id);
/* Interrupts taken by each CPU, by number; the handler is exc_irq after smp_start(). */
extern volatile uint32_t smp_irqs[SMP_MAX][32];
/* smp_irq_hook - when not NULL called between acknowledge and end. */
extern void (*smp_irq_hook)(unsigned cpu, unsigned id);
/* smp_irq_wait - WFI with interrupts taken in between, until *@count >= @want. */
void smp_irq_wait(volatile uint32_t *count, uint32_t want);

static inline uint32_t load_acq(volatile uint32_t *p)
{
	uint32_t v;
	__asm__ volatile("ldar %w0, [%1]" : "=r"(v) : "r"(p) : "memory");
	return v;
}
static inline void store_rel(volatile uint32_t *p, uint32_t v)
{
	__asm__ volatile("stlr %w0, [%1]" ::"r"(v), "r"(p) : "memory");
}
static inline uint32_t add_acq_rel(volatile uint32_t *p, uint32_t n)
{
	uint32_t v, s;
	__asm__ volatile("1: ldaxr %w0, [%2]\n\tadd %w0, %w0, %w3\n\tstlxr %w1, %w0, [%2]\n\t"
			 "cbnz %w1, 1b"
			 : "=&r"(v), "=&r"(s)
			 : "r"(p), "r"(n)
			 : "memory");
	return v;
}
/* wait_while - WFE until *@p is no longer @v; whoever changes it executes SEV. */
static inline void wait_while(volatile uint32_t *p, uint32_t v)
{
	uint32_t t;
	__asm__ volatile("sevl\n1:\twfe\n\tldaxr %w0, [%1]\n\tcmp %w0, %w2\n\tb.eq 1b"
			 : "=&r"(t)
			 : "r"(p), "r"(v)
			 : "memory", "cc");
}
#define sev() __asm__ volatile("dsb ishst\n\tsev" ::: "memory")
#define cpu_yield() __asm__ volatile("yield" ::: "memory")
