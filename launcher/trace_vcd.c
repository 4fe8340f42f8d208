/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Value change dump (IEEE 1364-2005, section 18). Two passes: which registers and lines there are must be said before the first
 * change. A register changes when the trace tells its value: by a read, a write, or its shadow.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/fd.h"
#include "launcher/trace_export.h"
#include "launcher/trace_walk.h"

enum { SLOTS = 16384, VARS = SLOTS / 2 };

struct var {
	uint64_t key; /* what(), + 1; 0: free */
	uint64_t value;
	unsigned id, bits;
	bool told; /* has a value */
};

struct vcd {
	const struct trace_file *file;
	FILE *out;
	struct var *var; /* by hash */
	unsigned n;
	uint64_t now_us;
	bool begun;
};

enum { KIND_REG = 0, KIND_LINE = 1, KIND_EDGE = 2 };

static uint64_t what(const struct trace_view *v, unsigned kind, uint32_t offset)
{
	return (uint64_t)v->device << 48 | (uint64_t)kind << 44 | (uint64_t)v->e.range << 32 |
	       offset;
}

static struct var *find(struct vcd *d, uint64_t key)
{
	uint64_t h = (key * 0x9e3779b97f4a7c15u) >> 50;
	while (d->var[h % SLOTS].key && d->var[h % SLOTS].key != key + 1)
		h++;
	return &d->var[h % SLOTS];
}

/* The variable that record @v changes, and to what; NULL: none. *@ret_key: for the first pass. */
static bool change(const struct trace_view *v, uint64_t *ret_key, unsigned *ret_bits,
		   uint64_t *ret_value)
{
	const struct port_entry *e = &v->e;
	unsigned i = 0;
	*ret_value = e->value;
	if (e->op == TRACE_LINE) {
		*ret_key = what(v, e->value == 2 ? KIND_EDGE : KIND_LINE, 0);
		*ret_bits = 1;
		return true;
	}
	if ((e->op != PORT_OP_READ && e->op != PORT_OP_WRITE && e->op != TRACE_SHADOW) ||
	    e->flags & PORT_F_FAILED || !e->width || e->width > 8)
		return false;
	const Outrigger__RegisterDescription *r = trace_text_reg(v->info, e->range, e->offset, &i);
	*ret_key = what(v, KIND_REG, e->offset);
	*ret_bits = r && r->width && r->width <= 8 ? r->width * 8 : e->width * 8u;
	return true;
}

static void id_put(unsigned id, char buf[8])
{
	char *p = buf;
	do {
		*p++ = (char)('!' + id % 94);
		id /= 94;
	} while (id);
	*p = 0;
}

/* Names have letters, digits and underscores only. */
static void name_put(FILE *out, const char *name)
{
	for (; *name; name++)
		if (*name != ']')
			fputc(isalnum((unsigned char)*name) ? *name : '_', out);
}

static void var_declare(struct vcd *d, const struct var *v)
{
	uint64_t key = v->key - 1;
	unsigned kind = key >> 44 & 15, range = key >> 32 & 255;
	char id[8];
	id_put(v->id, id);
	if (kind == KIND_LINE) {
		fprintf(d->out, "$var wire 1 %s irq%u $end\n", id, range);
	} else if (kind == KIND_EDGE) {
		fprintf(d->out, "$var event 1 %s edge%u $end\n", id, range);
	} else {
		AUTO_SB name = {0};
		trace_text_reg_name(trace_file_device_info(d->file, (unsigned)(key >> 48)), range,
				    (uint32_t)key, &name);
		fprintf(d->out, "$var reg %u %s ", v->bits, id);
		name_put(d->out, sb_str(&name));
		fprintf(d->out, " [%u:0] $end\n", v->bits - 1);
	}
}

static int by_key(const void *pa, const void *pb)
{
	const struct var *const *a = pa, *const *b = pb;
	return (*a)->key < (*b)->key ? -1 : (*a)->key > (*b)->key;
}

