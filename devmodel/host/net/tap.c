/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tap device: one descriptor a queue pair, opened by the launcher with IFF_VNET_HDR. The kernel does the offloads; a
 * frame is one read() or writev() with the virtio_net_hdr in front.
 */
#include "devmodel/host/net/hnet.h"
#include <errno.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/fd.h"

struct tap_queue {
	int fd;
	bool readable, broken;
	size_t held; /* bytes of the frame in @buf; 0: none */
	uint8_t *buf;
};

struct tap {
	struct tap_queue q[HNET_QUEUES];
	unsigned n;
	bool blocked, writable;
};

static void tap_close(struct hnet *h)
{
	struct tap *t = h->priv;
	for (unsigned i = 0; t && i < t->n; i++) {
		fd_close(&t->q[i].fd);
		free(t->q[i].buf);
	}
	free(t);
	h->priv = NULL;
}

static int setup(struct tap_queue *q, struct err *err)
{
	int size = (int)VNET_HDR, le = 1;
	int rc = fd_nonblock(q->fd, 1);
	if (rc < 0)
		return err_set(err, -rc, "tap: cannot set it non-blocking: %s", strerror(-rc));
	if (ioctl(q->fd, TUNSETVNETHDRSZ, &size) < 0)
		return err_set(err, errno, "tap: cannot set the size of headers: %s",
			       strerror(errno));
	/* Kernels that do not know it use the host's order, which is this one where it matters. */
	(void)ioctl(q->fd, TUNSETVNETLE, &le);
	q->buf = malloc(VNET_HDR + ETH_FRAME_MAX);
	return q->buf ? 0 : err_set(err, ENOMEM, "tap: no memory for a frame");
}

static int tap_open(struct hnet *h, const struct host_fd *fds, unsigned n, int epfd, uint64_t tag,
		    struct err *err)
{
	struct tap *t = h->priv = calloc(1, sizeof(*t));
	if (!t)
		return err_set(err, ENOMEM, "tap: no memory");
	for (unsigned i = 0; i < n; i++) {
		struct tap_queue *q = &t->q[t->n++];
		q->fd = fd_steal(fds[i].fd);
		q->readable = true;
		int rc = setup(q, err);
		if (rc == 0)
			rc = hnet_watch(epfd, q->fd, tag + i, err);
		if (rc < 0)
			return rc;
	}
	h->info = (struct dm_link_info){.up = true, .queues = n, .ecn = true};
	h->info.csum = h->info.tso4 = h->info.tso6 = true;
	h->info.rx_csum = h->info.rx_tso4 = h->info.rx_tso6 = true;
	return 0;
}

static void tap_offloads(struct hnet *h)
{
	struct tap *t = h->priv;
	unsigned flags = 0;
	if (h->rx_csum)
		flags |= TUN_F_CSUM;
	if (h->rx_csum && h->rx_tso4)
		flags |= TUN_F_TSO4;
	if (h->rx_csum && h->rx_tso6)
		flags |= TUN_F_TSO6;
	if (ioctl(t->q[0].fd, TUNSETOFFLOAD, (unsigned long)flags) < 0)
		dm_log(h->dm, DM_LOG_WARN, "the tap device does not set its offloads error=\"%s\"",
		       strerror(errno));
}

static void tap_event(struct hnet *h, unsigned k, uint32_t events)
{
	struct tap *t = h->priv;
	if (k >= t->n)
		return;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		t->q[k].readable = true;
	if (events & EPOLLOUT)
		t->writable = true;
}

static bool tap_run(struct hnet *h)
{
	struct tap *t = h->priv;
	if (!t->blocked || !t->writable)
		return false;
	t->blocked = false;
	return true;
}

static bool tap_ready(const struct hnet *h)
{
	const struct tap *t = h->priv;
	for (unsigned i = 0; i < t->n; i++)
		if (t->q[i].held || t->q[i].readable)
			return true;
	return false;
}

static ssize_t tap_peek(struct hnet *h, unsigned queue, uint8_t **ret)
{
	struct tap *t = h->priv;
	struct tap_queue *q = &t->q[queue];
	if (queue >= t->n)
		return 0;
	while (!q->held && q->readable) {
		ssize_t n = read(q->fd, q->buf, VNET_HDR + ETH_FRAME_MAX);
		if (n >= (ssize_t)(VNET_HDR + ETH_HDR)) {
			q->held = (size_t)n;
		} else if (n < 0 && errno != EINTR) {
			q->readable = false;
			if (errno == EAGAIN || q->broken)
				continue;
			/* EBADFD: the interface was deleted; ENETDOWN and EIO: it is down, for now */
			q->broken = errno == EBADFD;
			if (q->broken)
				hnet_up(h, false);
		}
	}
	*ret = q->buf;
	return (ssize_t)q->held;
}

static void tap_skip(struct hnet *h, unsigned queue)
{
	struct tap *t = h->priv;
	if (queue < t->n)
		t->q[queue].held = 0;
}

static int tap_send(struct hnet *h, unsigned queue, const struct iovec *iov, unsigned n,
		    size_t total)
{
	struct tap *t = h->priv;
	if (t->blocked)
		return -EAGAIN;
	t->writable = false; /* an event from here on is about what comes now */
	const struct tap_queue *q = &t->q[queue % t->n];
	struct iovec one = {.iov_base = NULL, .iov_len = total};
	if (n > 64) { /* the kernel takes up to 1024; few are quicker */
		one.iov_base = hnet_flat(h);
		if (!one.iov_base)
			return -ENOMEM;
		vring_iov_read(iov, n, 0, one.iov_base, total);
		iov = &one;
		n = 1;
	}
	ssize_t r;
	do
		r = writev(q->fd, iov, (int)n);
	while (r < 0 && errno == EINTR);
	if (r >= 0)
		return 0;
	if (errno == EAGAIN) {
		t->blocked = true;
		return -EAGAIN;
	}
	return -errno; /* EINVAL: the header makes no sense; EIO: the interface is down */
}

const struct hnet_kind hnet_tap = {
	.name = "tap",
	.open = tap_open,
	.close = tap_close,
	.event = tap_event,
	.run = tap_run,
	.ready = tap_ready,
	.offloads = tap_offloads,
	.peek = tap_peek,
	.skip = tap_skip,
	.send = tap_send,
};
