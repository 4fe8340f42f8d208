/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "launcher/client.h"
#include "launcher/json.h"
#include "launcher/verbs.h"
#include "proto/ctl.h"
#include "proto/limits.h"
#include "proto/trace.h"

enum { LOOK_MS = 200, ARGS_ROOM = 68 };

static const struct option_def options[] = {
	{"model", 'm', "NAME|PATH", "the build to run: an installed model, or a program", "@file"},
	{"set", 's', "NAME=VALUE", "an option of the device, for this build only (repeatable)",
	 NULL},
	{"for", 0, "SECONDS", "end it after so long; else Ctrl-C does", NULL},
	{"promote-after", 0, "N",
	 "put it in the serving one's place once N records in a row were as there", NULL},
	{"detach", 0, NULL, "do not wait: it goes on until --stop", NULL},
	{"stop", 0, NULL, "end the device's shadow run", NULL},
	{"status", 0, NULL, "say how it goes", NULL},
	OPTION_JSON,
	OPTIONS_END,
};

/** struct numbers - the supervisor's first line. */
struct numbers {
	int pid;
	unsigned long long records, outputs, unknown, diverged, clean, lost, starts, recent;
	char *program, *why, *rest; /* in the answer */
};

static bool take_line(char **at, char **ret)
{
	*ret = *at;
	char *nl = strchr(*at, '\n');
	if (!nl)
		return false;
	*nl = 0;
	*at = nl + 1;
	return true;
}

static int ask(const char *vm, const char *verb, const char *device, unsigned long long from,
	       Outrigger__CliReply **ret, struct numbers *n, struct err *err)
{
	char number[24];
	const char *args[] = {device, number};
	snprintf(number, sizeof(number), "%llu", from);
	int r = client_call(vm, verb, args, 2, ret, err);
	if (r < 0)
		return r;
	char *at = (*ret)->text, *first;
	if (!take_line(&at, &first) || !take_line(&at, &n->program) || !take_line(&at, &n->why) ||
	    sscanf(first, "%d %llu %llu %llu %llu %llu %llu %llu %llu", &n->pid, &n->records,
		   &n->outputs, &n->unknown, &n->diverged, &n->clean, &n->lost, &n->starts,
		   &n->recent) != 9) {
		ctl_free(&(*ret)->base);
		return err_set(err, EPROTO, "the supervisor's answer makes no sense");
	}
	n->rest = at;
	return 0;
}

/* ---- what is said ---- */

static void say_differences(const char *device, char *at, bool json)
{
	for (char *line; take_line(&at, &line);) {
		AUTO_SB out = {0};
		struct json j = {.out = &out};
		if (!json) {
			printf("%s: differs: %s\n", device, text_printable(line));
			continue;
		}
		json_open(&j, NULL, '{');
		json_str(&j, "event", "diverged");
		json_str(&j, "device", device);
		json_str(&j, "text", line);
		json_close(&j, '}');
		fputs(sb_str(&out), stdout);
	}
	fflush(stdout);
}

static void say_numbers(const char *device, const struct numbers *n, bool json)
{
	AUTO_SB out = {0};
	struct json j = {.out = &out};
	if (!json) {
		printf("%s: shadow run of %s, pid %d%s%s: %llu records, %llu outputs compared, "
		       "%llu "
		       "unknown, %llu differences, %llu clean in a row, %llu bytes missed\n",
		       device, text_printable(n->program), n->pid, n->why[0] ? ", over: " : "",
		       text_printable(n->why), n->records, n->outputs, n->unknown, n->diverged,
		       n->clean, n->lost);
		return;
	}
	json_open(&j, NULL, '{');
	json_str(&j, "event", n->why[0] ? "end" : "status");
	json_str(&j, "device", device);
	json_str(&j, "program", n->program);
	json_str(&j, "why", n->why[0] ? n->why : NULL);
	json_i64(&j, "pid", n->pid);
	json_u64(&j, "records", n->records);
	json_u64(&j, "outputs", n->outputs);
	json_u64(&j, "unknown", n->unknown);
	json_u64(&j, "diverged", n->diverged);
	json_u64(&j, "clean", n->clean);
	json_u64(&j, "missed_bytes", n->lost);
	json_u64(&j, "starts", n->starts);
	json_close(&j, '}');
	fputs(sb_str(&out), stdout);
}

/* ---- the run ---- */

