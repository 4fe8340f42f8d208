/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stress of the port's wait/wake protocol: two threads run the real port.c round after round against each other, released
 * together so that their stores and loads race. A round is lost if one side sleeps and the other did not wake it.
 * Argument: number of the fence that this build lacks (0: none). Whole build: exit 0 if no round is lost. Broken build:
 * exit 0 if one IS lost (the test can see the fence), 1 if none was found.
 */
#include "proto/port.h"
#include "base/bytes.h"
#include "base/clock.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

long port_test_futex_wait(_Atomic uint32_t *word, uint32_t seen, uint64_t deadline_ns);
void port_test_futex_wake(_Atomic uint32_t *word);

static struct port_producer pp;
static struct port_consumer pc;
static _Alignas(64) _Atomic uint64_t gate_a;
static _Alignas(64) _Atomic uint64_t gate_b;
static _Alignas(64) _Atomic uint64_t wakes; /* wake calls of the round, both kinds */
static _Alignas(64) _Atomic uint32_t consumer_slept;
static _Alignas(64) _Atomic uint64_t lost;
static uint64_t rounds;

static void jitter(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	for (uint32_t i = *seed >> 27; i; i--)
		__asm__ volatile("" ::: "memory");
}

/* Both threads leave together: the last store each makes before is long visible. */
static void meet(_Atomic uint64_t *mine, _Atomic uint64_t *theirs, uint64_t round)
{
	atomic_store(mine, round);
	for (uint64_t spins = 0; atomic_load(theirs) < round; spins++)
		if (spins > 3000) /* a host with one free core */
			sched_yield();
		else
			cpu_relax();
}

long port_test_futex_wait(_Atomic uint32_t *word, uint32_t seen, uint64_t deadline_ns)
{
	(void)deadline_ns;
	uint64_t before = atomic_load(&wakes);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load(word) != seen || atomic_load(&wakes) != before)
		return -1;
	uint64_t end = clock_now_ns() + 200000000u;
	while (atomic_load(&wakes) == before) {
		if (clock_now_ns() > end) {
			atomic_fetch_add(&lost, 1);
			return -1;
		}
		sched_yield();
	}
	return 0;
}

void port_test_futex_wake(_Atomic uint32_t *word)
{
	(void)word;
	atomic_fetch_add(&wakes, 1);
}

static void *consumer(void *arg)
{
	uint32_t seed = 7;
	(void)arg;
	for (uint64_t r = 1; r <= rounds && !atomic_load_explicit(&lost, memory_order_relaxed);
	     r++) {
		meet(&gate_b, &gate_a, 4 * r);
		jitter(&seed);
		/* Goes to sleep while the producer pushes. */
		bool slept = port_sleep_begin(&pc, false);
		atomic_store(&consumer_slept, slept);
		meet(&gate_b, &gate_a, 4 * r + 1);
		meet(&gate_b, &gate_a, 4 * r + 2);
		if (slept)
			port_sleep_end(&pc);
		struct port_entry e;
		if (!port_peek(&pc, &e))
			abort();
		jitter(&seed);
		/* Answers while the producer goes to sleep. */
		port_complete(&pc, &e, PORT_STATUS_OK, e.value + 1);
		port_consume(&pc);
		meet(&gate_b, &gate_a, 4 * r + 3);
	}
	atomic_store(&gate_b, UINT64_MAX);
	return NULL;
}

static void producer(void)
{
	uint32_t seed = 3;
	for (uint64_t r = 1; r <= rounds && !atomic_load_explicit(&lost, memory_order_relaxed);
	     r++) {
		struct port_entry e = {.op = PORT_OP_READ, .width = 4, .value = r};
		uint64_t seq;
		meet(&gate_a, &gate_b, 4 * r);
		jitter(&seed);
		if (port_push(&pp, &e, &seq))
			abort();
		bool wake = port_needs_wake(&pp, NULL);
		meet(&gate_a, &gate_b, 4 * r + 1);
		if (atomic_load(&consumer_slept) && !wake)
			atomic_fetch_add(&lost, 1);
		meet(&gate_a, &gate_b, 4 * r + 2);
		struct port_result res = {0};
		jitter(&seed);
		int err = port_wait_done(&pp, 0, seq, 0, UINT64_MAX, NULL, &res);
		if (err || res.data != r + 1)
			abort();
		meet(&gate_a, &gate_b, 4 * r + 3);
	}
	atomic_store(&gate_a, UINT64_MAX);
}

int main(int argc, char **argv)
{
	int broken = argc > 1 ? atoi(argv[1]) : 0;
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) < 2) {
		puts("skipped: needs two CPUs to race on");
		return 77;
	}
	rounds = broken ? 20000000u : 1000000u;
#ifdef __SANITIZE_THREAD__
	rounds = 50000; /* the races that TSan looks for show at once; its rounds are slow */
#endif
	void *map = aligned_alloc(4096, port_size(1));
	if (!map)
		return 1;
	memset(map, 0, port_size(1));
	port_init(&pp, map, 1, 1, 1, "stress");
	uint32_t epoch = port_epoch_begin(&pp);
	if (port_attach(&pc, map, port_size(1), epoch, UINT64_MAX))
		return 1;
	pthread_t t;
	pthread_create(&t, NULL, consumer, NULL);
	producer();
	pthread_join(t, NULL);
	uint64_t n = atomic_load(&lost);
	printf("fence left out: %d; rounds lost: %llu\n", broken, (unsigned long long)n);
	free(map);
	return broken ? (n ? 0 : 1) : (n ? 1 : 0);
}
