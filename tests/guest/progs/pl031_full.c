/* SPDX-License-Identifier: Apache-2.0 */
/* The corners of the PL031. DDI 0224. */
#include "rt.h"

#define DR (RTC_BASE + 0x00)
#define MR (RTC_BASE + 0x04)
#define LR (RTC_BASE + 0x08)
#define CR (RTC_BASE + 0x0c)
#define IMSC (RTC_BASE + 0x10)
#define RIS (RTC_BASE + 0x14)
#define MIS (RTC_BASE + 0x18)
#define ICR (RTC_BASE + 0x1c)

static bool wait_value(uint64_t reg, uint32_t want, unsigned ms)
{
	uint64_t freq = read_sysreg(cntfrq_el0), end = read_sysreg(cntvct_el0) + freq / 1000 * ms;

	while (read_sysreg(cntvct_el0) < end)
		if (mmio_r32(reg) == want)
			return true;
	return false;
}

void test_main(void)
{
	uint32_t a;

	group("the clock wraps");
	mmio_w32(LR, 0xffffffff);
	CHECK(wait_value(DR, 0, 4000));
	group("masks are one bit");
	mmio_w32(IMSC, 0xffffffff);
	CHECK_EQ(mmio_r32(IMSC), 1);
	mmio_w32(IMSC, 0xfffffffe);
	CHECK_EQ(mmio_r32(IMSC), 0);
	group("control cannot stop the clock");
	mmio_w32(CR, 0);
	CHECK_EQ(mmio_r32(CR), 1);
	group("writes to read-only and reserved registers");
	a = mmio_r32(MR);
	mmio_w32(RIS, 1);
	mmio_w32(MIS, 1);
	mmio_w32(RTC_BASE + 0x20, 1);
	mmio_w32(RTC_BASE + 0xfe0, 0);
	CHECK_EQ(mmio_r32(RTC_BASE + 0xfe0), 0x31);
	CHECK_EQ(mmio_r32(RTC_BASE + 0x20), 0);
	CHECK_EQ(mmio_r32(ICR), 0);
	CHECK_EQ(mmio_r32(MR), a);
	group("a match in the past does not fire");
	mmio_w32(LR, 1000);
	mmio_w32(MR, 900);
	mmio_w32(ICR, 1);
	CHECK(wait_value(DR, 1001, 4000));
	CHECK_EQ(mmio_r32(RIS), 0);
	group("loading the clock moves the alarm");
	mmio_w32(MR, 5000);
	CHECK_EQ(mmio_r32(RIS), 0);
	mmio_w32(LR, 4999);
	CHECK(wait_value(RIS, 1, 4000));
	mmio_w32(ICR, 1);
	CHECK_EQ(mmio_r32(RIS), 0);
	expect_none();
}
