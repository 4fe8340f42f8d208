/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon dies between its pushes and its commit; its successor goes on from the committed copy of the ring. */
#include "drv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct guest g;
static struct vring r;
static struct drv d;
static struct iovec iov[VRING_SIZE_MAX];
static uint64_t seed;

struct known {
	unsigned n, seen;
	struct vring_chain c[VRING_SIZE_MAX];
	bool gone[VRING_SIZE_MAX];
};

static struct known k;

static uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16) % below;
}

/* What a model keeps: the chains of its committed state. */
static unsigned seen(void *ctx, uint16_t id)
{
	struct known *kn = ctx;
	kn->seen++;
	for (unsigned i = 0; i < kn->n; i++)
		if (kn->c[i].id == id && !kn->gone[i]) {
			kn->gone[i] = true;
			return kn->c[i].ndesc;
		}
	return 0;
}

static void up(unsigned size, uint64_t features)
{
	guest_fini(&g);
	guest_init(&g, features & VRING_F_RING_PACKED, false);
	drv_init(&d, &g, &r, size, features);
	assert_int_equal(vring_start(&r, &g.mem), 0);
	memset(&k, 0, sizeof(k));
}

static uint64_t next_token, reaped;
static bool back[1u << 20];

static void fill(void)
{
	struct drv_seg seg[3] = {
		{GUEST_BUFFERS, 8, false}, {GUEST_BUFFERS, 8, true}, {GUEST_BUFFERS, 8, true}};
	for (unsigned n = rnd(2 * d.size); n; n--)
		if (drv_add(&d, seg, 1 + rnd(d.size < 3 ? d.size : 3), DRV_DIRECT, next_token,
			    NULL))
			next_token++;
}

static void reap(void)
{
	uint64_t token;
	uint32_t len;
	while (drv_reap(&d, &token, &len)) {
		assert_false(back[token]);
		back[token] = true;
		reaped++;
	}
}

/* Pops are committed, then some are pushed in any order and the daemon dies; nothing comes back twice or never. */
static void crashes(unsigned size, uint64_t features)
{
	up(size, features);
	next_token = reaped = 0;
	memset(back, 0, sizeof(back));
	for (unsigned round = 0; round < 4000; round++) {
		fill();
		while (rnd(8) && vring_pop(&r, &g.mem, iov, VRING_SIZE_MAX, &k.c[k.n]) == 1)
			k.gone[k.n++] = false;
		struct vring committed = r;
		struct known kept = k;
		bool pushed = false;
		for (unsigned n = k.n ? rnd(k.n + 1) : 0; n; n--) {
			unsigned i = rnd(k.n);
			vring_push(&r, &g.mem, k.c[i].id, k.c[i].ndesc, 1);
			k.c[i] = k.c[--k.n];
			pushed = true;
			if (rnd(2))
				reap(); /* the driver may even have taken it back, and used it anew */
			if (rnd(4) == 0 && !d.packed)
				fill();
		}
		unsigned left = k.n;
		if (rnd(2)) {
			r = committed;
			k = kept;
			k.seen = 0;
			vring_adopt(&r, &g.mem, seen, &k);
			assert_int_equal(k.seen, k.n - left);
			unsigned n = 0;
			for (unsigned i = 0; i < k.n; i++)
				if (!k.gone[i])
					k.c[n++] = k.c[i];
			k.n = n;
			memset(k.gone, 0, sizeof(k.gone));
			if (pushed) /* the dead one may not have asked */
				assert_true(vring_should_signal(&r, &g.mem));
		} else {
			vring_should_signal(&r, &g.mem);
		}
		assert_int_equal(k.n, left);
		assert_int_equal(r.inflight, k.n);
		assert_int_equal(r.error, 0);
		assert_int_equal(vring_check(&r, &g.mem), 0);
		reap();
	}
	while (vring_pop(&r, &g.mem, iov, VRING_SIZE_MAX, &k.c[k.n]) == 1)
		k.n++;
	while (k.n) {
		k.n--;
		vring_push(&r, &g.mem, k.c[k.n].id, k.c[k.n].ndesc, 1);
	}
	reap();
	assert_true(reaped == next_token);
	assert_int_equal(d.nfree, d.size);
}

static void test_split_crashes(void **s)
{
	(void)s;
	seed = 1;
	crashes(8, VRING_F_EVENT_IDX);
	crashes(64, 0);
	crashes(1, 0);
}

static void test_packed_crashes(void **s)
{
	(void)s;
	seed = 2;
	crashes(8, VRING_F_RING_PACKED | VRING_F_EVENT_IDX);
	crashes(61, VRING_F_RING_PACKED);
	crashes(1, VRING_F_RING_PACKED);
}

