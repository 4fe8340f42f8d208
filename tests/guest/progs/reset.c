/* SPDX-License-Identifier: Apache-2.0 */
/* PSCI SYSTEM_RESET ends the run (the engines are started so that they do not reboot). */
#include "rt.h"

void test_main(void)
{
	group("before the reset");
	CHECK_EQ(read_sysreg(currentel), 4);
	group("reset");
	print("resetting\n");
	while (!(mmio_r32(UART_BASE + 0x18) & 0x80))
		;
	hvc_call(PSCI_SYSTEM_RESET, 0, 0, 0);
	CHECK_EQ(0, 1);
}
