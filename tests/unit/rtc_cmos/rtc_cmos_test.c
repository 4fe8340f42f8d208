/* SPDX-License-Identifier: Apache-2.0 */
/* The PC's real-time clock against Motorola's MC146818A data sheet. */
#include "devmodel/core/testenv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

extern const struct dm_class dm_class_rtc_cmos;

enum { SEC, SEC_A, MIN, MIN_A, HOUR, HOUR_A, WDAY, MDAY, MONTH, YEAR, A, B, C, D, CENTURY = 0x32 };
#define S 1000000000ull

static struct dm_test *make(const char *base)
{
	return dmt_create(&dm_class_rtc_cmos, (const char *const[]){"base", base, NULL});
}

static int setup(void **state)
{
	*state = make("2001-09-09T01:46:40Z"); /* a Sunday */
	return 0;
}

static int teardown(void **state)
{
	dmt_destroy(*state);
	return 0;
}

static uint8_t rd(struct dm_test *t, unsigned at)
{
	dmt_write(t, 0, 1, at);
	return (uint8_t)dmt_read(t, 1, 1);
}

static void wr(struct dm_test *t, unsigned at, unsigned v)
{
	dmt_write(t, 0, 1, at);
	dmt_write(t, 1, 1, v);
}

static void expect(struct dm_test *t, unsigned h, unsigned m, unsigned s)
{
	assert_int_equal(rd(t, HOUR), h);
	assert_int_equal(rd(t, MIN), m);
	assert_int_equal(rd(t, SEC), s);
}

static void date(struct dm_test *t, unsigned century, unsigned y, unsigned m, unsigned d,
		 unsigned wday)
{
	assert_int_equal(rd(t, CENTURY), century);
	assert_int_equal(rd(t, YEAR), y);
	assert_int_equal(rd(t, MONTH), m);
	assert_int_equal(rd(t, MDAY), d);
	assert_int_equal(rd(t, WDAY), wday);
}

static void after_reset(void **state)
{
	struct dm_test *t = *state;
	assert_int_equal(rd(t, A), 0x26);
	assert_int_equal(rd(t, B), 0x02);
	assert_int_equal(rd(t, C), 0);
	assert_int_equal(rd(t, D), 0x80);
	assert_int_equal(dmt_read(t, 0, 1), 0xff); /* the index cannot be read back */
	expect(t, 0x01, 0x46, 0x40);
	date(t, 0x20, 0x01, 0x09, 0x09, 1);
	assert_false(dmt_line(t, 0));
}

static void ram_keeps_its_bytes_and_nmi_is_not_part_of_the_index(void **state)
{
	struct dm_test *t = *state;
	for (unsigned i = 0x0e; i < 128; i++)
		if (i != CENTURY)
			wr(t, i | (i & 1 ? 0x80 : 0), i ^ 0x5a);
	for (unsigned i = 0x0e; i < 128; i++)
		if (i != CENTURY)
			assert_int_equal(rd(t, i | 0x80), i ^ 0x5a);
	wr(t, D, 0); /* read only */
	assert_int_equal(rd(t, D), 0x80);
	assert_int_equal(t->dm->guest_errors, 0);
}

static void time_runs_in_each_of_its_forms(void **state)
{
	struct dm_test *t = *state;
	dmt_advance(t, 12 * 3600 * S); /* 13:46:40 */
	expect(t, 0x13, 0x46, 0x40);
	wr(t, B, 0x06);
	expect(t, 13, 46, 40);
	date(t, 20, 1, 9, 9, 1);
	wr(t, B, 0x04);
	expect(t, 0x80 | 1, 46, 40);
	wr(t, B, 0x00);
	expect(t, 0x81, 0x46, 0x40);
	dmt_advance(t, 11 * 3600 * S); /* 00:46:40 */
	expect(t, 0x12, 0x46, 0x40);   /* 12 at night */
	dmt_advance(t, 12 * 3600 * S);
	expect(t, 0x92, 0x46, 0x40); /* 12 at noon */
}

