/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/config_args.h"
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/fd.h"

/* All --append values, joined with spaces; heap, NULL if none. */
static char *appended(const struct args *a)
{
	struct sb b = {0};
	for (int i = 0; i < a->nopts; i++)
		if (strcmp(a->opt[i]->name, "append") == 0)
			sb_addf(&b, "%s%s", b.len ? " " : "", a->value[i]);
	return b.len ? sb_steal(&b) : NULL;
}

int config_from_args(struct config *c, struct models *m, const struct args *a)
{
	const char *sets[ARRAY_LEN(a->opt) + 1] = {0};
	size_t nsets = 0;
	AUTO_FREE char *append = appended(a);
	struct diag d = {0};
	struct err err = {0};
	*c = (struct config){0};
	for (int i = 0; i < a->nopts; i++)
		if (strcmp(a->opt[i]->name, "set") == 0)
			sets[nsets++] = a->value[i];
	const char *console = args_get(a, "console");
	static const char *const kinds[] = {"auto", "stdio", "none", "pty", NULL};
	bool known = !console;
	for (size_t i = 0; kinds[i]; i++)
		known |= console && strcmp(console, kinds[i]) == 0;
	*m = (struct models){0};
	if (!known)
		return usage_error(a->verb,
				   "--console %s is not known; use auto, stdio, none or pty",
				   console);
	if (models_load(m, &err) < 0)
		return fail("%s", err.msg);
	struct config_overrides over = {
		.sets = sets,
		.name = args_get(a, "name"),
		.kernel = args_get(a, "kernel"),
		.initrd = args_get(a, "initrd"),
		.cmdline = args_get(a, "cmdline"),
		.append = append,
		.engine = args_get(a, "engine"),
		.cpus = args_get(a, "cpus"),
		.memory = args_get(a, "memory"),
		.timeout = args_get(a, "timeout"),
		.console = console,
	};
	int r = config_load(c, a->operand[0], &over, m, &d);
	if (r < 0) {
		fputs(sb_str(&d.text), stderr);
		if (d.limit_hit)
			fprintf(stderr, "%s: %u more errors\n", c->path, d.limit_hit);
	}
	sb_free(&d.text);
	return r < 0 ? EXIT_USAGE : 0;
}
