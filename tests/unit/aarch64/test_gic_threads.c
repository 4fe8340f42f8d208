/* SPDX-License-Identifier: Apache-2.0 */
/* GICv3 from many threads: devices raise edges while CPUs take them; none is lost, none is doubled. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include "gic_env.h"
#include "base/clock.h"

#define DEVICES 3u
#define CPUS 2u
#define EDGES 2000u
#define DEADLINE_NS 30000000000ull

static _Atomic unsigned taken[DEVICES];
static atomic_bool stop;
static char lost;

/* Returns NULL, or @lost at the deadline. */
static void *device(void *arg)
{
	unsigned n = *(unsigned *)arg;
	uint64_t end = clock_now_ns() + DEADLINE_NS;
	for (unsigned i = 0; i < EDGES; i++) {
		gic_pulse_spi(ge.g, n);
		/* Where it goes changes while it is pending. */
		uint64_t route = (i + n) % CPUS;
		gic_mmio(ge.g, 0, GICD(0x6000 + 8 * (32 + n)), 8, true, &route);
		while (atomic_load(&taken[n]) != i + 1) {
			if (clock_now_ns() > end)
				return &lost;
			sched_yield();
		}
	}
	return NULL;
}

static void *cpu(void *arg)
{
	unsigned n = *(unsigned *)arg;
	while (!atomic_load(&stop)) {
		uint64_t id = NONE;
		if (!gic_irq_level(ge.g, n)) {
			sched_yield();
			continue;
		}
		gic_icc_read(ge.g, n, IAR1, &id); /* spurious if it was routed away just now */
		if (id - 32 < DEVICES) {
			atomic_fetch_add(&taken[id - 32], 1);
			gic_icc_write(ge.g, n, EOIR1, id);
		}
	}
	return NULL;
}

static void ignore(void *opaque, unsigned n, bool level)
{
	(void)opaque;
	(void)n;
	(void)level;
}

static void no_edge_is_lost_or_doubled(void **state)
{
	(void)state;
	static const struct gic_ops ops = {.signal = ignore};
	gic_destroy(ge.g);
	ge.g = gic_create(CPUS, 32, &ops, NULL);
	assert_non_null(ge.g);
	mmio_set(GICD(0), 4, 2);
	mmio_set(GICD(0x84), 4, UINT32_MAX);
	mmio_set(GICD(0xc08), 4, UINT32_MAX);
	mmio_set(GICD(0x104), 4, UINT32_MAX);
	for (unsigned n = 0; n < CPUS; n++) {
		icc_set(n, PMR, 0xff);
		icc_set(n, IGRPEN1, 1);
	}
	pthread_t dev[DEVICES], cpus[CPUS];
	unsigned index[DEVICES + CPUS];
	for (unsigned n = 0; n < CPUS; n++) {
		index[n] = n;
		assert_int_equal(pthread_create(&cpus[n], NULL, cpu, &index[n]), 0);
	}
	for (unsigned n = 0; n < DEVICES; n++) {
		index[CPUS + n] = n;
		assert_int_equal(pthread_create(&dev[n], NULL, device, &index[CPUS + n]), 0);
	}
	for (unsigned n = 0; n < DEVICES; n++) {
		void *why = NULL;
		pthread_join(dev[n], &why);
		assert_null(why);
	}
	atomic_store(&stop, true);
	for (unsigned n = 0; n < CPUS; n++)
		pthread_join(cpus[n], NULL);
	for (unsigned n = 0; n < DEVICES; n++)
		assert_int_equal(atomic_load(&taken[n]), EDGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {T(no_edge_is_lost_or_doubled)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