static void the_calendar_knows_leap_years_and_centuries(void **state)
{
	(void)state;
	static const struct {
		const char *base;
		unsigned c, y, m, d, wday;
	} days[] = {
		{"2000-02-28T23:59:59Z", 0x20, 0x00, 0x02, 0x29, 3},
		{"2000-02-29T23:59:59Z", 0x20, 0x00, 0x03, 0x01, 4},
		{"2023-02-28T23:59:59Z", 0x20, 0x23, 0x03, 0x01, 4},
		{"1999-12-31T23:59:59Z", 0x20, 0x00, 0x01, 0x01, 7},
		{"2100-02-28T23:59:59Z", 0x21, 0x00, 0x03, 0x01, 2},
		{"1970-01-01T23:59:59Z", 0x19, 0x70, 0x01, 0x02, 6},
	};
	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
		struct dm_test *t = make(days[i].base);
		expect(t, 0x23, 0x59, 0x59);
		dmt_advance(t, S);
		expect(t, 0, 0, 0);
		date(t, days[i].c, days[i].y, days[i].m, days[i].d, days[i].wday);
		dmt_destroy(t);
	}
}

static void set_time(struct dm_test *t)
{
	wr(t, B, rd(t, B) | 0x80);
	wr(t, CENTURY, 0x20);
	wr(t, YEAR, 0x24);
	wr(t, MONTH, 0x02);
	wr(t, MDAY, 0x29);
	wr(t, WDAY, 5);
	wr(t, HOUR, 0x23);
	wr(t, MIN, 0x59);
	wr(t, SEC, 0x58);
}

static void set_holds_the_bytes_and_then_they_are_the_time(void **state)
{
	struct dm_test *t = *state;
	dmt_advance(t, S / 4);
	set_time(t);
	dmt_advance(t, 100 * S);
	expect(t, 0x23, 0x59, 0x58); /* stands still */
	assert_int_equal(rd(t, A) & 0x80, 0);
	wr(t, B, 0x02);
	expect(t, 0x23, 0x59, 0x58);
	dmt_advance(t, 3 * S / 4 - 1); /* SET leaves the divider running */
	expect(t, 0x23, 0x59, 0x58);
	dmt_advance(t, 1);
	expect(t, 0x23, 0x59, 0x59);
	date(t, 0x20, 0x24, 0x02, 0x29, 5);
	dmt_advance(t, S);
	date(t, 0x20, 0x24, 0x03, 0x01, 6);
}

static void the_divider_resets_the_phase(void **state)
{
	struct dm_test *t = *state;
	set_time(t);
	wr(t, A, 0x70);
	wr(t, B, 0x02);
	dmt_advance(t, 10 * S + 123);
	expect(t, 0x23, 0x59, 0x58); /* held by the divider, too */
	wr(t, A, 0x26);
	dmt_advance(t, S / 2 - 1); /* "one-half second later" */
	expect(t, 0x23, 0x59, 0x58);
	dmt_advance(t, 1);
	expect(t, 0x23, 0x59, 0x59);
	dmt_advance(t, S);
	expect(t, 0, 0, 0);
}

static void a_day_of_the_week_of_its_own_goes_on_from_there(void **state)
{
	struct dm_test *t = *state;
	wr(t, B, 0x82);
	wr(t, WDAY, 4); /* the chip does not know that it is a Sunday */
	wr(t, B, 0x02);
	assert_int_equal(rd(t, WDAY), 4);
	dmt_advance(t, 86400 * S);
	assert_int_equal(rd(t, WDAY), 5);
}

static void bytes_written_without_set_count_at_once(void **state)
{
	struct dm_test *t = *state;
	wr(t, MIN, 0x30);
	expect(t, 0x01, 0x30, 0x40);
	dmt_advance(t, S);
	expect(t, 0x01, 0x30, 0x41);
}

static void uip_warns_244_us_before_the_update(void **state)
{
	struct dm_test *t = *state;
	assert_int_equal(rd(t, A), 0x26);
	dmt_advance(t, S - 245000);
	assert_int_equal(rd(t, A), 0x26);
	dmt_advance(t, 1000);
	assert_int_equal(rd(t, A), 0xa6);
	wr(t, A, 0x26); /* UIP cannot be written */
	assert_int_equal(rd(t, A), 0xa6);
	wr(t, B, 0x82);
	assert_int_equal(rd(t, A), 0x26); /* no update with SET */
	wr(t, B, 0x02);
	dmt_advance(t, 244000);
	assert_int_equal(rd(t, A), 0x26);
	assert_int_equal(rd(t, SEC), 0x41);
}

static void update_ended_interrupt_each_second(void **state)
{
	struct dm_test *t = *state;
	wr(t, B, 0x12);
	dmt_advance(t, S - 1);
	assert_false(dmt_line(t, 0));
	dmt_advance(t, 1);
	assert_true(dmt_line(t, 0));
	assert_int_equal(rd(t, C) & 0xbf, 0x90);
	assert_false(dmt_line(t, 0));
	assert_int_equal(rd(t, C), 0); /* reading clears it */
	dmt_advance(t, 5 * S);	       /* not read: one */
	assert_int_equal(rd(t, C) & 0xbf, 0x90);
	assert_int_equal(rd(t, C), 0);
	wr(t, B, 0x92); /* SET clears UIE */
	assert_int_equal(rd(t, B), 0x82);
}

