/* SPDX-License-Identifier: Apache-2.0 */
/* Control messages that a console must survive: virtio 1.2, section 5.3.6.2; and odd buffers of the entropy device (5.4.6). */
#include "tests/wire/virtio_hostile.h"
#include "base/clock.h"
#include <string.h>

#define CTRL_TX 3u

/* One message on the control transmit queue; it comes back, whatever it says, or the device is broken. */
static void message(struct vrig *v, uint64_t gpa, uint32_t len)
{
	struct drv_queue *q = vrig_q(v);
	struct drv_seg seg = {gpa, len, 0};
	unsigned id;
	uint32_t got;
	vrig_add(v, q, &seg, 1);
	vrig_freeze(v);
	vrig_expect(v, q, VEND_EITHER);
	if (drv_broken(&v->d))
		vrig_open(v);
	else {
		assert_true(drv_used(q, &id, &got));
		assert_int_equal(got, 0);
	}
	if (v->d.taken > v->d.bytes / 2)
		vrig_open(v);
}

static void message_is_short(struct vrig *v)
{
	for (uint32_t len = 1; len < 8; len++)
		message(v, con_message(v, 0, CON_DEVICE_READY, 1), len);
}

static void message_is_huge(struct vrig *v)
{
	uint64_t gpa = vrig_buffer(v, 1u << 20, 0xff);
	for (uint16_t event = 0; event < 10; event++) {
		memcpy(drv_at(&v->d, gpa), drv_at(&v->d, con_message(v, 0, event, 1)), 8);
		message(v, gpa, 1u << 20);
	}
}

static void port_does_not_exist(struct vrig *v)
{
	static const uint32_t port[] = {2, 8, 31, 32, 63, 64, 0x7fffffff, 0x80000000, 0xffffffff};
	for (unsigned i = 0; i < sizeof(port) / sizeof(port[0]); i++)
		for (uint16_t event = 0; event < 9; event++)
			for (uint16_t value = 0; value < 2; value++)
				message(v, con_message(v, port[i], event, value), 8);
}

static void event_is_not_for_devices(struct vrig *v)
{
	static const uint16_t event[] = {CON_PORT_ADD, CON_PORT_REMOVE, CON_CONSOLE_PORT,
					 CON_RESIZE,   CON_PORT_NAME,	8,
					 99,	       0x8000,		0xffff};
	for (unsigned i = 0; i < sizeof(event) / sizeof(event[0]); i++)
		for (uint32_t port = 0; port < 2; port++)
			message(v, con_message(v, port, event[i], 1), 8);
}

static void messages_in_the_wrong_order(struct vrig *v)
{
	static const uint16_t value[] = {0, 1, 2, 0x7fff, 0xffff};
	for (unsigned round = 0; round < 4; round++) {
		vrig_open(v);
		for (unsigned i = 0; i < 5; i++)
			for (uint32_t port = 0; port < 2; port++) {
				message(v, con_message(v, port, CON_PORT_OPEN, value[i]), 8);
				message(v, con_message(v, port, CON_PORT_READY, value[i]), 8);
				if (round & 1)
					message(v, con_message(v, port, CON_DEVICE_READY, value[i]),
						8);
			}
	}
}

/* Nobody reads what the device has to say: it does not pile up without bound, and does not stop. */
static void answers_are_never_taken(struct vrig *v)
{
	struct drv_queue *q = vrig_q(v);
	uint64_t ready = con_message(v, 0, CON_DEVICE_READY, 1);
	uint64_t port = con_message(v, 1, CON_PORT_READY, 1);
	for (unsigned i = 0; i < 2000; i++) {
		struct drv_seg seg = {i & 1 ? port : ready, 8, 0};
		unsigned id;
		uint32_t len;
		assert_true(drv_add(q, &seg, 1) >= 0);
		drv_kick(q);
		assert_true(drv_wait(q, &id, &len));
	}
	assert_false(drv_broken(&v->d));
}

/* Of ports that were never opened, and of port 1 before it is ready. */
static void data_on_closed_ports(struct vrig *v)
{
	struct drv_queue q;
	for (unsigned index = 4; index < 6; index++) {
		vrig_negotiate(v);
		vrig_queues(v, 64);
		if (!drv_queue_setup(&v->d, &q, index, 64))
			continue;
		vrig_may(v, q.device.gpa, q.device.bytes);
		if (q.packed)
			vrig_may(v, q.desc.gpa, q.desc.bytes);
		drv_go(&v->d);
		struct drv_seg seg = {vrig_buffer(v, 256, 'q'), 256, index & 1 ? 0 : DRV_WRITE};
		vrig_add(v, &q, &seg, 1);
		vrig_end_of(v, &q);
	}
}

static void entropy_for_many_buffers(struct vrig *v)
{
	/* Gigabytes in one chain. One byte is an answer (5.4.6.2), and other work must not wait for the last one. */
	struct drv_seg seg[DRV_QUEUE_MAX];
	unsigned n = vrig_q(v)->size;
	for (unsigned i = 0; i < n; i++)
		seg[i] = (struct drv_seg){vrig_end(v) - 0x400000, 0x400000, DRV_WRITE};
	assert_true(drv_add(vrig_q(v), seg, n) >= 0);
	vrig_may(v, vrig_end(v) - 0x400000, 0x400000);
	vrig_freeze(v);
	uint64_t start = clock_now_ns();
	vrig_expect(v, vrig_q(v), VEND_EITHER);
	uint64_t ms = (clock_now_ns() - start) / 1000000;
	if (ms > 1000)
		fail_msg("one chain took %llu ms", (unsigned long long)ms);
}

static void entropy_after_readable_buffers(struct vrig *v)
{
	struct drv_seg seg[2] = {{vrig_buffer(v, 64, 7), 64, 0},
				 {vrig_buffer(v, 64, 7), 64, DRV_WRITE}};
	vrig_add(v, vrig_q(v), seg, 2);
	vrig_expect(v, vrig_q(v), VEND_EITHER);
}

const struct vcase vcases_console[] = {VCASE_OF(VID_CONSOLE, CTRL_TX, message_is_short),
				       VCASE_OF(VID_CONSOLE, CTRL_TX, message_is_huge),
				       VCASE_OF(VID_CONSOLE, CTRL_TX, port_does_not_exist),
				       VCASE_OF(VID_CONSOLE, CTRL_TX, event_is_not_for_devices),
				       VCASE_OF(VID_CONSOLE, CTRL_TX, messages_in_the_wrong_order),
				       VCASE_OF(VID_CONSOLE, CTRL_TX, answers_are_never_taken),
				       VCASE_OF(VID_CONSOLE, CTRL_TX, data_on_closed_ports),
				       VCASE_OF(VID_RNG, 0, entropy_for_many_buffers),
				       VCASE_OF(VID_RNG, 0, entropy_after_readable_buffers),
				       {}};
