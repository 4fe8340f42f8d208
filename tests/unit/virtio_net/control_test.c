/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-net: the control queue, the receive filter, several queue pairs. */
#include "tests/unit/virtio_net/rig.h"
#include <string.h>
#include "base/bytes.h"

enum { RX = 0, MAC = 1, VLAN = 2, ANNOUNCE = 3, MQ = 4, OFFLOADS = 5 };

static const uint8_t me[6] = {2, 'O', 'R', 'T', 'G', 1}, other[6] = {2, 0, 0, 0, 0, 9},
		     all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		     group[6] = {1, 0, 0x5e, 0, 0, 1};
static uint8_t frame[2000];

/* Does a frame to @dst come through? */
static bool comes(struct rig *r, const uint8_t dst[6], unsigned vlan)
{
	uint8_t *p;
	rig_frame(frame, 100, dst, vlan);
	r->d.taken = 3u << 20; /* the same memory each time, above the rings */
	rig_post(r, 0, 200);
	dmt_link_frame(r->t, 0, frame, 100);
	if (rig_take(r, 0, &p) < 0)
		return false;
	assert_memory_equal(p + 12, frame, 100);
	return true;
}

static bool rx(struct rig *r, unsigned cmd, uint8_t on)
{
	return rig_command(r, RX, cmd, &on, 1) == 0;
}

static void the_filter_does_what_the_driver_says(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | rig_layout(state), 3);
	assert_true(comes(r, other, 0)); /* promiscuous until told otherwise */
	assert_true(rx(r, 0, 0));
	assert_true(comes(r, me, 0));
	assert_true(comes(r, all, 0));
	assert_false(comes(r, other, 0));
	assert_false(comes(r, group, 0));
	assert_true(rx(r, 1, 1));
	assert_true(comes(r, group, 0));
	assert_true(rx(r, 3, 1)); /* none at all, though all were asked for */
	assert_false(comes(r, group, 0));
	assert_true(rx(r, 2, 1));
	assert_true(comes(r, other, 0));
	assert_true(rx(r, 4, 1));
	assert_false(comes(r, me, 0));
	assert_true(rx(r, 5, 1));
	assert_false(comes(r, all, 0));
	assert_true(rx(r, 0, 1));
	assert_true(comes(r, all, 0));
	assert_true(comes(r, other, 0));
	rig_close(r);
}

static void address_tables_are_set_whole_or_not_at_all(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | rig_layout(state), 3);
	uint8_t table[1000] = {0};
	assert_true(rx(r, 0, 0));
	store_le(table, 4, 1);
	memcpy(table + 4, other, 6);
	store_le(table + 10, 4, 1);
	memcpy(table + 14, group, 6);
	assert_int_equal(rig_command(r, MAC, 0, table, 20), 0);
	assert_true(comes(r, other, 0));
	assert_true(comes(r, group, 0));
	static const uint32_t bad[] = {0, 3, 4, 9, 10, 13, 14, 19, 21};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(rig_command(r, MAC, 0, table, bad[i]), 1);
	store_le(table, 4, 0xffffffff);
	assert_int_equal(rig_command(r, MAC, 0, table, 20), 1);
	assert_true(comes(r, other, 0)); /* as before */
	memset(table, 0, sizeof(table));
	store_le(table, 4, 40); /* more than we keep: then none is kept out */
	assert_int_equal(rig_command(r, MAC, 0, table, 8 + 40 * 6), 0);
	assert_true(comes(r, other, 0));
	assert_false(comes(r, group, 0));
	store_le(table, 4, 0);
	assert_int_equal(rig_command(r, MAC, 0, table, 8), 0);
	assert_false(comes(r, other, 0));
	rig_close(r);
}

