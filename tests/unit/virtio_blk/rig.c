/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/virtio_blk/rig.h"
#include "devmodel/virtio/transport.h"
#include "base/bytes.h"
#include <string.h>

#define F_NEXT 1u
#define F_WRITE 2u
#define F_INDIRECT 4u
#define F_AVAIL 0x80u
#define F_USED 0x8000u

#define PLACE_BYTES 0x2800u
#define PLACES (DMT_RAM_GPA + 0x200000u)
#define TABLE_AT 0x80u /* of a place: its indirect table */
#define DATA_AT 0x400u
static_assert(BD_SLOTS * PLACE_BYTES <= DMT_RAM_BYTES - 0x200000u, "room for all");
static_assert(TABLE_AT + BD_SEGS * 16 <= DATA_AT, "room for the table");

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t a, b; /* split: flags, next; packed: id, flags */
};

uint64_t bd_place(unsigned slot)
{
	return PLACES + (uint64_t)(slot % BD_SLOTS) * PLACE_BYTES;
}

uint8_t *bd_data(struct bd *b, unsigned slot)
{
	return (uint8_t *)dmt_at(b->t, bd_place(slot)) + DATA_AT;
}

uint8_t bd_status(struct bd *b, unsigned slot)
{
	return ((uint8_t *)dmt_at(b->t, bd_place(slot)))[16];
}

/* ---- rings: td_*'s bookkeeping, with chains of many descriptors ------------------------------------------- */

static unsigned put_split(struct bd *b, unsigned q, const struct desc *seg, unsigned n)
{
	struct td_queue *s = &b->d.q[q];
	struct desc *ring = dmt_at(b->t, TD_AREA(q));
	uint16_t *avail = dmt_at(b->t, TD_AREA(q) + 0x2000);
	unsigned head = s->free;
	for (unsigned i = 0; i < n; i++) {
		unsigned at = (head + i) % s->size;
		ring[at] = seg[i];
		ring[at].a = (uint16_t)(seg[i].a | (i + 1 < n ? F_NEXT : 0));
		ring[at].b = (uint16_t)((at + 1) % s->size);
	}
	s->free = (uint16_t)((head + n) % s->size);
	avail[2 + s->avail % s->size] = (uint16_t)head;
	avail[1] = ++s->avail;
	return head;
}

static unsigned put_packed(struct bd *b, unsigned q, const struct desc *seg, unsigned n)
{
	struct td_queue *s = &b->d.q[q];
	struct desc *ring = dmt_at(b->t, TD_AREA(q));
	unsigned id = s->free;
	s->slots[id] = (uint16_t)n;
	s->free = (uint16_t)((id + 1) % s->size);
	for (unsigned i = 0; i < n; i++) {
		ring[s->avail] = seg[i];
		ring[s->avail].a = (uint16_t)id;
		ring[s->avail].b = (uint16_t)(seg[i].a | (i + 1 < n ? F_NEXT : 0) |
					      (s->avail_wrap ? F_AVAIL : F_USED));
		if (++s->avail == s->size) {
			s->avail = 0;
			s->avail_wrap ^= 1;
		}
	}
	return id;
}

/* Moves @n descriptors into a table of slot @slot; one remains. */
static unsigned make_table(struct bd *b, unsigned slot, struct desc *seg, unsigned n)
{
	struct desc *table = dmt_at(b->t, bd_place(slot) + TABLE_AT);
	for (unsigned i = 0; i < n; i++) {
		table[i] = seg[i];
		if (b->d.packed) {
			table[i].a = 0;
			table[i].b = seg[i].a;
		} else {
			table[i].a = (uint16_t)(seg[i].a | (i + 1 < n ? F_NEXT : 0));
			table[i].b = (uint16_t)(i + 1);
		}
	}
	seg[0] = (struct desc){.addr = bd_place(slot) + TABLE_AT, .len = 16 * n, .a = F_INDIRECT};
	return 1;
}

