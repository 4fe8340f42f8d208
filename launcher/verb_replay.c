/* SPDX-License-Identifier: Apache-2.0 */
/* `outrigger replay`: finds what each device of a trace was, and runs that model's own replayer (docs/replay.md). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "launcher/models.h"
#include "launcher/text.h"
#include "launcher/verbs.h"
#include "proto/trace_file.h"

enum { ARGS_ROOM = 48 };

static const struct option_def options[] = {
	{"device", 'd', "NAME", "this device only; else all of them, one after the other", NULL},
	{"model", 'm', "NAME|PATH", "the build to replay in: an installed model, or a program",
	 "@file"},
	{"until", 'u', "RECORD", "stop before this record (needs one device)", NULL},
	{"from-start", 0, "N", "begin at the N-th start of the trace, from 1", NULL},
	{"all", 'a', NULL, "after a difference go on at the next start", NULL},
	{"context", 0, "N", "records to show before a difference (8)", NULL},
	{"under", 0, "PROGRAM",
	 "run it under a debugger, which stops before --until; its own arguments "
	 "follow after --",
	 NULL},
	{"minimize", 0, "FILE", "write the fewest steps found that show the first difference",
	 "@file"},
	{"export-test", 0, "FILE|DIR", "write what is replayed, for a test of the suite", "@file"},
	OPTION_JSON,
	OPTIONS_END,
};

/** struct command - a command line being made. All borrowed. */
struct command {
	const char *argv[ARGS_ROOM];
	unsigned n;
};

static void add(struct command *c, const char *word)
{
	if (c->n < ARGS_ROOM - 1)
		c->argv[c->n++] = word;
}

static void add_option(struct command *c, const struct args *a, const char *name, const char *as)
{
	const char *v = args_get(a, name);
	if (v) {
		add(c, as);
		add(c, v);
	}
}

/* The program for a device of @model, heap; NULL: that was said. */
static char *program_of(const struct args *a, const char *model)
{
	const char *want = args_get(a, "model");
	if (want && strchr(want, '/')) {
		char *path = realpath(want, NULL);
		if (!path || access(path, X_OK)) {
			fail("%s: %s", want, strerror(errno));
			free(path);
			return NULL;
		}
		return path;
	}
	AUTO_FREE char *name = xstrdup(want ? want : model);
	AUTO_FREE char *dir = bindir();
	char *path = xasprintf("%s/outrigger-dm-%s", dir, name);
	if (!strchr(name, '/') && !access(path, X_OK)) /* the trace's word may be anybody's */
		return path;
	fail("there is no model %s in %s", text_printable(name), dir);
	free(path);
	return NULL;
}

/* The debugger and its arguments in front of the replayer. gdb is told to stop at the record. */
static void add_debugger(struct command *c, const struct args *a)
{
	const char *under = args_get(a, "under");
	if (!under)
		return;
	const char *base = strrchr(under, '/') ? strrchr(under, '/') + 1 : under;
	add(c, under);
	bool gdb = strstr(base, "gdb");
	if (gdb && args_get(a, "until")) {
		add(c, "-ex");
		add(c, "break replay_stop");
		add(c, "-ex");
		add(c, "run");
	}
	for (int i = 1; i < a->noperands; i++)
		add(c, a->operand[i]);
	if (gdb)
		add(c, "--args");
}

static void fill(struct command *c, const struct args *a, const char *program, const char *device)
{
	add_debugger(c, a);
	add(c, program);
	add(c, "--replay");
	add(c, a->operand[0]);
	add(c, "--device");
	add(c, device);
	add_option(c, a, "until", "--until");
	add_option(c, a, "from-start", "--from-start");
	add_option(c, a, "context", "--context");
	add_option(c, a, "minimize", "--minimize");
	add_option(c, a, "export-test", "--export");
	if (args_flag(a, "all"))
		add(c, "--all");
	if (args_flag(a, "json"))
		add(c, "--json");
	if (args_get(a, "under") && args_get(a, "until"))
		add(c, "--stop-at");
	c->argv[c->n] = NULL;
}

/* Runs it and waits. Its exit code; 1 if it ends in another way, and that is said. */
static int run(const struct command *c)
{
	int status = 0;
	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0)
		return fail("cannot start %s: %s", c->argv[0], strerror(errno));
	if (!pid) {
		execvp(c->argv[0], (char *const *)(uintptr_t)c->argv);
		fprintf(stderr, "outrigger: %s: %s\n", c->argv[0], strerror(errno));
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFSIGNALED(status))
		return fail("%s ended with signal %d (%s)", c->argv[0], WTERMSIG(status),
			    strsignal(WTERMSIG(status)));
	int code = WEXITSTATUS(status);
	return code > EXIT_USAGE ? EXIT_FAILED : code;
}

