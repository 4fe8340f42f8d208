/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block device and an entropy device in virtio-mmio slots, driven by tests/virtio over real loads and stores: split and
 * packed rings, indirect descriptors, event indices, level interrupts through the GIC. Virtio 1.2.
 * tests/guest/run-virtio makes the machine; it looks into the disk image afterwards.
 */
#include "gic.h"
#include "tests/virtio/drv.h"

#define SLOTS 32u
#define SLOT_BASE 0x0a000000ull
#define SLOT_BYTES 0x200u
#define SLOT_INTID 48u /* SPI 16 */
#define ID_BLK 2u
#define ID_RNG 4u
#define SECTORS 8192u /* of run-virtio's image */
#define SECTOR 512u
#define DEPTH 16u
#define F_FLUSH (1ull << 9)

static uint8_t arena[1u << 20] __attribute__((aligned(4096)));
static struct drv_queue queue;
static uint64_t slot_at;
static unsigned slot_intid;

static volatile unsigned irq_seen, irq_total, irq_strange;

/* ---- access ----------------------------------------------------------------------------------------------- */

static uint64_t access_read(void *ctx, uint32_t offset, unsigned width)
{
	uint64_t a = slot_at + offset;
	(void)ctx;
	switch (width) {
	case 1:
		return mmio_r8(a);
	case 2:
		return mmio_r16(a);
	default:
		return mmio_r32(a);
	}
}

static void access_write(void *ctx, uint32_t offset, unsigned width, uint64_t value)
{
	(void)ctx;
	if (width == 1)
		mmio_w8(slot_at + offset, (uint8_t)value);
	else
		mmio_w32(slot_at + offset, (uint32_t)value);
}

static uint64_t now(void)
{
	return read_sysreg(cntvct_el0);
}

static bool access_wait(void *ctx, bool (*ready)(void *arg), void *arg)
{
	uint64_t end = now() + 5 * read_sysreg(cntfrq_el0);
	(void)ctx;
	while (!ready(arg))
		if (now() > end)
			return false;
	return true;
}

static const struct drv_access ops = {access_read, access_write, access_wait};
static struct drv dev = {.ops = &ops, .ram = arena, .bytes = sizeof(arena)};

static bool find(uint32_t id)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		slot_at = SLOT_BASE + i * SLOT_BYTES;
		slot_intid = SLOT_INTID + i;
		if (mmio_r32(slot_at + DRV_MAGIC) == 0x74726976 &&
		    mmio_r32(slot_at + DRV_DEVICE_ID) == id)
			return true;
	}
	return false;
}

/* ---- interrupts ------------------------------------------------------------------------------------------- */

static void quiesce(unsigned id)
{
	uint32_t status = mmio_r32(slot_at + DRV_INT_STATUS);
	if (id != slot_intid || !(status & 3))
		irq_strange++;
	mmio_w32(slot_at + DRV_INT_ACK, status);
	irq_seen = 1;
	irq_total++;
}

static int add(const struct drv_seg *seg, unsigned n)
{
	return dev.features & DRV_F_INDIRECT ? drv_add_indirect(&queue, seg, n)
					     : drv_add(&queue, seg, n);
}

/* Waits for a used chain by interrupts alone. */
static bool wait_used(unsigned *id, uint32_t *len)
{
	for (unsigned i = 0; i < 100; i++) {
		irq_seen = 0;
		drv_interrupts(&queue, true);
		if (drv_used(&queue, id, len))
			return true;
		if (!irq_wait(&irq_seen, 5000))
			return false;
	}
	return false;
}

/* The line: high from a used chain on until it is acknowledged. IRQs are masked here. */
static void check_line(const struct drv_seg *seg, unsigned n)
{
	unsigned id;
	uint32_t len;
	gic_disable(slot_intid);
	mmio_w32(slot_at + DRV_INT_ACK, 3);
	CHECK_EQ(mmio_r32(slot_at + DRV_INT_STATUS), 0);
	CHECK_EQ(gic_is_pending(slot_intid), 0);
	drv_interrupts(&queue, true);
	CHECK(drv_add(&queue, seg, n) >= 0);
	drv_notify(&queue);
	CHECK(drv_wait(&queue, &id, &len));
	uint64_t end = now() + read_sysreg(cntfrq_el0);
	while (!(mmio_r32(slot_at + DRV_INT_STATUS) & 1) && now() < end)
		;
	CHECK_EQ(mmio_r32(slot_at + DRV_INT_STATUS), 1);
	CHECK_EQ(gic_is_pending(slot_intid), 1);
	/* A bit that is not pending does not lower it. */
	mmio_w32(slot_at + DRV_INT_ACK, 2);
	CHECK_EQ(gic_is_pending(slot_intid), 1);
	mmio_w32(slot_at + DRV_INT_ACK, 1);
	CHECK_EQ(mmio_r32(slot_at + DRV_INT_STATUS), 0);
	CHECK_EQ(gic_is_pending(slot_intid), 0);
	gic_enable(slot_intid);
}

