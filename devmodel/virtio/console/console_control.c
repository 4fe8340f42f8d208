/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control queues (virtio 1.2, section 5.3.6.2): struct virtio_console_control {le32 id; le16 event; le16 value}.
 *
 * Theory of operation. What we have to say is a set of bits for each port, not a list: however fast a driver asks or a
 * host connects and leaves, memory is bounded, and what is said is the newest value. A message leaves when there is a
 * buffer for it. A message of the driver that makes no sense is a guest error and is given back; nothing else
 * happens.
 */
#include <stdio.h>
#include <string.h>
#include "devmodel/virtio/console/console.h"

/* Events, 5.3.6.2. */
enum {
	DEVICE_READY = 0,
	DEVICE_ADD = 1,
	DEVICE_REMOVE = 2,
	PORT_READY = 3,
	CONSOLE_PORT = 4,
	RESIZE = 5,
	PORT_OPEN = 6,
	PORT_NAME = 7,
};

#define HEAD_BYTES 8u
#define MESSAGE_MAX (HEAD_BYTES + CON_NAME_MAX)

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static unsigned get16(const uint8_t *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

const char *con_name(struct dm *dm, unsigned port)
{
	char option[32];
	if (!port)
		return NULL;
	snprintf(option, sizeof(option), "port%u_name", port);
	const char *name = dm_option_str(dm, option);
	return name && *name ? name : NULL;
}

void con_post(struct dm *dm, struct console *s, unsigned port, enum con_message message)
{
	if (!con_multiport(s))
		return;
	s->port[port].messages |= (uint8_t)(1u << message);
	virtio_more(dm, s, CON_CONTROL_RXQ);
}

/* ---- from the driver -------------------------------------------------------------------------------- */

static void port_ready(struct dm *dm, struct console *s, unsigned port)
{
	s->port[port].ready = 1;
	if (port == 0) {
		con_post(dm, s, port, CON_M_CONSOLE);
		con_post(dm, s, port, CON_M_RESIZE);
	}
	if (con_name(dm, port))
		con_post(dm, s, port, CON_M_NAME);
	if (con_host_open(dm, port))
		con_post(dm, s, port, CON_M_OPEN);
}

static void message_in(struct dm *dm, struct console *s, const uint8_t *m)
{
	uint32_t id = get16(m) | (uint32_t)get16(m + 2) << 16;
	unsigned event = get16(m + 4), value = get16(m + 6);
	if (event == DEVICE_READY) {
		if (value != 1)
			dm_guest_error(dm, "the driver could not set up the device");
		for (unsigned i = 0; value == 1 && i < con_ports(s); i++)
			con_post(dm, s, i, CON_M_ADD);
		return;
	}
	if (id >= con_ports(s) || (event != PORT_READY && event != PORT_OPEN)) {
		dm_guest_error(dm, "control message port=%u event=%u value=%u: %s", id, event,
			       value, id >= con_ports(s) ? "no such port" : "not a driver's");
		return;
	}
	if (event == PORT_OPEN)
		s->port[id].guest_open = value != 0;
	else if (value == 1)
		port_ready(dm, s, id);
	else
		dm_guest_error(dm, "port=%u the driver could not set up the port", id);
}

bool con_control_in(struct dm *dm, struct console *s, unsigned budget)
{
	struct vring_chain c;
	uint8_t m[HEAD_BYTES];
	while (budget--) {
		if (con_done_full(s, CON_CONTROL_TXQ))
			return true;
		int r = virtio_pop(dm, s, CON_CONTROL_TXQ, &c);
		if (r <= 0)
			return false;
		if (vring_iov_read(c.out, c.nout, 0, m, sizeof(m)) == sizeof(m))
			message_in(dm, s, m);
		else
			dm_guest_error(dm, "a control message of %llu bytes",
				       (unsigned long long)c.out_bytes);
		con_done_add(dm, s, CON_CONTROL_TXQ, &c, 0);
	}
	return true;
}

/* ---- to the driver ---------------------------------------------------------------------------------- */

/* Writes @message of @port to @m. Returns its length. */
static size_t compose(struct dm *dm, struct console *s, unsigned port, enum con_message message,
		      uint8_t m[MESSAGE_MAX])
{
	static const uint8_t events[CON_MESSAGES] = {[CON_M_ADD] = DEVICE_ADD,
						     [CON_M_CONSOLE] = CONSOLE_PORT,
						     [CON_M_NAME] = PORT_NAME,
						     [CON_M_OPEN] = PORT_OPEN,
						     [CON_M_RESIZE] = RESIZE};
	const char *name = con_name(dm, port);
	memset(m, 0, MESSAGE_MAX);
	put16(m, port);
	put16(m + 4, events[message]);
	switch (message) {
	case CON_M_NAME: /* without a NUL */
		snprintf((char *)m + HEAD_BYTES, CON_NAME_MAX, "%s", name ? name : "");
		return HEAD_BYTES + strlen((char *)m + HEAD_BYTES);
	case CON_M_OPEN:
		put16(m + 6, con_host_open(dm, port));
		return HEAD_BYTES;
	case CON_M_RESIZE:
		put16(m + HEAD_BYTES, s->rows_first ? s->rows : s->cols);
		put16(m + HEAD_BYTES + 2, s->rows_first ? s->cols : s->rows);
		return HEAD_BYTES + 4;
	default:
		put16(m + 6, message == CON_M_CONSOLE);
		return HEAD_BYTES;
	}
}

/* The next message that waits; false: none. */
static bool waiting(const struct console *s, unsigned *ret_port, enum con_message *ret_message)
{
	for (unsigned i = 0; i < con_ports(s); i++) {
		if (!s->port[i].messages)
			continue;
		*ret_port = i;
		*ret_message = (enum con_message)__builtin_ctz(s->port[i].messages);
		return *ret_message < CON_MESSAGES;
	}
	return false;
}

bool con_control_out(struct dm *dm, struct console *s, unsigned budget)
{
	enum con_message message;
	struct vring_chain c;
	uint8_t m[MESSAGE_MAX];
	unsigned port;
	while (waiting(s, &port, &message)) {
		if (!budget-- || con_done_full(s, CON_CONTROL_RXQ))
			return true;
		int r = virtio_pop(dm, s, CON_CONTROL_RXQ, &c);
		if (r <= 0)
			return false;
		size_t len = compose(dm, s, port, message, m);
		s->port[port].messages &= (uint8_t) ~(1u << message);
		if (c.in_bytes < len) {
			dm_guest_error(dm, "a control buffer of %llu bytes for a message of %zu",
				       (unsigned long long)c.in_bytes, len);
			len = 0;
		}
		vring_iov_write(c.in, c.nin, 0, m, len);
		con_done_add(dm, s, CON_CONTROL_RXQ, &c, (uint32_t)len);
	}
	return false;
}
