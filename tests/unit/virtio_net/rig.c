/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/virtio_net/rig.h"
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/err.h"

extern const struct dm_class dm_class_virtio_net;

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
		assert_true(drv_queue_setup(&r->d, &r->q[i], i, 64));
	drv_go(&r->d);
	dmt_work(r->t, 1000);
}

struct rig *rig_create(const char *const *options, unsigned pairs)
{
	struct rig *r = calloc(1, sizeof(*r));
	CHECK(r);
	r->t = dmt_create(&dm_class_virtio_net, options);
	struct dm_link_info *i = &r->t->link.info;
	i->csum = i->tso4 = i->tso6 = i->ecn = i->rx_csum = i->rx_tso4 = i->rx_tso6 = true;
	i->queues = pairs;
	r->t->link.listening = true;
	dmt_reset(r->t); /* what is offered follows the link */
	r->d = (struct drv){.ops = &rig_access,
			    .ctx = r->t,
			    .ram = r->t->ram,
			    .gpa = DMT_RAM_GPA,
			    .bytes = DMT_RAM_BYTES};
	return r;
}

struct rig *rig_open(const char *const *options, uint64_t want, unsigned queues)
{
	struct rig *r = rig_create(options, 1);
	rig_negotiate(r, want, queues);
	return r;
}

void rig_close(struct rig *r)
{
	dmt_destroy(r->t);
	free(r);
}

int rig_send(struct rig *r, unsigned q, const uint8_t *h, const void *frame, uint32_t len,
	     unsigned segs)
{
	struct drv_seg seg[16];
	struct drv_area a = drv_alloc(&r->d, VNET_HDR + len, 1);
	assert_non_null(a.at);
	if (h)
		memcpy(a.at, h, VNET_HDR);
	memcpy(a.at + VNET_HDR, frame, len);
	len += VNET_HDR;
	for (unsigned i = 0; i < segs; i++) {
		uint32_t from = len * i / segs, to = len * (i + 1) / segs;
		seg[i] = (struct drv_seg){a.gpa + from, to - from, 0};
	}
	int id = drv_add(&r->q[q], seg, segs);
	drv_kick(&r->q[q]);
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

int rig_take(struct rig *r, unsigned q, uint8_t **ret)
{
	unsigned id;
	uint32_t len;
	dmt_work(r->t, 1000);
	if (!drv_used(&r->q[q], &id, &len))
		return -1;
	assert_true(id < DRV_QUEUE_MAX);
	if (ret)
		*ret = drv_at(&r->d, r->at[q][id]);
	return (int)len;
}

size_t rig_sent(struct rig *r, uint8_t *frame, unsigned *ret_queue)
{
	struct dm_test_link *l = &r->t->link;
	if (!l->nout)
		return 0;
	size_t n = l->out[0].len;
	memcpy(frame, l->out[0].buf, n);
	if (ret_queue)
		*ret_queue = l->out[0].queue;
	free(l->out[0].buf);
	l->nout--;
	memmove(&l->out[0], &l->out[1], l->nout * sizeof(l->out[0]));
	return n;
}

int rig_command(struct rig *r, unsigned cls, unsigned cmd, const void *data, uint32_t len)
{
	unsigned q = net_ctrl_queue(rig_state(r)), id;
	struct drv_area a = drv_alloc(&r->d, 2 + len + 1, 1);
	uint32_t used;
	assert_non_null(a.at);
	a.at[0] = (uint8_t)cls;
	a.at[1] = (uint8_t)cmd;
	if (len)
		memcpy(a.at + 2, data, len);
	a.at[2 + len] = 0xee;
	struct drv_seg seg[3] = {
		{a.gpa, 2, 0}, {a.gpa + 2, len, 0}, {a.gpa + 2 + len, 1, DRV_WRITE}};
	if (!len)
		seg[1] = seg[2];
	assert_true(drv_add(&r->q[q], seg, len ? 3 : 2) >= 0);
	drv_notify(&r->q[q]);
	dmt_work(r->t, 1000);
	if (!drv_used(&r->q[q], &id, &used))
		return -1;
	assert_int_equal(used, 1);
	return a.at[2 + len];
}

void rig_frame(uint8_t *f, size_t len, const uint8_t dst[6], unsigned vlan)
{
	for (size_t i = 0; i < len; i++)
		f[i] = (uint8_t)(i * 167 + (i >> 8) * 13);
	memcpy(f, dst, 6);
	f[12] = 0x08;
	f[13] = 0x06;
	if (vlan) {
		f[12] = 0x81;
		f[13] = 0;
		f[14] = (uint8_t)(vlan >> 8);
		f[15] = (uint8_t)vlan;
	}
}
