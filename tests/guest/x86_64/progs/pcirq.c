/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupts of a PC's devices, which are edges on the IOAPIC's first pins: COM2's transmit events on 3, the clock's on 8. */
#include "rt.h"

#define COM2 0x2f8
#define COM2_GSI 3u
#define RTC_GSI 8u
#define VEC_COM2 0x43u
#define VEC_RTC 0x48u
#define VEC_TIMER 254u /* irq_wait()'s */

static volatile unsigned uart_seen, uart_total, rtc_seen, rtc_total;
static volatile uint8_t iir, flags;

static uint8_t cmos(uint8_t at)
{
	out8(0x70, at);
	return in8(0x71);
}

static void cmos_write(uint8_t at, uint8_t v)
{
	out8(0x70, at);
	out8(0x71, v);
}

/* See irq.c: a nested KVM was seen to run handlers of interrupts that are not in service. */
static bool in_service(unsigned vector)
{
	return mmio_r32(LAPIC_BASE + 0x100 + vector / 32 * 16) >> vector % 32 & 1;
}

static void on_irq(unsigned vector)
{
	if (vector == 255) /* spurious: never in service (SDM 3A, 10.9) */
		return;
	if (!in_service(vector)) {
		print("SKIP: this host's APIC runs handlers of interrupts that are not in "
		      "service\n");
		power_off();
	}
	if (vector == VEC_COM2) {
		iir = in8(COM2 + 2);
		uart_total++;
		uart_seen = 1;
	} else if (vector == VEC_RTC) {
		flags = cmos(0x0c);
		rtc_total++;
		rtc_seen = 1;
	}
	apic_eoi();
}

static void test_uart(void)
{
	group("an interrupt for each transmit event");
	out8(COM2 + 3, 0x03);
	out8(COM2 + 4, 0x0b);
	ioapic_route(COM2_GSI, VEC_COM2, false);
	out8(COM2 + 1, 0x02);
	CHECK(irq_wait(&uart_seen));
	CHECK_EQ(iir, 0x02);
	for (unsigned i = 0; i < 20; i++) {
		uart_seen = 0;
		out8(COM2, 'x');
		CHECK(irq_wait(&uart_seen));
		CHECK_EQ(iir, 0x02);
	}
	CHECK_EQ(uart_total, 21);
	out8(COM2 + 1, 0);
	ioapic_mask(COM2_GSI);
}

static void test_rtc(void)
{
	group("the clock's interrupts");
	cmos_write(0x0b, 0x02);
	cmos_write(0x0a, 0x2a); /* 64 Hz */
	cmos(0x0c);
	ioapic_route(RTC_GSI, VEC_RTC, false);
	cmos_write(0x0b, 0x42);
	for (unsigned i = 0; i < 5; i++) {
		rtc_seen = 0;
		CHECK(irq_wait(&rtc_seen));
		CHECK_EQ(flags & 0xc0, 0xc0);
	}
	cmos_write(0x0b, 0x02);
	cmos(0x0c);
	cmos_write(0x0b, 0x12);
	rtc_seen = 0;
	CHECK(irq_wait(&rtc_seen));
	CHECK_EQ(flags & 0x90, 0x90);
	cmos_write(0x0b, 0x02);
	ioapic_mask(RTC_GSI);
}

void test_main(void)
{
	apic_init();
	exc_irq = on_irq;
	test_uart();
	test_rtc();
}
