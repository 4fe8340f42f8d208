/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/wire/virtio_rig.h"
#include "base/clock.h"
#include "base/fd.h"
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* ---- accesses --------------------------------------------------------------------------------------------- */

/* The rule of an access as hv finds it: all of its bytes in one register that takes this width. NULL: none. */
static const Outrigger__RegisterRule *rule_of(const struct vrig *v, uint32_t offset, unsigned width)
{
	const Outrigger__RangeRequest *range = v->w->ranges->ranges->ranges[0];
	for (size_t i = 0; i < range->n_rules; i++) {
		const Outrigger__RegisterRule *r = range->rules[i];
		uint32_t n = r->count ? r->count : 1, stride = r->stride ? r->stride : r->width;
		uint32_t one = r->width;
		if (!(r->widths & width) || (offset & (width - 1)) || offset < r->offset)
			continue;
		/* A run of bytes is one register that takes accesses of several. */
		if (r->width == 1 && stride == 1 && r->widths > 1)
			one = stride = n, n = 1;
		for (uint32_t k = 0; k < n; k++)
			if (offset >= r->offset + k * stride &&
			    offset + width <= r->offset + k * stride + one)
				return r;
	}
	return NULL;
}

uint64_t vrig_raw_read(struct vrig *v, uint32_t offset, unsigned width)
{
	return wire_read(v->w, 0, offset, width);
}

void vrig_raw_write(struct vrig *v, uint32_t offset, unsigned width, uint64_t value)
{
	wire_write(v->w, 0, offset, width, value);
}

uint64_t vrig_read(struct vrig *v, uint32_t offset, unsigned width)
{
	const Outrigger__RegisterRule *r = rule_of(v, offset, width);
	int32_t page = v->w->ranges->ranges->ranges[0]->shadow_page;
	if (r && r->read_way == 3)
		return wire_pending(v->w);
	if (!r || !r->read_way || page < 0)
		return vrig_raw_read(v, offset, width);
	if (r->read_way == 1)
		wire_sync(v->w);
	return wire_shadow(v->w, offset, width);
}

void vrig_write(struct vrig *v, uint32_t offset, unsigned width, uint64_t value)
{
	const Outrigger__RegisterRule *r = rule_of(v, offset, width);
	switch (r ? r->write_way : 0) {
	case 1:
		wire_post(v->w, 0, offset, width, value);
		break;
	case 2:
		break;
	case 3:
		/* What is no doorbell has no bit in the port: hv drops it. */
		if (value < 64)
			wire_ring(v->w, (unsigned)value);
		break;
	case 4:
		wire_ack(v->w, (uint32_t)value);
		break;
	default:
		vrig_raw_write(v, offset, width, value);
	}
}

static uint64_t access_read(void *ctx, uint32_t offset, unsigned width)
{
	return vrig_read(ctx, offset, width);
}

static void access_write(void *ctx, uint32_t offset, unsigned width, uint64_t value)
{
	vrig_write(ctx, offset, width, value);
}

static bool access_wait(void *ctx, bool (*ready)(void *arg), void *arg)
{
	return vrig_wait(ctx, ready, arg);
}

bool vrig_wait(struct vrig *v, bool (*ready)(void *arg), void *arg)
{
	uint64_t end = clock_now_ns() + VRIG_PATIENCE_MS * 1000000ull;
	struct pollfd p = {.fd = v->w->irq_fd, .events = POLLIN};
	while (!ready(arg)) {
		uint64_t n;
		if (!v->keep_output)
			vrig_drain(v);
		if (clock_now_ns() > end)
			return false;
		/* An interrupt ends the wait; what the driver asked no interrupt for is found by looking. */
		if (poll(&p, 1, 1) == 1 && read(p.fd, &n, sizeof(n)) < 0)
			continue;
	}
	return true;
}

