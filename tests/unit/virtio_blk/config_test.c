/* SPDX-License-Identifier: Apache-2.0 */
/* Features, configuration, cache modes and size of virtio-blk. */
#include "tests/unit/virtio_blk/rig.h"
#include <string.h>

#define SECTORS (16u << 11)
#define CONFIG 0x100u

static void the_configuration_describes_the_disk(void **s)
{
	struct bd b;
	(void)s;
	bd_open(&b, PACKED, NULL, 0);
	assert_int_equal(dmt_r32(b.t, 0x008), 2);
	uint64_t want = BLK_F_SEG_MAX | BLK_F_BLK_SIZE | BLK_F_FLUSH | BLK_F_TOPOLOGY |
			BLK_F_CONFIG_WCE | BLK_F_DISCARD | BLK_F_WRITE_ZEROES;
	assert_int_equal(td_offered(b.t) & 0xffffff, want);
	assert_int_equal(bd_config(&b, 0, 8), SECTORS);
	assert_int_equal(bd_config(&b, 4, 4), 0);
	assert_int_equal(bd_config(&b, 12, 4), 254);
	assert_int_equal(bd_config(&b, 20, 4), 512);
	assert_int_equal(bd_config(&b, 32, 1), 1);
	assert_int_equal(bd_config(&b, 36, 4), BLK_MAX_SECTORS);
	assert_int_equal(bd_config(&b, 40, 4), 1);
	assert_int_equal(bd_config(&b, 48, 4), BLK_MAX_SECTORS);
	assert_int_equal(bd_config(&b, 52, 4), 1);
	assert_int_equal(bd_config(&b, 56, 1), 1);
	assert_true(sizeof(struct blk) <= 8192); /* it is copied at each commit */
	bd_close(&b);
}

static void options_shape_it(void **s)
{
	static const char *const options[] = {
		"path", "x",	 "queues",	 "3", "queue_size", "1024", "block_size",
		"4096", "cache", "writethrough", NULL};
	struct bd b;
	(void)s;
	bd_open(&b, SPLIT, options, 0);
	assert_true(td_offered(b.t) & BLK_F_MQ);
	assert_int_equal(bd_config(&b, 34, 2), 3);
	assert_int_equal(bd_config(&b, 20, 4), 4096);
	assert_int_equal(bd_config(&b, 12, 4), 1022);
	assert_int_equal(bd_config(&b, 32, 1), 0);
	assert_false(b.t->disk.info.writeback);
	dmt_w32(b.t, 0x30, 2);
	assert_int_equal(dmt_r32(b.t, 0x34), 1024);
	dmt_w32(b.t, 0x30, 3);
	assert_int_equal(dmt_r32(b.t, 0x34), 0);
	/* Each queue works. */
	for (unsigned q = 0; q < 3; q++) {
		unsigned slot = bd_add(&b, q, T_IN, 8 * q, 512);
		bd_kick(&b, q);
		assert_int_equal(b.answers[slot], 1);
		assert_int_equal(bd_status(&b, slot), BLK_S_OK);
	}
	bd_close(&b);
}

static void topology_follows_the_hosts_blocks(void **s)
{
	struct bd b;
	(void)s;
	bd_open(&b, SPLIT, NULL, 0);
	b.t->disk.info.physical = 4096;
	dmt_w32(b.t, 0x70, 0);
	assert_int_equal(bd_config(&b, 24, 1), 3);
	assert_int_equal(bd_config(&b, 25, 1), 0);
	assert_int_equal(bd_config(&b, 26, 2), 8);
	assert_int_equal(bd_config(&b, 44, 4), 8);
	b.t->disk.info.physical = 512;
	dmt_w32(b.t, 0x70, 0);
	assert_int_equal(bd_config(&b, 24, 1), 0);
	assert_int_equal(bd_config(&b, 26, 2), 1);
	bd_close(&b);
}

/* 5.2.5 and 5.2.6.2: who decides whether there is a write-back cache. */
static void the_write_cache_is_the_drivers_choice(void **s)
{
	struct bd b;
	(void)s;
	bd_open(&b, SPLIT, NULL, 0);
	assert_true(b.t->disk.info.writeback);
	dmt_write(b.t, CONFIG + 32, 1, 0);
	assert_false(b.t->disk.info.writeback);
	assert_int_equal(bd_config(&b, 32, 1), 0);
	dmt_write(b.t, CONFIG + 32, 1, 0x80);
	assert_true(b.t->disk.info.writeback);
	assert_int_equal(bd_config(&b, 32, 1), 1);
	bd_start(&b, SPLIT, BLK_F_CONFIG_WCE);
	assert_true(b.t->disk.info.writeback);
	dmt_write(b.t, CONFIG + 32, 1, 0);
	assert_true(b.t->disk.info.writeback);
	assert_int_equal(bd_config(&b, 32, 1), 1);
	/* A driver that cannot flush gets no cache that needs it. */
	bd_start(&b, SPLIT, BLK_F_CONFIG_WCE | BLK_F_FLUSH);
	assert_false(b.t->disk.info.writeback);
	bd_start(&b, SPLIT, 0);
	assert_true(b.t->disk.info.writeback);
	bd_close(&b);
}

