/* SPDX-License-Identifier: Apache-2.0 */
/* The PL031 daemon over the wire: the host's time, a fixed time, and the match interrupt from a sleeping daemon. */
#include "tests/wire/wire.h"
#include "base/clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <poll.h>
#include <unistd.h>

enum { DR = 0x00, MR = 0x04, IMSC = 0x10 };

static const char *exe;

static int setup(void **state)
{
	*state = wire_create(exe);
	return 0;
}

static int teardown(void **state)
{
	wire_destroy(*state);
	return 0;
}

static void by_default_it_tells_the_hosts_time(void **state)
{
	struct wire *w = *state;
	wire_start(w);
	uint64_t before = clock_real_ns() / 1000000000u;
	uint64_t dr = wire_read(w, 0, DR, 4);
	assert_true(dr >= before && dr <= clock_real_ns() / 1000000000u);
}

static void a_fixed_base_counts_from_the_start_of_the_vm(void **state)
{
	struct wire *w = *state;
	w->option = "base";
	w->value = "2001-09-09T01:46:40Z";
	wire_start(w);
	/* The harness leaves the guest's clock at CLOCK_MONOTONIC. */
	uint64_t before = 1000000000u + clock_now_ns() / 1000000000u;
	uint64_t dr = wire_read(w, 0, DR, 4);
	assert_true(dr >= before && dr <= 1000000000u + clock_now_ns() / 1000000000u);
}

static void the_match_interrupt_wakes_a_sleeping_daemon(void **state)
{
	struct wire *w = *state;
	wire_start(w);
	struct pollfd p = {.fd = w->irq_fd, .events = POLLIN};
	wire_write(w, 0, IMSC, 4, 1);
	wire_write(w, 0, MR, 4, wire_read(w, 0, DR, 4) + 1);
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(w->pp.port->line[0].word, PORT_LINE_HIGH);
	assert_true(wire_read(w, 0, DR, 4) >= wire_read(w, 0, MR, 4));
}

static void a_match_survives_a_kill(void **state)
{
	struct wire *w = *state;
	wire_start(w);
	struct pollfd p = {.fd = w->irq_fd, .events = POLLIN};
	wire_write(w, 0, IMSC, 4, 1);
	wire_write(w, 0, MR, 4, wire_read(w, 0, DR, 4) + 1);
	wire_kill(w);
	wire_start(w);
	assert_true(w->resumed);
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(w->pp.port->line[0].word, PORT_LINE_HIGH);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	exe = argv[1];
	ctl_setup();
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(by_default_it_tells_the_hosts_time),
		T(a_fixed_base_counts_from_the_start_of_the_vm),
		T(the_match_interrupt_wakes_a_sleeping_daemon),
		T(a_match_survives_a_kill),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
