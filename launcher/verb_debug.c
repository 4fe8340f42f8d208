/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A debugger on a device of a running guest. Two ways: it attaches to the daemon that serves, as it stands, sandbox and
 * all; or (--start, and where the host does not let it attach) it starts the daemon itself, which then takes the device over
 * as with `outrigger attach`. Either way hv knows that the daemon may be held, and for how long: as long as this process or
 * the debugger is there. So nothing has to be undone if we are killed.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "launcher/attach.h"
#include "launcher/client.h"
#include "launcher/verbs.h"
#include "proto/ctl.h"

enum { WAIT_S = 60, WAIT_S_MAX = 3600, BACK_MS = 10000, LOOK_MS = 20, ARGV_MAX = ARGS_MAX + 32 };

static const struct option_def options[] = {
	{"model", 'm', "NAME|PATH", "swap this program in first", "@file"},
	{"replace", 'r', NULL,
	 "when the debugger quits, a fresh process of the installed model takes over", NULL},
	{"print", 'p', NULL, "print the command instead of running it, for an IDE", NULL},
	{"start", 0, NULL, "the debugger starts the program itself instead of attaching", NULL},
	{"debugger", 'd', "PROGRAM", "instead of gdb", "@file"},
	{"wait", 'w', "SECONDS", "how long to wait for the debugger, or its daemon (default 60)",
	 NULL},
	OPTIONS_END,
};

/** struct session - what is debugged. Heap strings. */
struct session {
	char *vm, *program, *model; /* program: the one to debug; model: the device's, by name */
	const char *device;	    /* borrowed */
	int pid;
	unsigned wait_s;
	struct attach attach;
};

static void session_fini(struct session *s)
{
	free(s->vm);
	free(s->program);
	free(s->model);
	attach_fini(&s->attach);
}

static int call(const struct session *s, const char *verb, const char *arg, struct err *err)
{
	const char *args[] = {s->device, arg};
	Outrigger__CliReply *r = NULL;
	int rc = client_call(s->vm, verb, args, arg ? 2 : 1, &r, err);
	if (!rc)
		ctl_free(&r->base);
	return rc;
}

/* The process that serves now and its program. */
static int session_look(struct session *s, struct err *err)
{
	Outrigger__CliReply *r = NULL, *status = NULL;
	int at = 0, rc = client_ask(s->vm, "program", s->device, &r, err);
	if (rc < 0)
		return rc;
	free(s->program);
	s->program = NULL;
	if (sscanf(r->text, "%d %n", &s->pid, &at) == 1)
		s->program = xstrdup(r->text + at);
	ctl_free(&r->base);
	if (!s->program)
		return err_set(err, EPROTO, "the supervisor's answer makes no sense");
	rc = s->model ? 0 : client_ask(s->vm, "status", NULL, &status, err);
	for (size_t i = 0; status && i < status->vm->n_devices; i++)
		if (strcmp(status->vm->devices[i]->name, s->device) == 0)
			s->model = xstrdup(status->vm->devices[i]->model);
	if (status)
		ctl_free(&status->base);
	return rc;
}

/* ---- may a debugger attach? ---- */

/* Tried for real, by a child that ends at once: then the process goes on, and never has stopped. */
static int attachable(int pid)
{
	pid_t child = fork();
	if (child == 0)
		_exit(ptrace(PTRACE_SEIZE, pid, NULL, NULL) ? errno : 0);
	int status;
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -EIO;
	return -WEXITSTATUS(status);
}

/* ---- the debugger's command line ---- */

struct command {
	const char *argv[ARGV_MAX];
	size_t n;
	char pid[16], token[64];
};

static void add(struct command *c, const char *arg)
{
	if (c->n + 1 < ARGV_MAX)
		c->argv[c->n++] = arg;
}

static bool is_gdb(const char *debugger)
{
	const char *base = strrchr(debugger, '/');
	return strstr(base ? base + 1 : debugger, "gdb") != NULL;
}

/*
 * gdb looks for libraries in the daemon's root, which is empty: in ours they are. Its own `kill` waits for one thread after
 * the other; a daemon is the first process of its PID namespace, whose last thread to end waits in turn until the others are
 * reaped (zap_pid_ns_processes() in the kernel): both would wait for ever. So it lets go first.
 */
static const char gdb_kill[] =
	"python exec('class K(gdb.Command):\\n def __init__(s): "
	"super().__init__(\"kill\", gdb.COMMAND_RUNNING)\\n def invoke(s, a, t):\\n  import os\\n  "
	"p = gdb.selected_inferior().pid\\n  if p: gdb.execute(\"detach\"); os.kill(p, 9)\\nK()')";

