/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 16550A as Linux probes it (drivers/tty/serial/8250/8250_port.c, 6.1: autoconfig, size_fifo, the THRE and TXEN tests at
 * startup): each step's expectation is what makes the driver take it for a 16550A with 16 bytes and no bugs.
 */
#include "devmodel/core/testenv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

extern const struct dm_class dm_class_ns16550;

enum { RX, IER, IIR, LCR, MCR, LSR, MSR, SCR, TX = 0, FCR = 2, EFR = 2, DLL = 0, DLM = 1 };

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

static void there_is_a_uart(struct dm_test *t)
{
	out(t, IER, 0);
	assert_int_equal(in(t, IER) & 0x0f, 0);
	out(t, IER, 0x0f);
	assert_int_equal(in(t, IER) & 0x0f, 0x0f);
	out(t, IER, 0);
	out(t, MCR, 0x10 | 0x0a);
	assert_int_equal(in(t, MSR) & 0xf0, 0x90);
	out(t, MCR, 0);
	out(t, LCR, 0xbf);
	out(t, EFR, 0);
	out(t, LCR, 0);
	out(t, FCR, 0x01);
	assert_int_equal(in(t, IIR) >> 6, 3); /* 16550A or better */
}

static void it_is_no_better_one(struct dm_test *t)
{
	out(t, LCR, 0x80);
	assert_int_not_equal(in(t, EFR), 0); /* else it looks for an EFR */
	out(t, LCR, 0xbf);
	assert_int_not_equal(in(t, EFR), 0);
	out(t, LCR, 0); /* National's super I/O: EXCR1 follows MCR's loop bit */
	uint8_t mcr = in(t, MCR);
	out(t, LCR, 0xe0);
	assert_false((in(t, 2) ^ mcr) & 0x10);
	out(t, LCR, 0);
	out(t, MCR, mcr ^ 0x10);
	out(t, LCR, 0xe0);
	uint8_t excr = in(t, 2);
	out(t, LCR, 0);
	out(t, MCR, mcr);
	assert_false((excr ^ mcr) & 0x10);
	out(t, FCR, 0x21); /* TI 16750: 64 bytes, with DLAB only */
	unsigned s1 = in(t, IIR) >> 5;
	out(t, FCR, 0x01);
	out(t, LCR, 0x80);
	out(t, FCR, 0x21);
	unsigned s2 = in(t, IIR) >> 5;
	out(t, FCR, 0x01);
	out(t, LCR, 0);
	assert_false(s1 == 6 && s2 == 7);
	out(t, IER, 0x40); /* XScale: IER.UUE */
	assert_false(in(t, IER) & 0x40);
	out(t, IER, 0);
}

static void its_fifo_has_16_bytes(struct dm_test *t)
{
	unsigned count = 0;
	out(t, LCR, 0);
	out(t, FCR, 0x07);
	out(t, MCR, 0x10);
	out(t, LCR, 0x80);
	uint8_t dll = in(t, DLL), dlm = in(t, DLM);
	out(t, DLL, 1);
	out(t, DLM, 0);
	out(t, LCR, 0x03);
	for (unsigned i = 0; i < 256; i++)
		out(t, TX, i);
	dmt_advance(t, 20000000);
	while (in(t, LSR) & 1 && count < 256)
		assert_int_equal(in(t, RX), count++);
	assert_int_equal(count, 16);
	out(t, FCR, 0x01);
	out(t, MCR, 0);
	out(t, LCR, 0x80);
	out(t, DLL, dll);
	out(t, DLM, dlm);
	out(t, LCR, 0);
	out(t, IER, 0);
}

static void startup_finds_no_bugs(struct dm_test *t)
{
	out(t, FCR, 0x01);
	out(t, FCR, 0x07);
	out(t, FCR, 0);
	in(t, LSR);
	in(t, RX);
	in(t, IIR);
	in(t, MSR);
	assert_int_not_equal(in(t, LSR), 0xff);
	out(t, IER, 2); /* the THRE test: asserted anew when it is enabled anew */
	uint8_t iir1 = in(t, IIR);
	out(t, IER, 0);
	out(t, IER, 2);
	uint8_t iir2 = in(t, IIR);
	out(t, IER, 0);
	assert_false(iir1 & 1);
	assert_false(iir2 & 1);
	out(t, LCR, 0x03);
	out(t, MCR, 0x0b);
	out(t, IER, 2); /* the TXEN test */
	uint8_t lsr = in(t, LSR), iir = in(t, IIR);
	out(t, IER, 0);
	assert_true(lsr & 0x40);
	assert_false(iir & 1);
	assert_false(in(t, LSR) & 0x1e);
	in(t, RX);
	in(t, IIR);
	in(t, MSR);
	out(t, FCR, 0x81);
	out(t, IER, 0x05);
	assert_false(dmt_line(t, 0));
	assert_int_equal(in(t, IIR), 0xc1);
}

static void linux_takes_it_for_a_16550a(void **state)
{
	there_is_a_uart(*state);
	it_is_no_better_one(*state);
	its_fifo_has_16_bytes(*state);
	startup_finds_no_bugs(*state);
}

/* serial8250_tx_chars: fills the FIFO, stops the transmit interrupt when there is nothing more. */
static void linux_writes_by_interrupts(void **state)
{
	struct dm_test *t = *state;
	char buf[128];
	unsigned sent = 0, interrupts = 0;
	out(t, FCR, 0x81);
	out(t, MCR, 0x0b);
	out(t, IER, 0x07);
	while (dmt_line(t, 0)) {
		assert_int_equal(in(t, IIR), 0xc2);
		interrupts++;
		if (!(in(t, LSR) & 0x20))
			break;
		for (unsigned i = 0; i < 16 && sent < 100; i++)
			out(t, TX, 'a' + sent++ % 26);
		if (sent == 100)
			out(t, IER, 0x05);
	}
	assert_int_equal(interrupts, 7);
	assert_int_equal(dmt_output(t, buf, sizeof(buf)), 100);
	assert_int_equal(in(t, IIR), 0xc1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(linux_takes_it_for_a_16550a),
					   T(linux_writes_by_interrupts)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
