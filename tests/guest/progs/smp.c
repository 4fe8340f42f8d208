/* SPDX-License-Identifier: Apache-2.0 */
/* Several CPUs: PSCI, SGIs, WFE and SEV, timers, power cycles. */
#include "smp.h"

#define ROUNDS 400
#define CYCLES 60
#define TICKS 20

static volatile uint32_t word, turn, bad;

static void test_entry(void)
{
	group("the others are on and found the state that PSCI promises");
	CHECK(smp_count() >= 2);
	for (unsigned i = 1; i < smp_count(); i++) {
		CHECK_EQ(smp_entered[i].daif, 0x3c0);
		CHECK_EQ(smp_entered[i].spsel, 1);
		CHECK_EQ(smp_entered[i].el, 4);
		CHECK_EQ(smp_entered[i].sctlr & (SCTLR_M | SCTLR_C | SCTLR_I), 0);
		CHECK_EQ(smp_entered[i].mpidr & 0xff00ffffff, i);
		CHECK_EQ(smp_state(i), 0);
		CHECK_EQ((int64_t)(int32_t)hvc_call(PSCI_CPU_ON, i, RAM_BASE, 0), -4);
	}
	CHECK_EQ((int64_t)(int32_t)hvc_call(PSCI_CPU_ON, smp_count(), RAM_BASE, 0), -2);
}

static void count_one(unsigned cpu)
{
	(void)cpu;
	add_acq_rel(&word, 1);
}

static void test_run(void)
{
	group("work for all");
	for (unsigned i = 0; i < ROUNDS; i++)
		smp_run(count_one);
	CHECK_EQ(word, ROUNDS * smp_count());
}

/* Each CPU waits in WFE for its turn. */
static void relay(unsigned cpu)
{
	unsigned n = smp_count();

	for (unsigned r = 0; r < ROUNDS; r++) {
		uint32_t want = r * n + cpu, t;

		while ((t = load_acq(&turn)) != want)
			wait_while(&turn, t);
		store_rel(&turn, want + 1);
		sev();
	}
}

static void test_relay(void)
{
	group("a relay by WFE and SEV");
	turn = 0;
	smp_run(relay);
	CHECK_EQ(turn, ROUNDS * smp_count());
}

static void test_event_register(void)
{
	group("the event register");
	/* SEVL sets it for this CPU; WFE consumes it at once. */
	for (unsigned i = 0; i < 1000; i++)
		__asm__ volatile("sevl\n\twfe");
	CHECK(true);
}

/* ---- SGIs ---- */

static void sgi_ring(unsigned cpu)
{
	unsigned n = smp_count(), next = (cpu + 1) % n;

	for (uint32_t r = 1; r <= ROUNDS; r++) {
		if (cpu == 0)
			smp_sgi(next, 3);
		smp_irq_wait(&smp_irqs[cpu][3], r);
		if (cpu != 0)
			smp_sgi(next, 3);
	}
}

/* CPU 0 sends to all others and waits for an answer of each. */
static void sgi_fan(unsigned cpu)
{
	unsigned n = smp_count();

	for (uint32_t r = 1; r <= ROUNDS; r++) {
		if (cpu == 0) {
			smp_sgi_others(4);
			for (unsigned i = 1; i < n; i++)
				smp_irq_wait(&smp_irqs[0][4 + i], r);
		} else {
			smp_irq_wait(&smp_irqs[cpu][4], r);
			smp_sgi(0, 4 + cpu);
		}
	}
}

static void sgi_self(unsigned cpu)
{
	for (uint32_t r = 1; r <= ROUNDS; r++) {
		smp_sgi(cpu, 15);
		smp_irq_wait(&smp_irqs[cpu][15], r);
	}
}

