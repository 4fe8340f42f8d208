/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PL011 UART, ARM DDI 0183G (PrimeCell UART PL011, r1p5).
 *
 * Theory of operation. Time on the wire is not modelled: a character that the guest writes is on the line at once, so
 * the transmit FIFO is empty (TXFE, no BUSY) as long as the host keeps up, as in QEMU's model. When the
 * host is behind (dm_host_out_busy()), the FIFO shows as full (TXFF, BUSY) until it has caught up: that is
 * the back-pressure. Writes that were posted before the guest could see TXFF still find room in the
 * out-queue.
 *
 * Received characters go through the FIFO of 16 (FEN) or 1. Input comes in bursts: after one the line counts as
 * idle, so what lies below the trigger level raises the receive timeout interrupt at once; a guest that clears that
 * interrupt and leaves characters behind gets it again after 32 bit periods (2.8.1, UARTRTINTR).
 *
 * FR is read from the shadow page without waiting for posted writes to DR: a driver cannot tell a FIFO
 * that has drained from one that is not filled yet.
 */
#include "devmodel/dm.h"
#include <errno.h>

#define FIFO_DEPTH 16u
#define UARTCLK_HZ 24000000u

/* Register offsets, table 3-1. */
enum {
	DR = 0x00,
	RSR = 0x04,
	FR = 0x18,
	ILPR = 0x20,
	IBRD = 0x24,
	FBRD = 0x28,
	LCR_H = 0x2c,
	CR = 0x30,
	IFLS = 0x34,
	IMSC = 0x38,
	RIS = 0x3c,
	MIS = 0x40,
	ICR = 0x44,
	DMACR = 0x48,
};

/* FR, 3.3.3 */
#define FR_CTS 0x001u
#define FR_DSR 0x002u
#define FR_DCD 0x004u
#define FR_BUSY 0x008u
#define FR_RXFE 0x010u
#define FR_TXFF 0x020u
#define FR_RXFF 0x040u
#define FR_TXFE 0x080u
#define FR_RI 0x100u
/* DR and RSR error bits, 3.3.1 */
#define DR_BE 0x400u
#define DR_OE 0x800u
/* LCR_H, 3.3.7 */
#define LCR_BRK 0x01u
#define LCR_FEN 0x10u
/* CR, 3.3.8 */
#define CR_UARTEN 0x0001u
#define CR_LBE 0x0080u
#define CR_RXE 0x0200u
#define CR_DTR 0x0400u
#define CR_RTS 0x0800u
#define CR_OUT1 0x1000u
#define CR_OUT2 0x2000u
/* Interrupt bits of IMSC, RIS, MIS, ICR, 3.3.10 */
#define INT_RIM 0x001u
#define INT_CTSM 0x002u
#define INT_DCDM 0x004u
#define INT_DSRM 0x008u
#define INT_RX 0x010u
#define INT_TX 0x020u
#define INT_RT 0x040u
#define INT_BE 0x200u
#define INT_OE 0x400u
#define INT_ALL 0x7ffu

enum { TIMER_RT = 0 };

struct pl011 {
	uint32_t rsr, fr, ilpr, ibrd, fbrd, lcr_h, cr, ifls, imsc, ris, mis, dmacr;
	uint16_t fifo[FIFO_DEPTH]; /* received: data and error bits 11:8 */
	uint32_t first, count;
	uint32_t overrun;    /* a character was lost: OE goes with the next one that is received */
	uint32_t cr_written; /* firmware may never enable the UART and still use it */
};

static uint32_t depth(const struct pl011 *u)
{
	return u->lcr_h & LCR_FEN ? FIFO_DEPTH : 1;
}

/* RXIFLSEL, 3.3.9: 1/8, 1/4, 1/2, 3/4, 7/8 of the FIFO. */
static uint32_t rx_trigger(const struct pl011 *u)
{
	static const uint8_t level[8] = {2, 4, 8, 12, 14, 8, 8, 8};
	return u->lcr_h & LCR_FEN ? level[u->ifls >> 3 & 7] : 1;
}