static void a_driver_cannot_change_the_rest(void **s)
{
	struct bd b;
	uint8_t before[64], after[64];
	(void)s;
	bd_open(&b, SPLIT, NULL, 0);
	for (uint32_t i = 0; i < 64; i++)
		before[i] = (uint8_t)bd_config(&b, i, 1);
	for (uint32_t i = 0; i < 64; i++)
		if (i != 32)
			dmt_write(b.t, CONFIG + i, 1, 0x55);
	dmt_write(b.t, CONFIG + 0, 8, 0);
	dmt_write(b.t, CONFIG + 12, 4, 0);
	for (uint32_t i = 0; i < 64; i++)
		after[i] = (uint8_t)bd_config(&b, i, 1);
	assert_memory_equal(before, after, 64);
	bd_close(&b);
}

static void a_rest_of_a_sector_is_hidden_and_said(void **s)
{
	struct bd b;
	(void)s;
	bd_open(&b, SPLIT, NULL, 0);
	b.t->disk.info.bytes = 1000001;
	dmt_control(b.t, "capacity", "auto");
	assert_int_equal(bd_config(&b, 0, 8), 1000001 / 512);
	assert_non_null(strstr(b.t->log, "capacity"));
	assert_int_equal(bd_do(&b, T_IN, 1000001 / 512 - 1, 512), BLK_S_OK);
	assert_int_equal(bd_do(&b, T_IN, 1000001 / 512, 512), BLK_S_IOERR);
	assert_int_equal(bd_do(&b, T_OUT, 1000001 / 512, 512), BLK_S_IOERR);
	b.t->disk.info.bytes = 100;
	unsigned logs = b.t->logs;
	dmt_control(b.t, "capacity", "auto");
	assert_int_equal(bd_config(&b, 0, 8), 0);
	assert_int_equal(b.t->logs, logs + 2); /* the hidden rest, and the new capacity */
	bd_close(&b);
}

static void the_size_changes_while_running(void **s)
{
	struct bd b;
	(void)s;
	bd_open(&b, SPLIT, NULL, 0);
	uint32_t gen = dmt_r32(b.t, 0xfc);
	dmt_ack(b.t, 0, 3);
	assert_int_equal(dmt_control(b.t, "capacity", "8M"), 0);
	assert_int_equal(bd_config(&b, 0, 8), 8 << 11);
	assert_int_not_equal(dmt_r32(b.t, 0xfc), gen);
	assert_int_equal(b.t->pending[0], VIRTIO_INT_CONFIG);
	assert_int_equal(bd_do(&b, T_IN, 8 << 11, 512), BLK_S_IOERR);
	dmt_ack(b.t, 0, 3);
	assert_int_equal(dmt_control(b.t, "capacity", "8388608"), 0);
	assert_int_equal(b.t->pending[0], 0); /* nothing changed */
	b.t->disk.info.bytes = 4 << 20;
	assert_int_equal(dmt_control(b.t, "capacity", "auto"), 0);
	assert_int_equal(bd_config(&b, 0, 8), 4 << 11);
	/* A driver's reset keeps it. */
	bd_start(&b, SPLIT, 0);
	assert_int_equal(bd_config(&b, 0, 8), 4 << 11);
	bd_close(&b);
}

static void a_size_that_makes_no_sense_is_refused(void **s)
{
	static const char *const bad[] = {"",
					  "0",
					  "12Q",
					  "1000",
					  "-5",
					  "8MB",
					  "0x100",
					  "99999999999999999999",
					  "18446744073709551615T",
					  "M"};
	struct bd b;
	(void)s;
	bd_open(&b, SPLIT, NULL, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(dmt_control(b.t, "capacity", bad[i]) < 0);
		assert_non_null(strstr(b.t->log, "is not a size"));
	}
	assert_true(dmt_control(b.t, "capacity", "1T") < 0);
	assert_non_null(strstr(b.t->log, "No space left"));
	assert_int_equal(bd_config(&b, 0, 8), SECTORS);
	bd_close(&b);
	static const char *const options[] = {"path", "x", "readonly", "yes", NULL};
	bd_open(&b, SPLIT, options, 0);
	assert_true(dmt_control(b.t, "capacity", "8M") < 0);
	assert_non_null(strstr(b.t->log, "read-only"));
	assert_int_equal(dmt_control(b.t, "capacity", "auto"), 0);
	bd_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_configuration_describes_the_disk),
		cmocka_unit_test(options_shape_it),
		cmocka_unit_test(topology_follows_the_hosts_blocks),
		cmocka_unit_test(the_write_cache_is_the_drivers_choice),
		cmocka_unit_test(a_driver_cannot_change_the_rest),
		cmocka_unit_test(a_rest_of_a_sector_is_hidden_and_said),
		cmocka_unit_test(the_size_changes_while_running),
		cmocka_unit_test(a_size_that_makes_no_sense_is_refused),
	};
	return cmocka_run_group_tests_name("virtio_blk_config", tests, NULL, NULL);
}