static bool has_start(const struct trace_file *f, unsigned device)
{
	struct trace_cursor c;
	struct port_entry e;
	const uint8_t *payload;
	trace_cursor_init(&c, f, device, TRACE_RING_DM);
	while (trace_cursor_next(&c, &e, &payload))
		if (e.op == TRACE_START)
			return true;
	return false;
}

/* DIR becomes DIR/MODEL/DEVICE.trace: where the suite looks. Heap; NULL: that was said. */
static char *export_path(const char *to, const Outrigger__TraceDevice *d)
{
	struct stat st;
	if (stat(to, &st) || !S_ISDIR(st.st_mode))
		return xstrdup(to);
	AUTO_FREE char *dir = xasprintf("%s/%s", to, text_printable(d->model));
	if (strchr(d->model, '/') || strchr(d->device, '/') ||
	    (mkdir(dir, 0777) && errno != EEXIST)) {
		fail("%s: %s", dir, strerror(errno));
		return NULL;
	}
	return xasprintf("%s/%s.trace", dir, text_printable(d->device));
}

static int replay_device(const struct args *a, const struct trace_file *f, unsigned i)
{
	const Outrigger__TraceDevice *d = trace_file_device_info(f, i);
	const char *to = args_get(a, "export-test");
	struct args mine = *a;
	struct command c = {.n = 0};
	AUTO_FREE char *program = program_of(a, d->model);
	AUTO_FREE char *path = program && to ? export_path(to, d) : NULL;
	if (!program || (to && !path))
		return EXIT_USAGE;
	for (int k = 0; k < mine.nopts; k++)
		if (to && !strcmp(mine.opt[k]->name, "export-test"))
			mine.value[k] = path;
	fill(&c, &mine, program, d->device);
	if (!args_flag(a, "json")) {
		printf("%s (%s): ", text_printable(d->device), text_printable(d->model));
		fflush(stdout);
	}
	int code = run(&c);
	if (to && !code)
		printf("%s\n", path);
	return code;
}

/* The devices that are meant. *@ret_n: how many; code other than 0: there are none, and that was said. */
static int choose(const struct args *a, const struct trace_file *f, unsigned *list, unsigned *ret_n)
{
	const char *name = args_get(a, "device");
	unsigned n = 0;
	for (unsigned i = 0; i < trace_file_devices(f); i++) {
		if (name && strcmp(trace_file_device_info(f, i)->device, name) != 0)
			continue;
		if (name || has_start(f, i))
			list[n++] = i;
		else
			fprintf(stderr,
				"outrigger: %s: its daemon's records have no start: left out\n",
				text_printable(trace_file_device_info(f, i)->device));
	}
	*ret_n = n;
	if (!n) {
		fail(name ? "%s: there is no device %s in it"
			  : "%s: nothing in it can be replayed%s",
		     a->operand[0], name ? name : "");
		return EXIT_USAGE;
	}
	bool one = args_get(a, "until") || args_get(a, "minimize") || args_get(a, "under");
	if (n > 1 && one)
		return usage_error(a->verb, "there are %u devices in it: choose one with --device",
				   n);
	return 0;
}

static int replay(const struct args *a)
{
	struct trace_file *f = NULL;
	struct err err = {{0}};
	unsigned list[TRACE_FILE_DEVICES], n = 0;
	if (a->noperands > 1 && !args_get(a, "under"))
		return usage_error(a->verb, "one file; what follows -- is for --under");
	if (trace_file_open(a->operand[0], &f, NULL, &err)) {
		fail("%s", err.msg);
		return EXIT_USAGE;
	}
	int worst = choose(a, f, list, &n);
	for (unsigned i = 0; i < n && worst != EXIT_USAGE; i++) {
		int code = replay_device(a, f, list[i]);
		worst = code > worst ? code : worst;
	}
	trace_file_close(f);
	return worst;
}

const struct verb verb_replay = {
	.name = "replay",
	.summary = "Feed a trace to a model without a VM and compare what it does",
	.operands = "FILE [-- ARG...]",
	.min_operands = 1,
	.max_operands = 8,
	.complete = "@file",
	.options = options,
	.text = "Each device of the trace is replayed by its model's own program (--model: by "
		"another "
		"build). Everything that the guest or the\n"
		"host could notice is compared; the first difference is printed with the records "
		"before "
		"it. Exit code 0: all as in the trace,\n"
		"1: not so, 2: the file cannot be used.\n\n"
		"`outrigger replay vm.trace --device uart0 --until 1234 --under gdb` stops before "
		"that "
		"record, with the model as it was then.\n"
		"--minimize leaves out steps as long as the difference stays. --export-test "
		"tests/replay makes a test of the suite.",
	.fn = replay,
};
