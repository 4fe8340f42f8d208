/* SPDX-License-Identifier: Apache-2.0 */
/* Each MUST of a driver that a device can see broken: what breaks it is latched, and nothing is given out any more. */
#include "drv.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#define NEXT 1u
#define WRITE 2u
#define INDIRECT 4u
#define AVAIL 0x80u
#define ALL (VRING_F_INDIRECT_DESC | VRING_F_EVENT_IDX)
#define PACKED (ALL | VRING_F_RING_PACKED)
#define BUF GUEST_BUFFERS

static struct guest g;
static struct vring r;
static struct drv d;
static struct iovec iov[VRING_SIZE_MAX];
static struct vring_chain c;

static void up(unsigned size, uint64_t features)
{
	guest_fini(&g);
	guest_init(&g, features & VRING_F_RING_PACKED, false);
	drv_init(&d, &g, &r, size, features);
	assert_int_equal(vring_start(&r, &g.mem), 0);
}

static int pop(void)
{
	return vring_pop(&r, &g.mem, iov, VRING_SIZE_MAX, &c);
}

/* The next pop finds @e; it stays, and every function is quiet from then on. */
static void expect_error(enum vring_error e)
{
	assert_int_equal(pop(), -EIO);
	assert_int_equal(r.error, e);
	assert_true(vring_error_text(e)[0]);
	struct vring latched = r;
	assert_int_equal(pop(), -EIO);
	vring_push(&r, &g.mem, 0, 1, 0);
	vring_unpop(&r, &c);
	vring_notify_off(&r, &g.mem);
	assert_false(vring_notify_on(&r, &g.mem));
	assert_false(vring_available(&r, &g.mem));
	assert_false(vring_should_signal(&r, &g.mem));
	assert_memory_equal(&latched, &r, sizeof(r));
}

/* One chain whose first descriptor then is overwritten by @e; AVAIL is added for packed rings. */
static void one(struct drv_desc e)
{
	assert_true(drv_add(&d, &(struct drv_seg){BUF, 16, false}, 1, DRV_DIRECT, 0, NULL));
	if (d.packed)
		e.w14 |= AVAIL;
	d.desc[0] = e;
}

static void expect_start(enum vring_error e)
{
	assert_int_equal(vring_start(&r, &g.mem), -EINVAL);
	assert_int_equal(r.error, e);
	assert_int_equal(r.ready, 0);
	assert_int_equal(pop(), -EIO);
}

static void test_start_refuses_sizes(void **s)
{
	(void)s;
	for (unsigned packed = 0; packed < 2; packed++) {
		up(8, packed ? PACKED : ALL);
		const uint16_t bad[] = {0, 1025, 2048, 32768, 65535};
		for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			r.size = bad[i];
			expect_start(VRING_E_SIZE);
		}
		r.size = 8;
		r.size_max = 4;
		expect_start(VRING_E_SIZE);
		r.size_max = 0; /* no such queue */
		expect_start(VRING_E_SIZE);
	}
	up(8, ALL);
	r.size = 6; /* split: a power of two; packed: any */
	expect_start(VRING_E_SIZE);
	up(6, PACKED);
}

static void test_start_refuses_alignment(void **s)
{
	(void)s;
	const unsigned align[2][3] = {{16, 2, 4}, {16, 4, 4}};
	for (unsigned packed = 0; packed < 2; packed++) {
		up(8, packed ? PACKED : ALL);
		for (unsigned area = 0; area < 3; area++)
			for (unsigned off = 0; off < 32; off++) {
				drv_init(&d, &g, &r, 8, packed ? PACKED : ALL);
				uint64_t *at = area == 0   ? &r.desc
					       : area == 1 ? &r.driver
							   : &r.device;
				*at = GUEST_GPA(area) + off;
				bool good = off % align[packed][area] == 0;
				assert_int_equal(vring_start(&r, &g.mem), good ? 0 : -EINVAL);
				assert_int_equal(r.error, good ? VRING_OK : VRING_E_ALIGN);
			}
	}
}

