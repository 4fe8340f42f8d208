/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-console: console and byte streams (virtio 1.2, section 5.3).
 *
 * Port 0 is the console, channel 0 its host end. Further ports are named byte streams; with them the device offers
 * MULTIPORT and the control queues (console_control.c). A device with one port offers it not: its size is then in the
 * configuration only, where every driver agrees on the order of the two numbers.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "devmodel/virtio/console/console.h"

/* Configuration, 5.3.4. */
enum { CFG_COLS = 0, CFG_ROWS = 2, CFG_MAX_PORTS = 4, CFG_EMERG_WR = 8, CFG_BYTES = 12 };

#define SIZE_SET (1ull << 32) /* dm_keep() word 0: a size was set: rows 31:16, columns 15:0 */

/* "COLSxROWS", each up to 65535. */
static bool parse_size(const char *text, uint16_t *ret_cols, uint16_t *ret_rows)
{
	unsigned cols, rows;
	int used = 0;
	if (!text || strspn(text, "0123456789x") != strlen(text) ||
	    sscanf(text, "%5ux%5u%n", &cols, &rows, &used) != 2 || text[used])
		return false;
	if (cols > UINT16_MAX || rows > UINT16_MAX)
		return false;
	*ret_cols = (uint16_t)cols;
	*ret_rows = (uint16_t)rows;
	return true;
}

/* `ports`, or as many as the config names. */
static uint16_t count_ports(struct dm *dm)
{
	uint64_t n = dm_option_u64(dm, "ports");
	char option[32];
	if (n)
		return n < CON_PORTS ? (uint16_t)n : CON_PORTS;
	for (n = CON_PORTS; n > 1; n--) {
		snprintf(option, sizeof(option), "port%u", (unsigned)n - 1);
		if (dm_option_str(dm, option) || con_name(dm, (unsigned)n - 1))
			break;
	}
	return (uint16_t)n;
}

bool con_host_open(struct dm *dm, unsigned port)
{
	return dm_host_peer(dm, port);
}

/* ---- set-up ----------------------------------------------------------------------------------------- */

static uint64_t console_features(struct dm *dm, const void *state)
{
	(void)state;
	return CON_F_SIZE | CON_F_EMERG_WRITE | (count_ports(dm) > 1 ? CON_F_MULTIPORT : 0);
}

static void config_fill(struct console *s)
{
	virtio_config_put(s, CFG_COLS, 2, s->cols);
	virtio_config_put(s, CFG_ROWS, 2, s->rows);
	virtio_config_put(s, CFG_MAX_PORTS, 4, s->nports);
	virtio_config_put(s, CFG_EMERG_WR, 4, 0);
}

/* What a reset by the driver leaves as it is. */
static void power_on(struct dm *dm, struct console *s)
{
	const char *size = dm_option_str(dm, "size"), *order = dm_option_str(dm, "resize_message");
	uint64_t set = dm_keep(dm, 0);
	s->cols = 80;
	s->rows = 25;
	if (set & SIZE_SET) { /* the terminal is as large as it was before the guest's reboot */
		s->cols = (uint16_t)set;
		s->rows = (uint16_t)(set >> 16);
	} else if (size && !parse_size(size, &s->cols, &s->rows)) {
		dm_log(dm, DM_LOG_WARN, "option size: \"%s\" is not COLSxROWS; 80x25", size);
	}
	s->nports = count_ports(dm);
	s->rows_first = order && strcmp(order, "rows-cols") == 0;
}

static void console_setup(struct dm *dm, void *state)
{
	struct console *s = state;
	if (!s->nports)
		power_on(dm, s);
	memset(s->port, 0, sizeof(s->port));
	memset(s->cq, 0, sizeof(s->cq));
	s->given = s->timer_on = 0;
	dm_timer_cancel(dm, 0);
	s->v.nqueues = s->nports > 1 ? 2u + 2u * con_ports(s) : 2u;
	for (unsigned q = 0; q < s->v.nqueues; q++)
		s->q[q].size_max = CON_QUEUE_SIZE;
	config_fill(s);
}

static void console_quiesce(struct dm *dm, void *state, int q)
{
	struct console *s = state;
	(void)dm;
	for (unsigned i = 0; i < CON_QUEUES; i++) {
		if (q >= 0 && i != (unsigned)q)
			continue;
		s->cq[i] = (struct con_queue){0};
		if (i != CON_CONTROL_RXQ && i == con_rxq(con_port_of(i)))
			s->port[con_port_of(i)].room = 0;
	}
}

/* ---- running ---------------------------------------------------------------------------------------- */

static bool queue_turn(struct dm *dm, struct console *s, unsigned q, unsigned budget)
{
	con_done_flush(dm, s, q);
	if (q >= 2 && !con_multiport(s)) /* 5.3.2: without it these queues do not exist */
		return false;
	if (q == CON_CONTROL_RXQ)
		return con_control_out(dm, s, budget);
	if (q == CON_CONTROL_TXQ)
		return con_control_in(dm, s, budget);
	return q == con_txq(con_port_of(q)) ? con_transmit(dm, s, q, budget)
					    : con_receive(dm, s, q, budget);
}

/* What was served in this turn is given back in the next one, after the commit: so there has to be one. */
static bool console_queue(struct dm *dm, void *state, unsigned q, unsigned budget)
{
	struct console *s = state;
	return queue_turn(dm, s, q, budget) || s->cq[q].ndone;
}

static void console_config_write(struct dm *dm, void *state, uint32_t offset, unsigned width)
{
	struct console *s = state;
	if (offset == CFG_EMERG_WR) { /* 5.3.4: the low byte, at any time, also before DRIVER_OK */
		if (dm_host_out(dm, 0, &s->v.config[CFG_EMERG_WR], 1))
			dm_count(dm, DM_COUNT_OUT_BYTES, 1);
	} else {
		dm_guest_error(dm, "a write of %u bytes to configuration byte %u", width, offset);
	}
	config_fill(s);
}

