/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving the data of one queue: the guest's device on one side, the daemon's driver on the other.
 *
 * Theory of operation. offer() pops a chain of the guest, gives it a part of the bounce area, copies the device-readable
 * bytes there and makes it available to the daemon, as one indirect descriptor. take_back() reads what the daemon has
 * used, copies the bytes that it says it wrote into the guest's buffers, and gives the chain back in the guest's ring.
 *
 * The bounce area is a circle: a chain's part is taken at the head, and given back at the tail once all that came
 * before it are back, too. An area without chains begins anew at its start, so a device that has one request at a time touches a
 * few pages only, and any chain that fits at all finds room some time. Segments keep their boundaries, and those of 512 bytes
 * and more lie at multiples of 512, so that a disk can do direct I/O on them.
 *
 * A chain whose buffers are not given back yet when the room is used up waits in the guest's ring; the guest does not
 * notify meanwhile.
 */
#include "base/bytes.h"
#include "hv/copy_int.h"
#include <stdlib.h>

#define PART_ALIGN 512u
#define SEGMENT_ALIGN 16u
#define DESC_F_NEXT 1u
#define DESC_F_WRITE 2u
#define DESC_F_INDIRECT 4u
#define AVAIL_F_NO_INTERRUPT 1u

/* A descriptor of the ring that we drive, and of its tables. */
struct copy_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};
static_assert(sizeof(struct copy_desc) == sizeof(struct iovec), "the mirror holds one for each");

static uint16_t *word_at(struct copy_queue *k, uint32_t at)
{
	return (uint16_t *)(void *)(k->base + at);
}

/* ---- life -------------------------------------------------------------------------------------- */

void copy_queue_stop(struct copy *c, unsigned q)
{
	struct copy_queue *k = &c->queue[q];
	if (!k->ring.ready && !k->ring.error)
		return;
	c->counts.outstanding -= k->nring - k->nfree;
	for (uint32_t i = 0; i < k->nring; i++)
		k->chain[i].out = false;
	k->ring = (struct vring){0};
	k->nring = k->nfree = 0;
	atomic_fetch_and(&c->alive, ~(1u << q));
}

void copy_queue_start(struct copy *c, unsigned q)
{
	struct copy_queue *k = &c->queue[q];
	copy_queue_stop(c, q);
	k->ring = (struct vring){.desc = k->desc,
				 .driver = k->driver,
				 .device = k->device,
				 .features = c->features & VRING_FEATURES,
				 .size = (uint16_t)(k->size <= VRING_SIZE_MAX ? k->size : 0),
				 .size_max = VRING_SIZE_MAX};
	int rc = vring_start(&k->ring, &c->mem);
	atomic_store(&c->channel->queue[q].error, k->ring.error);
	/* The daemon says whether there is such a queue at all, and whether the driver may have it now. */
	atomic_store(&c->channel->queue[q].started, 0);
	if (rc)
		return;
	k->base = (uint8_t *)c->channel + copy_queue_at(q);
	memset(k->base + COPY_DRIVER, 0, COPY_BOUNCE - COPY_DRIVER);
	k->nring = k->nfree = copy_ring_size(k->ring.size);
	for (uint32_t i = 0; i < k->nring; i++)
		k->free[i] = (uint16_t)(k->nring - 1 - i);
	k->avail = k->used = 0;
	k->order_head = k->order_n = 0;
	k->area_head = k->area_tail = 0;
	atomic_fetch_or(&c->alive, 1u << q);
}

bool copy_queue_interrupts(struct copy *c, unsigned q, bool on)
{
	struct copy_queue *k = &c->queue[q];
	if (!k->nring)
		return false;
	__atomic_store_n(word_at(k, COPY_DRIVER), on ? 0 : AVAIL_F_NO_INTERRUPT, __ATOMIC_RELAXED);
	if (!on)
		return false;
	/* Pairs with the fence in the daemon's vring_should_signal(): it sees that we sleep, or we what it used. */
	atomic_thread_fence(memory_order_seq_cst);
	return __atomic_load_n(word_at(k, COPY_DEVICE + 2), __ATOMIC_RELAXED) != k->used;
}

/* ---- the bounce area ------------------------------------------------------------------------------ */

