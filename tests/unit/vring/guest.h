/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Guest memory for ring tests: four windows, each with inaccessible pages on both sides, so that whoever leaves one faults.
 * The device's view is a mapping of its own in which only what it may write is writable.
 */
#include "vring/vring.h"

enum guest_area { AREA_DESC, AREA_DRIVER, AREA_DEVICE, AREA_DATA, AREAS };

#define GUEST_AREA_BYTES (2u << 20)
#define GUEST_GPA(area) (0x40000000ull + (uint64_t)(area)*0x1000000u)
#define GUEST_BUFFERS                                                                              \
	(GUEST_GPA(AREA_DATA) + GUEST_BUFFER_BYTES) /* the lower half holds indirect tables */
#define GUEST_BUFFER_BYTES (GUEST_AREA_BYTES / 2)

struct guest {
	struct vring_mem mem;	/* the device's view */
	uint8_t *driver[AREAS]; /* the driver's view of the same memory */
	uint8_t *base[2 * AREAS];
};

/** guest_init - @packed: the device writes descriptors. @one_view: the driver uses the device's mapping, for sanitizers that
 * follow addresses. */
void guest_init(struct guest *g, bool packed, bool one_view);
void guest_fini(struct guest *g);

/** guest_ptr - the driver's view of @gpa, which is in a window. */
uint8_t *guest_ptr(struct guest *g, uint64_t gpa);

/** guest_end - the address at which @bytes (kept aligned to @align) end with an area, or just before. */
uint64_t guest_end(enum guest_area area, uint64_t bytes, uint64_t align);
