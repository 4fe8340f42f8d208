/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/text.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "base/bytes.h"
#include "launcher/json.h"

static void sizes(void **state)
{
	static const struct {
		const char *s;
		int r;
		uint64_t v;
	} c[] = {
		{"0", 0, 0},
		{"4096", 0, 4096},
		{"256M", 0, 256ull << 20},
		{"256MiB", 0, 256ull << 20},
		{"1G", 0, 1ull << 30},
		{"1gb", 0, 1ull << 30},
		{"0x1000", 0, 4096},
		{"64k", 0, 65536},
		{"2T", 0, 2ull << 40},
		{"10B", 0, 10},
		{"", -EINVAL, 0},
		{"M", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"1.5G", -EINVAL, 0},
		{"1Q", -EINVAL, 0},
		{"1 G", -EINVAL, 0},
		{"1GG", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"16777216T", -ERANGE, 0},
		{"99999999999999999999", -ERANGE, 0},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		uint64_t v = 0;
		int r = text_size(c[i].s, &v);
		if (r != c[i].r || v != c[i].v)
			fail_msg("text_size(\"%s\") = %d, %llu", c[i].s, r, (unsigned long long)v);
	}
}

static void durations(void **state)
{
	static const struct {
		const char *s;
		bool bare;
		int r;
		uint64_t v;
	} c[] = {
		{"250us", false, 0, 250000},	{"10ms", false, 0, 10000000},
		{"2s", false, 0, 2000000000},	{"0.5s", false, 0, 500000000},
		{"5m", false, 0, 300000000000}, {"1h", false, 0, 3600000000000},
		{"7ns", false, 0, 7},		{"90", true, 0, 90000000000},
		{"1.5", true, 0, 1500000000},	{"90", false, -EINVAL, 0},
		{"", true, -EINVAL, 0},		{"s", true, -EINVAL, 0},
		{"-1s", true, -EINVAL, 0},	{"0x10s", true, -EINVAL, 0},
		{"1d", true, -EINVAL, 0},	{"1e30s", true, -ERANGE, 0},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		uint64_t v = 0;
		int r = text_duration(c[i].s, c[i].bare, &v);
		if (r != c[i].r || v != c[i].v)
			fail_msg("text_duration(\"%s\") = %d, %llu", c[i].s, r,
				 (unsigned long long)v);
	}
}

static void numbers(void **state)
{
	uint64_t v;
	bool b;
	(void)state;
	assert_int_equal(text_u64("0x0900_0000", &v), 0);
	assert_int_equal(v, 0x09000000);
	assert_int_equal(text_u64("18446744073709551615", &v), 0);
	assert_int_equal(text_u64("18446744073709551616", &v), -ERANGE);
	assert_int_equal(text_u64("12a", &v), -EINVAL);
	assert_int_equal(text_u64("0x", &v), -EINVAL);
	assert_int_equal(text_u64("1_", &v), -EINVAL);
	assert_int_equal(text_bool("Yes", &b), 0);
	assert_true(b);
	assert_int_equal(text_bool("off", &b), 0);
	assert_false(b);
	assert_int_equal(text_bool("maybe", &b), -EINVAL);
}

static void names_that_are_near_are_found(void **state)
{
	static const char *const words[] = {"memory", "kernel", "cmdline", "pl011", "pl031", NULL};
	(void)state;
	assert_string_equal(text_nearest("memroy", words), "memory");
	assert_string_equal(text_nearest("kernal", words), "kernel");
	assert_string_equal(text_nearest("pl01", words), "pl011");
	assert_string_equal(text_nearest("PL031", words), "pl031");
	assert_null(text_nearest("zebra", words));
	assert_null(text_nearest("x", words));
}

static void names_of_vms_and_devices(void **state)
{
	(void)state;
	assert_true(text_name_ok("uart0"));
	assert_true(text_name_ok("a.b_c-d"));
	assert_false(text_name_ok(""));
	assert_false(text_name_ok("../x"));
	assert_false(text_name_ok("a/b"));
	assert_false(text_name_ok("-a"));
	assert_false(text_name_ok("a b"));
	assert_true(text_name_ok("1234567890123456789012345678901"));
	assert_false(text_name_ok("12345678901234567890123456789012"));
}

static void json_escapes_and_nests(void **state)
{
	AUTO_SB b = {0};
	struct json j = {.out = &b};
	(void)state;
	json_open(&j, NULL, '{');
	json_str(&j, "a", "q\"\\\n\x01\xff\xc3\xa4");
	json_open(&j, "l", '[');
	json_u64(&j, NULL, 18446744073709551615u);
	json_null(&j, NULL);
	json_close(&j, ']');
	json_open(&j, "e", '{');
	json_close(&j, '}');
	json_close(&j, '}');
	assert_string_equal(sb_str(&b), "{\n  \"a\": \"q\\\"\\\\\\n\\u0001\\ufffd\xc3\xa4\",\n  "
					"\"l\": [\n    18446744073709551615,\n"
					"    null\n  ],\n  \"e\": {}\n}\n");
}

static void text_of_others_cannot_move_the_cursor(void **state)
{
	char s[] = "a\x1b[2J\x7f\n\xff\xc2\x9b"
		   "2J \xc3\xa4 \xe2\x82";
	(void)state;
	assert_string_equal(text_printable(s), "a?[2J????"
					       "?2J \xc3\xa4 ??");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(durations),
		cmocka_unit_test(numbers),
		cmocka_unit_test(names_that_are_near_are_found),
		cmocka_unit_test(names_of_vms_and_devices),
		cmocka_unit_test(json_escapes_and_nests),
		cmocka_unit_test(text_of_others_cannot_move_the_cursor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
