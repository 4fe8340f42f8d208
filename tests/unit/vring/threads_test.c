/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver in one thread, the device in another, both asleep whenever the other side's wish allows it. A barrier that is
 * missing shows as a lost wake-up (a deadline), as a buffer with the wrong bytes, or to ThreadSanitizer as a race.
 */
#include "base/bytes.h"
#include "drv.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define BUFFERS 64u
#define DEADLINE_S 20

struct rig {
	struct guest g;
	struct vring r;
	struct drv d;
	sem_t kick, irq;
	uint64_t requests;
	_Atomic bool lost, broken;
	uint64_t kicks, irqs;
	uint64_t answered; /* device thread */
};

static struct rig rig;

static bool sleep_on(sem_t *sem)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DEADLINE_S;
	while (sem_timedwait(sem, &until))
		if (errno != EINTR) {
			atomic_store(&rig.lost, true);
			return false;
		}
	return true;
}

/* Answers each request: the number in the first buffer goes, inverted, into the second. */
static bool serve_one(struct rig *t)
{
	struct iovec iov[4];
	struct vring_chain c;
	int got = vring_pop(&t->r, &t->g.mem, iov, 4, &c);
	if (got < 0)
		atomic_store(&t->broken, true);
	if (got <= 0)
		return false;
	uint64_t v = 0;
	vring_iov_read(c.out, c.nout, 0, &v, sizeof(v));
	v = ~v;
	vring_iov_write(c.in, c.nin, 0, &v, sizeof(v));
	vring_push(&t->r, &t->g.mem, c.id, c.ndesc, sizeof(v));
	t->answered++;
	return true;
}

static void *device(void *arg)
{
	struct rig *t = arg;
	while (t->answered < t->requests && !atomic_load(&t->broken)) {
		vring_notify_off(&t->r, &t->g.mem);
		while (serve_one(t)) {
			if (t->answered % 3 == 0 && vring_should_signal(&t->r, &t->g.mem)) {
				t->irqs++;
				sem_post(&t->irq);
			}
		}
		if (vring_should_signal(&t->r, &t->g.mem)) {
			t->irqs++;
			sem_post(&t->irq);
		}
		if (t->answered < t->requests && !vring_notify_on(&t->r, &t->g.mem) &&
		    !sleep_on(&t->kick))
			break;
	}
	sem_post(&t->irq);
	return NULL;
}

static bool add(struct rig *t, uint64_t token)
{
	uint64_t gpa = GUEST_BUFFERS + token % BUFFERS * 16;
	struct drv_seg seg[2] = {{gpa, 8, false}, {gpa + 8, 8, true}};
	uint8_t *p = guest_ptr(&t->g, gpa);
	uint64_t was[2];
	memcpy(was, p, sizeof(was));
	uint64_t now[2] = {token, 0};
	memcpy(p, now, sizeof(now));
	if (drv_add(&t->d, seg, 2, DRV_DIRECT, token, NULL))
		return true;
	memcpy(p, was, sizeof(was));
	return false;
}

static void driver(struct rig *t)
{
	uint64_t added = 0, reaped = 0;
	uint32_t burst = 1;
	while (reaped < t->requests && !atomic_load(&t->lost)) {
		burst = burst * 1664525u + 1013904223u;
		unsigned n = 1 + (burst >> 28);
		for (; n && added < t->requests && added - reaped < BUFFERS / 2; n--, added++)
			if (!add(t, added))
				break;
		if (drv_kick_needed(&t->d)) {
			t->kicks++;
			sem_post(&t->kick);
		}
		drv_irq_off(&t->d);
		uint64_t token;
		uint32_t len;
		do {
			while (drv_reap(&t->d, &token, &len)) {
				uint64_t v;
				memcpy(&v,
				       guest_ptr(&t->g, GUEST_BUFFERS + token % BUFFERS * 16) + 8,
				       8);
				if (token != reaped || len != 8 || v != ~token)
					atomic_store(&t->broken, true);
				reaped++;
			}
			if (reaped < added && (burst >> 27 & 1) && added < t->requests)
				break; /* adds more before it looks again */
		} while (reaped < added && (drv_irq_on(&t->d) || sleep_on(&t->irq)) &&
			 !atomic_load(&t->broken) && !atomic_load(&t->lost));
		if (atomic_load(&t->broken))
			break;
	}
	sem_post(&t->kick);
}

static void run(unsigned size, uint64_t features)
{
	memset(&rig, 0, sizeof(rig));
	rig.requests = 30000;
	sem_init(&rig.kick, 0, 0);
	sem_init(&rig.irq, 0, 0);
	guest_init(&rig.g, features & VRING_F_RING_PACKED, true);
	drv_init(&rig.d, &rig.g, &rig.r, size, features);
	assert_int_equal(vring_start(&rig.r, &rig.g.mem), 0);
	pthread_t th;
	assert_int_equal(pthread_create(&th, NULL, device, &rig), 0);
	driver(&rig);
	pthread_join(th, NULL);
	assert_false(atomic_load(&rig.lost));
	assert_false(atomic_load(&rig.broken));
	assert_int_equal(rig.answered, rig.requests);
	print_message("size %u packed %d event_idx %d: %lu requests, %lu kicks, %lu interrupts\n",
		      size, !!(features & VRING_F_RING_PACKED), !!(features & VRING_F_EVENT_IDX),
		      (unsigned long)rig.requests, (unsigned long)rig.kicks,
		      (unsigned long)rig.irqs);
	sem_destroy(&rig.kick);
	sem_destroy(&rig.irq);
	guest_fini(&rig.g);
}

static void test_split(void **s)
{
	(void)s;
	run(8, 0);
	run(8, VRING_F_EVENT_IDX);
	run(64, VRING_F_EVENT_IDX);
}

static void test_packed(void **s)
{
	(void)s;
	run(8, VRING_F_RING_PACKED);
	run(8, VRING_F_RING_PACKED | VRING_F_EVENT_IDX);
	run(63, VRING_F_RING_PACKED | VRING_F_EVENT_IDX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_packed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
