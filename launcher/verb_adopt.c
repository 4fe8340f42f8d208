/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "launcher/client.h"
#include "launcher/detach.h"
#include "launcher/runtime.h"
#include "launcher/supervise.h"
#include "launcher/verbs.h"

static const struct option_def options[] = {
	{"detach", 'd', NULL, "return when it is done; supervise in the background", NULL},
	{"console", 0, "MODE", "auto or stdio: show the console here; none", "auto stdio none"},
	{"quiet", 'q', NULL, "no progress lines, only errors and the reason of the end", NULL},
	OPTIONS_END,
};

/** struct job - what the background does. */
struct job {
	const char *vm;
	const struct models *models;
	struct run_options o;
};

static int supervise_job(void *arg, int ready_fd)
{
	struct job *j = arg;
	if (ready_fd >= 0) {
		j->o.ready_fd = ready_fd;
		j->o.detached = true;
	}
	return supervise_adopt(j->vm, j->models, &j->o);
}

static int adopt(const struct args *a)
{
	struct err err = {0};
	struct models m = {0};
	const char *console = args_get(a, "console");
	struct job j = {
		.models = &m,
		.o = {.quiet = args_flag(a, "quiet"), .ready_fd = -1, .start_ns = verb_start_ns}};
	if (console && strcmp(console, "none") == 0)
		j.o.console = RUN_CONSOLE_NONE;
	else if (console && strcmp(console, "stdio") == 0)
		j.o.console = RUN_CONSOLE_STDIO;
	else if (console && strcmp(console, "auto") != 0)
		return usage_error(a->verb, "--console %s: use one of auto, stdio, none", console);
	AUTO_FREE char *base = NULL;
	AUTO_FREE char *vm = client_vm(a->noperands ? a->operand[0] : NULL, &base, &err);
	if (!vm)
		return fail("%s", err.msg);
	if (!runtime_orphaned(base, vm, true)) /* one that was just killed may take a moment */
		return fail("VM %s has a supervisor; `outrigger ps %s` names it", vm, vm);
	if (models_load(&m, &err) < 0)
		return fail("%s", err.msg);
	j.vm = vm;
	int code = args_flag(a, "detach") ? detach_run(vm, "supervised", supervise_job, &j)
					  : supervise_job(&j, -1);
	models_fini(&m);
	return code;
}

const struct verb verb_adopt = {
	.name = "adopt",
	.summary = "Supervise a running VM whose supervisor was killed",
	.operands = "[VM]",
	.max_operands = 1,
	.complete = "@vm",
	.options = options,
	.text = "A VM goes on when its `outrigger run` is killed (SIGKILL) or crashes; `outrigger "
		"ps` "
		"calls it unsupervised then. adopt takes\n"
		"the place of that `run`: consoles, restarts of daemons, swaps and the rest work "
		"as "
		"before, and daemons that died meanwhile are\n"
		"started again. In the foreground it shows the end of the console and goes on with "
		"it, and its exit code is that of `run`.\n"
		"Other verbs that find such a VM adopt it in the background and say so; `ps` and "
		"`stop` do without.",
	.fn = adopt,
};
