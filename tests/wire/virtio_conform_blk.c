/* SPDX-License-Identifier: Apache-2.0 */
/* A block device holds what was written to it: virtio 1.2, section 5.2. */
#include "tests/wire/virtio_conform.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR 512u
#define DEPTH 16u

/* One request with @bytes of data at @gpa; its status. */
static unsigned blk_do(struct vrig *v, uint32_t type, uint64_t sector, uint64_t gpa, uint32_t bytes,
		       bool in)
{
	struct drv_seg seg[3] = {{blk_header(v, type, sector), 16, 0}};
	unsigned n = 1;
	if (bytes)
		seg[n++] = (struct drv_seg){gpa, bytes, in ? DRV_WRITE : 0};
	seg[n++] = (struct drv_seg){vrig_buffer(v, 1, 0xee), 1, DRV_WRITE};
	uint32_t len = conform_do(v, vrig_q(v), seg, n);
	unsigned status = *(uint8_t *)drv_at(&v->d, seg[n - 1].gpa);
	/* 2.7.8.2: all that was written, the status included. */
	if (status == BLK_S_OK)
		assert_int_equal(len, (in ? bytes : 0) + 1);
	return status;
}

static void the_disk_is_as_large_as_the_file(struct vrig *v)
{
	assert_int_equal(drv_config(&v->d, 0, 8), v->w->disk_bytes / SECTOR);
	if (v->d.offered & BLK_F_BLK_SIZE) {
		uint64_t size = drv_config(&v->d, 20, 4);
		assert_true(size >= SECTOR && !(size & (size - 1)));
	}
}

/* Random writes, a few in flight at a time on separate places, then all is read back, by the driver and by the host. */
static void what_is_written_is_read(struct vrig *v)
{
	uint64_t sectors = v->w->disk_bytes / SECTOR, part = sectors / DEPTH;
	uint8_t *model = malloc(v->w->disk_bytes), *host = malloc(v->w->disk_bytes);
	struct drv_queue *q = vrig_q(v);
	assert_true(model && host);
	assert_int_equal(pread(v->w->disk_fd, model, v->w->disk_bytes, 0), v->w->disk_bytes);
	uint64_t buf[DEPTH], head[DEPTH], end[DEPTH];
	for (unsigned k = 0; k < DEPTH; k++) {
		buf[k] = vrig_buffer(v, 65536, 0);
		head[k] = blk_header(v, BLK_OUT, 0);
		end[k] = vrig_buffer(v, 1, 0);
	}
	for (unsigned round = 0; round < 30; round++) {
		for (unsigned k = 0; k < DEPTH; k++) {
			uint32_t count = conform_random() % 32 + 1;
			uint64_t at = k * part + conform_random() % (part - count);
			uint8_t *p = drv_at(&v->d, buf[k]);
			for (unsigned i = 0; i < count * SECTOR; i += 4) {
				uint32_t r = conform_random();
				memcpy(p + i, &r, 4);
			}
			memcpy(model + at * SECTOR, p, count * SECTOR);
			memcpy((uint8_t *)drv_at(&v->d, head[k]) + 8, &at, 8);
			*(uint8_t *)drv_at(&v->d, end[k]) = 0xee;
			/* The data in three pieces of odd length. */
			struct drv_seg seg[5] = {{head[k], 16, 0},
						 {buf[k], 7, 0},
						 {buf[k] + 7, 300, 0},
						 {buf[k] + 307, count * SECTOR - 307, 0},
						 {end[k], 1, DRV_WRITE}};
			assert_true(conform_add(v, q, seg, 5) >= 0);
		}
		drv_kick(q);
		for (unsigned k = 0; k < DEPTH; k++) {
			unsigned id;
			uint32_t len;
			assert_true(drv_wait(q, &id, &len));
			assert_int_equal(len, 1);
		}
		for (unsigned k = 0; k < DEPTH; k++)
			assert_int_equal(*(uint8_t *)drv_at(&v->d, end[k]), BLK_S_OK);
	}
	uint64_t room = vrig_buffer(v, 262144, 0), taken = v->d.taken;
	for (uint64_t at = 0; at < v->w->disk_bytes; at += 262144) {
		memset(drv_at(&v->d, room), 0xee, 262144);
		assert_int_equal(blk_do(v, BLK_IN, at / SECTOR, room, 262144, true), BLK_S_OK);
		assert_memory_equal(drv_at(&v->d, room), model + at, 262144);
		v->d.taken = taken;
	}
	assert_int_equal(pread(v->w->disk_fd, host, v->w->disk_bytes, 0), v->w->disk_bytes);
	assert_memory_equal(host, model, v->w->disk_bytes);
	free(model);
	free(host);
}

