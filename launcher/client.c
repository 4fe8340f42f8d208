/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/client.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/fd.h"
#include "launcher/orphan.h"
#include "launcher/runtime.h"
#include "proto/ctl.h"

enum { DIAL_MS = 1000, ANSWER_MS = 5000 };

char *client_vm(const char *operand, char **ret_base, struct err *err)
{
	char *base = NULL, *vm = NULL;
	if (runtime_base(&base, err) < 0)
		return NULL;
	char **names = runtime_list(base);
	AUTO_SB list = {0};
	text_join(&list, (const char *const *)names, ", ");
	const char *near = operand ? text_nearest(operand, (const char *const *)names) : NULL;
	if (operand && text_name_ok(operand) && runtime_alive(base, operand))
		vm = xstrdup(operand);
	else if (!names[0])
		err_set(err, ENOENT, "%s%sno VM is running in %s", operand ? operand : "",
			operand ? ": " : "", base);
	else if (operand)
		err_set(err, ENOENT, "no VM named %s is running; %s%s%srunning: %s", operand,
			near ? "did you mean " : "", near ? near : "", near ? "? " : "",
			sb_str(&list));
	else if (names[1])
		err_set(err, EINVAL, "several VMs are running; name one of %s", sb_str(&list));
	else
		vm = xstrdup(names[0]);
	runtime_list_free(names);
	if (ret_base && vm)
		*ret_base = ptr_steal(base);
	free(base);
	return vm;
}

int client_ask(const char *vm, const char *verb, const char *arg, Outrigger__CliReply **ret,
	       struct err *err)
{
	return client_call(vm, verb, &arg, arg != NULL, ret, err);
}

/* -ECONNREFUSED: there is nobody to ask; else as client_call(). */
static int call(const char *base, const char *vm, const Outrigger__CliRequest *q,
		Outrigger__CliReply **ret, struct err *err)
{
	struct ctl *c = NULL;
	AUTO_FREE char *url = xasprintf("ipc://%s/%s/supervisor", base, vm);
	ctl_setup();
	int r = ctl_dial(CTL_REQ, url, DIAL_MS, &c, err);
	if (r < 0) {
		err_prefix(err, "VM %s: ", vm);
		return -ECONNREFUSED;
	}
	ProtobufCMessage *m = NULL;
	r = ctl_send(c, &q->base, DIAL_MS);
	if (r == 0)
		r = ctl_recv(c, &outrigger__cli_reply__descriptor, ANSWER_MS, &m);
	ctl_close(c);
	if (r < 0)
		return err_set(err, -r, "VM %s: its supervisor gives no answer (%s)", vm,
			       strerror(-r));
	Outrigger__CliReply *reply = (Outrigger__CliReply *)(void *)m;
	if (reply->status) {
		r = err_set(err, EREMOTEIO, "VM %s: %s", vm, reply->error);
		ctl_free(m);
		return r;
	}
	*ret = reply;
	return 0;
}

int client_call(const char *vm, const char *verb, const char *const *args, size_t nargs,
		Outrigger__CliReply **ret, struct err *err)
{
	AUTO_FREE char *base = NULL;
	Outrigger__CliRequest q = OUTRIGGER__CLI_REQUEST__INIT;
	q.verb = (char *)(uintptr_t)verb;
	q.n_args = nargs;
	q.args = (char **)(uintptr_t)args; /* packing does not write */
	int r = runtime_base(&base, err);
	if (r < 0)
		return r;
	bool orphan = runtime_orphaned(base, vm, false);
	if (!orphan) {
		r = call(base, vm, &q, ret, err);
		if (r != -ECONNREFUSED || !runtime_orphaned(base, vm, true))
			return r;
	}
	r = orphan_adopt(base, vm, err);
	return r < 0 ? r : call(base, vm, &q, ret, err);
}

int client_status(const char *base, const char *vm, Outrigger__CliReply **ret, struct err *err)
{
	Outrigger__CliRequest q = OUTRIGGER__CLI_REQUEST__INIT;
	q.verb = (char *)(uintptr_t) "status";
	if (!runtime_orphaned(base, vm, false)) {
		int r = call(base, vm, &q, ret, err);
		if (r != -ECONNREFUSED || !runtime_orphaned(base, vm, true))
			return r;
	}
	return orphan_status(base, vm, ret, err);
}

Outrigger__VmConfig *client_config(const Outrigger__CliReply *r)
{
	if (!r->blob.len)
		return NULL;
	return (Outrigger__VmConfig *)(void *)ctl_unpack(&outrigger__vm_config__descriptor,
							 r->blob.data, r->blob.len);
}

const Outrigger__DeviceConfig *client_device_config(const Outrigger__VmConfig *c, const char *name)
{
	for (size_t i = 0; c && i < c->n_devices; i++)
		if (strcmp(c->devices[i]->name, name) == 0)
			return c->devices[i];
	return NULL;
}
