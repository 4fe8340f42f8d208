/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The time slice of a thread. Linux 6.12 and later let any thread choose its own (sched_setattr(2), sched_runtime, 0.1 ms to 100 ms):
 * one with a shorter slice gets the core at once when it wakes, from a thread with a longer one, which otherwise keeps it up to the
 * next tick, 4 ms. It gets no more of the core than before. Threads that answer somebody take short ones; threads that compute,
 * vCPUs above all, keep the usual one. Older kernels ignore it.
 */

/** slice_short - the calling thread, and all that it starts from now on, has a short slice. Failure changes nothing and is not told. */
void slice_short(void);

/** slice_usual - the calling thread has the kernel's usual slice again. */
void slice_usual(void);
