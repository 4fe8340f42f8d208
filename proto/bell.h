/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The bell: one page of a VM, shared by hv and all its daemons, through which an interrupt reaches a running vCPU
 * without a system call.
 *
 * Theory of operation. A daemon that has changed an interrupt line or event rings the bell, full fence, and looks whether a
 * vCPU is awake. If one is, that is all: an engine that polls sees the bell before its next branch and samples
 * the lines. If none is, the daemon writes its irq eventfd, on which the idle vCPUs sleep. An idle vCPU says so, full fence,
 * looks at the bell, and only then sleeps: Dekker's protocol.
 *
 * Trust. Any daemon can write all of it. What it can do is ring for nothing, or hide another's ring until the next
 * timer tick or exit of a vCPU, where the lines are sampled anyway. It carries no data.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BELL_MAGIC 0x4c4c4542u /* "BELL" */

/** struct bell - the page. Engines that do not poll leave @awake zero, and every interrupt goes by the eventfd. */
struct bell {
	uint32_t magic;
	uint8_t pad0[124];
	_Atomic uint32_t rung; /* nonzero: sample the lines */
	uint8_t pad1[124];
	_Atomic uint64_t
		awake[8]; /* byte n, written by vCPU n only: 1 while it runs guest code and polls */
	uint8_t pad2[64];
};
static_assert(offsetof(struct bell, rung) == 128, "layout");
static_assert(offsetof(struct bell, awake) == 256, "layout");
static_assert(sizeof(struct bell) == 384, "layout");

/* BELL_BREAK_FENCE (a test build only) names a fence to leave out: 1 in bell_ring(), 2 in bell_idle(). */
#ifndef BELL_BREAK_FENCE
#define BELL_BREAK_FENCE 0
#endif
#if defined(__SANITIZE_THREAD__)
/* ThreadSanitizer does not model fences; a seq_cst read-modify-write orders as well. */
#define BELL_FULL_FENCE(b) ((void)atomic_fetch_add(&(b)->awake[7], 0))
#else
#define BELL_FULL_FENCE(b) atomic_thread_fence(memory_order_seq_cst)
#endif
#define BELL_FENCE(b, n)                                                                           \
	do {                                                                                       \
		if (BELL_BREAK_FENCE != (n))                                                       \
			BELL_FULL_FENCE(b);                                                        \
	} while (0)

/** bell_ring - a daemon's side, after a line has changed. True: a vCPU is awake and will look; false: wake one. */
static inline bool bell_ring(struct bell *b)
{
	uint64_t any = 0;
	atomic_store_explicit(&b->rung, 1, memory_order_release);
	BELL_FENCE(b, 1); /* partner: bell_idle() */
	for (unsigned i = 0; i < 8; i++)
		any |= atomic_load_explicit(&b->awake[i], memory_order_relaxed);
	return any != 0;
}

/** bell_awake - vCPU @vcpu (< 64) runs and polls from now on. Its own thread. */
static inline void bell_awake(struct bell *b, unsigned vcpu)
{
	atomic_store_explicit((_Atomic uint8_t *)b->awake + vcpu, 1, memory_order_relaxed);
}

/** bell_idle - vCPU @vcpu is about to sleep. False: the bell has been rung, look at the lines first. Its own thread. */
static inline bool bell_idle(struct bell *b, unsigned vcpu)
{
	atomic_store_explicit((_Atomic uint8_t *)b->awake + vcpu, 0, memory_order_relaxed);
	BELL_FENCE(b, 2); /* partner: bell_ring() */
	return !atomic_load_explicit(&b->rung, memory_order_relaxed);
}
