/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/trace.h"
#include "base/clock.h"
#include "base/err.h"
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#define TRACE_AHEAD 256u

static_assert(TRACE_UNIT == sizeof(struct port_entry), "records are whole units");
static_assert(TRACE_PAYLOAD_MAX + TRACE_UNIT < TRACE_DM_BYTES / 2,
	      "a record fits its ring, and leaves others");

void trace_area_init(struct trace_area *a, unsigned vcpus, const char *device)
{
	CHECK(vcpus <= PORT_MAX_VCPUS);
	a->magic = TRACE_MAGIC;
	a->version = TRACE_VERSION;
	a->bytes = trace_area_bytes(vcpus);
	a->vcpus = vcpus;
	snprintf(a->device, sizeof(a->device), "%s", device);
}

int trace_area_check(const void *map, size_t size)
{
	const struct trace_area *a = map;
	if (size < TRACE_RING_BASE || a->magic != TRACE_MAGIC || a->version != TRACE_VERSION ||
	    a->vcpus > PORT_MAX_VCPUS || size < trace_area_bytes(a->vcpus))
		return -EPROTO;
	return 0;
}

/* ---- units ----------------------------------------------------------------------------------------------- */

/*
 * A reader may copy a unit while it is overwritten; it then throws the copy away. Both sides move words atomically, so that
 * this is no data race.
 */
typedef _Atomic uint64_t __attribute__((may_alias)) word;

static inline void unit_store(uint8_t *at, const void *from)
{
	uint64_t v[4];
	memcpy(v, from, sizeof(v));
	for (unsigned i = 0; i < 4; i++)
		atomic_store_explicit((word *)(void *)at + i, v[i], memory_order_relaxed);
}

static void unit_load(void *to, const uint8_t *at)
{
	uint64_t v[4];
	for (unsigned i = 0; i < 4; i++)
		v[i] = atomic_load_explicit((const word *)(const void *)at + i,
					    memory_order_relaxed);
	memcpy(to, v, sizeof(v));
}

/* ---- writing --------------------------------------------------------------------------------------------- */

void trace_writer_init(struct trace_writer *w, struct trace_area *a, unsigned ring)
{
	w->ring = &a->ring[ring];
	w->bytes = (uint8_t *)a + trace_ring_offset(ring);
	w->mask = trace_ring_bytes(ring) - 1;
	/* After what a predecessor had begun: readers took none of it for complete. */
	uint64_t reserve = atomic_load(&w->ring->reserve), head = atomic_load(&w->ring->head);
	head &= ~(uint64_t)(TRACE_UNIT - 1);
	w->pos = (reserve > head ? reserve : head) & ~(uint64_t)(TRACE_UNIT - 1);
	uint64_t torn = w->pos - head;
	if (torn &&
	    torn - TRACE_UNIT <= TRACE_PAYLOAD_MAX) { /* its space is a record that says so */
		struct port_entry e = {.op = TRACE_GAP, .value = torn};
		if (torn > TRACE_UNIT) {
			e.flags = PORT_F_PAYLOAD;
			e.seq = (torn - TRACE_UNIT) << 32;
		}
		unit_store(w->bytes + (head & w->mask), &e);
		atomic_store_explicit(&w->ring->head, w->pos, memory_order_release);
	}
}

void trace_writev(struct trace_writer *w, const struct port_entry *e, const struct iovec *iov,
		  unsigned n)
{
	struct port_entry head = *e;
	uint64_t len = 0;
	for (unsigned i = 0; i < n; i++)
		len += iov[i].iov_len;
	if (!w->ring)
		return;
	CHECK(len <= TRACE_PAYLOAD_MAX && len + TRACE_UNIT <= (w->mask + 1) / 2);
	if (len) {
		head.flags |= PORT_F_PAYLOAD;
		head.seq = (head.seq & UINT32_MAX) | len << 32;
	}
	uint64_t at = w->pos, end = at + trace_record_bytes(&head);
	atomic_store_explicit(&w->ring->reserve, end, memory_order_relaxed);
	/* FENCE(reserve): the new bytes are not seen before the mark. Partner: trace_read(). */
	atomic_thread_fence(memory_order_release);
	unit_store(w->bytes + (at & w->mask), &head);
	uint8_t unit[TRACE_UNIT];
	unsigned fill = 0;
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *p = iov[i].iov_base;
		size_t left = iov[i].iov_len;
		while (left) {
			if (!fill && left >= TRACE_UNIT) {
				at += TRACE_UNIT;
				unit_store(w->bytes + (at & w->mask), p);
				p += TRACE_UNIT;
				left -= TRACE_UNIT;
				continue;
			}
			size_t k = TRACE_UNIT - fill < left ? TRACE_UNIT - fill : left;
			memcpy(unit + fill, p, k);
			fill += (unsigned)k;
			p += k;
			left -= k;
			if (fill == TRACE_UNIT) {
				at += TRACE_UNIT;
				unit_store(w->bytes + (at & w->mask), unit);
				fill = 0;
			}
		}
	}
	if (fill) {
		memset(unit + fill, 0, TRACE_UNIT - fill);
		at += TRACE_UNIT;
		unit_store(w->bytes + (at & w->mask), unit);
	}
	w->pos = end;
	atomic_store_explicit(&w->ring->head, end, memory_order_release);
	/* The ring is larger than the caches: what comes next is on its way when it is written. */
	__builtin_prefetch(w->bytes + ((end + TRACE_AHEAD) & w->mask), 1);
}

