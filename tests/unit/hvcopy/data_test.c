/* SPDX-License-Identifier: Apache-2.0 */
/* What a copied device and its guest see: the same as with rings in granted memory. */
#include "hv/slot.h"
#include "rig.h"
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define EVENT VRING_F_EVENT_IDX
#define INDIRECT VRING_F_INDIRECT_DESC
#define PACKED VRING_F_RING_PACKED

static struct rig rig;
static struct iovec iov[VRING_SIZE_MAX];
static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16) % below;
}

/* ---- random chains, random order ---------------------------------------------------------------------------- */

#define SLOTS 16u
#define SLOT_BYTES 65536u
#define SLOT_GPA(i) (GUEST_GPA(AREA_DATA) + 0x400000u + (uint64_t)(i)*SLOT_BYTES)
#define SECRET 0xa5u

struct sent {
	bool live;
	unsigned n, nout;
	uint32_t out_bytes, in_bytes, len;
	struct drv_seg seg[8];
};

static struct sent sent[SLOTS];

static uint8_t pattern(unsigned slot, uint32_t i, bool in)
{
	return (uint8_t)((slot * 37 + i * 7 + in) & 0x7f); /* never SECRET */
}

static bool send(unsigned slot, uint64_t features)
{
	struct sent *s = &sent[slot];
	unsigned max =
		rig.drv[0].size < 8 ? rig.drv[0].size : 8; /* longer than the ring is an error */
	*s = (struct sent){.n = 1 + rnd(max)};
	s->nout = rnd(s->n + 1);
	uint64_t at = SLOT_GPA(slot);
	memset(guest_ptr(&rig.g, at), SECRET, SLOT_BYTES);
	for (unsigned i = 0; i < s->n; i++) {
		uint32_t len = rnd(10) ? 1 + rnd(rnd(3) ? 64 : 6000) : 0;
		at += rnd(100);
		s->seg[i] = (struct drv_seg){at, len, i >= s->nout};
		uint8_t *p = guest_ptr(&rig.g, at);
		for (uint32_t k = 0; k < len && i < s->nout; k++)
			p[k] = pattern(slot, s->out_bytes + k, false);
		*(i < s->nout ? &s->out_bytes : &s->in_bytes) += len;
		at += len;
	}
	bool ind = features & INDIRECT && rnd(2);
	s->live = drv_add(&rig.drv[0], s->seg, s->n, ind ? 0 : DRV_DIRECT, slot, NULL);
	return s->live;
}

/* The daemon answers: which slot it is, it learns from the first byte that it can read, or by the sizes. */
static void answer(const struct vring_chain *c, unsigned slot)
{
	struct sent *s = &sent[slot];
	assert_true(c->out_bytes == s->out_bytes && c->in_bytes == s->in_bytes);
	uint32_t pos = 0;
	for (unsigned i = 0; i < c->nout; i++)
		for (size_t k = 0; k < c->out[i].iov_len; k++, pos++)
			assert_int_equal(((uint8_t *)c->out[i].iov_base)[k],
					 pattern(slot, pos, false));
	s->len = rnd(3) ? s->in_bytes : rnd(s->in_bytes + 1);
	pos = 0;
	for (unsigned i = 0; i < c->nin; i++)
		for (size_t k = 0; k < c->in[i].iov_len; k++, pos++)
			((uint8_t *)c->in[i].iov_base)[k] =
				pos < s->len ? pattern(slot, pos, true) : 0xee;
}

/* The guest's memory: the first len bytes are the daemon's, all else is as it was. */
static void compare(unsigned slot)
{
	const struct sent *s = &sent[slot];
	static uint8_t want[SLOT_BYTES];
	memset(want, SECRET, sizeof(want));
	uint32_t out = 0, in = 0;
	for (unsigned i = 0; i < s->n; i++) {
		uint8_t *p = want + (s->seg[i].gpa - SLOT_GPA(slot));
		for (uint32_t k = 0; k < s->seg[i].len; k++)
			if (i < s->nout)
				p[k] = pattern(slot, out++, false);
			else if (in++ < s->len)
				p[k] = pattern(slot, in - 1, true);
	}
	assert_memory_equal(want, guest_ptr(&rig.g, SLOT_GPA(slot)), SLOT_BYTES);
}

