/* SPDX-License-Identifier: Apache-2.0 */
/* Frames go both ways, whole and in order: virtio 1.2, section 5.1. */
#include "tests/wire/virtio_conform.h"
#include <string.h>

#define FRAMES 300u
#define LONGEST 1514u

static uint32_t length_of(unsigned i)
{
	static const uint32_t edge[] = {34, 60, 61, 64, 1513, 1514};
	return i < 6 ? edge[i] : 34 + (i * 211) % (LONGEST - 34);
}

static void frames_are_sent(struct vrig *v)
{
	struct drv_queue *q = &v->q[1];
	uint8_t got[2048], want[2048];
	uint64_t hdr = vrig_buffer(v, NET_HDR, 0);
	v->keep_output = true;
	for (unsigned i = 0; i < FRAMES; i++) {
		uint32_t len = length_of(i);
		uint64_t taken = v->d.taken;
		uint64_t gpa = vrig_buffer(v, len, 0);
		net_frame(drv_at(&v->d, gpa), len, i);
		/* Header alone, and in one piece with the frame; the frame in pieces. */
		struct drv_seg seg[3] = {{hdr, NET_HDR, 0}, {gpa, 20, 0}, {gpa + 20, len - 20, 0}};
		assert_int_equal(conform_do(v, q, seg, 3), 0);
		assert_int_equal(net_host_recv(v, got, sizeof(got)), len);
		net_frame(want, len, i);
		assert_memory_equal(got, want, len);
		v->d.taken = taken;
	}
}

static void many_frames_are_sent_at_once(struct vrig *v)
{
	struct drv_queue *q = &v->q[1];
	uint8_t got[2048], want[2048];
	unsigned n = 0, id;
	uint32_t len;
	v->keep_output = true;
	for (;;) {
		uint32_t bytes = length_of(n);
		uint64_t gpa = vrig_buffer(v, NET_HDR + bytes, 0);
		net_frame((uint8_t *)drv_at(&v->d, gpa) + NET_HDR, bytes, n);
		struct drv_seg seg = {gpa, NET_HDR + bytes, 0};
		if (n == FRAMES || conform_add(v, q, &seg, 1) < 0)
			break;
		n++;
	}
	drv_kick(q);
	for (unsigned i = 0; i < n; i++) {
		net_frame(want, length_of(i), i);
		assert_int_equal(net_host_recv(v, got, sizeof(got)), length_of(i));
		assert_memory_equal(got, want, length_of(i));
	}
	for (unsigned i = 0; i < n; i++)
		assert_true(drv_wait(q, &id, &len));
}

static void host_frame(struct vrig *v, unsigned i)
{
	uint8_t frame[2048];
	net_frame(frame, length_of(i), i);
	net_host_send(v, frame, length_of(i));
}

/* Posts buffers of @bytes each until the ring is full; buffer k is at @base + k * 2048. */
static unsigned post(struct vrig *v, struct drv_queue *q, uint64_t base, uint32_t bytes,
		     uint64_t *at_id, unsigned from, unsigned max)
{
	unsigned k = from;
	for (; k < max; k++) {
		struct drv_seg seg = {base + 2048ull * k, bytes, DRV_WRITE};
		int id = conform_add(v, q, &seg, 1);
		if (id < 0)
			break;
		at_id[id] = seg.gpa;
	}
	return k;
}

/* One frame out of as many buffers as it takes; it must be frame @i. */
static unsigned receive(struct vrig *v, struct drv_queue *q, const uint64_t *at_id, unsigned i)
{
	uint8_t got[4096], want[2048];
	unsigned buffers = 1, taken = 0, id;
	uint32_t len, total = 0;
	while (taken < buffers) {
		if (!drv_wait(q, &id, &len))
			fail_msg("frame %u does not come (%u of %u buffers)", i, taken, buffers);
		const uint8_t *p = drv_at(&v->d, at_id[id]);
		if (!taken++)
			buffers = p[10] | (unsigned)p[11] << 8;
		assert_in_range(buffers, 1, 64);
		assert_true(total + len <= sizeof(got));
		memcpy(got + total, p, len);
		total += len;
	}
	assert_int_equal(total, NET_HDR + length_of(i));
	assert_int_equal(got[0] | got[1], 0); /* no checksum work, no segments were negotiated */
	net_frame(want, length_of(i), i);
	assert_memory_equal(got + NET_HDR, want, length_of(i));
	return buffers;
}

static void frames_are_received(struct vrig *v)
{
	struct drv_queue *q = &v->q[0];
	static uint64_t at_id[DRV_QUEUE_MAX];
	uint64_t base = vrig_buffer(v, 64 * 2048, 0);
	for (unsigned i = 0; i < FRAMES;) {
		unsigned n = post(v, q, base, 2048, at_id, 0, 64);
		drv_kick(q);
		for (unsigned k = 0; k < n; k++)
			host_frame(v, i + k);
		for (unsigned k = 0; k < n; k++)
			assert_int_equal(receive(v, q, at_id, i + k), 1);
		i += n;
	}
}

