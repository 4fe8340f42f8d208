/* SPDX-License-Identifier: Apache-2.0 */
/* The queues that hostile cases are run on, and one correct request for each. */
#include "tests/wire/virtio_rig.h"
#include "tests/wire/virtio_models.h"
#include <string.h>

#define FILL 0xee

static void answer_nothing(struct vrig *v, const struct drv_seg *seg, unsigned n, uint32_t len)
{
	(void)v;
	(void)seg;
	(void)n;
	/* 2.7.8.2: what was written to the writable part; there is none. */
	assert_int_equal(len, 0);
}

/* ---- entropy (5.4) ---------------------------------------------------------------------------------------- */

static unsigned rng_request(struct vrig *v, struct drv_seg seg[VRIG_SEGS])
{
	seg[0] = (struct drv_seg){vrig_buffer(v, 64, FILL), 64, DRV_WRITE};
	return 1;
}

static void rng_answer(struct vrig *v, const struct drv_seg *seg, unsigned n, uint32_t len)
{
	const uint8_t *p = drv_at(&v->d, seg[0].gpa);
	unsigned same = 0;
	assert_int_equal(n, 1);
	assert_in_range(len, 1, 64); /* 5.4.6.2: one byte at least */
	for (unsigned i = 0; i < 64; i++)
		same += p[i] == FILL;
	if (len == 64)
		assert_true(same < 32);
	else
		assert_true(same >= 64 - len);
}

/* ---- block (5.2) ------------------------------------------------------------------------------------------ */

uint64_t blk_header(struct vrig *v, uint32_t type, uint64_t sector)
{
	uint64_t gpa = vrig_buffer(v, 16, 0);
	uint8_t *p = drv_at(&v->d, gpa);
	memcpy(p, &type, 4);
	memcpy(p + 8, &sector, 8);
	return gpa;
}

static unsigned blk_request(struct vrig *v, struct drv_seg seg[VRIG_SEGS])
{
	seg[0] = (struct drv_seg){blk_header(v, BLK_IN, 0), 16, 0};
	seg[1] = (struct drv_seg){vrig_buffer(v, 512, FILL), 512, DRV_WRITE};
	seg[2] = (struct drv_seg){vrig_buffer(v, 1, FILL), 1, DRV_WRITE};
	return 3;
}

static void blk_answer(struct vrig *v, const struct drv_seg *seg, unsigned n, uint32_t len)
{
	assert_int_equal(n, 3);
	assert_int_equal(len, 513);
	assert_int_equal(*(uint8_t *)drv_at(&v->d, seg[2].gpa), BLK_S_OK);
}

/* ---- network (5.1) ---------------------------------------------------------------------------------------- */

static unsigned net_tx_request(struct vrig *v, struct drv_seg seg[VRIG_SEGS])
{
	uint64_t frame = vrig_buffer(v, NET_FRAME, 0);
	net_frame(drv_at(&v->d, frame), NET_FRAME, 1);
	seg[0] = (struct drv_seg){vrig_buffer(v, NET_HDR, 0), NET_HDR, 0};
	seg[1] = (struct drv_seg){frame, NET_FRAME, 0};
	return 2;
}

static unsigned net_rx_request(struct vrig *v, struct drv_seg seg[VRIG_SEGS])
{
	seg[0] = (struct drv_seg){vrig_buffer(v, 2048, FILL), 2048, DRV_WRITE};
	return 1;
}

static void net_rx_answer(struct vrig *v, const struct drv_seg *seg, unsigned n, uint32_t len)
{
	const uint8_t *p = drv_at(&v->d, seg[0].gpa);
	assert_int_equal(n, 1);
	assert_int_equal(len, NET_HDR + NET_FRAME);
	assert_int_equal(p[10] | p[11] << 8, 1); /* num_buffers, 5.1.6.4.1 */
	assert_memory_equal(p + NET_HDR, NET_MAC, 6);
}

static void net_poke(struct vrig *v)
{
	uint8_t frame[NET_FRAME];
	net_frame(frame, sizeof(frame), 2);
	memcpy(frame, NET_MAC, 6);
	net_host_send(v, frame, sizeof(frame));
}

static unsigned net_ctrl_request(struct vrig *v, struct drv_seg seg[VRIG_SEGS])
{
	/* 5.1.6.5.1: class RX, command PROMISC, on. */
	uint64_t cmd = vrig_buffer(v, 3, 0);
	((uint8_t *)drv_at(&v->d, cmd))[2] = 1;
	seg[0] = (struct drv_seg){cmd, 3, 0};
	seg[1] = (struct drv_seg){vrig_buffer(v, 1, FILL), 1, DRV_WRITE};
	return 2;
}

static void net_ctrl_answer(struct vrig *v, const struct drv_seg *seg, unsigned n, uint32_t len)
{
	assert_int_equal(n, 2);
	assert_int_equal(len, 1);
	assert_int_equal(*(uint8_t *)drv_at(&v->d, seg[1].gpa), 0);
}

/* ---- console (5.3) ---------------------------------------------------------------------------------------- */

static unsigned con_tx_request(struct vrig *v, struct drv_seg seg[VRIG_SEGS])
{
	seg[0] = (struct drv_seg){vrig_buffer(v, 16, 'x'), 16, 0};
	return 1;
}

