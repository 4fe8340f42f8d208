/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PC's keyboard controller without a keyboard: Intel UPI-41A/8042 as the IBM PC/AT uses it (Technical Reference, 1984,
 * "Keyboard Controller"), and port 92h (PS/2 Technical Reference, "System Control Port A").
 *
 * It is there for what else the controller does: it resets the machine and has the gate of address line 20, whose bit is kept
 * and has no effect. Operating systems find a controller that is idle, passes its self test, and has nothing plugged in: what
 * is sent to a keyboard or mouse is answered with 0xfe and the time-out bit, as an 8042 does by itself.
 */
#include "devmodel/dm.h"

/* Regions, which lie where the PC has them: 0x60, 0x64, 0x92. */
enum { DATA, COMMAND, PORT92 };

#define ST_OBF 0x01u
#define ST_SYS 0x04u /* the self test was passed */
#define ST_CMD 0x08u /* the last write was a command */
#define ST_KEYLOCK 0x10u
#define ST_AUX 0x20u
#define ST_TIMEOUT 0x40u
#define CTR_KBD_INT 0x01u
#define CTR_SYS 0x04u
#define CTR_KBD_OFF 0x10u
#define CTR_AUX_OFF 0x20u
#define CTR_XLATE 0x40u
#define OUT_RUN 0x01u /* 0 resets the machine */
#define OUT_A20 0x02u
#define P92_RESET 0x01u
#define P92_A20 0x02u

/* Commands at 0x64 */
#define CMD_READ_CTR 0x20u
#define CMD_WRITE_CTR 0x60u
#define CMD_AUX_OFF 0xa7u
#define CMD_AUX_ON 0xa8u
#define CMD_AUX_TEST 0xa9u
#define CMD_SELF_TEST 0xaau
#define CMD_KBD_TEST 0xabu
#define CMD_KBD_OFF 0xadu
#define CMD_KBD_ON 0xaeu
#define CMD_READ_IN 0xc0u
#define CMD_READ_OUT 0xd0u
#define CMD_WRITE_OUT 0xd1u
#define CMD_KBD_BUFFER 0xd2u
#define CMD_AUX_BUFFER 0xd3u
#define CMD_AUX_SEND 0xd4u
#define CMD_A20_OFF 0xddu
#define CMD_A20_ON 0xdfu
#define CMD_PULSE 0xf0u /* to 0xff: bits 3:0 that are 0 pulse output lines */

#define NOBODY 0xfeu /* "resend": nobody answers */

struct i8042 {
	uint8_t ctr, status, data, out, command, port92;
};

static void update(struct dm *dm, struct i8042 *k)
{
	bool kbd = (k->status & (ST_OBF | ST_AUX)) == ST_OBF;
	dm_irq_set(dm, 0, kbd && k->ctr & CTR_KBD_INT);
	k->port92 = k->out & OUT_A20 ? P92_A20 : 0;
}

static void answer(struct i8042 *k, uint8_t v, uint8_t flags)
{
	k->data = v;
	k->status = (uint8_t)((k->status & ~(ST_AUX | ST_TIMEOUT)) | ST_OBF | flags);
}

static void write_out(struct dm *dm, struct i8042 *k, uint8_t v)
{
	k->out = v | OUT_RUN;
	if (!(v & OUT_RUN))
		dm_vm_request(dm, DM_VM_RESET, 0);
}

static void command(struct dm *dm, struct i8042 *k, uint8_t c)
{
	k->status |= ST_CMD;
	k->command = 0;
	switch (c) {
	case CMD_READ_CTR:
		answer(k, k->ctr, 0);
		break;
	case CMD_WRITE_CTR:
	case CMD_WRITE_OUT:
	case CMD_KBD_BUFFER:
	case CMD_AUX_BUFFER:
	case CMD_AUX_SEND:
		k->command = c; /* a byte follows */
		break;
	case CMD_AUX_OFF:
		k->ctr |= CTR_AUX_OFF;
		break;
	case CMD_AUX_ON:
		k->ctr &= (uint8_t)~CTR_AUX_OFF;
		break;
	case CMD_AUX_TEST:
		answer(k, 0x01, 0); /* "clock line stuck low": there is no such connector */
		break;
	case CMD_SELF_TEST:
		k->status |= ST_SYS;
		k->ctr |= CTR_SYS;
		answer(k, 0x55, 0);
		break;
	case CMD_KBD_TEST:
		answer(k, 0x00, 0);
		break;
	case CMD_KBD_OFF:
		k->ctr |= CTR_KBD_OFF;
		break;
	case CMD_KBD_ON:
		k->ctr &= (uint8_t)~CTR_KBD_OFF;
		break;
	case CMD_READ_IN:
		answer(k, 0x80, 0); /* keyboard not locked */
		break;
	case CMD_READ_OUT:
		answer(k, k->out, 0);
		break;
	case CMD_A20_OFF:
		k->out &= (uint8_t)~OUT_A20;
		break;
	case CMD_A20_ON:
		k->out |= OUT_A20;
		break;
	default:
		if (c >= CMD_PULSE && !(c & OUT_RUN))
			dm_vm_request(dm, DM_VM_RESET, 0);
		break; /* others exist and are of no use here */
	}
}

