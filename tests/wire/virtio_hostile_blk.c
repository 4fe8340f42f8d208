/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that a block device must refuse: virtio 1.2, section 5.2.6. */
#include "tests/wire/virtio_hostile.h"
#include <string.h>
#include <unistd.h>

#define SECTOR 512u
#define NO_STATUS 0x100u /* the device needs a reset instead */

static uint64_t capacity(struct vrig *v)
{
	return drv_config(&v->d, 0, 8);
}

/* The disk as the host sees it: sector n is full of (n & 0xff) ^ 0x5a. */
static void disk_fill(struct vrig *v)
{
	uint8_t sector[SECTOR];
	for (uint64_t i = 0; i < v->w->disk_bytes / SECTOR; i++) {
		memset(sector, (int)((i & 0xff) ^ 0x5a), SECTOR);
		assert_int_equal(pwrite(v->w->disk_fd, sector, SECTOR, (off_t)(i * SECTOR)),
				 SECTOR);
	}
}

static void disk_is_as_filled(struct vrig *v)
{
	uint8_t sector[SECTOR];
	assert_int_equal(lseek(v->w->disk_fd, 0, SEEK_END), v->w->disk_bytes);
	for (uint64_t i = 0; i < v->w->disk_bytes / SECTOR; i++) {
		assert_int_equal(pread(v->w->disk_fd, sector, SECTOR, (off_t)(i * SECTOR)), SECTOR);
		for (unsigned k = 0; k < SECTOR; k += 37)
			if (sector[k] != ((i & 0xff) ^ 0x5a))
				fail_msg("sector %llu of the disk has changed",
					 (unsigned long long)i);
	}
}

/* One chain; what its last writable byte says then, or NO_STATUS. Memory must be intact. Opens the device anew if it is broken. */
static unsigned submit(struct vrig *v, const struct drv_seg *seg, unsigned n)
{
	struct drv_queue *q = vrig_q(v);
	const struct drv_seg *last = &seg[n - 1];
	unsigned id, status = NO_STATUS;
	uint32_t len;
	bool has_status = (last->flags & DRV_WRITE) && last->len;
	uint8_t *p = has_status ? (uint8_t *)drv_at(&v->d, last->gpa) + last->len - 1 : NULL;
	if (p)
		*p = 0xee;
	vrig_add(v, q, seg, n);
	vrig_freeze(v);
	vrig_expect(v, q, VEND_EITHER);
	if (drv_broken(&v->d)) {
		vrig_open(v);
		return NO_STATUS;
	}
	assert_true(drv_used(q, &id, &len));
	if (p)
		status = *p;
	/* Enough memory for the next one. */
	vrig_open(v);
	return status;
}

static unsigned request(struct vrig *v, uint32_t type, uint64_t sector, uint32_t bytes, bool in)
{
	struct drv_seg seg[3] = {{blk_header(v, type, sector), 16, 0}};
	unsigned n = 1;
	if (bytes)
		seg[n++] = (struct drv_seg){vrig_buffer(v, bytes, 0xa5), bytes, in ? DRV_WRITE : 0};
	seg[n++] = (struct drv_seg){vrig_buffer(v, 1, 0xee), 1, DRV_WRITE};
	return submit(v, seg, n);
}

static void refused(unsigned status)
{
	if (status != BLK_S_IOERR && status != BLK_S_UNSUPP && status != NO_STATUS)
		fail_msg("the status is 0x%x", status);
}

static void header_is_short(struct vrig *v)
{
	for (uint32_t len = 0; len < 16; len++) {
		struct drv_seg seg[3] = {{blk_header(v, BLK_IN, 0), len, 0},
					 {vrig_buffer(v, SECTOR, 1), SECTOR, DRV_WRITE},
					 {vrig_buffer(v, 1, 1), 1, DRV_WRITE}};
		refused(submit(v, seg, 3));
		refused(submit(v, seg + 1, 2)); /* none at all */
	}
}

static void there_is_no_status(struct vrig *v)
{
	disk_fill(v);
	for (uint32_t type = 0; type < 16; type++) {
		struct drv_seg seg[2] = {{blk_header(v, type, 0), 16, 0},
					 {vrig_buffer(v, SECTOR, 1), SECTOR, 0}};
		submit(v, seg, 1);
		/* A write whose end nobody is told may be done or not; not to another place. */
		if (type != BLK_OUT)
			submit(v, seg, 2);
	}
	disk_is_as_filled(v);
}

static void only_a_status(struct vrig *v)
{
	struct drv_seg seg = {vrig_buffer(v, 1, 1), 1, DRV_WRITE};
	refused(submit(v, &seg, 1));
}

static void length_is_no_multiple_of_sectors(struct vrig *v)
{
	static const uint32_t bytes[] = {1, 2, 100, 511, 513, 1023, 4095, 4097};
	disk_fill(v);
	for (unsigned i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
		refused(request(v, BLK_IN, 0, bytes[i], true));
		refused(request(v, BLK_OUT, 0, bytes[i], false));
	}
	disk_is_as_filled(v);
}

