/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's state by name, as JSON, made from the register table.
 */
#include "devmodel/core/core.h"
#include "base/bytes.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool grow(struct dm_text *t, size_t more)
{
	if (t->failed)
		return false;
	if (t->len + more + 1 <= t->cap)
		return true;
	size_t cap = (t->cap ? t->cap * 2 : 2048) + more;
	char *p = realloc(t->buf, cap);
	if (!p) {
		t->failed = true;
		return false;
	}
	t->buf = p;
	t->cap = cap;
	return true;
}

static void add_va(struct dm_text *t, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0 || !grow(t, (size_t)n))
		return;
	vsnprintf(t->buf + t->len, t->cap - t->len, fmt, ap);
	t->len += (size_t)n;
}

void dm_text_addf(struct dm_text *t, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add_va(t, fmt, ap);
	va_end(ap);
}

void dm_text_json(struct dm_text *t, const char *s)
{
	dm_text_addf(t, "\"");
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '"' || c == '\\')
			dm_text_addf(t, "\\%c", c);
		else if (c < 0x20)
			dm_text_addf(t, "\\u%04x", c);
		else
			dm_text_addf(t, "%c", c);
	}
	dm_text_addf(t, "\"");
}

char *dm_text_steal(struct dm_text *t)
{
	char *p = t->buf;
	if (t->failed) {
		free(p);
		p = NULL;
	}
	*t = (struct dm_text){0};
	return p;
}

void dm_text_item(struct dm_text *t, const char *key, const char *fmt, ...)
{
	char value[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	dm_text_addf(t, "%s", t->first ? "" : ", ");
	t->first = false;
	dm_text_json(t, key);
	dm_text_addf(t, ": ");
	dm_text_json(t, value);
}

/* ---- registers ---------------------------------------------------------------------------------------- */

static void add_choice(struct dm_text *t, const char *values, uint64_t v)
{
	const char *p = values;
	for (; v && p; v--) {
		p = strchr(p, '|');
		p = p ? p + 1 : NULL;
	}
	if (!p) {
		dm_text_addf(t, "\"?\"");
		return;
	}
	const char *end = strchr(p, '|');
	int n = end ? (int)(end - p) : (int)strlen(p);
	dm_text_addf(t, "\"%.*s\"", n, p);
}

static void add_bits(struct dm_text *t, const struct dm_bits *b, uint64_t v)
{
	const char *lead = ", \"fields\": {";
	for (; b && b->name; b++) {
		uint64_t f = v >> b->lsb & ((b->bits < 64 ? 1ull << b->bits : 0) - 1);
		dm_text_addf(t, "%s\"%s\": ", lead, b->name);
		if (b->values)
			add_choice(t, b->values, f);
		else
			dm_text_addf(t, "%llu", (unsigned long long)f);
		lead = ", ";
	}
	if (*lead == ',' && lead[2] == 0)
		dm_text_addf(t, "}");
}

/* A register whose reading has an effect, or no stored value, is not shown. */
static bool shown(const struct dm_reg *r)
{
	return r->access != DM_WO && r->read != DM_READ_CALL && r->read != DM_READ_PENDING;
}

static void add_bytes(struct dm *dm, struct dm_text *t, const struct dm_reg *r)
{
	dm_text_addf(t, "%s{\"name\": \"%s\", \"offset\": %u, \"bytes\": \"", t->first ? "" : ", ",
		     r->name, r->offset);
	t->first = false;
	for (unsigned i = 0; i < r->count; i++)
		dm_text_addf(t, "%02x", (unsigned)dm_reg_bytes_get(dm->state, r, i, 1));
	dm_text_addf(t, "\"}");
}

static void add_reg(struct dm *dm, struct dm_text *t, unsigned n, const struct dm_reg *r,
		    unsigned index)
{
	const struct dm_region *region = &dm->region[n];
	uint64_t v;
	if (r->read == DM_READ_PURE) {
		struct dm_io io = {.reg = &dm->cls->regions[n].regs[r - region->regs],
				   .region = n,
				   .index = index,
				   .width = dm_reg_width(region, r)};
		v = dm->cls->read(dm, dm->state, &io);
	} else {
		v = dm_reg_get(dm, dm->state, r, index);
	}
	dm_text_addf(t, "%s{\"name\": \"%s\"", t->first ? "" : ", ", r->name);
	t->first = false;
	if (dm_reg_count(r) > 1)
		dm_text_addf(t, ", \"index\": %u", index);
	dm_text_addf(t, ", \"offset\": %u, \"value\": \"%#llx\"",
		     r->offset + index * dm_reg_stride(region, r), (unsigned long long)v);
	add_bits(t, r->bits, v);
	dm_text_addf(t, "}");
}

static void add_regions(struct dm *dm, struct dm_text *t)
{
	for (unsigned n = 0; n < dm->regions; n++) {
		const struct dm_region *region = &dm->region[n];
		dm_text_addf(t, "%s{\"name\": \"%s\", \"registers\": [", n ? ", " : "",
			     region->name);
		t->first = true;
		for (const struct dm_reg *r = region->regs; r && r->name; r++)
			if (r->bytes)
				add_bytes(dm, t, r);
			else
				for (unsigned i = 0; shown(r) && i < dm_reg_count(r); i++)
					add_reg(dm, t, n, r, i);
		dm_text_addf(t, "]}");
	}
}

char *dm_inspect(struct dm *dm, const char *device)
{
	struct dm_text t = {0};
	dm_text_addf(&t, "{\"device\": ");
	dm_text_json(&t, device);
	dm_text_addf(&t, ", \"model\": \"%s\", \"version\": %u, \"regions\": [", dm->cls->name,
		     dm->cls->version);
	add_regions(dm, &t);
	dm_text_addf(&t, "], \"lines\": [");
	for (unsigned i = 0; i < dm->cls->irqs; i++)
		dm_text_addf(&t, "%s{\"level\": %u, \"edges\": %u}", i ? ", " : "",
			     dm->hdr->levels >> i & 1, dm->hdr->edges[i]);
	dm_text_addf(&t, "], \"timers\": [");
	for (unsigned i = 0; i < dm->cls->timers; i++) {
		uint64_t at = dm->hdr->timer_ns[i];
		dm_text_addf(&t, "%s", i ? ", " : "");
		if (at)
			dm_text_addf(&t, "%llu", (unsigned long long)(at - 1));
		else
			dm_text_addf(&t, "null");
	}
	dm_text_addf(&t, "], \"channels\": [");
	for (unsigned c = 0; c < dm->channels; c++)
		dm_text_addf(&t, "%s{\"queued\": %zu, \"busy\": %s, \"peer\": %s}", c ? ", " : "",
			     dm_output_pending(dm, c), dm->hdr->ch[c].busy ? "true" : "false",
			     dm->hdr->ch[c].away ? "false" : "true");
	dm_text_addf(&t, "], \"guest_errors\": %llu, \"lost_output\": %u, \"state\": {",
		     (unsigned long long)dm->guest_errors, dm->hdr->lost_out);
	t.first = true;
	if (dm->cls->inspect)
		dm->cls->inspect(dm, dm->state, &t);
	dm_text_addf(&t, "}}");
	return dm_text_steal(&t);
}
