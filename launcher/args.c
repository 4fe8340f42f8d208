/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/verb.h"
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include "base/bytes.h"
#include "launcher/text.h"

const struct verb *verb_find(const char *name)
{
	for (const struct verb *const *v = verb_table; *v; v++)
		if (strcmp((*v)->name, name) == 0)
			return *v;
	return NULL;
}

/* Finds a long option by its whole name or an unambiguous prefix of @len bytes. */
static int option_by_name(const struct verb *v, const char *name, size_t len,
			  const struct option_def **ret, struct err *err)
{
	const struct option_def *found = NULL;
	const char *names[64] = {0};
	size_t n = 0;
	for (const struct option_def *o = v->options; o->name; o++) {
		if (strlen(o->name) == len && strncmp(o->name, name, len) == 0) {
			*ret = o;
			return 0;
		}
		if (len >= 3 && strncmp(o->name, name, len) == 0) {
			if (found)
				return err_set(err, EINVAL, "ambiguous option --%.*s: --%s or --%s",
					       (int)len, name, found->name, o->name);
			found = o;
		}
		if (n + 1 < ARRAY_LEN(names))
			names[n++] = o->name;
	}
	if (found) {
		*ret = found;
		return 0;
	}
	char word[64];
	snprintf(word, sizeof(word), "%.*s", (int)len, name);
	const char *near = text_nearest(word, names);
	if (near)
		return err_set(err, EINVAL, "unknown option --%s; did you mean --%s?", word, near);
	return err_set(err, EINVAL, "unknown option --%s", word);
}

static int args_add(struct args *a, const struct option_def *o, const char *value, struct err *err)
{
	if (a->nopts == (int)ARRAY_LEN(a->opt))
		return err_set(err, E2BIG, "too many options");
	a->opt[a->nopts] = o;
	a->value[a->nopts++] = value;
	return 0;
}

/* --name, --name=value, --name value. */
static int parse_long(struct args *a, int argc, char **argv, int *i, struct err *err)
{
	const char *text = argv[*i] + 2;
	const char *eq = strchr(text, '=');
	size_t len = eq ? (size_t)(eq - text) : strlen(text);
	const struct option_def *o = NULL;
	int r = option_by_name(a->verb, text, len, &o, err);
	if (r < 0)
		return r;
	if (!o->arg) {
		if (eq)
			return err_set(err, EINVAL, "option --%s takes no value, got \"%s\"",
				       o->name, eq + 1);
		return args_add(a, o, NULL, err);
	}
	if (eq)
		return args_add(a, o, eq + 1, err);
	if (*i + 1 >= argc)
		return err_set(err, EINVAL, "option --%s needs a value: --%s %s", o->name, o->name,
			       o->arg);
	return args_add(a, o, argv[++*i], err);
}

/* -xyz: flags may be joined; one with a value takes the rest or the next word. */
static int parse_short(struct args *a, int argc, char **argv, int *i, struct err *err)
{
	for (const char *p = argv[*i] + 1; *p; p++) {
		const struct option_def *o = a->verb->options;
		while (o->name && o->letter != *p)
			o++;
		if (!o->name)
			return err_set(err, EINVAL, "unknown option -%c", *p);
		if (!o->arg) {
			int r = args_add(a, o, NULL, err);
			if (r < 0)
				return r;
			continue;
		}
		if (p[1])
			return args_add(a, o, p + 1, err);
		if (*i + 1 >= argc)
			return err_set(err, EINVAL, "option -%c needs a value: -%c %s", *p, *p,
				       o->arg);
		return args_add(a, o, argv[++*i], err);
	}
	return 0;
}

int args_parse(struct args *a, const struct verb *v, int argc, char **argv, struct err *err)
{
	*a = (struct args){.verb = v};
	bool options_done = false;
	for (int i = 0; i < argc; i++) {
		const char *s = argv[i];
		int r = 0;
		if (!options_done && strcmp(s, "--") == 0)
			options_done = true;
		else if (!options_done && (strcmp(s, "--help") == 0 || strcmp(s, "-h") == 0))
			a->help = true;
		else if (!options_done && strncmp(s, "--", 2) == 0)
			r = parse_long(a, argc, argv, &i, err);
		else if (!options_done && s[0] == '-' && s[1])
			r = parse_short(a, argc, argv, &i, err);
		else if (a->noperands >= v->max_operands)
			r = err_set(err, EINVAL, "surplus operand \"%s\"; usage: outrigger %s %s",
				    s, v->name, v->operands);
		else
			a->operand[a->noperands++] = s;
		if (r < 0)
			return r;
	}
	if (!a->help && a->noperands < v->min_operands)
		return err_set(err, EINVAL, "missing operand; usage: outrigger %s %s", v->name,
			       v->operands);
	return 0;
}

const char *args_get(const struct args *a, const char *name)
{
	for (int i = a->nopts - 1; i >= 0; i--)
		if (strcmp(a->opt[i]->name, name) == 0)
			return a->value[i];
	return NULL;
}

bool args_flag(const struct args *a, const char *name)
{
	for (int i = 0; i < a->nopts; i++)
		if (strcmp(a->opt[i]->name, name) == 0)
			return true;
	return false;
}

int usage_error(const struct verb *v, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fprintf(stderr, "outrigger%s%s: ", v ? " " : "", v ? v->name : "");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\nTry: outrigger%s%s --help\n", v ? " " : "", v ? v->name : "");
	va_end(ap);
	return EXIT_USAGE;
}

int fail(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("outrigger: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return EXIT_FAILED;
}