static void the_driver_gives_itself_an_address(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | rig_layout(state), 3);
	assert_true(rx(r, 0, 0));
	assert_int_equal(rig_command(r, MAC, 1, other, 6), 0);
	assert_true(comes(r, other, 0));
	assert_false(comes(r, me, 0));
	assert_int_equal(drv_config(&r->d, NET_CFG_MAC, 4), 2);
	assert_int_equal(drv_config(&r->d, NET_CFG_MAC + 4, 2), 0x0900);
	assert_int_equal(rig_command(r, MAC, 1, group, 6), 1);
	assert_int_equal(rig_command(r, MAC, 1, other, 5), 1);
	assert_int_equal(rig_command(r, MAC, 2, other, 6), 1);
	rig_negotiate(r, RIG_FEATURES | rig_layout(state), 3);
	assert_int_equal(drv_config(&r->d, NET_CFG_MAC, 4), 0x54524f02); /* its own again */
	rig_close(r);
}

static void tagged_frames_come_where_their_network_was_asked_for(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | rig_layout(state), 3);
	uint8_t id[2] = {5, 0}, last[2] = {0xff, 0x0f}, none[2] = {0, 0x10};
	assert_true(rx(r, 0, 0));
	assert_false(comes(r, me, 5));
	assert_int_equal(rig_command(r, VLAN, 0, id, 2), 0);
	assert_true(comes(r, me, 5));
	assert_true(comes(r, me, 0x2005)); /* the priority is not part of it */
	assert_false(comes(r, me, 6));
	assert_int_equal(rig_command(r, VLAN, 0, last, 2), 0);
	assert_true(comes(r, me, 4095));
	assert_int_equal(rig_command(r, VLAN, 1, id, 2), 0);
	assert_false(comes(r, me, 5));
	assert_int_equal(rig_command(r, VLAN, 0, none, 2), 1);
	assert_int_equal(rig_command(r, VLAN, 0, id, 1), 1);
	assert_int_equal(rig_command(r, VLAN, 2, id, 2), 1);
	rig_close(r);
}

static void commands_without_their_feature_or_of_no_class_are_refused(void **state)
{
	struct rig *r = rig_open(NULL, NET_F_CTRL_VQ | rig_layout(state), 3);
	uint8_t data[8] = {1, 0};
	for (unsigned cls = 0; cls < 9; cls++)
		for (unsigned cmd = 0; cmd < 4; cmd++)
			for (unsigned len = 0; len <= 8; len++)
				assert_int_equal(rig_command(r, cls, cmd, data, len), 1);
	assert_int_equal(rig_command(r, 255, 255, data, 8), 1);
	assert_false(drv_broken(&r->d));
	rig_close(r);
}

static void modes_are_one_byte_of_0_or_1(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | rig_layout(state), 3);
	uint8_t data[2] = {2, 0};
	for (unsigned cmd = 0; cmd < 8; cmd++) {
		assert_int_equal(rig_command(r, RX, cmd, data, 1), 1);
		assert_int_equal(rig_command(r, RX, cmd, data + 1, 0), 1);
		assert_int_equal(rig_command(r, RX, cmd, data, 2), 1);
	}
	rig_close(r);
}

static void a_command_without_room_for_its_answer_breaks_the_device(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | rig_layout(state), 3);
	struct drv_area a = drv_alloc(&r->d, 64, 1);
	struct drv_seg seg = {a.gpa, 3, 0};
	drv_add(&r->q[2], &seg, 1);
	drv_notify(&r->q[2]);
	assert_true(drv_broken(&r->d));
	rig_close(r);
}

static void short_and_huge_commands_are_refused(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | rig_layout(state), 3);
	struct drv_area a = drv_alloc(&r->d, 100000, 1);
	static const uint32_t lens[] = {0, 1, 8193, 99000};
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		unsigned id;
		uint32_t used;
		struct drv_seg seg[2] = {{a.gpa, lens[i], 0}, {a.gpa + 99999, 1, DRV_WRITE}};
		a.at[99999] = 0xee;
		drv_add(&r->q[2], lens[i] ? seg : seg + 1, lens[i] ? 2 : 1);
		drv_notify(&r->q[2]);
		assert_true(drv_used(&r->q[2], &id, &used));
		assert_int_equal(a.at[99999], 1);
	}
	rig_close(r);
}

