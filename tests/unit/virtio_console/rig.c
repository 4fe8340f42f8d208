/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/virtio_console/rig.h"
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/err.h"

extern const struct dm_class dm_class_virtio_console;

static uint64_t rig_read(void *ctx, uint32_t offset, unsigned width)
{
	return dmt_read(ctx, offset, width);
}

static void rig_write(void *ctx, uint32_t offset, unsigned width, uint64_t value)
{
	if (offset == DRV_QUEUE_NOTIFY)
		dmt_doorbell(ctx, (unsigned)value);
	else
		dmt_write(ctx, offset, width, value);
	dmt_work(ctx, 1000);
}

static bool rig_wait(void *ctx, bool (*ready)(void *arg), void *arg)
{
	dmt_work(ctx, 1000);
	return ready(arg);
}

static const struct drv_access rig_access = {rig_read, rig_write, rig_wait};

void rig_negotiate(struct rig *r, uint64_t want, unsigned queues)
{
	assert_true(drv_reset(&r->d));
	assert_true(drv_negotiate(&r->d, want));
	for (unsigned i = 0; i < queues; i++)
		assert_true(drv_queue_setup(&r->d, &r->q[i], i, 32));
	drv_go(&r->d);
	dmt_work(r->t, 1000);
}

struct rig *rig_open(const char *const *options, uint64_t want, unsigned queues)
{
	struct rig *r = calloc(1, sizeof(*r));
	CHECK(r);
	r->t = dmt_create(&dm_class_virtio_console, options);
	r->d = (struct drv){.ops = &rig_access,
			    .ctx = r->t,
			    .ram = r->t->ram,
			    .gpa = DMT_RAM_GPA,
			    .bytes = DMT_RAM_BYTES};
	rig_negotiate(r, want, queues);
	return r;
}

void rig_close(struct rig *r)
{
	dmt_destroy(r->t);
	free(r);
}

int rig_send(struct rig *r, unsigned q, const void *bytes, uint32_t len, unsigned segs)
{
	struct drv_seg seg[8];
	struct drv_area a = drv_alloc(&r->d, len ? len : 1, 1);
	assert_non_null(a.at);
	if (len)
		memcpy(a.at, bytes, len);
	for (unsigned i = 0; i < segs; i++) {
		uint32_t from = len * i / segs, to = len * (i + 1) / segs;
		seg[i] = (struct drv_seg){a.gpa + from, to - from, 0};
	}
	int id = drv_add(&r->q[q], seg, segs);
	if (id >= 0)
		r->at[q][id] = a.gpa;
	return id;
}

int rig_post(struct rig *r, unsigned q, uint32_t len)
{
	struct drv_area a = drv_alloc(&r->d, len, 1);
	struct drv_seg seg = {a.gpa, len, DRV_WRITE};
	assert_non_null(a.at);
	int id = drv_add(&r->q[q], &seg, 1);
	if (id >= 0)
		r->at[q][id] = a.gpa;
	return id;
}

int rig_take(struct rig *r, unsigned q, const uint8_t **ret)
{
	unsigned id;
	uint32_t len;
	if (!drv_used(&r->q[q], &id, &len))
		return -1;
	assert_true(id < DRV_QUEUE_MAX);
	*ret = drv_at(&r->d, r->at[q][id]);
	return (int)len;
}

unsigned rig_reap(struct rig *r, unsigned q)
{
	const uint8_t *bytes;
	unsigned n = 0;
	for (int len; (len = rig_take(r, q, &bytes)) >= 0; n++)
		assert_int_equal(len, 0);
	return n;
}

void rig_control(struct rig *r, uint32_t id, unsigned event, unsigned value)
{
	uint8_t m[8];
	store_le(m, 4, id);
	store_le(m + 4, 2, event);
	store_le(m + 6, 2, value);
	assert_true(rig_send(r, CON_CONTROL_TXQ, m, sizeof(m), 1) >= 0);
	drv_notify(&r->q[CON_CONTROL_TXQ]);
	assert_int_equal(rig_reap(r, CON_CONTROL_TXQ), 1);
}

void rig_expect(struct rig *r, uint32_t id, unsigned event, unsigned value, const void *rest,
		size_t len)
{
	const uint8_t *m;
	assert_int_equal(rig_take(r, CON_CONTROL_RXQ, &m), 8 + (int)len);
	assert_int_equal(load_le(m, 4), id);
	assert_int_equal(load_le(m + 4, 2), event);
	assert_int_equal(load_le(m + 6, 2), value);
	if (rest)
		assert_memory_equal(m + 8, rest, len);
}

bool rig_quiet(struct rig *r)
{
	dmt_work(r->t, 1000);
	return !drv_has_used(&r->q[CON_CONTROL_RXQ]);
}

size_t rig_input(struct rig *r, unsigned channel, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	size_t done = 0, room;
	while (done < len && (room = dm_input_room(r->t->dm, channel))) {
		size_t n = len - done < room ? len - done : room;
		n = n < 256 ? n : 256; /* as a daemon reads */
		dm_input(r->t->dm, channel, p + done, n);
		dmt_settle(r->t);
		dmt_work(r->t, 1000);
		done += n;
	}
	return done;
}

size_t rig_output(struct rig *r, unsigned channel, void *buf, size_t max)
{
	const uint8_t *p;
	size_t at = 0, n;
	while (at < max && (n = dm_output_peek(r->t->dm, channel, &p))) {
		n = n < max - at ? n : max - at;
		memcpy((uint8_t *)buf + at, p, n);
		dm_output_consume(r->t->dm, channel, n);
		dmt_settle(r->t);
		at += n;
	}
	dmt_work(r->t, 1000);
	return at;
}

uint64_t rig_errors(const struct rig *r)
{
	return r->t->dm->guest_errors;
}
