/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "bench/vmm.h"

/*
 * Each measures all sides that @s has, in turns, and puts its rows into @r. 0, or -Exxx with @e
 * set: what was measured before stays in @r. They block, from a second to a minute.
 */

/** measure_boot - boot.{quiet,chatty}.{userland,total}: command to userland, and to the end, in
 * seconds. */
int measure_boot(const struct vmm_setup *s, struct report *r, struct err *e);

/** measure_guest - access.* (seconds) and compute.* (million instructions a second), as the guest
 * sees them. */
int measure_guest(const struct vmm_setup *s, struct report *r, struct err *e);

/** measure_start - start.first_instruction: command to the first byte of a bare-metal guest. */
int measure_start(const struct vmm_setup *s, struct report *r, struct err *e);

/** measure_idle - memory.* (MiB) and idle.cpu (% of a core) of a guest at its shell prompt. */
int measure_idle(const struct vmm_setup *s, struct report *r, struct err *e);

/** measure_disk - disk.CACHE.JOB (MB/s, thousands of requests a second) of fio in the guest, disk.cpu_per_request.*, and the
 * same with dma: copy. */
int measure_disk(const struct vmm_setup *s, struct report *r, struct err *e);

/** measure_live - live.*: seconds that a busy guest waits at most while a device is swapped or its process killed, of that
 * device (gap) and of another (gap_of_another); live.watch: seconds from a new program to serving. Outrigger only. */
int measure_live(const struct vmm_setup *s, struct report *r, struct err *e);

/** measure_net - net.BACKEND.* (Mbit/s) of iperf3 between guest and host, and memory.virtio_* (MiB). Back-ends that
 * the host has not are left out, with a word on standard error. */
int measure_net(const struct vmm_setup *s, struct report *r, struct err *e);

/** measure_trace - trace.{off,on}.rtc_dr_read (seconds): the guest's forwarded read while `outrigger trace` records it, and
 * while nobody does. */
int measure_trace(const struct vmm_setup *s, struct report *r, struct err *e);
