/* SPDX-License-Identifier: Apache-2.0 */
/* Group 0 interrupts arrive as FIQs, acknowledged by the Group 0 registers. IHI 0069, 4.6; one security state. */
#include "gic.h"

#define SPI_A 40u
#define ICC_EOIR0_EL1 S3_0_C12_C8_1
#define ICC_HPPIR0_EL1 S3_0_C12_C8_2

static volatile unsigned fiqs, last, isr;

static void take_fiq(void)
{
	isr = (unsigned)read_sysreg(isr_el1);
	last = (unsigned)icc_read(ICC_IAR0_EL1);
	if (last < 1020)
		icc_write(ICC_EOIR0_EL1, last);
	fiqs++;
}

static void let_fiq_in(void)
{
	for (int i = 0; i < 4; i++)
		__asm__ volatile("msr daifclr, #1\n\tisb\n\tnop\n\tmsr daifset, #1" ::: "memory");
}

void test_main(void)
{
	gic_init();
	exc_fiq = take_fiq;
	exc_irq = gic_take;
	mmio_w32(GICD + GICD_CTLR, 0x13);
	icc_write(ICC_IGRPEN0_EL1, 1);
	icc_write(ICC_BPR0_EL1, 0);

	group("a group 0 interrupt is a FIQ");
	mmio_w32(gic_bit_reg(SPI_A, GICD_IGROUPR), ~(1u << (SPI_A & 31)));
	gic_edge(SPI_A, true);
	gic_enable(SPI_A);
	CHECK_EQ(read_sysreg(isr_el1), 0);
	gic_pend(SPI_A);
	CHECK_EQ(read_sysreg(isr_el1), 0x40);
	CHECK_EQ(icc_read(ICC_HPPIR0_EL1), SPI_A);
	CHECK_EQ(icc_read(ICC_HPPIR1_EL1), 1023);
	__asm__ volatile("msr daifclr, #2\n\tisb\n\tnop\n\tmsr daifset, #2" ::: "memory");
	CHECK_EQ(gic_count, 0);
	CHECK_EQ(fiqs, 0);
	let_fiq_in();
	CHECK_EQ(fiqs, 1);
	CHECK_EQ(last, SPI_A);
	CHECK_EQ(isr, 0x40);
	CHECK_EQ(read_sysreg(isr_el1), 0);
	CHECK_EQ(gic_is_active(SPI_A), 0);

	group("a masked FIQ ends WFI");
	gic_pend(SPI_A);
	__asm__ volatile("wfi" ::: "memory");
	CHECK_EQ(fiqs, 1);
	let_fiq_in();
	CHECK_EQ(fiqs, 2);

	group("group enable holds it back");
	icc_write(ICC_IGRPEN0_EL1, 0);
	gic_pend(SPI_A);
	let_fiq_in();
	CHECK_EQ(fiqs, 2);
	icc_write(ICC_IGRPEN0_EL1, 1);
	let_fiq_in();
	CHECK_EQ(fiqs, 3);
}
