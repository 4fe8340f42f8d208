/* SPDX-License-Identifier: Apache-2.0 */
/* The 16550 daemon over the wire: bytes, interrupts, back-pressure, and all of it over a kill -9. */
#include "tests/wire/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RBR = 0, IER = 1, IIR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };
#define DR 0x01u
#define THRE 0x20u

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

static uint32_t lsr(const struct wire *w)
{
	return (uint32_t)port_shadow_read(&w->pp, LSR, 1);
}

static void wait_for_lsr(const struct wire *w, uint32_t mask, uint32_t want)
{
	for (unsigned i = 0; (lsr(w) & mask) != want; i++) {
		assert_true(i < 5000);
		poll(NULL, 0, 1);
	}
}

static void wait_for_irq(struct wire *w)
{
	struct pollfd p = {.fd = w->irq_fd, .events = POLLIN};
	uint64_t n;
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(read(w->irq_fd, &n, sizeof(n)), sizeof(n));
}

static void posted_bytes_reach_the_host_in_order(void **state)
{
	struct wire *w = *state;
	char buf[20000];
	for (unsigned i = 0; i < 1000; i++) {
		wire_post(w, 0, RBR, 1, 'a' + i % 26);
		wait_for_lsr(w, THRE, THRE);
	}
	assert_int_equal(wire_output(w, buf, 1000), 1000);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(buf[i], 'a' + i % 26);
}

static void input_raises_the_interrupt_line_and_kicks(void **state)
{
	struct wire *w = *state;
	wire_write(w, 0, IIR, 1, 0x81);
	wire_write(w, 0, IER, 1, 0x01);
	assert_int_equal(w->pp.port->line[0].word, PORT_LINE_LOW);
	assert_int_equal(write(w->host_fd, "hello", 5), 5);
	wait_for_irq(w);
	assert_int_equal(w->pp.port->line[0].word, PORT_LINE_HIGH);
	assert_int_equal(port_shadow_read(&w->pp, IIR, 1), 0xcc);
	assert_int_equal(lsr(w) & DR, DR);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(wire_read(w, 0, RBR, 1), "hello"[i]);
	assert_int_equal(w->pp.port->line[0].word, PORT_LINE_LOW);
	assert_int_equal(lsr(w) & DR, 0);
}

static void the_line_changed_by_a_posted_write_kicks(void **state)
{
	struct wire *w = *state;
	wire_write(w, 0, IER, 1, 0x02);
	assert_int_equal(w->pp.port->line[0].word, PORT_LINE_HIGH);
	assert_int_equal(wire_read(w, 0, IIR, 1), 0x02);
	assert_int_equal(w->pp.port->line[0].word, PORT_LINE_LOW);
	wire_post(w, 0, RBR, 1, 'x');
	wait_for_irq(w);
	assert_int_equal(w->pp.port->line[0].word, PORT_LINE_HIGH);
}

static void pasted_input_waits_for_the_guest_and_none_is_lost(void **state)
{
	struct wire *w = *state;
	char in[4000];
	wire_write(w, 0, IIR, 1, 0x81);
	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (char)('A' + i % 50);
	assert_int_equal(write(w->host_fd, in, sizeof(in)), sizeof(in));
	for (unsigned i = 0; i < sizeof(in); i++) {
		wait_for_lsr(w, DR, DR);
		assert_int_equal(wire_read(w, 0, RBR, 1), in[i]);
	}
}

