/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time as a weapon: resets in the midst of requests, and rings that change while they are looked at.
 *
 * The second thread of these cases writes guest memory only, by plain stores, and asserts nothing; it is joined before anything
 * is checked.
 */
#include "tests/wire/virtio_hostile.h"
#include "base/clock.h"
#include "base/err.h"
#include <pthread.h>
#include <string.h>

/* As many correct requests as the ring takes. */
static unsigned fill(struct vrig *v, struct drv_queue *q)
{
	struct drv_seg seg[VRIG_SEGS];
	unsigned n = v->target->request(v, seg), count = 0;
	while (count < 200 && drv_add(q, seg, n) >= 0)
		count++;
	return count;
}

/* 2.1.2: when the status reads 0 the device is reset; after that it touches nothing. */
static void reset_in_the_midst(struct vrig *v)
{
	for (unsigned round = 0; round < 40; round++) {
		vrig_open(v);
		struct drv_queue *q = vrig_q(v);
		fill(v, q);
		drv_notify(q);
		if (v->target->poke)
			v->target->poke(v);
		/* A little later each time, so that it hits another moment. */
		uint64_t until = clock_now_ns() + round * 3000ull;
		while (clock_now_ns() < until)
			;
		assert_true(drv_reset(&v->d));
		memset(v->d.ram, 0xc5, v->d.bytes);
		vrig_thaw(v);
		vrig_freeze(v);
		/* The driver is on to something else; late doorbells may come, and what is from the host as well. */
		drv_notify(q);
		if (v->target->poke && !v->target->prepare)
			vrig_settle(v);
		vrig_settle(v);
		vrig_settle(v);
		vrig_intact(v);
		assert_int_equal(drv_r32(&v->d, DRV_STATUS), 0);
	}
}

static void reset_and_start_in_the_midst(struct vrig *v)
{
	/* The next life of the device is not disturbed by requests of the last one. */
	for (unsigned round = 0; round < 40; round++) {
		vrig_open(v);
		fill(v, vrig_q(v));
		drv_notify(vrig_q(v));
		vrig_open(v);
		vrig_request(v);
		vrig_request(v);
	}
}

/** struct flipper - the second thread's work. */
struct flipper {
	struct drv_area area[4]; /* to scribble on */
	uint64_t gpa, bytes;
	uint16_t size;
	_Atomic bool stop;
	uint64_t writes;
};

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* Addresses mostly good, lengths mostly small, flags and next of all kinds. */
static void random_desc(const struct flipper *f, uint64_t *x, struct drv_desc *d)
{
	uint64_t r = next_random(x);
	uint64_t addr = f->gpa + (r >> 16) % f->bytes;
	if ((r & 15) == 0)
		addr = r;
	__atomic_store_n(&d->addr, addr, __ATOMIC_RELAXED);
	__atomic_store_n(&d->len, (uint32_t)((r >> 8 & 15) ? r >> 40 & 0xff : r), __ATOMIC_RELAXED);
	r = next_random(x);
	__atomic_store_n(&d->x, (uint16_t)(r % (f->size + 2u)), __ATOMIC_RELAXED);
	__atomic_store_n(&d->y, (uint16_t)(r >> 16 & 0x8087), __ATOMIC_RELAXED);
	if (r & 1ull << 40) {
		/* Split: flags, next. Packed: id, flags. Both get both. */
		__atomic_store_n(&d->x, (uint16_t)(r >> 20 & 7), __ATOMIC_RELAXED);
		__atomic_store_n(&d->y, (uint16_t)(r >> 24) % f->size, __ATOMIC_RELAXED);
	}
}

