/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-net: reception into one buffer and several, starvation, headers that the driver did not agree to. */
#include "tests/unit/virtio_net/rig.h"
#include <string.h>
#include "base/bytes.h"

static const uint8_t me[6] = {2, 'O', 'R', 'T', 'G', 1};
static uint8_t frame[70000];

/* A frame arrives with header flags @flags and segmentation type @gso. */
static void arrive(struct rig *r, unsigned queue, size_t len, uint8_t flags, uint8_t gso)
{
	struct dm_test_link *l = &r->t->link;
	bool listening = l->listening;
	l->listening = false;
	dmt_link_frame(r->t, queue, frame, len);
	l->in[l->nin - 1].buf[0] = flags;
	l->in[l->nin - 1].buf[1] = gso;
	l->listening = listening;
	if (listening)
		dmt_link_ready(r->t);
}

static void a_frame_goes_into_one_buffer(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | rig_layout(state), 3);
	uint8_t *p;
	rig_frame(frame, 1514, me, 0);
	assert_true(rig_post(r, 0, 1526) >= 0);
	drv_kick(&r->q[0]);
	dmt_ack(r->t, 0, 3);
	dmt_link_frame(r->t, 0, frame, 1514);
	assert_int_equal(rig_take(r, 0, &p), 1526);
	assert_memory_equal(p + 12, frame, 1514);
	assert_int_equal(load_le(p + 10, 2), 1); /* num_buffers, 5.1.6.4 */
	assert_true(r->t->pending[0] & VIRTIO_INT_USED);
	rig_close(r);
}

static void a_large_frame_goes_into_several_buffers_where_that_was_agreed(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | NET_F_MRG_RXBUF | rig_layout(state), 3);
	static const uint32_t sizes[] = {12, 13, 100, 1526, 4096, 9000};
	rig_frame(frame, 9000, me, 0);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		size_t done = 0, len = sizes[i] < 100 ? 300 : 9000;
		unsigned buffers = (unsigned)((len + 12 + sizes[i] - 1) / sizes[i]);
		uint8_t *p;
		buffers = buffers > 60 ? 60 : buffers;
		if (sizes[i] * buffers < len + 12)
			len = sizes[i] * buffers - 12;
		rig_negotiate(r, RIG_FEATURES | NET_F_MRG_RXBUF | rig_layout(state), 3);
		for (unsigned k = 0; k < buffers; k++)
			assert_true(rig_post(r, 0, sizes[i]) >= 0);
		drv_kick(&r->q[0]);
		dmt_link_frame(r->t, 0, frame, len);
		for (unsigned k = 0; k < buffers; k++) {
			int n = rig_take(r, 0, &p);
			assert_true(n > 0);
			if (!k)
				assert_int_equal(load_le(p + 10, 2), buffers);
			size_t skip = k ? 0 : 12;
			assert_memory_equal(p + skip, frame + done, (size_t)n - skip);
			done += (size_t)n - skip;
		}
		assert_int_equal(done, len);
		assert_int_equal(rig_take(r, 0, NULL), -1);
	}
	rig_close(r);
}

static void a_frame_that_is_larger_than_the_buffers_is_dropped_and_the_buffer_kept(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | rig_layout(state), 3);
	uint8_t *p;
	rig_frame(frame, 2000, me, 0);
	rig_post(r, 0, 1526);
	drv_kick(&r->q[0]);
	dmt_link_frame(r->t, 0, frame, 2000);
	assert_int_equal(rig_take(r, 0, &p), -1);
	assert_int_equal(r->t->counts[DM_COUNT_DROPS], 1);
	dmt_link_frame(r->t, 0, frame, 1514);
	assert_int_equal(rig_take(r, 0, &p), 1526);
	assert_false(drv_broken(&r->d));
	rig_close(r);
}

static void a_frame_for_too_many_buffers_is_dropped(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | NET_F_MRG_RXBUF | rig_layout(state), 3);
	rig_frame(frame, 9000, me, 0);
	for (unsigned i = 0; i < 64; i++)
		assert_true(rig_post(r, 0, 16) >= 0);
	drv_kick(&r->q[0]);
	dmt_link_frame(r->t, 0, frame, 9000);
	assert_int_equal(rig_take(r, 0, NULL), -1);
	assert_int_equal(r->t->counts[DM_COUNT_DROPS], 1);
	dmt_link_frame(r->t, 0, frame, 64);
	assert_int_equal(rig_take(r, 0, NULL), 16);
	rig_close(r);
}

