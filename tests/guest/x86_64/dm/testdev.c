/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device for the bare-metal programs of x86_64: storage of any width, a counter that reading moves, a digest of what was
 * written, and an interrupt line. In I/O ports (testport) or in memory (testmem), by -DTESTDEV_PIO.
 */
#include "devmodel/dm.h"

enum {
	STORE = 0x00,
	FORWARD = 0x40,
	SEQ = 0x80,
	LOG = 0x84,
	DIGEST = 0x88,
	LINE = 0x8c,
	POSTED = 0x90,
	CLEAR = 0x94
};

struct testdev {
	uint8_t store[64], forward[64];
	uint32_t seq, digest, line, posted;
};

static uint64_t testdev_read(struct dm *dm, void *state, const struct dm_io *io)
{
	struct testdev *t = state;
	(void)dm;
	(void)io; /* SEQ alone is read by call */
	return t->seq++;
}

static void testdev_write(struct dm *dm, void *state, const struct dm_io *io)
{
	struct testdev *t = state;
	uint32_t low = io->width < 4 ? (uint32_t)((1ull << 8 * io->width) - 1) : UINT32_MAX;
	switch (io->reg->offset) {
	case LOG:
		t->digest = t->digest * 31 + ((uint32_t)io->value & low) + io->width * 7919u;
		break;
	case LINE:
		dm_irq_set(dm, 0, t->line & 1);
		break;
	case CLEAR:
		t->seq = t->digest = t->posted = 0;
		break;
	default:
		break;
	}
}

#define R(m) DM_FIELD(struct testdev, m)
#define BYTES .access = DM_RW, .bytes = true, .width = 1, .count = 64
/* clang-format off */
static const struct dm_reg regs[] = {
	{.name = "STORE", .offset = STORE, BYTES, R(store), .help = "bytes, read from the shadow page"},
	{.name = "FORWARD", .offset = FORWARD, BYTES, R(forward), .read = DM_READ_FORWARD,
	 .help = "bytes, read by asking"},
	{.name = "SEQ", .offset = SEQ, .access = DM_RO, .read = DM_READ_CALL, .help = "one more each time"},
	{.name = "LOG", .offset = LOG, .access = DM_WO, .help = "goes into DIGEST"},
	{.name = "DIGEST", .offset = DIGEST, .access = DM_RO, R(digest), .help = "of all writes to LOG"},
	{.name = "LINE", .offset = LINE, .access = DM_RW, R(line), .help = "bit 0: the interrupt line"},
	{.name = "POSTED", .offset = POSTED, .access = DM_RW, R(posted), .write = DM_WRITE_POST,
	 .help = "a posted write"},
	{.name = "CLEAR", .offset = CLEAR, .access = DM_WO, .help = "SEQ, DIGEST and POSTED to 0"},
	{}};
/* clang-format on */

#ifdef TESTDEV_PIO
#define NAME "testport"
#define SPACE DM_PIO
#define CLASS dm_class_testport
#else
#define NAME "testmem"
#define SPACE DM_MMIO
#define CLASS dm_class_testmem
#endif

extern const struct dm_class CLASS;
const struct dm_class CLASS = {
	.name = NAME,
	.version = 1,
	.summary = "a device for tests of the core",
	.regions = (const struct dm_region[]){{.name = "regs",
					       .size = 0x100,
					       .space = SPACE,
					       .widths = 1 | 2 | 4 | 8,
					       .regs = regs},
					      {}},
	.irqs = 1,
	.state_size = sizeof(struct testdev),
	.read = testdev_read,
	.write = testdev_write,
};
