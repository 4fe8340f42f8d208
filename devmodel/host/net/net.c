/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct dm_host for networks: chooses the kind of link, keeps the dump, and tells the model.
 *
 * All descriptors are watched edge-triggered: a kind reads until there is nothing more (or the model wants no more), so
 * the watch never has to be changed while frames flow.
 */
#include "devmodel/host/net/hnet.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

uint8_t *hnet_flat(struct hnet *h)
{
	if (!h->flat)
		h->flat = malloc(VNET_HDR + ETH_FRAME_MAX);
	return h->flat;
}

void hnet_up(struct hnet *h, bool up)
{
	if (h->info.up == up)
		return;
	h->info.up = up;
	h->changed = true;
}

int hnet_watch(int epfd, int fd, uint64_t tag, struct err *err)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				 .data.u64 = tag};
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return err_set(err, errno, "cannot wait for the link: %s", strerror(errno));
	return 0;
}

/* ---- no network ------------------------------------------------------------------------------ */

static int none_open(struct hnet *h, const struct host_fd *fds, unsigned n, int epfd, uint64_t tag,
		     struct err *err)
{
	(void)fds, (void)n, (void)epfd, (void)tag, (void)err;
	h->info = (struct dm_link_info){
		.csum = true, .tso4 = true, .tso6 = true, .ecn = true, .queues = HNET_QUEUES};
	return 0;
}

static bool never(const struct hnet *h)
{
	(void)h;
	return false;
}

static ssize_t none_peek(struct hnet *h, unsigned queue, uint8_t **ret)
{
	(void)h, (void)queue, (void)ret;
	return 0;
}

static int none_send(struct hnet *h, unsigned queue, const struct iovec *iov, unsigned n,
		     size_t total)
{
	(void)h, (void)queue, (void)iov, (void)n, (void)total;
	return -ENETDOWN;
}

const struct hnet_kind hnet_none = {
	.name = "none", .open = none_open, .ready = never, .peek = none_peek, .send = none_send};

/* ---- struct dm_host --------------------------------------------------------------------------- */

static const struct hnet_kind *kind_of(const struct host_fd *fds, unsigned n, unsigned *ret_n)
{
	static const struct hnet_kind *const kinds[] = {&hnet_tap, &hnet_stream};
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		*ret_n = 0;
		for (unsigned k = 0; k < n; k++)
			*ret_n += strcmp(fds[k].kind, kinds[i]->name) == 0;
		if (*ret_n)
			return kinds[i];
	}
	return &hnet_none;
}

static void net_close(void *ctx)
{
	struct hnet *h = ctx;
	if (!h)
		return;
	if (h->kind && h->kind->close)
		h->kind->close(h);
	pcap_close(&h->pcap);
	free(h->flat);
	free(h);
}

static int net_open(struct dm *dm, const struct host_fd *fds, unsigned n, int epfd, uint64_t tag,
		    void **ret, struct err *err)
{
	struct host_fd links[HNET_QUEUES];
	unsigned nlinks = 0, want = 0;
	int rc = 0;
	struct hnet *h = calloc(1, sizeof(*h));
	if (!h)
		return err_set(err, ENOMEM, "no memory for the link");
	h->dm = dm;
	h->pcap.fd = -1;
	h->listening = true;
	h->kind = kind_of(fds, n, &want);
	for (unsigned i = 0; i < n && rc == 0; i++) {
		if (strcmp(fds[i].kind, "write") == 0)
			rc = pcap_open(&h->pcap, dm, fds[i].fd);
		else if (strcmp(fds[i].kind, h->kind->name) == 0 && nlinks < HNET_QUEUES)
			links[nlinks++] = fds[i];
	}
	if (rc < 0)
		err_set(err, -rc, "no memory for the frame dump");
	else
		rc = h->kind->open(h, links, nlinks, epfd, tag, err);
	if (rc < 0) {
		net_close(h);
		return rc;
	}
	*ret = h;
	return 0;
}

