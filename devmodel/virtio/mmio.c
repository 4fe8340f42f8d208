/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers and the status machine of virtio over MMIO: virtio 1.2, sections 2.1, 2.2, 2.4, 3.1 and 4.2.
 *
 * Theory of operation. The registers of the selected queue are a view: the table stores what the driver writes, the hook
 * decides whether the queue takes it, and virtio_show_queue() makes the view say what the queue is. What the
 * specification forbids the driver is ignored and counted as a guest error, unless it leaves a queue that cannot work:
 * then the device needs a reset.
 *
 * Every control write is forwarded: when the driver's store has returned, it has taken effect. So reset, QueueReady = 0 and
 * QueueReset are complete (quiesce() has waited for the host) when the driver reads the register back.
 */
#include "devmodel/virtio/transport.h"
#include <string.h>

/* ---- reset ---------------------------------------------------------------------------------------- */

static void show_features(struct virtio *v)
{
	uint32_t sel = v->device_features_sel; /* 2.2: words of 32 bits; there are two */
	v->device_features_word = sel < 2 ? (uint32_t)(v->offered >> (32 * sel)) : 0;
}

void virtio_show_queue(void *state)
{
	static const struct vring none;
	struct virtio *v = state;
	const struct vring *r =
		v->queue_sel < v->nqueues ? virtio_queue(state, v->queue_sel) : &none;
	if (!r->size_max)
		r = &none;
	v->queue_size_max = r->size_max;
	v->queue_size = r->size;
	/* 4.2.2: QueueReady reads as it was written, also of a queue that broke at once. */
	v->queue_ready = r->ready || r->error;
	v->queue_desc_lo = (uint32_t)r->desc;
	v->queue_desc_hi = (uint32_t)(r->desc >> 32);
	v->queue_driver_lo = (uint32_t)r->driver;
	v->queue_driver_hi = (uint32_t)(r->driver >> 32);
	v->queue_device_lo = (uint32_t)r->device;
	v->queue_device_hi = (uint32_t)(r->device >> 32);
	v->queue_reset = 0;
}

static uint64_t offered(struct dm *dm, const void *state)
{
	uint64_t f = virtio_model_of(dm)->features(dm, state);
	f |= VRING_F_VERSION_1 | VIRTIO_F_RING_RESET;
	f |= dm_option_bool(dm, "packed") ? VRING_F_RING_PACKED : 0;
	f |= dm_option_bool(dm, "event_idx") ? VRING_F_EVENT_IDX : 0;
	f |= dm_option_bool(dm, "indirect") ? VRING_F_INDIRECT_DESC : 0;
	return f;
}

/* The state after power-on; the configuration's generation and late doorbells are the caller's. */
static void initialise(struct dm *dm, void *state)
{
	struct virtio *v = state;
	const struct virtio_model *m = virtio_model_of(dm);
	for (unsigned q = 0; q < m->queues; q++) {
		virtio_queue_stop(dm, state, q);
		*virtio_queue(state, q) = (struct vring){0};
	}
	v->status = 0;
	v->device_features_sel = v->driver_features_sel = v->queue_sel = v->shm_sel = 0;
	v->written = v->negotiated = 0;
	v->broken_queue = v->more = v->unarmed = v->turn = 0;
	v->device_id = m->device_id;
	v->nqueues = m->queues;
	memset(v->config, 0, sizeof(v->config));
	m->setup(dm, state);
	v->nqueues = v->nqueues < m->queues ? v->nqueues : m->queues;
	v->offered = offered(dm, state);
	show_features(v);
	virtio_show_queue(state);
}

void virtio_dm_reset(struct dm *dm, void *state)
{
	const struct virtio_model *m = virtio_model_of(dm);
	virtio_prepare(dm);
	if (m->quiesce)
		m->quiesce(dm, state, -1);
	initialise(dm, state);
}

/* The driver wrote 0 to Status (2.4, 4.2.2.1). */
static void driver_reset(struct dm *dm, void *state)
{
	struct virtio *v = state;
	const struct virtio_model *m = virtio_model_of(dm);
	uint8_t before[VIRTIO_CONFIG_BYTES];
	memcpy(before, v->config, sizeof(before));
	if (m->quiesce)
		m->quiesce(dm, state, -1);
	initialise(dm, state);
	if (memcmp(before, v->config, sizeof(before)) != 0)
		v->config_generation++;
	dm_irq_forget(dm, 0); /* 4.2.2.1: all bits of InterruptStatus are clear upon reset */
}

/* ---- status and features ------------------------------------------------------------------------------ */

