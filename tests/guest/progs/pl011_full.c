/* SPDX-License-Identifier: Apache-2.0 */
/* Ours only: FIFOs, loopback, receive interrupts and errors of the PL011. DDI 0183. */
#include "gic.h"

#define U(off) (UART_BASE + (off))
#define DR 0x00
#define RSR 0x04
#define FR 0x18
#define LCRH 0x2c
#define CR 0x30
#define IFLS 0x34
#define IMSC 0x38
#define RIS 0x3c
#define MIS 0x40
#define ICR 0x44
#define DMACR 0x48

#define FR_CTS 0x01u
#define FR_DSR 0x02u
#define FR_DCD 0x04u
#define FR_RXFE 0x10u
#define FR_RXFF 0x40u
#define FR_RI 0x100u
#define INT_RX 0x10u
#define INT_RT 0x40u
#define INT_BE 0x200u
#define INT_OE 0x400u
#define LBE 0x80u
#define CR_ON (0x301u | LBE)

/*
 * FR may be read from the shadow page while writes of DR are still on their way (a driver cannot
 * tell, but for loopback). RIS waits for them.
 */
static uint32_t flags(void)
{
	(void)mmio_r32(U(RIS));
	return mmio_r32(U(FR));
}

static bool wait_bits(uint32_t reg, uint32_t mask, uint32_t want)
{
	for (int i = 0; i < 1000000; i++)
		if (((reg == FR ? flags() : mmio_r32(U(reg))) & mask) == want)
			return true;
	return false;
}

/* Loopback: nothing goes out, so nothing may be printed between on and off. */
static void loop_on(uint32_t lcrh)
{
	while (flags() & 8)
		;
	mmio_w32(U(CR), 0);
	mmio_w32(U(LCRH), lcrh);
	mmio_w32(U(CR), CR_ON);
	while (!(flags() & FR_RXFE))
		(void)mmio_r32(U(DR));
	mmio_w32(U(RSR), 0);
	mmio_w32(U(ICR), 0x7ff);
}

static void loop_off(void)
{
	while (!(flags() & FR_RXFE))
		(void)mmio_r32(U(DR));
	mmio_w32(U(RSR), 0);
	mmio_w32(U(CR), 0);
	mmio_w32(U(LCRH), 0x70);
	mmio_w32(U(IFLS), 0x12);
	mmio_w32(U(IMSC), 0);
	mmio_w32(U(ICR), 0x7ff);
	mmio_w32(U(CR), 0x301);
}

#define LOOP_MAX 64
static uint64_t got[LOOP_MAX];
static unsigned ngot;

static void keep(uint64_t v)
{
	if (ngot < LOOP_MAX)
		got[ngot++] = v;
}

static void test_registers(void)
{
	group("register masks");
	mmio_w32(U(0x24), ~0u);
	CHECK_EQ(mmio_r32(U(0x24)), 0xffff);
	mmio_w32(U(0x28), ~0u);
	CHECK_EQ(mmio_r32(U(0x28)), 0x3f);
	mmio_w32(U(IMSC), ~0u);
	CHECK_EQ(mmio_r32(U(IMSC)), 0x7ff);
	mmio_w32(U(IMSC), 0);
	mmio_w32(U(IFLS), ~0u);
	CHECK_EQ(mmio_r32(U(IFLS)), 0x3f);
	mmio_w32(U(IFLS), 0x12);
	mmio_w32(U(DMACR), 7);
	CHECK_EQ(mmio_r32(U(DMACR)), 7);
	mmio_w32(U(DMACR), 0);
	mmio_w32(U(0x24), 13);
	mmio_w32(U(0x28), 1);
	CHECK_EQ(mmio_r32(U(ICR)), 0);
	CHECK_EQ(mmio_r32(U(0x1c)), 0);
	CHECK_EQ(mmio_r32(U(0x100)), 0);
	mmio_w32(U(FR), ~0u);
	CHECK_EQ(flags() & 0x90, 0x90);
}

