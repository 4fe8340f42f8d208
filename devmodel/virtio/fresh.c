/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains of packed rings that are popped and pushed in one call of the model.
 *
 * Theory of operation. What a model does in one call is committed when the call is over; a daemon that is killed before that
 * has done nothing, but what it wrote into a ring stays there. A split ring tells its successor all it has to know:
 * used.idx says how many chains were given back, and the available ring still holds them. A packed ring does not: a used
 * descriptor lies where the chain's first one was, and nobody can tell how many entries that chain took, that is, where the next
 * one begins (2.8.6). So such a ring is written to only when a committed state knows the chain: a push of a chain that was popped since
 * the last commit waits for the next one, and the first thing that work() does after it is to show it to the driver and
 * to interrupt. That costs a commit only when there is nothing else to do, since the next turn goes into the same one.
 *
 * Killed after that commit: the successor has the list in its order, and vring_published() says of each entry whether it was shown.
 *
 * A chain that was popped before the last commit is pushed at once, and found by vring_adopt().
 */
#include "devmodel/virtio/transport.h"

/* The index of the chain, v->nfresh: it is none of these. */
static unsigned find(const struct virtio *v, unsigned q, uint16_t id)
{
	unsigned i = 0;
	while (i < v->nfresh && (v->fresh[i].queue != q || v->fresh[i].id != id))
		i++;
	return i;
}

static void remove_at(struct virtio *v, unsigned at)
{
	for (unsigned i = at + 1; i < v->nfresh; i++)
		v->fresh[i - 1] = v->fresh[i];
	v->nfresh--;
}

bool fresh_begin(struct dm *dm, void *state)
{
	struct virtio *v = state;
	uint32_t now = (uint32_t)dm->commits, signal = v->signal;
	bool did = false;
	if (!v->nfresh || v->fresh_at == now)
		return false;
	unsigned n = v->nfresh;
	v->nfresh = 0;
	v->signal = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct virtio_fresh *f = &v->fresh[i];
		if (!f->pushed)
			continue; /* in flight, and committed as such */
		virtio_ring_push(dm, state, f->queue, f->id, f->ndesc, f->len);
		did = true;
	}
	for (unsigned q = 0; q < v->nqueues; q++)
		if (signal >> q & 1)
			virtio_ring_signal(dm, state, q);
	return did;
}

bool fresh_room(const struct virtio *v)
{
	return v->nfresh < VIRTIO_FRESH;
}

void fresh_popped(struct dm *dm, struct virtio *v, unsigned q, const struct vring_chain *c)
{
	v->fresh_at = (uint32_t)dm->commits;
	v->fresh[v->nfresh++] =
		(struct virtio_fresh){.id = c->id, .ndesc = c->ndesc, .queue = (uint8_t)q};
}

void fresh_unpopped(struct virtio *v, unsigned q, uint16_t id)
{
	unsigned i = find(v, q, id);
	if (i < v->nfresh)
		remove_at(v, i);
}

bool fresh_push(struct virtio *v, unsigned q, uint16_t id, uint32_t len)
{
	unsigned i = find(v, q, id);
	if (i == v->nfresh || v->fresh[i].pushed)
		return false;
	v->fresh[i].pushed = 1;
	v->fresh[i].len = len;
	return true;
}

bool fresh_waiting(const struct virtio *v, unsigned q)
{
	for (unsigned i = 0; i < v->nfresh; i++)
		if (v->fresh[i].pushed && (q == ANY_QUEUE || v->fresh[i].queue == q))
			return true;
	return false;
}

void fresh_drop(struct virtio *v, unsigned q)
{
	for (unsigned i = v->nfresh; i > 0; i--)
		if (v->fresh[i - 1].queue == q)
			remove_at(v, i - 1);
}

void fresh_resume(struct dm *dm, void *state)
{
	struct virtio *v = state;
	uint32_t done = 0; /* queues of which the first entry was found that is not shown */
	unsigned n = 0;
	for (unsigned i = 0; i < v->nfresh; i++) {
		struct virtio_fresh f = v->fresh[i];
		if (f.pushed && !(done >> f.queue & 1)) {
			if (virtio_ring_skip(dm, state, f.queue, f.id, f.ndesc))
				continue;
			done |= 1u << f.queue;
		}
		v->fresh[n++] = f;
	}
	v->nfresh = n;
}
