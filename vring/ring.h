/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Private to vring/: guest memory, descriptors and the gathering of a chain, shared by split.c and packed.c.
 *
 * All of it is inline: it runs for each descriptor of each request. Fields that order others (indices, packed flags, event
 * fields) are loaded and stored as atomics; all else is loaded once through a volatile access, so the
 * compiler cannot read it a second time after it was checked.
 */
#include "vring/vring.h"
#include <endian.h>
#include <errno.h>

#define DESC_BYTES 16u

/* Descriptor flags (2.7.5, 2.8.1). */
#define DESC_F_NEXT 1u
#define DESC_F_WRITE 2u
#define DESC_F_INDIRECT 4u
#define DESC_F_AVAIL (1u << 7)
#define DESC_F_USED (1u << 15)

/* ---- one access ------------------------------------------------------------------------------ */

struct any64 {
	uint64_t v;
} __attribute__((packed, may_alias)); /* an indirect table may lie at any address */

static inline uint64_t ring_load64(const uint8_t *p)
{
	return le64toh(((const volatile struct any64 *)(const void *)p)->v);
}

typedef uint16_t __attribute__((may_alias)) ring16;
typedef uint32_t __attribute__((may_alias)) ring32;
typedef uint64_t __attribute__((may_alias)) ring64;

static inline uint16_t ring_load16(const uint8_t *p)
{
	return le16toh(__atomic_load_n((const ring16 *)(const void *)p, __ATOMIC_RELAXED));
}

static inline uint16_t ring_load16_acquire(const uint8_t *p)
{
	return le16toh(__atomic_load_n((const ring16 *)(const void *)p, __ATOMIC_ACQUIRE));
}

static inline uint32_t ring_load32(const uint8_t *p)
{
	return le32toh(__atomic_load_n((const ring32 *)(const void *)p, __ATOMIC_RELAXED));
}

static inline void ring_store16(uint8_t *p, uint16_t v)
{
	__atomic_store_n((ring16 *)(void *)p, htole16(v), __ATOMIC_RELAXED);
}

static inline void ring_store16_release(uint8_t *p, uint16_t v)
{
	__atomic_store_n((ring16 *)(void *)p, htole16(v), __ATOMIC_RELEASE);
}

static inline void ring_store32(uint8_t *p, uint32_t v)
{
	__atomic_store_n((ring32 *)(void *)p, htole32(v), __ATOMIC_RELAXED);
}

static inline void ring_store32_volatile(uint8_t *p, uint32_t v)
{
	*(volatile ring32 *)(void *)p = htole32(v);
}

static inline void ring_fence(void)
{
#ifdef VRING_BREAK_FENCE /* a test proves that it would notice */
	__asm__ volatile("" ::: "memory");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* ---- guest memory ---------------------------------------------------------------------------- */

/* @bytes (not 0) from @gpa on, if they lie wholly in one window; else NULL. */
static inline uint8_t *ring_at(const struct vring_mem *mem, uint64_t gpa, uint64_t bytes,
			       bool writable)
{
	for (unsigned i = 0; i < mem->n; i++) {
		const struct vring_window *w = &mem->win[i];
		uint64_t off = gpa - w->gpa;
		if (off < w->bytes && bytes <= w->bytes - off && (w->writable || !writable))
			return w->hva + off;
	}
	return NULL;
}

/* ---- the ring's own state --------------------------------------------------------------------- */

static inline bool ring_is_packed(const struct vring *r)
{
	return r->features & VRING_F_RING_PACKED;
}

static inline bool ring_has_event_idx(const struct vring *r)
{
	return r->features & VRING_F_EVENT_IDX;
}

static inline int ring_fail(struct vring *r, enum vring_error e)
{
	if (!r->error)
		r->error = (uint8_t)e;
	return -EIO;
}

/* A packed ring's driver may choose any id; those beyond the bitmap are taken on trust. */
static inline bool ring_id_busy(const struct vring *r, uint16_t id)
{
	return id < VRING_SIZE_MAX && (r->busy[id / 64] >> (id % 64) & 1);
}

static inline void ring_id_take(struct vring *r, uint16_t id)
{
	if (id < VRING_SIZE_MAX)
		r->busy[id / 64] |= 1ull << (id % 64);
	r->inflight++;
}

/* False: no such chain is in flight. */
static inline bool ring_id_put(struct vring *r, uint16_t id)
{
	bool kept = id < VRING_SIZE_MAX;
	if (!r->inflight || (kept ? !ring_id_busy(r, id) : !ring_is_packed(r)))
		return false;
	if (kept)
		r->busy[id / 64] &= ~(1ull << (id % 64));
	r->inflight--;
	return true;
}

/* ---- a chain --------------------------------------------------------------------------------- */

/* A descriptor as it was read. @last: split: next; packed: buffer id. */
struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, last;
};