struct held {
	struct vring_chain c;
	unsigned slot;
};

static void traffic(unsigned size, uint64_t features, unsigned rounds)
{
	rig_up(&rig, size, features);
	memset(sent, 0, sizeof(sent));
	struct held held[SLOTS];
	unsigned nheld = 0, fifo[SLOTS], nfifo = 0, live = 0, done = 0;
	while (done < rounds) {
		for (unsigned i = rnd(SLOTS); i; i--) {
			unsigned slot = rnd(SLOTS);
			if (!sent[slot].live && send(slot, features)) {
				fifo[nfifo++] = slot;
				live++;
			}
		}
		if (drv_kick_needed(&rig.drv[0]))
			rig_notify(&rig, 0);
		while (rig_pop(&rig, 0, iov, &held[nheld].c) == 1) {
			held[nheld].slot = fifo[0]; /* the rings keep the order */
			answer(&held[nheld].c, fifo[0]);
			memmove(fifo, fifo + 1, --nfifo * sizeof(fifo[0]));
			nheld++;
		}
		for (unsigned i = rnd(nheld + 1); i; i--) {
			unsigned k = rnd(nheld);
			rig_push(&rig, 0, &held[k].c, sent[held[k].slot].len);
			held[k] = held[--nheld];
		}
		rig_signal(&rig, 0);
		uint64_t token;
		uint32_t len;
		while (live > nheld + nfifo) {
			assert_true(rig_reap(&rig, 0, &token, &len));
			assert_true(sent[token].live);
			assert_int_equal(len, sent[token].len);
			compare((unsigned)token);
			sent[token].live = false;
			live--;
			done++;
		}
		assert_int_equal(rig.dev[0].error, 0);
	}
	struct copy_counts n;
	copy_counts(rig.copy, &n);
	assert_int_equal(n.outstanding, nheld);
	assert_true(n.chains >= done);
	assert_int_equal(atomic_load(&rig.hostiles), 0);
	rig_fini(&rig);
}

static void test_random_traffic(void **s)
{
	(void)s;
	seed = 1;
	traffic(16, 0, 1500);
	traffic(8, EVENT | INDIRECT, 1500);
	traffic(128, EVENT | INDIRECT, 1500);
	traffic(16, PACKED, 1500);
	traffic(11, PACKED | EVENT | INDIRECT, 1500);
	traffic(1, INDIRECT, 300);
}

/* The daemon's view holds what the driver gave it, and nothing else of the guest's memory. */
static void test_nothing_else_is_seen(void **s)
{
	(void)s;
	seed = 7;
	rig_up(&rig, 16, INDIRECT);
	memset(rig.ram.hva, SECRET, 0x1000);
	memset(sent, 0, sizeof(sent));
	for (unsigned slot = 0; slot < SLOTS && send(slot, 0);)
		slot++;
	rig_notify(&rig, 0);
	const uint8_t *q = rig.channel.win[0].hva + copy_queue_at(0);
	unsigned found = 0;
	for (size_t i = 0; i < COPY_QUEUE_BYTES; i++) {
		assert_int_not_equal(q[i], SECRET);
		found += q[i] != 0;
	}
	assert_true(found > 100);
	rig_fini(&rig);
}

/* ---- bounds ---------------------------------------------------------------------------------------------------- */

static bool big(uint32_t mib, uint64_t token)
{
	/* many descriptors of one MiB of the guest, which all may be the same */
	struct drv_seg seg[16];
	for (uint32_t i = 0; i < mib; i++)
		seg[i] = (struct drv_seg){GUEST_GPA(AREA_DATA) + 0x400000u, 1u << 20, true};
	return drv_add(&rig.drv[0], seg, mib, DRV_DIRECT, token, NULL);
}

