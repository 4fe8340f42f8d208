/* SPDX-License-Identifier: Apache-2.0 */
/* Registers: every width at every offset, read-only ones written, acknowledging what is not pending, configuration space.
 * virtio 1.2, sections 2.5, 4.2.2 and 4.2.3. */
#include "tests/wire/virtio_hostile.h"
#include "base/clock.h"
#include <string.h>

#define WINDOW 0x200u	   /* bytes of the device's registers */
#define LATE_NS 100000000u /* an interrupt that has not come by then does not come */

/* What no access of the driver changes. */
static void constants_are_right(struct vrig *v)
{
	assert_int_equal(vrig_read(v, DRV_MAGIC, 4), 0x74726976);
	assert_int_equal(vrig_read(v, DRV_VERSION, 4), 2);
	assert_int_equal(vrig_read(v, DRV_DEVICE_ID, 4), v->device_id);
}

static void read_only_registers_written(struct vrig *v)
{
	static const uint32_t ro[] = {DRV_MAGIC,	   DRV_VERSION,	     DRV_DEVICE_ID,
				      DRV_VENDOR,	   DRV_INT_STATUS,   DRV_CONFIG_GENERATION,
				      DRV_DEVICE_FEATURES, DRV_QUEUE_NUM_MAX};
	uint32_t before[8];
	for (unsigned i = 0; i < 8; i++)
		before[i] = drv_r32(&v->d, ro[i]);
	for (unsigned k = 0; k < 3; k++)
		for (unsigned i = 0; i < 8; i++) {
			drv_w32(&v->d, ro[i], k == 0 ? 0 : k == 1 ? ~0u : 0x55aa55aa);
			vrig_raw_write(v, ro[i], 4, ~0u);
		}
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(drv_r32(&v->d, ro[i]), before[i]);
	vrig_request(v);
}

static void write_only_registers_read(struct vrig *v)
{
	static const uint32_t wo[] = {DRV_DEVICE_FEATURES_SEL,
				      DRV_DRIVER_FEATURES,
				      DRV_DRIVER_FEATURES_SEL,
				      DRV_QUEUE_SEL,
				      DRV_QUEUE_NUM,
				      DRV_QUEUE_NOTIFY,
				      DRV_INT_ACK,
				      DRV_DESC_LO,
				      DRV_DRIVER_LO,
				      DRV_DEVICE_LO};
	for (unsigned i = 0; i < sizeof(wo) / sizeof(wo[0]); i++) {
		(void)drv_r32(&v->d, wo[i]);
		(void)vrig_raw_read(v, wo[i], 4);
	}
	vrig_request(v);
}

/* 4.2.2.2: the registers below 0x100 are accessed with 4 bytes at multiples of 4. Anything else reads 0, changes nothing,
 * and counts. */
static void registers_read_in_wrong_widths(struct vrig *v)
{
	uint64_t errors = vrig_errors(v);
	for (unsigned width = 1; width <= 8; width *= 2)
		for (uint32_t at = 0; at < DRV_CONFIG; at++) {
			if (width == 4 && !(at & 3))
				continue;
			(void)vrig_read(v, at, width);
			(void)vrig_raw_read(v, at, width);
		}
	assert_true(vrig_errors(v) > errors);
	constants_are_right(v);
	vrig_request(v);
}

static void registers_written_in_wrong_widths(struct vrig *v)
{
	uint64_t errors = vrig_errors(v);
	uint32_t status = drv_r32(&v->d, DRV_STATUS);
	vrig_freeze(v);
	for (unsigned width = 1; width <= 8; width *= 2)
		for (uint32_t at = 0; at < DRV_CONFIG; at++) {
			if (width == 4 && !(at & 3))
				continue;
			/* Between 0x0f0 and the configuration a wide one may reach into it. */
			if (at + width > DRV_CONFIG)
				continue;
			vrig_write(v, at, width, 0);
			vrig_raw_write(v, at, width, 0x0101010101010101ull);
		}
	assert_true(vrig_errors(v) > errors);
	assert_int_equal(drv_r32(&v->d, DRV_STATUS), status);
	constants_are_right(v);
	vrig_settle(v);
	vrig_intact(v);
	vrig_request(v);
}

static void accesses_beyond_the_window(struct vrig *v)
{
	static const uint32_t at[] = {WINDOW - 1, WINDOW - 2, WINDOW - 4, WINDOW - 7, WINDOW,
				      WINDOW + 4, 0x1000,     0x7fffffff, 0xfffffffc, 0xffffffff};
	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		for (unsigned width = 1; width <= 8; width *= 2) {
			(void)vrig_raw_read(v, at[i], width);
			vrig_raw_write(v, at[i], width, ~0ull);
		}
	constants_are_right(v);
	assert_true(vrig_is_alive(v));
}

