/* SPDX-License-Identifier: Apache-2.0 */
/* Options, timers, host channels, DMA, save and load, inspect: what a model sees of its environment. */
#include "devmodel/core/testenv.h"
#include "tests/unit/devmodel/toy.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct toy *toy(struct dm_test *t)
{
	return t->dm->state;
}

static void options_have_their_defaults_and_take_values(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_toy, NULL);
	assert_int_equal(dm_option_u64(t->dm, "size"), 4096);
	assert_int_equal(dm_option_u64(t->dm, "wait"), 3000000);
	assert_false(dm_option_bool(t->dm, "on"));
	assert_string_equal(dm_option_str(t->dm, "mode"), "slow");
	assert_null(dm_option_str(t->dm, "label"));
	dmt_destroy(t);
	t = dmt_create(&dm_class_toy,
		       (const char *const[]){"size", "16M", "on", "true", "mode", "fast", "when",
					     "2001-09-09T01:46:40Z", NULL});
	uint64_t ns = 0;
	assert_int_equal(dm_option_u64(t->dm, "size"), 16 << 20);
	assert_true(dm_option_bool(t->dm, "on"));
	assert_true(dm_option_time(t->dm, "when", &ns));
	assert_int_equal(ns, 1000000000ull * 1000000000u);
	dmt_destroy(t);
}

static void wrong_option_values_are_refused_with_the_right_ones(void **state)
{
	(void)state;
	static const char *const bad[][3] = {
		{"size", "16Q", "16M"},	      {"size", "-1", "size"},
		{"wait", "3", "10ms"},	      {"on", "maybe", "true"},
		{"mode", "fas", "slow|fast"}, {"mode", "slow|fast", "slow"},
		{"when", "noon", "host"},     {"when", "2020-01-01T00:00:00+1", "host"},
		{"nope", "1", "nope"},	      {"size", "99999999999999999999", "size"}};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct dm_setting s = {bad[i][0], bad[i][1]};
		struct err err = {{0}};
		struct dm *dm;
		assert_int_equal(dm_create(&dm, &dm_class_toy, NULL, NULL, &s, 1, &err), -EINVAL);
		assert_non_null(strstr(err.msg, bad[i][2]));
	}
}

static void times_with_an_offset_are_utc_inside(void **state)
{
	(void)state;
	bool host;
	uint64_t a, b;
	assert_int_equal(dm_parse_time("2026-01-31T12:00:00+02:00", &host, &a), 0);
	assert_int_equal(dm_parse_time("2026-01-31T10:00:00Z", &host, &b), 0);
	assert_true(a == b && !host);
	assert_int_equal(dm_parse_time("1700000000", &host, &a), 0);
	assert_int_equal(a, 1700000000ull * 1000000000u);
}

static void a_timer_fires_once_at_its_time(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_toy, NULL);
	dmt_w32(t, TOY_TIMER, 1000);
	dmt_advance(t, 999);
	assert_int_equal(toy(t)->rc & 1, 0);
	dmt_advance(t, 1);
	assert_int_equal(dmt_r32(t, TOY_RC) & 1, 1);
	assert_true(dmt_line(t, 0));
	dmt_advance(t, 100000);
	assert_int_equal(dmt_r32(t, TOY_RC), 0);
	dmt_destroy(t);
}

static void a_full_out_queue_says_busy_and_has_room_for_posted_writes(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_toy, NULL);
	unsigned n = 0;
	char buf[DM_OUT_BYTES + 1];
	while (!dm_host_out_busy(t->dm, 0)) {
		dmt_w32(t, TOY_OUT, 'a' + n % 26);
		n++;
	}
	assert_int_equal(n, DM_OUT_SOFT);
	for (unsigned i = 0; i < 512 + 64; i++, n++)
		dmt_w32(t, TOY_OUT, 'a' + n % 26);
	assert_int_equal(t->dm->hdr->lost_out, 0);
	assert_int_equal(dmt_output(t, buf, DM_OUT_SOFT - DM_OUT_RESUME),
			 DM_OUT_SOFT - DM_OUT_RESUME - 1);
	assert_int_equal(toy(t)->done, 0);
	size_t rest = dmt_output(t, buf, sizeof(buf));
	assert_int_equal(toy(t)->done, 1);
	assert_int_equal(rest, n - (DM_OUT_SOFT - DM_OUT_RESUME - 1));
	for (size_t i = 0; i < rest; i++)
		assert_int_equal(buf[i], 'a' + (n - rest + i) % 26);
	dmt_destroy(t);
}

