/* SPDX-License-Identifier: Apache-2.0 */
/* `outrigger bench`: hands over to outrigger-bench, which is a program of its own because it measures this one from outside. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "launcher/models.h"
#include "launcher/verbs.h"

static const struct option_def options[] = {
	{"only", 0, "LIST", "of host, guest, start, boot, idle", NULL},
	{"runs", 0, "N", "how often each is run", NULL},
	{"quick", 0, NULL, "one run of each, to see that it works", NULL},
	{"json", 0, "FILE", "write JSON too (- for standard output)", "@file"},
	{"memory", 0, "MIB", "guest memory", NULL},
	{"qemu", 0, "FILE", "the QEMU to measure, or none", "@file"},
	{"guests", 0, "DIR", "where kernel and initrd are", "@dir"},
	{"verbose", 0, NULL, "print the commands that are run", NULL},
	OPTIONS_END,
};

static int bench(const struct args *a)
{
	AUTO_FREE char *dir = bindir();
	char path[4096], names[ARGS_MAX][32];
	const char *argv[2 * ARGS_MAX + 2];
	int n = 0;
	if (!dir)
		return fail("cannot tell where outrigger's programs are");
	snprintf(path, sizeof(path), "%s/outrigger-bench", dir);
	argv[n++] = path;
	for (int i = 0; i < a->nopts; i++) {
		snprintf(names[i], sizeof(names[i]), "--%s", a->opt[i]->name);
		argv[n++] = names[i];
		if (a->value[i])
			argv[n++] = a->value[i];
	}
	argv[n] = NULL;
	execv(path, (char *const *)(uintptr_t)argv);
	return fail("cannot run %s: %s", path, strerror(errno));
}

const struct verb verb_bench = {
	.name = "bench",
	.summary = "Measure Outrigger and QEMU side by side",
	.operands = "",
	.min_operands = 0,
	.max_operands = 0,
	.options = options,
	.text = "Runs outrigger-bench, which has more options. Takes some minutes; leave the "
		"machine "
		"alone meanwhile. docs/performance.md says what the rows mean.",
	.fn = bench,
};
