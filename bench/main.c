/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outrigger-bench: measures Outrigger and QEMU side by side, on the same machine, in one run, with
 * the same guests, in turns. Prints a table; writes JSON with --json.
 */
#include "bench/measure.h"
#include "bench/pingpong.h"

#include "base/clock.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: outrigger-bench [OPTION...]\n"
	"\n"
	"Measures Outrigger and QEMU (TCG, one vCPU) side by side and prints a table.\n"
	"\n"
	"  --only LIST       of host, guest, trace, start, boot, idle, live, disk, net (default: "
	"all)\n"
	"  --runs N          how often each is run (default 5)\n"
	"  --quick           one run of each, shorter lengths: to see that it works\n"
	"  --json FILE       write the results as JSON too (- for standard output, without the "
	"table)\n"
	"  --memory MIB      guest memory (default 256)\n"
	"  --outrigger FILE  the outrigger to measure, or none (default: the one beside this "
	"program)\n"
	"  --qemu FILE       the QEMU to measure, or none (default: qemu-system-aarch64)\n"
	"  --config FILE     Outrigger's machine (default: configs/aarch64-linux.yaml)\n"
	"  --guests DIR      where kernel, initrd and rootfs.img are (default: "
	"build/guests/aarch64)\n"
	"  --work DIR        where disk images are made, 1.5 GiB (default: build/bench)\n"
	"  --guest FILE      the bare-metal guest (default: the one built with this program)\n"
	"  --verbose         print the commands that are run\n"
	"  --help            this text\n"
	"\n"
	"Exit codes: 0 everything was measured, 1 something could not be, 2 bad usage.\n";

struct options {
	struct vmm_setup setup;
	const char *only, *json;
	char guests[PATH_MAX];
};

/* beside - the path @relative to the directory of this program. */
static void beside(char path[PATH_MAX], const char *relative)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	self[n > 0 ? n : 0] = 0;
	char *slash = strrchr(self, '/');
	if (slash)
		*slash = 0;
	char joined[PATH_MAX];
	if ((size_t)snprintf(joined, sizeof joined, "%s/%s", self, relative) >= sizeof joined)
		joined[0] = 0;
	if (!realpath(joined, path))
		memcpy(path, joined, PATH_MAX);
}

static void set_path(char path[PATH_MAX], const char *value)
{
	snprintf(path, PATH_MAX, "%s", strcmp(value, "none") ? value : "");
}

static bool in_path(const char *program)
{
	if (strchr(program, '/'))
		return !access(program, X_OK);
	const char *path = getenv("PATH");
	for (const char *p = path; p && *p; p += strcspn(p, ":"), p += *p == ':') {
		char file[PATH_MAX];
		snprintf(file, sizeof file, "%.*s/%s", (int)strcspn(p, ":"), p, program);
		if (!access(file, X_OK))
			return true;
	}
	return false;
}

static void options_default(struct options *o)
{
	*o = (struct options){.setup = {.memory_mib = 256, .runs = 5, .scale = 1}};
	beside(o->setup.outrigger, "outrigger");
	beside(o->setup.config, "../../../configs/aarch64-linux.yaml");
	beside(o->setup.guest, "../bench/bench-guest.bin");
	beside(o->setup.live_guest, "../bench/live-guest.bin");
	beside(o->guests, "../../guests/aarch64");
	beside(o->setup.work, "../../bench");
	set_path(o->setup.qemu, "qemu-system-aarch64");
}

static bool wanted(const struct options *o, const char *part)
{
	size_t len = strlen(part);
	if (!o->only)
		return true;
	for (const char *p = o->only; *p; p += strcspn(p, ","), p += *p == ',')
		if (strcspn(p, ",") == len && !strncmp(p, part, len))
			return true;
	return false;
}

static int usage_error(const char *text, const char *value)
{
	fprintf(stderr, "outrigger-bench: %s '%s'; see outrigger-bench --help\n", text, value);
	return 2;
}

static int number(const char *text, unsigned max, unsigned *ret_value)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);
	if (*end || end == text || v == 0 || v > max)
		return -EINVAL;
	*ret_value = (unsigned)v;
	return 0;
}

static int only_check(const char *only)
{
	static const char *const parts[] = {"host", "guest", "trace", "start", "boot",
					    "idle", "live",  "disk",  "net"};
	for (const char *p = only; *p; p += strcspn(p, ","), p += *p == ',') {
		bool known = false;
		for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
			known |= strcspn(p, ",") == strlen(parts[i]) &&
				 !strncmp(p, parts[i], strlen(parts[i]));
		if (!known)
			return usage_error("--only takes host, guest, trace, start, boot, idle, "
					   "live, disk, net, not",
					   p);
	}
	return 0;
}

