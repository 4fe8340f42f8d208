/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "launcher/text.h"
#include "launcher/verb.h"

static int unknown_verb(const char *word)
{
	const char *names[64] = {0};
	for (int i = 0; verb_table[i] && i < 63; i++)
		names[i] = verb_table[i]->name;
	const char *near = text_nearest(word, names);
	if (near)
		return usage_error(NULL, "unknown verb \"%s\"; did you mean \"%s\"?", word, near);
	return usage_error(NULL, "unknown verb \"%s\"", word);
}

/* What was printed must have arrived: a full disk is a failure. */
static int finish(int code)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return code ? code : fail("standard output cannot be written");
	return code;
}

int main(int argc, char **argv)
{
	struct args args;
	struct err err = {0};
	log_init("outrigger");
	verb_start_ns = clock_now_ns();
	if (argc < 2) {
		overview_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    (strcmp(argv[1], "help") == 0 && argc == 2)) {
		overview_help(stdout);
		return finish(EXIT_DONE);
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("outrigger %s\n", OUTRIGGER_VERSION);
		return finish(EXIT_DONE);
	}
	bool help = strcmp(argv[1], "help") == 0;
	const struct verb *v = verb_find(argv[help ? 2 : 1]);
	if (!v)
		return unknown_verb(argv[help ? 2 : 1]);
	if (!help && args_parse(&args, v, argc - 2, argv + 2, &err) < 0)
		return usage_error(v, "%s", err.msg);
	if (help || args.help) {
		verb_help(v, stdout);
		return finish(EXIT_DONE);
	}
	return finish(v->fn(&args));
}