unsigned bd_chain(struct bd *b, unsigned q, const struct bd_seg *segs, unsigned n)
{
	struct desc seg[BD_SEGS];
	unsigned slot = b->next++ % BD_SLOTS;
	assert_true(n <= BD_SEGS);
	for (unsigned i = 0; i < n; i++)
		seg[i] = (struct desc){
			.addr = segs[i].gpa, .len = segs[i].len, .a = segs[i].write ? F_WRITE : 0};
	if (b->indirect)
		n = make_table(b, slot, seg, n);
	unsigned id = b->d.packed ? put_packed(b, q, seg, n) : put_split(b, q, seg, n);
	b->slot[q][id] = slot;
	b->answers[slot] = 0;
	return slot;
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

unsigned bd_header(struct bd *b, uint32_t type, uint64_t sector)
{
	unsigned slot = b->next % BD_SLOTS;
	uint8_t *p = dmt_at(b->t, bd_place(slot));
	memset(p, 0, 64);
	store_le(p, 4, type);
	store_le(p + 8, 8, sector);
	p[16] = 0xff;
	return slot;
}

unsigned bd_add(struct bd *b, unsigned q, uint32_t type, uint64_t sector, uint32_t bytes)
{
	uint64_t at = bd_place(bd_header(b, type, sector));
	bool in = type == T_IN || type == T_GET_ID;
	struct bd_seg segs[3] = {{at, 16, false}};
	unsigned n = 1;
	if (bytes)
		segs[n++] = (struct bd_seg){at + DATA_AT, bytes, in};
	segs[n++] = (struct bd_seg){at + 16, 1, true};
	return bd_chain(b, q, segs, n);
}

unsigned bd_range(struct bd *b, uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	unsigned slot = b->next % BD_SLOTS;
	uint8_t *p = bd_data(b, slot);
	store_le(p, 8, sector);
	store_le(p + 8, 4, sectors);
	store_le(p + 12, 4, flags);
	return bd_add(b, 0, type, 0, 16);
}

void bd_reap(struct bd *b)
{
	for (unsigned q = 0; q < TD_QUEUES; q++) {
		unsigned id;
		uint32_t len;
		while (b->d.q[q].size && td_used(&b->d, q, &id, &len)) {
			unsigned slot = b->slot[q][id];
			b->answers[slot]++;
			b->len[slot] = len;
		}
	}
}

void bd_kick(struct bd *b, unsigned q)
{
	dmt_doorbell(b->t, q);
	bd_reap(b);
}

void bd_complete(struct bd *b, unsigned i, int result)
{
	dmt_disk_complete(b->t, i, result);
	dmt_work(b->t, 1000);
}

uint8_t bd_do(struct bd *b, uint32_t type, uint64_t sector, uint32_t bytes)
{
	unsigned slot = bd_add(b, 0, type, sector, bytes);
	bd_kick(b, 0);
	assert_int_equal(b->answers[slot], 1);
	return bd_status(b, slot);
}

/* ---- the device ------------------------------------------------------------------------------------------------ */

void bd_start(struct bd *b, enum bd_ring ring, uint64_t without)
{
	uint64_t f = td_offered(b->t) & ~without;
	b->indirect = ring == SPLIT_INDIRECT || ring == PACKED_INDIRECT;
	if (ring == SPLIT || ring == SPLIT_INDIRECT)
		f &= ~VRING_F_RING_PACKED;
	if (!b->indirect)
		f &= ~VRING_F_INDIRECT_DESC;
	f &= ~VRING_F_EVENT_IDX;
	assert_true(td_negotiate(&b->d, b->t, f));
	unsigned queues = f & BLK_F_MQ ? (unsigned)bd_config(b, 34, 2) : 1;
	for (unsigned q = 0; q < queues && q < TD_QUEUES; q++)
		td_queue(&b->d, q, b->entries ? b->entries : TD_ENTRIES);
	td_ok(&b->d);
}

void bd_open(struct bd *b, enum bd_ring ring, const char *const *options, uint64_t without)
{
	static const char *const plain[] = {"path", "x", NULL};
	memset(b, 0, sizeof(*b));
	b->t = dmt_create(&dm_class_virtio_blk, options ? options : plain);
	for (uint32_t i = 0; i < b->t->disk.info.bytes; i++)
		b->t->disk.data[i] = (uint8_t)(i * 7 + (i >> 9));
	bd_start(b, ring, without);
}

void bd_close(struct bd *b)
{
	dmt_destroy(b->t);
}

unsigned bd_busy(struct bd *b)
{
	return ((const struct blk *)b->t->dm->state)->inflight;
}

uint64_t bd_config(struct bd *b, uint32_t offset, unsigned width)
{
	return dmt_read(b->t, R_CONFIG + offset, width);
}

bool bd_needs_reset(struct bd *b)
{
	return dmt_r32(b->t, R_STATUS) & VIRTIO_S_NEEDS_RESET;
}
