/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include "base/fd.h"
#include "launcher/text.h"
#include "launcher/verbs.h"

static const struct option_def options[] = {
	{"dir", 0, "DIR", "write every page into this folder", "@dir"},
	OPTIONS_END,
};

static int write_page(const char *dir, const struct verb *v)
{
	AUTO_FREE char *path =
		v ? xasprintf("%s/outrigger-%s.1", dir, v->name) : xasprintf("%s/outrigger.1", dir);
	FILE *f = fopen(path, "we");
	if (!f)
		return fail("cannot write %s: %s", path, strerror(errno));
	docgen_man(v, f);
	return fclose(f) ? fail("cannot write %s: %s", path, strerror(errno)) : EXIT_DONE;
}

static int man(const struct args *a)
{
	const char *dir = args_get(a, "dir");
	const struct verb *one = a->noperands ? verb_find(a->operand[0]) : NULL;
	if (a->noperands && !one)
		return usage_error(a->verb, "unknown verb \"%s\"", a->operand[0]);
	if (!dir) {
		docgen_man(one, stdout);
		return EXIT_DONE;
	}
	int code = write_page(dir, NULL);
	for (const struct verb *const *v = verb_table; *v && code == EXIT_DONE; v++)
		code = write_page(dir, *v);
	return code;
}

const struct verb verb_man = {
	.name = "man",
	.summary = "Print a manual page, or write them all",
	.operands = "[VERB]",
	.max_operands = 1,
	.complete = "run ps stop console stats models check doctor completion man",
	.options = options,
	.text = "To read one: outrigger man run | man -l -",
	.fn = man,
};