static void test_a_chain_that_is_too_long(void **s)
{
	(void)s;
	struct vring_chain c;
	rig_up(&rig, 16, 0);
	assert_true(big(7, 1)); /* fits, with its table */
	rig_notify(&rig, 0);
	assert_true(rig_pop_wait(&rig, 0, iov, &c));
	assert_true(c.in_bytes == 7u << 20);
	rig_push(&rig, 0, &c, 0);
	assert_true(big(8, 2)); /* does not, for its table */
	rig_notify(&rig, 0);
	assert_true(rig_wait(&rig.rung));
	while (rig_pop(&rig, 0, iov, &c) == 0)
		assert_true(rig_wait(&rig.rung));
	assert_int_equal(rig.dev[0].error, VRING_E_LIMIT);
	rig_fini(&rig);
}

/* What finds no room waits in the guest's ring and goes on when something is given back. */
static void test_a_full_bounce_area(void **s)
{
	(void)s;
	struct vring_chain c[16];
	uint64_t token;
	uint32_t len;
	rig_up(&rig, 64, EVENT);
	for (unsigned i = 0; i < 12; i++)
		assert_true(big(3, i));
	rig_notify(&rig, 0);
	unsigned n = 0;
	for (; n < 2; n++) /* 2 * 3 MiB of 8 */
		assert_true(rig_pop_wait(&rig, 0, iov, &c[n]));
	assert_int_equal(rig_pop(&rig, 0, iov, &c[n]), 0);
	for (unsigned done = 0; done < 12; done++) {
		assert_true(n > 0);
		rig_push(&rig, 0, &c[0], 1);
		rig_signal(&rig, 0);
		memmove(c, c + 1, --n * sizeof(c[0]));
		assert_true(rig_reap(&rig, 0, &token, &len));
		assert_int_equal(token, done);
		for (; n < 2 && done + n + 1 < 12; n++)
			assert_true(rig_pop_wait(&rig, 0, iov, &c[n]));
	}
	rig_fini(&rig);
}

static void test_segments_are_aligned_for_direct_io(void **s)
{
	(void)s;
	struct vring_chain c;
	rig_up(&rig, 16, 0);
	struct drv_seg seg[4] = {{GUEST_BUFFERS + 1, 16, false},
				 {GUEST_BUFFERS + 4096, 4096, true},
				 {GUEST_BUFFERS + 8192, 512, true},
				 {GUEST_BUFFERS + 9000, 1, true}};
	for (unsigned i = 0; i < 3; i++)
		assert_true(drv_add(&rig.drv[0], seg, 4, DRV_DIRECT, 0, NULL));
	rig_notify(&rig, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(rig_pop_wait(&rig, 0, iov, &c));
		assert_int_equal(c.nout, 1);
		assert_int_equal(c.nin, 3);
		assert_int_equal((uintptr_t)c.in[0].iov_base % 512, 0);
		assert_int_equal((uintptr_t)c.in[1].iov_base % 512, 0);
	}
	rig_fini(&rig);
}

static void test_chains_without_bytes(void **s)
{
	(void)s;
	struct vring_chain c;
	uint64_t token;
	uint32_t len;
	rig_up(&rig, 4, 0);
	struct drv_seg empty = {0, 0, true};
	assert_true(drv_add(&rig.drv[0], &empty, 1, DRV_DIRECT, 5, NULL));
	rig_notify(&rig, 0);
	assert_true(rig_pop_wait(&rig, 0, iov, &c));
	assert_int_equal(c.nout + c.nin, 0);
	rig_push(&rig, 0, &c, 0);
	rig_signal(&rig, 0);
	assert_true(rig_reap(&rig, 0, &token, &len));
	assert_true(token == 5 && len == 0);
	rig_fini(&rig);
}

/* ---- life of a queue ------------------------------------------------------------------------------------------- */

static const struct drv_seg one = {GUEST_BUFFERS, 64, true};

