/* SPDX-License-Identifier: Apache-2.0 */
/* The second 16550 of a PC, on ports, as far as QEMU models it; the first one is the console. PC16550D data sheet. */
#include "rt.h"

#define COM2 0x2f8
enum { RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static uint8_t in(unsigned reg)
{
	return in8((uint16_t)(COM2 + reg));
}

static void out(unsigned reg, uint8_t v)
{
	out8((uint16_t)(COM2 + reg), v);
}

static void test_registers(void)
{
	group("registers");
	out(IIR, 0);
	out(IER, 0);
	out(MCR, 0);
	CHECK_EQ(in(LSR), 0x60);
	CHECK_EQ(in(IIR), 0x01);
	CHECK_EQ(in(MSR)&0xf0, 0xb0);
	for (unsigned v = 0; v < 256; v += 17) {
		out(SCR, (uint8_t)v);
		CHECK_EQ(in(SCR), v);
		out(LCR, (uint8_t)(v & 0x7f));
		CHECK_EQ(in(LCR), v & 0x7f);
		out(MCR, (uint8_t)(v & 0x0f));
		CHECK_EQ(in(MCR), v & 0x0f);
	}
	out(MCR, 0xff & ~0x10u);
	CHECK_EQ(in(MCR), 0x0f);
	out(IER, 0xf8);
	CHECK_EQ(in(IER), 0x08);
	out(IER, 0);
	out(LCR, 0x83);
	out(RBR, 0x34);
	out(IER, 0x12);
	CHECK_EQ(in(RBR), 0x34);
	CHECK_EQ(in(IER), 0x12);
	out(LCR, 0x03);
	CHECK_EQ(in(IER), 0);
	uint64_t rax = 0x5555555555555555;
	__asm__ volatile("inb %%dx, %%al" : "+a"(rax) : "d"((uint16_t)(COM2 + LCR)));
	CHECK_EQ(rax, 0x5555555555555503);
}

static void test_transmit_event(void)
{
	group("one transmit interrupt an event");
	out(IER, 2);
	CHECK_EQ(in(IIR), 0x02);
	CHECK_EQ(in(IIR), 0x01);
	out(IER, 0);
	out(IER, 2);
	CHECK_EQ(in(IIR), 0x02);
	CHECK_EQ(in(IIR), 0x01);
	out(IER, 0);
	CHECK_EQ(in(LSR), 0x60);
}

static void test_loop(void)
{
	static const uint8_t levels[] = {1, 4, 8, 14};
	unsigned n = 0;
	group("loopback and FIFO");
	out(MCR, 0x10);
	for (unsigned m = 0; m < 16; m++) {
		out(MCR, (uint8_t)(0x10 | m));
		CHECK_EQ(in(MSR)&0xf0, (m & 2 ? 0x10 : 0) | (m & 1 ? 0x20 : 0) |
					       (m & 4 ? 0x40 : 0) | (m & 8 ? 0x80 : 0));
	}
	out(MCR, 0x10);
	out(IIR, 0x07);
	CHECK_EQ(in(IIR), 0xc1);
	for (unsigned i = 0; i < 40; i++)
		out(RBR, (uint8_t)('A' + i));
	CHECK_EQ(in(LSR), 0x63);
	CHECK_EQ(in(LSR), 0x61);
	while (in(LSR)&1) {
		CHECK_EQ(in(RBR), 'A' + n);
		n++;
	}
	CHECK_EQ(n, 16);
	out(IER, 1);
	for (unsigned l = 0; l < 4; l++) {
		out(IIR, (uint8_t)(0x03 | l << 6));
		for (unsigned i = 1; i <= levels[l]; i++) {
			if (i > 1)
				CHECK((in(IIR)&0x0f) != 4);
			out(RBR, (uint8_t)i);
		}
		CHECK_EQ(in(IIR), 0xc4);
	}
	out(IER, 0);
	out(IIR, 0);
	CHECK_EQ(in(IIR), 0x01);
	CHECK_EQ(in(LSR)&0x61, 0x60);
	out(MCR, 0);
}

void test_main(void)
{
	test_registers();
	test_transmit_event();
	test_loop();
}
