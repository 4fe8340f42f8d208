/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model is, from its tables: the message that the launcher reads, and two forms for people and scripts.
 */
#include "devmodel/core/describe.h"
#include "devmodel/core/host.h"
#include "devmodel/core/buildid.h"
#include "devmodel/core/core.h"
#include "base/fd.h"
#include <stdio.h>
#include <string.h>

static void *need(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);
	CHECK(p);
	return p;
}

/* protobuf-c strings are char *, but packing only reads them. */
static char *borrow(const char *s)
{
	return (char *)(uintptr_t)(s ? s : "");
}

#define FILL(array, count, init_fn, item)                                                          \
	for (size_t fill_ = 0; fill_ < (count); fill_++) {                                         \
		(array)[fill_] = need(1, sizeof(item));                                            \
		init_fn((array)[fill_]);                                                           \
	}

static size_t split(const char *s, char ***ret)
{
	size_t n = 0;
	*ret = NULL;
	for (const char *p = s; p && *p; n++) {
		const char *end = strchrnul(p, '|');
		*ret = realloc(*ret, (n + 1) * sizeof(**ret));
		CHECK(*ret);
		(*ret)[n] = strndup(p, (size_t)(end - p));
		CHECK((*ret)[n]);
		p = *end ? end + 1 : end;
	}
	return n;
}

static void split_free(size_t n, char **v)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

static size_t list(const char *const *s, char ***ret)
{
	size_t n = 0;
	while (s && s[n])
		n++;
	*ret = need(n, sizeof(**ret));
	for (size_t i = 0; i < n; i++)
		(*ret)[i] = borrow(s[i]);
	return n;
}

static void fill_reg(Outrigger__RegisterDescription *d, const struct dm_region *region,
		     const struct dm_reg *r)
{
	static const char *const access[] = {"?", "RO", "RW", "WO", "W1C", "RC"};
	static const char *const read_way[] = {"forward", "shadow", "shadow", "pending"};
	static const char *const write_way[] = {"forward", "post", "ignore", "doorbell", "ack"};
	d->name = borrow(r->name);
	d->offset = r->offset;
	d->width = dm_reg_width(region, r);
	d->access = borrow(access[r->access]);
	d->reset = r->reset;
	d->mask = r->mask ? r->mask : (d->width >= 8 ? ~0ull : (1ull << (d->width * 8)) - 1);
	d->read_way = borrow(read_way[dm_reg_shadowed(r)]);
	d->read_acts = r->read_acts;
	d->write_way = borrow(write_way[dm_reg_write_way(r)]);
	d->count = dm_reg_count(r);
	d->stride = dm_reg_stride(region, r);
	d->help = borrow(r->help);
	size_t n = 0;
	while (r->bits && r->bits[n].name)
		n++;
	d->n_fields = n;
	d->fields = need(n, sizeof(*d->fields));
	FILL(d->fields, n, outrigger__field_description__init, Outrigger__FieldDescription);
	for (size_t i = 0; i < n; i++) {
		d->fields[i]->name = borrow(r->bits[i].name);
		d->fields[i]->lsb = r->bits[i].lsb;
		d->fields[i]->bits = r->bits[i].bits;
		d->fields[i]->n_values = split(r->bits[i].values, &d->fields[i]->values);
	}
}

static void fill_region(Outrigger__RegionDescription *d, const struct dm_region *r)
{
	d->name = borrow(r->name);
	static const char *const spaces[] = {"mmio", "pio"};
	d->space = borrow(spaces[r->space]);
	d->spaces = need(2, sizeof(*d->spaces));
	for (unsigned i = 0; i < 2; i++)
		if (dm_region_spaces(r) & DM_IN(i))
			d->spaces[d->n_spaces++] = borrow(spaces[i]);
	d->at = r->at;
	d->shift_option = borrow(r->shift_option);
	d->width_option = borrow(r->width_option);
	d->size = r->size;
	d->widths = r->widths;
	size_t n = 0;
	while (r->regs && r->regs[n].name)
		n++;
	d->n_regs = n;
	d->regs = need(n, sizeof(*d->regs));
	FILL(d->regs, n, outrigger__register_description__init, Outrigger__RegisterDescription);
	for (size_t i = 0; i < n; i++)
		fill_reg(d->regs[i], r, &r->regs[i]);
}

static void fill_options(Outrigger__ModelDescription *m, const struct dm_class *cls)
{
	size_t n = 0;
	while (cls->options && cls->options[n].name)
		n++;
	m->n_options = n;
	m->options = need(n, sizeof(*m->options));
	FILL(m->options, n, outrigger__option_description__init, Outrigger__OptionDescription);
	for (size_t i = 0; i < n; i++) {
		const struct dm_option *o = &cls->options[i];
		Outrigger__OptionDescription *d = m->options[i];
		d->name = borrow(o->name);
		d->type = borrow(dm_option_type_name(o->type));
		d->def = borrow(o->def);
		d->help = borrow(o->help);
		d->required = o->required;
		d->n_choices = split(o->choices, &d->choices);
	}
}

