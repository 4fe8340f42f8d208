/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The benchmark guest: what device accesses and instructions cost, as a guest sees it. It runs
 * unmodified on every machine that has QEMU virt's memory map. Times are by CNTVCT_EL0, which is
 * wall time on QEMU and on Outrigger alike.
 *
 * A line of results:  bench: KIND NAME unit=ps count=N batches=B min=X median=X max=X
 * Values are per access (KIND access) or per instruction (KIND compute). Of an access, the cost of
 * the loop around it is in the value; "access ram_read" shows how much that is.
 */
#include "io.h"
#include "work.h"

#define BATCHES_MAX 512u

static uint64_t samples[BATCHES_MAX];
static uint8_t buffer[WORK_MEMORY_BYTES + 16] __attribute__((aligned(64)));
static volatile uint32_t ram_word;

_Noreturn void guest_main(void);
_Noreturn void guest_exception(uint64_t esr, uint64_t elr, uint64_t far);

_Noreturn void guest_exception(uint64_t esr, uint64_t elr, uint64_t far)
{
	io_puts("\nbench: exception esr=");
	io_putu(esr);
	io_puts(" elr=");
	io_putu(elr);
	io_puts(" far=");
	io_putu(far);
	io_putc('\n');
	power_off();
}

static void sort(uint64_t *v, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		uint64_t x = v[i];
		uint32_t j = i;
		for (; j && v[j - 1] > x; j--)
			v[j] = v[j - 1];
		v[j] = x;
	}
}

static void report(const char *kind, const char *name, uint64_t count, uint32_t batches)
{
	sort(samples, batches);
	const struct {
		const char *text;
		uint64_t value;
	} field[] = {
		{" unit=ps count=", count},	 {" batches=", batches},
		{" min=", samples[0]},		 {" median=", samples[batches / 2]},
		{" max=", samples[batches - 1]},
	};
	io_puts("bench: ");
	io_puts(kind);
	io_putc(' ');
	io_puts(name);
	for (uint32_t i = 0; i < sizeof field / sizeof field[0]; i++) {
		io_puts(field[i].text);
		io_putu(field[i].value);
	}
	io_putc('\n');
	io_drain();
}

/* The first batch warms up (translation, spin budgets) and is not counted. */
static void measure_reads(const char *name, volatile uint32_t *reg, uint32_t count,
			  uint32_t batches)
{
	uint64_t ps = time_ps_per_tick();
	for (uint32_t b = 0; b <= batches; b++) {
		uint64_t begin = time_ticks();
		for (uint32_t i = 0; i < count; i++)
			(void)*reg;
		uint64_t ticks = time_ticks() - begin;
		if (b)
			samples[b - 1] = ticks * ps / count;
	}
	report("access", name, count, batches);
}

static void measure_writes(const char *name, volatile uint32_t *reg, uint32_t value, uint32_t count,
			   uint32_t batches)
{
	uint64_t ps = time_ps_per_tick();
	for (uint32_t b = 0; b <= batches; b++) {
		uint64_t begin = time_ticks();
		for (uint32_t i = 0; i < count; i++)
			*reg = value;
		uint64_t ticks = time_ticks() - begin;
		if (b)
			samples[b - 1] = ticks * ps / count;
	}
	report("access", name, count, batches);
}

/* Bursts that fit the FIFO, the UART drained between them: the cost of the write, not of the line.
 */
static void measure_bursts(const char *name, uint32_t count, uint32_t batches)
{
	uint64_t ps = time_ps_per_tick();
	for (uint32_t b = 0; b <= batches; b++) {
		uint64_t begin = time_ticks();
		for (uint32_t i = 0; i < count; i++)
			*io_reg(UART_BASE, UART_DR) = ' ';
		uint64_t ticks = time_ticks() - begin;
		if (b)
			samples[b - 1] = ticks * ps / count;
		io_drain();
	}
	io_putc('\n');
	report("access", name, count, batches);
}

