/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-net: what it offers, transmission, a link that is slow or gone, crashes. */
#include "tests/unit/virtio_net/rig.h"
#include <string.h>
#include "base/bytes.h"

static const uint8_t peer[6] = {2, 0, 0, 0, 0, 9};
static uint8_t frame[70000], got[70000];

static void the_offer_follows_link_and_options(void **state)
{
	struct rig *r = rig_create(NULL, 4);
	uint64_t f = drv_offered(&r->d);
	(void)state;
	assert_int_equal(dmt_r32(r->t, DRV_DEVICE_ID), 1);
	assert_true((f & RIG_FEATURES) == RIG_FEATURES);
	assert_true((f & RIG_OFFLOADS) == RIG_OFFLOADS);
	assert_true(f & NET_F_MRG_RXBUF);
	assert_false(f & (NET_F_MTU | NET_F_MQ));
	rig_close(r);

	const char *options[] = {"offload",	      "false", "mtu", "9000", "queues", "8", "mac",
				 "02:aa:bb:cc:dd:ee", NULL};
	r = rig_create(options, 4);
	f = drv_offered(&r->d);
	assert_false(f & RIG_OFFLOADS);
	assert_true(f & NET_F_MTU);
	assert_true(f & NET_F_MQ);
	assert_int_equal(drv_config(&r->d, NET_CFG_PAIRS, 2), 4); /* no more than the link has */
	assert_int_equal(drv_config(&r->d, NET_CFG_MTU, 2), 9000);
	assert_int_equal(drv_config(&r->d, NET_CFG_MAC, 4), 0xccbbaa02);
	assert_int_equal(drv_config(&r->d, NET_CFG_STATUS, 2), NET_S_LINK_UP);
	rig_close(r);
}

static void features_that_need_others_are_refused_alone(void **state)
{
	static const uint64_t bad[] = {NET_F_HOST_TSO4,
				       NET_F_HOST_TSO6,
				       NET_F_GUEST_TSO4,
				       NET_F_GUEST_TSO6,
				       NET_F_CSUM | NET_F_HOST_ECN,
				       NET_F_GUEST_CSUM | NET_F_GUEST_ECN,
				       NET_F_CTRL_RX,
				       NET_F_CTRL_VLAN,
				       NET_F_CTRL_MAC_ADDR,
				       NET_F_CTRL_VQ | NET_F_CTRL_RX_EXTRA,
				       NET_F_GUEST_ANNOUNCE,
				       NET_F_GUEST_CSUM | NET_F_CTRL_GUEST_OFFLOADS};
	struct rig *r = rig_create(NULL, 1);
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(drv_negotiate(&r->d, bad[i]));
	assert_true(drv_negotiate(&r->d, RIG_FEATURES | RIG_OFFLOADS | NET_F_MRG_RXBUF));
	rig_close(r);
}

static void frames_go_out_as_they_are(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | rig_layout(state), 3);
	for (unsigned segs = 1; segs < 12; segs++) {
		uint32_t len = 14 + segs * 130;
		rig_frame(frame, len, peer, 0);
		assert_true(rig_send(r, 1, NULL, frame, len, segs) >= 0);
		assert_int_equal(rig_take(r, 1, NULL), 0);
		assert_int_equal(rig_sent(r, got, NULL), len + 12);
		assert_memory_equal(got + 12, frame, len);
		for (unsigned i = 0; i < 12; i++)
			assert_int_equal(got[i], 0);
	}
	assert_int_equal(r->t->counts[DM_COUNT_REQUESTS], 11);
	assert_false(drv_broken(&r->d));
	rig_close(r);
}

static void the_header_reaches_the_link_clean(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | RIG_OFFLOADS | rig_layout(state), 3);
	uint8_t h[12] = {0xff, 1, 54, 0, 0xa8, 5, 34, 0, 16, 0, 9, 9};
	rig_frame(frame, 4000, peer, 0);
	assert_true(rig_send(r, 1, h, frame, 4000, 3) >= 0);
	assert_int_equal(rig_sent(r, got, NULL), 4012);
	assert_int_equal(got[0], 1); /* flags that are not the driver's are gone */
	assert_memory_equal(got + 1, h + 1, 9);
	assert_int_equal(load_le(got + 10, 2), 0);
	memset(h, 0xff, 12);
	h[0] = 2;
	h[1] = 0;
	assert_true(rig_send(r, 1, h, frame, 4000, 3) >= 0);
	assert_int_equal(rig_sent(r, got, NULL), 4012);
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(got[i], 0);
	rig_close(r);
}

