/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* virtio-net under a driver: the model in the test environment, tests/virtio's driver on top of its registers. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "devmodel/core/testenv.h"
#include "devmodel/virtio/net/net.h"
#include "tests/virtio/drv.h"

#define RIG_QUEUES 17u
#define RIG_FEATURES                                                                               \
	(NET_F_MAC | NET_F_STATUS | NET_F_CTRL_VQ | NET_F_CTRL_RX | NET_F_CTRL_RX_EXTRA |          \
	 NET_F_CTRL_VLAN | NET_F_CTRL_MAC_ADDR | NET_F_GUEST_ANNOUNCE)
#define RIG_OFFLOADS                                                                               \
	(NET_F_CSUM | NET_F_HOST_TSO4 | NET_F_HOST_TSO6 | NET_F_GUEST_CSUM | NET_F_GUEST_TSO4 |    \
	 NET_F_GUEST_TSO6 | NET_F_CTRL_GUEST_OFFLOADS)

/** struct rig - one device and its driver. A buffer is known by the id of its chain. */
struct rig {
	struct dm_test *t;
	struct drv d;
	struct drv_queue q[RIG_QUEUES];
	uint64_t at[RIG_QUEUES][DRV_QUEUE_MAX]; /* guest address of the buffer with that id */
};

/** rig_create - a device whose link offers all offloads and @pairs queues; nothing negotiated. */
struct rig *rig_create(const char *const *options, unsigned pairs);
/** rig_open - and negotiated with @want, its first @queues queues set up, DRIVER_OK. */
struct rig *rig_open(const char *const *options, uint64_t want, unsigned queues);
void rig_close(struct rig *r);
/** rig_negotiate - resets the device and sets it up again. */
void rig_negotiate(struct rig *r, uint64_t want, unsigned queues);
/** rig_send - a header @h (NULL: zeros) and a frame on transmit queue @q, in @segs pieces; notifies. */
int rig_send(struct rig *r, unsigned q, const uint8_t *h, const void *frame, uint32_t len,
	     unsigned segs);
/** rig_post - an empty buffer of @len bytes on receive queue @q; no notification. */
int rig_post(struct rig *r, unsigned q, uint32_t len);
/** rig_take - takes the next used chain of queue @q: its length, -1: none. *@ret: its bytes. */
int rig_take(struct rig *r, unsigned q, uint8_t **ret);
/** rig_sent - takes the frame that the device sent first: its length with the header, 0: none. */
size_t rig_sent(struct rig *r, uint8_t *frame, unsigned *ret_queue);
/** rig_command - a control command; the device's answer: 0 good, 1 refused, -1 none. */
int rig_command(struct rig *r, unsigned cls, unsigned cmd, const void *data, uint32_t len);
/** rig_frame - a frame to @dst of @len bytes with a pattern. @vlan: its tag, 0: none. */
void rig_frame(uint8_t *f, size_t len, const uint8_t dst[6], unsigned vlan);
/** rig_state - the model's state. */
static inline struct net *rig_state(struct rig *r)
{
	return r->t->dm->state;
}

/** RIG_BOTH - the test over split and over packed rings. */
#define RIG_BOTH(fn)                                                                               \
	{.name = #fn " (split)", .test_func = fn, .initial_state = (void *)0},                     \
	{                                                                                          \
		.name = #fn " (packed)", .test_func = fn, .initial_state = (void *)1               \
	}
static inline uint64_t rig_layout(void **state)
{
	return DRV_F_INDIRECT | DRV_F_EVENT_IDX | (*state ? DRV_F_PACKED : 0);
}
