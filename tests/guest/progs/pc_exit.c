/* SPDX-License-Identifier: Apache-2.0 */
/* debug-exit: the write ends the run, and nothing is executed after it. */
#include "rt.h"
#include "pc.h"

void test_main(void)
{
	group("before the end");
	CHECK_EQ(mmio_r32(EXIT_BASE), 0);
	group("end");
	print("ending\n");
	uart_drain();
	mmio_w32(EXIT_BASE, 0x10);
	print("still alive\n");
	uart_drain();
}
