/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes: of the console (virtio 1.2, section 5.3), and random ones (5.4). */
#include "tests/wire/virtio_conform.h"
#include <string.h>

#define TOTAL 100000u

/* ---- console ---------------------------------------------------------------------------------------------- */

static uint8_t byte_of(unsigned i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7);
}

static void bytes_go_out(struct vrig *v)
{
	struct drv_queue *q = &v->q[1];
	uint64_t gpa = vrig_buffer(v, 4096, 0);
	uint8_t *p = drv_at(&v->d, gpa), got[4096];
	v->keep_output = true;
	for (unsigned done = 0; done < TOTAL;) {
		unsigned n = conform_random() % 4000 + 3;
		for (unsigned i = 0; i < n; i++)
			p[i] = byte_of(done + i);
		struct drv_seg seg[3] = {
			{gpa, 1, 0}, {gpa + 1, n / 2, 0}, {gpa + 1 + n / 2, n - 1 - n / 2, 0}};
		assert_int_equal(conform_do(v, q, seg, 3), 0);
		con_host_recv(v, got, n);
		assert_memory_equal(got, p, n);
		done += n;
	}
}

static void bytes_come_in(struct vrig *v)
{
	struct drv_queue *q = &v->q[0];
	static uint64_t at_id[DRV_QUEUE_MAX];
	uint64_t base = vrig_buffer(v, 16 * 256, 0);
	unsigned sent = 0, seen = 0;
	for (unsigned k = 0; k < 16; k++) {
		struct drv_seg seg = {base + 256 * k, 256, DRV_WRITE};
		int id = conform_add(v, q, &seg, 1);
		assert_true(id >= 0);
		at_id[id] = seg.gpa;
	}
	drv_kick(q);
	while (seen < TOTAL) {
		uint8_t out[1000];
		unsigned n = conform_random() % 999 + 1, id;
		uint32_t len;
		for (unsigned i = 0; i < n; i++)
			out[i] = byte_of(sent + i);
		con_host_send(v, out, n);
		sent += n;
		while (seen < sent) {
			if (!drv_wait(q, &id, &len))
				fail_msg("%u of %u bytes came", seen, sent);
			const uint8_t *p = drv_at(&v->d, at_id[id]);
			assert_in_range(len, 1, 256);
			for (unsigned i = 0; i < len; i++)
				assert_int_equal(p[i], byte_of(seen + i));
			seen += len;
			struct drv_seg seg = {at_id[id], 256, DRV_WRITE};
			int again = conform_add(v, q, &seg, 1);
			assert_true(again >= 0);
			at_id[again] = seg.gpa;
			drv_kick(q);
		}
	}
}

static void configuration_names_size_and_ports(struct vrig *v)
{
	assert_int_equal(drv_config(&v->d, 0, 2), 80);
	assert_int_equal(drv_config(&v->d, 2, 2), 25);
	assert_int_equal(drv_config(&v->d, 4, 4), 2);
}

static void emergency_write_needs_no_queue(struct vrig *v)
{
	uint8_t got[3];
	v->keep_output = true;
	for (unsigned i = 0; i < 3; i++)
		v->d.ops->write(v, DRV_CONFIG + 8, 4, 'A' + i);
	con_host_recv(v, got, 3);
	assert_memory_equal(got, "ABC", 3);
	/* 5.3.4: even before the driver has set anything up. */
	assert_true(drv_reset(&v->d));
	v->d.ops->write(v, DRV_CONFIG + 8, 4, 'D');
	con_host_recv(v, got, 1);
	assert_int_equal(got[0], 'D');
	vrig_open(v);
}

/** struct events - what the device said on the control receive queue. */
struct events {
	uint64_t at_id[DRV_QUEUE_MAX];
	unsigned add[2], open[2], console[2], named[2];
};

static void listen_to_events(struct vrig *v, struct events *e)
{
	struct drv_queue *q = &v->q[2];
	memset(e, 0, sizeof(*e));
	for (unsigned k = 0; k < 16; k++) {
		struct drv_seg seg = {vrig_buffer(v, 128, 0), 128, DRV_WRITE};
		int id = conform_add(v, q, &seg, 1);
		assert_true(id >= 0);
		e->at_id[id] = seg.gpa;
	}
	drv_kick(q);
}

