/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PL031 real-time clock, ARM DDI 0224C (PrimeCell Real Time Clock PL031, r1p3).
 *
 * Theory of operation. DR is a clock plus an offset, which LR sets. The clock is the host's wall clock
 * (base: host; it goes on while the guest is paused, as a battery-driven one does) or a fixed time plus the guest's clock
 * (base: a time; the same in every run). The match interrupt is a timer on the guest's clock, which on
 * firing looks again, for the wall clock may have been set meanwhile.
 */
#include "devmodel/dm.h"

#define NS_PER_S 1000000000ull

enum { DR = 0x00, MR = 0x04, LR = 0x08, IMSC = 0x10, ICR = 0x1c };
enum { TIMER_MATCH = 0 };

struct pl031 {
	uint32_t mr, lr, imsc, ris, mis;
	uint32_t offset; /* added to the clock's seconds, modulo 2^32 */
	uint32_t armed;	 /* the match with MR is still to come */
	uint32_t left_s; /* when armed: seconds to the match, as last computed */
};

/* The clock's time in ns since 1970, before the offset. */
static uint64_t clock_ns(struct dm *dm)
{
	uint64_t fixed;
	if (dm_option_time(dm, "base", &fixed))
		return fixed + dm_now_ns(dm);
	return dm_realtime_ns(dm);
}

static uint32_t seconds(struct dm *dm, const struct pl031 *r)
{
	return (uint32_t)(clock_ns(dm) / NS_PER_S) + r->offset;
}

static void update(struct dm *dm, struct pl031 *r)
{
	r->mis = r->ris & r->imsc;
	dm_irq_set(dm, 0, r->mis != 0);
}

/* Sets the timer for the next second at which DR equals MR; equal already counts as a match. */
static void arm(struct dm *dm, struct pl031 *r)
{
	uint64_t now = clock_ns(dm);
	r->left_s = r->mr - seconds(dm, r);
	r->armed = r->left_s != 0;
	if (!r->armed) {
		r->ris = 1;
		dm_timer_cancel(dm, TIMER_MATCH);
		return;
	}
	dm_timer_set(dm, TIMER_MATCH, dm_now_ns(dm) + r->left_s * NS_PER_S - now % NS_PER_S);
}

static void pl031_timer(struct dm *dm, void *state, unsigned timer)
{
	struct pl031 *r = state;
	(void)timer;
	/* Reached or passed (the wall clock went on while the guest was paused, or was set forward): a match.
	 * Not reached: the wall clock was turned back, so wait on. */
	if (r->armed && (int32_t)(seconds(dm, r) - r->mr) >= 0) {
		r->armed = 0;
		r->ris = 1;
	} else if (r->armed) {
		arm(dm, r);
	}
	update(dm, r);
}

static uint64_t pl031_read(struct dm *dm, void *state, const struct dm_io *io)
{
	(void)io; /* DR is the only register that is read by call */
	return seconds(dm, state);
}

static void pl031_write(struct dm *dm, void *state, const struct dm_io *io)
{
	struct pl031 *r = state;
	switch (io->reg->offset) {
	case MR:
		arm(dm, r);
		break;
	case LR:
		r->offset += r->lr - seconds(dm, r);
		arm(dm, r);
		break;
	case ICR:
		r->ris &= ~(uint32_t)io->value;
		break;
	default: /* IMSC is stored; CR: the clock runs from reset on and cannot be stopped */
		break;
	}
	update(dm, r);
}

static void pl031_poked(struct dm *dm, void *state, const struct dm_io *io)
{
	if (io->reg->offset == MR)
		arm(dm, state);
	update(dm, state);
}

static void pl031_inspect(struct dm *dm, const void *state, struct dm_text *text)
{
	const struct pl031 *r = state;
	dm_text_item(text, "time", "%u", seconds(dm, r));
	dm_text_item(text, "offset to the clock", "%d", (int32_t)r->offset);
	dm_text_item(text, "match", "%s", r->armed ? "to come" : "not armed");
}

#define R(m) DM_FIELD(struct pl031, m)