static void sector_is_beyond_the_end(struct vrig *v)
{
	uint64_t cap = capacity(v);
	/* 2^55 sectors are 2^64 bytes: 0 for who multiplies and does not look. */
	const uint64_t sector[] = {cap,	       cap + 1,	   cap * 2,	     1ull << 32,
				   1ull << 54, 1ull << 55, (1ull << 55) + 1, 1ull << 63,
				   0ull - cap, 0ull - 1,   0ull - 2,	     (1ull << 55) - 1};
	disk_fill(v);
	for (unsigned i = 0; i < sizeof(sector) / sizeof(sector[0]); i++) {
		refused(request(v, BLK_IN, sector[i], SECTOR, true));
		refused(request(v, BLK_OUT, sector[i], SECTOR, false));
		refused(request(v, BLK_OUT, sector[i], 8 * SECTOR, false));
	}
	refused(request(v, BLK_IN, cap - 1, 2 * SECTOR, true));
	refused(request(v, BLK_OUT, cap - 1, 2 * SECTOR, false));
	refused(request(v, BLK_OUT, cap - 7, 8 * SECTOR, false));
	assert_int_equal(request(v, BLK_IN, cap - 1, SECTOR, true), BLK_S_OK);
	disk_is_as_filled(v);
}

static void type_is_unknown(struct vrig *v)
{
	const uint32_t type[] = {2,  3,	 5,  6,	 7,  9,	 12,  15,	  16,	      24,
				 26, 27, 31, 32, 64, 99, 255, 0x80000000, 0x80000001, 0xffffffff};
	disk_fill(v);
	for (unsigned i = 0; i < sizeof(type) / sizeof(type[0]); i++) {
		/* 5.2.6.2: UNSUPP for what it does not know. */
		unsigned status = request(v, type[i], 0, SECTOR, true);
		if (status != BLK_S_UNSUPP && status != NO_STATUS)
			fail_msg("type 0x%x has status 0x%x", type[i], status);
		refused(request(v, type[i], 0, SECTOR, false));
		refused(request(v, type[i], 0, 0, false));
	}
	disk_is_as_filled(v);
}

static void data_goes_the_wrong_way(struct vrig *v)
{
	disk_fill(v);
	refused(request(v, BLK_IN, 0, SECTOR, false));
	refused(request(v, BLK_OUT, 0, SECTOR, true));
	/* No data at all is a length of nothing: right or wrong, but nothing happens. */
	(void)request(v, BLK_IN, 0, 0, true);
	(void)request(v, BLK_OUT, 0, 0, false);
	(void)request(v, BLK_FLUSH, 0, SECTOR, true);
	(void)request(v, BLK_FLUSH, 0, SECTOR, false);
	(void)request(v, BLK_FLUSH, ~0ull, 0, false);
	disk_is_as_filled(v);
}

static void identity_buffer_is_odd(struct vrig *v)
{
	static const uint32_t bytes[] = {1, 19, 21, 512, 4096};
	for (unsigned i = 0; i < 5; i++)
		(void)request(v, BLK_GET_ID, 0, bytes[i], true);
	refused(request(v, BLK_GET_ID, 0, 20, false));
	(void)request(v, BLK_GET_ID, 0, 0, true);
}

/** struct segment - of discard and write-zeroes (5.2.6). */
struct segment {
	uint64_t sector;
	uint32_t sectors, flags;
};

static unsigned ranges(struct vrig *v, uint32_t type, const struct segment *s, unsigned count,
		       uint32_t bytes)
{
	uint64_t gpa = vrig_buffer(v, 16ull * count + 64, 0);
	memcpy(drv_at(&v->d, gpa), s, 16ull * count);
	struct drv_seg seg[3] = {{blk_header(v, type, 0), 16, 0},
				 {gpa, bytes, 0},
				 {vrig_buffer(v, 1, 0xee), 1, DRV_WRITE}};
	return submit(v, seg, 3);
}

static bool can(struct vrig *v, uint32_t type)
{
	return drv_offered(&v->d) & (type == BLK_DISCARD ? BLK_F_DISCARD : BLK_F_WRITE_ZEROES);
}

static void ranges_of_odd_length(struct vrig *v)
{
	static const uint32_t bytes[] = {1, 8, 15, 17, 31, 33};
	struct segment s[2] = {{0, 8, 0}, {8, 8, 0}};
	disk_fill(v);
	for (unsigned i = 0; i < 6; i++) {
		refused(ranges(v, BLK_DISCARD, s, 2, bytes[i]));
		refused(ranges(v, BLK_WRITE_ZEROES, s, 2, bytes[i]));
	}
	(void)ranges(v, BLK_DISCARD, s, 2, 0);
	(void)ranges(v, BLK_WRITE_ZEROES, s, 2, 0);
	disk_is_as_filled(v);
}

