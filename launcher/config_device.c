/* SPDX-License-Identifier: Apache-2.0 */
/* One device of a config: its model, options, address and interrupts. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include "base/bytes.h"
#include "launcher/config.h"
#include "launcher/hostio.h"
#include "launcher/netopt.h"

#define SHIFT_MAX 8u /* as devmodel/core/geometry.c */
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

int chardev_parse(const char *value, enum chardev_kind *ret, const char **ret_path, struct err *err)
{
	static const struct {
		const char *word;
		enum chardev_kind kind;
		bool path;
	} kinds[] = {{"console", CHARDEV_CONSOLE, false}, {"stdio", CHARDEV_STDIO, false},
		     {"pty", CHARDEV_PTY, false},	  {"file", CHARDEV_FILE, true},
		     {"unix", CHARDEV_UNIX, true},	  {"null", CHARDEV_NULL, false}};
	const char *colon = strchr(value, ':');
	size_t len = colon ? (size_t)(colon - value) : strlen(value);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (strlen(kinds[i].word) != len || strncmp(kinds[i].word, value, len) != 0)
			continue;
		const char *path = colon ? colon + 1 : "";
		if (kinds[i].path && !path[0])
			return err_set(err, EINVAL, "\"%s\" needs a path: %s:PATH", value,
				       kinds[i].word);
		if (!kinds[i].path && colon)
			return err_set(err, EINVAL, "\"%s\" takes nothing after the colon: %s",
				       value, kinds[i].word);
		if (kinds[i].kind == CHARDEV_UNIX && strlen(path) > SOCKET_PATH_MAX)
			return err_set(err, EINVAL,
				       "the socket's path has %zu bytes; at most %zu are possible",
				       strlen(path), SOCKET_PATH_MAX);
		*ret = kinds[i].kind;
		*ret_path = kinds[i].path ? path : NULL;
		return 0;
	}
	return err_set(err, EINVAL,
		       "\"%s\" is not a byte stream; use console, stdio, pty, file:PATH, unix:PATH "
		       "or null",
		       value);
}

/* ---- option values ---- */

static void check_choice(const Outrigger__OptionDescription *o, const char *value,
			 const struct ynode *n, const char *dev, struct diag *d)
{
	AUTO_SB list = {0};
	const char *words[LIMIT_OPTIONS + 1] = {0};
	for (size_t i = 0; i < o->n_choices && i < LIMIT_OPTIONS; i++) {
		words[i] = o->choices[i];
		if (strcmp(words[i], value) == 0)
			return;
	}
	text_join(&list, words, ", ");
	const char *near = text_nearest(value, words);
	diag_add(d, n, "device %s: option %s: \"%s\" is not a choice; %s%s%suse one of %s", dev,
		 o->name, value, near ? "did you mean \"" : "", near ? near : "",
		 near ? "\"? " : "", sb_str(&list));
}

/* "host", seconds since 1970, or a date and time, as the models read it (devmodel/dm.h,
 * DM_OPT_TIME). */
static bool time_ok(const char *s)
{
	struct tm tm;
	uint64_t v;
	int h, m, used = 0;
	if (strcmp(s, "host") == 0 || text_u64(s, &v) == 0)
		return true;
	const char *p = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!p)
		p = strptime(s, "%Y-%m-%d %H:%M:%S", &tm);
	if (!p)
		return false;
	if ((*p == '+' || *p == '-') && sscanf(p + 1, "%2d:%2d%n", &h, &m, &used) == 2)
		return p[1 + used] == 0;
	return !*p || strcmp(p, "Z") == 0;
}

/* The value in the one form that every model reads: bytes, nanoseconds, decimal, true or false. */
char *config_plain_value(const char *type, const char *value)
{
	uint64_t v;
	bool b;
	if (strcmp(type, "u64") == 0 && text_u64(value, &v) == 0)
		return xasprintf("%llu", (unsigned long long)v);
	if (strcmp(type, "size") == 0 && text_size(value, &v) == 0)
		return xasprintf("%llu", (unsigned long long)v);
	if (strcmp(type, "duration") == 0 && text_duration(value, false, &v) == 0)
		return xasprintf("%lluns", (unsigned long long)v);
	if (strcmp(type, "bool") == 0 && text_bool(value, &b) == 0)
		return xstrdup(b ? "true" : "false");
	return xstrdup(value);
}

bool config_option_io(const char *type)
{
	return strcmp(type, "disk") == 0 || strcmp(type, "net") == 0 || strcmp(type, "sink") == 0;
}