/* options_parse - -1: go on, else the exit code. */
static int options_parse(struct options *o, int argc, char **argv)
{
	static const struct option list[] = {
		{"only", 1, NULL, 'o'},	 {"runs", 1, NULL, 'r'},   {"quick", 0, NULL, 'q'},
		{"json", 1, NULL, 'j'},	 {"memory", 1, NULL, 'm'}, {"outrigger", 1, NULL, 'O'},
		{"qemu", 1, NULL, 'Q'},	 {"config", 1, NULL, 'c'}, {"guests", 1, NULL, 'g'},
		{"guest", 1, NULL, 'G'}, {"work", 1, NULL, 'w'},   {"verbose", 0, NULL, 'v'},
		{"help", 0, NULL, 'h'},	 {NULL, 0, NULL, 0},
	};
	for (int c; (c = getopt_long(argc, argv, "h", list, NULL)) != -1;) {
		switch (c) {
		case 'o':
			o->only = optarg;
			if (only_check(optarg))
				return 2;
			break;
		case 'r':
			if (number(optarg, 100, &o->setup.runs))
				return usage_error("--runs takes a number from 1 to 100, not",
						   optarg);
			break;
		case 'm':
			if (number(optarg, 65536, &o->setup.memory_mib))
				return usage_error("--memory takes MiB, not", optarg);
			break;
		case 'q':
			o->setup.runs = 1;
			o->setup.scale = 0.2;
			break;
		case 'j':
			o->json = optarg;
			break;
		case 'O':
			set_path(o->setup.outrigger, optarg);
			break;
		case 'Q':
			set_path(o->setup.qemu, optarg);
			break;
		case 'c':
			set_path(o->setup.config, optarg);
			break;
		case 'g':
			set_path(o->guests, optarg);
			break;
		case 'G':
			set_path(o->setup.guest, optarg);
			break;
		case 'w':
			set_path(o->setup.work, optarg);
			break;
		case 'v':
			o->setup.verbose = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return 2;
		}
	}
	return optind < argc ? usage_error("unexpected argument", argv[optind]) : -1;
}

/* setup_check - what is missing is said before anything runs. */
static int setup_check(struct options *o)
{
	struct vmm_setup *s = &o->setup;
	int bad = 0;
	bool rootfs_needed = wanted(o, "disk") || wanted(o, "net");
	bool linux_needed = wanted(o, "boot") || wanted(o, "idle") || rootfs_needed;
	if ((size_t)snprintf(s->kernel, PATH_MAX, "%s/kernel", o->guests) >= PATH_MAX ||
	    (size_t)snprintf(s->initrd, PATH_MAX, "%s/initrd", o->guests) >= PATH_MAX ||
	    (size_t)snprintf(s->rootfs, PATH_MAX, "%s/rootfs.img", o->guests) >= PATH_MAX)
		return usage_error("the path is too long:", o->guests);
	if (s->qemu[0] && !in_path(s->qemu)) {
		fprintf(stderr,
			"outrigger-bench: there is no %s: QEMU is left out "
			"(Debian's package is qemu-system-arm)\n",
			s->qemu);
		s->qemu[0] = 0;
		bad = 1;
	}
	const struct {
		const char *file, *advice;
		bool needed;
	} need[] = {
		{s->outrigger, "build it, or give --outrigger FILE or none", s->outrigger[0]},
		{s->config, "give --config FILE", s->outrigger[0]},
		{s->kernel, "run scripts/fetch-guests", linux_needed},
		{s->initrd, "run scripts/fetch-guests", linux_needed},
		{s->rootfs, "run scripts/fetch-guests --rootfs", rootfs_needed},
		{s->work, "make that folder, or give --work DIR", rootfs_needed},
		{s->guest, "install gcc-aarch64-linux-gnu and build again",
		 wanted(o, "guest") || wanted(o, "start")},
		{s->live_guest, "install gcc-aarch64-linux-gnu and build again",
		 wanted(o, "live") && s->outrigger[0]},
	};
	for (size_t i = 0; i < sizeof need / sizeof need[0]; i++) {
		if (need[i].needed && access(need[i].file, R_OK)) {
			fprintf(stderr, "outrigger-bench: cannot read %s: %s; %s\n", need[i].file,
				strerror(errno), need[i].advice);
			return 2;
		}
	}
	return bad;
}

static int run_parts(const struct options *o, struct report *r)
{
	static const struct {
		const char *name;
		int (*measure)(const struct vmm_setup *s, struct report *r, struct err *e);
	} part[] = {
		{"guest", measure_guest}, {"trace", measure_trace}, {"start", measure_start},
		{"boot", measure_boot},	  {"idle", measure_idle},   {"live", measure_live},
		{"disk", measure_disk},	  {"net", measure_net},
	};
	int failed = 0;
	if (wanted(o, "host")) {
		fprintf(stderr, "outrigger-bench: host\n");
		int rc = pingpong_measure(r, o->setup.scale);
		if (rc) {
			fprintf(stderr, "outrigger-bench: host: %s\n", strerror(-rc));
			failed = 1;
		}
	}
	for (size_t i = 0; i < sizeof part / sizeof part[0]; i++) {
		struct err e = {0};
		if (!wanted(o, part[i].name))
			continue;
		uint64_t begin = clock_now_ns();
		fprintf(stderr, "outrigger-bench: %s ...", part[i].name);
		if (part[i].measure(&o->setup, r, &e)) {
			fprintf(stderr, " failed: %s\n", e.msg);
			failed = 1;
		} else {
			fprintf(stderr, " %.1f s\n", (double)(clock_now_ns() - begin) * 1e-9);
		}
	}
	return failed;
}

int main(int argc, char **argv)
{
	static struct options o;
	static struct report r;
	signal(SIGPIPE, SIG_IGN);
	options_default(&o);
	int rc = options_parse(&o, argc, argv);
	if (rc >= 0)
		return rc;
	rc = setup_check(&o);
	if (rc == 2)
		return 2;
	bool json_only = o.json && !strcmp(o.json, "-");
	rc |= run_parts(&o, &r);
	if (!json_only)
		report_print_table(&r, stdout);
	if (o.json) {
		FILE *f = json_only ? stdout : fopen(o.json, "we");
		if (!f) {
			fprintf(stderr, "outrigger-bench: cannot write %s: %s\n", o.json,
				strerror(errno));
			return 1;
		}
		report_print_json(&r, f);
		if (fflush(f) || (!json_only && fclose(f))) {
			fprintf(stderr, "outrigger-bench: cannot write %s: %s\n", o.json,
				strerror(errno));
			return 1;
		}
	}
	return rc;
}
