/* SPDX-License-Identifier: Apache-2.0 */
/* Frames and commands that a network device must survive: virtio 1.2, section 5.1.6. */
#include "tests/wire/virtio_hostile.h"
#include <string.h>

#define TX 1u
#define RX 0u
#define CTRL 2u

/** struct nethdr - struct virtio_net_hdr (5.1.6). */
struct nethdr {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};
_Static_assert(sizeof(struct nethdr) == NET_HDR, "layout");

/* One frame with header @h and @len bytes behind it. It may be sent, dropped, or break the device. */
static void transmit(struct vrig *v, const struct nethdr *h, uint32_t hdr_bytes, uint32_t len)
{
	struct drv_queue *q = vrig_q(v);
	struct drv_seg seg[2];
	unsigned n = 0, id;
	uint32_t got;
	if (hdr_bytes) {
		uint64_t gpa = vrig_buffer(v, hdr_bytes, 0);
		memcpy(drv_at(&v->d, gpa), h, hdr_bytes < NET_HDR ? hdr_bytes : NET_HDR);
		seg[n++] = (struct drv_seg){gpa, hdr_bytes, 0};
	}
	if (len) {
		uint64_t gpa = vrig_buffer(v, len, 0);
		if (len >= 14)
			net_frame(drv_at(&v->d, gpa), len, 3);
		seg[n++] = (struct drv_seg){gpa, len, 0};
	}
	if (!n)
		seg[n++] = (struct drv_seg){v->d.gpa, 0, 0};
	vrig_add(v, q, seg, n);
	vrig_freeze(v);
	vrig_expect(v, q, VEND_EITHER);
	if (drv_broken(&v->d))
		vrig_open(v);
	else if (drv_used(q, &id, &got))
		assert_int_equal(got, 0);
	if (v->d.taken > v->d.bytes / 2)
		vrig_open(v);
}

static void header_is_short(struct vrig *v)
{
	struct nethdr h = {0};
	for (uint32_t len = 0; len <= NET_HDR; len++)
		transmit(v, &h, len, 0);
}

static void frame_is_a_runt(struct vrig *v)
{
	struct nethdr h = {0};
	for (uint32_t len = 1; len < 14; len++)
		transmit(v, &h, NET_HDR, len);
}

static void frame_is_too_long(struct vrig *v)
{
	static const uint32_t len[] = {1515, 9000, 65535, 65536, 65550, 65551, 70000, 1u << 20};
	struct nethdr h = {0};
	for (unsigned i = 0; i < sizeof(len) / sizeof(len[0]); i++)
		transmit(v, &h, NET_HDR, len[i]);
}

/* The peer gets whole frames: what is wrong is left out, or comes as a frame of the length that it has. */
static void peer_sees_frames_only(struct vrig *v)
{
	static const uint32_t bad[][2] = {{5, 0},   {12, 0},	    {12, 1},
					  {12, 13}, {12, 1u << 20}, {0, 64}};
	struct nethdr h = {0};
	uint8_t frame[65536];
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		v->keep_output = true;
		transmit(v, &h, bad[i][0], bad[i][1]);
		struct drv_seg seg[VRIG_SEGS];
		unsigned n = v->target->request(v, seg), id;
		uint32_t len;
		vrig_add(v, vrig_q(v), seg, n);
		drv_notify(vrig_q(v));
		assert_true(drv_wait(vrig_q(v), &id, &len));
		do
			assert_true(net_host_recv(v, frame, sizeof(frame)) > 0);
		while (memcmp(frame, drv_at(&v->d, seg[1].gpa), NET_FRAME) != 0);
		v->keep_output = false;
	}
}

static void header_fields_are_absurd(struct vrig *v)
{
	static const uint16_t word[] = {0, 1, 13, 14, 59, 60, 61, 0x7fff, 0x8000, 0xfffe, 0xffff};
	static const uint8_t gso[] = {0, 1, 3, 4, 5, 0x7f, 0x80, 0x81, 0x83, 0x84, 0xff};
	uint64_t x = 88172645463325252ull;
	/* Without offloads and with whatever is offered. */
	for (unsigned k = 0; k < 2; k++) {
		vrig_open_with(v, k ? NET_F_CSUM | NET_F_HOST_TSO4 | NET_F_HOST_TSO6 : 0);
		for (unsigned i = 0; i < 400; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			struct nethdr h = {.flags = (uint8_t)(x & 1 ? x >> 1 & 3 : x >> 3),
					   .gso_type = gso[(x >> 11) % sizeof(gso)],
					   .hdr_len = word[(x >> 15) % 11],
					   .gso_size = word[(x >> 19) % 11],
					   .csum_start = word[(x >> 23) % 11],
					   .csum_offset = word[(x >> 27) % 11],
					   .num_buffers = (uint16_t)(x >> 31)};
			transmit(v, &h, NET_HDR, NET_FRAME);
		}
	}
}