static void check_option(const Outrigger__OptionDescription *o, const char *value,
			 const struct ynode *n, const char *dev, struct diag *d)
{
	static const struct {
		const char *type, *right;
	} rights[] = {{"u64", "a number such as 5 or 0x10"},
		      {"size", "a size such as 512, 64K, 16M or 1G"},
		      {"duration", "a time with its unit, such as 250us, 10ms or 2s"},
		      {"bool", "true or false"},
		      {"time", "host, seconds since 1970, or a time such as 2026-01-31T12:00:00Z"}};
	uint64_t v;
	bool b;
	int r = 0;
	struct err err = {0};
	enum chardev_kind kind;
	const char *path, *right = "";
	if (strcmp(o->type, "enum") == 0) {
		check_choice(o, value, n, dev, d);
		return;
	}
	if (strcmp(o->type, "chardev") == 0) {
		if (chardev_parse(value, &kind, &path, &err) < 0)
			diag_add(d, n, "device %s: option %s: %s", dev, o->name, err.msg);
		return;
	}
	int (*check)(const char *, struct err *) = strcmp(o->type, "disk") == 0	 ? hostio_check_disk
						   : strcmp(o->type, "net") == 0 ? hostio_check_net
										 : NULL;
	if (check) {
		if (check(value, &err) < 0)
			diag_add(d, n, "device %s: option %s: %s", dev, o->name, err.msg);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(rights); i++)
		if (strcmp(o->type, rights[i].type) == 0)
			right = rights[i].right;
	if (strcmp(o->type, "u64") == 0)
		r = text_u64(value, &v);
	else if (strcmp(o->type, "size") == 0)
		r = text_size(value, &v);
	else if (strcmp(o->type, "duration") == 0)
		r = text_duration(value, false, &v);
	else if (strcmp(o->type, "bool") == 0)
		r = text_bool(value, &b);
	else if (strcmp(o->type, "time") == 0)
		r = time_ok(value) ? 0 : -EINVAL;
	if (r == -ERANGE)
		diag_add(d, n, "device %s: option %s: \"%s\" is too large for 64 bits", dev,
			 o->name, value);
	else if (r < 0)
		diag_add(d, n, "device %s: option %s: \"%s\" is not a %s; write %s", dev, o->name,
			 value, o->type, right);
}

static void resolve_options(const struct config *c, struct config_device *dev,
			    const struct raw_device *raw, struct diag *d)
{
	const Outrigger__ModelDescription *desc = dev->model->desc;
	const struct ynode *options = ynode_get(dev->node, "options");
	dev->values = xalloc(desc->n_options + 1, sizeof(*dev->values));
	for (size_t i = 0; i < desc->n_options; i++) {
		const Outrigger__OptionDescription *o = desc->options[i];
		int slot = config_schema_option(c->schema, o->name);
		const char *value = raw->options && slot >= 0 ? raw->options[slot] : NULL;
		if (value)
			check_option(o, value, ynode_get(options, o->name), dev->name, d);
		else if (o->required)
			diag_add(d, options ? options : dev->node,
				 "device %s: option %s is missing; model %s needs it (%s)",
				 dev->name, o->name, dev->model->name, o->help);
		/* What can be the guest's console is one without being told. */
		if (!value && strcmp(o->type, "chardev") == 0 && desc->fdt && desc->fdt->stdout)
			value = "console";
		if (!value && o->def && o->def[0])
			value = o->def;
		dev->values[i] = value ? config_plain_value(o->type, value) : NULL;
	}
}

void config_device_fini(struct config_device *dev)
{
	for (size_t i = 0; dev->values && i < dev->model->desc->n_options; i++)
		free(dev->values[i]);
	free(dev->values);
}

const char *config_value(const struct config_device *dev, const char *name)
{
	for (size_t i = 0; i < dev->model->desc->n_options; i++)
		if (strcmp(dev->model->desc->options[i]->name, name) == 0)
			return dev->values[i];
	return NULL;
}

/* ---- place ---- */

static bool address_taken(const struct config *c, size_t before, bool pio, uint64_t address)
{
	for (size_t i = 0; i < before; i++)
		if (c->devices[i].nranges && c->devices[i].ranges[0].pio == pio &&
		    c->devices[i].ranges[0].base == address)
			return true;
	return false;
}

/* Can a region be in this space, by its model? */
static bool region_allows(const Outrigger__RegionDescription *r, bool pio)
{
	const char *want = pio ? "pio" : "mmio";
	for (size_t i = 0; i < r->n_spaces; i++)
		if (strcmp(r->spaces[i], want) == 0)
			return true;
	return strcmp(r->space[0] ? r->space : "mmio", want) == 0;
}