static void header_and_status_in_pieces(struct vrig *v)
{
	/* 2.7.4.1, 5.2.6.4: no assumption about how a request is cut. */
	uint64_t h = blk_header(v, BLK_IN, 8), data = vrig_buffer(v, 1025, 0xee);
	struct drv_seg seg[6] = {{h, 1, 0},
				 {h + 1, 4, 0},
				 {h + 5, 11, 0},
				 {data, 1, DRV_WRITE},
				 {data + 1, 1000, DRV_WRITE},
				 {data + 1001, 24, DRV_WRITE}};
	uint8_t want[1024];
	assert_int_equal(pread(v->w->disk_fd, want, 1024, 8 * SECTOR), 1024);
	assert_int_equal(conform_do(v, vrig_q(v), seg, 6), 1025);
	assert_memory_equal(drv_at(&v->d, data), want, 1024);
	assert_int_equal(((uint8_t *)drv_at(&v->d, data))[1024], BLK_S_OK);
}

static void header_and_data_in_one_piece(struct vrig *v)
{
	uint64_t h = vrig_buffer(v, 16 + SECTOR, 0x77), end = vrig_buffer(v, 1, 0xee);
	uint8_t *p = drv_at(&v->d, h), got[SECTOR];
	memset(p, 0, 16);
	p[0] = BLK_OUT;
	p[8] = 21;
	struct drv_seg seg[2] = {{h, 16 + SECTOR, 0}, {end, 1, DRV_WRITE}};
	assert_int_equal(conform_do(v, vrig_q(v), seg, 2), 1);
	assert_int_equal(*(uint8_t *)drv_at(&v->d, end), BLK_S_OK);
	assert_int_equal(pread(v->w->disk_fd, got, SECTOR, 21 * SECTOR), SECTOR);
	assert_memory_equal(got, p + 16, SECTOR);
}

static void flush_is_done(struct vrig *v)
{
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(blk_do(v, BLK_FLUSH, 0, 0, 0, false), BLK_S_OK);
}

static void identity_is_the_serial(struct vrig *v)
{
	uint64_t gpa = vrig_buffer(v, 20, 0xee);
	assert_int_equal(blk_do(v, BLK_GET_ID, 0, gpa, 20, true), BLK_S_OK);
	assert_memory_equal(drv_at(&v->d, gpa), BLK_SERIAL "\0", sizeof(BLK_SERIAL));
}

static unsigned range(struct vrig *v, uint32_t type, uint64_t sector, uint32_t sectors,
		      uint32_t flags)
{
	uint64_t gpa = vrig_buffer(v, 16, 0);
	uint8_t *p = drv_at(&v->d, gpa);
	memcpy(p, &sector, 8);
	memcpy(p + 8, &sectors, 4);
	memcpy(p + 12, &flags, 4);
	return blk_do(v, type, 0, gpa, 16, false);
}

static void pattern(struct vrig *v, uint64_t sector, unsigned sectors, uint8_t byte)
{
	uint8_t buf[SECTOR];
	memset(buf, byte, SECTOR);
	for (unsigned i = 0; i < sectors; i++)
		assert_int_equal(pwrite(v->w->disk_fd, buf, SECTOR, (off_t)((sector + i) * SECTOR)),
				 SECTOR);
}

static void sectors_are(struct vrig *v, uint64_t sector, unsigned sectors, uint8_t byte)
{
	uint64_t gpa = vrig_buffer(v, sectors * SECTOR, 0xee);
	uint8_t *p = drv_at(&v->d, gpa);
	assert_int_equal(blk_do(v, BLK_IN, sector, gpa, sectors * SECTOR, true), BLK_S_OK);
	for (unsigned i = 0; i < sectors * SECTOR; i++)
		assert_int_equal(p[i], byte);
}

