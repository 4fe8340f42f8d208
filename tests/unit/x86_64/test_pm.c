/* SPDX-License-Identifier: Apache-2.0 */
/* ACPI's fixed registers and the reset register. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "hv/arch/x86_64/board.h"
#include "hv/arch/x86_64/pm.h"

static struct guest_clock guest_time;
static struct pm pm;
static int level = -1;

static void sci(void *opaque, bool l)
{
	(void)opaque;
	level = l;
}

static enum pm_event put(unsigned port, unsigned len, uint64_t v)
{
	return pm_access(&pm, port, len, true, &v);
}

static uint64_t get(unsigned port, unsigned len)
{
	uint64_t v = 0;
	assert_int_equal(pm_access(&pm, port, len, false, &v), PM_NONE);
	return v;
}

static int setup(void **state)
{
	(void)state;
	guest_clock_start(&guest_time);
	pm_init(&pm, &guest_time, sci, NULL);
	level = -1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pm_fini(&pm);
	return 0;
}

static void only_its_ports_are_its_own(void **state)
{
	(void)state;
	assert_true(pm_has(0x600) && pm_has(0x60f) && pm_has(0xcf9));
	assert_false(pm_has(0x5ff) || pm_has(0x610) || pm_has(0xcf8) || pm_has(0x10600));
}

static void sleeping_switches_off(void **state)
{
	(void)state;
	assert_int_equal(get(BOARD_PM1_CNT, 2) & 1, 1); /* SCI_EN */
	assert_int_equal(put(BOARD_PM1_CNT, 2, 5u << 10), PM_NONE);
	assert_int_equal(put(BOARD_PM1_CNT, 2, 1u << 13), PM_NONE); /* another type */
	assert_int_equal(put(BOARD_PM1_CNT, 2, 5u << 10 | 1u << 13), PM_POWEROFF);
	assert_int_equal(get(BOARD_PM1_CNT, 2) >> 13 & 1, 0);
	put(BOARD_PM1_CNT, 1, 0);
	assert_int_equal(put(BOARD_PM1_CNT + 1, 1, 5u << 2 | 1u << 5), PM_POWEROFF); /* by bytes */
}

static void reset_is_a_rising_bit(void **state)
{
	(void)state;
	assert_int_equal(put(0xcf9, 1, 2), PM_NONE);
	assert_int_equal(put(0xcf9, 1, 6), PM_RESET);
	assert_int_equal(put(0xcf9, 1, 6), PM_RESET); /* the bit does not stay */
	assert_int_equal(get(0xcf9, 1), 2);
}

static void the_button_interrupts_who_listens(void **state)
{
	(void)state;
	assert_false(pm_power_button(&pm));
	assert_int_equal(level, -1);
	put(BOARD_PM1_EVT + 2, 2, 1u << 8);
	assert_true(pm_power_button(&pm));
	assert_int_equal(level, 1);
	assert_int_equal(get(BOARD_PM1_EVT, 2), 1u << 8);
	put(BOARD_PM1_EVT, 2, 1u << 8);
	assert_int_equal(level, 0);
	assert_int_equal(get(BOARD_PM1_EVT, 4), 1u << 24);
	pm_power_button(&pm);
	pm_reset(&pm);
	assert_int_equal(level, 0);
	assert_int_equal(get(BOARD_PM1_EVT, 4), 0);
}

static void timer_counts_and_bytes_fit_together(void **state)
{
	(void)state;
	guest_clock_stop(&guest_time);
	atomic_store(&guest_time.stopped_at, 1000000000ull + 1);
	assert_int_equal(get(BOARD_PM_TMR, 4), 3579545);
	assert_int_equal(get(BOARD_PM_TMR, 2), 3579545 & 0xffff);
	assert_int_equal(get(BOARD_PM_TMR + 2, 1), 3579545 >> 16);
	put(BOARD_PM_TMR, 4, 0);
	assert_int_equal(get(BOARD_PM_TMR, 4), 3579545);
	assert_int_equal(get(0x60e, 2), 0xffff); /* nothing there */
	guest_clock_start(&guest_time);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_its_ports_are_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(sleeping_switches_off, setup, teardown),
		cmocka_unit_test_setup_teardown(reset_is_a_rising_bit, setup, teardown),
		cmocka_unit_test_setup_teardown(the_button_interrupts_who_listens, setup, teardown),
		cmocka_unit_test_setup_teardown(timer_counts_and_bytes_fit_together, setup,
						teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
