/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outrigger-dm-X --replay FILE: replays the trace of one device through this build of the model. docs/replay.md.
 *
 * Exit code 0: the model did what the trace says; 1: it did not; 2: bad usage, or no usable file.
 */
#include "devmodel/core/replay_main.h"
#include "base/err.h"
#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull;

#define CONTEXT_MAX 64u

/** struct seen - a record that was fed, for the context of a difference. */
struct seen {
	uint64_t index;
	char text[160];
};

struct run {
	const struct dm_class *cls;
	const struct replay_args *args;
	struct replay *replay;
	struct seen seen[CONTEXT_MAX];
	uint64_t fed, differences;
	bool stopped;
};

/** replay_stop - a debugger's breakpoint: the next record is the one named by --until. */
void replay_stop(uint64_t record);

__attribute__((noinline, used)) void replay_stop(uint64_t record)
{
	__asm__ volatile("" : : "r"(record) : "memory");
}

/* ---- what is said ---------------------------------------------------------------------------------------- */

static void say_context(const struct run *r)
{
	uint64_t n = r->fed < r->args->context ? r->fed : r->args->context;
	for (uint64_t i = r->fed - n; i < r->fed; i++) {
		const struct seen *s = &r->seen[i % CONTEXT_MAX];
		printf("  %8llu  %s\n", (ull)s->index, s->text);
	}
}

static void json_pair(struct dm_text *t, const char *name, const char *value)
{
	dm_text_addf(t, ", \"%s\": ", name);
	dm_text_json(t, value);
}

static void json_difference(const struct replay_diverged *d)
{
	struct dm_text t = {0};
	dm_text_addf(&t, "{\"event\": \"diverged\", \"record\": %llu, \"step\": %llu",
		     (ull)d->record, (ull)d->step);
	json_pair(&t, "kind", d->kind);
	json_pair(&t, "where", d->where);
	json_pair(&t, "expected", d->expected);
	json_pair(&t, "got", d->got);
	dm_text_addf(&t, "}");
	char *s = dm_text_steal(&t);
	if (s)
		puts(s);
	free(s);
}

static void say_difference(const struct run *r)
{
	const struct replay_diverged *d = replay_difference(r->replay);
	if (r->args->json) {
		json_difference(d);
		return;
	}
	say_context(r);
	printf("diverged at record %llu (step %llu, %s): %s\n"
	       "  expected  %s\n"
	       "  got       %s\n",
	       (ull)d->record, (ull)d->step, d->kind, d->where, d->expected, d->got);
}

static const char *result(const struct run *r)
{
	return r->differences ? "diverged" : r->stopped ? "stopped" : "clean";
}

static void say_end(const struct run *r)
{
	const struct replay_stats *s = replay_stats(r->replay);
	if (r->args->json) {
		printf("{\"event\": \"end\", \"result\": \"%s\", \"records\": %llu, \"steps\": "
		       "%llu, "
		       "\"outputs\": %llu, "
		       "\"unknown\": %llu, \"starts\": %llu, \"gaps\": %llu, \"skipped\": %llu, "
		       "\"diverged\": %llu, \"hash\": \"%016llx\"}\n",
		       result(r), (ull)s->records, (ull)s->steps, (ull)s->outputs, (ull)s->unknown,
		       (ull)s->starts, (ull)s->gaps, (ull)s->skipped, (ull)s->diverged,
		       (ull)s->hash);
		return;
	}
	printf("%s: %llu records, %llu steps, %llu outputs compared, %llu unknown, %llu skipped, "
	       "%llu starts, %llu gaps, hash %016llx\n",
	       result(r), (ull)s->records, (ull)s->steps, (ull)s->outputs, (ull)s->unknown,
	       (ull)s->skipped, (ull)s->starts, (ull)s->gaps, (ull)s->hash);
}

/* ---- the file ---------------------------------------------------------------------------------------------- */

