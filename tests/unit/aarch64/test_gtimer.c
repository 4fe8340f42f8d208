/* SPDX-License-Identifier: Apache-2.0 */
/* The generic timer on a clock that stands where the test puts it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/err.h"
#include "hv/arch/aarch64/board.h"
#include "hv/arch/aarch64/soft/sysreg.h"
#include "hv/arch/aarch64/timer.h"

#define CNT(crm, op2) SYSREG_KEY(3, 3, 14, crm, op2)
#define P_TVAL CNT(2, 0)
#define P_CTL CNT(2, 1)
#define P_CVAL CNT(2, 2)
#define V_TVAL CNT(3, 0)
#define V_CTL CNT(3, 1)
#define V_CVAL CNT(3, 2)
#define GICR_ISPENDR0 (BOARD_GICR_BASE + 0x10200)

static struct {
	struct guest_clock clock;
	struct gic *gic;
	struct gtimer t;
	unsigned arms;
	uint64_t armed;
} f;

static void signal_ignored(void *opaque, unsigned cpu, bool level)
{
	(void)opaque;
	(void)cpu;
	(void)level;
}

static void arm(void *opaque, uint64_t ns)
{
	assert_ptr_equal(opaque, &f);
	f.arms++;
	f.armed = ns;
}

static void now(uint64_t ticks)
{
	atomic_store(&f.clock.stopped_at, (ticks << 4) + 1);
}

static int setup(void **state)
{
	(void)state;
	static const struct gic_ops ops = {.signal = signal_ignored};
	memset(&f, 0, sizeof(f));
	f.gic = gic_create(1, 32, &ops, NULL);
	CHECK(f.gic != NULL);
	now(1000);
	gtimer_init(&f.t, &f.clock, f.gic, 0, arm, &f);
	gtimer_reset(&f.t);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gic_destroy(f.gic);
	return 0;
}

static uint64_t rd(uint32_t key)
{
	uint64_t v = 0;
	assert_true(gtimer_read(&f.t, key, &v));
	return v;
}

static void wr(uint32_t key, uint64_t v)
{
	assert_true(gtimer_write(&f.t, key, v));
}

static bool ppi(unsigned intid)
{
	uint64_t v = 0;
	assert_true(gic_mmio(f.gic, 0, GICR_ISPENDR0, 4, false, &v));
	return v >> intid & 1;
}

static void counter_ticks_every_16_ns(void **state)
{
	(void)state;
	assert_int_equal(rd(CNT(0, 0)), 62500000);
	assert_int_equal(rd(CNT(0, 1)), 1000);
	now(1001);
	assert_int_equal(rd(CNT(0, 2)), 1001);
	wr(CNT(0, 0), 24000000); /* tells, changes nothing */
	assert_int_equal(rd(CNT(0, 0)), 24000000);
	assert_int_equal(rd(CNT(0, 2)), 1001);
	uint64_t v;
	assert_false(gtimer_read(&f.t, CNT(4, 0), &v));
	assert_false(gtimer_write(&f.t, CNT(0, 1), 0));
}

/* Both halves: compare value, control bits, level. */
static void fires_when_the_counter_reaches_cval(void **state)
{
	(void)state;
	static const struct {
		uint32_t ctl;
		unsigned intid;
	} t[] = {{V_CTL, BOARD_PPI_CNTV}, {P_CTL, BOARD_PPI_CNTP_NS}};
	for (unsigned i = 0; i < 2; i++) {
		now(1000);
		wr(t[i].ctl + 1, 1500); /* CVAL */
		wr(t[i].ctl, 1);
		assert_int_equal(rd(t[i].ctl), 1);
		assert_false(ppi(t[i].intid));
		assert_int_equal(gtimer_next_ns(&f.t), 1500 << 4);
		now(1499);
		gtimer_update(&f.t);
		assert_false(ppi(t[i].intid));
		now(1500);
		assert_int_equal(rd(t[i].ctl), 5); /* ISTATUS before anyone ran an update */
		gtimer_update(&f.t);
		assert_true(ppi(t[i].intid));
		assert_int_equal(gtimer_next_ns(&f.t), UINT64_MAX);
		wr(t[i].ctl, 3); /* masked: status stays */
		assert_false(ppi(t[i].intid));
		assert_int_equal(rd(t[i].ctl), 7);
		wr(t[i].ctl, 1);
		assert_true(ppi(t[i].intid));
		wr(t[i].ctl + 1, 1501);
		assert_false(ppi(t[i].intid));
		wr(t[i].ctl, 0);
		assert_int_equal(rd(t[i].ctl), 0);
	}
}

