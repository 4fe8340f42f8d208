/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the clock's DR as fast as it can, each time forwarded to its daemon, and keeps the longest time between two turns by
 * the CPU's own counter. 'r' on the UART: prints that in microseconds and the number of turns, and begins anew; 'q': ends.
 */
#include "rt.h"

#define RTC_DR (RTC_BASE + 0x00)
#define UART_DR (UART_BASE + 0x00)
#define UART_FR (UART_BASE + 0x18)
#define FR_RXFE 0x10u

static uint32_t r32(uint64_t a)
{
	return *(volatile uint32_t *)a;
}

void test_main(void)
{
	uint64_t freq = read_sysreg(cntfrq_el0), max = 0, turns = 0;
	uint64_t last = read_sysreg(cntvct_el0);
	uint32_t then = r32(RTC_DR);
	print("ready\n");
	for (;;) {
		uint64_t now = read_sysreg(cntvct_el0);
		uint32_t s = r32(RTC_DR);
		if (s - then > 2) { /* forwards, and by no more than a moment */
			print("clock ");
			print_dec(then);
			print(" ");
			print_dec(s);
			print("\n");
		}
		then = s;
		if (now - last > max)
			max = now - last;
		last = now;
		turns++;
		if (r32(UART_FR) & FR_RXFE)
			continue;
		if ((r32(UART_DR) & 0xff) == 'q')
			done();
		print("gap ");
		print_dec(max * 1000000 / freq);
		print(" ");
		print_dec(turns);
		print("\n");
		max = turns = 0;
		last = read_sysreg(cntvct_el0);
	}
}
