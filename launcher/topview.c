/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. The columns are a table; each has a rank. When a line is too narrow for all, those of the highest
 * rank are left out, so that the page is whole at any width from 40 columns up. Colours are put around a cell that
 * is padded already, so they do not count as width.
 */
#include "launcher/topview.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/fd.h"

/* ---- numbers ----------------------------------------------------------------------------------------- */

static char *scaled(char buf[16], double v, const char *const *units, size_t n, double step)
{
	size_t u = 0;
	while (v >= 999.5 && u + 1 < n) {
		v /= step;
		u++;
	}
	int digits = v >= 99.95 || (u == 0 && v >= 9.95) ? 0 : v >= 9.995 ? 1 : u ? 2 : 1;
	snprintf(buf, 16, "%.*f%s", digits, v, units[u]);
	return buf;
}

char *top_number(char buf[16], double v)
{
	static const char *const units[] = {"", "k", "M", "G", "T", "P"};
	if (v <= 0)
		return strcpy(buf, "-");
	if (v < 0.05)
		return strcpy(buf, "<0.1");
	return scaled(buf, v, units, ARRAY_LEN(units), 1000);
}

char *top_time(char buf[16], uint64_t ns)
{
	static const char *const units[] = {"n", "u", "m", "s"};
	if (!ns)
		return strcpy(buf, "-");
	return scaled(buf, (double)ns, units, ARRAY_LEN(units), 1000);
}

/* ---- columns ----------------------------------------------------------------------------------------- */

enum cell_kind { CELL_NAME, CELL_MODEL, CELL_STATE, CELL_RATE, CELL_DEPTH, CELL_PERCENTILE };

static const struct column {
	const char *title;
	unsigned width; /* with the space before it */
	unsigned rank;	/* the highest are left out first */
	enum cell_kind kind;
	size_t field;	/* of a rate: offset in struct top_device */
	double percent; /* of a percentile */
	enum top_sort sort;
} columns[] = {
/* clang-format off */
#define RATE(title, rank, field, sort) {title, 6, rank, CELL_RATE, offsetof(struct top_device, field), 0, sort}
	{"DEVICE", 12, 0, CELL_NAME, 0, 0, TOP_BY_CONFIG},
	{"MODEL", 15, 13, CELL_MODEL, 0, 0, TOP_BY_CONFIG},
	{"STATE", 8, 3, CELL_STATE, 0, 0, TOP_BY_CONFIG},
	RATE("FWD-R", 2, reads_forwarded, TOP_BY_ACCESSES),
	RATE("FWD-W", 2, writes_forwarded, TOP_BY_ACCESSES),
	RATE("POST", 4, writes_posted, TOP_BY_ACCESSES),
	RATE("SHAD", 5, reads_shadow, TOP_BY_ACCESSES),
	RATE("REQ", 1, requests, TOP_BY_REQUESTS),
	RATE("IN", 1, in_bytes, TOP_BY_BYTES),
	RATE("OUT", 1, out_bytes, TOP_BY_BYTES),
	{"QD", 5, 7, CELL_DEPTH, 0, 0, TOP_SORTS},
	{"P50", 6, 9, CELL_PERCENTILE, 0, 50, TOP_SORTS},
	{"P99", 6, 6, CELL_PERCENTILE, 0, 99, TOP_BY_LATENCY},
	RATE("IRQ", 8, interrupts, TOP_BY_INTERRUPTS),
	RATE("WAKE", 10, wakes, TOP_SORTS),
	RATE("ERR", 11, errors, TOP_SORTS),
	RATE("DROP", 12, drops, TOP_SORTS),
#undef RATE
	/* clang-format on */
};

/* The rank from which on columns are left out. */
static unsigned rank_limit(unsigned width)
{
	for (unsigned limit = 99;; limit--) {
		unsigned total = 0;
		for (size_t i = 0; i < ARRAY_LEN(columns); i++)
			total += columns[i].rank < limit ? columns[i].width : 0;
		if (total <= width || limit == 1)
			return limit;
	}
}