static void flags_come_without_their_interrupts(void **state)
{
	struct dm_test *t = *state;
	wr(t, SEC_A, 0x42);
	wr(t, MIN_A, 0x46);
	wr(t, HOUR_A, 0x01);
	dmt_advance(t, S);
	assert_int_equal(rd(t, C), 0x50); /* UF, PF; no IRQF */
	dmt_advance(t, S);
	assert_int_equal(rd(t, C), 0x70);
	assert_false(dmt_line(t, 0));
	dmt_advance(t, S);
	assert_int_equal(rd(t, C), 0x50);
	/* A flag that is there when its interrupt is enabled interrupts. */
	dmt_advance(t, S);
	wr(t, B, 0x12);
	assert_true(dmt_line(t, 0));
	assert_int_equal(rd(t, C), 0xd0);
}

static void alarm_once_a_day_an_hour_or_a_minute(void **state)
{
	(void)state;
	static const struct {
		unsigned h, m, s; /* bytes */
		unsigned first, next;
	} alarms[] = {
		{0x01, 0x47, 0x00, 20, 86400},	  {0xff, 0x47, 0x00, 20, 3600},
		{0xc0, 0xc0, 0x00, 20, 60},	  {0xff, 0xff, 0xff, 1, 1},
		{0x01, 0x46, 0x40, 86400, 86400}, {0x00, 0x00, 0xff, 79 * 1000 + 1000, 1},
	};
	for (size_t i = 0; i < sizeof(alarms) / sizeof(alarms[0]); i++) {
		struct dm_test *t = make("2001-09-09T01:46:40Z");
		unsigned first = i == 5 ? 22 * 3600 + 13 * 60 + 20 : alarms[i].first;
		wr(t, SEC_A, alarms[i].s);
		wr(t, MIN_A, alarms[i].m);
		wr(t, HOUR_A, alarms[i].h);
		wr(t, B, 0x22);
		dmt_advance(t, first * S - 1);
		assert_false(dmt_line(t, 0));
		dmt_advance(t, 1);
		assert_true(dmt_line(t, 0));
		assert_int_equal(rd(t, C) & 0xa0, 0xa0);
		assert_false(dmt_line(t, 0));
		dmt_advance(t, alarms[i].next * S - 1);
		assert_false(dmt_line(t, 0));
		dmt_advance(t, 1);
		assert_true(dmt_line(t, 0));
		dmt_destroy(t);
	}
}

static void alarm_in_twelve_hours_and_binary(void **state)
{
	struct dm_test *t = *state;
	wr(t, B, 0x24);
	wr(t, SEC_A, 0);
	wr(t, MIN_A, 30);
	wr(t, HOUR_A, 0x80 | 1); /* 13:30 */
	dmt_advance(t, (11 * 3600 + 43 * 60 + 20) * S - 1);
	assert_false(dmt_line(t, 0));
	dmt_advance(t, 1);
	assert_true(dmt_line(t, 0));
}

static void an_alarm_that_is_no_time_never_comes(void **state)
{
	struct dm_test *t = *state;
	wr(t, SEC_A, 0x61);
	wr(t, MIN_A, 0xff);
	wr(t, HOUR_A, 0xff);
	wr(t, B, 0x22);
	dmt_advance(t, 2 * 86400 * S);
	assert_false(dmt_line(t, 0));
}

static void periodic_rates(void **state)
{
	struct dm_test *t = *state;
	static const unsigned hz[16] = {0,   256, 128, 8192, 4096, 2048, 1024, 512,
					256, 128, 64,  32,   16,   8,	 4,    2};
	for (unsigned rs = 1; rs < 16; rs++) {
		unsigned n = 0;
		wr(t, B, 0x02);
		wr(t, A, 0x20 | rs);
		rd(t, C);
		uint64_t start = t->now_ns;
		wr(t, B, 0x42);
		while (t->now_ns < start + S) {
			uint64_t next = dm_timers_next(t->dm);
			dmt_advance(t, next - t->now_ns);
			assert_true(dmt_line(t, 0));
			assert_true(rd(t, C) & 0x40);
			assert_false(dmt_line(t, 0));
			n++;
		}
		assert_in_range(n, hz[rs] - 1, hz[rs] + 2);
	}
	wr(t, A, 0x20); /* none */
	rd(t, C);
	assert_true(dm_timers_next(t->dm) == UINT64_MAX);
	dmt_advance(t, 10 * S);
	assert_int_equal(rd(t, C) & 0x40, 0);
}

