/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest of the hostile-daemon test. Round after round: accesses of all widths to the hostile
 * device, then the RTC must answer and the timer must go on. Prints a line a round, for ever.
 */
#include "gic.h"

#define BAD 0x0a100000ull
#define SHADOW (BAD + 0x00)
#define POSTED (BAD + 0x04)
#define FORWARD (BAD + 0x08)
#define SPI_BAD (32 + 40)

static volatile unsigned ticks;

static void on_irq(unsigned id)
{
	if (id == PPI_CNTV) {
		ticks++;
		write_sysreg(CNTV_CTL_EL0, 0);
	} else {
		gic_disable(id); /* a line that is stuck or storms is the guest's to mask */
	}
}

static void touch(void)
{
	(void)mmio_r32(SHADOW);
	(void)mmio_r32(FORWARD);
	CHECK(mmio_r8(FORWARD) <= 0xff);
	CHECK(mmio_r16(FORWARD) <= 0xffff);
	mmio_w32(FORWARD, 0x12345678);
	for (unsigned i = 0; i < 32; i++)
		mmio_w32(POSTED, i);
	(void)mmio_r64(BAD + 0x800);
	(void)mmio_r32(SHADOW);
}

static void tick(void)
{
	ticks = 0;
	write_sysreg(CNTV_TVAL_EL0, 1000);
	write_sysreg(CNTV_CTL_EL0, 1);
	CHECK(irq_wait(&ticks, 1000));
}

void test_main(void)
{
	gic_init();
	gic_quiesce = on_irq;
	exc_irq = gic_take;
	gic_enable(PPI_CNTV);
	group("hostile");
	for (unsigned round = 0;; round++) {
		gic_enable(SPI_BAD);
		gic_enable(SPI_BAD + 1);
		touch();
		CHECK(mmio_r32(RTC_BASE + 0xfe0) == 0x31);
		tick();
		print("round ");
		print_dec(round);
		print(" done\n");
	}
}