static void net_event(void *ctx, unsigned k, uint32_t events)
{
	struct hnet *h = ctx;
	if (h->kind->event)
		h->kind->event(h, k, events);
}

static bool net_run(void *ctx)
{
	struct hnet *h = ctx;
	bool call = h->kind->run && h->kind->run(h);
	if (call || h->changed || (h->listening && h->kind->ready(h))) {
		h->changed = false;
		dm_link_ready(h->dm, 0);
		return true;
	}
	if (!h->dumped)
		pcap_flush(&h->pcap); /* idle */
	h->dumped = false;
	return false;
}

static bool net_settled(void *ctx)
{
	struct hnet *h = ctx;
	pcap_flush(&h->pcap); /* its records come before the successor's */
	return !h->kind->settled || h->kind->settled(h);
}

static void net_info(void *ctx, unsigned link, struct dm_link_info *ret)
{
	(void)link;
	*ret = ((struct hnet *)ctx)->info;
}

static void net_offloads(void *ctx, unsigned link, bool csum, bool tso4, bool tso6)
{
	struct hnet *h = ctx;
	(void)link;
	h->rx_csum = csum;
	h->rx_tso4 = tso4;
	h->rx_tso6 = tso6;
	if (h->kind->offloads)
		h->kind->offloads(h);
}

static ssize_t net_peek(void *ctx, unsigned link, unsigned queue, uint8_t **ret)
{
	struct hnet *h = ctx;
	(void)link;
	return h->kind->peek(h, queue, ret);
}

static void net_skip(void *ctx, unsigned link, unsigned queue)
{
	struct hnet *h = ctx;
	uint8_t *frame = NULL;
	(void)link;
	if (h->pcap.on) {
		ssize_t n = h->kind->peek(h, queue, &frame);
		struct iovec iov = {frame, n > 0 ? (size_t)n : 0};
		if (n > 0)
			pcap_frame(&h->pcap, &iov, 1, VNET_HDR);
		h->dumped = true;
	}
	if (h->kind->skip)
		h->kind->skip(h, queue);
}

static ssize_t net_recv(void *ctx, unsigned link, unsigned queue, void *buf, size_t max)
{
	uint8_t *frame = NULL;
	ssize_t n = net_peek(ctx, link, queue, &frame);
	if (n <= 0)
		return n;
	if ((size_t)n <= max)
		memcpy(buf, frame, (size_t)n);
	net_skip(ctx, link, queue);
	return (size_t)n <= max ? n : -EMSGSIZE;
}

static int net_send(void *ctx, unsigned link, unsigned queue, const struct iovec *iov, unsigned n)
{
	struct hnet *h = ctx;
	size_t total = 0;
	(void)link;
	for (unsigned i = 0; i < n; i++)
		total += iov[i].iov_len;
	if (total < VNET_HDR + ETH_HDR || total > VNET_HDR + ETH_FRAME_MAX)
		return -EINVAL;
	int rc = h->kind->send(h, queue, iov, n, total);
	if (rc == 0 && h->pcap.on) {
		pcap_frame(&h->pcap, iov, n, VNET_HDR);
		h->dumped = true;
	}
	return rc;
}

static void net_listen(void *ctx, unsigned link, bool on)
{
	struct hnet *h = ctx;
	(void)link;
	if (h->listening == on)
		return;
	h->listening = on;
	if (h->kind->listen)
		h->kind->listen(h);
}

const struct dm_host dm_host_net = {
	.name = "net",
	.syscalls =
		(const struct dm_syscall[]){
			DM_SYSCALL(accept4, "the peer of a socket that listens"),
			DM_SYSCALL(setsockopt, "its send buffer"),
			DM_SYSCALL(ioctl, "offloads of a tap device; how full a socket is"),
			{}},
	.open = net_open,
	.close = net_close,
	.event = net_event,
	.run = net_run,
	.settled = net_settled,
	.ops = {.link_info = net_info,
		.link_offloads = net_offloads,
		.link_recv = net_recv,
		.link_peek = net_peek,
		.link_skip = net_skip,
		.link_send = net_send,
		.link_listen = net_listen},
};
