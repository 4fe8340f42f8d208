/* SPDX-License-Identifier: Apache-2.0 */
/* PL011 against ARM DDI 0183G. */
#include "devmodel/core/testenv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

extern const struct dm_class dm_class_pl011;

enum {
	DR = 0x00,
	RSR = 0x04,
	FR = 0x18,
	ILPR = 0x20,
	IBRD = 0x24,
	FBRD = 0x28,
	LCR_H = 0x2c,
	CR = 0x30,
	IFLS = 0x34,
	IMSC = 0x38,
	RIS = 0x3c,
	MIS = 0x40,
	ICR = 0x44,
	DMACR = 0x48,
};
#define RXFE 0x10u
#define TXFF 0x20u
#define RXFF 0x40u
#define TXFE 0x80u
#define BUSY 0x08u
#define FEN 0x10u
#define WLEN8 0x60u
#define INT_RX 0x10u
#define INT_TX 0x20u
#define INT_RT 0x40u
#define INT_BE 0x200u
#define INT_OE 0x400u
#define CR_LBE 0x80u

static int setup(void **state)
{
	*state = dmt_create(&dm_class_pl011, NULL);
	return 0;
}

static int teardown(void **state)
{
	dmt_destroy(*state);
	return 0;
}

static void reset_values_are_those_of_the_manual(void **state)
{
	struct dm_test *t = *state;
	static const uint32_t want[][2] = {
		{RSR, 0},   {FR, TXFE | RXFE}, {ILPR, 0},     {IBRD, 0},     {FBRD, 0},
		{LCR_H, 0}, {CR, 0x300},       {IFLS, 0x12},  {IMSC, 0},     {RIS, 0},
		{MIS, 0},   {DMACR, 0},	       {0xfe0, 0x11}, {0xfe4, 0x10}, {0xfe8, 0x14},
		{0xfec, 0}, {0xff0, 0x0d},     {0xff4, 0xf0}, {0xff8, 0x05}, {0xffc, 0xb1}};
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(dmt_r32(t, want[i][0]), want[i][1]);
	assert_false(dmt_line(t, 0));
}

static void registers_keep_their_bits_only(void **state)
{
	struct dm_test *t = *state;
	static const uint32_t want[][2] = {{ILPR, 0xff},  {IBRD, 0xffff}, {FBRD, 0x3f},
					   {LCR_H, 0xff}, {CR, 0xff87},	  {IFLS, 0x3f},
					   {IMSC, 0x7ff}, {DMACR, 7}};
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		dmt_w32(t, want[i][0], 0xffffffff);
		assert_int_equal(dmt_r32(t, want[i][0]), want[i][1]);
	}
}

static void output_needs_no_setting_up(void **state)
{
	struct dm_test *t = *state;
	char buf[16];
	dmt_w32(t, DR, 'h');
	dmt_write(t, DR, 1, 'e');
	dmt_write(t, DR, 2, 'y');
	assert_int_equal(dmt_output(t, buf, sizeof(buf)), 3);
	assert_string_equal(buf, "hey");
	assert_int_equal(dmt_r32(t, FR), TXFE | RXFE);
}

static void a_slow_host_shows_as_a_full_fifo_until_it_has_caught_up(void **state)
{
	struct dm_test *t = *state;
	char buf[8192];
	unsigned n = 0;
	dmt_w32(t, IMSC, INT_TX);
	while (!(dmt_r32(t, FR) & TXFF)) {
		dmt_w32(t, DR, 'a' + n++ % 26);
		assert_true(n < 10000);
	}
	assert_int_equal(dmt_r32(t, FR) & (TXFF | TXFE | BUSY), TXFF | BUSY);
	assert_int_equal(dmt_r32(t, RIS) & INT_TX, 0); /* a driver may write half a FIFO for each */
	assert_false(dmt_line(t, 0));
	for (unsigned i = 0; i < 576; i++) /* posted before FR could be seen */
		dmt_w32(t, DR, 'a' + n++ % 26);
	assert_false(dmt_line(t, 0));
	assert_int_equal(dmt_output(t, buf, sizeof(buf)), n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(buf[i], 'a' + i % 26);
	assert_int_equal(dmt_r32(t, FR) & (TXFF | TXFE | BUSY), TXFE);
	assert_true(dmt_line(t, 0)); /* room again */
}

static void tx_interrupt_follows_a_write_and_the_mask(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, DR, 'x');
	assert_int_equal(dmt_r32(t, RIS), INT_TX);
	assert_int_equal(dmt_r32(t, MIS), 0);
	assert_false(dmt_line(t, 0));
	dmt_w32(t, IMSC, INT_TX);
	assert_int_equal(dmt_r32(t, MIS), INT_TX);
	assert_true(dmt_line(t, 0));
	dmt_w32(t, ICR, INT_TX);
	assert_int_equal(dmt_r32(t, RIS), 0);
	assert_false(dmt_line(t, 0));
}

