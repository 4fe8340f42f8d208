/* SPDX-License-Identifier: Apache-2.0 */
/* The disk back-end when the host fails, falls short or cannot. */
#include "rig.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <unistd.h>

static int clear(void **s)
{
	(void)s;
	rig_faults = (struct rig_faults){0};
	return 0;
}

static void short_transfers_are_continued(void **s)
{
	static const char *const caches[] = {"writeback", "writethrough"};
	uint8_t *out = rig_alloc(65536), *in = rig_alloc(65536);
	(void)s;
	rig_fill(out, 65536, 9);
	for (size_t i = 0; i < 2; i++) {
		struct rig r;
		assert_int_equal(rig_open(&r, NULL, "threads", caches[i], false), 0);
		rig_faults.move_max = 1000;
		assert_int_equal(rig_do(&r, DM_DISK_WRITE, 4096, out, 65536), 0);
		memset(in, 0, 65536);
		assert_int_equal(rig_do(&r, DM_DISK_READ, 4096, in, 65536), 0);
		assert_memory_equal(in, out, 65536);
		rig_close(&r);
	}
	free(out);
	free(in);
}

static void a_host_error_ends_the_request_and_is_logged(void **s)
{
	struct rig r;
	uint8_t *buf = rig_alloc(4096);
	(void)s;
	assert_int_equal(rig_open(&r, NULL, "threads", "writeback", false), 0);
	rig_faults.move_errno = EIO;
	assert_int_equal(rig_do(&r, DM_DISK_WRITE, 8192, buf, 4096), -EIO);
	assert_int_equal(rig_do(&r, DM_DISK_READ, 8192, buf, 4096), -EIO);
	assert_non_null(strstr(r.log, "read of 4096 bytes at 8192 failed: Input/output error"));
	for (int i = 0; i < 1000; i++)
		rig_do(&r, DM_DISK_READ, 8192, buf, 4096);
	assert_true(r.logs < 50);
	rig_faults.move_errno = 0;
	assert_int_equal(rig_do(&r, DM_DISK_READ, 8192, buf, 4096), 0);
	rig_close(&r);
	free(buf);
}

/* fdatasync(2) reports lost data once; the guest, which asks again, must hear of it again. */
static void after_a_failed_flush_no_flush_succeeds(void **s)
{
	struct rig r;
	(void)s;
	assert_int_equal(rig_open(&r, NULL, "auto", "writeback", false), 0);
	assert_int_equal(rig_do(&r, DM_DISK_FLUSH, 0, NULL, 0), 0);
	rig_faults.fdatasync_errno = ENOSPC;
	assert_int_equal(rig_do(&r, DM_DISK_FLUSH, 0, NULL, 0), -ENOSPC);
	rig_faults.fdatasync_errno = 0;
	assert_int_equal(rig_do(&r, DM_DISK_FLUSH, 0, NULL, 0), -EIO);
	rig_close(&r);
}

static void writes_are_stable_when_done_without_a_write_cache(void **s)
{
	struct rig r;
	struct dm_disk_info info;
	uint8_t *buf = rig_alloc(4096);
	(void)s;
	assert_int_equal(rig_open(&r, NULL, "auto", "writethrough", false), 0);
	dm_disk_info(r.dm, 0, &info);
	assert_false(info.writeback);
	assert_int_equal(rig_do(&r, DM_DISK_WRITE, 0, buf, 4096), 0);
	assert_int_equal(rig_faults.last_flags, RWF_DSYNC);
	assert_int_equal(rig_do(&r, DM_DISK_ZERO, 0, NULL, 4096), 0);
	assert_int_equal(rig_faults.fdatasync_calls, 1);
	dm_disk_writeback(r.dm, 0, true);
	assert_int_equal(rig_do(&r, DM_DISK_WRITE, 0, buf, 4096), 0);
	assert_int_equal(rig_faults.last_flags, 0);
	assert_int_equal(rig_faults.fdatasync_calls, 1);
	/* Switching it off makes stable what came before. */
	dm_disk_writeback(r.dm, 0, false);
	assert_int_equal(rig_do(&r, DM_DISK_WRITE, 0, buf, 4096), 0);
	dm_disk_drain(r.dm, 0);
	assert_int_equal(rig_faults.fdatasync_calls, 2);
	rig_close(&r);
	free(buf);
}

