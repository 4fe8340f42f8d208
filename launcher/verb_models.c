/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "launcher/json.h"
#include "launcher/models.h"
#include "launcher/verbs.h"

static const struct option_def options[] = {
	OPTION_JSON,
	{"names", 0, NULL, "print only the names, one a line", NULL},
	OPTIONS_END,
};

static const char *type_words(const Outrigger__OptionDescription *o, struct sb *b)
{
	if (strcmp(o->type, "enum") == 0 && o->n_choices)
		for (size_t i = 0; i < o->n_choices; i++)
			sb_addf(b, "%s%s", i ? "|" : "", o->choices[i]);
	else
		sb_add(b, o->type);
	return sb_str(b);
}

static void text_registers(const Outrigger__RegionDescription *r, struct sb *out)
{
	char size[32];
	sb_addf(out, "region %s: %s, %s, widths", r->name, r->space,
		text_size_format(size, r->size));
	for (unsigned w = 1; w <= 8; w *= 2)
		if (r->widths & w)
			sb_addf(out, " %u", w * 8);
	sb_addf(out, "\n  %-6s %-16s %5s %-6s %-10s %-8s %-8s %s\n", "OFFSET", "REGISTER", "WIDTH",
		"ACCESS", "RESET", "READ", "WRITE", "WHAT");
	for (size_t i = 0; i < r->n_regs; i++) {
		const Outrigger__RegisterDescription *g = r->regs[i];
		AUTO_SB name = {0};
		sb_add(&name, g->name);
		if (g->count > 1)
			sb_addf(&name, "[%u]", g->count);
		sb_addf(out, "  0x%04x %-16s %5u %-6s 0x%-8llx %-8s %-8s %s\n", g->offset,
			sb_str(&name), g->width * 8, g->access, (unsigned long long)g->reset,
			strcmp(g->access, "WO") ? g->read_way : "-",
			strcmp(g->access, "RO") ? g->write_way : "-", g->help);
	}
}

static void text_model(const struct model *m, struct sb *out)
{
	const Outrigger__ModelDescription *d = m->desc;
	sb_addf(out, "%s (version %u): %s\n", m->name, d->version, d->summary);
	sb_addf(out, "program %s, build %s\n", m->path, d->build_id);
	sb_addf(out, "interrupts %u, state %u bytes, guest memory: %s\n", d->irqs, d->state_bytes,
		d->dma ? "wanted" : "none");
	sb_add(out, d->n_options ? "options:\n" : "no options\n");
	for (size_t i = 0; i < d->n_options; i++) {
		const Outrigger__OptionDescription *o = d->options[i];
		AUTO_SB type = {0};
		sb_addf(out, "  %-14s %-12s %s", o->name, type_words(o, &type), o->help);
		if (o->required)
			sb_add(out, " (required)");
		else if (o->def[0])
			sb_addf(out, " (default: %s)", o->def);
		sb_addc(out, '\n');
	}
	for (size_t i = 0; i < d->n_controls; i++)
		sb_addf(out, "%s  %-14s %s\n",
			i ? "" : "can be set while it runs (inspect --set):\n",
			d->controls[i]->name, d->controls[i]->help);
	for (size_t i = 0; i < d->n_regions; i++)
		text_registers(d->regions[i], out);
}