static void test_nothing_moves_before_driver_ok(void **s)
{
	(void)s;
	struct vring_chain c;
	rig_init(&rig);
	rig_features(&rig, 0);
	assert_int_equal(rig_queue(&rig, 0, 8, 0), 0);
	assert_true(drv_add(&rig.drv[0], &one, 1, DRV_DIRECT, 0, NULL));
	rig_notify(&rig, 0);
	assert_int_equal(rig_pop(&rig, 0, iov, &c), 0);
	rig_live(&rig); /* without another notification */
	assert_true(rig_wait(&rig.rung));
	assert_true(rig_pop_wait(&rig, 0, iov, &c));
	rig_fini(&rig);
}

static void test_a_queue_that_the_device_has_not_started_is_left_alone(void **s)
{
	(void)s;
	struct vring_chain c;
	rig_init(&rig);
	rig_features(&rig, PACKED);
	assert_int_equal(rig_queue(&rig, 0, 8, PACKED), 0);
	atomic_store(&((struct copy_channel *)(void *)rig.channel.win[0].hva)->queue[0].started, 0);
	rig_live(&rig);
	assert_true(drv_add(&rig.drv[0], &one, 1, DRV_DIRECT, 0, NULL));
	rig_notify(&rig, 0);
	copy_reset(rig.copy); /* nobody works any more */
	assert_int_equal(rig_pop(&rig, 0, iov, &c), 0);
	assert_int_equal(*(uint32_t *)(void *)rig.drv[0].device, 0);
	rig_fini(&rig);
}

/* A driver that notifies nobody, and a device that looks now and then. */
static void test_a_device_that_looks_finds_what_was_not_notified(void **s)
{
	(void)s;
	struct vring_chain c;
	rig_up(&rig, 8, 0);
	while (rig_pop(&rig, 0, iov, &c) == 0 && atomic_load(&rig.rings) == 0) {
		(void)drv_add(&rig.drv[0], &one, 1, DRV_DIRECT, 0, NULL); /* full: they are there */
		rig.dm.copy_asked_ns = 0;				  /* some time later */
	}
	assert_true(rig_wait(&rig.rung));
	rig_fini(&rig);
}

static void test_errors_of_the_guest_reach_the_device(void **s)
{
	(void)s;
	struct vring_chain c;
	rig_init(&rig);
	rig_features(&rig, 0);
	assert_int_equal(rig_queue(&rig, 0, 6, 0), -EINVAL); /* split: no power of two */
	assert_int_equal(rig.dev[0].error, VRING_E_SIZE);
	rig_write(&rig, 0x70, 0);
	rig_features(&rig, 0);
	assert_int_equal(rig_queue(&rig, 0, 8, 0), 0);
	rig_live(&rig);
	assert_true(drv_add(&rig.drv[0], &one, 1, DRV_DIRECT, 0, NULL));
	struct drv_seg outside = {0x1000, 8, true};
	assert_true(drv_add(&rig.drv[0], &outside, 1, DRV_DIRECT, 1, NULL));
	rig_notify(&rig, 0);
	assert_true(rig_pop_wait(&rig, 0, iov, &c)); /* what came before is good */
	assert_false(rig_pop_wait(&rig, 0, iov, &c));
	assert_int_equal(rig.dev[0].error, VRING_E_BUFFER);
	assert_int_equal(rig_pop(&rig, 0, iov, &c), -EIO);
	/* after a reset it works again */
	copyq_ops.stop(&rig.dm, 0, &rig.dev[0]);
	rig_features(&rig, PACKED);
	assert_int_equal(rig_queue(&rig, 0, 6, PACKED), 0);
	rig_live(&rig);
	assert_true(drv_add(&rig.drv[0], &one, 1, DRV_DIRECT, 0, NULL));
	rig_notify(&rig, 0);
	assert_true(rig_pop_wait(&rig, 0, iov, &c));
	rig_fini(&rig);
}

