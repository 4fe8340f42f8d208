/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/report.h"

#include "base/err.h"
#include "bench/goals.h"

#include <math.h>
#include <sched.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static const char *const side_names[REPORT_SIDES] = {"outrigger", "qemu", "host"};

const struct report_row *report_find(const struct report *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->row[i].name, name))
			return &r->row[i];
	return NULL;
}

void report_put(struct report *r, const char *name, const char *unit, enum report_side side,
		struct stats_summary summary)
{
	size_t i = 0;
	while (i < r->n && strcmp(r->row[i].name, name) != 0)
		i++;
	CHECK(i < REPORT_ROWS_MAX);
	struct report_row *row = &r->row[i];
	if (i == r->n) {
		r->n++;
		snprintf(row->name, sizeof row->name, "%s", name);
		snprintf(row->unit, sizeof row->unit, "%s", unit);
	}
	row->side[side] = summary;
}

void report_put_one(struct report *r, const char *name, const char *unit, enum report_side side,
		    double value)
{
	report_put(r, name, unit, side,
		   (struct stats_summary){
			   .n = 1, .min = value, .median = value, .p99 = value, .max = value});
}

/* Seconds and below in the unit that a person would use. */
static void format_value(char *text, size_t size, const char *unit, double v)
{
	if (strcmp(unit, "s") != 0)
		snprintf(text, size, "%.4g %s", v, unit);
	else if (v >= 1 || v == 0)
		snprintf(text, size, "%.3f s", v);
	else if (v >= 1e-3)
		snprintf(text, size, "%.2f ms", v * 1e3);
	else if (v >= 1e-6)
		snprintf(text, size, "%.2f us", v * 1e6);
	else
		snprintf(text, size, "%.1f ns", v * 1e9);
}

static void format_side(char *text, size_t size, const struct report_row *row,
			enum report_side side)
{
	if (row->side[side].n)
		format_value(text, size, row->unit, row->side[side].median);
	else
		snprintf(text, size, "-");
}

/* goal_value - the figure to compare with the limit; false if a part of it was not measured. */
static bool goal_value(const struct report *r, const struct report_goal *g, double *ret_value)
{
	const struct report_row *row = report_find(r, g->name);
	if (!row || !row->side[REPORT_OURS].n)
		return false;
	double value = g->p99 ? row->side[REPORT_OURS].p99 : row->side[REPORT_OURS].median;
	if (g->base) {
		const struct report_row *base = report_find(r, g->base);
		if (!base || !base->side[g->base_side].n || base->side[g->base_side].median <= 0)
			return false;
		value /= base->side[g->base_side].median;
	}
	*ret_value = value;
	return true;
}

static bool goal_met(const struct report_goal *g, double value)
{
	return g->at_least ? value >= g->limit : value <= g->limit;
}

void report_print_table(const struct report *r, FILE *out)
{
	fprintf(out, "%-36s %12s %12s %12s %8s %s\n", "median of", "outrigger", "qemu", "host",
		"ratio", "range of outrigger");
	for (size_t i = 0; i < r->n; i++) {
		const struct report_row *row = &r->row[i];
		char ours[32], qemu[32], host[32], ratio[16] = "", range[160] = "";
		format_side(ours, sizeof ours, row, REPORT_OURS);
		format_side(qemu, sizeof qemu, row, REPORT_QEMU);
		format_side(host, sizeof host, row, REPORT_HOST);
		const struct stats_summary *s = &row->side[REPORT_OURS];
		if (s->n && row->side[REPORT_QEMU].n && row->side[REPORT_QEMU].median > 0)
			snprintf(ratio, sizeof ratio, "%.2f",
				 s->median / row->side[REPORT_QEMU].median);
		if (s->n > 1) {
			char low[32], high[32], p99[32];
			format_value(low, sizeof low, row->unit, s->min);
			format_value(high, sizeof high, row->unit, s->max);
			format_value(p99, sizeof p99, row->unit, s->p99);
			snprintf(range, sizeof range, "%s .. %s", low, high);
			if (s->n >= 100)
				snprintf(range, sizeof range, "%s .. %s; p99 %s of %zu", low, high,
					 p99, s->n);
		}
		fprintf(out, "%-36s %12s %12s %12s %8s %s\n", row->name, ours, qemu, host, ratio,
			range);
	}
	fprintf(out, "\n");
	size_t without = 0;
	for (size_t i = 0; i < goals_count; i++) {
		double value;
		char text[32];
		if (!goal_value(r, &goals[i], &value)) {
			without++;
			continue;
		}
		const struct report_row *row = report_find(r, goals[i].name);
		format_value(text, sizeof text, goals[i].base ? "times" : row->unit, value);
		fprintf(out, "  %-12s  %s: %s\n", goal_met(&goals[i], value) ? "met" : "MISSED",
			goals[i].text, text);
	}
	if (without)
		fprintf(out, "  %zu further goals were not measured\n", without);
}

static void print_host(FILE *out)
{
	struct utsname u;
	char model[128] = "", line[256], when[32] = "";
	time_t now = time(NULL);
	struct tm tm;
	if (gmtime_r(&now, &tm))
		strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
	FILE *f = fopen("/proc/cpuinfo", "re");
	while (f && fgets(line, sizeof line, f)) {
		if (!strncmp(line, "model name", 10) && strchr(line, ':')) {
			snprintf(model, sizeof model, "%.100s", strchr(line, ':') + 2);
			model[strcspn(model, "\n\"\\")] = 0;
			break;
		}
	}
	if (f)
		fclose(f);
	uname(&u);
	cpu_set_t set;
	int cpus = sched_getaffinity(0, sizeof set, &set) ? -1 : CPU_COUNT(&set);
	fprintf(out,
		"  \"date\": \"%s\",\n  \"host\": {\"cpu\": \"%s\", \"cpus\": %d, \"kernel\": "
		"\"%s\", "
		"\"machine\": \"%s\"},\n",
		when, model, cpus, u.release, u.machine);
}

void report_print_json(const struct report *r, FILE *out)
{
	fprintf(out, "{\n  \"version\": 1,\n");
	print_host(out);
	fprintf(out, "  \"results\": [");
	const char *separator = "\n";
	for (size_t i = 0; i < r->n; i++) {
		for (int side = 0; side < REPORT_SIDES; side++) {
			const struct stats_summary *s = &r->row[i].side[side];
			if (!s->n)
				continue;
			fprintf(out,
				"%s    {\"name\": \"%s\", \"side\": \"%s\", \"unit\": \"%s\", "
				"\"n\": %zu, "
				"\"min\": %.9g, \"median\": %.9g, \"p99\": %.9g, \"max\": %.9g}",
				separator, r->row[i].name, side_names[side], r->row[i].unit, s->n,
				s->min, s->median, s->p99, s->max);
			separator = ",\n";
		}
	}
	fprintf(out, "\n  ],\n  \"goals\": [");
	separator = "\n";
	for (size_t i = 0; i < goals_count; i++) {
		double value = NAN;
		bool known = goal_value(r, &goals[i], &value);
		fprintf(out, "%s    {\"goal\": \"%s\", \"limit\": %g, ", separator, goals[i].text,
			goals[i].limit);
		if (known)
			fprintf(out, "\"value\": %.6g, \"met\": %s}", value,
				goal_met(&goals[i], value) ? "true" : "false");
		else
			fprintf(out, "\"value\": null, \"met\": null}");
		separator = ",\n";
	}
	fprintf(out, "\n  ]\n}\n");
}
