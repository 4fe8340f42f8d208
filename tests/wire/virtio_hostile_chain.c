/* SPDX-License-Identifier: Apache-2.0 */
/* Chains that break a rule in either layout: virtio 1.2, sections 2.7.4 to 2.7.5.3, 2.8.5 to 2.8.10, 2.8.17 to 2.8.19. */
#include "tests/wire/virtio_hostile.h"
#include <string.h>

static bool has_indirect(const struct vrig *v)
{
	return v->d.features & DRV_F_INDIRECT;
}

/* A correct request in which buffer after buffer is replaced by [@gpa, @gpa + @len), directly and in an indirect table.
 * @len 0: as long as it was. */
static void each_buffer_at(struct vrig *v, uint64_t gpa, uint32_t len, enum vend end)
{
	struct drv_seg seg[VRIG_SEGS];
	for (unsigned k = 0, n = 1; k < 2 * n; k++) {
		vrig_open(v);
		n = v->target->request(v, seg);
		bool table = k >= n;
		if (table && !has_indirect(v))
			return;
		seg[k % n].gpa = gpa;
		if (len)
			seg[k % n].len = len;
		if (table)
			vrig_add_indirect(v, vrig_q(v), seg, n);
		else
			vrig_add(v, vrig_q(v), seg, n);
		vrig_expect(v, vrig_q(v), end);
	}
}

static void buffer_below_ram(struct vrig *v)
{
	each_buffer_at(v, v->d.gpa - 4096, 0, VEND_BROKEN);
}

static void buffer_at_zero(struct vrig *v)
{
	each_buffer_at(v, 0, 0, VEND_BROKEN);
}

static void buffer_behind_ram(struct vrig *v)
{
	each_buffer_at(v, vrig_end(v), 0, VEND_BROKEN);
}

static void buffer_over_the_end_of_ram(struct vrig *v)
{
	each_buffer_at(v, vrig_end(v) - 8, 16, VEND_BROKEN);
}

static void buffer_over_the_start_of_ram(struct vrig *v)
{
	each_buffer_at(v, v->d.gpa - 8, 16, VEND_BROKEN);
}

static void buffer_one_byte_too_long(struct vrig *v)
{
	each_buffer_at(v, v->d.gpa, (uint32_t)v->d.bytes + 1, VEND_BROKEN);
}

static void buffer_wraps_to_zero(struct vrig *v)
{
	each_buffer_at(v, 0ull - 16, 16, VEND_BROKEN);
}

static void buffer_wraps_into_ram(struct vrig *v)
{
	/* The sum of address and length is inside of RAM, modulo 2^64. */
	each_buffer_at(v, 0ull - 4096, 0x40000000u + 8192, VEND_BROKEN);
}

static void buffer_of_4_gib(struct vrig *v)
{
	each_buffer_at(v, v->d.gpa, 0xffffffffu, VEND_BROKEN);
	/* Address and length together are small, modulo 2^32. */
	each_buffer_at(v, v->d.gpa + 4096, 0xffffffffu, VEND_BROKEN);
	each_buffer_at(v, v->d.gpa + 8192, 0u - 4096u, VEND_BROKEN);
	each_buffer_at(v, vrig_end(v) - 1, 0x80000000u, VEND_BROKEN);
}

static void buffer_with_high_address_bits(struct vrig *v)
{
	/* Inside of RAM for who looks at 32, 48 or 52 bits. */
	static const unsigned bit[] = {32, 48, 52, 56, 63};
	for (unsigned i = 0; i < 5; i++)
		each_buffer_at(v, v->d.gpa + 4096 + (1ull << bit[i]), 0, VEND_BROKEN);
}

