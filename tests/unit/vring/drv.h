/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A driver for ring tests, written from the specification (virtio 1.2, 2.7 and 2.8), independent of vring/. It keeps every
 * MUST; tests that break one write into its memory. One thread; the device may run in another one.
 */
#include "guest.h"

#define DRV_SEGS 64u
#define DRV_TABLE(id)                                                                              \
	(GUEST_GPA(AREA_DATA) + (uint64_t)(id)*DRV_SEGS * 16) /* indirect table of a chain */

/** struct drv_seg - one buffer. */
struct drv_seg {
	uint64_t gpa;
	uint32_t len;
	bool write; /* for the device */
};

/** struct drv_desc - a descriptor in guest memory, either kind: (next) or (id, flags). */
struct drv_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t w12, w14; /* split: flags, next; packed: id, flags */
};

struct drv {
	struct guest *g;
	bool packed, event_idx;
	unsigned size, nfree;
	uint64_t desc_gpa, driver_gpa, device_gpa;
	struct drv_desc *desc;
	uint16_t *driver, *device; /* areas, as 16-bit words */
	uint16_t avail, used;	   /* split: indices; packed: slots */
	unsigned avail_wrap, used_wrap;
	uint16_t last_kick;  /* split: avail.idx when a kick was last considered */
	unsigned since_kick; /* packed: slots made available since then */
	uint16_t free_head;
	uint16_t free_next[VRING_SIZE_MAX]; /* split: descriptors; packed: ids */
	uint16_t taken[VRING_SIZE_MAX];	    /* by id: slots of the ring */
	uint64_t token[VRING_SIZE_MAX];	    /* by id */
};

/** drv_init - lays out the ring in @g and fills @r as the transport does before vring_start(). */
void drv_init(struct drv *d, struct guest *g, struct vring *r, unsigned size, uint64_t features);

/** drv_add - makes a chain available. @indirect: as segments [@nindirect, n) in a table (2.8: 0 only). False: the ring is
 * full. @ret_id may be NULL. */
#define DRV_DIRECT UINT16_MAX
bool drv_add(struct drv *d, const struct drv_seg *seg, unsigned n, unsigned nindirect,
	     uint64_t token, uint16_t *ret_id);

/** drv_stage - as drv_add(), but the device does not see it before drv_publish(). Split only. */
bool drv_stage(struct drv *d, const struct drv_seg *seg, unsigned n, uint16_t *ret_id);
void drv_publish(struct drv *d);

/** drv_reap - takes the next used chain. False: there is none. */
bool drv_reap(struct drv *d, uint64_t *ret_token, uint32_t *ret_len);

/** drv_kick_needed - after drv_add(): full fence, then whether the device wants to be notified. */
bool drv_kick_needed(struct drv *d);

/** drv_irq_off, drv_irq_on - asks for no interrupts, or for one at the next used chain; _on: full fence, then true if there is
 * a used chain already. */
void drv_irq_off(struct drv *d);
bool drv_irq_on(struct drv *d);

/** drv_irq_at - asks for an interrupt when the entry @ahead of the next one to reap is used (event index only). */
void drv_irq_at(struct drv *d, unsigned ahead);
