/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "base/bytes.h"
#include "hv/bus.h"

static struct bus_range range(const char *owner, uint64_t base, uint64_t size)
{
	return (struct bus_range){
		.space = BUS_MMIO, .owner = owner, .base = base, .size = size, .widths = 15};
}

static void refused(const struct bus_range *batch, unsigned count, int rc, const char *a,
		    const char *b)
{
	static const struct bus_range old = {
		.space = BUS_MMIO, .owner = "old", .base = 0x1000, .size = 0x1000, .widths = 15};
	struct bus bus;
	struct bus_cache c = {0};
	struct err err = {0};
	assert_int_equal(bus_init(&bus), 0);
	assert_int_equal(bus_reserve(&bus, BUS_MMIO, 0x40000000, 0x1000000, "RAM", &err), 0);
	assert_int_equal(bus_add(&bus, &old, 1, &err), 0);
	assert_int_equal(bus_add(&bus, batch, count, &err), rc);
	assert_non_null(strstr(err.msg, a));
	assert_non_null(strstr(err.msg, b));
	/* Refused whole: only the old range answers. */
	for (unsigned i = 0; i < count; i++) {
		const struct bus_range *r = bus_lookup(&bus, &c, BUS_MMIO, batch[i].base, 1);
		assert_true(!r || r == &old);
	}
	bus_fini(&bus);
}

static void conflict_is_refused_whole_and_names_both_owners(void **state)
{
	(void)state;
	const struct bus_range overlap[] = {range("new", 0x5000, 16), range("new", 0x1800, 0x1000)};
	refused(overlap, 2, -EEXIST, "new", "old");
	const struct bus_range inside[] = {range("new", 0x1100, 4)};
	refused(inside, 1, -EEXIST, "new", "old");
	const struct bus_range around[] = {range("new", 0, 0x10000)};
	refused(around, 1, -EEXIST, "new", "old");
	const struct bus_range self[] = {range("new", 0x8000, 0x100), range("twin", 0x80ff, 1)};
	refused(self, 2, -EEXIST, "twin", "new");
	const struct bus_range ram[] = {range("new", 0x3ffff000, 0x2000)};
	refused(ram, 1, -EEXIST, "new", "RAM");
}

static void impossible_range_is_refused(void **state)
{
	(void)state;
	const struct bus_range zero[] = {range("new", 0x5000, 0)};
	refused(zero, 1, -EINVAL, "new", "length 0");
	const struct bus_range wrap[] = {range("new", 0xfffffffffffff000ull, 0x2000)};
	refused(wrap, 1, -EINVAL, "new", "wraps");
	struct bus_range port[] = {range("new", 0xfff8, 16)};
	port[0].space = BUS_PIO;
	refused(port, 1, -EINVAL, "new", "wraps");
	port[0].base = 0xffff;
	port[0].size = 2;
	refused(port, 1, -EINVAL, "new", "wraps");
	port[0].base = 0x10000;
	port[0].size = 1;
	refused(port, 1, -EINVAL, "new", "wraps");
}

static void neighbours_and_spaces_do_not_conflict(void **state)
{
	(void)state;
	struct bus_range r[] = {range("a", 0x3000, 0x1000), range("b", 0x2000, 0x1000),
				range("c", 0x4000, 1), range("p", 0x2000, 8)};
	r[3].space = BUS_PIO;
	struct bus bus;
	struct bus_cache c = {0};
	struct err err = {0};
	assert_int_equal(bus_init(&bus), 0);
	assert_int_equal(bus_add(&bus, r, 4, &err), 0);
	assert_ptr_equal(bus_lookup(&bus, &c, BUS_MMIO, 0x2fff, 1), &r[1]);
	assert_ptr_equal(bus_lookup(&bus, &c, BUS_MMIO, 0x3000, 8), &r[0]);
	assert_ptr_equal(bus_lookup(&bus, &c, BUS_MMIO, 0x3008, 8), &r[0]);
	assert_ptr_equal(bus_lookup(&bus, &c, BUS_MMIO, 0x4000, 1), &r[2]);
	assert_ptr_equal(bus_lookup(&bus, &c, BUS_PIO, 0x2000, 1), &r[3]);
	assert_null(bus_lookup(&bus, &c, BUS_PIO, 0x3000, 1));
	assert_null(bus_lookup(&bus, &c, BUS_MMIO, 0x4001, 1));
	assert_null(bus_lookup(&bus, &c, BUS_MMIO, 0x1fff, 1));
	bus_fini(&bus);
}