static const char *cell_text(const struct column *c, const struct top_device *d, char buf[16])
{
	double rate;
	switch (c->kind) {
	case CELL_NAME:
		return d->name;
	case CELL_MODEL:
		return d->model;
	case CELL_STATE:
		return d->state;
	case CELL_RATE:
		memcpy(&rate, (const char *)d + c->field, sizeof(rate));
		return top_number(buf, rate);
	case CELL_DEPTH:
		if (d->depth && d->depth < 1000) {
			snprintf(buf, 16, "%u", (unsigned)d->depth);
			return buf;
		}
		return top_number(buf, (double)d->depth);
	default:
		return top_time(buf, histogram_percentile(&d->latency, c->percent));
	}
}

/* ---- lines ------------------------------------------------------------------------------------------- */

#define BOLD "\033[1m"
#define DIM "\033[2m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define REVERSE "\033[7m"
#define PLAIN "\033[0m"

/** struct page - lines that are being written. */
struct page {
	struct sb *out;
	const struct top_ui *ui;
	unsigned width, lines;
};

/* A line of text in one style (NULL: none), cut at the page's width. */
static void line(struct page *p, const char *style, const char *text)
{
	bool colour = p->ui->colour && style;
	AUTO_FREE char *cut = xasprintf("%.*s", (int)p->width, text);
	text_printable(cut);
	sb_addf(p->out, "%s%s%s\n", colour ? style : "", cut, colour ? PLAIN : "");
	p->lines++;
}

/* @text in @width columns: numbers to the right, names to the left and cut. */
static void cell(struct page *p, const struct column *c, const char *text, const char *style)
{
	bool left = c->kind == CELL_NAME || c->kind == CELL_MODEL || c->kind == CELL_STATE;
	int lead = c->kind != CELL_NAME, w = (int)c->width - lead;
	bool colour = p->ui->colour && style;
	sb_addf(p->out, "%*s%s", lead, "", colour ? style : "");
	if (left)
		sb_addf(p->out, "%-*.*s", w, w, text);
	else
		sb_addf(p->out, "%*s", w, text);
	sb_add(p->out, colour ? PLAIN : "");
}

static const char *state_style(const char *state)
{
	if (strcmp(state, "serving") == 0 || strcmp(state, "running") == 0)
		return GREEN;
	return strcmp(state, "dead") == 0 || strcmp(state, "quarantined") == 0 ? RED : YELLOW;
}

static void head_lines(struct page *p, const struct top_view *v)
{
	static const char *const orders[TOP_SORTS] = {
		[TOP_BY_CONFIG] = "the config",	  [TOP_BY_ACCESSES] = "accesses",
		[TOP_BY_REQUESTS] = "requests",	  [TOP_BY_BYTES] = "bytes",
		[TOP_BY_LATENCY] = "p99 latency", [TOP_BY_INTERRUPTS] = "interrupts"};
	AUTO_SB b = {0};
	uint64_t s = v->uptime_ns / 1000000000u;
	sb_addf(&b, "%s: %s, engine %s, up %llu:%02llu:%02llu", v->vm, v->state,
		v->engine[0] ? v->engine : "-", (unsigned long long)(s / 3600),
		(unsigned long long)(s / 60 % 60), (unsigned long long)(s % 60));
	if (v->seconds > 0)
		sb_addf(&b, "; the last %.1f s, per second", v->seconds);
	if (v->unclaimed > 0)
		sb_addf(&b, "; %.1f unclaimed accesses", v->unclaimed);
	line(p, BOLD, sb_str(&b));
	if (!p->ui->live)
		return;
	AUTO_SB keys = {0};
	sb_addf(&keys, "%sq quit  s order: %s  p %s", p->ui->paused ? "PAUSED  " : "",
		orders[p->ui->sort], p->ui->paused ? "go on" : "pause");
	line(p, p->ui->paused ? YELLOW : DIM, sb_str(&keys));
}

