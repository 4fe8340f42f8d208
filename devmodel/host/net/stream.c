/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Unix stream socket: each frame with its length in front (4 bytes, big-endian), as passt(1) and QEMU's "-netdev
 * stream" speak it. It carries bare frames, so what the guest left out is done here: checksums, and segments where the
 * peer does not take large frames. Received checksums are verified here, so that the guest need not.
 *
 * A daemon cannot connect, its sandbox has no paths. So the launcher of the side that connects hands over a few connections: the peer
 * accepts one and leaves the others in its socket's queue. When the peer's daemon is killed, its connection is lost, but
 * not the socket that it listens on: its successor accepts the next one, and we go on with it as well.
 *
 * Small frames are gathered and leave together at the end of the turn; large ones go straight from guest memory.
 */
#include "devmodel/host/net/stream.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/fd.h"
#include "devmodel/host/net/csum.h"
#include "devmodel/host/net/tso.h"

#define SMALL_MAX 4096u	  /* gathered up to this size */
#define GATHER_MAX 65536u /* so many bytes go without waiting for the end of the turn */
#define IOV_DIRECT 64u
#define SNDBUF (1 << 20)
#define PASST_FRAME_MAX 65535u /* passt drops longer ones */
#define PASST_MTU 65520u
#define SPARES 3u
#define K_PEER 0u
#define K_LISTEN 1u

struct stream {
	int fd, listen_fd; /* -1: none */
	int spare[SPARES]; /* further connections to the same peer, which it has not accepted yet */
	unsigned nspare,
		next; /* [next, nspare) are left, in the order in which the peer will accept them */
	int epfd;
	uint64_t tag;
	size_t whole_max; /* frames up to this length need not be cut */
	bool readable, acceptable;
	bool blocked, writable;
	struct txbuf tx;
	struct rxbuf rx;
};

/* ---- the connection --------------------------------------------------------------------------- */

/* Has the other end of the connection gone already? */
static bool dead(int fd)
{
	uint8_t byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno != EAGAIN);
}

static int peer_set(struct hnet *h, int *fd, bool fresh, struct err *err);

static void peer_gone(struct hnet *h, const char *why)
{
	struct stream *s = h->priv;
	fd_close(&s->fd);
	txbuf_clear(&s->tx);
	s->blocked = s->readable = false;
	while (s->next < s->nspare) {
		AUTO_FD fd = fd_steal(&s->spare[s->next++]);
		if (!dead(fd) && peer_set(h, &fd, true, NULL) == 0)
			return;
	}
	dm_log(h->dm, DM_LOG_WARN, "the other end of the link is gone reason=\"%s\"%s", why,
	       s->listen_fd >= 0 ? "; waiting for the next one" : "");
	hnet_up(h, false);
}

/* Takes @fd as the connection. */
static int peer_set(struct hnet *h, int *fd, bool fresh, struct err *err)
{
	struct stream *s = h->priv;
	int size = SNDBUF;
	(void)setsockopt(*fd, SOL_SOCKET, SO_SNDBUF, &size,
			 sizeof(size)); /* the host may give less */
	int rc = hnet_watch(s->epfd, *fd, s->tag + K_PEER, err);
	if (rc < 0)
		return rc;
	s->fd = fd_steal(fd);
	txbuf_socket(&s->tx, s->fd);
	s->readable = true;
	s->blocked = false;
	rxbuf_clear(&s->rx, fresh);
	hnet_up(h, true);
	return 0;
}

static void peer_accept(struct hnet *h)
{
	struct stream *s = h->priv;
	while (s->fd < 0 && s->acceptable) {
		AUTO_FD fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			s->acceptable = errno == EINTR || errno == ECONNABORTED;
			continue;
		}
		if (!dead(fd) && peer_set(h, &fd, true, NULL) == 0)
			dm_log(h->dm, DM_LOG_INFO, "a peer joined the link");
	}
}