static void ports_up_to_the_last_one_are_found(void **state)
{
	(void)state;
	struct bus_range r[] = {range("last", 0xffff, 1), range("com1", 0x3f8, 8),
				range("reset", 0x64, 1), range("keys", 0x60, 1)};
	struct bus bus;
	struct bus_cache c = {0};
	struct err err = {0};
	for (unsigned i = 0; i < 4; i++)
		r[i].space = BUS_PIO;
	assert_int_equal(bus_init(&bus), 0);
	assert_int_equal(bus_add(&bus, r, 4, &err), 0);
	assert_ptr_equal(bus_lookup(&bus, &c, BUS_PIO, 0xffff, 1), &r[0]);
	assert_null(bus_lookup(&bus, &c, BUS_PIO, 0xffff, 2));
	assert_ptr_equal(bus_lookup(&bus, &c, BUS_PIO, 0x3ff, 1), &r[1]);
	assert_null(bus_lookup(&bus, &c, BUS_PIO, 0x3ff, 2));
	assert_null(bus_lookup(&bus, &c, BUS_PIO, 0x400, 1));
	assert_ptr_equal(bus_lookup(&bus, &c, BUS_PIO, 0x64, 1), &r[2]);
	assert_ptr_equal(bus_lookup(&bus, &c, BUS_PIO, 0x60, 1), &r[3]);
	assert_null(bus_lookup(&bus, &c, BUS_PIO, 0x61, 1));
	assert_null(bus_lookup(&bus, &c, BUS_MMIO, 0x60, 1));
	bus_fini(&bus);
}

static void access_not_wholly_inside_is_unclaimed(void **state)
{
	(void)state;
	struct bus_range r = range("a", 0x1000, 0x10);
	struct bus bus;
	struct bus_cache c = {0};
	struct err err = {0};
	assert_int_equal(bus_init(&bus), 0);
	assert_int_equal(bus_add(&bus, &r, 1, &err), 0);
	for (int again = 0; again < 2; again++) { /* the second time out of the cache */
		assert_null(bus_lookup(&bus, &c, BUS_MMIO, 0x100e, 4));
		assert_null(bus_lookup(&bus, &c, BUS_MMIO, 0xffe, 4));
		assert_ptr_equal(bus_lookup(&bus, &c, BUS_MMIO, 0x100c, 4), &r);
	}
	bus_fini(&bus);
}

static void cache_does_not_outlive_its_table(void **state)
{
	(void)state;
	struct bus_range a = range("a", 0x1000, 0x10), b = range("b", 0x2000, 0x10);
	struct bus bus;
	struct bus_cache c = {0};
	struct err err = {0};
	assert_int_equal(bus_init(&bus), 0);
	assert_int_equal(bus_add(&bus, &a, 1, &err), 0);
	assert_ptr_equal(bus_lookup(&bus, &c, BUS_MMIO, 0x1000, 4), &a);
	assert_int_equal(bus_add(&bus, &b, 1, &err), 0);
	assert_ptr_equal(bus_lookup(&bus, &c, BUS_MMIO, 0x1004, 4), &a);
	assert_int_equal(c.gen, bus.table->gen);
	assert_ptr_equal(bus_lookup(&bus, &c, BUS_MMIO, 0x2000, 4), &b);
	bus_reclaim(&bus);
	assert_null(bus.retired);
	bus_fini(&bus);
}

static void unclaimed_accesses_are_counted_by_page(void **state)
{
	(void)state;
	struct bus bus;
	assert_int_equal(bus_init(&bus), 0);
	assert_int_equal(bus_unclaimed_count(&bus, BUS_MMIO, 0x5004), 1);
	assert_int_equal(bus_unclaimed_count(&bus, BUS_MMIO, 0x5ffc), 2);
	assert_int_equal(bus_unclaimed_count(&bus, BUS_PIO, 0x5004), 1);
	assert_int_equal(bus_unclaimed_count(&bus, BUS_MMIO, 0x6000), 1);
	for (uint64_t i = 0; i < 100000; i++) /* more pages than there is room for */
		bus_unclaimed_count(&bus, BUS_MMIO, i << 12);
	assert_int_equal(bus.unclaimed_total, 100004);
	bus_fini(&bus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conflict_is_refused_whole_and_names_both_owners),
		cmocka_unit_test(impossible_range_is_refused),
		cmocka_unit_test(neighbours_and_spaces_do_not_conflict),
		cmocka_unit_test(ports_up_to_the_last_one_are_found),
		cmocka_unit_test(access_not_wholly_inside_is_unclaimed),
		cmocka_unit_test(cache_does_not_outlive_its_table),
		cmocka_unit_test(unclaimed_accesses_are_counted_by_page),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