static void ranges_beyond_the_end(struct vrig *v)
{
	uint64_t cap = capacity(v);
	const struct segment s[] = {{cap, 1, 0},
				    {cap - 1, 2, 0},
				    {0, 0xffffffff, 0},
				    {1ull << 55, 8, 0},
				    {0ull - 1, 1, 0},
				    {0ull - 8, 16, 0},
				    {0, (uint32_t)cap + 1, 0},
				    {(1ull << 55) - 1, 2, 0}};
	disk_fill(v);
	for (unsigned i = 0; i < sizeof(s) / sizeof(s[0]); i++) {
		refused(ranges(v, BLK_DISCARD, &s[i], 1, 16));
		refused(ranges(v, BLK_WRITE_ZEROES, &s[i], 1, 16));
		/* A good one in front does not make it better: all or nothing is the honest way. */
		struct segment two[2] = {{0, 0, 0}, s[i]};
		refused(ranges(v, BLK_WRITE_ZEROES, two, 2, 32));
	}
	disk_is_as_filled(v);
}

static void ranges_with_unknown_flags(struct vrig *v)
{
	disk_fill(v);
	for (unsigned bit = 0; bit < 32; bit++) {
		struct segment s = {0, 8, 1u << bit};
		/* 5.2.6.2: UNSUPP for unknown flags; discard has none, write-zeroes has unmap (bit 0). */
		unsigned d = ranges(v, BLK_DISCARD, &s, 1, 16);
		if (can(v, BLK_DISCARD))
			assert_true(d == BLK_S_UNSUPP || d == NO_STATUS);
		if (bit == 0)
			continue;
		unsigned z = ranges(v, BLK_WRITE_ZEROES, &s, 1, 16);
		if (can(v, BLK_WRITE_ZEROES))
			assert_true(z == BLK_S_UNSUPP || z == NO_STATUS);
	}
	disk_is_as_filled(v);
}

static void more_ranges_than_allowed(struct vrig *v)
{
	static struct segment s[2048];
	uint32_t max = (uint32_t)drv_config(&v->d, 40, 4);
	if (!can(v, BLK_DISCARD) || max >= 2048)
		return;
	memset(s, 0, sizeof(s));
	for (unsigned i = 0; i < 2048; i++)
		s[i].sectors = 1;
	disk_fill(v);
	refused(ranges(v, BLK_DISCARD, s, 2048, 2048 * 16));
	refused(ranges(v, BLK_WRITE_ZEROES, s, 2048, 2048 * 16));
	disk_is_as_filled(v);
}

static void ranges_that_were_not_negotiated(struct vrig *v)
{
	/* The target negotiates neither feature; with none offered it is an unknown type. */
	struct segment s = {0, 8, 0};
	disk_fill(v);
	(void)ranges(v, BLK_DISCARD, &s, 1, 16);
	if (!can(v, BLK_DISCARD))
		disk_is_as_filled(v);
}

static void write_is_cut_by_a_reset(struct vrig *v)
{
	/* Whatever of it reached the disk, it reached it before the reset ended. */
	for (unsigned round = 0; round < 20; round++) {
		uint8_t before[SECTOR * 64], after[SECTOR * 64];
		vrig_open(v);
		for (unsigned i = 0; i < 32; i++) {
			struct drv_seg seg[3] = {
				{blk_header(v, BLK_OUT, 2 * i), 16, 0},
				{vrig_buffer(v, 2 * SECTOR, (uint8_t)round), 2 * SECTOR, 0},
				{vrig_buffer(v, 1, 0), 1, DRV_WRITE}};
			if (drv_add(vrig_q(v), seg, 3) < 0)
				break;
		}
		drv_notify(vrig_q(v));
		assert_true(drv_reset(&v->d));
		assert_int_equal(pread(v->w->disk_fd, before, sizeof(before), 0), sizeof(before));
		memset(v->d.ram, 0xdd, v->d.bytes);
		vrig_settle(v);
		assert_int_equal(pread(v->w->disk_fd, after, sizeof(after), 0), sizeof(after));
		assert_memory_equal(before, after, sizeof(after));
	}
}

const struct vcase vcases_blk[] = {VCASE_OF(VID_BLK, 0, header_is_short),
				   VCASE_OF(VID_BLK, 0, there_is_no_status),
				   VCASE_OF(VID_BLK, 0, only_a_status),
				   VCASE_OF(VID_BLK, 0, length_is_no_multiple_of_sectors),
				   VCASE_OF(VID_BLK, 0, sector_is_beyond_the_end),
				   VCASE_OF(VID_BLK, 0, type_is_unknown),
				   VCASE_OF(VID_BLK, 0, data_goes_the_wrong_way),
				   VCASE_OF(VID_BLK, 0, identity_buffer_is_odd),
				   VCASE_OF(VID_BLK, 0, ranges_of_odd_length),
				   VCASE_OF(VID_BLK, 0, ranges_beyond_the_end),
				   VCASE_OF(VID_BLK, 0, ranges_with_unknown_flags),
				   VCASE_OF(VID_BLK, 0, more_ranges_than_allowed),
				   VCASE_OF(VID_BLK, 0, ranges_that_were_not_negotiated),
				   VCASE_OF(VID_BLK, 0, write_is_cut_by_a_reset),
				   {}};