/* As many vCPUs a line as there is room for. */
static void cpu_lines(struct page *p, const struct top_view *v)
{
	enum { CELL = 36 };
	size_t per_line = p->width / CELL ? p->width / CELL : 1;
	for (size_t i = 0; i < v->ncpus;) {
		AUTO_SB b = {0};
		for (size_t k = 0; k < per_line && i < v->ncpus; k++, i++) {
			char exits[16], mips[16], text[CELL + 32];
			snprintf(text, sizeof(text), "cpu%-3zu %6s exits %6s MIPS", i,
				 top_number(exits, v->cpus[i].exits),
				 top_number(mips, v->cpus[i].mips));
			sb_addf(&b, "%-*s", k + 1 < per_line && i + 1 < v->ncpus ? CELL : 0, text);
		}
		line(p, NULL, sb_str(&b));
	}
}

static void title_line(struct page *p, unsigned limit)
{
	unsigned used = 0;
	sb_add(p->out, p->ui->colour ? REVERSE : "");
	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		const struct column *c = &columns[i];
		if (c->rank >= limit)
			continue;
		/* The order's column is told apart; the whole line stays reversed. */
		bool mark = p->ui->live && p->ui->sort != TOP_BY_CONFIG && c->sort == p->ui->sort;
		cell(p, c, c->title, mark ? PLAIN BOLD : NULL);
		if (mark && p->ui->colour)
			sb_add(p->out, REVERSE);
		used += c->width;
	}
	if (p->ui->colour)
		sb_addf(p->out, "%*s%s", used < p->width ? (int)(p->width - used) : 0, "", PLAIN);
	sb_addc(p->out, '\n');
	p->lines++;
}

static void device_line(struct page *p, const struct top_device *d, unsigned limit)
{
	char buf[16];
	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		const struct column *c = &columns[i];
		const char *style = c->kind == CELL_STATE ? state_style(d->state) : NULL;
		if (c->rank >= limit)
			continue;
		const char *text = cell_text(c, d, buf);
		cell(p, c, text, strcmp(text, "-") == 0 ? DIM : style);
	}
	sb_addc(p->out, '\n');
	p->lines++;
	if (d->why[0]) {
		AUTO_SB why = {0};
		sb_addf(&why, "  %s: %s", d->state, d->why);
		line(p, RED, sb_str(&why));
	}
}

/* ---- order and keys ---------------------------------------------------------------------------------- */

static double sort_value(const struct top_device *d, enum top_sort by)
{
	switch (by) {
	case TOP_BY_ACCESSES:
		return d->accesses;
	case TOP_BY_REQUESTS:
		return d->requests;
	case TOP_BY_BYTES:
		return d->in_bytes + d->out_bytes;
	case TOP_BY_LATENCY:
		return (double)histogram_percentile(&d->latency, 99);
	case TOP_BY_INTERRUPTS:
		return d->interrupts;
	default:
		return 0;
	}
}

static void sort_devices(struct top_view *v, enum top_sort by)
{
	/* Few, and nearly in order already: an insertion sort, which keeps equal ones as they are in the config. */
	for (size_t i = 1; i < v->ndevices; i++) {
		struct top_device d = v->devices[i];
		double key = sort_value(&d, by);
		size_t k = i;
		for (; k > 0; k--) {
			const struct top_device *o = &v->devices[k - 1];
			double other = sort_value(o, by);
			if (other > key || (other >= key && o->order < d.order))
				break;
			v->devices[k] = *o;
		}
		v->devices[k] = d;
	}
}