/* What the port itself can be made to say: widths and offsets that no vCPU makes. */
static void accesses_of_no_width(struct vrig *v)
{
	static const uint8_t width[] = {0, 3, 5, 6, 7, 9, 16, 64, 128, 255};
	for (unsigned i = 0; i < sizeof(width); i++) {
		(void)vrig_raw_read(v, DRV_MAGIC, width[i]);
		vrig_raw_write(v, DRV_CONFIG, width[i], ~0ull);
		(void)vrig_raw_read(v, DRV_CONFIG + 1, width[i]);
	}
	constants_are_right(v);
	assert_true(vrig_is_alive(v));
}

static void reserved_offsets(struct vrig *v)
{
	for (uint32_t at = 0; at < DRV_CONFIG; at += 4) {
		switch (at) {
		case 0x018:
		case 0x01c:
		case 0x028:
		case 0x02c:
		case 0x03c:
		case 0x040:
		case 0x048:
		case 0x04c:
		case 0x054:
		case 0x058:
		case 0x05c:
		case 0x068:
		case 0x06c:
		case 0x074:
		case 0x078:
		case 0x07c:
		case 0x088:
		case 0x08c:
		case 0x098:
		case 0x09c:
		case 0x0a8:
			assert_int_equal(vrig_read(v, at, 4), 0);
			vrig_write(v, at, 4, ~0u);
			assert_int_equal(vrig_read(v, at, 4), 0);
			break;
		default:
			break;
		}
	}
	vrig_request(v);
}

/* A request is done; its interrupt may come a little later (a console's does), or not at all. */
static void late_interrupt(struct vrig *v)
{
	for (uint64_t end = clock_now_ns() + LATE_NS; clock_now_ns() < end;)
		if (drv_r32(&v->d, DRV_INT_STATUS))
			break;
}

static void nothing_pending_acknowledged(struct vrig *v)
{
	static const uint32_t bits[] = {1, 2, 3, 4, 0x80, 0xfffffffc, 0xffffffff, 0};
	vrig_request(v);
	late_interrupt(v);
	drv_w32(&v->d, DRV_INT_ACK, ~0u);
	assert_int_equal(drv_r32(&v->d, DRV_INT_STATUS), 0);
	for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		drv_w32(&v->d, DRV_INT_ACK, bits[i]);
		vrig_raw_write(v, DRV_INT_ACK, 4, bits[i]);
		assert_int_equal(drv_r32(&v->d, DRV_INT_STATUS), 0);
	}
	vrig_request(v);
}

static void a_wrong_bit_acknowledged(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	v->dropped = DRV_F_EVENT_IDX;
	vrig_open(v);
	vrig_request(v);
	late_interrupt(v);
	vrig_settle(v);
	/* A used buffer notification is pending now; the other bit does not take it away. */
	assert_true(drv_r32(&v->d, DRV_INT_STATUS) & 1);
	drv_w32(&v->d, DRV_INT_ACK, 0xfffffffe);
	assert_true(drv_r32(&v->d, DRV_INT_STATUS) & 1);
	drv_w32(&v->d, DRV_INT_ACK, 1);
	assert_false(drv_r32(&v->d, DRV_INT_STATUS) & 1);
	assert_false(drv_has_used(q));
}

/* 4.2.2: there are no shared memory regions, so their length reads as all ones, and so does the base. */
static void shared_memory_regions(struct vrig *v)
{
	static const uint32_t sel[] = {0, 1, 255, 0x7fffffff, 0xffffffff};
	for (unsigned i = 0; i < 5; i++) {
		drv_w32(&v->d, DRV_SHM_SEL, sel[i]);
		for (uint32_t at = DRV_SHM_LEN_LO; at < DRV_SHM_LEN_LO + 16; at += 4)
			assert_int_equal(drv_r32(&v->d, at), 0xffffffff);
	}
}

static void queue_reset_not_negotiated(struct vrig *v)
{
	v->dropped = DRV_F_RING_RESET;
	vrig_open(v);
	vrig_request(v);
	drv_w32(&v->d, DRV_QUEUE_SEL, v->target->queue);
	drv_w32(&v->d, DRV_QUEUE_RESET, 1);
	vrig_settle(v);
	assert_true(vrig_is_alive(v));
	if (!drv_broken(&v->d))
		vrig_request(v);
}

