/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/core/daemon.h"
#include "devmodel/core/describe.h"
#include "devmodel/core/replay.h"
#include "devmodel/core/shadow.h"
#include "base/fd.h"
#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define THREAD_STACK (64 * 1024) /* of the control library's threads */

static void usage(const struct dm_class *cls, FILE *to)
{
	fprintf(to,
		"usage: outrigger-dm-%s --dock PATH [--token HEX] [--no-sandbox]\n"
		"       outrigger-dm-%s --replay FILE [OPTION]... | --replay --help\n"
		"       outrigger-dm-%s --describe[=text|json|pb] | --version | --help\n"
		"%s, as a process of its own.\n"
		"  --dock PATH    the VM's dock socket; the token is in OUTRIGGER_TOKEN or "
		"--token\n"
		"  --no-sandbox   for debuggers and sanitizers: no namespaces, no system-call "
		"filter\n"
		"  --replay FILE  feeds a trace to this build and compares what it does\n"
		"  --describe     registers, options and interrupts of this model\n",
		cls->name, cls->name, cls->name, cls->summary);
}

/* Small and quiet: one allocator arena, small stacks, no signal for a broken pipe. */
static void tune_process(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, 64 * 1024);
	mallopt(M_TRIM_THRESHOLD, 0);
	mallopt(M_TOP_PAD, 0);
	pthread_attr_t attr;
	if (!pthread_attr_init(&attr)) {
		if (!pthread_attr_setstacksize(&attr, THREAD_STACK))
			pthread_setattr_default_np(&attr);
		pthread_attr_destroy(&attr);
	}
	signal(SIGPIPE, SIG_IGN);
	/* The kernel's word to a stopped process group whose launcher has died. */
	signal(SIGHUP, SIG_IGN);
}

static int serve(const struct dm_class *cls, const struct daemon_args *args)
{
	static struct daemon d = {.epfd = -1, .timer_fd = -1, .dock_fd = -1};
	struct err err = {{0}};
	d.cls = cls;
	for (unsigned i = 0; i < sizeof(d.fds) / sizeof(d.fds[0]); i++)
		d.fds[i] = -1;
	tune_process();
	if (steps_arm()) {
		log_err("OUTRIGGER_KILL_AT is not STEP:N");
		return 1;
	}
	int rc = link_up(&d, args, &err);
	if (rc)
		log_err("%s", err.msg);
	else
		rc = loop_run(&d);
	link_down(&d);
	return rc ? 1 : 0;
}

static int describe(const struct dm_class *cls, const char *format)
{
	if (!describe_print(cls, format))
		return 0;
	log_err("cannot describe as '%s': text, json or pb", format);
	return 2;
}

int daemon_main(const struct dm_class *cls, int argc, char **argv)
{
	static const struct option longs[] = {{"dock", required_argument, NULL, 'd'},
					      {"token", required_argument, NULL, 't'},
					      {"no-sandbox", no_argument, NULL, 'n'},
					      {"describe", optional_argument, NULL, 'D'},
					      {"help", no_argument, NULL, 'h'},
					      {"version", no_argument, NULL, 'v'},
					      {NULL, 0, NULL, 0}};
	struct daemon_args args = {.token = getenv("OUTRIGGER_TOKEN")};
	struct err err;
	log_init(cls->name);
	if (dm_class_check(cls, &err)) {
		log_err("model %s: %s", cls->name, err.msg);
		return 1;
	}
	if (argc > 1 && !strcmp(argv[1], "--replay"))
		return replay_main(cls, argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "--shadow"))
		return shadow_main(cls, argc - 1, argv + 1);
#ifdef OUTRIGGER_SANITIZED
	args.no_sandbox = true; /* the sanitizers' runtime needs calls that the filter forbids */
#endif
	for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) >= 0;) {
		switch (c) {
		case 'd':
			args.dock = optarg;
			break;
		case 't':
			args.token = optarg;
			break;
		case 'n':
			args.no_sandbox = true;
			break;
		case 'D':
			return describe(cls, optarg ? optarg : "text");
		case 'h':
			usage(cls, stdout);
			return 0;
		case 'v':
			printf("outrigger-dm-%s %s (model version %u)\n", cls->name,
			       OUTRIGGER_VERSION, cls->version);
			return 0;
		default:
			usage(cls, stderr);
			return 2;
		}
	}
	if (!args.dock || !args.token || optind != argc) {
		if (args.dock && !args.token)
			log_err("no token: set OUTRIGGER_TOKEN or give --token");
		usage(cls, stderr);
		return 2;
	}
	return serve(cls, &args);
}