int replay_complain(const char *fmt, ...)
{
	va_list ap;
	fputs("replay: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return 2;
}

/* The device to replay: the one that was named, or the only one of this model. -1: there is none, and that was said. */
static int choose(const struct trace_file *f, const struct run *r)
{
	int found = -1;
	for (unsigned i = 0; i < trace_file_devices(f); i++) {
		const Outrigger__TraceDevice *d = trace_file_device_info(f, i);
		bool named = r->args->device && !strcmp(d->device, r->args->device);
		if (r->args->device ? !named : strcmp(d->model, r->cls->name) != 0)
			continue;
		if (found >= 0) {
			replay_complain("%s: devices %s and %s are both a %s: choose with --device",
					r->args->file,
					trace_file_device_info(f, (unsigned)found)->device,
					d->device, r->cls->name);
			return -1;
		}
		found = (int)i;
	}
	if (found < 0 && r->args->device)
		replay_complain("%s: no device '%s' in it", r->args->file, r->args->device);
	else if (found < 0)
		replay_complain("%s: no %s in it", r->args->file, r->cls->name);
	return found;
}

/* One record. 0, 1: diverged, 2: it makes no sense. */
static int feed(struct run *r, const struct port_entry *e, const uint8_t *payload, uint64_t index)
{
	struct err err = {{0}};
	struct seen *s = &r->seen[r->fed++ % CONTEXT_MAX];
	s->index = index;
	replay_text(replay_model(r->replay), e, payload, s->text, sizeof(s->text));
	int rc = replay_feed(r->replay, e, payload, index, &err);
	if (rc < 0)
		return replay_complain("%s", err.msg);
	if (!rc)
		return 0;
	r->differences++;
	say_difference(r);
	return 1;
}

static int run(struct run *r, const struct trace_file *f, unsigned device)
{
	struct trace_cursor c;
	struct port_entry e;
	const uint8_t *payload;
	uint64_t starts = 0;
	int rc = 0;
	trace_cursor_init(&c, f, device, TRACE_RING_DM);
	for (;;) {
		uint64_t index = c.index;
		if (!trace_cursor_next(&c, &e, &payload))
			break;
		starts += e.op == TRACE_START;
		if (starts < r->args->from_start)
			continue;
		if (r->args->has_until && index == r->args->until) {
			replay_stop(index);
			if (!r->args->stop_at) {
				r->stopped = true;
				break;
			}
		}
		rc = feed(r, &e, payload, index);
		if (rc == 2 || (rc && !r->args->all))
			break;
	}
	if (!rc && replay_end(r->replay)) {
		r->differences++;
		say_difference(r);
	}
	if (!starts)
		return replay_complain("%s: there is no start in it: nothing can be replayed",
				       r->args->file);
	return rc == 2 ? 2 : r->differences != 0;
}

static int replay_file(const struct dm_class *cls, const struct replay_args *a)
{
	struct run r = {.cls = cls, .args = a};
	struct trace_file *f;
	struct err err = {{0}};
	bool cut = false;
	if (trace_file_open(a->file, &f, &cut, &err))
		return replay_complain("%s", err.msg);
	if (cut)
		fprintf(stderr, "replay: %s: its end is cut off\n", a->file);
	int device = choose(f, &r), rc = 2;
	if (device >= 0 && a->minimize)
		rc = replay_minimize(cls, f, (unsigned)device, a->minimize);
	else if (device >= 0 && a->export)
		rc = replay_export(f, (unsigned)device, a->export);
	else if (device >= 0 && replay_create(&r.replay, cls))
		replay_complain("out of memory");
	else if (device >= 0)
		rc = run(&r, f, (unsigned)device);
	if (r.replay && rc != 2)
		say_end(&r);
	replay_destroy(r.replay);
	trace_file_close(f);
	return rc;
}

/* ---- the command line -------------------------------------------------------------------------------------- */

static bool number(const char *option, const char *s, uint64_t *ret)
{
	char *end;
	errno = 0;
	*ret = strtoull(s, &end, 10);
	if (isdigit((unsigned char)*s) && !*end && !errno)
		return true;
	replay_complain("--%s '%s': not a number", option, s);
	return false;
}

static void usage(FILE *to, const char *model)
{
	fprintf(to,
		"usage: outrigger-dm-%s --replay FILE [OPTION]...\n"
		"Replays the trace of a %s through this build and compares all that it does.\n"
		"  --device NAME   the device, if the trace has several\n"
		"  --from-start N  begins at the N-th start of the trace, from 1\n"
		"  --until N       stops before record N\n"
		"  --stop-at       with --until: calls replay_stop() there and goes on, for a "
		"debugger\n"
		"  --all           goes on at the next start after a difference\n"
		"  --context N     shows N records before a difference (8; at most 64)\n"
		"  --json          one object a line\n"
		"  --minimize OUT  writes the fewest steps found that show the first difference\n"
		"  --export OUT    writes what is replayed of this device: for a test\n"
		"Exit code 0: as in the trace, 1: not so, 2: the file cannot be used.\n",
		model, model);
}

/* 0: go on; else the exit code + 1. */
static int parse(struct replay_args *a, const char *model, int argc, char **argv)
{
	enum { DEVICE = 1, UNTIL, FROM, CONTEXT, JSON, STOP, ALL, MIN, EXPORT, HELP };
	static const struct option longs[] = {{"device", required_argument, NULL, DEVICE},
					      {"until", required_argument, NULL, UNTIL},
					      {"from-start", required_argument, NULL, FROM},
					      {"context", required_argument, NULL, CONTEXT},
					      {"json", no_argument, NULL, JSON},
					      {"stop-at", no_argument, NULL, STOP},
					      {"all", no_argument, NULL, ALL},
					      {"minimize", required_argument, NULL, MIN},
					      {"export", required_argument, NULL, EXPORT},
					      {"help", no_argument, NULL, HELP},
					      {NULL, 0, NULL, 0}};
	bool good = true;
	optind = 0;
	for (int c; good && (c = getopt_long(argc, argv, "", longs, NULL)) >= 0;) {
		a->device = c == DEVICE ? optarg : a->device;
		a->minimize = c == MIN ? optarg : a->minimize;
		a->export = c == EXPORT ? optarg : a->export;
		a->json |= c == JSON;
		a->stop_at |= c == STOP;
		a->all |= c == ALL;
		a->has_until |= c == UNTIL;
		if (c == UNTIL)
			good = number("until", optarg, &a->until);
		if (c == FROM)
			good = number("from-start", optarg, &a->from_start);
		if (c == CONTEXT)
			good = number("context", optarg, &a->context);
		if (c == HELP) {
			usage(stdout, model);
			return 1;
		}
		good &= c != '?';
	}
	if (a->context > CONTEXT_MAX)
		a->context = CONTEXT_MAX;
	if (good && optind + 1 == argc) {
		a->file = argv[optind];
		return 0;
	}
	usage(stderr, model);
	return 3;
}

int replay_main(const struct dm_class *cls, int argc, char **argv)
{
	struct replay_args a = {.context = 8};
	int rc = parse(&a, cls->name, argc, argv);
	return rc ? rc - 1 : replay_file(cls, &a);
}
