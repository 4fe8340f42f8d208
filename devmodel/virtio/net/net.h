/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Network device: virtio 1.2, section 5.1. What net.c (life, configuration), rx.c, tx.c and ctrl.c share. */
#include "devmodel/host/net/vnet.h"
#include "devmodel/virtio/virtio.h"

/* Features: 5.1.3. */
#define NET_F_CSUM (1ull << 0)
#define NET_F_GUEST_CSUM (1ull << 1)
#define NET_F_CTRL_GUEST_OFFLOADS (1ull << 2)
#define NET_F_MTU (1ull << 3)
#define NET_F_MAC (1ull << 5)
#define NET_F_GUEST_TSO4 (1ull << 7)
#define NET_F_GUEST_TSO6 (1ull << 8)
#define NET_F_GUEST_ECN (1ull << 9)
#define NET_F_HOST_TSO4 (1ull << 11)
#define NET_F_HOST_TSO6 (1ull << 12)
#define NET_F_HOST_ECN (1ull << 13)
#define NET_F_MRG_RXBUF (1ull << 15)
#define NET_F_STATUS (1ull << 16)
#define NET_F_CTRL_VQ (1ull << 17)
#define NET_F_CTRL_RX (1ull << 18)
#define NET_F_CTRL_VLAN (1ull << 19)
#define NET_F_CTRL_RX_EXTRA (1ull << 20)
#define NET_F_GUEST_ANNOUNCE (1ull << 21)
#define NET_F_MQ (1ull << 22)
#define NET_F_CTRL_MAC_ADDR (1ull << 23)
/* Those that CTRL_GUEST_OFFLOADS switches: 5.1.6.5.6.1. */
#define NET_GUEST_OFFLOADS                                                                         \
	(NET_F_GUEST_CSUM | NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6 | NET_F_GUEST_ECN)

/* Configuration: 5.1.4. */
#define NET_CFG_MAC 0u
#define NET_CFG_STATUS 6u
#define NET_CFG_PAIRS 8u
#define NET_CFG_MTU 10u
#define NET_S_LINK_UP 1u
#define NET_S_ANNOUNCE 2u

#define NET_PAIRS_MAX 8u
#define NET_MACS                                                                                   \
	32u /* addresses of the filter, each of unicast and multicast; more: all are let through */
#define NET_MTU_MIN 68u

/** struct net_macs - one half of the MAC filter table. */
struct net_macs {
	uint8_t n, overflow; /* overflow: there were more than we keep */
	uint8_t mac[NET_MACS][6];
};

/** struct net - the state. */
struct net {
	VIRTIO_STATE(2 * NET_PAIRS_MAX + 1);
	uint8_t mac[6]; /* what the receive filter lets through */
	uint8_t promisc, allmulti, alluni, nomulti, nouni, nobcast;
	uint8_t forced_down; /* control "link" */
	uint8_t announce;    /* the driver is to tell the network where it is */
	uint8_t starved;     /* a frame waits for buffers */
	uint8_t deaf;	     /* for so long that frames are dropped now */
	uint8_t pairs;	     /* in use */
	uint8_t blocked;     /* bit p: transmit queue of pair p waits for the link */
	uint16_t reserved;
	uint64_t offloads; /* GUEST_* features in force */
	uint64_t wait_ns;  /* until a starved queue is looked at again */
	uint64_t rx_frames, rx_dropped, rx_filtered, tx_frames, tx_dropped;
	struct net_macs uni, multi;
	uint8_t vlan[4096 / 8]; /* bit: frames with this VLAN id are wanted */
};
static_assert(sizeof(struct net) % 8 == 0, "arrays of 64-bit members");

enum { NET_TIMER_STARVED = 0 };

/** net_pairs - queue pairs that the device has for this driver. */
unsigned net_pairs(const struct net *s);
/** net_ctrl_queue - index of the control queue (5.1.2). */
unsigned net_ctrl_queue(const struct net *s);
/** net_link_up - is there a link, as the guest sees it? */
bool net_link_up(struct dm *dm, const struct net *s);
/** net_status - puts the link's state into the configuration, and tells the driver if it changed. @announce: ask the driver
 * to announce itself if the link came up. */
void net_status(struct dm *dm, struct net *s);
/** net_offloads - tells the back-end what may be delivered. */
void net_offloads(struct dm *dm, const struct net *s);

/** net_rx_run - delivers frames, at most @budget. (rx.c) */
void net_rx_run(struct dm *dm, struct net *s, unsigned budget);
/** net_rx_buffers - receive queue @q may have new buffers. */
void net_rx_buffers(struct dm *dm, struct net *s);
/** net_rx_timer - a starved queue is looked at without a notification. */
void net_rx_timer(struct dm *dm, struct net *s);
/** net_rx_wanted - does the receive filter let frame @f of @n bytes through? */
bool net_rx_wanted(const struct net *s, const uint8_t *f, size_t n);

/** net_tx_queue - transmit queue @q. As virtio_model.queue. (tx.c) */
bool net_tx_queue(struct dm *dm, struct net *s, unsigned q, unsigned budget);

/** net_ctrl_run - control queue @q. As virtio_model.queue. (ctrl.c) */
bool net_ctrl_run(struct dm *dm, struct net *s, unsigned q, unsigned budget);
