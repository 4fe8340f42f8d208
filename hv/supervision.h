/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The launch socket on hv's side (proto/launch.h): who supervises this VM, and what is kept for the next one who does.
 *
 * Theory of operation. The VM belongs to hv, not to its launcher. A launcher that dies before the guest runs takes the VM
 * with it: nobody else could finish the start. After that its death means nothing to the guest: devices go on, and a
 * device whose daemon dies waits up to its deadline as always. Whatever a supervisor needs and cannot get again (its
 * ends of byte streams, the VM's lock) has a second descriptor here. Control thread.
 */
#include "hv/vm.h"

/** supervision_open - takes *@sock, the connection to the launcher, and listens on <runtime>/launch. 0 or -Exxx. */
int supervision_open(struct vm *vm, int *sock, struct err *err);

/** supervision_close - closes all that is kept. A VM without supervision is allowed. */
void supervision_close(struct vm *vm);

/** supervision_running - the guest runs: from now on the launcher's death does not end the VM. */
void supervision_running(struct vm *vm);

/** supervision_poll - handles the packets that have arrived. */
void supervision_poll(struct vm *vm);

/** supervision_present - true while somebody supervises. */
bool supervision_present(const struct vm *vm);

/** supervision_backends - gives the descriptors that came for the swap with @token: *@ret_n in @fds. -ENOENT: none came. */
int supervision_backends(struct vm *vm, const char *token, int fds[LIMIT_FDS], unsigned *ret_n);
