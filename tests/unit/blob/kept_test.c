/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs of earlier builds, kept under tests/blobs/<model>.<version>.blob, load into this one. OUTRIGGER_WRITE_BLOBS=1 writes those
 * that are not there yet: after the version of a model was raised.
 */
#include "devmodel/core/testenv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct dm_class dm_class_pl011, dm_class_pl031, dm_class_virtio_rng, dm_class_ns16550,
	dm_class_rtc_cmos, dm_class_i8042, dm_class_pvpanic, dm_class_debug_exit;

static size_t file_read(const char *model, uint32_t version, uint8_t *buf, size_t max)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s.%u.blob", BLOBS, model, version);
	FILE *f = fopen(path, "rb");
	size_t n = f ? fread(buf, 1, max, f) : 0;
	if (f)
		fclose(f);
	return n;
}

static void file_write(struct dm_test *t)
{
	char path[512];
	uint8_t *blob;
	size_t len;
	snprintf(path, sizeof(path), "%s/%s.%u.blob", BLOBS, t->dm->cls->name, t->dm->cls->version);
	assert_int_equal(dm_save(t->dm, &blob, &len), 0);
	FILE *f = fopen(path, "wbx");
	if (f) {
		assert_int_equal(fwrite(blob, 1, len, f), len);
		assert_int_equal(fclose(f), 0);
	}
	free(blob);
}

/* Loads each version that there is; @check: looks at the device. The state of today's version comes from @setup. */
static void each_version(const struct dm_class *cls, void (*setup)(struct dm_test *t),
			 void (*check)(struct dm_test *t))
{
	static uint8_t buf[65536];
	struct err err;
	if (getenv("OUTRIGGER_WRITE_BLOBS")) {
		struct dm_test *t = dmt_create(cls, NULL);
		setup(t);
		file_write(t);
		dmt_destroy(t);
	}
	for (uint32_t v = 1; v <= cls->version; v++) {
		struct dm_test *t = dmt_create(cls, NULL);
		size_t n = file_read(cls->name, v, buf, sizeof(buf));
		assert_true(n > 0); /* no blob of this version: see above */
		if (dm_load(t->dm, buf, n, &err))
			fail_msg("%s version %u: %s", cls->name, v, err.msg);
		check(t);
		dmt_destroy(t);
	}
}

static void pl011_setup(struct dm_test *t)
{
	dmt_w32(t, 0x24, 13);
	dmt_w32(t, 0x28, 1);
	dmt_w32(t, 0x2c, 0x70);
	dmt_w32(t, 0x38, 0x10);
	dmt_w32(t, 0x30, 0x301);
	dmt_w32(t, 0, 'o');
	dmt_w32(t, 0, 'k');
	assert_int_equal(dmt_input(t, "abcdefgh"), 8);
}

static void pl011_check(struct dm_test *t)
{
	char out[8];
	assert_int_equal(dmt_r32(t, 0x24), 13);
	assert_int_equal(dmt_r32(t, 0x30), 0x301);
	assert_int_equal(dmt_output(t, out, sizeof(out)), 2);
	assert_string_equal(out, "ok");
	assert_int_equal(dmt_r32(t, 0), 'a');
	for (char c = 'b'; c <= 'h'; c++)
		assert_int_equal(dmt_r32(t, 0), c);
	assert_true(dmt_r32(t, 0x18) & 0x10); /* empty */
}

static void pl031_setup(struct dm_test *t)
{
	dmt_w32(t, 0x08, 1000);
	dmt_w32(t, 0x04, 1010);
	dmt_w32(t, 0x10, 1);
}

static void pl031_check(struct dm_test *t)
{
	assert_int_equal(dmt_r32(t, 0x04), 1010);
	assert_int_equal(dmt_r32(t, 0x08), 1000);
	assert_int_equal(dmt_r32(t, 0x10), 1);
	assert_false(dmt_line(t, 0));
	dmt_advance(t, 11000000000ull); /* the timer came along */
	assert_true(dmt_line(t, 0));
}

static void rng_setup(struct dm_test *t)
{
	dmt_w32(t, 0x70, 1);
	dmt_w32(t, 0x70, 3);
}

static void rng_check(struct dm_test *t)
{
	assert_int_equal(dmt_r32(t, 0x70), 3);
}

static void ns16550_setup(struct dm_test *t)
{
	dmt_write(t, 3, 1, 0x83);
	dmt_write(t, 0, 1, 12);
	dmt_write(t, 3, 1, 0x03);
	dmt_write(t, 2, 1, 0x81);
	dmt_write(t, 1, 1, 0x03);
	dmt_write(t, 4, 1, 0x0b);
	dmt_write(t, 7, 1, 0x5a);
	dmt_write(t, 0, 1, 'o');
	dmt_write(t, 0, 1, 'k');
	assert_int_equal(dmt_input(t, "abc"), 3);
}

