/* SPDX-License-Identifier: Apache-2.0 */
/* The 16550A against National Semiconductor's PC16550D data sheet (sections in parentheses). */
#include "devmodel/core/testenv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

extern const struct dm_class dm_class_ns16550;

enum { RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static int setup(void **state)
{
	*state = dmt_create(&dm_class_ns16550, NULL);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(((struct dm_test *)*state)->dm->guest_errors, 0);
	dmt_destroy(*state);
	return 0;
}

static uint8_t in(struct dm_test *t, unsigned reg)
{
	return (uint8_t)dmt_read(t, reg, 1);
}

static void out(struct dm_test *t, unsigned reg, unsigned v)
{
	dmt_write(t, reg, 1, v);
}

/* What hv would serve without asking us; -1: it would ask. */
static int shadow(struct dm_test *t, unsigned reg)
{
	const struct dm_reg *r = &dm_class_ns16550.regions[0].regs[reg];
	uint8_t v = (uint8_t)dm_reg_get(t->dm, t->dm->state, r, 0);
	return dm_reg_shadowed(r) && !(v & r->read_acts) ? v : -1;
}

static void after_reset(void **state)
{
	struct dm_test *t = *state;
	static const uint8_t want[] = {0, 0,	1,    0,
				       0, 0x60, 0xb0, 0}; /* table III; MSR: the host is there */
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(in(t, i), want[i]);
	assert_false(dmt_line(t, 0));
}

static void scratch_and_control_keep_their_bits(void **state)
{
	struct dm_test *t = *state;
	for (unsigned v = 0; v < 256; v += 51) {
		out(t, SCR, v);
		assert_int_equal(in(t, SCR), v);
		out(t, LCR, v & 0x7f);
		assert_int_equal(in(t, LCR), v & 0x7f);
		out(t, IER, v);
		assert_int_equal(in(t, IER), v & 0x0f); /* 8.6: bits 7:4 are always 0 */
		out(t, MCR, v);
		assert_int_equal(in(t, MCR), v & 0x1f); /* 8.7: bits 7:5 */
		out(t, LSR, v);				/* read only */
		out(t, MSR, v);
	}
}

static void divisor_lies_behind_dlab(void **state)
{
	struct dm_test *t = *state;
	out(t, IER, 5);
	out(t, LCR, 0x83);
	out(t, RBR, 0x0c);
	out(t, IER, 0x01);
	assert_int_equal(in(t, RBR), 0x0c);
	assert_int_equal(in(t, IER), 0x01);
	out(t, LCR, 0x03);
	assert_int_equal(in(t, IER), 5);
	char buf[8];
	assert_int_equal(dmt_output(t, buf, sizeof(buf)), 0); /* nothing was sent */
}

static void characters_go_out_at_once(void **state)
{
	struct dm_test *t = *state;
	char buf[8];
	out(t, RBR, 'o');
	assert_int_equal(in(t, LSR), 0x60);
	out(t, RBR, 'k');
	assert_int_equal(dmt_output(t, buf, sizeof(buf)), 2);
	assert_string_equal(buf, "ok");
}

/* 8.6, table IV: "Reading the IIR (if source of interrupt) or writing into the THR". */
static void one_transmit_interrupt_an_event(void **state)
{
	struct dm_test *t = *state;
	assert_int_equal(shadow(t, IIR), 0x01);
	out(t, IER, 2); /* enabled while THR is empty */
	assert_true(dmt_line(t, 0));
	assert_int_equal(shadow(t, IIR), -1); /* reading it has an effect */
	assert_int_equal(in(t, IIR), 0x02);
	assert_false(dmt_line(t, 0));
	assert_int_equal(in(t, IIR), 0x01);
	assert_int_equal(shadow(t, IIR), 0x01);
	out(t, IER, 2); /* it was enabled before: no event */
	assert_int_equal(in(t, IIR), 0x01);
	out(t, RBR, 'x'); /* emptied again: the next one */
	assert_true(dmt_line(t, 0));
	out(t, IER, 0);
	assert_false(dmt_line(t, 0));
	assert_int_equal(in(t, IIR), 0x01);
	out(t, IER, 2);
	assert_int_equal(in(t, IIR), 0x02);
	assert_int_equal(in(t, LSR), 0x60); /* THRE stays: it is the state, not the event */
}

static void iir_of_a_higher_interrupt_keeps_the_transmit_event(void **state)
{
	struct dm_test *t = *state;
	out(t, IER, 3);
	assert_int_equal(dmt_input(t, "a"), 1);
	assert_int_equal(in(t, IIR), 0x04);
	assert_int_equal(in(t, IIR), 0x04);
	assert_int_equal(in(t, RBR), 'a');
	assert_int_equal(in(t, IIR), 0x02); /* still there */
	assert_int_equal(in(t, IIR), 0x01);
}

static void a_slow_host_clears_thre_and_the_event_comes_when_it_is_over(void **state)
{
	struct dm_test *t = *state;
	char buf[DM_OUT_BYTES + 1];
	unsigned n = 0;
	out(t, IER, 2);
	in(t, IIR);
	while (in(t, LSR) & 0x20) {
		out(t, RBR, 'a' + n++ % 26);
		assert_true(n <= DM_OUT_BYTES);
	}
	assert_int_equal(n, DM_OUT_SOFT);
	assert_int_equal(in(t, LSR), 0); /* TEMT, too */
	in(t, IIR);
	out(t, RBR, 'a' + n++ % 26); /* posted before it could see that */
	assert_int_equal(in(t, IIR), 0x01);
	assert_false(dmt_line(t, 0));
	assert_int_equal(dmt_output(t, buf, sizeof(buf)), n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(buf[i], 'a' + i % 26);
	assert_int_equal(in(t, LSR), 0x60);
	assert_true(dmt_line(t, 0));
	assert_int_equal(in(t, IIR), 0x02);
}

static void without_fifos_one_character_waits(void **state)
{
	struct dm_test *t = *state;
	out(t, IER, 1);
	assert_int_equal(dmt_input(t, "abc"), 1); /* the rest waits in the host */
	assert_true(dmt_line(t, 0));
	assert_int_equal(in(t, IIR), 0x04);
	assert_int_equal(in(t, LSR), 0x61);
	assert_int_equal(in(t, RBR), 'a');
	assert_int_equal(in(t, LSR), 0x60);
	assert_int_equal(in(t, RBR), 'a'); /* the register keeps it */
	assert_false(dmt_line(t, 0));
}

static void data_interrupt_follows_the_trigger_level(void **state)
{
	struct dm_test *t = *state;
	static const struct {
		uint8_t fcr, level;
	} cases[] = {{0x01, 1}, {0x41, 4}, {0x81, 8}, {0xc1, 14}};
	for (unsigned c = 0; c < 4; c++) {
		out(t, IER, 1);
		out(t, IIR, cases[c].fcr | 2);
		assert_int_equal(in(t, IIR), 0xc1);
		assert_int_equal(dmt_input(t, "0123456789abcdefgh"), 16);
		for (unsigned i = 0; i < 16; i++) {
			unsigned left = 16 - i;
			unsigned id = in(t, IIR);
			if (left >= cases[c].level)
				assert_int_equal(id, 0xc4);
			else
				assert_int_equal(id, 0xc1); /* the idle time has begun anew */
			assert_int_equal(in(t, RBR), "0123456789abcdef"[i]);
		}
		assert_int_equal(in(t, IIR), 0xc1);
	}
}

/* "FIFO interrupt mode operation": four character times without one coming or being read. */
static void timeout_interrupt_after_four_idle_characters(void **state)
{
	struct dm_test *t = *state;
	out(t, LCR, 0x83);
	out(t, RBR, 12); /* 9600 baud */
	out(t, IER, 0);
	out(t, LCR, 0x03); /* 8N1: 10 bits */
	out(t, IIR, 0xc1);
	out(t, IER, 1);
	assert_int_equal(dmt_input(t, "abc"), 3); /* a burst, then the line is idle */
	assert_int_equal(in(t, IIR), 0xcc);
	assert_true(dmt_line(t, 0));
	assert_int_equal(in(t, RBR), 'a'); /* reading clears it and begins anew */
	assert_int_equal(in(t, IIR), 0xc1);
	assert_false(dmt_line(t, 0));
	uint64_t four = 4ull * 10 * 1000000000 / 9600;
	dmt_advance(t, four - 1000);
	assert_false(dmt_line(t, 0));
	dmt_advance(t, 2000);
	assert_true(dmt_line(t, 0));
	assert_int_equal(in(t, IIR), 0xcc);
	assert_int_equal(in(t, RBR), 'b');
	assert_int_equal(in(t, RBR), 'c');
	dmt_advance(t, 10 * four);
	assert_false(dmt_line(t, 0));
}

static void enabling_the_interrupt_finds_what_is_there(void **state)
{
	struct dm_test *t = *state;
	out(t, IIR, 0xc1);
	assert_int_equal(dmt_input(t, "ab"), 2);
	assert_int_equal(in(t, RBR), 'a');
	assert_false(dmt_line(t, 0));
	out(t, IER, 1);
	assert_int_equal(in(t, IIR), 0xcc);
}

/* 8.5: bit 0 is needed for the others, and its change clears the FIFOs. */
static void fifo_control(void **state)
{
	struct dm_test *t = *state;
	out(t, IIR, 0xc1);
	assert_int_equal(in(t, IIR), 0xc1);
	assert_int_equal(dmt_input(t, "abc"), 3);
	out(t, IIR, 0xc3); /* clears the receiver's */
	assert_int_equal(in(t, LSR), 0x60);
	assert_int_equal(dmt_input(t, "abc"), 3);
	out(t, IIR, 0xc5); /* the transmitter's only */
	assert_int_equal(in(t, LSR), 0x61);
	out(t, IIR, 0xc0); /* off */
	assert_int_equal(in(t, IIR), 0x01);
	assert_int_equal(in(t, LSR), 0x60);
	assert_int_equal(dmt_input(t, "abc"), 1);
	out(t, IIR, 0x01);
	assert_int_equal(in(t, LSR), 0x60);
}

/* 8.7: "the transmitter's output is looped back into the receiver", word by word, and the modem's outputs into its inputs. */
static void loopback(void **state)
{
	struct dm_test *t = *state;
	char buf[4];
	out(t, LCR, 0x03);
	out(t, MCR, 0x10);
	out(t, RBR, 0xa5);
	assert_int_equal(shadow(t, LSR), -1); /* a driver can tell here: each read is ours */
	assert_int_equal(in(t, LSR), 0x61);
	assert_int_equal(in(t, RBR), 0xa5);
	out(t, LCR, 0x00); /* 5 bits */
	out(t, RBR, 0xff);
	assert_int_equal(in(t, RBR), 0x1f);
	assert_int_equal(dmt_input(t, "x"), 0); /* the line is cut */
	assert_int_equal(dmt_output(t, buf, sizeof(buf)), 0);
	for (unsigned m = 0; m < 16; m++) {
		out(t, MCR, 0x10 | m);
		unsigned want = (m & 2 ? 0x10 : 0) | (m & 1 ? 0x20 : 0) | (m & 4 ? 0x40 : 0) |
				(m & 8 ? 0x80 : 0);
		assert_int_equal(in(t, MSR) & 0xf0, want);
	}
	out(t, MCR, 0x02);
	assert_int_equal(shadow(t, LSR), 0x60);
	assert_int_equal(in(t, MSR) & 0xf0, 0xb0);
}

/* 8.8 */
static void modem_deltas_are_read_once_and_ri_counts_at_its_end(void **state)
{
	struct dm_test *t = *state;
	assert_int_equal(shadow(t, MSR), 0xb0);
	out(t, MCR, 0x1b); /* loop, DTR, RTS, OUT2: the same inputs as outside */
	assert_int_equal(in(t, MSR), 0xb0);
	out(t, IER, 8);
	assert_false(dmt_line(t, 0));
	out(t, MCR, 0x1f); /* RI begins: no event */
	assert_int_equal(shadow(t, MSR), 0xf0);
	assert_false(dmt_line(t, 0));
	out(t, MCR, 0x1b); /* RI ends */
	assert_true(dmt_line(t, 0));
	assert_int_equal(in(t, IIR), 0x00);
	assert_int_equal(shadow(t, MSR), -1);
	assert_int_equal(in(t, MSR), 0xb4);
	assert_false(dmt_line(t, 0));
	assert_int_equal(in(t, IIR), 0x01);
	assert_int_equal(in(t, MSR), 0xb0);
	out(t, MCR, 0x10);
	assert_int_equal(in(t, MSR), 0x0b); /* CTS, DSR and DCD went away */
}

/* 8.4 */
static void overrun(void **state)
{
	struct dm_test *t = *state;
	out(t, LCR, 0x03);
	out(t, MCR, 0x10);
	out(t, IER, 4);
	out(t, RBR, 'a');
	out(t, RBR, 'b'); /* takes a's place */
	assert_int_equal(in(t, IIR), 0x06);
	assert_int_equal(shadow(t, LSR), -1);
	assert_int_equal(in(t, LSR), 0x63);
	assert_int_equal(in(t, LSR), 0x61); /* cleared by the read */
	assert_int_equal(in(t, IIR), 0x01);
	assert_int_equal(in(t, RBR), 'b');
	out(t, IIR, 0x01);
	for (unsigned i = 0; i < 17; i++)
		out(t, RBR, 'A' + i);
	assert_int_equal(in(t, LSR), 0x63);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(in(t, RBR), 'A' + i); /* the 17th was lost */
	assert_int_equal(in(t, LSR), 0x60);
}

static void break_shows_when_its_character_is_next(void **state)
{
	struct dm_test *t = *state;
	out(t, LCR, 0x03);
	out(t, IIR, 0x01);
	out(t, MCR, 0x10);
	out(t, IER, 4);
	out(t, RBR, 'a');
	out(t, LCR, 0x43);
	out(t, LCR, 0x03);
	assert_int_equal(in(t, LSR), 0xe1); /* one with an error is somewhere in the FIFO */
	assert_int_equal(in(t, IIR), 0xc1);
	assert_int_equal(in(t, RBR), 'a');
	assert_int_equal(in(t, IIR), 0xc6);
	assert_int_equal(in(t, LSR), 0xf1);
	assert_int_equal(in(t, IIR), 0xc1);
	assert_int_equal(in(t, RBR), 0);
	assert_int_equal(in(t, LSR), 0x60);
}

/* Table IV's order, each taken away in its own way. */
static void interrupts_by_priority(void **state)
{
	struct dm_test *t = *state;
	out(t, LCR, 0x03);
	out(t, MCR, 0x10);
	in(t, MSR);
	out(t, MCR, 0x12); /* delta CTS */
	out(t, RBR, 'a');
	out(t, RBR, 'b'); /* overrun, data, THRE */
	out(t, IER, 0x0f);
	assert_int_equal(in(t, IIR), 0x06);
	in(t, LSR);
	assert_int_equal(in(t, IIR), 0x04);
	in(t, RBR);
	assert_int_equal(in(t, IIR), 0x02);
	assert_int_equal(in(t, IIR), 0x00);
	in(t, MSR);
	assert_int_equal(in(t, IIR), 0x01);
	assert_false(dmt_line(t, 0));
}

static void out2_gates_only_if_it_is_told_to(void **state)
{
	(void)state;
	struct dm_test *t =
		dmt_create(&dm_class_ns16550, (const char *const[]){"out2-gate", "true", NULL});
	out(t, IER, 2);
	assert_false(dmt_line(t, 0));
	assert_int_equal(t->dm->hdr->levels, 0);
	out(t, MCR, 0x08);
	assert_true(dmt_line(t, 0));
	out(t, MCR, 0x18); /* in loopback the pin is inactive */
	assert_false(dmt_line(t, 0));
	out(t, MCR, 0x08);
	assert_int_equal(in(t, IIR), 0x02);
	dmt_destroy(t);
}

static void the_hosts_end_honours_rts_once_the_guest_uses_it(void **state)
{
	struct dm_test *t = *state;
	out(t, IIR, 0x01);
	assert_int_equal(dmt_input(t, "a"), 1); /* firmware that knows no MCR */
	out(t, MCR, 0x00);
	assert_int_equal(dmt_input(t, "b"), 0);
	out(t, MCR, 0x03);
	assert_int_equal(dmt_input(t, "b"), 1);
	assert_int_equal(in(t, RBR), 'a');
	assert_int_equal(in(t, RBR), 'b');
}

static void registers_apart_and_wide(void **state)
{
	(void)state;
	struct dm_test *t =
		dmt_create(&dm_class_ns16550,
			   (const char *const[]){"reg-shift", "2", "reg-io-width", "4", NULL});
	char buf[4];
	dmt_w32(t, SCR * 4, 0x5a);
	assert_int_equal(dmt_r32(t, SCR * 4), 0x5a);
	dmt_w32(t, RBR, 'x');
	assert_int_equal(dmt_r32(t, LSR * 4), 0x60);
	assert_int_equal(dmt_output(t, buf, sizeof(buf)), 1);
	dmt_w32(t, IER * 4, 2);
	assert_int_equal(dmt_r32(t, IIR * 4), 2);
	assert_int_equal(dmt_r32(t, IIR * 4), 1);
	assert_int_equal(t->dm->guest_errors, 0);
	dmt_destroy(t);
}

static void a_crash_loses_nothing_that_was_committed(void **state)
{
	struct dm_test *t = *state;
	out(t, IIR, 0xc1);
	out(t, IER, 3);
	assert_int_equal(dmt_input(t, "abc"), 3);
	dmt_crash(t);
	assert_true(dmt_line(t, 0));
	assert_int_equal(in(t, IIR), 0xcc);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(in(t, RBR), "abc"[i]);
	assert_int_equal(in(t, IIR), 0xc2);
	dmt_crash(t);
	assert_int_equal(in(t, IIR), 0xc1); /* once */
}

static void a_reset_of_the_vm_is_table_iii(void **state)
{
	struct dm_test *t = *state;
	out(t, IIR, 0xc1);
	out(t, IER, 0x0f);
	out(t, MCR, 0x1f);
	dmt_input(t, "abc");
	dmt_reset(t);
	after_reset(state);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(after_reset),
		T(scratch_and_control_keep_their_bits),
		T(divisor_lies_behind_dlab),
		T(characters_go_out_at_once),
		T(one_transmit_interrupt_an_event),
		T(iir_of_a_higher_interrupt_keeps_the_transmit_event),
		T(a_slow_host_clears_thre_and_the_event_comes_when_it_is_over),
		T(without_fifos_one_character_waits),
		T(data_interrupt_follows_the_trigger_level),
		T(timeout_interrupt_after_four_idle_characters),
		T(enabling_the_interrupt_finds_what_is_there),
		T(fifo_control),
		T(loopback),
		T(modem_deltas_are_read_once_and_ri_counts_at_its_end),
		T(overrun),
		T(break_shows_when_its_character_is_next),
		T(interrupts_by_priority),
		cmocka_unit_test(out2_gates_only_if_it_is_told_to),
		T(the_hosts_end_honours_rts_once_the_guest_uses_it),
		cmocka_unit_test(registers_apart_and_wide),
		T(a_crash_loses_nothing_that_was_committed),
		T(a_reset_of_the_vm_is_table_iii),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