static void test_sgi(void)
{
	unsigned n = smp_count();

	group("SGIs around a ring");
	smp_run(sgi_ring);
	for (unsigned i = 0; i < n; i++)
		CHECK_EQ(smp_irqs[i][3], ROUNDS);
	group("an SGI to all others, answered by each");
	smp_run(sgi_fan);
	CHECK_EQ(smp_irqs[0][4], 0);
	for (unsigned i = 1; i < n; i++) {
		CHECK_EQ(smp_irqs[i][4], ROUNDS);
		CHECK_EQ(smp_irqs[0][4 + i], ROUNDS);
	}
	group("SGIs to oneself");
	smp_run(sgi_self);
	for (unsigned i = 0; i < n; i++)
		CHECK_EQ(smp_irqs[i][15], ROUNDS);
}

/* ---- timers ---- */

static void ticks(unsigned cpu)
{
	uint64_t freq = read_sysreg(cntfrq_el0), t = read_sysreg(cntvct_el0);

	for (uint32_t r = 1; r <= TICKS; r++) {
		t += freq / 1000;
		write_sysreg(cntv_cval_el0, t);
		write_sysreg(cntv_ctl_el0, 1);
		smp_irq_wait(&smp_irqs[cpu][PPI_CNTV], r);
		if (read_sysreg(cntvct_el0) < t)
			add_acq_rel(&bad, 1);
	}
}

/* Spins, so that the interrupt has to come into running code. */
static void ticks_busy(unsigned cpu)
{
	uint64_t freq = read_sysreg(cntfrq_el0);

	for (uint32_t r = 1; r <= TICKS; r++) {
		write_sysreg(cntv_tval_el0, freq / 2000 * (cpu + 1));
		write_sysreg(cntv_ctl_el0, 1);
		__asm__ volatile("msr daifclr, #2" ::: "memory");
		while (smp_irqs[cpu][PPI_CNTV] < TICKS + r)
			cpu_yield();
		__asm__ volatile("msr daifset, #2" ::: "memory");
	}
}

/* A busy CPU and one that sleeps with a timer: neither starves. */
static void test_timers(void)
{
	group("a timer on each CPU, asleep");
	smp_run(ticks);
	for (unsigned i = 0; i < smp_count(); i++)
		CHECK_EQ(smp_irqs[i][PPI_CNTV], TICKS);
	CHECK_EQ(bad, 0);
	group("a timer on each CPU, busy");
	smp_run(ticks_busy);
	for (unsigned i = 0; i < smp_count(); i++)
		CHECK_EQ(smp_irqs[i][PPI_CNTV], 2 * TICKS);
}

/* ---- power ---- */

static void off(unsigned cpu)
{
	if (!cpu)
		return;
	add_acq_rel(&word, 1);
	hvc_call(PSCI_CPU_OFF, 0, 0, 0);
	add_acq_rel(&bad, 1);
}

static void turn_off(void)
{
	uint32_t want = word + smp_count() - 1;

	/* smp_run() would wait for those that are gone. */
	smp_run_async(off);
	while (load_acq(&word) != want)
		cpu_yield();
	for (unsigned i = 1; i < smp_count(); i++)
		while (smp_state(i) != 1)
			cpu_yield();
}

static void test_power(void)
{
	group("off and on again");
	bad = 0;
	word = 0;
	for (unsigned c = 0; c < CYCLES; c++) {
		turn_off();
		for (unsigned i = 1; i < smp_count(); i++)
			CHECK_EQ(smp_cpu_on(i), 0);
		for (unsigned i = 1; i < smp_count(); i++)
			smp_cpu_wait(i);
	}
	CHECK_EQ(bad, 0);
	CHECK_EQ(word, CYCLES * (smp_count() - 1));
	group("work for all after that");
	word = 0;
	for (unsigned i = 0; i < ROUNDS; i++)
		smp_run(count_one);
	CHECK_EQ(word, ROUNDS * smp_count());
}

void test_main(void)
{
	group("start");
	smp_start();
	test_entry();
	test_run();
	test_relay();
	test_event_register();
	test_sgi();
	test_timers();
	test_power();
}
