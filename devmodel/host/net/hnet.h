/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Between net.c, which is struct dm_host, and the kinds of link. Frames have a 12-byte virtio_net_hdr in front
 * everywhere in here but in the dump.
 */
#include "devmodel/core/host.h"
#include "devmodel/host/net/pcap.h"
#include "devmodel/host/net/vnet.h"
#include "vring/vring.h"

#define HNET_QUEUES 8u

struct hnet;

/** struct hnet_kind - tap, stream, none. */
struct hnet_kind {
	const char *name; /* BackendFd.kind */
	/** open - takes @fds[@n]. @epfd, @tag as in struct dm_host. Sets h->info. 0 or -Exxx. */
	int (*open)(struct hnet *h, const struct host_fd *fds, unsigned n, int epfd, uint64_t tag,
		    struct err *err);
	void (*close)(struct hnet *h);
	void (*event)(struct hnet *h, unsigned k, uint32_t events);
	/** run - moves what waits. True: the model is to look at the link (room, up, down). */
	bool (*run)(struct hnet *h);
	/** settled - no frame is half sent. NULL: none ever is. */
	bool (*settled)(const struct hnet *h);
	/** ready - may peek() give a frame? */
	bool (*ready)(const struct hnet *h);
	/** listen - h->listening has changed. */
	void (*listen)(struct hnet *h);
	void (*offloads)(struct hnet *h); /* h->rx_* have changed */
	ssize_t (*peek)(struct hnet *h, unsigned queue, uint8_t **ret);
	void (*skip)(struct hnet *h, unsigned queue);
	int (*send)(struct hnet *h, unsigned queue, const struct iovec *iov, unsigned n,
		    size_t total);
};
extern const struct hnet_kind hnet_tap, hnet_stream, hnet_none;

/** struct hnet - one link. */
struct hnet {
	struct dm *dm;
	const struct hnet_kind *kind;
	void *priv; /* of the kind */
	struct dm_link_info info;
	bool rx_csum, rx_tso4, rx_tso6; /* what the driver can receive */
	bool listening;
	bool changed; /* the link went up or down, and the model does not know yet */
	bool dumped;  /* frames went into the dump since the last turn */
	struct pcap pcap;
	uint8_t *flat; /* VNET_HDR + ETH_FRAME_MAX bytes: a frame in one piece */
};

/** hnet_flat - h->flat, made when it is first wanted. NULL: no memory. */
uint8_t *hnet_flat(struct hnet *h);

/** hnet_up - sets the state of the link, and remembers to tell. */
void hnet_up(struct hnet *h, bool up);

/** hnet_watch - adds @fd to @epfd, edge-triggered, input and output. 0 or -Exxx with @err. */
int hnet_watch(int epfd, int fd, uint64_t tag, struct err *err);