/* The device commits what it pushes, in its order, dies at any place of it, and the driver reuses entries at once. */
static void staged(unsigned size, uint64_t features)
{
	up(size, features);
	next_token = reaped = 0;
	memset(back, 0, sizeof(back));
	unsigned died = 0;
	for (unsigned round = 0; round < 4000; round++) {
		fill();
		while (rnd(8) && vring_pop(&r, &g.mem, iov, VRING_SIZE_MAX, &k.c[k.n]) == 1)
			k.n++;
		for (unsigned i = k.n; i > 1; i--) { /* in an order of its own */
			unsigned at = rnd(i);
			struct vring_chain c = k.c[at];
			k.c[at] = k.c[i - 1];
			k.c[i - 1] = c;
		}
		unsigned stage = rnd(k.n + 1), done = rnd(stage + 1);
		struct vring committed = r;
		for (unsigned i = 0; i < done; i++) {
			vring_push(&r, &g.mem, k.c[i].id, k.c[i].ndesc, 1);
			if (rnd(2)) {
				reap();
				fill();
			}
		}
		if (rnd(2)) { /* dies after `done` of them */
			r = committed;
			died++;
			unsigned skipped = 0;
			for (; skipped < stage && vring_published(&r, &g.mem); skipped++)
				vring_skip(&r, k.c[skipped].id, k.c[skipped].ndesc);
			assert_int_equal(skipped, done);
			if (done)
				assert_true(vring_should_signal(&r, &g.mem));
		}
		for (unsigned i = done; i < stage; i++)
			vring_push(&r, &g.mem, k.c[i].id, k.c[i].ndesc, 1);
		k.n -= stage;
		memmove(k.c, k.c + stage, k.n * sizeof(k.c[0]));
		assert_int_equal(r.inflight, k.n);
		assert_int_equal(r.error, 0);
		assert_int_equal(vring_check(&r, &g.mem), 0);
		reap();
	}
	assert_true(died > 1000 && reaped > 1000);
}

static void test_published_is_exact(void **s)
{
	(void)s;
	seed = 3;
	staged(8, 0);
	staged(64, 0);
	staged(1, VRING_F_RING_PACKED);
	staged(2, VRING_F_RING_PACKED);
	staged(7, VRING_F_RING_PACKED);
	staged(64, VRING_F_RING_PACKED);
}

/* Popped and pushed after the commit: the pop is not known either. */
static void test_split_pop_and_push_uncommitted(void **s)
{
	(void)s;
	up(8, 0);
	struct drv_seg one = {GUEST_BUFFERS, 8, true};
	struct vring_chain c;
	uint64_t token;
	uint32_t len;
	for (unsigned round = 0; round < 70000; round++) {
		for (unsigned i = 0; i < 3; i++)
			assert_true(drv_add(&d, &one, 1, DRV_DIRECT, i, NULL));
		struct vring committed = r;
		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(vring_pop(&r, &g.mem, iov, 8, &c), 1);
			vring_push(&r, &g.mem, c.id, c.ndesc, 0);
		}
		struct vring good = r;
		r = committed;
		vring_adopt(&r, &g.mem, seen, &k);
		assert_int_equal(r.avail, good.avail);
		assert_int_equal(r.used, good.used);
		assert_int_equal(r.popped, good.popped);
		assert_int_equal(r.inflight, 0);
		assert_int_equal(vring_pop(&r, &g.mem, iov, 8, &c), 1);
		assert_int_equal(d.token[c.id], 2);
		vring_push(&r, &g.mem, c.id, c.ndesc, 0);
		for (unsigned i = 0; i < 3; i++)
			assert_true(drv_reap(&d, &token, &len) && token == i);
	}
}

static void test_nothing_to_adopt(void **s)
{
	(void)s;
	for (unsigned packed = 0; packed < 2; packed++) {
		up(8, packed ? VRING_F_RING_PACKED : 0);
		struct drv_seg one = {GUEST_BUFFERS, 8, true};
		assert_true(drv_add(&d, &one, 1, DRV_DIRECT, 0, NULL));
		assert_int_equal(vring_pop(&r, &g.mem, iov, 8, &k.c[0]), 1);
		k.n = 1;
		struct vring was = r;
		vring_adopt(&r, &g.mem, seen, &k);
		assert_int_equal(k.seen, 0);
		assert_memory_equal(&was, &r, sizeof(was));
		assert_false(vring_should_signal(&r, &g.mem));
	}
}

/* What a hostile guest writes there ends the search, or breaks the ring; never more than size entries. */
static void test_nonsense_in_the_used_ring(void **s)
{
	(void)s;
	up(8, 0);
	d.device[1] = 9;
	vring_adopt(&r, &g.mem, seen, &k);
	assert_int_equal(r.error, VRING_E_INFLIGHT);
	assert_int_equal(k.seen, 0);
	up(8, 0);
	d.device[1] = 8;
	vring_adopt(&r, &g.mem, seen, &k);
	assert_int_equal(k.seen, 8);
	up(8, VRING_F_RING_PACKED);
	struct drv_seg one = {GUEST_BUFFERS, 8, true};
	assert_true(drv_add(&d, &one, 1, DRV_DIRECT, 0, NULL));
	assert_int_equal(vring_pop(&r, &g.mem, iov, 8, &k.c[0]), 1);
	k.n = 1;
	for (unsigned i = 0; i < 8; i++)
		d.desc[i].w14 = 0x8080;
	d.desc[0].w12 = 5; /* not in flight */
	struct vring was = r;
	vring_adopt(&r, &g.mem, seen, &k);
	assert_memory_equal(&was, &r, sizeof(was));
	d.desc[0].w12 = k.c[0].id;
	vring_adopt(&r, &g.mem, seen, &k);
	assert_int_equal(r.used, 1);
	assert_int_equal(r.inflight, 0);
	assert_int_equal(vring_check(&r, &g.mem), 0);
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
		cmocka_unit_test(test_split_crashes),
		cmocka_unit_test(test_packed_crashes),
		cmocka_unit_test(test_published_is_exact),
		cmocka_unit_test(test_split_pop_and_push_uncommitted),
		cmocka_unit_test(test_nothing_to_adopt),
		cmocka_unit_test(test_nonsense_in_the_used_ring),
	};
	return cmocka_run_group_tests(tests, NULL, teardown);
}
