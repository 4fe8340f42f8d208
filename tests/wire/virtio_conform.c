/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A correct driver against one virtio daemon over the real port: virtio_conform DAEMON [CASE]. Each case runs with split and
 * packed rings, with and without indirect descriptors and event indices.
 */
#include "tests/wire/virtio_conform.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TESTS 512

static struct vrig *rig;

uint32_t conform_random(void)
{
	static uint64_t x = 0x853c49e6748fea9bull;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 24);
}

int conform_add(struct vrig *v, struct drv_queue *q, const struct drv_seg *seg, unsigned n)
{
	return v->d.features & DRV_F_INDIRECT ? drv_add_indirect(q, seg, n) : drv_add(q, seg, n);
}

uint32_t conform_do(struct vrig *v, struct drv_queue *q, const struct drv_seg *seg, unsigned n)
{
	unsigned got;
	uint32_t len;
	int id = conform_add(v, q, seg, n);
	assert_true(id >= 0);
	drv_kick(q);
	if (!drv_wait(q, &got, &len))
		fail_msg("no answer; status 0x%x", (unsigned)drv_r32(&v->d, DRV_STATUS));
	assert_int_equal(got, id);
	return len;
}

/* ---- what every model does -------------------------------------------------------------------------------- */

/* The first queue of the model, which needs no poke. */
static struct vtarget target_of(uint32_t device_id)
{
	const struct vtarget *t = vtargets;
	while (t->device_id != device_id)
		t++;
	return *t;
}

static void a_thousand_requests(struct vrig *v)
{
	struct drv_seg seg[VRIG_SEGS];
	struct drv_queue *q = vrig_q(v);
	unsigned n = v->target->request(v, seg), id;
	uint32_t len;
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(conform_add(v, q, seg, n) >= 0);
		drv_kick(q);
		assert_true(drv_wait(q, &id, &len));
		v->target->answer(v, seg, n, len);
	}
}

/* The ring full, again and again; each id comes back once. */
static void full_rings(struct vrig *v)
{
	struct drv_seg seg[VRIG_SEGS];
	struct drv_queue *q = vrig_q(v);
	unsigned n = v->target->request(v, seg), id;
	uint32_t len;
	for (unsigned round = 0; round < 20; round++) {
		static bool out[DRV_QUEUE_MAX];
		unsigned count = 0;
		int given;
		memset(out, 0, sizeof(out));
		while ((given = conform_add(v, q, seg, n)) >= 0) {
			assert_false(out[given]);
			out[given] = true;
			count++;
		}
		assert_true(count >= q->size / n);
		drv_kick(q);
		while (count--) {
			assert_true(drv_wait(q, &id, &len));
			assert_true(id < q->size && out[id]);
			out[id] = false;
			v->target->answer(v, seg, n, len);
		}
		assert_false(drv_has_used(q));
	}
}

/* Interrupts come when they were asked for, and stay away when not (2.7.7, 2.7.10, 2.8.14). */
static void interrupts_on_and_off(struct vrig *v)
{
	struct drv_seg seg[VRIG_SEGS];
	struct drv_queue *q = vrig_q(v);
	for (unsigned i = 0; i < 20; i++) {
		unsigned n = v->target->request(v, seg);
		bool on = i % 3 != 1;
		drv_interrupts(q, on);
		drv_w32(&v->d, DRV_INT_ACK, drv_r32(&v->d, DRV_INT_STATUS));
		assert_int_equal(wire_pending(v->w), 0);
		(void)conform_do(v, q, seg, n);
		if (on)
			assert_int_equal(wire_wait_pending(v->w, 1), 1);
		vrig_settle(v);
		assert_int_equal(drv_r32(&v->d, DRV_INT_STATUS), on);
		assert_int_equal(wire_pending(v->w), on);
	}
}

/* The device asks for notifications when it sleeps; nobody is forgotten however few notifications there are. */
static void few_notifications(struct vrig *v)
{
	struct drv_seg seg[VRIG_SEGS];
	struct drv_queue *q = vrig_q(v);
	unsigned n = v->target->request(v, seg), id, kicks = 0, sent = 0, done = 0;
	uint32_t len;
	while (done < 3000) {
		for (unsigned i = conform_random() % 8 + 1; i && conform_add(v, q, seg, n) >= 0;
		     i--)
			sent++;
		kicks += drv_kick(q);
		while (drv_used(q, &id, &len))
			done++;
		if (sent - done > q->size / 2 || (conform_random() & 7) == 0)
			while (done < sent) {
				assert_true(drv_wait(q, &id, &len));
				done++;
			}
	}
	print_message("%u requests, %u notifications\n", sent, kicks);
}