static void receive_offloads_are_switched_within_what_was_agreed(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | RIG_OFFLOADS | rig_layout(state), 3);
	uint8_t v[8];
	assert_true(r->t->link.info.rx_tso4);
	store_le(v, 8, NET_F_GUEST_CSUM);
	assert_int_equal(rig_command(r, OFFLOADS, 0, v, 8), 0);
	assert_true(r->t->link.info.rx_csum);
	assert_false(r->t->link.info.rx_tso4);
	store_le(v, 8, NET_F_GUEST_CSUM | NET_F_GUEST_ECN); /* that one was not agreed */
	assert_int_equal(rig_command(r, OFFLOADS, 0, v, 8), 1);
	store_le(v, 8, NET_F_MAC);
	assert_int_equal(rig_command(r, OFFLOADS, 0, v, 8), 1);
	assert_int_equal(rig_command(r, OFFLOADS, 0, v, 7), 1);
	store_le(v, 8, 0);
	assert_int_equal(rig_command(r, OFFLOADS, 0, v, 8), 0);
	assert_false(r->t->link.info.rx_csum);
	rig_close(r);
}

static void several_pairs_send_and_receive(void **state)
{
	const char *options[] = {"queues", "4", NULL};
	struct rig *r = rig_create(options, 4);
	uint8_t n[2] = {4, 0}, got[300], *p;
	unsigned queue = 99;
	rig_negotiate(r, RIG_FEATURES | NET_F_MQ | rig_layout(state), 9);
	assert_int_equal(net_ctrl_queue(rig_state(r)), 8);
	rig_frame(frame, 100, me, 0);
	for (unsigned i = 0; i < 4; i++) { /* one pair is in use: all goes there */
		rig_post(r, 0, 200);
		drv_kick(&r->q[0]);
		dmt_link_frame(r->t, i, frame, 100);
		assert_int_equal(rig_take(r, 0, &p), 112);
	}
	assert_int_equal(rig_command(r, MQ, 0, n, 2), 0);
	for (unsigned i = 0; i < 4; i++) {
		rig_post(r, 2 * i, 200);
		drv_kick(&r->q[2 * i]);
		dmt_link_frame(r->t, i, frame, 100);
		assert_int_equal(rig_take(r, 2 * i, &p), 112);
		rig_send(r, 2 * i + 1, NULL, frame, 100, 1);
		assert_int_equal(rig_take(r, 2 * i + 1, NULL), 0);
		assert_int_equal(rig_sent(r, got, &queue), 112);
		assert_int_equal(queue, i);
	}
	static const uint8_t bad[][2] = {{0, 0}, {5, 0}, {0, 1}, {0, 0x80}};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(rig_command(r, MQ, 0, bad[i], 2), 1);
	assert_int_equal(rig_command(r, MQ, 0, n, 1), 1);
	rig_close(r);
}

static void without_multiqueue_the_control_queue_is_the_third(void **state)
{
	const char *options[] = {"queues", "4", NULL};
	struct rig *r = rig_create(options, 4);
	rig_negotiate(r, RIG_FEATURES | rig_layout(state), 3);
	assert_true(rx(r, 0, 0));
	assert_false(comes(r, other, 0));
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_BOTH(the_filter_does_what_the_driver_says),
		RIG_BOTH(address_tables_are_set_whole_or_not_at_all),
		RIG_BOTH(the_driver_gives_itself_an_address),
		RIG_BOTH(tagged_frames_come_where_their_network_was_asked_for),
		RIG_BOTH(commands_without_their_feature_or_of_no_class_are_refused),
		RIG_BOTH(modes_are_one_byte_of_0_or_1),
		RIG_BOTH(a_command_without_room_for_its_answer_breaks_the_device),
		RIG_BOTH(short_and_huge_commands_are_refused),
		RIG_BOTH(receive_offloads_are_switched_within_what_was_agreed),
		RIG_BOTH(several_pairs_send_and_receive),
		RIG_BOTH(without_multiqueue_the_control_queue_is_the_third),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
