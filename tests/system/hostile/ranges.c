/* SPDX-License-Identifier: Apache-2.0 */
#include "hostile.h"
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"

#define RULES_MAX 70000u
#define RANGES_MAX 64u

static Outrigger__RegisterRule rule[RULES_MAX], *rules[RULES_MAX];
static Outrigger__RangeRequest range[RANGES_MAX], *ranges[RANGES_MAX];
static Outrigger__RegisterRanges batch;
static char space_mmio[] = "mmio", space_pio[] = "pio", space_odd[] = "mmio\033[2J\xff\n";

/* The honest registers: shadow, posted, forwarded. */
static void honest(void)
{
	for (unsigned i = 0; i < RULES_MAX; i++) {
		outrigger__register_rule__init(&rule[i]);
		rules[i] = &rule[i];
		rule[i].offset = i * 4;
		rule[i].width = 4;
		rule[i].widths = 7;
		rule[i].count = 1;
		rule[i].stride = 4;
	}
	rule[0].read_way = 1;
	rule[1].write_way = 1;
	for (unsigned i = 0; i < RANGES_MAX; i++) {
		outrigger__range_request__init(&range[i]);
		ranges[i] = &range[i];
		range[i].space = space_mmio;
		range[i].size = HOSTILE_SIZE;
		range[i].widths = 7;
		range[i].rules = rules;
		range[i].n_rules = 3;
	}
	outrigger__register_ranges__init(&batch);
	batch.ranges = ranges;
	batch.n_ranges = 1;
	batch.irqs = HOSTILE_IRQS;
}

Outrigger__RegisterRanges *hostile_ranges(const struct hostile *h)
{
	honest();
	if (hostile_is(h, "ranges-two"))
		batch.n_ranges = 2;
	else if (hostile_is(h, "ranges-64"))
		batch.n_ranges = RANGES_MAX;
	else if (hostile_is(h, "ranges-none"))
		batch.n_ranges = 0;
	else if (hostile_is(h, "range-larger"))
		range[0].size = 2 * HOSTILE_SIZE;
	else if (hostile_is(h, "range-huge"))
		range[0].size = UINT64_MAX;
	else if (hostile_is(h, "range-zero"))
		range[0].size = 0;
	else if (hostile_is(h, "range-pio"))
		range[0].space = space_pio;
	else if (hostile_is(h, "range-odd-space"))
		range[0].space = space_odd;
	else if (hostile_is(h, "range-widths"))
		range[0].widths = 0x1f;
	else if (hostile_is(h, "range-no-widths"))
		range[0].widths = 0;
	else if (hostile_is(h, "irqs-many"))
		batch.irqs = UINT32_MAX;
	else if (hostile_is(h, "shadow-page-1"))
		range[0].shadow_page = 1;
	else if (hostile_is(h, "shadow-page-max"))
		range[0].shadow_page = INT32_MAX;
	else if (hostile_is(h, "shadow-page-none"))
		range[0].shadow_page = -1;
	else if (hostile_is(h, "rules-513"))
		range[0].n_rules = 513;
	else if (hostile_is(h, "rules-70000"))
		range[0].n_rules = RULES_MAX;
	else if (hostile_is(h, "rule-outside"))
		rule[2].offset = HOSTILE_SIZE - 2;
	else if (hostile_is(h, "rule-wraps"))
		rule[2].offset = UINT32_MAX, rule[2].width = 2;
	else if (hostile_is(h, "rule-wide"))
		rule[2].width = UINT32_MAX;
	else if (hostile_is(h, "rule-zero"))
		rule[2].width = 0;
	else if (hostile_is(h, "rule-count"))
		rule[2].count = UINT32_MAX, rule[2].stride = UINT32_MAX;
	else if (hostile_is(h, "rule-stride"))
		rule[2].count = 3, rule[2].stride = 1;
	else if (hostile_is(h, "rule-ways"))
		rule[2].read_way = 4;
	else if (hostile_is(h, "rule-write-way"))
		rule[2].write_way = UINT32_MAX;
	else if (hostile_is(h, "rule-widths"))
		rule[2].widths = 0x100;
	else if (hostile_is(h, "rule-twice"))
		rule[2].offset = 4;
	return &batch;
}
