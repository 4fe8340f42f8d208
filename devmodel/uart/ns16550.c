/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 16550A UART, National Semiconductor PC16550D data sheet (TL/C/8652, June 1995).
 *
 * Theory of operation. As in the PL011's model time on the wire is not modelled: a character that the guest writes is on the
 * line at once, so THRE and TEMT are set as long as the host keeps up. When it is behind (dm_host_out_busy()), both are
 * clear until it has caught up: that is the back-pressure, and writes that were posted before find room in the out-queue.
 *
 * The transmit interrupt is an event, not a level (8.5, 8.6): it comes when the holding register becomes empty, and when it is
 * enabled while that is so; reading IIR while it is what IIR says takes it away, and so does a write to THR, which empties
 * at once and is the next event.
 *
 * IIR, LSR and MSR are shadow reads as long as reading them has no effect, that is without the transmit interrupt, error or
 * delta bits. LSR does not wait for posted writes to THR: a driver cannot tell a register that was emptied from one
 * that is not filled yet. In loopback it can, for what it writes comes back; so there the value in the shadow page has bit 7 set,
 * which sends each read to us.
 */
#include "devmodel/dm.h"
#include <errno.h>

#define FIFO_DEPTH 16u

/* Offsets, table II: 0 and 1 are the divisor while LCR.DLAB is set. */
enum { RBR = 0, IER = 1, IIR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };

#define IER_ERBFI 0x01u
#define IER_ETBEI 0x02u
#define IER_ELSI 0x04u
#define IER_EDSSI 0x08u
/* IIR, table IV */
#define IIR_MODEM 0x00u
#define IIR_NONE 0x01u
#define IIR_THRE 0x02u
#define IIR_DATA 0x04u
#define IIR_LINE 0x06u
#define IIR_TIMEOUT 0x0cu
#define IIR_FIFOS 0xc0u
#define FCR_ENABLE 0x01u
#define FCR_CLEAR_RX 0x02u
#define FCR_KEPT 0xc9u /* enable, DMA mode, trigger; the clear bits clear themselves */
#define LCR_BREAK 0x40u
#define LCR_DLAB 0x80u
#define MCR_DTR 0x01u
#define MCR_RTS 0x02u
#define MCR_OUT1 0x04u
#define MCR_OUT2 0x08u
#define MCR_LOOP 0x10u
#define LSR_DR 0x01u
#define LSR_OE 0x02u
#define LSR_BI 0x10u
#define LSR_THRE 0x20u
#define LSR_TEMT 0x40u
#define LSR_FIFO 0x80u
#define LSR_ACTS 0x9eu /* reading clears errors; bit 7: see above */
#define MSR_DELTA 0x0fu
#define MSR_CTS 0x10u
#define MSR_DSR 0x20u
#define MSR_RI 0x40u
#define MSR_DCD 0x80u

enum { TIMER_IDLE = 0 };

struct ns16550 {
	uint8_t ier, dll, dlm, fcr, lcr, mcr, scr;
	uint8_t reg1, iir, lsr, msr; /* as the guest reads them; reg1: IER or DLM */
	uint8_t rbr;		     /* what was read last */
	uint8_t errors;		     /* OE, PE, FE, BI: until LSR is read */
	uint8_t thre_event;  /* the holding register became empty, and nobody was told yet */
	uint8_t timeout;     /* characters below the trigger level, and the line was idle */
	uint8_t mcr_written; /* until then the host's end does not look at RTS */
	uint8_t fifo[FIFO_DEPTH], flaw[FIFO_DEPTH]; /* received; flaw: PE, FE, BI of each */
	uint8_t first, count;
};

static bool fifos_on(const struct ns16550 *u)
{
	return u->fcr & FCR_ENABLE;
}

static unsigned depth(const struct ns16550 *u)
{
	return fifos_on(u) ? FIFO_DEPTH : 1;
}

/* FCR bits 7:6 */
static unsigned trigger(const struct ns16550 *u)
{
	static const uint8_t level[] = {1, 4, 8, 14};
	return fifos_on(u) ? level[u->fcr >> 6] : 1;
}

/* Four character times (8.5 FIFO interrupt mode operation) at the programmed rate; with no divisor, at 115200 baud. */
static uint64_t idle_ns(struct dm *dm, const struct ns16550 *u)
{
	uint64_t hz = dm_option_u64(dm, "clock-hz");
	uint64_t div = (uint64_t)u->dlm << 8 | u->dll;
	unsigned bits = 7u + (u->lcr & 3u) + (u->lcr >> 3 & 1u) + (u->lcr >> 2 & 1u);
	if (!div || !hz)
		return 4ull * bits * 8681;
	return 4ull * bits * 16 * div * 1000000000u / hz;
}