static void checksum_field_is_outside(struct vrig *v)
{
	static const uint16_t at[][2] = {{60, 0},     {59, 0},		{0, 59},
					 {58, 1},     {0xffff, 0xffff}, {0xffff, 1},
					 {0, 0xffff}, {0x8000, 0x8000}};
	vrig_open_with(v, NET_F_CSUM);
	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		struct nethdr h = {.flags = 1, .csum_start = at[i][0], .csum_offset = at[i][1]};
		transmit(v, &h, NET_HDR, NET_FRAME);
	}
}

static void segments_of_nothing(struct vrig *v)
{
	static const uint16_t size[] = {0, 1, 2, 0xffff};
	vrig_open_with(v, NET_F_CSUM | NET_F_HOST_TSO4 | NET_F_HOST_TSO6);
	for (unsigned i = 0; i < 4; i++)
		for (uint8_t type = 1; type < 6; type++) {
			struct nethdr h = {.flags = 1,
					   .gso_type = type,
					   .hdr_len = size[3 - i],
					   .gso_size = size[i],
					   .csum_start = 34,
					   .csum_offset = 16};
			transmit(v, &h, NET_HDR, 60000);
		}
}

static void receive_buffer_is_small(struct vrig *v)
{
	static const uint32_t len[] = {1, 2, 11, 12, 13, 25, 26, 71};
	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
			vrig_open_with(v, k ? NET_F_MRG_RXBUF : 0);
			struct drv_seg seg = {vrig_buffer(v, len[i], 0xee), len[i], DRV_WRITE};
			vrig_add(v, vrig_q(v), &seg, 1);
			vrig_end_of(v, vrig_q(v));
		}
}

static void receive_buffers_of_one_byte(struct vrig *v)
{
	vrig_open_with(v, NET_F_MRG_RXBUF);
	uint64_t gpa = vrig_buffer(v, 4096, 0xee);
	for (unsigned i = 0; i < 200; i++) {
		struct drv_seg seg = {gpa + 16 * i, 1, DRV_WRITE};
		vrig_add(v, vrig_q(v), &seg, 1);
	}
	vrig_end_of(v, vrig_q(v));
}

/* ---- the control queue (5.1.6.5) -------------------------------------------------------------------------- */

/* One command; its ack, or 0x100: the device needs a reset, 0x101: it wrote none. */
static unsigned command(struct vrig *v, const void *cmd, uint32_t len, uint32_t ack_bytes)
{
	struct drv_queue *q = vrig_q(v);
	struct drv_seg seg[2];
	unsigned n = 0, id;
	uint32_t got;
	uint64_t ack = vrig_buffer(v, 64, 0xee);
	if (len) {
		uint64_t gpa = vrig_buffer(v, len, 0);
		memcpy(drv_at(&v->d, gpa), cmd, len);
		seg[n++] = (struct drv_seg){gpa, len, 0};
	}
	if (ack_bytes)
		seg[n++] = (struct drv_seg){ack, ack_bytes, DRV_WRITE};
	vrig_add(v, q, seg, n);
	vrig_freeze(v);
	vrig_expect(v, q, VEND_EITHER);
	bool broken = drv_broken(&v->d);
	unsigned result = broken ? 0x100 : *(uint8_t *)drv_at(&v->d, ack);
	if (!broken)
		assert_true(drv_used(q, &id, &got));
	if (broken || v->d.taken > v->d.bytes / 2)
		vrig_open(v);
	return result == 0xee ? 0x101 : result;
}

static void not_done(unsigned ack)
{
	if (ack == 0)
		fail_msg("a wrong command was done");
}

static void command_is_short(struct vrig *v)
{
	static const uint8_t cmd[2] = {0, 0};
	for (uint32_t len = 0; len < 3; len++) {
		not_done(command(v, cmd, len < 2 ? len : 2, 1));
		if (len)
			(void)command(v, cmd, len < 2 ? len : 2, 0);
	}
}

