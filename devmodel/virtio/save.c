/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving and loading. The blob is the state itself, of one version and size. It comes from outside, so all that is used as
 * an index is checked before anything runs on it.
 */
#include "devmodel/virtio/transport.h"
#include <errno.h>
#include <string.h>

size_t virtio_dm_save(struct dm *dm, const void *state, void *buf, size_t max)
{
	size_t n = dm->cls->state_size;
	if (n > max)
		return 0;
	memcpy(buf, state, n);
	return n;
}

static bool fresh_good(const struct virtio *v)
{
	if (v->nfresh > VIRTIO_FRESH)
		return false;
	for (unsigned i = 0; i < v->nfresh; i++)
		if (v->fresh[i].queue >= v->nqueues || v->fresh[i].ndesc > VRING_SIZE_MAX)
			return false;
	return true;
}

static bool transport_good(const struct virtio *v, const struct virtio_model *m)
{
	uint32_t outside = v->nqueues < 32 ? ~0u << v->nqueues : 0;
	return v->device_id == m->device_id && v->nqueues <= m->queues &&
	       !((v->more | v->unarmed) & outside) && v->turn <= v->nqueues &&
	       v->broken_queue <= v->nqueues && !(v->negotiated & ~v->offered) && fresh_good(v);
}

static bool rings_good(struct dm *dm, void *state)
{
	const struct virtio *v = state;
	const struct vring_mem *mem = dm_mem(dm);
	for (unsigned q = 0; q < virtio_model_of(dm)->queues; q++) {
		struct vring *r = virtio_queue(state, q);
		if (r->ready && q >= v->nqueues)
			return false;
		/* With dma: copy the ring is the core's, which may be larger than what the device offers. */
		struct vring probe = *r;
		if (dm->copied)
			probe.size_max = VRING_SIZE_MAX;
		if (mem && vring_check(&probe, mem))
			return false;
	}
	return true;
}

int virtio_dm_load(struct dm *dm, void *state, uint32_t version, const void *buf, size_t len)
{
	const struct virtio_model *m = virtio_model_of(dm);
	if (version != dm->cls->version || len != dm->cls->state_size)
		return -EINVAL;
	memcpy(state, buf, len);
	if (!transport_good(state, m) || !rings_good(dm, state))
		return -EINVAL;
	return !m->check || m->check(dm, state) ? 0 : -EINVAL;
}
