/* SPDX-License-Identifier: Apache-2.0 */
/* debug-exit as QEMU's isa-debug-exit, pvpanic as QEMU's docs/specs/pvpanic.rst. */
#include "devmodel/core/testenv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

extern const struct dm_class dm_class_debug_exit, dm_class_pvpanic;

/* What a write asks of the VM; 0: nothing. */
static uint64_t asked(struct dm_test *t, uint32_t offset, unsigned width, uint64_t v)
{
	struct port_entry e = {.op = PORT_OP_WRITE,
			       .width = (uint8_t)width,
			       .offset = offset,
			       .value = v,
			       .seq = 1};
	uint32_t status;
	uint64_t data;
	assert_true(dm_serve(t->dm, &e, &status, &data));
	dmt_settle(t);
	return status == PORT_STATUS_VM ? data : 0;
}

static void exit_code_is_twice_the_value_and_one(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_debug_exit, NULL);
	assert_int_equal(dmt_r32(t, 0), 0);
	assert_int_equal(asked(t, 0, 1, 0), PORT_VM(PORT_VM_EXIT, 1));
	assert_int_equal(asked(t, 0, 1, 0x10), PORT_VM(PORT_VM_EXIT, 0x21));
	assert_int_equal(asked(t, 0, 2, 0x10), PORT_VM(PORT_VM_EXIT, 0x21));
	assert_int_equal(asked(t, 0, 4, 0x31), PORT_VM(PORT_VM_EXIT, 0x63));
	assert_int_equal(asked(t, 0, 4, 0xffffffff), PORT_VM(PORT_VM_EXIT, 0xff));
	assert_int_equal(asked(t, 3, 1, 0x10), PORT_VM(PORT_VM_EXIT, 0x21)); /* any of its ports */
	assert_int_equal(asked(t, 2, 2, 7), PORT_VM(PORT_VM_EXIT, 15));
	dmt_destroy(t);
}

static struct dm_test *pvpanic(const char *action, const char *events)
{
	return dmt_create(&dm_class_pvpanic,
			  (const char *const[]){"action", action, "events", events, NULL});
}

static void panic_asks_for_what_the_config_says(void **state)
{
	(void)state;
	static const struct {
		const char *action;
		uint32_t then;
	} actions[] = {{"stop", PORT_VM_STOP}, {"pause", PORT_VM_PAUSE}, {"log", PORT_VM_LOG}};
	for (unsigned i = 0; i < 3; i++) {
		struct dm_test *t = pvpanic(actions[i].action, "3");
		assert_int_equal(dmt_read(t, 0, 1), 3);
		assert_int_equal(asked(t, 0, 1, 1), PORT_VM(PORT_VM_PANIC, actions[i].then));
		assert_int_equal(dmt_read(t, 0, 1), 3); /* what is known, not what was written */
		assert_int_equal(asked(t, 0, 1, 2), PORT_VM(PORT_VM_CRASHLOADED, 0));
		assert_int_equal(asked(t, 0, 1, 3), PORT_VM(PORT_VM_PANIC, actions[i].then));
		assert_int_equal(asked(t, 0, 1, 0), 0);
		assert_int_equal(asked(t, 0, 1, 4), 0); /* not known: ignored */
		assert_int_equal(asked(t, 0, 1, 0xf0), 0);
		dmt_destroy(t);
	}
}

static void the_default_ends_the_vm(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&dm_class_pvpanic, NULL);
	assert_int_equal(asked(t, 0, 1, 1), PORT_VM(PORT_VM_PANIC, PORT_VM_STOP));
	dmt_destroy(t);
}

static void events_are_those_of_the_config(void **state)
{
	(void)state;
	struct dm_test *t = pvpanic("stop", "4");
	assert_int_equal(dmt_read(t, 0, 1), 4);
	assert_int_equal(asked(t, 0, 1, 1), 0);
	assert_int_equal(asked(t, 0, 1, 4), PORT_VM(PORT_VM_POWEROFF, 0));
	dmt_reset(t);
	assert_int_equal(dmt_read(t, 0, 1), 4);
	dmt_destroy(t);
	t = pvpanic("stop", "0xff");
	assert_int_equal(dmt_read(t, 0, 1), 7);
	dmt_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_code_is_twice_the_value_and_one),
		cmocka_unit_test(panic_asks_for_what_the_config_says),
		cmocka_unit_test(the_default_ends_the_vm),
		cmocka_unit_test(events_are_those_of_the_config),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