/* 32 bit periods (2.8.1) in ns; with no divisor programmed, those of 115200 baud. */
static uint64_t timeout_ns(const struct pl011 *u)
{
	uint64_t div64 = (uint64_t)u->ibrd * 64 + u->fbrd; /* divisor in 1/64 */
	if (!u->ibrd)
		return 32 * 8681u;
	return 32 * 16 * div64 * 1000000000u / 64 / UARTCLK_HZ;
}

/* In loopback the modem outputs come back as inputs (3.3.8, LBE): RTS->CTS, DTR->DSR, Out1->DCD, Out2->RI. */
static uint32_t modem_inputs(const struct pl011 *u)
{
	if (!(u->cr & CR_LBE))
		return 0;
	return (u->cr & CR_RTS ? FR_CTS : 0) | (u->cr & CR_DTR ? FR_DSR : 0) |
	       (u->cr & CR_OUT1 ? FR_DCD : 0) | (u->cr & CR_OUT2 ? FR_RI : 0);
}

static void update(struct dm *dm, struct pl011 *u)
{
	uint32_t fr = modem_inputs(u), changed = fr ^ u->fr;
	u->ris |= (changed & FR_CTS ? INT_CTSM : 0) | (changed & FR_DSR ? INT_DSRM : 0) |
		  (changed & FR_DCD ? INT_DCDM : 0) | (changed & FR_RI ? INT_RIM : 0);
	fr |= dm_host_out_busy(dm, 0) ? FR_TXFF | FR_BUSY : FR_TXFE;
	fr |= (u->count == 0 ? FR_RXFE : 0) | (u->count >= depth(u) ? FR_RXFF : 0);
	u->fr = fr;
	u->mis = u->ris & u->imsc;
	dm_irq_set(dm, 0, u->mis != 0);
}

/* ---- receiving ------------------------------------------------------------------------------------ */

static void receive(struct pl011 *u, uint32_t c)
{
	if (u->count >= depth(u)) {
		/* The FIFO keeps its contents; the shift register's character is lost (3.3.1, OE). */
		u->overrun = 1;
		u->ris |= INT_OE;
		return;
	}
	if (u->overrun) {
		c |= DR_OE;
		u->overrun = 0;
	}
	u->fifo[(u->first + u->count) % FIFO_DEPTH] = (uint16_t)c;
	u->count++;
	if (c & DR_BE)
		u->ris |= INT_BE;
	if (u->count >= rx_trigger(u))
		u->ris |= INT_RX;
}

static void line_idle(struct pl011 *u)
{
	if (u->count)
		u->ris |= INT_RT;
}

static uint64_t read_dr(struct dm *dm, struct pl011 *u)
{
	if (!u->count)
		return 0;
	uint32_t c = u->fifo[u->first];
	u->first = (u->first + 1) % FIFO_DEPTH;
	u->count--;
	u->rsr = c >> 8 & 0xf;
	if (u->count < rx_trigger(u))
		u->ris &= ~INT_RX;
	if (!u->count) {
		u->ris &= ~INT_RT;
		dm_timer_cancel(dm, TIMER_RT);
	}
	update(dm, u);
	return c;
}

static uint64_t pl011_read(struct dm *dm, void *state, const struct dm_io *io)
{
	(void)io; /* DR is the only register that is read by call */
	return read_dr(dm, state);
}

static size_t pl011_host_room(struct dm *dm, const void *state, unsigned channel)
{
	const struct pl011 *u = state;
	(void)dm, (void)channel;
	bool off = u->cr_written && (u->cr & (CR_UARTEN | CR_RXE)) != (CR_UARTEN | CR_RXE);
	/* What was typed before the driver is up waits in the host; in loopback the line is cut. */
	if (off || u->cr & CR_LBE || u->count >= depth(u))
		return 0;
	return depth(u) - u->count;
}

static void pl011_host_in(struct dm *dm, void *state, unsigned channel, const uint8_t *buf,
			  size_t len)
{
	struct pl011 *u = state;
	(void)channel;
	for (size_t i = 0; i < len; i++)
		receive(u, buf[i]);
	line_idle(u);
	update(dm, u);
}

static void pl011_timer(struct dm *dm, void *state, unsigned timer)
{
	(void)timer;
	line_idle(state);
	update(dm, state);
}

/* ---- writing --------------------------------------------------------------------------------------- */

