/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A copied device: a guest that drives its registers and rings, the core's copier, and the daemon's end of the channel. */
#include "devmodel/core/core.h"
#include "devmodel/virtio/copyq.h"
#include "drv.h"
#include "hv/copy.h"
#include "hv/mem.h"
#include "proto/copychan.h"
#include <semaphore.h>

#define RAM_BASE 0x40000000ull
#define RAM_BYTES (64ull << 20)

struct rig {
	struct mem ram;
	struct guest g; /* the driver's view: areas of the RAM */
	struct copy *copy;
	/* what the copier called */
	sem_t rung, used, cut; /* daemon, guest, quarantine */
	_Atomic uint32_t rings, uses, hostiles;
	const char *what;
	/* the daemon */
	struct dm dm;
	struct vring_mem channel; /* its window */
	struct vring dev[2];	  /* queue state, as in a model's */
	/* the guest */
	struct drv drv[2];
};

/** rig_init / rig_fini - a device whose registers nobody has touched. */
void rig_init(struct rig *r);
void rig_fini(struct rig *r);

/** rig_write - the guest writes a register; the daemon takes part in what concerns queue @q's life. */
void rig_write(struct rig *r, uint32_t offset, uint32_t value);

/** rig_queue - the guest sets queue @q up and makes it ready. Returns what the daemon's start gave. */
int rig_queue(struct rig *r, unsigned q, unsigned size, uint64_t features);

/** rig_live - features and status up to DRIVER_OK; rig_up: all of it with queue 0. */
void rig_features(struct rig *r, uint64_t features);
void rig_live(struct rig *r);
void rig_up(struct rig *r, unsigned size, uint64_t features);

/** rig_notify - the guest's doorbell. */
void rig_notify(struct rig *r, unsigned q);

/** rig_wait - waits for one of the semaphores above; false after 20 s. */
bool rig_wait(sem_t *s);

/** rig_pop / rig_push / rig_signal - the daemon. */
int rig_pop(struct rig *r, unsigned q, struct iovec *iov, struct vring_chain *c);
/** rig_pop_wait - a chain that is there, or that the service thread is about to hand on. False: none within 20 s. */
bool rig_pop_wait(struct rig *r, unsigned q, struct iovec *iov, struct vring_chain *c);
void rig_push(struct rig *r, unsigned q, const struct vring_chain *c, uint32_t len);
void rig_signal(struct rig *r, unsigned q);

/** rig_reap - the guest takes a used buffer, waiting for it. False: none came within 20 s. */
bool rig_reap(struct rig *r, unsigned q, uint64_t *ret_token, uint32_t *ret_len);