static void test_start_refuses_areas_outside(void **s)
{
	(void)s;
	for (unsigned packed = 0; packed < 2; packed++) {
		up(8, packed ? PACKED : ALL);
		struct vring good = r;
		const uint64_t bad[] = {0,	     0x1000,
					~0ull - 15,  (~0ull << 12),
					16 + r.desc, GUEST_GPA(AREA_DESC) - 16};
		for (unsigned area = 0; area < 3; area++)
			for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
				r = good;
				*(area == 0 ? &r.desc : area == 1 ? &r.driver : &r.device) = bad[i];
				if (area && bad[i] == 16 + good.desc) /* these are smaller */
					continue;
				expect_start(VRING_E_AREA);
			}
		r = good; /* the driver's area is not writable for us */
		r.device = GUEST_GPA(AREA_DRIVER);
		expect_start(VRING_E_AREA);
		r = good;
		assert_int_equal(vring_start(&r, NULL), -EINVAL);
		assert_int_equal(r.error, VRING_E_AREA);
	}
}

static void test_area_that_vanishes_is_latched(void **s)
{
	(void)s;
	for (unsigned kind = 0; kind < 6; kind++) {
		up(8, kind & 1 ? PACKED : ALL);
		one((struct drv_desc){.addr = BUF, .len = 16});
		struct vring_mem none = {.n = 0};
		if (kind / 2 == 0) {
			assert_int_equal(vring_pop(&r, &none, iov, 8, &c), -EIO);
		} else {
			assert_int_equal(pop(), 1);
			if (kind / 2 == 1)
				vring_push(&r, &none, c.id, c.ndesc, 0);
			else
				assert_false(vring_notify_on(&r, &none));
		}
		assert_int_equal(r.error, VRING_E_AREA);
	}
}

static void test_split_avail_index_ahead(void **s)
{
	(void)s;
	up(8, ALL);
	for (unsigned i = 0; i < 9; i++)
		d.driver[2 + i % 8] = (uint16_t)(i % 8);
	d.driver[1] = 9;
	expect_error(VRING_E_AVAIL);
	up(8, ALL); /* one that goes back is far ahead */
	d.driver[1] = 0xffff;
	expect_error(VRING_E_AVAIL);
}

static void test_split_head_and_next(void **s)
{
	(void)s;
	up(8, ALL);
	d.driver[2] = 8;
	d.driver[1] = 1;
	expect_error(VRING_E_HEAD);
	up(8, ALL);
	d.driver[2] = 0xffff;
	d.driver[1] = 1;
	expect_error(VRING_E_HEAD);
	up(8, ALL);
	one((struct drv_desc){.addr = BUF, .len = 16, .w12 = NEXT, .w14 = 8});
	expect_error(VRING_E_HEAD);
}

static void test_loops_end(void **s)
{
	(void)s;
	up(8, ALL);
	one((struct drv_desc){.addr = BUF, .len = 16, .w12 = NEXT, .w14 = 0});
	expect_error(VRING_E_LOOP);
	up(1024, ALL); /* empty buffers, so that no iovec is used up */
	one((struct drv_desc){.w12 = NEXT, .w14 = 0});
	expect_error(VRING_E_LOOP);
	up(8, ALL); /* within an indirect table */
	one((struct drv_desc){.addr = DRV_TABLE(0), .len = 32, .w12 = INDIRECT});
	struct drv_desc *t = (void *)guest_ptr(&g, DRV_TABLE(0));
	t[0] = (struct drv_desc){.addr = BUF, .len = 1, .w12 = NEXT, .w14 = 1};
	t[1] = (struct drv_desc){.addr = BUF, .len = 1, .w12 = NEXT, .w14 = 0};
	expect_error(VRING_E_LOOP);
	up(8, PACKED); /* all of the ring is one chain that goes on */
	for (unsigned i = 0; i < 8; i++)
		d.desc[i] = (struct drv_desc){.addr = BUF, .len = 1, .w14 = NEXT | AVAIL};
	expect_error(VRING_E_LOOP);
	up(8, PACKED); /* a table longer than the ring */
	one((struct drv_desc){.addr = DRV_TABLE(0), .len = 9 * 16, .w14 = INDIRECT});
	expect_error(VRING_E_LOOP);
	up(8, ALL); /* more segments than the caller has room for */
	struct drv_seg seg[3] = {{BUF, 1, false}, {BUF, 1, false}, {BUF, 1, true}};
	assert_true(drv_add(&d, seg, 3, DRV_DIRECT, 0, NULL));
	assert_int_equal(vring_pop(&r, &g.mem, iov, 2, &c), -EIO);
	assert_int_equal(r.error, VRING_E_LOOP);
}

