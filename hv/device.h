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

/** device_expect - a daemon with @token may dock: the last one is dead; "": none any more. @how: "", "by hand": a person starts
 * it, "quiesced": it is to serve nothing until a swap has taken its state. device_give_up - none will come any more: the
 * policy answers. */
void device_expect(struct device *d, const char *token, const char *how);
void device_give_up(struct device *d, const char *why);

/** struct dock_grant - what a daemon gets at the dock. Borrowed. */
struct dock_grant {
	uint32_t epoch;
	int state_fd;
	const char *url; /* of its control socket */
	const struct backend_set *backends;
};

/** device_descriptors - sends the descriptors of @d over @conn. 0 or -Exxx. */
int device_descriptors(struct device *d, int conn, const struct dock_grant *g);

/** device_control_url - the address of the control socket of @epoch: room for 108 bytes. */
void device_control_url(const struct device *d, uint32_t epoch, char url[108]);

/** device_hello_check - whether the daemon that says @h may have the slot under @epoch and with @state_bytes. 0, -EPERM. */
int device_hello_check(const struct device *d, const Outrigger__Hello *h, uint32_t epoch,
		       uint32_t state_bytes, struct err *err);

/** device_configure - answers hello: options of @set (NULL: the config's), host descriptors (@backends), grants. 0 or -Exxx. */
int device_configure(struct device *d, struct ctl *ctl, const Outrigger__SwapRequest *set,
		     const struct backend_set *backends, bool standby);

/** struct device_session - a daemon's connections. */
struct device_session {
	struct ctl *ctl;
	int dock_fd, pid_fd;
	pid_t pid;
	char url[108];
};

/** device_adopt - @n (taken: emptied) serves @d from now on; what the daemon before had is closed, and it ends by that. */
void device_adopt(struct device *d, struct device_session *n);

/** device_send - a message to the daemon that serves. */
void device_send(struct device *d, Outrigger__ToDaemon__KindCase kind, uint64_t id);

/** device_hold_update - tells the slot whether accesses park because of a debugger or a person. */
void device_hold_update(struct device *d);

/** device_vacant - the daemon of @d is gone, and so is the one that should have followed it. */
void device_vacant(struct device *d);

/** device_cut - cuts the daemon off: nothing of it is watched any more. It notices by the end of its dock connection. */
void device_cut(struct device *d);

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
