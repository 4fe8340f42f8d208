/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last chains of each queue, for `inspect`: what the driver asked last, and whether it was answered. They belong to the
 * process and not to the device's state: a successor begins with none.
 */
#include "devmodel/virtio/transport.h"
#include <stdio.h>
#include <stdlib.h>

#define LATELY 4u

/** struct chain_note - one chain. */
struct chain_note {
	uint16_t id, nout, nin;
	bool done;
	uint32_t used; /* bytes, once done */
	uint64_t out_bytes, in_bytes;
};

/** struct lately - of all queues: a circle each, @n counts. */
struct lately {
	unsigned n[VIRTIO_QUEUES_MAX];
	struct chain_note note[VIRTIO_QUEUES_MAX][LATELY];
};

void lately_popped(struct dm *dm, unsigned q, const struct vring_chain *c)
{
	if (!dm->lately)
		dm->lately = calloc(1, sizeof(struct lately));
	struct lately *l = dm->lately;
	if (l)
		l->note[q][l->n[q]++ % LATELY] = (struct chain_note){.id = c->id,
								     .nout = (uint16_t)c->nout,
								     .nin = (uint16_t)c->nin,
								     .out_bytes = c->out_bytes,
								     .in_bytes = c->in_bytes};
}

void lately_unpopped(struct dm *dm, unsigned q)
{
	struct lately *l = dm->lately;
	if (l && l->n[q])
		l->n[q]--;
}

void lately_pushed(struct dm *dm, unsigned q, uint16_t id, uint32_t len)
{
	struct lately *l = dm->lately;
	for (unsigned i = 0; l && i < LATELY && i < l->n[q]; i++) {
		struct chain_note *c = &l->note[q][(l->n[q] - 1 - i) % LATELY];
		if (c->id == id && !c->done) {
			c->done = true;
			c->used = len;
			return;
		}
	}
}

void lately_inspect(const struct dm *dm, struct dm_text *text, unsigned q)
{
	const struct lately *l = dm->lately;
	char key[32], buf[240];
	int at = 0;
	for (unsigned i = 0; l && i < LATELY && i < l->n[q]; i++) { /* the last one first */
		const struct chain_note *c = &l->note[q][(l->n[q] - 1 - i) % LATELY];
		char how[24] = "in flight";
		if (c->done)
			snprintf(how, sizeof(how), "used %u", c->used);
		int n = snprintf(buf + at, sizeof(buf) - (size_t)at,
				 "%s%u: out %u/%llu in %u/%llu %s", at ? "; " : "", c->id, c->nout,
				 (unsigned long long)c->out_bytes, c->nin,
				 (unsigned long long)c->in_bytes, how);
		if (n < 0 || at + n >= (int)sizeof(buf)) {
			buf[at] = 0;
			break;
		}
		at += n;
	}
	if (!at)
		return;
	snprintf(key, sizeof(key), "queue %u, last chains", q);
	dm_text_item(text, key, "%s", buf);
}
