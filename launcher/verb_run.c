/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "base/fd.h"
#include "launcher/config_args.h"
#include "launcher/detach.h"
#include "launcher/supervise.h"
#include "launcher/verbs.h"

static const struct option_def options[] = {
	OPTIONS_CONFIG,
	{"detach", 'd', NULL, "return when the guest runs; the VM goes on in the background", NULL},
	{"no-reboot", 0, NULL, "end with exit code 3 when the guest asks for a reset", NULL},
	{"no-sandbox", 0, NULL, "device processes keep all rights: for debuggers and sanitizers",
	 NULL},
	{"quiet", 'q', NULL, "no progress lines, only errors and the reason of the end", NULL},
	OPTIONS_END,
};

/** struct job - what the background does. */
struct job {
	const struct config *config;
	const struct models *models;
	struct run_options *o;
};

static int supervise_job(void *arg, int ready_fd)
{
	const struct job *j = arg;
	j->o->ready_fd = ready_fd;
	j->o->detached = true;
	return supervise(j->config, j->models, j->o);
}

static int run(const struct args *a)
{
	struct config c;
	struct models m;
	const char *console = args_get(a, "console");
	struct run_options o = {.quiet = args_flag(a, "quiet"),
				.no_reboot = args_flag(a, "no-reboot"),
				.no_sandbox = args_flag(a, "no-sandbox"),
				.ready_fd = -1,
				.start_ns = verb_start_ns};
	if (console && strcmp(console, "stdio") == 0)
		o.console = RUN_CONSOLE_STDIO;
	else if (console && strcmp(console, "none") == 0)
		o.console = RUN_CONSOLE_NONE;
	else if (console && strcmp(console, "pty") == 0)
		o.console = RUN_CONSOLE_PTY;
	bool detach = args_flag(a, "detach");
	if (detach && o.console == RUN_CONSOLE_STDIO)
		return usage_error(
			a->verb,
			"--console stdio does not go with --detach; use `outrigger console` later");
	int code = config_from_args(&c, &m, a);
	struct job j = {&c, &m, &o};
	if (code == 0)
		code = detach ? detach_run(c.name, "running", supervise_job, &j)
			      : supervise(&c, &m, &o);
	config_fini(&c);
	models_fini(&m);
	return code;
}

const struct verb verb_run = {
	.name = "run",
	.summary = "Start a VM and stay with it to its end",
	.operands = "CONFIG",
	.min_operands = 1,
	.max_operands = 1,
	.complete = "@config",
	.options = options,
	.text = "CONFIG is a YAML file; everything in it is checked before anything is started. hv "
		"and one process\n"
		"per device are spawned, and the guest's console is joined to standard input and "
		"output.\n"
		"\n"
		"On a terminal: Ctrl-A x ends the VM, Ctrl-A h helps, Ctrl-A Ctrl-A sends Ctrl-A.\n"
		"\n"
		"Exit code: 0 the guest powered off (or Ctrl-A x, or `outrigger stop`), 1 the VM "
		"could not start,\n"
		"2 bad usage or config (nothing was started), 3 the guest asked for a reset and "
		"--no-reboot was\n"
		"given, 4 the guest crashed or was lost, 124 the timeout ran out, 128+N stopped by "
		"signal N.",
	.fn = run,
};
