/* SPDX-License-Identifier: Apache-2.0 */
/* The generic timer's virtual and physical timers, their interrupts and the EL0 gates. */
#include "gic.h"

static uint64_t freq;

static uint64_t el0_cntvct(uint64_t x)
{
	(void)x;
	return read_sysreg(cntvct_el0);
}
static uint64_t el0_cntpct(uint64_t x)
{
	(void)x;
	return read_sysreg(cntpct_el0);
}
static uint64_t el0_cntv(uint64_t x)
{
	write_sysreg(cntv_cval_el0, x);
	return read_sysreg(cntv_cval_el0);
}
static uint64_t el0_cntp(uint64_t x)
{
	write_sysreg(cntp_cval_el0, x);
	return read_sysreg(cntp_cval_el0);
}
static uint64_t el0_frq(uint64_t x)
{
	(void)x;
	return read_sysreg(cntfrq_el0);
}

static void spin_until(uint64_t t)
{
	while (read_sysreg(cntvct_el0) < t)
		;
}

static void test_counters(void)
{
	uint64_t a, b;

	group("counters");
	freq = read_sysreg(cntfrq_el0);
	CHECK(freq >= 1000000);
	a = read_sysreg(cntvct_el0);
	for (int i = 0; i < 1000; i++) {
		b = read_sysreg(cntvct_el0);
		CHECK(b >= a);
		a = b;
	}
	a = read_sysreg(cntpct_el0);
	spin_until(read_sysreg(cntvct_el0) + freq / 1000);
	b = read_sysreg(cntpct_el0);
	CHECK(b - a >= freq / 1000 * 9 / 10);
}

