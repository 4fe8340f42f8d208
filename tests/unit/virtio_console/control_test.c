/* SPDX-License-Identifier: Apache-2.0 */
/* Several ports: the control queues, names, open and closed ends, sizes, and messages that make no sense. */
#include "tests/unit/virtio_console/rig.h"
#include <string.h>
#include "base/bytes.h"

#define THREE                                                                                      \
	(const char *const[])                                                                      \
	{                                                                                          \
		"port1_name", "org.example.one", "port2", "null", NULL                             \
	}

static struct rig *ready(void **state, const char *const *options, unsigned ports)
{
	struct rig *r =
		rig_open(options, rig_layout(state) | CON_F_MULTIPORT | CON_F_SIZE, 2 + 2 * ports);
	assert_true(r->d.features & CON_F_MULTIPORT);
	assert_int_equal(drv_config(&r->d, 4, 4), ports);
	for (unsigned i = 0; i < 30; i++)
		rig_post(r, CON_CONTROL_RXQ, 64);
	drv_kick(&r->q[CON_CONTROL_RXQ]);
	assert_true(rig_quiet(r));
	rig_control(r, UINT32_MAX, EV_DEVICE_READY, 1);
	for (unsigned i = 0; i < ports; i++)
		rig_expect(r, i, EV_DEVICE_ADD, 0, NULL, 0);
	assert_true(rig_quiet(r));
	return r;
}

static void ports_are_added_named_and_opened(void **state)
{
	static const uint8_t size[4] = {80, 0, 25, 0};
	struct rig *r = ready(state, THREE, 3);
	rig_control(r, 0, EV_PORT_READY, 1);
	rig_expect(r, 0, EV_CONSOLE_PORT, 1, NULL, 0);
	rig_expect(r, 0, EV_PORT_OPEN, 1, NULL, 0);
	rig_expect(r, 0, EV_RESIZE, 0, size, 4);
	rig_control(r, 1, EV_PORT_READY, 1);
	rig_expect(r, 1, EV_PORT_NAME, 0, "org.example.one", 15);
	rig_expect(r, 1, EV_PORT_OPEN, 1, NULL, 0);
	rig_control(r, 2, EV_PORT_READY, 1);
	rig_expect(r, 2, EV_PORT_OPEN, 1, NULL, 0);
	assert_true(rig_quiet(r));
	assert_int_equal(rig_errors(r), 0);
	rig_close(r);
}

static void a_port_takes_input_once_the_driver_has_opened_it(void **state)
{
	struct rig *r = ready(state, THREE, 3);
	const uint8_t *p;
	unsigned q = con_rxq(2);
	rig_control(r, 2, EV_PORT_READY, 1);
	rig_post(r, q, 16);
	drv_kick(&r->q[q]);
	assert_int_equal(rig_input(r, 2, "early", 5), 0);
	rig_control(r, 2, EV_PORT_OPEN, 1);
	assert_int_equal(rig_input(r, 2, "now", 3), 3);
	assert_int_equal(rig_take(r, q, &p), 3);
	assert_memory_equal(p, "now", 3);
	rig_post(r, q, 16);
	drv_kick(&r->q[q]);
	rig_control(r, 2, EV_PORT_OPEN, 0);
	assert_int_equal(rig_input(r, 2, "late", 4), 0);
	rig_close(r);
}

static void ports_do_not_mix(void **state)
{
	struct rig *r = ready(state, THREE, 3);
	char out[16];
	rig_send(r, con_txq(0), "zero", 4, 1);
	rig_send(r, con_txq(1), "one", 3, 1);
	rig_send(r, con_txq(2), "two!!", 5, 1);
	for (unsigned i = 0; i < 3; i++) {
		drv_kick(&r->q[con_txq(i)]);
		assert_int_equal(rig_reap(r, con_txq(i)), 1);
	}
	assert_int_equal(rig_output(r, 0, out, sizeof(out)), 4);
	assert_memory_equal(out, "zero", 4);
	assert_int_equal(rig_output(r, 2, out, sizeof(out)), 5);
	assert_memory_equal(out, "two!!", 5);
	assert_int_equal(rig_output(r, 1, out, sizeof(out)), 3);
	rig_close(r);
}

