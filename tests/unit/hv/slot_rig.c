/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "slot_rig.h"

static void rig_line(void *opaque, unsigned irq, bool level)
{
	struct rig *r = opaque;
	assert_int_equal(irq, 7);
	atomic_store(&r->level, level);
	atomic_fetch_add(&r->level_calls, 1);
}

static void rig_pulse(void *opaque, unsigned irq)
{
	struct rig *r = opaque;
	assert_int_equal(irq, 7);
	atomic_fetch_add(&r->pulses, 1);
}

static void rig_changed(void *opaque)
{
	struct rig *r = opaque;
	atomic_fetch_add(&r->changes, 1);
}

static const struct slot_ops rig_ops = {rig_line, rig_pulse, rig_changed};

void rig_rule(struct rig *r, unsigned reg, unsigned read_way, unsigned write_way)
{
	for (unsigned b = 0; b < 4; b++)
		r->rules[reg * 4 + b] = bus_rule_make(read_way, write_way, 7, 4 - b);
}

/* A slot whose daemon has not come yet. */
void rig_make(struct rig *r, enum slot_policy policy)
{
	struct err err = {0};
	memset(r, 0, sizeof(*r));
	r->irq = 7;
	struct slot_config c = {
		.name = "dut",
		.vcpus = 2,
		.lines = 1,
		.irqs = &r->irq,
		.shadow_pages = 1,
		.deadline_ns = DEADLINE_NS,
		.policy = policy,
		.state_bytes = 64,
		.ops = &rig_ops,
		.opaque = r,
	};
	assert_int_equal(slot_create(&c, &r->slot, &err), 0);
	rig_rule(r, 0, BUS_READ_FORWARD, BUS_WRITE_POST);
	rig_rule(r, 1, BUS_READ_SHADOW, BUS_WRITE_FORWARD);
	rig_rule(r, 2, BUS_READ_FORWARD, BUS_WRITE_IGNORE);
	rig_rule(r, 4, BUS_READ_SHADOW_NOWAIT, BUS_WRITE_FORWARD);
	r->range = (struct bus_range){.space = BUS_MMIO,
				      .widths = 7,
				      .size = MINI_SIZE,
				      .owner = "dut",
				      .slot = r->slot,
				      .rules = r->rules,
				      .rules_len = ARRAY_LEN(r->rules)};
}

void rig_start(struct rig *r, enum mini_mode mode)
{
	r->mp.mode = (int)mode;
	if (!r->two_maps)
		r->mp.map = r->slot->pp.port;
	uint32_t epoch = slot_attach(r->slot);
	mini_port_start(&r->mp, r->slot->port_fd, r->slot->kick_fd, r->slot->irq_fd, epoch);
	assert_int_equal(slot_serve(r->slot), 0);
}

void rig_end(struct rig *r)
{
	mini_port_stop(&r->mp);
	assert_int_equal(SLOT_WORD_INFLIGHT(r->slot->word), 0);
	slot_destroy(r->slot);
}

uint64_t rd(struct rig *r, unsigned reg, unsigned len)
{
	uint64_t v = 0;
	assert_int_equal(slot_access(r->slot, &r->range, 0, &r->stop, reg * 4, len, false, &v),
			 ACCESS_OK);
	return v;
}

void wr(struct rig *r, unsigned reg, uint64_t v)
{
	assert_int_equal(slot_access(r->slot, &r->range, 0, &r->stop, reg * 4, 4, true, &v),
			 ACCESS_OK);
}

struct port_counters *counters(struct rig *r)
{
	return &r->slot->pp.port->counters;
}