static void declare(struct vcd *d)
{
	AUTO_FREE struct var **list = xalloc(d->n + 1, sizeof(struct var *));
	unsigned n = 0;
	int scope = -1;
	for (unsigned i = 0; i < SLOTS; i++)
		if (d->var[i].key)
			list[n++] = &d->var[i];
	qsort(list, n, sizeof(struct var *), by_key);
	fputs("$version outrigger " OUTRIGGER_VERSION " $end\n$timescale 1 us $end\n", d->out);
	for (unsigned i = 0; i < n; i++) {
		int device = (int)((list[i]->key - 1) >> 48);
		if (device != scope) {
			fputs(scope < 0 ? "$scope module " : "$upscope $end\n$scope module ",
			      d->out);
			name_put(d->out, trace_file_device_info(d->file, (unsigned)device)->device);
			fputs(" $end\n", d->out);
		}
		scope = device;
		list[i]->id = i;
		var_declare(d, list[i]);
	}
	fprintf(d->out, "%s$enddefinitions $end\n", scope < 0 ? "" : "$upscope $end\n");
}

static void value_put(struct vcd *d, const struct var *v, unsigned kind, uint64_t value)
{
	char id[8];
	id_put(v->id, id);
	if (v->bits == 1) {
		fprintf(d->out, "%u%s\n", kind == KIND_EDGE ? 1 : (unsigned)(value & 1), id);
		return;
	}
	fputc('b', d->out);
	bool some = false;
	for (unsigned i = v->bits; i-- > 0;) {
		bool bit = value >> i & 1;
		some |= bit;
		if (some || i == 0)
			fputc(bit ? '1' : '0', d->out);
	}
	fprintf(d->out, " %s\n", id);
}

/* Time never goes back. */
static void time_put(struct vcd *d, uint64_t ns)
{
	uint64_t us = ns / 1000;
	if (d->begun && us <= d->now_us)
		return;
	d->begun = true;
	d->now_us = us;
	fprintf(d->out, "#%" PRIu64 "\n", us);
}

/* The register's value after an access that may be narrower than it. False: nothing changes. */
static bool merged(const struct var *x, const struct port_entry *e, uint64_t *value)
{
	uint64_t mask = e->op == TRACE_LINE ? UINT64_MAX : width_mask(e->width);
	*value = (x->value & ~mask) | (*value & mask);
	return !x->told || x->value != *value;
}

static int pass(struct vcd *d, int device, bool second, struct err *err)
{
	struct trace_walk *w = trace_walk_create(d->file, device, false);
	struct trace_view v;
	uint64_t key, value;
	unsigned bits;
	int rc = 0;
	while (!rc && !ferror(d->out) && trace_walk_next(w, &v)) {
		if (!change(&v, &key, &bits, &value))
			continue;
		struct var *x = find(d, key);
		if (!second && !x->key) {
			*x = (struct var){.key = key + 1, .bits = bits};
			if (++d->n > VARS)
				rc = err_set(err, E2BIG,
					     "the trace has more than %d registers: choose with "
					     "--device",
					     VARS);
		} else if (second && (key >> 44 & 15) == KIND_EDGE) {
			time_put(d, v.time_ns);
			value_put(d, x, KIND_EDGE, 1);
		} else if (second && merged(x, &v.e, &value)) {
			time_put(d, v.time_ns);
			value_put(d, x, KIND_REG, value);
			x->told = true;
			x->value = value;
		}
	}
	trace_walk_destroy(w);
	return rc;
}

int trace_export_vcd(const struct trace_file *f, int device, FILE *out, struct err *err)
{
	struct vcd d = {.file = f, .out = out};
	d.var = xalloc(SLOTS, sizeof(*d.var));
	int rc = pass(&d, device, false, err);
	if (!rc) {
		declare(&d);
		rc = pass(&d, device, true, err);
	}
	free(d.var);
	return rc;
}