static void without_fifos_one_character_fits(void **state)
{
	struct dm_test *t = *state;
	assert_int_equal(dmt_input(t, "ab"), 1);
	assert_int_equal(dmt_r32(t, FR) & (RXFE | RXFF), RXFF);
	assert_int_equal(dmt_r32(t, RIS) & INT_RX, INT_RX);
	assert_int_equal(dmt_r32(t, DR), 'a');
	assert_int_equal(dmt_r32(t, FR) & (RXFE | RXFF), RXFE);
	assert_int_equal(dmt_r32(t, RIS), 0);
	assert_int_equal(dmt_r32(t, DR), 0);
}

static void with_fifos_sixteen_fit_and_come_out_in_order(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, LCR_H, FEN | 0x60);
	assert_int_equal(dmt_input(t, "0123456789abcdefgh"), 16);
	assert_int_equal(dmt_r32(t, FR) & (RXFE | RXFF), RXFF);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(dmt_r32(t, DR), "0123456789abcdef"[i]);
	assert_int_equal(dmt_r32(t, FR) & (RXFE | RXFF), RXFE);
}

static void rx_interrupt_rises_at_each_level_of_ifls(void **state)
{
	struct dm_test *t = *state;
	static const unsigned level[] = {2, 4, 8, 12, 14};
	dmt_w32(t, LCR_H, FEN);
	for (unsigned sel = 0; sel < 5; sel++) {
		dmt_w32(t, IFLS, sel << 3);
		for (unsigned n = 1; n <= 16; n++) {
			assert_int_equal(dmt_input(t, "x"), 1);
			assert_int_equal(!!(dmt_r32(t, RIS) & INT_RX), n >= level[sel]);
		}
		for (unsigned n = 16; n-- > 0;) {
			dmt_r32(t, DR);
			assert_int_equal(!!(dmt_r32(t, RIS) & INT_RX), n >= level[sel]);
		}
	}
}

static void below_the_level_the_timeout_interrupt_tells(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, LCR_H, FEN);
	dmt_w32(t, IMSC, INT_RT);
	dmt_input(t, "ab");
	assert_int_equal(dmt_r32(t, RIS), INT_RT);
	assert_true(dmt_line(t, 0));
	dmt_r32(t, DR);
	assert_true(dmt_line(t, 0));
	dmt_r32(t, DR);
	assert_false(dmt_line(t, 0));
}

static void a_cleared_timeout_comes_back_after_32_bit_periods(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, LCR_H, FEN);
	dmt_w32(t, IBRD,
		13); /* 24 MHz / (16 * (13 + 1/64)) = 115246 baud: 32 bits take 277.667 us */
	dmt_w32(t, FBRD, 1);
	dmt_w32(t, IMSC, INT_RT);
	dmt_input(t, "ab");
	dmt_w32(t, ICR, INT_RT);
	assert_false(dmt_line(t, 0));
	dmt_advance(t, 277600);
	assert_false(dmt_line(t, 0));
	dmt_advance(t, 100);
	assert_true(dmt_line(t, 0));
	dmt_w32(t, ICR, INT_RT);
	dmt_r32(t, DR);
	dmt_r32(t, DR); /* empty: nothing is left to tell of */
	dmt_advance(t, 10000000);
	assert_false(dmt_line(t, 0));
}

static void loopback_receives_what_is_sent_and_nothing_else(void **state)
{
	struct dm_test *t = *state;
	char buf[8];
	dmt_w32(t, CR, 0x301 | CR_LBE);
	dmt_w32(t, LCR_H, FEN | WLEN8);
	assert_int_equal(dmt_input(t, "z"), 0);
	dmt_w32(t, DR, 'q');
	assert_int_equal(dmt_r32(t, DR), 'q');
	dmt_w32(t, LCR_H, FEN); /* words of 5 bits */
	dmt_w32(t, DR, 0xff);
	assert_int_equal(dmt_r32(t, DR), 0x1f);
	assert_int_equal(dmt_output(t, buf, sizeof(buf)), 0);
}

