/* SPDX-License-Identifier: Apache-2.0 */
/* The keyboard controller as Linux probes it, then its reset, which ends the run (with --no-reboot). */
#include "rt.h"
#include "pc.h"

#define DATA I8042_BASE
#define COMMAND (I8042_BASE + 4)
#define PORT92 (I8042_BASE + 0x32)

static uint8_t ask(uint8_t command)
{
	mmio_w8(COMMAND, command);
	CHECK_EQ(mmio_r8(COMMAND) & 3, 1);
	uint8_t v = mmio_r8(DATA);
	CHECK_EQ(mmio_r8(COMMAND) & 3, 0);
	return v;
}

void test_main(void)
{
	group("an idle controller with nothing plugged in");
	CHECK_EQ(mmio_r8(COMMAND), 0x1c);
	CHECK_EQ(ask(0xaa), 0x55);
	CHECK_EQ(ask(0xab), 0);
	CHECK_EQ(ask(0x20), 0x45);
	CHECK_EQ(ask(0xd0), 0x03);
	CHECK_EQ(mmio_r8(PORT92), 2);
	mmio_w8(PORT92, 0);
	CHECK_EQ(ask(0xd0), 0x01);
	group("reset");
	print("resetting\n");
	uart_drain();
	mmio_w8(COMMAND, 0xfe);
	print("still alive\n");
	uart_drain();
}