#define TIMER_TESTS(T, CT)                                                                         \
	do {                                                                                       \
		uint64_t now_;                                                                     \
		write_sysreg(cnt##T##_ctl_el0, 0);                                                 \
		write_sysreg(cnt##T##_cval_el0, 0x123456789abcdef0ull);                            \
		CHECK_EQ(read_sysreg(cnt##T##_cval_el0), 0x123456789abcdef0ull);                   \
		CHECK_EQ(read_sysreg(cnt##T##_ctl_el0), 0);                                        \
		/* TVAL is signed, 32 bits, relative to the counter. */                            \
		now_ = read_sysreg(CT);                                                            \
		write_sysreg(cnt##T##_tval_el0, 0x7fffffff);                                       \
		CHECK(read_sysreg(cnt##T##_cval_el0) - now_ >= 0x7fffffff);                        \
		CHECK(read_sysreg(cnt##T##_cval_el0) - now_ < 0x7fffffffull + freq);               \
		CHECK((int32_t)read_sysreg(cnt##T##_tval_el0) > 0);                                \
		CHECK_EQ(read_sysreg(cnt##T##_tval_el0) >> 32, 0);                                 \
		now_ = read_sysreg(CT);                                                            \
		write_sysreg(cnt##T##_tval_el0, 0xffffff00);                                       \
		CHECK(now_ - read_sysreg(cnt##T##_cval_el0) <= 0x100);                             \
		CHECK((int32_t)read_sysreg(cnt##T##_tval_el0) <= -0x100);                          \
		now_ = read_sysreg(CT);                                                            \
		write_sysreg(cnt##T##_tval_el0, 0xdead000000000100ull);                            \
		CHECK(read_sysreg(cnt##T##_cval_el0) - now_ < freq);                               \
		/* CTL: ENABLE, IMASK, ISTATUS read-only. */                                       \
		write_sysreg(cnt##T##_cval_el0, ~0ull);                                            \
		write_sysreg(cnt##T##_ctl_el0, 7);                                                 \
		CHECK_EQ(read_sysreg(cnt##T##_ctl_el0), 3);                                        \
		write_sysreg(cnt##T##_cval_el0, 0);                                                \
		CHECK_EQ(read_sysreg(cnt##T##_ctl_el0), 7);                                        \
		write_sysreg(cnt##T##_ctl_el0, 1);                                                 \
		CHECK_EQ(read_sysreg(cnt##T##_ctl_el0), 5);                                        \
		write_sysreg(cnt##T##_ctl_el0, 2);                                                 \
		CHECK_EQ(read_sysreg(cnt##T##_ctl_el0) & 3, 2);                                    \
		write_sysreg(cnt##T##_ctl_el0, 0);                                                 \
	} while (0)

static void test_registers(void)
{
	group("virtual timer registers");
	TIMER_TESTS(v, cntvct_el0);
	group("physical timer registers");
	TIMER_TESTS(p, cntpct_el0);
	expect_none();
}

static void quiesce(unsigned id)
{
	if (id == PPI_CNTV)
		write_sysreg(cntv_ctl_el0, 3);
	if (id == PPI_CNTP)
		write_sysreg(cntp_ctl_el0, 3);
}

static void test_irq(unsigned id)
{
	uint64_t start;

	gic_count = 0;
	gic_enable(id);
	start = read_sysreg(cntvct_el0);
	if (id == PPI_CNTV) {
		write_sysreg(cntv_tval_el0, freq / 200);
		write_sysreg(cntv_ctl_el0, 1);
	} else {
		write_sysreg(cntp_tval_el0, freq / 200);
		write_sysreg(cntp_ctl_el0, 1);
	}
	CHECK_EQ(gic_is_pending(id), 0);
	CHECK(irq_wait(&gic_count, 3000));
	CHECK_EQ(gic_count, 1);
	CHECK_EQ(gic_last, id);
	CHECK(read_sysreg(cntvct_el0) - start >= freq / 200);
	/* Masked at the timer: the line is low. */
	CHECK_EQ(gic_is_pending(id), 0);
	/* The condition still holds; unmasking raises the line again, being level-sensitive. */
	if (id == PPI_CNTV)
		write_sysreg(cntv_ctl_el0, 1);
	else
		write_sysreg(cntp_ctl_el0, 1);
	CHECK_EQ(gic_is_pending(id), 1);
	CHECK(irq_wait(&gic_count, 3000));
	__asm__ volatile("msr daifclr, #2\n\tisb\n\tmsr daifset, #2");
	CHECK_EQ(gic_count, 2);
	/* A deadline moved into the future lowers the line. */
	if (id == PPI_CNTV) {
		write_sysreg(cntv_ctl_el0, 1);
		CHECK_EQ(gic_is_pending(id), 1);
		write_sysreg(cntv_cval_el0, ~0ull);
	} else {
		write_sysreg(cntp_ctl_el0, 1);
		CHECK_EQ(gic_is_pending(id), 1);
		write_sysreg(cntp_cval_el0, ~0ull);
	}
	CHECK_EQ(gic_is_pending(id), 0);
	gic_disable(id);
	write_sysreg(cntv_ctl_el0, 0);
	write_sysreg(cntp_ctl_el0, 0);
}

static void test_ticks(void)
{
	group("a hundred ticks by WFI");
	gic_enable(PPI_CNTV);
	write_sysreg(cntv_cval_el0, read_sysreg(cntvct_el0) + freq / 10000);
	write_sysreg(cntv_ctl_el0, 1);
	for (int i = 0; i < 100; i++) {
		uint64_t cval = read_sysreg(cntv_cval_el0);

		gic_count = 0;
		if (!irq_wait(&gic_count, 3000)) {
			CHECK_EQ(i, 100);
			break;
		}
		CHECK(read_sysreg(cntvct_el0) >= cval);
		write_sysreg(cntv_cval_el0, read_sysreg(cntvct_el0) + freq / 10000);
		write_sysreg(cntv_ctl_el0, 1);
	}
	write_sysreg(cntv_ctl_el0, 0);
	gic_disable(PPI_CNTV);

	group("both timers at once");
	gic_enable(PPI_CNTV);
	gic_enable(PPI_CNTP);
	gic_count = 0;
	write_sysreg(cntp_tval_el0, freq / 500);
	write_sysreg(cntv_tval_el0, freq / 1000);
	write_sysreg(cntp_ctl_el0, 1);
	write_sysreg(cntv_ctl_el0, 1);
	CHECK(irq_wait(&gic_count, 3000));
	if (gic_count < 2) {
		CHECK_EQ(gic_last, PPI_CNTV);
		gic_count = 0;
		CHECK(irq_wait(&gic_count, 3000));
	}
	CHECK_EQ(gic_last, PPI_CNTP);
	gic_disable(PPI_CNTV);
	gic_disable(PPI_CNTP);
	write_sysreg(cntv_ctl_el0, 0);
	write_sysreg(cntp_ctl_el0, 0);
}

static void test_el0(void)
{
	group("el0 gates");
	write_sysreg(cntkctl_el1, 0);
	(void)el0_call(el0_cntvct, 0);
	expect_exc(0x18);
	exc_reset();
	(void)el0_call(el0_cntpct, 0);
	expect_exc(0x18);
	exc_reset();
	(void)el0_call(el0_frq, 0);
	expect_exc(0x18);
	write_sysreg(cntkctl_el1, 2); /* EL0VCTEN */
	exc_reset();
	CHECK(el0_call(el0_cntvct, 0) != 0);
	CHECK_EQ(el0_call(el0_frq, 0), freq);
	expect_none();
	(void)el0_call(el0_cntpct, 0);
	expect_exc(0x18);
	write_sysreg(cntkctl_el1, 1); /* EL0PCTEN */
	exc_reset();
	CHECK(el0_call(el0_cntpct, 0) != 0);
	expect_none();
	(void)el0_call(el0_cntvct, 0);
	expect_exc(0x18);
	write_sysreg(cntkctl_el1, 0x100); /* EL0VTEN */
	exc_reset();
	CHECK_EQ(el0_call(el0_cntv, 12345), 12345);
	expect_none();
	write_sysreg(cntkctl_el1, 0x200); /* EL0PTEN */
	CHECK_EQ(el0_call(el0_cntp, 54321), 54321);
	expect_none();
	(void)el0_call(el0_cntv, 1);
	CHECK_EQ(exc.count, 2);
	CHECK_EQ(read_sysreg(cntv_cval_el0), 12345);
	write_sysreg(cntkctl_el1, 0);
	exc_reset();
	(void)el0_call(el0_cntp, 1);
	CHECK_EQ(exc.count, 2);
	CHECK_EQ(ESR_EC(exc.esr), 0x18);
}

void test_main(void)
{
	gic_init();
	exc_irq = gic_take;
	gic_quiesce = quiesce;
	test_counters();
	test_registers();
	group("virtual timer interrupt");
	test_irq(PPI_CNTV);
	group("physical timer interrupt");
	test_irq(PPI_CNTP);
	test_ticks();
	test_el0();
}
