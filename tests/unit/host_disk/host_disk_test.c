/* SPDX-License-Identifier: Apache-2.0 */
/* The disk back-end over real files: both engines, with and without the page cache. */
#include "rig.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct kind {
	const char *aio, *cache;
};
static const struct kind kinds[] = {
	{"threads", "writeback"}, {"threads", "none"}, {"threads", "writethrough"},
	{"auto", "writeback"},	  {"auto", "none"},    {"auto", "writethrough"}};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Runs @body for each kind. */
static void each(void (*body)(struct rig *r))
{
	for (size_t i = 0; i < KINDS; i++) {
		struct rig r;
		int rc = rig_open(&r, NULL, kinds[i].aio, kinds[i].cache, false);
		if (rc == 1)
			continue;
		assert_int_equal(rc, 0);
		body(&r);
		rig_close(&r);
	}
}

/* Compares @bytes at @offset of the file, as another process sees it, with @want. */
static void expect_file(struct rig *r, uint64_t offset, const void *want, size_t bytes)
{
	uint8_t *have = malloc(bytes);
	assert_int_equal(pread(r->fd, have, bytes, (off_t)offset), bytes);
	assert_memory_equal(have, want, bytes);
	free(have);
}

static void body_roundtrip(struct rig *r)
{
	uint8_t *out = rig_alloc(65536), *in = rig_alloc(65536);
	rig_fill(out, 65536, 2);
	assert_int_equal(rig_do(r, DM_DISK_WRITE, 131072, out, 65536), 0);
	expect_file(r, 131072, out, 65536);
	assert_int_equal(rig_do(r, DM_DISK_READ, 131072, in, 65536), 0);
	assert_memory_equal(in, out, 65536);
	assert_int_equal(rig_do(r, DM_DISK_FLUSH, 0, NULL, 0), 0);
	assert_int_equal(rig_do(r, DM_DISK_READ, RIG_BYTES - 4096, in, 4096), 0);
	assert_int_equal(r->logs, 0);
	free(out);
	free(in);
}

static void what_is_written_is_read_back(void **s)
{
	(void)s;
	each(body_roundtrip);
}

static void body_scattered(struct rig *r)
{
	uint8_t *a = rig_alloc(65536), *b = rig_alloc(65536), *want = malloc(65536);
	struct iovec v[7], w[3] = {{b + 16384, 4096}, {b, 8192}, {b + 32768, 16384}};
	size_t sum = 0;
	rig_fill(a, 65536, 3);
	for (size_t i = 0; i < 7; i++) {
		v[i] = (struct iovec){a + 8192 * i, 512 * (i + 5)};
		memcpy(want + sum, v[i].iov_base, v[i].iov_len);
		sum += v[i].iov_len;
	}
	assert_int_equal(sum, 28672);
	struct dm_disk_io io = {
		.op = DM_DISK_WRITE, .tag = 1, .offset = 4096, .bytes = sum, .iov = v, .niov = 7};
	r->result[1] = PENDING;
	assert_int_equal(dm_disk_submit(r->dm, 0, &io), 0);
	memset(v, 0, sizeof(v)); /* the array is the caller's again */
	rig_wait(r);
	assert_int_equal(r->result[1], 0);
	expect_file(r, 4096, want, sum);
	io = (struct dm_disk_io){
		.op = DM_DISK_READ, .tag = 1, .offset = 4096, .bytes = sum, .iov = w, .niov = 3};
	r->result[1] = PENDING;
	assert_int_equal(dm_disk_submit(r->dm, 0, &io), 0);
	rig_wait(r);
	assert_int_equal(r->result[1], 0);
	assert_memory_equal(b + 16384, want, 4096);
	assert_memory_equal(b, want + 4096, 8192);
	assert_memory_equal(b + 32768, want + 12288, 16384);
	free(a);
	free(b);
	free(want);
}

