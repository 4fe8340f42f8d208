/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A correct driver: cases that end in the right data; virtio_conform.c runs them in every layout. */
#include "tests/wire/virtio_models.h"

/** struct vconform - one case. Tables end with {}. */
struct vconform {
	const char *name;
	void (*run)(struct vrig *v);
	uint32_t device_id; /* 0: every model */
	uint64_t features;  /* of the device, to be negotiated */
};
#define VCONFORM(id, fn, wants)                                                                    \
	{                                                                                          \
		.name = #fn, .run = (fn), .device_id = (id), .features = (wants)                   \
	}

extern const struct vconform vconforms[], vconforms_blk[], vconforms_net[], vconforms_stream[],
	vconforms_host[];

/** conform_add - makes a chain available, in an indirect table where that was negotiated. Its id; -1: no room. */
int conform_add(struct vrig *v, struct drv_queue *q, const struct drv_seg *seg, unsigned n);
/** conform_do - adds a chain, notifies, waits for its end. Returns the used length. */
uint32_t conform_do(struct vrig *v, struct drv_queue *q, const struct drv_seg *seg, unsigned n);
/** conform_random - the next of a fixed sequence of numbers. */
uint32_t conform_random(void);