static void a_guest_that_ignores_busy_loses_bytes_and_no_more(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_toy, NULL);
	for (unsigned i = 0; i < DM_OUT_BYTES + 10; i++)
		dmt_w32(t, TOY_OUT, 'x');
	assert_int_equal(t->dm->hdr->lost_out, 10);
	assert_int_equal(t->dm->guest_errors, 10);
	assert_int_equal(dm_output_pending(t->dm, 0), DM_OUT_BYTES);
	dmt_destroy(t);
}

static void reset_keeps_bytes_on_their_way_to_the_host(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_toy, NULL);
	char buf[16];
	dmt_w32(t, TOY_OUT, 'h');
	dmt_w32(t, TOY_OUT, 'i');
	dmt_w32(t, TOY_LEVEL, 1);
	dmt_w32(t, TOY_TIMER, 50);
	dmt_reset(t);
	assert_false(dmt_line(t, 0));
	dmt_advance(t, 100);
	assert_int_equal(dmt_r32(t, TOY_RC), 0x30);
	assert_int_equal(dmt_output(t, buf, sizeof(buf)), 2);
	assert_string_equal(buf, "hi");
	dmt_destroy(t);
}

static void a_register_device_has_no_guest_memory(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_toy, NULL);
	char b;
	assert_int_equal(dm_dma_read(t->dm, 0x40000000, &b, 1), -EACCES);
	assert_int_equal(dm_dma_write(t->dm, 0x40000000, &b, 1), -EACCES);
	assert_null(dm_dma_map(t->dm, 0x40000000, 1, false));
	dmt_destroy(t);
}

static void a_saved_device_loads_into_a_fresh_one(void **state)
{
	(void)state;
	struct dm_test *a = dmt_create(&dm_class_toy, NULL), *b = dmt_create(&dm_class_toy, NULL);
	uint8_t *blob;
	size_t len;
	char buf[16];
	struct err err;
	dmt_w32(a, TOY_RW, 0x1234);
	dmt_w32(a, TOY_OUT, 'q');
	dmt_w32(a, TOY_PULSE, 1);
	dmt_w32(a, TOY_LEVEL, 1);
	dmt_w32(a, TOY_TIMER, 500);
	assert_int_equal(dm_save(a->dm, &blob, &len), 0);
	assert_int_equal(dm_load(b->dm, blob, len, &err), 0);
	assert_int_equal(dmt_r32(b, TOY_RW), 0xab001234);
	assert_int_equal(b->dm->hdr->edges[1], 1);
	assert_true(dmt_line(b, 0));
	assert_int_equal(dmt_output(b, buf, sizeof(buf)), 1);
	dmt_advance(b, 500);
	assert_int_equal(dmt_r32(b, TOY_RC) & 1, 1);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(dm_load(b->dm, blob, i, &err), -EINVAL);
	blob[8] = 'X'; /* another model's name */
	assert_int_equal(dm_load(b->dm, blob, len, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "Xoy"));
	free(blob);
	dmt_destroy(a);
	dmt_destroy(b);
}