static void tval_is_signed_32_bits(void **state)
{
	(void)state;
	wr(V_TVAL, 500);
	assert_int_equal(rd(V_CVAL), 1500);
	wr(V_CTL, 1);
	now(1600);
	assert_int_equal(rd(V_TVAL), 0xffffff9c); /* -100 */
	wr(V_TVAL, 0xffffffff);
	assert_int_equal(rd(V_CVAL), 1599);
	assert_true(ppi(BOARD_PPI_CNTV));
	wr(V_TVAL, 0xabcd00000010); /* the upper half does not count */
	assert_int_equal(rd(V_CVAL), 1616);
	wr(P_TVAL, 0x80000000);
	assert_int_equal(rd(P_CVAL), 1600ull - 0x80000000);
	assert_int_equal(rd(P_TVAL), 0x80000000);
}

static void far_compare_values_do_not_overflow(void **state)
{
	(void)state;
	wr(V_CTL, 1);
	assert_true(ppi(BOARD_PPI_CNTV)); /* CVAL = 0: reached */
	static const uint64_t far[] = {UINT64_MAX, 1ull << 63, 1ull << 60};
	for (unsigned i = 0; i < 3; i++) {
		wr(V_CVAL, far[i]);
		assert_false(ppi(BOARD_PPI_CNTV));
		assert_int_equal(gtimer_next_ns(&f.t), UINT64_MAX);
	}
	assert_int_equal(f.arms, 0);
	wr(V_CVAL, (1ull << 60) - 1);
	assert_int_equal(gtimer_next_ns(&f.t), ((1ull << 60) - 1) << 4);
}

static void arms_only_for_earlier_times(void **state)
{
	(void)state;
	wr(V_CVAL, 2000);
	assert_int_equal(f.arms, 0);
	wr(V_CTL, 1);
	assert_int_equal(f.arms, 1);
	assert_int_equal(f.armed, 2000 << 4);
	wr(V_CVAL, 3000); /* later: the armed one comes too early and re-arms */
	wr(P_CVAL, 2500);
	wr(P_CTL, 1);
	assert_int_equal(f.arms, 1);
	wr(P_CVAL, 1800);
	assert_int_equal(f.arms, 2);
	assert_int_equal(f.armed, 1800 << 4);
	now(1800);
	gtimer_update(&f.t);
	assert_true(ppi(BOARD_PPI_CNTP_NS));
	assert_int_equal(f.arms, 3);
	assert_int_equal(f.armed, 3000 << 4);
	gtimer_update(&f.t);
	assert_int_equal(f.arms, 3);
	/* The host timer was lost (clock stopped and started): armed again. */
	gtimer_rearm(&f.t);
	assert_int_equal(f.arms, 4);
	assert_int_equal(f.armed, 3000 << 4);
}

static void masked_or_disabled_timers_arm_nothing(void **state)
{
	(void)state;
	wr(V_CVAL, 2000);
	wr(V_CTL, 3);
	assert_int_equal(gtimer_next_ns(&f.t), UINT64_MAX);
	wr(V_CTL, 2);
	assert_int_equal(gtimer_next_ns(&f.t), UINT64_MAX);
	assert_int_equal(f.arms, 0);
}

static void reset_drops_outputs(void **state)
{
	(void)state;
	wr(V_CTL, 1);
	wr(SYSREG_KEY(3, 0, 14, 1, 0), 0xffff);
	assert_int_equal(rd(SYSREG_KEY(3, 0, 14, 1, 0)), 0x3ff);
	assert_true(ppi(BOARD_PPI_CNTV));
	gtimer_reset(&f.t);
	assert_false(ppi(BOARD_PPI_CNTV));
	assert_int_equal(rd(SYSREG_KEY(3, 0, 14, 1, 0)), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(counter_ticks_every_16_ns),	T(fires_when_the_counter_reaches_cval),
		T(tval_is_signed_32_bits),	T(far_compare_values_do_not_overflow),
		T(arms_only_for_earlier_times), T(masked_or_disabled_timers_arm_nothing),
		T(reset_drops_outputs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
