/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A virtio daemon under test: hv's role (wire.h) with the driver of tests/virtio on top of it.
 *
 * Accesses go the ways that the daemon registered, as hv sends them: shadow reads from the shadow page, doorbells, pending
 * events. vrig_raw_*() send an access into the ring whatever its way is, as an hv that trusts no rule would.
 *
 * Touches. vrig_freeze() takes a copy of guest memory; from then on only the places that vrig_may() named (rings by
 * themselves, buffers that the device may write by vrig_add()) may change. vrig_intact() finds whatever else did.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "tests/virtio/drv.h"
#include "tests/wire/wire.h"

#define VRIG_QUEUES 4u
#define VRIG_PLACES 2048u
#define VRIG_SEGS 8u
#define VRIG_PATIENCE_MS 5000

struct vrig;

/** enum vshape - the buffers of a correct request. */
enum vshape {
	VSHAPE_OUT = 1, /* read by the device only */
	VSHAPE_IN,	/* written by the device only */
	VSHAPE_REQ,	/* read, then written */
};

/** struct vtarget - one queue of one model that hostile cases are run on. */
struct vtarget {
	const char *model, *name;
	uint32_t device_id; /* virtio 1.2, section 5 */
	unsigned queue;
	enum vshape shape;
	uint64_t features; /* of the device, to be negotiated */
	/** prepare - after DRIVER_OK: what it takes until the queue serves. May be NULL. */
	void (*prepare)(struct vrig *v);
	/** poke - makes the device look for a buffer, where a notification alone does not. May be NULL. */
	void (*poke)(struct vrig *v);
	/** request - buffers of one correct request, readable ones first. Returns how many. */
	unsigned (*request)(struct vrig *v, struct drv_seg seg[VRIG_SEGS]);
	/** answer - checks the answer to it: @len bytes were written. */
	void (*answer)(struct vrig *v, const struct drv_seg *seg, unsigned n, uint32_t len);
};

/** struct vrig - see above. */
struct vrig {
	struct wire *w;
	const char *exe; /* borrowed */
	struct drv d;
	uint32_t device_id;
	bool packed;		      /* the layout to be negotiated */
	uint64_t dropped;	      /* features not to be negotiated by vrig_open() */
	const struct vtarget *target; /* NULL: none */
	struct drv_queue q[VRIG_QUEUES];
	unsigned nq;
	uint8_t *was; /* guest memory as it was; NULL: not frozen */
	struct {
		uint64_t gpa, bytes;
	} place[VRIG_PLACES];
	unsigned places;
	bool keep_output; /* what the device sends to the host is read by the test; else it is thrown away */
};

/** vrig_create - starts daemon @exe. */
struct vrig *vrig_create(const char *exe);
void vrig_destroy(struct vrig *v);
/** vrig_revive - starts a new daemon if this one has died. True: it had. */
bool vrig_revive(struct vrig *v);
/** vrig_is_alive - the process is there, is not quarantining itself, and answers a read. */
bool vrig_is_alive(struct vrig *v);

/** vrig_features - what vrig_open() asks for: layout, INDIRECT, EVENT_IDX and the target's, without v->dropped. */
uint64_t vrig_features(const struct vrig *v);
/** vrig_negotiate - reset to FEATURES_OK. Fails the test if the device refuses. */
void vrig_negotiate(struct vrig *v);
/** vrig_queues - sets up the first queues, those that there are up to VRIG_QUEUES, with at most @size entries. */
void vrig_queues(struct vrig *v, uint16_t size);
/** vrig_live - DRIVER_OK and what the target needs. */
void vrig_live(struct vrig *v);
/** vrig_open - all three. */
void vrig_open(struct vrig *v);
/** vrig_open_with - vrig_open(), with these features as well where they are offered. */
void vrig_open_with(struct vrig *v, uint64_t features);
/** vrig_q - the target's queue. */
struct drv_queue *vrig_q(struct vrig *v);

/** vrig_read / vrig_write - a guest access by the way that the daemon registered. */
uint64_t vrig_read(struct vrig *v, uint32_t offset, unsigned width);
void vrig_write(struct vrig *v, uint32_t offset, unsigned width, uint64_t value);
/** vrig_raw_read / vrig_raw_write - through the ring, whatever the way. */
uint64_t vrig_raw_read(struct vrig *v, uint32_t offset, unsigned width);
void vrig_raw_write(struct vrig *v, uint32_t offset, unsigned width, uint64_t value);

/** vrig_wait - until @ready(@arg), or VRIG_PATIENCE_MS have passed: false. */
bool vrig_wait(struct vrig *v, bool (*ready)(void *arg), void *arg);
/** vrig_settle - until the device has taken its doorbells and served what was before this. */
void vrig_settle(struct vrig *v);
/** vrig_drain - throws away what the device has sent to the host. */
void vrig_drain(struct vrig *v);
/** vrig_errors - how often the guest did what it must not, as the daemon counts it. */
uint64_t vrig_errors(struct vrig *v);

/** vrig_freeze / vrig_may / vrig_intact - see above. A place that is not wholly in guest memory is not added. */
void vrig_freeze(struct vrig *v);
void vrig_may(struct vrig *v, uint64_t gpa, uint64_t bytes);
void vrig_intact(struct vrig *v);
/** vrig_own - the test itself wrote there since vrig_freeze(). */
void vrig_own(struct vrig *v, uint64_t gpa, uint64_t bytes);
/** vrig_thaw - forgets copy and places. */
void vrig_thaw(struct vrig *v);

/** vrig_buffer - @bytes of guest memory, filled with @fill. */
uint64_t vrig_buffer(struct vrig *v, uint64_t bytes, uint8_t fill);
/** vrig_end - the first address behind guest memory. */
uint64_t vrig_end(const struct vrig *v);
/** vrig_add / vrig_add_indirect - drv_add(), and what the device may write is a place. Fails the test for want of room. */
unsigned vrig_add(struct vrig *v, struct drv_queue *q, const struct drv_seg *seg, unsigned n);
unsigned vrig_add_indirect(struct vrig *v, struct drv_queue *q, const struct drv_seg *seg,
			   unsigned n);

/** enum vend - how a hostile case has to end. */
enum vend {
	VEND_BROKEN =
		1, /* DEVICE_NEEDS_RESET, a configuration interrupt, and a guest error is counted */
	VEND_DONE, /* the chain comes back */
	VEND_EITHER, /* one of these */
	VEND_QUIET,  /* neither */
};
/** vrig_expect - freezes if that was not done, notifies queue @q, pokes, and waits for the end. Memory must be intact. */
void vrig_expect(struct vrig *v, struct drv_queue *q, enum vend end);
/** vrig_end_of - the same where a device may also keep the chain: it gets as long as it takes to look at it, then a reset. */
void vrig_end_of(struct vrig *v, struct drv_queue *q);
/** vrig_request - one correct request on the target's queue; its answer is checked. */
void vrig_request(struct vrig *v);
/** vrig_recover - what must hold after each case: alive, and after a reset and a correct start a correct request works. */
void vrig_recover(struct vrig *v);

/** vtargets - the table, ends with a zero one (virtio_targets.c). */
extern const struct vtarget vtargets[];
/** vtarget_prepare_wire - options and back-ends that the model needs, before the daemon starts. */
void vtarget_prepare_wire(struct wire *w, uint32_t device_id);
