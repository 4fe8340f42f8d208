/* SPDX-License-Identifier: Apache-2.0 */
/* The reset register: with --no-reboot the VM ends. */
#include "rt.h"

void test_main(void)
{
	print("asking for a reset\n");
	while (mmio_r32(PL011_BASE + 0x18) & 8)
		;
	out8(0xcf9, 2);
	out8(0xcf9, 6);
	print("still running\n");
}