static void an_interrupt_that_nobody_reads_costs_no_further_timer(void **state)
{
	struct dm_test *t = *state;
	wr(t, A, 0x23); /* 8192 Hz */
	wr(t, B, 0x42);
	dmt_advance(t, S);
	assert_true(dmt_line(t, 0));
	assert_true(dm_timers_next(t->dm) == UINT64_MAX);
}

static void the_host_base_is_the_wall_clock(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_rtc_cmos, NULL);
	t->real_ns = 1000000000 * S;
	expect(t, 0x01, 0x46, 0x40);
	set_time(t);
	wr(t, B, 0x02);
	t->real_ns += 1 * S; /* goes on while the guest is paused */
	expect(t, 0x23, 0x59, 0x59);
	dmt_destroy(t);
}

static void a_wall_clock_turned_back_neither_hangs_nor_alarms(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_rtc_cmos, NULL);
	wr(t, SEC_A, rd(t, SEC) + 5);
	wr(t, MIN_A, 0xff);
	wr(t, HOUR_A, 0xff);
	wr(t, B, 0x22);
	t->real_ns -= 3 * S;
	dmt_advance(t, 6 * S);
	assert_false(dmt_line(t, 0));
	dmt_advance(t, 3 * S);
	assert_true(dmt_line(t, 0));
	dmt_destroy(t);
}

/* drivers/rtc/rtc-mc146818-lib.c: waits until UIP is clear, reads, and trusts it if no update came between. */
static void linux_reads_the_time(void **state)
{
	struct dm_test *t = *state;
	dmt_advance(t, S - 100000);
	unsigned tries = 0;
	for (;; tries++) {
		uint8_t sec = rd(t, SEC);
		if (rd(t, A) & 0x80) {
			dmt_advance(t, 1000000);
			continue;
		}
		if (sec != rd(t, SEC))
			continue;
		assert_int_equal(sec, 0x41);
		break;
	}
	assert_int_equal(tries, 1);
	assert_int_equal(rd(t, D) & 0x80, 0x80); /* the battery is good */
}

static void a_crash_keeps_time_flags_and_timers(void **state)
{
	struct dm_test *t = *state;
	set_time(t);
	wr(t, B, 0x12);
	wr(t, 0x40, 0x77);
	dmt_crash(t);
	dmt_advance(t, S);
	assert_true(dmt_line(t, 0));
	dmt_crash(t);
	expect(t, 0x23, 0x59, 0x59);
	assert_int_equal(rd(t, C) & 0x90, 0x90);
	assert_int_equal(rd(t, 0x40), 0x77);
}

static void any_bytes_are_some_time(void **state)
{
	struct dm_test *t = *state;
	uint32_t x = 1;
	for (unsigned i = 0; i < 20000; i++) {
		x = x * 1664525 + 1013904223;
		wr(t, x >> 8 & 0x3f, x >> 16 & 0xff);
		rd(t, x >> 24 & 0x3f);
		dmt_advance(t, x >> 4 & 0xfffff);
	}
	assert_int_equal(t->dm->guest_errors, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(after_reset),
		T(ram_keeps_its_bytes_and_nmi_is_not_part_of_the_index),
		T(time_runs_in_each_of_its_forms),
		cmocka_unit_test(the_calendar_knows_leap_years_and_centuries),
		T(set_holds_the_bytes_and_then_they_are_the_time),
		T(the_divider_resets_the_phase),
		T(a_day_of_the_week_of_its_own_goes_on_from_there),
		T(bytes_written_without_set_count_at_once),
		T(uip_warns_244_us_before_the_update),
		T(update_ended_interrupt_each_second),
		T(flags_come_without_their_interrupts),
		cmocka_unit_test(alarm_once_a_day_an_hour_or_a_minute),
		T(alarm_in_twelve_hours_and_binary),
		T(an_alarm_that_is_no_time_never_comes),
		T(periodic_rates),
		T(an_interrupt_that_nobody_reads_costs_no_further_timer),
		cmocka_unit_test(the_host_base_is_the_wall_clock),
		cmocka_unit_test(a_wall_clock_turned_back_neither_hangs_nor_alarms),
		T(linux_reads_the_time),
		T(a_crash_keeps_time_flags_and_timers),
		T(any_bytes_are_some_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
