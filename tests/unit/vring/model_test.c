/* SPDX-License-Identifier: Apache-2.0 */
/* Random chains in, random order out: each buffer reaches the device as the driver described it, and comes back once. */
#include "drv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define TOKENS 4096u

struct sent {
	bool live, popped, pushed;
	unsigned n;
	uint32_t len; /* what the device said it wrote */
	struct drv_seg seg[DRV_SEGS];
};

struct model {
	struct guest g;
	struct vring r;
	struct drv d;
	bool in_order, indirect;
	uint64_t seed;
	unsigned ninflight;
	struct {
		uint16_t id, ndesc;
		unsigned token;
	} inflight[VRING_SIZE_MAX];
	uint64_t added, reaped;
	struct sent sent[TOKENS];
};

static struct model m;
static struct iovec iov[VRING_SIZE_MAX];

static uint32_t rnd(uint32_t below)
{
	m.seed ^= m.seed << 13;
	m.seed ^= m.seed >> 7;
	m.seed ^= m.seed << 17;
	return (uint32_t)(m.seed >> 16) % below;
}

static void add(void)
{
	unsigned token = (unsigned)(m.added % TOKENS);
	struct sent *t = &m.sent[token];
	if (t->live)
		return;
	unsigned max = m.d.size < 12 ? m.d.size : 12;
	*t = (struct sent){.n = 1 + rnd(max)};
	unsigned nout = rnd(t->n + 1);
	for (unsigned i = 0; i < t->n; i++)
		t->seg[i] = (struct drv_seg){.gpa = GUEST_BUFFERS + rnd(GUEST_BUFFER_BYTES - 4096),
					     .len = rnd(8) ? 1 + rnd(4096) : 0,
					     .write = i >= nout};
	unsigned where = DRV_DIRECT;
	if (m.indirect && rnd(2))
		where = m.d.packed ? 0 : rnd(t->n);
	if (drv_add(&m.d, t->seg, t->n, where, token, NULL)) {
		t->live = true;
		m.added++;
	}
}

/* The chain is what was sent, but for empty buffers. */
static void compare(const struct vring_chain *c, const struct sent *t)
{
	unsigned k = 0;
	uint64_t bytes[2] = {0, 0};
	for (unsigned i = 0; i < t->n; i++) {
		if (!t->seg[i].len)
			continue;
		assert_true(k < c->nout + c->nin);
		const struct vring_window *w = &m.g.mem.win[AREA_DATA];
		assert_ptr_equal(iov[k].iov_base, w->hva + (t->seg[i].gpa - w->gpa));
		assert_int_equal(iov[k].iov_len, t->seg[i].len);
		assert_int_equal(k >= c->nout, t->seg[i].write);
		bytes[t->seg[i].write] += t->seg[i].len;
		k++;
	}
	assert_int_equal(k, c->nout + c->nin);
	assert_true(c->out_bytes == bytes[0] && c->in_bytes == bytes[1]);
	assert_ptr_equal(c->out, iov);
	assert_ptr_equal(c->in, iov + c->nout);
}

static void pop(void)
{
	struct vring_chain c = {0};
	bool expected = vring_available(&m.r, &m.g.mem);
	int got = vring_pop(&m.r, &m.g.mem, iov, VRING_SIZE_MAX, &c);
	assert_int_equal(got, expected);
	if (!got)
		return;
	unsigned token = (unsigned)m.d.token[c.id];
	struct sent *t = &m.sent[token];
	assert_true(t->live && !t->popped);
	compare(&c, t);
	if (!rnd(4)) { /* back, and again the same */
		struct vring was = m.r;
		vring_unpop(&m.r, &c);
		assert_true(vring_available(&m.r, &m.g.mem));
		struct vring_chain again = {0};
		assert_int_equal(vring_pop(&m.r, &m.g.mem, iov, VRING_SIZE_MAX, &again), 1);
		assert_memory_equal(&was, &m.r, sizeof(was));
		assert_int_equal(again.id, c.id);
		assert_int_equal(again.ndesc, c.ndesc);
		compare(&again, t);
	}
	t->popped = true;
	assert_true(m.ninflight < m.d.size);
	m.inflight[m.ninflight].id = c.id;
	m.inflight[m.ninflight].ndesc = c.ndesc;
	m.inflight[m.ninflight++].token = token;
	assert_int_equal(m.r.inflight, m.ninflight);
}

static void push(void)
{
	if (!m.ninflight)
		return;
	unsigned i = m.in_order ? 0 : rnd(m.ninflight);
	struct sent *t = &m.sent[m.inflight[i].token];
	t->len = rnd(3) ? rnd(UINT32_MAX) : 0;
	t->pushed = true;
	vring_push(&m.r, &m.g.mem, m.inflight[i].id, m.inflight[i].ndesc, t->len);
	m.ninflight--;
	memmove(&m.inflight[i], &m.inflight[i + 1], (m.ninflight - i) * sizeof(m.inflight[0]));
}

static bool reap(void)
{
	uint64_t token;
	uint32_t len;
	if (!drv_reap(&m.d, &token, &len))
		return false;
	struct sent *t = &m.sent[token];
	assert_true(t->live && t->pushed);
	assert_int_equal(len, t->len);
	if (m.in_order)
		assert_int_equal(token, m.reaped % TOKENS);
	t->live = false;
	m.reaped++;
	return true;
}