static void gdb_settings(struct command *c)
{
	add(c, "-q");
	add(c, "-iex");
	add(c, "set sysroot /");
	add(c, "-iex");
	add(c, gdb_kill);
}

static void command_attach(struct command *c, const struct args *a, const struct session *s,
			   const char *debugger)
{
	snprintf(c->pid, sizeof(c->pid), "%d", s->pid);
	add(c, debugger);
	if (is_gdb(debugger))
		gdb_settings(c);
	if (is_gdb(debugger)) {
		add(c, s->program);
		add(c, "-p");
		add(c, c->pid);
	}
	for (int i = 2; i < a->noperands; i++)
		add(c, a->operand[i]);
	if (!is_gdb(debugger)) {
		add(c, "-p");
		add(c, c->pid);
	}
}

static void command_start(struct command *c, const struct args *a, const struct session *s,
			  const char *debugger)
{
	snprintf(c->token, sizeof(c->token), "OUTRIGGER_TOKEN=%s", s->attach.token);
	add(c, debugger);
	if (is_gdb(debugger))
		gdb_settings(c);
	for (int i = 2; i < a->noperands; i++)
		add(c, a->operand[i]);
	if (is_gdb(debugger)) {
		add(c, "-ex");
		add(c, "run");
		add(c, "--args");
	}
	add(c, s->program);
	add(c, "--dock");
	add(c, s->attach.dock);
	add(c, "--no-sandbox");
}

/* As a shell takes it. */
static void command_print(const struct command *c)
{
	AUTO_SB out = {0};
	sb_addf(&out, "%s", c->token);
	for (size_t i = 0; i < c->n; i++) {
		sb_add(&out, out.len ? " " : "");
		if (c->argv[i][0] &&
		    !c->argv[i][strcspn(c->argv[i], " \t\n'\"\\$`&;|<>()*?[]#~!{}")]) {
			sb_add(&out, c->argv[i]);
			continue;
		}
		sb_addc(&out, '\'');
		for (const char *p = c->argv[i]; *p; p++)
			sb_add(&out, *p == '\'' ? "'\\''" : (char[]){*p, 0});
		sb_addc(&out, '\'');
	}
	puts(sb_str(&out));
	fflush(stdout);
}