/* kill -9 with the ring full: what was asked is answered, each once, by the daemon that follows. */
static void killed_with_the_ring_full(struct vrig *v)
{
	struct drv_seg seg[VRIG_SEGS];
	struct drv_queue *q = vrig_q(v);
	unsigned n = v->target->request(v, seg), id;
	uint32_t len;
	for (unsigned round = 0; round < 4; round++) {
		static bool out[DRV_QUEUE_MAX];
		unsigned count = 0;
		int given;
		memset(out, 0, sizeof(out));
		while ((given = conform_add(v, q, seg, n)) >= 0) {
			out[given] = true;
			count++;
		}
		drv_notify(q);
		for (unsigned k = conform_random() % 3000 * round; k; k--)
			__asm__ volatile("");
		wire_kill(v->w);
		wire_start(v->w);
		assert_true(v->w->resumed);
		while (count--) {
			if (!drv_wait(q, &id, &len))
				fail_msg("%u requests are lost", count + 1);
			assert_true(id < q->size);
			if (!out[id])
				fail_msg("id %u came back twice", id);
			out[id] = false;
			v->target->answer(v, seg, n, len);
		}
		assert_false(drv_has_used(q));
		assert_int_equal(drv_r32(&v->d, DRV_STATUS), 15);
	}
}

/* The driver may set up and tear down as often as it likes, with other features each time. */
static void opened_again_and_again(struct vrig *v)
{
	for (unsigned i = 0; i < 60; i++) {
		v->dropped = (i & 1 ? DRV_F_INDIRECT : 0) | (i & 2 ? DRV_F_EVENT_IDX : 0);
		v->packed = i & 4;
		vrig_open(v);
		vrig_request(v);
	}
}

/* Rings of all sizes, the smallest as well. */
static void rings_of_every_size(struct vrig *v)
{
	for (uint16_t size = 1; size <= DRV_QUEUE_MAX && size; size = (uint16_t)(size * 2)) {
		struct drv_seg seg[VRIG_SEGS];
		vrig_negotiate(v);
		vrig_queues(v, size);
		vrig_live(v);
		struct drv_queue *q = vrig_q(v);
		unsigned n = v->target->request(v, seg);
		if (n > q->size)
			continue;
		for (unsigned i = 0; i < 3u * q->size && i < 200; i++)
			(void)conform_do(v, q, seg, n);
	}
}

const struct vconform vconforms[] = {
	VCONFORM(0, a_thousand_requests, 0),	   VCONFORM(0, full_rings, 0),
	VCONFORM(0, interrupts_on_and_off, 0),	   VCONFORM(0, few_notifications, 0),
	VCONFORM(0, killed_with_the_ring_full, 0), VCONFORM(0, opened_again_and_again, 0),
	VCONFORM(0, rings_of_every_size, 0),	   {}};

/* ---- running ---------------------------------------------------------------------------------------------- */

/** struct run - one case with one choice of features. */
struct run {
	const struct vconform *c;
	unsigned choice; /* 1: packed, 2: indirect, 4: event_idx */
	char name[128];
};
static struct run runs[MAX_TESTS];

static void run_case(void **state)
{
	const struct run *r = *state;
	struct vtarget t;
	vrig_revive(rig);
	vrig_thaw(rig);
	t = target_of(rig->device_id);
	t.features |= r->c->features;
	rig->target = &t;
	rig->packed = r->choice & 1;
	rig->dropped = (r->choice & 2 ? 0 : DRV_F_INDIRECT) | (r->choice & 4 ? 0 : DRV_F_EVENT_IDX);
	rig->keep_output = false;
	vrig_drain(rig);
	vrig_open(rig);
	if ((rig->d.features & r->c->features) != r->c->features) {
		print_message("SKIP: the device does not offer 0x%llx\n",
			      (unsigned long long)r->c->features);
		skip();
	}
	r->c->run(rig);
	assert_true(vrig_is_alive(rig));
	assert_false(drv_broken(&rig->d));
	assert_true(drv_reset(&rig->d));
}

static unsigned collect(const struct vconform *table, unsigned n, const char *only)
{
	for (const struct vconform *c = table; c->name; c++)
		for (unsigned k = 0; k < 8; k++) {
			struct run *r = &runs[n];
			if (c->device_id && c->device_id != rig->device_id)
				continue;
			snprintf(r->name, sizeof(r->name), "%s%s%s/%s", k & 1 ? "packed" : "split",
				 k & 2 ? "+indirect" : "", k & 4 ? "+event_idx" : "", c->name);
			if (only && !strstr(r->name, only))
				continue;
			r->c = c;
			r->choice = k;
			if (++n == MAX_TESTS)
				abort();
		}
	return n;
}

int main(int argc, char **argv)
{
	static const struct vconform *const tables[] = {vconforms, vconforms_blk, vconforms_net,
							vconforms_stream, vconforms_host};
	static struct CMUnitTest tests[MAX_TESTS];
	unsigned n = 0;
	if (argc < 2) {
		fprintf(stderr, "usage: %s DAEMON [PART-OF-NAME]\n", argv[0]);
		return 2;
	}
	rig = vrig_create(argv[1]);
	if (!rig->device_id) {
		printf("SKIP: no cases for the model of %s\n", argv[1]);
		vrig_destroy(rig);
		return 77;
	}
	for (unsigned i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		n = collect(tables[i], n, argc > 2 ? argv[2] : NULL);
	for (unsigned i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){
			.name = runs[i].name, .test_func = run_case, .initial_state = &runs[i]};
	int failed = _cmocka_run_group_tests("virtio_conform", tests, n, NULL, NULL);
	vrig_destroy(rig);
	return failed ? 1 : 0;
}
