/* SPDX-License-Identifier: Apache-2.0 */
/* The register table: dispatch, widths, shadow values, and what the check of a class finds. */
#include "devmodel/core/testenv.h"
#include "tests/unit/devmodel/toy.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

extern const struct dm_class dm_class_scratch;

static int setup(void **state)
{
	*state = dmt_create(&dm_class_toy, NULL);
	return 0;
}

static int teardown(void **state)
{
	dmt_destroy(*state);
	return 0;
}

static void after_reset_each_register_has_its_value(void **state)
{
	struct dm_test *t = *state;
	assert_int_equal(dmt_r32(t, TOY_RO), 7);
	assert_int_equal(dmt_r32(t, TOY_RW), 0xab000000);
	assert_int_equal(dmt_r32(t, TOY_W1C), 0xff);
	assert_int_equal(dmt_r32(t, TOY_CONST), 0x12345678);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(dmt_read(t, TOY_ARRAY + 8 * i, 2), 0x55);
}

static void write_to_ro_changes_nothing(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, TOY_RO, 99);
	dmt_w32(t, TOY_CONST, 99);
	assert_int_equal(dmt_r32(t, TOY_RO), 7);
	assert_int_equal(dmt_r32(t, TOY_CONST), 0x12345678);
}

static void write_to_rw_keeps_bits_outside_the_mask(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, TOY_RW, 0x11223344);
	assert_int_equal(dmt_r32(t, TOY_RW), 0xab223344);
}

static void wo_reads_zero_and_stores(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, TOY_WO, 0x77);
	assert_int_equal(dmt_r32(t, TOY_WO), 0);
	assert_int_equal(((struct toy *)t->dm->state)->wo, 0x77);
}

static void w1c_clears_only_ones_inside_the_mask(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, TOY_W1C, 0xf3);
	assert_int_equal(dmt_r32(t, TOY_W1C), 0xfc);
}

static void rc_reads_once(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, TOY_RC, 0xff);
	assert_int_equal(dmt_r32(t, TOY_RC), 0x30);
	assert_int_equal(dmt_r32(t, TOY_RC), 0);
}

static void narrow_access_hits_its_bytes_only(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, TOY_RW, 0x00112233);
	dmt_write(t, TOY_RW + 1, 1, 0xee);
	assert_int_equal(dmt_r32(t, TOY_RW), 0xab11ee33);
	assert_int_equal(dmt_read(t, TOY_RW + 2, 2), 0xab11);
	dmt_write(t, TOY_W1C, 1, 0x01);
	assert_int_equal(dmt_read(t, TOY_W1C, 1), 0xfe);
	dmt_write(t, TOY_WIDE + 4, 4, 0x89abcdef);
	assert_true(dmt_read(t, TOY_WIDE, 8) == 0x89abcdef00000000ull);
}

static void access_outside_a_register_is_an_error_of_the_guest(void **state)
{
	struct dm_test *t = *state;
	static const struct {
		uint32_t offset;
		unsigned width;
	} bad[] = {{0x2c, 4},		{TOY_RO + 2, 4}, {TOY_ARRAY + 2, 2},
		   {TOY_ARRAY + 32, 2}, {TOY_RO, 8},	 {TOY_BYTE, 2},
		   {0x1000, 4},		{0xffffffff, 4}, {TOY_RO, 3}};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t before = t->dm->guest_errors;
		assert_int_equal(dmt_read(t, bad[i].offset, bad[i].width), 0);
		dmt_write(t, bad[i].offset, bad[i].width, ~0ull);
		assert_int_equal(t->dm->guest_errors, before + 2);
	}
	assert_true(t->logs > 0 && t->logs <= 11); /* rate-limited */
}

static void array_elements_are_apart(void **state)
{
	struct dm_test *t = *state;
	dmt_write(t, TOY_ARRAY + 16, 2, 0x1234);
	assert_int_equal(dmt_read(t, TOY_ARRAY + 16, 2), 0x1234);
	assert_int_equal(dmt_read(t, TOY_ARRAY + 8, 2), 0x55);
	assert_int_equal(((struct toy *)t->dm->state)->array[2], 0x1234);
}

/* ---- shadow ---------------------------------------------------------------------------------------------- */

static uint8_t page[PORT_PAGE];
static unsigned stores;