/* direct + indirect descriptors count together; exactly as many as the ring has are allowed */
static void test_longest_chains(void **s)
{
	(void)s;
	struct drv_seg seg[9];
	for (unsigned i = 0; i < 9; i++)
		seg[i] = (struct drv_seg){BUF + i * 64, i + 1, i >= 4};
	for (unsigned direct = 0; direct < 8; direct++) {
		up(8, ALL);
		assert_true(drv_add(&d, seg, 8, direct, 0, NULL));
		assert_int_equal(pop(), 1);
		assert_int_equal(c.nout, 4);
		assert_int_equal(c.nin, 4);
		assert_int_equal(c.out_bytes, 10);
		assert_int_equal(c.in_bytes, 26);
		up(8, ALL);
		assert_true(drv_add(&d, seg, 9, direct, 0, NULL));
		expect_error(VRING_E_LOOP);
	}
	up(8, PACKED);
	assert_true(drv_add(&d, seg, 8, DRV_DIRECT, 0, NULL));
	assert_int_equal(pop(), 1);
	assert_int_equal(c.nout + c.nin, 8);
	assert_int_equal(c.ndesc, 8);
}

static void test_buffers_outside(void **s)
{
	(void)s;
	const struct drv_seg bad[] = {
		{0, 1, false},
		{GUEST_GPA(AREA_DATA) - 1, 2, false},
		{GUEST_GPA(AREA_DATA) + GUEST_AREA_BYTES - 1, 2, true},
		{GUEST_GPA(AREA_DATA), GUEST_AREA_BYTES + 1, false},
		{GUEST_GPA(AREA_DATA) + GUEST_AREA_BYTES, 1, false},
		{BUF, UINT32_MAX, true},
		{~0ull, 2, false}, /* wraps */
		{~0ull - 0xfff, 0x2000, true},
		{GUEST_GPA(AREA_DRIVER), 4, true}, /* not writable for the device */
	};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (unsigned kind = 0; kind < 4; kind++) { /* split, packed; direct, indirect */
			up(8, kind & 1 ? PACKED : ALL);
			drv_add(&d, &bad[i], 1, kind & 2 ? 0 : DRV_DIRECT, 0, NULL);
			expect_error(VRING_E_BUFFER);
		}
	up(8, ALL);
	drv_add(&d, &(struct drv_seg){GUEST_GPA(AREA_DRIVER), 4, false}, 1, DRV_DIRECT, 0, NULL);
	assert_int_equal(pop(), 1);
}

static void test_empty_buffers_are_left_out(void **s)
{
	(void)s;
	const struct drv_seg seg[] = {
		{0, 0, false}, {BUF, 5, false}, {~0ull, 0, true}, {BUF, 7, true}};
	for (unsigned packed = 0; packed < 2; packed++) {
		up(8, packed ? PACKED : ALL);
		drv_add(&d, seg, 4, DRV_DIRECT, 7, NULL);
		assert_int_equal(pop(), 1);
		assert_int_equal(c.nout, 1);
		assert_int_equal(c.nin, 1);
		assert_int_equal(c.out->iov_len, 5);
		assert_int_equal(c.in->iov_len, 7);
		assert_ptr_equal(c.in->iov_base, g.mem.win[AREA_DATA].hva + GUEST_BUFFER_BYTES);
	}
}

static void test_readable_after_writable(void **s)
{
	(void)s;
	const struct drv_seg seg[] = {{BUF, 1, true}, {BUF, 1, false}};
	for (unsigned kind = 0; kind < 4; kind++) {
		up(8, kind & 1 ? PACKED : ALL);
		drv_add(&d, seg, 2, kind & 2 ? 0 : DRV_DIRECT, 0, NULL);
		expect_error(VRING_E_ORDER);
	}
	up(8, ALL); /* the second one in a table */
	drv_add(&d, seg, 2, 1, 0, NULL);
	expect_error(VRING_E_ORDER);
}

