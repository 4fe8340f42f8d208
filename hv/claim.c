/* SPDX-License-Identifier: Apache-2.0 */
/* What a daemon registers, checked against what the config gave its device. */
#include "hv/device.h"
#include "base/bytes.h"
#include <errno.h>
#include <stdlib.h>

#define ULL(x) ((unsigned long long)(x))
#define WIDTHS_ALL 15u
#define RULE_LEFT_MAX 15u

/* Writes the rule of one register, @width bytes from @at on, into the table. */
static int rule_put(bus_rule_t *rules, uint32_t at, const Outrigger__RegisterRule *r)
{
	for (uint32_t b = 0; b < r->width; b++) {
		uint32_t left = r->width - b;
		if (rules[at + b])
			return -EEXIST;
		rules[at + b] = bus_rule_make(r->read_way, r->write_way, r->widths,
					      left < RULE_LEFT_MAX ? left : RULE_LEFT_MAX);
		if (!b) /* the bits are of the register's low byte */
			rules[at] = bus_rule_guard(rules[at], (uint8_t)r->read_acts);
	}
	return 0;
}

static int rule_check(const struct device *d, const Outrigger__RangeRequest *q, unsigned index,
		      const Outrigger__RegisterRule *r, uint64_t table, struct err *err)
{
	const char *name = d->cfg->name;
	uint64_t count = r->count ? r->count : 1, stride = r->stride ? r->stride : r->width;
	if (!r->width || stride < r->width || r->offset >= table || r->width > table - r->offset ||
	    (count - 1) > (table - r->offset - r->width) / stride)
		return err_set(err, EPERM,
			       "%s: range %u has a register at 0x%x of %u bytes, %llu times 0x%llx "
			       "apart, that is not inside its first 0x%llx bytes",
			       name, index, r->offset, r->width, ULL(count), ULL(stride),
			       ULL(table));
	if (r->read_way > BUS_READ_PENDING || r->write_way > BUS_WRITE_ACK || !r->widths ||
	    r->widths > WIDTHS_ALL || r->read_acts > UINT8_MAX)
		return err_set(err, EPERM,
			       "%s: the register at 0x%x of range %u has ways %u and %u and widths "
			       "0x%x, which do not exist",
			       name, r->offset, index, r->read_way, r->write_way, r->widths);
	if ((r->read_way == BUS_READ_PENDING || r->write_way == BUS_WRITE_ACK) && !d->cfg->n_irqs)
		return err_set(err, EPERM,
			       "%s: the register at 0x%x of range %u is of pending events; the "
			       "config gave no interrupt",
			       name, r->offset, index);
	if (r->read_way == BUS_READ_FORWARD || r->read_way == BUS_READ_PENDING)
		return 0;
	uint64_t end =
		(uint64_t)q->shadow_page * PORT_PAGE + r->offset + (count - 1) * stride + r->width;
	if (q->shadow_page < 0 || end > (uint64_t)d->cfg->shadow_pages * PORT_PAGE)
		return err_set(err, EPERM,
			       "%s: the register at 0x%x of range %u is to be read from shadow "
			       "page %d; the config gave %u shadow pages",
			       name, r->offset, index, q->shadow_page, d->cfg->shadow_pages);
	return 0;
}

/* Builds the rule table of one range. *@ret_len 0: no rules, everything is forwarded. */
static int rules_build(const struct device *d, const Outrigger__RangeRequest *q, unsigned index,
		       bus_rule_t **ret, uint32_t *ret_len, struct err *err)
{
	uint64_t table = q->size < LIMIT_RANGE_TABLED ? q->size : LIMIT_RANGE_TABLED;
	if (q->n_rules > LIMIT_REGS)
		return err_set(err, EPERM,
			       "%s: range %u has %zu registers; at most %d are possible",
			       d->cfg->name, index, q->n_rules, LIMIT_REGS);
	if (!q->n_rules)
		return 0;
	bus_rule_t *rules = calloc(table, sizeof(*rules));
	if (!rules)
		return err_set(err, ENOMEM, "%s: out of memory for its registers", d->cfg->name);
	int rc = 0;
	for (size_t i = 0; i < q->n_rules && !rc; i++) {
		const Outrigger__RegisterRule *r = q->rules[i];
		rc = rule_check(d, q, index, r, table, err);
		uint32_t count = r->count ? r->count : 1, stride = r->stride ? r->stride : r->width;
		for (uint32_t k = 0; k < count && !rc; k++)
			if (rule_put(rules, r->offset + k * stride, r))
				rc = err_set(err, EPERM,
					     "%s: two registers of range %u overlap at 0x%x",
					     d->cfg->name, index, r->offset + k * stride);
	}
	if (rc) {
		free(rules);
		return rc;
	}
	*ret = rules;
	*ret_len = (uint32_t)table;
	return 0;
}

