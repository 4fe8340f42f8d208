/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reading a chain that is in flight a second time, after the daemon that popped it has died.
 */
#include "vring/vring.h"

/** struct vring_mark - where the descriptors of a popped chain are. Plain data: for the device's state. */
struct vring_mark {
	uint64_t table;		       /* packed: the indirect table; 0: there is none */
	uint16_t entries;	       /* of that table */
	uint16_t slot;		       /* packed: the first descriptor's place in the ring */
} __attribute__((packed, aligned(4))); /* there are many of them */

/** vring_mark - notes where chain @c is, which was popped last. Split rings need no note: the head is the id. */
void vring_mark(const struct vring *r, const struct vring_mem *mem, const struct vring_chain *c,
		struct vring_mark *ret);

/** vring_reread - as vring_pop() filled it: the chain (@id, @ndesc), which is in flight. The ring does not move. For packed
 * rings only as long as nothing was pushed over its descriptors, or it has a table. 0, -EIO: what is there now is
 * no chain; the ring is not latched as broken. */
int vring_reread(const struct vring *r, const struct vring_mem *mem, uint16_t id, uint16_t ndesc,
		 const struct vring_mark *mark, struct iovec *iov, unsigned max,
		 struct vring_chain *ret);
