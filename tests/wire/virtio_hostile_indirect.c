/* SPDX-License-Identifier: Apache-2.0 */
/* Indirect descriptors: virtio 1.2, sections 2.7.5.3 and 2.8.7, 2.8.19. */
#include "tests/wire/virtio_hostile.h"
#include <string.h>

/* A correct request in a table at *@ret_table; opens the device anew. False: it has no indirect descriptors. */
static bool table_ready(struct vrig *v, struct drv_area *ret_table, unsigned *ret_n)
{
	struct drv_seg seg[VRIG_SEGS];
	vrig_open(v);
	if (!(v->d.features & DRV_F_INDIRECT))
		return false;
	*ret_n = v->target->request(v, seg);
	*ret_table = drv_alloc(&v->d, 16 * 64, 16);
	assert_non_null(ret_table->at);
	(void)drv_alloc(&v->d, 64, 1);
	drv_table(vrig_q(v), ret_table->at, seg, *ret_n);
	for (unsigned i = 0; i < *ret_n; i++)
		if (seg[i].flags & DRV_WRITE)
			vrig_may(v, seg[i].gpa, seg[i].len);
	return true;
}

static struct drv_desc *entry(const struct drv_area *table, unsigned i)
{
	return (struct drv_desc *)(void *)table->at + i;
}

/* The flags of a descriptor of this layout. */
static uint16_t *flags_of(const struct vrig *v, struct drv_desc *d)
{
	return v->packed ? &d->y : &d->x;
}

static void refer(struct vrig *v, uint64_t gpa, uint32_t len, uint16_t flags, enum vend end)
{
	struct drv_seg one = {gpa, len, (uint16_t)(DRV_INDIRECT | flags)};
	assert_true(drv_add(vrig_q(v), &one, 1) >= 0);
	vrig_expect(v, vrig_q(v), end);
}

static void table_is_fine(struct vrig *v)
{
	struct drv_area t;
	unsigned n;
	/* 2.7.5.3.2, 2.8.7: the WRITE flag of the descriptor that refers to a table says nothing. */
	for (uint16_t flags = 0; flags <= DRV_WRITE; flags = (uint16_t)(flags + DRV_WRITE))
		if (table_ready(v, &t, &n))
			refer(v, t.gpa, 16 * n, flags, VEND_DONE);
}

static void table_length_is_wrong(struct vrig *v)
{
	static const uint32_t len[] = {0, 1, 8, 15, 17, 24, 31, 0xfffffff1u, 0xffffffffu};
	struct drv_area t;
	unsigned n;
	for (unsigned i = 0; i < sizeof(len) / sizeof(len[0]); i++)
		if (table_ready(v, &t, &n))
			refer(v, t.gpa, len[i], 0, VEND_BROKEN);
}

/* 2.7.5.3.1, 2.8.19: no chain has more descriptors than the ring. */
static void table_has_entries(struct vrig *v, unsigned many)
{
	struct drv_area t;
	unsigned n;
	if (!table_ready(v, &t, &n))
		return;
	struct drv_area big = drv_alloc(&v->d, 16ull * many, 16);
	struct drv_seg seg = {v->d.gpa + 64, 1, v->target->shape == VSHAPE_IN ? DRV_WRITE : 0};
	struct drv_desc one[2];
	struct drv_seg pair[2] = {seg, seg};
	drv_table(vrig_q(v), one, pair, 2);
	assert_non_null(big.at);
	for (unsigned i = 0; i < many; i++) {
		*entry(&big, i) = one[0];
		if (!v->packed)
			entry(&big, i)->y = (uint16_t)(i + 1);
	}
	refer(v, big.gpa, 16 * many, 0, VEND_BROKEN);
}

static void table_is_longer_than_the_ring(struct vrig *v)
{
	vrig_open(v);
	table_has_entries(v, vrig_q(v)->size + 1u);
	table_has_entries(v, 4096);
	table_has_entries(v, 65536 + 4);
}

static void table_outside_of_ram(struct vrig *v)
{
	uint64_t end = vrig_end(v);
	const uint64_t at[] = {0,	v->d.gpa - 16, v->d.gpa - 8, end,
			       end - 8, 0ull - 16,     0ull - 8,     v->d.gpa + (1ull << 48)};
	struct drv_area t;
	unsigned n;
	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		if (table_ready(v, &t, &n))
			refer(v, at[i], 16, 0, VEND_BROKEN);
}

static void table_over_the_end_of_ram(struct vrig *v)
{
	struct drv_area t;
	unsigned n;
	if (!table_ready(v, &t, &n))
		return;
	memcpy(drv_at(&v->d, vrig_end(v) - 16), t.at, 16);
	refer(v, vrig_end(v) - 16, 32, 0, VEND_BROKEN);
}

static void table_ends_with_ram(struct vrig *v)
{
	struct drv_area t;
	unsigned n;
	if (!table_ready(v, &t, &n))
		return;
	memcpy(drv_at(&v->d, vrig_end(v) - 16 * n), t.at, 16 * n);
	refer(v, vrig_end(v) - 16 * n, 16 * n, 0, VEND_DONE);
}

static void table_misaligned(struct vrig *v)
{
	/* No rule says that a table is aligned; whatever comes, nothing is touched. */
	struct drv_area t;
	unsigned n;
	for (unsigned off = 1; off < 16; off++) {
		if (!table_ready(v, &t, &n))
			return;
		uint8_t copy[16 * VRIG_SEGS];
		memcpy(copy, t.at, 16 * n);
		memcpy(t.at + off, copy, 16 * n);
		refer(v, t.gpa + off, 16 * n, 0, VEND_EITHER);
	}
}

