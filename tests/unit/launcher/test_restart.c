/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/restart.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define MS 1000000ull
#define S (1000 * MS)

static const struct restart_policy usual = {RESTART_LIMIT, RESTART_BACKOFF_NS, RESTART_WINDOW_NS};

/* Dies at @now, and is started after the delay: as the supervisor does it. */
static bool die(struct restart_row *row, const struct restart_policy *p, uint64_t now,
		uint64_t *delay)
{
	bool again = restart_next(row, p, now, delay);
	if (again)
		row->started_ns = now + *delay;
	return again;
}

static void the_first_is_at_once_and_the_rest_wait_twice_as_long_each(void **state)
{
	static const uint64_t want[] = {0, 50 * MS, 100 * MS, 200 * MS, 400 * MS};
	struct restart_row row = {.started_ns = 100 * S};
	uint64_t now = 101 * S, delay = 1;
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		assert_true(die(&row, &usual, now, &delay));
		assert_int_equal(delay, want[i]);
		now = row.started_ns + 1 * MS;
	}
	assert_false(die(&row, &usual, now, &delay));
	assert_int_equal(row.count, 5);
}

static void one_that_lived_longer_than_the_window_ends_the_row(void **state)
{
	struct restart_row row = {.started_ns = 100 * S};
	uint64_t now = 100 * S, delay = 1;
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		assert_true(die(&row, &usual, now, &delay));
		now = row.started_ns;
	}
	now = row.started_ns + RESTART_WINDOW_NS; /* not longer: it is one of the row */
	assert_false(restart_next(&row, &usual, now, &delay));
	assert_true(restart_next(&row, &usual, now + 1, &delay));
	assert_int_equal(delay, 0);
	assert_int_equal(row.count, 1);
}

static void the_first_death_of_a_long_run_is_at_once(void **state)
{
	struct restart_row row = {0}; /* never restarted */
	uint64_t delay = 1;
	(void)state;
	assert_true(restart_next(&row, &usual, 1000 * S, &delay));
	assert_int_equal(delay, 0);
}

static void a_limit_of_none_gives_up_at_once(void **state)
{
	struct restart_policy p = {.limit = 0, .backoff_ns = 1, .window_ns = S};
	struct restart_row row = {0};
	uint64_t delay = 77;
	(void)state;
	assert_false(restart_next(&row, &p, 5 * S, &delay));
	assert_int_equal(delay, 77);
}

static void without_backoff_all_are_at_once_and_a_long_row_waits_a_minute_at_most(void **state)
{
	struct restart_policy p = {.limit = RESTART_LIMIT_MAX, .backoff_ns = 0, .window_ns = S};
	struct restart_row row = {.started_ns = S, .count = 1000};
	uint64_t delay = 1;
	(void)state;
	assert_true(restart_next(&row, &p, S, &delay));
	assert_int_equal(delay, 0);
	p.backoff_ns = 3 * MS;
	assert_true(restart_next(&row, &p, S, &delay));
	assert_int_equal(delay, RESTART_BACKOFF_MAX_NS);
	p.backoff_ns = UINT64_MAX;
	assert_true(restart_next(&row, &p, S, &delay));
	assert_int_equal(delay, RESTART_BACKOFF_MAX_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_is_at_once_and_the_rest_wait_twice_as_long_each),
		cmocka_unit_test(one_that_lived_longer_than_the_window_ends_the_row),
		cmocka_unit_test(the_first_death_of_a_long_run_is_at_once),
		cmocka_unit_test(a_limit_of_none_gives_up_at_once),
		cmocka_unit_test(
			without_backoff_all_are_at_once_and_a_long_row_waits_a_minute_at_most),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