/* A contiguous part of @bytes. False: none is free. */
static bool area_take(struct copy_queue *k, uint32_t bytes, uint32_t *ret)
{
	if (!k->order_n)
		k->area_head = k->area_tail = 0;
	uint32_t head = k->area_head, tail = k->area_tail;
	bool wrapped = k->order_n && head <= tail;
	if (wrapped ? tail - head < bytes : COPY_BOUNCE_BYTES - head < bytes) {
		/* The rest up to the end is left over; it comes back with the chain before it. */
		if (wrapped || tail < bytes)
			return false;
		head = 0;
	}
	*ret = head;
	k->area_head = head + bytes;
	return true;
}

static void area_give(struct copy_queue *k)
{
	while (k->order_n && !k->chain[k->order[k->order_head]].out) {
		k->order_head = (k->order_head + 1) % COPY_SIZE_MAX;
		k->order_n--;
		if (k->order_n)
			k->area_tail = k->chain[k->order[k->order_head]].at;
	}
}

static uint64_t segment_at(uint64_t pos, uint64_t len)
{
	return align_up(pos, len >= PART_ALIGN ? PART_ALIGN : SEGMENT_ALIGN);
}

static uint64_t part_bytes(const struct iovec *iov, uint32_t n)
{
	uint64_t pos = n * sizeof(struct copy_desc);
	for (uint32_t i = 0; i < n; i++)
		pos = segment_at(pos, iov[i].iov_len) + iov[i].iov_len;
	return align_up(pos ? pos : 1, PART_ALIGN);
}

/* ---- to the daemon --------------------------------------------------------------------------------- */

/* Fills the table of chain @h and copies what the device may read. */
static void fill(struct copy *c, unsigned q, const struct copy_chain *h, const struct iovec *iov)
{
	uint64_t part = copy_queue_at(q) + COPY_BOUNCE + h->at;
	uint8_t *base = (uint8_t *)c->channel;
	struct copy_desc *table = (void *)(base + part);
	struct iovec *mirror = (void *)(c->mirror + part);
	uint64_t pos = h->nseg * sizeof(*table);
	for (uint32_t i = 0; i < h->nseg; i++) {
		bool in = i >= h->nout, last = i + 1 == h->nseg;
		pos = segment_at(pos, iov[i].iov_len);
		table[i] = (struct copy_desc){
			.addr = part + pos,
			.len = (uint32_t)iov[i].iov_len,
			.flags = (uint16_t)((in ? DESC_F_WRITE : 0) | (last ? 0 : DESC_F_NEXT)),
			.next = (uint16_t)(last ? 0 : i + 1)};
		mirror[i] = iov[i];
		if (!in) {
			memcpy(base + part + pos, iov[i].iov_base, iov[i].iov_len);
			c->counts.out_bytes += iov[i].iov_len;
		}
		pos += iov[i].iov_len;
	}
}

/* False: no room now. */
static bool hand_on(struct copy *c, unsigned q, const struct vring_chain *v, uint64_t bytes)
{
	struct copy_queue *k = &c->queue[q];
	uint32_t at;
	if (!area_take(k, (uint32_t)bytes, &at))
		return false;
	uint16_t slot = k->free[--k->nfree];
	struct copy_chain *h = &k->chain[slot];
	*h = (struct copy_chain){.out = true,
				 .id = v->id,
				 .ndesc = v->ndesc,
				 .nout = v->nout,
				 .nseg = v->nout + v->nin,
				 .at = at,
				 .bytes = (uint32_t)bytes,
				 .in_bytes = v->in_bytes};
	k->order[(k->order_head + k->order_n++) % COPY_SIZE_MAX] = slot;
	fill(c, q, h, v->out);
	struct copy_desc *d = (struct copy_desc *)(void *)(k->base + COPY_DESC) + slot;
	*d = (struct copy_desc){0}; /* a chain of empty buffers */
	if (h->nseg)
		*d = (struct copy_desc){.addr = copy_queue_at(q) + COPY_BOUNCE + at,
					.len = h->nseg * (uint32_t)sizeof(*d),
					.flags = DESC_F_INDIRECT};
	*word_at(k, COPY_DRIVER + 4 + 2 * (k->avail & (k->nring - 1))) = slot;
	k->avail++;
	/* Release: the daemon sees the chain that the index publishes. */
	__atomic_store_n(word_at(k, COPY_DRIVER + 2), k->avail, __ATOMIC_RELEASE);
	c->counts.chains++;
	c->counts.outstanding++;
	return true;
}

