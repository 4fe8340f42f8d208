/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/clock.h"

/**
 * struct guest_clock - the VM's time in nanoseconds: CLOCK_MONOTONIC less @offset, or standing still at
 * @stopped_at - 1 while that is not 0 (pause, park, debugger). Written by the control thread, read by all.
 */
struct guest_clock {
	_Atomic uint64_t offset_ns;
	_Atomic uint64_t stopped_at; /* guest ns + 1; 0 = runs */
};

/** guest_clock_ns - the guest's time now, from 0 at VM creation. Any thread. */
static inline uint64_t guest_clock_ns(const struct guest_clock *c)
{
	uint64_t s = atomic_load_explicit(&c->stopped_at, memory_order_relaxed);
	if (__builtin_expect(s != 0, 0))
		return s - 1;
	return clock_now_ns() - atomic_load_explicit(&c->offset_ns, memory_order_relaxed);
}

/** guest_clock_host_ns - the CLOCK_MONOTONIC instant of guest time @guest_ns (valid while the clock runs). */
static inline uint64_t guest_clock_host_ns(const struct guest_clock *c, uint64_t guest_ns)
{
	uint64_t host = guest_ns + atomic_load_explicit(&c->offset_ns, memory_order_relaxed);
	return host < guest_ns ? UINT64_MAX : host;
}

static inline void guest_clock_start(struct guest_clock *c)
{
	uint64_t s = atomic_load(&c->stopped_at);
	uint64_t at = s ? s - 1 : 0;
	atomic_store(&c->offset_ns, clock_now_ns() - at);
	atomic_store(&c->stopped_at, 0);
}

static inline void guest_clock_stop(struct guest_clock *c)
{
	if (!atomic_load(&c->stopped_at))
		atomic_store(&c->stopped_at, guest_clock_ns(c) + 1);
}
