/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the KVM engines of all architectures share: opening /dev/kvm and saying why not, memory slots, kicks.
 * Linux Documentation/virt/kvm/api.rst.
 */
#include <linux/kvm.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "hv/engine.h"

/** struct kvm_need - a capability, and what is lost without it. A list ends with a NULL name. */
struct kvm_need {
	int cap;
	const char *name;
	const char *lost;
	bool required;
};

/** kvm_open - opens /dev/kvm. The descriptor, or -Exxx with @err: not there, not for this user (names the group), API of
 * another version, a required capability of @needs is missing. */
int kvm_open(const struct kvm_need *needs, struct err *err);

/** kvm_map - makes memory slots 0 to @count - 1 of @mem. 0 or -Exxx with @err. */
int kvm_map(int vm_fd, const struct engine_mem *mem, unsigned count, struct err *err);

/** struct kvm_kick - makes a KVM_RUN in progress, or the next one, return. */
struct kvm_kick {
	struct kvm_run *run; /* borrowed */
	_Atomic pid_t tid;   /* the thread that runs it; 0: none yet */
	_Atomic uint32_t wanted;
};

/** kvm_kick_init - before any kvm_kick_send(). kvm_kick_enter - the calling thread will run it. */
void kvm_kick_init(struct kvm_kick *k, struct kvm_run *run);
void kvm_kick_enter(struct kvm_kick *k);
/** kvm_kick_send - any thread, async-signal-safe. */
void kvm_kick_send(struct kvm_kick *k);
/** kvm_kick_take - after KVM_RUN gave EINTR: true if it was a kick. Own thread. */
bool kvm_kick_take(struct kvm_kick *k);

/** kvm_error - what an errno of KVM_RUN means, for people. */
const char *kvm_run_error(int errnum);
