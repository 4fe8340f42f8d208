/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stress of the two sides' "is the other asleep?": driver and device run round after round against each other, released together
 * so that their stores and loads race. A round is lost if something was published, its taker went to sleep and nobody was to
 * wake it. Argument: 0: this build has the fences and must lose none (exit 0); 1: it has not, and must lose one (exit 0;
 * 1: none was found, 77: this host shows no such race at all).
 */
#include "base/bytes.h"
#include "base/clock.h"
#include "drv.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define WHOLE_NS 700000000ull	 /* of each kind of ring */
#define BROKEN_NS 20000000000ull /* at most: until both kinds of loss were seen */

static _Alignas(64) _Atomic uint64_t gate_a;
static _Alignas(64) _Atomic uint64_t gate_b;
static _Alignas(64) _Atomic uint32_t dev_sees; /* of the round: what the device found */
static _Alignas(64) _Atomic uint32_t stop;

static struct guest g;
static struct vring r;
static struct drv d;

static void jitter(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	for (uint32_t i = *seed >> 27; i; i--)
		__asm__ volatile("" ::: "memory");
}

static bool meet(_Atomic uint64_t *mine, _Atomic uint64_t *theirs, uint64_t round)
{
	atomic_store(mine, round);
	for (uint64_t spins = 0; atomic_load(theirs) < round; spins++) {
		if (atomic_load(&stop))
			return false;
		if (spins > 3000)
			sched_yield();
		else
			cpu_relax();
	}
	return true;
}

/*
 * Even rounds: the driver adds while the device, which found nothing, asks for notifications and looks again.
 * Odd rounds: the device gives that buffer back while the driver, which found nothing, asks for interrupts and looks again.
 */
static void *device(void *arg)
{
	struct iovec iov[4];
	struct vring_chain c;
	uint32_t seed = 7;
	uint64_t round = 0;
	(void)arg;
	for (;;) {
		vring_notify_off(&r, &g.mem);
		if (!meet(&gate_a, &gate_b, ++round))
			return NULL;
		jitter(&seed);
		atomic_store(&dev_sees, vring_notify_on(&r, &g.mem));
		if (!meet(&gate_a, &gate_b, ++round))
			return NULL;
		if (vring_pop(&r, &g.mem, iov, 4, &c) != 1)
			return NULL;
		if (!meet(&gate_a, &gate_b, ++round))
			return NULL;
		jitter(&seed);
		vring_push(&r, &g.mem, c.id, c.ndesc, 0);
		atomic_store(&dev_sees, vring_should_signal(&r, &g.mem));
		if (!meet(&gate_a, &gate_b, ++round))
			return NULL;
	}
}

static uint64_t run(uint64_t features, bool broken, uint64_t ret_lost[2])
{
	struct drv_seg seg = {GUEST_BUFFERS, 8, true};
	guest_init(&g, features & VRING_F_RING_PACKED, true);
	drv_init(&d, &g, &r, 8, features);
	if (vring_start(&r, &g.mem))
		exit(1);
	atomic_store(&gate_a, 0);
	atomic_store(&gate_b, 0);
	atomic_store(&stop, 0);
	pthread_t th;
	if (pthread_create(&th, NULL, device, NULL))
		exit(1);
	uint64_t round = 0, n = 0, end = clock_now_ns() + (broken ? BROKEN_NS : WHOLE_NS);
	uint32_t seed = 11;
	for (; n % 256 || (clock_now_ns() < end && !(broken && ret_lost[0] && ret_lost[1])); n++) {
		uint64_t token;
		uint32_t len;
		meet(&gate_b, &gate_a, ++round);
		jitter(&seed);
		drv_add(&d, &seg, 1, DRV_DIRECT, 0, NULL);
		bool kick = drv_kick_needed(&d);
		meet(&gate_b, &gate_a, ++round);
		ret_lost[0] += !kick && !atomic_load(&dev_sees);
		drv_irq_off(&d);
		meet(&gate_b, &gate_a, ++round);
		jitter(&seed);
		bool found = drv_irq_on(&d);
		meet(&gate_b, &gate_a, ++round);
		ret_lost[1] += !found && !atomic_load(&dev_sees);
		if (!drv_reap(&d, &token, &len))
			exit(1);
	}
	atomic_store(&stop, 1);
	pthread_join(th, NULL);
	guest_fini(&g);
	return n;
}

int main(int argc, char **argv)
{
	bool broken = argc > 1 && atoi(argv[1]);
	const uint64_t features[4] = {0, VRING_F_EVENT_IDX, VRING_F_RING_PACKED,
				      VRING_F_RING_PACKED | VRING_F_EVENT_IDX};
	int rc = 0;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t lost[2] = {0, 0}, n = run(features[i], broken, lost);
		printf("features %u: %llu rounds, lost: %llu notifications, %llu interrupts\n", i,
		       (unsigned long long)n, (unsigned long long)lost[0],
		       (unsigned long long)lost[1]);
		if (broken ? !lost[0] || !lost[1] : lost[0] || lost[1])
			rc = 1;
	}
	cpu_set_t set;
	if (rc && broken && !sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) < 2) {
		printf("skipped: one core shows no such race\n");
		rc = 77;
	}
	return rc;
}
