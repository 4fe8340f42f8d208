/* SPDX-License-Identifier: Apache-2.0 */
/* A wire with dma: copy: linked into a test, it puts the core's own copier between the driver and the daemon. */
#include "base/err.h"
#include "hv/copy_int.h"
#include "tests/wire/wire.h"
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#define INT_USED 1u

struct copier {
	struct wire *w;
	struct mem mem;
	struct copy *copy;
};

static void op_ring(void *opaque, unsigned vcpu, unsigned q)
{
	struct copier *k = opaque;
	uint64_t one = 1;
	(void)vcpu;
	if (q >= 64)
		return;
	port_ring(&k->w->pp, q);
	if (port_needs_wake(&k->w->pp, NULL))
		CHECK(write(k->w->kick_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

static void op_used(void *opaque)
{
	struct copier *k = opaque;
	uint64_t one = 1;
	atomic_fetch_or(&k->w->pp.port->line[0].pending, INT_USED);
	CHECK(write(k->w->irq_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

static void op_hostile(void *opaque, const char *what)
{
	(void)opaque;
	CHECK(!what); /* our daemons keep to the rules, whatever the driver does */
}

static void *create(struct wire *w)
{
	static const struct copy_ops ops = {op_ring, op_used, op_hostile};
	struct copier *k = calloc(1, sizeof(*k));
	struct err err = {0};
	CHECK(k);
	k->w = w;
	k->mem = (struct mem){.fd = -1, .hva = w->ram, .base = {w->ram_gpa}, .size = w->ram_bytes};
	CHECK(!copy_create("wire", &k->mem, &ops, k, &k->copy, &err));
	return k;
}

static void destroy(void *ctx)
{
	struct copier *k = ctx;
	copy_destroy(k->copy);
	free(k);
}

static int channel_fd(void *ctx)
{
	return copy_channel_fd(((struct copier *)ctx)->copy);
}

static int kick_fd(void *ctx)
{
	return copy_kick_fd(((struct copier *)ctx)->copy);
}

static void serving(void *ctx, bool on)
{
	struct copier *k = ctx;
	if (on)
		copy_serving(k->copy);
	else
		copy_cut(k->copy);
}

static void begin(void *ctx, uint32_t offset, uint32_t value)
{
	copy_write_begin(((struct copier *)ctx)->copy, offset, value);
}

static void end(void *ctx, uint32_t offset, uint32_t value)
{
	copy_write_end(((struct copier *)ctx)->copy, offset, value);
}

static void doorbell(void *ctx, uint32_t q)
{
	copy_doorbell(((struct copier *)ctx)->copy, 0, q);
}

/* Until all that was given back has arrived: one round of the service thread, to its end. */
static void settle(void *ctx)
{
	struct copy *c = ((struct copier *)ctx)->copy;
	copy_wake(c);
	while (atomic_load(&c->awake))
		sched_yield();
}

static const struct wire_copier copier = {.channel_bytes = COPY_CHANNEL_BYTES,
					  .create = create,
					  .destroy = destroy,
					  .channel_fd = channel_fd,
					  .kick_fd = kick_fd,
					  .serving = serving,
					  .begin = begin,
					  .end = end,
					  .doorbell = doorbell,
					  .settle = settle};

__attribute__((constructor)) static void install(void)
{
	wire_copier = &copier;
}