static void test_loop(void)
{
	group("loopback");
	ngot = 0;
	loop_on(0x70);
	for (unsigned i = 0; i < 8; i++)
		mmio_w32(U(DR), 'A' + i);
	for (unsigned i = 0; i < 8; i++) {
		keep(wait_bits(FR, FR_RXFE, 0));
		keep(mmio_r32(U(DR)));
	}
	keep(flags() & FR_RXFE);
	loop_off();
	for (unsigned i = 0; i < 8; i++) {
		CHECK_EQ(got[2 * i], 1);
		CHECK_EQ(got[2 * i + 1], 'A' + i);
	}
	CHECK_EQ(got[16], FR_RXFE);

	group("loopback by word length");
	ngot = 0;
	for (unsigned wlen = 0; wlen < 4; wlen++) {
		loop_on(wlen << 5 | 0x10);
		mmio_w32(U(DR), 0xff);
		keep(wait_bits(FR, FR_RXFE, 0));
		keep(mmio_r32(U(DR)));
	}
	loop_off();
	for (unsigned wlen = 0; wlen < 4; wlen++) {
		CHECK_EQ(got[2 * wlen], 1);
		CHECK_EQ(got[2 * wlen + 1], 0xffu >> (3 - wlen));
	}

	group("modem lines in loopback");
	ngot = 0;
	loop_on(0x70);
	for (unsigned bit = 10; bit <= 13; bit++) {
		mmio_w32(U(CR), CR_ON | 1u << bit);
		keep(wait_bits(FR, 0x107,
			       bit == 10   ? FR_DSR
			       : bit == 11 ? FR_CTS
			       : bit == 12 ? FR_DCD
					   : FR_RI));
	}
	mmio_w32(U(CR), CR_ON);
	mmio_w32(U(ICR), 0x7ff);
	mmio_w32(U(CR), CR_ON | 1u << 11);
	keep(wait_bits(RIS, 0xf, 2));
	mmio_w32(U(CR), CR_ON);
	mmio_w32(U(ICR), 0x7ff);
	keep(mmio_r32(U(RIS)) & 0xf);
	loop_off();
	for (unsigned i = 0; i < 5; i++)
		CHECK_EQ(got[i], 1);
	CHECK_EQ(got[5], 0);
}

static void test_rx_interrupts(void)
{
	static const unsigned eighths[] = {1, 2, 4, 6, 7};
	unsigned depth = 0;

	group("receive fifo depth and overrun");
	ngot = 0;
	loop_on(0x70);
	while (!(flags() & FR_RXFF) && depth < 100) {
		mmio_w32(U(DR), '0' + depth % 10);
		depth++;
		/* Each character has arrived before the next is sent. */
		keep(wait_bits(FR, 0x88, 0x80) || ngot >= 60);
	}
	keep(depth == 16 || depth == 32);
	keep(mmio_r32(U(RSR)) & 8);
	mmio_w32(U(DR), 'x'); /* one too many */
	keep(wait_bits(RIS, INT_OE, INT_OE));
	keep(mmio_r32(U(RSR)) & 8);
	ngot = 0;
	keep(mmio_r32(U(DR)));
	for (unsigned i = 1; i < depth; i++)
		(void)mmio_r32(U(DR));
	keep(wait_bits(FR, FR_RXFE, FR_RXFE));
	/* The first character after the overrun carries the flag. */
	mmio_w32(U(DR), 'y');
	keep(wait_bits(FR, FR_RXFE, 0));
	keep(mmio_r32(U(DR)));
	mmio_w32(U(RSR), 0);
	keep(mmio_r32(U(RSR)));
	mmio_w32(U(ICR), INT_OE);
	keep(mmio_r32(U(RIS)) & INT_OE);
	loop_off();
	CHECK(depth == 16 || depth == 32);
	CHECK_EQ(got[0] & 0xff, '0');
	CHECK_EQ(got[1], 1);
	CHECK_EQ(got[2], 1);
	CHECK_EQ(got[3], 0x800 | 'y');
	CHECK_EQ(got[4], 0);
	CHECK_EQ(got[5], 0);

	group("receive levels");
	for (unsigned sel = 0; sel < 5; sel++) {
		unsigned level = depth * eighths[sel] / 8;

		ngot = 0;
		loop_on(0x70);
		mmio_w32(U(IFLS), sel << 3 | 2);
		for (unsigned i = 0; i + 1 < level; i++)
			mmio_w32(U(DR), i);
		keep(wait_bits(FR, 0x88, 0x80));
		keep(mmio_r32(U(RIS)) & INT_RX);
		mmio_w32(U(DR), 0xee);
		keep(wait_bits(RIS, INT_RX, INT_RX));
		(void)mmio_r32(U(DR));
		keep(mmio_r32(U(RIS)) & INT_RX);
		loop_off();
		CHECK_EQ(got[0], 1);
		CHECK_EQ(got[1], 0);
		CHECK_EQ(got[2], 1);
		CHECK_EQ(got[3], 0);
	}
	group("receive timeout");
	ngot = 0;
	loop_on(0x70);
	mmio_w32(U(IFLS), 0x12);
	mmio_w32(U(DR), 't');
	keep(wait_bits(RIS, INT_RT, INT_RT));
	keep(mmio_r32(U(DR)));
	keep(mmio_r32(U(RIS)) & INT_RT);
	loop_off();
	CHECK_EQ(got[0], 1);
	CHECK_EQ(got[1], 't');
	CHECK_EQ(got[2], 0);

	group("without fifos");
	ngot = 0;
	loop_on(0x60);
	keep(flags() & FR_RXFF);
	mmio_w32(U(DR), '1');
	keep(wait_bits(RIS, INT_RX, INT_RX));
	keep(flags() & FR_RXFF);
	keep(mmio_r32(U(DR)));
	keep(mmio_r32(U(RIS)) & INT_RX);
	keep(flags() & FR_RXFE);
	loop_off();
	CHECK_EQ(got[0], 0);
	CHECK_EQ(got[1], 1);
	CHECK_EQ(got[2], FR_RXFF);
	CHECK_EQ(got[3], '1');
	CHECK_EQ(got[4], 0);
	CHECK_EQ(got[5], FR_RXFE);
}

