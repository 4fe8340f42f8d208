/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"
#include "base/err.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum {
	R_DRIVER_FEATURES = 0x020,
	R_DRIVER_FEATURES_SEL = 0x024,
	R_QUEUE_SEL = 0x030,
	R_QUEUE_NUM = 0x038,
	R_QUEUE_READY = 0x044,
	R_STATUS = 0x070,
	R_QUEUE_DESC_LOW = 0x080,
};

/* ---- guest memory as drv.c wants it: guest.h over one RAM ------------------------------------------------ */

uint8_t *guest_ptr(struct guest *g, uint64_t gpa)
{
	CHECK(gpa - RAM_BASE < RAM_BYTES);
	return g->driver[0] + (gpa - RAM_BASE);
}

uint64_t guest_end(enum guest_area area, uint64_t bytes, uint64_t align)
{
	return (GUEST_GPA(area) + GUEST_AREA_BYTES - bytes) / align * align;
}

/* ---- what the copier calls ---------------------------------------------------------------------------------- */

static void op_ring(void *opaque, unsigned vcpu, unsigned q)
{
	struct rig *r = opaque;
	(void)vcpu, (void)q;
	atomic_fetch_add(&r->rings, 1);
	sem_post(&r->rung);
}

static void op_used(void *opaque)
{
	struct rig *r = opaque;
	atomic_fetch_add(&r->uses, 1);
	sem_post(&r->used);
}

static void op_hostile(void *opaque, const char *what)
{
	struct rig *r = opaque;
	r->what = what;
	atomic_fetch_add(&r->hostiles, 1);
	sem_post(&r->cut);
}

static const struct copy_ops ops = {op_ring, op_used, op_hostile};

/* ---- life ----------------------------------------------------------------------------------------------------- */

void rig_init(struct rig *r)
{
	struct err err = {0};
	memset(r, 0, sizeof(*r));
	sem_init(&r->rung, 0, 0);
	sem_init(&r->used, 0, 0);
	sem_init(&r->cut, 0, 0);
	CHECK(!mem_init(&r->ram, (gpa_t){RAM_BASE}, RAM_BYTES, &err));
	r->g.driver[0] = r->ram.hva;
	CHECK(!copy_create("dut", &r->ram, &ops, r, &r->copy, &err));
	void *p = mmap(NULL, COPY_CHANNEL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		       copy_channel_fd(r->copy), 0);
	CHECK(p != MAP_FAILED);
	r->channel =
		(struct vring_mem){.n = 1, .win[0] = {0, COPY_CHANNEL_BYTES, (uint8_t *)p, true}};
	r->dm.mem = &r->channel;
	r->dm.copied = true;
	r->dm.copy_kick_fd = copy_kick_fd(r->copy);
	copy_serving(r->copy);
	r->dev[0].size_max = r->dev[1].size_max = VRING_SIZE_MAX;
}

void rig_fini(struct rig *r)
{
	copy_destroy(r->copy);
	if (r->channel.win[0].hva)
		munmap(r->channel.win[0].hva, COPY_CHANNEL_BYTES);
	mem_fini(&r->ram);
	sem_destroy(&r->rung);
	sem_destroy(&r->used);
	sem_destroy(&r->cut);
}

void rig_write(struct rig *r, uint32_t offset, uint32_t value)
{
	copy_write_begin(r->copy, offset, value);
	copy_write_end(r->copy, offset, value);
}

int rig_queue(struct rig *r, unsigned q, unsigned size, uint64_t features)
{
	struct vring guest;
	drv_init(&r->drv[q], &r->g, &guest, size, features);
	rig_write(r, R_QUEUE_SEL, q);
	rig_write(r, R_QUEUE_NUM, size);
	const uint64_t at[3] = {guest.desc, guest.driver, guest.device};
	for (unsigned i = 0; i < 3; i++) {
		rig_write(r, R_QUEUE_DESC_LOW + 16 * i, (uint32_t)at[i]);
		rig_write(r, R_QUEUE_DESC_LOW + 16 * i + 4, (uint32_t)(at[i] >> 32));
	}
	copy_write_begin(r->copy, R_QUEUE_READY, 1);
	r->dev[q] = (struct vring){.size = (uint16_t)size, .size_max = VRING_SIZE_MAX};
	int rc = copyq_ops.start(&r->dm, q, &r->dev[q]);
	copy_write_end(r->copy, R_QUEUE_READY, 1);
	return rc;
}

void rig_features(struct rig *r, uint64_t features)
{
	rig_write(r, R_STATUS, 0);
	rig_write(r, R_STATUS, 3);
	for (unsigned i = 0; i < 2; i++) {
		rig_write(r, R_DRIVER_FEATURES_SEL, i);
		rig_write(r, R_DRIVER_FEATURES,
			  (uint32_t)((features | VRING_F_VERSION_1) >> (32 * i)));
	}
	rig_write(r, R_STATUS, 11);
}

void rig_live(struct rig *r)
{
	rig_write(r, R_STATUS, 15);
}

void rig_up(struct rig *r, unsigned size, uint64_t features)
{
	rig_init(r);
	rig_features(r, features);
	CHECK(!rig_queue(r, 0, size, features));
	rig_live(r);
}

void rig_notify(struct rig *r, unsigned q)
{
	copy_doorbell(r->copy, 0, q);
}

bool rig_wait(sem_t *s)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	while (sem_timedwait(s, &until))
		if (errno != EINTR)
			return false;
	return true;
}

int rig_pop(struct rig *r, unsigned q, struct iovec *iov, struct vring_chain *c)
{
	return copyq_ops.pop(&r->dm, q, &r->dev[q], iov, VRING_SIZE_MAX, c);
}

bool rig_pop_wait(struct rig *r, unsigned q, struct iovec *iov, struct vring_chain *c)
{
	for (;;) {
		int rc = rig_pop(r, q, iov, c);
		if (rc)
			return rc == 1;
		if (!rig_wait(&r->rung))
			return false;
	}
}

void rig_push(struct rig *r, unsigned q, const struct vring_chain *c, uint32_t len)
{
	copyq_ops.push(&r->dm, q, &r->dev[q], c->id, c->ndesc, len);
}

void rig_signal(struct rig *r, unsigned q)
{
	CHECK(!copyq_ops.should_signal(&r->dm, q, &r->dev[q]));
}

bool rig_reap(struct rig *r, unsigned q, uint64_t *ret_token, uint32_t *ret_len)
{
	for (;;) {
		if (drv_reap(&r->drv[q], ret_token, ret_len))
			return true;
		if (drv_irq_on(&r->drv[q]))
			continue;
		if (!rig_wait(&r->used))
			return false;
	}
}
