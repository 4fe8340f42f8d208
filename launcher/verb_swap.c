/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "launcher/client.h"
#include "launcher/verbs.h"
#include "proto/ctl.h"

/* A linker closes its output, and then makes it executable: that the file rests for so long is the end of it. */
enum { SETTLE_MS = 10, ARGS = 64 };

static const struct option_def options[] = {
	{"model", 'm', "NAME|PATH", "an installed model, or a program; else the one that serves",
	 "@file"},
	{"set", 's', "NAME=VALUE", "an option of the device, from now on (repeatable)", NULL},
	{"watch", 'w', NULL, "swap again each time the program changes on disk, until Ctrl-C",
	 NULL},
	OPTIONS_END,
};

/* One swap. The program that serves then goes to *@ret_program, heap. */
static int swap_once(const char *vm, const char *const *args, size_t n, char **ret_program,
		     struct err *err)
{
	Outrigger__CliReply *r = NULL;
	unsigned long long whole_us = 0, held_us = 0;
	int pid = 0, at = 0;
	int rc = client_call(vm, "swap", args, n, &r, err);
	if (rc < 0)
		return rc;
	if (sscanf(r->text, "%llu %llu %d %n", &whole_us, &held_us, &pid, &at) < 3) {
		ctl_free(&r->base);
		return err_set(err, EPROTO, "the supervisor's answer makes no sense");
	}
	printf("%s: %s is served by %s, pid %d, after %.1f ms; the device rested for %.2f ms\n", vm,
	       args[0], text_printable(r->text + at), pid, (double)whole_us / 1e3,
	       (double)held_us / 1e3);
	fflush(stdout);
	if (ret_program && !*ret_program)
		*ret_program = xstrdup(r->text + at);
	ctl_free(&r->base);
	return 0;
}

/* True if one of the events that wait in @fd is about file @name. */
static bool concerns(int fd, const char *name)
{
	_Alignas(struct inotify_event) char buf[4096];
	bool found = false;
	ssize_t n = read(fd, buf, sizeof(buf));
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(buf + at);
		found |= e->len && strcmp(e->name, name) == 0;
		at += (ssize_t)(sizeof(*e) + e->len);
	}
	return found;
}

/* Waits until @program was written anew and is at rest. False: a signal. */
static bool wait_change(int fd, const char *name)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	bool changed = false;
	for (;;) {
		int n = poll(&p, 1, changed ? SETTLE_MS : -1);
		if (n < 0)
			return false;
		if (n == 0)
			return true;
		changed |= concerns(fd, name);
	}
}

static int watch(const char *vm, const char *const *args, size_t n, const char *program)
{
	AUTO_FREE char *dir = xstrdup(program);
	char *slash = strrchr(dir, '/');
	AUTO_FD fd = inotify_init1(IN_CLOEXEC);
	*slash = 0; /* programs are absolute */
	if (fd < 0 || inotify_add_watch(fd, slash == dir ? "/" : dir,
					IN_CLOSE_WRITE | IN_MOVED_TO | IN_ATTRIB | IN_CREATE) < 0)
		return fail("cannot watch %s: %s", dir, strerror(errno));
	printf("%s: watching %s; Ctrl-C ends\n", vm, program);
	fflush(stdout);
	while (wait_change(fd, slash + 1)) {
		struct err err = {0};
		if (access(program, X_OK) < 0)
			continue; /* not whole yet: making it executable is an event, too */
		if (swap_once(vm, args, n, NULL, &err) < 0)
			fail("%s", text_printable(err.msg));
	}
	return EXIT_DONE;
}

static int swap_device(const struct args *a)
{
	struct err err = {0};
	const char *model = args_get(a, "model"), *call[ARGS + 2] = {a->operand[1], ""};
	AUTO_FREE char *path = model && strchr(model, '/') ? realpath(model, NULL) : NULL;
	AUTO_FREE char *program = NULL;
	size_t n = 2;
	if (model && strchr(model, '/') && !path)
		return fail("%s: %s", model, strerror(errno));
	if (model)
		call[1] = path ? path : model;
	for (int i = 0; i < a->nopts; i++) {
		if (strcmp(a->opt[i]->name, "set") != 0)
			continue;
		if (!strchr(a->value[i], '='))
			return usage_error(a->verb, "--set %s: write NAME=VALUE", a->value[i]);
		if (n == ARGS)
			return usage_error(a->verb, "too many settings");
		call[n++] = a->value[i];
	}
	AUTO_FREE char *vm = client_vm(a->operand[0], NULL, &err);
	if (!vm || swap_once(vm, call, n, &program, &err) < 0)
		return fail("%s", text_printable(err.msg));
	return args_flag(a, "watch") ? watch(vm, call, n, program) : EXIT_DONE;
}

const struct verb verb_swap = {
	.name = "swap",
	.summary = "Put another build of a device's model into the running guest",
	.operands = "VM DEVICE",
	.min_operands = 2,
	.max_operands = 2,
	.complete = "@vm",
	.options = options,
	.text = "The new process comes up beside the one that serves, which stops only when the "
		"new one has shown that it takes the\n"
		"device's state. Accesses of the guest to this device wait meanwhile, everything "
		"else goes on. If anything fails, the old\n"
		"process goes on serving, and the reason is printed. Without --model the same "
		"program is started anew: as it is on disk\n"
		"now. --set also changes what the device is joined to on the host: another image "
		"(path=), byte stream (chardev=) or\n"
		"network (net=), as a config has them; paths are seen from the config's folder.\n\n"
		"--watch is for working on a model: `outrigger swap --watch VM DEVICE`, then edit "
		"and build.",
	.fn = swap_device,
};
