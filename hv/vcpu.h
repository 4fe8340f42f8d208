/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The vCPU threads: run the guest, answer its exits, meet for a reset. */
#include "hv/vm.h"

/** vcpus_create - makes the engine's vCPUs. Control thread, before vcpus_start(). 0 or -Exxx with
 * @err. */
int vcpus_create(struct vm *vm, struct err *err);

/** vcpus_start - starts the threads; vm.vcpus_left counts them down when they end, with a
 * vm_notify(). */
int vcpus_start(struct vm *vm, struct err *err);

/** vcpu_mmio_now - engine_vm_config.mmio_now of struct vm @opaque. */
bool vcpu_mmio_now(void *opaque, unsigned vcpu, struct vm_exit *x);

/** vcpus_stop - asks all threads to end and wakes them wherever they wait. Does not wait; call it
 * again until vcpus_left is 0, since a wake-up can come just before a sleep. Control thread. */
void vcpus_stop(struct vm *vm);

/** vcpus_unstick - interrupts vCPUs whose kick of a daemon blocks. Control thread, twice a second.
 */
void vcpus_unstick(struct vm *vm);

/** vcpus_join - after vcpus_left is 0. */
void vcpus_join(struct vm *vm);

/** vcpus_destroy - frees the engine's vCPUs. No thread runs. */
void vcpus_destroy(struct vm *vm);