static void without_fallocate_zeroes_are_written_and_discards_do_nothing(void **s)
{
	static const char *const caches[] = {"writeback", "none"};
	uint8_t *zero = rig_alloc(1 << 20), *have = rig_alloc(1 << 20);
	(void)s;
	for (size_t i = 0; i < 2; i++) {
		struct rig r;
		if (rig_open(&r, NULL, "auto", caches[i], false))
			continue;
		rig_faults = (struct rig_faults){.fallocate_errno = EOPNOTSUPP};
		assert_int_equal(rig_do(&r, DM_DISK_ZERO, 512, NULL, 1 << 19), 0);
		assert_int_equal(pread(r.fd, have, 1 << 19, 512), 1 << 19);
		assert_memory_equal(have, zero, 1 << 19);
		memset(have, 1, 512);
		assert_int_equal(pread(r.fd, have, 512, 512 + (1 << 19)), 512);
		assert_memory_not_equal(have, zero, 512);
		unsigned calls = rig_faults.fallocate_calls;
		assert_int_equal(rig_do(&r, DM_DISK_DISCARD, 1 << 20, NULL, 1 << 20), 0);
		assert_int_equal(rig_do(&r, DM_DISK_DISCARD, 1 << 20, NULL, 1 << 20), 0);
		assert_int_equal(rig_faults.fallocate_calls, calls + 1); /* it is asked once */
		rig_close(&r);
	}
	free(zero);
	free(have);
}

static void where_io_uring_is_not_allowed_threads_do_it(void **s)
{
	struct rig r;
	uint8_t *buf = rig_alloc(4096);
	(void)s;
	rig_faults.uring_errno = EPERM;
	assert_int_equal(rig_open(&r, NULL, "auto", "writeback", false), 0);
	assert_int_equal(rig_do(&r, DM_DISK_READ, 0, buf, 4096), 0);
	rig_close(&r);
	assert_int_equal(rig_open(&r, NULL, "io_uring", "writeback", false), -EPERM);
	assert_non_null(strstr(r.err.msg, "use aio: threads"));
	rig_close(&r);
	free(buf);
}

static void a_full_file_system_is_an_error_of_the_write(void **s)
{
	static const char *const aios[] = {"threads", "auto"};
	(void)s;
	for (size_t i = 0; i < 2; i++) {
		char dir[] = "/tmp/host-disk-fs-XXXXXX";
		struct rig r;
		uint8_t *buf = rig_alloc(1 << 20);
		rig_fill(buf, 1 << 20, 4);
		assert_non_null(mkdtemp(dir));
		if (mount("none", dir, "tmpfs", 0, "size=1m")) {
			print_message("no right to mount a small file system: skipped\n");
			rmdir(dir);
			free(buf);
			return;
		}
		assert_int_equal(rig_open(&r, dir, aios[i], "writeback", false), 0);
		assert_int_equal(rig_do(&r, DM_DISK_WRITE, 0, buf, 512 << 10), 0);
		assert_int_equal(rig_do(&r, DM_DISK_WRITE, 512 << 10, buf, 1 << 20), -ENOSPC);
		assert_non_null(strstr(r.log, "No space left on device"));
		assert_int_equal(rig_do(&r, DM_DISK_READ, 0, buf, 4096), 0);
		rig_close(&r);
		umount2(dir, MNT_DETACH);
		rmdir(dir);
		free(buf);
	}
}

int faults_run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(short_transfers_are_continued, clear),
		cmocka_unit_test_setup(a_host_error_ends_the_request_and_is_logged, clear),
		cmocka_unit_test_setup(after_a_failed_flush_no_flush_succeeds, clear),
		cmocka_unit_test_setup(writes_are_stable_when_done_without_a_write_cache, clear),
		cmocka_unit_test_setup(without_fallocate_zeroes_are_written_and_discards_do_nothing,
				       clear),
		cmocka_unit_test_setup(where_io_uring_is_not_allowed_threads_do_it, clear),
		cmocka_unit_test_setup(a_full_file_system_is_an_error_of_the_write, clear),
	};
	return cmocka_run_group_tests_name("host_disk_faults", tests, clear, clear);
}