/* The guest writes as long as THRE is set and posts one full ring more, as one that looked too early would. */
static void a_reader_that_does_not_read_stops_the_guest_and_loses_nothing(void **state)
{
	struct wire *w = *state;
	unsigned n = 0;
	char *buf = malloc(1 << 20);
	while (lsr(w) & THRE) {
		wire_post(w, 0, RBR, 1, 'a' + n++ % 26);
		assert_true(n < 1000000);
	}
	for (unsigned i = 0; i < 500; i++)
		wire_post(w, 0, RBR, 1, 'a' + n++ % 26);
	wire_sync(w); /* the ring is served although nobody reads */
	assert_int_equal(atomic_load(&w->pp.port->counters.guest_errors), 0);
	assert_int_equal(wire_output(w, buf, n), n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(buf[i], 'a' + i % 26);
	wait_for_lsr(w, THRE, THRE);
	free(buf);
}

static void killed_again_and_again_the_output_is_whole(void **state)
{
	struct wire *w = *state;
	unsigned n = 0;
	size_t got = 0;
	char buf[4096], last = 0;
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 100; i++)
			wire_post(w, 0, RBR, 1, 'a' + n++ % 26);
		wire_kill(w);
		wire_start(w);
		assert_true(w->resumed);
	}
	wire_sync(w);
	/* A kill between a write(2) and its commit doubles that write: allow a run to be repeated, never lost. */
	unsigned next = 0;
	while (next < n) {
		assert_int_equal(wire_output(w, buf, 1), 1);
		got++;
		if (buf[0] == 'a' + (char)(next % 26))
			next++;
		else /* back by one write at most */
			next -= (unsigned)(('a' + (char)(next % 26) - buf[0] + 26) % 26) - 1;
		last = buf[0];
	}
	assert_true(got >= n && got < n + 10 * 100);
	assert_int_equal(last, 'a' + (char)((n - 1) % 26));
}

static void the_guest_sees_the_same_registers_after_a_kill(void **state)
{
	struct wire *w = *state;
	wire_write(w, 0, IIR, 1, 0x81);
	wire_write(w, 0, IER, 1, 0x01);
	wire_write(w, 0, SCR, 1, 0x5a);
	assert_int_equal(write(w->host_fd, "ab", 2), 2);
	wait_for_irq(w);
	wire_kill(w);
	assert_int_equal(w->pp.port->line[0].word,
			 PORT_LINE_HIGH); /* the line survives its daemon */
	wire_start(w);
	assert_int_equal(wire_read(w, 0, SCR, 1), 0x5a);
	assert_int_equal(wire_read(w, 0, IIR, 1), 0xcc);
	assert_int_equal(wire_read(w, 0, RBR, 1), 'a');
	assert_int_equal(wire_read(w, 0, RBR, 1), 'b');
	assert_int_equal(w->pp.port->line[0].word, PORT_LINE_LOW);
}

static const char *const wide[] = {"reg-shift", "2", "reg-io-width", "4", NULL};

static int setup_wide(void **state)
{
	struct wire *w = *state = wire_create(exe);
	w->options = wide;
	wire_start(w);
	return 0;
}

/* What it registers is what its options make of the table. */
static void registers_apart_are_registered_so(void **state)
{
	struct wire *w = *state;
	const Outrigger__RangeRequest *r = w->ranges->ranges->ranges[0];
	assert_int_equal(r->size, 32);
	assert_int_equal(r->widths, 4);
	assert_int_equal(r->rules[LSR]->offset, 4 * LSR);
	assert_int_equal(r->rules[LSR]->width, 4);
	assert_int_equal(r->rules[LSR]->read_way, 2);
	assert_int_equal(r->rules[LSR]->read_acts, 0x9e);
	wire_write(w, 0, 4 * SCR, 4, 0xffffff5a);
	assert_int_equal(wire_read(w, 0, 4 * SCR, 4), 0x5a);
	assert_int_equal(port_shadow_read(&w->pp, 4 * SCR, 4), 0x5a);
	assert_int_equal(port_shadow_read(&w->pp, 4 * LSR, 4), 0x60);
	wire_kill(w);
	wire_start(w);
	assert_true(w->resumed);
	assert_int_equal(wire_read(w, 0, 4 * SCR, 4), 0x5a);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	exe = argv[1];
	ctl_setup();
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(posted_bytes_reach_the_host_in_order),
		T(input_raises_the_interrupt_line_and_kicks),
		T(the_line_changed_by_a_posted_write_kicks),
		T(pasted_input_waits_for_the_guest_and_none_is_lost),
		T(a_reader_that_does_not_read_stops_the_guest_and_loses_nothing),
		T(killed_again_and_again_the_output_is_whole),
		T(the_guest_sees_the_same_registers_after_a_kill),
		cmocka_unit_test_setup_teardown(registers_apart_are_registered_so, setup_wide,
						teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
