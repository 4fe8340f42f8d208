/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include "base/fd.h"
#include "launcher/client.h"
#include "launcher/verbs.h"
#include "proto/ctl.h"

static const struct option_def options[] = {OPTIONS_END};

/* Has the supervisor do @what, to the VM or to one device, and waits for it. */
static int ask(const struct args *a, const char *what, const char *vm_done, const char *device_done)
{
	struct err err = {0};
	Outrigger__CliReply *r = NULL;
	const char *device = a->noperands > 1 ? a->operand[1] : NULL;
	AUTO_FREE char *vm = client_vm(a->noperands ? a->operand[0] : NULL, NULL, &err);
	if (!vm || client_ask(vm, what, device, &r, &err) < 0)
		return fail("%s", text_printable(err.msg));
	ctl_free(&r->base);
	printf("%s: %s%s%s\n", vm, device ? device : "", device ? " " : "",
	       device ? device_done : vm_done);
	return EXIT_DONE;
}

static int pause_vm(const struct args *a)
{
	return ask(a, "pause", "paused; its clock stands still until `outrigger resume`",
		   "serves nothing until `outrigger resume`; what the guest asks it waits");
}

static int resume_vm(const struct args *a)
{
	return ask(a, "resume", "running", "serves again");
}

const struct verb verb_pause = {
	.name = "pause",
	.summary = "Stop a VM where it is: vCPUs, devices and the guest's clock; or one device",
	.operands = "[VM [DEVICE]]",
	.max_operands = 2,
	.complete = "@vm",
	.options = options,
	.text = "Without VM, the only running one. The command returns when no vCPU runs any more. "
		"The guest's counters and timers stand\n"
		"still, so it sees no time pass; a real-time clock that follows the host goes on. "
		"What comes from the host waits.\n\n"
		"With DEVICE, that device alone serves nothing. The guest goes on until it asks "
		"the "
		"device something that only its process\n"
		"can answer: then the whole VM stands still, as if paused, until the device is "
		"resumed.",
	.fn = pause_vm,
};

const struct verb verb_resume = {
	.name = "resume",
	.summary = "Let a paused VM, or a paused device, go on",
	.operands = "[VM [DEVICE]]",
	.max_operands = 2,
	.complete = "@vm",
	.options = options,
	.text = "Without VM, the only running one. The VM does not resume its paused devices, nor "
		"the other way round.",
	.fn = resume_vm,
};