static void write_dr(struct dm *dm, struct pl011 *u, uint32_t c)
{
	if (u->cr & CR_LBE) {
		/* Only the bits of a word (LCR_H.WLEN) come around. */
		receive(u, c & 0xffu >> (3 - (u->lcr_h >> 5 & 3)));
		line_idle(u);
	} else {
		uint8_t byte = (uint8_t)c;
		dm_host_out(dm, 0, &byte, 1);
	}
	/*
	 * The character has left at once: the FIFO passed its trigger level on the way down. While the host is behind it is
	 * above that level, and the interrupt is not raised (3.3, UARTTXINTR): Linux writes half a FIFO for each
	 * transmit interrupt without a look at TXFF.
	 */
	if (dm_host_out_busy(dm, 0))
		u->ris &= ~INT_TX;
	else
		u->ris |= INT_TX;
}

static void pl011_host_done(struct dm *dm, void *state, unsigned channel)
{
	struct pl011 *u = state;
	(void)channel;
	u->ris |= INT_TX;
	update(dm, u);
}

static void write_lcr_h(struct pl011 *u, uint32_t old)
{
	if ((old ^ u->lcr_h) & LCR_FEN) { /* FIFOs are flushed when FEN changes, as in QEMU */
		u->count = u->first = 0;
		u->ris &= ~(INT_RX | INT_RT);
	}
	if (u->lcr_h & ~old & LCR_BRK && u->cr & CR_LBE) {
		receive(u, DR_BE);
		line_idle(u);
	}
}

static void pl011_write(struct dm *dm, void *state, const struct dm_io *io)
{
	struct pl011 *u = state;
	switch (io->reg->offset) {
	case DR:
		write_dr(dm, u, (uint32_t)io->value);
		break;
	case RSR: /* a write of any value clears the error bits (3.3.2, UARTECR) */
		u->rsr = 0;
		break;
	case LCR_H:
		write_lcr_h(u, (uint32_t)io->old);
		break;
	case CR:
		u->cr_written = 1;
		break;
	case IFLS:
		if (u->count >= rx_trigger(u))
			u->ris |= INT_RX;
		break;
	case ICR:
		u->ris &= ~(uint32_t)io->value;
		if (io->value & INT_RT && u->count)
			dm_timer_set(dm, TIMER_RT, dm_now_ns(dm) + timeout_ns(u));
		break;
	default:
		break;
	}
	update(dm, u);
}

static void pl011_reset(struct dm *dm, void *state)
{
	update(dm, state);
}

static void pl011_poked(struct dm *dm, void *state, const struct dm_io *io)
{
	(void)io;
	update(dm, state);
}

static void pl011_inspect(struct dm *dm, const void *state, struct dm_text *text)
{
	const struct pl011 *u = state;
	(void)dm;
	dm_text_item(text, "receive FIFO", "%u of %u, trigger at %u", u->count, depth(u),
		     rx_trigger(u));
	uint64_t div = (uint64_t)u->ibrd * 64 + u->fbrd;
	if (u->ibrd)
		dm_text_item(text, "baud rate", "%llu",
			     (unsigned long long)(UARTCLK_HZ * 4ull / div));
}

/* ---- tables ----------------------------------------------------------------------------------------- */

/* A line or two a register reads better than clang-format's way. */
/* clang-format off */

#define U(m) DM_FIELD(struct pl011, m)

static const struct dm_bits dr_bits[] = {
	{"DATA", 0, 8, NULL}, {"FE", 8, 1, NULL}, {"PE", 9, 1, NULL}, {"BE", 10, 1, NULL},
	{"OE", 11, 1, NULL}, {}};
static const struct dm_bits rsr_bits[] = {
	{"FE", 0, 1, NULL}, {"PE", 1, 1, NULL}, {"BE", 2, 1, NULL}, {"OE", 3, 1, NULL}, {}};
static const struct dm_bits fr_bits[] = {
	{"CTS", 0, 1, NULL},  {"DSR", 1, 1, NULL},  {"DCD", 2, 1, NULL},
	{"BUSY", 3, 1, NULL}, {"RXFE", 4, 1, NULL}, {"TXFF", 5, 1, NULL},
	{"RXFF", 6, 1, NULL}, {"TXFE", 7, 1, NULL}, {"RI", 8, 1, NULL},	  {}};