static void many_segments_are_one_run_on_the_medium(void **s)
{
	(void)s;
	each(body_scattered);
}

/* Buffers at odd addresses, lengths and offsets of one sector: O_DIRECT takes none of it. */
static void body_misaligned(struct rig *r)
{
	uint8_t *out = rig_alloc(1 << 20), *in = rig_alloc(1 << 20);
	static const struct {
		size_t shift, bytes;
		uint64_t offset;
	} t[] = {{1, 4096, 8192},
		 {3, 512, 512},
		 {0, 512, 1536},
		 {7, 700 * 512, 4096},
		 {512, 4096, 0},
		 {13, 3 * 512, 5 * 512},
		 {4, 65536, RIG_BYTES - 65536},
		 {2, 512, RIG_BYTES - 512}};
	rig_fill(out, 1 << 20, 5);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(
			rig_do(r, DM_DISK_WRITE, t[i].offset, out + t[i].shift, t[i].bytes), 0);
		expect_file(r, t[i].offset, out + t[i].shift, t[i].bytes);
		assert_int_equal(rig_do(r, DM_DISK_READ, t[i].offset, in + t[i].shift, t[i].bytes),
				 0);
		assert_memory_equal(in + t[i].shift, out + t[i].shift, t[i].bytes);
	}
	/* Segments that are aligned together, and not one by one. */
	struct iovec v[2] = {{in, 1000}, {in + 4096, 3096}};
	struct dm_disk_io io = {
		.op = DM_DISK_READ, .tag = 1, .offset = 0, .bytes = 4096, .iov = v, .niov = 2};
	r->result[1] = PENDING;
	assert_int_equal(dm_disk_submit(r->dm, 0, &io), 0);
	rig_wait(r);
	assert_int_equal(r->result[1], 0);
	expect_file(r, 0, in, 1000);
	expect_file(r, 1000, in + 4096, 3096);
	free(out);
	free(in);
}

static void misaligned_buffers_and_offsets_work(void **s)
{
	(void)s;
	each(body_misaligned);
}

#define DEEP 512u

static void body_deep(struct rig *r)
{
	uint8_t *out = rig_alloc(DEEP * 4096), *in = rig_alloc(DEEP * 4096);
	rig_fill(out, DEEP * 4096, 6);
	for (uint32_t i = 0; i < DEEP; i++) /* a permutation: 5 and 512 have no common factor */
		rig_submit(r, DM_DISK_WRITE, i, (uint64_t)(i * 5 % DEEP) * 4096, out + i * 4096,
			   4096);
	rig_wait(r);
	for (uint32_t i = 0; i < DEEP; i++)
		assert_int_equal(r->result[i], 0);
	for (uint32_t i = 0; i < DEEP; i++)
		rig_submit(r, DM_DISK_READ, i, (uint64_t)(i * 5 % DEEP) * 4096, in + i * 4096,
			   4096);
	rig_submit(r, DM_DISK_FLUSH, DEEP, 0, NULL, 0);
	rig_wait(r);
	assert_int_equal(r->done, 2 * DEEP + 1);
	assert_memory_equal(in, out, DEEP * 4096);
	free(out);
	free(in);
}

static void hundreds_in_flight_all_end_well(void **s)
{
	(void)s;
	each(body_deep);
}