/* 3.1.1, steps 5 and 6. */
static bool features_acceptable(struct dm *dm, void *state)
{
	struct virtio *v = state;
	const struct virtio_model *m = virtio_model_of(dm);
	uint64_t alien = v->written & ~v->offered;
	if (alien) {
		dm_guest_error(dm, "features %#llx were accepted and not offered",
			       (unsigned long long)alien);
		return false;
	}
	if (!(v->written & VRING_F_VERSION_1)) { /* 6.1: the device may fail to operate further */
		dm_guest_error(dm, "the driver does not accept VIRTIO_F_VERSION_1");
		return false;
	}
	return !m->features_ok || m->features_ok(dm, state, v->written);
}

static void set_features_ok(struct dm *dm, void *state)
{
	struct virtio *v = state;
	if (!(v->status & VIRTIO_S_DRIVER)) {
		dm_guest_error(dm, "FEATURES_OK before DRIVER");
		return;
	}
	if (!features_acceptable(dm, state))
		return;
	v->negotiated = v->written;
	v->status |= VIRTIO_S_FEATURES_OK;
}

static void set_driver_ok(struct dm *dm, void *state)
{
	struct virtio *v = state;
	const struct virtio_model *m = virtio_model_of(dm);
	if (!(v->status & VIRTIO_S_FEATURES_OK)) {
		dm_guest_error(dm, "DRIVER_OK without FEATURES_OK");
		return;
	}
	v->status |= VIRTIO_S_DRIVER_OK;
	if (v->status & VIRTIO_S_NEEDS_RESET) { /* a queue was broken from the start: 2.1.2 */
		dm_irq_event(dm, 0, VIRTIO_INT_CONFIG);
		return;
	}
	if (m->driver_ok)
		m->driver_ok(dm, state);
	/* Drivers that made buffers available before DRIVER_OK may not notify then (3.1.1), and some never do again. */
	virtio_kick_all(state);
}

static void write_status(struct dm *dm, void *state, uint32_t old, uint32_t value)
{
	struct virtio *v = state;
	v->status = old;
	if (!value) {
		driver_reset(dm, state);
		return;
	}
	uint32_t bits = value & VIRTIO_S_DRIVERS;
	if (value & ~(VIRTIO_S_DRIVERS | old))
		dm_guest_error(dm, "Status %#x: bits that are not the driver's", value);
	if (old & VIRTIO_S_DRIVERS & ~bits)
		dm_guest_error(dm, "Status %#x clears bits of %#x; only a reset does", value, old);
	bits &= ~old;
	if (bits && old & VIRTIO_S_FAILED) {
		dm_guest_error(dm, "Status %#x after FAILED", value);
		return;
	}
	if (bits & VIRTIO_S_DRIVER && !((old | bits) & VIRTIO_S_ACKNOWLEDGE))
		dm_guest_error(dm, "DRIVER before ACKNOWLEDGE");
	v->status |= bits & (VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FAILED);
	if (bits & VIRTIO_S_FAILED) {
		dm_log(dm, DM_LOG_WARN, "the driver has given up on the device");
		v->more = v->unarmed = 0;
		return;
	}
	if (bits & VIRTIO_S_FEATURES_OK)
		set_features_ok(dm, state);
	if (bits & VIRTIO_S_DRIVER_OK)
		set_driver_ok(dm, state);
}

static void write_features(struct dm *dm, struct virtio *v, uint32_t value)
{
	uint32_t sel = v->driver_features_sel;
	if (v->status & VIRTIO_S_FEATURES_OK) {
		dm_guest_error(dm, "DriverFeatures after FEATURES_OK");
	} else if (sel < 2) {
		v->written &= ~(0xffffffffull << (32 * sel));
		v->written |= (uint64_t)value << (32 * sel);
	} else if (value) {
		dm_guest_error(dm, "DriverFeatures word %u: no such features", sel);
	}
}

/* ---- queues ------------------------------------------------------------------------------------------- */

/* The selected queue, NULL if it does not exist. */
static struct vring *selected(struct virtio *v)
{
	struct vring *r = v->queue_sel < v->nqueues ? virtio_queue(v, v->queue_sel) : NULL;
	return r && r->size_max ? r : NULL;
}

static void stop_queue(struct dm *dm, void *state, unsigned q)
{
	const struct virtio_model *m = virtio_model_of(dm);
	uint16_t size_max = virtio_queue(state, q)->size_max;
	if (m->quiesce)
		m->quiesce(dm, state, (int)q);
	virtio_queue_stop(dm, state, q);
	virtio_queue(state, q)->size_max = size_max;
}