static const struct dm_bits lcr_bits[] = {
	{"BRK", 0, 1, NULL},  {"PEN", 1, 1, NULL}, {"EPS", 2, 1, NULL},
	{"STP2", 3, 1, NULL}, {"FEN", 4, 1, NULL}, {"WLEN", 5, 2, "5 bits|6 bits|7 bits|8 bits"},
	{"SPS", 7, 1, NULL},  {}};
static const struct dm_bits cr_bits[] = {
	{"UARTEN", 0, 1, NULL}, {"SIREN", 1, 1, NULL}, {"SIRLP", 2, 1, NULL}, {"LBE", 7, 1, NULL},
	{"TXE", 8, 1, NULL},	{"RXE", 9, 1, NULL},   {"DTR", 10, 1, NULL},  {"RTS", 11, 1, NULL},
	{"Out1", 12, 1, NULL},	{"Out2", 13, 1, NULL}, {"RTSEn", 14, 1, NULL}, {"CTSEn", 15, 1, NULL},
	{}};
static const struct dm_bits ifls_bits[] = {{"TXIFLSEL", 0, 3, "1/8|1/4|1/2|3/4|7/8"},
					   {"RXIFLSEL", 3, 3, "1/8|1/4|1/2|3/4|7/8"},
					   {}};
static const struct dm_bits int_bits[] = {
	{"RIM", 0, 1, NULL}, {"CTSM", 1, 1, NULL}, {"DCDM", 2, 1, NULL}, {"DSRM", 3, 1, NULL},
	{"RX", 4, 1, NULL},  {"TX", 5, 1, NULL},   {"RT", 6, 1, NULL},	 {"FE", 7, 1, NULL},
	{"PE", 8, 1, NULL},  {"BE", 9, 1, NULL},   {"OE", 10, 1, NULL},	 {}};
static const struct dm_bits dma_bits[] = {
	{"RXDMAE", 0, 1, NULL}, {"TXDMAE", 1, 1, NULL}, {"DMAONERR", 2, 1, NULL}, {}};

static const struct dm_reg pl011_regs[] = {
	{.name = "DR", .offset = DR, .access = DM_RW, .mask = 0xff, .read = DM_READ_CALL,
	 .write = DM_WRITE_POST, .bits = dr_bits, .help = "data; reading takes from the receive FIFO"},
	{.name = "RSR", .offset = RSR, .access = DM_RW, U(rsr), .mask = 0xff, .bits = rsr_bits,
	 .help = "errors of the character read last; a write clears them (ECR)"},
	{.name = "FR", .offset = FR, .access = DM_RO, U(fr), .read = DM_READ_SHADOW_NOW,
	 .bits = fr_bits, .help = "flags"},
	{.name = "ILPR", .offset = ILPR, .access = DM_RW, U(ilpr), .mask = 0xff,
	 .help = "IrDA low-power counter"},
	{.name = "IBRD", .offset = IBRD, .access = DM_RW, U(ibrd), .mask = 0xffff,
	 .help = "baud rate divisor, integer part"},
	{.name = "FBRD", .offset = FBRD, .access = DM_RW, U(fbrd), .mask = 0x3f,
	 .help = "baud rate divisor, 64ths"},
	{.name = "LCR_H", .offset = LCR_H, .access = DM_RW, U(lcr_h), .mask = 0xff,
	 .bits = lcr_bits, .help = "line control"},
	{.name = "CR", .offset = CR, .access = DM_RW, U(cr), .mask = 0xff87, .reset = 0x300,
	 .bits = cr_bits, .help = "control"},
	{.name = "IFLS", .offset = IFLS, .access = DM_RW, U(ifls), .mask = 0x3f, .reset = 0x12,
	 .bits = ifls_bits, .help = "FIFO levels at which interrupts rise"},
	{.name = "IMSC", .offset = IMSC, .access = DM_RW, U(imsc), .mask = INT_ALL,
	 .bits = int_bits, .help = "interrupt mask: 1 lets it through"},
	{.name = "RIS", .offset = RIS, .access = DM_RO, U(ris), .bits = int_bits,
	 .help = "interrupts before the mask"},
	{.name = "MIS", .offset = MIS, .access = DM_RO, U(mis), .bits = int_bits,
	 .help = "interrupts after the mask"},
	{.name = "ICR", .offset = ICR, .access = DM_WO, .mask = INT_ALL, .bits = int_bits,
	 .help = "writing 1 clears an interrupt"},
	{.name = "DMACR", .offset = DMACR, .access = DM_RW, U(dmacr), .mask = 0x7,
	 .bits = dma_bits, .help = "DMA control; no DMA controller is wired to it"},
	{.name = "PeriphID0", .offset = 0xfe0, .access = DM_RO, .reset = 0x11, .help = "part 011"},
	{.name = "PeriphID1", .offset = 0xfe4, .access = DM_RO, .reset = 0x10, .help = "designer"},
	{.name = "PeriphID2", .offset = 0xfe8, .access = DM_RO, .reset = 0x14,
	 .help = "designer, revision r1p1 as in QEMU's board"},
	{.name = "PeriphID3", .offset = 0xfec, .access = DM_RO, .reset = 0x00, .help = "0"},
	{.name = "PCellID0", .offset = 0xff0, .access = DM_RO, .reset = 0x0d, .help = "PrimeCell"},
	{.name = "PCellID1", .offset = 0xff4, .access = DM_RO, .reset = 0xf0, .help = "PrimeCell"},
	{.name = "PCellID2", .offset = 0xff8, .access = DM_RO, .reset = 0x05, .help = "PrimeCell"},
	{.name = "PCellID3", .offset = 0xffc, .access = DM_RO, .reset = 0xb1, .help = "PrimeCell"},
	{}};

