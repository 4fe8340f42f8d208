/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

/* The board's devices, at QEMU virt's addresses. */
#define UART_BASE 0x09000000ul
#define UART_DR 0x000u
#define UART_FR 0x018u
#define UART_LCR_H 0x02cu
#define UART_CR 0x030u
#define UART_IMSC 0x038u
#define UART_ICR 0x044u
#define UART_PERIPH_ID0 0xfe0u
#define UART_FR_TXFF (1u << 5)
#define UART_FR_BUSY (1u << 3)
#define RTC_BASE 0x09010000ul
#define RTC_DR 0x000u

static inline volatile uint32_t *io_reg(uintptr_t base, uint32_t offset)
{
	return (volatile uint32_t *)(base + offset);
}

/** time_ticks - the virtual counter, not reordered with what is around it. */
static inline uint64_t time_ticks(void)
{
	uint64_t t;
	__asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(t)::"memory");
	return t;
}

/** time_ps_per_tick - picoseconds of one tick of the counter. */
static inline uint64_t time_ps_per_tick(void)
{
	uint64_t hz;
	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
	return 1000000000000ull / hz;
}

/** io_init - switches the UART on (8 bits, FIFO, transmit and receive). */
void io_init(void);

/** io_putc, io_puts, io_putu - print a character, a text, a decimal number. */
void io_putc(char c);
void io_puts(const char *s);
void io_putu(uint64_t v);

/** io_drain - waits until the UART has sent everything. */
void io_drain(void);

/** timer_init - the interrupt controller and the virtual timer, so that WFI has something to wake
 * it. */
void timer_init(void);

/** timer_sleep_us - WFI for that time. */
void timer_sleep_us(uint64_t us);

/** time_spin_us - keeps the CPU busy for that time, touching no device. */
void time_spin_us(uint64_t us);

/** power_off - PSCI SYSTEM_OFF by HVC. */
_Noreturn void power_off(void);