enum top_action top_key(struct top_ui *ui, char c)
{
	switch (c) {
	case 'q':
	case 'Q':
	case 3: /* Ctrl-C */
	case 4: /* Ctrl-D */
		return TOP_QUIT;
	case 26: /* Ctrl-Z */
		return TOP_SUSPEND;
	case 's':
		ui->sort = (ui->sort + 1) % TOP_SORTS;
		return TOP_REDRAW;
	case 'S':
		ui->sort = (ui->sort + TOP_SORTS - 1) % TOP_SORTS;
		return TOP_REDRAW;
	case 'p':
	case ' ':
		ui->paused = !ui->paused;
		return TOP_REDRAW;
	case 12: /* Ctrl-L */
		return TOP_REDRAW;
	default:
		return TOP_NOTHING;
	}
}

/* ---- the page ---------------------------------------------------------------------------------------- */

void top_render(struct top_view *v, const struct top_ui *ui, struct sb *out)
{
	struct page p = {.out = out,
			 .ui = ui,
			 .width = ui->width < TOP_WIDTH_MIN ? TOP_WIDTH_MIN : ui->width};
	unsigned limit = rank_limit(p.width);
	sort_devices(v, ui->sort);
	head_lines(&p, v);
	cpu_lines(&p, v);
	title_line(&p, limit);
	for (size_t i = 0; i < v->ndevices; i++) {
		unsigned need = v->devices[i].why[0] ? 2 : 1;
		bool last = i + 1 == v->ndevices;
		if (ui->height && p.lines + need + !last > ui->height) {
			char more[48];
			snprintf(more, sizeof(more), "... %zu more", v->ndevices - i);
			if (p.lines < ui->height)
				line(&p, DIM, more);
			return;
		}
		device_line(&p, &v->devices[i], limit);
	}
}

static void json_rate(struct json *j, const char *key, double v)
{
	json_u64(j, key, (uint64_t)(v + 0.5));
}

static void json_device(struct json *j, const struct top_device *d)
{
	json_open(j, NULL, '{');
	json_str(j, "name", d->name);
	json_str(j, "model", d->model);
	json_str(j, "state", d->state);
	json_str(j, "why", d->why[0] ? d->why : NULL);
	json_rate(j, "reads_forwarded", d->reads_forwarded);
	json_rate(j, "writes_forwarded", d->writes_forwarded);
	json_rate(j, "writes_posted", d->writes_posted);
	json_rate(j, "reads_shadow", d->reads_shadow);
	json_rate(j, "requests", d->requests);
	json_rate(j, "in_bytes", d->in_bytes);
	json_rate(j, "out_bytes", d->out_bytes);
	json_rate(j, "errors", d->errors);
	json_rate(j, "drops", d->drops);
	json_u64(j, "depth", d->depth);
	json_rate(j, "interrupts", d->interrupts);
	json_rate(j, "wakes", d->wakes);
	json_str(j, "latency_of", d->latency_of_requests ? "requests" : "accesses");
	json_u64(j, "p50_ns", histogram_percentile(&d->latency, 50));
	json_u64(j, "p99_ns", histogram_percentile(&d->latency, 99));
	json_close(j, '}');
}

void top_json(const struct top_view *v, struct sb *out)
{
	struct json j = {.out = out};
	json_open(&j, NULL, '{');
	json_str(&j, "name", v->vm);
	json_str(&j, "state", v->state);
	json_str(&j, "engine", v->engine[0] ? v->engine : NULL);
	json_u64(&j, "uptime_ns", v->uptime_ns);
	json_u64(&j, "interval_ns", (uint64_t)(v->seconds * 1e9));
	json_rate(&j, "unclaimed", v->unclaimed);
	json_open(&j, "vcpus", '[');
	for (size_t i = 0; i < v->ncpus; i++) {
		json_open(&j, NULL, '{');
		json_rate(&j, "exits", v->cpus[i].exits);
		json_rate(&j, "instructions", v->cpus[i].mips * 1e6);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_open(&j, "devices", '[');
	for (size_t i = 0; i < v->ndevices; i++)
		json_device(&j, &v->devices[i]);
	json_close(&j, ']');
	json_close(&j, '}');
}