static void test_break(void)
{
	group("break");
	ngot = 0;
	loop_on(0x70);
	mmio_w32(U(LCRH), 0x71);
	keep(wait_bits(RIS, INT_BE, INT_BE));
	mmio_w32(U(LCRH), 0x70);
	keep(mmio_r32(U(DR)) & 0x4ff);
	keep(mmio_r32(U(RSR)) & 4);
	mmio_w32(U(RSR), 0);
	keep(mmio_r32(U(RSR)));
	mmio_w32(U(ICR), INT_BE);
	keep(mmio_r32(U(RIS)) & INT_BE);
	loop_off();
	CHECK_EQ(got[0], 1);
	CHECK_EQ(got[1], 0x400);
	CHECK_EQ(got[2], 4);
	CHECK_EQ(got[3], 0);
	CHECK_EQ(got[4], 0);
}

static volatile unsigned irqs;
static uint64_t irq_mis;

static void quiesce(unsigned id)
{
	if (id != SPI_UART)
		return;
	irqs++;
	irq_mis = mmio_r32(U(MIS));
	while (!(flags() & FR_RXFE))
		keep(mmio_r32(U(DR)));
	mmio_w32(U(ICR), 0x7ff);
}

static void test_irq(void)
{
	bool ok;

	group("receive interrupt");
	ngot = 0;
	gic_init();
	exc_irq = gic_take;
	gic_quiesce = quiesce;
	loop_on(0x70);
	mmio_w32(U(IMSC), INT_RT);
	gic_enable(SPI_UART);
	mmio_w32(U(DR), 'i');
	ok = irq_wait(&irqs, 5000);
	gic_disable(SPI_UART);
	loop_off();
	CHECK(ok);
	CHECK_EQ(irqs, 1);
	CHECK_EQ(irq_mis, INT_RT);
	CHECK_EQ(ngot, 1);
	CHECK_EQ(got[0], 'i');
	CHECK_EQ(gic_is_pending(SPI_UART), 0);
}

void test_main(void)
{
	test_registers();
	test_loop();
	test_rx_interrupts();
	test_break();
	test_irq();
	group("output works after all that");
	print("still here\n");
	expect_none();
}
