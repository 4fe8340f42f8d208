/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The virtio transport that all virtio models share: virtio over MMIO, version 2 (virtio 1.2, section 4.2).
 *
 * A model's state is one plain struct that begins with VIRTIO_STATE(n), n queues. Its dm_class names the transport's
 * functions through VIRTIO_DM_CLASS() and its own behaviour through a struct virtio_model, below.
 * Registers, feature negotiation, status machine, reset, configuration generation and interrupts are the transport's;
 * queues are popped and pushed through virtio_pop() and virtio_push().
 */
#include "devmodel/dm.h"
#include "vring/reread.h"

#define VIRTIO_QUEUES_MAX 18u	 /* of one device: 8 pairs and two control queues */
#define VIRTIO_CONFIG_BYTES 256u /* device-specific configuration, from offset 0x100 on */
#define VIRTIO_REGION_BYTES 0x200u
#define VIRTIO_VENDOR 0x4754524fu /* "ORTG" read little-endian */

/* Device status (2.1). */
#define VIRTIO_S_ACKNOWLEDGE 1u
#define VIRTIO_S_DRIVER 2u
#define VIRTIO_S_DRIVER_OK 4u
#define VIRTIO_S_FEATURES_OK 8u
#define VIRTIO_S_NEEDS_RESET 64u
#define VIRTIO_S_FAILED 128u

/* Events of the interrupt status register (4.2.2). */
#define VIRTIO_INT_USED 1u
#define VIRTIO_INT_CONFIG 2u

#define VIRTIO_FRESH 64u /* chains of packed rings that can be popped between two commits */

/** struct virtio_fresh - a chain of a packed ring that was popped since the last commit: see fresh.c. */
struct virtio_fresh {
	uint32_t len;
	uint16_t id, ndesc;
	uint8_t queue, pushed;
	uint16_t reserved;
};

/** struct virtio - the transport's state. Plain data, the first member of a model's state; the queues follow it. */
struct virtio {
	/* registers; the table's fields point here */
	uint32_t device_features_sel, driver_features_sel, queue_sel;
	uint32_t device_features_word;	      /* what DeviceFeatures shows: follows the selector */
	uint32_t queue_size_max, queue_ready; /* of the selected queue */
	uint32_t queue_size;
	uint32_t queue_desc_lo, queue_desc_hi, queue_driver_lo, queue_driver_hi, queue_device_lo,
		queue_device_hi;
	uint32_t status;
	uint32_t shm_sel, shm_len_lo, shm_len_hi, shm_base_lo, shm_base_hi;
	uint32_t queue_reset;
	uint32_t config_generation;
	uint32_t nqueues;
	uint64_t offered;      /* device features */
	uint64_t negotiated;   /* after FEATURES_OK; before: what the driver has written so far */
	uint64_t written;      /* driver features as written */
	uint32_t broken_queue; /* index + 1 of the queue that broke first; 0: none */
	uint32_t more;	       /* bit q: queue q has more work than one turn allowed */
	uint32_t unarmed;      /* bit q: found empty, and the driver not asked to notify yet */
	uint32_t turn;	       /* the queue that more is served for next */
	uint32_t device_id;    /* a constant: the table is shared by all models */
	uint32_t signal; /* bit q: signal queue q once its pushes that wait for a commit are done */
	uint64_t
		stale; /* bit q: one late doorbell, rung before a reset, is no error of the driver */
	uint32_t nfresh, fresh_at; /* chains below, and the commit that they follow (low half) */
	struct virtio_fresh fresh[VIRTIO_FRESH];
	uint8_t config[VIRTIO_CONFIG_BYTES]; /* the shadow page serves it in every width */
};

/** VIRTIO_STATE - the head of a model's state: transport and @n queues. */
#define VIRTIO_STATE(n)                                                                            \
	struct virtio v;                                                                           \
	struct vring q[n]

/** struct virtio_model - what one kind of virtio device does. Functions may be NULL but where it says so.
 * @state is the model's whole state, which begins with struct virtio. */