static void open_device(uint64_t features)
{
	dev.gpa = (uint64_t)arena;
	CHECK_EQ(mmio_r32(slot_at + DRV_VERSION), 2);
	CHECK(drv_negotiate(&dev, features));
	CHECK_EQ(dev.features & (DRV_F_PACKED | DRV_F_INDIRECT | DRV_F_EVENT_IDX),
		 features & (DRV_F_PACKED | DRV_F_INDIRECT | DRV_F_EVENT_IDX));
	CHECK(drv_queue_setup(&dev, &queue, 0, 64));
	CHECK_EQ(queue.size, 64);
	CHECK_EQ(mmio_r32(slot_at + DRV_QUEUE_READY), 1);
	drv_go(&dev);
	CHECK_EQ(mmio_r32(slot_at + DRV_STATUS), 15);
	irq_total = irq_strange = 0;
	gic_edge(slot_intid, false);
	gic_enable(slot_intid);
}

static void close_device(void)
{
	CHECK(irq_total > 0);
	CHECK_EQ(irq_strange, 0);
	gic_disable(slot_intid);
	CHECK(drv_reset(&dev));
	CHECK_EQ(mmio_r32(slot_at + DRV_STATUS), 0);
	expect_none();
}

/* One chain whose end the driver learns from the interrupt, before it looks into the ring. */
static void one_by_interrupt(const struct drv_seg *seg, unsigned n)
{
	unsigned id;
	uint32_t len;
	irq_seen = 0;
	drv_interrupts(&queue, true);
	int given = add(seg, n);
	CHECK(given >= 0);
	drv_notify(&queue);
	CHECK(irq_wait(&irq_seen, 5000));
	CHECK(drv_used(&queue, &id, &len));
	CHECK_EQ(id, given);
}

/* ---- entropy ---------------------------------------------------------------------------------------------- */

static void test_rng(void)
{
	struct drv_area buf = drv_alloc(&dev, 64 * 64, 64);
	unsigned id, zeros = 0;
	uint32_t len;
	struct drv_seg one = {buf.gpa, 64, DRV_WRITE};
	check_line(&one, 1);
	for (unsigned i = 0; i < 10; i++)
		one_by_interrupt(&one, 1);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 64; i++) {
			struct drv_seg seg = {buf.gpa + 64 * i, 64, DRV_WRITE};
			CHECK(add(&seg, 1) >= 0);
		}
		drv_kick(&queue);
		for (unsigned i = 0; i < 64; i++) {
			CHECK(wait_used(&id, &len));
			CHECK(len >= 1 && len <= 64);
		}
	}
	for (unsigned i = 0; i < buf.bytes; i++)
		zeros += !buf.at[i];
	CHECK(zeros < buf.bytes / 16);
}

/* ---- block ------------------------------------------------------------------------------------------------ */

/** struct blk_slot - one request in flight. */
struct blk_slot {
	struct drv_area head, data, end;
};
static struct blk_slot slots[DEPTH];

static void fill_head(struct blk_slot *s, uint32_t type, uint64_t sector)
{
	*(uint32_t *)(void *)s->head.at = type;
	*(uint64_t *)(void *)(s->head.at + 8) = sector;
	*s->end.at = 0xee;
}

static uint8_t letter(unsigned sector)
{
	return (uint8_t)('a' + sector % 26);
}

/* One request by itself: its status. */
static unsigned blk_do(uint32_t type, uint64_t sector, uint32_t bytes, uint16_t flags)
{
	struct blk_slot *s = &slots[0];
	struct drv_seg seg[3] = {{s->head.gpa, 16, 0}};
	unsigned n = 1, id;
	uint32_t len;
	fill_head(s, type, sector);
	if (bytes)
		seg[n++] = (struct drv_seg){s->data.gpa, bytes, flags};
	seg[n++] = (struct drv_seg){s->end.gpa, 1, DRV_WRITE};
	CHECK(add(seg, n) >= 0);
	drv_kick(&queue);
	CHECK(wait_used(&id, &len));
	return *s->end.at;
}

