/* SPDX-License-Identifier: Apache-2.0 */
/* Exclusive loads and stores under contention: counters, compare-and-swap, locks, interrupts in between. */
#include "smp.h"

#define N 40000
#define LOCKED 10000

static struct {
	volatile uint64_t v[8];
} cell[4] __attribute__((aligned(64)));
static volatile uint32_t lock, next_ticket, owner, bad;
static volatile uint64_t guarded[2];
static volatile uint64_t spread[SMP_MAX][8] __attribute__((aligned(64)));

/* ---- counters of each size, with and without ordering ---- */

#define COUNT(ld, st, w, p)                                                                        \
	do {                                                                                       \
		uint64_t v_, s_;                                                                   \
		__asm__ volatile("1: " ld " %" w "0, [%2]\n\tadd %" w "0, %" w "0, #1\n\t" st      \
				 " %w1, %" w "0, [%2]\n\tcbnz %w1, 1b"                             \
				 : "=&r"(v_), "=&r"(s_)                                            \
				 : "r"(p)                                                          \
				 : "memory");                                                      \
	} while (0)

static void counters(unsigned cpu)
{
	(void)cpu;
	for (unsigned i = 0; i < N; i++) {
		COUNT("ldxrb", "stxrb", "w", &cell[0].v[0]);
		COUNT("ldxrh", "stxrh", "w", &cell[0].v[1]);
		COUNT("ldxr", "stxr", "w", &cell[0].v[2]);
		COUNT("ldxr", "stxr", "", &cell[0].v[3]);
		COUNT("ldaxr", "stlxr", "w", &cell[0].v[4]);
		COUNT("ldaxr", "stlxr", "", &cell[0].v[5]);
		/* Neighbours in one word must not disturb each other. */
		COUNT("ldaxrb", "stlxrb", "w", (char *)&cell[0].v[6] + cpu % 4);
		COUNT("ldaxrh", "stlxrh", "w", (char *)&cell[0].v[7] + cpu % 4 * 2);
	}
}

static void test_counters(void)
{
	uint64_t all = (uint64_t)N * smp_count();

	group("counters of all sizes are exact");
	smp_run(counters);
	CHECK_EQ(cell[0].v[0], all & 0xff);
	CHECK_EQ(cell[0].v[1], all & 0xffff);
	CHECK_EQ(cell[0].v[2], all);
	CHECK_EQ(cell[0].v[3], all);
	CHECK_EQ(cell[0].v[4], all);
	CHECK_EQ(cell[0].v[5], all);
	for (unsigned i = 0; i < smp_count(); i++) {
		CHECK_EQ(cell[0].v[6] >> (8 * i) & 0xff, N & 0xff);
		CHECK_EQ(cell[0].v[7] >> (16 * i) & 0xffff, N & 0xffff);
	}
}

/* ---- pairs: the two halves go together ---- */

static void pairs(unsigned cpu)
{
	uint64_t a, b, s;

	(void)cpu;
	for (unsigned i = 0; i < N; i++) {
		__asm__ volatile("1: ldaxp %0, %1, [%3]\n\tadd %0, %0, #1\n\tsub %1, %1, #1\n\t"
				 "stlxp %w2, %0, %1, [%3]\n\tcbnz %w2, 1b"
				 : "=&r"(a), "=&r"(b), "=&r"(s)
				 : "r"(&cell[1].v[0])
				 : "memory");
		if (a + b != 0)
			add_acq_rel(&bad, 1);
		__asm__ volatile(
			"1: ldxp %w0, %w1, [%3]\n\tadd %w0, %w0, #1\n\tadd %w1, %w1, #2\n\t"
			"stxp %w2, %w0, %w1, [%3]\n\tcbnz %w2, 1b"
			: "=&r"(a), "=&r"(b), "=&r"(s)
			: "r"(&cell[1].v[2])
			: "memory");
		if ((uint32_t)b != (uint32_t)a * 2)
			add_acq_rel(&bad, 1);
	}
}

