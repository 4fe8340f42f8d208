/* SPDX-License-Identifier: Apache-2.0 */
/* The MC146818, in memory, with a fixed time; each interrupt by the GIC. */
#include "gic.h"
#include "pc.h"

static uint8_t rd(uint8_t at)
{
	mmio_w8(CMOS_BASE, at);
	return mmio_r8(CMOS_BASE + 1);
}

static void wr(uint8_t at, uint8_t v)
{
	mmio_w8(CMOS_BASE, at);
	mmio_w8(CMOS_BASE + 1, v);
}

static volatile unsigned irqs;
static uint8_t flags;

static void quiesce(unsigned id)
{
	if (id != SPI_CMOS)
		return;
	irqs++;
	flags = rd(0x0c);
}

static void test_time(void)
{
	group("time");
	CHECK_EQ(rd(0x0a) & 0x7f, 0x26);
	CHECK_EQ(rd(0x0b), 0x02);
	CHECK_EQ(rd(0x0d), 0x80);
	CHECK_EQ(rd(0x32), 0x20);
	CHECK_EQ(rd(0x09), 0x01);
	CHECK_EQ(rd(0x08), 0x09);
	CHECK_EQ(rd(0x07), 0x09);
	CHECK_EQ(rd(0x04), 0x01);
	CHECK_EQ(rd(0x02), 0x46);
	wr(0x0b, 0x82);
	wr(0x32, 0x20);
	wr(0x09, 0x24);
	wr(0x08, 0x02);
	wr(0x07, 0x29);
	wr(0x04, 0x23);
	wr(0x02, 0x59);
	wr(0x00, 0x30);
	CHECK_EQ(rd(0x00), 0x30);
	wr(0x0b, 0x02);
	CHECK_EQ(rd(0x02), 0x59);
	CHECK_EQ(rd(0x07), 0x29);
}

static void test_ram(void)
{
	group("RAM");
	for (unsigned i = 0x0e; i < 0x80; i++)
		if (i != 0x32)
			wr((uint8_t)(i | 0x80), (uint8_t)(i * 7));
	for (unsigned i = 0x0e; i < 0x80; i++)
		if (i != 0x32)
			CHECK_EQ(rd((uint8_t)i), (uint8_t)(i * 7));
}

static void test_interrupts(void)
{
	group("periodic, update and alarm interrupts");
	gic_init();
	exc_irq = gic_take;
	gic_quiesce = quiesce;
	gic_enable(SPI_CMOS);
	rd(0x0c);
	irqs = 0;
	wr(0x0b, 0x42); /* 1024 Hz */
	CHECK(irq_wait(&irqs, 5000));
	CHECK_EQ(flags & 0xc0, 0xc0);
	wr(0x0b, 0x02);
	rd(0x0c);
	irqs = 0;
	wr(0x0b, 0x12);
	CHECK(irq_wait(&irqs, 5000));
	CHECK_EQ(flags & 0x90, 0x90);
	wr(0x0b, 0x02);
	rd(0x0c);
	irqs = 0;
	for (unsigned i = 1; i < 6; i += 2) /* each second */
		wr((uint8_t)i, 0xff);
	wr(0x0b, 0x22);
	CHECK(irq_wait(&irqs, 5000));
	CHECK_EQ(flags & 0xa0, 0xa0);
	wr(0x0b, 0x02);
	gic_disable(SPI_CMOS);
}

void test_main(void)
{
	test_time();
	test_ram();
	test_interrupts();
	done();
}