static void command_is_unknown(struct vrig *v)
{
	for (unsigned class = 0; class < 256; class += class < 8 ? 1 : 31) {
		uint8_t cmd[3] = {(uint8_t) class, 0xfe, 1};
		/* 5.1.6.5: VIRTIO_NET_ERR. */
		unsigned ack = command(v, cmd, 3, 1);
		if (ack != 1 && ack != 0x100)
			fail_msg("class %u has ack 0x%x", class, ack);
	}
}

static void mac_tables_lie(struct vrig *v)
{
	/* Class MAC (1), command TABLE_SET (0): two tables, each a count and so many addresses. */
	static const uint32_t count[] = {1,	     2,		 0x1000,    0x2aaaaaab,
					 0x7fffffff, 0x80000000, 0xffffffff};
	vrig_open_with(v, NET_F_CTRL_RX | NET_F_CTRL_MAC_ADDR);
	for (unsigned i = 0; i < sizeof(count) / sizeof(count[0]); i++) {
		uint8_t cmd[64] = {1, 0};
		memcpy(cmd + 2, &count[i], 4);
		for (uint32_t len = 2; len < 14; len++)
			not_done(command(v, cmd, len, 1));
		/* The second table is the liar. */
		memset(cmd + 2, 0, 4);
		memcpy(cmd + 6, &count[i], 4);
		not_done(command(v, cmd, 10, 1));
		not_done(command(v, cmd, 15, 1));
	}
}

static void mac_address_has_a_wrong_length(struct vrig *v)
{
	vrig_open_with(v, NET_F_CTRL_MAC_ADDR | NET_F_MAC);
	uint8_t cmd[64] = {1, 1, 0x52, 0x54, 0, 1, 2, 3};
	for (uint32_t len = 2; len < 8; len++)
		not_done(command(v, cmd, len, 1));
}

static void vlan_is_out_of_range(struct vrig *v)
{
	static const uint16_t id[] = {4096, 0x8000, 0xffff};
	vrig_open_with(v, NET_F_CTRL_VLAN);
	for (unsigned i = 0; i < 3; i++)
		for (uint8_t del = 0; del < 2; del++) {
			uint8_t cmd[4] = {2, del, (uint8_t)id[i], (uint8_t)(id[i] >> 8)};
			not_done(command(v, cmd, 4, 1));
			not_done(command(v, cmd, 3, 1));
		}
}

static void queue_pairs_are_absurd(struct vrig *v)
{
	/* Class MQ (4), command VQ_PAIRS_SET (0). 5.1.6.5.5: 1 to max_virtqueue_pairs; here not even negotiated. */
	static const uint16_t pairs[] = {0, 2, 9, 17, 0x7fff, 0x8000, 0x8001, 0xffff};
	for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		uint8_t cmd[4] = {4, 0, (uint8_t)pairs[i], (uint8_t)(pairs[i] >> 8)};
		not_done(command(v, cmd, 4, 1));
		not_done(command(v, cmd, 3, 1));
	}
}

static void command_is_huge(struct vrig *v)
{
	static uint8_t cmd[70000];
	for (unsigned class = 0; class < 6; class ++) {
		memset(cmd, 0xff, sizeof(cmd));
		cmd[0] = (uint8_t) class;
		cmd[1] = 0;
		(void)command(v, cmd, sizeof(cmd), 1);
		(void)command(v, cmd, sizeof(cmd), 64);
	}
}

const struct vcase vcases_net[] = {VCASE_OF(VID_NET, TX, header_is_short),
				   VCASE_OF(VID_NET, TX, frame_is_a_runt),
				   VCASE_OF(VID_NET, TX, frame_is_too_long),
				   VCASE_OF(VID_NET, TX, peer_sees_frames_only),
				   VCASE_OF(VID_NET, TX, header_fields_are_absurd),
				   VCASE_OF(VID_NET, TX, checksum_field_is_outside),
				   VCASE_OF(VID_NET, TX, segments_of_nothing),
				   VCASE_OF(VID_NET, RX, receive_buffer_is_small),
				   VCASE_OF(VID_NET, RX, receive_buffers_of_one_byte),
				   VCASE_OF(VID_NET, CTRL, command_is_short),
				   VCASE_OF(VID_NET, CTRL, command_is_unknown),
				   VCASE_OF(VID_NET, CTRL, mac_tables_lie),
				   VCASE_OF(VID_NET, CTRL, mac_address_has_a_wrong_length),
				   VCASE_OF(VID_NET, CTRL, vlan_is_out_of_range),
				   VCASE_OF(VID_NET, CTRL, queue_pairs_are_absurd),
				   VCASE_OF(VID_NET, CTRL, command_is_huge),
				   {}};