static void test_pairs(void)
{
	uint64_t all = (uint64_t)N * smp_count();

	group("pairs go together");
	bad = 0;
	smp_run(pairs);
	CHECK_EQ(bad, 0);
	CHECK_EQ(cell[1].v[0], all);
	CHECK_EQ(cell[1].v[1], -all);
	CHECK_EQ(cell[1].v[2], all | all * 2 << 32);
}

/* ---- compare-and-swap: a stack of nodes with a counted head ---- */

#define NODES 64
static struct {
	volatile uint64_t next, owner;
} node[NODES];

static bool cas(volatile uint64_t *p, uint64_t old, uint64_t new)
{
	uint64_t v, s = 1;

	__asm__ volatile("ldaxr %0, [%2]\n\tcmp %0, %3\n\tb.ne 1f\n\tstlxr %w1, %4, [%2]\n\tb 2f\n"
			 "1:\tclrex\n2:"
			 : "=&r"(v), "+&r"(s)
			 : "r"(p), "r"(old), "r"(new)
			 : "memory", "cc");
	return !s;
}

/* The head: number of a node + 1 in the low half, a count of changes in the high half. */
static unsigned pop(void)
{
	for (;;) {
		uint64_t h = cell[2].v[0];
		unsigned n = (unsigned)(h & 0xffff);

		if (!n)
			return 0;
		__asm__ volatile("dmb ishld" ::: "memory");
		if (cas(&cell[2].v[0], h, ((h >> 32) + 1) << 32 | node[n - 1].next))
			return n;
	}
}

static void push(unsigned n)
{
	for (;;) {
		uint64_t h = cell[2].v[0];

		node[n - 1].next = h & 0xffff;
		if (cas(&cell[2].v[0], h, ((h >> 32) + 1) << 32 | n))
			return;
	}
}

static void stack_user(unsigned cpu)
{
	for (unsigned i = 0; i < N; i++) {
		unsigned a = pop(), b = pop();

		if (a && node[a - 1].owner)
			add_acq_rel(&bad, 1);
		if (a)
			node[a - 1].owner = cpu + 1;
		if (a && node[a - 1].owner != cpu + 1)
			add_acq_rel(&bad, 1);
		if (a) {
			node[a - 1].owner = 0;
			push(a);
		}
		if (b)
			push(b);
	}
}

static void test_cas(void)
{
	unsigned n = 0;

	group("a stack by compare-and-swap loses nothing");
	bad = 0;
	for (unsigned i = 1; i <= NODES; i++)
		push(i);
	smp_run(stack_user);
	CHECK_EQ(bad, 0);
	while (pop())
		n++;
	CHECK_EQ(n, NODES);
}

/* ---- locks ---- */

static void critical(void)
{
	uint64_t a = guarded[0], b = guarded[1];

	if (a != b)
		bad++;
	guarded[0] = a + 1;
	guarded[1] = b + 1;
}

static void spin_lock(void)
{
	uint32_t v;

	__asm__ volatile("sevl\n1:\twfe\n2:\tldaxr %w0, [%1]\n\tcbnz %w0, 1b\n\t"
			 "stxr %w0, %w2, [%1]\n\tcbnz %w0, 2b"
			 : "=&r"(v)
			 : "r"(&lock), "r"(1)
			 : "memory");
}

static void spin_user(unsigned cpu)
{
	(void)cpu;
	for (unsigned i = 0; i < LOCKED; i++) {
		spin_lock();
		critical();
		store_rel(&lock, 0);
	}
}

static void ticket_user(unsigned cpu)
{
	(void)cpu;
	for (unsigned i = 0; i < LOCKED; i++) {
		uint32_t t = add_acq_rel(&next_ticket, 1) - 1, o;

		while ((o = load_acq(&owner)) != t)
			wait_while(&owner, o);
		critical();
		/* As Linux does: the store by itself ends the WFE of who waits on the line. */
		store_rel(&owner, t + 1);
	}
}

/* Dekker's algorithm for CPU 0 and 1: needs store to load order, by DMB. */
static volatile uint32_t want[2][32] __attribute__((aligned(128))), dekker_turn;