struct virtio_model {
	uint32_t device_id;	  /* virtio 1.2, section 5 */
	unsigned queues;	  /* queues in the state; queues() may use fewer */
	uint32_t config_writable; /* bytes [0, n) of the configuration that a driver may write */
	bool config_early;	  /* ... even before FEATURES_OK (5.3.4: emergency write) */
	/** features - device-specific feature bits offered (the transport adds its own: VERSION_1, INDIRECT_DESC, EVENT_IDX,
	 * RING_PACKED where allowed by the options). Called once at reset. Required. */
	uint64_t (*features)(struct dm *dm, const void *state);
	/** setup - after power-on and after every reset by the driver: fills v.config, q[i].size_max, and own fields.
	 * v.nqueues is set here if it is less than @queues. Required. */
	void (*setup)(struct dm *dm, void *state);
	/** features_ok - false refuses the driver's choice: FEATURES_OK stays 0 (3.1.1 step 6). */
	bool (*features_ok)(struct dm *dm, void *state, uint64_t features);
	/** driver_ok - DRIVER_OK was set: the device is live. */
	void (*driver_ok)(struct dm *dm, void *state);
	/** quiesce - before a reset (of the device, or of queue @q when >= 0): after it returns no host request of that queue
	 * touches guest memory any more. May wait for the host. When the whole VM resets, @state is zeroed already. */
	void (*quiesce)(struct dm *dm, void *state, int q);
	/** queue - queue @q was notified, or has more work left. Pops at most @budget chains; returns true if it stopped only
	 * because of the budget (it is called again soon). Required. */
	bool (*queue)(struct dm *dm, void *state, unsigned q, unsigned budget);
	/** config_write - the driver wrote @width bytes at @offset; v.config holds the new value. */
	void (*config_write)(struct dm *dm, void *state, uint32_t offset, unsigned width);
	/** resume - as dm_class.resume: a daemon of the same build died and we go on from its committed state. All queues
	 * are notified after it. */
	void (*resume)(struct dm *dm, void *state);
	void (*inspect)(struct dm *dm, const void *state, struct dm_text *text);
	/** check - a saved state came from outside: false if an index of the model's own would lead out of it. The transport has
	 * checked its part, and the rings. */
	bool (*check)(struct dm *dm, const void *state);
};

#define VIRTIO_BUDGET 64u /* chains per turn and queue */
#define VIRTIO_SCRATCH_IOV (VRING_SIZE_MAX * sizeof(struct iovec))

/** virtio_pop - the next chain of queue @q. 1, 0: none, -EIO: the queue is broken (the device now needs a reset).
 * Its iovecs are valid until the next virtio_pop() or the end of this call of the model. They stand in the last
 * VIRTIO_SCRATCH_IOV bytes of dm_scratch(dm, 1 MiB): a model may use dm_scratch() for what is before them. */
int virtio_pop(struct dm *dm, void *state, unsigned q, struct vring_chain *ret);
/** virtio_unpop - puts back the chain popped last. */
void virtio_unpop(struct dm *dm, void *state, unsigned q, const struct vring_chain *c);
/** virtio_push - gives a chain back with @len bytes written, and counts one request. Ignored if the queue is not live.
 * A chain of a packed ring that was popped in the same call is shown to the driver after the commit, by the next work(). */
void virtio_push(struct dm *dm, void *state, unsigned q, uint16_t id, uint16_t ndesc, uint32_t len);
/** virtio_signal - after pushes: interrupts the driver if it wants that. What waits for a commit does so then. */
void virtio_signal(struct dm *dm, void *state, unsigned q);
/** virtio_rearm - the queue was emptied: asks for notifications; true: there is more, pop again. The transport does so
 * by itself after the model's queue(), and in the next turn of work, for a queue whose last virtio_pop() gave 0. */
bool virtio_rearm(struct dm *dm, void *state, unsigned q);
/** virtio_hush - asks for no notifications while the model looks by itself. */
void virtio_hush(struct dm *dm, void *state, unsigned q);
/** virtio_more - queue @q has work that could not be done now: call the model's queue() for it in the next turn. */
void virtio_more(struct dm *dm, void *state, unsigned q);
/** virtio_broken - the driver broke a rule on queue @q: latch, log (limited), DEVICE_NEEDS_RESET and a config interrupt. */
void virtio_broken(struct dm *dm, void *state, unsigned q, const char *why);
/** virtio_config_changed - v.config was changed by the device: new generation, and a config interrupt after DRIVER_OK. */
void virtio_config_changed(struct dm *dm, void *state);
/** virtio_adopt - for resume: tells which chains of queue @q were given back after the last commit: see vring_adopt(). */
void virtio_adopt(struct dm *dm, void *state, unsigned q, unsigned (*seen)(void *ctx, uint16_t id),
		  void *ctx);
