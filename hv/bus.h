/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The bus: which device answers at an address.
 *
 * Theory of operation. The table is an immutable array sorted by (space, base); a batch of new
 * ranges makes a new table, which is published by one pointer store. vCPU threads look it up
 * without a lock, through a last-hit cache of their own. An old table may still be in use by a
 * vCPU, so it is only retired; bus_reclaim() frees the retired ones while no vCPU runs. Who owns a
 * range now, and whether it may be asked, is not in the table but in the owner's atomic word
 * (slot.h), so a swap or a death changes no table.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "proto/limits.h"

enum bus_space { BUS_MMIO = 1, BUS_PIO = 2 };

/* A register rule, packed: what an access that starts at this byte may do. See bus_rule_make(). */
typedef uint32_t bus_rule_t;
enum bus_read_way {
	BUS_READ_FORWARD = 0,
	BUS_READ_SHADOW = 1,
	BUS_READ_SHADOW_NOWAIT = 2,
	BUS_READ_PENDING = 3, /* pending events of line 0 */
};
enum bus_write_way {
	BUS_WRITE_FORWARD = 0,
	BUS_WRITE_POST = 1,
	BUS_WRITE_IGNORE = 2,
	BUS_WRITE_DOORBELL = 3, /* the value is a doorbell's number */
	BUS_WRITE_ACK = 4,	/* clears pending events of line 0 */
};

static inline bus_rule_t bus_rule_make(unsigned read_way, unsigned write_way, unsigned widths,
				       unsigned left)
{
	return (bus_rule_t)(read_way | write_way << 2 | widths << 5 | left << 9);
}
/** bus_rule_guard - adds that a shadow read is forwarded while one of @bits is set in its low byte: reading acts then. */
static inline bus_rule_t bus_rule_guard(bus_rule_t r, uint8_t bits)
{
	return r | (bus_rule_t)bits << 16;
}
static inline unsigned bus_rule_guarded(bus_rule_t r)
{
	return r >> 16 & 0xffu;
}
static inline unsigned bus_rule_read(bus_rule_t r)
{
	return r & 3u;
}
static inline unsigned bus_rule_write(bus_rule_t r)
{
	return r >> 2 & 7u;
}
/** bus_rule_fits - true if an access of @width bytes is allowed here and stays inside the register.
 */
static inline bool bus_rule_fits(bus_rule_t r, unsigned width)
{
	return (r >> 5 & 15u & width) && width <= (unsigned)(r >> 9 & 15u);
}

struct slot;

/** struct bus_range - one range of one device. Lives in its owner; immutable once added. */
struct bus_range {
	enum bus_space space;
	uint8_t index;	/* the device's range number */
	uint8_t widths; /* OR of the byte widths allowed */
	uint64_t base, size;
	const char *owner;	 /* name for messages, borrowed */
	struct slot *slot;	 /* who answers; NULL in a range that is only reserved */
	const bus_rule_t *rules; /* one per byte, [0, rules_len); borrowed, may be NULL */
	uint32_t rules_len;
	uint32_t shadow; /* byte offset of the range's first register in the port's shadow area */
};

struct bus_table {
	uint64_t gen;
	unsigned count;
	struct bus_table *next_retired;
	const struct bus_range *range[];
};

/** struct bus_cache - the last hit of one vCPU. Zeroed at start; its own thread. */
struct bus_cache {
	uint64_t gen;
	const struct bus_range *range;
};

#define BUS_PAGES 128u

/** struct bus - embedded in the VM. Changes: control thread. Look-ups and counts: any thread. */
struct bus {
	_Atomic(const struct bus_table *) table;
	struct bus_table *retired;
	struct bus_range reserved[16];
	unsigned reserved_count;
	struct {
		_Atomic uint64_t page; /* (addr >> 12) << 2 | space bit | 1; 0 = free */
		_Atomic uint64_t count;
	} unclaimed[BUS_PAGES];
	_Atomic uint64_t unclaimed_total;
};

/** bus_init - an empty bus. 0 or -ENOMEM. */
int bus_init(struct bus *b);

/** bus_fini - frees all tables. No vCPU runs. A zeroed object is allowed. */
void bus_fini(struct bus *b);

/** bus_reserve - what no device may overlap: RAM, the interrupt controller. @owner is borrowed.
 * -EINVAL, -EEXIST as bus_add(). Before the first bus_add(). */
int bus_reserve(struct bus *b, enum bus_space space, uint64_t base, uint64_t size,
		const char *owner, struct err *err);

/** bus_add - adds a batch of ranges, all or none. The ranges are borrowed until bus_fini().
 * -EINVAL: zero length, wrap-around, no widths; -EEXIST: overlap or containment (both owners are
 * named); -ENOSPC; -ENOMEM. */
int bus_add(struct bus *b, const struct bus_range *ranges, unsigned count, struct err *err);

/** bus_check - like bus_add(), but changes nothing. */
int bus_check(struct bus *b, const struct bus_range *ranges, unsigned count, struct err *err);

/** bus_reclaim - frees retired tables. No vCPU is in a look-up. */
void bus_reclaim(struct bus *b);

/** bus_find - the slow half of bus_lookup(): binary search in the current table. */
const struct bus_range *bus_find(struct bus *b, struct bus_cache *c, enum bus_space space,
				 uint64_t addr, unsigned len);

/** bus_lookup - the range that holds all @len bytes at @addr, or NULL (unclaimed). Any vCPU thread.
 */
static inline const struct bus_range *bus_lookup(struct bus *b, struct bus_cache *c,
						 enum bus_space space, uint64_t addr, unsigned len)
{
	const struct bus_table *t = atomic_load_explicit(&b->table, memory_order_acquire);
	const struct bus_range *r = c->range;
	if (c->gen == t->gen && r && r->space == space && addr - r->base < r->size)
		return len <= r->size - (addr - r->base) ? r : NULL;
	return bus_find(b, c, space, addr, len);
}

/** bus_unclaimed_count - counts one unclaimed access by page. Returns how many that page has had (1
 * = the first), 0 if the page table of the counts is full. Any thread. */
uint64_t bus_unclaimed_count(struct bus *b, enum bus_space space, uint64_t addr);

/** bus_space_name - "mmio", "pio". */
const char *bus_space_name(enum bus_space space);
