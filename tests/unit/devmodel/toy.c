/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/devmodel/toy.h"
#include <string.h>

static uint64_t toy_read(struct dm *dm, void *state, const struct dm_io *io)
{
	struct toy *t = state;
	(void)dm, (void)io;
	return ++t->calls;
}

static void toy_write(struct dm *dm, void *state, const struct dm_io *io)
{
	struct toy *t = state;
	uint8_t b = (uint8_t)io->value;
	switch (io->reg->offset) {
	case TOY_OUT:
		t->ro++;
		dm_host_out(dm, 0, &b, 1);
		break;
	case TOY_PULSE:
		dm_irq_pulse(dm, 1);
		break;
	case TOY_LEVEL:
		dm_irq_set(dm, 0, io->value & 1);
		break;
	case TOY_TIMER:
		dm_timer_set(dm, 0, dm_now_ns(dm) + io->value);
		break;
	default:
		break;
	}
}

static void toy_timer(struct dm *dm, void *state, unsigned timer)
{
	struct toy *t = state;
	t->rc |= 1u << timer;
	dm_irq_set(dm, 0, true);
}

static size_t toy_room(struct dm *dm, const void *state, unsigned channel)
{
	const struct toy *t = state;
	(void)dm, (void)channel;
	return sizeof(t->in) - t->in_len;
}

static void toy_in(struct dm *dm, void *state, unsigned channel, const uint8_t *buf, size_t len)
{
	struct toy *t = state;
	(void)dm, (void)channel;
	memcpy(t->in + t->in_len, buf, len);
	t->in_len += (uint32_t)len;
}

static void toy_done(struct dm *dm, void *state, unsigned channel)
{
	(void)dm, (void)channel;
	((struct toy *)state)->done++;
}

#define T(m) DM_FIELD(struct toy, m)
static const struct dm_reg regs[] = {
	{.name = "RO", .offset = TOY_RO, .access = DM_RO, T(ro), .reset = 7},
	{.name = "RW",
	 .offset = TOY_RW,
	 .access = DM_RW,
	 T(rw),
	 .mask = 0x00ffffff,
	 .reset = 0xab000000},
	{.name = "WO", .offset = TOY_WO, .access = DM_WO, T(wo)},
	{.name = "W1C", .offset = TOY_W1C, .access = DM_W1C, T(w1c), .reset = 0xff, .mask = 0x0f},
	{.name = "RC", .offset = TOY_RC, .access = DM_RC, T(rc), .reset = 0x30},
	{.name = "CONST", .offset = TOY_CONST, .access = DM_RO, .reset = 0x12345678},
	{.name = "CALL", .offset = TOY_CALL, .access = DM_RO, .read = DM_READ_CALL},
	{.name = "OUT", .offset = TOY_OUT, .access = DM_WO, .write = DM_WRITE_POST},
	{.name = "PULSE", .offset = TOY_PULSE, .access = DM_WO},
	{.name = "LEVEL", .offset = TOY_LEVEL, .access = DM_RW, T(level)},
	{.name = "TIMER", .offset = TOY_TIMER, .access = DM_WO},
	{.name = "ARRAY",
	 .offset = TOY_ARRAY,
	 .access = DM_RW,
	 .width = 2,
	 .count = 4,
	 .stride = 8,
	 T(array),
	 .reset = 0x55},
	{.name = "WIDE", .offset = TOY_WIDE, .access = DM_RW, .width = 8, T(wide)},
	{.name = "BYTE", .offset = TOY_BYTE, .access = DM_RW, .width = 1, T(byte)},
	{}};

const struct dm_class dm_class_toy = {
	.name = "toy",
	.version = 3,
	.summary = "one register of each kind",
	.regions =
		(const struct dm_region[]){
			{.name = "regs", .size = 0x1000, .widths = 15, .regs = regs}, {}},
	.irqs = 2,
	.timers = 1,
	.options =
		(const struct dm_option[]){{.name = "out", .type = DM_OPT_CHARDEV},
					   {.name = "size", .type = DM_OPT_SIZE, .def = "4K"},
					   {.name = "wait", .type = DM_OPT_DURATION, .def = "3ms"},
					   {.name = "on", .type = DM_OPT_BOOL, .def = "no"},
					   {.name = "mode",
					    .type = DM_OPT_ENUM,
					    .choices = "slow|fast",
					    .def = "slow"},
					   {.name = "when", .type = DM_OPT_TIME, .def = "host"},
					   {.name = "label", .type = DM_OPT_STRING},
					   {}},
	.state_size = sizeof(struct toy),
	.read = toy_read,
	.write = toy_write,
	.host_room = toy_room,
	.host_in = toy_in,
	.host_done = toy_done,
	.timer = toy_timer,
};
