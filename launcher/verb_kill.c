/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/fd.h"
#include "launcher/client.h"
#include "launcher/verbs.h"
#include "proto/ctl.h"

enum { SERVING_MS = 5000, LOOK_MS = 5 };

static const struct option_def options[] = {OPTIONS_END};

/* State and pid of @device; 0 if the VM answers. */
static int look(const char *vm, const char *device, int32_t *ret_pid, bool *ret_serving,
		struct err *err)
{
	Outrigger__CliReply *r = NULL;
	if (client_ask(vm, "status", NULL, &r, err) < 0)
		return -1;
	for (size_t i = 0; i < r->vm->n_devices; i++) {
		const Outrigger__DeviceStatus *d = r->vm->devices[i];
		if (strcmp(d->name, device) != 0)
			continue;
		*ret_pid = d->pid;
		*ret_serving = strcmp(d->state, "serving") == 0;
	}
	ctl_free(&r->base);
	return 0;
}

static int ask(const char *vm, const char *verb, const char *device, struct err *err)
{
	Outrigger__CliReply *r = NULL;
	if (client_ask(vm, verb, device, &r, err) < 0)
		return -1;
	ctl_free(&r->base);
	return 0;
}

static int kill_device(const struct args *a)
{
	struct err err = {0};
	AUTO_FREE char *vm = client_vm(a->operand[0], NULL, &err);
	if (!vm || ask(vm, "kill", a->operand[1], &err))
		return fail("%s", text_printable(err.msg));
	printf("%s: the process of %s was killed\n", vm, a->operand[1]);
	return EXIT_DONE;
}

static int restart_device(const struct args *a)
{
	struct err err = {0};
	const char *device = a->operand[1];
	AUTO_FREE char *vm = client_vm(a->operand[0], NULL, &err);
	int32_t old = 0, pid = 0;
	bool serving = false;
	if (!vm || look(vm, device, &old, &serving, &err) || ask(vm, "restart", device, &err))
		return fail("%s", text_printable(err.msg));
	uint64_t end = clock_now_ns() + SERVING_MS * 1000000ull;
	while (clock_now_ns() < end) {
		if (look(vm, device, &pid, &serving, &err))
			return fail("%s", text_printable(err.msg));
		if (serving && pid != old) {
			printf("%s: %s serves again, pid %d\n", vm, device, pid);
			return EXIT_DONE;
		}
		poll(NULL, 0, LOOK_MS);
	}
	return fail("%s: %s does not serve again within %d s; see `outrigger ps %s` and its log",
		    vm, device, SERVING_MS / 1000, vm);
}

const struct verb verb_kill = {
	.name = "kill",
	.summary = "Kill the process of a device (SIGKILL), as a crash would",
	.operands = "VM DEVICE",
	.min_operands = 2,
	.max_operands = 2,
	.complete = "@vm",
	.options = options,
	.text = "What becomes of the device is its on_failure: restart (the default) starts "
		"another process, which goes on from the\n"
		"committed state.",
	.fn = kill_device,
};

const struct verb verb_restart = {
	.name = "restart",
	.summary = "Replace the process of a device by a fresh one of the same model",
	.operands = "VM DEVICE",
	.min_operands = 2,
	.max_operands = 2,
	.complete = "@vm",
	.options = options,
	.text = "The old process is killed; the new one goes on from the committed state, and "
		"serves what was asked meanwhile. Works\n"
		"whatever on_failure says, also for a device whose restarts were given up, if it "
		"may restart. Returns when it serves.",
	.fn = restart_device,
};
