/* SPDX-License-Identifier: Apache-2.0 */
#include "io.h"

#define GICD_BASE 0x08000000ul
#define GICR_BASE 0x080a0000ul
#define GICR_SGI (GICR_BASE + 0x10000ul)
#define PPI_VIRTUAL_TIMER 27u
#define PSCI_SYSTEM_OFF 0x84000008u

void io_init(void)
{
	*io_reg(UART_BASE, UART_LCR_H) = 0x70;
	*io_reg(UART_BASE, UART_CR) = 0x301;
}

void io_putc(char c)
{
	while (*io_reg(UART_BASE, UART_FR) & UART_FR_TXFF)
		;
	*io_reg(UART_BASE, UART_DR) = (uint8_t)c;
}

void io_puts(const char *s)
{
	while (*s)
		io_putc(*s++);
}

void io_putu(uint64_t v)
{
	char digits[20];
	int n = 0;
	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		io_putc(digits[--n]);
}

void io_drain(void)
{
	while (*io_reg(UART_BASE, UART_FR) & UART_FR_BUSY)
		;
}

void timer_init(void)
{
	*io_reg(GICD_BASE, 0) = 0x12; /* CTLR: affinity routing, group 1 */
	*io_reg(GICR_BASE, 0x14) = 0; /* WAKER: awake */
	while (*io_reg(GICR_BASE, 0x14) & 4)
		;
	*io_reg(GICR_SGI, 0x80) = 0xffffffffu;			      /* IGROUPR0: group 1 */
	*io_reg(GICR_SGI, 0x400 + 24) = 0x80808080u;		      /* IPRIORITYR6: 24..27 */
	*io_reg(GICR_SGI, 0x100) = 1u << PPI_VIRTUAL_TIMER;	      /* ISENABLER0 */
	__asm__ volatile("msr S3_0_C12_C12_5, %0\n\tisb" ::"r"(7ul)); /* ICC_SRE_EL1 */
	__asm__ volatile("msr S3_0_C4_C6_0, %0" ::"r"(0xfful));	      /* ICC_PMR_EL1 */
	__asm__ volatile("msr S3_0_C12_C12_7, %0\n\tisb" ::"r"(1ul)); /* ICC_IGRPEN1_EL1 */
}

void timer_sleep_us(uint64_t us)
{
	uint64_t hz, intid;
	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
	uint64_t until = time_ticks() + us * hz / 1000000;
	__asm__ volatile("msr cntv_cval_el0, %0\n\tmsr cntv_ctl_el0, %1\n\tisb" ::"r"(until),
			 "r"(1ul));
	/* Interrupts stay masked in PSTATE: a pending one still ends WFI. */
	while (time_ticks() < until)
		__asm__ volatile("dsb sy\n\twfi" ::: "memory");
	__asm__ volatile("msr cntv_ctl_el0, xzr\n\tisb");
	__asm__ volatile("mrs %0, S3_0_C12_C12_0\n\tisb" : "=r"(intid)); /* ICC_IAR1_EL1 */
	if ((intid & 0xffffff) < 1020)
		__asm__ volatile("msr S3_0_C12_C12_1, %0\n\tisb" ::"r"(intid)); /* ICC_EOIR1_EL1 */
}

void time_spin_us(uint64_t us)
{
	uint64_t hz;
	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
	uint64_t until = time_ticks() + us * hz / 1000000;
	while (time_ticks() < until)
		;
}

_Noreturn void power_off(void)
{
	register uint64_t x0 __asm__("x0") = PSCI_SYSTEM_OFF;
	io_drain();
	for (;;)
		__asm__ volatile("hvc #0" : "+r"(x0)::"x1", "x2", "x3", "memory");
}
