/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The VM stands still: no vCPU runs guest code, the guest's clock stands, and the daemons serve nothing and run no timer. What
 * the guest had asked and what came from the host waits.
 *
 * It does while a person has paused it, or while a device holds it up (enum device_freeze). Such a device goes on serving, if
 * it can: that is how it stops holding up the VM. The clock stops at once, the daemons are quiesced when no vCPU runs.
 */
#include "hv/vm.h"

/** vm_pause - a person wants it; request @launcher_id (0: nobody's) is answered when no vCPU runs. Control thread. */
void vm_pause(struct vm *vm, uint64_t launcher_id);

/** vm_resume - and does not want it any more. Answers @launcher_id at once: -EBUSY if devices hold the VM up still. Control
 * thread. */
void vm_resume(struct vm *vm, uint64_t launcher_id);

/** pause_device / resume_device - a person wants @d to serve nothing; and does not any more. Control thread. */
void pause_device(struct device *d, uint64_t launcher_id);
void resume_device(struct device *d, uint64_t launcher_id);

/** pause_update - d->freeze of some device has changed: stops the VM, or lets it go on. Control thread. */
void pause_update(struct vm *vm);

/** pause_review - on_notify(), and now and then: a vCPU may have stopped, a daemon may be told now what it could not be told
 * before. Control thread. */
void pause_review(struct vm *vm);

/** pause_quiet - true if the daemon of @d is to serve nothing now. Control thread. */
bool pause_quiet(const struct device *d);

/** pause_told - the daemon of @d is another one, or the same after a hand-over that came to nothing: whether it is quiesced now
 * is @quiet. It is told what it should be. Control thread. */
void pause_told(struct device *d, bool quiet);

/** pause_wait - a vCPU that sees vm.pause_wanted waits here. Own thread. */
void pause_wait(struct vcpu *v);
