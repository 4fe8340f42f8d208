/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include "base/fd.h"
#include "launcher/client.h"
#include "launcher/verbs.h"
#include "proto/ctl.h"

static const struct option_def options[] = {OPTIONS_END};

/* Has the supervisor do @what and waits for it. */
static int ask(const struct args *a, const char *what, const char *done)
{
	struct err err = {0};
	Outrigger__CliReply *r = NULL;
	AUTO_FREE char *vm = client_vm(a->noperands ? a->operand[0] : NULL, NULL, &err);
	if (!vm || client_ask(vm, what, NULL, &r, &err) < 0)
		return fail("%s", text_printable(err.msg));
	ctl_free(&r->base);
	printf("%s: %s\n", vm, done);
	return EXIT_DONE;
}

static int pause_vm(const struct args *a)
{
	return ask(a, "pause", "paused; its clock stands still until `outrigger resume`");
}

static int resume_vm(const struct args *a)
{
	return ask(a, "resume", "running");
}

const struct verb verb_pause = {
	.name = "pause",
	.summary = "Stop a VM where it is: vCPUs, devices and the guest's clock",
	.operands = "[VM]",
	.max_operands = 1,
	.complete = "@vm",
	.options = options,
	.text = "Without VM, the only running one. The command returns when no vCPU runs any more. "
		"The guest's counters and timers stand\n"
		"still, so it sees no time pass; a real-time clock that follows the host goes on. "
		"What comes from the host waits.",
	.fn = pause_vm,
};

const struct verb verb_resume = {
	.name = "resume",
	.summary = "Let a paused VM go on",
	.operands = "[VM]",
	.max_operands = 1,
	.complete = "@vm",
	.options = options,
	.text = "Without VM, the only running one.",
	.fn = resume_vm,
};
