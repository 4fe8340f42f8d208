/* SPDX-License-Identifier: Apache-2.0 */
/* --help, bash completion and man pages: all three are made from the table of verbs. */
#include <ctype.h>
#include <string.h>
#include "launcher/verb.h"

enum { COLUMNS = 79, OPTION_COLUMN = 30 };

/* Words of @s in lines of at most COLUMNS, the first of which has @used columns already, the others
 * begin at column
 * @indent. A newline in @s is a space, an empty line and a line that begins with a space stay. */
static void wrapped(FILE *out, size_t used, int indent, const char *s)
{
	bool first = true;
	while (*s) {
		size_t n = strcspn(s, " \n");
		if (!first && used + 1 + n > COLUMNS) {
			fprintf(out, "\n%*s", indent, "");
			used = (size_t)indent;
			first = true;
		}
		fprintf(out, "%s%.*s", first ? "" : " ", (int)n, s);
		used += n + !first;
		first = false;
		s += n;
		if (s[0] == '\n' && (s[1] == '\n' || s[1] == ' ')) {
			size_t gap = strspn(s, "\n"), margin = strspn(s + gap, " ");
			fprintf(out, "%.*s%*s", (int)gap, s, indent + (int)margin, "");
			used = (size_t)indent + margin;
			first = true;
			s += gap + margin;
		} else if (*s) {
			s++;
		}
	}
	fputc('\n', out);
}

static void option_line(FILE *out, const struct option_def *o)
{
	char left[64];
	snprintf(left, sizeof(left), "%s%c%s--%s%s%s", o->letter ? "-" : " ",
		 o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name, o->arg ? " " : "",
		 o->arg ? o->arg : "");
	if (strlen(left) > OPTION_COLUMN - 4)
		fprintf(out, "  %s\n%*s", left, OPTION_COLUMN, "");
	else
		fprintf(out, "  %-*s", OPTION_COLUMN - 2, left);
	wrapped(out, OPTION_COLUMN, OPTION_COLUMN, o->help);
}

void verb_help(const struct verb *v, FILE *out)
{
	static const struct option_def help = {"help", 'h', NULL, "print this help", NULL};
	fprintf(out, "Usage: outrigger %s %s%s[OPTION]...\n", v->name, v->operands,
		v->operands[0] ? " " : "");
	wrapped(out, 0, 0, v->summary);
	fputs("\nOptions:\n", out);
	for (const struct option_def *o = v->options; o->name; o++)
		option_line(out, o);
	option_line(out, &help);
	if (v->text) {
		fputc('\n', out);
		wrapped(out, 0, 0, v->text);
	}
}

void overview_help(FILE *out)
{
	fprintf(out,
		"Usage: outrigger VERB [OPERAND | OPTION]...\n"
		"A hypervisor whose every device model runs in a process of its own.\n\nVerbs:\n");
	for (const struct verb *const *v = verb_table; *v; v++) {
		fprintf(out, "  %-12s ", (*v)->name);
		wrapped(out, 15, 15, (*v)->summary);
	}
	fputc('\n', out);
	wrapped(out, 0, 0,
		"Each verb has --help. Options may follow or precede operands. Exit codes: 0 done, "
		"1 the "
		"operation failed, 2 bad usage or config; `run` has more. Environment: "
		"OUTRIGGER_BINDIR "
		"(where hv and models are), OUTRIGGER_LOG (err, warn, info, debug), "
		"XDG_RUNTIME_DIR and "
		"XDG_CACHE_HOME.");
}

/* ---- bash completion ---------------------------------------------------------------------------
 */

static void bash_words(FILE *out, const char *words)
{
	if (!words)
		fputs(":", out);
	else if (strcmp(words, "@file") == 0)
		fputs("compopt -o default; COMPREPLY=()", out);
	else if (strcmp(words, "@dir") == 0)
		fputs("COMPREPLY=($(compgen -d -- \"$cur\"))", out);
	else if (strcmp(words, "@config") == 0)
		fputs("compopt -o filenames; COMPREPLY=($(compgen -f -X '!*.yaml' -- \"$cur\") "
		      "$(compgen -d -- \"$cur\"))",
		      out);
	else if (strcmp(words, "@vm") == 0)
		fputs("COMPREPLY=($(compgen -W \"$(outrigger ps --names 2>/dev/null)\" -- "
		      "\"$cur\"))",
		      out);
	else if (strcmp(words, "@trace") == 0)
		fputs("compopt -o default; COMPREPLY=($(compgen -W \"decode info export "
		      "$(outrigger ps --names 2>/dev/null)\" -- \"$cur\"))",
		      out);
	else if (strcmp(words, "@model") == 0)
		fputs("COMPREPLY=($(compgen -W \"$(outrigger models --names 2>/dev/null)\" -- "
		      "\"$cur\"))",
		      out);
	else
		fprintf(out, "COMPREPLY=($(compgen -W '%s' -- \"$cur\"))", words);
}

