/* SPDX-License-Identifier: Apache-2.0 */
/* Maintenance by broadcast: after TLBI + DSB no CPU uses the old translation, after IC + DSB none the old code. */
#include "smp.h"

#define ROUNDS 200
#define STORM_ROUNDS 600
#define CODE_ROUNDS 600
#define TVA 0x100000000ull
#define POISON 0xdead0000u
#define MOV_X0(n) (0xd2800000u | (uint32_t)(n) << 5)
#define RET 0xd65f03c0u

static uint32_t frame[2][1024] __attribute__((aligned(4096)));
static uint32_t code[1024] __attribute__((aligned(4096)));
static volatile uint32_t stop, bad, wrong, seen[SMP_MAX][16], round_no, acks;
static uint64_t *pte;
static uint64_t pte_bits;

static void dsb(void)
{
	__asm__ volatile("dsb ish" ::: "memory");
}

/* How the page is taken away: the forms of TLBI that reach all CPUs. By ASID only what is not global. */
enum how { BY_VA, BY_VA_ALL_ASIDS, BY_VA_LAST, BY_ASID, BY_ALL, HOWS };

static void invalidate(enum how how)
{
	uint64_t va = TVA >> 12;

	if (how == BY_ASID && !(pte_bits & PTE_NG))
		how = BY_VA;
	switch (how) {
	case BY_VA:
		__asm__ volatile("tlbi vae1is, %0" ::"r"(va) : "memory");
		break;
	case BY_VA_ALL_ASIDS:
		__asm__ volatile("tlbi vaae1is, %0" ::"r"(va) : "memory");
		break;
	case BY_VA_LAST:
		__asm__ volatile("tlbi vale1is, %0" ::"r"(va) : "memory");
		break;
	case BY_ASID:
		__asm__ volatile("tlbi aside1is, %0" ::"r"(0ull) : "memory");
		break;
	case BY_ALL:
	default:
		__asm__ volatile("tlbi vmalle1is" ::: "memory");
		break;
	}
	dsb();
}

/* While the page is away its users fault: they try again. */
static bool retry(struct frame *f)
{
	if (ESR_EC(f->esr) != 0x25 || (f->far & ~0xfffull) != TVA)
		return false;
	cpu_yield();
	return true;
}

/* Reads word 0, which is never the poison while the page is mapped, and counts in word 16 + cpu. */
static void use_page(unsigned cpu)
{
	volatile uint32_t *p = (volatile uint32_t *)TVA;
	uint32_t n = 0;

	while (!load_acq(&stop)) {
		for (unsigned i = 0; i < 16; i++) {
			uint32_t v = p[0];

			if ((v & 0xffff0000u) == POISON)
				add_acq_rel(&bad, 1);
			p[16 + cpu] = ++n;
		}
		seen[cpu][0] = n;
	}
}

static void wait_progress(void)
{
	for (unsigned i = 1; i < smp_count(); i++) {
		uint32_t was = seen[i][0];

		while (seen[i][0] == was)
			cpu_yield();
	}
}

static void remap(unsigned cpu)
{
	enum how how = BY_VA;

	if (cpu) {
		use_page(cpu);
		return;
	}
	for (unsigned r = 0; r < ROUNDS; r++) {
		uint32_t *old = frame[r & 1], *new = frame[~r & 1], was[SMP_MAX];

		if (r % 8 == 0)
			wait_progress();
		*(volatile uint64_t *)pte = 0;
		dsb();
		invalidate(how);
		/* From here on nobody reads or writes the old page. */
		((volatile uint32_t *)old)[0] = POISON | (r & 0xffff);
		for (unsigned i = 1; i < smp_count(); i++)
			was[i] = ((volatile uint32_t *)old)[16 + i];
		((volatile uint32_t *)new)[0] = r;
		dsb();
		*(volatile uint64_t *)pte = (uint64_t) new | pte_bits;
		dsb();
		for (volatile unsigned d = 0; d < 200; d++)
			;
		for (unsigned i = 1; i < smp_count(); i++)
			if (((volatile uint32_t *)old)[16 + i] != was[i])
				wrong++;
		how = (how + 1) % HOWS;
	}
	store_rel(&stop, 1);
}

static void test_remap(const char *name, uint64_t bits)
{
	group(name);
	bad = wrong = stop = 0;
	pte_bits = PTE_NORMAL | bits | 3;
	pte = pt_map(smp_root(), 1, TVA, (uint64_t)frame[0], 3, PTE_NORMAL | bits);
	frame[0][0] = frame[1][0] = 1;
	exc_hook = retry;
	smp_run(remap);
	exc_hook = NULL;
	CHECK_EQ(bad, 0);
	CHECK_EQ(wrong, 0);
	*(volatile uint64_t *)pte = 0;
	dsb();
	invalidate(BY_ALL);
}

