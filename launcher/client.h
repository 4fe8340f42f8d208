/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Asking a running VM's supervisor, from another verb. */
#include "control.pb-c.h"
#include "launcher/text.h"
#include "base/err.h"

/** client_vm - the VM that @operand names; without one, the only running VM. Heap string, or NULL
 * with @err that lists the running VMs. @ret_base (may be NULL): folder of all VMs, heap. */
char *client_vm(const char *operand, char **ret_base, struct err *err);

/** client_ask - one request to the supervisor of @vm; @arg may be NULL. A VM without one is adopted in the background first. 0 with *@ret (free with
 * ctl_free), or -Exxx: it does not run, does not answer in 5 s, or answered with an error
 * (-EREMOTEIO). */
int client_ask(const char *vm, const char *verb, const char *arg, Outrigger__CliReply **ret,
	       struct err *err);

/** client_call - the same with @nargs arguments. */
int client_call(const char *vm, const char *verb, const char *const *args, size_t nargs,
		Outrigger__CliReply **ret, struct err *err);

/** client_status - the status of @vm, also of one without a supervisor, which is not adopted for it. As client_call(). */
int client_status(const char *base, const char *vm, Outrigger__CliReply **ret, struct err *err);

/** client_config - the VM's config out of a status reply; NULL if there is none. Free with
 * ctl_free. */
Outrigger__VmConfig *client_config(const Outrigger__CliReply *r);

/** client_device_config - the config of device @name, or NULL. */
const Outrigger__DeviceConfig *client_device_config(const Outrigger__VmConfig *c, const char *name);
