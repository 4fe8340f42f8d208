/* SPDX-License-Identifier: Apache-2.0 */
/* The register file: virtio 1.2, sections 2.2, 2.5 and 4.2.2. */
#include "tests/unit/virtio/tdriver.h"
#include "tests/unit/virtio/tmodel.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define COMMON (VRING_F_VERSION_1 | VIRTIO_F_RING_RESET | TM_F_ONE | TM_F_BAD)

static int setup(void **state)
{
	*state = dmt_create(&dm_class_tmodel, NULL);
	return 0;
}

static int teardown(void **state)
{
	dmt_destroy(*state);
	return 0;
}

static void constants(void **state)
{
	struct dm_test *t = *state;
	assert_int_equal(dmt_r32(t, R_MAGIC), 0x74726976);
	assert_int_equal(dmt_r32(t, R_VERSION), 2);
	assert_int_equal(dmt_r32(t, R_DEVICE_ID), 42);
	assert_int_equal(dmt_r32(t, R_VENDOR_ID), VIRTIO_VENDOR);
	assert_int_equal(dmt_r32(t, R_STATUS), 0);
	assert_int_equal(dmt_r32(t, R_INTERRUPT_STATUS), 0);
	assert_int_equal(t->dm->guest_errors, 0);
}

static void constants_cannot_be_written(void **state)
{
	struct dm_test *t = *state;
	static const uint32_t ro[] = {R_MAGIC,	     R_VERSION,		R_DEVICE_ID,
				      R_VENDOR_ID,   R_DEVICE_FEATURES, R_QUEUE_NUM_MAX,
				      R_SHM_LEN_LOW, R_SHM_BASE_HIGH,	R_CONFIG_GENERATION};
	for (size_t i = 0; i < sizeof(ro) / sizeof(ro[0]); i++) {
		uint32_t before = dmt_r32(t, ro[i]);
		dmt_w32(t, ro[i], ~before);
		assert_int_equal(dmt_r32(t, ro[i]), before);
	}
}

/* Every control register takes 32 bits and nothing else; what is wrong is counted and has no effect. */
static void control_registers_are_32_bits_wide(void **state)
{
	struct dm_test *t = *state;
	for (const struct dm_reg *r = virtio_regs; r->name; r++) {
		if (r->offset >= R_CONFIG)
			continue;
		for (unsigned width = 1; width <= 8; width *= 2) {
			uint64_t errors = t->dm->guest_errors;
			uint64_t v = dmt_read(t, r->offset, width);
			assert_int_equal(t->dm->guest_errors - errors, width == 4 ? 0 : 1);
			if (width != 4)
				assert_int_equal(v, 0);
		}
	}
	dmt_write(t, R_STATUS, 1, 1);
	dmt_write(t, R_STATUS, 2, 1);
	dmt_write(t, R_STATUS, 8, 1);
	assert_int_equal(dmt_r32(t, R_STATUS), 0);
	uint64_t errors = t->dm->guest_errors;
	dmt_write(t, R_STATUS + 2, 4, 1); /* misaligned */
	dmt_read(t, 0x0f0, 4);		  /* a hole */
	dmt_write(t, 0x018, 4, 1);
	assert_int_equal(t->dm->guest_errors - errors, 3);
}

static void features_by_selector(void **state)
{
	struct dm_test *t = *state;
	assert_int_equal(td_offered(t),
			 COMMON | VRING_F_INDIRECT_DESC | VRING_F_EVENT_IDX | VRING_F_RING_PACKED);
	for (uint32_t sel = 2; sel; sel <<= 1) {
		dmt_w32(t, R_DEVICE_FEATURES_SEL, sel);
		assert_int_equal(dmt_r32(t, R_DEVICE_FEATURES), 0);
	}
	dmt_w32(t, R_DEVICE_FEATURES_SEL, 0xffffffff);
	assert_int_equal(dmt_r32(t, R_DEVICE_FEATURES), 0);
	assert_int_equal(dmt_r32(t, R_DRIVER_FEATURES), 0); /* write-only */
}

static void options_take_features_away(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_tmodel,
				       (const char *const[]){"packed", "false", "event_idx",
							     "false", "indirect", "false", NULL});
	assert_int_equal(td_offered(t), COMMON);
	dmt_destroy(t);
}

static void there_is_no_shared_memory(void **state)
{
	struct dm_test *t = *state;
	for (uint32_t sel = 0; sel < 4; sel++) {
		dmt_w32(t, R_SHM_SEL, sel);
		assert_int_equal(dmt_r32(t, R_SHM_LEN_LOW), 0xffffffff);
		assert_int_equal(dmt_r32(t, R_SHM_LEN_HIGH), 0xffffffff);
		assert_int_equal(dmt_r32(t, R_SHM_BASE_LOW), 0xffffffff);
		assert_int_equal(dmt_r32(t, R_SHM_BASE_HIGH), 0xffffffff);
	}
	dmt_w32(t, R_STATUS, 0); /* nor after a reset */
	assert_int_equal(dmt_r32(t, R_SHM_LEN_LOW), 0xffffffff);
}