/* A page made read-only: after the DSB nobody writes it. */
static void protect(unsigned cpu)
{
	if (cpu) {
		use_page(cpu);
		return;
	}
	for (unsigned r = 0; r < ROUNDS; r++) {
		volatile uint32_t *p = frame[0];
		uint32_t was[SMP_MAX];

		if (r % 8 == 0)
			wait_progress();
		*(volatile uint64_t *)pte = (uint64_t)frame[0] | pte_bits | PTE_AP(2);
		dsb();
		invalidate((enum how)(r % HOWS));
		for (unsigned i = 1; i < smp_count(); i++)
			was[i] = p[16 + i];
		for (volatile unsigned d = 0; d < 200; d++)
			;
		for (unsigned i = 1; i < smp_count(); i++)
			if (p[16 + i] != was[i])
				wrong++;
		*(volatile uint64_t *)pte = (uint64_t)frame[0] | pte_bits;
		dsb();
		invalidate(BY_VA);
	}
	store_rel(&stop, 1);
}

static void test_protect(void)
{
	group("a page made read-only is written no more");
	bad = wrong = stop = 0;
	pte_bits = PTE_NORMAL | 3;
	pte = pt_map(smp_root(), 1, TVA, (uint64_t)frame[0], 3, PTE_NORMAL);
	frame[0][0] = 1;
	exc_hook = retry;
	smp_run(protect);
	exc_hook = NULL;
	CHECK_EQ(bad, 0);
	CHECK_EQ(wrong, 0);
}

/* All CPUs invalidate at once: each DSB waits for the others, and none for ever. */
static void storm(unsigned cpu)
{
	for (unsigned r = 0; r < STORM_ROUNDS; r++) {
		__asm__ volatile("tlbi vaae1is, %0\n\tdsb ish\n\tisb" ::"r"((TVA >> 12) + cpu)
				 : "memory");
		if (r % 16 == 0)
			__asm__ volatile("tlbi vmalle1is\n\tdsb ish\n\tisb" ::: "memory");
		/* More than an inbox holds. */
		if (r % 128 == 0)
			for (unsigned i = 0; i < 200; i++)
				__asm__ volatile("tlbi vaae1is, %0" ::"r"(i) : "memory");
	}
	dsb();
	add_acq_rel(&acks, 1);
}

/* ---- code ---- */

static uint64_t call(const void *fn)
{
	register uint64_t x0 __asm__("x0") = 0;

	__asm__ volatile("blr %1" : "+r"(x0) : "r"(fn) : "x1", "x30", "memory");
	return x0;
}

static void sync_code(const void *p, bool all)
{
	if (all)
		__asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ialluis\n\tdsb ish\n\tisb" ::"r"(p)
				 : "memory");
	else
		__asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(p)
				 : "memory");
}

/* CPU 0 writes, the others execute after they were told, and answer. */
static void rewrite(unsigned cpu)
{
	if (cpu) {
		for (uint32_t r = 1; r <= CODE_ROUNDS; r++) {
			uint32_t now;

			while ((now = load_acq(&round_no)) != r)
				wait_while(&round_no, now);
			__asm__ volatile("isb" ::: "memory");
			for (unsigned i = 0; i < 4; i++)
				if (call(code) != r)
					add_acq_rel(&bad, 1);
			add_acq_rel(&acks, 1);
			sev();
		}
		return;
	}
	for (uint32_t r = 1; r <= CODE_ROUNDS; r++) {
		uint32_t a, want = r * (smp_count() - 1);

		code[0] = MOV_X0(r);
		code[1] = RET;
		sync_code(code, r % 16 == 0);
		store_rel(&round_no, r);
		sev();
		while ((a = load_acq(&acks)) != want)
			wait_while(&acks, a);
	}
}

static void test_code(void)
{
	group("code written by one CPU and executed by the others");
	bad = round_no = acks = 0;
	smp_run(rewrite);
	CHECK_EQ(bad, 0);
}

/* ---- invalidations while CPUs come and go ---- */

static void off(unsigned cpu)
{
	if (cpu)
		hvc_call(PSCI_CPU_OFF, 0, 0, 0);
}

static void test_power(void)
{
	unsigned last = smp_count() - 1;

	group("invalidations while CPUs come and go");
	for (unsigned c = 0; c < 20; c++) {
		smp_run_async(off);
		for (unsigned i = 0; i < 50; i++)
			invalidate((enum how)(i % HOWS));
		for (unsigned i = 1; i <= last; i++) {
			while (smp_state(i) != 1)
				cpu_yield();
			CHECK_EQ(smp_cpu_on(i), 0);
			for (unsigned k = 0; k < 20; k++)
				invalidate((enum how)(k % HOWS));
			smp_cpu_wait(i);
		}
	}
}

void test_main(void)
{
	group("start");
	smp_start();
	test_remap("a page that moves, global", 0);
	test_remap("a page that moves, of one ASID", PTE_NG);
	test_protect();
	group("all CPUs invalidate at once");
	acks = 0;
	smp_run(storm);
	CHECK_EQ(acks, smp_count());
	test_code();
	test_power();
}
