/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The table of verbs. One file per verb defines one `const struct verb verb_<name>`; verbs.c lists
 * them. Parsing, --help, bash completion and man pages all read this table and nothing else.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"

/* Exit codes of every verb (design: fixed). */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,    /* the operation failed */
	EXIT_USAGE = 2,	    /* bad usage or config */
	EXIT_RESET = 3,	    /* run: the guest asked for a reset and --no-reboot was given */
	EXIT_LOST = 4,	    /* run: the guest crashed or was lost */
	EXIT_TIMEOUT = 124, /* run: --timeout ran out */
};

/** struct option_def - one option. @arg NULL: a flag. @words: what completion offers, "a b c", or
 * "@file", "@dir", NULL. */
struct option_def {
	const char *name; /* without the dashes */
	char letter;	  /* one-letter form, 0: none */
	const char *arg;  /* metavariable, NULL: flag */
	const char *help;
	const char *words;
};

struct args;

/** struct verb - one verb. @operands is its usage text; operands are checked by number.
 * @complete: what completion offers for operands: "@config", "@vm", "@model", "@trace", "a b", or NULL. */
struct verb {
	const char *name;
	const char *summary;  /* one line */
	const char *operands; /* "CONFIG", "[VM]" */
	int min_operands, max_operands;
	const char *complete;
	const struct option_def *options; /* ends with name NULL */
	const char *text;		  /* paragraphs for --help and the man page, may be NULL */
	int (*fn)(const struct args *a);
};

extern const struct verb *const verb_table[]; /* ends with NULL */

/** verb_start_ns - when this command began, CLOCK_MONOTONIC; set once by main(). */
extern uint64_t verb_start_ns;

/** verb_find - by name, or NULL. */
const struct verb *verb_find(const char *name);

/** struct args - parsed command line. Values are borrowed from argv. */
#define ARGS_MAX 128
struct args {
	const struct verb *verb;
	const struct option_def *opt[ARGS_MAX];
	const char *value[ARGS_MAX]; /* NULL for a flag */
	int nopts;
	const char *operand[ARGS_MAX];
	int noperands;
	bool help;
};

/** args_parse - parses @argv (after the verb) by @v's table: options and operands in any order,
 * `--opt=value`,
 * `--opt value`, `-o value`, `--` ends options; a long option may be abbreviated to what is
 * unambiguous. 0 or -EINVAL with @err saying what is wrong and what would be right. */
int args_parse(struct args *a, const struct verb *v, int argc, char **argv, struct err *err);

/** args_get - the last value given for option @name, or NULL. args_flag - true if it was given. */
const char *args_get(const struct args *a, const char *name);
bool args_flag(const struct args *a, const char *name);

/** verb_help - prints a verb's help; overview_help - the list of verbs. */
void verb_help(const struct verb *v, FILE *out);
void overview_help(FILE *out);

/** docgen_bash / docgen_man - completion and man pages made from the table. @v NULL: outrigger(1).
 */
void docgen_bash(FILE *out);
void docgen_man(const struct verb *v, FILE *out);

/** usage_error - prints "outrigger VERB: message" and a hint to --help; returns EXIT_USAGE. */
int usage_error(const struct verb *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** fail - prints "outrigger: message" on standard error; returns EXIT_FAILED. */
int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define OPTION_JSON                                                                                \
	{                                                                                          \
		"json", 0, NULL, "print JSON for scripts", NULL                                    \
	}
#define OPTIONS_END                                                                                \
	{                                                                                          \
		NULL, 0, NULL, NULL, NULL                                                          \
	}