/* In loopback the modem outputs are the inputs (8.7: DTR to DSR, RTS to CTS, OUT1 to RI, OUT2 to DCD); else the host is there. */
static uint8_t modem_inputs(const struct ns16550 *u)
{
	if (!(u->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (uint8_t)((u->mcr & MCR_RTS ? MSR_CTS : 0) | (u->mcr & MCR_DTR ? MSR_DSR : 0) |
			 (u->mcr & MCR_OUT1 ? MSR_RI : 0) | (u->mcr & MCR_OUT2 ? MSR_DCD : 0));
}

/* 8.8: bits 3:0 say what changed; RI counts at its end only. */
static void modem_update(struct ns16550 *u)
{
	uint8_t now = modem_inputs(u), changed = (now ^ u->msr) & 0xf0;
	if (changed & MSR_RI && now & MSR_RI)
		changed &= (uint8_t)~MSR_RI;
	u->msr = (uint8_t)(now | (u->msr & MSR_DELTA) | changed >> 4);
}

static uint8_t line_status(struct dm *dm, const struct ns16550 *u)
{
	uint8_t v = u->errors;
	if (u->count)
		v |= LSR_DR;
	if (!dm_host_out_busy(dm, 0))
		v |= LSR_THRE | LSR_TEMT;
	for (unsigned i = 0; fifos_on(u) && i < u->count; i++)
		if (u->flaw[(u->first + i) % FIFO_DEPTH])
			v |= LSR_FIFO;
	return v;
}

/* Table IV, highest priority first. */
static uint8_t interrupt_id(const struct ns16550 *u)
{
	if (u->ier & IER_ELSI && u->errors)
		return IIR_LINE;
	if (u->ier & IER_ERBFI && u->count >= trigger(u))
		return IIR_DATA;
	if (u->ier & IER_ERBFI && u->timeout && u->count)
		return IIR_TIMEOUT;
	if (u->ier & IER_ETBEI && u->thre_event)
		return IIR_THRE;
	if (u->ier & IER_EDSSI && u->msr & MSR_DELTA)
		return IIR_MODEM;
	return IIR_NONE;
}

static void update(struct dm *dm, struct ns16550 *u)
{
	bool gated = false;
	modem_update(u);
	uint8_t id = interrupt_id(u);
	u->reg1 = u->lcr & LCR_DLAB ? u->dlm : u->ier;
	u->iir = (uint8_t)(id | (fifos_on(u) ? IIR_FIFOS : 0));
	u->lsr = line_status(dm, u);
	if (u->mcr & MCR_LOOP)
		u->lsr |= LSR_FIFO;
	/* On a PC's board OUT2 lets the interrupt through; in loopback the pin is inactive. */
	if (dm_option_bool(dm, "out2-gate"))
		gated = !(u->mcr & MCR_OUT2) || u->mcr & MCR_LOOP;
	dm_irq_set(dm, 0, id != IIR_NONE && !gated);
}

/* ---- receiving ------------------------------------------------------------------------------------ */

/* The errors of a character show when it is the next one to be read (8.4). */
static void reveal(struct ns16550 *u)
{
	if (u->count)
		u->errors |= u->flaw[u->first];
}

static void receive(struct ns16550 *u, uint8_t c, uint8_t flaw)
{
	if (u->count >= depth(u)) {
		u->errors |= LSR_OE;
		if (fifos_on(u)) /* the FIFO keeps what it has, the new character is lost (8.4) */
			return;
		u->count = 0; /* without FIFOs the new one takes the place of the old */
	}
	unsigned at = (u->first + u->count) % FIFO_DEPTH;
	u->fifo[at] = c;
	u->flaw[at] = flaw;
	if (u->count++ == 0)
		reveal(u);
	u->timeout = 0;
}

static void rx_clear(struct dm *dm, struct ns16550 *u)
{
	u->first = u->count = u->timeout = 0;
	dm_timer_cancel(dm, TIMER_IDLE);
}

/* The idle time begins anew: a character came or was read. */
static void idle_restart(struct dm *dm, struct ns16550 *u)
{
	u->timeout = 0;
	if (fifos_on(u) && u->count && u->ier & IER_ERBFI)
		dm_timer_set(dm, TIMER_IDLE, dm_now_ns(dm) + idle_ns(dm, u));
	else
		dm_timer_cancel(dm, TIMER_IDLE);
}

static size_t ns16550_host_room(struct dm *dm, const void *state, unsigned channel)
{
	const struct ns16550 *u = state;
	(void)dm, (void)channel;
	/* The host's end honours RTS, so what is typed before the driver is up is not lost in its probing. */
	bool off = u->mcr_written && !(u->mcr & MCR_RTS);
	if (off || u->mcr & MCR_LOOP || u->count >= depth(u))
		return 0;
	return depth(u) - u->count;
}

static void ns16550_host_in(struct dm *dm, void *state, unsigned channel, const uint8_t *buf,
			    size_t len)
{
	struct ns16550 *u = state;
	(void)channel;
	for (size_t i = 0; i < len; i++)
		receive(u, buf[i], 0);
	/* Input comes in bursts; after one the line counts as idle. */
	u->timeout = fifos_on(u);
	update(dm, u);
}

static void ns16550_timer(struct dm *dm, void *state, unsigned timer)
{
	struct ns16550 *u = state;
	(void)timer;
	u->timeout = u->count != 0;
	update(dm, u);
}

static uint8_t read_rbr(struct dm *dm, struct ns16550 *u)
{
	if (u->lcr & LCR_DLAB)
		return u->dll;
	if (!u->count)
		return u->rbr;
	u->rbr = u->fifo[u->first];
	u->first = (uint8_t)((u->first + 1) % FIFO_DEPTH);
	u->count--;
	reveal(u);
	idle_restart(dm, u);
	return u->rbr;
}

static uint64_t ns16550_read(struct dm *dm, void *state, const struct dm_io *io)
{
	struct ns16550 *u = state;
	uint8_t v;
	switch (io->reg->offset) {
	case RBR:
		v = read_rbr(dm, u);
		break;
	case IIR:
		v = u->iir;
		if ((v & 0x0f) == IIR_THRE)
			u->thre_event = 0;
		break;
	case LSR:
		v = line_status(dm, u);
		u->errors = 0;
		break;
	default: /* MSR */
		v = u->msr;
		u->msr &= (uint8_t)~MSR_DELTA;
		break;
	}
	update(dm, u);
	return v;
}

/* ---- writing --------------------------------------------------------------------------------------- */

static void write_thr(struct dm *dm, struct ns16550 *u, uint8_t c)
{
	if (u->lcr & LCR_DLAB) {
		u->dll = c;
		return;
	}
	if (u->mcr & MCR_LOOP) {
		receive(u, c & (uint8_t)(0xffu >> (3 - (u->lcr & 3))), 0); /* a word's bits */
		idle_restart(dm, u);
	} else {
		dm_host_out(dm, 0, &c, 1);
	}
	/* It has left at once, unless the host is behind: then the event comes with host_done. */
	u->thre_event = !dm_host_out_busy(dm, 0);
}

static void ns16550_host_done(struct dm *dm, void *state, unsigned channel)
{
	struct ns16550 *u = state;
	(void)channel;
	u->thre_event = 1;
	update(dm, u);
}

static void write_ier(struct dm *dm, struct ns16550 *u, uint8_t v)
{
	if (u->lcr & LCR_DLAB) {
		u->dlm = v;
		return;
	}
	uint8_t rose = (uint8_t)(v & ~u->ier & 0x0f);
	u->ier = v & 0x0f;
	if (rose & IER_ETBEI)
		u->thre_event = !dm_host_out_busy(dm, 0);
	if (rose & IER_ERBFI) /* what is there has been there for long */
		u->timeout = fifos_on(u) && u->count;
}

/* 8.5: without bit 0 the others are not programmed; a change of bit 0 clears both FIFOs. */
static void write_fcr(struct dm *dm, struct ns16550 *u, uint8_t v)
{
	bool change = (v ^ u->fcr) & FCR_ENABLE;
	u->fcr = v & FCR_ENABLE ? v & FCR_KEPT : 0;
	if (change || (v & (FCR_ENABLE | FCR_CLEAR_RX)) == (FCR_ENABLE | FCR_CLEAR_RX))
		rx_clear(dm, u);
	if (change) /* "the first transmitter interrupt after changing FCR0 will be immediate" */
		u->thre_event = !dm_host_out_busy(dm, 0);
}

static void ns16550_write(struct dm *dm, void *state, const struct dm_io *io)
{
	struct ns16550 *u = state;
	uint8_t v = (uint8_t)io->value, old = (uint8_t)io->old;
	switch (io->reg->offset) {
	case RBR:
		write_thr(dm, u, v);
		break;
	case IER:
		write_ier(dm, u, v);
		break;
	case IIR:
		write_fcr(dm, u, v);
		break;
	case LCR:
		if (v & ~old & LCR_BREAK && u->mcr & MCR_LOOP) {
			receive(u, 0, LSR_BI);
			idle_restart(dm, u);
		}
		break;
	case MCR:
		u->mcr_written |= !(u->mcr & MCR_LOOP);
		break;
	default: /* SCR is stored */
		break;
	}
	update(dm, u);
}

static void ns16550_reset(struct dm *dm, void *state)
{
	struct ns16550 *u = state;
	u->msr = modem_inputs(u); /* nothing has changed yet */
	update(dm, u);
}

static void ns16550_inspect(struct dm *dm, const void *state, struct dm_text *text)
{
	const struct ns16550 *u = state;
	unsigned div = (unsigned)u->dlm << 8 | u->dll;
	dm_text_item(text, "receive FIFO", "%u of %u, trigger at %u", u->count, depth(u),
		     trigger(u));
	if (div)
		dm_text_item(text, "baud rate", "%llu",
			     (unsigned long long)(dm_option_u64(dm, "clock-hz") / 16 / div));
	dm_text_item(text, "interrupts enabled", "%#x", u->ier);
}

static int ns16550_loaded(struct dm *dm, void *state, uint32_t version)
{
	const struct ns16550 *u = state;
	(void)dm, (void)version;
	return u->first < FIFO_DEPTH && u->count <= depth(u) ? 0 : -EINVAL;
}

/* ---- tables ----------------------------------------------------------------------------------------- */

/* A line or two a register reads better than clang-format's way. */
/* clang-format off */

#define U(m) DM_FIELD(struct ns16550, m)

static const struct dm_bits ier_bits[] = {
	{"ERBFI", 0, 1, NULL}, {"ETBEI", 1, 1, NULL}, {"ELSI", 2, 1, NULL}, {"EDSSI", 3, 1, NULL}, {}};
static const struct dm_bits iir_bits[] = {
	{"ID", 0, 4, "modem|none|THRE|?|data|?|line|?|?|?|?|?|timeout|?|?|?"}, {"FIFOS", 6, 2, NULL}, {}};
static const struct dm_bits lcr_bits[] = {
	{"WLS", 0, 2, "5 bits|6 bits|7 bits|8 bits"}, {"STB", 2, 1, NULL}, {"PEN", 3, 1, NULL},
	{"EPS", 4, 1, NULL}, {"STICK", 5, 1, NULL}, {"BREAK", 6, 1, NULL}, {"DLAB", 7, 1, NULL}, {}};
static const struct dm_bits mcr_bits[] = {
	{"DTR", 0, 1, NULL}, {"RTS", 1, 1, NULL}, {"OUT1", 2, 1, NULL}, {"OUT2", 3, 1, NULL},
	{"LOOP", 4, 1, NULL}, {}};
static const struct dm_bits lsr_bits[] = {
	{"DR", 0, 1, NULL}, {"OE", 1, 1, NULL}, {"PE", 2, 1, NULL}, {"FE", 3, 1, NULL}, {"BI", 4, 1, NULL},
	{"THRE", 5, 1, NULL}, {"TEMT", 6, 1, NULL}, {"FIFO", 7, 1, NULL}, {}};
static const struct dm_bits msr_bits[] = {
	{"DCTS", 0, 1, NULL}, {"DDSR", 1, 1, NULL}, {"TERI", 2, 1, NULL}, {"DDCD", 3, 1, NULL},
	{"CTS", 4, 1, NULL}, {"DSR", 5, 1, NULL}, {"RI", 6, 1, NULL}, {"DCD", 7, 1, NULL}, {}};

static const struct dm_reg ns16550_regs[] = {
	{.name = "RBR_THR", .offset = RBR, .access = DM_RW, .read = DM_READ_CALL, .write = DM_WRITE_POST,
	 .help = "data: read receives, write transmits; DLL while LCR.DLAB is set"},
	{.name = "IER", .offset = IER, .access = DM_RW, U(reg1), .bits = ier_bits,
	 .help = "interrupt enable; DLM while LCR.DLAB is set"},
	{.name = "IIR_FCR", .offset = IIR, .access = DM_RW, U(iir), .read_acts = IIR_THRE, .bits = iir_bits,
	 .help = "read: the interrupt that is pending; write: FIFO control"},
	{.name = "LCR", .offset = LCR, .access = DM_RW, U(lcr), .bits = lcr_bits, .help = "line control"},
	{.name = "MCR", .offset = MCR, .access = DM_RW, U(mcr), .mask = 0x1f, .bits = mcr_bits,
	 .help = "modem control"},
	{.name = "LSR", .offset = LSR, .access = DM_RO, U(lsr), .read = DM_READ_SHADOW_NOW,
	 .read_acts = LSR_ACTS, .bits = lsr_bits, .help = "line status; reading clears the error bits"},
	{.name = "MSR", .offset = MSR, .access = DM_RO, U(msr), .read_acts = MSR_DELTA, .bits = msr_bits,
	 .help = "modem status; reading clears the delta bits"},
	{.name = "SCR", .offset = SCR, .access = DM_RW, U(scr), .help = "scratch: keeps what is written"},
	{}};

static const struct dm_field ns16550_fields[] = {
	DM_SAVE(struct ns16550, ier), DM_SAVE(struct ns16550, dll), DM_SAVE(struct ns16550, dlm),
	DM_SAVE(struct ns16550, fcr), DM_SAVE(struct ns16550, lcr), DM_SAVE(struct ns16550, mcr),
	DM_SAVE(struct ns16550, scr), DM_SAVE(struct ns16550, reg1), DM_SAVE(struct ns16550, iir),
	DM_SAVE(struct ns16550, lsr), DM_SAVE(struct ns16550, msr), DM_SAVE(struct ns16550, rbr),
	DM_SAVE(struct ns16550, errors), DM_SAVE(struct ns16550, thre_event), DM_SAVE(struct ns16550, timeout),
	DM_SAVE(struct ns16550, mcr_written), DM_SAVE_ARRAY(struct ns16550, fifo),
	DM_SAVE_ARRAY(struct ns16550, flaw), DM_SAVE(struct ns16550, first), DM_SAVE(struct ns16550, count), {}};

extern const struct dm_class dm_class_ns16550;
const struct dm_class dm_class_ns16550 = {
	.name = "ns16550",
	.version = 1,
	.summary = "16550A UART",
	.regions = (const struct dm_region[]){
		{.name = "regs", .size = 8, .space = DM_PIO, .spaces = DM_IN(DM_PIO) | DM_IN(DM_MMIO), .widths = 1,
		 .reg_width = 1, .shift_option = "reg-shift", .width_option = "reg-io-width",
		 .regs = ns16550_regs}, {}},
	.irqs = 1,
	.timers = 1,
	.options = (const struct dm_option[]){
		{.name = "chardev", .type = DM_OPT_CHARDEV, .def = "null",
		 .help = "where the characters go: stdio, pty, unix:PATH, file:PATH or null"},
		{.name = "reg-shift", .type = DM_OPT_U64, .def = "0",
		 .help = "registers are 1 << this bytes apart"},
		{.name = "reg-io-width", .type = DM_OPT_U64, .def = "1",
		 .help = "bytes of an access: 1, 2 or 4"},
		{.name = "clock-hz", .type = DM_OPT_U64, .def = "1843200",
		 .help = "the UART's clock, as the guest is told; 16 times the baud rate of divisor 1"},
		{.name = "out2-gate", .type = DM_OPT_BOOL, .def = "false",
		 .help = "interrupts only while MCR.OUT2 is set, as on a PC's board"},
		{}},
	.fdt = {.node = "serial",
		.compatible = (const char *const[]){"ns16550a", NULL},
		.props = (const struct dm_fdt_prop[]){{.name = "clock-frequency", .option = "clock-hz"},
						      {.name = "reg-shift", .option = "reg-shift"},
						      {.name = "reg-io-width", .option = "reg-io-width"},
						      {}},
		.can_be_stdout = true},
	.state_size = sizeof(struct ns16550),
	.reset = ns16550_reset,
	.fields = ns16550_fields,
	.loaded = ns16550_loaded,
	.read = ns16550_read,
	.write = ns16550_write,
	.host_room = ns16550_host_room,
	.host_in = ns16550_host_in,
	.host_done = ns16550_host_done,
	.timer = ns16550_timer,
	.inspect = ns16550_inspect,
};