/* Stopped with buffers outside: they are forgotten, and what a daemon does with them later reaches nobody. */
static void test_stop_forgets(void **s)
{
	(void)s;
	struct vring_chain c;
	for (unsigned way = 0; way < 4; way++) {
		rig_up(&rig, 8, 1ull << 40);
		for (unsigned i = 0; i < 3; i++)
			assert_true(drv_add(&rig.drv[0], &one, 1, DRV_DIRECT, i, NULL));
		rig_notify(&rig, 0);
		assert_true(rig_pop_wait(&rig, 0, iov, &c));
		uint8_t *g = guest_ptr(&rig.g, one.gpa);
		memset(g, 1, 64);
		switch (way) {
		case 0:
			rig_write(&rig, 0x70, 0);
			break;
		case 1:
			rig_write(&rig, 0x44, 0);
			break;
		case 2:
			rig_write(&rig, 0xc0, 1);
			break;
		default:
			copy_reset(rig.copy);
		}
		struct copy_counts n;
		copy_counts(rig.copy, &n);
		assert_int_equal(n.outstanding, 0);
		memset(c.in[0].iov_base, 2, 64);
		rig_push(&rig, 0, &c, 64);
		rig_signal(&rig, 0);
		rig_notify(&rig, 0);
		uint64_t token;
		uint32_t len;
		assert_false(drv_reap(&rig.drv[0], &token, &len));
		assert_int_equal(g[0], 1);
		rig_features(&rig, 0);
		assert_int_equal(rig_queue(&rig, 0, 8, 0), 0);
		rig_live(&rig);
		assert_true(drv_add(&rig.drv[0], &one, 1, DRV_DIRECT, 9, NULL));
		rig_notify(&rig, 0);
		assert_true(rig_pop_wait(&rig, 0, iov, &c));
		rig_push(&rig, 0, &c, 1);
		rig_signal(&rig, 0);
		assert_true(rig_reap(&rig, 0, &token, &len));
		assert_true(token == 9);
		assert_int_equal(atomic_load(&rig.hostiles), 0);
		rig_fini(&rig);
	}
}

static void no_line(void *opaque, unsigned irq, bool level)
{
	(void)opaque, (void)irq, (void)level;
}

static void no_pulse(void *opaque, unsigned irq)
{
	(void)opaque, (void)irq;
}

static void no_change(void *opaque)
{
	(void)opaque;
}

/* A guest that resets a device whose daemon is gone: its buffers are its own again. */
static void test_a_reset_without_a_daemon_counts(void **s)
{
	(void)s;
	static const struct slot_ops slot_ops = {no_line, no_pulse, no_change};
	const uint32_t irq = 3;
	struct slot_config cfg = {.name = "dut",
				  .vcpus = 1,
				  .lines = 1,
				  .irqs = &irq,
				  .policy = POLICY_ONES,
				  .state_bytes = 64,
				  .ops = &slot_ops};
	struct slot *slot;
	struct err err = {0};
	struct vring_chain c;
	struct copy_counts n;
	uint64_t zero = 0;
	rig_up(&rig, 8, 0);
	assert_true(drv_add(&rig.drv[0], &one, 1, DRV_DIRECT, 0, NULL));
	rig_notify(&rig, 0);
	assert_true(rig_pop_wait(&rig, 0, iov, &c));
	assert_int_equal(slot_create(&cfg, &slot, &err), 0);
	slot->copy = rig.copy;
	struct bus_range range = {.space = BUS_MMIO, .widths = 15, .size = 512, .slot = slot};
	copy_counts(rig.copy, &n);
	assert_int_equal(n.outstanding, 1);
	assert_false(slot_access_now(slot, &range, 0, 0x70, 4, true, &zero));
	assert_int_equal(slot_access(slot, &range, 0, NULL, 0x70, 4, true, &zero), ACCESS_OK);
	copy_counts(rig.copy, &n);
	assert_int_equal(n.outstanding, 0);
	slot_destroy(slot);
	rig_fini(&rig);
}

