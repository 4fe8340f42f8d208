/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The daemon of a device, as the control thread sees it: docking, its protocol over control, its
 * death.
 *
 *   dock        token and credentials -> descriptors             state docked
 *   hello       model, state size     -> configure
 *   ranges      checked against the config, whole batch          -> ranges_ok, or refused
 *   serving                                                      state serving
 */
#include "hv/vm.h"

/** devices_create - makes slots and control sockets of all devices of the config, and checks their
 * ranges and interrupts against each other, RAM and the board. 0 or -Exxx with @err naming both
 * owners. */
int devices_create(struct vm *vm, struct err *err);

/** devices_destroy - the contrary; no vCPU runs. */
void devices_destroy(struct vm *vm);

/** device_docked - @conn (taken) is the dock connection of a daemon with process id @pid. -1 is
 * left in *@conn. 0, or -Exxx: refused, with @err. */
int device_docked(struct device *d, int *conn, pid_t pid, struct err *err);

/** device_expect - a daemon with @token may dock: the last one is dead. device_give_up - none will come any more: the
 * policy answers. */
void device_expect(struct device *d, const char *token);
void device_give_up(struct device *d, const char *why);

/** devices_review - tells the launcher of slots that changed by themselves and ends what must end.
 */
void devices_review(struct vm *vm);

/** device_request - hands request @m on to the daemon; its answer becomes the reply to the launcher's request
 * @launcher_id, now if there is nobody to ask. @m->id is set here. */
void device_request(struct device *d, Outrigger__ToDaemon *m, uint64_t launcher_id);

/** devices_serving - true if every device serves. */
bool devices_serving(const struct vm *vm);

/** device_claim - checks the ranges that a daemon registers against its config and puts them on the
 * bus, all or none. A daemon that comes later into the same slot must register the same. -EPERM:
 * not what the config gave. */
int device_claim(struct device *d, const Outrigger__RegisterRanges *m, struct err *err);

/** dock_open / dock_close - the VM's dock at <runtime>/dock. */
int dock_open(struct vm *vm, struct err *err);
void dock_close(struct vm *vm);
