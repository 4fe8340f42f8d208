/* SPDX-License-Identifier: Apache-2.0 */
/* Notifications both ways: exactly when virtio 1.2, 2.7.7, 2.7.10 and 2.8.14 ask for them. */
#include "drv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define EVENT VRING_F_EVENT_IDX
#define PACKED VRING_F_RING_PACKED
#define BUF GUEST_BUFFERS

static struct guest g;
static struct vring r;
static struct drv d;
static struct iovec iov[VRING_SIZE_MAX];
static struct vring_chain c;
static uint64_t seed = 88172645463325252ull;

static uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16) % below;
}

static void up(unsigned size, uint64_t features)
{
	guest_fini(&g);
	guest_init(&g, features & PACKED, false);
	drv_init(&d, &g, &r, size, features);
	assert_int_equal(vring_start(&r, &g.mem), 0);
}

static bool add(unsigned segs)
{
	struct drv_seg seg[DRV_SEGS];
	for (unsigned i = 0; i < segs; i++)
		seg[i] = (struct drv_seg){BUF + 16ull * i, 16, true};
	return drv_add(&d, seg, segs, DRV_DIRECT, 0, NULL);
}

/* Driver adds, device serves at once, driver takes back: no notification. */
static void serve(unsigned segs)
{
	uint64_t token;
	uint32_t len;
	assert_true(add(segs));
	assert_int_equal(vring_pop(&r, &g.mem, iov, VRING_SIZE_MAX, &c), 1);
	vring_push(&r, &g.mem, c.id, c.ndesc, 0);
	assert_true(drv_reap(&d, &token, &len));
}

static bool ask(void)
{
	return vring_should_signal(&r, &g.mem);
}

static void test_flags_alone_decide_without_event_idx(void **s)
{
	(void)s;
	for (unsigned packed = 0; packed < 2; packed++) {
		up(8, packed ? PACKED : 0);
		assert_false(ask()); /* nothing pushed */
		for (unsigned i = 0; i < 1000; i++) {
			bool off = rnd(2);
			if (off)
				drv_irq_off(&d);
			else
				drv_irq_on(&d);
			serve(1 + rnd(3));
			assert_int_equal(ask(), !off);
			assert_false(ask());
		}
	}
}

/* Was the entry at which the driver wants an interrupt among those used since the last time? Counted one by one. */
static void test_event_index_exact(void **s)
{
	(void)s;
	const unsigned sizes[2][5] = {{1, 2, 8, 64, 1024}, {1, 3, 7, 64, 1000}};
	for (unsigned packed = 0; packed < 2; packed++)
		for (unsigned k = 0; k < 5; k++) {
			unsigned size = sizes[packed][k];
			up(size, EVENT | (packed ? PACKED : 0));
			uint64_t pos = 0, before = 0; /* entries used since the start */
			for (unsigned round = 0; round < 4000; round++) {
				unsigned n = rnd(4) ? rnd(4) : rnd(size + 1);
				uint64_t first = pos;
				for (unsigned i = 0; i < n && pos - first < size; i++) {
					unsigned room = size - (unsigned)(pos - first);
					unsigned segs = 1 + rnd(room < 3 ? room : 3);
					serve(segs);
					pos += packed ? segs : 1;
				}
				/* somewhere around where we are: up to a ring before or after */
				uint64_t event = pos + rnd(2 * size) - size;
				bool hit = event >= before && event < pos;
				if (event > pos + 1000000)
					event = 0, hit = before == 0 && pos > 0;
				if (packed) {
					uint32_t w = 2u << 16 | (event / size % 2 ? 0 : 1u << 15) |
						     (uint32_t)(event % size);
					*(uint32_t *)(void *)d.driver = w;
				} else {
					d.driver[2 + size] = (uint16_t)event;
				}
				assert_int_equal(ask(), hit);
				before = pos;
			}
			assert_int_equal(r.error, 0);
		}
}