static void tell(struct vrig *v, uint32_t port, uint16_t event, uint16_t value)
{
	struct drv_seg seg = {con_message(v, port, event, value), 8, 0};
	assert_int_equal(conform_do(v, &v->q[3], &seg, 1), 0);
}

static void hear(struct vrig *v, struct events *e, unsigned *what, unsigned count)
{
	struct drv_queue *q = &v->q[2];
	while (*what < count) {
		unsigned id;
		uint32_t len;
		assert_true(drv_wait(q, &id, &len));
		assert_in_range(len, 8, 128);
		const uint8_t *p = drv_at(&v->d, e->at_id[id]);
		uint32_t port;
		uint16_t event, value;
		memcpy(&port, p, 4);
		memcpy(&event, p + 4, 2);
		memcpy(&value, p + 6, 2);
		assert_true(port < 2);
		e->add[port] += event == CON_PORT_ADD;
		e->console[port] += event == CON_CONSOLE_PORT;
		e->open[port] += event == CON_PORT_OPEN && value == 1;
		if (event == CON_PORT_NAME) {
			assert_true(len >= 8 + strlen(CON_PORT1));
			assert_memory_equal(p + 8, CON_PORT1, strlen(CON_PORT1));
			e->named[port]++;
		}
	}
}

static void ports_are_announced(struct vrig *v)
{
	struct events e;
	listen_to_events(v, &e);
	tell(v, 0, CON_DEVICE_READY, 1);
	hear(v, &e, &e.add[0], 1);
	hear(v, &e, &e.add[1], 1);
	tell(v, 0, CON_PORT_READY, 1);
	tell(v, 1, CON_PORT_READY, 1);
	hear(v, &e, &e.console[0], 1);
	hear(v, &e, &e.named[1], 1);
	assert_int_equal(e.console[1], 0);
	tell(v, 0, CON_PORT_OPEN, 1);
	tell(v, 1, CON_PORT_OPEN, 1);
	/* And the console's bytes still go out. */
	struct drv_seg seg = {vrig_buffer(v, 5, 'z'), 5, 0};
	uint8_t got[5];
	v->keep_output = true;
	(void)conform_do(v, &v->q[1], &seg, 1);
	con_host_recv(v, got, 5);
	assert_memory_equal(got, "zzzzz", 5);
}

/* ---- entropy ---------------------------------------------------------------------------------------------- */

static void bytes_are_random(struct vrig *v)
{
	unsigned histogram[256] = {0}, total = 0, ones = 0;
	uint64_t gpa = vrig_buffer(v, 4096, 0);
	const uint8_t *p = drv_at(&v->d, gpa);
	while (total < 262144) {
		struct drv_seg seg[2] = {{gpa, 1 + conform_random() % 2000, DRV_WRITE},
					 {gpa + 2048, 1 + conform_random() % 2000, DRV_WRITE}};
		uint32_t len = conform_do(v, vrig_q(v), seg, 2);
		assert_in_range(len, 1, seg[0].len + seg[1].len);
		for (uint32_t i = 0; i < len; i++) {
			uint8_t b = i < seg[0].len ? p[i] : p[2048 + i - seg[0].len];
			histogram[b]++;
			ones += (unsigned)__builtin_popcount(b);
		}
		total += len;
	}
	/* Six standard deviations: 1024 +- 192 of each value, half of all bits +- 4344. */
	for (unsigned i = 0; i < 256; i++)
		assert_in_range(histogram[i] * 262144ull / total, 1024 - 192, 1024 + 192);
	assert_in_range(ones, total * 4 - 4400, total * 4 + 4400);
}

const struct vconform vconforms_stream[] = {
	VCONFORM(VID_CONSOLE, bytes_go_out, 0),
	VCONFORM(VID_CONSOLE, bytes_come_in, 0),
	VCONFORM(VID_CONSOLE, configuration_names_size_and_ports, CON_F_SIZE | CON_F_MULTIPORT),
	VCONFORM(VID_CONSOLE, emergency_write_needs_no_queue, CON_F_EMERG_WRITE),
	VCONFORM(VID_CONSOLE, ports_are_announced, CON_F_MULTIPORT),
	VCONFORM(VID_RNG, bytes_are_random, 0),
	{}};