/* The space that is meant by space: auto: the model's own, if the machine has it; else the other one. */
static bool space_default(const struct config *c, const struct config_device *dev)
{
	const Outrigger__ModelDescription *desc = dev->model->desc;
	return c->machine->pio && desc->n_regions && strcmp(desc->regions[0]->space, "pio") == 0;
}

/* False: the device cannot be there; that was reported. */
static bool space_check(const struct config *c, const struct config_device *dev, bool pio,
			struct diag *d)
{
	const Outrigger__ModelDescription *desc = dev->model->desc;
	const struct ynode *n = ynode_get(dev->node, "space");
	n = n ? n : dev->node;
	for (size_t i = 0; i < desc->n_regions; i++) {
		if (region_allows(desc->regions[i], pio))
			continue;
		diag_add(d, n, "device %s: region %s of model %s cannot be in %s%s", dev->name,
			 desc->regions[i]->name, dev->model->name, pio ? "I/O ports" : "memory",
			 !pio && !c->machine->pio ? ", and the machine has no I/O ports" : "");
		return false;
	}
	if (pio && !c->machine->pio) {
		diag_add(d, n, "device %s: machine %s has no I/O ports; use space: mmio", dev->name,
			 c->machine->name);
		return false;
	}
	return true;
}

/* The board's own place for a model, not yet taken by an earlier device. */
static bool default_place(const struct config *c, size_t index, const char *model, bool pio,
			  uint64_t *address, uint32_t *irq)
{
	const struct machine *m = c->machine;
	for (const struct machine_slot *s = m->slots; s->model; s++) {
		if (strcmp(s->model, model) == 0 && s->pio == pio &&
		    !address_taken(c, index, pio, s->address)) {
			*address = s->address;
			*irq = s->irq;
			return true;
		}
	}
	if (pio || !m->row_prefix || strncmp(model, m->row_prefix, strlen(m->row_prefix)) != 0)
		return false;
	for (uint32_t i = 0; i < m->row_count; i++) {
		if (!address_taken(c, index, false, m->row_base + i * m->row_stride)) {
			*address = m->row_base + i * m->row_stride;
			*irq = m->row_irqs ? m->row_irqs[i] : m->row_irq + i;
			return true;
		}
	}
	return false;
}

/* The value of a number option that a region's geometry depends on; "": @otherwise. */
static uint64_t geometry_value(const struct config_device *dev, const char *option,
			       uint64_t otherwise)
{
	uint64_t v;
	const char *text = option[0] ? config_value(dev, option) : NULL;
	return text && text_u64(text, &v) == 0 ? v : otherwise;
}

/* The region's size by its options; 0: they cannot be, which was reported. */
static uint64_t region_size(const struct config_device *dev, const Outrigger__RegionDescription *r,
			    struct diag *d)
{
	const struct ynode *options = ynode_get(dev->node, "options");
	uint64_t own = r->n_regs ? r->regs[0]->width : 1;
	uint64_t shift = geometry_value(dev, r->shift_option, 0);
	uint64_t width = geometry_value(dev, r->width_option, own);
	const struct ynode *at =
		ynode_get(options, shift > SHIFT_MAX ? r->shift_option : r->width_option);
	if (shift <= SHIFT_MAX && is_pow2(width) && width >= own && width <= 8 &&
	    width <= own << shift)
		return r->size << shift;
	if (shift > SHIFT_MAX)
		diag_add(d, at ? at : dev->node, "device %s: option %s: %llu is too much; 0 to %u",
			 dev->name, r->shift_option, (unsigned long long)shift, SHIFT_MAX);
	else
		diag_add(d, at ? at : dev->node,
			 "device %s: option %s: %llu; registers that are %llu bytes apart can be "
			 "1, 2, 4 or 8 bytes wide, and no wider than that",
			 dev->name, r->width_option, (unsigned long long)width,
			 (unsigned long long)(own << shift));
	return 0;
}

static void resolve_ranges(struct config_device *dev, uint64_t address, bool pio,
			   const struct ynode *n, struct diag *d)
{
	const Outrigger__ModelDescription *desc = dev->model->desc;
	uint64_t at = address;
	for (size_t i = 0; i < desc->n_regions && i < LIMIT_RANGES; i++) {
		uint64_t size = region_size(dev, desc->regions[i], d), align = 1;
		if (size == 0 && desc->regions[i]->size)
			return;
		while (align < size && align < 4096)
			align *= 2;
		if (size == 0) {
			diag_add(d, dev->node,
				 "device %s: region %s of model %s has zero length; the model's "
				 "program %s is at fault",
				 dev->name, desc->regions[i]->name, dev->model->name,
				 dev->model->path);
			return;
		}
		if (i)
			at = desc->regions[i]->at ? address + desc->regions[i]->at
						  : align_up(at, align);
		else if (at & (align - 1))
			diag_add(d, n,
				 "device %s: address 0x%llx is misaligned; a multiple of 0x%llx is "
				 "needed, such as 0x%llx",
				 dev->name, (unsigned long long)at, (unsigned long long)align,
				 (unsigned long long)align_down(at, align));
		dev->ranges[dev->nranges++] = (struct config_range){at, size, pio};
		at += size;
	}
}

