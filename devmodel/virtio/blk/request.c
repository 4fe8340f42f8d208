/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of virtio-blk: from the ring to the disk and back. blk.h says how. */
#include "devmodel/virtio/blk/blk.h"
#include "base/bytes.h"
#include <errno.h>
#include <string.h>

/* Request types, 5.2.6. */
enum {
	T_IN = 0,
	T_OUT = 1,
	T_FLUSH = 4,
	T_GET_ID = 8,
	T_DISCARD = 11,
	T_WRITE_ZEROES = 13,
};

#define HEADER_BYTES 16u
#define RANGE_BYTES 16u /* one segment of DISCARD and WRITE_ZEROES */
#define RANGE_UNMAP 1u

/* ---- the status byte ------------------------------------------------------------------------------------- */

/* Its guest address; with dma: copy one in the channel, which is then all of our memory. 0: nowhere. */
static uint64_t status_place(struct dm *dm, const struct vring_chain *c)
{
	const struct iovec *v = &c->in[c->nin - 1];
	const uint8_t *p = (const uint8_t *)v->iov_base + v->iov_len - 1;
	const struct vring_mem *mem = dm_mem(dm);
	for (unsigned i = 0; i < mem->n; i++) {
		const struct vring_window *w = &mem->win[i];
		if (p >= w->hva && (uint64_t)(p - w->hva) < w->bytes)
			return w->gpa + (uint64_t)(p - w->hva);
	}
	return 0;
}

void blk_disk_done(struct dm *dm, void *state, unsigned disk, uint32_t tag, int result)
{
	struct blk *s = state;
	(void)disk;
	if (tag >= BLK_TAGS || !blk_tag_busy(s, tag) || s->req[tag].done)
		return;
	blk_done(dm, s, tag,
		 !result		 ? BLK_S_OK
		 : result == -EOPNOTSUPP ? BLK_S_UNSUPP
					 : BLK_S_IOERR);
}

/* ---- one request --------------------------------------------------------------------------------------------- */

/* A request as it was read from the guest: @c's segments without header and status. */
struct parsed {
	struct vring_chain *c;
	uint32_t type;
	uint64_t sector;
	uint64_t out_bytes, in_bytes; /* of data */
};

/* Takes @n bytes off the front of the device-readable part. */
static void skip_out(struct vring_chain *c, size_t n)
{
	while (n && c->nout) {
		if (c->out->iov_len > n) {
			c->out->iov_base = (char *)c->out->iov_base + n;
			c->out->iov_len -= n;
			return;
		}
		n -= c->out->iov_len;
		c->out++;
		c->nout--;
	}
}

/* Header and status may lie in any number of segments, together with data or not (2.7.4, 5.2.6.4). */
static bool parse(struct vring_chain *c, struct parsed *p)
{
	uint8_t header[HEADER_BYTES];
	p->c = c;
	c->in[c->nin - 1].iov_len--;
	if (!c->in[c->nin - 1].iov_len)
		c->nin--;
	p->in_bytes = c->in_bytes - 1;
	if (vring_iov_read(c->out, c->nout, 0, header, sizeof(header)) != sizeof(header))
		return false;
	skip_out(c, sizeof(header));
	p->out_bytes = c->out_bytes - sizeof(header);
	p->type = (uint32_t)load_le(header, 4);
	p->sector = load_le(header + 8, 8);
	return true;
}

static bool inside(const struct blk *s, uint64_t sector, uint64_t count)
{
	return sector <= s->sectors && count <= s->sectors - sector;
}

static enum blk_status get_id(struct dm *dm, const struct parsed *p)
{
	char id[BLK_ID_BYTES] = "";
	const char *serial = dm_option_str(dm, "serial");
	if (p->in_bytes < BLK_ID_BYTES) /* 5.2.6: the data is 20 bytes */
		return BLK_S_IOERR;
	if (serial) /* no NUL where it has all 20 bytes */
		memcpy(id, serial, strnlen(serial, BLK_ID_BYTES));
	vring_iov_write(p->c->in, p->c->nin, 0, id, sizeof(id));
	return BLK_S_OK;
}