static void zeroes_are_written(struct vrig *v)
{
	for (uint32_t unmap = 0; unmap < 2; unmap++) {
		pattern(v, 100, 64, 0x33);
		assert_int_equal(range(v, BLK_WRITE_ZEROES, 104, 40, unmap), BLK_S_OK);
		sectors_are(v, 100, 4, 0x33);
		sectors_are(v, 104, 40, 0);
		sectors_are(v, 144, 20, 0x33);
	}
}

static void discard_leaves_the_neighbours(struct vrig *v)
{
	pattern(v, 200, 64, 0x44);
	assert_int_equal(range(v, BLK_DISCARD, 208, 32, 0), BLK_S_OK);
	sectors_are(v, 200, 8, 0x44);
	sectors_are(v, 240, 24, 0x44);
	/* The size stays. */
	assert_int_equal(lseek(v->w->disk_fd, 0, SEEK_END), v->w->disk_bytes);
}

static void write_cache_is_switched(struct vrig *v)
{
	for (unsigned i = 0; i < 4; i++) {
		v->d.ops->write(v, DRV_CONFIG + 32, 1, i & 1);
		assert_int_equal(drv_config(&v->d, 32, 1), i & 1);
		uint64_t gpa = vrig_buffer(v, SECTOR, (uint8_t)(0x60 + i));
		assert_int_equal(blk_do(v, BLK_OUT, 3, gpa, SECTOR, false), BLK_S_OK);
		sectors_are(v, 3, 1, (uint8_t)(0x60 + i));
	}
}

/* 5.2.2: num_queues, and all of them serve at the same time. */
static void every_queue_serves(struct vrig *v)
{
	uint64_t queues = drv_config(&v->d, 34, 2);
	assert_int_equal(queues, BLK_QUEUES);
	assert_true(v->nq == BLK_QUEUES); /* and no more */
	for (unsigned round = 0; round < 20; round++) {
		uint64_t end[BLK_QUEUES][8], taken = v->d.taken;
		for (unsigned k = 0; k < 8 * BLK_QUEUES; k++) {
			unsigned i = k % BLK_QUEUES;
			end[i][k / BLK_QUEUES] = vrig_buffer(v, 1, 0xee);
			struct drv_seg seg[3] = {
				{blk_header(v, k & 1 ? BLK_IN : BLK_OUT, 8 * k), 16, 0},
				{vrig_buffer(v, 2048, (uint8_t)k), 2048, k & 1 ? DRV_WRITE : 0},
				{end[i][k / BLK_QUEUES], 1, DRV_WRITE}};
			assert_true(conform_add(v, &v->q[i], seg, 3) >= 0);
			drv_kick(&v->q[i]);
		}
		for (unsigned i = 0; i < BLK_QUEUES; i++)
			for (unsigned k = 0; k < 8; k++) {
				unsigned id;
				uint32_t len;
				assert_true(drv_wait(&v->q[i], &id, &len));
			}
		for (unsigned i = 0; i < BLK_QUEUES; i++)
			for (unsigned k = 0; k < 8; k++)
				assert_int_equal(*(uint8_t *)drv_at(&v->d, end[i][k]), BLK_S_OK);
		v->d.taken = taken;
	}
}

const struct vconform vconforms_blk[] = {
	VCONFORM(VID_BLK, the_disk_is_as_large_as_the_file, 0),
	VCONFORM(VID_BLK, what_is_written_is_read, 0),
	VCONFORM(VID_BLK, header_and_status_in_pieces, 0),
	VCONFORM(VID_BLK, header_and_data_in_one_piece, 0),
	VCONFORM(VID_BLK, flush_is_done, BLK_F_FLUSH),
	VCONFORM(VID_BLK, identity_is_the_serial, 0),
	VCONFORM(VID_BLK, zeroes_are_written, BLK_F_WRITE_ZEROES),
	VCONFORM(VID_BLK, discard_leaves_the_neighbours, BLK_F_DISCARD),
	VCONFORM(VID_BLK, every_queue_serves, BLK_F_MQ),
	VCONFORM(VID_BLK, write_cache_is_switched, BLK_F_CONFIG_WCE | BLK_F_FLUSH),
	{}};
