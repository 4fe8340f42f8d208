/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration space (virtio 1.2, section 2.5), going on after a crash, and what people see.
 */
#include "devmodel/virtio/transport.h"
#include <stdio.h>

void virtio_config_put(void *state, uint32_t offset, unsigned width, uint64_t value)
{
	struct virtio *v = state;
	for (unsigned i = 0; i < width && offset + i < VIRTIO_CONFIG_BYTES; i++)
		v->config[offset + i] = (uint8_t)(value >> (8 * i));
}

void virtio_config_changed(struct dm *dm, void *state)
{
	struct virtio *v = state;
	v->config_generation++;
	if (v->status & VIRTIO_S_DRIVER_OK)
		dm_irq_event(dm, 0, VIRTIO_INT_CONFIG);
}

void virtio_config_written(struct dm *dm, void *state, const struct dm_io *io)
{
	struct virtio *v = state;
	const struct virtio_model *m = virtio_model_of(dm);
	bool writable = io->index + io->width <= m->config_writable;
	/* 3.1.1, step 4: the driver may read the configuration before FEATURES_OK, and not write it. */
	bool early = !(v->status & VIRTIO_S_FEATURES_OK) && !m->config_early;
	if (!writable || early || v->status & (VIRTIO_S_NEEDS_RESET | VIRTIO_S_FAILED)) {
		virtio_config_put(state, io->index, io->width, io->old);
		if (!writable || early)
			dm_guest_error(dm, "configuration bytes [%u, %u) %s", io->index,
				       io->index + io->width,
				       writable ? "written before FEATURES_OK" : "are read-only");
		return;
	}
	if (m->config_write)
		m->config_write(dm, state, io->index, io->width);
}

/* ---- going on after a crash ------------------------------------------------------------------------------ */

void virtio_dm_resume(struct dm *dm, void *state)
{
	struct virtio *v = state;
	const struct virtio_model *m = virtio_model_of(dm);
	virtio_prepare(dm);
	/* Every doorbell is rung now, of queues that there are not as well. */
	v->stale = UINT64_MAX;
	fresh_resume(dm, state);
	if (m->resume)
		m->resume(dm, state);
	else
		for (unsigned q = 0; q < v->nqueues; q++)
			virtio_adopt_all(dm, state, q);
	/* A chain that was given back just before the crash was perhaps not signalled: a spurious interrupt is
	 * harmless (2.9), a lost one is not. */
	if (virtio_live(state))
		dm_irq_event(dm, 0, VIRTIO_INT_USED);
	virtio_kick_all(state);
}

/* ---- inspect ------------------------------------------------------------------------------------------- */

static const char *feature_name(unsigned bit)
{
	switch (bit) {
	case 28:
		return "INDIRECT_DESC";
	case 29:
		return "EVENT_IDX";
	case 32:
		return "VERSION_1";
	case 34:
		return "RING_PACKED";
	case 35:
		return "IN_ORDER";
	case 40:
		return "RING_RESET";
	default:
		return NULL;
	}
}

static void inspect_features(struct dm_text *text, const char *key, uint64_t f)
{
	char buf[512] = "";
	size_t at = 0;
	for (unsigned bit = 0; bit < 64 && at < sizeof(buf) - 24; bit++) {
		const char *name = feature_name(bit), *sep = at ? " " : "";
		if (!(f >> bit & 1))
			continue;
		int n = name ? snprintf(buf + at, sizeof(buf) - at, "%s%s", sep, name)
			     : snprintf(buf + at, sizeof(buf) - at, "%s%u", sep, bit);
		at += n > 0 ? (size_t)n : 0;
	}
	dm_text_item(text, key, "%s", at ? buf : "none");
}

static void inspect_queue(struct dm_text *text, const void *state, unsigned q)
{
	const struct vring *r =
		(const struct vring *)(const void *)((const struct virtio *)state + 1) + q;
	char key[24];
	snprintf(key, sizeof(key), "queue %u", q);
	if (!r->size_max)
		dm_text_item(text, key, "does not exist");
	else if (r->error)
		dm_text_item(text, key, "broken: %s", vring_error_text(r->error));
	else if (!r->ready)
		dm_text_item(text, key, "not ready, up to %u entries", r->size_max);
	else
		dm_text_item(text, key,
			     "%s, %u entries, popped %u, pushed %u, in flight %u, at %u/%u",
			     r->features & VRING_F_RING_PACKED ? "packed" : "split", r->size,
			     r->popped, r->pushed, r->inflight, r->avail, r->used);
}

void virtio_dm_inspect(struct dm *dm, const void *state, struct dm_text *text)
{
	const struct virtio *v = state;
	const struct virtio_model *m = virtio_model_of(dm);
	inspect_features(text, "features offered", v->offered);
	inspect_features(text, "features negotiated", v->negotiated);
	if (v->broken_queue)
		dm_text_item(text, "needs reset", "queue %u broke first", v->broken_queue - 1);
	for (unsigned q = 0; q < v->nqueues; q++) {
		inspect_queue(text, state, q);
		lately_inspect(dm, text, q);
	}
	if (m->inspect)
		m->inspect(dm, state, text);
}
