/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/fd.h"
#include "launcher/client.h"
#include "launcher/orphan.h"
#include "launcher/runtime.h"
#include "launcher/verbs.h"
#include "proto/ctl.h"

enum { STOP_MS = 10000, ASK_MS = 60000 };

static const struct option_def options[] = {
	{"ask", 'a', NULL,
	 "press the power button, and wait until the guest has switched itself off", NULL},
	{"force", 'f', NULL, "kill hv and all device processes at once", NULL},
	OPTIONS_END,
};

/* Waits until process @pid is gone. */
static int wait_gone(pid_t pid, int ms)
{
	AUTO_FD fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return errno == ESRCH ? 0 : -errno;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int r;
	do
		r = poll(&p, 1, ms);
	while (r < 0 && errno == EINTR);
	return r == 1 ? 0 : -ETIMEDOUT;
}

static int stop_orphan(const char *base, const char *vm, bool force)
{
	struct err err = {0};
	if (orphan_stop(base, vm, force, &err) < 0)
		return fail("%s", err.msg);
	runtime_list_free(runtime_list(base)); /* removes its folder */
	return EXIT_DONE;
}

static int stop(const struct args *a)
{
	struct err err = {0};
	AUTO_FREE char *base = NULL;
	AUTO_FREE char *vm = client_vm(a->noperands ? a->operand[0] : NULL, &base, &err);
	Outrigger__CliReply *reply = NULL;
	if (!vm)
		return fail("%s", err.msg);
	bool ask = args_flag(a, "ask") && !args_flag(a, "force");
	if (runtime_orphaned(base, vm, false))
		return stop_orphan(base, vm, args_flag(a, "force"));
	int r = client_ask(vm, ask ? "powerdown" : "stop", args_flag(a, "force") ? "force" : NULL,
			   &reply, &err);
	if (r < 0 && runtime_orphaned(base, vm, false))
		return stop_orphan(base, vm, args_flag(a, "force"));
	if (r < 0)
		return runtime_alive(base, vm) ? fail("%s", err.msg) : EXIT_DONE;
	pid_t pid = reply->supervisor_pid;
	ctl_free(&reply->base);
	r = wait_gone(pid, ask ? ASK_MS : STOP_MS);
	if (r < 0 && ask && runtime_alive(base, vm))
		return fail("VM %s: the guest has not switched itself off within %d s of its power "
			    "button; `outrigger stop` is like switching the power off",
			    vm, ASK_MS / 1000);
	if (r < 0 && runtime_alive(base, vm))
		return fail("VM %s: its supervisor (pid %d) did not end within %d s; try --force",
			    vm, pid, STOP_MS / 1000);
	return EXIT_DONE;
}

const struct verb verb_stop = {
	.name = "stop",
	.summary = "End a running VM and wait until it is gone",
	.operands = "[VM]",
	.max_operands = 1,
	.complete = "@vm",
	.options = options,
	.text = "Without VM, the only running one. This is like switching the power off. With "
		"--ask the guest "
		"is asked by its\n"
		"power button, where the machine has one (x86_64-pc) and the guest listens; else "
		"run `poweroff` in "
		"the guest for\nan orderly end.",
	.fn = stop,
};