static void write_ready(struct dm *dm, void *state, struct vring *r, uint32_t value)
{
	struct virtio *v = state;
	unsigned q = v->queue_sel;
	if (value > 1) {
		dm_guest_error(dm, "QueueReady %#x: neither 0 nor 1", value);
	} else if (!value) {
		if (r->ready || r->error)
			stop_queue(dm, state, q);
	} else if (r->ready || r->error) {
		dm_guest_error(dm, "queue %u is ready already", q);
	} else if (!(v->status & VIRTIO_S_FEATURES_OK)) { /* 3.1.1: step 7 comes after step 6 */
		dm_guest_error(dm, "queue %u made ready before FEATURES_OK", q);
	} else if (virtio_queue_start(dm, state, q)) {
		virtio_broken(dm, state, q, vring_error_text(r->error));
	} else if (virtio_live(state)) {
		virtio_more(dm, state, q);
	}
}

/* 2.6.1, 4.2.2: the queue is as after a device reset; it is made ready again by QueueReady. */
static void write_queue_reset(struct dm *dm, void *state, uint32_t value)
{
	struct virtio *v = state;
	if (!(v->negotiated & VIRTIO_F_RING_RESET))
		dm_guest_error(dm, "QueueReset without VIRTIO_F_RING_RESET");
	else if (value != 1)
		dm_guest_error(dm, "QueueReset %#x: not 1", value);
	else
		stop_queue(dm, state, v->queue_sel);
}

static void write_size(struct dm *dm, struct virtio *v, struct vring *r, uint32_t value)
{
	bool packed =
		v->negotiated & VRING_F_RING_PACKED; /* 2.8.10.1: any size; 2.7: a power of two */
	if (!value || value > r->size_max || (!packed && value & (value - 1)))
		dm_guest_error(dm, "QueueNum %u: 1 to %u%s", value, r->size_max,
			       packed ? "" : ", a power of two");
	else
		r->size = (uint16_t)value;
}

static uint64_t low(uint64_t a, uint64_t v)
{
	return (a & ~0xffffffffull) | (v & 0xffffffff);
}

static uint64_t high(uint64_t a, uint64_t v)
{
	return (a & 0xffffffff) | v << 32;
}

/* Size and addresses of the selected queue. */
static void write_setup(struct dm *dm, struct virtio *v, struct vring *r, const struct dm_io *io)
{
	if (r->ready || r->error) { /* 4.2.3.2: the queue is not in use while it is set up */
		dm_guest_error(dm, "%s of queue %u, which is ready", io->reg->name, v->queue_sel);
		return;
	}
	switch (io->reg->offset) {
	case R_QUEUE_NUM:
		write_size(dm, v, r, (uint32_t)io->value);
		break;
	case R_QUEUE_DESC_LOW:
		r->desc = low(r->desc, io->value);
		break;
	case R_QUEUE_DESC_HIGH:
		r->desc = high(r->desc, io->value);
		break;
	case R_QUEUE_DRIVER_LOW:
		r->driver = low(r->driver, io->value);
		break;
	case R_QUEUE_DRIVER_HIGH:
		r->driver = high(r->driver, io->value);
		break;
	case R_QUEUE_DEVICE_LOW:
		r->device = low(r->device, io->value);
		break;
	default:
		r->device = high(r->device, io->value);
		break;
	}
}

static void write_queue(struct dm *dm, void *state, const struct dm_io *io)
{
	struct virtio *v = state;
	struct vring *r = selected(v);
	if (!r)
		dm_guest_error(dm, "%s of queue %u, which does not exist", io->reg->name,
			       v->queue_sel);
	else if (io->reg->offset == R_QUEUE_READY)
		write_ready(dm, state, r, (uint32_t)io->value);
	else if (io->reg->offset == R_QUEUE_RESET)
		write_queue_reset(dm, state, (uint32_t)io->value);
	else
		write_setup(dm, v, r, io);
}

/* ---- dispatch -------------------------------------------------------------------------------------------- */

void virtio_dm_write(struct dm *dm, void *state, const struct dm_io *io)
{
	struct virtio *v = state;
	virtio_prepare(dm);
	switch (io->reg->offset) {
	case R_DEVICE_FEATURES_SEL:
		show_features(v);
		break;
	case R_DRIVER_FEATURES:
		write_features(dm, v, (uint32_t)io->value);
		break;
	case R_STATUS:
		write_status(dm, state, (uint32_t)io->old, (uint32_t)io->value);
		break;
	case R_QUEUE_NUM:
	case R_QUEUE_READY:
	case R_QUEUE_RESET:
	case R_QUEUE_DESC_LOW:
	case R_QUEUE_DESC_HIGH:
	case R_QUEUE_DRIVER_LOW:
	case R_QUEUE_DRIVER_HIGH:
	case R_QUEUE_DEVICE_LOW:
	case R_QUEUE_DEVICE_HIGH:
		write_queue(dm, state, io);
		break;
	case R_CONFIG:
		virtio_config_written(dm, state, io);
		break;
	default: /* the selectors that are storage */
		break;
	}
	virtio_show_queue(state);
}
