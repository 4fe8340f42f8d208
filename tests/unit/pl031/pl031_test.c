/* SPDX-License-Identifier: Apache-2.0 */
/* PL031 against ARM DDI 0224C. */
#include "devmodel/core/testenv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

extern const struct dm_class dm_class_pl031;

enum {
	DR = 0x00,
	MR = 0x04,
	LR = 0x08,
	CR = 0x0c,
	IMSC = 0x10,
	RIS = 0x14,
	MIS = 0x18,
	ICR = 0x1c
};
#define S 1000000000ull
#define START 1000000000u /* 2001-09-09T01:46:40Z */

static int setup(void **state)
{
	*state = dmt_create(&dm_class_pl031,
			    (const char *const[]){"base", "2001-09-09T01:46:40Z", NULL});
	return 0;
}

static int teardown(void **state)
{
	dmt_destroy(*state);
	return 0;
}

static void ids_and_reset_values(void **state)
{
	struct dm_test *t = *state;
	static const uint32_t want[][2] = {
		{MR, 0},       {LR, 0},	      {CR, 1},	     {IMSC, 0},	    {RIS, 0},
		{MIS, 0},      {0xfe0, 0x31}, {0xfe4, 0x10}, {0xfe8, 0x14}, {0xfec, 0},
		{0xff0, 0x0d}, {0xff4, 0xf0}, {0xff8, 0x05}, {0xffc, 0xb1}};
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(dmt_r32(t, want[i][0]), want[i][1]);
}

static void a_fixed_base_runs_with_the_guests_clock(void **state)
{
	struct dm_test *t = *state;
	assert_int_equal(dmt_r32(t, DR), START);
	t->real_ns += 1000 * S; /* the wall clock does not matter */
	dmt_advance(t, 5 * S - 1);
	assert_int_equal(dmt_r32(t, DR), START + 4);
	dmt_advance(t, 1);
	assert_int_equal(dmt_r32(t, DR), START + 5);
}

static void the_host_base_is_the_wall_clock(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_pl031, NULL);
	t->real_ns = 1234567890 * S;
	assert_int_equal(dmt_r32(t, DR), 1234567890);
	dmt_w32(t, LR, 1000);
	t->real_ns += 7 * S; /* goes on while the guest is paused */
	assert_int_equal(dmt_r32(t, DR), 1007);
	dmt_destroy(t);
}

static void load_sets_the_time(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, LR, 42);
	assert_int_equal(dmt_r32(t, LR), 42);
	assert_int_equal(dmt_r32(t, DR), 42);
	dmt_advance(t, 3 * S);
	assert_int_equal(dmt_r32(t, DR), 45);
	dmt_w32(t, DR, 7); /* read-only */
	assert_int_equal(dmt_r32(t, DR), 45);
}

static void match_interrupts_at_its_second(void **state)
{
	struct dm_test *t = *state;
	dmt_advance(t, S / 2);
	dmt_w32(t, IMSC, 1);
	dmt_w32(t, MR, START + 2);
	dmt_advance(t, 3 * S / 2 - 1);
	assert_false(dmt_line(t, 0));
	dmt_advance(t, 1);
	assert_true(dmt_line(t, 0));
	assert_int_equal(dmt_r32(t, RIS), 1);
	assert_int_equal(dmt_r32(t, MIS), 1);
	dmt_w32(t, ICR, 1);
	assert_false(dmt_line(t, 0));
	dmt_advance(t, 100 * S);
	assert_int_equal(dmt_r32(t, RIS), 0);
}

static void a_match_with_now_interrupts_at_once(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, MR, START);
	assert_int_equal(dmt_r32(t, RIS), 1);
	assert_int_equal(dmt_r32(t, MIS), 0);
	dmt_w32(t, IMSC, 1);
	assert_true(dmt_line(t, 0));
}

static void load_moves_the_match(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, IMSC, 1);
	dmt_w32(t, MR, START + 100);
	dmt_w32(t, LR, START + 99);
	dmt_advance(t, S);
	assert_true(dmt_line(t, 0));
}

static void a_match_in_the_past_does_not_interrupt(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, IMSC, 1);
	dmt_w32(t, MR, START - 1);
	dmt_advance(t, 1000 * S);
	assert_false(dmt_line(t, 0));
}

static void a_wall_clock_turned_back_delays_the_match(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_pl031, NULL);
	uint32_t now = dmt_r32(t, DR);
	dmt_w32(t, IMSC, 1);
	dmt_w32(t, MR, now + 10);
	t->real_ns -= 5 * S;
	dmt_advance(t, 10 * S);
	assert_false(dmt_line(t, 0));
	dmt_advance(t, 5 * S);
	assert_true(dmt_line(t, 0));
	dmt_destroy(t);
}

static void a_wall_clock_set_forward_does_not_miss_the_match(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_pl031, NULL);
	dmt_w32(t, IMSC, 1);
	dmt_w32(t, MR, dmt_r32(t, DR) + 10);
	t->real_ns += 3600 * S;
	dmt_advance(t, 10 * S);
	assert_true(dmt_line(t, 0));
	dmt_destroy(t);
}

static void it_cannot_be_stopped(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, CR, 0);
	assert_int_equal(dmt_r32(t, CR), 1);
	dmt_advance(t, S);
	assert_int_equal(dmt_r32(t, DR), START + 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(ids_and_reset_values),
		T(a_fixed_base_runs_with_the_guests_clock),
		cmocka_unit_test(the_host_base_is_the_wall_clock),
		T(load_sets_the_time),
		T(match_interrupts_at_its_second),
		T(a_match_with_now_interrupts_at_once),
		T(load_moves_the_match),
		T(a_match_in_the_past_does_not_interrupt),
		cmocka_unit_test(a_wall_clock_turned_back_delays_the_match),
		cmocka_unit_test(a_wall_clock_set_forward_does_not_miss_the_match),
		T(it_cannot_be_stopped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
