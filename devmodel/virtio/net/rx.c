/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reception: virtio 1.2, section 5.1.6.3 and 5.1.6.4.
 *
 * Theory of operation. A frame stays in the back-end until it is wholly in the driver's buffers. When there are too few
 * of them, those that were taken go back, the driver is asked to notify, and the back-end is told to be quiet. The driver's
 * next notification goes on; so does a timer, for a driver that adds buffers and says nothing. When that has gone on for
 * a second (an interface that is down in the guest), frames are dropped as on any other network, or the peer would be stuck.
 */
#include "devmodel/virtio/net/net.h"
#include <errno.h>
#include <string.h>

#define CHAINS_MAX 60u		  /* of one frame; less than VIRTIO_FRESH */
#define LOOKS_MAX 4u		  /* at a queue that fills up as we look */
#define WAIT_FIRST_NS 10000000ull /* 10 ms, doubled each time... */
#define WAIT_LAST_NS 640000000ull /* ...up to here, after 1.3 s in all */
#define VLAN_TYPE_HI 0x81u
#define VLAN_TYPE_LO 0x00u

enum outcome { DONE, DROP, NO_BUFFERS, LATER };

/* ---- the filter ------------------------------------------------------------------------------- */

static bool listed(const struct net_macs *t, const uint8_t *mac)
{
	for (unsigned i = 0; i < t->n; i++)
		if (memcmp(t->mac[i], mac, 6) == 0)
			return true;
	return t->overflow;
}

bool net_rx_wanted(const struct net *s, const uint8_t *f, size_t n)
{
	static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	if (n < ETH_HDR)
		return false;
	if (s->promisc)
		return true;
	if (virtio_has(s, NET_F_CTRL_VLAN) && f[12] == VLAN_TYPE_HI && f[13] == VLAN_TYPE_LO) {
		unsigned id = n >= 16 ? (f[14] & 15u) << 8 | f[15] : 0;
		if (!(s->vlan[id / 8] >> (id % 8) & 1))
			return false;
	}
	if (memcmp(f, all, 6) == 0)
		return !s->nobcast;
	if (f[0] & 1)
		return !s->nomulti && (s->allmulti || listed(&s->multi, f));
	return !s->nouni && (s->alluni || memcmp(f, s->mac, 6) == 0 || listed(&s->uni, f));
}

/* ---- one frame -------------------------------------------------------------------------------- */

/** struct taken - the chains of one frame. */
struct taken {
	unsigned n, looks;
	uint8_t *count
		[2]; /* where the two bytes of num_buffers are; in the chain's memory, which is ours until the push */
	uint32_t len[CHAINS_MAX];
	struct vring_chain c[CHAINS_MAX];
};

/* The address of byte @at of the chain's device-writable part. */
static uint8_t *byte_at(const struct vring_chain *c, size_t at)
{
	for (unsigned i = 0; i < c->nin; i++) {
		if (at < c->in[i].iov_len)
			return (uint8_t *)c->in[i].iov_base + at;
		at -= c->in[i].iov_len;
	}
	return NULL;
}

static void put_back(struct dm *dm, struct net *s, unsigned q, struct taken *t)
{
	while (t->n)
		virtio_unpop(dm, s, q, &t->c[--t->n]);
}

/* Takes the next chain for the frame and writes its part. @done: bytes written so far. */
static enum outcome take(struct dm *dm, struct net *s, unsigned q, struct taken *t,
			 const uint8_t *f, size_t n, size_t *done)
{
	struct vring_chain *c = &t->c[t->n];
	bool merge = virtio_has(s, NET_F_MRG_RXBUF);
	int rc = virtio_pop(dm, s, q, c);
	if (rc < 0)
		return DROP;
	if (rc == 0) {
		if (!(s->v.unarmed >> q & 1))
			return LATER; /* not empty: what was taken must be committed first */
		/* Asked for a notification, here and not later: it is about what comes after the chains that go back now. */
		if (virtio_rearm(dm, s, q) && t->looks++ < LOOKS_MAX)
			return DONE; /* there is one after all */
		return NO_BUFFERS;
	}
	if (c->out_bytes || c->in_bytes < (t->n ? 1 : VNET_HDR)) {
		virtio_broken(dm, s, q,
			      c->out_bytes ? "a receive buffer that the device is to read"
					   : "a receive buffer shorter than its header");
		return DROP;
	}
	t->n++;
	if (!merge && c->in_bytes < n)
		return DROP; /* 5.1.6.3.1: it is the driver that chose so little */
	size_t part = c->in_bytes < n - *done ? (size_t)c->in_bytes : n - *done;
	vring_iov_write(c->in, c->nin, 0, f + *done, part);
	if (t->n == 1)
		for (unsigned i = 0; i < 2; i++)
			t->count[i] = byte_at(c, VNET_NUM_BUFFERS + i);
	t->len[t->n - 1] = (uint32_t)part;
	*done += part;
	return DONE;
}

