/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where idle vCPUs of an emulating engine sleep: on the interrupt eventfds of all devices at once.
 *
 * Theory of operation. Each vCPU has an epoll of its own that holds every device's interrupt eventfd, edge-triggered and
 * exclusive, and an eventfd for hv itself. A device's interrupt wakes one vCPU that sleeps, directly: no control thread
 * stands in between. The control thread has the same eventfds in its own epoll, behind the vCPUs', and so it hears an
 * interrupt only while no vCPU sleeps and none polls (all wait for devices).
 */
#include "base/err.h"
#include "proto/bell.h"

struct vm;

/** struct idle - of one vCPU. Made and ended on the control thread. */
struct idle {
	int epfd, rouse_fd;
};

/** idle_init - before the devices are made. 0 or -Exxx with @err. */
int idle_init(struct idle *i, struct err *err);
/** idle_fini - closes; a zeroed one that idle_init() never saw must have -1 in it. */
void idle_fini(struct idle *i);
/** idle_watch - @irq_fd of a device can end the sleep. Borrowed. Before the vCPUs run. */
int idle_watch(struct idle *i, int irq_fd);

/** bell_create / bell_destroy - the VM's bell: memfd in *@ret_fd, mapping in *@ret. */
int bell_create(struct bell **ret, int *ret_fd, struct err *err);
void bell_destroy(struct bell **b, int *fd);

/** vm_lines / vm_idle / vm_rouse - engine_vm_config.lines, .idle, .rouse of struct vm @opaque. */
void vm_lines(void *opaque, unsigned vcpu);
void vm_idle(void *opaque, unsigned vcpu);
void vm_rouse(void *opaque, unsigned vcpu);