/* 5.1.6.3.2, 5.1.6.4: buffers much shorter than the frames. */
static void long_frames_fill_several_buffers(struct vrig *v)
{
	struct drv_queue *q = &v->q[0];
	static uint64_t at_id[DRV_QUEUE_MAX];
	uint64_t base = vrig_buffer(v, 64 * 2048, 0);
	unsigned several = 0;
	for (unsigned i = 0; i < 60; i++) {
		(void)post(v, q, base, 200, at_id, 0, 64);
		drv_kick(q);
		host_frame(v, i);
		several += receive(v, q, at_id, i) > 1;
		/* The rest of the buffers stays; begin anew, so that each of them is free. */
		vrig_open(v);
		base = vrig_buffer(v, 64 * 2048, 0);
		q = &v->q[0];
	}
	assert_true(several > 40);
}

/* Frames that come before there are buffers wait with the host. */
static void frames_wait_for_buffers(struct vrig *v)
{
	struct drv_queue *q = &v->q[0];
	static uint64_t at_id[DRV_QUEUE_MAX];
	uint64_t base = vrig_buffer(v, 64 * 2048, 0);
	for (unsigned i = 0; i < 10; i++)
		host_frame(v, i);
	vrig_settle(v);
	(void)post(v, q, base, 2048, at_id, 0, 16);
	drv_kick(q);
	for (unsigned i = 0; i < 10; i++)
		(void)receive(v, q, at_id, i);
}

static void starvation_ends_without_a_notification(struct vrig *v)
{
	struct drv_queue *q = &v->q[0];
	static uint64_t at_id[DRV_QUEUE_MAX];
	uint64_t base = vrig_buffer(v, 64 * 2048, 0);
	unsigned n = post(v, q, base, 2048, at_id, 0, 1);
	drv_kick(q);
	for (unsigned i = 0; i < 4; i++)
		host_frame(v, i);
	(void)receive(v, q, at_id, 0);
	vrig_settle(v);
	/* New buffers, and not a word about them. */
	(void)post(v, q, base, 2048, at_id, n, 8);
	for (unsigned i = 1; i < 4; i++)
		(void)receive(v, q, at_id, i);
}

static void the_address_is_a_good_one(struct vrig *v)
{
	uint64_t mac = drv_config(&v->d, 0, 1), any = 0;
	assert_int_equal(mac & 1, 0); /* unicast */
	for (unsigned i = 0; i < 6; i++)
		any |= drv_config(&v->d, i, 1);
	assert_true(any);
}

static void the_link_is_up(struct vrig *v)
{
	assert_int_equal(drv_config(&v->d, 6, 2) & 1, 1);
}

/* One command on the control queue @q; its ack. */
static unsigned command(struct vrig *v, struct drv_queue *q, const void *cmd, uint32_t bytes)
{
	uint64_t gpa = vrig_buffer(v, bytes, 0), ack = vrig_buffer(v, 1, 0xee);
	memcpy(drv_at(&v->d, gpa), cmd, bytes);
	/* Class and command apart from their data, as drivers do. */
	struct drv_seg seg[3] = {{gpa, 2, 0}, {gpa + 2, bytes - 2, 0}, {ack, 1, DRV_WRITE}};
	assert_int_equal(conform_do(v, q, seg, 3), 1);
	return *(uint8_t *)drv_at(&v->d, ack);
}

static void the_address_can_be_set(struct vrig *v)
{
	static const uint8_t cmd[8] = {1, 1, 0x52, 0x54, 0x12, 0x34, 0x56, 0x78};
	assert_int_equal(command(v, &v->q[2], cmd, 8), 0);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(drv_config(&v->d, i, 1), cmd[2 + i]);
}

/* 5.1.6.5.1 and .2: only what was asked for. Frames to others are not delivered. */
static void the_filter_holds(struct vrig *v)
{
	struct drv_queue *q = &v->q[0];
	static uint64_t at_id[DRV_QUEUE_MAX];
	uint64_t base = vrig_buffer(v, 64 * 2048, 0);
	uint8_t frame[200];
	assert_int_equal(command(v, &v->q[2], (const uint8_t[]){0, 0, 0}, 3), 0);
	(void)post(v, q, base, 2048, at_id, 0, 32);
	drv_kick(q);
	for (unsigned i = 0; i < 6; i++) {
		/* To somebody else, then to everybody: only the second comes. */
		net_frame(frame, sizeof(frame), 99);
		memcpy(frame, "\x52\x54\x99\x99\x99\x99", 6);
		net_host_send(v, frame, sizeof(frame));
		host_frame(v, i);
		(void)receive(v, q, at_id, i);
	}
}

const struct vconform vconforms_net[] = {
	VCONFORM(VID_NET, frames_are_sent, 0),
	VCONFORM(VID_NET, many_frames_are_sent_at_once, 0),
	VCONFORM(VID_NET, frames_are_received, 0),
	VCONFORM(VID_NET, long_frames_fill_several_buffers, NET_F_MRG_RXBUF),
	VCONFORM(VID_NET, frames_wait_for_buffers, 0),
	VCONFORM(VID_NET, starvation_ends_without_a_notification, 0),
	VCONFORM(VID_NET, the_address_is_a_good_one, NET_F_MAC),
	VCONFORM(VID_NET, the_link_is_up, NET_F_STATUS),
	VCONFORM(VID_NET, the_address_can_be_set, NET_F_CTRL_VQ | NET_F_CTRL_MAC_ADDR | NET_F_MAC),
	VCONFORM(VID_NET, the_filter_holds, NET_F_CTRL_VQ | NET_F_CTRL_RX),
	{}};