static void offer(struct copy *c, unsigned q, struct copy_turn *t)
{
	struct copy_queue *k = &c->queue[q];
	uint64_t moved = 0;
	vring_notify_off(&k->ring, &c->mem);
	for (unsigned i = 0; i < COPY_TURN_CHAINS && moved < COPY_TURN_BYTES; i++) {
		struct vring_chain v;
		if (!k->nfree)
			return; /* goes on when the daemon gives something back */
		int rc = vring_pop(&k->ring, &c->mem, c->iov, VRING_SIZE_MAX, &v);
		if (rc < 0)
			return;
		if (rc == 0) {
			if (!vring_notify_on(&k->ring, &c->mem))
				return;
			vring_notify_off(&k->ring, &c->mem);
			continue;
		}
		uint64_t bytes = part_bytes(c->iov, v.nout + v.nin);
		if (bytes > COPY_BOUNCE_BYTES) {
			k->ring.error = VRING_E_LIMIT;
			return;
		}
		if (!hand_on(c, q, &v, bytes)) {
			vring_unpop(&k->ring, &v);
			return;
		}
		t->ring |= 1u << q;
		moved += v.out_bytes;
	}
	t->more = true;
}

/* ---- from the daemon --------------------------------------------------------------------------------- */

static void give_back(struct copy *c, unsigned q, uint16_t slot, uint32_t len)
{
	struct copy_queue *k = &c->queue[q];
	struct copy_chain *h = &k->chain[slot];
	uint64_t part = copy_queue_at(q) + COPY_BOUNCE + h->at;
	const uint8_t *base = (uint8_t *)c->channel;
	const struct iovec *mirror = (void *)(c->mirror + part);
	uint64_t pos = h->nseg * sizeof(struct copy_desc), left = len;
	for (uint32_t i = 0; i < h->nseg && left; i++) {
		pos = segment_at(pos, mirror[i].iov_len);
		if (i >= h->nout) {
			uint64_t n = mirror[i].iov_len < left ? mirror[i].iov_len : left;
			memcpy(mirror[i].iov_base, base + part + pos, n);
			left -= n;
		}
		pos += mirror[i].iov_len;
	}
	h->out = false;
	k->free[k->nfree++] = slot;
	area_give(k);
	c->counts.in_bytes += len;
	c->counts.outstanding--;
	vring_push(&k->ring, &c->mem, h->id, h->ndesc, len);
}

/* NULL, or what a daemon may never write. */
static const char *take_back(struct copy *c, unsigned q, struct copy_turn *t)
{
	struct copy_queue *k = &c->queue[q];
	/* Acquire: pairs with the release of used.idx in the daemon's vring_push(). */
	uint16_t n = (uint16_t)(__atomic_load_n(word_at(k, COPY_DEVICE + 2), __ATOMIC_ACQUIRE) -
				k->used);
	if (n > k->nring - k->nfree)
		return "a used index beyond what it was given";
	uint64_t moved = 0;
	unsigned done = 0;
	for (; done < n && done < COPY_TURN_CHAINS && moved < COPY_TURN_BYTES; done++, k->used++) {
		const volatile uint32_t *e =
			(void *)(k->base + COPY_DEVICE + 4 + 8 * (k->used & (k->nring - 1)));
		uint32_t id = e[0], len = e[1];
		if (id >= k->nring || !k->chain[id].out)
			return "a used buffer that it does not have";
		if (len > k->chain[id].in_bytes)
			return "a used length beyond the buffer";
		give_back(c, q, (uint16_t)id, len);
		moved += len;
	}
	t->more |= done < n;
	if (done && vring_should_signal(&k->ring, &c->mem))
		t->used = true;
	return NULL;
}

void copy_queue_turn(struct copy *c, unsigned q, struct copy_turn *t)
{
	struct copy_queue *k = &c->queue[q];
	if (!k->ring.ready || !c->serving || !(c->status & STATUS_DRIVER_OK) ||
	    !atomic_load(&c->channel->queue[q].started))
		return;
	t->hostile = take_back(c, q, t);
	if (t->hostile) {
		c->serving = false;
		return;
	}
	offer(c, q, t);
	if (k->ring.error && !atomic_load(&c->channel->queue[q].error)) {
		atomic_store(&c->channel->queue[q].error, k->ring.error);
		t->ring |= 1u << q;
	}
}