static int range_check(const struct device *d, const Outrigger__RangeRequest *q, unsigned index,
		       struct err *err)
{
	const Outrigger__RangeConfig *c = d->cfg->ranges[index];
	if (strcmp(q->space, c->space) != 0 || q->size != c->size)
		return err_set(err, EPERM,
			       "%s: range %u is registered as %s of 0x%llx bytes; the config gave "
			       "it %s of 0x%llx at 0x%llx",
			       d->cfg->name, index, q->space, ULL(q->size), c->space, ULL(c->size),
			       ULL(c->address));
	if (!q->widths || q->widths > WIDTHS_ALL)
		return err_set(err, EPERM,
			       "%s: range %u allows the access widths 0x%x; an OR of 1, 2, 4 and 8 "
			       "is needed",
			       d->cfg->name, index, q->widths);
	if (q->shadow_page >= 0 && (uint32_t)q->shadow_page >= d->cfg->shadow_pages)
		return err_set(err, EPERM,
			       "%s: range %u wants shadow page %d; the config gave %u pages",
			       d->cfg->name, index, q->shadow_page, d->cfg->shadow_pages);
	return 0;
}

/* A daemon that follows another into the slot: the same ranges, registered again. */
static int same_again(const struct device *d, const struct bus_range *fresh, struct err *err)
{
	for (size_t i = 0; i < d->cfg->n_ranges; i++) {
		const struct bus_range *a = &d->ranges[i], *b = &fresh[i];
		if (a->widths != b->widths || a->shadow != b->shadow ||
		    a->rules_len != b->rules_len ||
		    (a->rules_len && memcmp(a->rules, b->rules, a->rules_len * sizeof(*a->rules))))
			return err_set(
				err, EPERM,
				"%s: range %zu differs from what the daemon before registered",
				d->cfg->name, i);
	}
	return 0;
}

static void rules_free(bus_rule_t **rules)
{
	for (unsigned i = 0; i < LIMIT_RANGES; i++)
		free(rules[i]);
}

int device_claim(struct device *d, const Outrigger__RegisterRanges *m, struct err *err)
{
	struct bus_range fresh[LIMIT_RANGES];
	bus_rule_t *rules[LIMIT_RANGES] = {0};
	if (m->n_ranges != d->cfg->n_ranges)
		return err_set(err, EPERM, "%s: it registers %zu ranges; the config gave it %zu",
			       d->cfg->name, m->n_ranges, d->cfg->n_ranges);
	if (m->irqs > d->cfg->n_irqs)
		return err_set(err, EPERM, "%s: it wants %u interrupts; the config gave it %zu",
			       d->cfg->name, m->irqs, d->cfg->n_irqs);
	int rc = 0;
	for (unsigned i = 0; i < m->n_ranges && !rc; i++) {
		const Outrigger__RangeRequest *q = m->ranges[i];
		fresh[i] = d->ranges[i]; /* space, base, size, owner, slot: as configured */
		rc = range_check(d, q, i, err);
		if (!rc)
			rc = rules_build(d, q, i, &rules[i], &fresh[i].rules_len, err);
		fresh[i].rules = rules[i];
		fresh[i].widths = (uint8_t)q->widths;
		fresh[i].shadow = q->shadow_page < 0 ? 0 : (uint32_t)q->shadow_page * PORT_PAGE;
	}
	if (!rc && d->claimed) {
		rc = same_again(d, fresh, err);
	} else if (!rc) {
		memcpy(d->ranges, fresh, sizeof(fresh[0]) * m->n_ranges);
		rc = bus_add(&d->vm->bus, d->ranges, (unsigned)m->n_ranges, err);
		if (!rc) {
			memcpy(d->rules, rules, sizeof(rules));
			memset(rules, 0, sizeof(rules));
			d->claimed = true;
		}
	}
	rules_free(rules);
	return rc;
}
