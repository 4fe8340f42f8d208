/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of the ports: transmit and receive queues.
 *
 * Theory of operation. A chain that was served is not given back in the same transition but in the next one, after the
 * commit. What a driver sees in the used ring is therefore always in the committed state as well, and a daemon that is
 * killed at any instruction neither sends a buffer's bytes twice nor skips them:
 *
 *   turn 1: pop, bytes go to the out-queue, {id, len} to the list    commit
 *   turn 2: push the list, signal                                     commit
 *
 * Killed in turn 1: nothing has happened, neither to the out-queue nor to the ring. Killed in turn 2: the list says what
 * was pushed, the used ring how much of it (console_resume()).
 *
 * Interrupts: Linux writes its console 16 bytes at a time and spins until it has each buffer back, with interrupts on. An
 * interrupt at once would find nothing to do, and after 100000 of those Linux turns the device's interrupt off for good. So
 * the driver is told of the console's transmitted buffers when it has not sent for CON_SIGNAL_NS, or is about to run out of
 * them; a ring that says what was seen already (EVENT_IDX, split) then mostly needs no interrupt at all.
 *
 * Back-pressure: while the host is behind, nothing is popped, and the driver's buffers stay with us. A chain that is
 * longer than the out-queue has room for is put back and cq.offset remembers how far it went.
 */
#include "devmodel/virtio/console/console.h"

void con_done_add(struct dm *dm, struct console *s, unsigned q, const struct vring_chain *c,
		  uint32_t len)
{
	struct con_queue *cq = &s->cq[q];
	cq->done[cq->ndone++] = (struct con_done){.id = c->id, .ndesc = c->ndesc, .len = len};
	virtio_more(dm, s, q);
}

/* @n more of the console's transmitted buffers were given back. */
static void con_signal(struct dm *dm, struct console *s, uint32_t n)
{
	unsigned q = con_txq(0);
	s->given += n;
	s->given_ns = dm_now_ns(dm);
	if (s->given * 2 >= s->q[q].size) {
		s->given = 0;
		virtio_signal(dm, s, q);
	} else if (!s->timer_on) {
		s->timer_on = 1;
		dm_timer_set(dm, 0, s->given_ns + CON_SIGNAL_NS);
	}
}

void con_timer(struct dm *dm, void *state, unsigned timer)
{
	struct console *s = state;
	(void)timer;
	s->timer_on = 0;
	if (!s->given)
		return;
	if (dm_now_ns(dm) < s->given_ns + CON_SIGNAL_NS) {
		s->timer_on = 1;
		dm_timer_set(dm, 0, s->given_ns + CON_SIGNAL_NS);
		return;
	}
	s->given = 0;
	virtio_signal(dm, s, con_txq(0));
}

void con_done_flush(struct dm *dm, struct console *s, unsigned q)
{
	struct con_queue *cq = &s->cq[q];
	uint32_t n = cq->ndone < CON_BATCH ? cq->ndone : CON_BATCH;
	if (!n)
		return;
	for (uint32_t i = 0; i < n; i++)
		virtio_push(dm, s, q, cq->done[i].id, cq->done[i].ndesc, cq->done[i].len);
	cq->ndone = 0;
	if (q == con_txq(0))
		con_signal(dm, s, n);
	else
		virtio_signal(dm, s, q);
}

/* ---- guest to host ---------------------------------------------------------------------------------- */

/* Bytes of @c from cq.offset on go to the host. True: all of them did. */
static bool send_chain(struct dm *dm, struct con_queue *cq, unsigned port,
		       const struct vring_chain *c)
{
	/* Fits between DM_OUT_SOFT and DM_OUT_BYTES, and leaves room for emergency writes. */
	uint8_t buf[512];
	static_assert(sizeof(buf) <= (DM_OUT_BYTES - DM_OUT_SOFT) / 2, "room");
	while (cq->offset < c->out_bytes) {
		if (dm_host_out_busy(dm, port))
			return false;
		size_t n = vring_iov_read(c->out, c->nout, cq->offset, buf, sizeof(buf));
		size_t taken = dm_host_out(dm, port, buf, n);
		dm_count(dm, DM_COUNT_OUT_BYTES, taken);
		cq->offset += taken;
		if (taken < n || !n)
			return false;
	}
	cq->offset = 0;
	return true;
}

bool con_transmit(struct dm *dm, struct console *s, unsigned q, unsigned budget)
{
	unsigned port = con_port_of(q);
	struct vring_chain c;
	while (budget--) {
		if (con_done_full(s, q))
			return true;
		if (dm_host_out_busy(dm, port))
			return false; /* host_done goes on */
		int r = virtio_pop(dm, s, q, &c);
		if (r <= 0)
			return false;
		if (!send_chain(dm, &s->cq[q], port, &c)) {
			virtio_unpop(dm, s, q, &c);
			return false;
		}
		con_done_add(dm, s, q, &c, 0);
	}
	return true;
}

/* ---- host to guest ---------------------------------------------------------------------------------- */

bool con_receive(struct dm *dm, struct console *s, unsigned q, unsigned budget)
{
	struct con_port *p = &s->port[con_port_of(q)];
	struct vring_chain c;
	/* Looks how much the first buffer takes; it stays in the ring until bytes come. */
	while (!p->room && budget--) {
		if (con_done_full(s, q))
			return true;
		int r = virtio_pop(dm, s, q, &c);
		if (r <= 0)
			return false;
		if (c.in_bytes) {
			p->room = c.in_bytes < 65536 ? (uint32_t)c.in_bytes : 65536;
			virtio_unpop(dm, s, q, &c);
		} else {
			dm_guest_error(dm, "port=%u a receive buffer without room", con_port_of(q));
			con_done_add(dm, s, q, &c, 0);
		}
	}
	return !p->room;
}

size_t con_host_room(struct dm *dm, const void *state, unsigned channel)
{
	const struct console *s = state;
	(void)dm;
	if (channel >= con_ports(s) || !virtio_queue_live(s, con_rxq(channel)))
		return 0;
	/* Until the driver has opened the port (5.3.6.2, PORT_OPEN), what comes waits in the host. */
	if (con_multiport(s) ? !s->port[channel].guest_open : channel != 0)
		return 0;
	return s->port[channel].room;
}

void con_host_in(struct dm *dm, void *state, unsigned channel, const uint8_t *buf, size_t len)
{
	struct console *s = state;
	unsigned q = con_rxq(channel);
	struct vring_chain c;
	con_done_flush(dm, s, q); /* of the input before: committed since */
	s->port[channel].room = 0;
	while (len && !con_done_full(s, q) && virtio_pop(dm, s, q, &c) == 1) {
		size_t n = vring_iov_write(c.in, c.nin, 0, buf, len);
		con_done_add(dm, s, q, &c, (uint32_t)n);
		dm_count(dm, DM_COUNT_IN_BYTES, n);
		buf += n;
		len -= n;
	}
	if (len) { /* only a driver that changes a buffer which it has made available gets here (2.7.13) */
		dm_count(dm, DM_COUNT_DROPS, len);
		dm_guest_error(dm, "port=%u a receive buffer has shrunk: %zu bytes lost", channel,
			       len);
	}
	if (con_receive(dm, s, q, VIRTIO_BUDGET))
		virtio_more(dm, s, q);
}