/* The last byte of RAM is RAM. */
static void buffer_ends_with_ram(struct vrig *v)
{
	struct drv_seg seg[VRIG_SEGS];
	unsigned got, n = v->target->request(v, seg), k = n - 1;
	uint64_t to = vrig_end(v) - seg[k].len;
	uint32_t len;
	memcpy(drv_at(&v->d, to), drv_at(&v->d, seg[k].gpa), seg[k].len);
	seg[k].gpa = to;
	vrig_add(v, vrig_q(v), seg, n);
	vrig_expect(v, vrig_q(v), VEND_DONE);
	assert_true(drv_used(vrig_q(v), &got, &len));
	v->target->answer(v, seg, n, len);
}

static void empty_buffers_between(struct vrig *v)
{
	struct drv_seg seg[VRIG_SEGS], more[2 * VRIG_SEGS];
	unsigned n = v->target->request(v, seg);
	for (unsigned i = 0; i < n; i++) {
		more[2 * i] = (struct drv_seg){v->d.gpa, 0, seg[i].flags};
		more[2 * i + 1] = seg[i];
	}
	vrig_add(v, vrig_q(v), more, 2 * n);
	vrig_expect(v, vrig_q(v), VEND_EITHER);
}

static void only_an_empty_buffer(struct vrig *v)
{
	for (uint16_t flags = 0; flags <= DRV_WRITE; flags = (uint16_t)(flags + DRV_WRITE)) {
		/* Whether its address counts is nobody's business. */
		struct drv_seg seg[2] = {{0, 0, flags}, {v->d.gpa, 0, flags}};
		vrig_open(v);
		vrig_add(v, vrig_q(v), seg, 2);
		/* A receiver may keep it for ever or give it back. */
		vrig_end_of(v, vrig_q(v));
	}
}

static void writable_before_readable(struct vrig *v)
{
	for (unsigned table = 0; table < 2; table++) {
		vrig_open(v);
		if (table && !has_indirect(v))
			return;
		struct drv_seg seg[2] = {{vrig_buffer(v, 1024, 1), 1024, DRV_WRITE},
					 {vrig_buffer(v, 1024, 1), 1024, 0}};
		if (table)
			vrig_add_indirect(v, vrig_q(v), seg, 2);
		else
			vrig_add(v, vrig_q(v), seg, 2);
		vrig_expect(v, vrig_q(v), VEND_BROKEN);
	}
}

/* Device-readable where it has to write, and the other way round. The memory that it may only read must stay as it is. */
static void directions_reversed(struct vrig *v)
{
	struct drv_seg seg[VRIG_SEGS], back[VRIG_SEGS];
	unsigned n = v->target->request(v, seg);
	for (unsigned i = 0; i < n; i++) {
		/* In reverse order, so that readable ones are first again. */
		back[i] = seg[n - 1 - i];
		back[i].flags ^= DRV_WRITE;
	}
	vrig_add(v, vrig_q(v), back, n);
	vrig_end_of(v, vrig_q(v));
}

static void all_readable(struct vrig *v)
{
	struct drv_seg seg[VRIG_SEGS];
	unsigned n = v->target->request(v, seg);
	for (unsigned i = 0; i < n; i++)
		seg[i].flags = 0;
	vrig_add(v, vrig_q(v), seg, n);
	vrig_end_of(v, vrig_q(v));
}

static void all_writable(struct vrig *v)
{
	struct drv_seg seg[VRIG_SEGS];
	unsigned n = v->target->request(v, seg);
	for (unsigned i = 0; i < n; i++)
		seg[i].flags = DRV_WRITE;
	vrig_add(v, vrig_q(v), seg, n);
	vrig_end_of(v, vrig_q(v));
}

static void reserved_flags(struct vrig *v)
{
	/* 2.7.5, 2.8.1: bits that mean nothing. (AVAIL and USED mean something in a packed ring.) */
	struct drv_seg seg[VRIG_SEGS];
	unsigned n = v->target->request(v, seg);
	for (unsigned i = 0; i < n; i++)
		seg[i].flags |= 0x7f78;
	vrig_add(v, vrig_q(v), seg, n);
	vrig_expect(v, vrig_q(v), VEND_EITHER);
}