static void test_indirect_rules(void **s)
{
	(void)s;
	const struct drv_seg seg[] = {{BUF, 1, false}};
	const uint32_t lens[] = {0, 1, 15, 17, UINT32_MAX, 0xfffffff0u};
	for (unsigned packed = 0; packed < 2; packed++) {
		uint64_t f = packed ? PACKED : ALL;
		up(8, f & ~VRING_F_INDIRECT_DESC); /* not negotiated */
		drv_add(&d, seg, 1, 0, 0, NULL);
		expect_error(VRING_E_INDIRECT);
		for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			up(8, f);
			drv_add(&d, seg, 1, 0, 0, NULL);
			d.desc[0].len = lens[i];
			expect_error(VRING_E_INDIRECT);
		}
		up(8, f); /* outside */
		drv_add(&d, seg, 1, 0, 0, NULL);
		d.desc[0].addr = GUEST_GPA(AREA_DATA) + GUEST_AREA_BYTES - 8;
		expect_error(VRING_E_INDIRECT);
		up(8, f); /* together with NEXT */
		drv_add(&d, seg, 1, 0, 0, NULL);
		*(packed ? &d.desc[0].w14 : &d.desc[0].w12) |= NEXT;
		expect_error(VRING_E_INDIRECT);
		up(8, f); /* WRITE on the table's own descriptor is ignored */
		drv_add(&d, seg, 1, 0, 0, NULL);
		*(packed ? &d.desc[0].w14 : &d.desc[0].w12) |= WRITE;
		assert_int_equal(pop(), 1);
		assert_int_equal(c.nout, 1);
	}
	struct drv_desc *t;
	up(8, ALL); /* nested */
	drv_add(&d, seg, 1, 0, 0, NULL);
	t = (void *)guest_ptr(&g, DRV_TABLE(0));
	t->w12 |= INDIRECT;
	expect_error(VRING_E_INDIRECT);
	up(8, ALL); /* next beyond the table */
	drv_add(&d, seg, 1, 0, 0, NULL);
	t = (void *)guest_ptr(&g, DRV_TABLE(0));
	t->w12 = NEXT;
	t->w14 = 1;
	expect_error(VRING_E_INDIRECT);
	up(8, PACKED); /* in a list linked by NEXT */
	d.desc[0] = (struct drv_desc){.addr = BUF, .len = 1, .w14 = NEXT | AVAIL};
	d.desc[1] = (struct drv_desc){.addr = DRV_TABLE(0), .len = 16, .w14 = INDIRECT | AVAIL};
	expect_error(VRING_E_INDIRECT);
	up(8, PACKED); /* in a packed ring's table flags but WRITE are reserved: ignored (2.8.7) */
	drv_add(&d, seg, 1, 0, 0, NULL);
	t = (void *)guest_ptr(&g, DRV_TABLE(0));
	t->w14 = NEXT | INDIRECT | 0xff00;
	assert_int_equal(pop(), 1);
	assert_int_equal(c.nout, 1);
}

/* A table may lie at any address, up to the last byte of a window. */
static void test_unaligned_table(void **s)
{
	(void)s;
	for (unsigned packed = 0; packed < 2; packed++) {
		up(8, packed ? PACKED : ALL);
		drv_add(&d, &(struct drv_seg){BUF, 3, true}, 1, 0, 0, NULL);
		uint8_t *from = guest_ptr(&g, DRV_TABLE(0));
		for (int i = 15; i >= 0; i--)
			from[i + 13] = from[i];
		d.desc[0].addr += 13;
		assert_int_equal(pop(), 1);
		assert_int_equal(c.in_bytes, 3);
	}
}