static void bash_verb(FILE *out, const struct verb *v)
{
	fprintf(out, "\t%s)\n\t\tcase $prev in\n", v->name);
	for (const struct option_def *o = v->options; o->name; o++) {
		if (!o->arg)
			continue;
		fprintf(out, "\t\t--%s", o->name);
		if (o->letter)
			fprintf(out, "|-%c", o->letter);
		fputs(") ", out);
		bash_words(out, o->words);
		fputs("; return;;\n", out);
	}
	fputs("\t\tesac\n\t\tcase $cur in\n\t\t-*) COMPREPLY=($(compgen -W '--help", out);
	for (const struct option_def *o = v->options; o->name; o++)
		fprintf(out, " --%s", o->name);
	fputs("' -- \"$cur\"));;\n\t\t*) ", out);
	bash_words(out, v->complete);
	fputs(";;\n\t\tesac;;\n", out);
}

void docgen_bash(FILE *out)
{
	fputs("# bash completion of outrigger(1), made by `outrigger completion bash`\n"
	      "_outrigger() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} "
	      "prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	      "\tCOMPREPLY=()\n\tif [ \"$COMP_CWORD\" = 1 ]; then\n\t\tCOMPREPLY=($(compgen -W "
	      "'--help --version",
	      out);
	for (const struct verb *const *v = verb_table; *v; v++)
		fprintf(out, " %s", (*v)->name);
	fputs("' -- \"$cur\"))\n\t\treturn\n\tfi\n\tcase ${COMP_WORDS[1]} in\n", out);
	for (const struct verb *const *v = verb_table; *v; v++)
		bash_verb(out, *v);
	fputs("\tesac\n}\ncomplete -F _outrigger outrigger\n", out);
}

/* ---- man pages ------------------------------------------------------------------------------- */

/* Text with what troff would interpret escaped: backslashes, dashes, dots at a line's start. */
static void man_text(FILE *out, const char *s)
{
	bool start = true;
	for (; *s; s++) {
		if (start && (*s == '.' || *s == '\''))
			fputs("\\&", out);
		start = *s == '\n';
		if (*s == '\\')
			fputs("\\e", out);
		else if (*s == '-')
			fputs("\\-", out);
		else if (s[0] == '\n' && s[1] == '\n')
			fputs("\n.PP", out), s++, fputc('\n', out), start = true;
		else
			fputc(*s, out);
	}
}

static void man_head(FILE *out, const char *title, const char *name, const char *summary)
{
	fputs(".\\\" made by `outrigger man`\n.TH ", out);
	for (const char *p = title; *p; p++)
		fputc(toupper((unsigned char)*p), out);
	fprintf(out, " 1 \"\" \"outrigger %s\" \"Outrigger\"\n.SH NAME\n", OUTRIGGER_VERSION);
	man_text(out, name);
	fputs(" \\- ", out);
	man_text(out, summary);
	fputc('\n', out);
}

static void man_overview(FILE *out)
{
	man_head(out, "outrigger", "outrigger",
		 "a hypervisor whose every device model runs in a process of its own");
	fputs(".SH SYNOPSIS\n.B outrigger\n.I VERB\n[\\fIOPERAND\\fR | \\fIOPTION\\fR]...\n.SH "
	      "VERBS\n",
	      out);
	for (const struct verb *const *v = verb_table; *v; v++) {
		fprintf(out, ".TP\n.B %s\n", (*v)->name);
		man_text(out, (*v)->summary);
		fprintf(out, ". See outrigger\\-%s(1).\n", (*v)->name);
	}
	fputs(".SH EXIT STATUS\n.TP\n0\ndone\n.TP\n1\nthe operation failed\n.TP\n2\nbad usage or "
	      "config\n"
	      ".SH ENVIRONMENT\n.TP\nOUTRIGGER_BINDIR\nfolder of outrigger\\-hv and the device "
	      "models\n"
	      ".TP\nOUTRIGGER_LOG\nerr, warn, info or debug\n.TP\nXDG_RUNTIME_DIR\nparent of the "
	      "folder of running VMs\n"
	      ".TP\nXDG_CACHE_HOME\nparent of the cache of model descriptions\n",
	      out);
}

void docgen_man(const struct verb *v, FILE *out)
{
	if (!v) {
		man_overview(out);
		return;
	}
	char name[64];
	snprintf(name, sizeof(name), "outrigger-%s", v->name);
	man_head(out, name, name, v->summary);
	fprintf(out, ".SH SYNOPSIS\n.B outrigger %s\n%s\n[\\fIOPTION\\fR]...\n", v->name,
		v->operands);
	if (v->text) {
		fputs(".SH DESCRIPTION\n", out);
		man_text(out, v->text);
		fputc('\n', out);
	}
	fputs(".SH OPTIONS\n", out);
	for (const struct option_def *o = v->options; o->name; o++) {
		fputs(".TP\n", out);
		if (o->letter)
			fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
		fputs("\\fB\\-\\-", out);
		man_text(out, o->name);
		fprintf(out, "\\fR%s%s%s\n", o->arg ? " \\fI" : "", o->arg ? o->arg : "",
			o->arg ? "\\fR" : "");
		man_text(out, o->help);
		fputc('\n', out);
	}
	fputs(".SH SEE ALSO\noutrigger(1)\n", out);
}