static const struct dm_field pl011_fields[] = {DM_SAVE(struct pl011, rsr),
					       DM_SAVE(struct pl011, fr),
					       DM_SAVE(struct pl011, ilpr),
					       DM_SAVE(struct pl011, ibrd),
					       DM_SAVE(struct pl011, fbrd),
					       DM_SAVE(struct pl011, lcr_h),
					       DM_SAVE(struct pl011, cr),
					       DM_SAVE(struct pl011, ifls),
					       DM_SAVE(struct pl011, imsc),
					       DM_SAVE(struct pl011, ris),
					       DM_SAVE(struct pl011, mis),
					       DM_SAVE(struct pl011, dmacr),
					       DM_SAVE_ARRAY(struct pl011, fifo),
					       DM_SAVE(struct pl011, first),
					       DM_SAVE(struct pl011, count),
					       DM_SAVE(struct pl011, overrun),
					       DM_SAVE(struct pl011, cr_written),
					       {}};

static int pl011_loaded(struct dm *dm, void *state, uint32_t version)
{
	const struct pl011 *u = state;
	(void)dm;
	(void)version;
	return u->first < FIFO_DEPTH && u->count <= FIFO_DEPTH ? 0 : -EINVAL;
}

extern const struct dm_class dm_class_pl011;
const struct dm_class dm_class_pl011 = {
	.name = "pl011",
	.version = 1,
	.summary = "ARM PrimeCell UART (PL011)",
	.regions = (const struct dm_region[]){
		{.name = "regs", .size = 0x1000, .widths = 1 | 2 | 4, .regs = pl011_regs}, {}},
	.irqs = 1,
	.timers = 1,
	.options = (const struct dm_option[]){
		{.name = "chardev", .type = DM_OPT_CHARDEV, .def = "null",
		 .help = "where the characters go: stdio, pty, unix:PATH, file:PATH or null"},
		{}},
	.fdt = {.node = "pl011",
		.compatible = (const char *const[]){"arm,pl011", "arm,primecell", NULL},
		.clock_names = (const char *const[]){"uartclk", "apb_pclk", NULL},
		.can_be_stdout = true},
	.state_size = sizeof(struct pl011),
	.reset = pl011_reset,
	.fields = pl011_fields,
	.loaded = pl011_loaded,
	.read = pl011_read,
	.write = pl011_write,
	.host_room = pl011_host_room,
	.host_in = pl011_host_in,
	.host_done = pl011_host_done,
	.timer = pl011_timer,
	.poked = pl011_poked,
	.inspect = pl011_inspect,
};