static void store(void *ctx, uint32_t offset, unsigned width, uint64_t value)
{
	(void)ctx;
	stores++;
	memcpy(page + offset, &value, width);
}

static void shadow_follows_the_fields_and_only_changes_are_stored(void **state)
{
	struct dm_test *t = *state;
	uint32_t v;
	dm_shadow_layout(t->dm, dm_shadow_pages(t->dm));
	dm_shadow_refresh(t->dm, true, store, NULL);
	memcpy(&v, page + TOY_CONST, 4);
	assert_int_equal(v, 0x12345678);
	stores = 0;
	dm_shadow_refresh(t->dm, false, store, NULL);
	assert_int_equal(stores, 0);
	dmt_w32(t, TOY_RW, 5);
	dmt_write(t, TOY_ARRAY + 24, 2, 9);
	dm_shadow_refresh(t->dm, false, store, NULL);
	assert_int_equal(stores, 2);
	memcpy(&v, page + TOY_RW, 4);
	assert_int_equal(v, 0xab000005);
	assert_int_equal(page[TOY_ARRAY + 24], 9);
}

static void without_enough_pages_nothing_is_shadowed(void **state)
{
	struct dm_test *t = *state;
	dm_shadow_layout(t->dm, 0);
	assert_int_equal(t->dm->map[0].shadow_page, -1);
	stores = 0;
	dm_shadow_refresh(t->dm, true, store, NULL);
	assert_int_equal(stores, 0);
}

/* ---- checks of a class ------------------------------------------------------------------------------------ */

static void expect_bad(const struct dm_reg *regs, const char *word)
{
	struct dm_class c = dm_class_toy;
	struct dm_region r[2] = {{.name = "regs", .size = 0x100, .widths = 4, .regs = regs}, {}};
	struct err err = {{0}};
	struct dm *dm = NULL;
	c.regions = r;
	assert_int_equal(dm_create(&dm, &c, NULL, NULL, NULL, 0, &err), -22);
	assert_non_null(strstr(err.msg, word));
}

static void a_wrong_table_is_refused_with_its_register_named(void **state)
{
	(void)state;
	expect_bad((const struct dm_reg[]){{.name = "A", .offset = 0, .access = DM_RO},
					   {.name = "B", .offset = 2, .width = 2, .access = DM_RO},
					   {}},
		   "B and A");
	expect_bad((const struct dm_reg[]){{.name = "C", .offset = 0xfe, .access = DM_RO}, {}},
		   "C");
	expect_bad((const struct dm_reg[]){{.name = "D", .offset = 0x100, .access = DM_RO}, {}},
		   "D");
	expect_bad((const struct dm_reg[]){{.name = "E", .offset = 0}, {}}, "E");
	expect_bad((const struct dm_reg[]){{.name = "F", .offset = 0, .access = DM_W1C}, {}}, "F");
	expect_bad((const struct dm_reg[]){{.name = "G",
					    .offset = 0,
					    .access = DM_RW,
					    .field = sizeof(struct toy),
					    .field_size = 4},
					   {}},
		   "G");
	expect_bad(
		(const struct dm_reg[]){
			{.name = "H", .offset = 0, .access = DM_RO, .width = 2, .reset = 0x10000},
			{}},
		"H");
}

static void the_documented_device_works(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_scratch, NULL);
	dmt_w32(t, 0x08, 2);
	dmt_w32(t, 0x00, 5);
	assert_false(dmt_line(t, 0));
	dmt_w32(t, 0x00, 6);
	assert_int_equal(dmt_r32(t, 0x04), 2);
	assert_true(dmt_line(t, 0));
	dmt_w32(t, 0x0c, 1);
	assert_false(dmt_line(t, 0));
	dmt_destroy(t);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(after_reset_each_register_has_its_value),
		T(write_to_ro_changes_nothing),
		T(write_to_rw_keeps_bits_outside_the_mask),
		T(wo_reads_zero_and_stores),
		T(w1c_clears_only_ones_inside_the_mask),
		T(rc_reads_once),
		T(narrow_access_hits_its_bytes_only),
		T(access_outside_a_register_is_an_error_of_the_guest),
		T(array_elements_are_apart),
		T(shadow_follows_the_fields_and_only_changes_are_stored),
		T(without_enough_pages_nothing_is_shadowed),
		cmocka_unit_test(a_wrong_table_is_refused_with_its_register_named),
		cmocka_unit_test(the_documented_device_works),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
