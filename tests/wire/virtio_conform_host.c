/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A correct driver while the host's side misbehaves: the peer sends nonsense, is slow, or goes; an image is cut. The guest gets
 * a proper error or a link that is down, and goes on. Each case ends with a new daemon, for its back-end is spoilt.
 */
#include "tests/wire/virtio_conform.h"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECTOR 512u

static void new_daemon(struct vrig *v)
{
	assert_true(vrig_is_alive(v));
	wire_kill(v->w);
	assert_true(vrig_revive(v));
	vrig_open(v);
	vrig_request(v);
}

/* ---- network ---------------------------------------------------------------------------------------------- */

static void push_bytes(struct vrig *v, const void *buf, size_t len)
{
	/* The device may have had enough of it. */
	size_t at = 0;
	while (at < len) {
		ssize_t n = send(v->w->host_fd, (const char *)buf + at, len - at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n <= 0)
			break;
		at += (size_t)n;
		vrig_settle(v);
	}
}

static void give_receive_buffers(struct vrig *v)
{
	for (unsigned i = 0; i < 32; i++) {
		struct drv_seg seg = {vrig_buffer(v, 2048, 0), 2048, DRV_WRITE};
		assert_true(conform_add(v, &v->q[0], &seg, 1) >= 0);
	}
	drv_kick(&v->q[0]);
}

static void peer_sends_nonsense(struct vrig *v)
{
	static uint8_t noise[1u << 20];
	give_receive_buffers(v);
	for (unsigned i = 0; i < sizeof(noise); i += 4) {
		uint32_t r = conform_random();
		memcpy(noise + i, &r, 4);
	}
	push_bytes(v, noise, sizeof(noise));
	vrig_settle(v);
	vrig_request(v); /* it still takes frames, if only to drop them */
	new_daemon(v);
}

static void peer_sends_absurd_lengths(struct vrig *v)
{
	static const uint32_t len[] = {0,	 1,	     13,	 65536,
				       1u << 20, 0x7fffffff, 0x80000000, 0xffffffff};
	for (unsigned i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
		uint8_t buf[200] = {(uint8_t)(len[i] >> 24), (uint8_t)(len[i] >> 16),
				    (uint8_t)(len[i] >> 8), (uint8_t)len[i]};
		give_receive_buffers(v);
		push_bytes(v, buf, sizeof(buf));
		vrig_settle(v);
		vrig_request(v);
		new_daemon(v);
	}
}

static void peer_stops_in_a_frame(struct vrig *v)
{
	static const uint8_t part[20] = {0, 0, 0, 100, 0xff, 0xff};
	give_receive_buffers(v);
	push_bytes(v, part, sizeof(part));
	vrig_settle(v);
	assert_false(drv_has_used(&v->q[0]));
	vrig_request(v);
	new_daemon(v);
}

static bool link_is_down(void *arg)
{
	return !(drv_config(arg, 6, 2) & 1);
}

static void peer_goes(struct vrig *v)
{
	give_receive_buffers(v);
	drv_w32(&v->d, DRV_INT_ACK, 3);
	assert_int_equal(shutdown(v->w->host_fd, SHUT_RDWR), 0);
	assert_true(vrig_wait(v, link_is_down, &v->d));
	/* 5.1.4.2: and the driver is told. */
	assert_int_equal(wire_wait_pending(v->w, 2), 2);
	for (unsigned i = 0; i < 100; i++)
		vrig_request(v);
	new_daemon(v);
}

/* ---- block ------------------------------------------------------------------------------------------------ */

static unsigned blk_do(struct vrig *v, uint32_t type, uint64_t sector)
{
	struct drv_seg seg[3] = {
		{blk_header(v, type, sector), 16, 0},
		{vrig_buffer(v, SECTOR, 0xee), SECTOR, type == BLK_IN ? DRV_WRITE : 0},
		{vrig_buffer(v, 1, 0xee), 1, DRV_WRITE}};
	(void)conform_do(v, vrig_q(v), seg, 3);
	return *(uint8_t *)drv_at(&v->d, seg[2].gpa);
}

static void image_is_cut(struct vrig *v)
{
	uint64_t sectors = v->w->disk_bytes / SECTOR;
	assert_int_equal(blk_do(v, BLK_IN, sectors - 1), BLK_S_OK);
	assert_int_equal(ftruncate(v->w->disk_fd, (off_t)(v->w->disk_bytes / 4)), 0);
	/* What is gone cannot be read; nothing that was not written comes instead. */
	assert_int_equal(blk_do(v, BLK_IN, sectors - 1), BLK_S_IOERR);
	assert_int_equal(blk_do(v, BLK_IN, sectors / 2), BLK_S_IOERR);
	assert_int_equal(blk_do(v, BLK_IN, 0), BLK_S_OK);
	assert_int_equal(blk_do(v, BLK_OUT, 1), BLK_S_OK);
	assert_false(drv_broken(&v->d));
	new_daemon(v);
}

/* ---- console ---------------------------------------------------------------------------------------------- */

static void reader_goes(struct vrig *v)
{
	assert_int_equal(shutdown(v->w->host_fd, SHUT_RDWR), 0);
	for (unsigned i = 0; i < 200; i++) {
		struct drv_seg seg = {vrig_buffer(v, 1024, 'g'), 1024, 0};
		assert_int_equal(conform_do(v, &v->q[1], &seg, 1), 0);
	}
	new_daemon(v);
}

/* Nobody reads: buffers stay with the device, and not a byte is lost when somebody does. */
static void reader_is_slow(struct vrig *v)
{
	struct drv_queue *q = &v->q[1];
	unsigned given = 0, done = 0, id;
	uint32_t len;
	v->keep_output = true;
	for (unsigned i = 0; i < 1000; i++) {
		struct drv_seg seg = {vrig_buffer(v, 4096, (uint8_t)i), 4096, 0};
		if (conform_add(v, q, &seg, 1) < 0) {
			vrig_settle(v);
			if (!drv_has_used(q))
				break;
			while (drv_used(q, &id, &len))
				done++;
			v->d.taken -= 4096 + 64;
			continue;
		}
		given++;
		drv_kick(q);
	}
	assert_true(given > done);
	assert_true(vrig_is_alive(v));
	for (unsigned i = 0; i < given; i++) {
		uint8_t got[4096];
		con_host_recv(v, got, sizeof(got));
		for (unsigned k = 1; k < sizeof(got); k++)
			assert_int_equal(got[k], got[0]);
	}
	for (; done < given; done++)
		assert_true(drv_wait(q, &id, &len));
}

const struct vconform vconforms_host[] = {VCONFORM(VID_NET, peer_sends_nonsense, 0),
					  VCONFORM(VID_NET, peer_sends_absurd_lengths, 0),
					  VCONFORM(VID_NET, peer_stops_in_a_frame, 0),
					  VCONFORM(VID_NET, peer_goes, NET_F_STATUS),
					  VCONFORM(VID_BLK, image_is_cut, 0),
					  VCONFORM(VID_CONSOLE, reader_goes, 0),
					  VCONFORM(VID_CONSOLE, reader_is_slow, 0),
					  {}};