static void json_registers(struct json *j, const Outrigger__RegionDescription *r)
{
	json_open(j, NULL, '{');
	json_str(j, "name", r->name);
	json_str(j, "space", r->space);
	json_u64(j, "size", r->size);
	json_u64(j, "widths", r->widths);
	json_open(j, "registers", '[');
	for (size_t i = 0; i < r->n_regs; i++) {
		const Outrigger__RegisterDescription *g = r->regs[i];
		json_open(j, NULL, '{');
		json_str(j, "name", g->name);
		json_u64(j, "offset", g->offset);
		json_u64(j, "width", g->width);
		json_str(j, "access", g->access);
		json_u64(j, "reset", g->reset);
		json_u64(j, "mask", g->mask);
		json_str(j, "read_way", g->read_way);
		json_str(j, "write_way", g->write_way);
		json_u64(j, "count", g->count ? g->count : 1);
		json_str(j, "help", g->help);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}

static void json_model(struct json *j, const struct model *m)
{
	const Outrigger__ModelDescription *d = m->desc;
	json_open(j, NULL, '{');
	json_str(j, "name", m->name);
	json_str(j, "path", m->path);
	json_str(j, "error", m->why);
	if (d) {
		json_u64(j, "version", d->version);
		json_str(j, "summary", d->summary);
		json_str(j, "build_id", d->build_id);
		json_u64(j, "irqs", d->irqs);
		json_u64(j, "state_bytes", d->state_bytes);
		json_bool(j, "dma", d->dma);
		json_open(j, "options", '[');
		for (size_t i = 0; i < d->n_options; i++) {
			const Outrigger__OptionDescription *o = d->options[i];
			json_open(j, NULL, '{');
			json_str(j, "name", o->name);
			json_str(j, "type", o->type);
			json_str(j, "default", o->def[0] ? o->def : NULL);
			json_bool(j, "required", o->required);
			json_str(j, "help", o->help);
			json_open(j, "choices", '[');
			for (size_t k = 0; k < o->n_choices; k++)
				json_str(j, NULL, o->choices[k]);
			json_close(j, ']');
			json_close(j, '}');
		}
		json_close(j, ']');
		json_open(j, "controls", '[');
		for (size_t i = 0; i < d->n_controls; i++) {
			json_open(j, NULL, '{');
			json_str(j, "name", d->controls[i]->name);
			json_str(j, "help", d->controls[i]->help);
			json_close(j, '}');
		}
		json_close(j, ']');
		json_open(j, "regions", '[');
		for (size_t i = 0; i < d->n_regions; i++)
			json_registers(j, d->regions[i]);
		json_close(j, ']');
	}
	json_close(j, '}');
}

static void list(const struct models *m, const struct model *only, const struct args *a,
		 struct sb *out)
{
	bool json = args_flag(a, "json"), names = args_flag(a, "names");
	struct json j = {.out = out};
	if (json)
		json_open(&j, NULL, '[');
	for (size_t i = 0; i < m->count; i++) {
		const struct model *x = &m->items[i];
		if (only && x != only)
			continue;
		if (json)
			json_model(&j, x);
		else if (names)
			sb_addf(out, "%s\n", x->name);
		else if (!x->desc)
			sb_addf(out, "%-16s unusable: %s\n", x->name, x->why);
		else if (only)
			text_model(x, out);
		else
			sb_addf(out, "%-16s %s\n", x->name, x->desc->summary);
	}
	if (json)
		json_close(&j, ']');
}

static int models(const struct args *a)
{
	struct models m;
	struct err err = {0};
	AUTO_SB out = {0};
	int code = EXIT_DONE;
	const char *name = a->noperands ? a->operand[0] : NULL;
	if (models_load(&m, &err) < 0)
		return fail("%s", err.msg);
	const struct model *only = name ? models_find(&m, name) : NULL;
	const char *near = name && !only ? text_nearest(name, m.names) : NULL;
	if (name && !only)
		code = fail("no model \"%s\" in %s%s%s%s", name, m.dir,
			    near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	else
		list(&m, only, a, &out);
	if (!m.count && !name)
		fprintf(stderr, "outrigger: no device models (outrigger-dm-*) in %s\n", m.dir);
	fputs(sb_str(&out), stdout);
	models_fini(&m);
	return code;
}

const struct verb verb_models = {
	.name = "models",
	.summary = "List the installed device models, or describe one: options and registers",
	.operands = "[MODEL]",
	.max_operands = 1,
	.complete = "@model",
	.options = options,
	.text = "A model is a program outrigger-dm-<model> beside this one (or in "
		"OUTRIGGER_BINDIR); it describes itself.",
	.fn = models,
};