void vrig_drain(struct vrig *v)
{
	uint8_t buf[4096];
	while (v->w->host_fd >= 0 && recv(v->w->host_fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

static bool doorbells_taken(void *arg)
{
	struct vrig *v = arg;
	return !atomic_load(&v->w->pp.port->doorbells.rung);
}

void vrig_settle(struct vrig *v)
{
	assert_true(vrig_wait(v, doorbells_taken, v));
	/* Taken is not served: the turn that took them, and one more, end before these are answered. */
	wire_sync(v->w);
	wire_sync(v->w);
}

uint64_t vrig_errors(struct vrig *v)
{
	return atomic_load(&v->w->pp.port->counters.guest_errors);
}

/* ---- life ------------------------------------------------------------------------------------------------- */

static void start(struct vrig *v)
{
	static const struct drv_access ops = {access_read, access_write, access_wait};
	v->w = wire_create(v->exe);
	v->device_id = 0;
	for (size_t i = 0; vtargets[i].name; i++)
		if (!strcmp(v->w->desc->name, vtargets[i].model))
			v->device_id = vtargets[i].device_id;
	vtarget_prepare_wire(v->w, v->device_id);
	wire_start(v->w);
	v->d = (struct drv){.ops = &ops,
			    .ctx = v,
			    .ram = v->w->ram,
			    .gpa = v->w->ram_gpa,
			    .bytes = v->w->ram_bytes};
	assert_int_equal(vrig_read(v, DRV_DEVICE_ID, 4), v->device_id);
}

struct vrig *vrig_create(const char *exe)
{
	struct vrig *v = calloc(1, sizeof(*v));
	assert_non_null(v);
	v->exe = exe;
	start(v);
	return v;
}

void vrig_destroy(struct vrig *v)
{
	vrig_thaw(v);
	wire_destroy(v->w);
	free(v);
}

static bool process_is_there(struct vrig *v)
{
	siginfo_t si = {0};
	return v->w->pid && !waitid(P_PID, (id_t)v->w->pid, &si, WEXITED | WNOHANG | WNOWAIT) &&
	       !si.si_pid;
}

bool vrig_revive(struct vrig *v)
{
	if (process_is_there(v))
		return false;
	vrig_thaw(v);
	wire_destroy(v->w);
	start(v);
	return true;
}

bool vrig_is_alive(struct vrig *v)
{
	return process_is_there(v) && vrig_raw_read(v, DRV_MAGIC, 4) == 0x74726976 &&
	       process_is_there(v);
}

uint64_t vrig_features(const struct vrig *v)
{
	uint64_t f = DRV_F_INDIRECT | DRV_F_EVENT_IDX;
	if (v->packed)
		f |= DRV_F_PACKED;
	if (v->target)
		f |= v->target->features;
	return f & ~v->dropped;
}

void vrig_negotiate(struct vrig *v)
{
	vrig_thaw(v);
	v->nq = 0;
	assert_true(drv_negotiate(&v->d, vrig_features(v)));
	assert_int_equal(!!(v->d.features & DRV_F_PACKED), v->packed);
	/* Nothing lies at the very start of guest memory: a ring there could hide a touch of address 0 and on. */
	(void)drv_alloc(&v->d, 4096, 4096);
}

void vrig_queues(struct vrig *v, uint16_t size)
{
	while (v->nq < VRIG_QUEUES && drv_queue_setup(&v->d, &v->q[v->nq], v->nq, size)) {
		struct drv_queue *q = &v->q[v->nq++];
		/* Some room, so that a touch just beside a ring is seen. */
		(void)drv_alloc(&v->d, 64, 1);
		vrig_may(v, q->device.gpa, q->device.bytes);
		if (q->packed)
			vrig_may(v, q->desc.gpa, q->desc.bytes);
	}
	assert_true(v->nq > 0);
}

void vrig_live(struct vrig *v)
{
	drv_go(&v->d);
	assert_int_equal(drv_r32(&v->d, DRV_STATUS), 15);
	if (v->target && v->target->prepare)
		v->target->prepare(v);
}

void vrig_open(struct vrig *v)
{
	vrig_negotiate(v);
	vrig_queues(v, DRV_QUEUE_MAX);
	vrig_live(v);
}

void vrig_open_with(struct vrig *v, uint64_t features)
{
	const struct vtarget *old = v->target;
	struct vtarget t = *old;
	t.features |= features;
	v->target = &t;
	vrig_open(v);
	v->target = old;
}

struct drv_queue *vrig_q(struct vrig *v)
{
	unsigned i = v->target ? v->target->queue : 0;
	assert_true(i < v->nq);
	return &v->q[i];
}

/* ---- touches ---------------------------------------------------------------------------------------------- */

uint64_t vrig_end(const struct vrig *v)
{
	return v->d.gpa + v->d.bytes;
}

void vrig_may(struct vrig *v, uint64_t gpa, uint64_t bytes)
{
	if (gpa < v->d.gpa || gpa - v->d.gpa > v->d.bytes || bytes > v->d.bytes - (gpa - v->d.gpa))
		return;
	assert_true(v->places < VRIG_PLACES);
	v->place[v->places].gpa = gpa;
	v->place[v->places++].bytes = bytes;
}

void vrig_freeze(struct vrig *v)
{
	if (!v->was)
		v->was = malloc(v->d.bytes);
	assert_non_null(v->was);
	memcpy(v->was, v->d.ram, v->d.bytes);
}

void vrig_intact(struct vrig *v)
{
	assert_non_null(v->was);
	for (unsigned i = 0; i < v->places; i++) {
		uint64_t at = v->place[i].gpa - v->d.gpa;
		memcpy(v->was + at, v->d.ram + at, v->place[i].bytes);
	}
	if (!memcmp(v->was, v->d.ram, v->d.bytes))
		return;
	uint64_t first = 0;
	while (v->was[first] == v->d.ram[first])
		first++;
	fail_msg("the device touched 0x%llx: %02x became %02x",
		 (unsigned long long)(v->d.gpa + first), v->was[first], v->d.ram[first]);
}

void vrig_own(struct vrig *v, uint64_t gpa, uint64_t bytes)
{
	if (v->was)
		memcpy(v->was + (gpa - v->d.gpa), drv_at(&v->d, gpa), bytes);
}

void vrig_thaw(struct vrig *v)
{
	free(v->was);
	v->was = NULL;
	v->places = 0;
}

/* ---- requests --------------------------------------------------------------------------------------------- */

uint64_t vrig_buffer(struct vrig *v, uint64_t bytes, uint8_t fill)
{
	struct drv_area a = drv_alloc(&v->d, bytes, 64);
	assert_non_null(a.at);
	memset(a.at, fill, bytes);
	/* A gap behind it: a touch past the end is a touch of nobody's place. */
	(void)drv_alloc(&v->d, 64, 1);
	return a.gpa;
}

static void places_of(struct vrig *v, const struct drv_seg *seg, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (seg[i].flags & DRV_WRITE)
			vrig_may(v, seg[i].gpa, seg[i].len);
}

unsigned vrig_add(struct vrig *v, struct drv_queue *q, const struct drv_seg *seg, unsigned n)
{
	places_of(v, seg, n);
	int id = drv_add(q, seg, n);
	assert_true(id >= 0);
	return (unsigned)id;
}

unsigned vrig_add_indirect(struct vrig *v, struct drv_queue *q, const struct drv_seg *seg,
			   unsigned n)
{
	places_of(v, seg, n);
	int id = drv_add_indirect(q, seg, n);
	assert_true(id >= 0);
	return (unsigned)id;
}

struct awaited {
	struct vrig *v;
	struct drv_queue *q;
};

static bool broken_or_used(void *arg)
{
	struct awaited *a = arg;
	return drv_broken(&a->v->d) || drv_has_used(a->q);
}

static bool is_broken(void *arg)
{
	return drv_broken(arg);
}

void vrig_expect(struct vrig *v, struct drv_queue *q, enum vend end)
{
	struct awaited a = {v, q};
	uint64_t errors = vrig_errors(v);
	if (!v->was)
		vrig_freeze(v);
	drv_notify(q);
	if (v->target && v->target->poke)
		v->target->poke(v);
	if (end == VEND_BROKEN) {
		if (!vrig_wait(v, is_broken, &v->d))
			fail_msg("no NEEDS_RESET; the chain %s",
				 drv_has_used(q) ? "came back" : "is still with the device");
		vrig_settle(v);
		/* 2.1.2: after DRIVER_OK the driver must be told. */
		assert_true(drv_r32(&v->d, DRV_INT_STATUS) & 2);
		assert_true(vrig_errors(v) > errors);
	} else if (end != VEND_QUIET) {
		if (!vrig_wait(v, broken_or_used, &a))
			fail_msg("the device neither answers nor needs a reset");
		vrig_settle(v);
		if (end == VEND_DONE) {
			assert_false(drv_broken(&v->d));
			assert_true(drv_has_used(q));
		}
	} else {
		vrig_settle(v);
		assert_false(drv_broken(&v->d));
		assert_false(drv_has_used(q));
	}
	assert_true(vrig_is_alive(v));
	vrig_intact(v);
}

void vrig_end_of(struct vrig *v, struct drv_queue *q)
{
	if (!v->was)
		vrig_freeze(v);
	drv_notify(q);
	if (v->target && v->target->poke)
		v->target->poke(v);
	vrig_settle(v);
	assert_true(vrig_is_alive(v));
	/* What is still with the host ends before the reset does (2.1.2, 2.6.1). */
	assert_true(drv_reset(&v->d));
	vrig_intact(v);
}

void vrig_request(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	struct drv_seg seg[VRIG_SEGS];
	uint32_t len, room = 0;
	unsigned n = v->target->request(v, seg), got;
	unsigned id = vrig_add(v, q, seg, n);
	drv_kick(q);
	if (v->target->poke)
		v->target->poke(v);
	if (!drv_wait(q, &got, &len))
		fail_msg("no answer to a correct request; status 0x%x",
			 (unsigned)drv_r32(&v->d, DRV_STATUS));
	assert_int_equal(got, id);
	for (unsigned i = 0; i < n; i++)
		if (seg[i].flags & DRV_WRITE)
			room += seg[i].len;
	assert_true(len <= room);
	v->target->answer(v, seg, n, len);
	assert_false(drv_broken(&v->d));
}

void vrig_recover(struct vrig *v)
{
	assert_true(vrig_is_alive(v));
	v->dropped = 0;
	vrig_open(v);
	for (unsigned i = 0; i < 3; i++)
		vrig_request(v);
}
