/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Ticks: a counter that costs a third of clock_gettime(), for spans that are measured at each of millions of events.
 * The processor's own counter where it is the kernel's clock, too, and so runs evenly and alike on all cores; else CLOCK_MONOTONIC.
 */
#include <stdbool.h>
#include <stdint.h>
#include "base/clock.h"

/** struct tick_scale - set once by tick_setup(). */
struct tick_scale {
	bool raw;      /* ticks are the processor's */
	uint64_t mult; /* ns of a tick, times 2^32 */
};
extern struct tick_scale tick_scale;

/** tick_setup - measures the processor's counter. Blocks for up to 5 ms at its first call. One thread, before others use ticks. */
void tick_setup(void);

/** tick_now - ticks since some instant. Any thread, after tick_setup(). */
static inline uint64_t tick_now(void)
{
#if defined(__x86_64__)
	if (__builtin_expect(tick_scale.raw, 1))
		return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	if (__builtin_expect(tick_scale.raw, 1)) {
		uint64_t v;
		__asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
		return v;
	}
#endif
	return clock_now_ns();
}

/** tick_ns - nanoseconds of @ticks. */
static inline uint64_t tick_ns(uint64_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * tick_scale.mult >> 32);
}
