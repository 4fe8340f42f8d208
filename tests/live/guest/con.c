/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio console, both ways, and the entropy device. */
#include "load.h"

#define RX 8u
#define TX 8u
#define BUF 512u

static uint8_t arena[1u << 16] __attribute__((aligned(4096)));
static struct vdev dev;
static struct drv_queue rxq, txq;
static struct drv_area rx[RX], tx[TX];
static int rx_id[RX], tx_id[TX];
static unsigned tx_busy;
static struct stream_in input = {.name = "con", .seed = 0x3333};
static bool here;

static void give(unsigned i)
{
	struct drv_seg seg = {rx[i].gpa, 1 + dice(BUF), DRV_WRITE};
	rx_id[i] = vdev_add(&dev, &rxq, &seg, 1);
}

void con_open(void)
{
	here = vdev_open(&dev, 3, arena, sizeof(arena), 0);
	if (!here || !drv_queue_setup(&dev.drv, &rxq, 0, 64) ||
	    !drv_queue_setup(&dev.drv, &txq, 1, 64))
		return;
	for (unsigned i = 0; i < RX; i++)
		rx[i] = drv_alloc(&dev.drv, BUF, 64);
	for (unsigned i = 0; i < TX; i++) {
		tx[i] = drv_alloc(&dev.drv, BUF, 64);
		tx_id[i] = -1;
	}
	vdev_go(&dev);
	for (unsigned i = 0; i < RX; i++)
		give(i);
	drv_interrupts(&rxq, true);
	drv_interrupts(&txq, true);
	drv_kick(&rxq);
}

/* Which of @n ids is it? @n: none. Buffers come back in the order that they were given in, each once. */
static unsigned whose(const int *ids, unsigned n, unsigned id)
{
	unsigned i = 0;
	while (i < n && ids[i] != (int)id)
		i++;
	if (i == n)
		fault("console: a buffer that was not given, id", id, 0);
	return i;
}

static void look(void)
{
	unsigned id, i;
	uint32_t len;
	while (drv_used(&rxq, &id, &len)) {
		i = whose(rx_id, RX, id);
		if (i == RX)
			return;
		for (uint32_t k = 0; k < len && k < BUF; k++)
			stream_take(&input, rx[i].at[k]);
		give(i);
	}
	counts.con_in = input.pos;
	while (drv_used(&txq, &id, &len)) {
		i = whose(tx_id, TX, id);
		if (i == TX)
			return;
		tx_id[i] = -1;
		tx_busy--;
	}
}

void con_poll(void)
{
	if (!here)
		return;
	if (vdev_look(&dev, &txq, tx_busy, "console") || tx_busy == TX) {
		do {
			look();
			drv_interrupts(&rxq, true);
			drv_interrupts(&txq, true);
		} while (drv_has_used(&rxq) || drv_has_used(&txq));
		drv_kick(&rxq);
	}
	bool more = false;
	for (unsigned i = 0; i < TX && !quitting; i++) {
		if (tx_id[i] >= 0)
			continue;
		uint32_t n = 1 + dice(dice(8) ? 64 : BUF);
		for (uint32_t k = 0; k < n; k++)
			tx[i].at[k] = stream_byte(0x4444, counts.con_out++);
		struct drv_seg seg = {tx[i].gpa, n, 0};
		tx_id[i] = vdev_add(&dev, &txq, &seg, 1);
		tx_busy++;
		more = true;
	}
	if (more)
		drv_kick(&txq);
}

bool con_idle(void)
{
	return !tx_busy;
}

/* ---- entropy ------------------------------------------------------------------------------------------------ */

#define ASK 64u

static uint8_t rng_arena[1u << 14] __attribute__((aligned(4096)));
static struct vdev rng;
static struct drv_queue rngq;
static struct drv_area pool;
static uint64_t last[ASK / 8];
static bool rng_here, rng_busy;

void rng_open(void)
{
	rng_here = vdev_open(&rng, 4, rng_arena, sizeof(rng_arena), 0);
	if (!rng_here || !drv_queue_setup(&rng.drv, &rngq, 0, 8))
		return;
	pool = drv_alloc(&rng.drv, ASK, 64);
	vdev_go(&rng);
}

static void check_pool(uint32_t len)
{
	const uint64_t *p = (const void *)pool.at;
	bool same = true, zero = true;
	for (unsigned i = 0; i < ASK / 8; i++) {
		same &= p[i] == last[i];
		zero &= !p[i];
		last[i] = p[i];
	}
	if (len != ASK || same || zero)
		fault("entropy: length, same or zero", len, (uint64_t)(same || zero));
	counts.rng++;
}

void rng_poll(void)
{
	unsigned id;
	uint32_t len;
	if (!rng_here)
		return;
	if (vdev_look(&rng, &rngq, rng_busy, "entropy") && drv_used(&rngq, &id, &len)) {
		if (!rng_busy)
			fault("entropy: an answer to nothing", id, len);
		rng_busy = false;
		check_pool(len);
	}
	if (rng_busy || quitting)
		return;
	struct drv_seg seg = {pool.gpa, ASK, DRV_WRITE};
	for (unsigned i = 0; i < ASK; i++)
		pool.at[i] = 0;
	vdev_add(&rng, &rngq, &seg, 1);
	rng_busy = true;
	drv_interrupts(&rngq, true);
	if (drv_has_used(&rngq))
		rng.irqs = 1;
	drv_kick(&rngq);
}