static void indirect_with_next(struct vrig *v)
{
	struct drv_area t;
	unsigned n;
	if (!table_ready(v, &t, &n))
		return;
	struct drv_seg two[2] = {{t.gpa, 16 * n, DRV_INDIRECT}, {v->d.gpa + 64, 16, DRV_WRITE}};
	assert_true(drv_add(vrig_q(v), two, 2) >= 0);
	vrig_expect(v, vrig_q(v), VEND_BROKEN);
}

static void buffer_then_indirect(struct vrig *v)
{
	/* 2.7.5.3.1 has no word against it but 2.8.19 and every device do: an answer or an end, and no harm. */
	struct drv_area t;
	unsigned n;
	if (!table_ready(v, &t, &n))
		return;
	struct drv_seg two[2] = {{v->d.gpa + 64, 16, 0}, {t.gpa, 16 * n, DRV_INDIRECT}};
	assert_true(drv_add(vrig_q(v), two, 2) >= 0);
	vrig_end_of(v, vrig_q(v));
}

static void indirect_inside_indirect(struct vrig *v)
{
	struct drv_area t;
	unsigned n;
	if (!table_ready(v, &t, &n))
		return;
	struct drv_area outer = drv_alloc(&v->d, 16, 16);
	struct drv_desc *d = entry(&outer, 0);
	d->addr = t.gpa;
	d->len = 16 * n;
	*flags_of(v, d) = DRV_INDIRECT;
	if (!v->packed) {
		refer(v, outer.gpa, 16, 0, VEND_BROKEN);
		return;
	}
	/* 2.8.7: flags but WRITE are ignored in a table. So this is a readable buffer, and the inner table is not obeyed. */
	struct drv_seg one = {outer.gpa, 16, DRV_INDIRECT};
	assert_true(drv_add(vrig_q(v), &one, 1) >= 0);
	v->places = 0;
	for (unsigned i = 0; i < v->nq; i++) {
		vrig_may(v, v->q[i].device.gpa, v->q[i].device.bytes);
		vrig_may(v, v->q[i].desc.gpa, v->q[i].desc.bytes);
	}
	vrig_end_of(v, vrig_q(v));
}

static void indirect_to_itself(struct vrig *v)
{
	struct drv_area t;
	unsigned n;
	if (!table_ready(v, &t, &n))
		return;
	entry(&t, 0)->addr = t.gpa;
	entry(&t, 0)->len = 16;
	*flags_of(v, entry(&t, 0)) = DRV_INDIRECT;
	struct drv_seg one = {t.gpa, 16, DRV_INDIRECT};
	assert_true(drv_add(vrig_q(v), &one, 1) >= 0);
	vrig_end_of(v, vrig_q(v));
}

static void indirect_not_negotiated(struct vrig *v)
{
	v->dropped = DRV_F_INDIRECT;
	vrig_open(v);
	struct drv_seg seg[VRIG_SEGS];
	unsigned n = v->target->request(v, seg);
	vrig_add_indirect(v, vrig_q(v), seg, n);
	vrig_expect(v, vrig_q(v), VEND_BROKEN);
}

/* Split tables are chained by next. */
static void split_table_loops(struct vrig *v)
{
	static const uint16_t to[] = {0, 1, 2};
	struct drv_area t;
	unsigned n;
	for (unsigned i = 0; i < 3; i++) {
		if (!table_ready(v, &t, &n))
			return;
		for (unsigned k = 0; k < 3; k++) {
			*entry(&t, k) = *entry(&t, 0);
			entry(&t, k)->x = (uint16_t)(DRV_NEXT | (entry(&t, 0)->x & DRV_WRITE));
			entry(&t, k)->y = (uint16_t)(k + 1);
		}
		entry(&t, 2)->y = to[i];
		refer(v, t.gpa, 48, 0, VEND_BROKEN);
	}
}

static void split_table_next_is_outside(struct vrig *v)
{
	static const uint16_t to[] = {1, 2, 255, 0x8000, 0xffff};
	struct drv_area t;
	unsigned n;
	for (unsigned i = 0; i < 5; i++) {
		if (!table_ready(v, &t, &n))
			return;
		/* One entry long: what stands behind it must not be obeyed. */
		*entry(&t, 1) = *entry(&t, 0);
		entry(&t, 0)->x |= DRV_NEXT;
		entry(&t, 0)->y = to[i];
		refer(v, t.gpa, 16, 0, VEND_BROKEN);
	}
}

const struct vcase vcases_indirect[] = {VCASE(table_is_fine, 0),
					VCASE(table_length_is_wrong, 0),
					VCASE(table_is_longer_than_the_ring, 0),
					VCASE(table_outside_of_ram, 0),
					VCASE(table_over_the_end_of_ram, 0),
					VCASE(table_ends_with_ram, 0),
					VCASE(table_misaligned, 0),
					VCASE(indirect_with_next, 0),
					VCASE(buffer_then_indirect, 0),
					VCASE(indirect_inside_indirect, 0),
					VCASE(indirect_to_itself, 0),
					VCASE(indirect_not_negotiated, 0),
					VCASE(split_table_loops, VCASE_SPLIT),
					VCASE(split_table_next_is_outside, VCASE_SPLIT),
					{}};
