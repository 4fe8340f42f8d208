/* SPDX-License-Identifier: Apache-2.0 */
/* The keyboard controller: the AT Technical Reference's commands, Linux's probe (drivers/input/serio/i8042.c), and every reset. */
#include "devmodel/core/testenv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

extern const struct dm_class dm_class_i8042;

enum { DATA, COMMAND, PORT92 };
#define RESET PORT_VM(PORT_VM_RESET, 0)

static uint64_t asked; /* by the write done last */

static uint8_t access(struct dm_test *t, uint8_t op, unsigned range, uint8_t v)
{
	struct port_entry e = {.op = op, .width = 1, .range = (uint8_t)range, .value = v, .seq = 1};
	uint32_t status;
	uint64_t data;
	dm_serve(t->dm, &e, &status, &data);
	dmt_settle(t);
	if (op == PORT_OP_WRITE)
		asked = status == PORT_STATUS_VM ? data : 0;
	return (uint8_t)data;
}

static uint8_t in(struct dm_test *t, unsigned range)
{
	return access(t, PORT_OP_READ, range, 0);
}

static void out(struct dm_test *t, unsigned range, uint8_t v)
{
	access(t, PORT_OP_WRITE, range, v);
}

static int setup(void **state)
{
	*state = dmt_create(&dm_class_i8042, NULL);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(((struct dm_test *)*state)->dm->guest_errors, 0);
	dmt_destroy(*state);
	return 0;
}

static uint8_t answer(struct dm_test *t, uint8_t command)
{
	out(t, COMMAND, command);
	assert_int_equal(in(t, COMMAND) & 3, 1); /* OBF, not IBF */
	uint8_t v = in(t, DATA);
	assert_int_equal(in(t, COMMAND) & 1, 0);
	return v;
}

static void idle_it_has_nothing_to_say(void **state)
{
	struct dm_test *t = *state;
	assert_int_equal(in(t, COMMAND), 0x1c);
	assert_int_equal(in(t, DATA), 0);
	assert_int_equal(in(t, PORT92), 2);
	assert_false(dmt_line(t, 0));
}

static void tests_and_control_byte(void **state)
{
	struct dm_test *t = *state;
	assert_int_equal(answer(t, 0xaa), 0x55);
	assert_int_equal(in(t, COMMAND) & 4, 4);
	assert_int_equal(answer(t, 0xab), 0);
	assert_int_equal(answer(t, 0x20), 0x45);
	out(t, COMMAND, 0x60);
	assert_int_equal(in(t, COMMAND) & 8, 8);
	out(t, DATA, 0x74);
	assert_int_equal(in(t, COMMAND) & 8, 0);
	assert_int_equal(answer(t, 0x20), 0x74);
	out(t, COMMAND, 0xae);
	assert_int_equal(answer(t, 0x20), 0x64);
	out(t, COMMAND, 0xad);
	out(t, COMMAND, 0xa8);
	assert_int_equal(answer(t, 0x20), 0x54);
	out(t, COMMAND, 0xa7);
	assert_int_equal(answer(t, 0x20), 0x74);
}

static void each_way_to_reset_asks_for_it(void **state)
{
	struct dm_test *t = *state;
	for (unsigned c = 0xf0; c < 0x100; c++) {
		out(t, COMMAND, (uint8_t)c);
		assert_int_equal(asked, c & 1 ? 0 : RESET);
	}
	out(t, COMMAND, 0xd1);
	assert_int_equal(asked, 0);
	out(t, DATA, 0xfe);
	assert_int_equal(asked, RESET);
	out(t, COMMAND, 0xd1);
	out(t, DATA, 0xdf);
	assert_int_equal(asked, 0);
	out(t, PORT92, 0x02);
	assert_int_equal(asked, 0);
	out(t, PORT92, 0x03);
	assert_int_equal(asked, RESET);
	out(t, DATA, 0xfe); /* data, not a command */
	assert_int_equal(asked, 0);
}

static void a20_is_one_bit_with_three_handles(void **state)
{
	struct dm_test *t = *state;
	assert_int_equal(answer(t, 0xd0), 0x03);
	out(t, COMMAND, 0xdd);
	assert_int_equal(answer(t, 0xd0), 0x01);
	assert_int_equal(in(t, PORT92), 0);
	out(t, PORT92, 0x02);
	assert_int_equal(answer(t, 0xd0), 0x03);
	out(t, COMMAND, 0xd1);
	out(t, DATA, 0xdd);
	assert_int_equal(in(t, PORT92), 0);
	out(t, COMMAND, 0xdf);
	assert_int_equal(in(t, PORT92), 2);
}

static void nobody_is_plugged_in(void **state)
{
	struct dm_test *t = *state;
	out(t, DATA, 0xff); /* reset the keyboard */
	assert_int_equal(in(t, COMMAND) & 0x61, 0x41);
	assert_true(dmt_line(t, 0));
	assert_int_equal(in(t, DATA), 0xfe);
	assert_false(dmt_line(t, 0));
	out(t, COMMAND, 0xd4);
	out(t, DATA, 0xff); /* and the mouse */
	assert_int_equal(in(t, COMMAND) & 0x61, 0x61);
	assert_false(dmt_line(t, 0)); /* that would be another interrupt */
	assert_int_equal(in(t, DATA), 0xfe);
	out(t, COMMAND, 0xd2); /* as if typed */
	out(t, DATA, 0x1c);
	assert_true(dmt_line(t, 0));
	assert_int_equal(in(t, COMMAND) & 0x61, 0x01);
	assert_int_equal(in(t, DATA), 0x1c);
}

/* i8042_controller_check, _selftest, _init, i8042_check_aux, in this order; none waits for a time-out. */
static void linux_finds_a_controller_and_no_mouse(void **state)
{
	struct dm_test *t = *state;
	assert_int_equal(in(t, COMMAND) & 1, 0); /* flushed at once */
	assert_int_equal(answer(t, 0xaa), 0x55);
	uint8_t ctr = answer(t, 0x20);
	assert_int_equal(answer(t, 0x20), ctr); /* read until it is twice the same */
	assert_true(in(t, COMMAND) & 0x10);	/* not locked */
	out(t, COMMAND, 0x60);
	out(t, DATA, (uint8_t)((ctr | 0x10) & ~1u));
	assert_int_equal(in(t, COMMAND) & 1, 0);
	/* AUX_LOOP gives something else than it was given, then AUX_TEST is neither 0, 0xfa nor 0xff: no such port. */
	out(t, COMMAND, 0xd3);
	out(t, DATA, 0x5a);
	assert_int_equal(in(t, COMMAND) & 0x21, 0x01);
	assert_int_not_equal(in(t, DATA), 0x5a);
	uint8_t v = answer(t, 0xa9);
	assert_true(v && v != 0xfa && v != 0xff);
}

static void a_reset_of_the_vm_is_power_on(void **state)
{
	struct dm_test *t = *state;
	out(t, COMMAND, 0xdd);
	out(t, COMMAND, 0xd2);
	out(t, DATA, 1);
	dmt_reset(t);
	idle_it_has_nothing_to_say(state);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(idle_it_has_nothing_to_say),	  T(tests_and_control_byte),
		T(each_way_to_reset_asks_for_it), T(a20_is_one_bit_with_three_handles),
		T(nobody_is_plugged_in),	  T(linux_finds_a_controller_and_no_mouse),
		T(a_reset_of_the_vm_is_power_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