static void headers_that_contradict_themselves_drop_the_frame(void **state)
{
	static const uint8_t bad[][12] = {
		{1, 0, 0, 0, 0, 0, 100, 0, 0, 0}, /* sum from behind the end */
		{1, 0, 0, 0, 0, 0, 34, 0, 65, 0}, /* field ends behind the end */
		{1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
		{0, 1, 54, 0, 0xa8, 5},		     /* segments without a checksum */
		{1, 1, 54, 0, 0, 0, 34, 0, 16, 0},   /* of no size */
		{1, 3, 54, 0, 0xa8, 5, 34, 0, 6, 0}, /* UDP fragmentation */
		{1, 5, 54, 0, 0xa8, 5, 34, 0, 6, 0}, /* UDP segmentation */
		{1, 0x7f, 54, 0, 0xa8, 5, 34, 0, 6, 0},
	};
	struct rig *r = rig_open(NULL, RIG_FEATURES | RIG_OFFLOADS | rig_layout(state), 3);
	rig_frame(frame, 100, peer, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_true(rig_send(r, 1, bad[i], frame, 100, 1) >= 0);
		assert_int_equal(rig_take(r, 1, NULL), 0);
		assert_int_equal(r->t->link.nout, 0);
	}
	assert_int_equal(r->t->counts[DM_COUNT_ERRORS], ARRAY_LEN(bad));
	assert_true(rig_send(r, 1, NULL, frame, 13, 1) >= 0); /* shorter than Ethernet */
	assert_int_equal(rig_take(r, 1, NULL), 0);
	assert_true(rig_send(r, 1, NULL, frame, 65551, 2) >= 0);
	assert_int_equal(rig_take(r, 1, NULL), 0);
	assert_int_equal(r->t->link.nout, 0);
	assert_true(rig_send(r, 1, NULL, frame, 65550, 2) >= 0);
	assert_int_equal(r->t->link.nout, 1);
	assert_false(drv_broken(&r->d));
	rig_close(r);
}

static void offloads_that_were_not_negotiated_drop_the_frame(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | rig_layout(state), 3);
	uint8_t csum[12] = {1, 0, 0, 0, 0, 0, 34, 0, 16, 0};
	rig_frame(frame, 100, peer, 0);
	assert_true(rig_send(r, 1, csum, frame, 100, 1) >= 0);
	assert_int_equal(rig_take(r, 1, NULL), 0);
	rig_negotiate(r, RIG_FEATURES | NET_F_CSUM | NET_F_HOST_TSO6 | rig_layout(state), 3);
	uint8_t tso4[12] = {1, 1, 54, 0, 0xa8, 5, 34, 0, 16, 0};
	assert_true(rig_send(r, 1, tso4, frame, 100, 1) >= 0);
	assert_int_equal(rig_take(r, 1, NULL), 0);
	assert_int_equal(r->t->link.nout, 0);
	assert_true(rig_send(r, 1, csum, frame, 100, 1) >= 0);
	assert_int_equal(r->t->link.nout, 1);
	rig_close(r);
}

static void a_chain_that_is_no_frame_breaks_the_device(void **state)
{
	for (unsigned kind = 0; kind < 3; kind++) {
		struct rig *r = rig_open(NULL, RIG_FEATURES | rig_layout(state), 3);
		struct drv_area a = drv_alloc(&r->d, 4096, 1);
		struct drv_seg seg[2] = {{a.gpa, kind == 0 ? 11 : 100, 0},
					 {a.gpa + 2048, 100, DRV_WRITE}};
		if (kind == 2)
			seg[0].flags = DRV_WRITE;
		assert_true(drv_add(&r->q[1], seg, kind == 1 ? 2 : 1) >= 0);
		drv_notify(&r->q[1]);
		assert_true(drv_broken(&r->d));
		assert_int_equal(r->t->link.nout, 0);
		rig_negotiate(r, RIG_FEATURES | rig_layout(state), 3); /* and a reset mends it */
		rig_frame(frame, 100, peer, 0);
		rig_send(r, 1, NULL, frame, 100, 1);
		assert_int_equal(r->t->link.nout, 1);
		rig_close(r);
	}
}

static void a_full_link_holds_frames_back_and_loses_none(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | rig_layout(state), 3);
	unsigned seen = 0;
	r->t->link.full = true;
	for (unsigned i = 0; i < 20; i++) {
		rig_frame(frame, 200, peer, 0);
		frame[20] = (uint8_t)i;
		assert_true(rig_send(r, 1, NULL, frame, 200, 2) >= 0);
	}
	assert_int_equal(rig_take(r, 1, NULL), -1);
	dmt_link_ready(r->t); /* still none */
	assert_int_equal(rig_take(r, 1, NULL), -1);
	r->t->link.full = false;
	dmt_link_ready(r->t);
	while (rig_sent(r, got, NULL))
		assert_int_equal(got[12 + 20], seen++);
	assert_int_equal(seen, 20);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(rig_take(r, 1, NULL), 0);
	assert_int_equal(rig_take(r, 1, NULL), -1);
	rig_close(r);
}

