/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside of virtio-console (virtio 1.2, section 5.3): what console.c, console_data.c and console_control.c share.
 */
#include "devmodel/virtio/virtio.h"

enum {
	CON_PORTS = 8,			/* one host channel each: DM_MAX_CHANNELS */
	CON_QUEUES = 2 + 2 * CON_PORTS, /* 5.3.2: a pair for each port, and the control pair */
	CON_QUEUE_SIZE = 64,
	CON_BATCH = 8,	   /* chains of one queue between two commits */
	CON_NAME_MAX = 63, /* bytes of a port's name */
};
static_assert(CON_PORTS <= DM_MAX_CHANNELS, "a channel for each port");
static_assert(CON_QUEUES <= VIRTIO_QUEUES_MAX, "queues");

#define CON_CONTROL_RXQ 2u
#define CON_CONTROL_TXQ 3u

#define CON_SIGNAL_NS 1000000u /* see con_signal() */

/* Feature bits, 5.3.3. */
#define CON_F_SIZE (1ull << 0)
#define CON_F_MULTIPORT (1ull << 1)
#define CON_F_EMERG_WRITE (1ull << 2)

/** struct con_done - a chain that was served and is given back once that is committed. */
struct con_done {
	uint16_t id, ndesc;
	uint32_t len;
};

/** struct con_queue - what a queue needs beside its ring. */
struct con_queue {
	uint64_t offset; /* transmit: bytes of the first chain that have gone to the host already */
	uint32_t ndone;
	struct con_done done[CON_BATCH];
};

/* Messages that wait for a buffer of the control receive queue: bits of con_port.messages, in their order. */
enum con_message { CON_M_ADD, CON_M_CONSOLE, CON_M_NAME, CON_M_OPEN, CON_M_RESIZE, CON_MESSAGES };

/** struct con_port - one port. */
struct con_port {
	uint32_t room; /* bytes that the first receive buffer takes; 0: not known, or no buffer */
	uint8_t messages;   /* bit of each enum con_message */
	uint8_t ready;	    /* the driver said PORT_READY */
	uint8_t guest_open; /* the driver said PORT_OPEN */
};

/** struct console - the state. */
struct console {
	VIRTIO_STATE(CON_QUEUES);
	uint16_t cols, rows; /* 0: not known */
	uint16_t nports;
	uint16_t rows_first; /* the order in the RESIZE message */
	/* the interrupt for the console's transmitted buffers: see console_data.c */
	uint64_t given_ns; /* when one was given back last */
	uint32_t given;	   /* how many since the driver was told */
	uint32_t timer_on;
	struct con_port port[CON_PORTS];
	struct con_queue cq[CON_QUEUES];
};

/** con_rxq / con_txq - the queues of a port (5.3.2). con_port_of - the port of a data queue. */
static inline unsigned con_rxq(unsigned port)
{
	return port ? 2 + 2 * port : 0;
}
static inline unsigned con_txq(unsigned port)
{
	return con_rxq(port) + 1;
}
static inline unsigned con_port_of(unsigned q)
{
	return q < 2 ? 0 : q / 2 - 1;
}

/** con_multiport - was the feature negotiated? Without it there are only port 0 and two queues. */
static inline bool con_multiport(const struct console *s)
{
	return virtio_has(s, CON_F_MULTIPORT);
}

/** con_ports - how many there are. A state may come from a saved file: it is not taken at its word. */
static inline unsigned con_ports(const struct console *s)
{
	return s->nports < CON_PORTS ? s->nports : CON_PORTS;
}

/** con_done_add - queue @q's chain @c is served, with @len bytes written; it is given back in the next turn. The
 * caller has made sure of room (con_done_full()). */
void con_done_add(struct dm *dm, struct console *s, unsigned q, const struct vring_chain *c,
		  uint32_t len);
static inline bool con_done_full(const struct console *s, unsigned q)
{
	return s->cq[q].ndone >= CON_BATCH;
}
/** con_done_flush - gives back what was committed, and tells the driver; of the console's transmitted buffers a little
 * later, by con_timer(). */
void con_done_flush(struct dm *dm, struct console *s, unsigned q);
void con_timer(struct dm *dm, void *state, unsigned timer);

/** con_transmit / con_receive - a turn of a data queue; true: stopped by the budget. */
bool con_transmit(struct dm *dm, struct console *s, unsigned q, unsigned budget);
bool con_receive(struct dm *dm, struct console *s, unsigned q, unsigned budget);
size_t con_host_room(struct dm *dm, const void *state, unsigned channel);
void con_host_in(struct dm *dm, void *state, unsigned channel, const uint8_t *buf, size_t len);

/** con_control_in - messages of the driver. con_control_out - ours, as far as there are buffers. True: budget. */
bool con_control_in(struct dm *dm, struct console *s, unsigned budget);
bool con_control_out(struct dm *dm, struct console *s, unsigned budget);
/** con_post - @message of @port is to be sent. */
void con_post(struct dm *dm, struct console *s, unsigned port, enum con_message message);
/** con_name - the name of @port from the config, NULL: none. */
const char *con_name(struct dm *dm, unsigned port);
/** con_host_open - is somebody there at the host's end of @port? */
bool con_host_open(struct dm *dm, unsigned port);
