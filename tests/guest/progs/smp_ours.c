/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What QEMU 7.2 does not get right, so on ours only. It can keep a translation that it made from a page while another
 * CPU was writing to it; and of several CPU_ON at once it lets more than one succeed.
 */
#include "smp.h"

#define ROUNDS 200
#define CYCLES 60
#define MOV_X0(n) (0xd2800000u | (uint32_t)(n) << 5)
#define RET 0xd65f03c0u
#define NOP 0xd503201fu
#define B_OVER_2 0x14000003u

static volatile uint32_t code[16] __attribute__((aligned(4096)));
static volatile uint32_t stop, bad, wrong, seen[SMP_MAX][16], round_no, begun;
static volatile uint32_t word, turn, on_ok, on_refused;

static uint64_t call(const volatile void *fn)
{
	register uint64_t x0 __asm__("x0") = 0;

	__asm__ volatile("blr %1" : "+r"(x0) : "r"(fn) : "x1", "x30", "memory");
	return x0;
}

static void sync_code(const volatile void *p)
{
	__asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(p)
			 : "memory");
}

static void wait_progress(void)
{
	for (unsigned i = 1; i < smp_count(); i++) {
		uint32_t was = seen[i][0];

		while (seen[i][0] == was)
			cpu_yield();
	}
}

/* NOP and B may be exchanged under a running CPU (DDI 0487, B2.2.5 "Concurrent modification and execution"). */
static void execute(unsigned cpu)
{
	uint32_t n = 0;

	while (!load_acq(&stop)) {
		uint32_t told = load_acq(&round_no);

		__asm__ volatile("isb" ::: "memory");
		uint64_t got = call(code);
		if (got != 1 && got != 2)
			add_acq_rel(&bad, 1);
		/* Unless the next is being written already, it is what was told. */
		else if (got != 1 + (told & 1) && load_acq(&begun) == told)
			add_acq_rel(&wrong, 1);
		seen[cpu][0] = ++n;
	}
}

static void patch(unsigned cpu)
{
	if (cpu) {
		execute(cpu);
		return;
	}
	for (uint32_t r = 1; r <= ROUNDS; r++) {
		store_rel(&begun, r);
		__asm__ volatile("dmb ish" ::: "memory");
		code[0] = r & 1 ? B_OVER_2 : NOP;
		sync_code(code);
		store_rel(&round_no, r);
		if (r % 4 == 0)
			wait_progress();
	}
	store_rel(&stop, 1);
}

/* All but the last CPU want the last one on: one of them succeeds. */
static void on_race(unsigned cpu)
{
	unsigned last = smp_count() - 1;
	int64_t rc;

	if (cpu == last) {
		hvc_call(PSCI_CPU_OFF, 0, 0, 0);
		return;
	}
	while (smp_state(last) != 1)
		cpu_yield();
	add_acq_rel(&turn, 1);
	while (load_acq(&turn) < last)
		cpu_yield();
	rc = (int64_t)(int32_t)smp_cpu_on(last);
	if (rc == 0)
		add_acq_rel(&on_ok, 1);
	else if (rc == -4 || rc == -5)
		add_acq_rel(&on_refused, 1);
	add_acq_rel(&word, 1);
}

static void test_on_race(void)
{
	unsigned last = smp_count() - 1;

	group("CPU_ON by several at once");
	on_ok = on_refused = 0;
	for (unsigned c = 0; c < CYCLES; c++) {
		word = turn = 0;
		smp_run_async(on_race);
		on_race(0);
		while (load_acq(&word) != last)
			cpu_yield();
		smp_cpu_wait(last);
	}
	CHECK_EQ(on_ok, CYCLES);
	CHECK_EQ(on_refused, CYCLES * (last - 1));
}

void test_main(void)
{
	group("start");
	smp_start();
	group("a branch patched under running CPUs");
	code[0] = NOP;
	code[1] = MOV_X0(1);
	code[2] = RET;
	code[3] = MOV_X0(2);
	code[4] = RET;
	sync_code(code);
	smp_run(patch);
	CHECK_EQ(bad, 0);
	CHECK_EQ(wrong, 0);
	test_on_race();
}