/* In this terminal, until it quits. What is typed, Ctrl-C too, is the debugger's. */
static int command_run(struct command *c)
{
	int status = 0;
	pid_t parent = getpid();
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	pid_t child = fork();
	if (child == 0) {
		/* The kernel then detaches it, and the daemon goes on. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(127);
		signal(SIGINT, SIG_DFL);
		signal(SIGQUIT, SIG_DFL);
		if (c->token[0])
			putenv(c->token);
		execvp(c->argv[0], (char *const *)(uintptr_t)c->argv);
		fprintf(stderr, "outrigger: cannot run %s: %s\n", c->argv[0], strerror(errno));
		_exit(127);
	}
	if (child < 0)
		return fail("cannot start %s: %s", c->argv[0], strerror(errno));
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFSIGNALED(status))
		return fail("%s ended with signal %d", c->argv[0], WTERMSIG(status));
	return WEXITSTATUS(status) ? EXIT_FAILED : EXIT_DONE;
}

/* ---- afterwards ---- */

/* True if the device serves, by whatever process. *@ret_down: and no other one will come by itself. */
static bool serves(const struct session *s, bool *ret_down)
{
	struct err err = {0};
	Outrigger__CliReply *r = NULL;
	bool yes = false;
	if (client_ask(s->vm, "status", NULL, &r, &err) < 0)
		return false;
	for (size_t i = 0; i < r->vm->n_devices; i++) {
		const char *state = r->vm->devices[i]->state;
		if (strcmp(r->vm->devices[i]->name, s->device) != 0)
			continue;
		yes = strcmp(state, "serving") == 0 || strcmp(state, "debugged") == 0;
		*ret_down = strcmp(state, "dead") == 0 || strcmp(state, "quarantined") == 0 ||
			    strcmp(state, "parked") == 0;
	}
	ctl_free(&r->base);
	return yes;
}

/* A fresh process of the installed model. One that the debugger killed may be on its way back already. */
static int replace(struct session *s)
{
	struct err err = {0};
	uint64_t end = clock_now_ns() + BACK_MS * 1000000ull;
	bool down = false, asked = false;
	while (!serves(s, &down) && clock_now_ns() < end) {
		if (down && !asked)
			asked = !call(s, "restart", NULL, &err);
		poll(NULL, 0, LOOK_MS);
	}
	if (call(s, "swap", s->model, &err) || session_look(s, &err))
		return fail("%s is not replaced: %s", s->device, text_printable(err.msg));
	printf("%s: %s is served by %s, pid %d\n", s->vm, s->device, text_printable(s->program),
	       s->pid);
	return EXIT_DONE;
}

/* ---- the two ways ---- */

static int debug_attached(const struct args *a, struct session *s, const char *debugger)
{
	struct command c = {0};
	struct err err = {0};
	char who[40];
	bool print = args_flag(a, "print");
	/* Before the debugger stops it. */
	snprintf(who, sizeof(who), "%d %u", print ? 0 : getpid(), s->wait_s * 1000);
	if (call(s, "debug", who, &err) || session_look(s, &err))
		return fail("%s", text_printable(err.msg));
	command_attach(&c, a, s, debugger);
	if (print) {
		command_print(&c);
		return EXIT_DONE;
	}
	int code = command_run(&c);
	call(s, "debug", "", &err); /* an error: the device is another one by now, or gone */
	return code;
}

static int debug_started(const struct args *a, struct session *s, const char *debugger)
{
	struct command c = {0};
	struct err err = {0};
	int pid;
	if (attach_begin(s->vm, s->device, s->wait_s * 1000, &s->attach, &err))
		return fail("%s", text_printable(err.msg));
	command_start(&c, a, s, debugger);
	if (args_flag(a, "print")) {
		command_print(&c);
		return EXIT_DONE;
	}
	int code = command_run(&c);
	if (attach_look(s->vm, s->device, &pid, &err) == -EAGAIN)
		attach_cancel(s->vm, s->device);
	return code;
}

static int wait_seconds(const struct args *a, unsigned *ret)
{
	const char *wait = args_get(a, "wait");
	char *end = NULL;
	unsigned long s = wait ? strtoul(wait, &end, 10) : WAIT_S;
	if (wait && (*end || end == wait || !s || s > WAIT_S_MAX))
		return usage_error(a->verb, "--wait %s: a number of seconds from 1 to %d", wait,
				   WAIT_S_MAX);
	*ret = (unsigned)s;
	return EXIT_DONE;
}

static int run(const struct args *a, struct session *s)
{
	struct err err = {0};
	const char *debugger = args_get(a, "debugger"), *model = args_get(a, "model");
	AUTO_FREE char *path = model && strchr(model, '/') ? realpath(model, NULL) : NULL;
	bool start = args_flag(a, "start");
	int code, rc;
	if (model && strchr(model, '/') && !path)
		return fail("%s: %s", model, strerror(errno));
	s->vm = client_vm(a->operand[0], NULL, &err);
	if (!s->vm || (model && call(s, "swap", path ? path : model, &err)) ||
	    session_look(s, &err))
		return fail("%s", text_printable(err.msg));
	debugger = debugger ? debugger : "gdb";
	rc = start ? 0 : attachable(s->pid);
	if (rc && rc != -ESRCH) {
		fprintf(stderr,
			"outrigger: this host lets no debugger attach to pid %d (%s; see "
			"docs/debugging.md): %s starts the program itself\n",
			s->pid, strerror(-rc), debugger);
		start = true;
	}
	code = start ? debug_started(a, s, debugger) : debug_attached(a, s, debugger);
	if (args_flag(a, "replace") && !args_flag(a, "print")) {
		rc = replace(s);
		code = code ? code : rc;
	}
	return code;
}

static int debug(const struct args *a)
{
	struct session s = {.device = a->operand[1]};
	int code = wait_seconds(a, &s.wait_s);
	if (code)
		return code;
	if (args_flag(a, "print") && args_flag(a, "replace"))
		return usage_error(a->verb, "--replace needs to know when the debugger quits; with "
					    "--print nobody does");
	code = run(a, &s);
	session_fini(&s);
	return code;
}

const struct verb verb_debug = {
	.name = "debug",
	.summary = "Put a device of the running guest under a debugger; its clock stands meanwhile",
	.operands = "VM DEVICE [-- ARG...]",
	.min_operands = 2,
	.max_operands = ARGS_MAX,
	.complete = "@vm",
	.options = options,
	.text = "Runs gdb in this terminal on the process that serves the device, or on another "
		"build that is swapped in first (--model). What\n"
		"follows -- is the debugger's. While the debugger holds the process, and while an "
		"access of the guest waits for it, the whole\n"
		"guest stands still: no time passes for it, no watchdog fires. `ps` shows "
		"debugged, "
		"held, parked.\n\n"
		"When the debugger quits, the process goes on serving; with --replace a fresh one "
		"of "
		"the installed model takes over. One that the\n"
		"debugger kills is a crash as any other: on_failure answers. Several devices can "
		"be "
		"debugged at once.\n\n"
		"--print returns at once: the debugger has --wait seconds to attach.",
	.fn = debug,
};
