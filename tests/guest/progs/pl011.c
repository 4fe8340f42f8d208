/* SPDX-License-Identifier: Apache-2.0 */
/* The PL011 as far as QEMU models it; pl011_full.c has the rest. DDI 0183. */
#include "gic.h"

#define U(off) (UART_BASE + (off))
#define DR 0x00
#define RSR 0x04
#define FR 0x18
#define ILPR 0x20
#define IBRD 0x24
#define FBRD 0x28
#define LCRH 0x2c
#define CR 0x30
#define IFLS 0x34
#define IMSC 0x38
#define RIS 0x3c
#define MIS 0x40
#define ICR 0x44

static bool wait_bits(uint32_t reg, uint32_t mask, uint32_t want)
{
	for (int i = 0; i < 1000000; i++)
		if ((mmio_r32(U(reg)) & mask) == want)
			return true;
	return false;
}

static void test_ids(void)
{
	static const uint8_t ids[] = {0x11, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

	group("identification");
	for (unsigned i = 0; i < 8; i++) {
		uint8_t mask = i == 2 ? 0x0f : 0xff; /* the revision may differ */

		CHECK_EQ(mmio_r32(U(0xfe0 + 4 * i)) & mask, ids[i]);
		CHECK_EQ(mmio_r32(U(0xfe0 + 4 * i)) >> 8, 0);
		CHECK_EQ(mmio_r16(U(0xfe0 + 4 * i)) & mask, ids[i]);
		CHECK_EQ(mmio_r8(U(0xfe0 + 4 * i)) & mask, ids[i]);
	}
}

static void test_registers(void)
{
	group("registers");
	CHECK_EQ(mmio_r32(U(IFLS)), 0x12);
	CHECK_EQ(mmio_r32(U(IMSC)), 0);
	CHECK_EQ(mmio_r32(U(RSR)), 0);
	CHECK_EQ(mmio_r32(U(LCRH)), 0x70);
	CHECK_EQ(mmio_r32(U(CR)), 0x301);
	mmio_w32(U(IBRD), 0xffff);
	CHECK_EQ(mmio_r32(U(IBRD)), 0xffff);
	mmio_w32(U(IBRD), 13);
	CHECK_EQ(mmio_r32(U(IBRD)), 13);
	mmio_w32(U(FBRD), 0x3f);
	CHECK_EQ(mmio_r32(U(FBRD)), 0x3f);
	mmio_w32(U(FBRD), 1);
	CHECK_EQ(mmio_r32(U(FBRD)), 1);
	mmio_w32(U(ILPR), 0x5a);
	CHECK_EQ(mmio_r32(U(ILPR)), 0x5a);
	mmio_w32(U(ILPR), 0);
	mmio_w32(U(IFLS), 0x24);
	CHECK_EQ(mmio_r32(U(IFLS)), 0x24);
	mmio_w32(U(IFLS), 0x12);
	mmio_w32(U(LCRH), 0x60);
	CHECK_EQ(mmio_r32(U(LCRH)), 0x60);
	mmio_w32(U(LCRH), 0x70);
	mmio_w16(U(IMSC), 0x7ff);
	CHECK_EQ(mmio_r16(U(IMSC)), 0x7ff);
	CHECK_EQ(mmio_r32(U(IMSC)), 0x7ff);
	mmio_w32(U(IMSC), 0);
	/* Read-only registers keep their value. */
	mmio_w32(U(RIS), ~0u);
	mmio_w32(U(MIS), ~0u);
	CHECK_EQ(mmio_r32(U(MIS)), 0);
}

static void test_flags(void)
{
	group("flags");
	CHECK(wait_bits(FR, 0x88, 0x80));
	CHECK_EQ(mmio_r32(U(FR)) & 0xf8, 0x90);
	CHECK_EQ(mmio_r16(U(FR)) & 0xf8, 0x90);
	CHECK_EQ(mmio_r8(U(FR)) & 0xf8, 0x90);
}

static void test_output(void)
{
	group("output by width");
	mmio_w8(U(DR), 'b');
	mmio_w16(U(DR), 'h');
	mmio_w32(U(DR), 'w');
	mmio_w32(U(DR), 0xffffff00u | ' ');
	for (char c = '0'; c <= '9'; c++) {
		while (mmio_r16(U(FR)) & 0x20)
			;
		mmio_w16(U(DR), (uint8_t)c);
	}
	mmio_w32(U(DR), '\n');
	group("a long line");
	for (int i = 0; i < 2000; i++) {
		char c[2] = {(char)('a' + i % 26), 0};

		print(c);
	}
	print("\n");
	expect_none();
}

static volatile unsigned irqs;

static void quiesce(unsigned id)
{
	if (id == SPI_UART)
		mmio_w32(U(IMSC), 0);
	irqs++;
}

static void test_irq(void)
{
	group("transmit interrupt");
	CHECK(wait_bits(FR, 0x88, 0x80));
	mmio_w32(U(ICR), 0x7ff);
	CHECK_EQ(mmio_r32(U(RIS)) & 0x20, 0);
	mmio_w32(U(IMSC), 0x20);
	CHECK_EQ(mmio_r32(U(MIS)), 0);
	CHECK_EQ(gic_is_pending(SPI_UART), 0);
	mmio_w32(U(DR), '.');
	mmio_w32(U(DR), '\n');
	CHECK(wait_bits(RIS, 0x20, 0x20));
	CHECK_EQ(mmio_r32(U(MIS)), 0x20);
	CHECK_EQ(gic_is_pending(SPI_UART), 1);
	mmio_w32(U(IMSC), 0);
	CHECK_EQ(mmio_r32(U(MIS)), 0);
	CHECK_EQ(mmio_r32(U(RIS)) & 0x20, 0x20);
	CHECK_EQ(gic_is_pending(SPI_UART), 0);
	gic_quiesce = quiesce;
	gic_enable(SPI_UART);
	mmio_w32(U(IMSC), 0x20);
	CHECK(irq_wait(&irqs, 3000));
	CHECK_EQ(irqs, 1);
	CHECK_EQ(gic_last, SPI_UART);
	gic_disable(SPI_UART);
	CHECK(wait_bits(FR, 0x88, 0x80));
	mmio_w32(U(ICR), 0x20);
	CHECK_EQ(mmio_r32(U(RIS)) & 0x20, 0);
	group("all other raw interrupts are clear");
	CHECK_EQ(mmio_r32(U(RIS)) & 0x7d0, 0);
}

void test_main(void)
{
	gic_init();
	exc_irq = gic_take;
	test_ids();
	test_registers();
	test_flags();
	test_output();
	test_irq();
}
