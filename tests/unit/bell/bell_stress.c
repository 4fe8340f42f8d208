/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stress of the bell's protocol: a daemon raises an interrupt while a vCPU goes to sleep, round after round, released
 * together so that their stores and loads race. A round is lost if the daemon takes the vCPU for awake and the vCPU sees no
 * bell. Argument: the fence that this build lacks (0: none). Whole build: exit 0 if no round is lost. Broken build: exit 0
 * if one IS lost, 1 if none was found.
 */
#include "proto/bell.h"
#include "base/bytes.h"
#include "base/clock.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 2000000ull
#define LIMIT_NS 20000000000ull /* for a broken build to show itself */
#define WHOLE_NS 4000000000ull

static struct bell bell;
static _Alignas(64) _Atomic uint64_t gate[2];
static _Alignas(64) _Atomic uint64_t gate_b[2];
static _Alignas(64) _Atomic uint32_t told; /* by "eventfd" */
static _Alignas(64) _Atomic uint32_t slept;
static _Atomic uint64_t lost;
static _Atomic uint64_t done;

static void jitter(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	for (uint32_t i = *seed >> 27; i; i--)
		__asm__ volatile("" ::: "memory");
}

static void meet(_Atomic uint64_t *mine, _Atomic uint64_t *theirs, uint64_t round)
{
	atomic_store(mine, round);
	for (uint64_t spins = 0; atomic_load(theirs) < round; spins++)
		if (spins > 3000)
			sched_yield();
		else
			cpu_relax();
}

static void *daemon_main(void *arg)
{
	uint32_t seed = 7;
	(void)arg;
	for (uint64_t r = 1; r <= ROUNDS && !atomic_load(&done); r++) {
		meet(&gate[0], &gate[1], r);
		jitter(&seed);
		if (!bell_ring(&bell))
			atomic_store(&told, 1);
		meet(&gate_b[0], &gate_b[1], r);
	}
	return NULL;
}

/* One round of the vCPU: awake, then to sleep. Afterwards somebody must know of the interrupt. */
static void vcpu_round(uint64_t r, uint32_t *seed)
{
	atomic_store(&bell.rung, 0);
	atomic_store(&told, 0);
	bell_awake(&bell, 0);
	atomic_thread_fence(memory_order_seq_cst);
	meet(&gate[1], &gate[0], r);
	jitter(seed);
	atomic_store(&slept, bell_idle(&bell, 0));
	meet(&gate_b[1], &gate_b[0], r);
	if (atomic_load(&slept) && !atomic_load(&told))
		atomic_fetch_add(&lost, 1);
}

int main(int argc, char **argv)
{
	int broken = argc > 1 ? atoi(argv[1]) : 0;
	cpu_set_t set;
	pthread_t t;
	uint32_t seed = 99;
	uint64_t r = 1, end;
	end = clock_now_ns() + (broken ? LIMIT_NS : WHOLE_NS);
	if (broken && !sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) < 2) {
		printf("skipped: one core cannot show a missing fence\n");
		return 77;
	}
	if (pthread_create(&t, NULL, daemon_main, NULL))
		return 1;
	while (r <= ROUNDS && !(broken && atomic_load(&lost)) && clock_now_ns() < end)
		vcpu_round(r++, &seed);
	atomic_store(&done, 1);
	atomic_store(&gate[1], UINT64_MAX);
	atomic_store(&gate_b[1], UINT64_MAX);
	pthread_join(t, NULL);
	printf("%llu rounds, %llu lost\n", (unsigned long long)(r - 1),
	       (unsigned long long)atomic_load(&lost));
	return broken ? !atomic_load(&lost) : !!atomic_load(&lost);
}
