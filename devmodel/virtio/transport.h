/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the files of the transport know of each other: regs.c (the table), mmio.c (registers and the status machine),
 * config.c (configuration space, inspect), queue.c (queues and their turns).
 */
#include "devmodel/core/core.h"
#include "devmodel/core/queue_ops.h"
#include "devmodel/virtio/virtio.h"

/* Register offsets: virtio 1.2, table 4.1 (section 4.2.2). */
enum {
	R_MAGIC = 0x000,
	R_VERSION = 0x004,
	R_DEVICE_ID = 0x008,
	R_VENDOR_ID = 0x00c,
	R_DEVICE_FEATURES = 0x010,
	R_DEVICE_FEATURES_SEL = 0x014,
	R_DRIVER_FEATURES = 0x020,
	R_DRIVER_FEATURES_SEL = 0x024,
	R_QUEUE_SEL = 0x030,
	R_QUEUE_NUM_MAX = 0x034,
	R_QUEUE_NUM = 0x038,
	R_QUEUE_READY = 0x044,
	R_QUEUE_NOTIFY = 0x050,
	R_INTERRUPT_STATUS = 0x060,
	R_INTERRUPT_ACK = 0x064,
	R_STATUS = 0x070,
	R_QUEUE_DESC_LOW = 0x080,
	R_QUEUE_DESC_HIGH = 0x084,
	R_QUEUE_DRIVER_LOW = 0x090,
	R_QUEUE_DRIVER_HIGH = 0x094,
	R_QUEUE_DEVICE_LOW = 0x0a0,
	R_QUEUE_DEVICE_HIGH = 0x0a4,
	R_SHM_SEL = 0x0ac,
	R_SHM_LEN_LOW = 0x0b0,
	R_SHM_LEN_HIGH = 0x0b4,
	R_SHM_BASE_LOW = 0x0b8,
	R_SHM_BASE_HIGH = 0x0bc,
	R_QUEUE_RESET = 0x0c0,
	R_CONFIG_GENERATION = 0x0fc,
	R_CONFIG = 0x100,
};

/* Reserved feature bits (section 6) that vring.h does not need to know. */
#define VIRTIO_F_RING_RESET (1ull << 40)

/* The status bits that are the driver's to set. */
#define VIRTIO_S_DRIVERS                                                                           \
	(VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_DRIVER_OK | VIRTIO_S_FEATURES_OK |      \
	 VIRTIO_S_FAILED)

/** virtio_model_of - the description that VIRTIO_DM_CLASS() put into the class. */
static inline const struct virtio_model *virtio_model_of(const struct dm *dm)
{
	return dm->cls->extra;
}

/** virtio_prepare - makes room for the iovecs. Before anything else of a call: growing moves the scratch memory. */
void virtio_prepare(struct dm *dm);
/** virtio_queue_start / _stop - the driver wrote 1 or 0 to QueueReady. start: 0, -EINVAL with the ring's error latched. */
int virtio_queue_start(struct dm *dm, void *state, unsigned q);
void virtio_queue_stop(struct dm *dm, void *state, unsigned q);
/** virtio_kick_all - every queue that is live is looked at in the next turns. */
void virtio_kick_all(void *state);
/** virtio_ring_push / _signal - to the ring, at once. */
void virtio_ring_push(struct dm *dm, void *state, unsigned q, uint16_t id, uint16_t ndesc,
		      uint32_t len);
void virtio_ring_signal(struct dm *dm, void *state, unsigned q);

/* lately.c: the last chains, for inspect: "id: out SEGMENTS/BYTES in SEGMENTS/BYTES, and how it ended". */
void lately_popped(struct dm *dm, unsigned q, const struct vring_chain *c);
void lately_unpopped(struct dm *dm, unsigned q);
void lately_pushed(struct dm *dm, unsigned q, uint16_t id, uint32_t len);
void lately_inspect(const struct dm *dm, struct dm_text *text, unsigned q);

/* fresh.c: pushes that wait for a commit. */
/** fresh_begin - at every entry: if there was a commit since, shows the driver what waited for it. True: it did. */
bool fresh_begin(struct dm *dm, void *state);
/** fresh_room - may another chain be popped before the next commit? */
bool fresh_room(const struct virtio *v);
/** fresh_popped / _unpopped - chain @c of queue @q was popped, or put back. */
void fresh_popped(struct dm *dm, struct virtio *v, unsigned q, const struct vring_chain *c);
void fresh_unpopped(struct virtio *v, unsigned q, uint16_t id);
/** fresh_push - true: the chain is one of those, and its push waits. */
bool fresh_push(struct virtio *v, unsigned q, uint16_t id, uint32_t len);
/** fresh_waiting - is there a push that waits, of queue @q or of ANY_QUEUE? */
#define ANY_QUEUE UINT32_MAX
bool fresh_waiting(const struct virtio *v, unsigned q);
/** fresh_drop - forgets those of queue @q. */
void fresh_drop(struct virtio *v, unsigned q);
/** fresh_resume - after a crash: forgets those that the driver sees already. */
void fresh_resume(struct dm *dm, void *state);

/** virtio_show_queue - the registers of the selected queue show what it is. */
void virtio_show_queue(void *state);
/** virtio_config_written - the driver wrote to the configuration space. */
void virtio_config_written(struct dm *dm, void *state, const struct dm_io *io);
