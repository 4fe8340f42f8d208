/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Pause and resume of the whole VM: no vCPU runs guest code, the guest's clock stands still, and the daemons serve nothing and
 * run no timer. What the guest had asked and what came from the host waits.
 */
#include "hv/vm.h"

/** vm_pause - asks all vCPUs to stop; request @launcher_id (0: nobody's) is answered when they have and the clock stands.
 * Control thread. */
void vm_pause(struct vm *vm, uint64_t launcher_id);

/** vm_resume - lets them go on. Answers @launcher_id at once. Control thread. */
void vm_resume(struct vm *vm, uint64_t launcher_id);

/** pause_review - on_notify(): a vCPU may have stopped. Control thread. */
void pause_review(struct vm *vm);

/** pause_wait - a vCPU that sees vm.pause_wanted waits here. Own thread. */
void pause_wait(struct vcpu *v);
