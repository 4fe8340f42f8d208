/* SPDX-License-Identifier: Apache-2.0 */
/* What a daemon registers against what the config gave it: each way of asking for more is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "hv/device.h"

struct rig {
	struct vm vm;
	struct device dev;
	Outrigger__DeviceConfig cfg;
	Outrigger__RangeConfig rc[2], *rcs[2];
	Outrigger__RegisterRanges m;
	Outrigger__RangeRequest q[2], *qs[2];
	Outrigger__RegisterRule rule[3], *rules[3];
};

static void *text(const char *s)
{
	return (void *)(uintptr_t)s;
}

static void rig_make(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	assert_int_equal(bus_init(&r->vm.bus), 0);
	outrigger__device_config__init(&r->cfg);
	outrigger__register_ranges__init(&r->m);
	for (unsigned i = 0; i < 2; i++) {
		outrigger__range_config__init(&r->rc[i]);
		outrigger__range_request__init(&r->q[i]);
		r->rcs[i] = &r->rc[i];
		r->qs[i] = &r->q[i];
		r->rc[i].space = r->q[i].space = text("mmio");
		r->rc[i].address = 0x1000 * (i + 1);
		r->rc[i].size = r->q[i].size = 0x100;
		r->q[i].widths = 15;
		r->q[i].shadow_page = -1;
		r->dev.ranges[i] = (struct bus_range){.space = BUS_MMIO,
						      .index = (uint8_t)i,
						      .base = r->rc[i].address,
						      .size = 0x100,
						      .owner = "dut"};
	}
	for (unsigned i = 0; i < 3; i++) {
		outrigger__register_rule__init(&r->rule[i]);
		r->rules[i] = &r->rule[i];
		r->rule[i].offset = i * 4;
		r->rule[i].width = 4;
		r->rule[i].widths = 7;
	}
	r->q[0].n_rules = 3;
	r->q[0].rules = r->rules;
	r->cfg.name = text("dut");
	r->cfg.n_ranges = r->m.n_ranges = 2;
	r->cfg.ranges = r->rcs;
	r->m.ranges = r->qs;
	r->cfg.shadow_pages = 1;
	r->cfg.n_irqs = r->m.irqs = 1;
	r->dev.vm = &r->vm;
	r->dev.cfg = &r->cfg;
}

static void rig_end(struct rig *r)
{
	for (unsigned i = 0; i < LIMIT_RANGES; i++)
		free(r->dev.rules[i]);
	bus_fini(&r->vm.bus);
}

static void batch_as_configured_is_on_the_bus(void **state)
{
	(void)state;
	static struct rig r;
	struct err err = {0};
	struct bus_cache c = {0};
	rig_make(&r);
	r.q[0].shadow_page = 0;
	r.rule[1].read_way = 1;
	r.rule[2].write_way = 1;
	r.rule[2].count = 4;
	r.rule[2].stride = 8;
	assert_int_equal(device_claim(&r.dev, &r.m, &err), 0);
	const struct bus_range *b = bus_lookup(&r.vm.bus, &c, BUS_MMIO, 0x1000, 4);
	if (b != &r.dev.ranges[0])
		fail_msg("another range answers");
	assert_int_equal(bus_rule_read(b->rules[4]), BUS_READ_SHADOW);
	assert_true(bus_rule_fits(b->rules[4], 4));
	assert_false(bus_rule_fits(b->rules[6], 4)); /* would cross the register's end */
	assert_true(bus_rule_fits(b->rules[6], 2));
	assert_false(bus_rule_fits(b->rules[4], 8));
	assert_int_equal(bus_rule_write(b->rules[8 + 3 * 8]), BUS_WRITE_POST);
	assert_int_equal(b->rules[12], 0); /* between two of the array */
	assert_non_null(bus_lookup(&r.vm.bus, &c, BUS_MMIO, 0x20ff, 1));
	/* A successor that registers the same is welcome, another is not. */
	assert_int_equal(device_claim(&r.dev, &r.m, &err), 0);
	r.rule[0].write_way = 2;
	assert_true(device_claim(&r.dev, &r.m, &err) < 0);
	assert_non_null(strstr(err.msg, "differs"));
	rig_end(&r);
}

#define BAD(change, says)                                                                          \
	do {                                                                                       \
		struct err err = {0};                                                              \
		struct bus_cache c = {0};                                                          \
		rig_make(&r);                                                                      \
		change;                                                                            \
		assert_true(device_claim(&r.dev, &r.m, &err) < 0);                                 \
		assert_non_null(strstr(err.msg, "dut"));                                           \
		if (!strstr(err.msg, says))                                                        \
			fail_msg("\"%s\" does not say \"%s\"", err.msg, says);                     \
		assert_null(bus_lookup(&r.vm.bus, &c, BUS_MMIO, 0x1000, 4));                       \
		assert_null(bus_lookup(&r.vm.bus, &c, BUS_MMIO, 0x2000, 4));                       \
		rig_end(&r);                                                                       \
	} while (0)

static void more_than_configured_is_refused_whole(void **state)
{
	(void)state;
	static struct rig r;
	BAD(r.m.n_ranges = 1, "registers 1 ranges");
	BAD(r.q[1].size = 0x200, "0x200 bytes");
	BAD(r.q[1].size = 0, "0x0 bytes");
	BAD(r.q[1].space = text("pio"), "pio");
	BAD(r.q[1].widths = 0, "widths 0x0");
	BAD(r.q[1].widths = 16, "widths 0x10");
	BAD(r.q[1].shadow_page = 1, "shadow page 1");
	BAD(r.m.irqs = 2, "wants 2 interrupts");
	BAD(r.rule[1].offset = 0xfe, "not inside");
	BAD(r.rule[1].offset = UINT32_MAX, "not inside");
	BAD(r.rule[1].width = UINT32_MAX, "not inside");
	BAD(r.rule[1].width = 0, "not inside");
	BAD(r.rule[1].count = 64, "not inside"); /* 63 would end with the range */
	BAD((r.rule[1].count = UINT32_MAX, r.rule[1].stride = UINT32_MAX), "not inside");
	BAD((r.rule[2].count = 3, r.rule[2].stride = 2), "not inside"); /* overlaps itself */
	BAD(r.rule[1].offset = 2, "overlap");
	BAD(r.rule[1].read_way = 4, "ways");
	BAD(r.rule[1].write_way = 5, "ways");
	BAD(r.rule[1].widths = 0, "widths");
	BAD(r.rule[1].read_acts = 256, "ways");
	BAD(r.rule[1].read_way = 1, "shadow page -1");
	BAD((r.q[0].shadow_page = 0, r.rule[1].read_way = 2, r.cfg.shadow_pages = 0),
	    "shadow page 0");
}

static void neighbour_that_is_there_already_is_named(void **state)
{
	(void)state;
	static struct rig r;
	static const struct bus_range other = {
		.space = BUS_MMIO, .owner = "other", .base = 0x2080, .size = 16, .widths = 15};
	struct err err = {0};
	rig_make(&r);
	assert_int_equal(bus_add(&r.vm.bus, &other, 1, &err), 0);
	assert_true(device_claim(&r.dev, &r.m, &err) < 0);
	assert_non_null(strstr(err.msg, "other"));
	assert_non_null(strstr(err.msg, "dut"));
	assert_false(r.dev.claimed);
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batch_as_configured_is_on_the_bus),
		cmocka_unit_test(more_than_configured_is_refused_whole),
		cmocka_unit_test(neighbour_that_is_there_already_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