static unsigned seen(void *ctx, uint16_t id)
{
	(void)id;
	(*(unsigned *)ctx)++;
	return 1;
}

/* The daemon dies between its pushes and its commit: its successor finds out, nothing is done twice. */
static void test_a_daemon_that_dies(void **s)
{
	(void)s;
	struct vring_chain c[4];
	uint64_t token;
	uint32_t len;
	rig_up(&rig, 8, PACKED);
	for (unsigned i = 0; i < 4; i++)
		assert_true(drv_add(&rig.drv[0], &one, 1, DRV_DIRECT, i, NULL));
	rig_notify(&rig, 0);
	assert_true(rig_pop_wait(&rig, 0, iov, &c[0]));
	struct vring committed = rig.dev[0];
	assert_true(rig_pop_wait(&rig, 0, iov, &c[1]));
	rig_push(&rig, 0, &c[0], 10);
	rig_push(&rig, 0, &c[1], 11);
	rig.dev[0] = committed; /* no signal, no commit */
	copy_serving(rig.copy);
	unsigned known = 0;
	copyq_ops.adopt(&rig.dm, 0, &rig.dev[0], seen, &known);
	assert_int_equal(known, 2);
	rig_signal(&rig, 0);
	assert_true(rig_pop_wait(&rig, 0, iov, &c[2]));
	assert_true(rig_pop_wait(&rig, 0, iov, &c[3]));
	assert_int_equal(rig_pop(&rig, 0, iov, &c[3]), 0);
	rig_push(&rig, 0, &c[2], 12);
	rig_push(&rig, 0, &c[3], 13);
	rig_signal(&rig, 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(rig_reap(&rig, 0, &token, &len));
		assert_true(token == i && len == 10 + i);
	}
	rig_fini(&rig);
}

static void test_interrupts_are_as_the_driver_wants(void **s)
{
	(void)s;
	struct vring_chain c;
	uint64_t token;
	uint32_t len;
	rig_up(&rig, 8, EVENT);
	for (unsigned i = 0; i < 100; i++) {
		bool off = i % 3 == 0;
		uint32_t before = atomic_load(&rig.uses);
		if (off)
			drv_irq_off(&rig.drv[0]);
		else
			drv_irq_on(&rig.drv[0]);
		assert_true(drv_add(&rig.drv[0], &one, 1, DRV_DIRECT, i, NULL));
		rig_notify(&rig, 0);
		assert_true(rig_pop_wait(&rig, 0, iov, &c));
		rig_push(&rig, 0, &c, 1);
		rig_signal(&rig, 0);
		if (off) {
			rig_notify(&rig,
				   0); /* the vCPU or the service thread: somebody takes it back */
			while (!drv_reap(&rig.drv[0], &token, &len))
				sched_yield();
		} else {
			assert_true(rig_wait(&rig.used));
			assert_true(drv_reap(&rig.drv[0], &token, &len));
		}
		assert_int_equal(atomic_load(&rig.uses), before + !off);
	}
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_traffic),
		cmocka_unit_test(test_nothing_else_is_seen),
		cmocka_unit_test(test_a_chain_that_is_too_long),
		cmocka_unit_test(test_a_full_bounce_area),
		cmocka_unit_test(test_segments_are_aligned_for_direct_io),
		cmocka_unit_test(test_chains_without_bytes),
		cmocka_unit_test(test_nothing_moves_before_driver_ok),
		cmocka_unit_test(test_a_queue_that_the_device_has_not_started_is_left_alone),
		cmocka_unit_test(test_a_device_that_looks_finds_what_was_not_notified),
		cmocka_unit_test(test_errors_of_the_guest_reach_the_device),
		cmocka_unit_test(test_stop_forgets),
		cmocka_unit_test(test_a_reset_without_a_daemon_counts),
		cmocka_unit_test(test_a_daemon_that_dies),
		cmocka_unit_test(test_interrupts_are_as_the_driver_wants),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