/* DEPTH requests of 8 sectors at a time from @first on, the data in three pieces. */
static void blk_many(uint32_t type, unsigned first)
{
	uint16_t flags = type ? 0 : DRV_WRITE;
	for (unsigned i = 0; i < DEPTH; i++) {
		struct blk_slot *s = &slots[i];
		uint64_t d = s->data.gpa;
		fill_head(s, type, first + 8 * i);
		for (unsigned k = 0; k < 8 * SECTOR; k++)
			s->data.at[k] = type ? letter(first + 8 * i + k / SECTOR) : 0xee;
		struct drv_seg seg[5] = {{s->head.gpa, 16, 0},
					 {d, SECTOR, flags},
					 {d + SECTOR, 3 * SECTOR, flags},
					 {d + 4 * SECTOR, 4 * SECTOR, flags},
					 {s->end.gpa, 1, DRV_WRITE}};
		if (!(dev.features & DRV_F_INDIRECT) && queue.nfree < 5)
			break;
		CHECK(add(seg, 5) >= 0);
		drv_kick(&queue);
		if (i % 8 == 7)
			for (unsigned k = 0; k < 8; k++) {
				unsigned id;
				uint32_t len;
				CHECK(wait_used(&id, &len));
				CHECK_EQ(len, type ? 1 : 8 * SECTOR + 1);
			}
	}
	for (unsigned i = 0; i < DEPTH; i++) {
		unsigned wrong = 0;
		CHECK_EQ(*slots[i].end.at, 0);
		for (unsigned k = 0; k < 8 * SECTOR; k++)
			wrong += slots[i].data.at[k] != letter(first + 8 * i + k / SECTOR);
		CHECK_EQ(wrong, 0);
	}
}

static void test_blk(void)
{
	for (unsigned i = 0; i < DEPTH; i++) {
		slots[i].head = drv_alloc(&dev, 16, 16);
		slots[i].data = drv_alloc(&dev, 8 * SECTOR, SECTOR);
		slots[i].end = drv_alloc(&dev, 1, 1);
	}
	CHECK_EQ(drv_config(&dev, 0, 8), SECTORS);
	struct drv_seg one[3] = {{slots[0].head.gpa, 16, 0},
				 {slots[0].data.gpa, SECTOR, DRV_WRITE},
				 {slots[0].end.gpa, 1, DRV_WRITE}};
	fill_head(&slots[0], 0, SECTORS - 1);
	check_line(one, 3);
	CHECK_EQ(*slots[0].end.at, 0);
	CHECK_EQ(slots[0].data.at[0], 'o'); /* run-virtio wrote a word there */
	CHECK_EQ(slots[0].data.at[1], 'u');
	for (unsigned i = 0; i < 10; i++)
		one_by_interrupt(one, 3);
	for (unsigned round = 0; round < 4; round++) {
		blk_many(1, round * 8 * DEPTH);
		CHECK_EQ(blk_do(4, 0, 0, 0), 0); /* flush */
		blk_many(0, round * 8 * DEPTH);
	}
	CHECK_EQ(blk_do(8, 0, 20, DRV_WRITE), 0);	    /* identity */
	CHECK_EQ(blk_do(0, SECTORS, SECTOR, DRV_WRITE), 1); /* behind the end: IOERR */
	CHECK_EQ(blk_do(1, SECTORS - 1, 2 * SECTOR, 0), 1);
	CHECK_EQ(blk_do(99, 0, SECTOR, DRV_WRITE), 2); /* UNSUPP */
	CHECK_EQ(blk_do(0, SECTORS - 1, SECTOR, DRV_WRITE), 0);
}

/* ---- all choices of features ------------------------------------------------------------------------------ */

static void each_choice(const char *const names[8], void (*test)(void))
{
	for (unsigned k = 0; k < 8; k++) {
		group(names[k]);
		open_device(F_FLUSH | (k & 1 ? DRV_F_PACKED : 0) | (k & 2 ? DRV_F_INDIRECT : 0) |
			    (k & 4 ? DRV_F_EVENT_IDX : 0));
		test();
		close_device();
	}
}

void test_main(void)
{
	static const char *const rng[8] = {"entropy, split",	       "entropy, packed",
					   "entropy, split, indirect", "entropy, packed, indirect",
					   "entropy, split, events",   "entropy, packed, events",
					   "entropy, split, both",     "entropy, packed, both"};
	static const char *const blk[8] = {"disk, split",	    "disk, packed",
					   "disk, split, indirect", "disk, packed, indirect",
					   "disk, split, events",   "disk, packed, events",
					   "disk, split, both",	    "disk, packed, both"};
	exc_reset();
	gic_init();
	exc_irq = gic_take;
	gic_quiesce = quiesce;
	group("the devices are there");
	bool found = find(ID_RNG);
	CHECK(found);
	if (found)
		each_choice(rng, test_rng);
	group("the disk is there");
	found = find(ID_BLK);
	CHECK(found);
	if (found)
		each_choice(blk, test_blk);
}