static void a_link_that_is_down_swallows_frames_and_says_so(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | rig_layout(state), 3);
	dmt_ack(r->t, 0, 3);
	r->t->link.info.up = false;
	dmt_link_ready(r->t);
	assert_int_equal(drv_config(&r->d, NET_CFG_STATUS, 2), 0);
	assert_true(r->t->pending[0] & VIRTIO_INT_CONFIG);
	rig_frame(frame, 100, peer, 0);
	rig_send(r, 1, NULL, frame, 100, 1);
	assert_int_equal(rig_take(r, 1, NULL), 0);
	assert_int_equal(r->t->link.nout, 0);
	assert_int_equal(r->t->counts[DM_COUNT_DROPS], 1);
	dmt_ack(r->t, 0, 3);
	r->t->link.info.up = true;
	dmt_link_ready(r->t);
	assert_true(r->t->pending[0] & VIRTIO_INT_CONFIG);
	assert_int_equal(drv_config(&r->d, NET_CFG_STATUS, 2), NET_S_LINK_UP | NET_S_ANNOUNCE);
	assert_int_equal(rig_command(r, 3, 0, NULL, 0), 0); /* the driver has announced itself */
	assert_int_equal(drv_config(&r->d, NET_CFG_STATUS, 2), NET_S_LINK_UP);
	rig_close(r);
}

static void the_cable_can_be_pulled(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES, 3);
	(void)state;
	assert_int_not_equal(dmt_control(r->t, "link", "sideways"), 0);
	assert_non_null(strstr(r->t->log, "up or down"));
	assert_int_equal(dmt_control(r->t, "link", "down"), 0);
	assert_int_equal(drv_config(&r->d, NET_CFG_STATUS, 2), 0);
	rig_frame(frame, 100, peer, 0);
	rig_send(r, 1, NULL, frame, 100, 1);
	assert_int_equal(r->t->link.nout, 0);
	assert_int_equal(dmt_control(r->t, "link", "up"), 0);
	assert_true(drv_config(&r->d, NET_CFG_STATUS, 2) & NET_S_LINK_UP);
	rig_send(r, 1, NULL, frame, 100, 1);
	assert_int_equal(r->t->link.nout, 1);
	rig_close(r);
}

/* Killed after the device has sent and given back, before it is committed: the driver sees each chain once. */
static void a_crash_gives_no_chain_back_twice(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | rig_layout(state), 3);
	uint8_t *at;
	rig_frame(frame, 300, peer, 0);
	for (unsigned round = 0; round < 40; round++) {
		struct drv_area a = drv_alloc(&r->d, 400, 1);
		struct drv_seg seg[2] = {{a.gpa, 12, 0}, {a.gpa + 12, 300, 0}};
		memcpy(a.at + 12, frame, 300);
		for (unsigned i = 0; i < 3; i++)
			assert_true(drv_add(&r->q[1], seg, 2) >= 0);
		assert_true(rig_post(r, 0, 500) >= 0);
		r->t->link.listening = false;
		dmt_link_frame(r->t, 0, frame, 300);
		/* One call of the model that nobody commits. */
		if (round & 1)
			dm_doorbell(r->t->dm, 1);
		if (round & 2)
			r->t->dm->cls->link_ready(r->t->dm, r->t->dm->state, 0);
		dmt_crash(r->t);
		dmt_link_ready(r->t);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(rig_take(r, 1, NULL), 0);
		assert_int_equal(rig_take(r, 1, NULL), -1);
		int n = rig_take(r, 0, &at);
		if (n <
		    0) /* a frame that was taken and not committed may be lost, as on any network */
			assert_true(round & 2);
		else
			assert_memory_equal(at + 12, frame, 300);
		assert_true(n < 0 || n == 312);
		assert_int_equal(rig_take(r, 0, NULL), -1);
		assert_false(drv_broken(&r->d));
		while (rig_sent(r, got, NULL))
			assert_memory_equal(got + 12, frame, 300);
	}
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_offer_follows_link_and_options),
		cmocka_unit_test(features_that_need_others_are_refused_alone),
		RIG_BOTH(frames_go_out_as_they_are),
		RIG_BOTH(the_header_reaches_the_link_clean),
		RIG_BOTH(headers_that_contradict_themselves_drop_the_frame),
		RIG_BOTH(offloads_that_were_not_negotiated_drop_the_frame),
		RIG_BOTH(a_chain_that_is_no_frame_breaks_the_device),
		RIG_BOTH(a_full_link_holds_frames_back_and_loses_none),
		RIG_BOTH(a_link_that_is_down_swallows_frames_and_says_so),
		cmocka_unit_test(the_cable_can_be_pulled),
		RIG_BOTH(a_crash_gives_no_chain_back_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
