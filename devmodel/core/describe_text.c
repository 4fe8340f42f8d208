/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/core/describe.h"
#include "devmodel/core/core.h"
#include "base/fd.h"
#include <stdio.h>
#include <string.h>

typedef unsigned long long ull;

static void text_reg(struct dm_text *t, const Outrigger__RegisterDescription *r)
{
	dm_text_addf(t, "    %#6x %u  %-10s %-3s  read %-7s  write %-7s  reset %#llx", r->offset,
		     r->width, r->name, r->access, r->read_way, r->write_way, (ull)r->reset);
	if (r->count > 1)
		dm_text_addf(t, "  x%u every %u", r->count, r->stride);
	if (r->read_acts)
		dm_text_addf(t, "  while %#x is set: forward", r->read_acts);
	dm_text_addf(t, "  %s\n", r->help);
	for (size_t i = 0; i < r->n_fields; i++) {
		const Outrigger__FieldDescription *f = r->fields[i];
		dm_text_addf(t, "             [%u", f->lsb + f->bits - 1);
		if (f->bits > 1)
			dm_text_addf(t, ":%u", f->lsb);
		dm_text_addf(t, "] %s", f->name);
		for (size_t k = 0; k < f->n_values; k++)
			dm_text_addf(t, "%s%s", k ? ", " : ": ", f->values[k]);
		dm_text_addf(t, "\n");
	}
}

static void text_model(struct dm_text *t, const Outrigger__ModelDescription *m)
{
	dm_text_addf(t, "%s %u: %s\nbuild %s, state %u bytes, %u interrupt line(s)%s%s\n", m->name,
		     m->version, m->summary, m->build_id, m->state_bytes, m->irqs,
		     m->dma ? ", uses guest memory" : "",
		     m->vm_requests ? ", may ask for the VM's end or reset" : "");
	for (size_t i = 0; i < m->n_options; i++) {
		const Outrigger__OptionDescription *o = m->options[i];
		dm_text_addf(t, "  option %s (%s", o->name, o->type);
		for (size_t k = 0; k < o->n_choices; k++)
			dm_text_addf(t, "%s%s", k ? "|" : ": ", o->choices[k]);
		dm_text_addf(t, ")%s%s%s: %s\n", *o->def ? " default " : "", o->def,
			     o->required ? " required" : "", o->help);
	}
	for (size_t i = 0; i < m->n_syscalls; i++)
		dm_text_addf(t, "  system call %s\n", m->syscalls[i]);
	for (size_t i = 0; i < m->n_regions; i++) {
		const Outrigger__RegionDescription *r = m->regions[i];
		dm_text_addf(t, "  region %s: %s%s, %#llx bytes, access widths", r->name, r->space,
			     r->n_spaces > 1 ? " (or as the config says)" : "", (ull)r->size);
		for (unsigned w = 1; w <= 8; w *= 2)
			if (r->widths & w)
				dm_text_addf(t, " %u", w);
		if (r->at)
			dm_text_addf(t, ", %#x bytes on", r->at);
		if (*r->shift_option)
			dm_text_addf(t, ", shifted by option %s", r->shift_option);
		if (*r->width_option)
			dm_text_addf(t, ", registers as wide as option %s", r->width_option);
		dm_text_addf(t, "\n");
		for (size_t k = 0; k < r->n_regs; k++)
			text_reg(t, r->regs[k]);
	}
}

static void json_strings(struct dm_text *t, const char *key, size_t n, char **v)
{
	dm_text_addf(t, ", \"%s\": [", key);
	for (size_t i = 0; i < n; i++) {
		dm_text_addf(t, "%s", i ? ", " : "");
		dm_text_json(t, v[i]);
	}
	dm_text_addf(t, "]");
}

static void json_pair(struct dm_text *t, const char *lead, const char *key, const char *value)
{
	dm_text_addf(t, "%s\"%s\": ", lead, key);
	dm_text_json(t, value);
}