void trace_write(struct trace_writer *w, const struct port_entry *e, const void *payload,
		 size_t len)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)payload, .iov_len = len};
	if (__builtin_expect(len || !w->ring, 0)) {
		trace_writev(w, e, &iov, 1);
		return;
	}
	uint64_t at = w->pos;
	w->pos = at + TRACE_UNIT;
	atomic_store_explicit(&w->ring->reserve, w->pos, memory_order_relaxed);
	atomic_thread_fence(memory_order_release); /* FENCE(reserve) */
	unit_store(w->bytes + (at & w->mask), e);
	atomic_store_explicit(&w->ring->head, w->pos, memory_order_release);
}

/* ---- reading --------------------------------------------------------------------------------------------- */

void trace_reader_init(struct trace_reader *r, const struct trace_area *a, unsigned ring)
{
	*r = (struct trace_reader){.ring = &a->ring[ring],
				   .bytes = (const uint8_t *)a + trace_ring_offset(ring),
				   .size = trace_ring_bytes(ring)};
	r->pos = atomic_load_explicit(&r->ring->head, memory_order_acquire) &
		 ~(uint64_t)(TRACE_UNIT - 1);
}

/* Bytes of whole records among the @n at @buf; -EPROTO: there is none where one should be. -EMSGSIZE: the first is longer. */
static int64_t whole(const uint8_t *buf, uint64_t n, uint64_t have)
{
	uint64_t done = 0;
	while (done < n) {
		struct port_entry e;
		memcpy(&e, buf + done, sizeof(e));
		uint64_t bytes = trace_record_bytes(&e);
		if (!e.op || trace_payload(&e) > TRACE_PAYLOAD_MAX || done + bytes > have)
			return done ? (int64_t)done : -EPROTO;
		if (done + bytes > n)
			return done ? (int64_t)done : -EMSGSIZE;
		done += bytes;
	}
	return (int64_t)done;
}

static void go_to_end(struct trace_reader *r, uint64_t head, uint64_t *ret_lost)
{
	if (head > r->pos) {
		r->lost += head - r->pos;
		*ret_lost += head - r->pos;
	}
	r->pos = head;
}

int64_t trace_read(struct trace_reader *r, void *buf, size_t max, uint64_t *ret_lost)
{
	uint8_t *to = buf;
	*ret_lost = 0;
	uint64_t head = atomic_load_explicit(&r->ring->head, memory_order_acquire) &
			~(uint64_t)(TRACE_UNIT - 1);
	uint64_t have = head - r->pos;
	if (!have)
		return 0;
	if (have > r->size) { /* overtaken, or nonsense */
		go_to_end(r, head, ret_lost);
		return 0;
	}
	uint64_t n = have < max ? have : max & ~(size_t)(TRACE_UNIT - 1);
	for (uint64_t i = 0; i < n; i += TRACE_UNIT)
		unit_load(to + i, r->bytes + ((r->pos + i) & (r->size - 1)));
	/* FENCE(copied): partner: FENCE(reserve). */
	atomic_thread_fence(memory_order_acquire);
	uint64_t reserve = atomic_load_explicit(&r->ring->reserve, memory_order_relaxed);
	if (reserve - r->pos > r->size) {
		go_to_end(r, head, ret_lost);
		return 0;
	}
	int64_t got = whole(to, n, have);
	if (got == -EPROTO)
		go_to_end(r, head, ret_lost);
	else if (got > 0)
		r->pos += (uint64_t)got;
	return got;
}

uint64_t trace_guest_ns(const struct trace_area *a)
{
	uint64_t stopped = atomic_load(&a->clock_stopped);
	return stopped ? stopped - 1 : clock_now_ns() - atomic_load(&a->clock_offset_ns);
}

/*
 * A record is read long before the 71 minutes are over in which its 32 bits come again. A clock that differs by a moment between two
 * processes must not take those minutes off.
 */
uint64_t trace_time_ns(uint64_t now_ns, uint32_t us)
{
	const uint64_t slack_us = 60 * 1000000u;
	uint64_t now = now_ns / 1000 + slack_us;
	uint64_t age = (uint32_t)now - us;
	return (now - (age <= now ? age : 0)) * 1000;
}
