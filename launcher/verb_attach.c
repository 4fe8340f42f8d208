/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fd.h"
#include "launcher/attach.h"
#include "launcher/client.h"
#include "launcher/json.h"
#include "launcher/verbs.h"
#include "proto/ctl.h"

enum { LOOK_MS = 50, WAIT_S = 60, WAIT_S_MAX = 3600 };

static const struct option_def options[] = {
	{"wait", 'w', "SECONDS", "how long the daemon may take to come up (default 60)", NULL},
	OPTION_JSON,
	OPTIONS_END,
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	stopped = sig;
}

int attach_begin(const char *vm, const char *device, unsigned wait_ms, struct attach *ret,
		 struct err *err)
{
	char ms[16];
	const char *args[] = {device, ms};
	Outrigger__CliReply *r = NULL;
	snprintf(ms, sizeof(ms), "%u", wait_ms);
	int rc = client_call(vm, "attach", args, 2, &r, err);
	if (rc < 0)
		return rc;
	char *dock = strchr(r->text, '\n'), *program = dock ? strchr(dock + 1, '\n') : NULL;
	if (!program) {
		ctl_free(&r->base);
		return err_set(err, EPROTO, "the supervisor's answer makes no sense");
	}
	*dock++ = *program++ = 0;
	ret->token = xstrdup(r->text);
	ret->dock = xstrdup(dock);
	ret->program = xstrdup(program);
	ctl_free(&r->base);
	return 0;
}

void attach_fini(struct attach *a)
{
	free(a->token);
	free(a->dock);
	free(a->program);
	*a = (struct attach){0};
}

int attach_look(const char *vm, const char *device, int *ret_pid, struct err *err)
{
	Outrigger__CliReply *r = NULL;
	int rc = client_ask(vm, "attach-state", device, &r, err);
	if (rc < 0)
		return rc;
	if (sscanf(r->text, "done %d", ret_pid) != 1)
		rc = -EAGAIN;
	ctl_free(&r->base);
	return rc;
}

void attach_cancel(const char *vm, const char *device)
{
	struct err err = {0};
	Outrigger__CliReply *r = NULL;
	if (!client_ask(vm, "attach-cancel", device, &r, &err))
		ctl_free(&r->base);
}

static void print(const char *vm, const char *device, const struct attach *t, unsigned wait,
		  bool json)
{
	AUTO_FREE char *command = xasprintf("OUTRIGGER_TOKEN=%s %s --dock %s --no-sandbox",
					    t->token, t->program, t->dock);
	if (json) {
		AUTO_SB out = {0};
		struct json j = {.out = &out};
		json_open(&j, NULL, '{');
		json_str(&j, "vm", vm);
		json_str(&j, "device", device);
		json_str(&j, "token", t->token);
		json_str(&j, "dock", t->dock);
		json_str(&j, "program", t->program);
		json_str(&j, "command", command);
		json_close(&j, '}');
		fputs(sb_str(&out), stdout);
	} else {
		printf("%s: start the daemon of %s within %u s; the token is good for once:\n  "
		       "%s\n",
		       vm, device, wait, command);
	}
	fflush(stdout);
}

/* Until the daemon has the device, or it is known that it will not. */
static int wait_taken(const char *vm, const char *device, bool json)
{
	struct err err = {0};
	int pid = 0, rc;
	while ((rc = attach_look(vm, device, &pid, &err)) == -EAGAIN) {
		poll(NULL, 0, LOOK_MS);
		if (!stopped)
			continue;
		attach_cancel(vm, device);
		fail("cancelled: the token is good for nothing now");
		return 128 + stopped;
	}
	if (rc)
		return fail("%s", text_printable(err.msg));
	if (!json)
		printf("%s: %s is served by pid %d, which was started by hand\n", vm, device, pid);
	return EXIT_DONE;
}

static int attach(const struct args *a)
{
	struct err err = {0};
	struct attach t = {0};
	const char *wait = args_get(a, "wait"), *device = a->operand[1];
	char *end = NULL;
	unsigned long s = wait ? strtoul(wait, &end, 10) : WAIT_S;
	if (wait && (*end || end == wait || !s || s > WAIT_S_MAX))
		return usage_error(a->verb, "--wait %s: a number of seconds from 1 to %d", wait,
				   WAIT_S_MAX);
	AUTO_FREE char *vm = client_vm(a->operand[0], NULL, &err);
	struct sigaction sa = {.sa_handler = on_signal};
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	if (!vm || attach_begin(vm, device, (unsigned)s * 1000, &t, &err) < 0)
		return fail("%s", text_printable(err.msg));
	print(vm, device, &t, (unsigned)s, args_flag(a, "json"));
	attach_fini(&t);
	return wait_taken(vm, device, args_flag(a, "json"));
}

const struct verb verb_attach = {
	.name = "attach",
	.summary = "Let a daemon that you start yourself take a device over",
	.operands = "VM DEVICE",
	.min_operands = 2,
	.max_operands = 2,
	.complete = "@vm",
	.options = options,
	.text = "Prints a token that is good for once, and a command line to paste: into a "
		"terminal, an IDE, behind `gdb --args`, `valgrind`,\n"
		"`rr record`. Then it waits until that daemon has come up and has taken the device "
		"over, as in a swap: until then the one\n"
		"that serves goes on. A device that nobody serves is taken over as after a crash. "
		"Ctrl-C cancels.\n\n"
		"The process is yours. While it serves, the guest waits for it however slow it is, "
		"and stands still while it is stopped;\n"
		"when it ends, on_failure answers, with the program that served before.",
	.fn = attach,
};
