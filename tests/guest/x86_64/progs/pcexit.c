/* SPDX-License-Identifier: Apache-2.0 */
/* debug-exit (isa-debug-exit): a write ends the run with (value << 1) | 1. */
#include "rt.h"

void test_main(void)
{
	group("exit code");
	CHECK_EQ(in8(0xf4), 0);
	group("end");
	print("ending\n");
	while (!(in8(0x3fd) & 0x40))
		;
	out8(0xf4, 0x10);
	for (volatile unsigned i = 0; i < 1000000; i++)
		;
	print("still alive\n");
}
