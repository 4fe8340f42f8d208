/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* virtio-console under a driver: the model in the test environment, tests/virtio's driver on top of its registers. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "devmodel/core/testenv.h"
#include "devmodel/virtio/console/console.h"
#include "tests/virtio/drv.h"

#define RIG_QUEUES 18u

/* Control events, virtio 1.2, section 5.3.6.2. */
enum {
	EV_DEVICE_READY,
	EV_DEVICE_ADD,
	EV_DEVICE_REMOVE,
	EV_PORT_READY,
	EV_CONSOLE_PORT,
	EV_RESIZE,
	EV_PORT_OPEN,
	EV_PORT_NAME
};

/** struct rig - one device and its driver. A buffer is known by the id of its chain. */
struct rig {
	struct dm_test *t;
	struct drv d;
	struct drv_queue q[RIG_QUEUES];
	uint64_t at[RIG_QUEUES][DRV_QUEUE_MAX]; /* guest address of the buffer with that id */
};

/** rig_open - a device with @options, negotiated with @want, its first @queues queues set up, DRIVER_OK. */
struct rig *rig_open(const char *const *options, uint64_t want, unsigned queues);
void rig_close(struct rig *r);
/** rig_negotiate - resets the device and sets it up again. */
void rig_negotiate(struct rig *r, uint64_t want, unsigned queues);
/** rig_send - makes @len bytes available on queue @q in @segs pieces; no notification. Its id. */
int rig_send(struct rig *r, unsigned q, const void *bytes, uint32_t len, unsigned segs);
/** rig_post - an empty buffer of @len bytes for the device on queue @q. */
int rig_post(struct rig *r, unsigned q, uint32_t len);
/** rig_take - takes the next used chain of queue @q: its length, -1: none. *@ret: its bytes. */
int rig_take(struct rig *r, unsigned q, const uint8_t **ret);
/** rig_reap - how many chains came back on queue @q, all of length 0. */
unsigned rig_reap(struct rig *r, unsigned q);
/** rig_control - sends a control message and rings. */
void rig_control(struct rig *r, uint32_t id, unsigned event, unsigned value);
/** rig_expect - the next control message of the device is this one. @rest may be NULL. */
void rig_expect(struct rig *r, uint32_t id, unsigned event, unsigned value, const void *rest,
		size_t len);
/** rig_quiet - no control message is there. */
bool rig_quiet(struct rig *r);
/** rig_input - offers bytes to @channel; how many were taken. rig_output - takes what is queued on it. */
size_t rig_input(struct rig *r, unsigned channel, const void *bytes, size_t len);
size_t rig_output(struct rig *r, unsigned channel, void *buf, size_t max);
/** rig_errors - guest errors so far. */
uint64_t rig_errors(const struct rig *r);
/** rig_pattern - the byte at @i of a stream without a short period. */
static inline uint8_t rig_pattern(size_t i)
{
	return (uint8_t)(i * 167 + (i >> 8) * 13 + (i >> 16));
}

/** RIG_BOTH - the test over split and over packed rings: *state is the feature bit. */
#define RIG_BOTH(fn)                                                                               \
	{.name = #fn " (split)", .test_func = fn, .initial_state = (void *)0},                     \
	{                                                                                          \
		.name = #fn " (packed)", .test_func = fn, .initial_state = (void *)1               \
	}
static inline uint64_t rig_layout(void **state)
{
	return DRV_F_INDIRECT | DRV_F_EVENT_IDX | (*state ? DRV_F_PACKED : 0);
}