/* 65536 pushes without asking: the driver hears of it however the index stands. */
static void test_whole_round_without_asking(void **s)
{
	(void)s;
	for (unsigned packed = 0; packed < 2; packed++) {
		up(64, EVENT | (packed ? PACKED : 0));
		for (unsigned i = 0; i < 65536; i++)
			serve(1);
		drv_irq_at(&d, 3);
		assert_true(ask());
		assert_false(ask());
		for (unsigned i = 0; i < 3; i++)
			serve(1);
		assert_false(ask());
		serve(1);
		assert_true(ask());
	}
}

static void test_packed_flags_with_event_idx(void **s)
{
	(void)s;
	up(8, EVENT | PACKED);
	const struct {
		uint32_t flags;
		bool signal;
	} cases[] = {{0, true}, {1, false}, {3, true}};
	for (unsigned i = 0; i < 3; i++) {
		*(uint32_t *)(void *)d.driver = cases[i].flags << 16;
		serve(1);
		assert_int_equal(ask(), cases[i].signal);
	}
	up(8,
	   PACKED); /* flags 2 means nothing without the feature: rather one interrupt too many */
	*(uint32_t *)(void *)d.driver = 2u << 16 | 0x7fff;
	serve(1);
	assert_true(ask());
	up(8, EVENT | PACKED); /* an offset beyond the ring is never reached */
	*(uint32_t *)(void *)d.driver = 2u << 16 | 0xffff;
	for (unsigned i = 0; i < 20; i++) {
		serve(1);
		assert_false(ask());
	}
}

static void test_kicks_are_asked_for(void **s)
{
	(void)s;
	for (unsigned kind = 0; kind < 4; kind++) {
		bool event = kind & 1, packed = kind & 2;
		up(8, (event ? EVENT : 0) | (packed ? PACKED : 0));
		assert_true(add(1)); /* after the start they are on */
		assert_true(drv_kick_needed(&d));
		for (unsigned i = 0; i < 70000; i++) {
			vring_notify_off(&r, &g.mem);
			assert_int_equal(vring_pop(&r, &g.mem, iov, 8, &c), 1);
			if (rnd(2)) {
				bool added = add(1 + rnd(2));
				assert_true(added);
				assert_false(drv_kick_needed(&d));
				assert_true(vring_notify_on(&r, &g.mem)); /* came between */
				vring_push(&r, &g.mem, c.id, c.ndesc, 0);
				assert_int_equal(vring_pop(&r, &g.mem, iov, 8, &c), 1);
			}
			assert_false(vring_available(&r, &g.mem));
			assert_false(vring_notify_on(&r, &g.mem));
			vring_push(&r, &g.mem, c.id, c.ndesc, 0);
			uint64_t token;
			uint32_t len;
			while (drv_reap(&d, &token, &len))
				;
			assert_true(add(1 + rnd(3)));
			assert_true(drv_kick_needed(&d));
			assert_true(vring_available(&r, &g.mem));
			if (event) { /* the next one needs none: we are running */
				assert_true(add(1));
				assert_false(drv_kick_needed(&d));
				assert_int_equal(vring_pop(&r, &g.mem, iov, 8, &c), 1);
				vring_push(&r, &g.mem, c.id, c.ndesc, 0);
			}
		}
		assert_int_equal(r.error, 0);
	}
}

/* 2.7.10.1: with event indices the device leaves used.flags 0. */
static void test_used_flags_stay_zero_with_event_idx(void **s)
{
	(void)s;
	up(8, EVENT);
	vring_notify_off(&r, &g.mem);
	assert_int_equal(d.device[0], 0);
	vring_notify_on(&r, &g.mem);
	assert_int_equal(d.device[0], 0);
	up(8, 0);
	vring_notify_off(&r, &g.mem);
	assert_int_equal(d.device[0], 1);
	vring_notify_on(&r, &g.mem);
	assert_int_equal(d.device[0], 0);
}

static int teardown(void **s)
{
	(void)s;
	guest_fini(&g);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags_alone_decide_without_event_idx),
		cmocka_unit_test(test_event_index_exact),
		cmocka_unit_test(test_whole_round_without_asking),
		cmocka_unit_test(test_packed_flags_with_event_idx),
		cmocka_unit_test(test_kicks_are_asked_for),
		cmocka_unit_test(test_used_flags_stay_zero_with_event_idx),
	};
	return cmocka_run_group_tests(tests, NULL, teardown);
}