static const struct dm_bits int_bits[] = {{"RTC", 0, 1, NULL}, {}};

/* A line or two a register reads better than clang-format's way. */
/* clang-format off */
static const struct dm_reg pl031_regs[] = {
	{.name = "DR", .offset = DR, .access = DM_RO, .read = DM_READ_PURE,
	 .help = "seconds since 1970"},
	{.name = "MR", .offset = MR, .access = DM_RW, R(mr), .help = "match: interrupt when DR is this"},
	{.name = "LR", .offset = LR, .access = DM_RW, R(lr), .help = "load: sets DR"},
	{.name = "CR", .offset = 0x0c, .access = DM_RW, .mask = 1, .reset = 1,
	 .help = "start; always running"},
	{.name = "IMSC", .offset = IMSC, .access = DM_RW, R(imsc), .mask = 1, .bits = int_bits,
	 .help = "interrupt mask: 1 lets it through"},
	{.name = "RIS", .offset = 0x14, .access = DM_RO, R(ris), .bits = int_bits,
	 .help = "interrupt before the mask"},
	{.name = "MIS", .offset = 0x18, .access = DM_RO, R(mis), .bits = int_bits,
	 .help = "interrupt after the mask"},
	{.name = "ICR", .offset = ICR, .access = DM_WO, .mask = 1, .bits = int_bits,
	 .help = "writing 1 clears the interrupt"},
	{.name = "PeriphID0", .offset = 0xfe0, .access = DM_RO, .reset = 0x31, .help = "part 031"},
	{.name = "PeriphID1", .offset = 0xfe4, .access = DM_RO, .reset = 0x10, .help = "designer"},
	{.name = "PeriphID2", .offset = 0xfe8, .access = DM_RO, .reset = 0x14,
	 .help = "designer, revision as in QEMU's board"},
	{.name = "PeriphID3", .offset = 0xfec, .access = DM_RO, .reset = 0x00, .help = "0"},
	{.name = "PCellID0", .offset = 0xff0, .access = DM_RO, .reset = 0x0d, .help = "PrimeCell"},
	{.name = "PCellID1", .offset = 0xff4, .access = DM_RO, .reset = 0xf0, .help = "PrimeCell"},
	{.name = "PCellID2", .offset = 0xff8, .access = DM_RO, .reset = 0x05, .help = "PrimeCell"},
	{.name = "PCellID3", .offset = 0xffc, .access = DM_RO, .reset = 0xb1, .help = "PrimeCell"},
	{}};

static const struct dm_field pl031_fields[] = {DM_SAVE(struct pl031, mr),
					       DM_SAVE(struct pl031, lr),
					       DM_SAVE(struct pl031, imsc),
					       DM_SAVE(struct pl031, ris),
					       DM_SAVE(struct pl031, mis),
					       DM_SAVE(struct pl031, offset),
					       DM_SAVE(struct pl031, armed),
					       DM_SAVE(struct pl031, left_s),
					       {}};

extern const struct dm_class dm_class_pl031;
const struct dm_class dm_class_pl031 = {
	.name = "pl031",
	.version = 1,
	.summary = "ARM PrimeCell real-time clock (PL031)",
	.regions = (const struct dm_region[]){
		{.name = "regs", .size = 0x1000, .widths = 1 | 2 | 4, .regs = pl031_regs}, {}},
	.irqs = 1,
	.timers = 1,
	.options = (const struct dm_option[]){
		{.name = "base", .type = DM_OPT_TIME, .def = "host",
		 .help = "what time it is: host, or a fixed time at the VM's start"},
		{}},
	.fdt = {.node = "pl031",
		.compatible = (const char *const[]){"arm,pl031", "arm,primecell", NULL},
		.clock_names = (const char *const[]){"apb_pclk", NULL}},
	.state_size = sizeof(struct pl031),
	.fields = pl031_fields,
	.read = pl031_read,
	.write = pl031_write,
	.timer = pl031_timer,
	.poked = pl031_poked,
	.inspect = pl031_inspect,
};
