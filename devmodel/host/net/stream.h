/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Between stream.c (connection, sending) and rxbuf.c (receiving). */
#include "devmodel/host/net/hnet.h"
#include "devmodel/host/net/txbuf.h"

#define RX_PREFIX 4u
#define RX_BYTES (256u << 10)
#define RX_HEADROOM 16u	       /* the first frame's virtio_net_hdr reaches in front of its prefix */
#define RX_LOST_MAX (1u << 20) /* bytes searched for the next frame before the peer is given up */

/** struct rxbuf - received bytes [head, tail). */
struct rxbuf {
	uint8_t *buf;
	size_t head, tail;
	size_t len;   /* of the frame whose prefix is at head; 0: not looked at yet */
	bool dressed; /* its virtio_net_hdr is written, over the prefix */
	bool starved; /* rxbuf_have() was 0 and nothing came since */
	bool lost;    /* where frames begin is not known */
	size_t searched;
};

/** rxbuf_init - 0, -ENOMEM. rxbuf_fini takes a zeroed one. */
int rxbuf_init(struct rxbuf *r);
void rxbuf_fini(struct rxbuf *r);
/** rxbuf_clear - a new peer (@fresh: it starts with a frame). */
void rxbuf_clear(struct rxbuf *r, bool fresh);
/** rxbuf_have - is a whole frame there? 1, 0: more bytes are needed, -EPROTO: this is no stream of frames. Skips, when lost,
 * to the first bytes that look like a frame. */
int rxbuf_have(struct rxbuf *r);
/** rxbuf_fill - reads what fits. Bytes, 0: the end, -EAGAIN, -Exxx. There is room unless rxbuf_have() says 1. */
ssize_t rxbuf_fill(struct rxbuf *r, int fd);
/** rxbuf_frame - the frame that is there, without prefix: its length. */
static inline size_t rxbuf_frame(struct rxbuf *r, uint8_t **ret)
{
	*ret = r->buf + r->head + RX_PREFIX;
	return r->len;
}
/** rxbuf_skip - takes it off. */
void rxbuf_skip(struct rxbuf *r);