static void test_total_length(void **s)
{
	(void)s;
	for (unsigned packed = 0; packed < 2; packed++) {
		/* 2 GiB of addresses that nobody touches */
		up(8, packed ? PACKED : ALL);
		g.mem.win[AREA_DATA].bytes = 1ull << 31;
		struct drv_seg seg[3] = {
			{BUF, 1u << 30, false}, {BUF, 1u << 30, true}, {BUF, 1, true}};
		struct drv_seg five[5] = {seg[0], seg[0], seg[1], seg[1], seg[2]};
		drv_add(&d, five, 4, DRV_DIRECT, 0, NULL);
		assert_int_equal(pop(), 1); /* 2^32 bytes are allowed */
		assert_true(c.out_bytes + c.in_bytes == 1ull << 32);
		up(8, packed ? PACKED : ALL);
		g.mem.win[AREA_DATA].bytes = 1ull << 31;
		drv_add(&d, five, 5, DRV_DIRECT, 0, NULL);
		expect_error(VRING_E_TOTAL);
	}
}

static void test_split_head_twice(void **s)
{
	(void)s;
	up(8, ALL);
	one((struct drv_desc){.addr = BUF, .len = 1});
	assert_int_equal(pop(), 1);
	d.driver[3] = c.id;
	d.driver[1] = 2;
	expect_error(VRING_E_INFLIGHT);
}

static void test_split_more_than_the_ring_holds(void **s)
{
	(void)s;
	up(8, ALL);
	for (unsigned i = 0; i < 8; i++)
		drv_add(&d, &(struct drv_seg){BUF, 1, true}, 1, DRV_DIRECT, i, NULL);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(pop(), 1);
	assert_int_equal(r.inflight, 8);
	d.driver[1] = 9;
	expect_error(VRING_E_INFLIGHT);
	up(8, ALL); /* 4 of them out, and 5 more: one too many, whichever they are */
	for (unsigned i = 0; i < 8; i++)
		drv_add(&d, &(struct drv_seg){BUF, 1, true}, 1, DRV_DIRECT, i, NULL);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pop(), 1);
	d.driver[1] = 9;
	expect_error(VRING_E_INFLIGHT);
}

static void test_packed_outstanding(void **s)
{
	(void)s;
	up(8, PACKED);
	drv_add(&d, &(struct drv_seg){BUF, 1, true}, 1, DRV_DIRECT, 0, NULL);
	assert_int_equal(pop(), 1);
	d.desc[1] = (struct drv_desc){.addr = BUF, .len = 1, .w12 = c.id, .w14 = AVAIL};
	expect_error(VRING_E_INFLIGHT); /* the same id twice */
	up(4, PACKED);
	for (unsigned i = 0; i < 4; i++) {
		drv_add(&d, &(struct drv_seg){BUF, 1, true}, 1, DRV_DIRECT, 0, NULL);
		assert_int_equal(pop(), 1);
	}
	/* slot 0 again, of the next round, though nothing was used */
	d.desc[0] = (struct drv_desc){.addr = BUF, .len = 1, .w12 = 9, .w14 = 0x8000};
	expect_error(VRING_E_INFLIGHT);
	up(4, PACKED); /* a chain that goes on into slots that are in flight */
	drv_add(&d, &(struct drv_seg){BUF, 1, true}, 1, DRV_DIRECT, 0, NULL);
	assert_int_equal(pop(), 1);
	for (unsigned i = 1; i < 4; i++)
		d.desc[i] = (struct drv_desc){.addr = BUF, .len = 1, .w12 = 9, .w14 = AVAIL | NEXT};
	d.desc[0] = (struct drv_desc){.addr = BUF, .len = 1, .w12 = 9, .w14 = 0x8000};
	expect_error(VRING_E_INFLIGHT);
}

static void test_packed_truncated(void **s)
{
	(void)s;
	up(8, PACKED);
	one((struct drv_desc){.addr = BUF, .len = 1, .w14 = NEXT});
	expect_error(VRING_E_TRUNCATED);
	up(2, PACKED); /* the second descriptor's flags are of the last round */
	struct drv_seg two[2] = {{BUF, 1, false}, {BUF, 1, true}};
	drv_add(&d, two, 2, DRV_DIRECT, 0, NULL);
	assert_int_equal(pop(), 1);
	vring_push(&r, &g.mem, c.id, c.ndesc, 1);
	d.desc[1].w14 = AVAIL;
	d.desc[0] = (struct drv_desc){.addr = BUF, .len = 1, .w14 = NEXT | 0x8000};
	expect_error(VRING_E_TRUNCATED);
}

