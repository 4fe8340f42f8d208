/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transmission: virtio 1.2, section 5.1.6.2.
 *
 * A chain that is no frame breaks the queue; a frame whose header contradicts itself or the features is dropped and counted,
 * since in a guest any program with a packet socket can make one.
 */
#include "devmodel/virtio/net/net.h"
#include <errno.h>
#include <string.h>

#define IOV_MAX_SEGS 64u /* chains of more are copied into one piece */

/* NULL: fine; else what is wrong with header @h of a frame of @len bytes. */
static const char *check_header(const struct net *s, const uint8_t *h, uint64_t len)
{
	bool csum = h[VNET_FLAGS] & VNET_F_NEEDS_CSUM;
	if (csum) {
		uint64_t start = load_le(h + VNET_CSUM_START, 2);
		if (!virtio_has(s, NET_F_CSUM))
			return "a checksum is asked for without the feature";
		if (start + load_le(h + VNET_CSUM_OFFSET, 2) + 2 > len || start >= len)
			return "the checksum's place is outside of the frame";
	}
	unsigned gso = h[VNET_GSO_TYPE] & ~VNET_GSO_ECN;
	if (gso == VNET_GSO_NONE)
		return NULL;
	if ((gso != VNET_GSO_TCPV4 || !virtio_has(s, NET_F_HOST_TSO4)) &&
	    (gso != VNET_GSO_TCPV6 || !virtio_has(s, NET_F_HOST_TSO6)))
		return "segmentation is asked for without the feature";
	if (!csum || !load_le(h + VNET_GSO_SIZE, 2))
		return "segmentation without a checksum, or into segments of no size";
	return NULL;
}

/* The header as the back-end gets it: what we know, checked, and nothing else. */
static void clean_header(uint8_t *h)
{
	h[VNET_FLAGS] &= VNET_F_NEEDS_CSUM;
	if (!h[VNET_FLAGS])
		memset(h + VNET_CSUM_START, 0, 4);
	if (h[VNET_GSO_TYPE] == VNET_GSO_ECN)
		h[VNET_GSO_TYPE] = VNET_GSO_NONE;
	if (h[VNET_GSO_TYPE] == VNET_GSO_NONE)
		memset(h + VNET_HDR_LEN, 0, 4);
	memset(h + VNET_NUM_BUFFERS, 0, 2);
}

/* Gives the frame of @c to the link, with @h for its header: the guest's own may change while we look. */
static int send(struct dm *dm, unsigned pair, const struct vring_chain *c, uint8_t *h)
{
	struct iovec iov[1 + IOV_MAX_SEGS];
	unsigned n = 1;
	size_t skip = VNET_HDR;
	iov[0] = (struct iovec){h, VNET_HDR};
	if (c->nout > IOV_MAX_SEGS) {
		iov[n].iov_base = dm_scratch(dm, DM_FRAME_MAX);
		iov[n].iov_len = vring_iov_read(c->out, c->nout, skip, iov[n].iov_base,
						DM_FRAME_MAX - VNET_HDR);
		n++;
	} else {
		for (unsigned i = 0; i < c->nout; i++) {
			if (skip >= c->out[i].iov_len) {
				skip -= c->out[i].iov_len;
				continue;
			}
			iov[n++] = (struct iovec){(uint8_t *)c->out[i].iov_base + skip,
						  c->out[i].iov_len - skip};
			skip = 0;
		}
	}
	return dm_link_send(dm, 0, pair, iov, n);
}

/* One frame. 0: done with (sent or dropped), -EAGAIN. */
static int transmit(struct dm *dm, struct net *s, unsigned pair, const struct vring_chain *c)
{
	uint8_t h[VNET_HDR];
	uint64_t len = c->out_bytes - VNET_HDR;
	const char *wrong = NULL;
	vring_iov_read(c->out, c->nout, 0, h, VNET_HDR);
	if (len < ETH_HDR || len > DM_FRAME_MAX - VNET_HDR)
		wrong = "it is shorter or longer than any frame";
	else
		wrong = check_header(s, h, len);
	if (wrong) {
		dm_guest_error(dm, "a frame of %llu bytes is dropped: %s", (unsigned long long)len,
			       wrong);
		dm_count(dm, DM_COUNT_ERRORS, 1);
		s->tx_dropped++;
		return 0;
	}
	clean_header(h);
	int rc = net_link_up(dm, s) ? send(dm, pair, c, h) : -ENETDOWN;
	if (rc == -EAGAIN)
		return rc;
	if (rc < 0) {
		dm_count(dm, DM_COUNT_DROPS, 1);
		s->tx_dropped++;
		return 0;
	}
	dm_count(dm, DM_COUNT_OUT_BYTES, len);
	s->tx_frames++;
	return 0;
}

bool net_tx_queue(struct dm *dm, struct net *s, unsigned q, unsigned budget)
{
	struct vring_chain c;
	bool pushed = false, blocked = false;
	s->blocked &= (uint8_t) ~(1u << (q / 2));
	while (budget && !blocked && virtio_pop(dm, s, q, &c) > 0) {
		budget--;
		if (c.in_bytes || c.out_bytes < VNET_HDR) {
			virtio_broken(dm, s, q,
				      c.in_bytes ? "a transmit buffer that the device is to write"
						 : "a transmit buffer shorter than its header");
			break;
		}
		blocked = transmit(dm, s, q / 2, &c) == -EAGAIN;
		if (blocked) { /* link_ready() goes on; the driver need not notify */
			virtio_unpop(dm, s, q, &c);
			s->blocked |= (uint8_t)(1u << (q / 2));
			break;
		}
		virtio_push(dm, s, q, c.id, c.ndesc, 0);
		pushed = true;
	}
	if (pushed)
		virtio_signal(dm, s, q);
	return !budget;
}