static void peer(struct rig *r, unsigned channel, bool here)
{
	dm_peer_set(r->t->dm, channel, here);
	dmt_settle(r->t);
	dmt_work(r->t, 100);
}

static void the_driver_learns_who_is_at_the_host_s_end(void **state)
{
	struct rig *r = ready(state, THREE, 3);
	peer(r, 1, false);
	assert_true(rig_quiet(r)); /* the driver is not ready for that port */
	rig_control(r, 1, EV_PORT_READY, 1);
	rig_expect(r, 1, EV_PORT_NAME, 0, NULL, 15);
	assert_true(rig_quiet(r)); /* closed is how a port begins */
	peer(r, 1, true);
	rig_expect(r, 1, EV_PORT_OPEN, 1, NULL, 0);
	peer(r, 1, false);
	rig_expect(r, 1, EV_PORT_OPEN, 0, NULL, 0);
	dmt_reset(r->t);
	assert_false(dm_host_peer(r->t->dm, 1)); /* a reset of the VM disconnects nobody */
	rig_close(r);
}

static void a_size_that_is_set_reaches_the_driver(void **state)
{
	static const uint8_t cols_first[4] = {0x2c, 1, 60, 0};
	struct rig *r = ready(state, THREE, 3);
	rig_control(r, 0, EV_PORT_READY, 1);
	for (const uint8_t *p; rig_take(r, CON_CONTROL_RXQ, &p) >= 0;)
		;
	uint32_t generation = drv_r32(&r->d, DRV_CONFIG_GENERATION);
	dmt_ack(r->t, 0, ~0u);
	assert_int_equal(dmt_control(r->t, "size", "300x60"), 0);
	dmt_work(r->t, 100);
	assert_true(r->t->pending[0] & VIRTIO_INT_CONFIG);
	assert_int_not_equal(drv_r32(&r->d, DRV_CONFIG_GENERATION), generation);
	assert_int_equal(drv_config(&r->d, 0, 2), 300);
	assert_int_equal(drv_config(&r->d, 2, 2), 60);
	rig_expect(r, 0, EV_RESIZE, 0, cols_first, 4);
	static const char *const bad[] = {"",	   "80",    "80x",     "x25",	"80x25x",  "80x25 ",
					  "-1x25", "8 x 2", "65536x1", "80X25", "1x70000", NULL};
	for (unsigned i = 0; bad[i]; i++)
		assert_true(dmt_control(r->t, "size", bad[i]) < 0);
	assert_int_equal(drv_config(&r->d, 0, 2), 300);
	assert_true(rig_quiet(r));
	dmt_reset(r->t);
	assert_int_equal(drv_config(&r->d, 0, 2), 300);
	assert_int_equal(drv_config(&r->d, 2, 2), 60);
	rig_close(r);
}

static void the_order_in_a_resize_message_can_be_an_old_linux_s(void **state)
{
	static const uint8_t rows_first[4] = {25, 0, 80, 0};
	struct rig *r = ready(
		state, (const char *const[]){"ports", "2", "resize_message", "rows-cols", NULL}, 2);
	rig_control(r, 0, EV_PORT_READY, 1);
	rig_expect(r, 0, EV_CONSOLE_PORT, 1, NULL, 0);
	rig_expect(r, 0, EV_PORT_OPEN, 1, NULL, 0);
	rig_expect(r, 0, EV_RESIZE, 0, rows_first, 4);
	rig_close(r);
}

static void messages_wait_for_buffers(void **state)
{
	struct rig *r = rig_open((const char *const[]){"ports", "8", NULL},
				 rig_layout(state) | CON_F_MULTIPORT, RIG_QUEUES);
	rig_control(r, 0, EV_DEVICE_READY, 1);
	assert_true(rig_quiet(r));
	for (unsigned i = 0; i < 8; i++) {
		rig_post(r, CON_CONTROL_RXQ, 8);
		drv_kick(&r->q[CON_CONTROL_RXQ]);
		rig_expect(r, i, EV_DEVICE_ADD, 0, NULL, 0);
		assert_true(rig_quiet(r));
	}
	rig_post(r, CON_CONTROL_RXQ, 8);
	drv_kick(&r->q[CON_CONTROL_RXQ]);
	assert_true(rig_quiet(r));
	rig_close(r);
}