static void console_host_done(struct dm *dm, void *state, unsigned channel)
{
	struct console *s = state;
	if (channel < con_ports(s) && virtio_queue_live(s, con_txq(channel)))
		virtio_more(dm, s, con_txq(channel));
}

/* A chain that the driver was shown as used, and that the committed state has in its list. */
static unsigned adopted(void *ctx, uint16_t id)
{
	struct con_queue *cq = ctx;
	for (uint32_t i = 0; i < cq->ndone && i < CON_BATCH; i++) {
		struct con_done d = cq->done[i];
		if (d.id != id)
			continue;
		memmove(&cq->done[i], &cq->done[i + 1], (CON_BATCH - i - 1) * sizeof(cq->done[0]));
		cq->ndone--;
		return d.ndesc;
	}
	return 0;
}

static void console_resume(struct dm *dm, void *state)
{
	struct console *s = state;
	for (unsigned q = 0; q < s->v.nqueues && q < CON_QUEUES; q++)
		virtio_adopt(dm, s, q, adopted, &s->cq[q]);
}

static void console_host_peer(struct dm *dm, void *state, unsigned channel)
{
	struct console *s = state;
	if (channel < con_ports(s) && s->port[channel].ready)
		con_post(dm, s, channel, CON_M_OPEN);
}

static int console_control(struct dm *dm, void *state, const char *name, const char *value,
			   char *why, size_t len)
{
	struct console *s = state;
	(void)name; /* there is one */
	if (!parse_size(value, &s->cols, &s->rows)) {
		snprintf(why, len, "size: \"%s\" is not COLSxROWS, such as 80x25", value);
		return -EINVAL;
	}
	dm_keep_set(dm, 0, SIZE_SET | (uint64_t)s->rows << 16 | s->cols);
	config_fill(s);
	virtio_config_changed(dm, s);
	if (s->port[0].ready)
		con_post(dm, s, 0, CON_M_RESIZE);
	return 0;
}

static void console_inspect(struct dm *dm, const void *state, struct dm_text *text)
{
	const struct console *s = state;
	dm_text_item(text, "size", "%u columns, %u rows", s->cols, s->rows);
	for (unsigned i = 0; i < con_ports(s); i++) {
		const struct con_port *p = &s->port[i];
		const char *name = i ? con_name(dm, i) : "console";
		char key[16];
		snprintf(key, sizeof(key), "port %u", i);
		dm_text_item(text, key, "%s; guest %s, host %s; next receive buffer %u bytes%s",
			     name ? name : "no name",
			     !con_multiport(s) ? "unknown"
			     : p->guest_open   ? "open"
					       : "closed",
			     con_host_open(dm, i) ? "open" : "closed", p->room,
			     dm_host_out_busy(dm, i) ? "; the host is behind" : "");
	}
}

/* ---- tables ----------------------------------------------------------------------------------------- */

static const struct virtio_model console_model = {
	.device_id = 3,
	.queues = CON_QUEUES,
	.config_writable = CFG_BYTES,
	.config_early = true,
	.features = console_features,
	.setup = console_setup,
	.quiesce = console_quiesce,
	.queue = console_queue,
	.config_write = console_config_write,
	.resume = console_resume,
	.inspect = console_inspect,
};

/* clang-format off */
#define PORT_OPTIONS(n)                                                                            \
	{.name = "port" #n, .type = DM_OPT_CHARDEV,                                                \
	 .help = "where the bytes of port " #n " go, as chardev"},                                 \
	{.name = "port" #n "_name", .type = DM_OPT_STRING,                                         \
	 .help = "name of port " #n " in the guest (/dev/virtio-ports/NAME), at most 63 bytes"}

extern const struct dm_class dm_class_virtio_console;
const struct dm_class dm_class_virtio_console = {
	.name = "virtio-console",
	.version = 1,
	.summary = "virtio console: a console and up to 7 more byte streams",
	VIRTIO_DM_CLASS(&console_model),
	.options = (const struct dm_option[]){
		VIRTIO_OPTIONS,
		{.name = "chardev", .type = DM_OPT_CHARDEV, .def = "null",
		 .help = "where the console's characters go: console, stdio, pty, unix:PATH, file:PATH or null"},
		{.name = "size", .type = DM_OPT_STRING, .def = "80x25",
		 .help = "the console's size at power-on, COLSxROWS; 0x0: not known"},
		{.name = "ports", .type = DM_OPT_ENUM, .def = "0", .choices = "0|1|2|3|4|5|6|7|8",
		 .help = "ports, 1 to 8, the console among them; 0: as many as are named here"},
		{.name = "resize_message", .type = DM_OPT_ENUM, .def = "cols-rows", .choices = "cols-rows|rows-cols",
		 .help = "order in the RESIZE message: virtio 1.2's, or that of Linux before 6.15 without the fix"},
		PORT_OPTIONS(1), PORT_OPTIONS(2), PORT_OPTIONS(3), PORT_OPTIONS(4),
		PORT_OPTIONS(5), PORT_OPTIONS(6), PORT_OPTIONS(7),
		{}},
	.controls = (const struct dm_control[]){
		{.name = "size", .help = "the console's size, COLSxROWS; the driver is told"},
		{}},
	.state_size = sizeof(struct console),
	.host_room = con_host_room,
	.host_in = con_host_in,
	.host_done = console_host_done,
	.timers = 1,
	.timer = con_timer,
	.host_peer = console_host_peer,
	.control = console_control,
};
/* clang-format on */