static void body_zeroes(struct rig *r)
{
	uint8_t *buf = rig_alloc(1 << 20), *zero = rig_alloc(1 << 20);
	struct stat before, after;
	assert_int_equal(rig_do(r, DM_DISK_FLUSH, 0, NULL, 0), 0);
	fstat(r->fd, &before);
	assert_int_equal(rig_do(r, DM_DISK_DISCARD, 1 << 20, NULL, 1 << 20), 0);
	fstat(r->fd, &after);
	assert_int_equal(after.st_size, before.st_size);
	if (after.st_blocks >= before.st_blocks)
		print_message("no holes on this file system\n");
	else
		expect_file(r, 1 << 20, zero, 1 << 20);
	assert_int_equal(rig_do(r, DM_DISK_ZERO, 2 << 20, NULL, (1 << 20) - 512), 0);
	expect_file(r, 2 << 20, zero, (1 << 20) - 512);
	struct dm_disk_io io = {
		.op = DM_DISK_ZERO, .tag = 3, .offset = 4 << 20, .bytes = 1 << 20, .unmap = true};
	r->result[3] = PENDING;
	assert_int_equal(dm_disk_submit(r->dm, 0, &io), 0);
	rig_wait(r);
	assert_int_equal(r->result[3], 0);
	expect_file(r, 4 << 20, zero, 1 << 20);
	assert_int_equal(rig_do(r, DM_DISK_READ, (2 << 20) + 512, buf, 1 << 19), 0);
	assert_memory_equal(buf, zero, 1 << 19);
	free(buf);
	free(zero);
}

static void discarded_and_zeroed_ranges_read_as_zeroes(void **s)
{
	(void)s;
	each(body_zeroes);
}

static void body_shrunk(struct rig *r)
{
	uint8_t *buf = rig_alloc(8192);
	assert_int_equal(ftruncate(r->fd, 1 << 20), 0);
	assert_int_equal(rig_do(r, DM_DISK_READ, 2 << 20, buf, 4096), -EIO);
	assert_int_equal(rig_do(r, DM_DISK_READ, (1 << 20) - 4096, buf, 8192), -EIO);
	assert_int_equal(rig_do(r, DM_DISK_READ, (1 << 20) - 4096, buf, 4096), 0);
	assert_int_equal(r->logs, 2);
	assert_non_null(strstr(r->log, "read of 8192 bytes at 1044480 failed"));
	/* Writing makes the file long enough again. */
	assert_int_equal(rig_do(r, DM_DISK_WRITE, 2 << 20, buf, 4096), 0);
	assert_int_equal(rig_do(r, DM_DISK_READ, 2 << 20, buf, 4096), 0);
	free(buf);
}

static void reads_behind_the_end_of_a_shrunk_image_fail(void **s)
{
	(void)s;
	each(body_shrunk);
}

static void body_drain(struct rig *r)
{
	uint8_t *buf = rig_alloc(64 * 65536);
	for (uint32_t i = 0; i < 64; i++)
		rig_submit(r, i & 1 ? DM_DISK_READ : DM_DISK_WRITE, i, i * 65536, buf + i * 65536,
			   65536);
	rig_submit(r, DM_DISK_FLUSH, 64, 0, NULL, 0);
	dm_host_disk.run(r->h); /* some are with the host, some perhaps done */
	for (uint32_t i = 65; i < 70; i++)
		rig_submit(r, DM_DISK_WRITE, i, i * 4096, buf, 4096);
	unsigned before = r->done;
	r->drained = true;
	assert_int_equal(dm_disk_drain(r->dm, 0), 70 - before);
	assert_false(dm_host_disk.busy(r->h));
	assert_false(dm_host_disk.run(r->h));
	assert_int_equal(r->refused, 0);
	r->drained = false;
	/* The tags are free again. */
	for (uint32_t i = 0; i < 70; i++)
		rig_submit(r, DM_DISK_READ, i, i * 4096, buf + i * 4096, 4096);
	rig_wait(r);
	assert_int_equal(r->done, before + 70);
	free(buf);
}

static void after_a_drain_nothing_is_with_the_host(void **s)
{
	(void)s;
	each(body_drain);
}