/* 2.5: the configuration in every width and at every offset, in parts and as a whole the same. */
static void config_read_in_every_width(struct vrig *v)
{
	uint8_t bytes[WINDOW - DRV_CONFIG];
	for (uint32_t at = DRV_CONFIG; at < WINDOW; at++)
		bytes[at - DRV_CONFIG] = (uint8_t)vrig_read(v, at, 1);
	for (unsigned width = 2; width <= 8; width *= 2)
		for (uint32_t at = DRV_CONFIG; at + width <= WINDOW; at += width) {
			uint64_t want = 0;
			memcpy(&want, bytes + (at - DRV_CONFIG), width);
			assert_true(vrig_read(v, at, width) == want);
			assert_true(vrig_raw_read(v, at, width) == want);
		}
	/* Misaligned, over the end, over its beginning. */
	for (unsigned width = 2; width <= 8; width *= 2)
		for (uint32_t at = DRV_CONFIG - 7; at < WINDOW + 8; at++)
			(void)vrig_raw_read(v, at, width);
	assert_true(vrig_is_alive(v));
}

static void config_written_in_every_width(struct vrig *v)
{
	for (unsigned k = 0; k < 3; k++) {
		vrig_open(v);
		vrig_freeze(v);
		for (unsigned width = 1; width <= 8; width *= 2)
			for (uint32_t at = DRV_CONFIG - 7; at < WINDOW + 8; at++) {
				if (at < DRV_CONFIG && at + width <= DRV_CONFIG)
					continue;
				uint64_t value = k == 0	  ? 0
						 : k == 1 ? ~0ull
							  : 0x0102040810204080ull;
				vrig_write(v, at, width, value);
				vrig_raw_write(v, at, width, value);
			}
		vrig_settle(v);
		assert_true(vrig_is_alive(v));
		vrig_intact(v);
	}
	/* None of it outlives a reset but what a driver may set; 5.x: sizes, identities and limits it may not. */
	constants_are_right(v);
}

static void config_read_only_part_keeps(struct vrig *v)
{
	uint8_t before[64], after[64];
	/* Of these devices drivers may write: console emerg_wr at 8, block writeback at 32. */
	for (unsigned i = 0; i < 64; i++)
		before[i] = (uint8_t)vrig_read(v, DRV_CONFIG + i, 1);
	for (unsigned i = 0; i < 64; i++) {
		bool emergency = v->device_id == VID_CONSOLE && i >= 8 && i < 12;
		bool writeback = v->device_id == VID_BLK && i == 32;
		if (!emergency && !writeback)
			vrig_write(v, DRV_CONFIG + i, 1, (uint8_t)~before[i]);
	}
	for (unsigned i = 0; i < 64; i++)
		after[i] = (uint8_t)vrig_read(v, DRV_CONFIG + i, 1);
	assert_memory_equal(before, after, 64);
}

/* All registers in random order with random values: only memory that it got is touched, and it lives. */
static void random_accesses(struct vrig *v)
{
	uint64_t x = 0x9e3779b97f4a7c15ull;
	vrig_may(v, v->d.gpa, v->d.bytes); /* rings may come to lie anywhere inside */
	vrig_freeze(v);
	for (unsigned i = 0; i < 20000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		uint32_t at = (uint32_t)(x >> 8) % WINDOW;
		unsigned width = x & 0x30 ? 4 : 1u << (x >> 40 & 3);
		uint64_t value = x >> 50 & 1 ? x >> 32 & 0xf : v->d.gpa + (x >> 20 & 0xfffff0);
		if (x & 0x300)
			at &= ~3u;
		if (x & 1)
			vrig_write(v, at, width, value);
		else
			(void)vrig_read(v, at, width);
		if (i % 512 == 511) {
			assert_true(vrig_is_alive(v));
			if (i % 1024 == 1023)
				vrig_open(v);
		}
	}
	vrig_settle(v);
	assert_true(vrig_is_alive(v));
	constants_are_right(v);
}

const struct vcase vcases_regs[] = {
	VCASE(read_only_registers_written, VCASE_LIVE | VCASE_ONCE),
	VCASE(write_only_registers_read, VCASE_LIVE | VCASE_ONCE),
	VCASE(registers_read_in_wrong_widths, VCASE_LIVE | VCASE_ONCE),
	VCASE(registers_written_in_wrong_widths, VCASE_LIVE | VCASE_ONCE),
	VCASE(accesses_beyond_the_window, VCASE_LIVE | VCASE_ONCE),
	VCASE(accesses_of_no_width, VCASE_LIVE | VCASE_ONCE),
	VCASE(reserved_offsets, VCASE_LIVE | VCASE_ONCE),
	VCASE(nothing_pending_acknowledged, VCASE_LIVE),
	VCASE(a_wrong_bit_acknowledged, 0),
	VCASE(shared_memory_regions, VCASE_LIVE | VCASE_ONCE),
	VCASE(queue_reset_not_negotiated, 0),
	VCASE(config_read_in_every_width, VCASE_LIVE | VCASE_ONCE),
	VCASE(config_written_in_every_width, VCASE_ONCE),
	VCASE(config_read_only_part_keeps, VCASE_LIVE | VCASE_ONCE),
	VCASE(random_accesses, VCASE_LIVE | VCASE_ONCE),
	{}};