static void ns16550_check(struct dm_test *t)
{
	char out[8];
	assert_int_equal(dmt_read(t, 7, 1), 0x5a);
	assert_int_equal(dmt_read(t, 4, 1), 0x0b);
	assert_int_equal(dmt_output(t, out, sizeof(out)), 2);
	assert_string_equal(out, "ok");
	assert_true(dmt_line(t, 0));
	assert_int_equal(dmt_read(t, 2, 1), 0xcc);
	for (char c = 'a'; c <= 'c'; c++)
		assert_int_equal(dmt_read(t, 0, 1), c);
	assert_int_equal(dmt_read(t, 2, 1), 0xc2); /* the transmit event came along */
	assert_int_equal(dmt_read(t, 2, 1), 0xc1);
	dmt_write(t, 3, 1, 0x83);
	assert_int_equal(dmt_read(t, 0, 1), 12);
}

static void cmos_write(struct dm_test *t, unsigned at, unsigned v)
{
	dmt_write(t, 0, 1, at);
	dmt_write(t, 1, 1, v);
}

static unsigned cmos_read(struct dm_test *t, unsigned at)
{
	dmt_write(t, 0, 1, at);
	return (unsigned)dmt_read(t, 1, 1);
}

static void rtc_cmos_setup(struct dm_test *t)
{
	cmos_write(t, 0x0b, 0x86); /* stands still at 2024-02-29 23:59:58, binary */
	cmos_write(t, 0x32, 20);
	cmos_write(t, 9, 24);
	cmos_write(t, 8, 2);
	cmos_write(t, 7, 29);
	cmos_write(t, 4, 23);
	cmos_write(t, 2, 59);
	cmos_write(t, 0, 58);
	cmos_write(t, 0x40, 0x77);
}

static void rtc_cmos_check(struct dm_test *t)
{
	assert_int_equal(cmos_read(t, 0x40), 0x77);
	assert_int_equal(cmos_read(t, 0), 58);
	cmos_write(t, 0x0b, 0x16); /* goes on, with its interrupt */
	dmt_advance(t, 2000000000ull);
	assert_int_equal(cmos_read(t, 8), 3);
	assert_int_equal(cmos_read(t, 7), 1);
	assert_int_equal(cmos_read(t, 0), 0);
	assert_true(dmt_line(t, 0));
}

static void i8042_setup(struct dm_test *t)
{
	dmt_write(t, 0, 1, 0xff); /* to a keyboard that is not there */
}

static void i8042_check(struct dm_test *t)
{
	assert_true(dmt_line(t, 0));
	assert_int_equal(dmt_read(t, 0, 1), 0xfe);
	assert_false(dmt_line(t, 0));
}

static void nothing_to_set(struct dm_test *t)
{
	(void)t;
}

static void pvpanic_check(struct dm_test *t)
{
	assert_int_equal(dmt_read(t, 0, 1), 3);
}

static void debug_exit_check(struct dm_test *t)
{
	assert_int_equal(dmt_r32(t, 0), 0);
}

static void pc_blobs_load(void **state)
{
	(void)state;
	each_version(&dm_class_ns16550, ns16550_setup, ns16550_check);
	each_version(&dm_class_rtc_cmos, rtc_cmos_setup, rtc_cmos_check);
	each_version(&dm_class_i8042, i8042_setup, i8042_check);
	each_version(&dm_class_pvpanic, nothing_to_set, pvpanic_check);
	each_version(&dm_class_debug_exit, nothing_to_set, debug_exit_check);
}

static void pl011_blobs_load(void **state)
{
	(void)state;
	each_version(&dm_class_pl011, pl011_setup, pl011_check);
}
static void pl031_blobs_load(void **state)
{
	(void)state;
	each_version(&dm_class_pl031, pl031_setup, pl031_check);
}
static void virtio_rng_blobs_load(void **state)
{
	(void)state;
	each_version(&dm_class_virtio_rng, rng_setup, rng_check);
}

/* A member that is not in the table is lost in a swap. */
static void the_tables_cover_the_whole_state(void **state)
{
	(void)state;
	const struct dm_class *all[] = {&dm_class_pl011,     &dm_class_pl031, &dm_class_ns16550,
					&dm_class_rtc_cmos,  &dm_class_i8042, &dm_class_pvpanic,
					&dm_class_debug_exit};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		size_t sum = 0;
		for (const struct dm_field *f = all[i]->fields; f->name; f++)
			sum += (size_t)f->width * f->count;
		assert_int_equal(sum, all[i]->state_size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pl011_blobs_load),
		cmocka_unit_test(pl031_blobs_load),
		cmocka_unit_test(virtio_rng_blobs_load),
		cmocka_unit_test(pc_blobs_load),
		cmocka_unit_test(the_tables_cover_the_whole_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
