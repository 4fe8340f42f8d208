/* SPDX-License-Identifier: Apache-2.0 */
/* pvpanic with action: stop: events that are handled by the guest go on, a panic ends the run. */
#include "rt.h"
#include "pc.h"

void test_main(void)
{
	group("events that are known");
	CHECK_EQ(mmio_r8(PVPANIC_BASE), 7);
	mmio_w8(PVPANIC_BASE, 0xf8);
	mmio_w8(PVPANIC_BASE, 2);
	CHECK_EQ(mmio_r8(PVPANIC_BASE), 7);
	group("panic");
	print("panicking\n");
	uart_drain();
	mmio_w8(PVPANIC_BASE, 1);
	print("still alive\n");
	uart_drain();
}