static void json_reg(struct dm_text *t, const Outrigger__RegisterDescription *r)
{
	json_pair(t, "{", "name", r->name);
	dm_text_addf(t, ", \"offset\": %u, \"width\": %u", r->offset, r->width);
	json_pair(t, ", ", "access", r->access);
	dm_text_addf(t, ", \"reset\": \"%#llx\", \"mask\": \"%#llx\"", (ull)r->reset, (ull)r->mask);
	json_pair(t, ", ", "read_way", r->read_way);
	json_pair(t, ", ", "write_way", r->write_way);
	dm_text_addf(t, ", \"count\": %u, \"stride\": %u", r->count, r->stride);
	dm_text_addf(t, ", \"read_acts\": %u", r->read_acts);
	json_pair(t, ", ", "help", r->help);
	dm_text_addf(t, ", \"fields\": [");
	for (size_t i = 0; i < r->n_fields; i++) {
		json_pair(t, i ? ", {" : "{", "name", r->fields[i]->name);
		dm_text_addf(t, ", \"lsb\": %u, \"bits\": %u", r->fields[i]->lsb,
			     r->fields[i]->bits);
		json_strings(t, "values", r->fields[i]->n_values, r->fields[i]->values);
		dm_text_addf(t, "}");
	}
	dm_text_addf(t, "]}");
}

static void json_model(struct dm_text *t, const Outrigger__ModelDescription *m)
{
	json_pair(t, "{", "name", m->name);
	dm_text_addf(t, ", \"version\": %u", m->version);
	json_pair(t, ", ", "summary", m->summary);
	json_pair(t, ", ", "build_id", m->build_id);
	dm_text_addf(t, ", \"irqs\": %u, \"state_bytes\": %u, \"dma\": %s, \"vm_requests\": %s",
		     m->irqs, m->state_bytes, m->dma ? "true" : "false",
		     m->vm_requests ? "true" : "false");
	json_strings(t, "compatible", m->fdt->n_compatible, m->fdt->compatible);
	json_strings(t, "syscalls", m->n_syscalls, m->syscalls);
	dm_text_addf(t, ", \"options\": [");
	for (size_t i = 0; i < m->n_options; i++) {
		const Outrigger__OptionDescription *o = m->options[i];
		json_pair(t, i ? ", {" : "{", "name", o->name);
		json_pair(t, ", ", "type", o->type);
		json_pair(t, ", ", "default", o->def);
		json_pair(t, ", ", "help", o->help);
		dm_text_addf(t, ", \"required\": %s", o->required ? "true" : "false");
		json_strings(t, "choices", o->n_choices, o->choices);
		dm_text_addf(t, "}");
	}
	dm_text_addf(t, "], \"regions\": [");
	for (size_t i = 0; i < m->n_regions; i++) {
		const Outrigger__RegionDescription *r = m->regions[i];
		json_pair(t, i ? ", {" : "{", "name", r->name);
		json_pair(t, ", ", "space", r->space);
		json_strings(t, "spaces", r->n_spaces, r->spaces);
		dm_text_addf(t, ", \"at\": %u", r->at);
		json_pair(t, ", ", "shift_option", r->shift_option);
		json_pair(t, ", ", "width_option", r->width_option);
		dm_text_addf(t, ", \"size\": %llu, \"widths\": %u, \"registers\": [", (ull)r->size,
			     r->widths);
		for (size_t k = 0; k < r->n_regs; k++) {
			dm_text_addf(t, "%s", k ? ", " : "");
			json_reg(t, r->regs[k]);
		}
		dm_text_addf(t, "]}");
	}
	dm_text_addf(t, "]}\n");
}

static int print_pb(const Outrigger__ModelDescription *m)
{
	size_t n = outrigger__model_description__get_packed_size(m);
	AUTO_FREE uint8_t *buf = malloc(n);
	CHECK(buf);
	outrigger__model_description__pack(m, buf);
	return fd_write_all(1, buf, n);
}

int describe_print(const struct dm_class *cls, const char *format)
{
	Outrigger__ModelDescription *m = describe_model(cls);
	struct dm_text t = {0};
	int rc = 0;
	if (!strcmp(format, "pb"))
		rc = print_pb(m);
	else if (!strcmp(format, "json"))
		json_model(&t, m);
	else if (!strcmp(format, "text"))
		text_model(&t, m);
	else
		rc = -EINVAL;
	size_t len = t.len;
	AUTO_FREE char *s = dm_text_steal(&t);
	if (s)
		rc = fd_write_all(1, s, len);
	describe_free(m);
	return rc;
}