/* ---- configuration space ------------------------------------------------------------------------------ */

static uint64_t expected(unsigned offset, unsigned width)
{
	static const uint8_t config[16] = {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
					   0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};
	uint64_t v = 0;
	for (unsigned i = 0; i < width; i++)
		v |= (uint64_t)(offset + i < 16 ? config[offset + i] : 0) << (8 * i);
	return v;
}

static void config_is_read_in_every_width_at_every_offset(void **state)
{
	struct dm_test *t = *state;
	for (unsigned width = 1; width <= 8; width *= 2)
		for (unsigned off = 0; off + width <= VIRTIO_CONFIG_BYTES; off++)
			assert_int_equal(dmt_read(t, R_CONFIG + off, width), expected(off, width));
	assert_int_equal(t->dm->guest_errors, 0);
	dmt_read(t, R_CONFIG + VIRTIO_CONFIG_BYTES - 1, 2); /* over the end */
	assert_int_equal(t->dm->guest_errors, 1);
}

static void config_is_written_in_every_width(void **state)
{
	struct dm_test *t = *state;
	struct td d;
	assert_true(td_negotiate(&d, t, VRING_F_VERSION_1));
	for (unsigned width = 1; width <= 4; width *= 2)
		for (unsigned off = 0; off + width <= TM_CONFIG_WRITABLE; off++) {
			uint32_t writes = tm_state(t->dm)->writes;
			uint64_t v = 0xa5c3e187u + off * 0x01010101u;
			v &= width == 4 ? 0xffffffff : (1u << (8 * width)) - 1;
			dmt_write(t, R_CONFIG + off, width, v);
			assert_int_equal(dmt_read(t, R_CONFIG + off, width), v);
			assert_int_equal(tm_state(t->dm)->writes, writes + 1);
			assert_int_equal(tm_state(t->dm)->write_offset, off);
			assert_int_equal(tm_state(t->dm)->write_width, width);
		}
	assert_int_equal(t->dm->guest_errors, 0);
}

static void read_only_config_stays(void **state)
{
	struct dm_test *t = *state;
	struct td d;
	unsigned n = 0;
	td_negotiate(&d, t, VRING_F_VERSION_1);
	for (unsigned width = 1; width <= 8; width *= 2)
		for (unsigned off = 0; off + width <= 24; off++) {
			if (off + width <= TM_CONFIG_WRITABLE)
				continue;
			dmt_write(t, R_CONFIG + off, width, UINT64_MAX);
			assert_int_equal(dmt_read(t, R_CONFIG + off, width), expected(off, width));
			assert_int_equal(t->dm->guest_errors, ++n);
		}
	assert_int_equal(tm_state(t->dm)->writes, 0);
}

/* 3.1.1, step 4: a driver must not write the configuration before FEATURES_OK. */
static void config_is_not_written_before_features_ok(void **state)
{
	struct dm_test *t = *state;
	dmt_write(t, R_CONFIG, 1, 0xff);
	assert_int_equal(dmt_read(t, R_CONFIG, 1), 0x10);
	assert_int_equal(t->dm->guest_errors, 1);
}

/* 2.5.3: a driver that reads a changed field sees another generation. */
static void generation_changes_with_the_config(void **state)
{
	struct dm_test *t = *state;
	struct td d;
	uint32_t gen = dmt_r32(t, R_CONFIG_GENERATION);
	tm_set_word(t->dm, 0xfedcba9876543210ull);
	dmt_settle(t);
	assert_int_equal(dmt_read(t, R_CONFIG + TM_CONFIG_WORD, 8), 0xfedcba9876543210ull);
	assert_int_not_equal(dmt_r32(t, R_CONFIG_GENERATION), gen);
	assert_int_equal(dmt_r32(t, R_INTERRUPT_STATUS),
			 0); /* 2.1.2: no notification before DRIVER_OK */
	td_negotiate(&d, t, VRING_F_VERSION_1);
	td_ok(&d);
	gen = dmt_r32(t, R_CONFIG_GENERATION);
	tm_set_word(t->dm, 1);
	dmt_settle(t);
	assert_int_not_equal(dmt_r32(t, R_CONFIG_GENERATION), gen);
	assert_int_equal(dmt_r32(t, R_INTERRUPT_STATUS), VIRTIO_INT_CONFIG);
	assert_true(dmt_line(t, 0));
	dmt_w32(t, R_INTERRUPT_ACK, VIRTIO_INT_USED);
	assert_true(dmt_line(t, 0));
	dmt_w32(t, R_INTERRUPT_ACK, VIRTIO_INT_CONFIG);
	assert_int_equal(dmt_r32(t, R_INTERRUPT_STATUS), 0);
	assert_false(dmt_line(t, 0));
}