static void a_wrong_buffer_breaks_the_device(void **state)
{
	for (unsigned kind = 0; kind < 2; kind++) {
		struct rig *r = rig_open(NULL, RIG_FEATURES | rig_layout(state), 3);
		struct drv_area a = drv_alloc(&r->d, 4096, 1);
		struct drv_seg seg[2] = {{a.gpa, 100, 0}, {a.gpa + 100, 2000, DRV_WRITE}};
		struct drv_seg tiny = {a.gpa, 11, DRV_WRITE};
		if (kind)
			drv_add(&r->q[0], seg, 2);
		else
			drv_add(&r->q[0], &tiny, 1);
		drv_kick(&r->q[0]);
		rig_frame(frame, 100, me, 0);
		dmt_link_frame(r->t, 0, frame, 100);
		assert_true(drv_broken(&r->d));
		dmt_link_frame(r->t, 0, frame, 100); /* goes nowhere, and hurts nobody */
		assert_int_equal(r->t->link.nin, 0);
		rig_close(r);
	}
}

/* ---- starvation ------------------------------------------------------------------------------- */

static void a_starved_queue_goes_on_with_the_next_notification(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | NET_F_MRG_RXBUF | rig_layout(state), 3);
	uint8_t *p;
	rig_frame(frame, 5000, me, 0);
	rig_post(r, 0, 2000); /* too little for the frame */
	drv_kick(&r->q[0]);
	dmt_link_frame(r->t, 0, frame, 5000);
	assert_int_equal(rig_take(r, 0, &p), -1);
	assert_false(r->t->link.listening);
	assert_int_equal(r->t->link.nin, 1);
	rig_post(r, 0, 2000);
	rig_post(r, 0, 2000);
	assert_true(drv_kick(&r->q[0])); /* it wants to be told */
	dmt_link_ready(r->t);
	assert_true(r->t->link.listening);
	assert_int_equal(rig_take(r, 0, &p), 2000);
	assert_int_equal(load_le(p + 10, 2), 3);
	assert_int_equal(rig_take(r, 0, &p), 2000);
	assert_int_equal(rig_take(r, 0, &p), 1012);
	assert_int_equal(r->t->counts[DM_COUNT_DROPS], 0);
	rig_close(r);
}

static void a_starved_queue_goes_on_without_a_notification(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | rig_layout(state), 3);
	uint8_t *p;
	rig_frame(frame, 500, me, 0);
	dmt_link_frame(r->t, 0, frame, 500);
	assert_false(r->t->link.listening);
	rig_post(r, 0, 2000); /* and the driver says nothing */
	assert_int_equal(rig_take(r, 0, &p), -1);
	dmt_advance(r->t, 10000000);
	dmt_link_ready(r->t);
	assert_int_equal(rig_take(r, 0, &p), 512);
	assert_memory_equal(p + 12, frame, 500);
	rig_close(r);
}

static void after_a_second_without_buffers_frames_are_dropped_until_there_are_some(void **state)
{
	struct rig *r = rig_open(NULL, RIG_FEATURES | rig_layout(state), 3);
	uint8_t *p;
	rig_frame(frame, 500, me, 0);
	dmt_link_frame(r->t, 0, frame, 500);
	for (unsigned i = 0; i < 20 && r->t->link.nin; i++) {
		dmt_advance(r->t, 640000000);
		dmt_link_ready(r->t);
	}
	assert_int_equal(r->t->link.nin, 0);
	assert_true(r->t->link.listening);
	for (unsigned i = 0; i < 50; i++)
		dmt_link_frame(r->t, 0, frame, 500);
	assert_int_equal(r->t->link.nin, 0);
	assert_true(r->t->counts[DM_COUNT_DROPS] >= 51);
	rig_post(r, 0, 2000);
	dmt_link_frame(r->t, 0, frame, 500);
	assert_int_equal(rig_take(r, 0, &p), 512);
	assert_int_equal(rig_state(r)->deaf, 0);
	rig_close(r);
}