/* 5.2.6.2. Fills *@io; what it returns is the answer unless that is OK. */
static enum blk_status parse_range(const struct blk *s, const struct parsed *p,
				   struct dm_disk_io *io)
{
	bool zero = p->type == T_WRITE_ZEROES;
	uint8_t seg[RANGE_BYTES];
	if (s->v.offered & BLK_F_RO)
		return BLK_S_IOERR;
	if (!virtio_has(s, zero ? BLK_F_WRITE_ZEROES : BLK_F_DISCARD))
		return BLK_S_UNSUPP;
	/* max_discard_seg and max_write_zeroes_seg are 1. */
	if (p->out_bytes != RANGE_BYTES)
		return BLK_S_IOERR;
	vring_iov_read(p->c->out, p->c->nout, 0, seg, sizeof(seg));
	uint64_t sector = load_le(seg, 8), count = load_le(seg + 8, 4);
	uint32_t flags = (uint32_t)load_le(seg + 12, 4);
	if (flags & ~RANGE_UNMAP || (!zero && flags))
		return BLK_S_UNSUPP;
	if (count > BLK_MAX_SECTORS || !inside(s, sector, count))
		return BLK_S_IOERR;
	*io = (struct dm_disk_io){.op = zero ? DM_DISK_ZERO : DM_DISK_DISCARD,
				  .offset = sector * BLK_SECTOR,
				  .bytes = count * BLK_SECTOR,
				  .unmap = flags & RANGE_UNMAP};
	return BLK_S_OK;
}

static enum blk_status parse_data(struct dm *dm, const struct blk *s, const struct parsed *p,
				  struct dm_disk_io *io)
{
	bool in = p->type == T_IN;
	uint64_t bytes = in ? p->in_bytes : p->out_bytes;
	if (!in && s->v.offered & BLK_F_RO)
		return BLK_S_IOERR;
	/* Data the wrong way round would be a transfer of nothing that ends well. */
	if (in ? p->out_bytes : p->in_bytes)
		return BLK_S_IOERR;
	if (bytes % BLK_SECTOR || !inside(s, p->sector, bytes / BLK_SECTOR))
		return BLK_S_IOERR;
	*io = (struct dm_disk_io){.op = in ? DM_DISK_READ : DM_DISK_WRITE,
				  .offset = p->sector * BLK_SECTOR,
				  .bytes = bytes,
				  .iov = in ? p->c->in : p->c->out,
				  .niov = in ? p->c->nin : p->c->nout};
	dm_count(dm, in ? DM_COUNT_IN_BYTES : DM_COUNT_OUT_BYTES, bytes);
	return BLK_S_OK;
}

/* Begins chain @c as request @tag: hands it to the disk, or finds its end at once. */
static void begin(struct dm *dm, struct blk *s, unsigned tag, struct vring_chain *c)
{
	struct parsed p;
	struct dm_disk_io io = {.op = DM_DISK_FLUSH};
	enum blk_status status;
	if (!parse(c, &p)) {
		dm_guest_error(dm, "a request of %llu bytes has no room for its header",
			       (unsigned long long)c->out_bytes);
		blk_done(dm, s, tag, BLK_S_IOERR);
		return;
	}
	switch (p.type) {
	case T_IN:
	case T_OUT:
		status = parse_data(dm, s, &p, &io);
		break;
	case T_FLUSH:
		status = BLK_S_OK;
		break;
	case T_DISCARD:
	case T_WRITE_ZEROES:
		status = parse_range(s, &p, &io);
		break;
	case T_GET_ID:
		blk_done(dm, s, tag, get_id(dm, &p));
		return;
	default:
		status = BLK_S_UNSUPP;
		break;
	}
	io.tag = tag;
	if (status == BLK_S_OK && dm_disk_submit(dm, 0, &io))
		status = BLK_S_IOERR;
	if (status != BLK_S_OK) {
		dm_guest_error(dm, "request refused: type %u, sector %llu, %llu bytes", p.type,
			       (unsigned long long)p.sector,
			       (unsigned long long)(p.type == T_IN ? p.in_bytes : p.out_bytes));
		blk_done(dm, s, tag, status);
	}
}

