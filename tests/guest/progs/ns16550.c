/* SPDX-License-Identifier: Apache-2.0 */
/* The 16550 in memory, its registers 4 bytes apart and 4 wide: PC16550D data sheet. Against the shadow page's ways: what a driver sees
 * must be the same whether a read was forwarded or not. */
#include "gic.h"
#include "pc.h"

enum { RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static uint32_t in(unsigned reg)
{
	return mmio_r32(NS_BASE + ((uint64_t)reg << NS_SHIFT));
}

static void out(unsigned reg, uint32_t v)
{
	mmio_w32(NS_BASE + ((uint64_t)reg << NS_SHIFT), v);
}

static void test_registers(void)
{
	group("registers");
	CHECK_EQ(in(LSR), 0x60);
	CHECK_EQ(in(IIR), 0x01);
	CHECK_EQ(in(MSR), 0xb0);
	out(SCR, 0xa5a5a55a);
	CHECK_EQ(in(SCR), 0x5a); /* the upper bytes are 0 */
	out(IER, 0xff);
	CHECK_EQ(in(IER), 0x0f);
	out(IER, 0);
	out(LCR, 0x83);
	out(RBR, 0x0c);
	out(IER, 0x01);
	CHECK_EQ(in(RBR), 0x0c);
	CHECK_EQ(in(IER), 0x01);
	out(LCR, 0x03);
	CHECK_EQ(in(IER), 0);
	CHECK_EQ(in(LCR), 3);
}

static void test_fifo(void)
{
	unsigned n = 0;

	group("16 characters of FIFO");
	out(IIR, 0x07);
	CHECK_EQ(in(IIR), 0xc1);
	out(MCR, 0x10);
	in(MSR);
	for (unsigned i = 0; i < 40; i++) /* posted; the read behind them must see their effect */
		out(RBR, 'A' + i);
	CHECK_EQ(in(LSR), 0x63); /* overrun: once */
	CHECK_EQ(in(LSR), 0x61);
	while (in(LSR)&1) {
		CHECK_EQ(in(RBR), 'A' + n);
		n++;
	}
	CHECK_EQ(n, 16);
	for (unsigned i = 0; i < 1000; i++) {
		out(RBR, i & 0xff);
		CHECK_EQ(in(LSR), 0x61);
		CHECK_EQ(in(RBR), i & 0xff);
	}
	CHECK_EQ(in(LSR), 0x60);
}

static void test_modem(void)
{
	group("modem lines");
	out(MCR, 0x10);
	in(MSR);
	CHECK_EQ(in(MSR), 0);
	out(MCR, 0x1f);
	CHECK_EQ(in(MSR), 0xfb);
	CHECK_EQ(in(MSR), 0xf0); /* the deltas are read once */
	out(MCR, 0x1b);
	CHECK_EQ(in(MSR), 0xb4);
	CHECK_EQ(in(MSR), 0xb0);
	out(MCR, 0x00);
	CHECK_EQ(in(MSR), 0xb0);
}

static volatile unsigned irqs;
static uint32_t irq_iir;

static void quiesce(unsigned id)
{
	if (id != SPI_NS)
		return;
	irqs++;
	irq_iir = in(IIR);
	if ((irq_iir & 0x0f) == 4 || (irq_iir & 0x0f) == 0x0c)
		in(RBR);
}

static void test_interrupts(void)
{
	group("interrupts");
	gic_init();
	exc_irq = gic_take;
	gic_quiesce = quiesce;
	gic_enable(SPI_NS);
	irqs = 0;
	out(IER, 2); /* empty: at once, and once */
	CHECK(irq_wait(&irqs, 5000));
	CHECK_EQ(irq_iir, 0xc2);
	CHECK_EQ(irqs, 1);
	CHECK_EQ(in(IIR), 0xc1);
	irqs = 0;
	out(RBR, 'x'); /* and after each character */
	CHECK(irq_wait(&irqs, 5000));
	CHECK_EQ(irq_iir, 0xc2);
	CHECK_EQ(irqs, 1);
	out(IER, 1);
	out(MCR, 0x10);
	in(MSR);
	irqs = 0;
	out(IIR, 0x41);
	for (unsigned i = 0; i < 3; i++)
		out(RBR, 'a' + i);
	CHECK(irq_wait(&irqs, 5000)); /* below the level: after four characters' time */
	CHECK_EQ(irq_iir, 0xcc);
	out(IIR, 0x43);
	irqs = 0;
	for (unsigned i = 0; i < 4; i++)
		out(RBR, 'a' + i);
	CHECK(irq_wait(&irqs, 5000));
	CHECK_EQ(irq_iir, 0xc4);
	gic_disable(SPI_NS);
	out(IER, 0);
	out(IIR, 0);
	out(MCR, 0);
}

void test_main(void)
{
	test_registers();
	test_fifo();
	test_modem();
	test_interrupts();
	done();
}
