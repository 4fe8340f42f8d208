/* SPDX-License-Identifier: Apache-2.0 */
/* The keyboard controller's tests and control byte, then its reset, which ends the run (both engines are told not to reboot). */
#include "rt.h"

static void wait_status(uint8_t mask, uint8_t want)
{
	for (unsigned i = 0; i < 100000 && (in8(0x64) & mask) != want; i++)
		;
	CHECK_EQ(in8(0x64) & mask, want);
}

static uint8_t ask(uint8_t command)
{
	wait_status(2, 0);
	out8(0x64, command);
	wait_status(1, 1);
	return in8(0x60);
}

void test_main(void)
{
	group("keyboard controller");
	while (in8(0x64) & 1)
		(void)in8(0x60);
	out8(0x64, 0xad);
	CHECK_EQ(ask(0xaa), 0x55);
	CHECK_EQ(ask(0xab), 0x00);
	uint8_t ctr = ask(0x20);
	out8(0x64, 0x60);
	out8(0x60, (uint8_t)(ctr & ~0x43u));
	CHECK_EQ(ask(0x20), ctr & ~0x43u);
	CHECK_EQ(ask(0xd0) & 3, 3);
	CHECK_EQ(in8(0x92) & 1, 0);
	group("reset");
	print("resetting\n");
	while (!(in8(0x3fd) & 0x40))
		;
	out8(0x64, 0xfe);
	for (volatile unsigned i = 0; i < 1000000; i++)
		;
	print("still alive\n");
}