static void overrun_in_loopback_sets_oe_and_keeps_the_fifo(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, CR, 0x301 | CR_LBE);
	dmt_w32(t, LCR_H, WLEN8);
	dmt_w32(t, DR, 'a');
	dmt_w32(t, DR, 'b');
	assert_int_equal(dmt_r32(t, RIS) & INT_OE, INT_OE);
	assert_int_equal(dmt_r32(t, DR), 'a');
	dmt_w32(t, DR, 'c');
	assert_int_equal(dmt_r32(t, DR), 0x800 | 'c');
	assert_int_equal(dmt_r32(t, RSR), 8);
	dmt_w32(t, RSR, 0);
	assert_int_equal(dmt_r32(t, RSR), 0);
	dmt_w32(t, ICR, INT_OE);
	assert_int_equal(dmt_r32(t, RIS) & INT_OE, 0);
}

static void break_in_loopback_is_received_as_one_zero_with_be(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, CR, 0x301 | CR_LBE);
	dmt_w32(t, LCR_H, 1);
	assert_int_equal(dmt_r32(t, RIS) & INT_BE, INT_BE);
	assert_int_equal(dmt_r32(t, DR), 0x400);
	assert_int_equal(dmt_r32(t, RSR), 4);
	assert_int_equal(dmt_r32(t, FR) & RXFE, RXFE);
}

static void modem_outputs_come_back_in_loopback(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, CR, CR_LBE | 0x0400 | 0x0800 | 0x1000 | 0x2000);
	assert_int_equal(dmt_r32(t, FR) & 0x107, 0x107);
	assert_int_equal(dmt_r32(t, RIS) & 0xf, 0xf);
	dmt_w32(t, CR, 0x300);
	assert_int_equal(dmt_r32(t, FR) & 0x107, 0);
}

static void changing_fen_flushes_the_receive_fifo(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, LCR_H, FEN);
	dmt_input(t, "abc");
	dmt_w32(t, LCR_H, 0);
	assert_int_equal(dmt_r32(t, FR) & RXFE, RXFE);
	assert_int_equal(dmt_r32(t, RIS) & (INT_RX | INT_RT), 0);
}

static void input_waits_while_the_driver_has_the_receiver_off(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, CR, 0x101); /* TXE, UARTEN */
	assert_int_equal(dmt_input(t, "a"), 0);
	dmt_w32(t, CR, 0x301);
	assert_int_equal(dmt_input(t, "a"), 1);
}

static void narrow_and_odd_accesses(void **state)
{
	struct dm_test *t = *state;
	dmt_write(t, CR + 1, 1, 0x0b);
	assert_int_equal(dmt_r32(t, CR), 0x0b00);
	assert_int_equal(dmt_read(t, 0xff4, 1), 0xf0);
	assert_int_equal(dmt_read(t, 0xff4, 2), 0xf0);
	dmt_read(t, 0x08, 4);
	dmt_write(t, 0x80, 4, 1);
	assert_int_equal(t->dm->guest_errors, 2);
}

static void reset_brings_it_back(void **state)
{
	struct dm_test *t = *state;
	dmt_w32(t, LCR_H, FEN);
	dmt_w32(t, IMSC, 0x7ff);
	dmt_input(t, "abc");
	assert_true(dmt_line(t, 0));
	dmt_reset(t);
	assert_false(dmt_line(t, 0));
	reset_values_are_those_of_the_manual(state);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(reset_values_are_those_of_the_manual),
		T(registers_keep_their_bits_only),
		T(output_needs_no_setting_up),
		T(a_slow_host_shows_as_a_full_fifo_until_it_has_caught_up),
		T(tx_interrupt_follows_a_write_and_the_mask),
		T(without_fifos_one_character_fits),
		T(with_fifos_sixteen_fit_and_come_out_in_order),
		T(rx_interrupt_rises_at_each_level_of_ifls),
		T(below_the_level_the_timeout_interrupt_tells),
		T(a_cleared_timeout_comes_back_after_32_bit_periods),
		T(loopback_receives_what_is_sent_and_nothing_else),
		T(overrun_in_loopback_sets_oe_and_keeps_the_fifo),
		T(break_in_loopback_is_received_as_one_zero_with_be),
		T(modem_outputs_come_back_in_loopback),
		T(changing_fen_flushes_the_receive_fifo),
		T(input_waits_while_the_driver_has_the_receiver_off),
		T(narrow_and_odd_accesses),
		T(reset_brings_it_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