static void resolve_irqs(const struct config *c, struct config_device *dev, uint64_t first,
			 const struct ynode *n, struct diag *d)
{
	uint32_t count = dev->model->desc->irqs;
	for (uint32_t i = 0; i < count && i < LIMIT_LINES; i++) {
		if (first + i >= c->machine->spi_count) {
			diag_add(d, n,
				 "device %s: irq %llu is too large; %s has shared interrupts 0 to "
				 "%u",
				 dev->name, (unsigned long long)(first + i), c->machine->name,
				 c->machine->spi_count - 1);
			return;
		}
		dev->irqs[dev->nirqs++] = (uint32_t)first + i;
	}
}

/* The options of a network device against each other: at config time, so that the message has file and line. */
static void check_net(const struct config_device *dev, struct diag *d)
{
	const Outrigger__ModelDescription *desc = dev->model->desc;
	const struct ynode *options = ynode_get(dev->node, "options");
	for (size_t i = 0; i < desc->n_options; i++) {
		struct err err = {0};
		enum net_kind kind;
		const char *rest;
		if (strcmp(desc->options[i]->type, "net") != 0 || !dev->values[i] ||
		    net_parse(dev->values[i], &kind, &rest, &err) < 0)
			continue; /* a value that cannot be read was reported */
		if (net_options_check(dev, kind, &err) < 0)
			diag_add(d, options ? options : dev->node, "device %s: %s", dev->name,
				 err.msg);
	}
}

static void resolve_dma(struct config_device *dev, const struct raw_device *raw, struct diag *d)
{
	static const char *const words[] = {"none", "map", "copy", NULL};
	const struct ynode *n = ynode_get(dev->node, "dma");
	bool wants = dev->model->desc->dma;
	dev->dma = wants ? "map" : "none";
	if (!raw->dma)
		return;
	size_t i = 0;
	while (words[i] && strcmp(words[i], raw->dma) != 0)
		i++;
	if (!words[i])
		diag_add(d, n, "device %s: dma \"%s\" is not known; use one of map, copy",
			 dev->name, raw->dma);
	else if ((i > 0) != wants)
		diag_add(d, n,
			 wants ? "device %s: model %s moves data through guest memory; dma: is map "
				 "or copy"
			       : "device %s: model %s uses no guest memory; leave dma: out",
			 dev->name, dev->model->name);
	else
		dev->dma = words[i];
}

static void resolve_place(struct config *c, size_t index, const struct raw_device *raw,
			  struct diag *d)
{
	struct config_device *dev = &c->devices[index];
	const struct ynode *n = ynode_get(dev->node, "address"),
			   *irq_node = ynode_get(dev->node, "irq");
	uint64_t address = 0;
	uint32_t irq = 0;
	bool known = false, have_irq = false;
	bool pio = raw->space == CONFIG_SPACE_AUTO ? space_default(c, dev)
						   : raw->space == CONFIG_SPACE_PIO;
	if (!space_check(c, dev, pio, d))
		return;
	if (raw->address && strcmp(raw->address, "auto") != 0) {
		int r = text_u64(raw->address, &address);
		if (r < 0) {
			diag_add(d, n, "device %s: address \"%s\" is %s; write it like 0x09000000",
				 dev->name, raw->address,
				 r == -ERANGE ? "over 64 bits" : "not a number");
			return;
		}
		for (const struct machine_slot *s = c->machine->slots; s->model; s++) {
			if (s->pio == pio && s->address == address &&
			    strcmp(s->model, dev->model->name) == 0) {
				irq = s->irq;
				have_irq = true;
			}
		}
	} else {
		known = have_irq = default_place(c, index, dev->model->name, pio, &address, &irq);
		if (!known && dev->model->desc->n_regions) {
			diag_add(d, dev->node,
				 "device %s: %s has no place of its own for a (further) %s; give "
				 "address: and irq:",
				 dev->name, c->machine->name, dev->model->name);
			return;
		}
	}
	resolve_ranges(dev, address, pio, n ? n : dev->node, d);
	if (raw->irq && dev->model->desc->irqs == 0)
		diag_add(d, irq_node, "device %s: model %s has no interrupt; leave irq: out",
			 dev->name, dev->model->name);
	else if (raw->irq || have_irq)
		resolve_irqs(c, dev, raw->irq ? *raw->irq : irq, irq_node ? irq_node : dev->node,
			     d);
	else if (dev->model->desc->irqs)
		diag_add(d, dev->node,
			 "device %s: key \"irq\" is missing; model %s has %u interrupt%s",
			 dev->name, dev->model->name, dev->model->desc->irqs,
			 dev->model->desc->irqs > 1 ? "s" : "");
}

