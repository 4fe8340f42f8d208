/* SPDX-License-Identifier: Apache-2.0 */
/* The disk back-end over a block device: a loop device, where the test may make one. */
#include "rig.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/fd.h"

static char loop_path[32];

/* A loop device over r->path with blocks of @block bytes. False: no right to. */
static bool loop_make(struct rig *r, unsigned block)
{
	AUTO_FD ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int n = ctl >= 0 ? ioctl(ctl, LOOP_CTL_GET_FREE) : -1;
	if (n < 0)
		return false;
	snprintf(loop_path, sizeof(loop_path), "/dev/loop%d", n);
	AUTO_FD dev = open(loop_path, O_RDWR | O_CLOEXEC);
	struct loop_config c = {.fd = (uint32_t)r->fd,
				.block_size = block,
				.info = {.lo_flags = LO_FLAGS_AUTOCLEAR}};
	if (dev < 0 || ioctl(dev, LOOP_CONFIGURE, &c))
		return false;
	/* AUTOCLEAR: it goes with its last user, so one must be there from here on. */
	return rig_use(r, loop_path) == 0;
}

static void body(struct rig *r, unsigned block)
{
	uint8_t *out = rig_alloc(1 << 20), *in = rig_alloc(1 << 20), *zero = rig_alloc(1 << 20);
	struct dm_disk_info info;
	rig_fill(out, 1 << 20, 3);
	dm_disk_info(r->dm, 0, &info);
	assert_int_equal(info.bytes, RIG_BYTES);
	assert_int_equal(info.block, block);
	assert_int_equal(rig_do(r, DM_DISK_WRITE, 1 << 20, out, 1 << 20), 0);
	/* Sectors, wherever they are, whatever the host's block is. */
	assert_int_equal(rig_do(r, DM_DISK_WRITE, 512, out + 7, 512), 0);
	assert_int_equal(rig_do(r, DM_DISK_READ, 512, in, 512), 0);
	assert_memory_equal(in, out + 7, 512);
	assert_int_equal(rig_do(r, DM_DISK_READ, 1 << 20, in, 1 << 20), 0);
	assert_memory_equal(in, out, 1 << 20);
	assert_int_equal(rig_do(r, DM_DISK_FLUSH, 0, NULL, 0), 0);
	assert_int_equal(rig_do(r, DM_DISK_DISCARD, 1 << 20, NULL, 65536), 0);
	assert_int_equal(rig_do(r, DM_DISK_ZERO, (1 << 20) + 65536, NULL, 65536), 0);
	assert_int_equal(rig_do(r, DM_DISK_ZERO, (1 << 20) + 131072 + 512, NULL, 512), 0);
	assert_int_equal(rig_do(r, DM_DISK_READ, 1 << 20, in, 1 << 18), 0);
	assert_memory_equal(in + 65536, zero, 65536);
	assert_memory_equal(in + 131072, out + 131072, 512);
	assert_memory_equal(in + 131072 + 512, zero, 512);
	assert_memory_equal(in + 132096, out + 132096, (1 << 18) - 132096);
	assert_int_equal(rig_do(r, DM_DISK_WRITE, RIG_BYTES, out, 4096), -ENOSPC);
	assert_int_equal(dm_disk_resize(r->dm, 0, 4096), -ENOTSUP);
	assert_int_equal(dm_disk_resize(r->dm, 0, 0), 0);
	free(out);
	free(in);
	free(zero);
}

static void a_block_device_is_a_disk(void **s)
{
	static const char *const caches[] = {"writeback", "none"};
	static const unsigned blocks[] = {512, 4096};
	(void)s;
	for (unsigned i = 0; i < 4; i++) {
		struct rig r;
		rig_begin(&r, NULL, caches[i / 2]);
		if (!loop_make(&r, blocks[i % 2])) {
			print_message("no right to make a loop device: skipped\n");
			rig_end(&r);
			return;
		}
		body(&r, blocks[i % 2]);
		rig_close(&r);
	}
}

int block_run(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_block_device_is_a_disk)};
	return cmocka_run_group_tests_name("host_disk_block", tests, NULL, NULL);
}
