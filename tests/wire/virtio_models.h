/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the tests need to know of each kind of device: virtio 1.2, section 5; and the host's side of each. */
#include "tests/wire/virtio_rig.h"

#define VID_NET 1u
#define VID_BLK 2u
#define VID_CONSOLE 3u
#define VID_RNG 4u

/* Network (5.1). */
#define NET_F_CSUM (1ull << 0)
#define NET_F_GUEST_CSUM (1ull << 1)
#define NET_F_MAC (1ull << 5)
#define NET_F_GUEST_TSO4 (1ull << 7)
#define NET_F_HOST_TSO4 (1ull << 11)
#define NET_F_HOST_TSO6 (1ull << 12)
#define NET_F_MRG_RXBUF (1ull << 15)
#define NET_F_STATUS (1ull << 16)
#define NET_F_CTRL_VQ (1ull << 17)
#define NET_F_CTRL_RX (1ull << 18)
#define NET_F_CTRL_VLAN (1ull << 19)
#define NET_F_MQ (1ull << 22)
#define NET_F_CTRL_MAC_ADDR (1ull << 23)
#define NET_HDR 12u
#define NET_FRAME 60u
#define NET_MAC "\xff\xff\xff\xff\xff\xff"

/** net_frame - an Ethernet frame of @len bytes to everybody: IPv4 if it is long enough, with a payload made from @seed. */
void net_frame(uint8_t *p, unsigned len, unsigned seed);
/** net_host_send - a frame arrives from the network. */
void net_host_send(struct vrig *v, const void *frame, unsigned len);
/** net_host_recv - the next frame that the device sent: its length, 0: none in time. */
unsigned net_host_recv(struct vrig *v, uint8_t *frame, unsigned max);

/* Block (5.2). */
#define BLK_F_SEG_MAX (1ull << 2)
#define BLK_F_RO (1ull << 5)
#define BLK_F_BLK_SIZE (1ull << 6)
#define BLK_F_FLUSH (1ull << 9)
#define BLK_F_CONFIG_WCE (1ull << 11)
#define BLK_F_MQ (1ull << 12)
#define BLK_F_DISCARD (1ull << 13)
#define BLK_F_WRITE_ZEROES (1ull << 14)
#define BLK_IN 0u
#define BLK_OUT 1u
#define BLK_FLUSH 4u
#define BLK_GET_ID 8u
#define BLK_DISCARD 11u
#define BLK_WRITE_ZEROES 13u
#define BLK_QUEUES 3u
#define BLK_SERIAL "outrigger-test"
#define BLK_S_OK 0
#define BLK_S_IOERR 1
#define BLK_S_UNSUPP 2

/** blk_header - a request header in guest memory. */
uint64_t blk_header(struct vrig *v, uint32_t type, uint64_t sector);

/* Console (5.3). */
#define CON_F_SIZE (1ull << 0)
#define CON_F_MULTIPORT (1ull << 1)
#define CON_F_EMERG_WRITE (1ull << 2)
#define CON_PORT1 "org.outrigger.test"
#define CON_DEVICE_READY 0u
#define CON_PORT_ADD 1u
#define CON_PORT_REMOVE 2u
#define CON_PORT_READY 3u
#define CON_CONSOLE_PORT 4u
#define CON_RESIZE 5u
#define CON_PORT_OPEN 6u
#define CON_PORT_NAME 7u

/** con_message - a control message in guest memory. */
uint64_t con_message(struct vrig *v, uint32_t port, uint16_t event, uint16_t value);
/** con_host_send - bytes arrive from the host on the first port. Room for them must be there. */
void con_host_send(struct vrig *v, const void *buf, unsigned len);
/** con_host_recv - @len bytes that the device sent. Fails the test if they do not come. */
void con_host_recv(struct vrig *v, uint8_t *buf, unsigned len);

/* ---- cases ------------------------------------------------------------------------------------------------ */

/** enum vcase_for - what a case is for. 0: both layouts, every target. */
enum vcase_for {
	VCASE_SPLIT = 1,
	VCASE_PACKED = 2,
	VCASE_ONCE = 4, /* the device, not a queue: with its first target only */
	VCASE_LIVE = 8, /* vrig_open() before it */
};

/** struct vcase - one case. Tables end with {}. */
struct vcase {
	const char *name;
	void (*run)(struct vrig *v);
	unsigned what;	    /* enum vcase_for */
	uint32_t device_id; /* 0: every model */
	unsigned queue;	    /* with device_id: only targets of this queue */
};
#define VCASE(fn, for_what)                                                                        \
	{                                                                                          \
		.name = #fn, .run = (fn), .what = (for_what)                                       \
	}
#define VCASE_OF(id, q, fn)                                                                        \
	{                                                                                          \
		.name = #fn, .run = (fn), .what = VCASE_LIVE, .device_id = (id), .queue = (q)      \
	}
