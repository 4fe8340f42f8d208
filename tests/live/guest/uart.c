/* SPDX-License-Identifier: Apache-2.0 */
/* The UART, both ways, and the clock. */
#include "load.h"

#define DR (UART_BASE + 0x00)
#define FR (UART_BASE + 0x18)
#define LCR_H (UART_BASE + 0x2c)
#define CR (UART_BASE + 0x30)
#define IMSC (UART_BASE + 0x38)
#define ICR (UART_BASE + 0x44)
#define FR_RXFE 0x10u
#define FR_TXFF 0x20u
#define INT_RX_RT 0x50u
#define DR_ERRORS 0xf00u
#define BURST 32u

#define RTC_DR (RTC_BASE + 0x00)
#define RTC_MR (RTC_BASE + 0x04)
#define RTC_IMSC (RTC_BASE + 0x10)
#define RTC_RIS (RTC_BASE + 0x14)
#define RTC_ICR (RTC_BASE + 0x1c)

static struct stream_in input = {.name = "uart", .seed = 0x1111};
static volatile unsigned rx_irqs;
static uint64_t rx_alive;

void uart_open(void)
{
	mmio_w32(LCR_H, 0x70);
	mmio_w32(CR, 0x301);
	mmio_w32(IMSC, INT_RX_RT);
	rx_alive = now();
	gic_edge(SPI_UART, false);
	gic_enable(SPI_UART);
}

bool uart_irq(unsigned intid)
{
	if (intid != SPI_UART)
		return false;
	mmio_w32(IMSC, 0);
	rx_irqs = rx_irqs + 1;
	return true;
}

static void receive(void)
{
	for (unsigned i = 0; i < BURST && !(mmio_r32(FR) & FR_RXFE); i++) {
		uint32_t c = mmio_r32(DR);
		if (c & DR_ERRORS)
			fault("UART: error bits, at", c, input.pos);
		stream_take(&input, (uint8_t)c);
	}
	counts.uart_in = input.pos;
}

void uart_poll(void)
{
	for (unsigned i = 0; i < BURST && !quitting && !(mmio_r32(FR) & FR_TXFF); i++)
		mmio_w32(DR, stream_byte(0x2222, counts.uart_out++));
	if (rx_irqs) {
		receive();
		rx_alive = now();
		if (!(mmio_r32(FR) & FR_RXFE))
			return; /* the rest in the next turn */
		rx_irqs = 0;
		mmio_w32(ICR, INT_RX_RT);
		mmio_w32(IMSC, INT_RX_RT);
	} else if (mmio_r32(FR) & FR_RXFE) {
		rx_alive = now();
	} else if (now() - rx_alive > seconds(STUCK_S)) {
		fault("UART: an interrupt was lost, at", input.pos, mmio_r32(UART_BASE + 0x3c));
		rx_irqs = 1;
	}
}

/* ---- the clock ---------------------------------------------------------------------------------------------- */

static uint32_t last_s;
static uint64_t last_at, alarm_at;
static volatile unsigned rtc_irqs;

static void alarm_set(void)
{
	alarm_at = now();
	mmio_w32(RTC_MR, mmio_r32(RTC_DR) + 1);
}

void rtc_open(void)
{
	last_s = mmio_r32(RTC_DR);
	last_at = now();
	mmio_w32(RTC_IMSC, 1);
	gic_edge(SPI_RTC, false);
	gic_enable(SPI_RTC);
	alarm_set();
}

bool rtc_irq(unsigned intid)
{
	if (intid != SPI_RTC)
		return false;
	if (!(mmio_r32(RTC_RIS) & 1))
		fault("RTC: an interrupt for nothing", 0, 0);
	mmio_w32(RTC_ICR, 1);
	rtc_irqs = rtc_irqs + 1;
	return true;
}

void rtc_poll(void)
{
	uint32_t s = mmio_r32(RTC_DR);
	uint64_t t = now();
	counts.rtc++;
	/* Not backwards, and no faster than our own clock. */
	if (s - last_s > (t - last_at) / seconds(1) + 2)
		fault("RTC: jumped from, to", last_s, s);
	if (s != last_s) {
		last_s = s;
		last_at = t;
	}
	if (rtc_irqs > 1)
		fault("RTC: one alarm, interrupts", rtc_irqs, 0);
	if (rtc_irqs) {
		rtc_irqs = 0;
		counts.alarms++;
		alarm_set();
	} else if (t - alarm_at > seconds(STUCK_S)) {
		fault("RTC: no alarm; RIS, MIS", mmio_r32(RTC_RIS), mmio_r32(RTC_BASE + 0x18));
		alarm_set();
	}
}