static void stream_close(struct hnet *h)
{
	struct stream *s = h->priv;
	if (!s)
		return;
	fd_close(&s->fd);
	fd_close(&s->listen_fd);
	while (s->nspare)
		fd_close(&s->spare[--s->nspare]);
	txbuf_fini(&s->tx);
	rxbuf_fini(&s->rx);
	free(s);
	h->priv = NULL;
}

static int stream_open(struct hnet *h, const struct host_fd *fds, unsigned n, int epfd,
		       uint64_t tag, struct err *err)
{
	int listening = 0;
	socklen_t len = sizeof(listening);
	if (n < 1 || n > 1 + SPARES)
		return err_set(err, EINVAL, "a stream link has 1 to %u descriptors, not %u",
			       1 + SPARES, n);
	struct stream *s = h->priv = calloc(1, sizeof(*s));
	if (!s)
		return err_set(err, ENOMEM, "no memory for the link");
	s->fd = s->listen_fd = -1;
	s->epfd = epfd;
	s->tag = tag;
	if (txbuf_init(&s->tx) < 0 || rxbuf_init(&s->rx) < 0)
		return err_set(err, ENOMEM, "no memory for the link's frames");
	const char *net = dm_option_str(h->dm, "net");
	bool passt = net && strcmp(net, "user") == 0;
	s->whole_max = passt ? PASST_FRAME_MAX : 0;
	h->info = (struct dm_link_info){.queues = 1, .ecn = true, .mtu = passt ? PASST_MTU : 0};
	h->info.csum = h->info.tso4 = h->info.tso6 = h->info.rx_csum = true;
	if (getsockopt(*fds[0].fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0)
		return err_set(err, errno, "the link's descriptor is no socket: %s",
			       strerror(errno));
	if (!listening) {
		for (unsigned i = 1; i < n; i++)
			s->spare[s->nspare++] = fd_steal(fds[i].fd);
		return peer_set(h, fds[0].fd, !h->dm->successor,
				err); /* else: in the middle of a frame? */
	}
	int rc = fd_nonblock(*fds[0].fd, 1);
	if (rc == 0)
		rc = hnet_watch(epfd, *fds[0].fd, tag + K_LISTEN, err);
	if (rc < 0)
		return rc;
	s->listen_fd = fd_steal(fds[0].fd);
	s->acceptable = true;
	peer_accept(h);
	return 0;
}

static void stream_event(struct hnet *h, unsigned k, uint32_t events)
{
	struct stream *s = h->priv;
	if (k == K_LISTEN)
		s->acceptable = true;
	if (k != K_PEER)
		return;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
		s->readable = true;
	if (events & EPOLLOUT)
		s->writable = true;
}

/* ---- sending ---------------------------------------------------------------------------------- */

/* Writes what was gathered. 0: nothing is left; -EAGAIN; -EPIPE: the peer is gone. */
static int flush(struct hnet *h)
{
	struct stream *s = h->priv;
	s->writable = false; /* an event from here on is about what comes now */
	int rc = txbuf_flush(&s->tx, s->fd);
	s->blocked = rc == -EAGAIN;
	if (rc < 0 && rc != -EAGAIN) {
		peer_gone(h, strerror(-rc));
		return -EPIPE;
	}
	return rc;
}

/* Room for @bytes in the buffer. 0, -EAGAIN, -EPIPE. */
static int make_room(struct hnet *h, size_t bytes)
{
	struct stream *s = h->priv;
	if (txbuf_room(&s->tx) >= bytes && s->tx.tail < GATHER_MAX)
		return 0;
	int rc = flush(h);
	return rc == -EAGAIN && txbuf_room(&s->tx) >= bytes ? 0 : rc;
}

static int send_small(struct hnet *h, const uint8_t *hdr, const struct iovec *iov, unsigned n,
		      size_t len)
{
	struct stream *s = h->priv;
	int rc = make_room(h, TX_PREFIX + len);
	if (rc < 0)
		return rc;
	uint8_t *p = txbuf_next(&s->tx);
	vring_iov_read(iov, n, VNET_HDR, p, len);
	if (hdr[VNET_FLAGS] & VNET_F_NEEDS_CSUM)
		rc = csum_complete(p, len, hdr);
	if (rc == 0)
		txbuf_add(&s->tx, len);
	return rc;
}

/* Cuts a frame into segments of the size that the guest asked for. */
static int send_segments(struct hnet *h, const uint8_t *hdr, const struct iovec *iov, unsigned n,
			 size_t len)
{
	struct stream *s = h->priv;
	struct tso t;
	uint8_t *flat = hnet_flat(h);
	if (!flat)
		return -ENOMEM;
	vring_iov_read(iov, n, VNET_HDR, flat, len);
	int rc = tso_check(flat, len < TSO_HEAD_MAX ? len : TSO_HEAD_MAX, len, hdr, &t);
	if (rc == 0)
		rc = make_room(h, tso_bytes(&t, TX_PREFIX));
	if (rc < 0)
		return rc;
	for (size_t got; (got = tso_next(&t, txbuf_next(&s->tx))) > 0;)
		txbuf_add(&s->tx, got);
	return 0;
}

/* Completes the copied headers @head (@nhead bytes) of a large frame that goes out whole. 0, -EINVAL. */
static int finish_head(const uint8_t *hdr, uint8_t *head, size_t nhead, const struct iovec *iov,
		       unsigned n, size_t len)
{
	if (hdr[VNET_GSO_TYPE] != VNET_GSO_NONE) {
		struct tso t;
		int rc = tso_check(head, nhead, len, hdr, &t);
		if (rc == 0 && t.n != len)
			rc = -EINVAL; /* padding behind 4 KiB of data */
		if (rc == 0)
			tso_whole(&t, head, csum_iov(iov, n, VNET_HDR + t.head));
		return rc;
	}
	if (!(hdr[VNET_FLAGS] & VNET_F_NEEDS_CSUM))
		return 0;
	size_t start = load_le(hdr + VNET_CSUM_START, 2);
	size_t at = start + load_le(hdr + VNET_CSUM_OFFSET, 2);
	if (start >= len || at + 2 > nhead)
		return -EINVAL;
	uint16_t sum = (uint16_t)~csum_fold(csum_iov(iov, n, VNET_HDR + start));
	if (!sum)
		sum = 0xffff;
	memcpy(head + at, &sum, 2);
	return 0;
}

/* The parts of @iov[@n] from byte @skip on, to @to. Returns how many. */
static unsigned iov_from(struct iovec *to, const struct iovec *iov, unsigned n, size_t skip)
{
	unsigned count = 0;
	for (unsigned i = 0; i < n; i++) {
		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		to[count++] =
			(struct iovec){(uint8_t *)iov[i].iov_base + skip, iov[i].iov_len - skip};
		skip = 0;
	}
	return count;
}

/* A large frame: headers from a copy, the rest from where it lies. */
static int send_direct(struct hnet *h, const uint8_t *hdr, const struct iovec *iov, unsigned n,
		       size_t len)
{
	struct stream *s = h->priv;
	uint8_t head[TX_PREFIX + TSO_HEAD_MAX] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16),
						  (uint8_t)(len >> 8), (uint8_t)len};
	size_t nhead = len < TSO_HEAD_MAX ? len : TSO_HEAD_MAX;
	struct iovec flat, out[IOV_DIRECT + 1];
	if (n > IOV_DIRECT) {
		flat = (struct iovec){hnet_flat(h), VNET_HDR + len};
		if (!flat.iov_base)
			return -ENOMEM;
		vring_iov_read(iov, n, 0, flat.iov_base, flat.iov_len);
		iov = &flat;
		n = 1;
	}
	vring_iov_read(iov, n, VNET_HDR, head + TX_PREFIX, nhead);
	int rc = finish_head(hdr, head + TX_PREFIX, nhead, iov, n, len);
	if (rc == 0)
		rc = flush(h); /* frames keep their order */
	if (rc < 0)
		return rc;
	if (!txbuf_fits(&s->tx, s->fd, TX_PREFIX + len)) {
		s->blocked = true;
		return -EAGAIN;
	}
	out[0] = (struct iovec){head, TX_PREFIX + nhead};
	struct msghdr m = {.msg_iov = out,
			   .msg_iovlen = 1 + iov_from(out + 1, iov, n, VNET_HDR + nhead)};
	ssize_t sent;
	do
		sent = sendmsg(s->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0) {
		s->blocked = errno == EAGAIN;
		if (s->blocked)
			return -EAGAIN;
		peer_gone(h, strerror(errno));
		return -EPIPE;
	}
	if ((size_t)sent < TX_PREFIX + len) {
		txbuf_keep(&s->tx, out, (unsigned)m.msg_iovlen, (size_t)sent);
		s->blocked = true;
	}
	return 0;
}