static void a_reset_that_changes_the_config_changes_the_generation(void **state)
{
	struct dm_test *t = *state;
	uint32_t gen = dmt_r32(t, R_CONFIG_GENERATION);
	dmt_w32(t, R_STATUS, 0);
	assert_int_equal(dmt_r32(t, R_CONFIG_GENERATION), gen);
	tm_set_word(t->dm, 7);
	gen = dmt_r32(t, R_CONFIG_GENERATION);
	dmt_w32(t, R_STATUS, 0); /* setup() puts another value there */
	assert_int_not_equal(dmt_r32(t, R_CONFIG_GENERATION), gen);
}

/* The generation is the one register of the configuration that must not be answered from the shadow page: regs.c. */
static void ways_of_reading(void **state)
{
	(void)state;
	for (const struct dm_reg *r = virtio_regs; r->name; r++) {
		unsigned way = dm_reg_shadowed(r);
		if (r->offset == R_CONFIG_GENERATION)
			assert_int_equal(way, 0);
		else if (r->offset == R_INTERRUPT_STATUS)
			assert_int_equal(way, 3);
		else
			assert_int_equal(way, 1);
	}
}

static void inspect_names_features_and_queues(void **state)
{
	struct dm_test *t = *state;
	struct td d;
	td_negotiate(&d, t, VRING_F_VERSION_1 | VRING_F_RING_PACKED | TM_F_ONE);
	td_queue(&d, 0, 8);
	char *s = dm_inspect(t->dm, "dev");
	assert_non_null(s);
	assert_non_null(strstr(s, "0 VERSION_1 RING_PACKED"));
	assert_non_null(strstr(s, "packed, 8 entries"));
	assert_non_null(strstr(s, "not ready, up to 128 entries"));
	assert_non_null(strstr(s, "does not exist"));
	assert_non_null(strstr(s, "kept"));
	free(s);
}

/* What comes from outside is checked before anything runs on it. */
static void a_state_with_bad_indices_is_not_loaded(void **state)
{
	struct dm_test *t = *state;
	struct td d;
	td_negotiate(&d, t, VRING_F_VERSION_1 | VRING_F_RING_PACKED);
	td_queue(&d, 0, 8);
	td_ok(&d);
	struct tmodel good = *tm_state(t->dm);
	const struct bad {
		size_t offset;
		uint32_t value;
	} bad[] = {{offsetof(struct tmodel, v.nqueues), 5},
		   {offsetof(struct tmodel, v.nfresh), VIRTIO_FRESH + 1},
		   {offsetof(struct tmodel, v.more), 1u << 4},
		   {offsetof(struct tmodel, v.unarmed), 1u << 31},
		   {offsetof(struct tmodel, v.turn), 33},
		   {offsetof(struct tmodel, v.device_id), 1},
		   {offsetof(struct tmodel, q[0].desc), 3},
		   {offsetof(struct tmodel, q[0].avail), 8},
		   {offsetof(struct tmodel, q[0].size), 0}};
	uint8_t *blob;
	size_t len;
	struct err err;
	assert_int_equal(dm_save(t->dm, &blob, &len), 0);
	assert_int_equal(dm_load(t->dm, blob, len, &err), 0);
	assert_memory_equal(&good, tm_state(t->dm), sizeof(good));
	free(blob);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		*tm_state(t->dm) = good;
		memcpy((uint8_t *)tm_state(t->dm) + bad[i].offset, &bad[i].value,
		       bad[i].offset >= sizeof(struct virtio) ? 2 : 4);
		assert_int_equal(dm_save(t->dm, &blob, &len), 0);
		assert_int_not_equal(dm_load(t->dm, blob, len, &err), 0);
		free(blob);
	}
	*tm_state(t->dm) = good;
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(constants),
		T(constants_cannot_be_written),
		T(control_registers_are_32_bits_wide),
		T(features_by_selector),
		cmocka_unit_test(options_take_features_away),
		T(there_is_no_shared_memory),
		T(config_is_read_in_every_width_at_every_offset),
		T(config_is_written_in_every_width),
		T(read_only_config_stays),
		T(config_is_not_written_before_features_ok),
		T(generation_changes_with_the_config),
		T(a_reset_that_changes_the_config_changes_the_generation),
		cmocka_unit_test(ways_of_reading),
		T(inspect_names_features_and_queues),
		T(a_state_with_bad_indices_is_not_loaded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
