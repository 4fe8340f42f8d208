/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk: blocks are written and read at random, several at a time. What is in a block is made from its number and how often
 * it was written, so a read tells a lost, torn or old write, and one that went elsewhere.
 */
#include "load.h"

#define BLOCKS 2048u
#define BYTES 4096u
#define DEPTH_MAX 16u
#define WORDS (BYTES / 8)
#define T_IN 0u
#define T_OUT 1u
#define T_FLUSH 4u
#define F_FLUSH (1ull << 9)

struct req {
	struct drv_area head, data, end;
	bool busy;
	uint32_t type, block;
	int id;
};

static uint8_t arena[1u << 20] __attribute__((aligned(4096)));
static struct vdev dev;
static struct drv_queue queue;
static struct req req[DEPTH_MAX];
static uint32_t writes[BLOCKS];
static bool taken[BLOCKS];
static unsigned nbusy, depth = 1;
static bool here;

void blk_open(void)
{
	here = vdev_open(&dev, 2, arena, sizeof(arena), F_FLUSH);
	if (!here || !drv_queue_setup(&dev.drv, &queue, 0, 64))
		return;
	for (unsigned i = 0; i < DEPTH_MAX; i++) {
		req[i].head = drv_alloc(&dev.drv, 16, 16);
		req[i].data = drv_alloc(&dev.drv, BYTES, 4096);
		req[i].end = drv_alloc(&dev.drv, 1, 1);
	}
	vdev_go(&dev);
}

static uint64_t word(uint32_t block, uint32_t n, unsigned i)
{
	return ((uint64_t)block << 48 | (uint64_t)n << 16 | i) * 0x9e3779b97f4a7c15ull;
}

static void check(const struct req *r)
{
	const uint64_t *w = (const void *)r->data.at;
	uint32_t n = writes[r->block];
	for (unsigned i = 0; i < WORDS; i++)
		if (w[i] != (n ? word(r->block, n, i) : 0)) {
			fault("disk: wrong data, block and word", r->block, i);
			fault("disk: written so often; it reads", n, w[i]);
			return;
		}
}

static void start(struct req *r)
{
	uint64_t *w = (void *)r->data.at;
	uint32_t dir = dice(64);
	struct drv_seg seg[4] = {{r->head.gpa, 16, 0}};
	unsigned n = 1, cut = 512 * (1 + dice(7));
	do
		r->block = dice(BLOCKS);
	while (taken[r->block]);
	r->type = dir == 0 ? T_FLUSH : dir < 32 ? T_OUT : T_IN;
	if (r->type == T_OUT)
		writes[r->block]++;
	for (unsigned i = 0; i < WORDS; i++)
		w[i] = r->type == T_OUT ? word(r->block, writes[r->block], i) : ~0ull;
	*(uint32_t *)(void *)r->head.at = r->type;
	*(uint32_t *)(void *)(r->head.at + 4) = 0;
	*(uint64_t *)(void *)(r->head.at + 8) = r->type == T_FLUSH ? 0 : r->block * (BYTES / 512);
	*r->end.at = 0xee;
	if (r->type != T_FLUSH) {
		uint16_t flags = r->type == T_IN ? DRV_WRITE : 0;
		seg[n++] = (struct drv_seg){r->data.gpa, cut, flags};
		seg[n++] = (struct drv_seg){r->data.gpa + cut, BYTES - cut, flags};
	}
	seg[n++] = (struct drv_seg){r->end.gpa, 1, DRV_WRITE};
	taken[r->block] = r->busy = true;
	r->id = vdev_add(&dev, &queue, seg, n);
	if (r->id < 0)
		fault("disk: the ring is full, busy", nbusy, 0);
	nbusy++;
}

static void ended(unsigned id, uint32_t len)
{
	struct req *r = NULL;
	for (unsigned i = 0; i < DEPTH_MAX; i++)
		if (req[i].busy && req[i].id == (int)id)
			r = &req[i];
	if (!r) {
		fault("disk: an answer to nothing, id", id, 0);
		return;
	}
	if (*r->end.at != 0 || len != (r->type == T_IN ? BYTES + 1 : 1))
		fault("disk: status, length", *r->end.at, len);
	if (r->type == T_IN)
		check(r);
	taken[r->block] = r->busy = false;
	nbusy--;
	counts.blk++;
}

void blk_poll(void)
{
	unsigned id;
	uint32_t len;
	if (!here)
		return;
	if (vdev_look(&dev, &queue, nbusy, "disk")) {
		do
			while (drv_used(&queue, &id, &len))
				ended(id, len);
		while (drv_interrupts(&queue, true), drv_has_used(&queue));
	}
	if (nbusy || quitting) {
		if (nbusy >= depth / 2 || quitting)
			return;
	} else {
		depth = 1 + dice(DEPTH_MAX); /* a new depth each time that all are back */
		drv_interrupts(&queue, true);
	}
	for (unsigned i = 0; i < DEPTH_MAX && nbusy < depth; i++)
		if (!req[i].busy)
			start(&req[i]);
	drv_kick(&queue);
}

bool blk_idle(void)
{
	return !nbusy;
}
