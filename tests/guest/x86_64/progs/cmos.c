/* SPDX-License-Identifier: Apache-2.0 */
/* The PC's real-time clock, on ports, with a fixed time (guest.yaml's and QEMU's -rtc base=): MC146818A data sheet. Flags are polled. */
#include "rt.h"

static uint8_t rd(uint8_t at)
{
	out8(0x70, at);
	return in8(0x71);
}

static void wr(uint8_t at, uint8_t v)
{
	out8(0x70, at);
	out8(0x71, v);
}

/* Waits until C has one of @bits; what it said, 0: it never did. */
static uint8_t wait_flags(uint8_t bits)
{
	uint64_t end = rdtsc() + 30000000000ull;
	while (rdtsc() < end) {
		uint8_t c = rd(0x0c);
		if (c & bits)
			return c;
	}
	return 0;
}

static void test_time(void)
{
	group("time");
	CHECK_EQ(rd(0x0a) & 0x7f, 0x26);
	CHECK_EQ(rd(0x0b), 0x02);
	CHECK_EQ(rd(0x0d), 0x80);
	CHECK_EQ(rd(0x09), 0x01);
	CHECK_EQ(rd(0x08), 0x09);
	CHECK_EQ(rd(0x07), 0x09);
	CHECK_EQ(rd(0x06), 1); /* a Sunday */
	CHECK_EQ(rd(0x32), 0x20);
	CHECK_EQ(rd(0x04), 0x01);
	wr(0x0b, 0x82);
	wr(0x09, 0x24);
	wr(0x08, 0x02);
	wr(0x07, 0x28);
	wr(0x04, 0x23);
	wr(0x02, 0x59);
	wr(0x00, 0x58);
	CHECK_EQ(rd(0x00), 0x58);
	wr(0x0b, 0x02);
	CHECK_EQ(rd(0x07), 0x28);
	rd(0x0c);
	while (rd(0x04)) /* over midnight, into the 29th of a leap year */
		CHECK(wait_flags(0x10));
	CHECK_EQ(rd(0x07), 0x29);
	CHECK_EQ(rd(0x08), 0x02);
	CHECK_EQ(rd(0x02), 0);
}

static void test_ram(void)
{
	group("RAM");
	for (unsigned i = 0x40; i < 0x80; i++)
		wr((uint8_t)(i | 0x80), (uint8_t)(i * 7));
	for (unsigned i = 0x40; i < 0x80; i++)
		CHECK_EQ(rd((uint8_t)i), (uint8_t)(i * 7));
}

static void test_flags(void)
{
	group("flags");
	rd(0x0c);
	CHECK(wait_flags(0x10) & 0x10); /* each second */
	wr(0x01, 0xff);
	wr(0x03, 0xff);
	wr(0x05, 0xff);
	wr(0x0b, 0x22);
	rd(0x0c);
	CHECK_EQ(wait_flags(0x20) & 0xa0, 0xa0); /* the alarm, each second, with IRQF */
	wr(0x0b, 0x42);
	rd(0x0c);
	CHECK_EQ(wait_flags(0x40) & 0xc0, 0xc0); /* 1024 Hz */
	wr(0x0b, 0x02);
	rd(0x0c);
}

void test_main(void)
{
	test_time();
	test_ram();
	test_flags();
}