static void *flip(void *arg)
{
	struct flipper *f = arg;
	uint64_t x = 0x2545f4914f6cdd1dull;
	while (!atomic_load_explicit(&f->stop, memory_order_relaxed)) {
		uint64_t r = next_random(&x);
		const struct drv_area *a = &f->area[r & 3];
		if ((r & 3) == 0 || (r & 3) == 3)
			random_desc(f, &x,
				    (struct drv_desc *)(void *)a->at + (r >> 8) % (a->bytes / 16));
		else
			__atomic_store_n(
				(uint16_t *)(void *)a->at + (r >> 8) % (a->bytes / 2),
				(uint16_t)((r >> 40 & 3) ? (r >> 32) % (f->size * 2u) : r >> 32),
				__ATOMIC_RELAXED);
		f->writes++;
	}
	return NULL;
}

/* Everything the device looks at changes under its hands. It may write anywhere in what it was granted, for every
 * address in a descriptor may have been such; it must live, end its work, and be itself again after a reset. */
static void rings_flicker(struct vrig *v)
{
	uint64_t end = clock_now_ns() + 400000000ull;
	unsigned rounds = 0, broken = 0;
	uint64_t writes = 0;
	while (clock_now_ns() < end) {
		struct flipper f = {.gpa = v->d.gpa, .bytes = v->d.bytes - 256};
		pthread_t t;
		vrig_open(v);
		struct drv_queue *q = vrig_q(v);
		fill(v, q);
		f.size = q->size;
		f.area[0] = q->desc;
		f.area[1] = q->driver;
		f.area[2] = q->device;
		f.area[3] = q->tables;
		CHECK(!pthread_create(&t, NULL, flip, &f));
		uint64_t until = clock_now_ns() + 8000000ull;
		while (clock_now_ns() < until) {
			drv_notify(q);
			if (v->target->poke && !v->target->prepare && v->target->queue == 0)
				v->target->poke(v);
			vrig_drain(v);
			if (vrig_read(v, DRV_STATUS, 4) & DRV_S_NEEDS_RESET)
				break;
		}
		atomic_store(&f.stop, true);
		CHECK(!pthread_join(t, NULL));
		writes += f.writes;
		broken += drv_broken(&v->d);
		rounds++;
		assert_true(vrig_is_alive(v));
		assert_true(drv_reset(&v->d));
		/* And again it touches nothing after the reset. */
		vrig_thaw(v);
		vrig_freeze(v);
		vrig_settle(v);
		vrig_intact(v);
	}
	print_message("%u rounds, %u broken, %llu writes\n", rounds, broken,
		      (unsigned long long)writes);
	assert_true(writes > rounds);
}

/* Registers from here while the rings flicker there. */
static void set_up_while_memory_flickers(struct vrig *v)
{
	uint64_t end = clock_now_ns() + 200000000ull;
	vrig_open(v);
	struct drv_queue *q = vrig_q(v);
	struct flipper f = {.gpa = v->d.gpa, .bytes = v->d.bytes - 256, .size = q->size};
	pthread_t t;
	f.area[0] = q->desc;
	f.area[1] = q->driver;
	f.area[2] = q->device;
	f.area[3] = q->tables;
	CHECK(!pthread_create(&t, NULL, flip, &f));
	bool alive = true;
	while (clock_now_ns() < end && alive) {
		drv_w32(&v->d, DRV_STATUS, 0);
		drv_w32(&v->d, DRV_STATUS, 1);
		drv_w32(&v->d, DRV_STATUS, 3);
		drv_accept(&v->d, v->d.features | DRV_F_VERSION_1 | (v->packed ? DRV_F_PACKED : 0) |
					  DRV_F_INDIRECT);
		drv_w32(&v->d, DRV_STATUS, 11);
		drv_queue_tell(q, 1);
		drv_w32(&v->d, DRV_STATUS, 15);
		for (unsigned i = 0; i < 4; i++)
			drv_notify(q);
		alive = vrig_is_alive(v);
	}
	atomic_store(&f.stop, true);
	CHECK(!pthread_join(t, NULL));
	assert_true(alive);
}

const struct vcase vcases_race[] = {VCASE(reset_in_the_midst, 0),
				    VCASE(reset_and_start_in_the_midst, 0),
				    VCASE(rings_flicker, 0),
				    VCASE(set_up_while_memory_flickers, 0),
				    {}};