static void inspect_names_registers_and_has_no_effect(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_toy, NULL);
	char *s = dm_inspect(t->dm, "to\"y0");
	assert_non_null(s);
	assert_non_null(strstr(s, "\"device\": \"to\\\"y0\""));
	assert_non_null(
		strstr(s, "{\"name\": \"CONST\", \"offset\": 20, \"value\": \"0x12345678\"}"));
	assert_non_null(strstr(s, "\"name\": \"ARRAY\", \"index\": 3"));
	free(s);
	assert_int_equal(dmt_r32(t, TOY_CALL), 1);
	assert_int_equal(dmt_r32(t, TOY_RC), 0x30);
	dmt_destroy(t);
}

static void refused(struct dm_test *t, const char *name, const char *value, const char *says)
{
	struct err e = {{0}};
	uint8_t before[sizeof(struct toy)];
	memcpy(before, t->dm->state, sizeof(before));
	assert_true(dm_reg_set(t->dm, name, value, &e) < 0);
	if (!strstr(e.msg, says))
		fail_msg("%s=%s: \"%s\" does not say \"%s\"", name, value, e.msg, says);
	assert_memory_equal(before, t->dm->state, sizeof(before));
}

static void a_register_is_set_by_name_without_its_side_effects(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_toy, NULL);
	const struct toy *s = t->dm->state;
	struct err e = {{0}};
	/* No mask, no write-one-to-clear, no access of the guest. */
	assert_int_equal(dm_reg_set(t->dm, "RW", "0xff000001", &e), 0);
	assert_int_equal(s->rw, 0xff000001);
	assert_int_equal(dm_reg_set(t->dm, "rw", "5", &e), 0);
	assert_int_equal(s->rw, 5);
	assert_int_equal(dm_reg_set(t->dm, "W1C", "0x0f", &e), 0);
	assert_int_equal(s->w1c, 0x0f);
	assert_int_equal(dm_reg_set(t->dm, "RO", "9", &e), 0);
	assert_int_equal(dmt_r32(t, TOY_RO), 9);
	assert_int_equal(dm_reg_set(t->dm, "ARRAY[3]", "0xbeef", &e), 0);
	assert_int_equal(s->array[3], 0xbeef);
	assert_int_equal(dm_reg_set(t->dm, "WIDE", "0xffffffffffffffff", &e), 0);
	assert_true(s->wide == UINT64_MAX);
	refused(t, "CONST", "1", "it is a constant");
	refused(t, "CALL", "1", "computes it at each read");
	refused(t, "PULSE", "1", "stores nothing");
	refused(t, "ARRAY", "1", "write ARRAY[0] to ARRAY[3]");
	refused(t, "ARRAY[4]", "1", "4 elements");
	refused(t, "ARRAY[-1]", "1", "4 elements");
	refused(t, "ARRAY[0", "1", "4 elements");
	refused(t, "ARRAY[1]", "0x10000", "has 16 bits");
	refused(t, "RW", "0x100000000", "has 32 bits");
	refused(t, "RW", "-1", "is no number");
	refused(t, "RW", "", "is no number");
	refused(t, "RW", "12x", "is no number");
	refused(t, "RW.NONE", "1", "no field \"NONE\"");
	refused(t, "RWX", "1", "no control and no register");
	refused(t, "", "1", "no control and no register");
	dmt_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_have_their_defaults_and_take_values),
		cmocka_unit_test(wrong_option_values_are_refused_with_the_right_ones),
		cmocka_unit_test(times_with_an_offset_are_utc_inside),
		cmocka_unit_test(a_timer_fires_once_at_its_time),
		cmocka_unit_test(a_full_out_queue_says_busy_and_has_room_for_posted_writes),
		cmocka_unit_test(a_guest_that_ignores_busy_loses_bytes_and_no_more),
		cmocka_unit_test(reset_keeps_bytes_on_their_way_to_the_host),
		cmocka_unit_test(a_register_device_has_no_guest_memory),
		cmocka_unit_test(a_saved_device_loads_into_a_fresh_one),
		cmocka_unit_test(inspect_names_registers_and_has_no_effect),
		cmocka_unit_test(a_register_is_set_by_name_without_its_side_effects),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