/* Ids of a packed ring are the driver's choice: any 16 bits. */
static void test_packed_any_id(void **s)
{
	(void)s;
	up(4, PACKED);
	const uint16_t ids[] = {0xffff, 1024, 5, 0x8000};
	for (unsigned i = 0; i < 4; i++) {
		d.desc[i] = (struct drv_desc){
			.addr = BUF, .len = 1, .w12 = ids[i], .w14 = AVAIL | WRITE};
		assert_int_equal(pop(), 1);
		assert_int_equal(c.id, ids[i]);
	}
	assert_int_equal(r.inflight, 4);
	vring_push(&r, &g.mem, 0x8000, 1, 1);
	assert_int_equal(d.desc[0].w12, 0x8000);
	assert_int_equal(d.desc[0].w14, 0x8082);
	assert_int_equal(r.inflight, 3);
	vring_push(&r, &g.mem, 1024, 1, 0); /* nothing written: the length does not count (2.8.5) */
	assert_int_equal(d.desc[1].w14, 0x8080);
}

static void test_pushes_of_strangers_are_ignored(void **s)
{
	(void)s;
	for (unsigned packed = 0; packed < 2; packed++) {
		up(8, packed ? PACKED : ALL);
		vring_push(&r, &g.mem, 3, 1, 0);
		one((struct drv_desc){.addr = BUF, .len = 1, .w12 = packed ? 4 : 0});
		assert_int_equal(pop(), 1);
		struct vring before = r;
		vring_push(&r, &g.mem, 3, 1, 0);
		vring_push(&r, &g.mem, 0xffff, 2, 0);
		if (packed) {
			vring_push(&r, &g.mem, c.id, 0, 0);
			vring_push(&r, &g.mem, c.id, 2, 0);
		}
		assert_memory_equal(&before, &r, sizeof(r));
		vring_push(&r, &g.mem, c.id, c.ndesc, 0);
		vring_push(&r, &g.mem, c.id, c.ndesc, 0);
		assert_int_equal(r.pushed, 1);
		assert_int_equal(r.inflight, 0);
		assert_int_equal(r.error, 0);
	}
}

static void test_not_set_up_is_quiet(void **s)
{
	(void)s;
	up(8, ALL);
	drv_add(&d, &(struct drv_seg){BUF, 1, true}, 1, DRV_DIRECT, 0, NULL);
	vring_reset(&r);
	assert_int_equal(r.size_max, VRING_SIZE_MAX);
	struct vring zero = {.size_max = VRING_SIZE_MAX};
	assert_memory_equal(&zero, &r, sizeof(r));
	assert_int_equal(pop(), 0);
	vring_push(&r, &g.mem, 0, 1, 0);
	vring_notify_off(&r, &g.mem);
	assert_false(vring_notify_on(&r, &g.mem));
	assert_false(vring_should_signal(&r, &g.mem));
	assert_memory_equal(&zero, &r, sizeof(r));
}

/* A ring from a saved state: what the functions take for granted is checked. */
static void test_check_of_saved_rings(void **s)
{
	(void)s;
	for (unsigned packed = 0; packed < 2; packed++) {
		up(8, packed ? PACKED : ALL);
		one((struct drv_desc){.addr = BUF, .len = 1});
		assert_int_equal(pop(), 1);
		struct vring good = r;
		assert_int_equal(vring_check(&r, &g.mem), 0);
#define BAD(field, value)                                                                          \
	do {                                                                                       \
		r = good;                                                                          \
		r.field = value;                                                                   \
		assert_int_equal(vring_check(&r, &g.mem), -EINVAL);                                \
	} while (0)
		BAD(size, 0);
		BAD(size, 2048);
		BAD(ready, 2);
		BAD(error, VRING_ERRORS);
		BAD(desc, good.desc + 1);
		BAD(driver, 0);
		BAD(device, GUEST_GPA(AREA_DRIVER));
		BAD(inflight, 9);
		BAD(inflight, 0);
		BAD(busy[3], ~0ull);
		if (packed) {
			BAD(avail, 8);
			BAD(used, 8);
			BAD(avail_wrap, 2);
			BAD(used_wrap, 2);
			BAD(used, 2); /* passes the available position */
			BAD(used, 1); /* a chain in flight takes an entry */
		} else {
			BAD(size, 6);
		}
		r = good;
		r.ready = 0;
		r.size = 0;
		assert_int_equal(vring_check(&r, &g.mem), 0);
	}
}

