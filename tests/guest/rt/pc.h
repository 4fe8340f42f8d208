/* SPDX-License-Identifier: Apache-2.0 */
/* Where pc.yaml has a PC's devices. */
#pragma once
#define NS_BASE 0x0b000000ull
#define NS_SHIFT 2
#define CMOS_BASE 0x0b001070ull
#define I8042_BASE 0x0b002060ull
#define PVPANIC_BASE 0x0b003505ull
#define EXIT_BASE 0x0b0040f4ull
#define SPI_NS (32 + 40)
#define SPI_CMOS (32 + 41)

/* uart_drain - what was printed is out: for programs whose end comes from elsewhere. */
static inline void uart_drain(void)
{
	while (!(mmio_r32(UART_BASE + 0x18) & 0x80))
		;
}