static void nonsense_from_the_driver_is_counted_and_given_back(void **state)
{
	static const struct {
		uint32_t id;
		uint16_t event, value;
	} bad[] = {{3, EV_PORT_READY, 1},   {UINT32_MAX, EV_PORT_OPEN, 1},
		   {0, EV_DEVICE_ADD, 0},   {0, EV_DEVICE_REMOVE, 0},
		   {0, EV_CONSOLE_PORT, 1}, {0, EV_RESIZE, 0},
		   {0, EV_PORT_NAME, 0},    {0, 8, 0},
		   {0, 0xffff, 0xffff},	    {0, EV_DEVICE_READY, 0},
		   {1, EV_PORT_READY, 0},   {0x10000, EV_PORT_READY, 1}};
	struct rig *r = ready(state, THREE, 3);
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		rig_control(r, bad[i].id, bad[i].event, bad[i].value);
		assert_int_equal(rig_errors(r), i + 1);
	}
	for (uint32_t len = 0; len < 8; len++) {
		rig_send(r, CON_CONTROL_TXQ, "\0\0\0\0\0\0\1\0", len, 1);
		drv_notify(&r->q[CON_CONTROL_TXQ]);
		assert_int_equal(rig_reap(r, CON_CONTROL_TXQ), 1);
		assert_int_equal(rig_errors(r), ARRAY_LEN(bad) + len + 1);
	}
	assert_true(rig_quiet(r));
	assert_false(drv_broken(&r->d));
	rig_control(r, 2, EV_PORT_READY, 1);
	rig_expect(r, 2, EV_PORT_OPEN, 1, NULL, 0);
	rig_close(r);
}

static void a_control_buffer_that_is_too_small_loses_the_message(void **state)
{
	struct rig *r = rig_open(THREE, rig_layout(state) | CON_F_MULTIPORT, 8);
	const uint8_t *p;
	rig_post(r, CON_CONTROL_RXQ, 7);
	rig_post(r, CON_CONTROL_RXQ, 8);
	rig_post(r, CON_CONTROL_RXQ, 8);
	drv_kick(&r->q[CON_CONTROL_RXQ]);
	rig_control(r, 0, EV_DEVICE_READY, 1);
	assert_int_equal(rig_take(r, CON_CONTROL_RXQ, &p), 0);
	rig_expect(r, 1, EV_DEVICE_ADD, 0, NULL, 0);
	rig_expect(r, 2, EV_DEVICE_ADD, 0, NULL, 0);
	assert_int_equal(rig_errors(r), 1);
	assert_false(drv_broken(&r->d));
	rig_close(r);
}

static void without_multiport_there_is_one_port(void **state)
{
	struct rig *r = rig_open(THREE, rig_layout(state), 8);
	char out[8];
	rig_send(r, 1, "zero", 4, 1);
	drv_kick(&r->q[1]);
	assert_int_equal(rig_output(r, 0, out, sizeof(out)), 4);
	rig_send(r, con_txq(1), "one", 3, 1);
	drv_notify(&r->q[con_txq(1)]);
	assert_int_equal(rig_output(r, 1, out, sizeof(out)), 0);
	assert_int_equal(rig_reap(r, con_txq(1)), 0);
	rig_post(r, con_rxq(1), 8);
	drv_notify(&r->q[con_rxq(1)]);
	assert_int_equal(rig_input(r, 1, "x", 1), 0);
	rig_post(r, 0, 8);
	drv_kick(&r->q[0]);
	assert_int_equal(rig_input(r, 0, "x", 1), 1);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_BOTH(ports_are_added_named_and_opened),
		RIG_BOTH(a_port_takes_input_once_the_driver_has_opened_it),
		RIG_BOTH(ports_do_not_mix),
		RIG_BOTH(the_driver_learns_who_is_at_the_host_s_end),
		RIG_BOTH(a_size_that_is_set_reaches_the_driver),
		RIG_BOTH(the_order_in_a_resize_message_can_be_an_old_linux_s),
		RIG_BOTH(messages_wait_for_buffers),
		RIG_BOTH(nonsense_from_the_driver_is_counted_and_given_back),
		RIG_BOTH(a_control_buffer_that_is_too_small_loses_the_message),
		RIG_BOTH(without_multiport_there_is_one_port),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