/* Whatever lies in memory: bounded work, no fault (guard pages), a latched error or chains that are in the windows. */
static void test_random_memory(void **s)
{
	(void)s;
	uint64_t seed = 88172645463325252ull;
	for (unsigned round = 0; round < 3000; round++) {
		if (round % 500 == 0)
			up(1u << (round / 500 + 2), round / 500 % 2 ? PACKED : ALL);
		drv_init(&d, &g, &r, r.size, r.features & VRING_FEATURES);
		assert_int_equal(vring_start(&r, &g.mem), 0);
		for (unsigned i = 0; i < d.size; i++) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			bool ind = seed >> 60 == 1;
			d.desc[i] = (struct drv_desc){
				.addr = (ind ? DRV_TABLE(i % 64) : BUF) + (seed & 0xff),
				.len = ind ? 16 * (seed >> 8 & 7) : (uint32_t)(seed >> 8 & 0xff),
				.w12 = (uint16_t)(d.packed ? seed >> 16 & 0xff
							   : (seed >> 16 & 3) | (ind ? 4 : 0)),
				.w14 = (uint16_t)(d.packed
							  ? (seed >> 16 & 3) | (ind ? 4 : 0) | AVAIL
							  : seed >> 20 & (d.size - 1))};
			uint64_t *t = (void *)guest_ptr(&g, DRV_TABLE(i % 64));
			t[i % 32] = seed & 1 ? seed : BUF;
			if (!d.packed)
				d.driver[2 + i] = (uint16_t)(seed >> 30 & (d.size - 1));
		}
		if (!d.packed)
			d.driver[1] = (uint16_t)(seed % (d.size + 1));
		unsigned pops = 0;
		while (pop() == 1) {
			for (unsigned i = 0; i < c.nout + c.nin; i++) {
				uint8_t *p = iov[i].iov_base;
				bool in = p >= g.mem.win[AREA_DATA].hva &&
					  p + iov[i].iov_len <=
						  g.mem.win[AREA_DATA].hva + GUEST_AREA_BYTES;
				assert_true(in);
			}
			if (++pops % 3 == 0)
				vring_push(&r, &g.mem, c.id, c.ndesc, 1);
			assert_true(pops <= 2 * d.size);
		}
	}
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
		cmocka_unit_test(test_start_refuses_sizes),
		cmocka_unit_test(test_start_refuses_alignment),
		cmocka_unit_test(test_start_refuses_areas_outside),
		cmocka_unit_test(test_area_that_vanishes_is_latched),
		cmocka_unit_test(test_split_avail_index_ahead),
		cmocka_unit_test(test_split_head_and_next),
		cmocka_unit_test(test_loops_end),
		cmocka_unit_test(test_longest_chains),
		cmocka_unit_test(test_buffers_outside),
		cmocka_unit_test(test_empty_buffers_are_left_out),
		cmocka_unit_test(test_readable_after_writable),
		cmocka_unit_test(test_indirect_rules),
		cmocka_unit_test(test_unaligned_table),
		cmocka_unit_test(test_total_length),
		cmocka_unit_test(test_split_head_twice),
		cmocka_unit_test(test_split_more_than_the_ring_holds),
		cmocka_unit_test(test_packed_outstanding),
		cmocka_unit_test(test_packed_truncated),
		cmocka_unit_test(test_packed_any_id),
		cmocka_unit_test(test_pushes_of_strangers_are_ignored),
		cmocka_unit_test(test_not_set_up_is_quiet),
		cmocka_unit_test(test_check_of_saved_rings),
		cmocka_unit_test(test_random_memory),
	};
	return cmocka_run_group_tests(tests, NULL, teardown);
}
