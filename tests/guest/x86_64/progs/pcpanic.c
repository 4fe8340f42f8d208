/* SPDX-License-Identifier: Apache-2.0 */
/* pvpanic on its port: what the guest handles by itself goes on, a panic ends the run. */
#include "rt.h"

void test_main(void)
{
	group("events");
	CHECK_EQ(in8(0x505), 3);
	out8(0x505, 2);
	CHECK_EQ(in8(0x505), 3);
	group("panic");
	print("panicking\n");
	while (!(in8(0x3fd) & 0x40))
		;
	out8(0x505, 1);
	for (volatile unsigned i = 0; i < 1000000; i++)
		;
	print("still alive\n");
}