/* More than 2^32 bytes in one chain (2.7.5.2, 2.8.18), every buffer being good. */
static void more_than_4_gib_together(struct vrig *v)
{
	struct drv_seg seg[DRV_QUEUE_MAX];
	struct drv_queue *q = vrig_q(v);
	unsigned n = q->size;
	uint16_t flags = v->target->shape == VSHAPE_IN ? DRV_WRITE : 0;
	if (v->d.bytes * n <= 1ull << 32) {
		print_message("the queue is too short for 4 GiB: %u\n", n);
		skip();
	}
	for (unsigned i = 0; i < n; i++)
		seg[i] = (struct drv_seg){v->d.gpa, (uint32_t)v->d.bytes, flags};
	assert_true(drv_add(q, seg, n) >= 0);
	vrig_expect(v, q, VEND_BROKEN);
}

/* As many buffers as the ring has entries is what a driver may do. */
static void chain_as_long_as_the_ring(struct vrig *v)
{
	struct drv_seg seg[DRV_QUEUE_MAX];
	struct drv_queue *q = vrig_q(v);
	unsigned n = q->size;
	uint16_t flags = v->target->shape == VSHAPE_IN ? DRV_WRITE : 0;
	uint64_t gpa = vrig_buffer(v, 16ull * n, 0);
	for (unsigned i = 0; i < n; i++)
		seg[i] = (struct drv_seg){gpa + 16ull * i, 16, flags};
	if (v->target->shape == VSHAPE_REQ)
		seg[n - 1].flags = DRV_WRITE;
	vrig_add(v, q, seg, n);
	vrig_expect(v, q, VEND_EITHER);
}

/* The device is told to write over the rings themselves. That is memory it was given: it must live. */
static void buffers_over_the_rings(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	struct drv_area area[3] = {q->desc, q->driver, q->device};
	if (v->target->shape == VSHAPE_OUT)
		return;
	for (unsigned i = 0; i < 3; i++) {
		vrig_open(v);
		struct drv_seg seg[VRIG_SEGS];
		unsigned n = v->target->request(v, seg), k = n > 1 ? n - 2 : 0;
		if (!(seg[k].flags & DRV_WRITE))
			k = n - 1;
		seg[k].gpa = area[i].gpa;
		vrig_add(v, q, seg, n);
		/* What it writes becomes descriptors, which may name any memory. */
		vrig_may(v, v->d.gpa, v->d.bytes);
		vrig_end_of(v, q);
	}
}

const struct vcase vcases_chain[] = {VCASE(buffer_below_ram, 0),
				     VCASE(buffer_at_zero, 0),
				     VCASE(buffer_behind_ram, 0),
				     VCASE(buffer_over_the_end_of_ram, 0),
				     VCASE(buffer_over_the_start_of_ram, 0),
				     VCASE(buffer_one_byte_too_long, 0),
				     VCASE(buffer_wraps_to_zero, 0),
				     VCASE(buffer_wraps_into_ram, 0),
				     VCASE(buffer_of_4_gib, 0),
				     VCASE(buffer_with_high_address_bits, 0),
				     VCASE(buffer_ends_with_ram, VCASE_LIVE),
				     VCASE(empty_buffers_between, VCASE_LIVE),
				     VCASE(only_an_empty_buffer, 0),
				     VCASE(writable_before_readable, 0),
				     VCASE(directions_reversed, VCASE_LIVE),
				     VCASE(all_readable, VCASE_LIVE),
				     VCASE(all_writable, VCASE_LIVE),
				     VCASE(reserved_flags, VCASE_LIVE),
				     VCASE(more_than_4_gib_together, VCASE_LIVE),
				     VCASE(chain_as_long_as_the_ring, VCASE_LIVE),
				     VCASE(buffers_over_the_rings, VCASE_LIVE),
				     {}};