static unsigned con_rx_request(struct vrig *v, struct drv_seg seg[VRIG_SEGS])
{
	seg[0] = (struct drv_seg){vrig_buffer(v, 64, FILL), 64, DRV_WRITE};
	return 1;
}

static void con_rx_answer(struct vrig *v, const struct drv_seg *seg, unsigned n, uint32_t len)
{
	assert_int_equal(n, 1);
	assert_in_range(len, 1, 64);
	assert_int_equal(*(uint8_t *)drv_at(&v->d, seg[0].gpa), 'p');
}

static void con_poke(struct vrig *v)
{
	con_host_send(v, "p", 1);
}

uint64_t con_message(struct vrig *v, uint32_t port, uint16_t event, uint16_t value)
{
	uint64_t gpa = vrig_buffer(v, 8, 0);
	uint8_t *p = drv_at(&v->d, gpa);
	memcpy(p, &port, 4);
	memcpy(p + 4, &event, 2);
	memcpy(p + 6, &value, 2);
	return gpa;
}

static unsigned con_ctrl_request(struct vrig *v, struct drv_seg seg[VRIG_SEGS])
{
	seg[0] = (struct drv_seg){con_message(v, 0, CON_DEVICE_READY, 1), 8, 0};
	return 1;
}

static unsigned con_event_request(struct vrig *v, struct drv_seg seg[VRIG_SEGS])
{
	seg[0] = (struct drv_seg){vrig_buffer(v, 64, FILL), 64, DRV_WRITE};
	return 1;
}

static void con_event_answer(struct vrig *v, const struct drv_seg *seg, unsigned n, uint32_t len)
{
	(void)v;
	(void)seg;
	assert_int_equal(n, 1);
	assert_in_range(len, 8, 64); /* 5.3.6.2: a control message */
}

/* The device has something to say on the control receive queue: the answer to DEVICE_READY is PORT_ADD. */
static void con_event_poke(struct vrig *v)
{
	struct drv_queue *q = &v->q[3];
	uint64_t from = v->d.taken;
	struct drv_seg seg = {con_message(v, 0, CON_DEVICE_READY, 1), 8, 0};
	unsigned id;
	uint32_t len;
	if (drv_add(q, &seg, 1) < 0)
		return;
	vrig_own(v, v->d.gpa + from, v->d.taken - from);
	vrig_own(v, q->desc.gpa, q->desc.bytes);
	vrig_own(v, q->driver.gpa, q->driver.bytes);
	drv_notify(q);
	vrig_settle(v);
	(void)drv_used(q, &id, &len);
}

/* ---- the table -------------------------------------------------------------------------------------------- */

const struct vtarget vtargets[] = {{.model = "virtio-rng",
				    .name = "requestq",
				    .device_id = VID_RNG,
				    .shape = VSHAPE_IN,
				    .request = rng_request,
				    .answer = rng_answer},
				   {.model = "virtio-blk",
				    .name = "requestq",
				    .device_id = VID_BLK,
				    .shape = VSHAPE_REQ,
				    .request = blk_request,
				    .answer = blk_answer},
				   {.model = "virtio-net",
				    .name = "transmitq",
				    .device_id = VID_NET,
				    .queue = 1,
				    .shape = VSHAPE_OUT,
				    .request = net_tx_request,
				    .answer = answer_nothing},
				   {.model = "virtio-net",
				    .name = "receiveq",
				    .device_id = VID_NET,
				    .queue = 0,
				    .shape = VSHAPE_IN,
				    .poke = net_poke,
				    .request = net_rx_request,
				    .answer = net_rx_answer},
				   {.model = "virtio-net",
				    .name = "controlq",
				    .device_id = VID_NET,
				    .queue = 2,
				    .shape = VSHAPE_REQ,
				    .features = NET_F_CTRL_VQ | NET_F_CTRL_RX,
				    .request = net_ctrl_request,
				    .answer = net_ctrl_answer},
				   {.model = "virtio-console",
				    .name = "transmitq",
				    .device_id = VID_CONSOLE,
				    .queue = 1,
				    .shape = VSHAPE_OUT,
				    .request = con_tx_request,
				    .answer = answer_nothing},
				   {.model = "virtio-console",
				    .name = "receiveq",
				    .device_id = VID_CONSOLE,
				    .queue = 0,
				    .shape = VSHAPE_IN,
				    .poke = con_poke,
				    .request = con_rx_request,
				    .answer = con_rx_answer},
				   {.model = "virtio-console",
				    .name = "control-transmitq",
				    .device_id = VID_CONSOLE,
				    .queue = 3,
				    .shape = VSHAPE_OUT,
				    .features = CON_F_MULTIPORT,
				    .request = con_ctrl_request,
				    .answer = answer_nothing},
				   {.model = "virtio-console",
				    .name = "control-receiveq",
				    .device_id = VID_CONSOLE,
				    .queue = 2,
				    .shape = VSHAPE_IN,
				    .features = CON_F_MULTIPORT,
				    .poke = con_event_poke,
				    .request = con_event_request,
				    .answer = con_event_answer},
				   {}};