/* As a console driver does it: wait for room, write, for every character. */
static void measure_console(const char *name, uint32_t count, uint32_t batches)
{
	uint64_t ps = time_ps_per_tick();
	for (uint32_t b = 0; b <= batches; b++) {
		uint64_t begin = time_ticks();
		for (uint32_t i = 1; i < count; i++)
			io_putc('.');
		io_putc('\n');
		uint64_t ticks = time_ticks() - begin;
		if (b)
			samples[b - 1] = ticks * ps / count;
	}
	report("access", name, count, batches);
}

/* One read after a pause in which nothing touches a device: whoever serves it has gone to sleep. */
static void measure_cold(const char *name, volatile uint32_t *reg, void (*pause)(uint64_t us),
			 uint64_t us, uint32_t batches)
{
	uint64_t ps = time_ps_per_tick();
	for (uint32_t b = 0; b <= batches; b++) {
		pause(us);
		uint64_t begin = time_ticks();
		(void)*reg;
		uint64_t ticks = time_ticks() - begin;
		if (b)
			samples[b - 1] = ticks * ps;
	}
	report("access", name, 1, batches);
}

static void alu(uint64_t rounds)
{
	work_alu(rounds);
}

static void memory(uint64_t rounds)
{
	work_memory(rounds, buffer);
}

static void calls(uint64_t rounds)
{
	work_calls(rounds);
}

/* Rounds are doubled until a batch lasts 20 ms: as precise on a slow machine as on a fast one. */
static void measure_work(const char *name, void (*work)(uint64_t), uint64_t insns)
{
	const uint32_t batches = 7;
	uint64_t ps = time_ps_per_tick();
	uint64_t rounds = 16;
	for (;;) {
		uint64_t begin = time_ticks();
		work(rounds);
		if ((time_ticks() - begin) * ps >= 20000000000ull)
			break;
		rounds *= 2;
	}
	for (uint32_t b = 0; b < batches; b++) {
		uint64_t begin = time_ticks();
		work(rounds);
		/* Per 1000 instructions first, so that a fraction of a picosecond is not lost. */
		samples[b] = (time_ticks() - begin) * ps / (rounds * insns / 1000) / 1000;
	}
	report("compute", name, rounds * insns, batches);
}

_Noreturn void guest_main(void)
{
	io_init();
	io_puts("\nbench: begin\n");
	timer_init();
	measure_reads("ram_read", &ram_word, 1000, 100);
	measure_reads("uart_fr_read", io_reg(UART_BASE, UART_FR), 1000, 100);
	measure_reads("uart_id_read", io_reg(UART_BASE, UART_PERIPH_ID0), 1000, 100);
	measure_reads("uart_imsc_read", io_reg(UART_BASE, UART_IMSC), 1000, 100);
	measure_reads("uart_dr_read", io_reg(UART_BASE, UART_DR), 1000, 100);
	measure_reads("rtc_dr_read", io_reg(RTC_BASE, RTC_DR), 1000, 100);
	measure_writes("uart_icr_write", io_reg(UART_BASE, UART_ICR), 0x7ff, 1000, 100);
	measure_writes("uart_imsc_write", io_reg(UART_BASE, UART_IMSC), 0, 1000, 100);
	measure_bursts("uart_dr_write", 16, 200);
	measure_console("uart_console_char", 64, 50);
	measure_cold("rtc_dr_read_after_300us_busy", io_reg(RTC_BASE, RTC_DR), time_spin_us, 300,
		     200);
	measure_cold("rtc_dr_read_after_10ms_busy", io_reg(RTC_BASE, RTC_DR), time_spin_us, 10000,
		     50);
	measure_cold("rtc_dr_read_after_10ms_wfi", io_reg(RTC_BASE, RTC_DR), timer_sleep_us, 10000,
		     50);
	measure_work("alu", alu, WORK_ALU_INSNS);
	measure_work("memory", memory, WORK_MEMORY_INSNS);
	measure_work("calls", calls, WORK_CALLS_INSNS);
	io_puts("bench: end\n");
	power_off();
}
