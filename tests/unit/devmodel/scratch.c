/* SPDX-License-Identifier: Apache-2.0 */
/* The device of docs/adding-a-device.md, whole: a register that counts what is written to another one. */
#include "devmodel/dm.h"

struct scratch {
	uint32_t value, writes, limit, alarm;
};

static void scratch_write(struct dm *dm, void *state, const struct dm_io *io)
{
	struct scratch *s = state;
	if (io->reg->offset == 0x00 && ++s->writes == s->limit)
		s->alarm = 1;
	dm_irq_set(dm, 0, s->alarm);
}

static const struct dm_reg scratch_regs[] = {{.name = "VALUE",
					      .offset = 0x00,
					      .access = DM_RW,
					      DM_FIELD(struct scratch, value),
					      .help = "keeps what is written"},
					     {.name = "WRITES",
					      .offset = 0x04,
					      .access = DM_RO,
					      DM_FIELD(struct scratch, writes),
					      .help = "writes to VALUE so far"},
					     {.name = "LIMIT",
					      .offset = 0x08,
					      .access = DM_RW,
					      DM_FIELD(struct scratch, limit),
					      .reset = 100,
					      .help = "interrupt at this many writes"},
					     {.name = "ALARM",
					      .offset = 0x0c,
					      .access = DM_W1C,
					      DM_FIELD(struct scratch, alarm),
					      .help = "the limit was reached; write 1 to clear"},
					     {}};

extern const struct dm_class dm_class_scratch;
const struct dm_class dm_class_scratch = {
	.name = "scratch",
	.version = 1,
	.summary = "four registers that show how a device is made",
	.regions =
		(const struct dm_region[]){
			{.name = "regs", .size = 0x1000, .widths = 1 | 2 | 4, .regs = scratch_regs},
			{}},
	.irqs = 1,
	.state_size = sizeof(struct scratch),
	.write = scratch_write,
};