/** virtio_adopt_all - the same for a queue whose chains are popped and pushed in one call of the model, in order: nothing
 * is outstanding in a committed state. Models without resume() get this for every queue. */
void virtio_adopt_all(struct dm *dm, void *state, unsigned q);
/** virtio_mark - for resume: notes where the chain popped last is. virtio_reread - and reads it again: see vring/reread.h. */
void virtio_mark(struct dm *dm, void *state, unsigned q, const struct vring_chain *c,
		 struct vring_mark *ret);
int virtio_reread(struct dm *dm, void *state, unsigned q, uint16_t id, uint16_t ndesc,
		  const struct vring_mark *mark, struct iovec *iov, unsigned max,
		  struct vring_chain *ret);
/** virtio_ring_skip - after a crash: true if the next push to the ring, that of this chain, was done already. */
bool virtio_ring_skip(struct dm *dm, void *state, unsigned q, uint16_t id, uint16_t ndesc);
/** virtio_live - true between DRIVER_OK and the next reset, unless DEVICE_NEEDS_RESET is set. */
bool virtio_live(const void *state);
/** virtio_queue_live - live, and queue @q is ready and not broken. */
bool virtio_queue_live(const void *state, unsigned q);
/** virtio_has - was this feature negotiated? */
static inline bool virtio_has(const void *state, uint64_t feature)
{
	return ((const struct virtio *)state)->negotiated & feature;
}
/** virtio_config_put - stores a little-endian integer of @width bytes in the configuration. */
void virtio_config_put(void *state, uint32_t offset, unsigned width, uint64_t value);

/** virtio_queue - queue @q of a model's state. */
static inline struct vring *virtio_queue(void *state, unsigned q)
{
	return (struct vring *)(void *)((struct virtio *)state + 1) + q;
}

/* What a class fills in: the transport's functions, which find the struct virtio_model in dm_class.extra. */
extern const struct dm_reg virtio_regs[];
void virtio_dm_reset(struct dm *dm, void *state);
void virtio_dm_write(struct dm *dm, void *state, const struct dm_io *io);
void virtio_dm_doorbell(struct dm *dm, void *state, unsigned index);
bool virtio_dm_work(struct dm *dm, void *state);
void virtio_dm_resume(struct dm *dm, void *state);
size_t virtio_dm_save(struct dm *dm, const void *state, void *buf, size_t max);
int virtio_dm_load(struct dm *dm, void *state, uint32_t version, const void *buf, size_t len);
void virtio_dm_inspect(struct dm *dm, const void *state, struct dm_text *text);

/** VIRTIO_OPTIONS - options of every virtio model; put first into its option table. */
#define VIRTIO_OPTIONS                                                                             \
	{.name = "packed",                                                                         \
	 .type = DM_OPT_BOOL,                                                                      \
	 .def = "true",                                                                            \
	 .help = "offer packed virtqueues; a driver that does not know them uses split ones"},     \
		{.name = "event_idx",                                                              \
		 .type = DM_OPT_BOOL,                                                              \
		 .def = "true",                                                                    \
		 .help = "offer notification suppression by event index"},                         \
	{                                                                                          \
		.name = "indirect", .type = DM_OPT_BOOL, .def = "true",                            \
		.help = "offer indirect descriptors"                                               \
	}

/** VIRTIO_DM_CLASS - the members of a dm_class that belong to the transport. @model: its struct virtio_model. */
#define VIRTIO_DM_CLASS(model)                                                                     \
	.regions = (const struct dm_region[]){{.name = "virtio-mmio",                              \
					       .size = VIRTIO_REGION_BYTES,                        \
					       .widths = 1 | 2 | 4 | 8,                            \
					       .regs = virtio_regs},                               \
					      {}},                                                 \
	.irqs = 1, .dma = true, .extra = (model), .reset = virtio_dm_reset,                        \
	.write = virtio_dm_write, .doorbell = virtio_dm_doorbell, .work = virtio_dm_work,          \
	.resume = virtio_dm_resume, .save = virtio_dm_save, .load = virtio_dm_load,                \
	.inspect = virtio_dm_inspect,                                                              \
	.fdt = {.node = "virtio_mmio",                                                             \
		.compatible = (const char *const[]){"virtio,mmio", NULL},                          \
		.dma_coherent = true}