/* Puts frame @f, header in front, @n bytes, into queue @q. */
static enum outcome deliver(struct dm *dm, struct net *s, unsigned q, const uint8_t *f, size_t n)
{
	struct taken t;
	size_t done = 0;
	t.n = t.looks = 0;
	while (done < n) {
		enum outcome o = t.n < CHAINS_MAX ? take(dm, s, q, &t, f, n, &done) : DROP;
		if (o != DONE) {
			put_back(dm, s, q, &t);
			return o;
		}
	}
	*t.count[0] = (uint8_t)t.n; /* 5.1.6.4: num_buffers, 1 also without MRG_RXBUF */
	*t.count[1] = 0;
	for (unsigned i = 0; i < t.n; i++)
		virtio_push(dm, s, q, t.c[i].id, t.c[i].ndesc, t.len[i]);
	return DONE;
}

/* Makes the header one that the driver has agreed to. False: the frame cannot be given to it. */
static bool fit_header(const struct net *s, uint8_t *h)
{
	unsigned gso = h[VNET_GSO_TYPE] & ~VNET_GSO_ECN;
	if (!(s->offloads & NET_F_GUEST_CSUM)) {
		if (h[VNET_FLAGS] & VNET_F_NEEDS_CSUM)
			return false;
		h[VNET_FLAGS] = 0;
	}
	if ((gso == VNET_GSO_TCPV4 && !(s->offloads & NET_F_GUEST_TSO4)) ||
	    (gso == VNET_GSO_TCPV6 && !(s->offloads & NET_F_GUEST_TSO6)) ||
	    (gso != VNET_GSO_NONE && gso != VNET_GSO_TCPV4 && gso != VNET_GSO_TCPV6))
		return false;
	if (!(s->offloads & NET_F_GUEST_ECN))
		h[VNET_GSO_TYPE] = (uint8_t)gso;
	return true;
}

/* ---- turns ------------------------------------------------------------------------------------ */

static void starve(struct dm *dm, struct net *s)
{
	s->starved = 1;
	dm_link_listen(dm, 0, false);
	s->wait_ns = s->wait_ns ? s->wait_ns * 2 : WAIT_FIRST_NS;
	if (s->wait_ns > WAIT_LAST_NS)
		s->deaf = 1;
	dm_timer_set(dm, NET_TIMER_STARVED, dm_now_ns(dm) + s->wait_ns);
}

static void fed(struct dm *dm, struct net *s)
{
	if (!s->wait_ns)
		return;
	s->starved = s->deaf = 0;
	s->wait_ns = 0;
	dm_timer_cancel(dm, NET_TIMER_STARVED);
}

void net_rx_buffers(struct dm *dm, struct net *s)
{
	s->starved = 0;
	dm_link_listen(dm, 0, true);
}

void net_rx_timer(struct dm *dm, struct net *s)
{
	if (virtio_live(s))
		net_rx_buffers(dm, s);
}

/* One frame of the back-end's queue @from. */
static enum outcome receive(struct dm *dm, struct net *s, unsigned from, uint8_t *f, size_t n)
{
	unsigned q = 2 * (from % s->pairs);
	if (!virtio_queue_live(s, q) || !net_link_up(dm, s) || !fit_header(s, f))
		return DROP;
	if (!net_rx_wanted(s, f + VNET_HDR, n - VNET_HDR)) {
		s->rx_filtered++;
		return DONE;
	}
	enum outcome o = deliver(dm, s, q, f, n);
	if (o == DONE) {
		dm_count(dm, DM_COUNT_IN_BYTES, n - VNET_HDR);
		s->rx_frames++;
		fed(dm, s);
	}
	return o == NO_BUFFERS && s->deaf ? DROP : o;
}

/* Frames of the back-end's queue @from. False: enough for now. */
static bool run_queue(struct dm *dm, struct net *s, unsigned from, unsigned *budget)
{
	uint8_t *f = NULL;
	ssize_t n;
	while (*budget && (n = dm_link_peek(dm, 0, from, &f)) > 0) {
		--*budget;
		enum outcome o = n > (ssize_t)VNET_HDR ? receive(dm, s, from, f, (size_t)n) : DROP;
		if (o == LATER)
			return false;
		if (o == NO_BUFFERS) {
			starve(dm, s);
			return false;
		}
		if (o == DROP) {
			dm_count(dm, DM_COUNT_DROPS, 1);
			s->rx_dropped++;
		}
		dm_link_skip(dm, 0, from);
	}
	return true;
}

void net_rx_run(struct dm *dm, struct net *s, unsigned budget)
{
	struct dm_link_info info;
	dm_link_info(dm, 0, &info);
	for (unsigned from = 0; from < info.queues; from++)
		if (!run_queue(dm, s, from, &budget))
			break;
	for (unsigned p = 0; p < s->pairs; p++)
		virtio_signal(dm, s, 2 * p);
}