static void note(struct dm *dm, struct blk *s, unsigned tag, unsigned q,
		 const struct vring_chain *c)
{
	struct blk_req *r = &s->req[tag];
	*r = (struct blk_req){
		.status = status_place(dm, c),
		.id = c->id,
		.ndesc = c->ndesc,
		.len = c->in_bytes < UINT32_MAX ? (uint32_t)c->in_bytes : UINT32_MAX,
	};
	virtio_mark(dm, s, q, c, &r->mark);
	r->plain = s->q[q].features & VRING_F_RING_PACKED && !r->mark.table;
	blk_tag_link(s, tag, q);
}

bool blk_queue(struct dm *dm, void *state, unsigned q, unsigned budget)
{
	struct blk *s = state;
	bool more = true;
	blk_deliver(dm, s, q);
	while (budget--) {
		struct vring_chain c;
		int tag = blk_tag_take(s);
		if (tag < 0) { /* blk_disk_done() asks for this queue again */
			s->starved |= (uint8_t)(1u << q);
			more = false;
			break;
		}
		int rc = virtio_pop(dm, s, q, &c);
		if (rc > 0 && !c.in_bytes) {
			virtio_broken(dm, s, q, "a request without room for its status");
			rc = -EIO;
		}
		if (rc <= 0) {
			blk_tag_put(s, (unsigned)tag);
			more = false;
			break;
		}
		note(dm, s, (unsigned)tag, q, &c);
		begin(dm, s, (unsigned)tag, &c);
	}
	dm_count_depth(dm, s->inflight);
	return more || s->finished & 1u << q;
}

/* ---- once more --------------------------------------------------------------------------------------------- */

/* Reads request @tag again from its descriptors and begins it anew. */
static void again(struct dm *dm, struct blk *s, unsigned tag)
{
	struct blk_req *r = &s->req[tag];
	struct vring_chain c;
	struct iovec *iov = dm_scratch(dm, VIRTIO_SCRATCH_IOV);
	if (virtio_reread(dm, s, r->queue, r->id, r->ndesc, &r->mark, iov, VRING_SIZE_MAX, &c) ||
	    !c.in_bytes) {
		/* The driver wrote over what it had given us. */
		dm_guest_error(dm, "queue %u: a request in flight cannot be read again", r->queue);
		blk_done(dm, s, tag, BLK_S_IOERR);
		return;
	}
	r->status = status_place(dm, &c);
	begin(dm, s, tag, &c);
}

/* All requests that are not done, in the order of their queues. */
static void again_all(struct dm *dm, struct blk *s)
{
	for (unsigned q = 0; q < BLK_QUEUES; q++)
		for (unsigned tag = s->first[q]; tag != BLK_NONE; tag = s->req[tag].next)
			if (!s->req[tag].done)
				again(dm, s, tag);
}

void blk_quiesce(struct dm *dm, void *state, int q)
{
	struct blk *s = state;
	dm_disk_drain(dm, 0);
	if (q < 0) {
		blk_forget(s);
		return;
	}
	for (unsigned tag = s->first[q], next; tag != BLK_NONE; tag = next) {
		next = s->req[tag].next;
		blk_tag_free(s, tag);
	}
	s->starved &= (uint8_t) ~(1u << q);
	again_all(dm, s); /* the other queues' were with the host as well, and nobody was told */
	for (; s->starved; s->starved &= (uint8_t)(s->starved - 1))
		virtio_more(dm, s, (unsigned)__builtin_ctz(s->starved));
}

void blk_recover(struct dm *dm, struct blk *s)
{
	for (unsigned q = 0; q < s->v.nqueues; q++)
		blk_adopt(dm, s, q);
	again_all(dm, s);
	blk_feed(dm, s);
}