static void data(struct dm *dm, struct i8042 *k, uint8_t v)
{
	uint8_t c = k->command;
	k->status &= (uint8_t)~ST_CMD;
	k->command = 0;
	switch (c) {
	case CMD_WRITE_CTR:
		k->ctr = v;
		k->status = (uint8_t)((k->status & ~ST_SYS) | (v & CTR_SYS));
		break;
	case CMD_WRITE_OUT:
		write_out(dm, k, v);
		break;
	case CMD_KBD_BUFFER:
		answer(k, v, 0);
		break;
	case CMD_AUX_BUFFER: /* no such connector: the byte does not come back as the mouse's */
		answer(k, NOBODY, ST_TIMEOUT);
		break;
	case CMD_AUX_SEND:
		answer(k, NOBODY, ST_AUX | ST_TIMEOUT);
		break;
	default: /* to the keyboard */
		k->ctr &= (uint8_t)~CTR_KBD_OFF;
		answer(k, NOBODY, ST_TIMEOUT);
		break;
	}
}

static uint64_t i8042_read(struct dm *dm, void *state, const struct dm_io *io)
{
	struct i8042 *k = state;
	(void)io; /* DATA is the only register that is read by call */
	uint8_t v = k->data;
	k->status &= (uint8_t) ~(ST_OBF | ST_AUX | ST_TIMEOUT);
	update(dm, k);
	return v;
}

static void i8042_write(struct dm *dm, void *state, const struct dm_io *io)
{
	struct i8042 *k = state;
	uint8_t v = (uint8_t)io->value;
	switch (io->region) {
	case DATA:
		data(dm, k, v);
		break;
	case COMMAND:
		k->status = (uint8_t)io->old; /* the table has stored the command */
		command(dm, k, v);
		break;
	default: /* PORT92: the reset comes with a change from 0 to 1; the bit reads 0 afterwards */
		k->out = (uint8_t)((k->out & ~OUT_A20) | (v & P92_A20 ? OUT_A20 : 0));
		if (v & P92_RESET)
			dm_vm_request(dm, DM_VM_RESET, 0);
		break;
	}
	update(dm, k);
}

static void i8042_reset(struct dm *dm, void *state)
{
	struct i8042 *k = state;
	k->ctr = CTR_KBD_INT | CTR_SYS | CTR_XLATE; /* as a PC's firmware leaves it */
	k->status = ST_SYS | ST_CMD | ST_KEYLOCK;
	k->out = OUT_RUN | OUT_A20;
	update(dm, k);
}

static void i8042_inspect(struct dm *dm, const void *state, struct dm_text *text)
{
	const struct i8042 *k = state;
	(void)dm;
	dm_text_item(text, "control byte", "%#x", k->ctr);
	dm_text_item(text, "output port", "%#x, A20 %s", k->out, k->out & OUT_A20 ? "on" : "off");
	dm_text_item(text, "output buffer", "%#x", k->data);
}

/* A line or two a register reads better than clang-format's way. */
/* clang-format off */

#define K(m) DM_FIELD(struct i8042, m)
static const struct dm_bits status_bits[] = {
	{"OBF", 0, 1, NULL}, {"IBF", 1, 1, NULL}, {"SYS", 2, 1, NULL}, {"CMD", 3, 1, NULL}, {"KEYLOCK", 4, 1, NULL},
	{"AUX", 5, 1, NULL}, {"TIMEOUT", 6, 1, NULL}, {"PARITY", 7, 1, NULL}, {}};
static const struct dm_bits port92_bits[] = {{"RESET", 0, 1, NULL}, {"A20", 1, 1, NULL}, {}};

static const struct dm_reg data_regs[] = {
	{.name = "DATA", .offset = 0, .access = DM_RW, .read = DM_READ_CALL,
	 .help = "read: the output buffer; write: the byte of a command, or to the keyboard"}, {}};
static const struct dm_reg command_regs[] = {
	{.name = "STATUS", .offset = 0, .access = DM_RW, .mask = 0xff, K(status), .bits = status_bits,
	 .help = "read: status; write: a command"}, {}};
static const struct dm_reg port92_regs[] = {
	{.name = "PORT92", .offset = 0, .access = DM_RW, K(port92), .bits = port92_bits,
	 .help = "system control port A: reset, A20"}, {}};

#define PORT(n, distance, table)                                                                     \
	{.name = n, .size = 1, .space = DM_PIO, .spaces = DM_IN(DM_PIO) | DM_IN(DM_MMIO), .at = distance, \
	 .widths = 1, .reg_width = 1, .regs = table}

static const struct dm_field i8042_fields[] = {
	DM_SAVE(struct i8042, ctr), DM_SAVE(struct i8042, status), DM_SAVE(struct i8042, data),
	DM_SAVE(struct i8042, out), DM_SAVE(struct i8042, command), DM_SAVE(struct i8042, port92), {}};

extern const struct dm_class dm_class_i8042;
const struct dm_class dm_class_i8042 = {
	.name = "i8042",
	.version = 1,
	.summary = "keyboard controller without a keyboard: reset, A20",
	.vm_requests = true,
	.regions = (const struct dm_region[]){
		PORT("data", 0, data_regs), PORT("command", 0x04, command_regs), PORT("port92", 0x32, port92_regs), {}},
	.irqs = 1,
	.state_size = sizeof(struct i8042),
	.reset = i8042_reset,
	.fields = i8042_fields,
	.read = i8042_read,
	.write = i8042_write,
	.inspect = i8042_inspect,
};