/* A descriptor whose place is known to be valid. */
static inline struct desc ring_desc_split(const uint8_t *p)
{
	uint64_t rest = ring_load64(p + 8);
	return (struct desc){.addr = ring_load64(p),
			     .len = (uint32_t)rest,
			     .flags = (uint16_t)(rest >> 32),
			     .last = (uint16_t)(rest >> 48)};
}

/* What a chain has collected so far. */
struct gather {
	const struct vring_mem *mem;
	struct iovec *iov;
	unsigned max, nout, nin;
	uint64_t out_bytes, in_bytes;
};

/* Adds the buffer of one descriptor. */
static inline enum vring_error gather_add(struct gather *g, const struct desc *d)
{
	bool write = d->flags & DESC_F_WRITE;
	if (!write && g->nin)
		return VRING_E_ORDER;
	if (!d->len)
		return VRING_OK;
	uint8_t *at = ring_at(g->mem, d->addr, d->len, write);
	if (!at)
		return VRING_E_BUFFER;
	if (d->len > VRING_CHAIN_BYTES_MAX - g->out_bytes - g->in_bytes)
		return VRING_E_TOTAL;
	unsigned n = g->nout + g->nin;
	if (n >= g->max)
		return VRING_E_LOOP;
	g->iov[n] = (struct iovec){.iov_base = at, .iov_len = d->len};
	if (write) {
		g->nin++;
		g->in_bytes += d->len;
	} else {
		g->nout++;
		g->out_bytes += d->len;
	}
	return VRING_OK;
}

/* The table of an indirect descriptor; NULL: it breaks a rule that both kinds of ring share. */
static inline const uint8_t *ring_indirect(const struct vring *r, const struct vring_mem *mem,
					   const struct desc *d)
{
	if (!(r->features & VRING_F_INDIRECT_DESC) || (d->flags & DESC_F_NEXT) || !d->len ||
	    d->len % DESC_BYTES)
		return NULL;
	return ring_at(mem, d->addr, d->len, false);
}

static inline void gather_finish(const struct gather *g, struct vring_chain *ret)
{
	ret->nout = g->nout;
	ret->nin = g->nin;
	ret->out = g->iov;
	ret->in = g->iov + g->nout;
	ret->out_bytes = g->out_bytes;
	ret->in_bytes = g->in_bytes;
}

/* ---- split.c and packed.c: vring.h's functions of one kind of ring ------------------------------ */

static inline uint64_t split_driver_bytes(const struct vring *r)
{
	return 6 + 2ull * r->size;
}

static inline uint64_t split_device_bytes(const struct vring *r)
{
	return 6 + 8ull * r->size;
}

int split_pop(struct vring *r, const struct vring_mem *mem, struct iovec *iov, unsigned max,
	      struct vring_chain *ret);
void split_push(struct vring *r, const struct vring_mem *mem, uint16_t id, uint32_t len);
bool split_should_signal(struct vring *r, const struct vring_mem *mem);
void split_notify_off(struct vring *r, const struct vring_mem *mem);
void split_notify_on(struct vring *r, const struct vring_mem *mem);
bool split_available(const struct vring *r, const struct vring_mem *mem);
bool split_published(const struct vring *r, const struct vring_mem *mem);
bool split_adopt(struct vring *r, const struct vring_mem *mem,
		 unsigned (*seen)(void *ctx, uint16_t id), void *ctx);

/* Ring entries between the used and the available position: 0 to size. */
static inline unsigned packed_outstanding(const struct vring *r)
{
	return r->avail_wrap == r->used_wrap ? (unsigned)r->avail - r->used
					     : (unsigned)r->size + r->avail - r->used;
}

int packed_pop(struct vring *r, const struct vring_mem *mem, struct iovec *iov, unsigned max,
	       struct vring_chain *ret);
void packed_unpop(struct vring *r, const struct vring_chain *c);
void packed_skip(struct vring *r, uint16_t ndesc);
void packed_push(struct vring *r, const struct vring_mem *mem, uint16_t id, uint16_t ndesc,
		 uint32_t len);
bool packed_should_signal(struct vring *r, const struct vring_mem *mem);
void packed_notify_off(struct vring *r, const struct vring_mem *mem);
void packed_notify_on(struct vring *r, const struct vring_mem *mem);
bool packed_available(const struct vring *r, const struct vring_mem *mem);
bool packed_published(const struct vring *r, const struct vring_mem *mem);
bool packed_adopt(struct vring *r, const struct vring_mem *mem,
		  unsigned (*seen)(void *ctx, uint16_t id), void *ctx);
