/* SPDX-License-Identifier: Apache-2.0 */
#include "vring/reread.h"
#include "vring/ring.h"

/* A descriptor of a packed ring or of its indirect table. */
static struct desc packed_desc(const uint8_t *p)
{
	uint64_t rest = ring_load64(p + 8);
	return (struct desc){.addr = ring_load64(p),
			     .len = (uint32_t)rest,
			     .last = (uint16_t)(rest >> 32),
			     .flags = (uint16_t)(rest >> 48)};
}

static const uint8_t *ring_of(const struct vring *r, const struct vring_mem *mem)
{
	return ring_at(mem, r->desc, (uint64_t)r->size * DESC_BYTES, false);
}

void vring_mark(const struct vring *r, const struct vring_mem *mem, const struct vring_chain *c,
		struct vring_mark *ret)
{
	*ret = (struct vring_mark){0};
	const uint8_t *ring = ring_of(r, mem);
	if (!ring_is_packed(r) || !ring || c->ndesc > r->size)
		return;
	ret->slot = (uint16_t)(r->avail >= c->ndesc ? r->avail - c->ndesc
						    : r->avail + r->size - c->ndesc);
	struct desc d = packed_desc(ring + (size_t)ret->slot * DESC_BYTES);
	if (d.flags & DESC_F_INDIRECT && d.len / DESC_BYTES <= r->size) {
		ret->table = d.addr;
		ret->entries = (uint16_t)(d.len / DESC_BYTES);
	}
}

static int packed_reread(const struct vring *r, struct gather *g, uint16_t ndesc,
			 const struct vring_mark *mark)
{
	const uint8_t *at = ring_of(r, g->mem);
	unsigned n = mark->table ? mark->entries : ndesc, first = mark->table ? 0 : mark->slot;
	unsigned size = mark->table ? n : r->size;
	if (mark->table)
		at = ring_at(g->mem, mark->table, (uint64_t)n * DESC_BYTES, false);
	if (!at || !n || n > r->size || first >= size)
		return -EIO;
	for (unsigned i = 0; i < n; i++) {
		struct desc d = packed_desc(at + (size_t)((first + i) % size) * DESC_BYTES);
		if (gather_add(g, &d))
			return -EIO;
	}
	return 0;
}

static int split_reread(const struct vring *r, struct gather *g, uint16_t head)
{
	const uint8_t *at = ring_of(r, g->mem);
	unsigned size = r->size, i = head;
	bool nested = false;
	for (unsigned walked = 0; walked < r->size;) {
		if (!at || i >= size)
			return -EIO;
		struct desc d = ring_desc_split(at + (size_t)i * DESC_BYTES);
		if (d.flags & DESC_F_INDIRECT) {
			at = nested ? NULL : ring_indirect(r, g->mem, &d);
			size = d.len / DESC_BYTES;
			nested = true;
			i = 0;
			continue;
		}
		walked++;
		if (gather_add(g, &d))
			return -EIO;
		if (!(d.flags & DESC_F_NEXT))
			return 0;
		i = d.last;
	}
	return -EIO;
}

int vring_reread(const struct vring *r, const struct vring_mem *mem, uint16_t id, uint16_t ndesc,
		 const struct vring_mark *mark, struct iovec *iov, unsigned max,
		 struct vring_chain *ret)
{
	struct gather g = {.mem = mem, .iov = iov, .max = max};
	if (!r->ready)
		return -EIO;
	int rc = ring_is_packed(r) ? packed_reread(r, &g, ndesc, mark) : split_reread(r, &g, id);
	if (rc)
		return rc;
	gather_finish(&g, ret);
	ret->id = id;
	ret->ndesc = ndesc;
	return 0;
}