static int stream_send(struct hnet *h, unsigned queue, const struct iovec *iov, unsigned n,
		       size_t total)
{
	struct stream *s = h->priv;
	uint8_t hdr[VNET_HDR];
	size_t len = total - VNET_HDR;
	(void)queue;
	if (s->fd < 0)
		return -ENETDOWN;
	if (s->blocked)
		return -EAGAIN;
	vring_iov_read(iov, n, 0, hdr, VNET_HDR);
	bool cut = hdr[VNET_GSO_TYPE] != VNET_GSO_NONE;
	if (cut && (len > s->whole_max || len <= SMALL_MAX))
		return send_segments(h, hdr, iov, n, len);
	if (len <= SMALL_MAX)
		return send_small(h, hdr, iov, n, len);
	return send_direct(h, hdr, iov, n, len);
}

/* ---- receiving -------------------------------------------------------------------------------- */

static ssize_t stream_peek(struct hnet *h, unsigned queue, uint8_t **ret)
{
	struct stream *s = h->priv;
	uint8_t *f;
	int have;
	if (queue)
		return 0;
	while ((have = rxbuf_have(&s->rx)) == 0) {
		if (s->fd < 0 || !s->readable)
			return 0;
		ssize_t n = rxbuf_fill(&s->rx, s->fd);
		if (n == -EAGAIN)
			s->readable = false;
		else if (n <= 0)
			peer_gone(h, n ? strerror((int)-n) : "it closed the connection");
	}
	if (have < 0) {
		rxbuf_clear(&s->rx, true);
		if (s->fd >= 0)
			peer_gone(h, "what it sends are no frames");
		return 0;
	}
	size_t len = rxbuf_frame(&s->rx, &f);
	*ret = f - VNET_HDR;
	if (!s->rx.dressed) {
		bool good = h->rx_csum && frame_verified(f, len);
		memset(*ret, 0, VNET_HDR); /* over the prefix, and over a frame that is done */
		(*ret)[VNET_FLAGS] = good ? VNET_F_DATA_VALID : 0;
		s->rx.dressed = true;
	}
	return (ssize_t)(VNET_HDR + len);
}

static void stream_skip(struct hnet *h, unsigned queue)
{
	struct stream *s = h->priv;
	if (!queue && s->rx.len)
		rxbuf_skip(&s->rx);
}

static bool stream_ready(const struct hnet *h)
{
	const struct stream *s = h->priv;
	return s->readable || !s->rx.starved;
}

static bool stream_run(struct hnet *h)
{
	struct stream *s = h->priv;
	if (s->listen_fd >= 0)
		peer_accept(h);
	if (s->fd < 0)
		return false;
	bool was = s->blocked;
	if (was && !s->writable)
		return false;
	if (was || s->tx.head < s->tx.tail)
		(void)flush(h);
	return was && !s->blocked;
}

/* Whole frames that wait may be lost; the rest of one that was begun may not. */
static bool stream_settled(const struct hnet *h)
{
	const struct stream *s = h->priv;
	return s->fd < 0 || !s->tx.part;
}

const struct hnet_kind hnet_stream = {
	.name = "stream",
	.settled = stream_settled,
	.open = stream_open,
	.close = stream_close,
	.event = stream_event,
	.run = stream_run,
	.ready = stream_ready,
	.peek = stream_peek,
	.skip = stream_skip,
	.send = stream_send,
};