static void fill_controls(Outrigger__ModelDescription *m, const struct dm_class *cls)
{
	size_t n = 0;
	while (cls->controls && cls->controls[n].name)
		n++;
	m->n_controls = n;
	m->controls = need(n, sizeof(*m->controls));
	FILL(m->controls, n, outrigger__option_description__init, Outrigger__OptionDescription);
	for (size_t i = 0; i < n; i++) {
		m->controls[i]->name = borrow(cls->controls[i].name);
		m->controls[i]->help = borrow(cls->controls[i].help);
	}
}

static void fill_fdt(Outrigger__ModelDescription *m, const struct dm_class *cls)
{
	Outrigger__FdtDescription *f = need(1, sizeof(*f));
	outrigger__fdt_description__init(f);
	f->node = borrow(cls->fdt.node);
	f->hidden = !cls->fdt.node;
	f->n_compatible = list(cls->fdt.compatible, &f->compatible);
	f->n_clock_names = list(cls->fdt.clock_names, &f->clock_names);
	size_t n = 0;
	while (cls->fdt.props && cls->fdt.props[n].name)
		n++;
	f->n_props = n;
	f->props = need(n, sizeof(*f->props));
	FILL(f->props, n, outrigger__fdt_prop__init, Outrigger__FdtProp);
	for (size_t i = 0; i < n; i++) {
		f->props[i]->name = borrow(cls->fdt.props[i].name);
		f->props[i]->option = borrow(cls->fdt.props[i].option);
		f->props[i]->value = cls->fdt.props[i].value;
	}
	f->stdout = cls->fdt.can_be_stdout;
	f->irq_type = borrow(cls->fdt.edge_irq ? "edge-rising" : "level-high");
	f->dma_coherent = cls->dma;
	m->fdt = f;
}

static size_t syscalls_count(const struct dm_syscall *list)
{
	size_t n = 0;
	while (list && list[n].name)
		n++;
	return n;
}

/* The model's own, and its host back-end's. */
static void fill_syscalls(Outrigger__ModelDescription *m, const struct dm_class *cls)
{
	const struct dm_syscall *host = cls->host ? cls->host->syscalls : NULL;
	size_t own = syscalls_count(cls->syscalls);
	m->n_syscalls = own + syscalls_count(host);
	m->syscalls = need(m->n_syscalls, sizeof(*m->syscalls));
	for (size_t i = 0; i < m->n_syscalls; i++)
		m->syscalls[i] = borrow(i < own ? cls->syscalls[i].name : host[i - own].name);
}

Outrigger__ModelDescription *describe_model(const struct dm_class *cls)
{
	Outrigger__ModelDescription *m = need(1, sizeof(*m));
	outrigger__model_description__init(m);
	m->name = borrow(cls->name);
	m->version = cls->version;
	m->summary = borrow(cls->summary);
	m->irqs = cls->irqs;
	m->state_bytes = (uint32_t)dm_arena_size(cls);
	m->dma = cls->dma;
	m->vm_requests = cls->vm_requests;
	size_t n = 0;
	while (cls->regions[n].name)
		n++;
	m->n_regions = n;
	m->regions = need(n, sizeof(*m->regions));
	FILL(m->regions, n, outrigger__region_description__init, Outrigger__RegionDescription);
	for (size_t i = 0; i < n; i++)
		fill_region(m->regions[i], &cls->regions[i]);
	fill_options(m, cls);
	fill_controls(m, cls);
	fill_fdt(m, cls);
	fill_syscalls(m, cls);
	m->build_id = need(1, 65);
	build_id_text(m->build_id, 65);
	return m;
}

void describe_free(Outrigger__ModelDescription *m)
{
	for (size_t i = 0; i < m->n_regions; i++) {
		for (size_t k = 0; k < m->regions[i]->n_regs; k++) {
			Outrigger__RegisterDescription *r = m->regions[i]->regs[k];
			for (size_t f = 0; f < r->n_fields; f++) {
				split_free(r->fields[f]->n_values, r->fields[f]->values);
				free(r->fields[f]);
			}
			free(r->fields);
			free(r);
		}
		free(m->regions[i]->regs);
		free(m->regions[i]->spaces);
		free(m->regions[i]);
	}
	free(m->regions);
	for (size_t i = 0; i < m->n_options; i++) {
		split_free(m->options[i]->n_choices, m->options[i]->choices);
		free(m->options[i]);
	}
	free(m->options);
	for (size_t i = 0; i < m->n_controls; i++)
		free(m->controls[i]);
	free(m->controls);
	for (size_t i = 0; i < m->fdt->n_props; i++)
		free(m->fdt->props[i]);
	free(m->fdt->props);
	free(m->fdt->compatible);
	free(m->fdt->clock_names);
	free(m->fdt);
	free(m->syscalls);
	free(m->build_id);
	free(m);
}
