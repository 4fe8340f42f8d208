/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entropy device: virtio 1.2, section 5.4. One queue of buffers that the device fills with random bytes.
 *
 * Theory of operation. The rate limit is a bucket, kept as a single time on the guest's clock (the "virtual scheduling"
 * form of a token bucket): `spent_until_ns` is when all that was handed out will have been earned. What may be handed
 * out now is what is earned between there and a depth from now. The bucket holds one second's worth, and one of Linux's
 * buffers at least. A driver's reset does not refill it.
 *
 * A buffer may be used in part (5.4.6.1: one byte at least). Linux's driver is not good at that: up to 6.1 at least it
 * can wait for ever after some short ones. So a buffer waits until the bucket can fill it, and only one that is larger than
 * the bucket, or than a turn, comes back short.
 */
#include "devmodel/virtio/virtio.h"
#include <string.h>

#define RNG_QUEUE_SIZE 64u
#define TURN_BYTES 65536u /* one turn, and so one buffer, gets no more */
#define SECOND_NS 1000000000ull
#define BUCKET_MIN 64u /* Linux asks for so much at a time */

enum { TIMER_REFILL = 0 };

struct rng {
	VIRTIO_STATE(1);
	uint64_t spent_until_ns;
};

/* Time that it takes to earn @bytes, rounded up. */
static uint64_t cost_ns(uint64_t rate, uint64_t bytes)
{
	return (uint64_t)(((unsigned __int128)bytes * SECOND_NS + rate - 1) / rate);
}

/* Time in which an empty bucket is full. */
static uint64_t depth_ns(uint64_t rate)
{
	return rate < BUCKET_MIN ? cost_ns(rate, BUCKET_MIN) : SECOND_NS;
}

/* Bytes that the bucket holds at @now. */
static uint64_t bucket(const struct rng *s, uint64_t rate, uint64_t now)
{
	uint64_t horizon = now + depth_ns(rate);
	uint64_t from = s->spent_until_ns > now ? s->spent_until_ns : now;
	if (from >= horizon)
		return 0;
	return (uint64_t)((unsigned __int128)(horizon - from) * rate / SECOND_NS);
}

static void spend(struct rng *s, uint64_t rate, uint64_t now, uint64_t bytes)
{
	uint64_t from = s->spent_until_ns > now ? s->spent_until_ns : now;
	s->spent_until_ns = from + cost_ns(rate, bytes);
}

/* Calls us back when the bucket holds @bytes. */
static void wait_for(struct dm *dm, const struct rng *s, uint64_t rate, uint64_t bytes)
{
	dm_timer_set(dm, TIMER_REFILL, s->spent_until_ns + cost_ns(rate, bytes) - depth_ns(rate));
}

/* What a chain gets at once, sooner or later. */
static uint64_t share(const struct vring_chain *c, uint64_t rate)
{
	uint64_t n = c->in_bytes < TURN_BYTES ? c->in_bytes : TURN_BYTES;
	uint64_t most = rate > BUCKET_MIN ? rate : BUCKET_MIN;
	return rate && n > most ? most : n;
}

static void fill(struct dm *dm, const struct vring_chain *c, uint64_t max)
{
	uint64_t done = 0;
	for (unsigned i = 0; i < c->nin && done < max; i++) {
		size_t n = c->in[i].iov_len < max - done ? c->in[i].iov_len : (size_t)(max - done);
		dm_random(dm, c->in[i].iov_base, n);
		done += n;
	}
}

static bool rng_queue(struct dm *dm, void *state, unsigned q, unsigned budget)
{
	struct rng *s = state;
	uint64_t rate = dm_option_u64(dm, "rate"), turn = TURN_BYTES, now = dm_now_ns(dm);
	struct vring_chain c;
	bool pushed = false, more = true;
	while (budget-- && (more = virtio_pop(dm, state, q, &c) > 0)) {
		/* 5.4.6.1: buffers are device-writable. A readable part is left alone; nothing but one is given back empty. */
		if (c.out_bytes || !c.in_bytes)
			dm_guest_error(dm, "a buffer with %llu bytes to read and %llu to write",
				       (unsigned long long)c.out_bytes,
				       (unsigned long long)c.in_bytes);
		uint64_t n = share(&c, rate);
		bool poor = rate && n > bucket(s, rate, now);
		if (poor)
			wait_for(dm, s, rate, n);
		if (poor || n > turn) {
			virtio_unpop(dm, state, q, &c);
			more = !poor;
			break;
		}
		fill(dm, &c, n);
		if (rate && n)
			spend(s, rate, now, n);
		turn -= n;
		virtio_push(dm, state, q, c.id, c.ndesc, (uint32_t)n);
		dm_count(dm, DM_COUNT_IN_BYTES, n);
		pushed = true;
	}
	if (pushed)
		virtio_signal(dm, state, q);
	return more;
}

static void rng_timer(struct dm *dm, void *state, unsigned timer)
{
	(void)timer;
	virtio_more(dm, state, 0);
}

static uint64_t rng_features(struct dm *dm, const void *state)
{
	(void)dm, (void)state;
	return VRING_F_IN_ORDER; /* buffers are used in the order in which they came */
}

static void rng_setup(struct dm *dm, void *state)
{
	struct rng *s = state;
	s->q[0].size_max = RNG_QUEUE_SIZE;
	dm_timer_cancel(dm, TIMER_REFILL);
}

static void rng_inspect(struct dm *dm, const void *state, struct dm_text *text)
{
	uint64_t rate = dm_option_u64(dm, "rate");
	if (rate)
		dm_text_item(text, "rate", "%llu bytes/s, %llu left now", (unsigned long long)rate,
			     (unsigned long long)bucket(state, rate, dm_now_ns(dm)));
	else
		dm_text_item(text, "rate", "unlimited");
}

static const struct virtio_model rng_model = {
	.device_id = 4,
	.queues = 1,
	.features = rng_features,
	.setup = rng_setup,
	.queue = rng_queue,
	.inspect = rng_inspect,
};

/* clang-format off */
extern const struct dm_class dm_class_virtio_rng;
const struct dm_class dm_class_virtio_rng = {
	.name = "virtio-rng",
	.version = 1,
	.summary = "virtio entropy device",
	VIRTIO_DM_CLASS(&rng_model),
	.timers = 1,
	.timer = rng_timer,
	.options = (const struct dm_option[]){
		VIRTIO_OPTIONS,
		{.name = "rate", .type = DM_OPT_SIZE, .def = "0",
		 .help = "bytes per second on the guest's clock; 0: no limit"},
		{}},
	.state_size = sizeof(struct rng),
};
