/* SPDX-License-Identifier: Apache-2.0 */
/* A request to the VM over the wire: the answer to the write that asked, once, whenever the daemon is killed. */
#include "tests/wire/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <poll.h>

static const char *exe;

static int setup(void **state)
{
	*state = wire_create(exe);
	wire_start(*state);
	return 0;
}

static int teardown(void **state)
{
	wire_destroy(*state);
	return 0;
}

static uint64_t push(struct wire *w, uint64_t value)
{
	struct port_entry e = {.op = PORT_OP_WRITE, .width = 4, .value = value};
	return wire_push(w, &e);
}

static void expect(struct wire *w, uint64_t seq, uint32_t code)
{
	uint32_t status;
	assert_int_equal(wire_wait(w, seq, &status), PORT_VM(PORT_VM_EXIT, code));
	assert_int_equal(status, PORT_STATUS_VM);
}

static void the_answer_says_what_is_asked(void **state)
{
	struct wire *w = *state;
	assert_true(w->desc->vm_requests);
	expect(w, push(w, 0x10), 0x21);
	expect(w, push(w, 0), 1);
}

static void asked_for_before_a_kill_it_is_still_the_answer(void **state)
{
	struct wire *w = *state;
	uint64_t seq = push(w, 0x21);
	while (!port_served(&w->pp, seq))
		poll(NULL, 0, 1);
	wire_kill(w);
	wire_start(w);
	expect(w, seq, 0x43);
}

static void asked_for_while_nobody_serves_the_next_daemon_says_it(void **state)
{
	struct wire *w = *state;
	wire_kill(w);
	uint64_t seq = push(w, 0x22);
	wire_start(w);
	expect(w, seq, 0x45);
}

static void a_posted_write_asks_nothing(void **state)
{
	struct wire *w = *state;
	struct port_entry e = {.op = PORT_OP_SYNC};
	uint32_t status;
	wire_post(w, 0, 0, 4, 1);
	wire_wait(w, wire_push(w, &e), &status);
	assert_int_equal(status, PORT_STATUS_OK);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	exe = argv[1];
	ctl_setup();
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_answer_says_what_is_asked),
		T(asked_for_before_a_kill_it_is_still_the_answer),
		T(asked_for_while_nobody_serves_the_next_daemon_says_it),
		T(a_posted_write_asks_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