static void body_resize(struct rig *r)
{
	struct dm_disk_info info;
	uint8_t *buf = rig_alloc(4096);
	dm_disk_info(r->dm, 0, &info);
	assert_int_equal(info.bytes, RIG_BYTES);
	assert_int_equal(dm_disk_resize(r->dm, 0, RIG_BYTES + 4096), 0);
	dm_disk_info(r->dm, 0, &info);
	assert_int_equal(info.bytes, RIG_BYTES + 4096);
	assert_int_equal(rig_do(r, DM_DISK_READ, RIG_BYTES, buf, 4096), 0);
	/* Someone else changes the size. */
	assert_int_equal(ftruncate(r->fd, 12345), 0);
	dm_disk_info(r->dm, 0, &info);
	assert_int_equal(info.bytes, RIG_BYTES + 4096);
	assert_int_equal(dm_disk_resize(r->dm, 0, 0), 0);
	dm_disk_info(r->dm, 0, &info);
	assert_int_equal(info.bytes, 12345);
	free(buf);
}

static void the_size_follows_when_asked(void **s)
{
	(void)s;
	each(body_resize);
}

static void a_readonly_image_takes_no_writes(void **s)
{
	struct rig r;
	struct dm_disk_info info;
	uint8_t *buf = rig_alloc(4096);
	(void)s;
	assert_int_equal(rig_open(&r, NULL, "auto", "writeback", true), 0);
	dm_disk_info(r.dm, 0, &info);
	assert_true(info.readonly);
	assert_false(info.can_discard || info.can_zero);
	assert_int_equal(rig_do(&r, DM_DISK_WRITE, 0, buf, 4096), -EROFS);
	assert_int_equal(rig_do(&r, DM_DISK_ZERO, 0, NULL, 4096), -EROFS);
	assert_int_equal(rig_do(&r, DM_DISK_DISCARD, 0, NULL, 4096), -EROFS);
	assert_int_equal(rig_do(&r, DM_DISK_READ, 0, buf, 4096), 0);
	assert_int_equal(rig_do(&r, DM_DISK_FLUSH, 0, NULL, 0), 0);
	assert_int_equal(dm_disk_resize(r.dm, 0, 4096), -EROFS);
	rig_close(&r);
	free(buf);
}

static void bad_requests_are_refused(void **s)
{
	struct rig r;
	uint8_t *buf = rig_alloc(4096);
	struct iovec v = {buf, 4096};
	struct dm_disk_io io = {
		.op = DM_DISK_READ, .tag = DM_DISK_TAGS, .bytes = 4096, .iov = &v, .niov = 1};
	(void)s;
	assert_int_equal(rig_open(&r, NULL, "auto", "writeback", false), 0);
	assert_int_equal(dm_disk_submit(r.dm, 0, &io), -EINVAL);
	rig_submit(&r, DM_DISK_READ, 9, 0, buf, 4096);
	io.tag = 9;
	assert_int_equal(dm_disk_submit(r.dm, 0, &io), -EBUSY);
	rig_wait(&r);
	assert_int_equal(rig_do(&r, DM_DISK_READ, UINT64_MAX - 511, buf, 4096), -EINVAL);
	assert_int_equal(rig_do(&r, DM_DISK_READ, INT64_MAX - 511, buf, 4096), -EINVAL);
	assert_int_equal(rig_do(&r, DM_DISK_READ, 0, NULL, 4096), -EINVAL);
	assert_int_equal(rig_do(&r, DM_DISK_READ, 0, buf, 0), 0);
	rig_close(&r);
	free(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(many_segments_are_one_run_on_the_medium),
		cmocka_unit_test(misaligned_buffers_and_offsets_work),
		cmocka_unit_test(hundreds_in_flight_all_end_well),
		cmocka_unit_test(discarded_and_zeroed_ranges_read_as_zeroes),
		cmocka_unit_test(reads_behind_the_end_of_a_shrunk_image_fail),
		cmocka_unit_test(after_a_drain_nothing_is_with_the_host),
		cmocka_unit_test(the_size_follows_when_asked),
		cmocka_unit_test(a_readonly_image_takes_no_writes),
		cmocka_unit_test(bad_requests_are_refused),
	};
	int failed = cmocka_run_group_tests_name("host_disk", tests, NULL, NULL);
	return failed + faults_run() + block_run();
}
