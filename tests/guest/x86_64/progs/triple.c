/* SPDX-License-Identifier: Apache-2.0 */
/* A triple fault is a crash, told with its registers. */
#include "rt.h"

void test_main(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = {0, 0};
	print("about to crash\n");
	while (mmio_r32(PL011_BASE + 0x18) & 8)
		;
	__asm__ volatile("lidt %0\n\tmovq $0x1234abcd, %%rbx\n\tud2" ::"m"(none) : "rbx");
}