/* A time of the restarts; @value NULL: it is not given. */
static void resolve_restart_time(const struct config_device *dev, const char *key,
				 const char *value, uint64_t max, uint64_t *ret, struct diag *d)
{
	uint64_t v = 0;
	char most[32];
	if (!value)
		return;
	int r = text_duration(value, false, &v);
	snprintf(most, sizeof(most), "%llus", (unsigned long long)(max / 1000000000u));
	if (r < 0 && r != -ERANGE)
		diag_add(d, ynode_get(dev->node, key),
			 "device %s: %s \"%s\" is not a time; write it with its unit, such as 50ms "
			 "or 10s",
			 dev->name, key, value);
	else if (r < 0 || v > max)
		diag_add(d, ynode_get(dev->node, key), "device %s: %s %s is too long; at most %s",
			 dev->name, key, value, most);
	else
		*ret = v;
}

static void resolve_restart(struct config_device *dev, const struct raw_device *raw, struct diag *d)
{
	static const char *const keys[] = {"restart_limit", "restart_backoff", "restart_window"};
	dev->restart =
		(struct restart_policy){RESTART_LIMIT, RESTART_BACKOFF_NS, RESTART_WINDOW_NS};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (ynode_get(dev->node, keys[i]) && strcmp(dev->on_failure, "restart") != 0)
			diag_add(d, ynode_get(dev->node, keys[i]),
				 "device %s: %s: is about restarts; on_failure: is %s", dev->name,
				 keys[i], dev->on_failure);
	if (raw->restart_limit && *raw->restart_limit > RESTART_LIMIT_MAX)
		diag_add(d, ynode_get(dev->node, "restart_limit"),
			 "device %s: restart_limit %llu is too many; at most %u", dev->name,
			 (unsigned long long)*raw->restart_limit, RESTART_LIMIT_MAX);
	else if (raw->restart_limit)
		dev->restart.limit = (uint32_t)*raw->restart_limit;
	resolve_restart_time(dev, "restart_backoff", raw->restart_backoff, RESTART_BACKOFF_MAX_NS,
			     &dev->restart.backoff_ns, d);
	resolve_restart_time(dev, "restart_window", raw->restart_window, 86400000000000ull,
			     &dev->restart.window_ns, d);
}

void config_device_resolve(struct config *c, size_t index, const struct models *models,
			   struct diag *d)
{
	struct config_device *dev = &c->devices[index];
	const struct raw_device *raw = &c->raw->devices[index];
	dev->name = raw->name;
	dev->node = ynode_get(c->root, "devices")->items[index];
	dev->model = models_find(models, raw->model);
	dev->on_failure = config_failure_name(raw->on_failure);
	dev->then = config_then_name(raw->then);
	if (ynode_get(dev->node, "then") && strcmp(dev->on_failure, "restart") != 0)
		diag_add(d, ynode_get(dev->node, "then"),
			 "device %s: then: comes after restarts; on_failure: is %s", raw->name,
			 dev->on_failure);
	resolve_restart(dev, raw, d);
	if (!text_name_ok(raw->name))
		diag_add(d, ynode_get(dev->node, "name"),
			 "device name \"%s\" must be 1 to %d letters, digits, '.', '_' or '-', "
			 "and begin with a letter or digit",
			 raw->name, LIMIT_NAME);
	if (!dev->model || !dev->model->desc)
		return; /* was reported */
	if (raw->deadline) {
		int r = text_duration(raw->deadline, false, &dev->deadline_ns);
		if (r < 0 || dev->deadline_ns == 0)
			diag_add(d, ynode_get(dev->node, "deadline"),
				 "device %s: deadline \"%s\" is not a time; write it with its "
				 "unit, such as 500ms or 2s",
				 dev->name, raw->deadline);
	}
	resolve_options(c, dev, raw, d);
	check_net(dev, d);
	resolve_dma(dev, raw, d);
	resolve_place(c, index, raw, d);
}
