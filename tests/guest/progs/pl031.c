/* SPDX-License-Identifier: Apache-2.0 */
/* The PL031 real time clock. DDI 0224. */
#include "gic.h"

#define DR (RTC_BASE + 0x00)
#define MR (RTC_BASE + 0x04)
#define LR (RTC_BASE + 0x08)
#define CR (RTC_BASE + 0x0c)
#define IMSC (RTC_BASE + 0x10)
#define RIS (RTC_BASE + 0x14)
#define MIS (RTC_BASE + 0x18)
#define ICR (RTC_BASE + 0x1c)

static bool wait_bit(uint64_t reg, unsigned ms)
{
	uint64_t freq = read_sysreg(cntfrq_el0), end = read_sysreg(cntvct_el0) + freq / 1000 * ms;

	while (read_sysreg(cntvct_el0) < end)
		if (mmio_r32(reg) & 1)
			return true;
	return false;
}

static volatile unsigned irqs;

static void quiesce(unsigned id)
{
	if (id == SPI_RTC) {
		irqs++;
		mmio_w32(ICR, 1);
	}
}

void test_main(void)
{
	static const uint8_t ids[] = {0x31, 0x10, 0x04, 0x00,
				      0x0d, 0xf0, 0x05, 0xb1}; /* without the revision */
	uint32_t a, b;

	gic_init();
	exc_irq = gic_take;
	gic_quiesce = quiesce;
	group("identification");
	for (unsigned i = 0; i < 8; i++)
		CHECK_EQ(mmio_r32(RTC_BASE + 0xfe0 + 4 * i) & (i == 2 ? 0x0f : 0xff), ids[i]);
	group("registers");
	CHECK_EQ(mmio_r32(CR), 1);
	CHECK_EQ(mmio_r32(IMSC), 0);
	CHECK_EQ(mmio_r32(MIS), 0);
	mmio_w32(MR, 0xfffffff0);
	CHECK_EQ(mmio_r32(MR), 0xfffffff0);
	mmio_w32(IMSC, 1);
	CHECK_EQ(mmio_r32(IMSC), 1);
	mmio_w32(IMSC, 0);
	mmio_w32(RIS, 1);
	mmio_w32(MIS, 1);
	CHECK_EQ(mmio_r32(RIS), 0);
	group("load");
	mmio_w32(LR, 1000000);
	a = mmio_r32(DR);
	CHECK(a >= 1000000 && a <= 1000001);
	CHECK_EQ(mmio_r32(LR), 1000000);
	mmio_w32(DR, 5);
	b = mmio_r32(DR);
	CHECK(b >= a && b <= a + 1);
	mmio_w32(LR, 0x80000000);
	a = mmio_r32(DR);
	CHECK(a >= 0x80000000 && a <= 0x80000001);
	CHECK_EQ(mmio_r32(RIS), 0);
	group("match");
	mmio_w32(LR, 500);
	mmio_w32(MR, 502);
	CHECK_EQ(mmio_r32(RIS), 0);
	CHECK(wait_bit(RIS, 6000));
	CHECK(mmio_r32(DR) >= 502);
	CHECK(mmio_r32(DR) <= 504);
	CHECK_EQ(mmio_r32(MIS), 0);
	CHECK_EQ(gic_is_pending(SPI_RTC), 0);
	mmio_w32(IMSC, 1);
	CHECK_EQ(mmio_r32(MIS), 1);
	CHECK_EQ(gic_is_pending(SPI_RTC), 1);
	mmio_w32(ICR, 1);
	CHECK_EQ(mmio_r32(RIS), 0);
	CHECK_EQ(mmio_r32(MIS), 0);
	CHECK_EQ(gic_is_pending(SPI_RTC), 0);
	group("alarm interrupt");
	gic_enable(SPI_RTC);
	mmio_w32(MR, mmio_r32(DR) + 1);
	CHECK(irq_wait(&irqs, 6000));
	CHECK_EQ(irqs, 1);
	CHECK_EQ(gic_last, SPI_RTC);
	CHECK_EQ(mmio_r32(RIS), 0);
	group("no interrupt without a match");
	mmio_w32(MR, mmio_r32(DR) + 100000);
	CHECK_EQ(mmio_r32(RIS), 0);
	CHECK_EQ(irqs, 1);
}