static void frames_before_driver_ok_and_into_missing_queues_go_nowhere(void **state)
{
	struct rig *r = rig_create(NULL, 1);
	rig_frame(frame, 500, me, 0);
	dmt_link_frame(r->t, 0, frame, 500);
	assert_int_equal(r->t->link.nin, 0);
	rig_negotiate(r, RIG_FEATURES | rig_layout(state), 0); /* no queue is set up */
	dmt_link_frame(r->t, 0, frame, 500);
	assert_int_equal(r->t->link.nin, 0);
	rig_close(r);
}

/* ---- headers ---------------------------------------------------------------------------------- */

static void the_driver_gets_only_what_it_agreed_to(void **state)
{
	static const struct {
		uint64_t features;
		uint8_t flags, gso, seen_flags, seen_gso;
		bool comes;
	} cases[] = {
		{0, 0, 0, 0, 0, true},
		{0, 2, 0, 0, 0, true},	/* a verified checksum is no news to it */
		{0, 1, 0, 0, 0, false}, /* one that it would have to complete */
		{0, 1, 1, 0, 0, false},
		{NET_F_GUEST_CSUM, 2, 0, 2, 0, true},
		{NET_F_GUEST_CSUM, 1, 0, 1, 0, true},
		{NET_F_GUEST_CSUM, 1, 1, 0, 0, false},
		{NET_F_GUEST_CSUM | NET_F_GUEST_TSO4, 1, 1, 1, 1, true},
		{NET_F_GUEST_CSUM | NET_F_GUEST_TSO4, 1, 0x81, 1, 1, true},
		{NET_F_GUEST_CSUM | NET_F_GUEST_TSO4, 1, 4, 0, 0, false},
		{NET_F_GUEST_CSUM | NET_F_GUEST_TSO6, 1, 4, 1, 4, true},
		{NET_F_GUEST_CSUM | NET_F_GUEST_TSO6 | NET_F_GUEST_ECN, 1, 0x84, 1, 0x84, true},
		{RIG_OFFLOADS, 1, 3, 0, 0, false},
	};
	struct rig *r = rig_create(NULL, 1);
	rig_frame(frame, 500, me, 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t *p;
		struct dm_link_info *info = &r->t->link.info;
		info->rx_csum = info->rx_tso4 = info->rx_tso6 = true;
		dmt_reset(r->t);
		rig_negotiate(r, RIG_FEATURES | cases[i].features | rig_layout(state), 3);
		assert_int_equal(info->rx_csum, !!(cases[i].features & NET_F_GUEST_CSUM));
		assert_int_equal(info->rx_tso4, !!(cases[i].features & NET_F_GUEST_TSO4));
		rig_post(r, 0, 2000);
		drv_kick(&r->q[0]);
		arrive(r, 0, 500, cases[i].flags, cases[i].gso);
		assert_int_equal(rig_take(r, 0, &p), cases[i].comes ? 512 : -1);
		if (!cases[i].comes)
			continue;
		assert_int_equal(p[0], cases[i].seen_flags);
		assert_int_equal(p[1], cases[i].seen_gso);
	}
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_BOTH(a_frame_goes_into_one_buffer),
		RIG_BOTH(a_large_frame_goes_into_several_buffers_where_that_was_agreed),
		RIG_BOTH(a_frame_that_is_larger_than_the_buffers_is_dropped_and_the_buffer_kept),
		RIG_BOTH(a_frame_for_too_many_buffers_is_dropped),
		RIG_BOTH(a_wrong_buffer_breaks_the_device),
		RIG_BOTH(a_starved_queue_goes_on_with_the_next_notification),
		RIG_BOTH(a_starved_queue_goes_on_without_a_notification),
		RIG_BOTH(after_a_second_without_buffers_frames_are_dropped_until_there_are_some),
		RIG_BOTH(frames_before_driver_ok_and_into_missing_queues_go_nowhere),
		RIG_BOTH(the_driver_gets_only_what_it_agreed_to),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