static void run(unsigned size, uint64_t features, uint64_t chains, uint64_t seed)
{
	memset(&m, 0, sizeof(m));
	m.seed = seed * 2654435761u + 1;
	m.in_order = features & VRING_F_IN_ORDER;
	m.indirect = features & VRING_F_INDIRECT_DESC;
	guest_init(&m.g, features & VRING_F_RING_PACKED, false);
	drv_init(&m.d, &m.g, &m.r, size, features);
	assert_int_equal(vring_start(&m.r, &m.g.mem), 0);
	while (m.reaped < chains) {
		/* bursts, so that the ring is now full, now empty */
		unsigned op = rnd(4), n = 1 + rnd(2 * size);
		for (unsigned i = 0; i < n; i++)
			switch (op) {
			case 0:
				add();
				break;
			case 1:
				pop();
				break;
			case 2:
				push();
				break;
			default:
				reap();
			}
		assert_int_equal(m.r.error, VRING_OK);
		assert_int_equal(vring_check(&m.r, &m.g.mem), 0);
	}
	while (vring_available(&m.r, &m.g.mem))
		pop();
	while (m.ninflight)
		push();
	while (reap())
		;
	assert_true(m.added == m.reaped);
	assert_int_equal(m.r.inflight, 0);
	assert_int_equal(m.d.nfree, size);
	for (unsigned i = 0; i < VRING_SIZE_MAX / 64; i++)
		assert_int_equal(m.r.busy[i], 0);
	assert_int_equal(m.r.popped, (uint32_t)m.added);
	guest_fini(&m.g);
}

/* More requests than a 16-bit index counts, for every combination of features. */
static void test_split(void **s)
{
	(void)s;
	for (unsigned f = 0; f < 8; f++) {
		uint64_t features = (f & 1 ? VRING_F_INDIRECT_DESC : 0) |
				    (f & 2 ? VRING_F_EVENT_IDX : 0) |
				    (f & 4 ? VRING_F_IN_ORDER : 0);
		run(64, features, 70000, f + 1);
		for (unsigned size = 1; size <= 1024; size *= 4)
			run(size, features, 3000, size + f);
	}
}

static void test_packed(void **s)
{
	(void)s;
	const unsigned sizes[] = {1, 2, 3, 5, 17, 128, 1000, 1024};
	for (unsigned f = 0; f < 8; f++) {
		uint64_t features = VRING_F_RING_PACKED | (f & 1 ? VRING_F_INDIRECT_DESC : 0) |
				    (f & 2 ? VRING_F_EVENT_IDX : 0) |
				    (f & 4 ? VRING_F_IN_ORDER : 0);
		run(63, features, 70000, f + 1);
		for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			run(sizes[i], features, 3000, sizes[i] + f);
	}
}

static void test_unpop_of_several(void **s)
{
	(void)s;
	for (unsigned packed = 0; packed < 2; packed++) {
		memset(&m, 0, sizeof(m));
		guest_init(&m.g, packed, false);
		drv_init(&m.d, &m.g, &m.r, 7 + !packed, packed ? VRING_F_RING_PACKED : 0);
		assert_int_equal(vring_start(&m.r, &m.g.mem), 0);
		struct drv_seg seg[3] = {{GUEST_BUFFERS, 1, false},
					 {GUEST_BUFFERS, 2, false},
					 {GUEST_BUFFERS, 3, true}};
		uint64_t token = 0, back;
		uint32_t len;
		for (unsigned round = 0; round < 1000; round++) {
			struct vring was = m.r;
			struct vring_chain c[3];
			for (unsigned i = 0; i < 3; i++)
				assert_true(drv_add(&m.d, seg, 1 + (round + i) % 3, DRV_DIRECT,
						    token++, NULL));
			for (unsigned i = 0; i < 3; i++)
				assert_int_equal(vring_pop(&m.r, &m.g.mem, iov, 8, &c[i]), 1);
			for (unsigned i = 3; i-- > 0;)
				vring_unpop(&m.r, &c[i]);
			assert_memory_equal(&was, &m.r, sizeof(was));
			for (unsigned i = 0; i < 3; i++) {
				struct vring_chain again;
				assert_int_equal(vring_pop(&m.r, &m.g.mem, iov, 8, &again), 1);
				assert_int_equal(again.id, c[i].id);
				vring_push(&m.r, &m.g.mem, again.id, again.ndesc, 9);
				assert_true(drv_reap(&m.d, &back, &len));
				assert_true(back == token - 3 + i);
			}
		}
		guest_fini(&m.g);
	}
}

static void test_iov_copies(void **s)
{
	(void)s;
	uint8_t a[5] = "abcde", b[1] = "f", e[4] = "ghij", out[16];
	struct iovec v[4] = {{a, 5}, {NULL, 0}, {b, 1}, {e, 4}};
	for (size_t off = 0; off <= 12; off++)
		for (size_t len = 0; len <= 12; len++) {
			memset(out, '.', sizeof(out));
			size_t want = off >= 10 ? 0 : 10 - off < len ? 10 - off : len;
			assert_int_equal(vring_iov_read(v, 4, off, out, len), want);
			assert_memory_equal(out, "abcdefghij" + (want ? off : 0), want);
			assert_int_equal(out[want], '.');
		}
	assert_int_equal(vring_iov_write(v, 4, 4, "XYZ", 3), 3);
	assert_memory_equal(a, "abcdX", 5);
	assert_memory_equal(b, "Y", 1);
	assert_memory_equal(e, "Zhij", 4);
	assert_int_equal(vring_iov_write(v, 4, 8, "12345", 5), 2);
	assert_memory_equal(e, "Zh12", 4);
	assert_int_equal(vring_iov_read(NULL, 0, 0, out, 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_unpop_of_several),
		cmocka_unit_test(test_iov_copies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