static void dekker_user(unsigned cpu)
{
	unsigned other = !cpu;

	if (cpu > 1)
		return;
	for (unsigned i = 0; i < LOCKED; i++) {
		want[cpu][0] = 1;
		__asm__ volatile("dmb ish" ::: "memory");
		while (want[other][0]) {
			if (dekker_turn != cpu) {
				want[cpu][0] = 0;
				while (dekker_turn != cpu)
					cpu_yield();
				want[cpu][0] = 1;
				__asm__ volatile("dmb ish" ::: "memory");
			}
		}
		__asm__ volatile("dmb ish" ::: "memory");
		critical();
		__asm__ volatile("dmb ish" ::: "memory");
		dekker_turn = other;
		__asm__ volatile("dmb ish" ::: "memory");
		want[cpu][0] = 0;
	}
	/* The other may still wait for this one's turn to end. */
	dekker_turn = other;
}

static void test_lock(const char *name, smp_fn fn, unsigned users)
{
	group(name);
	bad = 0;
	guarded[0] = guarded[1] = 0;
	smp_run(fn);
	CHECK_EQ(bad, 0);
	CHECK_EQ(guarded[0], (uint64_t)LOCKED * users);
	CHECK_EQ(guarded[1], (uint64_t)LOCKED * users);
}

/* ---- interrupts between the load and the store ---- */

static void interrupted(unsigned cpu)
{
	uint64_t freq = read_sysreg(cntfrq_el0);

	__asm__ volatile("msr daifclr, #2" ::: "memory");
	for (unsigned i = 0; i < N; i++) {
		if (i % 64 == 0) {
			write_sysreg(cntv_tval_el0, freq / 100000);
			write_sysreg(cntv_ctl_el0, 1);
			smp_sgi_others(1);
		}
		COUNT("ldxr", "stxr", "", &cell[3].v[0]);
		/* The handler adds to this one as well. */
		COUNT("ldaxr", "stlxr", "", &spread[cpu][0]);
	}
	__asm__ volatile("msr daifset, #2" ::: "memory");
	write_sysreg(cntv_ctl_el0, 0);
}

static void count_irq(unsigned cpu, unsigned id)
{
	(void)id;
	COUNT("ldxr", "stxr", "", &cell[3].v[0]);
	COUNT("ldxr", "stxr", "", &spread[cpu][0]);
}

static void test_interrupted(void)
{
	uint64_t irqs = 0;

	group("counters that interrupts share are exact");
	smp_irq_hook = count_irq;
	smp_run(interrupted);
	smp_irq_hook = NULL;
	for (unsigned i = 0; i < smp_count(); i++) {
		uint64_t here = smp_irqs[i][1] + smp_irqs[i][PPI_CNTV];

		CHECK_EQ(spread[i][0], N + here);
		irqs += here;
	}
	CHECK_EQ(cell[3].v[0], (uint64_t)N * smp_count() + irqs);
	CHECK(irqs > 0);
}

/* Each CPU's own cell, with the others busy: SVC between load and store makes the store fail. */
static void svc_between(unsigned cpu)
{
	uint64_t s;

	for (unsigned i = 0; i < 200; i++) {
		__asm__ volatile("ldxr x5, [%1]\n\tmov x5, #0\n\tmsr elr_el1, x5\n\tadr x5, 1f\n\t"
				 "msr elr_el1, x5\n\tmov x5, #0x3c5\n\tmsr spsr_el1, x5\n\teret\n"
				 "1:\tstxr %w0, x5, [%1]"
				 : "=&r"(s)
				 : "r"(&spread[cpu][0])
				 : "x5", "memory");
		if (!s)
			add_acq_rel(&bad, 1);
	}
}

void test_main(void)
{
	group("start");
	smp_start();
	test_counters();
	test_pairs();
	test_cas();
	test_lock("a spin lock", spin_user, smp_count());
	test_lock("a ticket lock", ticket_user, smp_count());
	test_lock("Dekker's algorithm", dekker_user, 2);
	test_interrupted();
	group("an exception return clears the monitor");
	bad = 0;
	smp_run(svc_between);
	CHECK_EQ(bad, 0);
}