/* Begins it: the token of a reader from hv, then the process. */
static int begin(const char *vm, const struct args *a, struct err *err)
{
	const char *device = a->operand[1], *model = args_get(a, "model"), *call[ARGS_ROOM];
	const char *promote = args_get(a, "promote-after");
	char want[8], token[LIMIT_TOKEN + 1] = "";
	Outrigger__CliReply *r = NULL;
	size_t n = 4;
	AUTO_FREE char *path = strchr(model, '/') ? realpath(model, NULL) : xstrdup(model);
	if (!path)
		return err_set(err, errno, "%s: %s", model, strerror(errno));
	snprintf(want, sizeof(want), "%u", TRACE_WANT_RECORDS | TRACE_WANT_BYTES);
	const char *observe[] = {device, want};
	int rc = client_call(vm, "observe", observe, 2, &r, err);
	if (rc < 0)
		return rc;
	if (r->blob.len == LIMIT_TOKEN)
		memcpy(token, r->blob.data, LIMIT_TOKEN);
	ctl_free(&r->base);
	call[0] = device;
	call[1] = token;
	call[2] = path;
	call[3] = promote ? promote : "0";
	for (int i = 0; i < a->nopts && n < ARGS_ROOM; i++)
		if (strcmp(a->opt[i]->name, "set") == 0)
			call[n++] = a->value[i];
	r = NULL;
	rc = client_call(vm, "shadow", call, n, &r, err);
	if (!rc)
		ctl_free(&r->base);
	return rc;
}

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* Prints what it finds until it is over. The exit code. */
static int follow(const char *vm, const struct args *a, double seconds)
{
	const char *device = a->operand[1];
	bool json = args_flag(a, "json");
	uint64_t end = seconds > 0 ? clock_now_ns() + (uint64_t)(seconds * 1e9) : UINT64_MAX;
	unsigned long long from = 0;
	struct sigaction sa = {.sa_handler = on_signal};
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	for (;;) {
		struct err err = {0};
		struct numbers n;
		Outrigger__CliReply *r = NULL;
		bool last = interrupted || clock_now_ns() >= end;
		if (ask(vm, last ? "shadow-stop" : "shadow-status", device, from, &r, &n, &err) < 0)
			return fail("%s", text_printable(err.msg));
		if (!last || n.recent > from)
			say_differences(device, last ? (char[]){""} : n.rest, json);
		from = n.recent;
		bool over = n.why[0] || last;
		if (over)
			say_numbers(device, &n, json);
		bool promoted = strncmp(n.why, "promoted", 8) == 0;
		bool good = promoted || strcmp(n.why, "stopped") == 0;
		unsigned long long diverged = n.diverged;
		ctl_free(&r->base);
		if (over)
			return good && (promoted || !diverged) ? EXIT_DONE : EXIT_FAILED;
		poll(NULL, 0, LOOK_MS);
	}
}

static int once(const char *vm, const struct args *a, const char *verb)
{
	struct err err = {0};
	struct numbers n;
	Outrigger__CliReply *r = NULL;
	if (ask(vm, verb, a->operand[1], 0, &r, &n, &err) < 0)
		return fail("%s", text_printable(err.msg));
	say_differences(a->operand[1], n.rest, args_flag(a, "json"));
	say_numbers(a->operand[1], &n, args_flag(a, "json"));
	ctl_free(&r->base);
	return EXIT_DONE;
}

static bool good_number(const char *s, double *ret)
{
	char *end;
	*ret = s ? strtod(s, &end) : 0;
	return !s || (end != s && !*end && *ret > 0);
}

static int shadow(const struct args *a)
{
	struct err err = {0};
	double seconds, records;
	bool stop = args_flag(a, "stop"), status = args_flag(a, "status");
	if (!stop && !status && !args_get(a, "model"))
		return usage_error(a->verb, "which build? --model NAME|PATH; or --stop, --status");
	if (!good_number(args_get(a, "for"), &seconds))
		return usage_error(a->verb, "--for %s: write seconds", args_get(a, "for"));
	if (!good_number(args_get(a, "promote-after"), &records))
		return usage_error(a->verb, "--promote-after %s: write a number of records",
				   args_get(a, "promote-after"));
	AUTO_FREE char *vm = client_vm(a->operand[0], NULL, &err);
	if (!vm)
		return fail("%s", text_printable(err.msg));
	if (stop || status)
		return once(vm, a, stop ? "shadow-stop" : "shadow-status");
	if (begin(vm, a, &err) < 0)
		return fail("%s", text_printable(err.msg));
	return args_flag(a, "detach") ? EXIT_DONE : follow(vm, a, seconds);
}

const struct verb verb_shadow = {
	.name = "shadow",
	.summary = "Run another build of a device's model beside the serving one and compare them",
	.operands = "VM DEVICE",
	.min_operands = 2,
	.max_operands = 2,
	.complete = "@vm",
	.options = options,
	.text = "The other build gets what the serving daemon gets, from the device's trace; what "
		"it "
		"does is compared and thrown away.\n"
		"It never makes the guest wait: if it is too slow it misses some, and goes on "
		"later. Differences are printed as they are\n"
		"found, and in the supervisor's log. Exit code 0: there was none, or it was "
		"promoted.\n\n"
		"--promote-after N swaps it in after N records without a difference; a difference "
		"begins the count anew.",
	.fn = shadow,
};
