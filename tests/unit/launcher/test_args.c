/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/verb.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "launcher/text.h"

static const struct option_def options[] = {
	{"memory", 'm', "SIZE", "memory", NULL}, {"detach", 'd', NULL, "detach", NULL},
	{"quiet", 'q', NULL, "quiet", NULL},	 {"cmdline", 0, "TEXT", "command line", NULL},
	{"console", 0, "KIND", "console", NULL}, OPTIONS_END,
};
static const struct verb verb = {.name = "run",
				 .summary = "s",
				 .operands = "CONFIG",
				 .min_operands = 1,
				 .max_operands = 1,
				 .options = options};

/* Parses @line, split at blanks. */
static int parse(struct args *a, struct err *err, const char *line)
{
	static char buf[256];
	char *argv[16];
	int argc = 0;
	strcpy(buf, line);
	for (char *save = NULL, *w = strtok_r(buf, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	return args_parse(a, &verb, argc, argv, err);
}

static void options_follow_or_precede_operands(void **state)
{
	static const char *const lines[] = {"x.yaml --memory 1G --detach",
					    "--memory=1G -d x.yaml",
					    "-m1G x.yaml -d",
					    "-dm 1G x.yaml",
					    "--mem 1G --det x.yaml",
					    "-d --memory 1G -- x.yaml"};
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct args a;
		struct err err = {0};
		if (parse(&a, &err, lines[i]) != 0)
			fail_msg("%s: %s", lines[i], err.msg);
		assert_string_equal(args_get(&a, "memory"), "1G");
		assert_true(args_flag(&a, "detach"));
		assert_false(args_flag(&a, "quiet"));
		assert_int_equal(a.noperands, 1);
		assert_string_equal(a.operand[0], "x.yaml");
	}
}

static void the_last_value_counts(void **state)
{
	struct args a;
	(void)state;
	assert_int_equal(parse(&a, NULL, "x -m 1 -m 2"), 0);
	assert_string_equal(args_get(&a, "memory"), "2");
}

static void bad_usage_says_what_is_wrong(void **state)
{
	static const struct {
		const char *line, *what;
	} c[] = {
		{"", "missing operand; usage: outrigger run CONFIG"},
		{"a b", "surplus operand \"b\""},
		{"a --detatch", "unknown option --detatch; did you mean --detach?"},
		{"a --zzz", "unknown option --zzz"},
		{"a -z", "unknown option -z"},
		{"a --memory", "option --memory needs a value: --memory SIZE"},
		{"a -m", "option -m needs a value"},
		{"a --detach=1", "option --detach takes no value, got \"1\""},
		{"a --cons x --c y", "unknown option --c"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct args a;
		struct err err = {0};
		if (parse(&a, &err, c[i].line) == 0 || !strstr(err.msg, c[i].what))
			fail_msg("\"%s\": \"%s\" lacks \"%s\"", c[i].line, err.msg, c[i].what);
	}
}

static void every_verb_is_documented(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	(void)state;
	for (const struct verb *const *v = verb_table; *v; v++) {
		assert_non_null((*v)->fn);
		assert_non_null((*v)->options);
		assert_true(strlen((*v)->summary) > 10);
		verb_help(*v, f);
		docgen_man(*v, f);
		for (const struct option_def *o = (*v)->options; o->name; o++)
			for (const struct option_def *p = (*v)->options; p != o; p++)
				assert_true(strcmp(p->name, o->name) != 0 &&
					    (!o->letter || p->letter != o->letter));
	}
	docgen_bash(f);
	fclose(f);
	for (const struct verb *const *v = verb_table; *v; v++)
		for (const struct option_def *o = (*v)->options; o->name; o++)
			assert_non_null(strstr(text, o->name));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_follow_or_precede_operands),
		cmocka_unit_test(the_last_value_counts),
		cmocka_unit_test(bad_usage_says_what_is_wrong),
		cmocka_unit_test(every_verb_is_documented),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
