/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/bus.h"
#include "base/bytes.h"
#include <errno.h>
#include <stdlib.h>

#define BUS_MAX_RANGES (LIMIT_DEVICES * LIMIT_RANGES)

static const struct bus_table bus_empty = {.gen = 1};

const char *bus_space_name(enum bus_space space)
{
	return space == BUS_PIO ? "pio" : "mmio";
}

int bus_init(struct bus *b)
{
	memset(b, 0, sizeof(*b));
	atomic_store(&b->table, &bus_empty);
	return 0;
}

void bus_reclaim(struct bus *b)
{
	while (b->retired) {
		struct bus_table *t = b->retired;
		b->retired = t->next_retired;
		free(t);
	}
}

void bus_fini(struct bus *b)
{
	bus_reclaim(b);
	const struct bus_table *t = atomic_load(&b->table);
	if (t && t != &bus_empty)
		free((void *)(uintptr_t)t);
	atomic_store(&b->table, NULL);
}

static int range_valid(const struct bus_range *r, struct err *err)
{
	uint64_t limit = r->space == BUS_PIO ? 0xffff : UINT64_MAX; /* the last address */
	const char *space = bus_space_name(r->space);
	if (!r->size)
		return err_set(err, EINVAL, "%s: the %s range at 0x%llx has length 0", r->owner,
			       space, (unsigned long long)r->base);
	if (r->base > limit || r->size - 1 > limit - r->base || r->base + r->size < r->base)
		return err_set(err, EINVAL,
			       "%s: the %s range at 0x%llx of 0x%llx bytes wraps around the end of "
			       "the address space",
			       r->owner, space, (unsigned long long)r->base,
			       (unsigned long long)r->size);
	return 0;
}

static int range_disjoint(const struct bus_range *a, const struct bus_range *b, struct err *err)
{
	if (a->space != b->space || a->base >= b->base + b->size || b->base >= a->base + a->size)
		return 0;
	return err_set(err, EEXIST,
		       "%s: the %s range 0x%llx..0x%llx overlaps that of %s, 0x%llx..0x%llx",
		       a->owner, bus_space_name(a->space), (unsigned long long)a->base,
		       (unsigned long long)(a->base + a->size - 1), b->owner,
		       (unsigned long long)b->base, (unsigned long long)(b->base + b->size - 1));
}

int bus_check(struct bus *b, const struct bus_range *ranges, unsigned count, struct err *err)
{
	const struct bus_table *t = atomic_load(&b->table);
	if (count > BUS_MAX_RANGES - t->count)
		return err_set(err, ENOSPC, "more than %u ranges on the bus", BUS_MAX_RANGES);
	for (unsigned i = 0; i < count; i++) {
		const struct bus_range *r = &ranges[i];
		int rc = range_valid(r, err);
		for (unsigned k = 0; !rc && k < i; k++)
			rc = range_disjoint(r, &ranges[k], err);
		for (unsigned k = 0; !rc && k < t->count; k++)
			rc = range_disjoint(r, t->range[k], err);
		for (unsigned k = 0; !rc && k < b->reserved_count; k++)
			rc = range_disjoint(r, &b->reserved[k], err);
		if (rc)
			return rc;
	}
	return 0;
}

int bus_reserve(struct bus *b, enum bus_space space, uint64_t base, uint64_t size,
		const char *owner, struct err *err)
{
	struct bus_range r = {.space = space, .base = base, .size = size, .owner = owner};
	int rc = bus_check(b, &r, 1, err);
	if (rc)
		return rc;
	if (b->reserved_count == ARRAY_LEN(b->reserved))
		return err_set(err, ENOSPC, "%s: too many reserved ranges", owner);
	b->reserved[b->reserved_count++] = r;
	return 0;
}

static bool range_before(const struct bus_range *a, const struct bus_range *b)
{
	return a->space != b->space ? a->space < b->space : a->base < b->base;
}

int bus_add(struct bus *b, const struct bus_range *ranges, unsigned count, struct err *err)
{
	int rc = bus_check(b, ranges, count, err);
	if (rc)
		return rc;
	const struct bus_table *old = atomic_load(&b->table);
	struct bus_table *t = malloc(sizeof(*t) + (old->count + count) * sizeof(t->range[0]));
	if (!t)
		return err_set(err, ENOMEM, "out of memory for the bus table");
	t->gen = old->gen + 1;
	t->count = old->count;
	t->next_retired = NULL;
	for (unsigned i = 0; i < old->count; i++)
		t->range[i] = old->range[i];
	for (unsigned i = 0; i < count; i++) {
		unsigned k = t->count++;
		for (; k && range_before(&ranges[i], t->range[k - 1]); k--)
			t->range[k] = t->range[k - 1];
		t->range[k] = &ranges[i];
	}
	/* Release: pairs with the acquire in bus_lookup(); the array is complete before it is seen.
	 */
	atomic_store_explicit(&b->table, t, memory_order_release);
	if (old != &bus_empty) {
		struct bus_table *o = (struct bus_table *)(uintptr_t)old;
		o->next_retired = b->retired;
		b->retired = o;
	}
	return 0;
}

const struct bus_range *bus_find(struct bus *b, struct bus_cache *c, enum bus_space space,
				 uint64_t addr, unsigned len)
{
	const struct bus_table *t = atomic_load_explicit(&b->table, memory_order_acquire);
	struct bus_range key = {.space = space, .base = addr};
	unsigned lo = 0, hi = t->count; /* the first range that begins after the address */
	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		if (range_before(&key, t->range[mid]))
			hi = mid;
		else
			lo = mid + 1;
	}
	if (!lo)
		return NULL;
	const struct bus_range *r = t->range[lo - 1];
	if (r->space != space || addr - r->base >= r->size)
		return NULL;
	c->gen = t->gen;
	c->range = r;
	return len <= r->size - (addr - r->base) ? r : NULL;
}

uint64_t bus_unclaimed_count(struct bus *b, enum bus_space space, uint64_t addr)
{
	uint64_t key = (addr >> 12) << 2 | (space == BUS_PIO ? 2u : 0u) | 1u;
	unsigned start = (unsigned)((addr >> 12) * 0x9e3779b97f4a7c15ull >> 57) % BUS_PAGES;
	atomic_fetch_add_explicit(&b->unclaimed_total, 1, memory_order_relaxed);
	for (unsigned i = 0; i < 8; i++) {
		unsigned k = (start + i) % BUS_PAGES;
		uint64_t have = atomic_load_explicit(&b->unclaimed[k].page, memory_order_relaxed);
		if (!have && atomic_compare_exchange_strong(&b->unclaimed[k].page, &have, key))
			have = key;
		if (have == key)
			return atomic_fetch_add_explicit(&b->unclaimed[k].count, 1,
							 memory_order_relaxed) +
			       1;
	}
	return 0;
}
