/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A register set by name, by a person: NAME, NAME[i], NAME.FIELD, NAME[i].FIELD. What is set is the stored value, as it stands
 * in the state: no access of the guest is played, so neither the write mask nor the register's side effects apply. Then
 * the model brings up to date what follows from its registers (dm_class.poked).
 */
#include "devmodel/core/core.h"
#include "base/bytes.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** struct place - what a name means. */
struct place {
	unsigned region, index;
	const struct dm_reg *reg;
	const struct dm_bits *bits; /* NULL: the whole register */
};

static const struct dm_reg *reg_named(const struct dm *dm, const char *name, size_t len,
				      unsigned *ret_region)
{
	for (unsigned n = 0; n < dm->regions; n++)
		for (const struct dm_reg *r = dm->cls->regions[n].regs; r && r->name; r++)
			if (strlen(r->name) == len && !strncasecmp(r->name, name, len)) {
				*ret_region = n;
				return r;
			}
	return NULL;
}

static int place_index(struct place *p, const char **at, struct err *err)
{
	unsigned count = dm_reg_count(p->reg);
	char *end;
	if (**at != '[') {
		if (count == 1)
			return 0;
		return err_set(err, EINVAL, "%s is an array of %u: write %s[0] to %s[%u]",
			       p->reg->name, count, p->reg->name, p->reg->name, count - 1);
	}
	unsigned long i = strtoul(*at + 1, &end, 0);
	if (!isdigit((unsigned char)(*at)[1]) || *end != ']' || i >= count)
		return err_set(err, EINVAL, "%s: %s has %u element%s", *at, p->reg->name, count,
			       count > 1 ? "s, from 0" : "");
	p->index = (unsigned)i;
	*at = end + 1;
	return 0;
}

static int place_field(struct place *p, const char *at, struct err *err)
{
	char known[200] = "";
	size_t n = 0;
	if (!*at)
		return 0;
	for (const struct dm_bits *b = p->reg->bits; *at == '.' && b && b->name; b++) {
		if (!strcasecmp(b->name, at + 1)) {
			p->bits = b;
			return 0;
		}
		int k = snprintf(known + n, sizeof(known) - n, "%s%s", n ? ", " : "", b->name);
		n += k > 0 && (size_t)k < sizeof(known) - n ? (size_t)k : 0;
	}
	return err_set(err, EINVAL, "%s has no field \"%s\"%s%s", p->reg->name,
		       *at == '.' ? at + 1 : at, n ? "; it has " : "", known);
}

static int place_find(const struct dm *dm, const char *name, struct place *p, struct err *err)
{
	size_t len = strcspn(name, "[.");
	*p = (struct place){0};
	p->reg = reg_named(dm, name, len, &p->region);
	if (!p->reg)
		return err_set(err, ENOENT, "model %s has no control and no register \"%.*s\"",
			       dm->cls->name, (int)len, name);
	const char *at = name + len;
	int rc = place_index(p, &at, err);
	return rc ? rc : place_field(p, at, err);
}

/* Why the register cannot be set, NULL: it can. */
static const char *no_storage(const struct dm_reg *r)
{
	if (r->field)
		return NULL;
	if (r->read == DM_READ_PENDING || r->write == DM_WRITE_ACK)
		return "the core keeps it: the device's pending events";
	if (r->read == DM_READ_CALL || r->read == DM_READ_PURE)
		return "the model computes it at each read";
	if (r->access == DM_WO || r->write == DM_WRITE_DOORBELL)
		return "writing it acts, and stores nothing";
	return "it is a constant";
}

/* Which of "a|b|c" @value is. */
static bool choice(const char *values, const char *value, uint64_t *ret)
{
	size_t len = strlen(value);
	uint64_t n = 0;
	for (const char *p = values; p; n++) {
		const char *bar = strchr(p, '|');
		size_t l = bar ? (size_t)(bar - p) : strlen(p);
		if (l == len && !strncasecmp(p, value, l)) {
			*ret = n;
			return true;
		}
		p = bar ? bar + 1 : NULL;
	}
	return false;
}

static int value_parse(const struct place *p, unsigned bits, const char *text, uint64_t *ret,
		       struct err *err)
{
	char *end;
	const char *values = p->bits ? p->bits->values : NULL;
	if (values && choice(values, text, ret))
		return 0;
	errno = 0;
	uint64_t v = strtoull(text, &end, 0);
	if (!isdigit((unsigned char)text[0]) || *end || errno)
		return err_set(err, EINVAL, "\"%s\" is no number%s%s", text,
			       values ? ", nor one of " : "", values ? values : "");
	if (bits < 64 && v >> bits)
		return err_set(err, EINVAL, "%s has %u bit%s: %s is too large",
			       p->bits ? p->bits->name : p->reg->name, bits, bits > 1 ? "s" : "",
			       text);
	*ret = v;
	return 0;
}

int dm_reg_set(struct dm *dm, const char *name, const char *value, struct err *err)
{
	struct place p;
	uint64_t v = 0;
	int rc = place_find(dm, name, &p, err);
	if (rc)
		return rc;
	if (no_storage(p.reg))
		return err_set(err, EPERM, "%s has no stored value: %s", p.reg->name,
			       no_storage(p.reg));
	unsigned width = p.reg->bytes ? 1 : dm_reg_width(&dm->cls->regions[p.region], p.reg);
	rc = value_parse(&p, p.bits ? p.bits->bits : width * 8, value, &v, err);
	if (rc)
		return rc;
	struct dm_io io = {.reg = p.reg, .region = p.region, .index = p.index, .width = width};
	io.old = p.reg->bytes ? dm_reg_bytes_get(dm->state, p.reg, p.index, 1)
			      : dm_reg_get(dm, dm->state, p.reg, p.index);
	if (p.bits) {
		uint64_t mask = (p.bits->bits < 64 ? 1ull << p.bits->bits : 0) - 1;
		v = (io.old & ~(mask << p.bits->lsb)) | v << p.bits->lsb;
	}
	if (p.reg->bytes)
		dm_reg_bytes_put(dm->state, p.reg, p.index, 1, v);
	else
		dm_reg_put(dm, dm->state, p.reg, p.index, v);
	io.value = v;
	if (!p.reg->bytes && dm_reg_get(dm, dm->state, p.reg, p.index) != v) {
		dm_reg_put(dm, dm->state, p.reg, p.index, io.old);
		return err_set(err, EINVAL, "%s keeps fewer bits than it shows: %s is too large",
			       p.reg->name, value);
	}
	if (dm->cls->poked)
		dm->cls->poked(dm, dm->state, &io);
	return 0;
}
